# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role on two stacks of two nodes, all of them directories of this machine; restarts are lines in a log."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NODES = {f"s{stack}controller-{index}": (stack, index) for stack in (1, 2) for index in (0, 1)}
RESTART = "test ! -e $0/broken-$2 && echo $1 $2 >> $0/log"

pytestmark = pytest.mark.integration


@dataclass
class Regions:
    """The nodes' directories, and a play of the role."""

    directory: Path

    def lay(self) -> None:
        """Write what Ansible needs, and each node's configuration."""
        restart = {
            name: ["sh", "-c", RESTART, "{{ directory }}", name, "{{ inventory_hostname }}"]
            for name in ("nova", "placement")
        }
        hosts = {
            node: {
                "stretch_index": index,
                "stretch_site": {"region": f"region_stack{stack}", "config_root": str(self.directory / node)},
            }
            for node, (stack, index) in NODES.items()
        }
        play = {
            "hosts": "all",
            "gather_facts": False,
            "any_errors_fatal": True,
            "vars": {
                "directory": str(self.directory),
                "stretch_regions_restart": restart,
            },
            "tasks": [{"name": "Regions", "ansible.builtin.include_role": {"name": "stretch.cluster.stretch_regions"}}],
        }
        connection = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        (self.directory / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": connection}}))
        (self.directory / "play.yml").write_text(json.dumps([play]))
        (self.directory / "ansible.cfg").write_text("[defaults]\nstdout_callback = ansible.posix.json\n")
        for node in NODES:
            for name, text in (
                ("nova", "[DEFAULT]\ndebug = true\n"),
                ("placement", "[keystone_authtoken]\nauth_url = http://host\n"),
            ):
                path = self.directory / node / name / "etc" / name / f"{name}.conf"
                path.parent.mkdir(parents=True)
                path.write_text(text)

    def play(self, *arguments: str, fails: bool = False) -> int:
        """Run the play and return how many tasks changed something."""
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
        }
        # The nodes are all this machine; nothing but an extra variable goes before a role's own.
        pending = {"__stretch_regions_pending": f"{self.directory}/{{{{ inventory_hostname }}}}/pending"}
        command = ["ansible-playbook", "-i", self.directory / "hosts.yml", self.directory / "play.yml"]
        command += ["-e", json.dumps(pending), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        found = json.loads(done.stdout[done.stdout.index("{") :])
        return sum(host["changed"] for host in found["stats"].values())

    def log(self) -> list[str]:
        """Return the restarts since the last call."""
        path = self.directory / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def config(self, node: str, name: str) -> str:
        return (self.directory / node / name / "etc" / name / f"{name}.conf").read_text()


@pytest.fixture
def regions(tmp_path: Path) -> Regions:
    if shutil.which("ansible-playbook") is None:
        pytest.skip("ansible-playbook is not installed")
    made = Regions(tmp_path)
    made.lay()
    return made


def index(line: str) -> int:
    return NODES[line.split()[1]][1]


def test_check_apply_again_and_a_change_of_one(regions: Regions) -> None:
    assert regions.play("--check") == len(NODES)
    assert regions.config("s1controller-0", "nova") == "[DEFAULT]\ndebug = true\n"
    regions.play()
    for node, (stack, _index) in NODES.items():
        assert f"[keystone_authtoken]\nauth_url = http://host\nregion_name = region_stack{stack}\n" == regions.config(
            node, "placement"
        )
        assert f"[cinder]\nos_region_name = region_stack{stack}\n" in regions.config(node, "nova")
    restarts = regions.log()
    assert sorted(restarts) == sorted(f"{name} {node}" for node in NODES for name in ("nova", "placement"))
    # The second nodes come when all of the first ones are through.
    assert [index(line) for line in restarts] == sorted(index(line) for line in restarts)
    assert regions.play() == 0
    assert regions.log() == []
    path = regions.directory / "s2controller-1/placement/etc/placement/placement.conf"
    path.write_text(path.read_text().replace("region_stack2", "RegionOne"))
    regions.play()
    assert regions.log() == ["placement s2controller-1"]
    assert "region_name = region_stack2\n" in path.read_text()


def test_a_run_that_fails_is_finished_by_the_next(regions: Regions) -> None:
    broken = regions.directory / "broken-s1controller-0"
    broken.touch()
    regions.play(fails=True)
    # Nothing restarts on the second nodes while a first one is not well.
    assert {index(line) for line in regions.log()} <= {0}
    broken.unlink()
    regions.play()
    again = regions.log()
    assert {line for line in again if index(line) == 1 or "s1controller-0" in line} == {
        f"{name} {node}" for node in NODES if node != "s2controller-0" for name in ("nova", "placement")
    }
    assert regions.play() == 0
    assert regions.log() == []
