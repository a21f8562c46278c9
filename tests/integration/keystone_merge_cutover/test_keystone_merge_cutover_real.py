# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of a cutover on a real server, and what a merge makes of it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge, Request

sys.path.append(str(Path(__file__).resolve().parents[1] / "keystone_merge"))  # the servers
from merge_servers import MariaDB, fresh_schema, user

pytestmark = pytest.mark.integration

MODULE = "ansible_collections.stretch.cluster.plugins.modules.keystone_merge_cutover"
STACKS = ("stack1", "stack2")
SECRET = "secret of target"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """Run a server with two Keystones that hold a role each, and a user who may write what a merge writes."""
    directory = tmp_path_factory.mktemp("cutover")
    with MariaDB(directory / "server").running() as found:
        schema = fresh_schema(directory / "keystone", found)
        for stack in STACKS:
            found.load(stack, schema)
            add_role(found, stack, f"role of {stack}")
        found.query(f"CREATE USER merger@'%' IDENTIFIED BY '{SECRET}'")
        yield found


@pytest.fixture(scope="module")
def make(server: MariaDB) -> Callable[[], str]:
    """Return a function that makes a database as db_sync leaves it and gives its name."""
    schema = server.dump("fresh")
    numbers = itertools.count(1)

    def fresh() -> str:
        name = f"target{next(numbers)}"
        server.load(name, schema)
        for database in (name, f"{name}_state"):
            server.query(f"GRANT ALL ON `{database}`.* TO merger@'%'")
        return name

    return fresh


def add_role(server: MariaDB, database: str, name: str) -> None:
    server.query("INSERT INTO role (id, name) VALUES (REPLACE(UUID(), '-', ''), %s)", (name,), database)


def roles(server: MariaDB, database: str) -> set[str]:
    return {name for (name,) in server.query("SELECT name FROM role", database=database)}


def merge(server: MariaDB, target: str) -> bool:
    """Merge what is not cut over; says whether that changed anything."""
    logins = tuple(Login(stack, user=user(), unix_socket=server.socket, database=stack) for stack in STACKS)
    into = Login("target", user=user(), unix_socket=server.socket, database=target)
    with Merge(Request(logins, into, f"{target}_state"), read_only=False) as planned:
        planned.apply()
        return planned.changed


