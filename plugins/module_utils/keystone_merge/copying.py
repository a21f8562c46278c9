# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Copies of Keystone databases, on which db_sync brings their schema up: the original is only ever read.

A copy has the structure (``SHOW CREATE TABLE``) and all rows of the base tables as they are in one snapshot. The source
writes the text of the INSERTs itself, so that no row passes through Python.

What a copy is of is written down in the table ``copy`` of the database that keeps the state: with it the checksums of
the source's tables, by which a later run sees whether the copy is still good, and what db_sync would lose.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import zlib
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database, Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Ledger
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    quote,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import VERSION_TABLES, Rule, Table
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.transport import (
    Limits,
    Making,
    TableReader,
    Work,
    Writer,
    pump,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import SchemaVersion

BATCH_ROWS = 10000
"""Rows of one transaction."""

_COPIES = """
    name VARCHAR(64) NOT NULL COMMENT 'database of the copy',
    identity VARCHAR(255) NOT NULL COMMENT 'server and database that it is of',
    address VARCHAR(255) NOT NULL COMMENT 'how that was reached',
    version VARCHAR(255) NOT NULL COMMENT 'of the schema there',
    checksums TEXT NOT NULL COMMENT 'JSON: of the tables there',
    row_counts TEXT NOT NULL COMMENT 'JSON: of the tables there',
    kept LONGTEXT NOT NULL COMMENT 'JSON: what db_sync would lose',
    copied_at DATETIME NULL COMMENT 'UTC; NULL while it is not complete',
    upgraded_to VARCHAR(255) NULL COMMENT 'version of its schema, once it is as it should be',
    PRIMARY KEY (name)"""

_HIDDEN = re.compile(r"""('(?:[^'\\]|''|\\.)*'|`(?:[^`]|``)*`|"(?:[^"\\]|""|\\.)*")""")
_OLD_UTF8 = re.compile(r"\b(CHARSET ?=? ?|CHARACTER SET |COLLATE ?=? ?)utf8mb3(?=_|\b)")
_COLLATE = re.compile(r" COLLATE ?=? ?(\w+)")

_LIMIT_KEY = ("service_id", "region_id", "resource_name")


@dataclass(frozen=True)
class Copy:
    """A copy that is known: *version* as people read it, *upgraded_to* once it is settled."""

    name: str
    identity: str
    address: str
    version: str
    checksums: Mapping[str, int]
    rows: Mapping[str, int]
    kept: Mapping[str, Any] = field(default_factory=dict)
    copied_at: str | None = None
    upgraded_to: str | None = None


@dataclass(frozen=True)
class Seen:
    """What says whether a copy is still good: the source, its schema, and the checksum of every table."""

    identity: str
    version: SchemaVersion
    checksums: Mapping[str, int]

    def is_of(self, copy: Copy | None) -> bool:
        """Whether *copy* is a complete one of just this."""
        return (
            copy is not None
            and copy.copied_at is not None
            and copy.identity == self.identity
            and copy.checksums == self.checksums
        )


class Copies:
    """The table of the copies, through a connection to the target's server."""

    def __init__(self, server: Database, database: str) -> None:
        self._server = server
        self._database = database
        self._table = f"{quote(database)}.`copy`"

    def find(self, name: str) -> Copy | None:
        """What is known of the copy in the database *name*."""
        if not self._server.query(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'copy'",
            (self._database,),
        ):
            return None
        found = self._server.query(
            "SELECT name, identity, address, version, checksums, row_counts, kept, copied_at, upgraded_to "
            f"FROM {self._table} WHERE name = %s",
            (name,),
        )
        if not found:
            return None
        name, identity, address, said, checksums, rows, kept, copied_at, upgraded_to = found[0]
        return Copy(
            name,
            identity,
            address,
            said,
            json.loads(checksums),
            json.loads(rows),
            json.loads(kept),
            copied_at,
            upgraded_to,
        )

    def start(self, copy: Copy) -> None:
        """Write down that a copy is being made."""
        if not self._server.query(
            "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (self._database,)
        ):
            self._server.query(f"CREATE DATABASE IF NOT EXISTS {quote(self._database)}")
        self._server.query(
            f"CREATE TABLE IF NOT EXISTS {self._table} ({_COPIES}) "
            "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        )
        self._server.query(
            f"REPLACE INTO {self._table} (name, identity, address, version, checksums, row_counts, kept) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                copy.name,
                copy.identity,
                copy.address,
                copy.version,
                json.dumps(copy.checksums),
                json.dumps(copy.rows),
                json.dumps(copy.kept),
            ),
        )

    def complete(self, name: str, rows: Mapping[str, int]) -> None:
        """Write down that a copy is complete, and its rows."""
        self._server.query(
            f"UPDATE {self._table} SET row_counts = %s, copied_at = UTC_TIMESTAMP() WHERE name = %s",
            (json.dumps(rows), name),
        )

    def upgraded(self, name: str, to: SchemaVersion) -> None:
        """Write down that a copy has its new schema."""
        self._server.query(f"UPDATE {self._table} SET upgraded_to = %s WHERE name = %s", (str(to), name))

    def forget(self, name: str) -> None:
        """Forget a copy."""
        self._server.query(f"DELETE FROM {self._table} WHERE name = %s", (name,))


COPIES = "stretch_copy_"
"""How the names of copies begin. What is called so is one, also where the state that knew it is gone."""


def copy_name(stack: str) -> str:
    """What the database of a stack's copy is called: told apart by a sum where the stack's name is no plain word."""
    plain = re.sub(r"[^0-9A-Za-z_]", "_", stack)[:40]
    return f"{COPIES}{plain}" if plain == stack else f"{COPIES}{plain}_{zlib.crc32(stack.encode('utf-8')):08x}"


def base_tables(database: Database) -> list[str]:
    """The tables, in order. Views and the like hold nothing of their own.

    :raises MergeError: where a table cannot be read in a snapshot.
    """
    found = database.query(
        "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = %s "
        "AND table_type = 'BASE TABLE' ORDER BY table_name",
        (database.login.database,),
    )
    others = [table for table, engine in found if engine != "InnoDB"]
    if others:
        raise MergeError(
            f"{database.login.name} ({database.login.address}): not InnoDB, so it cannot be read in one snapshot while "
            f"its Keystone writes: table {', '.join(others)}"
        )
    return [table for table, _engine in found]


def look(source: Database) -> Seen:
    """The source as it is in the snapshot of the connection. The server reads all rows: a million in 0.3 s."""
    tables = base_tables(source)
    named = ", ".join(quote(table) for table in tables)
    start = len(source.login.database) + 1
    checksums = {row[0][start:]: int(row[1] or 0) for row in source.query(f"CHECKSUM TABLE {named}")}
    return Seen(source.identity(), source.schema_version(), checksums)


def portable(ddl: str, collations: frozenset[str]) -> str:
    """The text of ``SHOW CREATE TABLE`` for a server that knows *collations*.

    ``utf8mb3`` is ``utf8`` to every server, the former not to old ones; a collation that the server does not have
    (MySQL 8's default) gives way to the character set's own.
    """

    def known(match: re.Match[str]) -> str:
        return match.group(0) if match.group(1).lower() in collations else ""

    return "".join(
        part if number % 2 else _COLLATE.sub(known, _OLD_UTF8.sub(r"\1utf8", part))
        for number, part in enumerate(_HIDDEN.split(ddl))
    )


def _unfolded(name: str) -> str:
    return name


def _work(source: Database, tables: Sequence[str], limits: Limits) -> Iterator[Work]:
    """The rows as they are: to the reader a table that refers to nothing and of which nothing changes."""
    unchanged = Ledger(source.login.name, 0)
    for table in tables:
        plain = Table(table, Rule.UNION, source.layout(table).primary)
        reader = TableReader(source, plain, unchanged, _unfolded, source.tables()[table], limits)
        for part in reader.layout.parts:
            for low, high in reader.ranges(part, None):
                for _low, _high, rows in reader.read_all(part, low, high):
                    if rows.count:
                        yield Work(table, rows.count, (reader.destination.write(rows),))


def copy_rows(source: Database, target: Database, tables: Sequence[str]) -> dict[str, int]:
    """Copy all rows of *tables*; gives how many of each.

    :raises MergeError: where not all arrived.
    """
    rows: dict[str, int] = dict.fromkeys(tables, 0)

    def wrote(_stack: str, table: str, count: int) -> None:
        rows[table] += count

    making = Making(_work(source, tables, Limits.of(target)), contextlib.nullcontext())
    pump([making], Writer(target, BATCH_ROWS, wrote), threading.Event())
    wrong = [
        f"table {table} has {there} rows instead of {wanted}"
        for table in tables
        for wanted, there in [(source.count(table), target.count(table))]
        if wanted != there
    ]
    if wrong:
        raise MergeError(f"{source.login.name}: the copy is not as the source: {'; '.join(wrong)}; make it again")
    return rows


def make_copy(source: Database, seen: Seen, target: Login, state_database: str) -> Copy:
    """Make the database *target* a copy of *source*, whose snapshot is *seen*. What it was before goes."""
    tables = base_tables(source)
    copy = Copy(
        target.database,
        seen.identity,
        source.login.address,
        str(seen.version),
        seen.checksums,
        dict.fromkeys(tables, 0),
        {"limits": old_limits(source)},
    )
    charset, collation = source.query(
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
        "WHERE schema_name = %s",
        (source.login.database,),
    )[0]
    server = Database(replace(target, database=""))
    try:
        collations = frozenset(
            str(name).lower() for (name,) in server.query("SELECT collation_name FROM information_schema.collations")
        )
        Copies(server, state_database).start(copy)
        server.query(f"DROP DATABASE IF EXISTS {quote(target.database)}")
        server.query(
            portable(
                f"CREATE DATABASE {quote(target.database)} CHARACTER SET {charset} COLLATE {collation}", collations
            )
        )
        writer = Database(target)
        try:
            writer.begin_writing()
            for one in (source, writer):
                # A TIMESTAMP is written as the connection's time zone has it.
                one.query("SET SESSION time_zone = '+00:00'")
            for table in tables:
                writer.query(portable(source.query(f"SHOW CREATE TABLE {quote(table)}")[0][1], collations))
            rows = copy_rows(source, writer, tables)
        finally:
            writer.close()
        Copies(server, state_database).complete(target.database, rows)
    finally:
        server.close()
    return replace(copy, rows=rows, copied_at="")


def old_limits(source: Database) -> list[list[Any]]:
    """(id, service, region, resource) of the limits that name their registered limit so, as Keystones up to Stein do.

    db_sync of later ones drops the three columns and puts nothing in their place: such a limit would be of nothing, and
    the list of all limits an internal error.
    """
    columns = source.tables().get("limit", ())
    if not set(_LIMIT_KEY) <= set(columns):
        return []
    unset = " WHERE registered_limit_id IS NULL" if "registered_limit_id" in columns else ""
    return [list(row) for row in source.query(f"SELECT id, {', '.join(_LIMIT_KEY)} FROM `limit`{unset}")]


def settle(copy: Database, kept: Mapping[str, Any]) -> list[str]:
    """Put right what db_sync leaves undone; gives what could not be, one line each.

    Limits get the id of their registered limit, and roles the description that was in ``extra`` before it had a
    column of its own, which the API would show no more.
    """
    columns = copy.tables()
    unsettled: list[str] = []
    limits = kept.get("limits", ())
    if limits and "registered_limit_id" in columns.get("limit", ()):
        registered = {
            (service, region, resource): id_
            for id_, service, region, resource in copy.query(
                f"SELECT id, {', '.join(_LIMIT_KEY)} FROM registered_limit"
            )
        }
        for id_, *key in limits:
            if tuple(key) not in registered:
                unsettled.append(f"limit {id_} of {key[2]} has no registered limit")
                continue
            copy.query(
                "UPDATE `limit` SET registered_limit_id = %s WHERE id = %s AND registered_limit_id IS NULL",
                (registered[tuple(key)], id_),
            )
    if "description" in columns.get("role", ()):
        for id_, extra in copy.query(
            "SELECT id, extra FROM role WHERE description IS NULL AND extra LIKE '%\"description\"%'"
        ):
            description = _description(extra)
            if description is not None:
                copy.query("UPDATE role SET description = %s WHERE id = %s", (description, id_))
    copy.commit()
    return unsettled


def _description(extra: str) -> str | None:
    try:
        found = json.loads(extra).get("description")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) and len(found) <= 255 else None


