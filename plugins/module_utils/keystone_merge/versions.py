# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Which releases of Keystone a schema belongs to, and which Keystones can bring it up to another.

The numbers are those that ``keystone-manage db_sync`` of each release leaves in an empty database, and what takes what
is what came of trying them on one another (MariaDB 10.11):

* up to Xena (20) a release takes every older schema from Queens (13) on;
* Yoga (21) to 2023.1 (23) ship the steps from Ussuri (17) on alone, and fail before the first where an older one is;
* from 2023.2 (24) on they take what alembic counts alone, which Zed (22) is the first to leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

NAMES: Mapping[int, str] = {
    13: "Queens",
    14: "Rocky",
    15: "Stein",
    16: "Train",
    17: "Ussuri",
    18: "Victoria",
    19: "Wallaby",
    20: "Xena",
    21: "Yoga",
    22: "Zed",
    23: "2023.1",
    24: "2023.2",
    25: "2024.1",
    26: "2024.2",
    27: "2025.1",
    28: "2025.2",
    29: "2026.1",
    30: "2026.2",
}
"""Keystone's major version, and what its release is called."""

FIRST, NEWEST = min(NAMES), max(NAMES)

_LAST_MIGRATE = 21
"""The last release that leaves its schema to sqlalchemy-migrate."""

_SQUASHED = 21
"""The first release that lost the steps before those of :data:`_OLDEST_STEP`."""

_OLDEST_STEP = 17
_FIRST_ALEMBIC = 22
_ALEMBIC_ALONE = 24

_LEGACY, _EXPAND, _DATA, _CONTRACT = "keystone", "keystone_expand", "keystone_data_migrate", "keystone_contract"

# Release: number of the last step of the three repositories.
_MIGRATE: Mapping[int, int] = {13: 44, 14: 52, 15: 61, 16: 71, 17: 78, 18: 78, 19: 79, 20: 79, 21: 79}

# First release: heads of the branches expand and contract.
_HEADS: Mapping[int, tuple[str, str]] = {
    22: ("29e87d24a316", "e25ffa003242"),
    24: ("11c3b243b4cb", "c88cdce8f248"),
    25: ("47147121", "c88cdce8f248"),
    28: ("e8725d6fa226", "c88cdce8f248"),
    29: ("742c857f1dfb", "c88cdce8f248"),
}


@dataclass(frozen=True)
class Releases:
    """Releases that have one schema."""

    first: int
    last: int

    def __str__(self) -> str:
        """As in ``Queens (13)`` or ``Ussuri to Xena (17 to 20)``."""
        if self.first == self.last:
            return f"{NAMES[self.first]} ({self.first})"
        return f"{NAMES[self.first]} to {NAMES[self.last]} ({self.first} to {self.last})"


@dataclass(frozen=True)
class SchemaVersion:
    """What a database says of its schema: heads of alembic, or numbers of sqlalchemy-migrate's repositories.

    Databases that came through Zed have both; then alembic's count.
    """

    heads: frozenset[str] = frozenset()
    repositories: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        """As in ``alembic 29e87d24a316/e25ffa003242`` or ``migrate 109/44/44/44`` (the last three as db_sync goes)."""
        if self.heads:
            return "alembic " + "/".join(sorted(self.heads, key=lambda head: (_is_contract(head), head)))
        numbers = dict(self.repositories)
        ordered_names = [name for name in (_LEGACY, _EXPAND, _DATA, _CONTRACT) if name in numbers]
        return "migrate " + "/".join(str(numbers[name]) for name in ordered_names) if numbers else "none"

    @property
    def schema(self) -> object:
        """Equal for equal schemas, whoever counts them: Yoga and Xena have one, and Yoga one repository less."""
        return self.heads or frozenset(step for step in self.repositories if step[0] != _LEGACY)

    @property
    def releases(self) -> Releases | None:
        """The releases whose db_sync leaves this, None where no release is known to."""
        if self.heads:
            firsts = [first for first, heads in _HEADS.items() if self.heads == frozenset(heads)]
            if not firsts:
                return None
            later = [first for first in _HEADS if first > firsts[0]]
            return Releases(firsts[0], min(later) - 1 if later else NEWEST)
        numbers = dict(self.repositories)
        steps = {numbers.get(name) for name in (_EXPAND, _DATA, _CONTRACT)}
        found = [release for release, number in _MIGRATE.items() if steps == {number}]
        if found and _LEGACY not in numbers:
            # Made by a release that has no such repository.
            found = [release for release in found if release >= _SQUASHED]
        return Releases(min(found), max(found)) if found else None

    @property
    def unfinished(self) -> bool:
        """Whether a rolling upgrade has begun and not ended, so that the schema is no release's."""
        if self.heads:
            expands = [first for first, (head, _contract) in _HEADS.items() if head in self.heads]
            return self.releases is None and bool(expands) and any(_is_contract(head) for head in self.heads)
        numbers = [number for name, number in self.repositories if name != _LEGACY]
        return len(set(numbers)) > 1


