# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Setting a merged database aside that no Keystone uses any more: nothing is lost, and the next merge begins anew."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    Login,
    RetryError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import quote
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State

LONGEST = 64
"""Characters of the name of a database, at most."""

LOCK_SECONDS = 30
"""How long to wait for somebody who still reads one of the tables."""

_SUFFIX = re.compile(r"\w{1,32}", re.ASCII)


@dataclass(frozen=True)
class Request:
    """Which merged database; *suffix* is what comes behind its name and that of the state."""

    target: Login
    state_database: str
    suffix: str


@dataclass(frozen=True)
class Aside:
    """Where it is now, None where there was nothing to set aside; how many tables moved."""

    database: str | None = None
    state_database: str | None = None
    tables: int = 0


def set_aside(request: Request, read_only: bool) -> Aside:
    """Move all tables of the merged database and of its state into databases of their own; *read_only* only checks.

    It is one statement, so all of them move or none. Foreign keys go on leading where they led.

    :raises MergeError: a merge is running, a client is connected to the merged database, the state is another
        database's as well, or the server refuses; nothing has moved.
    """
    if not _SUFFIX.fullmatch(request.suffix):
        raise MergeError(f"suffix is {request.suffix}: give letters, digits and underscores, 32 at most")
    # The merged database itself may be gone.
    login = dataclasses.replace(request.target, database="information_schema")
    with contextlib.closing(Database(login)) as server:
        moves = [
            (name, f"{name}_{request.suffix}", _tables(server, name))
            for name in (request.target.database, request.state_database)
        ]
        database, state = moves
        if not database[2] or not state[2]:
            # What has no state beside it was made by no merge.
            return Aside()
        _check(server, request, [new for _old, new, _tables in moves])
        if not read_only:
            _claim(request)
            _move(server, moves)
        return Aside(database[1], state[1], len(database[2]) + len(state[2]))


def _tables(server: Database, database: str) -> list[str]:
    return [
        name
        for (name,) in server.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE' "
            "ORDER BY table_name",
            (database,),
        )
    ]


def _check(server: Database, request: Request, new: Sequence[str]) -> None:
    """Raise for what speaks against it."""
    where = f"{request.target.name} ({request.target.address})"
    for name in new:
        if len(name) > LONGEST:
            raise MergeError(f"the name {name} is longer than {LONGEST} characters: give a shorter suffix")
        if _tables(server, name):
            raise MergeError(f"{where}: there are tables in {name} already: give another suffix")
    targets = [
        target
        for (target,) in server.query(
            f"SELECT DISTINCT target FROM {quote(request.state_database)}.source WHERE target <> %s",
            (request.target.database,),
        )
    ]
    if targets:
        raise MergeError(
            f"{where}: {request.state_database} keeps the state of {', '.join(targets)} as well, which would move along"
        )
    users = server.query(
        "SELECT user, host, COUNT(*) FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID() "
        "AND user <> 'system user' GROUP BY user, host",
        (request.target.database,),
    )
    if users:
        raise MergeError(
            "{}: still in use by {}: nothing has been moved".format(
                where, ", ".join(f"{user}@{host}" for user, host, _connections in users)
            )
        )


def _claim(request: Request) -> None:
    """Raise while a merge is running."""
    with contextlib.closing(Database(request.target)) as target:
        target.begin_writing()
        state = State(target, request.state_database)
        state.prepare()
        try:
            state.claim()
        except RetryError as error:
            raise MergeError(
                f"{request.target.name} ({request.target.address}): a merge into it is running; wait until it has ended"
            ) from error
        finally:
            target.rollback()


def _move(server: Database, moves: Sequence[tuple[str, str, Sequence[str]]]) -> None:
    server.query(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
    for old, new, _names in moves:
        charset, collation = server.query(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
            "WHERE schema_name = %s",
            (old,),
        )[0]
        server.query(f"CREATE DATABASE IF NOT EXISTS {quote(new)} CHARACTER SET {charset} COLLATE {collation}")
    renames = [
        f"{quote(old)}.{quote(table)} TO {quote(new)}.{quote(table)}" for old, new, tables in moves for table in tables
    ]
    server.query(f"RENAME TABLE {', '.join(renames)}")


def result(aside: Aside) -> dict[str, Any]:
    """What the module returns."""
    return {
        "changed": aside.database is not None,
        "database": aside.database,
        "state_database": aside.state_database,
        "tables": aside.tables,
    }
