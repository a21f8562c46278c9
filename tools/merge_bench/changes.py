# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five hundred changed rows of one stack: added, changed and deleted, and whether a merged database has them.

Those of another round concern other rows, so that a source can be changed again and again.
"""

# The statements hold nothing but numbers and names from here.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from merge_bench.population import FIRST, Stack, project_of

ROWS = 500
"""Rows that all changes of one round change."""

STEP = 200
"""So many users, projects and so on are set aside for each round."""

NEW = 10_000_000
"""Numbers of things that are added begin here."""


@dataclass(frozen=True)
class Change:
    """One statement and the rows it changes.

    *found* is a query that counts rows of the merged database: *wanted* once the change has been carried.
    """

    statement: str
    rows: int
    found: str
    wanted: int


def changes(stack: Stack, number: int) -> list[Change]:
    """All changes of a round (from 0)."""
    return [*_added(stack, number), *_changed(stack, number), *_deleted(stack, number)]


def rounds(users: int) -> int:
    """For how many rounds a cloud of so many users has rows that no earlier round touched."""
    return users // (10 * STEP)


def _numbers(first: int, count: int) -> str:
    return f"(SELECT seq AS n FROM seq_{first}_to_{first + count - 1}) AS numbers"


def _added(stack: Stack, number: int) -> list[Change]:
    first = NEW + number * STEP
    user, project, name = (
        stack.mark("new user", "n"),
        stack.mark("new project", "n"),
        f"CONCAT('new-',n,'@{stack.name}')",
    )
    users, projects = f"SELECT {user} FROM {_numbers(first, 50)}", f"SELECT {project} FROM {_numbers(first, 10)}"

    def add(insert: str, count: int, found: str) -> Change:
        return Change(f"INSERT INTO {insert}", count, f"SELECT COUNT(*) FROM {found}", count)

    target = stack.project(f"1 + n % {stack.sizes.projects}")
    return [
        add(
            f"user SELECT {user},'{{}}',1,NULL,'2026-01-01',NULL,'default' FROM {_numbers(first, 50)}",
            50,
            f"user WHERE id IN ({users})",
        ),
        # The numbers are the server's choice, and others in the merged database.
        add(
            f"local_user (user_id,domain_id,name) SELECT {user},'default',{name} FROM {_numbers(first, 50)}",
            50,
            f"local_user WHERE user_id IN ({users})",
        ),
        add(
            "password (local_user_id,self_service,password_hash,created_at_int,created_at) "
            f"SELECT id,0,{stack.password_hash('new', 'id')},1577836800000000,'2026-01-01' FROM local_user "
            f"WHERE user_id IN ({users})",
            50,
            f"password JOIN local_user ON local_user.id = password.local_user_id WHERE user_id IN ({users})",
        ),
        add(
            f"assignment SELECT 'UserProject',{user},{target},{stack.role(3)},0 FROM {_numbers(first, 50)}",
            50,
            f"assignment WHERE type = 'UserProject' AND actor_id IN ({users})",
        ),
        add(
            f"project SELECT {project},{name},'{{}}','neu',1,'default','default',0 FROM {_numbers(first, 10)}",
            10,
            f"project WHERE id IN ({projects})",
        ),
    ]


def _of(table: str, first: int, count: int, keys: Mapping[str, str]) -> str:
    """A join of a table with so many rows of it: each key column's value, computed from the number."""
    values = ",".join(f"{value} AS `{column}`" for column, value in keys.items())
    return f"(SELECT {values} FROM {_numbers(first, count)}) AS wanted JOIN {table} USING ({','.join(keys)})"


def _changed(stack: Stack, number: int) -> list[Change]:
    first = 1 + number * STEP
    value = f"""'{{"changed": "round {number} of {stack.name}"}}'"""

    def change(table: str, count: int, column: str, id_: str) -> Change:
        return Change(
            f"UPDATE {_of(table, first, count, {'id': id_})} SET {table}.{column} = {value}",
            count,
            f"SELECT COUNT(*) FROM {table} WHERE {column} = {value}",
            count,
        )

    return [
        change("user", 60, "extra", stack.user("n")),
        # Such users are local, none is of LDAP or of federation.
        change("password", 40, "password_hash", f"{FIRST} + n * 10 + 2"),
        change("project", 20, "description", stack.project("n")),
        change("credential", 10, "encrypted_blob", stack.long("credential", "n * 2 + 1")),
    ]


def _deleted(stack: Stack, number: int) -> list[Change]:
    def delete(table: str, count: int, **keys: str) -> Change:
        rows = _of(table, 1 + number * STEP, count, keys)
        return Change(f"DELETE {table} FROM {rows}", count, f"SELECT COUNT(*) FROM {rows}", 0)

    user, project = stack.user("n"), stack.project("n")
    target = stack.project(project_of("n", 0, stack.sizes))
    group = stack.mark("group", f"1 + (n * 13) % {stack.sizes.groups}")
    return [
        delete("assignment", 80, type="'UserProject'", actor_id=user, target_id=target),
        delete("user_group_membership", 20, user_id=user, group_id=group),
        delete("user_option", 10, user_id=stack.user("n * 5")),
        delete("revocation_event", 30, user_id=user),
        delete("project_tag", 20, project_id=project, name="CONCAT('cost-center-',n % 997)"),
    ]