@pytest.fixture
def mark(server: MariaDB, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run the module as Ansible does."""

    def run(target: str, *names: str, state: str = "present", check: bool = False) -> dict[str, Any]:
        options = {
            "target": {
                "login_host": "127.0.0.1", "login_port": server.port, "login_user": "merger", "login_password": SECRET,
                "database": target,
            },
            "state_database": f"{target}_state", "sources": names, "state": state,
            "_ansible_check_mode": check, "_ansible_diff": True,
        }  # fmt: skip
        arguments = tmp_path / "arguments.json"
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(arguments)], check=False, capture_output=True, text=True, timeout=60
        )
        assert SECRET not in done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


Make, Mark = Callable[[], str], Callable[..., dict[str, Any]]


@pytest.fixture
def merged(server: MariaDB, make: Make) -> str:
    target = make()
    assert merge(server, target)
    return target


def test_check_apply_check_again_apply_again(server: MariaDB, merged: str, mark: Mark) -> None:
    before = server.content(f"{merged}_state")
    checked = mark(merged, *STACKS, check=True)
    assert checked["changed"] is True
    assert server.content(f"{merged}_state") == before
    first = mark(merged, "stack1")
    assert first["changed"] is True
    assert first["cut_over"]["stack2"] is None
    whole = mark(merged, *STACKS)
    assert whole["changed"] is True
    assert whole["cut_over"]["stack1"] == first["cut_over"]["stack1"]
    assert whole["diff"]["before"].count("not cut over") == 1
    assert whole["diff"]["after"].count("not cut over") == 0
    for check in (True, False):
        again = mark(merged, *STACKS, check=check)
        assert again["changed"] is False
        assert again["cut_over"] == whole["cut_over"]
        assert again["diff"]["before"] == again["diff"]["after"] == whole["diff"]["after"]


def test_what_is_marked_is_read_no_more_and_what_is_not_is(server: MariaDB, merged: str, mark: Mark) -> None:
    mark(merged, "stack1")
    for stack in STACKS:
        add_role(server, stack, f"later role of {stack} for {merged}")
    assert merge(server, merged)
    assert f"later role of stack2 for {merged}" in roles(server, merged)
    assert f"later role of stack1 for {merged}" not in roles(server, merged)
    mark(merged, "stack2")
    add_role(server, "stack2", f"last role for {merged}")
    assert not merge(server, merged)
    for check in (True, False):
        assert mark(merged, "stack2", state="absent", check=check)["changed"] is True
    assert mark(merged, "stack2", state="absent")["changed"] is False
    assert merge(server, merged)
    assert f"last role for {merged}" in roles(server, merged)
    assert f"later role of stack1 for {merged}" not in roles(server, merged)


def test_what_was_never_merged(make: Make, merged: str, mark: Mark) -> None:
    for target in (merged, make()):
        for state in ("present", "absent"):
            failed = mark(target, "stack1" if target == merged else "stack3", "stack3", state=state)
            assert failed["failed"]
            assert f"stack3 was never merged into {target} at 127.0.0.1" in failed["msg"]
    assert mark(merged, "stack1", check=True)["changed"] is True


def test_a_merge_that_stopped_in_the_middle(server: MariaDB, merged: str, mark: Mark) -> None:
    server.query("UPDATE source SET started_at = merged_at + INTERVAL 1 HOUR", database=f"{merged}_state")
    for check in (True, False):
        failed = mark(merged, *STACKS, check=check)
        assert failed["failed"]
        assert failed["msg"].count("is not completely merged yet (begun ") == len(STACKS)
        assert failed["msg"].endswith("run keystone_merge first")
    server.query("UPDATE source SET started_at = merged_at - INTERVAL 1 SECOND", database=f"{merged}_state")
    server.query("UPDATE source SET merged_at = NULL WHERE name = 'stack2'", database=f"{merged}_state")
    assert "stack2 is not completely merged yet" in mark(merged, "stack2")["msg"]
    assert merge(server, merged)
    assert mark(merged, *STACKS)["changed"] is True


def test_while_a_merge_runs(server: MariaDB, merged: str, mark: Mark) -> None:
    lock = pymysql.connect(unix_socket=server.socket, user=user(), database=f"{merged}_state")
    try:
        with lock.cursor() as cursor:
            cursor.execute("SELECT target FROM run FOR UPDATE")
        assert "a merge into it is running" in mark(merged, "stack1")["msg"]
    finally:
        lock.close()
    assert mark(merged, "stack1")["changed"] is True


def test_the_state_of_version_0_1_0_is_cut_over(server: MariaDB, merged: str, mark: Mark) -> None:
    state = f"{merged}_state"
    for column in ("position", "offsets", "lost", "started_at", "cut_over_at"):
        server.query(f"ALTER TABLE source DROP COLUMN {column}", database=state)
    before = server.content(state)
    found = mark(merged, *STACKS)
    assert found["changed"] is False
    assert all(found["cut_over"].values())
    assert server.content(state) == before
    assert not merge(server, merged)


def test_no_server_and_no_rights(server: MariaDB, merged: str, mark: Mark) -> None:
    server.query(f"REVOKE ALL ON `{merged}_state`.* FROM merger@'%'")
    assert mark(merged, "stack1")["failed"]
    server.query(f"GRANT SELECT ON `{merged}_state`.* TO merger@'%'")
    assert mark(merged, "stack1", check=True)["changed"] is True
    assert "refuses this login" in mark(merged, "stack1")["msg"]
    assert mark("nowhere", "stack1")["failed"]
