# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges as the modules run them, of small Keystone databases that SQL alone makes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import outcome
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database, Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge, Request
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State
from merge_servers import MariaDB, user

MODULES = "ansible_collections.stretch.cluster.plugins.modules"
ROOT_DOMAIN = "<<keystone.domain.root>>"


def login(server: MariaDB, name: str, database: str, **more: Any) -> Login:
    """Log in as root through the socket."""
    return Login(name=name, user=user(), unix_socket=server.socket, database=database, **more)


def merge(request: Request) -> dict[str, Any]:
    """Merge, and return what the module returns, the warnings and the diff."""
    return _run(request, read_only=False)


def look(request: Request) -> dict[str, Any]:
    """Return the same of a merge that is planned only."""
    return _run(request, read_only=True)


def _run(request: Request, read_only: bool) -> dict[str, Any]:
    with Merge(request, read_only) as planned:
        diff = outcome.diff(planned)["after"].splitlines()
        if not read_only:
            planned.apply()
        return {**outcome.result(planned), "warnings": planned.warnings, "diff": diff}


def refuse(request: Request) -> str:
    """Return why a merge is refused."""
    with pytest.raises(MergeError) as caught:
        merge(request)
    return str(caught.value)


def run_module(module: str, options: dict[str, Any], check: bool = False) -> dict[str, Any]:
    """Run a module of the collection as Ansible does."""
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{module}"], check=False, capture_output=True, text=True, timeout=120,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}}),
    )  # fmt: skip
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def cut_over(request: Request, *names: str) -> None:
    """Mark sources as cut over, all of the request where none is named."""
    assert request.target is not None
    database = Database(request.target)
    try:
        chosen = names or [source.name for source in request.sources]
        assert State(database, request.state_database).cut_over(chosen, done=True) == len(chosen)
    finally:
        database.close()


def tiny(server: MariaDB, schema: bytes, name: str, **rows: list[tuple[Any, ...]]) -> Login:
    """Make a Keystone database with the given rows beside the default domain."""
    server.load(name, schema)
    insert = {
        "project": "INSERT INTO project (id, name, domain_id, is_domain, enabled, extra) VALUES (%s,%s,%s,%s,1,'{}')",
        "user": "INSERT INTO user (id, domain_id, enabled, extra) VALUES (%s, %s, 1, '{}')",
        "local_user": "INSERT INTO local_user (user_id, domain_id, name) VALUES (%s, %s, %s)",
        "group": "INSERT INTO `group` (id, domain_id, name, extra) VALUES (%s, %s, %s, '{}')",
        "assignment": "INSERT INTO assignment VALUES (%s, %s, %s, %s, 0)",
        "role": "INSERT INTO role (id, name, extra) VALUES (%s, %s, '{}')",
    }
    server.query(insert["project"], ("default", "Default", ROOT_DOMAIN, 1), name)
    for table, values in rows.items():
        for value in values:
            server.query(insert[table], value, name)
    return login(server, name, name)


def people(*names: tuple[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of :func:`tiny` for users of the default domain, given as (id, name)."""
    return {
        "user": [(id_, "default") for id_, _name in names],
        "local_user": [(id_, "default", name) for id_, name in names],
    }


def crowd(server: MariaDB, schema: bytes, name: str, users: int, extra: str = "{}") -> Login:
    """Make a Keystone database of so many users with a password and two assignments each: five rows for each."""
    made = tiny(server, schema, name, role=[(f"{name}-role", f"{name}-role"), (f"{name}-member", "member")],
                project=[(f"{name}-project", f"{name}-project", "default", 0)])  # fmt: skip
    add_users(server, name, 1, users, extra)
    return made


def add_users(server: MariaDB, name: str, first: int, last: int, extra: str = "{}") -> None:
    """Add users to a :func:`crowd`."""
    numbers = f"FROM seq_{first}_to_{last}"
    id_ = f"MD5(CONCAT('{name}', seq))"
    passwords = (
        "INSERT INTO password (local_user_id, password_hash, self_service, created_at, created_at_int) "
        f"SELECT local_user.id, REPEAT('x', 60), 0, '2026-01-01', seq {numbers} JOIN local_user ON user_id = {id_}"
    )
    for statement in (
        f"INSERT INTO user (id, domain_id, enabled, extra) SELECT {id_}, 'default', 1, %s {numbers}",
        f"INSERT INTO local_user (user_id, domain_id, name) SELECT {id_}, 'default', CONCAT('{name}-', seq) {numbers}",
        passwords,
        f"INSERT INTO assignment SELECT 'UserProject', {id_}, '{name}-project', '{name}-role', 0 {numbers}",
        f"INSERT INTO assignment SELECT 'UserProject', {id_}, '{name}-project', '{name}-member', 0 {numbers}",
    ):
        server.query(statement, (extra,) if "%s" in statement else (), name)