def lost_rows(copy: Database, known: Copy) -> list[str]:
    """Tables that have other rows than the source had, one line each."""
    there = copy.tables()
    return [
        f"table {table} has {rows} rows instead of {wanted}"
        for table, wanted in known.rows.items()
        if table not in VERSION_TABLES
        for rows in [copy.count(table) if table in there else 0]
        if rows != wanted
    ]


def unreadable_passwords(copy: Database) -> int:
    """How many users have a password that was hashed with SHA-512 crypt, Keystone's way up to Ocata (11).

    Keystone 2025.1 (27) and later cannot verify it.
    """
    newer = "SELECT 1 FROM password newer WHERE newer.local_user_id = p.local_user_id AND newer.id > p.id"
    return int(
        copy.query(f"SELECT COUNT(*) FROM password p WHERE password_hash LIKE '$6$%' AND NOT EXISTS ({newer})")[0][0]
    )


def is_usable(copy: SchemaVersion | None, known: Copy, source: SchemaVersion, wanted: SchemaVersion | None) -> bool:
    """Whether a copy with the schema version *copy* (None: it is not there) is untouched, or upgraded to *wanted*.

    One on which db_sync stopped half way is neither.
    """
    if copy is None:
        return False
    if known.upgraded_to is None:
        return copy.schema == source.schema
    return str(copy) == known.upgraded_to and (wanted is None or wanted.schema == copy.schema)


def drop_copy(server: Database, name: str, copies: Copies, check: bool) -> bool:
    """Drop a copy and forget it, unless *check*; whether there is, or was, anything to drop.

    :raises MergeError: where it is no copy.
    """
    known = copies.find(name)
    require_place(server, name, known)
    there = server.query("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (name,))
    if there and not check:
        server.query(f"DROP DATABASE {quote(name)}")
    if known is not None and not check:
        copies.forget(name)
    return bool(there) or known is not None


def require_place(server: Database, name: str, known: Copy | None) -> None:
    """Raise where the database *name* holds what no copy brought there."""
    if known is not None or name.startswith(COPIES):
        return
    if server.query("SELECT 1 FROM information_schema.tables WHERE table_schema = %s", (name,)):
        raise MergeError(
            f"target ({server.login.address}): the database {name} holds tables that no copy brought there: give a "
            "name of which there is no database, or an empty one"
        )
