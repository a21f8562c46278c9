# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What all parts of the planning share."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Hashable, Iterator, Mapping, Sequence, TypeVar

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import (
    Fold,
    Ledger,
    Row,
    translator,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Earlier
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In, Population
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Key, Table

FEW_VALUES = 500
"""References to no more values are looked up by value; with more the whole table is read."""

# A name of users is one, whatever table has it; within one Keystone that is so in each table alone.
NAME = Key(("domain_id", "name"), unique=False)
OWN_NAME = Key(("domain_id", "name"))
ID = Key(("id",))


@dataclass(frozen=True)
class Holder:
    """The row that holds a key in the merged database; *identity* is its own there."""

    population: int
    old: Any
    new: Any
    shown: str
    same: Hashable
    identity: Row


@dataclass(frozen=True)
class Met:
    """A row that has met an earlier one: *key* by which, *holder* the earlier one."""

    key: Key
    holder: Holder


@dataclass(frozen=True)
class UserName:
    """A name of a user: *domain* is the id in the merged database, *table* where it is."""

    table: str
    domain: str
    name: str


_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Scan:
    """One table of one population while its rows are compared."""

    table: Table
    number: int
    ledger: Ledger
    columns: tuple[str, ...]
    place: Mapping[str, int]
    keys: tuple[Key, ...]
    translate: Callable[[Row], Row | None]
    names: Mapping[Any, Sequence[UserName]]

    @property
    def own(self) -> int | None:
        return None if self.table.id is None else self.place.get(self.table.id)

    def identity(self, row: Row) -> Row:
        return tuple([row[self.place[column]] for column in self.table.identity])


def service_name(extra: str | None) -> str:
    """The name of a service, which Keystone keeps inside the JSON of ``service.extra``."""
    name = service_extra(extra).get("name")
    return name if isinstance(name, str) else ""


def service_extra(extra: str | None) -> dict[str, Any]:
    try:
        loaded = json.loads(extra or "{}")
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


@dataclass(frozen=True)
class Given:
    """What a plan is made from, as :func:`planner.plan` takes it."""

    populations: Sequence[tuple[str, Population]]
    fold: Fold
    policy: Policy
    merged: bool
    earlier: Mapping[str, Earlier]


class Planning:
    """The populations, and what becomes of them."""

    def __init__(self, given: Given) -> None:
        self.populations = [population for _name, population in given.populations]
        self.fold = given.fold
        self.policy = given.policy
        self.earlier = given.earlier
        self.first_source = 1 if given.merged else 0
        self.ledgers = [Ledger(name, number) for number, (name, _population) in enumerate(given.populations)]
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._sizes: dict[str, list[int]] = {}

    def _of_each(self, ask: Callable[[int], _Answer]) -> list[_Answer]:
        """What *ask* gives for the number of each population; all at the same time, as each has a server of its own."""
        with ThreadPoolExecutor(max(1, len(self.populations))) as pool:
            return list(pool.map(ask, range(len(self.populations))))

    def _sizes_of(self, table: Table) -> list[int]:
        """How many rows each population has in *table*."""
        if table.name not in self._sizes:
            self._sizes[table.name] = self._of_each(
                lambda number: (
                    self.populations[number].count(table.name) if table.name in self.populations[number].tables() else 0
                )
            )
        return self._sizes[table.name]

    def _sources(self) -> Iterator[tuple[Ledger, Population]]:
        """What is merged, without a merged database in use."""
        yield from list(zip(self.ledgers, self.populations))[self.first_source :]

    def _scan(self, table: Table, number: int) -> Scan | None:
        columns = self.populations[number].tables().get(table.name, ())
        if not columns:
            return None
        place = {column: at for at, column in enumerate(columns)}
        return Scan(
            table=table,
            number=number,
            ledger=self.ledgers[number],
            columns=columns,
            place=place,
            keys=tuple(key for key in table.keys if all(column in place for column in key.columns)),
            translate=translator(table, columns, self.ledgers[number], self.fold),
            names={},
        )

    def _with_names(self, scan: Scan, rows: Sequence[Row]) -> Scan:
        """The names of each user among *rows*, as they are."""
        table = scan.table
        if not table.names:
            return scan
        names: dict[Any, list[UserName]] = {}
        population = self.populations[scan.number]
        domains: Mapping[str, str] = scan.ledger.changed.get("project", {})
        ids = [row[scan.place["id"]] for row in rows]
        for source in table.names:
            if source not in population.tables():
                continue
            for start in range(0, len(ids), FEW_VALUES):
                where = In(table.name + "_id", tuple(ids[start : start + FEW_VALUES]))
                for id_, domain, name in population.rows(source, (where.column, "domain_id", "name"), (where,)):
                    names.setdefault(id_, []).append(UserName(source, domains.get(domain, domain), name))
        return Scan(**{**scan.__dict__, "names": names})
