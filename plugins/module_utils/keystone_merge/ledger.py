# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""How ids, names and numbers of one Keystone change on their way into the merged database."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Collection, Hashable, Iterator, Mapping, Optional, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    NOTHING,
    Ref,
    Table,
)

Row = Tuple[Any, ...]
Fold = Callable[[str], Hashable]
Translate = Callable[[Row], Optional[Row]]


@dataclass
class Ledger:
    """What changes of one population. Complete once planned.

    *changed* has the new id of every id that changes, by table; *left_out* the identities of rows that are not
    carried, *dropped* those of them that are dropped; *absorbed* the ids of those that became one with another's;
    *offsets* what is added to the numbers of a table; *renamed* the new value of the table's name column, by the id of
    its row (of a user in the tables of its names); *lost* the values of references that lead nowhere and are to go.
    """

    name: str
    number: int
    changed: dict[str, dict[Any, Any]] = field(default_factory=dict)
    left_out: dict[str, set[Row]] = field(default_factory=dict)
    dropped: dict[str, set[Row]] = field(default_factory=dict)
    absorbed: dict[str, set[Any]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, dict[Any, str]] = field(default_factory=dict)
    lost: dict[tuple[str, str, str], set[Any]] = field(default_factory=dict)

    def mapping(self, ref: Ref) -> Mapping[Any, Any]:
        """New ids of what *ref* leads to."""
        return self.changed.get(ref.to, {})

    def shift(self, ref: Ref) -> int:
        """What is added to a reference to a table whose ids are numbers."""
        to = BY_NAME[ref.to]
        return self.offsets.get(to.name, 0) if to.auto is not None and to.auto == to.id else 0

    def gone(self, table: Table) -> frozenset[Any]:
        """Owners whose parts are left out."""
        if table.part_of is None:
            return frozenset()
        to = next(ref.to for ref in table.refs if ref.column == table.part_of)
        return frozenset(self.absorbed.get(to, ()))

    def swaps(self, table: Table) -> dict[str, dict[str, str]]:
        """By column of JSON text, the ids in it that change."""
        return {
            text.column: {
                old: new for to in text.to for old, new in self.changed.get(to, {}).items() if isinstance(old, str)
            }
            for text in table.texts
        }

    def id_map(self) -> Iterator[tuple[str, str, str]]:
        """(kind, old id, new id) of every id that changes, but for numbers that only Keystone's tables see."""
        for kind, changed in sorted(self.changed.items()):
            for old, new in changed.items():
                if isinstance(old, str):
                    yield kind, old, new


def name_key(table: Table) -> str | None:
    """The column by whose value :attr:`Ledger.renamed` knows a row of *table*, or None."""
    if any(table.name in owner.names for owner in BY_NAME.values()):
        return "user_id"
    return table.id if table.rename is not None and table.rename != table.id else None


def name_column(table: Table) -> str | None:
    """The column that a new name goes to."""
    return "name" if name_key(table) == "user_id" else table.rename


def renames(ledger: Ledger, table: Table) -> Mapping[Any, str]:
    """New names of rows of *table*, by :func:`name_key`."""
    return ledger.renamed.get("user" if name_key(table) == "user_id" else table.name, {})


@dataclass(frozen=True)
class _Reference:
    """A reference in a row: where it is, which rows have it, and what becomes of it."""

    at: int
    when: int | None
    values: frozenset[str]
    resolve: Callable[[Any], Any]
    is_lost: Callable[[Any], bool] | None
    weak: bool

    def follow(self, row: Row, new: list[Any]) -> bool:
        """Put the new id into *new*; false where the row is to go."""
        value = row[self.at]
        if value is None or value in NOTHING or (self.when is not None and row[self.when] not in self.values):
            return True
        if self.is_lost is None or not self.is_lost(value):
            new[self.at] = self.resolve(value)
            return True
        new[self.at] = None
        return self.weak


def _references(table: Table, place: Mapping[str, int], ledger: Ledger, fold: Fold) -> list[_Reference]:
    return [
        _Reference(
            at=place[ref.column],
            when=None if ref.when is None else place[ref.when[0]],
            values=frozenset() if ref.when is None else ref.when[1],
            resolve=resolver(ledger.mapping(ref), ledger.shift(ref), fold),
            is_lost=_one_of(ledger.lost.get((table.name, ref.column, ref.to), ()), fold),
            weak=ref.weak,
        )
        for ref in table.refs
        if ref.column in place
    ]


def translator(table: Table, columns: Sequence[str], ledger: Ledger, fold: Fold) -> Translate:
    """A function that gives a row as it will be in the merged database, or None for one that is left out."""
    place = {column: number for number, column in enumerate(columns)}
    refs = _references(table, place, ledger, fold)
    own = place.get(table.id) if table.id is not None else None
    own_resolve = resolver(ledger.changed.get(table.name, {}), 0, fold)
    auto = place.get(table.auto) if table.auto is not None else None
    offset = ledger.offsets.get(table.name, 0)
    swaps = [
        (place[column], swap)
        for column, changed in ledger.swaps(table).items()
        if column in place
        for swap in [_swapper(changed)]
        if swap is not None
    ]
    key, target = name_key(table), name_column(table)
    new_names = renames(ledger, table)
    named = (place[key], place[target]) if new_names and key in place and target in place else None
    left_out = ledger.left_out.get(table.name, set())
    identity = [place[column] for column in table.identity if column in place]
    owner = None if table.part_of is None else place.get(table.part_of)
    gone = ledger.gone(table)

    def is_left_out(row: Row) -> bool:
        if owner is not None and row[owner] in gone:
            return True
        return bool(left_out) and tuple([row[number] for number in identity]) in left_out

    def translate(row: Row) -> Row | None:
        if is_left_out(row):
            return None
        new = list(row)
        if own is not None:
            new[own] = own_resolve(row[own])
        if auto is not None and new[auto] == row[auto]:
            new[auto] = row[auto] + offset
        for ref in refs:
            if not ref.follow(row, new):
                return None
        for number, swap in swaps:
            if row[number] is not None:
                new[number] = swap(row[number])
        if named is not None:
            new[named[1]] = new_names.get(row[named[0]], new[named[1]])
        return tuple(new)

    return translate


def _one_of(values: Collection[Any], fold: Fold) -> Callable[[Any], bool] | None:
    """Whether a value is one of these, as the database compares them; None where there are none."""
    folded = {_folded(value, fold) for value in values}
    return (lambda value: _folded(value, fold) in folded) if folded else None


def _folded(value: Any, fold: Fold) -> Hashable:
    return fold(value) if isinstance(value, str) else value


def resolver(changed: Mapping[Any, Any], offset: int, fold: Fold) -> Callable[[Any], Any]:
    """A function that gives the new id for an old one; *offset* is what is added to numbers that are not *changed*."""
    if offset or any(isinstance(old, int) for old in changed):
        return lambda value: changed.get(value, value + offset)
    if not changed:
        return lambda value: value
    # Foreign keys compare ids as the collation does, so `regionone` refers to `RegionOne`.
    folded = {fold(old): new for old, new in changed.items()}

    def resolve(value: Any) -> Any:
        new = changed.get(value)
        return folded.get(fold(value), value) if new is None else new

    return resolve


def _swapper(changed: Mapping[str, str]) -> Callable[[str], str] | None:
    """A function that puts new ids for old ones where they stand as strings in JSON, or None if none changed."""
    quoted = {json.dumps(old): json.dumps(new) for old, new in changed.items()}
    if not quoted:
        return None
    pattern = re.compile("|".join(re.escape(old) for old in sorted(quoted, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda match: quoted[match.group(0)], text)
