# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What the merged database remembers: which source was merged when and from where, which rows, and which ids changed.

It lies in a database of its own on the target's server. A *chunk*, and an *edit* where there is one, say which rows of
a range of a source's table are in the merged database; they are written in the transaction of those rows, so that they
are there exactly when the rows are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.manifest import (
    Chunk,
    Columns,
    Edit,
    pack_keys,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    Bound,
    literal,
    literal_bytes,
    literals,
    quote,
)

# Ids as long as Keystone's longest (region.id), compared byte for byte; a primary key, as Galera wants one.
_TABLES = {
    "source": """
        target VARCHAR(64) NOT NULL COMMENT 'merged database',
        name VARCHAR(128) NOT NULL COMMENT 'stack',
        region VARCHAR(255) NULL,
        identity VARCHAR(255) NOT NULL COMMENT 'server and database',
        address VARCHAR(255) NOT NULL COMMENT 'how it was reached',
        position VARCHAR(255) NULL COMMENT 'of the server, when it was read',
        log_mark TEXT NULL COMMENT 'JSON: the same in its binary log, where that can be used',
        offsets TEXT NULL COMMENT 'JSON: added to the numbers of each table',
        lost LONGTEXT NULL COMMENT 'JSON: references that lead nowhere',
        carried INT NOT NULL DEFAULT 0 COMMENT 'rows',
        started_at DATETIME NULL COMMENT 'UTC',
        merged_at DATETIME NULL COMMENT 'UTC; NULL while it is not complete',
        cut_over_at DATETIME NULL COMMENT 'UTC; from then on the merged database is the truth',
        PRIMARY KEY (target, name)""",
    "id_map": """
        target VARCHAR(64) NOT NULL,
        source VARCHAR(128) NOT NULL,
        kind VARCHAR(64) NOT NULL COMMENT 'table',
        old_id VARCHAR(255) NOT NULL,
        new_id VARCHAR(255) NOT NULL,
        PRIMARY KEY (target, source, kind, old_id)""",
    "chunk": """
        target VARCHAR(64) NOT NULL,
        source VARCHAR(128) NOT NULL,
        tab VARCHAR(64) NOT NULL COMMENT 'table',
        part VARCHAR(64) NOT NULL COMMENT 'value of a leading ENUM of its key',
        number INT NOT NULL,
        low TEXT NULL COMMENT 'JSON: the key behind which the range begins',
        high TEXT NULL COMMENT 'JSON: the key up to which it goes',
        row_count INT NOT NULL,
        digest VARBINARY(16) NOT NULL COMMENT 'of the rows as text, empty where it is not known',
        marks MEDIUMBLOB NOT NULL COMMENT '8 bytes for each row that was written',
        row_keys LONGBLOB NOT NULL COMMENT 'their keys, see pack_keys',
        PRIMARY KEY (target, source, tab, part, number)""",
    "edit": """
        target VARCHAR(64) NOT NULL,
        source VARCHAR(128) NOT NULL,
        tab VARCHAR(64) NOT NULL,
        part VARCHAR(64) NOT NULL,
        number INT NOT NULL COMMENT 'of the chunk',
        more INT NOT NULL COMMENT 'rows that the chunk has more than when it was written',
        digest VARBINARY(16) NOT NULL COMMENT 'of all rows of the chunk',
        gone BLOB NOT NULL COMMENT 'places of rows that went, 4 bytes each',
        marks BLOB NOT NULL COMMENT 'of rows that came',
        row_keys MEDIUMBLOB NOT NULL COMMENT 'their keys',
        PRIMARY KEY (target, source, tab, part, number)""",
    "planned": """
        target VARCHAR(64) NOT NULL,
        basis CHAR(64) NOT NULL COMMENT 'digest of all that the plan rests on but for the rows',
        document LONGTEXT NOT NULL COMMENT 'JSON: the plan of the last run, where that came to its end',
        PRIMARY KEY (target)""",
    "run": """
        target VARCHAR(64) NOT NULL COMMENT 'locked while a merge runs',
        PRIMARY KEY (target)""",
}
_ADDED = {
    "position": "VARCHAR(255) NULL",
    "offsets": "TEXT NULL",
    "lost": "LONGTEXT NULL",
    "started_at": "DATETIME NULL",
    "cut_over_at": "DATETIME NULL",
}
"""Columns of ``source`` that version 0.1.0 did not have."""

