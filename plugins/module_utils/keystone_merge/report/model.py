# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report is made from.

There is no place in it for a row, a user of a database or a secret. Names come from the databases, where anybody may
have chosen them. Of a long list the page shows the first :data:`SHOWN` of each kind, so that whoever fills it need not
hand in more, but then says in ``..._totals`` how many there are.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Mapping

SHOWN = 100
"""Entries of one kind in a list."""

OWNED = ("project", "user")
"""Kinds whose ids stand in the databases of other services, as those of owners."""


class Outcome(enum.Enum):
    """How the run ended."""

    MERGED = "merged"
    DIFFERENCE = "difference"
    NOTHING = "nothing"
    PLANNED = "planned"
    STOPPED = "stopped"


@dataclass(frozen=True)
class StackReport:
    """One stack. Times are in UTC as ``2026-11-24T11:09:10Z`` or None, numbers are rows but for *renamed*, things.

    *rows* were read; each was *carried*, *became_one* with one that was there, or is *dropped* (its reference leads
    nowhere). *added*, *changed* and *deleted* are what :attr:`Outcome.DIFFERENCE` wrote. *address* names no user.
    """

    name: str
    region: str | None
    address: str
    rows: int = 0
    carried: int = 0
    became_one: int = 0
    renamed: int = 0
    dropped: int = 0
    added: int = 0
    changed: int = 0
    deleted: int = 0
    merged_at: str | None = None
    cut_over_at: str | None = None


@dataclass(frozen=True)
class TableCount:
    """Rows of one table of one stack, as in :class:`StackReport`."""

    table: str
    stack: str
    rows: int
    carried: int = 0
    became_one: int = 0
    dropped: int = 0
    added: int = 0
    changed: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class BecameOne:
    """One thing of several stacks: the first of *stacks* keeps its id, the others (in order) give theirs up.

    Several of one *kind* and *kept* are shown as one, so a thing of three stacks may come as two pairs.
    """

    kind: str
    domain: str | None
    name: str
    stacks: tuple[str, ...]
    kept: str
    given_up: tuple[str, ...]


@dataclass(frozen=True)
class Renamed:
    """A thing that has another name now, and its old id."""

    kind: str
    domain: str | None
    name: str
    new_name: str
    stack: str
    id: str


@dataclass(frozen=True)
class Conflict:
    """One name for different things; *settle* is the line of configuration that would settle it."""

    kind: str
    domain: str | None
    name: str
    stacks: tuple[str, ...]
    ids: tuple[str, ...]
    settle: str


@dataclass(frozen=True)
class Dangling:
    """Rows of a source whose *column* names nothing in table *to*."""

    stack: str
    table: str
    column: str
    to: str
    rows: int
    dropped: bool


@dataclass(frozen=True)
class IdChange:
    """An id that is another one now."""

    kind: str
    domain: str | None
    name: str
    stack: str
    old: str
    new: str


@dataclass(frozen=True)
class Phase:
    """A part of the run: *rows* is how many it handled, None where that says nothing."""

    name: str
    seconds: float
    rows: int | None = None


@dataclass(frozen=True)
class Check:
    """Something that was verified, at how many places; *failed* is what was found there that should not be."""

    what: str
    number: int
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A run. *held* rows were in the merged database before, from stacks that this run did not read.

    *at* is the time of the end in UTC as ``2026-11-24T11:09:10Z``; *id_map* the path of the file with all ids that
    changed; the ``..._totals`` are numbers by kind, needed where a list is not complete: of what became one the number
    of ids that were given up.
    """

    outcome: Outcome
    database: str
    at: str
    version: str
    seconds: float
    stacks: tuple[StackReport, ...]
    held: int = 0
    counts: tuple[TableCount, ...] = ()
    became_one: tuple[BecameOne, ...] = ()
    renamed: tuple[Renamed, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    dangling: tuple[Dangling, ...] = ()
    id_changes: tuple[IdChange, ...] = ()
    id_map: str | None = None
    phases: tuple[Phase, ...] = ()
    checks: tuple[Check, ...] = ()
    became_one_totals: Mapping[str, int] = field(default_factory=dict)
    renamed_totals: Mapping[str, int] = field(default_factory=dict)
    id_change_totals: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return sum(stack.rows for stack in self.stacks)

    @property
    def carried(self) -> int:
        """Rows of these stacks that are in the merged database."""
        return sum(stack.carried for stack in self.stacks)

    @property
    def written(self) -> int:
        """Rows that were added, changed or deleted by a run that carried a difference."""
        return sum(stack.added + stack.changed + stack.deleted for stack in self.stacks)
