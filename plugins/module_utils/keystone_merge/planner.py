# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What becomes of every row when Keystones are merged: pure, without a server.

The populations are planned in order, the first has precedence; what the merged database holds already comes before
all sources. Table by table, parents first, a row of a later population either is new (its id is kept), becomes one with
an earlier row (its id changes to that one's and every reference follows), or is a conflict.

Names are held in memory, rows are not: of link tables only rows whose every reference exists in several populations
can meet another, and only those are remembered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import (
    Any,
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    Tuple,
)

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

Row = Tuple[Any, ...]
Fold = Callable[[str], Hashable]
Translate = Callable[[Row], Optional[Row]]

SERVICE_PROJECTS: tuple[str, ...] = ("service", "services")
"""Names of the project of the service users: ``service`` with most installers, ``services`` with packstack."""

INT_MAX = 2**31 - 1
"""The largest value of the auto-increment columns, which are ``int(11)``."""


class Reader(Protocol):
    """One Keystone database, as it was at one moment."""

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """Its tables and their columns, in order."""

    def rows(self, table: str, columns: Sequence[str], where: tuple[str, Sequence[str]] | None = None) -> Iterator[Row]:
        """The rows of *table*; with *where* only those whose column has one of the values."""


@dataclass(frozen=True)
class Builtin:
    """Names in the default domain that mean the same in every stack.

    A user is a service user where it has a role on a project of :data:`SERVICE_PROJECTS` in both stacks; *users* are
    such beside those.
    """

    users: tuple[str, ...] = ("admin",)
    projects: tuple[str, ...] = ("admin", *SERVICE_PROJECTS)


@dataclass(frozen=True)
class Conflict:
    """One name that several stacks use for different things; *stacks* and *ids* belong together in order."""

    kind: str
    domain: str | None
    name: str
    stacks: tuple[str, ...]
    ids: tuple[str, ...]

    def __str__(self) -> str:
        where = "" if self.domain is None else f" in domain {self.domain}"
        holders = ", ".join(f"{stack} ({id_})" for stack, id_ in zip(self.stacks, self.ids))
        return f"{self.kind} {self.name}{where}: {holders}"


@dataclass
class Count:
    """Rows of one table of one source."""

    rows: int = 0
    carried: int = 0
    became_one: int = 0


@dataclass
class Ledger:
    """How the ids of one population change on their way into the merged database. Complete once planned."""

    name: str
    number: int
    present: dict[str, set[Any]] = field(default_factory=dict)
    changed: dict[str, dict[Any, Any]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    absorbed: dict[str, set[Any]] = field(default_factory=dict)
    skipped: dict[str, set[Row]] = field(default_factory=dict)
    folded: dict[str, dict[Hashable, Any]] = field(default_factory=dict)

    def resolver(self, to: str, fold: Fold) -> Callable[[Any], tuple[Any, bool]]:
        """A function that gives an id's new value, and whether this population has the id at all."""
        present = self.present.setdefault(to, set())
        changed = self.changed.setdefault(to, {})
        table = BY_NAME[to]
        if table.auto is not None and table.auto == table.id:
            offset = self.offsets.get(to, 0)

            def moved(value: Any) -> tuple[Any, bool]:
                return changed.get(value, value + offset), value in present

            return moved

        def resolve(value: Any) -> tuple[Any, bool]:
            new = changed.get(value)
            if new is not None:
                return new, True
            if value in present:
                return value, True
            # Foreign keys compare ids as the collation does, so `regionone` refers to `RegionOne`.
            folded = self.folded.get(to)
            if folded is None:
                folded = self.folded[to] = {fold(id_): id_ for id_ in present}
            same = folded.get(fold(value))
            return (value, False) if same is None else (changed.get(same, same), True)

        return resolve


@dataclass(frozen=True)
class Plan:
    """What a merge will do. *totals* and *dangling* are what the merged database must hold afterwards."""

    ledgers: tuple[Ledger, ...]
    sources: tuple[int, ...]
    fold: Fold
    conflicts: tuple[Conflict, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Mapping[str, Mapping[str, Count]]
    created: Mapping[str, tuple[str, ...]]
    became_one: Mapping[str, tuple[str, ...]]
    totals: Mapping[str, int]
    dangling: Mapping[tuple[str, str, str], int]

    @property
    def rows(self) -> int:
        """How many rows are carried in all."""
        return sum(count.carried for stacks in self.counts.values() for count in stacks.values())

    def id_map(self) -> Iterator[tuple[str, str, str, str]]:
        """(kind, source, old id, new id) of every id that changes, but for numbers that only Keystone's tables see."""
        for number in self.sources:
            ledger = self.ledgers[number]
            for kind, changed in sorted(ledger.changed.items()):
                for old, new in changed.items():
                    if isinstance(old, str):
                        yield kind, ledger.name, old, new


def service_name(extra: str | None) -> str:
    """The name of a service, which Keystone keeps inside the JSON of ``service.extra``."""
    try:
        loaded = json.loads(extra or "{}")
    except ValueError:
        return ""
    name = loaded.get("name") if isinstance(loaded, dict) else None
    return name if isinstance(name, str) else ""


def translator(
    table: Table,
    columns: Sequence[str],
    ledger: Ledger,
    fold: Fold,
    unresolved: Callable[[str, str, Any], None] | None = None,
) -> Translate:
    """A function that gives a row as it will be in the merged database, or None for one that is left out.

    *unresolved* is called with the column, the table and the id of a reference that leads nowhere in its own database.
    """
    place = {column: number for number, column in enumerate(columns)}
    refs = [
        (
            place[ref.column],
            None if ref.when is None else place[ref.when[0]],
            frozenset() if ref.when is None else ref.when[1],
            ledger.resolver(ref.to, fold),
            ref,
        )
        for ref in table.refs
        if ref.column in place
    ]
    own = place.get(table.id) if table.id is not None else None
    own_changed = ledger.changed.setdefault(table.name, {})
    auto = place.get(table.auto) if table.auto is not None else None
    offset = ledger.offsets.get(table.name, 0)
    texts = [
        (place[text.column], swapped)
        for text in table.texts
        if text.column in place
        for swapped in [_swapper({old: new for to in text.to for old, new in ledger.changed.get(to, {}).items()})]
        if swapped is not None
    ]
    skipped = ledger.skipped.get(table.name) or frozenset()
    identity = [place[column] for column in table.identity]
    owner = None if table.part_of is None else place[table.part_of]
    absorbed: Any = frozenset()
    if table.part_of is not None:
        to = next(ref.to for ref in table.refs if ref.column == table.part_of)
        absorbed = ledger.absorbed.setdefault(to, set())

    def translate(row: Row) -> Row | None:
        if owner is not None and row[owner] in absorbed:
            return None
        if skipped and tuple([row[number] for number in identity]) in skipped:
            return None
        new = list(row)
        if own is not None:
            new[own] = own_changed.get(row[own], row[own])
        if auto is not None:
            new[auto] = row[auto] + offset
        for number, when, values, resolve, ref in refs:
            value = row[number]
            if value is None or value in NOTHING or (when is not None and row[when] not in values):
                continue
            new[number], found = resolve(value)
            if not found and unresolved is not None and not ref.loose:
                unresolved(ref.column, ref.to, value)
        for number, swapped in texts:
            if row[number] is not None:
                new[number] = swapped(row[number])
        return tuple(new)

    return translate


def _swapper(changed: Mapping[str, str]) -> Callable[[str], str] | None:
    """A function that puts new ids for old ones where they stand as strings in JSON, or None if none changed."""
    quoted = {json.dumps(old): json.dumps(new) for old, new in changed.items()}
    if not quoted:
        return None
    pattern = re.compile("|".join(re.escape(old) for old in sorted(quoted, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda match: quoted[match.group(0)], text)


@dataclass(frozen=True)
class _Holder:
    """The row that holds a key in the merged database."""

    population: int
    old: Any
    new: Any
    shown: str
    digest: bytes


class _Planner:
    """The work of :func:`plan`; one use."""

    def __init__(self, readers: Sequence[tuple[str, Reader]], fold: Fold, builtin: Builtin, merged: bool) -> None:
        self.readers = readers
        self.fold = fold
        self.builtin = builtin
        self.first_source = 1 if merged else 0
        self.ledgers = [Ledger(name, number) for number, (name, _reader) in enumerate(readers)]
        self.world: dict[str, set[Any]] = {}
        self.shared: dict[str, set[Any]] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.counts: dict[str, dict[str, Count]] = {}
        self.totals: Counter[str] = Counter()
        self.unresolved: list[Counter[tuple[str, str, str, Any]]] = [Counter() for _reader in readers]
        self.conflicts: dict[Hashable, tuple[str, str | None, str, dict[tuple[str, str], None]]] = {}
        self.created: dict[str, list[str]] = {}
        self.became_one: dict[str, list[str]] = {}
        self.domain_names: list[dict[str, str]] = [{} for _reader in readers]
        self.service_users: list[set[str]] = [set() for _reader in readers]

    def run(self) -> Plan:
        self._refuse_unknown_tables()
        for number in range(len(self.readers)):
            self._learn_service_users(number)
        for table in TABLES:
            self._table(table)
        dangling = self._dangling()
        return Plan(
            ledgers=tuple(self.ledgers),
            sources=tuple(range(self.first_source, len(self.readers))),
            fold=self.fold,
            conflicts=tuple(
                Conflict(
                    kind, domain, name, tuple(stack for stack, _id in holders), tuple(id_ for _stack, id_ in holders)
                )
                for kind, domain, name, holders in self.conflicts.values()
            ),
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
            counts=self.counts,
            created={kind: tuple(names) for kind, names in self.created.items()},
            became_one={kind: tuple(names) for kind, names in self.became_one.items()},
            totals=dict(self.totals),
            dangling=dangling,
        )

    def _refuse_unknown_tables(self) -> None:
        """Nothing is lost in silence: rows that no rule speaks of stop the merge."""
        for name, reader in self.readers[self.first_source :]:
            for table, columns in reader.tables().items():
                if table in BY_NAME or table in VERSION_TABLES:
                    continue
                if next(reader.rows(table, columns[:1]), None) is None:
                    continue
                if table in EXPENDABLE:
                    self.warnings.append(
                        f"{name}: the rows of table {table} are left out, because Keystone with Fernet tokens "
                        "never reads them"
                    )
                else:
                    self.problems.append(
                        f"{name}: table {table} holds rows and this version cannot merge them; empty it, or "
                        "use a version that knows it"
                    )

    def _learn_service_users(self, number: int) -> None:
        """Which users have a role on the service project of this population."""
        reader = self.readers[number][1]
        columns = reader.tables()
        if "project" not in columns or "assignment" not in columns:
            return
        wanted = {self.fold(name) for name in SERVICE_PROJECTS}
        projects = [
            id_
            for id_, name in reader.rows("project", ("id", "name"), ("domain_id", (DEFAULT_DOMAIN,)))
            if self.fold(name) in wanted
        ]
        if projects:
            self.service_users[number] = {
                actor
                for type_, actor in reader.rows("assignment", ("type", "actor_id"), ("target_id", projects))
                if type_ == "UserProject"
            }

    def _table(self, table: Table) -> None:
        holders: dict[Hashable, _Holder] = {}
        world = self.world.setdefault(table.name, set())
        shared = self.shared.setdefault(table.name, set())
        top = 0
        for number, (name, reader) in enumerate(self.readers):
            columns = reader.tables().get(table.name, ())
            if not columns:
                continue
            ledger = self.ledgers[number]
            if table.auto in columns:
                ledger.offsets[table.name] = top
            count = Count()
            top = max(top, self._rows(table, number, columns, holders, world, shared, count))
            ledger.folded.pop(table.name, None)
            if top > INT_MAX:
                self.problems.append(
                    f"{name}: the numbers of table {table.name} would pass {INT_MAX}, the largest its column {table.auto} can hold"
                )
            self.totals[table.name] += count.carried
            if number >= self.first_source:
                self.counts.setdefault(table.name, {})[name] = count

    def _needed(self, table: Table, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns that planning reads: all where whole rows are compared, otherwise as few as will do."""
        if table.rule is Rule.SAME:
            return tuple(columns)
        wanted: set[str | None] = {*table.identity, table.id, table.auto, table.part_of, table.first}
        wanted.update(column for key in table.keys for column in key.columns)
        wanted.update(ref.column for ref in table.refs)
        wanted.update(ref.when[0] for ref in table.refs if ref.when is not None)
        return tuple(column for column in columns if column in wanted)

    def _rows(
        self,
        table: Table,
        number: int,
        columns: Sequence[str],
        holders: dict[Hashable, _Holder],
        world: set[Any],
        shared: set[Any],
        count: Count,
    ) -> int:
        """Plan the rows of one population; gives the largest auto-increment value it needs."""
        ledger = self.ledgers[number]
        needed = self._needed(table, columns)
        place = {column: at for at, column in enumerate(needed)}
        own = place.get(table.id) if table.id is not None else None
        auto = place.get(table.auto) if table.auto is not None else None
        identity = [place[column] for column in table.identity]
        keys = [key for key in table.keys if all(column in place for column in key.columns)]
        guards = [[place[ref.column] for ref in table.refs if ref.column in key.columns] for key in keys]
        guarded = table.rule is Rule.UNION and len(keys) == 1
        kinds = {
            place[ref.column]: [
                (other, self.shared.get(other.to, set())) for other in table.refs if other.column == ref.column
            ]
            for ref in table.refs
            if ref.column in place
        }
        names = self._names(table, number)
        missing: list[tuple[str, str, Any]] = []
        translate = translator(table, needed, ledger, self.fold, lambda *found: missing.append(found))
        present = ledger.present.setdefault(table.name, set())
        changed = ledger.changed.setdefault(table.name, {})
        absorbed = ledger.absorbed.setdefault(table.name, set())
        skipped = ledger.skipped.setdefault(table.name, set())
        noteworthy = table.rule is Rule.NAMED
        top = 0
        for row in self._ordered(table, number, needed, place):
            count.rows += 1
            old = row[own] if own is not None else None
            if own is not None:
                present.add(old)
            missing.clear()
            new = translate(row)
            if new is None:
                # Part of something that became one.
                count.became_one += 1
                if own is not None:
                    absorbed.add(old)
                continue
            found: list[tuple[Hashable, Key]] = []
            if not (
                guarded
                and guards[0]
                and any(new[at] is not None and not self._is_shared(row, new[at], place, kinds[at]) for at in guards[0])
            ):
                found = [(self._key(table, at, key, new, place), key) for at, key in enumerate(keys)]
            found.extend((("name", new_domain, self.fold(name)), _NAME) for new_domain, name in names.get(old, ()))
            if own is not None and table.rule is Rule.NAMED:
                found.append((("id", old), _ID))
            hit = self._meet(table, number, row, new, place, found, holders, names)
            if hit is not None:
                count.became_one += 1
                skipped.add(tuple([row[at] for at in identity]))
                if own is not None:
                    absorbed.add(old)
                    shared.add(hit.new)
                    if hit.new != new[own]:
                        changed[old] = hit.new
                if noteworthy and old != ROOT_DOMAIN:
                    label = self._label(table, row, place, names)
                    self.became_one.setdefault(label[0], []).append(self._title(number, label))
                continue
            count.carried += 1
            for column, to, value in missing:
                self.unresolved[number][(table.name, column, to, value)] += 1
            kept = new[own] if own is not None else None
            holder = _Holder(number, old, kept, self._shown(table, row, place), self._digest(table, new, place))
            for key_value, _key in found:
                if key_value is not None:
                    holders.setdefault(key_value, holder)
            if own is not None:
                world.add(kept)
            if auto is not None:
                top = max(top, new[auto])
            if noteworthy and number >= self.first_source and old != ROOT_DOMAIN:
                label = self._label(table, row, place, names)
                self.created.setdefault(label[0], []).append(self._title(number, label))
        return top

    def _ordered(self, table: Table, number: int, needed: Sequence[str], place: Mapping[str, int]) -> Iterable[Row]:
        rows = self.readers[number][1].rows(table.name, needed)
        if table.first is None or table.first not in place:
            return rows
        at = place[table.first]
        ordered = sorted(rows, key=lambda row: not row[at])
        self.domain_names[number] = {row[place["id"]]: row[place["name"]] for row in ordered if row[at]}
        return ordered

    def _names(self, table: Table, number: int) -> dict[Any, list[tuple[str, str]]]:
        """The (domain id, name) of each user: new ids of domains, names as they are."""
        names: dict[Any, list[tuple[str, str]]] = {}
        reader = self.readers[number][1]
        domain = self.ledgers[number].resolver("project", self.fold)
        for source in table.names:
            if source in reader.tables():
                for id_, domain_id, name in reader.rows(source, (table.name + "_id", "domain_id", "name")):
                    names.setdefault(id_, []).append((domain(domain_id)[0], name))
        return names

    def _is_shared(self, row: Row, new: Any, place: Mapping[str, int], refs: Sequence[tuple[Any, set[Any]]]) -> bool:
        """Whether several populations have what a reference leads to (or it leads nowhere, so that none can tell)."""
        for ref, shared in refs:
            if ref.when is None or row[place[ref.when[0]]] in ref.when[1]:
                return new in shared or new not in self.world[ref.to]
        return True

    def _key(self, table: Table, at: int, key: Key, new: Row, place: Mapping[str, int]) -> Hashable | None:
        values = [new[place[column]] for column in key.columns]
        if None in values and not key.null_equal:
            return None
        if table.name == "service":
            return (at, self.fold(values[0] or ""), service_name(values[1]))
        return (at, *(self.fold(value) if isinstance(value, str) else value for value in values))

    def _digest(self, table: Table, new: Row, place: Mapping[str, int]) -> bytes:
        """Equal for two rows of a table whose rows are compared whole, but for the columns that may differ."""
        if table.rule is not Rule.SAME:
            return b""
        told = [value for column, value in zip(place, new) if column != table.auto and column not in table.beside]
        return hashlib.blake2b(repr(told).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _meet(
        self,
        table: Table,
        number: int,
        row: Row,
        new: Row,
        place: Mapping[str, int],
        found: Sequence[tuple[Hashable | None, Key]],
        holders: Mapping[Hashable, _Holder],
        names: Mapping[Any, Sequence[tuple[str, str]]],
    ) -> _Holder | None:
        """The earlier row that this one becomes one with, or None; conflicts are noted."""
        met = [(key, holders[value]) for value, key in found if value is not None and value in holders]
        met = [(key, holder) for key, holder in met if holder.population != number or key.unique]
        if not met:
            return None
        holder = met[0][1]
        by_name = any(key is not _ID for key, _holder in met)
        by_id = any(key is _ID for key, _holder in met)
        agreed = all(other.new == holder.new for _key, other in met)
        if agreed and holder.population != number:
            if table.rule is Rule.UNION or table.rule is Rule.PART:
                return holder
            if table.rule is Rule.SAME and self._digest(table, new, place) == holder.digest:
                return holder
            if table.rule is Rule.NAMED:
                old = row[place["id"]]
                if by_id and (by_name or not (names.get(old) or table.keys) or old in (ROOT_DOMAIN, DEFAULT_DOMAIN)):
                    return holder
                if by_name and not by_id and self._is_builtin(table, number, row, new, place, holder, names):
                    return holder
        if number < self.first_source:
            # What the merged database holds is not questioned.
            return None
        for other in {other.new: other for _key, other in met}.values():
            self._conflict(table, number, row, place, other, names)
        return None

    def _is_builtin(
        self,
        table: Table,
        number: int,
        row: Row,
        new: Row,
        place: Mapping[str, int],
        holder: _Holder,
        names: Mapping[Any, Sequence[tuple[str, str]]],
    ) -> bool:
        if table.name in ("role", "service", "region"):
            return True
        if table.name == "project":
            return new[place["domain_id"]] == DEFAULT_DOMAIN and self._one_of(self.builtin.projects, row[place["name"]])
        if table.name == "user":
            old = row[place["id"]]
            if any(domain != DEFAULT_DOMAIN for domain, _name in names[old]):
                return False
            service_user = old in self.service_users[number] and holder.old in self.service_users[holder.population]
            return service_user or all(self._one_of(self.builtin.users, name) for _domain, name in names[old])
        return False

    def _one_of(self, names: Iterable[str], name: str) -> bool:
        return self.fold(name) in {self.fold(known) for known in names}

    def _label(
        self, table: Table, row: Row, place: Mapping[str, int], names: Mapping[Any, Sequence[tuple[str, str]]]
    ) -> tuple[str, str | None, str]:
        """(kind, id of its domain or None, name) of a row, for people; never a secret."""
        if table.name == "project":
            if row[place["is_domain"]]:
                return "domain", None, row[place["name"]]
            return "project", row[place["domain_id"]], row[place["name"]]
        if table.name == "user":
            domain_id = row[place["domain_id"]]
            known = names.get(row[place["id"]])
            return "user", domain_id, known[0][1] if known else row[place["id"]]
        if table.name == "service":
            return "service", None, "{} ({})".format(service_name(row[place["extra"]]), row[place["type"]])
        if "name" in place:
            domain = row[place["domain_id"]] if "domain_id" in place else None
            return table.kind, None if domain in NOTHING else domain, row[place["name"]]
        columns = [key.columns for key in table.keys][-1] if table.keys else table.identity
        return table.kind, None, "/".join(str(row[place[column]]) for column in columns)

    def _title(self, number: int, label: tuple[str, str | None, str]) -> str:
        _kind, domain, name = label
        known = self.domain_names[number].get(domain or "", domain)
        where = "" if domain is None or domain == DEFAULT_DOMAIN else f" in domain {known}"
        return f"{name}{where} ({self.ledgers[number].name})"

    def _conflict(
        self,
        table: Table,
        number: int,
        row: Row,
        place: Mapping[str, int],
        holder: _Holder,
        names: Mapping[Any, Sequence[tuple[str, str]]],
    ) -> None:
        kind, domain, name = self._label(table, row, place, names)
        known = None if domain is None else self.domain_names[number].get(domain, domain)
        entry = self.conflicts.setdefault((table.name, holder.population, holder.shown), (kind, known, name, {}))
        entry[3][(self.ledgers[holder.population].name, holder.shown)] = None
        entry[3][(self.ledgers[number].name, self._shown(table, row, place))] = None

    def _shown(self, table: Table, row: Row, place: Mapping[str, int]) -> str:
        """What tells people one row from another."""
        if "id" in place:
            return str(row[place["id"]])
        return "/".join(str(row[place[column]]) for column in table.identity)

    def _dangling(self) -> dict[tuple[str, str, str], int]:
        """References that lead nowhere in the merged database, by (table, column, table referred to)."""
        dangling: Counter[tuple[str, str, str]] = Counter()
        folded: dict[str, frozenset[Hashable]] = {}
        for number, unresolved in enumerate(self.unresolved):
            own: Counter[tuple[str, str]] = Counter()
            for (table, column, to, value), rows in unresolved.items():
                # A row can refer to one of its own table that comes after it, so look again now that all are known.
                new, found = self.ledgers[number].resolver(to, self.fold)(value)
                if isinstance(new, str) and to not in folded:
                    folded[to] = frozenset(self.fold(id_) for id_ in self.world[to])
                if found or new in self.world[to] or (isinstance(new, str) and self.fold(new) in folded[to]):
                    continue
                dangling[(table, column, to)] += rows
                own[(table, column)] += rows
            if number >= self.first_source:
                self.warnings.extend(
                    "{}: {} {} of table {} with a {} that is no longer there; carried as it is".format(
                        self.ledgers[number].name, rows, "row" if rows == 1 else "rows", table, column
                    )
                    for (table, column), rows in sorted(own.items())
                )
        return dict(dangling)


_NAME = Key(("domain_id", "name"))
_ID = Key(("id",))


def plan(
    readers: Sequence[tuple[str, Reader]], fold: Fold, builtin: Builtin | None = None, merged: bool = False
) -> Plan:
    """Plan the merge of *readers* (name, database), the first of which has precedence.

    *merged* says that the first is what the merged database holds already: it comes first, nothing of it is carried.
    *fold* makes names comparable as the merged database compares them. Neither conflicts nor problems raise: they are
    part of the plan, all of them.
    """
    return _Planner(readers, fold, builtin or Builtin(), merged).run()


def carry(planned: Plan, number: int, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of population *number* as they will be in the merged database; those that became one are left out."""
    translate = translator(table, columns, planned.ledgers[number], planned.fold)
    for row in rows:
        new = translate(row)
        if new is not None:
            yield new


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """*rows* in lists of at most *size*."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
