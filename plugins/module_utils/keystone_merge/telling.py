# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What people are told of a plan: how things are called, what becomes of them, what is in conflict."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Hashable, Iterable

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Row
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import (
    SHOWN_NAMES,
    Conflict,
    Kind,
    NewName,
    One,
    Plan,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import (
    Given,
    Holder,
    Planning,
    Scan,
    service_name,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import (
    MERGE,
    RENAME,
    Name,
    settle,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    DEFAULT_DOMAIN,
    NOTHING,
    ROOT_DOMAIN,
    Rule,
    Table,
)


@dataclass
class _Conflict:
    """A conflict while further stacks may join it: who has the name, and what would settle it."""

    found: Name
    holders: dict[tuple[str, str], None] = field(default_factory=dict)
    settle: dict[str, None] = field(default_factory=dict)

    def conflict(self) -> Conflict:
        return Conflict(
            self.found.kind,
            self.found.domain,
            self.found.name,
            tuple(stack for stack, _id in self.holders),
            tuple(id_ for _stack, id_ in self.holders),
            "\n".join(self.settle),
        )


class Telling(Planning):
    """Part of a plan: what people are told."""

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self.kinds: dict[str, Kind] = {}
        self.ones: list[One] = []
        self.new_names: list[NewName] = []
        self.conflicts: dict[Hashable, _Conflict] = {}
        self.domain_names: list[dict[str, str]] = [{} for _name in self.populations]

    def go_on_from(self, planned: Plan, tables: Iterable[str]) -> None:
        """Take over what was told of a plan, and count the things of some tables anew, with their names."""
        self.ledgers, self.kinds = list(planned.ledgers), copy.deepcopy(dict(planned.kinds))
        self._learn_domains()
        for table in tables:
            for name in ("domain", "project") if table == "project" else (table,):
                kind = self.kinds.setdefault(name, Kind())
                kind.created, kind.names["created"] = 0, []
            self._tell_created(BY_NAME[table])

    def _learn_domains(self) -> None:
        for number, population in enumerate(self.populations):
            if "is_domain" in population.tables().get("project", ()):
                self.domain_names[number] = dict(
                    population.rows("project", ("id", "name"), (In("is_domain", (0,), negate=True),))
                )

    def _is_told(self, scan: Scan, row: Row) -> bool:
        return (
            scan.number >= self.first_source
            and scan.own is not None
            and scan.table.rule in (Rule.NAMED, Rule.SAME)
            and row[scan.own] != ROOT_DOMAIN
        )

    def _kind(self, found: Name) -> Kind:
        return self.kinds.setdefault(found.kind.replace("_", " "), Kind())

    def _name(self, scan: Scan, row: Row) -> Name:
        """How people call a row; never a secret."""
        table, place, stack = scan.table, scan.place, scan.ledger.name
        if table.name == "project" and row[place["is_domain"]]:
            return Name("domain", row[place["name"]], stack)
        if table.name == "user":
            known = scan.names.get(row[place["id"]])
            domain_id = row[place["domain_id"]]
            name = known[0].name if known else row[place["id"]]
            return Name("user", name, stack, self.domain_names[scan.number].get(domain_id, domain_id), domain_id)
        if table.name == "service":
            return Name("service", service_name(row[place["extra"]]), stack, detail=f" ({row[place['type']]})")
        if table.rule is Rule.NAMED and "name" in place:
            domain_id = row[place["domain_id"]] if "domain_id" in place else None
            if domain_id is None or domain_id in NOTHING:
                return Name(table.name, row[place["name"]], stack)
            return Name(
                table.name,
                row[place["name"]],
                stack,
                self.domain_names[scan.number].get(domain_id, domain_id),
                domain_id,
            )
        if table.rename == "name" and "name" in place:
            return Name(table.name, row[place["name"]], stack)
        columns = scan.keys[-1].columns if scan.keys else table.identity
        return Name(table.name, "/".join(str(row[place[column]]) for column in columns), stack)

    def _title(self, found: Name) -> str:
        where = "" if found.domain is None or found.domain_id == DEFAULT_DOMAIN else f" in domain {found.domain}"
        return f"{found.name}{found.detail}{where} ({found.stack})"

    def _shown(self, scan: Scan, row: Row) -> str:
        """What tells people one row from another."""
        if "id" in scan.place:
            return str(row[scan.place["id"]])
        return "/".join(map(str, scan.identity(row)))

    def _conflict(self, scan: Scan, row: Row, holder: Holder, found: Name, line: str) -> None:
        entry = self.conflicts.setdefault((scan.table.name, holder.population, holder.shown), _Conflict(found))
        entry.holders[(self.ledgers[holder.population].name, holder.shown)] = None
        entry.holders[(scan.ledger.name, self._shown(scan, row))] = None
        entry.settle[line] = None

    def _settle_line(self, scan: Scan, found: Name, renamable: bool) -> str:
        """What the user can say so that this conflict is none any more."""
        if not renamable:
            return settle(found, MERGE)
        name, limit = self.policy.new_name(found), name_limit(scan.table)
        if len(name) <= limit:
            return settle(found, RENAME)
        shorter = replace(found, name=found.name[: limit - len(name)])
        return settle(found, RENAME, self.policy.new_name(shorter))

    def _tell_created(self, table: Table) -> None:
        """Count what a source brings, and note its first names."""
        if table.rule is not Rule.NAMED:
            return
        for number in range(self.first_source, len(self.populations)):
            if table.name not in self.populations[number].tables():
                continue
            kinds = [("domain", (In("is_domain", (0,), negate=True),)), ("project", (In("is_domain", (0,)),))]
            for name, where in kinds if table.name == "project" else [(table.name, ())]:
                self._tell_kind(table, number, name, where)

    def _tell_kind(self, table: Table, number: int, name: str, where: tuple[In, ...]) -> None:
        population, ledger = self.populations[number], self.ledgers[number]
        kind = self.kinds.setdefault(name, Kind())
        left_out = ledger.left_out.get(table.name, set())
        scan = self._scan(table, number)
        if scan is None:
            return
        rows: list[Row] = []
        for row in population.rows(table.name, scan.columns, where, SHOWN_NAMES + len(left_out) + 1):
            if (row[scan.place["id"]],) not in left_out and row[scan.place["id"]] != ROOT_DOMAIN:
                rows.append(row)
            if len(rows) >= SHOWN_NAMES:
                break
        named = self._with_names(scan, rows)
        for row in rows:
            if len(kind.names["created"]) < SHOWN_NAMES:
                kind.names["created"].append(self._title(self._name(named, row)))
        outside = sum(1 for identity in left_out if table.name != "project" or self._is_of(number, name, identity[0]))
        total = population.count(table.name, where) - outside
        if name == "domain" and (ROOT_DOMAIN,) not in left_out:
            total -= 1
        kind.created += total
        if not kind.created and not kind.became_one:
            self.kinds.pop(name)

    def _is_of(self, number: int, kind: str, id_: str) -> bool:
        return (id_ in self.domain_names[number]) is (kind == "domain")


def name_limit(table: Table) -> int:
    """The longest name of a row of *table*, in characters."""
    if table.name == "service":
        return 2**15
    return 255 if table.name in ("user", "role", "application_credential") else 64
