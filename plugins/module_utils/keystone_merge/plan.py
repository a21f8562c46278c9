# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What a merge will do: all that a plan says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, Ledger

SHOWN_NAMES = 100
"""Names per kind in a plan: enough to read, and no more than a log can take."""


@dataclass(frozen=True)
class Conflict:
    """One name that several stacks use for different things; *stacks* and *ids* belong together in order.

    *settle* has a line of ``overrides`` for each stack but the first.
    """

    kind: str
    domain: str | None
    name: str
    stacks: tuple[str, ...]
    ids: tuple[str, ...]
    settle: str = ""

    def __str__(self) -> str:
        where = "" if self.domain is None else f" in domain {self.domain}"
        holders = ", ".join(f"{stack} ({id_})" for stack, id_ in zip(self.stacks, self.ids))
        return f"{self.kind} {self.name}{where}: {holders}"


@dataclass
class Count:
    """Rows of one table of one source."""

    rows: int = 0
    carried: int = 0
    became_one: int = 0
    dropped: int = 0


@dataclass
class Kind:
    """What becomes of the things of one kind: numbers of all, names of the first hundred of each."""

    created: int = 0
    became_one: int = 0
    renamed: int = 0
    names: dict[str, list[str]] = field(default_factory=lambda: {"created": [], "became_one": [], "renamed": []})

    def tell(self, what: str, name: str) -> None:
        """Count one, and note its name while there is room."""
        setattr(self, what, getattr(self, what) + 1)
        if len(self.names[what]) < SHOWN_NAMES:
            self.names[what].append(name)


@dataclass(frozen=True)
class One:
    """A thing that became one with an earlier stack's."""

    kind: str
    domain: str | None
    name: str
    stacks: tuple[str, str]
    kept: str
    given_up: str


@dataclass(frozen=True)
class NewName:
    """A thing that got another name."""

    kind: str
    domain: str | None
    old: str
    new: str
    stack: str
    id: str


@dataclass(frozen=True)
class Lost:
    """References of one column that lead nowhere in their own source."""

    stack: str
    table: str
    column: str
    to: str
    rows: int
    action: str


@dataclass(frozen=True)
class Earlier:
    """What an earlier run found of a source: *offsets* of its numbers, and which references lead nowhere, if known."""

    offsets: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[tuple[str, str, str], Mapping[Any, int]] | None = None


@dataclass(frozen=True)
class Plan:
    """What a merge will do.

    *rooms* is, by table, the first number behind those of all sources; *found_lost* has, for each population, the
    values of references that lead nowhere, by (table, column, table referred to); *met* has, by table, the identities
    in the merged database of rows that met another.
    """

    ledgers: tuple[Ledger, ...]
    sources: tuple[int, ...]
    fold: Fold
    conflicts: tuple[Conflict, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Mapping[str, Mapping[str, Count]]
    kinds: Mapping[str, Kind]
    ones: tuple[One, ...]
    new_names: tuple[NewName, ...]
    lost: tuple[Lost, ...]
    rooms: Mapping[str, int]
    found_lost: tuple[Mapping[tuple[str, str, str], Mapping[Any, int]], ...]
    met: Mapping[str, frozenset[tuple[Any, ...]]]

    @property
    def rows(self) -> int:
        """How many rows the sources have in the merged database."""
        return sum(count.carried for stacks in self.counts.values() for count in stacks.values())

    def dangling(self) -> dict[tuple[str, str, str], int]:
        """References of the sources that lead nowhere in the merged database, by (table, column, table referred to)."""
        found: Counter[tuple[str, str, str]] = Counter()
        for lost in self.lost:
            if lost.action == "carry":
                found[(lost.table, lost.column, lost.to)] += lost.rows
        return dict(found)

    def id_map(self) -> Iterator[tuple[str, str, str, str]]:
        """(kind, source, old id, new id) of every id that changes."""
        for number in self.sources:
            for kind, old, new in self.ledgers[number].id_map():
                yield kind, self.ledgers[number].name, old, new
