# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""The plan that a run leaves to the next one, which need not compare all names again where little changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.following import (
    Following,
    has_room,
    has_unknown,
    outside,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import follow
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import Population
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.remembered import (
    Remembered,
    basis,
    read,
    write,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import Lost, State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.sync import Change, SourceWork


@dataclass(frozen=True)
class LastPlan:
    """The plan of the last run that came to its end, in the state that the target holds.

    *identities* are those of the sources, by name.
    """

    state: State
    policy: Policy
    target: Database
    sources: Sequence[Database]
    identities: Mapping[str, str]

    def _basis(self) -> str:
        """A digest of all that a plan rests on, but for the rows."""
        databases = [self.target, *self.sources]
        return basis(
            self.policy,
            [(one.login.name, self.identities[one.login.name], one.schema_version()) for one in self.sources],
            {f"{at} {table}": names for at, one in enumerate(databases) for table, names in one.tables().items()},
        )

    def recall(self, fold: Fold, lost: Sequence[Lost | None]) -> Plan | None:
        """The plan, or None where there is none for these sources as they are.

        *fold* makes names comparable, *lost* is what each source was found to lack.
        """
        text = None if None in lost else self.state.planned(self._basis())
        if text is None:
            return None
        remembered = read(text, fold, [one or {} for one in lost])
        for source, ledger in zip(self.sources, remembered.planned.ledgers):
            if remembered.outside.get(ledger.name) != outside(source, ledger):
                return None
            if has_unknown(source) or not has_room(source, ledger):
                return None
        return remembered.planned

    def follow(
        self, planned: Plan, works: Sequence[SourceWork], changes: Sequence[Mapping[str, Change]]
    ) -> Plan | None:
        """The plan with what changed since counted in, or None where it does not hold for that."""
        if not Following(self.target, planned.fold, planned).holds(works, changes):
            return None
        grown = [
            {table: len(change.added) - len(change.removed) for table, change in changed.items()} for changed in changes
        ]
        for one in grown:
            if not one.keys().isdisjoint(BY_NAME["user"].names):
                one.setdefault("user", 0)
        populations: list[tuple[str, Population]] = [(source.login.name, source) for source in self.sources]
        return follow(planned, populations, self.policy, grown)

    def keep(self, planned: Plan) -> None:
        """Leave a plan to the next run."""
        sums = {
            source.login.name: outside(source, planned.ledgers[number])
            for number, source in zip(planned.sources, self.sources)
        }
        known = {name: total for name, total in sums.items() if total is not None}
        text = write(Remembered(planned, known)) if len(known) == len(sums) else None
        if text is not None:
            self.state.remember_plan(self._basis(), text)
