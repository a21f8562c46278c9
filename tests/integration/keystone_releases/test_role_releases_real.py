# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role merges Keystones of Queens and Zed into one of the newest release."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from merge_servers import MariaDB
from queens_population import OldPopulation
from release_servers import PASSWORD, ZED, ReleasedKeystone

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: stretch.cluster.keystone_merge
        tasks_from: "{{ entry | default('main') }}"
"""

pytestmark = pytest.mark.integration


def play(directory: Path, variables: dict[str, Any], *arguments: str) -> tuple[int, str, int]:
    """Return the exit status, the output and how many tasks changed something."""
    directory.mkdir(exist_ok=True)
    (directory / "play.yml").write_text(PLAY)
    (directory / "variables.json").write_text(json.dumps(variables))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-c", "local", directory / "play.yml",
            "-e", f"@{directory / 'variables.json'}", "-e", f"ansible_python_interpreter={sys.executable}", *arguments,
        ],
        check=False, capture_output=True, text=True, timeout=600, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    changed = re.search(r"changed=(\d+)", done.stdout)
    assert "secret of" not in done.stdout + done.stderr
    # Messages come in lines of 80 columns.
    return done.returncode, " ".join((done.stdout + done.stderr).split()), int(changed.group(1)) if changed else -1


def copies(stretched: MariaDB) -> list[str]:
    """Return the databases of the copies that the role made."""
    return [row[0] for row in stretched.query("SHOW DATABASES LIKE 'stretch_copy_%er'")]


def test_the_role_brings_them_up_and_merges_them(
    regions: MariaDB, stretched: MariaDB, newest: ReleasedKeystone, xena: ReleasedKeystone, tmp_path: Path,
    directory: Path, queens: tuple[ReleasedKeystone, OldPopulation], zed: ReleasedKeystone,
) -> None:  # fmt: skip
    regions.query("CREATE OR REPLACE USER role_source@'%' IDENTIFIED BY 'secret of source'")
    regions.query("GRANT SELECT ON *.* TO role_source@'%'")
    source = {
        "login_host": "127.0.0.1", "login_port": regions.port, "login_user": "role_source",
        "login_password": "secret of source",
    }  # fmt: skip
    between = ReleasedKeystone(tmp_path, stretched, "nothing", release=ZED)
    variables: dict[str, Any] = {
        "keystone_merge_sources": [
            {**source, "name": name, "region": f"region_{database}", "database": database}
            for name, database in (("older", "queens"), ("newer", "zed"))
        ],
        "keystone_merge_target": {"login_host": "127.0.0.1", "login_port": stretched.port},
        "keystone_merge_admin_socket": stretched.socket,
        "keystone_merge_database": "by_role",
        "keystone_merge_state_database": "by_role_state",
        "keystone_merge_user": "by_role",
        "keystone_merge_password": "secret of target",
        "keystone_merge_exec": newest.command,
        "keystone_merge_config_file": str(newest.config),
        "keystone_merge_id_map": str(tmp_path / "kept/id-map.json"),
        "keystone_merge_report": str(tmp_path / "kept/merge-report.html"),
    }
    status, output, _changed = play(tmp_path / "refused", variables)
    assert status != 0
    assert "give a Keystone of Ussuri to Xena (17 to 20) and one of Zed to 2023.1 (22 to 23)" in output
    assert {table: len(rows) for table, rows in stretched.content("by_role").items()} == {
        "alembic_version": 2, "project": 1,
    }  # fmt: skip
    assert not copies(stretched)

    wrong = [{"release": 20, "exec": between.command}, {"release": 22, "exec": between.command}]
    status, output, _changed = play(tmp_path / "wrong", {**variables, "keystone_merge_upgrade_execs": wrong})
    assert status != 0
    assert "keystone-manage db_sync failed on the copy of older" in output
    assert not copies(stretched)

    variables["keystone_merge_upgrade_execs"] = [
        {"release": 20, "exec": xena.command},
        {"release": 22, "exec": between.command},
    ]
    status, output, _changed = play(tmp_path / "check", variables, "--check")
    assert status == 0, output
    assert "the schema of older, newer has to be brought up first" in output
    status, output, changed = play(tmp_path / "apply", variables)
    assert status == 0, output
    assert changed > 0
    status, output, changed = play(tmp_path / "again", variables)
    assert (status, changed) == (0, 0), output
    assert copies(stretched) == ["stretch_copy_newer", "stretch_copy_older"]

    merged = ReleasedKeystone(directory / "merged", stretched, "by_role")
    merged.configure()
    with merged.running() as root:
        assert root.password("admin", PASSWORD, "admin")
        assert root.password("zed-somebody", PASSWORD)
        alice = root.password("queens-alice", queens[1].secrets["queens-alice"], "queens-project")
        assert alice is not None
        assert len(alice.do("GET", "/limits")["limits"]) == 2

    stretched.query("UPDATE by_role_state.source SET cut_over_at = UTC_TIMESTAMP() WHERE name = 'older'")
    status, output, changed = play(tmp_path / "copies", {**variables, "entry": "copies"})
    assert (status, changed) == (0, 1), output
    assert copies(stretched) == ["stretch_copy_newer"]
