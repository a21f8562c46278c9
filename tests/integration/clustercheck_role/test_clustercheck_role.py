# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role on three nodes that are this machine: Pacemaker's commands on a file; systemd and the engine noted down."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("cibadmin") is None, reason="needs the package pacemaker-cli-utils"),
]
ROOT = Path(__file__).resolve().parents[3]
NODES = ("n1", "n2", "n3")

# Says that the unit runs on a node until it is stopped there. The nodes differ by the variable that their Python sets.
SYSTEMCTL = """#!/bin/sh
if [ "$1" = show ]; then
    state=inactive
    [ -e "$DIRECTORY/$NODE.unit" ] && state=active
    printf 'Id=%s\\nLoadState=loaded\\nActiveState=%s\\nSubState=running\\nMainPID=0\\n' "$4" $state
    exit 0
fi
if [ "$1" = stop ]; then
    rm "$DIRECTORY/$NODE.unit"
    echo "$NODE: unit gone" >> "$DIRECTORY/log"
fi
"""
NOTHING = "#!/bin/sh\nexit 0\n"
CIB_PUSH = """#!/bin/sh
[ "$1" = --patch ] && echo "$NODE: changes the CIB" >> "$DIRECTORY/log"
exec {original} "$@"
"""
PLAYBOOK: list[dict[str, Any]] = [
    {
        "hosts": "all",
        "gather_facts": False,
        "any_errors_fatal": True,
        "environment": {"PATH": "{{ directory }}/bin:{{ lookup('env', 'PATH') }}", "DIRECTORY": "{{ directory }}"},
        "tasks": [
            {
                "name": "The role",
                "ansible.builtin.include_role": {"name": "stretch.cluster.clustercheck"},
                "vars": {
                    "clustercheck_name": "cc_of_a_test",
                    "clustercheck_controllers": list(NODES),
                    "clustercheck_address": "127.0.0.1",
                    "clustercheck_port": "{{ answering_port }}",
                    "clustercheck_socket": "/var/lib/mysql/mysql.sock",
                    "clustercheck_password": "secret % of the test",
                    "clustercheck_image": "localhost/service",
                    "clustercheck_wait": 20,
                    "clustercheck_config_root": "{{ directory }}/root",
                },
            }
        ],
    }
]


class Play:
    """The playbook, and what it did."""

    def __init__(self, directory: Path, port: int) -> None:
        """Write the playbook, the inventory and the commands."""
        self.directory = directory
        self.cib = directory / "cib.xml"
        cib = (ROOT / "tests/unit/fixtures/cib_made_by_pcs.xml").read_text(encoding="utf-8")
        self.cib.write_text(cib.replace("</nodes>", '<node id="3" uname="n3"/></nodes>'), encoding="utf-8")
        (directory / "bin").mkdir()
        original = shutil.which("cibadmin")
        commands = {
            "systemctl": SYSTEMCTL,
            "podman": NOTHING,
            "crm_resource": NOTHING,
            "cibadmin": CIB_PUSH.format(original=original),
        }
        for name in NODES:
            commands[f"python-{name}"] = f'#!/bin/sh\nNODE={name} exec {sys.executable} "$@"\n'
        for name, text in commands.items():
            (directory / "bin" / name).write_text(text)
            (directory / "bin" / name).chmod(0o755)
        (directory / "play.yml").write_text(json.dumps(PLAYBOOK))
        hosts = {
            name: {"ansible_connection": "local", "ansible_python_interpreter": str(directory / f"bin/python-{name}")}
            for name in NODES
        }
        inventory = {"all": {"hosts": hosts, "vars": {"directory": str(directory), "answering_port": port}}}
        (directory / "ansible.cfg").write_text("[defaults]\nstdout_callback = ansible.posix.json\n")
        (directory / "hosts.yml").write_text(json.dumps(inventory))

    def units(self) -> list[str]:
        """Nodes on which systemd runs the check."""
        return sorted(path.stem for path in self.directory.glob("*.unit"))

    def log(self) -> list[str]:
        """What was done, in order, and forget it."""
        path = self.directory / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def run(self, *arguments: str, fails: bool = False) -> tuple[int, str]:
        """Run it; return the sum of the changes and the output."""
        command = ["ansible-playbook", "-i", self.directory / "hosts.yml", self.directory / "play.yml", *arguments]
        environment = {
            **os.environ,
            "CIB_file": str(self.cib),
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        found = json.loads(done.stdout[done.stdout.index("{") :])
        return sum(host["changed"] for host in found["stats"].values()), done.stdout


@pytest.fixture
def port() -> Iterator[int]:
    """A port where something answers, as the check does once it is up."""
    with socket.create_server(("127.0.0.1", 0)) as answering:
        yield int(answering.getsockname()[1])


@pytest.fixture
def play(tmp_path: Path, port: int) -> Play:
    return Play(tmp_path, port)


def test_it_makes_one_bundle_and_then_nothing(play: Play) -> None:
    before = play.cib.read_bytes()
    assert play.run("--check")[0] == 4, "files on three nodes, the CIB once"
    assert (play.cib.read_bytes(), play.log()) == (before, [])
    play.run()
    assert play.log() == ["n1: changes the CIB"]
    text = play.cib.read_text(encoding="utf-8")
    for part in (
        '<bundle id="cc-of-a-test-bundle">',
        'replicas="3"',
        'network="host"',
        'attribute="cc-of-a-test-role"',
        'target-dir="/etc/clustercheck"',
    ):
        assert part in text
    assert "secret" not in text
    files = {
        path.name: path.stat().st_mode & 0o777 for path in (play.directory / "root").rglob("*.*") if path.is_file()
    }
    assert files == {
        "clustercheck.ini": 0o600,
        "clustercheck.py": 0o644,
        "clustercheck_answers.py": 0o644,
        "galera_report.py": 0o644,
    }
    assert play.run("--check")[0] == 0
    assert play.run()[0] == 0
    assert play.log() == []


def test_systemds_checks_are_replaced_one_after_another(play: Play) -> None:
    for node in NODES:
        (play.directory / f"{node}.unit").touch()
    assert play.run("--check")[0] > 0
    assert (play.units(), play.log()) == (list(NODES), [])
    play.run()
    assert play.units() == []
    assert play.log() == [line for node in NODES for line in (f"{node}: unit gone", "n1: changes the CIB")], (
        "never two nodes without a check"
    )
    assert play.run()[0] == 0


def test_an_interrupted_replacement_is_taken_up(play: Play) -> None:
    (play.directory / "n2.unit").touch()
    play.run()
    assert play.log() == ["n2: unit gone", "n1: changes the CIB", "n1: changes the CIB"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clustercheck_controllers": ["n1", "n2"]}, "n3 is not in clustercheck_controllers (n1, n2)"),
        ({"clustercheck_state_directory": "/x"}, "Give both clustercheck_galera_directory and"),
    ],
)
def test_bad_input_is_said_before_anything_changes(play: Play, options: dict[str, Any], message: str) -> None:
    before = play.cib.read_bytes()
    # Extra variables come before those of a task.
    output = play.run("-e", json.dumps(options), fails=True)[1]
    assert message in output
    assert (play.cib.read_bytes(), play.log(), (play.directory / "root").exists()) == (before, [], False)
