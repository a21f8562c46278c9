# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""One merge from its options to its result: open, check, plan, write, verify, commit."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    Login,
    UnreachableError,
    quote,
    weigher,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import (
    Builtin,
    Plan,
    Reader,
    batches,
    carry,
    plan,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    DEFAULT_DOMAIN,
    NOTHING,
    ROOT_DOMAIN,
    TABLES,
    VERSION_TABLES,
    Ref,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import Merged, State

TARGET = "target"
"""What the merged database is called in lists of stacks."""

BATCH_ROWS = 1000
"""Rows of one INSERT. The driver splits what would be longer than a megabyte."""

_SHOWN_NAMES = 100
"""Names per kind in a plan: enough to read, and no more than a log can take."""


@dataclass(frozen=True)
class Request:
    """What to merge. *target* may be None where nothing is written."""

    sources: tuple[Login, ...]
    target: Login | None
    state_database: str = "stretch_merge"
    builtin: Builtin = field(default_factory=Builtin)
    batch_rows: int = BATCH_ROWS


def check_request(request: Request) -> None:
    """Raise for what is wrong with the options by themselves."""
    if not request.sources:
        raise MergeError("sources is empty: name at least one Keystone database")
    names = [source.name for source in request.sources]
    for name in names:
        if name == TARGET:
            raise MergeError(f"a source cannot be named {name}: that is what the merged database is called")
        if names.count(name) > 1:
            raise MergeError(f"two sources are named {name}: every source needs a name of its own")
    regions = [source.region for source in request.sources if source.region is not None]
    for region in regions:
        if regions.count(region) > 1:
            raise MergeError(f"two sources have the region {region}: the regions of one cloud need ids of their own")
    if request.target is not None and request.target.database == request.state_database:
        raise MergeError(
            f"state_database and the target's database are both {request.state_database}: "
            "the state needs one of its own"
        )


class Merge:
    """A planned merge, its connections open; a context manager that closes them."""

    def __init__(self, request: Request, read_only: bool) -> None:
        """Open the databases and plan. With *read_only* a target that is not there yet is taken for an empty one."""
        check_request(request)
        self.request = request
        self.warnings: list[str] = []
        self.merged: dict[str, Merged] = {}
        self.planned: Plan | None = None
        self.problems: list[str] = []
        self._stack = contextlib.ExitStack()
        self._read_only = read_only
        try:
            self.target = self._open_target()
            self.sources = self._open_sources()
            if self.sources:
                self._plan()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Merge:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _open(self, login: Login) -> Database:
        database = Database(login)
        self._stack.callback(database.close)
        return database

    def _open_target(self) -> Database | None:
        login = self.request.target
        if login is None:
            self.target_state = "not given"
            return None
        try:
            target = self._open(login)
        except UnreachableError as error:
            if not self._read_only:
                raise
            self.warnings.append(f"planned as for an empty target, because it cannot be read: {error}")
            self.target_state = "unreadable"
            return None
        if not target.tables():
            if not self._read_only:
                raise MergeError(
                    f"target ({login.address}): no Keystone schema is there yet; make it with "
                    "`keystone-manage db_sync` of the Keystone that will use it"
                )
            self.target_state = "absent"
            return None
        target.require_keystone()
        target.require_transactions()
        state = State(target, self.request.state_database)
        if not self._read_only:
            state.prepare()
        target.begin(read_only=self._read_only)
        self.merged = state.merged()
        self.target_state = "merged" if self.merged else "empty"
        if not self.merged:
            self._require_fresh(target)
        return target

    def _require_fresh(self, target: Database) -> None:
        """Raise if the target holds more than db_sync (and the default domain of a bootstrap) leaves there."""
        found: list[str] = []
        for table in target.tables():
            if table in VERSION_TABLES:
                continue
            rows = target.count(table)
            if table == "project":
                rows = len([id_ for (id_,) in target.rows(table, ("id",)) if id_ not in (ROOT_DOMAIN, DEFAULT_DOMAIN)])
            if rows:
                found.append(f"{table} ({rows})")
        if found:
            raise MergeError(
                "target ({}): it holds rows that no merge recorded in {} brought there: {}. Give a database that "
                "only `keystone-manage db_sync` has filled, or name this one as the first of the sources".format(
                    target.login.address, self.request.state_database, ", ".join(found)
                )
            )

    def _open_sources(self) -> list[Database]:
        opened: list[Database] = []
        identities = {
            merged.identity: f"{merged.name}, which was merged at {merged.merged_at}" for merged in self.merged.values()
        }
        if self.target is not None:
            identities[self.target.identity()] = "the target"
        for login in self.request.sources:
            done = self.merged.get(login.name)
            if done is not None:
                # After the cutover the merged database is the truth: an old one is not even opened.
                if done.address != login.address:
                    self.warnings.append(
                        f"{login.name} was merged at {done.merged_at} from {done.address}; "
                        f"what is now at {login.address} is not read"
                    )
                continue
            source = self._open(login)
            identity = source.identity()
            if identity in identities:
                raise MergeError(f"{login.name} ({login.address}) is the same database as {identities[identity]}")
            identities[identity] = login.name
            source.require_keystone()
            source.begin(read_only=True)
            if login.region is not None:
                regions = [region for (region,) in source.rows("region", ("id",))]
                if login.region not in regions:
                    raise MergeError(
                        "{} ({}): it has no region {}; it has {}".format(
                            login.name, login.address, login.region, ", ".join(sorted(regions)) or "none"
                        )
                    )
            opened.append(source)
        self._require_one_version(opened)
        return opened

    def _require_one_version(self, sources: Sequence[Database]) -> None:
        databases = list(sources) if self.target is None else [self.target, *sources]
        versions: dict[frozenset[str], list[str]] = {}
        for database in databases:
            versions.setdefault(database.versions(), []).append(database.login.name)
        if len(versions) > 1:
            raise MergeError(
                "the schema versions differ: {}. Bring all to the version of the Keystone that will use the "
                "merged database, on copies, with its `keystone-manage db_sync`".format(
                    "; ".join(
                        "{} has {}".format(" and ".join(names), ", ".join(sorted(version)) or "none")
                        for version, names in versions.items()
                    )
                )
            )
        if self.target is None:
            return
        for source in sources:
            for table, columns in source.tables().items():
                missing = set(columns) - set(self.target.tables().get(table, ()))
                if table in BY_NAME and missing:
                    self.problems.append(
                        "{}: table {} has columns that the target's has not: {}".format(
                            source.login.name, table, ", ".join(sorted(missing))
                        )
                    )

    def _plan(self) -> None:
        judge = self.target or self.sources[0]
        collation, close = weigher(judge.login, judge)
        self._stack.callback(close)
        readers: list[tuple[str, Reader]] = [(source.login.name, source) for source in self.sources]
        if self.target is not None and self.merged:
            readers.insert(0, (TARGET, self.target))
        self.planned = plan(readers, collation.fold, self.request.builtin, merged=bool(self.merged))
        self.problems.extend(self.planned.problems)
        self.warnings.extend(self.planned.warnings)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.sources)

    def obstacles(self) -> list[str]:
        """All that stops this merge, one line each."""
        conflicts = self.planned.conflicts if self.planned is not None else ()
        return self.problems + [f"one name for different things: {conflict}" for conflict in conflicts]

    def apply(self) -> None:
        """Write, verify, commit: everything is in the target afterwards, or nothing. A read-only merge only checks."""
        obstacles = self.obstacles()
        if obstacles:
            raise MergeError("the merge was not started, nothing is written: {}".format("; ".join(obstacles)))
        target, planned = self.target, self.planned
        if self._read_only or target is None or planned is None:
            return
        try:
            self._write(target, planned)
            self._verify(target, planned)
            target.commit()
        except BaseException:
            target.rollback()
            raise

    def _write(self, target: Database, planned: Plan) -> None:
        state = State(target, self.request.state_database)
        carried = {
            source.login.name: sum(
                stacks[source.login.name].carried for stacks in planned.counts.values() if source.login.name in stacks
            )
            for source in self.sources
        }
        state.claim(
            [
                (
                    source.login.name,
                    source.login.region,
                    source.identity(),
                    source.login.address,
                    carried[source.login.name],
                )
                for source in self.sources
            ]
        )
        state.remember(planned.id_map(), self.request.batch_rows)
        if not self.merged:
            # db_sync's own rows give way to the same rows of the first source.
            target.query("DELETE FROM project")
        for table in TABLES:
            for number, source in zip(planned.sources, self.sources):
                columns = source.tables().get(table.name)
                if not columns:
                    continue
                statement = "INSERT INTO {} ({}) VALUES ({})".format(
                    quote(table.name), ", ".join(quote(column) for column in columns), ", ".join(["%s"] * len(columns))
                )
                rows = carry(planned, number, table, columns, source.rows(table.name, columns))
                for batch in batches(rows, self.request.batch_rows):
                    target.write(statement, batch)

    def _verify(self, target: Database, planned: Plan) -> None:
        wrong = [*self._miscounted(target, planned), *self._misled(target, planned)]
        if wrong:
            raise MergeError(
                f"the merged database is not as planned, so that everything is rolled back: {'; '.join(wrong)}"
            )

    @staticmethod
    def _miscounted(target: Database, planned: Plan) -> Iterator[str]:
        for table in TABLES:
            if table.name in target.tables():
                rows, wanted = target.count(table.name), planned.totals.get(table.name, 0)
                if rows != wanted:
                    yield f"table {table.name} has {rows} rows instead of {wanted}"

    def _misled(self, target: Database, planned: Plan) -> Iterator[str]:
        """References that lead nowhere beside those that did so in a source."""
        checked: set[tuple[str, tuple[str, ...], str]] = set()
        for table in TABLES:
            for ref in table.refs:
                if ref.loose or ref.column not in target.tables().get(table.name, ()):
                    continue
                checked.add((table.name, (ref.column,), ref.to))
                lost = self._dangling(target, table.name, (ref.column,), ref.to, (str(BY_NAME[ref.to].id),), ref)
                wanted = planned.dangling.get((table.name, ref.column, ref.to), 0)
                if lost != wanted:
                    yield f"{lost} rows of table {table.name} have a {ref.column} that is nowhere, instead of {wanted}"
        for name, columns, to, to_columns in target.foreign_keys():
            if (name, columns, to) in checked:
                continue
            lost = self._dangling(target, name, columns, to, to_columns, None)
            known = sum(
                rows for (child, column, _to), rows in planned.dangling.items() if child == name and column in columns
            )
            if lost > known:
                yield f"{lost} rows of table {name} have a {' and '.join(columns)} that is nowhere"

    @staticmethod
    def _dangling(
        target: Database, table: str, columns: Sequence[str], to: str, to_columns: Sequence[str], ref: Ref | None
    ) -> int:
        """How many rows refer to nothing."""
        conditions = [f"child.{quote(column)} IS NOT NULL" for column in columns]
        values: list[Any] = []
        if ref is not None and table == "role":
            conditions.append("child.{} NOT IN ({})".format(quote(columns[0]), ", ".join(["%s"] * len(NOTHING))))
            values.extend(sorted(NOTHING))
        if ref is not None and ref.when is not None:
            conditions.append("child.{} IN ({})".format(quote(ref.when[0]), ", ".join(["%s"] * len(ref.when[1]))))
            values.extend(sorted(ref.when[1]))
        joined = " AND ".join(
            f"parent.{quote(to_column)} = child.{quote(column)}" for column, to_column in zip(columns, to_columns)
        )
        return int(
            target.query(
                "SELECT COUNT(*) FROM {} child WHERE {} AND NOT EXISTS (SELECT 1 FROM {} parent WHERE {})".format(
                    quote(table), " AND ".join(conditions), quote(to), joined
                ),
                values,
            )[0][0]
        )

    def result(self) -> dict[str, Any]:
        """What a module returns."""
        planned = self.planned
        return {
            "changed": self.changed,
            "target_state": self.target_state,
            "merged": {merged.name: merged.merged_at for merged in self.merged.values()},
            "plan": _summary(planned) if planned is not None else {},
            "conflicts": []
            if planned is None
            else [
                {
                    "kind": conflict.kind,
                    "domain": conflict.domain,
                    "name": conflict.name,
                    "stacks": list(conflict.stacks),
                    "ids": list(conflict.ids),
                }
                for conflict in planned.conflicts
            ],
            "problems": list(self.problems),
            "obstacles": self.obstacles(),
            "summary": self.summary(),
            "counts": {}
            if planned is None
            else {
                table: {
                    stack: {"rows": count.rows, "carried": count.carried, "became_one": count.became_one}
                    for stack, count in stacks.items()
                }
                for table, stacks in planned.counts.items()
                if any(count.rows for count in stacks.values())
            },
        }

    def summary(self) -> str:
        """One line for people."""
        if self.planned is None:
            return "Nothing to do: {}".format(
                ", ".join(f"{merged.name} was merged at {merged.merged_at}" for merged in self.merged.values())
            )
        kinds = ", ".join(
            f"{kind}: {found['created']} new, {found['became_one']} became one"
            for kind, found in _summary(self.planned).items()
        )
        sources = " and ".join(source.login.name for source in self.sources)
        return f"{self.planned.rows} rows of {sources}. {kinds}"

    def diff(self) -> dict[str, str]:
        """What changes, by kind and name."""
        lines: list[str] = []
        if self.planned is not None:
            for kind, summary in _summary(self.planned).items():
                for what in ("created", "became_one"):
                    names = summary["names"][what]
                    lines.extend("{} {}: {}".format(kind, what.replace("_", " "), name) for name in names)
                    if summary[what] > len(names):
                        lines.append("{} {}: {} more".format(kind, what.replace("_", " "), summary[what] - len(names)))
        return {"before": "", "after": "".join(line + "\n" for line in lines)}


def _summary(planned: Plan) -> dict[str, Mapping[str, Any]]:
    kinds = sorted({*planned.created, *planned.became_one})
    return {
        kind: {
            "created": len(planned.created.get(kind, ())),
            "became_one": len(planned.became_one.get(kind, ())),
            "names": {
                "created": list(planned.created.get(kind, ()))[:_SHOWN_NAMES],
                "became_one": list(planned.became_one.get(kind, ()))[:_SHOWN_NAMES],
            },
        }
        for kind in kinds
    }
