# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Which rows of a range of a source's table are in the merged database: their marks and keys, in few bytes.

A chunk is written once, with its rows. What changes later is an *edit* beside it, so that a changed row costs some
bytes and not the keys of the thousand rows around it.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from dataclasses import dataclass, field
from functools import cached_property
from typing import AbstractSet, List, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import MARK, NUL, Bound, split

Columns = List[List[str]]
"""Keys column by column, which is many times faster than row by row."""

EDITED = 4
"""An edit speaks of one row in so many at most; with more the chunk is written anew."""


def columns_of(keys: str, rows: int) -> Columns:
    """Keys of *rows* rows as :class:`Rows` has them, column by column."""
    if not rows:
        return []
    values = keys.split(NUL)
    width = len(values) // rows
    return [values[at::width] for at in range(width)]


def chosen(columns: Columns, places: Sequence[int]) -> Columns:
    """The keys at some places."""
    return [[column[at] for at in places] for column in columns] if places else []


def joined(first: Columns, second: Columns) -> Columns:
    """Keys, and more keys behind them."""
    return [one + other for one, other in zip(first, second)] if first and second else first or second


def pack_keys(columns: Columns) -> bytes:
    """Keys in few bytes: ids as the 16 bytes that they are, all else deflated.

    Ids are random, so that deflating them costs more time than all else that is done with a row; where few of them
    come again and again it is worth it.
    """
    packed: list[bytes] = []
    for column in columns:
        raw = _raw_ids(column) if len(set(column)) * 3 > len(column) else None
        kind, data = (b"i", raw) if raw is not None else (b"z", zlib.compress(_encoded(column), 1))
        packed.append(kind + struct.pack(">I", len(data)) + data)
    return b"".join(packed)


def _encoded(column: Sequence[str]) -> bytes:
    return NUL.join(column).encode("utf-8", "surrogatepass")


def _raw_ids(column: Sequence[str]) -> bytes | None:
    """The bytes of ids of 32 hexadecimal digits, or None where one is something else."""
    text = "".join(column)
    if len(text) != 32 * len(column) or any(len(value) != 32 for value in column):
        return None
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if raw.hex() == text else None


def unpack_keys(packed: bytes, places: Sequence[int] | None = None) -> Columns:
    """The opposite of :func:`pack_keys`, of all keys or of those at some places."""
    columns: Columns = []
    at = 0
    while at < len(packed):
        kind = packed[at : at + 1]
        (size,) = struct.unpack(">I", packed[at + 1 : at + 5])
        data = packed[at + 5 : at + 5 + size]
        at += 5 + size
        if kind == b"i":
            text = data.hex()
            wanted = range(len(data) // 16) if places is None else places
            columns.append([text[32 * one : 32 * one + 32] for one in wanted])
        else:
            values = zlib.decompress(data).decode("utf-8", "surrogatepass").split(NUL)
            columns.append(values if places is None else [values[one] for one in places])
    return columns


@dataclass(frozen=True)
class Edit:
    """What became of a chunk since it was written: rows at the places *gone* went, those with *marks* came.

    *packed* are the keys of those that came, *digest* is that of all rows of the chunk.
    """

    gone: tuple[int, ...] = ()
    marks: bytes = b""
    packed: bytes = b""
    digest: bytes = b""

    @property
    def more(self) -> int:
        """How many rows the chunk has more than when it was written."""
        return len(self.marks) // MARK - len(self.gone)

    def pack_gone(self) -> bytes:
        """The places in few bytes."""
        return _big(array("I", self.gone))

    @classmethod
    def unpack(cls, gone: bytes, marks: bytes, packed: bytes, digest: bytes) -> Edit:
        """An edit as it was written down."""
        places = array("I")
        places.frombytes(gone)
        if sys.byteorder == "little":
            places.byteswap()
        return cls(tuple(places), marks, packed, digest)


def _big(numbers: array[int]) -> bytes:
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


@dataclass(frozen=True)
class Chunk:
    """Rows of one range of one table of one source that are in the merged database.

    *written* are their fingerprints of 8 bytes each, *keys* their keys in the same order, column by column; *edit* is
    what became of them. *digest* is that of the rows' text, nothing where it is not known.
    """

    part: str | None
    number: int
    low: Bound
    high: Bound
    written: bytes
    keys: Columns = field(default_factory=list)
    edit: Edit | None = None
    digest: bytes = b""

    @cached_property
    def places(self) -> list[int]:
        """Where the rows that are left stand in *written*."""
        gone = frozenset(self.edit.gone) if self.edit is not None else ()
        return [at for at in range(len(self.written) // MARK) if at not in gone]

    @cached_property
    def marks(self) -> bytes:
        """The marks of the rows as they are: what is left of *written*, then what came."""
        if self.edit is None:
            return self.written
        left = self.written
        if self.edit.gone:
            marks = split(self.written)
            left = b"".join([marks[at] for at in self.places])
        return left + self.edit.marks

    @property
    def rows(self) -> int:
        """How many they are."""
        return len(self.marks) // MARK

    @cached_property
    def split_marks(self) -> list[bytes]:
        """The marks, each by itself."""
        return split(self.marks)

    @cached_property
    def known(self) -> frozenset[bytes]:
        """The marks, to look one up."""
        return frozenset(self.split_marks)

    def all_keys(self, packed: bytes) -> Columns:
        """The keys of all rows, from the packed ones of those that were written."""
        if self.edit is None:
            return unpack_keys(packed)
        return joined(
            chosen(unpack_keys(packed), self.places) if self.edit.gone else unpack_keys(packed),
            unpack_keys(self.edit.packed),
        )

    def some_keys(self, packed: bytes, wanted: Sequence[int]) -> Columns:
        """The keys at some places among :attr:`marks`, which are in order."""
        if self.edit is None:
            return unpack_keys(packed, wanted) if wanted else []
        left = len(self.places)
        before = [self.places[at] for at in wanted if at < left]
        behind = [at - left for at in wanted if at >= left]
        return joined(
            unpack_keys(packed, before) if before else [],
            unpack_keys(self.edit.packed, behind) if behind else [],
        )

    def edited(self, removed: AbstractSet[bytes], marks: bytes, keys: Columns, digest: bytes) -> Edit | None:
        """The edit once rows with the marks *removed* are gone and others came; None where it would be too long."""
        known = self.edit or Edit()
        own = split(self.written)
        gone = tuple(sorted({*known.gone, *(at for at in self.places if own[at] in removed)}))
        came = split(known.marks)
        stay = [at for at, mark in enumerate(came) if mark not in removed]
        columns = joined(unpack_keys(known.packed, stay) if stay else [], keys)
        edit = Edit(gone, b"".join([came[at] for at in stay]) + marks, pack_keys(columns), digest)
        speaks_of = len(edit.gone) + len(edit.marks) // MARK
        return edit if speaks_of * EDITED <= len(own) else None