_LATER = {"log_mark": "TEXT NULL"}
"""Such that a merged database may lack while it has the others."""


Lost = Mapping[Tuple[str, str, str], Mapping[Any, int]]

_NOTED_BYTES = 1 << 18
"""Of notes that one statement writes: far from what any server takes."""
_ASKED = 100
"""Chunks of one query: some megabytes."""

_KEPT_LOST = 5000
"""Values that the state keeps of references that lead nowhere."""


@dataclass(frozen=True)
class Merged:
    """A source that is known: *identity* as :meth:`Database.identity`, times in UTC, *merged_at* once it is complete.

    *started_at* is when the last run that wrote began, None where version 0.1.0 merged. *lost* are the references that
    lead nowhere, as :attr:`plan.Plan.found_lost`, once it is complete. *log_mark* is :meth:`changelog.LogMark.text` of
    the last run that wrote.
    """

    name: str
    identity: str
    address: str
    started_at: str | None = None
    merged_at: str | None = None
    cut_over_at: str | None = None
    offsets: Mapping[str, int] = field(default_factory=dict)
    lost: Lost | None = None
    log_mark: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the last run that wrote anything of it came to its end."""
        return self.merged_at is not None and (self.started_at is None or self.started_at <= self.merged_at)


def _bound(text: str | None) -> Bound:
    return None if text is None else tuple(json.loads(text))


def _json(bound: Bound) -> str | None:
    return None if bound is None else json.dumps(list(bound))


def _write_lost(lost: Lost) -> str | None:
    """None where it is too much to keep, so that the next run looks again."""
    if sum(len(values) for values in lost.values()) > _KEPT_LOST:
        return None
    return json.dumps([[*where, list(values.items())] for where, values in lost.items() if values])


def _read_lost(text: str | None) -> Lost | None:
    if text is None:
        return None
    return {(table, column, to): dict(map(tuple, values)) for table, column, to, values in json.loads(text)}


class State:
    """The tables of the state, through a connection to the target's server."""

    def __init__(self, target: Database, database: str, name: str | None = None) -> None:
        """*name* is what the merged database was called when it was merged, where it has another name now."""
        self._target = target
        self._database = database
        self._name = name or target.login.database

    def _table(self, name: str) -> str:
        return f"{quote(self._database)}.{quote(name)}"

    def _columns(self) -> set[str]:
        return {
            row[0]
            for row in self._target.query(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = 'source'",
                (self._database,),
            )
        }

    def sources(self) -> dict[str, Merged]:
        """The sources that are known, by name; none where there is no state yet."""
        columns = self._columns()
        if not columns:
            return {}
        # What version 0.1.0 merged was cut over in the same run.
        newer = "started_at, merged_at, cut_over_at, offsets, lost"
        if not set(_ADDED) <= columns:
            newer = "NULL, merged_at, merged_at, NULL, NULL"
        mark = "log_mark" if "log_mark" in columns else "NULL"
        return {
            name: Merged(
                name, identity, address, started, merged, cut_over, json.loads(offsets or "{}"), _read_lost(lost), log
            )
            for name, identity, address, started, merged, cut_over, offsets, lost, log in self._target.query(
                f"SELECT name, identity, address, {newer}, {mark} FROM {self._table('source')} WHERE target = %s",
                (self._name,),
            )
        }

    def prepare(self) -> None:
        """Make the tables, and bring those of version 0.1.0 up."""
        there = {
            row[0]
            for row in self._target.query(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (self._database,)
            )
        }
        if not there and not self._target.query(
            "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (self._database,)
        ):
            self._target.query(f"CREATE DATABASE IF NOT EXISTS {quote(self._database)}")
        missing = [column for column in _ADDED if "source" in there and column not in self._columns()]
        for column in missing:
            self._target.query(f"ALTER TABLE {self._table('source')} ADD COLUMN {column} {_ADDED[column]}")
        if missing:
            self._target.query(
                f"ALTER TABLE {self._table('source')} MODIFY merged_at DATETIME NULL, "
                "MODIFY carried INT NOT NULL DEFAULT 0"
            )
            self._target.query(f"UPDATE {self._table('source')} SET cut_over_at = merged_at")
            self._target.commit()
        for column in [column for column in _LATER if "source" in there and column not in self._columns()]:
            self._target.query(f"ALTER TABLE {self._table('source')} ADD COLUMN {column} {_LATER[column]}")
        for name, columns in _TABLES.items():
            if name not in there:
                self._target.query(
                    f"CREATE TABLE IF NOT EXISTS {self._table(name)} ({columns}) "
                    "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin"
                )

    def claim(self) -> None:
        """Lock the merged database for this run until the connection ends; raises where another holds it."""
        self._target.query("SET SESSION innodb_lock_wait_timeout = 1")
        self._target.query(f"INSERT IGNORE INTO {self._table('run')} VALUES (%s)", (self._name,))
        self._target.commit()
        self._target.query(f"SELECT target FROM {self._table('run')} WHERE target = %s FOR UPDATE", (self._name,))

    def start(self, source: Database, identity: str, log_mark: str | None, offsets: Mapping[str, int]) -> None:
        """Write down that a source is being merged, where its server is, and how its numbers move."""
        login = source.login
        values = {
            "target": self._name,
            "name": login.name,
            "region": login.region,
            "identity": identity,
            "address": login.address,
            "position": source.position(),
            "log_mark": log_mark,
            "offsets": json.dumps(dict(offsets)),
        }
        known = ", ".join(f"{name} = VALUES({name})" for name in [*list(values)[2:], "started_at"])
        self._target.query(
            f"INSERT INTO {self._table('source')} ({', '.join(values)}, started_at) "
            f"VALUES ({literals(values.values())}, UTC_TIMESTAMP()) ON DUPLICATE KEY UPDATE {known}"
        )

    def finish(self, name: str, carried: int, lost: Lost) -> None:
        """Write down that a source is complete."""
        self._target.query(
            f"UPDATE {self._table('source')} SET merged_at = UTC_TIMESTAMP(), carried = %s, lost = %s "
            "WHERE target = %s AND name = %s",
            (carried, _write_lost(lost), self._name, name),
        )

    def cut_over(self, names: Iterable[str], done: bool) -> int:
        """Mark sources as cut over, or take it back; gives how many that changed."""
        return sum(
            self._target.execute(
                f"UPDATE {self._table('source')} SET cut_over_at = {'UTC_TIMESTAMP()' if done else 'NULL'} WHERE "
                f"target = %s AND name = %s AND cut_over_at IS {'NULL' if done else 'NOT NULL'}",
                (self._name, name),
            )
            for name in names
        )

    def id_map(self) -> set[tuple[str, str, str, str]]:
        """(kind, source, old id, new id) as they were written down."""
        return set(
            self._target.query(
                f"SELECT kind, source, old_id, new_id FROM {self._table('id_map')} WHERE target = %s", (self._name,)
            )
        )

    def remember(self, changed: Iterable[tuple[str, str, str, str]], sources: frozenset[str], size: int) -> bool:
        """Bring the map of *sources* to (kind, source, old id, new id); says whether that changed anything."""
        wanted = set(changed)
        known = {entry for entry in self.id_map() if entry[1] in sources}
        for kind, source, old, _new in known - wanted:
            self._target.query(
                f"DELETE FROM {self._table('id_map')} WHERE target = %s AND source = %s AND kind = %s AND old_id = %s",
                (self._name, source, kind, old),
            )
        added = sorted(wanted - known)
        for start in range(0, len(added), size):
            rows = ",".join(
                f"({literals((self._name, source, kind, old, new))})"
                for kind, source, old, new in added[start : start + size]
            )
            self._target.query(
                f"INSERT INTO {self._table('id_map')} (target, source, kind, old_id, new_id) VALUES {rows}"
            )
            self._target.commit()
        return bool(known ^ wanted)

    def _edited(self) -> str:
        """The chunks, each with its edit if there is one."""
        key = "target, source, tab, part, number"
        return f"{self._table('chunk')} LEFT JOIN {self._table('edit')} USING ({key})"

    def ranges(self, source: str, table: str) -> list[Chunk]:
        """The ranges of a table of a source that are in the merged database, in order: no marks, keys or edits."""
        chunk, edit = self._table("chunk"), self._table("edit")
        return [
            Chunk(part or None, number, _bound(low), _bound(high), b"", digest=digest)
            for part, number, low, high, digest in self._target.query(
                f"SELECT part, number, low, high, COALESCE({edit}.digest, {chunk}.digest) "
                f"FROM {self._edited()} WHERE target = %s AND source = %s AND tab = %s ORDER BY part, number",
                (self._name, source, table),
            )
        ]

    def some_chunks(self, source: str, table: str, ranges: Sequence[Chunk]) -> Iterator[Chunk]:
        """What of some ranges is in the merged database, in their order and without the keys."""
        for start in range(0, len(ranges), _ASKED):
            some = ranges[start : start + _ASKED]
            places = ",".join(f"({literals((one.part or '', one.number))})" for one in some)
            found = {
                (one.part, one.number): one for one in self._chunks(source, table, f"(part, number) IN ({places})")
            }
            yield from (found[(one.part, one.number)] for one in some)

    def chunks(self, source: str, table: str) -> list[Chunk]:
        """What of a table of a source is in the merged database, in order and without the keys."""
        return self._chunks(source, table, "TRUE")

    def _chunks(self, source: str, table: str, where: str) -> list[Chunk]:
        chunk, edit = self._table("chunk"), self._table("edit")
        return [
            Chunk(
                part or None,
                number,
                _bound(low),
                _bound(high),
                marks,
                edit=_edit(gone, came, keys, now),
                # Empty where rows are gone and others did not come yet: that is not what was written.
                digest=digest if now is None else now,
            )
            for part, number, low, high, digest, marks, gone, came, keys, now in self._target.query(
                f"SELECT part, number, low, high, {chunk}.digest, {chunk}.marks, gone, {edit}.marks, {edit}.row_keys, "
                f"{edit}.digest "
                f"FROM {self._edited()} WHERE target = %s AND source = %s AND tab = %s AND {where} "
                "ORDER BY part, number",
                (self._name, source, table),
            )
        ]

    def keys(self, source: str, table: str, chunk: Chunk) -> Columns:
        """The keys of a chunk."""
        return chunk.all_keys(self._packed(source, table, [chunk])[(chunk.part, chunk.number)])

    def some_keys(
        self, source: str, table: str, wanted: Sequence[tuple[Chunk, Sequence[int]]]
    ) -> dict[tuple[str | None, int], Columns]:
        """The keys at some places of several chunks, by part and number."""
        packed = self._packed(source, table, [chunk for chunk, places in wanted if places])
        return {
            (chunk.part, chunk.number): chunk.some_keys(packed[(chunk.part, chunk.number)], places) if places else []
            for chunk, places in wanted
        }

    def _packed(self, source: str, table: str, chunks: Sequence[Chunk]) -> dict[tuple[str | None, int], bytes]:
        """The packed keys of chunks as they were written."""
        found: dict[tuple[str | None, int], bytes] = {}
        for start in range(0, len(chunks), _ASKED):
            wanted = ",".join(f"({literals((one.part or '', one.number))})" for one in chunks[start : start + _ASKED])
            for part, number, packed in self._target.query(
                f"SELECT part, number, row_keys FROM {self._table('chunk')} WHERE target = %s AND source = %s "
                f"AND tab = %s AND (part, number) IN ({wanted})",
                (self._name, source, table),
            ):
                found[(part or None, number)] = packed
        return found

    def all_keys(self, source: str, table: str) -> Iterator[Columns]:
        """The keys of all chunks of a table."""
        for chunk in self.chunks(source, table):
            yield self.keys(source, table, chunk)

    def count(self, source: str) -> int:
        """How many rows of a source are in the merged database."""
        return int(
            self._target.query(
                f"SELECT COALESCE(SUM(row_count + COALESCE(more, 0)), 0) FROM {self._edited()} "
                "WHERE target = %s AND source = %s",
                (self._name, source),
            )[0][0]
        )

    def counts(self, source: str | None = None) -> dict[str, int]:
        """How many rows of each table a source, or all of them, have in the merged database."""
        limit, values = ("", (self._name,)) if source is None else (" AND source = %s", (self._name, source))
        return {
            table: int(rows)
            for table, rows in self._target.query(
                f"SELECT tab, SUM(row_count + COALESCE(more, 0)) FROM {self._edited()} WHERE target = %s{limit} "
                "GROUP BY tab",
                values,
            )
        }

    def marks(self, table: str) -> Iterator[bytes]:
        """The marks of all rows of a table, of all sources."""
        chunk, edit = self._table("chunk"), self._table("edit")
        for marks, gone, came in self._target.stream(
            f"SELECT {chunk}.marks, gone, {edit}.marks FROM {self._edited()} "
            f"WHERE target = {literal(self._name)} AND tab = {literal(table)}"
        ):
            yield Chunk(None, 0, None, None, marks, edit=_edit(gone, came, b"", b"")).marks

    def any_chunk(self) -> bool:
        """Whether any row was brought by a merge."""
        return bool(
            self._target.query(f"SELECT 1 FROM {self._table('chunk')} WHERE target = %s LIMIT 1", (self._name,))
        )

    def note_chunk(self, source: str, table: str, chunk: Chunk) -> bytes:
        """What :meth:`write_notes` writes down of a chunk."""
        head = literals((*self._key(source, table, chunk), _json(chunk.low), _json(chunk.high), chunk.rows))
        return b"".join(
            (
                f"({head},".encode(),
                literal_bytes(chunk.digest),
                b",",
                literal_bytes(chunk.marks),
                b",",
                literal_bytes(pack_keys(chunk.keys)),
                b")",
            )
        )

    def write_notes(self, notes: Sequence[bytes]) -> list[bytes]:
        """The statements that write chunks down, in place of those of their numbers."""
        head = (
            f"REPLACE INTO {self._table('chunk')} (target, source, tab, part, number, low, high, row_count, "
            "digest, marks, row_keys) VALUES "
        ).encode()
        return [head + b",".join(some) for some in _portions(notes)]

    def write_edits(self, edits: Sequence[tuple[str, str, Chunk, Edit]]) -> bytes:
        """The statement that writes down what became of chunks: source, table, chunk and edit of each."""
        rows = (
            b"".join(
                (
                    f"({literals(self._key(source, table, chunk))},{edit.more},".encode(),
                    literal_bytes(edit.digest),
                    b",",
                    literal_bytes(edit.pack_gone()),
                    b",",
                    literal_bytes(edit.marks),
                    b",",
                    literal_bytes(edit.packed),
                    b")",
                )
            )
            for source, table, chunk, edit in edits
        )
        return (
            f"REPLACE INTO {self._table('edit')} (target, source, tab, part, number, more, digest, gone, "
            "marks, row_keys) "
            "VALUES "
        ).encode() + b",".join(rows)

    def remove_edit(self, source: str, table: str, chunk: Chunk) -> str:
        """The statement that forgets what became of a chunk, which is written anew."""
        names = ("target", "source", "tab", "part", "number")
        values = self._key(source, table, chunk)
        return "DELETE FROM {} WHERE {}".format(
            self._table("edit"), " AND ".join(f"{name} = {literal(value)}" for name, value in zip(names, values))
        )

    def _key(self, source: str, table: str, chunk: Chunk) -> tuple[Any, ...]:
        return (self._name, source, table, chunk.part or "", chunk.number)

    def planned(self, basis: str) -> str | None:
        """The plan of the last run, if that came to its end and rested on the same."""
        there = self._target.query(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'planned'",
            (self._database,),
        )
        found = there and self._target.query(
            f"SELECT document FROM {self._table('planned')} WHERE target = %s AND basis = %s", (self._name, basis)
        )
        return str(found[0][0]) if found else None

    def forget_plan(self) -> None:
        """Something is written that the plan of the last run does not know."""
        self._target.query(f"DELETE FROM {self._table('planned')} WHERE target = %s", (self._name,))

    def remember_plan(self, basis: str, document: str) -> None:
        """Keep the plan of a run that came to its end."""
        self._target.query(
            f"REPLACE INTO {self._table('planned')} (target, basis, document) VALUES (%s, %s, %s)",
            (self._name, basis, document),
        )


def _portions(notes: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Some at a time, which one statement can hold."""
    some: list[bytes] = []
    size = 0
    for note in notes:
        if some and size + len(note) > _NOTED_BYTES:
            yield some
            some, size = [], 0
        some.append(note)
        size += len(note)
    if some:
        yield some


def _edit(gone: bytes | None, marks: bytes, packed: bytes, digest: bytes) -> Edit | None:
    return None if gone is None else Edit.unpack(gone, marks, packed, digest)
