# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes as Ansible sees them: from the inventory plugin, and from the playbook where there is no inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests/unit/fixtures"
INVENTORY = str(ROOT / "inventory") + "/"
TWO: dict[str, Any] = yaml.safe_load((FIXTURES / "topology_two.yml").read_text(encoding="utf-8"))
THREE: dict[str, Any] = yaml.safe_load((FIXTURES / "topology_three.yml").read_text(encoding="utf-8"))

# Writes what every host knows, localhost too.
REPORT = """
- ansible.builtin.import_playbook: stretch.cluster.topology
- name: Write down what the hosts know
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: |
          {% set found = {} %}
          {% for name in groups['all'] + ['localhost'] %}
          {% set known = hostvars[name] | dictsort | selectattr(0, 'match', 'stretch_|group_names') %}
          {% set _ = found.update({name: dict(known)}) %}
          {% endfor %}
          {{ found | to_json }}
        dest: "{{ playbook_dir }}/found.json"
        mode: "0600"
"""


def run(command: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [Path(sys.executable).parent / command, *arguments],
        cwd=cwd,
        env={**clean, "LC_ALL": "C.UTF-8", "HOME": str(cwd), "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def report(cwd: Path, *arguments: str) -> dict[str, Any]:
    """What every host knows, by its name."""
    playbooks = cwd / "elsewhere"
    playbooks.mkdir(exist_ok=True)
    (playbooks / "report.yml").write_text(REPORT, encoding="utf-8")
    done = run(
        "ansible-playbook", "elsewhere/report.yml", *arguments, cwd=cwd, ANSIBLE_PYTHON_INTERPRETER=sys.executable
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((playbooks / "found.json").read_text(encoding="utf-8"))
    return found


ROUTES = [pytest.param(["-i", INVENTORY], id="inventory"), pytest.param([], id="no inventory")]


@pytest.mark.parametrize("arguments", ROUTES)
@pytest.mark.parametrize(
    ("stacks", "expected"),
    [("stack1,stack2", TWO), ('{"stacks": ["stack1", "stack2", "stack3"]}', THREE)],
    ids=["two", "three"],
)
def test_every_host_knows_the_topology(
    tmp_path: Path, arguments: list[str], stacks: str, expected: dict[str, Any]
) -> None:
    found = report(tmp_path, *arguments, "-e", stacks if stacks.startswith("{") else f"stacks={stacks}")
    nodes = {node["name"]: node for node in expected["nodes"]}
    assert set(found) == {*nodes, "localhost"}
    for name, known in found.items():
        assert known["stretch_topology"] == expected
        assert known["stretch_stacks"] == [stack["name"] for stack in expected["stacks"]]
        assert known["stretch_state_dir"] == str(tmp_path / ".stretch")
        if name != "localhost":
            assert {key: known[f"stretch_{key}"] for key in nodes[name]} == nodes[name]
            stack = nodes[name]["stack"]
            assert known.get("stretch_region") == (f"region_{stack}" if stack else None)
    assert sorted(found["s2controller-1"]["group_names"]) == ["controller", "overcloud", "stack2", "stack2_controller"]
    assert sorted(found["s1undercloud-0"]["group_names"]) == ["stack1", "stack1_undercloud", "undercloud"]
    assert found["arbiter-0"]["group_names"] == ["arbiter"]


def test_the_file_decides_without_a_selection(tmp_path: Path) -> None:
    assert report(tmp_path)["localhost"]["stretch_topology"] == TWO


def test_a_topology_of_the_user(tmp_path: Path) -> None:
    own = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8"))
    own["nodes"].update(controller=1, compute=0, arbiter=0)
    own["stacks"] = ["stack2"]
    (tmp_path / "small.stretch.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    expected = {"s2undercloud-0", "s2controller-0", "localhost"}
    state = f"stretch_state_dir={tmp_path}/state"
    for arguments in (["-i", "small.stretch.yml"], ["-e", "stretch_topology_file=small.stretch.yml"]):
        found = report(tmp_path, *arguments, "-e", state)
        assert set(found) == expected
        assert {known["stretch_state_dir"] for known in found.values()} == {f"{tmp_path}/state"}


def test_groups_without_hosts_exist(tmp_path: Path) -> None:
    own = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8"))
    own["nodes"]["compute"] = 0
    (tmp_path / "stretch.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    done = run("ansible", "-i", "stretch.yaml", "stack2_compute", "--list-hosts", cwd=tmp_path)
    assert "Could not match supplied host pattern" not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", ROUTES)
def test_bad_input_fails_the_run(tmp_path: Path, arguments: list[str]) -> None:
    extra = ("-e", "stacks=stack1,stack1", "-e", "stretch_state_dir=state")
    done = run("ansible-playbook", "stretch.cluster.topology", *arguments, *extra, cwd=tmp_path)
    assert done.returncode != 0
    failures = [line for line in done.stdout.splitlines() if line.startswith("fatal: [localhost]: FAILED!")]
    assert len(failures) == 1, done.stdout + done.stderr
    assert (
        "The topology cannot be used: (1) stack1 is named twice; name every stack once."
        " (2) stretch_state_dir is 'state'; give an absolute path."
    ) in failures[0]


def test_an_empty_selection_is_not_the_default(tmp_path: Path) -> None:
    done = run("ansible-playbook", "stretch.cluster.topology", "-e", "stacks=", cwd=tmp_path)
    assert done.returncode != 0
    assert "No stack is selected" in done.stdout


def test_a_file_of_another_shape_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "stretch.yml").write_text("---\nplugin: stretch.cluster.topology\nnodes: 5\n", encoding="utf-8")
    for arguments in (["-i", "stretch.yml"], ["-e", "stretch_topology_file=stretch.yml"]):
        done = run("ansible-playbook", "stretch.cluster.topology", *arguments, cwd=tmp_path)
        assert done.returncode != 0
        assert "nodes must be a dictionary" in done.stdout


def test_an_inventory_that_must_parse_gives_the_one_message(tmp_path: Path) -> None:
    done = run(
        "ansible-playbook",
        "stretch.cluster.topology",
        *("-i", INVENTORY, "-e", "stacks=east"),
        cwd=tmp_path,
        ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true",
    )
    assert done.returncode != 0
    assert "There is no stack 'east'" in done.stdout
    assert "Failed to parse inventory" not in done.stdout + done.stderr
