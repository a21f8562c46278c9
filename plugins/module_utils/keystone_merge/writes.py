# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What has been written to the merged database since the merge, by kind and name.

It is what the Keystones would leave behind if they went back to their own databases.
"""

from __future__ import annotations

import base64
import contextlib
import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    Login,
    UnreachableError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.divergence import Brought, Divergence
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.origins import Fields, Origin
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import SHOWN_NAMES
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    EXPENDABLE,
    TABLES,
    VERSION_TABLES,
    Rule,
    Table,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import Merged, State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.things import (
    SHAPES,
    Names,
    fetcher,
    referred,
)

ADDED, CHANGED, REMOVED = ACTIONS = ("added", "changed", "removed")

LOGINS = "login counter"
"""What a row is called in which only columns changed that Keystone writes when somebody logs in."""

SEALED = "credential encrypted anew"
"""What a credential is called that only has another key."""

MIGRATE_PAUSE = 60
"""Seconds between two credentials of one run of credential_migrate, at most."""

_OWNERS = frozenset(shape.of for shape in SHAPES.values() if shape.of is not None)
"""Tables whose rows have parts in other tables."""

_UNKNOWN_DATABASE = 1049


@dataclass(frozen=True)
class Request:
    """Which merged database to look at. *sources* tell the names of what is gone, and are checked themselves.

    *merged_as* is what it was called when it was merged, where it has another name now.
    """

    target: Login
    state_database: str
    sources: tuple[Login, ...] = ()
    merged_as: str | None = None


@dataclass
class Kind:
    """What happened to the things of one kind: numbers of all, names of the first hundred of each."""

    numbers: Counter[str] = field(default_factory=Counter)
    names: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Writes:
    """What was found. *known* are the sources by their names; *tables* counts rows, *kinds* and *expendable* things.

    *target_state* is ``absent`` without tables, ``empty`` where nothing was merged, else ``merged``. *obstacles* are
    what stands in the way of the sources' own databases, *schemas* those whose schema is not the merged database's.
    """

    target_state: str = "absent"
    known: dict[str, Merged] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    expendable: dict[str, Counter[str]] = field(default_factory=dict)
    tables: dict[str, Counter[str]] = field(default_factory=dict)
    obstacles: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Event:
    """One row: what happened, its values now or, where it is gone, as they were as far as that is known."""

    action: str
    row: Fields


class _Account:
    """Makes things of rows: parts count for what they are part of, and what went with something else goes unsaid."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.found = Writes()
        self.unnamed: Counter[str] = Counter()
        self._ids: dict[str, dict[str, set[Any]]] = {owner: {action: set() for action in ACTIONS} for owner in _OWNERS}
        self._passwords: dict[str, set[Any]] = {action: set() for action in ACTIONS}
        self._gone: dict[str, set[Any]] = {}
        self._samples: dict[tuple[str, str], list[tuple[str, Fields]]] = {}
        self._sealed: list[Fields] = []

    def add(self, table: Table, event: _Event) -> None:
        """Count one row."""
        shape, row, action = SHAPES[table.name], event.row, event.action
        if shape.expendable:
            self.pass_over(shape.kind, action)
        elif shape.of is not None:
            self._add_part(table, event)
        elif action == REMOVED and table.rule is not Rule.NAMED and self._went_along(table, row):
            pass
        elif table.name in _OWNERS:
            self._ids[table.name][action].add(row[str(table.id)])
        else:
            self._count(table.name, action, row)
        if action == REMOVED and table.id is not None and table.id in row:
            self._gone.setdefault(table.name, set()).add(row[table.id])

    def pass_over(self, kind: str, action: str) -> None:
        """Count what is no loss."""
        self.found.expendable.setdefault(kind, Counter())[action] += 1

    def seal(self, now: Fields, was: Fields | None) -> None:
        """Count a credential that was encrypted anew; with the same key somebody did so who changed it."""
        if was is not None and was["key_hash"] == now["key_hash"]:
            self._count("credential", CHANGED, now)
        else:
            self._sealed.append(now)

    def _tell_sealed(self) -> None:
        """``keystone-manage credential_migrate`` goes through all credentials at once: a later one was changed."""
        end: int | None = None
        for row in sorted(self._sealed, key=_sealed_at):
            at = _sealed_at(row)
            if not at or end is None or at - end <= MIGRATE_PAUSE:
                end = at or end
                self.pass_over(SEALED, CHANGED)
            else:
                self._count("credential", CHANGED, row)

    def _count(self, table: str, action: str, row: Fields) -> None:
        kind = SHAPES[table].kind
        self.found.kinds.setdefault(kind, Kind()).numbers[action] += 1
        samples = self._samples.setdefault((kind, action), [])
        if len(samples) < SHOWN_NAMES:
            samples.append((table, row))

    def _add_part(self, table: Table, event: _Event) -> None:
        shape = SHAPES[table.name]
        owner = event.row.get(shape.by)
        if owner is None:
            self.unnamed[table.name] += 1
        elif table.name == "password":
            self._passwords[event.action].add(owner)
        else:
            self._ids[str(shape.of)][CHANGED].add(owner)

    def _went_along(self, table: Table, row: Fields) -> bool:
        """Whether a row is gone because something that it refers to is."""
        return any(id_ in self._gone.get(to, ()) for to, id_ in referred(table.name, row))

    def finish(self) -> Writes:
        """Name everything."""
        self._tell_sealed()
        for owner, ids in self._ids.items():
            ids[CHANGED] -= ids[ADDED] | self._gone.get(owner, set())
            for action in ACTIONS:
                self._tell_owners(owner, action, ids[action])
        self._tell_passwords(self._ids["user"][ADDED] | self._ids["user"][REMOVED])
        for (kind, action), rows in self._samples.items():
            self.found.kinds[kind].names[action] = self._texts(action, rows)
        for found in self.found.kinds.values():
            for listed in found.names.values():
                listed.sort()
        return self.found

    def _texts(self, action: str, rows: Sequence[tuple[str, Fields]]) -> list[str]:
        def make() -> list[str]:
            return [self.names.text(table, row, action == CHANGED) for table, row in rows]

        return list(self.names.tell(make))

    def _tell_owners(self, owner: str, action: str, ids: set[Any]) -> None:
        kinds = {SHAPES[owner].kind: ids}
        if owner == "project" and ids:
            domains = self.names.tell(lambda: {id_ for id_ in ids if self.names.is_domain(id_)})
            kinds = {"domain": domains, "project": ids - domains}
        tell = self.names.renamed if action == CHANGED else self.names.name
        for kind, some in kinds.items():
            self._tell(kind, action, some, lambda id_: tell(owner, id_))

    def _tell_passwords(self, others: set[Any]) -> None:
        """A new password is one that was added, and the old one that is gone or has ended now."""
        touched = self._passwords[CHANGED] | self._passwords[REMOVED]
        lost = self._passwords[REMOVED] - self._passwords[CHANGED] - self._passwords[ADDED] - others
        self._tell("password", REMOVED, lost, self._user)
        self._tell("password", CHANGED, touched - lost - others, self._user)
        self._tell("password", ADDED, self._passwords[ADDED] - touched - others, self._user)

    def _user(self, id_: Any) -> str:
        return f"user {self.names.name('user', id_)}"

    def _tell(self, kind: str, action: str, ids: set[Any], name: Any) -> None:
        if not ids:
            return
        found = self.found.kinds.setdefault(kind, Kind())
        found.numbers[action] += len(ids)
        shown = heapq.nsmallest(SHOWN_NAMES, ids)
        found.names[action] = self.names.tell(lambda: [name(id_) for id_ in shown])


