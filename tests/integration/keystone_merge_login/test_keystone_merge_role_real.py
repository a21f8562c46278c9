# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's options: what meets is told and settled by the line that is told, files, logins, all of Unicode."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

for beside in ("keystone_merge", "keystone_cutover"):  # the servers
    sys.path.append(str(Path(__file__).resolve().parents[1] / beside))
from cutover_servers import play
from merge_servers import Keystone, MariaDB, keystone_venv

pytestmark = pytest.mark.integration

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: stretch.cluster.keystone_merge
        tasks_from: "{{ entry | default('main') }}"
"""
PASSWORD = "secret of the target"
MEETING = 'the "one": {x} # 漢'


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("role")


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[MariaDB]:
    with MariaDB(directory / "server").running() as found:
        yield found


@pytest.fixture(scope="module")
def keystone(directory: Path, server: MariaDB) -> Keystone:
    """A Keystone with an administrator: the first source. The second holds texts that utf8 of three bytes does not."""
    found = Keystone(directory / "keystone", server, "stack1")
    found.configure()
    server.query("CREATE DATABASE stack1")
    found.manage("db_sync")
    schema = server.dump("stack1")
    found.bootstrap("secret of admin", "region_stack1")
    server.load("stack3", schema)
    # As an operator brings a Keystone to it: what is utf8 to Keystone is utf8mb4 to the server.
    wide = schema.replace(b"utf8mb3", b"utf8mb4")
    server.load("stack2", wide)
    add_project(server, "stack1", MEETING)
    add_project(server, "stack2", MEETING)
    add_project(server, "stack2", "rocket", "\U0001f680")
    server.query("CREATE USER source@'%' IDENTIFIED BY 'secret of source'")
    server.query("GRANT SELECT ON *.* TO source@'%'")
    return found


def add_project(server: MariaDB, database: str, name: str, description: str = "") -> None:
    if not server.query("SELECT 1 FROM project WHERE id = 'default'", database=database):
        row = "'default', 'Default', '{}', 'The default domain', 1, '<<keystone.domain.root>>', NULL, 1"
        insert = "INSERT INTO project (id, name, extra, description, enabled, domain_id, parent_id, is_domain)"
        server.query(f"{insert} VALUES ({row})", database=database)
    server.query(
        "INSERT INTO project (id, name, extra, description, enabled, domain_id, parent_id, is_domain) "
        "VALUES (REPLACE(UUID(), '-', ''), %s, '{}', %s, 1, 'default', 'default', 0)",
        (name, description), database,
    )  # fmt: skip


class Role:
    """The role on this machine."""

    def __init__(self, directory: Path, server: MariaDB, keystone: Keystone, target: str) -> None:
        """Take what all runs have in common."""
        self.directory = directory
        source = {
            "login_host": "127.0.0.1", "login_port": server.port, "login_user": "source",
            "login_password": "secret of source",
        }  # fmt: skip
        self.variables: dict[str, Any] = {
            "keystone_merge_sources": [{**source, "name": name, "database": name} for name in ("stack1", "stack2")],
            "keystone_merge_target": {"login_host": "127.0.0.1", "login_port": server.port},
            "keystone_merge_admin_socket": server.socket,
            "keystone_merge_database": target,
            "keystone_merge_state_database": f"{target}_state",
            "keystone_merge_user": target,
            "keystone_merge_password": PASSWORD,
            "keystone_merge_exec": keystone_command(),
            "keystone_merge_config_file": str(keystone.config),
            "keystone_merge_id_map": str(directory / "new/deep/id-map.json"),
            "keystone_merge_report": str(directory / "new/merge-report.html"),
        }
        self.runs = 0

    def play(self, *arguments: str, **more: Any) -> tuple[int, str, int]:
        """Run it; gives the exit status, the output and how many tasks changed something."""
        self.runs += 1
        directory = self.directory / f"run{self.runs}"
        directory.mkdir()
        (directory / "play.yml").write_text(PLAY)
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        status, output, changed = play(
            directory, directory / "play.yml", {"all": {"hosts": {"localhost": host}}}, {**self.variables, **more},
            *arguments,
        )  # fmt: skip
        assert "secret of" not in output
        return status, output, sum(changed.values())


def keystone_command() -> list[str]:
    """Return what leads to where Keystone is installed."""
    return ["env", f"PATH={keystone_venv() / 'bin'}:/usr/bin:/bin"]


@pytest.fixture(scope="module")
def role(directory: Path, server: MariaDB, keystone: Keystone) -> Role:
    return Role(directory, server, keystone, "merged")


def test_what_meets_is_told_before_anything_is_written(role: Role, server: MariaDB) -> None:
    (role.directory / "kept").mkdir()
    status, output, _changed = role.play(keystone_merge_report_dir=str(role.directory / "kept"))
    assert status != 0
    said = [line.strip() for line in output.splitlines()]
    where = next(number for number, line in enumerate(said) if line.startswith(f"project {MEETING} in domain Default"))
    assert "is not the same in stack1 (" in said[where]
    assert not server.query("SHOW DATABASES LIKE 'merged%%'")
    page = (role.directory / "kept/merge-report.html").read_text()
    assert page == (role.directory / "new/merge-report.html").read_text()
    assert not (role.directory / "new/deep").exists()
    # The line, as it stands there, is what the next run is told.
    role.variables["keystone_merge_overrides"] = yaml.safe_load(said[where + 1])
    assert role.variables["keystone_merge_overrides"][0]["name"] == MEETING


def test_it_settles_and_the_database_holds_all_of_unicode(role: Role, server: MariaDB) -> None:
    logins = [{"stack": "stack1", "user": "admin", "password": "secret of admin", "project": "admin"}]
    role.variables.update(keystone_merge_logins=logins, keystone_merge_rename_format="{name} of {stack}")
    status, output, changed = role.play()
    assert status == 0, output
    assert changed > 0
    assert f"Report: localhost:{role.directory}/new/merge-report.html" in " ".join(output.split())
    found = dict(server.query("SELECT name, description FROM project", database="merged"))
    assert {MEETING, f"{MEETING} of stack2"} <= set(found)
    assert found["rocket"] == "\U0001f680"
    assert {
        charset
        for (charset,) in server.query(
            "SELECT DISTINCT character_set_name FROM information_schema.columns WHERE table_schema = 'merged' "
            "AND character_set_name IS NOT NULL UNION SELECT default_character_set_name "
            "FROM information_schema.schemata WHERE schema_name = 'merged'"
        )
    } == {"utf8mb4"}
    assert stat.S_IMODE((role.directory / "new/deep/id-map.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((role.directory / "new/merge-report.html").stat().st_mode) == 0o600
    assert json.loads((role.directory / "new/deep/id-map.json").read_text())["changed"] == []
    for arguments in ((), ("--check",)):
        status, output, changed = role.play(*arguments)
        assert (status, changed) == (0, 0), output


def test_the_difference(role: Role, server: MariaDB) -> None:
    add_project(server, "stack2", "later")
    status, output, changed = role.play(entry="difference")
    assert (status, changed) == (0, 1), output
    assert server.query("SELECT 1 FROM project WHERE name = 'later'", database="merged")
    assert role.play(entry="difference")[2] == 0


def test_the_difference_while_a_keystone_is_ahead(directory: Path, role: Role, server: MariaDB) -> None:
    """Who logs in does so there."""
    ahead = Keystone(directory / "ahead", server, "merged")
    ahead.configure()
    more = {"entry": "difference", "keystone_merge_login_url": f"{ahead.url}/v3"}
    status, output, _changed = role.play(**more)
    assert status != 0
    assert f"Keystone at {ahead.url}/v3 cannot be asked to log users in on the merged database" in " ".join(
        output.split()
    )
    with ahead.running():
        status, output, changed = role.play(**more)
        assert (status, changed) == (0, 0), output
        assert "All of them were let in" in output
        logins = [{"stack": "stack1", "user": "admin", "password": "secret of old", "project": "admin"}]
        status, output, _changed = role.play(**more, keystone_merge_logins=logins)
        assert status != 0
        assert "admin of stack1 cannot log in on the merged database: 401" in " ".join(output.split())


def test_nobody_logs_in_for_a_stack_that_was_cut_over(role: Role, server: MariaDB) -> None:
    """It goes on living, with passwords that nobody tells."""
    logins = [{"stack": "stack1", "user": "admin", "password": "secret of old"}]
    status, output, _changed = role.play(keystone_merge_logins=logins)
    assert status != 0
    assert "admin of stack1 cannot log in on the merged database: 401" in " ".join(output.split())
    server.query("UPDATE merged_state.source SET cut_over_at = UTC_TIMESTAMP()")
    (role.directory / "new/deep/id-map.json").unlink()
    for entry in ("main", "difference"):
        status, output, changed = role.play(keystone_merge_logins=logins, entry=entry)
        assert (status, changed) == (0, 0), output
        assert "Logged in" not in output
    assert not (role.directory / "new/deep/id-map.json").exists()


def test_a_kind_by_its_option_no_files_and_utf8(directory: Path, server: MariaDB, keystone: Keystone) -> None:
    role = Role(directory / "plain", server, keystone, "plain")
    role.directory.mkdir()
    role.variables.update(keystone_merge_id_map="", keystone_merge_report="", keystone_merge_dangling="drop")
    role.variables["keystone_merge_sources"][1].update(name="stack3", database="stack3")
    add_project(server, "stack3", MEETING)
    status, output, _changed = role.play(keystone_merge_on_conflict={"project": "merge"}, keystone_merge_batch_rows=7)
    assert status == 0, output
    names = [name for (name,) in server.query("SELECT name FROM project", database="plain")]
    assert names.count(MEETING) == 1
    assert "Report:" not in output
    charset = "SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = 'plain'"
    assert server.query(charset)[0][0] in ("utf8", "utf8mb3")
    assert not list(role.directory.glob("*.html"))
    assert role.play("-e", "keystone_merge_dangling=leave")[0] != 0
