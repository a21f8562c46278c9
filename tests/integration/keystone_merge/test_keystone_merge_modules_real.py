# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules and the role, as Ansible runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from merge_harness import people, run_module, tiny
from merge_servers import MariaDB, keystone_venv
from merge_stack import Stack

pytestmark = pytest.mark.integration

Stacks = dict[str, Stack]
Fresh = Callable[[], str]


class TestModules:
    """The modules as Ansible runs them, with logins that may do no more than they must."""

    @pytest.fixture
    def options(self, regions: MariaDB, stretched: MariaDB, stacks: Stacks, fresh: Fresh) -> dict[str, Any]:
        target = fresh()
        regions.query("CREATE OR REPLACE USER source@'%' IDENTIFIED BY 'secret of source'")
        stretched.query("CREATE OR REPLACE USER merger@'%' IDENTIFIED BY 'secret of target'")
        stretched.query(f"GRANT ALL ON `{target}`.* TO merger@'%'")
        stretched.query(f"GRANT ALL ON `{target}_state`.* TO merger@'%'")
        for stack in stacks:
            regions.query(f"GRANT SELECT ON `{stack}`.* TO source@'%'")
        return {
            "sources": [
                {
                    "name": stack, "region": f"region_{stack}", "login_host": "127.0.0.1", "login_port": regions.port,
                    "login_user": "source", "login_password": "secret of source", "database": stack,
                }
                for stack in stacks
            ],
            "target": {
                "login_host": "127.0.0.1", "login_port": stretched.port, "login_user": "merger",
                "login_password": "secret of target", "database": target,
            },
            "state_database": f"{target}_state",
        }  # fmt: skip

    def run(self, module: str, options: dict[str, Any], check: bool = False) -> dict[str, Any]:
        result = run_module(module, options, check)
        text = json.dumps(result)
        assert "secret of" not in text
        assert "$2b$" not in text
        return result

    def test_check_apply_check_again_apply_again(self, options: dict[str, Any]) -> None:
        assert self.run("keystone_merge_info", options)["changed"] is False
        checked = self.run("keystone_merge", options, check=True)
        applied = self.run("keystone_merge", options)
        assert checked["changed"] is applied["changed"] is True
        assert (checked["plan"], checked["diff"]) == (applied["plan"], applied["diff"])
        assert "user became one: nova (stack2)" in applied["diff"]["after"]
        roles = applied["counts"]["role"]["stack2"]
        assert (roles["carried"], roles["became_one"]) == (3, roles["rows"] - 3)
        for check in (True, False):
            again = self.run("keystone_merge", options, check=check)
            assert again["changed"] is False
            assert again["diff"] == {"before": "", "after": ""}

    def test_a_message_instead_of_a_traceback(self, options: dict[str, Any]) -> None:
        options["sources"][1]["login_port"] = 1
        failed = self.run("keystone_merge", options)
        assert failed["failed"]
        assert "no server answers" in failed["msg"]
        assert "exception" not in failed


ROLE = """
- hosts: localhost
  gather_facts: false
  roles:
    - role: stretch.cluster.keystone_merge
"""


class TestRole:
    """The role as a playbook runs it."""

    def play(self, directory: Path, variables: dict[str, Any], *arguments: str) -> tuple[int, str, int]:
        """Return the exit status, the output and how many tasks changed something."""
        directory.mkdir()
        playbook = directory / "play.yml"
        playbook.write_text(ROLE)
        extra = directory / "variables.json"
        extra.write_text(json.dumps(variables))
        done = subprocess.run(
            [
                Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-c", "local", playbook,
                "-e", f"@{extra}", "-e", f"ansible_python_interpreter={sys.executable}", "--diff", *arguments,
            ],
            check=False, capture_output=True, text=True, timeout=300, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        changed = re.search(r"changed=(\d+)", done.stdout)
        assert "secret of" not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr, int(changed.group(1)) if changed else -1

    def test_role(
        self, tmp_path: Path, directory: Path, regions: MariaDB, stretched: MariaDB, schema: bytes, stacks: Stacks
    ) -> None:
        regions.query("CREATE OR REPLACE USER role_source@'%' IDENTIFIED BY 'secret of source'")
        regions.query("GRANT SELECT ON *.* TO role_source@'%'")
        source = {
            "login_host": "127.0.0.1", "login_port": regions.port, "login_user": "role_source",
            "login_password": "secret of source",
        }  # fmt: skip
        path = f"PATH={keystone_venv() / 'bin'}:{os.environ['PATH']}"
        variables: dict[str, Any] = {
            "keystone_merge_sources": [
                {**source, "name": stack, "region": f"region_{stack}", "database": stack} for stack in stacks
            ],
            "keystone_merge_target": {"login_host": "127.0.0.1", "login_port": stretched.port},
            "keystone_merge_admin_socket": stretched.socket,
            "keystone_merge_database": "by_role",
            "keystone_merge_state_database": "by_role_state",
            "keystone_merge_user": "by_role",
            # All that means something in a URL, in oslo.config or in a format.
            "keystone_merge_password": "secret of p:/?#$x&+target=",
            "keystone_merge_exec": ["env", path],
            "keystone_merge_config_file": str(stacks["stack1"].keystone.config),
            "keystone_merge_id_map": str(tmp_path / "kept/id-map.json"),
            "keystone_merge_report": str(tmp_path / "kept/merge-report.html"),
        }
        clash = tiny(regions, schema, "role_clash", **people(("c1", "STACK1-alice")))
        first = variables["keystone_merge_sources"][0]
        second = {**source, "name": "clash", "database": clash.database}
        clashing = {**variables, "keystone_merge_sources": [first, second]}
        nowhere = {**variables, "keystone_merge_admin_socket": f"{stretched.socket}.nowhere"}
        stretched.query("CREATE DATABASE by_role_broken")
        stretched.query("CREATE TABLE by_role_broken.access_rule (id INT)")
        broken = {"keystone_merge_database": "by_role_broken", "keystone_merge_user": "by_role_broken"}
        # None of these changes what another sees, so that they need not wait for each other.
        with ThreadPoolExecutor() as pool:
            blind = pool.submit(self.play, tmp_path / "blind", nowhere, "--check")
            check = pool.submit(self.play, tmp_path / "check", variables, "--check")
            stopped = pool.submit(self.play, tmp_path / "stopped", clashing)
            failed = pool.submit(self.play, tmp_path / "failed", {**variables, **broken})
        status, output, _changed = blind.result()
        assert status == 0, output
        assert "No server answers" in output
        status, output, changed = check.result()
        assert status == 0, output
        assert changed > 0
        status, output, _changed = stopped.result()
        assert status != 0
        assert "user STACK1-alice in domain Default" in output
        assert not stretched.query("SHOW DATABASES LIKE 'by_role'")
        status, output, _changed = failed.result()
        assert status != 0
        assert "db_sync failed" in output
        assert "access_rule" in output

        status, output, changed = self.play(tmp_path / "apply", variables)
        assert status == 0, output
        assert changed > 0
        assert re.search(r"user: \d+ new, 3 became one", output)
        with ThreadPoolExecutor() as pool:
            again = pool.submit(self.play, tmp_path / "again", variables)
            check = pool.submit(self.play, tmp_path / "check again", variables, "--check")
        for done in (again, check):
            status, output, changed = done.result()
            assert (status, changed) == (0, 0), output
            assert "Nothing to do" in output
