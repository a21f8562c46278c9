# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""One merge from its options to its result: open, check, plan, compare, write, verify."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.binlog import UnreadableLogError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.changelog import (
    Changed,
    LogMark,
    changed,
    mark,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    Login,
    RetryError,
    UnreachableError,
    comparison_of,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.inuse import InUse
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.lastplan import LastPlan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Earlier, Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Policy, check_policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import Population
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import Progress
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import literal_keys, quote
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    DEFAULT_DOMAIN,
    ROOT_DOMAIN,
    VERSION_TABLES,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import Merged, State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.sync import Change, SourceWork, Sync
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.transport import Limits
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.verify import Verifier

TARGET = "target"
"""What the merged database is called in lists of stacks."""

BATCH_ROWS = 10000
"""Rows of one transaction."""

LOG, ROWS = "log", "rows"
"""How a later run finds what changed."""


@dataclass(frozen=True)
class Request:
    """What to merge. *target* may be None where nothing is written.

    *compare_by* is how a later run finds what changed: by the binary log of a source, where that can be used, or by
    its rows alone.
    """

    sources: tuple[Login, ...]
    target: Login | None
    state_database: str = "stretch_merge"
    policy: Policy = field(default_factory=Policy)
    batch_rows: int = BATCH_ROWS
    compare_by: str = LOG


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
    if request.batch_rows < 1:
        raise MergeError(f"batch_rows is {request.batch_rows}: a transaction needs at least one row")
    check_policy(request.policy, frozenset(names))


class _Watch:
    """Hands on to :class:`Progress` what several threads write."""

    def __init__(self, progress: Progress, rows: Mapping[tuple[str, str], int]) -> None:
        self._progress = progress
        self._rows = rows
        self._left: dict[tuple[str, str], int | None] = {}

    def wrote(self, stack: str, table: str, rows: int) -> None:
        """*rows* more of a table of a stack are written, which are all of one thread."""
        if not rows:
            return
        own = (stack, table)
        if own not in self._left:
            self._left[own] = self._rows.get(own)
            self._progress.start(table, stack, self._left[own])
        self._progress.advance(table, stack, rows)
        left = self._left[own]
        if left is not None:
            self._left[own] = left - rows
            if left == rows:
                self._progress.done(table, stack)

    def ended(self) -> None:
        """Nothing is written any more."""
        for (stack, table), left in self._left.items():
            if left != 0:
                self._progress.done(table, stack)
        self._left.clear()


