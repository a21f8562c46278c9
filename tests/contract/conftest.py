# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that ask the real things."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_harness import HERE, RELEASES, Asked
from deployment_harness import Deployment
from deployment_harness import deployment as deployed
from release_harness import Release

# Infrared is on no package index: make contract-infrared names a checkout. make tripleo leaves what its roles called.
NEEDS = {"test_infrared_checkout.py": "INFRARED", "test_scenario_calls.py": "STANDIN_CALLS"}
collect_ignore = [name for name, variable in NEEDS.items() if variable not in os.environ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say of each release whether it was checked, and if not, why."""
    for name in RELEASES:
        counts = {}
        for outcome in ("passed", "failed", "error", "skipped"):
            reports = terminalreporter.stats.get(outcome, [])
            counts[outcome] = [
                report for report in reports if f"[{name}" in report.nodeid and "infrared" not in report.nodeid
            ]
        if counts["skipped"]:
            terminalreporter.write_line(f"{name}: not checked: {counts['skipped'][0].longrepr[2]}", yellow=True)
        elif any(counts.values()):
            told = ", ".join(f"{len(reports)} {outcome}" for outcome, reports in counts.items() if reports)
            terminalreporter.write_line(f"{name}: checked by its own packages: {told}")


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Ask the real packages of a release."""
    made = Release(RELEASES[request.param], tmp_path_factory.mktemp(request.param))
    yield made
    made.asked.close()


@pytest.fixture(params=["stack1", "stack2"])
def deployment(request: pytest.FixtureRequest, release: Release) -> Deployment:
    """Give one stack of two, in the release."""
    return deployed(release.packages.name, request.param, "stack1", "stack2")


@pytest.fixture
def one(release: Release) -> Deployment:
    """Give one stack, to have something wrong in it."""
    return deployed(release.packages.name, "stack2", "stack1", "stack2")


@pytest.fixture
def hypervisor(tmp_path: Path) -> Iterator[Asked]:
    """Run a hypervisor of libvirt's test driver, which has one network and one machine of its own."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import libvirt"], check=False, capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("no Python of this machine has libvirt (package python3-libvirt)")
    # Pure Python, of whatever version.
    packages = sysconfig.get_path("purelib")
    asked = Asked([python, HERE / "real_libvirt_harness.py"], tmp_path / "libvirt.log", PYTHONPATH=packages)
    yield asked
    asked.close()
