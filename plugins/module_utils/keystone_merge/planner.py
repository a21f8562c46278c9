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
    Ref,
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
    skipped = frozenset(ledger.skipped.get(table.name, ()))
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


@dataclass(frozen=True)
class _Scan:
    """One table of one population while it is planned: where its columns are among those that are read."""

    table: Table
    number: int
    ledger: Ledger
    needed: tuple[str, ...]
    place: Mapping[str, int]
    own: int | None
    auto: int | None
    identity: tuple[int, ...]
    keys: tuple[Key, ...]
    guards: tuple[tuple[int, int | None, Ref], ...]
    names: Mapping[Any, Sequence[tuple[str, str]]]
    missing: list[tuple[str, str, Any]]
    translate: Translate


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
        self.world[table.name] = set()
        self.shared[table.name] = set()
        top = 0
        for number, (name, reader) in enumerate(self.readers):
            columns = reader.tables().get(table.name, ())
            if not columns:
                continue
            ledger = self.ledgers[number]
            if table.auto in columns:
                ledger.offsets[table.name] = top
            count = Count()
            top = max(top, self._rows(table, number, columns, holders, count))
            ledger.folded.pop(table.name, None)
            if top > INT_MAX:
                self.problems.append(
                    f"{name}: the numbers of table {table.name} would pass {INT_MAX}, "
                    f"the largest that its column {table.auto} can hold"
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
        self, table: Table, number: int, columns: Sequence[str], holders: dict[Hashable, _Holder], count: Count
    ) -> int:
        """Plan the rows of one population; gives the largest auto-increment value it needs."""
        scan = self._scan(table, number, columns)
        present = scan.ledger.present.setdefault(table.name, set())
        absorbed = scan.ledger.absorbed.setdefault(table.name, set())
        own = scan.own
        top = 0
        for row in self._ordered(scan):
            count.rows += 1
            if own is not None:
                present.add(row[own])
            scan.missing.clear()
            new = scan.translate(row)
            if new is None:
                # Part of something that became one.
                count.became_one += 1
                if own is not None:
                    absorbed.add(row[own])
                continue
            found = self._found(scan, row, new)
            hit = self._meet(scan, row, new, found, holders)
            if hit is None:
                count.carried += 1
                self._keep(scan, row, new, found, holders)
                if scan.auto is not None:
                    top = max(top, new[scan.auto])
            else:
                count.became_one += 1
                self._absorb(scan, row, new, hit)
        return top

    def _scan(self, table: Table, number: int, columns: Sequence[str]) -> _Scan:
        needed = self._needed(table, columns)
        place = {column: at for at, column in enumerate(needed)}
        keys = [key for key in table.keys if all(column in place for column in key.columns)]
        missing: list[tuple[str, str, Any]] = []
        guarded = table.rule is Rule.UNION and len(keys) == 1
        ledger = self.ledgers[number]
        return _Scan(
            table=table,
            number=number,
            ledger=ledger,
            needed=needed,
            place=place,
            own=place.get(table.id) if table.id is not None else None,
            auto=place.get(table.auto) if table.auto is not None else None,
            identity=tuple(place[column] for column in table.identity),
            keys=tuple(keys),
            guards=tuple(
                (place[ref.column], None if ref.when is None else place[ref.when[0]], ref)
                for ref in table.refs
                if guarded and ref.column in keys[0].columns
            ),
            names=self._names(table, number),
            missing=missing,
            translate=translator(table, needed, ledger, self.fold, lambda *lost: missing.append(lost)),
        )

    def _found(self, scan: _Scan, row: Row, new: Row) -> list[tuple[Hashable, Key]]:
        """The keys by which a row can meet another."""
        found: list[tuple[Hashable, Key]] = []
        if self._can_meet(scan, row, new):
            found = [(self._key(scan, at, key, new), key) for at, key in enumerate(scan.keys)]
        if scan.own is not None:
            old = row[scan.own]
            found.extend((("name", domain, self.fold(name)), _NAME) for domain, name in scan.names.get(old, ()))
            if scan.table.rule is Rule.NAMED:
                found.append((("id", old), _ID))
        return [(value, key) for value, key in found if value is not None]

    def _can_meet(self, scan: _Scan, row: Row, new: Row) -> bool:
        """Whether several populations have all that a link leads to (or it leads nowhere, so that none can tell)."""
        for at, when, ref in scan.guards:
            value = new[at]
            if value is None or (when is not None and ref.when is not None and row[when] not in ref.when[1]):
                continue
            if value not in self.shared[ref.to] and value in self.world[ref.to]:
                return False
        return True

    def _keep(
        self, scan: _Scan, row: Row, new: Row, found: Sequence[tuple[Hashable, Key]], holders: dict[Hashable, _Holder]
    ) -> None:
        """Note a row that is carried."""
        table, own = scan.table, scan.own
        for column, to, value in scan.missing:
            self.unresolved[scan.number][(table.name, column, to, value)] += 1
        old, kept = (None, None) if own is None else (row[own], new[own])
        if found:
            holder = _Holder(scan.number, old, kept, self._shown(scan, row), self._digest(scan, new))
            for value, _key in found:
                holders.setdefault(value, holder)
        if own is not None:
            self.world[table.name].add(kept)
        if scan.number >= self.first_source:
            self._tell(scan, row, self.created)

    def _absorb(self, scan: _Scan, row: Row, new: Row, hit: _Holder) -> None:
        """Note a row that became one with an earlier one."""
        name, own = scan.table.name, scan.own
        scan.ledger.skipped.setdefault(name, set()).add(tuple([row[at] for at in scan.identity]))
        if own is not None:
            scan.ledger.absorbed[name].add(row[own])
            self.shared[name].add(hit.new)
            if hit.new != new[own]:
                scan.ledger.changed[name][row[own]] = hit.new
        self._tell(scan, row, self.became_one)

    def _tell(self, scan: _Scan, row: Row, kinds: dict[str, list[str]]) -> None:
        """Note a name for people."""
        if scan.table.rule is Rule.NAMED and scan.own is not None and row[scan.own] != ROOT_DOMAIN:
            label = self._label(scan, row)
            kinds.setdefault(label[0], []).append(self._title(scan.number, label))

    def _ordered(self, scan: _Scan) -> Iterable[Row]:
        table, place = scan.table, scan.place
        rows = self.readers[scan.number][1].rows(table.name, scan.needed)
        if table.first is None or table.first not in place:
            return rows
        at = place[table.first]
        ordered = sorted(rows, key=lambda row: not row[at])
        self.domain_names[scan.number] = {row[place["id"]]: row[place["name"]] for row in ordered if row[at]}
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

    def _key(self, scan: _Scan, at: int, key: Key, new: Row) -> Hashable | None:
        values = [new[scan.place[column]] for column in key.columns]
        if None in values and not key.null_equal:
            return None
        if scan.table.name == "service":
            return (at, self.fold(values[0] or ""), service_name(values[1]))
        return (at, *(self.fold(value) if isinstance(value, str) else value for value in values))

    def _digest(self, scan: _Scan, new: Row) -> bytes:
        """Equal for two rows of a table whose rows are compared whole, but for the columns that may differ."""
        table = scan.table
        if table.rule is not Rule.SAME:
            return b""
        told = [value for column, value in zip(scan.needed, new) if column != table.auto and column not in table.beside]
        return hashlib.blake2b(repr(told).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _meet(
        self, scan: _Scan, row: Row, new: Row, found: Sequence[tuple[Hashable, Key]], holders: dict[Hashable, _Holder]
    ) -> _Holder | None:
        """The earlier row that this one becomes one with, or None; conflicts are noted."""
        met = [(key, holders[value]) for value, key in found if value in holders]
        met = [(key, holder) for key, holder in met if holder.population != scan.number or key.unique]
        if not met:
            return None
        holder = met[0][1]
        agreed = all(other.new == holder.new for _key, other in met)
        if agreed and holder.population != scan.number and self._is_one(scan, row, new, met):
            return holder
        # What the merged database holds already is not questioned.
        if scan.number >= self.first_source:
            for other in {other.shown: other for _key, other in met}.values():
                self._conflict(scan, row, other)
        return None

    def _is_one(self, scan: _Scan, row: Row, new: Row, met: Sequence[tuple[Key, _Holder]]) -> bool:
        """Whether a row and the earlier one that it meets are one thing."""
        table, holder = scan.table, met[0][1]
        if table.rule is Rule.SAME:
            return self._digest(scan, new) == holder.digest
        if table.rule is not Rule.NAMED:
            return True
        by_name = any(key is not _ID for key, _holder in met)
        by_id = any(key is _ID for key, _holder in met)
        old = row[scan.place["id"]]
        if by_id:
            nameless = not scan.keys and not scan.names.get(old)
            return by_name or nameless or old in (ROOT_DOMAIN, DEFAULT_DOMAIN)
        return self._is_builtin(scan, row, new, holder)

    def _is_builtin(self, scan: _Scan, row: Row, new: Row, holder: _Holder) -> bool:
        place = scan.place
        if scan.table.name in ("role", "service", "region"):
            return True
        if scan.table.name == "project":
            return new[place["domain_id"]] == DEFAULT_DOMAIN and self._one_of(self.builtin.projects, row[place["name"]])
        if scan.table.name == "user":
            old = row[place["id"]]
            names = scan.names[old]
            if any(domain != DEFAULT_DOMAIN for domain, _name in names):
                return False
            service_user = (
                old in self.service_users[scan.number] and holder.old in self.service_users[holder.population]
            )
            return service_user or all(self._one_of(self.builtin.users, name) for _domain, name in names)
        return False

    def _one_of(self, names: Iterable[str], name: str) -> bool:
        return self.fold(name) in {self.fold(known) for known in names}

    def _label(self, scan: _Scan, row: Row) -> tuple[str, str | None, str]:
        """(kind, id of its domain or None, name) of a row, for people; never a secret."""
        table, place = scan.table, scan.place
        if table.name == "project" and row[place["is_domain"]]:
            return "domain", None, row[place["name"]]
        if table.name == "user":
            known = scan.names.get(row[place["id"]])
            return "user", row[place["domain_id"]], known[0][1] if known else row[place["id"]]
        if table.name == "service":
            return "service", None, f"{service_name(row[place['extra']])} ({row[place['type']]})"
        if "name" in place:
            domain = row[place["domain_id"]] if "domain_id" in place else None
            return table.kind, None if domain in NOTHING else domain, row[place["name"]]
        columns = table.keys[-1].columns if table.keys else table.identity
        return table.kind, None, "/".join(str(row[place[column]]) for column in columns)

    def _title(self, number: int, label: tuple[str, str | None, str]) -> str:
        _kind, domain, name = label
        known = self.domain_names[number].get(domain or "", domain)
        where = "" if domain is None or domain == DEFAULT_DOMAIN else f" in domain {known}"
        return f"{name}{where} ({self.ledgers[number].name})"

    def _conflict(self, scan: _Scan, row: Row, holder: _Holder) -> None:
        kind, domain, name = self._label(scan, row)
        known = None if domain is None else self.domain_names[scan.number].get(domain, domain)
        entry = self.conflicts.setdefault((scan.table.name, holder.population, holder.shown), (kind, known, name, {}))
        entry[3][(self.ledgers[holder.population].name, holder.shown)] = None
        entry[3][(scan.ledger.name, self._shown(scan, row))] = None

    def _shown(self, scan: _Scan, row: Row) -> str:
        """What tells people one row from another."""
        place = scan.place
        if "id" in place:
            return str(row[place["id"]])
        return "/".join(str(row[at]) for at in scan.identity)

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
