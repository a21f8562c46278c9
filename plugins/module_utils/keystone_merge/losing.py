# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""References that lead nowhere, and how many rows of each table arrive."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Ledger, Row
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Count, Earlier, Lost
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import FEW_VALUES, Given, Planning
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    TABLES,
    Ref,
    Table,
)


class Losing(Planning):
    """Part of a plan: what leads nowhere."""

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self.dangling: list[dict[tuple[str, str], Mapping[Any, int]]] = [{} for _name in self.populations]
        self.found_lost: list[dict[tuple[str, str, str], Mapping[Any, int]]] = [{} for _name in self.populations]
        self.lost: list[Lost] = []
        self.counts: dict[str, dict[str, Count]] = {}
        self._led: list[dict[str, list[tuple[Ref, dict[Any, int]]]]] = []

    def _ask_for_lost(self) -> None:
        """Ask all populations at the same time, and for all tables, as no answer depends on another."""
        self._led = self._of_each(lambda number: {table.name: self._lost_of(table, number) for table in TABLES})

    def _find_lost(self, table: Table) -> None:
        """Learn which references of *table* lead nowhere; drop them where that is asked."""
        drop = self.policy.dangling == "drop"
        for number, led in enumerate(self._led):
            columns = self.populations[number].tables().get(table.name, ())
            ledger = self.ledgers[number]
            for ref, found in led.get(table.name, ()):
                self.found_lost[number][(table.name, ref.column, ref.to)] = found
                self.dangling[number][(table.name, ref.column)] = {
                    **self.dangling[number].get((table.name, ref.column), {}),
                    **found,
                }
                if number < self.first_source:
                    continue
                dropped_parents = self._dropped(ledger, ref)
                goes = drop and not ref.stays
                if found:
                    self._tell_lost(ledger, table, ref, sum(found.values()), goes)
                if goes and (found or dropped_parents):
                    ledger.lost[(table.name, ref.column, ref.to)] = set(found) | dropped_parents
            if drop and number >= self.first_source and table.id in columns:
                self._drop(table, number)

    def _lost_of(self, table: Table, number: int) -> list[tuple[Ref, dict[Any, int]]]:
        """Each reference of *table* in a population, the values that lead nowhere and how many rows have each."""
        population = self.populations[number]
        columns = population.tables().get(table.name, ())
        known = self.earlier.get(self.ledgers[number].name, Earlier()).lost
        return [
            (
                ref,
                dict(
                    population.dangling(table.name, ref)
                    if known is None
                    else known.get((table.name, ref.column, ref.to), {})
                ),
            )
            for ref in table.refs
            if not ref.loose and ref.column in columns
        ]

    @staticmethod
    def _dropped(ledger: Ledger, ref: Ref) -> set[Any]:
        """Ids of *ref*'s table that are dropped themselves."""
        return {identity[0] for identity in ledger.dropped.get(ref.to, ())} if BY_NAME[ref.to].id else set()

    def _drop(self, table: Table, number: int) -> None:
        """Leave out the rows whose references lead nowhere, and so on down a tree of the table's own rows."""
        ledger, population = self.ledgers[number], self.populations[number]
        dropped = ledger.dropped.setdefault(table.name, set())
        while True:
            before = len(dropped)
            for where in self._lost_rows(table, ledger):
                dropped.update(population.rows(table.name, table.identity, where))
            ledger.left_out.setdefault(table.name, set()).update(dropped)
            if len(dropped) == before:
                return
            for ref in table.refs:
                if ref.to == table.name:
                    ledger.lost.setdefault((table.name, ref.column, ref.to), set()).update(self._dropped(ledger, ref))

    @staticmethod
    def _lost_rows(table: Table, ledger: Ledger) -> Iterator[list[In]]:
        """Conditions for the rows with references that lead nowhere, and that go for it."""
        for ref in table.refs:
            lost = ledger.lost.get((table.name, ref.column, ref.to))
            if lost and not ref.weak:
                where = [In(ref.column, tuple(lost))]
                if ref.when is not None:
                    where.append(In(ref.when[0], tuple(sorted(ref.when[1]))))
                yield where

    def _tell_lost(self, ledger: Ledger, table: Table, ref: Ref, rows: int, drop: bool) -> None:
        action = "carry" if not drop else "clear" if ref.weak else "drop"
        self.lost.append(Lost(ledger.name, table.name, ref.column, ref.to, rows, action))
        what = {"carry": "carried as it is", "clear": "emptied", "drop": "left out"}[action]
        self.warnings.append(
            "{}: {} {} of table {} with a {} that is no longer there; {}".format(
                ledger.name, rows, "row" if rows == 1 else "rows", table.name, ref.column, what
            )
        )

    def _count(self, table: Table) -> None:
        for number in range(self.first_source, len(self.populations)):
            population, ledger = self.populations[number], self.ledgers[number]
            if table.name not in population.tables():
                continue
            count = Count(rows=self._sizes_of(table)[number])
            dropped = self._dropped_rows(table, number)
            count.dropped = len(dropped)
            count.became_one = len(ledger.left_out.get(table.name, set()) - dropped)
            gone = sorted(ledger.gone(table))
            for start in range(0, len(gone), FEW_VALUES):
                owners = In(str(table.part_of), tuple(gone[start : start + FEW_VALUES]))
                if dropped:
                    parts = set(population.rows(table.name, table.identity, (owners,)))
                    count.became_one += len(parts - dropped)
                else:
                    count.became_one += population.count(table.name, (owners,))
            count.carried = count.rows - count.became_one - count.dropped
            self.counts.setdefault(table.name, {})[ledger.name] = count

    def _dropped_rows(self, table: Table, number: int) -> set[Row]:
        """Identities of rows that are left out because a reference of theirs leads nowhere, or would be anyway."""
        ledger, population = self.ledgers[number], self.populations[number]
        dropped: set[Row] = set(ledger.dropped.get(table.name, ()))
        if table.id is None:
            for where in self._lost_rows(table, ledger):
                dropped.update(population.rows(table.name, table.identity, where))
        return dropped
