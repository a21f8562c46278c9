# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""New names: who gets them, whether they can be had, and who speaks of the old ones."""

from __future__ import annotations

import json
from typing import Any, Hashable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Row
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import NewName
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import (
    FEW_VALUES,
    Given,
    Scan,
    service_extra,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Decision, Name
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Table
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.telling import Telling, name_limit

_SPOKEN_OF = ("domain", "project", "group", "role")
"""Kinds that rules of a mapping can speak of by name."""


class Renaming(Telling):
    """Part of a plan: new names."""

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        # By the owner of the name (a domain, a user), the new names of the table that is being planned.
        self.pending: dict[Any, list[tuple[str, Name]]] = {}

    def _rename(self, scan: Scan, row: Row, new: Row, decision: Decision, found: Name) -> None:
        """Give a row its new name. Whether it can be had is looked at for all of them together."""
        table, ledger, name = scan.table, scan.ledger, decision.new_name or ""
        id_ = row[scan.place[str(table.id)]]
        if table.name == "service":
            extra = {**service_extra(row[scan.place["extra"]]), "name": name}
            ledger.renamed.setdefault("service", {})[id_] = json.dumps(extra)
        elif table.rename == table.id:
            ledger.changed.setdefault(table.name, {})[id_] = name
        else:
            ledger.renamed.setdefault(table.name, {})[id_] = name
        self._kind(found).tell("renamed", f"{self._title(found)} to {name}")
        self.new_names.append(NewName(found.kind, found.domain, found.name, name, ledger.name, str(id_)))
        owner = new[scan.place[scope]] if (scope := _scope(table)) in scan.place else None
        self.pending.setdefault(owner, []).append((name, found))

    def _check_new_names(self, table: Table) -> None:
        """Refuse new names that are too long or that somebody has."""
        limit = name_limit(table)
        pending, self.pending = self.pending, {}
        for owner, wanted in pending.items():
            names: dict[Hashable, Name] = {}
            for name, found in wanted:
                if len(name) > limit:
                    self._refuse_name(found, name, f"it is longer than {limit} characters")
                elif self.fold(name) in names:
                    self._refuse_name(found, name, "another one was renamed to the same")
                names[self.fold(name)] = found
            if table.name != "service":
                self._check_taken(table, owner, [name for name, _found in wanted], names)

    def _check_taken(self, table: Table, owner: Any, wanted: Sequence[str], names: Mapping[Hashable, Name]) -> None:
        column = "name" if table.rename != table.id else str(table.id)
        scope = _scope(table)
        new_names = {self.fold(name): name for name in wanted}
        for population, ledger in zip(self.populations, self.ledgers):
            changed = ledger.changed.get("user" if scope == "user_id" else "project", {})
            owners = (owner, *(old for old, new in changed.items() if new == owner))
            for source in table.names or (table.name,):
                columns = population.tables().get(source, ())
                if column not in columns:
                    continue
                where = [In(scope, owners)] if scope in columns and owner is not None else []
                for start in range(0, len(wanted), FEW_VALUES):
                    some = In(column, tuple(wanted[start : start + FEW_VALUES]))
                    for (name,) in population.rows(source, (column,), (*where, some)):
                        found = names.get(self.fold(name))
                        if found is not None:
                            self._refuse_name(found, new_names[self.fold(name)], f"{ledger.name} has that name already")

    def _refuse_name(self, found: Name, name: str, why: str) -> None:
        self.problems.append(f"{found.kind} {found.name} of {found.stack} cannot be renamed to {name}: {why}")

    def _warn_of_rules(self) -> None:
        """Rules of mappings may speak of things by their names, which follow nothing."""
        for ledger, population in self._sources():
            stack = ledger.name
            renamed = [new for new in self.new_names if new.stack == stack and new.kind in _SPOKEN_OF]
            if not renamed or "mapping" not in population.tables():
                continue
            for id_, rules in population.rows("mapping", ("id", "rules")):
                said = {self.fold(text): text for text in _texts(rules)}
                self.warnings.extend(
                    f"{stack}: the rules of mapping {id_} speak of {said[self.fold(new.old)]}, and {new.kind} "
                    f"{new.old} is called {new.new} from now on: change the rules"
                    for new in renamed
                    if self.fold(new.old) in said
                )


def _texts(text: str) -> Iterator[str]:
    """All strings in JSON text; none where it is not JSON."""
    try:
        waiting = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())


def _scope(table: Table) -> str:
    """The column within whose value a name of *table* must be the only one."""
    return "user_id" if table.name == "application_credential" else "domain_id"