class _Comparison:
    """The merged database beside what the merge brought there."""

    def __init__(self, target: Database, request: Request) -> None:
        self.target = target
        self.state = State(target, request.state_database, request.merged_as)
        self.origins: dict[str, Origin] = {}
        self.warnings: list[str] = []

    def run(self, known: Mapping[str, Merged]) -> Writes:
        """Compare all tables, and name what differs."""
        account = _Account(Names(self.target, list(self.origins.values())))
        for table in TABLES:
            if table.name in self.target.tables():
                found = self._compare(list(known), table)
                if found:
                    self._add(account, found)
        for name in sorted(set(self.target.tables()) - set(BY_NAME) - VERSION_TABLES - EXPENDABLE):
            rows = self.target.count(name)
            if rows:
                account.found.kinds[name.replace("_", " ")] = Kind(Counter({ADDED: rows}))
                account.found.tables[name] = Counter({ADDED: rows})
        writes = account.finish()
        for name, number in account.unnamed.items():
            writes.warnings.append(
                f"{number} rows of table {name} are gone, and whose they were cannot be told without sources"
            )
        return writes

    def _compare(self, known: Sequence[str], table: Table) -> Divergence:
        """With the columns that the table had when it was merged: later ones, of a newer schema, no source has."""
        columns = self.target.tables()[table.name]
        found = Divergence(self.target, self.state, known, table, columns)
        olds = [origin.source.tables().get(table.name, ()) for origin in self.origins.values()]
        older = [name for name in columns if all(name in old for old in olds)]
        if not found.is_foreign or len(older) == len(columns):
            return found
        again = Divergence(self.target, self.state, known, table, older)
        return found if again.is_foreign else again

    def _add(self, account: _Account, found: Divergence) -> None:
        table, rows = found.table, account.found.tables.setdefault(found.table.name, Counter())
        for some in found.brought():
            rows.update(REMOVED if one.now is None else CHANGED for one in some)
            for event in self._events(account, found, some):
                account.add(table, event)
        for new in found.added():
            rows[ADDED] += len(new)
            for event in self._owned(table, [_Event(ADDED, dict(zip(found.columns, row))) for row in new]):
                account.add(table, event)

    def _events(self, account: _Account, found: Divergence, some: Sequence[Brought]) -> list[_Event]:
        """What happened to rows that the merge brought; what is no write of anybody is told apart."""
        shape = SHAPES[found.table.name]
        old = self._as_they_were(found, some)
        events: list[_Event] = []
        for one in some:
            was = old.get((one.source, one.key))
            if one.now is None:
                events.append(_Event(REMOVED, was or dict(zip(found.layout.primary, one.key))))
                continue
            now = dict(zip(found.columns, one.now))
            if shape.counters and _differs_in(found, one, was, shape.counters):
                account.pass_over(LOGINS, CHANGED)
            elif shape.sealed and (was is None or _differs_in(found, one, was, shape.sealed)):
                account.seal(now, was)
            else:
                events.append(_Event(REMOVED if now.get("deleted_at") is not None else CHANGED, now))
        return self._owned(found.table, events)

    def _as_they_were(self, found: Divergence, some: Sequence[Brought]) -> dict[tuple[str, tuple[str, ...]], Fields]:
        """The rows in their own databases, by source and key, where that tells anything."""
        shape = SHAPES[found.table.name]
        if shape.expendable or found.is_key:
            return {}
        needed = [one for one in some if one.now is None or shape.counters or shape.sealed]
        return {
            (name, key): row
            for name, origin in self.origins.items()
            for key, row in origin.rows(found.table, [one.key for one in needed if one.source == name]).items()
        }

    def _owned(self, table: Table, events: list[_Event]) -> list[_Event]:
        """Passwords know their user by another table."""
        if table.name != "password":
            return events
        users = self._users({int(event.row["local_user_id"]) for event in events if "local_user_id" in event.row})
        return [
            _Event(event.action, {**event.row, "user_id": users.get(int(event.row.get("local_user_id") or 0))})
            for event in events
        ]

    def _users(self, ids: set[int]) -> dict[int, str]:
        """Ids of users by those of their rows in ``local_user``, also where these are gone."""
        fetches = [fetcher(self.target), *(origin.records for origin in self.origins.values())]
        found: dict[int, str] = {}
        for fetch in fetches:
            missing = sorted(ids - set(found))
            if missing:
                found.update(
                    (row["id"], row["user_id"]) for row in fetch("local_user", missing, ("id", "user_id"), "id")
                )
        return found


