# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Which rows of several populations meet: have equal keys in the merged database.

Rows do not pass through here. A population gives 64 bits for the key of each of its rows, as the merged database would
compare them; only rows whose bits are in several populations are looked at.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Hashable, Iterator, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Row
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.losing import Losing
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import (
    FEW_VALUES,
    ID,
    NAME,
    OWN_NAME,
    Given,
    Holder,
    Scan,
    service_name,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In, KeyRequest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Key, Rule, Table

MANY_KEYS = 1_500_000
"""Keys of all populations that are compared at a time: some 150 MB."""

FEW_ROWS = 2000
"""Tables with no more rows are looked at whole."""


class Meeting(Losing):
    """Part of a plan: rows that meet."""

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        # By table, for each population the ids that another has too.
        self.shared: dict[str, list[set[Any]]] = {}
        # For each population the tables of which two rows of its own became one, so that others of its own may meet.
        self.joined: list[set[str]] = [set() for _name in self.populations]
        # Whether there are users or groups, of an LDAP, that need no row of their own.
        self.mapped = any("id_mapping" in one.tables() and one.count("id_mapping") for one in self.populations)

    def _candidates(self, table: Table, scans: Sequence[Scan | None], stage: tuple[In, ...]) -> list[list[Row]]:
        """For each population the rows whose key another population has too, in the order of their identities.

        The first of several with one key counts, whatever way they came.
        """
        present = [scan for scan in scans if scan is not None]
        if len(present) < 2:
            return [[] for _scan in scans]
        sizes = self._sizes_of(table)
        if table.whole or sum(sizes) <= FEW_ROWS:
            return [
                []
                if scan is None
                else sorted(self.populations[scan.number].rows(table.name, scan.columns, stage), key=scan.identity)
                for scan in scans
            ]
        found: list[dict[Row, Row]] = [{} for _scan in scans]
        parts = sum(sizes) // MANY_KEYS + 1
        for slot in self._slots(table, present[0]):
            for part in range(parts):
                requests = [None if scan is None else self._request(scan, slot, stage, (part, parts)) for scan in scans]
                self._meet(requests, found, scans)
        return [[row for _identity, row in sorted(rows.items())] for rows in found]

    def _slots(self, table: Table, scan: Scan) -> list[Key]:
        """Keys by which rows can meet; ids of named things come first."""
        slots = list(scan.keys)
        if table.id is not None and table.rule is Rule.NAMED and table.id in scan.place:
            slots.insert(0, Key((table.id,)))
        if table.names:
            slots.append(NAME)
        return list(dict.fromkeys(slots))

    def _request(self, scan: Scan, slot: Key, stage: tuple[In, ...], part: tuple[int, int]) -> list[KeyRequest]:
        """What to ask a population for the bits of one key, of all tables that hold it."""
        table = scan.table
        if slot is NAME and table.names:
            changed = {"domain_id": scan.ledger.changed.get("project", {})}
            there = self.populations[scan.number].tables()
            return [KeyRequest(name, NAME.columns, changed=changed, part=part) for name in table.names if name in there]
        where: list[In] = [*stage]
        changed = {}
        shift: dict[str, int] = {}
        for ref in table.refs:
            if ref.column in slot.columns:
                changed.setdefault(ref.column, {}).update(scan.ledger.mapping(ref))
                if scan.ledger.shift(ref):
                    shift[ref.column] = scan.ledger.shift(ref)
        if table.id in slot.columns and scan.ledger.changed.get(table.name):
            changed[str(table.id)] = scan.ledger.changed[table.name]
        where.extend(self._only(scan, slot))
        return [KeyRequest(table.name, slot.columns, slot.null_equal, changed, shift, tuple(where), part)]

    def _only(self, scan: Scan, slot: Key) -> Iterator[In]:
        """Where all that a row leads to must be in several populations, only such rows are looked at."""
        refs = [ref for ref in scan.table.refs if ref.column in slot.columns and not ref.loose]
        if slot.null_equal or any(ref.to in self.joined[scan.number] for ref in refs):
            return
        for ref in refs:
            if ref.when is not None or ref.to == scan.table.name or (ref.to in ("user", "group") and self.mapped):
                continue
            shared = self.shared[ref.to][scan.number]
            # What leads nowhere in one can lead somewhere in another.
            lost = {value for known in self.dangling for value in known.get((scan.table.name, ref.column), ())}
            # A name in a domain that every stack has: nothing is gained by asking for it.
            if len(shared) + len(lost) <= FEW_VALUES and not (ref.to == "project" and ref.column == "domain_id"):
                yield In(ref.column, (*shared, *lost))

    def _meet(
        self,
        requests: Sequence[list[KeyRequest] | None],
        found: list[dict[Row, Row]],
        scans: Sequence[Scan | None],
    ) -> None:
        """Note the rows of one key that several populations have."""
        several = _several(
            self._of_each(
                lambda number: [self.populations[number].hashes(request) for request in requests[number] or ()]
            )
        )
        if not several:
            return

        def meeting(number: int) -> list[Row]:
            scan, asked = scans[number], requests[number]
            return [] if scan is None or not asked else list(self._fetch(scan, asked, several))

        for scan, rows, known in zip(scans, self._of_each(meeting), found):
            if scan is not None:
                for row in rows:
                    known.setdefault(scan.identity(row), row)

    def _fetch(self, scan: Scan, asked: Sequence[KeyRequest], several: frozenset[int]) -> Iterator[Row]:
        population = self.populations[scan.number]
        for request in asked:
            if request.table == scan.table.name:
                yield from population.matching(request, several, scan.columns)
                continue
            owners = [row[0] for row in population.matching(request, several, (f"{scan.table.name}_id",))]
            for start in range(0, len(owners), FEW_VALUES):
                yield from population.rows(
                    scan.table.name, scan.columns, (In(str(scan.table.id), tuple(owners[start : start + FEW_VALUES])),)
                )

    def _share(self, scan: Scan, row: Row, holder: Holder) -> None:
        """Note that what hangs on a row may meet what hangs on an earlier one."""
        if scan.own is not None:
            self.shared[scan.table.name][scan.number].add(row[scan.own])
            self.shared[scan.table.name][holder.population].add(holder.old)

    def _found(self, scan: Scan, row: Row, new: Row) -> list[tuple[Hashable, Key]]:
        """The keys by which a row can meet another."""
        found: list[tuple[Hashable, Key]] = [
            (value, key)
            for at, key in enumerate(scan.keys)
            for value in [self._key(scan, at, key, new)]
            if value is not None
        ]
        if scan.own is not None:
            old = row[scan.own]
            for one in scan.names.get(old, ()):
                name = (self.fold(one.domain), self.fold(one.name))
                found.extend([(("name", *name), NAME), ((one.table, *name), OWN_NAME)])
            if scan.table.rule is Rule.NAMED:
                found.append((("id", self.fold(new[scan.own])), ID))
        return found

    def _key(self, scan: Scan, at: int, key: Key, new: Row) -> Hashable | None:
        values = [new[scan.place[column]] for column in key.columns]
        if None in values and not key.null_equal:
            return None
        if scan.table.name == "service":
            return (at, self.fold(values[0] or ""), service_name(values[1]))
        return (at, *(self.fold(value) if isinstance(value, str) else value for value in values))


def _several(populations: Sequence[Sequence[Sequence[int]]]) -> frozenset[int]:
    """The numbers that are in more than one population, or in one more than once."""
    seen: set[int] = set()
    several: set[int] = set()
    for arrays in populations:
        own: set[int] = set()
        for numbers in arrays:
            before = len(own)
            own.update(numbers)
            if len(own) < before + len(numbers):
                several.update(number for number, times in Counter(numbers).items() if times > 1)
        several |= own & seen
        seen |= own
    return frozenset(several)
