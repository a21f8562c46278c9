# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Which rows of the merged database are other ones than those that the merge brought.

The state has the mark of every row that was brought, the server computes those of the rows that are there now. Both are
numbers of 64 bits, so that two million rows take 32 MB here; rows themselves are read only where the marks differ.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from typing import AbstractSet, Iterator, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Ledger, Row
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    Bound,
    key_first,
    literal,
    literals,
    one_row,
    quote,
    row_sql,
    rows_in_python,
    within,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Table
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State

SLICE = 250_000
"""Marks of either side that are in a set at a time."""

READ_ROWS = 500
"""Rows that are read by their keys at a time."""

RANGE_ROWS = 2_000
"""Rows whose marks are read at a time, and that are looked through again for one that came later."""

Key = Tuple[str, ...]


@dataclass(frozen=True)
class Brought:
    """A row that the merge brought and that is not as it was: *now* is what it is, None where it is gone.

    *source* is the stack that it is from, *key* the texts of its primary key, *mark* its mark as it was.
    """

    source: str
    key: Key
    mark: bytes
    now: Row | None


@dataclass(frozen=True)
class _Range:
    """Rows of the table as they are now: their marks are ``present[start:end]``."""

    part: str | None
    low: Bound
    high: Bound
    start: int
    end: int


def _numbers(marks: bytes) -> array[int]:
    found = array("Q")
    found.frombytes(marks)
    if sys.byteorder == "little":
        found.byteswap()
    return found


def _mark(number: int) -> bytes:
    return number.to_bytes(8, "big")


def difference(first: array[int], second: array[int], size: int = SLICE) -> tuple[array[int], array[int]]:
    """Numbers of 64 bits that only *first* has, and those that only *second* has.

    They are compared slice by slice of the numbers, about *size* at a time, so that few are ever in a set.
    """
    if len(first) == len(second) and sum(first) == sum(second):
        return array("Q"), array("Q")
    shift = 64 - (max(len(first), len(second)) // size).bit_length()
    left, right = array("Q"), array("Q")
    for ours, theirs in zip(_slices(first, shift), _slices(second, shift)):
        here, there = set(ours), set(theirs)
        left.extend(here - there)
        right.extend(there - here)
    return left, right


def _slices(numbers: array[int], shift: int) -> list[array[int]]:
    """The numbers by their leading bits."""
    found = [array("Q") for _slice in range(1 << (64 - shift))]
    if len(found) == 1:
        return [numbers]
    for number in numbers:
        found[number >> shift].append(number)
    return found


class Divergence:
    """One table: what the merge brought beside what is there. False where it is the same.

    *columns* are those that it had when it was merged. :meth:`brought` is to be gone through before :meth:`added`.
    """

    def __init__(
        self, target: Database, state: State, sources: Sequence[str], table: Table, columns: Sequence[str]
    ) -> None:
        self.table = table
        self.layout = target.layout(table.name)
        self.columns = key_first(self.layout, columns)
        self._target = target
        self._state = state
        self._width = len(self.layout.primary)
        self._changed = array("Q")
        sql = row_sql(table, self.layout, Ledger(target.login.name, 0), self.columns)
        if sql is None:
            raise RuntimeError("a row that stays as it is has SQL")
        self._mark = sql.mark
        self._chunks = [(source, chunk) for source in sources for chunk in state.chunks(source, table.name)]
        brought = array("Q")
        for _source, chunk in self._chunks:
            brought.extend(_numbers(chunk.marks))
        self._count = len(brought)
        self._ranges: list[_Range] = []
        self._present = array("Q")
        for part in self.layout.parts:
            for low, high in self._bounds(part):
                self._read(part, low, high)
        self._gone, self._new = difference(brought, self._present)

    def __bool__(self) -> bool:
        return bool(self._gone or self._new)

    @property
    def is_foreign(self) -> bool:
        """Whether not one row is as the merge brought it."""
        return bool(self._gone) and len(self._gone) == self._count

    @property
    def is_key(self) -> bool:
        """Whether a row is nothing but its key, so that none of them can change."""
        return self._width == len(self.columns)

    def _bounds(self, part: str | None) -> Iterator[tuple[Bound, Bound]]:
        """Ranges of the primary key, the last one open."""
        names = ", ".join(quote(column) for column in self.layout.bound_columns)
        low: Bound = None
        while True:
            ends = names and self._target.query(
                f"SELECT {names} {self._from} FORCE INDEX (PRIMARY) WHERE {within(self.layout, part, low, None)} "
                f"ORDER BY {names} LIMIT {RANGE_ROWS - 1}, 1"
            )
            high = tuple(ends[0]) if ends else None
            yield low, high
            if high is None:
                return
            low = high

    def _read(self, part: str | None, low: Bound, high: Bound) -> None:
        """The marks of the rows of a range."""
        marks = self._target.query(
            f"SELECT GROUP_CONCAT({self._mark} SEPARATOR '') {self._from} FORCE INDEX (PRIMARY) "
            f"WHERE {within(self.layout, part, low, high)}"
        )[0][0]
        start = len(self._present)
        self._present.extend(_numbers(bytes.fromhex(marks or "")))
        self._ranges.append(_Range(part, low, high, start, len(self._present)))

    def brought(self) -> Iterator[list[Brought]]:
        """The rows that the merge brought and that are not as they were, some at a time."""
        wanted = set(self._gone)
        for source, chunk in self._chunks:
            marks = _numbers(chunk.marks)
            hit = wanted.intersection(marks)
            if not hit:
                continue
            columns = self._state.keys(source, self.table.name, chunk)
            old = [
                (mark, tuple(column[number] for column in columns)) for number, mark in enumerate(marks) if mark in hit
            ]
            for start in range(0, len(old), READ_ROWS):
                some = old[start : start + READ_ROWS]
                now = self._now({key for _mark, key in some})
                yield [Brought(source, key, _mark(mark), now.get(key)) for mark, key in some]

    def _now(self, keys: AbstractSet[Key]) -> dict[Key, Row]:
        """The rows with these keys."""
        found: dict[Key, Row] = {}
        if self.is_key:
            return found
        where = " OR ".join(one_row(self.layout.primary, [literal(text) for text in key]) for key in keys)
        for mark, *row in self._target.query(f"SELECT {self._mark}, {self._names} {self._from} WHERE {where}"):
            key = tuple(str(value) for value in row[: self._width])
            # The server takes `Red` for `red` as well, which is another row.
            if key in keys:
                found[key] = tuple(row)
                self._changed.append(int(mark, 16))
        return found

    def added(self) -> Iterator[list[Row]]:
        """The rows that came later, some at a time."""
        wanted = set(self._new)
        wanted.difference_update(self._changed)
        for one in self._ranges:
            hit = wanted.intersection(self._present[one.start : one.end])
            if hit:
                marks = literals(_mark(number).hex().upper() for number in hit)
                where = f"{within(self.layout, one.part, one.low, one.high)} AND {self._mark} IN ({marks})"
                yield self._target.query(f"SELECT {self._names} {self._from} FORCE INDEX (PRIMARY) WHERE {where}")

    def mark_of(self, row: Row) -> bytes:
        """The mark of a row."""
        return rows_in_python(self.layout, self.columns, [row], lambda same: same, None).marks

    @property
    def _names(self) -> str:
        return ", ".join(quote(column) for column in self.columns)

    @property
    def _from(self) -> str:
        return f"FROM {quote(self.table.name)}"
