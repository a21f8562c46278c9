# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""A merged database that is in use, as a population beside the sources that are still merged into it."""

from __future__ import annotations

import re
from array import array
from itertools import islice
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import ROOM
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In, KeyRequest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import literal, quote
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Ref

Keys = Callable[[str], "frozenset[tuple[str, ...]]"]


def _key(values: Sequence[Any]) -> tuple[str, ...]:
    """A key as :func:`~.rowtext.literal_keys` has it: numbers are texts as well."""
    return tuple(literal(str(value)) for value in values)


class InUse:
    """Is a :class:`population.Population`: the rows of *target* but for those whose keys *owned* gives for a table.

    Those are rows that an earlier run brought from a source which is being merged again: they must not meet themselves.
    """

    def __init__(self, target: Database, owned: Keys) -> None:
        self._target = target
        self._keys = owned
        self._known: dict[str, frozenset[tuple[str, ...]]] = {}

    def _owned(self, table: str) -> frozenset[tuple[str, ...]]:
        if table not in self._known:
            self._known[table] = self._keys(table)
        return self._known[table]

    def _filtered(self, table: str, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Rows that begin with their keys, without these and those that are owned."""
        owned = self._owned(table)
        width = len(self._target.layout(table).primary)
        for row in rows:
            if _key(row[:width]) not in owned:
                yield row[width:]

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """Tables and their columns, in order."""
        return self._target.tables()

    def rows(
        self, table: str, columns: Sequence[str], where: Sequence[In] = (), limit: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of *table*, or the first *limit* of them."""
        if not self._owned(table):
            return self._target.rows(table, columns, where, limit)
        primary = self._target.layout(table).primary
        return islice(self._filtered(table, self._target.rows(table, (*primary, *columns), where)), limit)

    def count(self, table: str, where: Sequence[In] = ()) -> int:
        """How many rows there are."""
        if not self._owned(table):
            return self._target.count(table, where)
        return sum(1 for _row in self.rows(table, (), where))

    def hashes(self, request: KeyRequest) -> Sequence[int]:
        """64 bits for each key."""
        if not self._owned(request.table):
            return self._target.hashes(request)
        primary = self._target.layout(request.table).primary
        owned = self._owned(request.table)
        return array(
            "Q",
            (bits for bits, key in self._target.weighed(request, primary) if _key(key) not in owned),
        )

    def matching(
        self, request: KeyRequest, hashes: frozenset[int], columns: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows whose keys have one of *hashes*."""
        primary = self._target.layout(request.table).primary
        rows = self._target.matching(request, hashes, (*primary, *columns))
        return self._filtered(request.table, rows)

    def dangling(self, table: str, ref: Ref) -> Mapping[Any, int]:
        """Values of a reference that lead nowhere, and how many rows have each."""
        return self._target.dangling(table, ref)

    def largest(self, table: str, column: str) -> int:
        """A number that no Keystone reaches before the merge has moved its next one on.

        It is ahead of the next one, which may be far from the largest that is there.
        """
        (_name, created), *_none = self._target.query(f"SHOW CREATE TABLE {quote(table)}")
        following = re.search(r"AUTO_INCREMENT=(\d+)", created)
        return max(self._target.largest(table, column), int(following.group(1)) if following else 0) + ROOM
