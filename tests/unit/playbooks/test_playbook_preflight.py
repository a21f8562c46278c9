# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight of the role stretch_galera on hosts that are all this machine, at addresses of the loopback network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

# An address resolves to itself.
HOSTS = ["127.0.0.11", "127.0.0.12", "127.0.0.21"]
PLAY = """
- name: Preflight
  hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: stretch.cluster.stretch_galera
        tasks_from: preflight
"""


def preflight(cwd: Path, members: list[dict[str, Any]] | None = None, limit: str = "all") -> tuple[int, str]:
    """Exit status and output of the preflight."""
    (cwd / "play.yml").write_text(PLAY)
    (cwd / "hosts").write_text("".join(f"{host} ansible_python_interpreter={sys.executable}\n" for host in HOSTS))
    given = {
        "__stretch_galera_members": members or [{"name": host, "address": host} for host in HOSTS],
        "__stretch_galera_list": {"arbiters": []},
        "__stretch_galera_config_dir": str(cwd / "config"),
        "stretch_galera_datadir": str(cwd / "data"),
        "stretch_galera_state_dir": str(cwd / "state"),
        "stretch_galera_replication_port": 9,
    }
    (cwd / "vars.yml").write_text(yaml.safe_dump(given))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    found = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts", "-e", "@vars.yml", "-l", limit, "play.yml"],
        cwd=cwd,
        env={**clean, "LC_ALL": "C.UTF-8", "HOME": str(cwd), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return found.returncode, found.stdout + found.stderr


@pytest.mark.parametrize("limit", ["all", "127.0.0.11"])
def test_healthy(tmp_path: Path, limit: str) -> None:
    code, output = preflight(tmp_path, limit=limit)
    assert code == 0, output
    assert "changed=0" in output
    assert [path.name for path in tmp_path.iterdir() if path.name in {"config", "data", "state"}] == []


def test_everything_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/ibdata1").touch()
    members = [{"name": host, "address": host} for host in HOSTS]
    members[2]["address"] = "192.0.2.21"
    code, output = preflight(tmp_path, members)
    assert code != 0
    for sentence in (
        "resolves to the loopback address 127.0.0.21 on 127.0.0.11 and 127.0.0.12; it must resolve to 192.0.2.21",
        "The host that answers as 127.0.0.21 does not have the address 192.0.2.21",
        "data on 127.0.0.11 is not empty",
        "Nothing has been changed.",
    ):
        assert sentence in " ".join(output.split()), output
