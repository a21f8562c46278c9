# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Which rows of a database a server's binary log says were written: their keys, and nothing else of them.

The log is read as a replica reads it. Where it says anything of which it is not certain what it did to the database (a
statement instead of rows, an event that is not known here, a restart of the server, after which the log of a crash may
lack its end), it is refused: who asked compares all rows then.

The format is that of MariaDB's replication protocol, events of version 4.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Dict, Iterable, Mapping, Optional, Sequence

_HEADER = struct.Struct("<IBIIIH")
_CHECKSUM = 4

# Kinds of events.
_QUERY, _ROTATE, _FORMAT, _TABLE_MAP = 2, 4, 15, 19
_WRITES, _UPDATES, _DELETES = (23, 30), (24, 31), (25, 32)
_SECOND_VERSION = 30
_HARMLESS = frozenset(
    {
        3,  # the server stopped: the next file says that it started again
        5,  # values for statements, which are refused themselves
        13,
        14,
        16,  # a transaction ended
        27,  # heartbeat
        160,  # the statement of the rows that follow
        161,
        162,  # a transaction began
        163,
        164,  # the file is encrypted; what is sent is not
    }
)

# Types of columns, as TABLE_MAP has them.
_FIXED = {0: 0, 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 0, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1, 14: 3}
_WHOLE = frozenset({1, 2, 3, 8, 9})
_VARCHAR, _BIT, _TIMESTAMP2, _DATETIME2, _TIME2 = 15, 16, 17, 18, 19
_DECIMAL, _ENUM, _SET, _BLOB, _VAR_STRING, _STRING = 246, 247, 248, 252, 253, 254
_TEMPORAL = {_TIMESTAMP2: 4, _DATETIME2: 5, _TIME2: 3}
_TWO_BYTES = frozenset({_VARCHAR, _BIT, _DECIMAL, _ENUM, _SET, _VAR_STRING, _STRING})
_ONE_BYTE = frozenset({4, 5, _BLOB, *_TEMPORAL})
_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""Bytes of so many digits of a DECIMAL."""

_ENDS = re.compile(r"(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
_WITHOUT_ROWS = re.compile(
    r"(GRANT|REVOKE|FLUSH|ANALYZE|OPTIMIZE|REPAIR|SET\s+(PASSWORD|DEFAULT\s+ROLE)|DROP\s+(/\*!\d+\s+)?TEMPORARY"
    r"|(CREATE|ALTER|DROP|RENAME)\s+(OR\s+REPLACE\s+)?(USER|ROLE))\b",
    re.IGNORECASE,
)
_DEFINES = re.compile(r"(CREATE|ALTER|DROP|RENAME|TRUNCATE)\b", re.IGNORECASE)
_QUERY_HEAD = 13
_ROWS_HEAD = 8
_MOST_KEYS = 100_000


class UnreadableLogError(Exception):
    """The log does not tell, or not surely, what was written."""


@dataclass(frozen=True)
class Place:
    """A place in a log: *file*, and *position* in it in bytes."""

    file: str
    position: int


@dataclass(frozen=True)
class Known:
    """A table as the database has it now: *columns* is their number.

    *key* are the places of the primary key's columns (from 0), each with its values where it is an ENUM; *referenced*
    are the places of columns that foreign keys lead to.
    """

    columns: int
    key: tuple[tuple[int, tuple[str, ...]], ...]
    referenced: frozenset[int] = frozenset()


@dataclass
class Touched:
    """What was written of a table: *keys* of rows, as text; whether rows were *deleted*, and whether *moved*.

    Moved are rows of which a column that foreign keys lead to got another value.
    """

    keys: set[tuple[str, ...]] = field(default_factory=set)
    deleted: bool = False
    moved: bool = False


@dataclass(frozen=True)
class _Map:
    """The columns of a table as the rows that follow have them: type and what else tells their size."""

    table: str
    columns: tuple[tuple[int, bytes], ...]


_Image = Dict[int, Optional[bytes]]
"""Values of a row by the places of their columns, as they stand in the log; None is NULL."""


class Reading:
    """Takes a log, event by event, from the place where an earlier reading ended up to another place."""

    def __init__(self, database: str, tables: Mapping[str, Known], start: Place, end: Place) -> None:
        """*tables* are those of *database* whose rows count."""
        self.touched: dict[str, Touched] = {}
        self.born: int | None = None
        """When the file of the start was begun, in seconds since 1970."""
        self._database = database.casefold()
        self._tables = tables
        self._place = start
        self._end = end
        self._sums = False
        self._maps: dict[int, _Map | None] = {}
        self._keys = 0

    def take(self, events: Iterable[bytes], most: int) -> None:
        """Read *events* up to the end.

        :raises UnreadableLogError: what was written cannot be told, or the log is longer than *most* bytes.
        """
        size = 0
        for event in events:
            size += len(event)
            if size > most:
                raise UnreadableLogError(f"more than {most >> 20} MiB were written to it since the last run")
            try:
                self._event(event)
            except (struct.error, IndexError, ValueError) as error:
                raise UnreadableLogError("an event of it is not of the format that is known here") from error
            if self.born is not None and self._place == self._end:
                return
        raise UnreadableLogError(f"it ends before {self._end.file}:{self._end.position}")

    def _event(self, event: bytes) -> None:
        when, kind, _server, size, position, _flags = _HEADER.unpack_from(event)
        if size != len(event):
            raise ValueError("cut off")
        if kind == _FORMAT:
            self._format(event, when)
        elif self._sums and zlib.crc32(event[:-_CHECKSUM]) != int.from_bytes(event[-_CHECKSUM:], "little"):
            raise UnreadableLogError("the sum of an event of it is wrong")
        body = event[_HEADER.size : len(event) - (_CHECKSUM if self._sums else 0)]
        if kind == _ROTATE and not position:
            # The server says which file it sends; where it begins is known already.
            if self.born is not None:
                self._place = Place(body[8:].decode("utf-8"), 4)
            return
        self._body(kind, body)
        if position:
            self._place = Place(self._place.file, position)

    def _format(self, event: bytes, when: int) -> None:
        """What all events of a file have in common."""
        body = event[_HEADER.size :]
        version, created = int.from_bytes(body[:2], "little"), int.from_bytes(body[52:56], "little")
        heads, sums = body[57:], body[-1 - _CHECKSUM]
        if version != 4 or heads[_TABLE_MAP - 1] != _ROWS_HEAD or heads[_WRITES[0] - 1] != _ROWS_HEAD or sums > 1:
            raise ValueError("another format")
        if created:
            # The log of a crash may lack what was committed last (sync_binlog=0).
            raise UnreadableLogError("the server was started again since the last run")
        self._sums = sums == 1
        self._maps.clear()
        if self.born is None:
            self.born = when

    def _body(self, kind: int, body: bytes) -> None:
        if kind == _TABLE_MAP:
            self._map(body)
        elif kind in (*_WRITES, *_UPDATES, *_DELETES):
            self._rows(kind, body)
        elif kind == _QUERY:
            self._query(body)
        elif kind not in (_FORMAT, _ROTATE) and kind not in _HARMLESS:
            raise UnreadableLogError(f"it holds an event of kind {kind}, which is not known here")

    def _query(self, body: bytes) -> None:
        """Refuse a statement that may have written rows of the database."""
        name, settings = body[8], int.from_bytes(body[11:13], "little")
        at = _QUERY_HEAD + settings
        database = body[at : at + name].decode("utf-8").casefold()
        statement = body[at + name + 1 :].decode("utf-8", "replace").lstrip()
        if _ENDS.match(statement) or _WITHOUT_ROWS.match(statement):
            return
        elsewhere = database != self._database and self._database not in statement.casefold()
        if not (elsewhere and _DEFINES.match(statement)):
            # Not more of it: there may be secrets in it.
            word = (statement.split(None, 1) or [""])[0][:20].upper()
            raise UnreadableLogError(f"it holds a statement ({word}) instead of rows")

    def _map(self, body: bytes) -> None:
        number, at = int.from_bytes(body[:6], "little"), _ROWS_HEAD
        database, at = _name(body, at)
        table, at = _name(body, at)
        known = self._tables.get(table)
        if database.casefold() != self._database or known is None:
            self._maps[number] = None
            return
        count, at = _number(body, at)
        if count != known.columns:
            raise UnreadableLogError(f"table {table} had other columns")
        types = body[at : at + count]
        at += count
        _size, at = _number(body, at)
        columns: list[tuple[int, bytes]] = []
        for kind in types:
            if kind not in _FIXED and kind not in _TWO_BYTES and kind not in _ONE_BYTE:
                raise UnreadableLogError(f"it holds values of kind {kind}, which is not known here")
            width = 2 if kind in _TWO_BYTES else 1 if kind in _ONE_BYTE else 0
            columns.append(_real(kind, body[at : at + width]))
            at += width
        self._maps[number] = _Map(table, tuple(columns))

    def _rows(self, kind: int, body: bytes) -> None:
        made = self._maps.get(int.from_bytes(body[:6], "little"), _UNKNOWN)
        if made is _UNKNOWN:
            raise ValueError("rows of no table")
        if made is None:
            return
        at = _ROWS_HEAD
        if kind >= _SECOND_VERSION:
            at += int.from_bytes(body[at : at + 2], "little")
        count, at = _number(body, at)
        width = (count + 7) // 8
        before = _bits(body[at : at + width], count)
        at += width
        after = before
        if kind in _UPDATES:
            after = _bits(body[at : at + width], count)
            at += width
        found = self.touched.setdefault(made.table, Touched())
        while at < len(body):
            old, at = _image(made, body, at, before)
            new = old
            if kind in _UPDATES:
                new, at = _image(made, body, at, after)
            self._note(found, made, kind, old, new)
        if at != len(body):
            raise ValueError("rows of another size")

    def _note(self, found: Touched, made: _Map, kind: int, old: _Image, new: _Image) -> None:
        known = self._tables[made.table]
        for image in (old, {**old, **new}):
            found.keys.add(tuple(_text(image[at], made.columns[at], values) for at, values in known.key))
        found.deleted = found.deleted or kind in _DELETES
        found.moved = found.moved or any(at in new and new[at] != old.get(at) for at in known.referenced)
        self._keys += 1
        if self._keys > _MOST_KEYS:
            raise UnreadableLogError(f"more than {_MOST_KEYS} rows were written since the last run")


_UNKNOWN = _Map("", ())


def _number(body: bytes, at: int) -> tuple[int, int]:
    """A packed number, and where it ends."""
    first = body[at]
    if first < 251:
        return first, at + 1
    width = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(body[at + 1 : at + 1 + width], "little"), at + 1 + width


def _name(body: bytes, at: int) -> tuple[str, int]:
    """A name, and where it ends."""
    end = at + 1 + body[at]
    return body[at + 1 : end].decode("utf-8"), end + 1


def _bits(bitmap: bytes, count: int) -> list[int]:
    """Places of the bits that are set."""
    return [at for at in range(count) if bitmap[at // 8] >> at % 8 & 1]


def _real(kind: int, more: bytes) -> tuple[int, bytes]:
    """The type of a column: ENUM, SET and long CHAR come as CHAR, with what they are in *more*."""
    if kind != _STRING:
        return kind, more
    first, second = more
    if first & 0x30 != 0x30:
        return first | 0x30, struct.pack("<H", second | ((first & 0x30) ^ 0x30) << 4)
    return first, struct.pack("<H", second)


def _image(made: _Map, body: bytes, at: int, present: Sequence[int]) -> tuple[_Image, int]:
    """The values of a row, and where it ends."""
    width = (len(present) + 7) // 8
    nulls = body[at : at + width]
    at += width
    image: _Image = {}
    for number, place in enumerate(present):
        if nulls[number // 8] >> number % 8 & 1:
            image[place] = None
            continue
        kind, more = made.columns[place]
        head, size = _size(kind, more, body, at)
        image[place] = body[at + head : at + head + size]
        at += head + size
        if at > len(body):
            raise ValueError("a row is cut off")
    return image, at


def _size(kind: int, more: bytes, body: bytes, at: int) -> tuple[int, int]:
    """Bytes in which the length of a value stands, and that length."""
    if kind in _FIXED:
        return 0, _FIXED[kind]
    if kind in (_VARCHAR, _VAR_STRING, _STRING):
        head = 1 if int.from_bytes(more, "little") < 256 else 2
    elif kind == _BLOB:
        head = more[0]
    elif kind in _TEMPORAL:
        return 0, _TEMPORAL[kind] + (more[0] + 1) // 2
    elif kind in (_ENUM, _SET):
        return 0, more[0]
    elif kind == _BIT:
        return 0, more[1] + (1 if more[0] else 0)
    else:
        whole, part = more[0] - more[1], more[1]
        return 0, whole // 9 * 4 + _DIGITS[whole % 9] + part // 9 * 4 + _DIGITS[part % 9]
    return head, int.from_bytes(body[at : at + head], "little")


def _text(value: bytes | None, column: tuple[int, bytes], values: Sequence[str]) -> str:
    """A value of a primary key as a server would write it."""
    kind = column[0]
    if value is not None and kind in _WHOLE:
        number = int.from_bytes(value, "little", signed=True)
        if number >= 0:
            return str(number)
    elif value is not None and kind == _ENUM and any(value):
        return values[int.from_bytes(value, "little") - 1]
    elif value is not None and kind in (_VARCHAR, _VAR_STRING, _STRING):
        return value.decode("utf-8")
    raise UnreadableLogError("it holds keys of a kind that is not known here")