def _differs_in(found: Divergence, one: Brought, was: Fields | None, columns: Sequence[str]) -> bool:
    """Whether the row, with these columns as they were, is the one that was brought."""
    now = dict(zip(found.columns, one.now or ()))
    row = {**now, **{name: (was or {}).get(name) for name in columns}}
    return found.mark_of(tuple(row[name] for name in found.columns)) == one.mark


def _sealed_at(row: Fields) -> int:
    """When a credential was encrypted (seconds since 1970): Fernet writes it into what it makes; 0 where it did not."""
    try:
        return int.from_bytes(base64.urlsafe_b64decode(row["encrypted_blob"])[1:9], "big")
    except (ValueError, TypeError):
        return 0


def look(request: Request) -> Writes:
    """Compare. The sources are looked at, not compared.

    :raises MergeError: the merged database or its state cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            target = _open(stack, request.target)
        except UnreachableError as error:
            if _code(error) == _UNKNOWN_DATABASE:
                return Writes()
            raise
        if not target.tables():
            return Writes()
        comparison = _Comparison(target, request)
        known = comparison.state.sources()
        if not known:
            return Writes(target_state="empty")
        target.begin_reading()
        doubts = _open_origins(stack, comparison, request, known)
        found = comparison.run(known)
        found.target_state, found.known = "merged", known
        found.obstacles, found.schemas = doubts.obstacles, doubts.schemas
        found.warnings = [*doubts.warnings, *_incomplete(known), *found.warnings]
        return found


def _open(stack: contextlib.ExitStack, login: Login) -> Database:
    database = Database(login)
    stack.callback(database.close)
    return database


def _code(error: BaseException) -> int | None:
    args = getattr(error.__cause__, "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def _incomplete(known: Mapping[str, Merged]) -> Iterator[str]:
    for source in known.values():
        if not source.is_complete:
            yield f"{source.name} is not completely merged: what is still to come cannot be told from what is gone"


def _open_origins(
    stack: contextlib.ExitStack, comparison: _Comparison, request: Request, known: Mapping[str, Merged]
) -> Writes:
    """Open the own databases of the sources; gives what is wrong with them, and what is merely odd."""
    found = Writes()
    id_map = comparison.state.id_map()
    version = comparison.target.schema_version()
    for login in request.sources:
        merged = known.get(login.name)
        if merged is None:
            continue
        try:
            source = _open(stack, login)
            source.require_keystone()
            source.begin_reading()
        except MergeError as error:
            found.obstacles.append(str(error))
            continue
        comparison.origins[login.name] = Origin(source, merged, id_map)
        if source.identity() != merged.identity:
            found.warnings.append(
                f"{login.name} was merged from {merged.address}; what is now at {login.address} is another database"
            )
        own = source.schema_version()
        if own.schema != version.schema:
            found.schemas.append(
                f"{login.name} ({login.address}): its schema has version {own}, that of the merged database {version}"
            )
    return found


def lines(writes: Writes) -> list[str]:
    """One line for each thing, at most a hundred for what happened alike to things of one kind."""
    found: list[str] = []
    for kind, what in sorted(writes.kinds.items()):
        for action in ACTIONS:
            names = what.names.get(action, [])
            found.extend(f"{kind} {action}: {name}" for name in names)
            if what.numbers[action] > len(names):
                more = what.numbers[action] - len(names)
                found.append(f"{kind} {action}: {more} more" if names else f"{kind} {action}: {more}")
    return found


def summary(writes: Writes) -> str:
    """One line for people."""
    if writes.target_state != "merged":
        return "Nothing is merged there"
    if not writes.kinds:
        return "Nothing has been written to the merged database since the merge" + (
            "" if not writes.expendable else f", but for {_expendable(writes)}"
        )
    told = "; ".join(
        f"{kind}: " + ", ".join(f"{what.numbers[action]} {action}" for action in ACTIONS if what.numbers[action])
        for kind, what in sorted(writes.kinds.items())
    )
    return f"Written to the merged database since the merge: {told}" + (
        "" if not writes.expendable else f". Not counted: {_expendable(writes)}"
    )


def _expendable(writes: Writes) -> str:
    return ", ".join(f"{kind} ({sum(found.values())})" for kind, found in sorted(writes.expendable.items()))


def result(writes: Writes) -> dict[str, Any]:
    """What the module returns."""
    return {
        "changed": False,
        "target_state": writes.target_state,
        "sources": {
            name: {"merged_at": source.merged_at, "cut_over_at": source.cut_over_at, "address": source.address}
            for name, source in writes.known.items()
        },
        "writes": {
            kind: {**{action: what.numbers[action] for action in ACTIONS}, "names": what.names}
            for kind, what in sorted(writes.kinds.items())
        },
        "expendable": _numbers(writes.expendable),
        "tables": _numbers(writes.tables),
        "obstacles": writes.obstacles,
        "schemas": writes.schemas,
        "lines": lines(writes),
        "summary": summary(writes),
    }


def _numbers(found: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: {action: numbers[action] for action in ACTIONS} for name, numbers in sorted(found.items())}
