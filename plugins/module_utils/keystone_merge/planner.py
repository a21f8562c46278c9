# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What becomes of every row when Keystones are merged: pure, the populations are handed in.

The populations are planned in order, the first has precedence; what a merged database in use holds already comes before
all sources. Table by table, parents first, a row of a later population either is new (its id is kept), becomes one with
an earlier row (its id changes to that one's and every reference follows), gets another name, or is a conflict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Hashable, Iterable, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, Row
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.meeting import Meeting
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import (
    SHOWN_NAMES,
    Earlier,
    One,
    Plan,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import (
    FEW_VALUES,
    ID,
    Given,
    Holder,
    Met,
    Scan,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import (
    BUILTIN_ROLES,
    MERGE,
    RENAME,
    SERVICE_PROJECTS,
    Policy,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import (
    In,
    KeyRequest,
    Population,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.renaming import Renaming
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    DEFAULT_DOMAIN,
    EXPENDABLE,
    NOTHING,
    ROOT_DOMAIN,
    TABLES,
    VERSION_TABLES,
    Key,
    Rule,
    Table,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.telling import Telling

INT_MAX = 2**31 - 1
"""The largest value of the auto-increment columns, which are ``int(11)``."""

ROOM = 1_000_000
"""Numbers left free behind those of a source, for what is added to it until the cutover."""

_FROM_ELSEWHERE = {"id_mapping": "public_id", "federated_user": "user_id"}
"""Tables that say who a user or a group is elsewhere, and the column of its id."""


class _Planner(Meeting, Renaming):
    """The work of :func:`plan`; one use."""

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self.rooms: dict[str, int] = {}
        self.met: dict[str, set[Row]] = {}
        self.service_users: list[set[str]] = [set() for _name in self.populations]

    def run(self) -> Plan:
        self._refuse_unknown_tables()
        self._ask_for_lost()
        for number in range(len(self.populations)):
            self._learn_service_users(number)
        for table in TABLES:
            if table.name == "user":
                self._learn_same_people()
            self._find_lost(table)
            self._number(table)
            self._compare(table)
            self._count(table)
        self._warn_of_rules()
        return Plan(
            ledgers=tuple(self.ledgers),
            sources=tuple(range(self.first_source, len(self.populations))),
            fold=self.fold,
            conflicts=tuple(entry.conflict() for entry in self.conflicts.values()),
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
            counts=self.counts,
            kinds=self.kinds,
            ones=tuple(self.ones),
            new_names=tuple(self.new_names),
            lost=tuple(self.lost),
            rooms=self.rooms,
            found_lost=tuple(self.found_lost),
            met={table: frozenset(met) for table, met in self.met.items()},
        )

    def _refuse_unknown_tables(self) -> None:
        """Nothing is lost in silence: rows that no rule speaks of stop the merge."""
        for ledger, population in self._sources():
            for table, columns in population.tables().items():
                if table in BY_NAME or table in VERSION_TABLES:
                    continue
                if not list(population.rows(table, columns[:1], limit=1)):
                    continue
                if table in EXPENDABLE:
                    self.warnings.append(
                        f"{ledger.name}: the rows of table {table} are left out, because Keystone with Fernet tokens "
                        "never reads them"
                    )
                else:
                    self.problems.append(
                        f"{ledger.name}: table {table} holds rows and this version cannot merge them; empty it, or "
                        "use a version that knows it"
                    )

    def _learn_service_users(self, number: int) -> None:
        """Which users have a role on the service project of this population."""
        population = self.populations[number]
        columns = population.tables()
        if "project" not in columns or "assignment" not in columns:
            return
        projects = [
            id_
            for name in SERVICE_PROJECTS
            for id_, domain in population.rows("project", ("id", "domain_id"), (In("name", (name,)),))
            if domain == DEFAULT_DOMAIN
        ]
        if projects:
            self.service_users[number] = {
                actor
                for type_, actor in population.rows(
                    "assignment", ("type", "actor_id"), (In("target_id", tuple(projects)),)
                )
                if type_ == "UserProject"
            }

    def _learn_same_people(self) -> None:
        """Users and groups that come from elsewhere, and that become one by the user's choice.

        Two ids are one where a domain became one with another's and its LDAP is known in both, or where a federated
        user is. All that refers to them follows, also where no row of their own says more.
        """
        known: list[set[Hashable]] = [set() for _population in self.populations]
        for name, column in _FROM_ELSEWHERE.items():
            table = BY_NAME[name]
            scans = [self._scan(table, number) for number in range(len(self.populations))]
            requests = [
                None
                if scan is None
                else [
                    KeyRequest(
                        name, table.keys[-1].columns, changed={"domain_id": scan.ledger.changed.get("project", {})}
                    )
                ]
                for scan in scans
            ]
            found: list[dict[Row, Row]] = [{} for _scan in scans]
            self._meet(requests, found, scans)
            first: dict[Hashable, tuple[int, str]] = {}
            for scan, rows in zip(scans, found):
                if scan is not None:
                    for _identity, row in sorted(rows.items()):
                        self._learn_same_person(scan, row, column, first, known[scan.number])

    def _learn_same_person(
        self, scan: Scan, row: Row, column: str, first: dict[Hashable, tuple[int, str]], known: set[Hashable]
    ) -> None:
        """Note whom a row is the same as. *known* are those of this population of whom that is decided.

        Who is known elsewhere in two ways can be two people there: the first counts.
        """
        new = scan.translate(row)
        if new is None:
            return
        old, kind = row[scan.place[column]], row[scan.place["entity_type"]] if column == "public_id" else "user"
        number, kept = first.setdefault(self._key(scan, 0, scan.keys[-1], new), (scan.number, old))
        if number == scan.number or self.fold(kept) == self.fold(old):
            return
        decision = self.policy.decide(self._name(scan, row), builtin=False, fold=self.fold)
        # A row refers to a user as the collation compares ids.
        person = (kind, self.fold(old))
        if decision.action == MERGE and person not in known:
            known.add(person)
            scan.ledger.changed.setdefault(kind, {})[old] = kept

    def _number(self, table: Table) -> None:
        """Give the numbers of each source a room of their own behind those before."""
        if table.auto is None:
            return
        # A new source goes behind those that are there, wherever it stands in the list.
        start = max((known.offsets.get(f"{table.name}.end", 0) for known in self.earlier.values()), default=0)
        for ledger, population in zip(self.ledgers, self.populations):
            if table.auto not in population.tables().get(table.name, ()):
                continue
            largest = population.largest(table.name, table.auto)
            if ledger.number < self.first_source:
                start = max(start, largest)
                continue
            known = self.earlier.get(ledger.name, Earlier()).offsets
            offset = known.get(table.name, start)
            room = known.get(f"{table.name}.end")
            end = offset + 2 * largest + ROOM if room is None else room
            if end > INT_MAX and room is None:
                end = offset + largest + largest // 10 + 1000
            if end > INT_MAX or offset + largest > end:
                self.problems.append(
                    f"{ledger.name}: table {table.name} has numbers up to {largest}, for which there is no room "
                    f"between {offset} and {min(end, INT_MAX)}; start over with an empty target"
                )
            ledger.offsets[table.name] = offset
            ledger.offsets[f"{table.name}.end"] = end
            start = max(start, end)
        self.rooms[table.name] = start

    def _compare(self, table: Table) -> None:
        self.shared[table.name] = [set() for _population in self.populations]
        if table.rule is Rule.PART or (table.auto is not None and not table.keys):
            self._absorb_parts(table)
            self._tell_created(table)
            return
        stages: tuple[tuple[In, ...], ...] = ((),)
        if table.first is not None:
            stages = ((In(table.first, (0,), negate=True),), (In(table.first, (0,)),))
        for stage in stages:
            scans = [self._scan(table, number) for number in range(len(self.populations))]
            if table.first is not None and stage == stages[0]:
                self._learn_domains()
            candidates = self._candidates(table, scans, stage)
            holders: dict[Hashable, Holder] = {}
            for scan, rows in zip(scans, candidates):
                if scan is not None:
                    self._judge(self._with_names(scan, rows), rows, holders)
            self._check_new_names(table)
        for ledger, joined in zip(self.ledgers, self.joined):
            absorbed, changed = ledger.absorbed.get(table.name, ()), ledger.changed.get(table.name, {})
            if len({changed.get(id_, id_) for id_ in absorbed}) < len(absorbed):
                joined.add(table.name)
        self._tell_created(table)

    def _absorb_parts(self, table: Table) -> None:
        """Note which rows go with what became one, where they have parts of their own: a local user has passwords."""
        if table.id is None:
            return
        for ledger, population in self._sources():
            gone = sorted(ledger.gone(table))
            for start in range(0, len(gone), FEW_VALUES):
                owners = In(str(table.part_of), tuple(gone[start : start + FEW_VALUES]))
                ledger.absorbed.setdefault(table.name, set()).update(
                    id_ for (id_,) in population.rows(table.name, (table.id,), (owners,))
                )

    def _judge(self, scan: Scan, rows: Iterable[Row], holders: dict[Hashable, Holder]) -> None:
        for row in rows:
            new = scan.translate(row)
            if new is None:
                continue
            found = self._found(scan, row, new)
            met = [Met(key, holders[value]) for value, key in found if value in holders]
            met = [one for one in met if one.holder.population != scan.number or one.key.unique]
            if not met or not self._settle(scan, row, new, met):
                self._keep(scan, row, new, found, holders)

    def _settle(self, scan: Scan, row: Row, new: Row, met: Sequence[Met]) -> bool:
        """Decide what becomes of a row that meets others; false where it stays what it is."""
        if scan.number < self.first_source:
            # What the merged database holds already is not questioned.
            return False
        table = scan.table
        self.met.setdefault(table.name, set()).update(
            (scan.identity(new), *(one.holder.identity for one in met)),
        )
        # One id is one thing more than one name is.
        holder = next((one.holder for one in met if one.key is ID), met[0].holder)
        agreed = all(one.holder.population != scan.number and one.holder.new == holder.new for one in met)
        if self._is_same(scan, row, new, met, holder, agreed):
            self._absorb(scan, row, holder)
            return True
        found = self._name(scan, row)
        decision = self.policy.decide(found, agreed and self._is_builtin(scan, row, new, holder), self.fold)
        by_name = table.rule is Rule.NAMED and any(one.key is not ID for one in met)
        if decision.action == MERGE and (decision.single or (agreed and (decision.asked or by_name))):
            self._absorb(scan, row, holder)
            return True
        renamable = all(table.rename in one.key.columns for one in met)
        if decision.action == RENAME and renamable:
            self._rename(scan, row, new, decision, found)
            return False
        if any(one.key is ID for one in met):
            # Another of its own may have become the one whose id this one has.
            self.joined[scan.number].add(table.name)
        line = self._settle_line(scan, found, renamable)
        for other in {one.holder.shown: one.holder for one in met}.values():
            self._conflict(scan, row, other, found, line)
            # What hangs on both can be in conflict, too: all of it is told at once.
            self._share(scan, row, other)
        return False

    def _is_same(self, scan: Scan, row: Row, new: Row, met: Sequence[Met], holder: Holder, agreed: bool) -> bool:
        """Whether a row and the earlier ones that it meets are one thing, whatever anybody says."""
        table = scan.table
        if table.rule is Rule.UNION:
            return True
        if table.rule is Rule.SAME:
            return agreed and self._same(scan, new) == holder.same
        old = row[scan.place["id"]]
        by_id = any(one.key is ID for one in met)
        if by_id and old in (ROOT_DOMAIN, DEFAULT_DOMAIN):
            return True
        # A region is named by its id, and people choose it: one id need not be one thing.
        by_name = table.name != "region" and any(one.key is not ID for one in met)
        nameless = not scan.keys and not scan.names.get(old)
        return agreed and by_id and (by_name or nameless)

    def _is_builtin(self, scan: Scan, row: Row, new: Row, holder: Holder) -> bool:
        place = scan.place
        if scan.table.name == "role":
            return new[place["domain_id"]] in NOTHING and self._one_of(BUILTIN_ROLES, row[place["name"]])
        if scan.table.name == "project":
            return new[place["domain_id"]] == DEFAULT_DOMAIN and self._one_of(
                self.policy.builtin.projects, row[place["name"]]
            )
        if scan.table.name == "user":
            old = row[place["id"]]
            names = scan.names.get(old, ())
            if not names or any(one.domain != DEFAULT_DOMAIN for one in names):
                return False
            service_user = (
                old in self.service_users[scan.number] and holder.old in self.service_users[holder.population]
            )
            return service_user or all(self._one_of(self.policy.builtin.users, one.name) for one in names)
        return False

    def _one_of(self, names: Iterable[str], name: str) -> bool:
        return self.fold(name) in {self.fold(known) for known in names}

    def _same(self, scan: Scan, new: Row) -> Hashable:
        """Equal for two rows of a table whose rows are compared whole, but for the columns that may differ."""
        table = scan.table
        if table.rule is not Rule.SAME:
            return None
        told = {
            column: value
            for column, value in zip(scan.columns, new)
            if column != table.auto and column not in table.beside
        }
        return tuple(sorted(told.items(), key=lambda item: item[0]))

    def _keep(
        self, scan: Scan, row: Row, new: Row, found: Sequence[tuple[Hashable, Key]], holders: dict[Hashable, Holder]
    ) -> None:
        own = scan.own
        old, kept = (None, None) if own is None else (row[own], new[own])
        holder = Holder(scan.number, old, kept, self._shown(scan, row), self._same(scan, new), scan.identity(new))
        for value, _key in found:
            holders.setdefault(value, holder)

    def _absorb(self, scan: Scan, row: Row, holder: Holder) -> None:
        """Note a row that became one with an earlier one."""
        name, own, ledger = scan.table.name, scan.own, scan.ledger
        ledger.left_out.setdefault(name, set()).add(scan.identity(row))
        self._share(scan, row, holder)
        if own is not None:
            ledger.absorbed.setdefault(name, set()).add(row[own])
            # Another's number stays as it is, while all other numbers of this source move.
            if holder.new != row[own] or isinstance(row[own], int):
                ledger.changed.setdefault(name, {})[row[own]] = holder.new
        if self._is_told(scan, row):
            found = self._name(scan, row)
            self._kind(found).tell("became_one", self._title(found))
            stacks = (self.ledgers[holder.population].name, ledger.name)
            if len(self.ones) < SHOWN_NAMES * len(BY_NAME):
                self.ones.append(
                    One(found.kind, found.domain, found.name, stacks, holder.shown, self._shown(scan, row))
                )


def plan(
    populations: Sequence[tuple[str, Population]],
    fold: Fold,
    policy: Policy | None = None,
    merged: bool = False,
    earlier: Mapping[str, Earlier] | None = None,
) -> Plan:
    """Plan the merge of *populations* (name, database), the first of which has precedence.

    *merged* says that the first is a merged database in use: it comes first, nothing of it is carried. *fold* makes
    names comparable as the merged database compares them. *earlier* is what an earlier run found, by source.
    Neither conflicts nor problems raise: they are part of the plan, all of them.
    """
    return _Planner(Given(populations, fold, policy or Policy(), merged, earlier or {})).run()


def follow(
    planned: Plan,
    populations: Sequence[tuple[str, Population]],
    policy: Policy,
    grown: Sequence[Mapping[str, int]],
) -> Plan:
    """The plan of an earlier run after changes that leave it as it is: numbers and names of things, anew.

    *grown* says, for each population and by table, how many rows more than then are carried.
    """
    more = {(name, table): rows for (name, _one), own in zip(populations, grown) for table, rows in own.items()}
    counts = {
        table: {
            stack: replace(
                count,
                rows=count.rows + more.get((stack, table), 0),
                carried=count.carried + more.get((stack, table), 0),
            )
            for stack, count in stacks.items()
        }
        for table, stacks in planned.counts.items()
    }
    named = [table.name for table in TABLES if table.rule is Rule.NAMED and any(table.name in one for one in grown)]
    telling = Telling(Given(populations, planned.fold, policy, False, {}))
    telling.go_on_from(planned, named)
    return replace(planned, counts=counts, kinds=telling.kinds)