class Merge:
    """A planned merge, its connections open; a context manager that closes them."""

    def __init__(self, request: Request, read_only: bool, progress: Progress | None = None) -> None:
        """Open the databases, plan and compare. With *read_only* a target that is not there is taken for an empty one.

        :raises MergeError: for what makes a plan impossible.
        """
        check_request(request)
        self.request = request
        self.progress = progress or Progress()
        self.warnings: list[str] = []
        self.known: dict[str, Merged] = {}
        self.identities: dict[str, str] = {}
        self.marks: dict[str, LogMark] = {}
        self.unlogged: dict[str, str] = {}
        self.planned: Plan | None = None
        self.works: list[SourceWork] = []
        self.changes: list[dict[str, Change]] = []
        self.problems: list[str] = []
        self.checked: dict[str, int] = {}
        self.written = False
        self._like: Database | None = None
        self._stack = contextlib.ExitStack()
        self._read_only = read_only
        try:
            self.progress.phase("plan")
            self.target = self._open_target()
            self.sources = self._open_sources()
            if self.sources:
                self._compare_names()
                if not self._follow():
                    for source in self.sources:
                        self.unlogged.setdefault(source.login.name, "all was planned anew")
                    self._plan()
                    if not self.obstacles():
                        self._compare()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Merge:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def in_use(self) -> bool:
        """Whether Keystones write to the merged database already."""
        return any(known.cut_over_at for known in self.known.values())

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return any(bool(work) or self._is_open(work.name) for work in self.works) or self._moved()

    @property
    def is_first(self) -> bool:
        """Whether a source is read for the first time, or its first reading goes on."""
        return any(work.is_first or not self._was_complete(work.name) for work in self.works)

    def _was_complete(self, name: str) -> bool:
        return name in self.known and self.known[name].merged_at is not None

    def _is_open(self, name: str) -> bool:
        return name not in self.known or not self.known[name].is_complete

    def _moved(self) -> bool:
        """Whether the map of ids is another one than before."""
        if self.target is None or self.planned is None or not self.known:
            return False
        own = {source.login.name for source in self.sources}
        known = {entry for entry in State(self.target, self.request.state_database).id_map() if entry[1] in own}
        return known != set(self.planned.id_map())

    def _open(self, login: Login) -> Database:
        database = Database(login)
        self._stack.callback(database.close)
        return database

    def _there(self) -> Database:
        """The target, where it must be there."""
        if self.target is None:
            raise RuntimeError("there is no target")
        return self.target

    @contextlib.contextmanager
    def _another(self) -> Iterator[Database]:
        """Another connection to the target."""
        there = self._there()
        database = Database(there.login, self._like or there)
        try:
            yield database
        finally:
            database.close()

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
        # Now, because several threads ask for it later.
        target.layouts()
        if not self._read_only:
            self._claim(login)
        self.known = State(target, self.request.state_database).sources()
        self.target_state = "merged" if self.known else "empty"
        if not self.known:
            self._require_fresh(target)
        return target

    def _claim(self, login: Login) -> None:
        """Make the state's tables, and see that no other run writes."""
        lock = self._open(login)
        lock.begin_writing()
        state = State(lock, self.request.state_database)
        state.prepare()
        try:
            state.claim()
        except RetryError as error:
            raise MergeError(
                f"target ({login.address}): another merge into it is running; wait until it has ended"
            ) from error

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
        names = {login.name for login in self.request.sources}
        lacking = [known for known in self.known.values() if known.cut_over_at is None and known.name not in names]
        if lacking:
            raise MergeError(
                "sources lacks what was begun and is not cut over yet: {}. Name all of them".format(
                    ", ".join(f"{known.name} ({known.address})" for known in lacking)
                )
            )
        identities = {
            known.identity: f"{known.name}, which was cut over at {known.cut_over_at}"
            for known in self.known.values()
            if known.cut_over_at is not None
        }
        if self.target is not None:
            identities[self.target.identity()] = "the target"
        for login in self.request.sources:
            done = self.known.get(login.name)
            if done is not None and done.cut_over_at is not None:
                # The merged database is the truth from then on: an old one is not even opened.
                if done.address != login.address:
                    self.warnings.append(
                        f"{login.name} was cut over at {done.cut_over_at} from {done.address}; "
                        f"what is now at {login.address} is not read"
                    )
                continue
            source = self._open(login)
            identity = source.identity()
            if identity in identities:
                raise MergeError(f"{login.name} ({login.address}) is the same database as {identities[identity]}")
            identities[identity] = login.name
            self.identities[login.name] = identity
            if done is not None and done.identity != identity:
                self.warnings.append(
                    f"{login.name} was read from {done.address} before and is now another database at {login.address}; "
                    "the merged database follows the new one"
                )
            source.require_keystone()
            source.begin_reading()
            self._mark(source)
            self._require_region(source)
            opened.append(source)
        self._require_one_version(opened)
        return opened

    def _mark(self, source: Database) -> None:
        """Learn where the snapshot of a source is in its binary log, for the next run."""
        if self.request.compare_by != LOG:
            self.unlogged[source.login.name] = "compare_by is rows"
            return
        try:
            self.marks[source.login.name] = mark(source)
        except UnreadableLogError as error:
            self.unlogged[source.login.name] = str(error)

    def _logged(self) -> dict[str, Changed]:
        """What was written in each source since the last run, as far as its binary log tells."""
        found: dict[str, Changed] = {}
        for source in self.sources:
            name = source.login.name
            earlier = self.known[name].log_mark
            if name not in self.marks:
                continue
            if earlier is None:
                self.unlogged[name] = "the last run did not note the place"
                continue
            try:
                found[name] = changed(source, LogMark.of(earlier), self.marks[name])
            except UnreadableLogError as error:
                self.unlogged[name] = str(error)
        return found

    @property
    def compared(self) -> dict[str, str]:
        """How it was found what changed in each source since the last run, and why not by its log."""
        return {
            work.name: f"rows: {self.unlogged[work.name]}" if work.name in self.unlogged else LOG
            for work in self.works
            if self._was_complete(work.name)
        }

    @staticmethod
    def _require_region(source: Database) -> None:
        login = source.login
        if login.region is None:
            return
        regions = [region for (region,) in source.rows("region", ("id",))]
        if login.region not in regions:
            raise MergeError(
                "{} ({}): it has no region {}; it has {}".format(
                    login.name, login.address, login.region, ", ".join(sorted(regions)) or "none"
                )
            )

    def _require_one_version(self, sources: Sequence[Database]) -> None:
        databases = list(sources) if self.target is None else [self.target, *sources]
        by_schema: dict[object, list[Database]] = {}
        for database in databases:
            by_schema.setdefault(database.schema_version().schema, []).append(database)
        if len(by_schema) > 1:
            raise MergeError(
                "the schema versions differ: {}. Bring all to the version of the Keystone that will use the "
                "merged database, on copies, with its `keystone-manage db_sync`".format(
                    "; ".join(
                        f"{' and '.join(one.login.name for one in group)} has {group[0].schema_version()}"
                        for group in by_schema.values()
                    )
                )
            )
        known = {table for database in databases for table in database.tables() if table in BY_NAME}
        for source in sources:
            hidden = sorted(known - set(source.tables()))
            if hidden:
                self.problems.append(
                    f"{source.login.name}: it shows no table {', '.join(hidden)}, as the others do: its login needs "
                    "SELECT on all of the database"
                )
        if self.target is None:
            return
        for source in sources:
            for table, columns in source.tables().items():
                there = self.target.tables().get(table, ())
                for what, other, missing in (
                    ("the target's has not", "has", set(columns) - set(there)),
                    ("the target's has", "lacks", set(there) - set(columns)),
                ):
                    if table in BY_NAME and missing:
                        self.problems.append(
                            f"{source.login.name}: table {table} {other} columns that {what}: "
                            f"{', '.join(sorted(missing))}"
                        )

    def _compare_names(self) -> None:
        """Learn how the merged database compares names."""
        judge = self.target or self.sources[0]
        self.comparison, close = comparison_of(judge.login, judge)
        self._stack.callback(close)
        for source in self.sources:
            source.comparison = self.comparison

    def _last_plan(self) -> LastPlan | None:
        """The plan of the last run, where this one may go on with it or leave it another."""
        if self.target is None or self.in_use or self.request.policy.dangling != "carry":
            return None
        return LastPlan(
            State(self.target, self.request.state_database),
            self.request.policy,
            self.target,
            self.sources,
            self.identities,
        )

    def _follow(self) -> bool:
        """Go on with the plan of the last run, if that came to its end and holds for what changed since."""
        last = self._last_plan()
        known = [self.known[one.login.name] for one in self.sources if one.login.name in self.known]
        complete = len(known) == len(self.sources) and all(one.is_complete for one in self.known.values())
        if last is None or self.problems or not complete:
            return False
        self.planned = last.recall(self.comparison.fold.fold, [one.lost for one in known])
        if self.planned is not None:
            self._compare(self._logged())
        grown = None if self.planned is None else last.follow(self.planned, self.works, self.changes)
        if grown is None:
            self.planned, self.works, self.changes = None, [], []
            return False
        self.planned = grown
        self.warnings.extend(grown.warnings)
        return True

    def _plan(self) -> None:
        populations: list[tuple[str, Population]] = []
        if self.target is not None and self.in_use:
            self.target.comparison = self.comparison
            populations.append((TARGET, InUse(self.target, self._owned)))
        populations.extend((source.login.name, source) for source in self.sources)
        # What an earlier run found is not looked for again, unless something is done about it.
        carried = self.request.policy.dangling == "carry"
        earlier = {
            name: Earlier(known.offsets, known.lost if carried and known.merged_at else None)
            for name, known in self.known.items()
        }
        self.planned = plan(populations, self.comparison.fold.fold, self.request.policy, self.in_use, earlier)
        self.problems.extend(self.planned.problems)
        self.warnings.extend(self.planned.warnings)

    def _owned(self, table: str) -> frozenset[tuple[str, ...]]:
        """Keys of the rows that the sources of this run brought before."""
        target = self._there()
        if table not in target.tables():
            return frozenset()
        state = State(target, self.request.state_database)
        return frozenset(
            key
            for source in self.sources
            if source.login.name in self.known
            for keys in state.all_keys(source.login.name, table)
            for key in literal_keys(keys)
        )

    def _compare(self, logged: Mapping[str, Changed] | None = None) -> None:
        """Find what is to be done. *logged* holds for the plan of the last run alone."""
        if self.planned is None:
            return
        self.progress.phase("compare")
        self.sync = Sync(
            None if self.target is None else self._another,
            self.request.state_database,
            self.planned.fold,
            {} if self.target is None else self.target.tables(),
            Limits() if self.target is None else Limits.of(self.target),
        )
        ledgers = [self.planned.ledgers[number] for number in self.planned.sources]
        self.works = self.sync.compare(list(zip(self.sources, ledgers)), frozenset(self.known), logged or {})
        self.changes = self.sync.changes(self.works)

    def obstacles(self) -> list[str]:
        """All that stops this merge, one line each."""
        conflicts = self.planned.conflicts if self.planned is not None else ()
        return self.problems + [
            f"one name for different things: {conflict}, which overrides could settle: {conflict.settle}"
            for conflict in conflicts
        ]

    def apply(self) -> None:
        """Write and verify. A read-only merge only checks.

        :raises MergeError: what stands in the way, before anything is written; or what went wrong, after which a run
            goes on where this one stopped.
        """
        obstacles = self.obstacles()
        if obstacles:
            raise MergeError("the merge was not started, nothing is written: {}".format("; ".join(obstacles)))
        if self._read_only or self.target is None or self.planned is None or not self.changed:
            return
        state = State(self.target, self.request.state_database)
        self._begin(state, self.planned)
        counts = {
            (stack, table): count.carried
            for table, stacks in self.planned.counts.items()
            for stack, count in stacks.items()
        }
        self.progress.phase("copy" if self.is_first else "follow", self.planned.rows if self.is_first else None)
        watch = _Watch(self.progress, counts if self.is_first else {})
        try:
            self.sync.apply(self.works, self.request.batch_rows, watch.wrote)
        finally:
            watch.ended()
        self.progress.phase("verify")
        own = frozenset(source.login.name for source in self.sources)
        state.remember(self.planned.id_map(), own, self.request.batch_rows)
        self._verify(self.planned)
        for number, source in zip(self.planned.sources, self.sources):
            name = source.login.name
            state.finish(name, state.count(name), self.planned.found_lost[number])
        last = self._last_plan()
        if last is not None:
            last.keep(self.planned)
        self.written = True

    def _begin(self, state: State, planned: Plan) -> None:
        target = self._there()
        target.begin_checking()
        target.query("SET SESSION foreign_key_checks = 0")
        state.forget_plan()
        if not self.in_use and not state.any_chunk():
            # db_sync's own rows give way to the same rows of the first source.
            target.query("DELETE FROM project")
        if any(source.login.name not in self.known for source in self.sources):
            for table, end in planned.rooms.items():
                # What a Keystone adds gets numbers behind those that the sources may still use.
                if table in target.tables():
                    target.query(f"ALTER TABLE {quote(table)} AUTO_INCREMENT = {end + 1}")
        for number, source in zip(planned.sources, self.sources):
            mark = self.marks.get(source.login.name)
            state.start(
                source, source.identity(), None if mark is None else mark.text(), planned.ledgers[number].offsets
            )

    def _verify(self, planned: Plan) -> None:
        # The sizes of the tables are others by now.
        self._like = self._open(self._there().login)
        self._like.layouts()
        verifier = Verifier(self._another, self.request.state_database)
        # What a run wrote that did not come to its end was never looked at.
        whole = self.is_first or any(self._is_open(work.name) for work in self.works)
        wrong = self._miscounted(planned) if whole else []
        if whole:
            wrong += verifier.whole(self.works, planned.dangling(), self.in_use)
        else:
            wrong += verifier.changes(self.works, self.changes, self.in_use)
        self.checked = verifier.checked
        self.warnings.extend(verifier.warnings)
        if wrong:
            remedy = (
                "Keystones use it, and no source was changed; find out who else writes these rows, and merge again"
                if self.in_use
                else "No Keystone uses it yet and no source was changed; drop its tables and those of the state, and "
                "merge again"
            )
            raise MergeError(f"the merged database is not as planned: {'; '.join(wrong)}. {remedy}")

    def _miscounted(self, planned: Plan) -> list[str]:
        """Tables of which other rows arrived than were planned."""
        state = State(self._there(), self.request.state_database)
        wrong: list[str] = []
        for work in self.works:
            arrived = state.counts(work.name)
            for table, stacks in planned.counts.items():
                wanted = stacks[work.name].carried if work.name in stacks else 0
                rows = arrived.get(table, 0)
                if rows != wanted:
                    wrong.append(f"{rows} rows of {work.name} are in table {table} instead of {wanted}")
        return wrong