def _is_contract(head: str) -> bool:
    return any(head == contract for _expand, contract in _HEADS.values())


def version(heads: Iterable[str], repositories: Iterable[tuple[str, int]]) -> SchemaVersion:
    """The version that the tables ``alembic_version`` and ``migrate_version`` say."""
    return SchemaVersion(frozenset(heads), tuple(sorted(repositories)))


def parse(text: str) -> SchemaVersion:
    """The opposite of ``str`` of a version.

    :raises ValueError: where *text* is none.
    """
    kind, _space, rest = text.partition(" ")
    parts = rest.split("/")
    if kind == "alembic" and all(parts):
        return version(parts, ())
    if kind == "migrate" and len(parts) in (3, 4):
        names = (_LEGACY, _EXPAND, _DATA, _CONTRACT)[-len(parts) :]
        return version((), zip(names, (int(part) for part in parts)))
    if text == "none":
        return version((), ())
    raise ValueError(f"{text} is no schema version: alembic HEAD/HEAD and migrate NUMBER/NUMBER/NUMBER/NUMBER are")


def takes(release: int, at: Releases) -> bool:
    """Whether db_sync of *release* brings a schema of the releases *at* up, or leaves it as it is."""
    if at.first > release:
        return False
    if release >= _ALEMBIC_ALONE:
        return at.first >= _FIRST_ALEMBIC
    if release >= _SQUASHED:
        return at.first >= _OLDEST_STEP
    return True


def left_by(release: int) -> Releases:
    """The releases that share the schema of *release*."""
    if release <= _LAST_MIGRATE:
        same = [other for other, number in _MIGRATE.items() if number == _MIGRATE[release]]
        return Releases(min(same), max(same))
    firsts = [first for first in _HEADS if first <= release]
    later = [first for first in _HEADS if first > release]
    return Releases(max(firsts), min(later) - 1 if later else NEWEST)


def path(at: Releases, target: int, upgraders: Sequence[int]) -> list[int] | None:
    """The places in *upgraders* (releases) of those to run before *target*'s: as few as can be, the first that do.

    None where they do not lead to a schema that *target* takes.
    """
    ways: list[tuple[Releases, list[int]]] = [(at, [])]
    seen = {at}
    while ways:
        now, way = ways.pop(0)
        if takes(target, now):
            return way
        for place, release in enumerate(upgraders):
            after = left_by(release)
            if takes(release, now) and after not in seen:
                seen.add(after)
                ways.append((after, [*way, place]))
    return None


def lacking(at: Releases, target: int, upgraders: Sequence[int]) -> list[Releases]:
    """The releases of which one each is needed beside *upgraders*, in order."""
    ranges = [Releases(_OLDEST_STEP, _SQUASHED - 1), Releases(_FIRST_ALEMBIC, _ALEMBIC_ALONE - 1)]
    tried = ([ranges[0]], [ranges[1]])
    return next((more for more in tried if path(at, target, [*upgraders, *(one.last for one in more)])), ranges)


@dataclass(frozen=True)
class Way:
    """What is to be done with a source: *copy* it, run the upgraders at *hops* and then the target's db_sync on it.

    *obstacle* says why that cannot be.
    """

    copy: bool = False
    hops: tuple[int, ...] = ()
    obstacle: str | None = None


def way(name: str, source: SchemaVersion, target: SchemaVersion, upgraders: Sequence[int]) -> Way:
    """How the schema of the source *name* becomes *target*, with Keystones of the releases *upgraders* at hand."""
    if source.schema == target.schema:
        return Way()
    at, wanted = source.releases, target.releases
    subject = f"{name}'s Keystone database"
    if source.unfinished:
        return Way(
            obstacle=f"{subject} is in the middle of an upgrade ({source}): end it there with "
            "`keystone-manage db_sync --contract`"
        )
    if at is None:
        return Way(
            obstacle=f"{subject} has a schema of no release that is known ({source}); known are those of "
            f"{Releases(FIRST, NEWEST)}"
        )
    if wanted is None:
        # A Keystone that is newer than this table: it is tried.
        if source.heads:
            return Way(copy=True)
        wanted = Releases(NEWEST, NEWEST)
    # Of releases with one schema the first takes most.
    release = wanted.first
    if at.first > wanted.last:
        return Way(
            obstacle=f"{subject} is of {at}, and the target's Keystone of {wanted}, which is older: give the target a "
            f"Keystone of {NAMES[at.first]} ({at.first}) or later"
        )
    hops = path(at, release, upgraders)
    if hops is None:
        needed = " and one of ".join(str(one) for one in lacking(at, release, upgraders))
        return Way(
            obstacle=f"{subject} is of {at}, {source}; the target's Keystone of {wanted} cannot bring it up; give a "
            f"Keystone of {needed} in keystone_merge_upgrade_execs"
        )
    return Way(copy=True, hops=tuple(hops))
