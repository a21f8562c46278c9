# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles called in the scenario tripleo, and the files that they left there, against the real packages.

The stand-ins took it all; this says whether the real ones would have.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import infrared_harness
import pytest
from deployment_harness import DIRECTORY
from release_harness import Release, load

UNDERCLOUDS = ("s1undercloud-0", "s2undercloud-0")


@dataclass(frozen=True)
class Calls:
    """Command lines by the node on which they ran (none for those of this machine), and files of underclouds."""

    directory: Path

    def of(self, node: str, program: str) -> list[list[str]]:
        """Each of the command lines of a program once."""
        calls = json.loads((self.directory / "calls.json").read_text())["calls"]
        found = {tuple(argv) for where, *argv in calls if where == node and argv[0] == program}
        return [list(argv) for argv in sorted(found)]

    def files(self, node: str) -> dict[str, Any]:
        """The files of an undercloud by their paths."""
        root = self.directory / node
        paths = [path for path in root.rglob("*") if path.suffix in (".yaml", ".json")]
        return {f"{DIRECTORY}/{path.relative_to(root)}": load(path) for path in paths}

    def deploy(self, node: str) -> list[str]:
        """The command line that deploys the overcloud."""
        (found,) = [argv for argv in self.of(node, "openstack") if argv[1:3] == ["overcloud", "deploy"]]
        return found


@pytest.fixture
def calls(release: Release) -> Calls:
    """Give what one run of the scenario left."""
    directory = Path(os.environ["STANDIN_CALLS"]) / release.packages.name
    if not directory.exists():
        pytest.skip(f"the scenario was not run with {release.packages.name}")
    return Calls(directory)


@pytest.mark.parametrize("undercloud", UNDERCLOUDS)
def test_the_client_takes_them(release: Release, calls: Calls, undercloud: str) -> None:
    commands, files = calls.of(undercloud, "openstack"), calls.files(undercloud)
    for step in ("overcloud node import", "overcloud node introspect", "overcloud deploy"):
        assert any(f" {step} " in " ".join(command) for command in commands), step
    assert len(files) > 5
    assert release.command_problems(commands, files) == []


@pytest.mark.parametrize("undercloud", UNDERCLOUDS)
def test_deploy_takes_its_files(release: Release, calls: Calls, undercloud: str) -> None:
    argv, files = calls.deploy(undercloud), calls.files(undercloud)
    environments = [value for option, value in zip(argv, argv[1:]) if option == "-e"]
    assert environments
    assert release.deploy_problems(argv, files) == []
    assert release.environment_problems(environments, files) == []
    assert release.password_problems(environments, files) == []


@pytest.mark.parametrize("undercloud", UNDERCLOUDS)
def test_ironic_takes_the_nodes(release: Release, calls: Calls, undercloud: str) -> None:
    nodes = calls.files(undercloud)[f"{DIRECTORY}/instackenv.json"]["nodes"]
    assert len(nodes) == 4
    release.ask("nodes", nodes=nodes)


@pytest.mark.usefixtures("release")
def test_infrared_takes_them(calls: Calls) -> None:
    commands = calls.of("", "infrared")
    assert len(commands) > 4
    assert [problem for argv in commands for problem in infrared_harness.problems(argv)] == []
