# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What is asked of a Keystone database: it is handed to whoever plans, so that a plan needs no server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Protocol, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Row
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Ref


@dataclass(frozen=True)
class In:
    """A condition: the column has one of the values, or (*negate*) none of them."""

    column: str
    values: tuple[Any, ...]
    negate: bool = False


@dataclass(frozen=True)
class KeyRequest:
    """Which rows' keys to take, and how: *changed* has new ids by column, *shift* what is added to its numbers.

    *part* (i, n) takes only those whose bits leave i when divided by n, so that any number of keys can be compared.
    """

    table: str
    columns: tuple[str, ...]
    null_equal: bool = False
    changed: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)
    shift: Mapping[str, int] = field(default_factory=dict)
    where: tuple[In, ...] = ()
    part: tuple[int, int] = (0, 1)


class Population(Protocol):
    """One Keystone database, as it was at one moment."""

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """Its tables and their columns, in order."""

    def count(self, table: str, where: Sequence[In] = ()) -> int:
        """How many rows there are."""

    def rows(
        self, table: str, columns: Sequence[str], where: Sequence[In] = (), limit: int | None = None
    ) -> Iterator[Row]:
        """The rows of *table*, or the first *limit* of them."""

    def hashes(self, request: KeyRequest) -> Sequence[int]:
        """64 bits for each key, equal where the merged database takes the keys for equal; keys with NULL left out."""

    def matching(self, request: KeyRequest, hashes: frozenset[int], columns: Sequence[str]) -> Iterator[Row]:
        """The rows whose keys have one of *hashes*."""

    def dangling(self, table: str, ref: Ref) -> Mapping[Any, int]:
        """Values of a reference that lead nowhere in this population, and how many rows have each."""

    def largest(self, table: str, column: str) -> int:
        """The largest number in a column, 0 without rows."""
