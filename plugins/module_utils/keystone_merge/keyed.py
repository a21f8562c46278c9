# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What differs in a table of which it is known which rows were written: those alone are looked at.

The number of all its rows is compared as well. Where anything does not come out even, the table is compared row by row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import fingerprint
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, Ledger
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.manifest import Chunk
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    MARK,
    NO_ROWS,
    ROW_END,
    Rows,
    by_key,
    literal,
    one_row,
    quote,
    row_sql,
    rows_of,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.transport import (
    LOOKED_UP,
    Key,
    TableReader,
)


@dataclass(frozen=True)
class Difference:
    """A range as it was and as it is, the rows that came, and the keys of those that *went*, by their marks."""

    old: Chunk
    new: Chunk
    rows: Rows
    went: Mapping[bytes, Key]


class RowsNeededError(Exception):
    """All rows of the table have to be compared."""


class KeyedTable:
    """One table of one source."""

    def __init__(self, reader: TableReader, state: State, target: Database, fold: Fold) -> None:
        self.reader = reader
        self._state = state
        self._target = target
        self._fold = fold

    def differing(self, keys: Sequence[Key], known: int, most: int) -> list[Difference]:
        """The ranges that changed, where rows with *keys* were written and no others.

        *known* is how many rows of the table are in the merged database, *most* how many a range may have.

        :raises RowsNeededError: that cannot be said so.
        """
        if not self.reader.is_counted:
            raise RowsNeededError
        found = self._found(keys) if keys else []
        grown = sum(one.new.rows - one.old.rows for one in found)
        if any(one.new.rows > most for one in found) or self.reader.count() != known + grown:
            raise RowsNeededError
        return found

    def _found(self, keys: Sequence[Key]) -> list[Difference]:
        now = self.reader.rows_with(keys)
        if now is None:
            raise RowsNeededError
        before = self._before(keys)
        name, table = self.reader.source.login.name, self.reader.table.name
        ranges = self._state.ranges(name, table)
        by_range: dict[int, list[Key]] = defaultdict(list)
        for key, at in zip(keys, self._places(ranges, keys)):
            by_range[at].append(key)
        chosen = sorted(by_range)
        found: list[Difference] = []
        for at, chunk in zip(chosen, self._state.some_chunks(name, table, [ranges[at] for at in chosen])):
            own = by_range[at]
            found.extend(
                self._difference(
                    chunk, dict(before[key] for key in own if key in before), [now[key] for key in own if key in now]
                )
            )
        return found

    def _difference(self, old: Chunk, before: Mapping[bytes, Key], now: Sequence[str]) -> Iterator[Difference]:
        """The range with the rows that have the marks *before* replaced by rows with the texts *now*."""
        if not old.known.issuperset(before):
            raise RowsNeededError
        marks = [fingerprint(text.encode("utf-8")).to_bytes(MARK, "big") for text in now]
        if set(marks) == before.keys():
            return
        stay = [mark for mark in old.split_marks if mark not in before]
        new = replace(old, written=b"".join([*stay, *marks]), edit=None, digest=b"")
        come = [text for text, mark in zip(now, marks) if mark not in old.known]
        width = len(self.reader.layout.primary)
        rows = rows_of(ROW_END.join(come), len(self.reader.columns), width) if come else NO_ROWS
        yield Difference(old, new, rows, before)

    def _before(self, keys: Sequence[Key]) -> dict[Key, tuple[bytes, Key]]:
        """Mark and key of those of the rows that are in the merged database, by their keys in the source."""
        source = {}
        try:
            for key in keys:
                new = self.reader.new_key(key)
                if new is not None:
                    source[new] = key
        except KeyError:
            raise RowsNeededError from None
        layout = self._target.layout(self.reader.table.name)
        sql = row_sql(self.reader.table, layout, Ledger("target", 0), self.reader.columns)
        if sql is None:
            raise RowsNeededError
        names = ", ".join(map(quote, layout.primary))
        wanted, found = list(source), {}
        for start in range(0, len(wanted), LOOKED_UP):
            where = " OR ".join(
                one_row(layout.primary, list(map(literal, key))) for key in wanted[start : start + LOOKED_UP]
            )
            for *values, mark in self._target.query(
                f"SELECT {names}, {sql.mark} FROM {by_key(layout.table)} WHERE {where}"
            ):
                new = tuple(map(str, values))
                if new not in source:
                    # The same to the server, but for case.
                    raise RowsNeededError
                found[source[new]] = (bytes.fromhex(mark), new)
        return found

    def _places(self, ranges: Sequence[Chunk], keys: Sequence[Key]) -> list[int]:
        """In which of *ranges* rows with these keys belong.

        Were one put into another, it would be found there later, and moved.
        """
        layout = self.reader.layout
        behind = 0 if layout.part_column is None else 1
        whole = [layout.column(name).whole for name in layout.bound_columns]
        ends: dict[str | None, list[tuple[list[Any], int]]] = defaultdict(list)
        for at, one in enumerate(ranges):
            if one.high is not None:
                ends[one.part].append((self._order(one.high, whole), at))
        last = {one.part: at for at, one in enumerate(ranges) if one.high is None}
        for some in ends.values():
            some.sort()
        found = []
        for key in keys:
            part = key[0] if behind else None
            if part not in last:
                raise RowsNeededError
            some = ends[part]
            at = bisect_left(some, (self._order(key[behind:], whole), -1))
            found.append(some[at][1] if at < len(some) else last[part])
        return found

    def _order(self, key: Sequence[Any], whole: Sequence[bool]) -> list[Any]:
        """What the first columns of a key are ordered by."""
        return [int(value) if is_whole else self._fold(str(value)) for value, is_whole in zip(key, whole)]
