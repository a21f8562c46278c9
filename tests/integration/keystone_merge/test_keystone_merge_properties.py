# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of merges of random Keystones on real servers, and of the SQL that writes rows down."""

from __future__ import annotations

import contextlib
import functools
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import (
    meeting,
    rowtext,
    schema,
    sync,
    transport,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database, comparison_of
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, translator
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Earlier, Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import (
    KINDS,
    MERGE,
    RENAME,
    RENAMED,
    Policy,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge, Request
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import TABLES
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from merge_harness import login
from merge_servers import MariaDB

sys.path.append(str(Path(__file__).resolve().parents[2] / "unit/plugins/module_utils"))  # databases in memory
from merge_memory_harness import (
    COLUMNS,
    DECLARED,
    UNIQUE,
    Memory,
    Row,
    Taste,
    differences,
    overriding,
    populations,
    settled,
    told,
)

pytestmark = pytest.mark.integration

# A failing example is not made smaller: that would take hours.
QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example)
TEXTS = ("", "x", "Größe 漢字", 'it\'s \\ "so" %s', "\0", "\x01\x01", "a\x1eb\x1ac", "null", "NULL", " \t\n")
NOW = "2026-02-03 04:05:06"
NAMES = ("random_a", "random_b", "random_c")
TARGET = "random_target"
STATE = "random_state"


Rows = dict[str, Counter[Row]]


@dataclass(repr=False)
class Servers:
    """Databases with the schema of a real Keystone, on the servers of the regions and of the merged database."""

    regions: MariaDB
    stretched: MariaDB
    columns: dict[str, tuple[str, ...]]
    kinds: dict[tuple[str, str], tuple[str, bool, bool]]
    filled: dict[str, set[str]] = field(default_factory=dict)

    def _empty(self, cursor: Any, database: str) -> None:
        for table in self.filled.get(database, set()):
            cursor.execute(f"DELETE FROM `{table}`")
        self.filled[database] = set()

    def fill(self, database: str, memory: Memory, noise: random.Random) -> None:
        """Put a population into a source; what it says nothing of gets odd values."""
        with self.regions.cursor(database) as cursor:
            cursor.execute("SET SESSION foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES'")
            self._empty(cursor, database)
            for table, rows in memory.content.items():
                if rows:
                    others = [column for column in self.columns[table] if column not in COLUMNS[table]]
                    names = ",".join(f"`{column}`" for column in (*COLUMNS[table], *others))
                    marks = ",".join(["%s"] * len(self.columns[table]))
                    cursor.executemany(
                        f"INSERT INTO `{table}` ({names}) VALUES ({marks})",
                        [(*row, *(self._odd(table, column, noise) for column in others)) for row in rows],
                    )
            self.filled[database] = {table for table, rows in memory.content.items() if rows}

    def _odd(self, table: str, column: str, noise: random.Random) -> Any:
        kind, nullable, numbered = self.kinds[(table, column)]
        if nullable and noise.random() < 0.4:
            return None
        if numbered:
            return noise.randrange(1, 2**31)
        if "int" in kind:
            return noise.randrange(2)
        if kind in ("datetime", "date"):
            return NOW[: 10 if kind == "date" else None]
        return noise.choice(TEXTS)[: 5 if kind == "varchar" else None]

    def empty_target(self, loads: bool) -> None:
        """Make the target as db_sync leaves it."""
        with self.stretched.cursor(TARGET) as cursor:
            cursor.execute(f"SET GLOBAL local_infile = {int(loads)}")
            cursor.execute("SET SESSION foreign_key_checks = 0")
            self.filled[TARGET] = set(COLUMNS) & set(self.columns)
            self._empty(cursor, TARGET)
            root = schema.ROOT_DOMAIN
            cursor.execute(
                "INSERT INTO project (id, name, extra, description, enabled, domain_id, is_domain) "
                "VALUES (%s, %s, '{}', '', 0, %s, 1)", (root, root, root),
            )  # fmt: skip
            cursor.execute(f"DROP DATABASE IF EXISTS {STATE}")

    def request(self, stacks: int, policy: Policy, batch_rows: int, compare_by: str) -> Request:
        sources = tuple(login(self.regions, name[-1], name) for name in NAMES[:stacks])
        return Request(sources, login(self.stretched, "target", TARGET), STATE, policy, batch_rows, compare_by)

    @contextlib.contextmanager
    def reading(self, stacks: int) -> Iterator[tuple[list[Memory], Fold]]:
        """Give the sources as they are, and how the target compares."""
        with contextlib.ExitStack() as stack:
            target = Database(login(self.stretched, "target", TARGET))
            stack.callback(target.close)
            comparison, close = comparison_of(target.login, target)
            stack.callback(close)
            fold = functools.lru_cache(maxsize=None)(comparison.fold.fold)
            memories = []
            for name in NAMES[:stacks]:
                source = Database(login(self.regions, name[-1], name))
                stack.callback(source.close)
                content = {
                    table: list(source.rows(table, columns))
                    for table, columns in source.tables().items()
                    if table in self.filled[name]
                }
                memories.append(Memory(content, fold, source.tables()))
            yield memories, fold

    def merged(self) -> Rows:
        """Give the rows of the target."""
        target = Database(login(self.stretched, "target", TARGET))
        try:
            found = {table: Counter(target.rows(table, columns)) for table, columns in target.tables().items()}
        finally:
            target.close()
        return {table: rows for table, rows in found.items() if rows and table not in schema.VERSION_TABLES}

    def cut_over(self, name: str) -> None:
        """Mark a source as cut over."""
        target = Database(login(self.stretched, "target", TARGET))
        try:
            target.begin_writing()
            assert State(target, STATE).cut_over([name[-1]], done=True) == 1
            target.commit()
        finally:
            target.close()

    def state(self) -> tuple[set[Any], dict[str, int]]:
        """Give the map of ids and the number of rows of each table, as the target remembers them."""
        target = Database(login(self.stretched, "target", TARGET))
        try:
            state = State(target, STATE)
            return state.id_map(), {table: rows for table, rows in state.counts().items() if rows}
        finally:
            target.close()


@pytest.fixture(scope="module")
def servers(regions: MariaDB, stretched: MariaDB, schema: bytes) -> Iterator[Servers]:
    for name in NAMES:
        regions.load(name, schema)
    stretched.load(TARGET, schema)
    columns: dict[str, tuple[str, ...]] = {}
    kinds = {}
    for table, column, kind, nullable, more in regions.query(
        "SELECT table_name, column_name, data_type, is_nullable, extra FROM information_schema.columns "
        "WHERE table_schema = %s ORDER BY table_name, ordinal_position", (NAMES[0],),
    ):  # fmt: skip
        columns[table] = (*columns.get(table, ()), column)
        kinds[(table, column)] = (kind, nullable == "YES", more == "auto_increment")
    made = Servers(regions, stretched, columns, kinds)
    for name in NAMES:
        made.filled[name] = {"project"}  # the root domain, as db_sync leaves it
    yield made
    stretched.query("SET GLOBAL local_infile = 1")


class TestHarness:
    """Databases in memory are like real ones."""

    def test_columns(self, servers: Servers) -> None:
        for table, columns in COLUMNS.items():
            if table not in schema.EXPENDABLE and table != "unheard_of":
                assert set(columns) <= set(servers.columns[table]), table
        assert {table.name for table in TABLES} == set(servers.columns) - schema.VERSION_TABLES - schema.EXPENDABLE

    def test_unique_keys(self, servers: Servers) -> None:
        found: dict[tuple[str, str], list[str]] = {}
        for table, index, column in servers.regions.query(
            "SELECT table_name, index_name, column_name FROM information_schema.statistics "
            "WHERE table_schema = %s AND non_unique = 0 ORDER BY table_name, index_name = 'PRIMARY' DESC, index_name, "
            "seq_in_index", (NAMES[0],),
        ):  # fmt: skip
            if table in COLUMNS and table not in schema.EXPENDABLE:
                found.setdefault((table, index), []).append(column)
        real: dict[str, set[frozenset[str]]] = {}
        for (table, _index), columns in found.items():
            real.setdefault(table, set()).add(frozenset(columns))
        assert {table: {frozenset(columns) for columns in keys} for table, keys in UNIQUE.items()} == real
        assert all(tuple(found[(table, "PRIMARY")]) == keys[0] for table, keys in UNIQUE.items())

    def test_foreign_keys(self, servers: Servers) -> None:
        source = Database(login(servers.regions, "a", NAMES[0]))
        try:
            assert set(source.foreign_keys()) == DECLARED
        finally:
            source.close()


POLICIES = (
    Policy(on_conflict=dict.fromkeys(KINDS, MERGE)),
    Policy(on_conflict={**dict.fromkeys(KINDS, MERGE), **dict.fromkeys(RENAMED, RENAME)}),
    Policy(on_conflict={**dict.fromkeys(KINDS, MERGE), **dict.fromkeys(RENAMED, RENAME)}, dangling="drop"),
    Policy(on_conflict=dict.fromkeys(KINDS, MERGE), dangling="drop"),
)


@dataclass(frozen=True)
class Ways:
    """The sizes by which the work is cut, and which of the ways that it can be done in are taken."""

    chunk_rows: int
    batch_rows: int
    cases: int
    few_rows: int
    kept_rows: int
    loads: bool
    compare_by: str

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transport, "CHUNK_ROWS", self.chunk_rows)
            patch.setattr(rowtext, "CASES", self.cases)
            patch.setattr(meeting, "FEW_ROWS", self.few_rows)
            patch.setattr(sync, "KEPT_ROWS", self.kept_rows)
            yield


NOISE = st.randoms(use_true_random=True)
WAYS = st.builds(
    Ways,
    chunk_rows=st.sampled_from([1, 2, 3, 1000]),
    batch_rows=st.sampled_from([1, 4, 10000]),
    cases=st.sampled_from([0, 2, 200]),
    few_rows=st.sampled_from([0, 2000]),
    kept_rows=st.sampled_from([0, 20000]),
    loads=st.booleans(),
    compare_by=st.sampled_from(["log", "rows"]),
)


def expected(found: Plan, sources: Sequence[Memory], fold: Fold) -> Rows:
    """Give the merged database, made in Python."""
    rows: Rows = {}
    for table in TABLES:
        for number, source in zip(found.sources, sources):
            translate = translator(table, source.columns[table.name], found.ledgers[number], fold)
            for row in source.content.get(table.name, []):
                new = translate(row)
                if new is not None:
                    rows.setdefault(table.name, Counter())[new] += 1
    return rows


def nonempty(rows: Rows) -> Rows:
    return {table: content for table, content in rows.items() if content}


def run(request: Request) -> tuple[Plan, bool, list[dict[str, Any]]]:
    with Merge(request, read_only=False) as merge:
        assert merge.obstacles() == []
        merge.apply()
        assert merge.planned is not None
        return merge.planned, merge.written, merge.changes


def merge_and_check(servers: Servers, stacks: int, policy: Policy, ways: Ways, known: Plan | None) -> Plan | None:
    """Merge what the sources hold now, and compare it with what Python makes of them; None where it cannot be done."""
    names = [name[-1] for name in NAMES[:stacks]]
    earlier = {}
    if known is not None:
        carried = policy.dangling == "carry"
        earlier = {
            ledger.name: Earlier(dict(ledger.offsets), lost if carried else None)
            for ledger, lost in zip(known.ledgers, known.found_lost)
        }
    with servers.reading(stacks) as (memories, fold):
        wanted, policy = settled(*memories, policy=policy, names=names, fold=fold, earlier=earlier)
        if wanted.problems:
            return None
        with ways.taken():
            found, _written, _changes = run(servers.request(stacks, policy, ways.batch_rows, ways.compare_by))
            assert not (differing := list(differences(told(found), told(wanted)))), differing
            rows = expected(found, memories, fold)
            assert not (differing := list(differences(servers.merged(), rows))), differing
            id_map, counts = servers.state()
            assert id_map == set(found.id_map())
            assert counts == {table: sum(content.values()) for table, content in rows.items()}
            _again, written, changes = run(servers.request(stacks, policy, ways.batch_rows, ways.compare_by))
            assert (written, [change for change in changes if change]) == (False, [])
    return found


def keystone_writes(servers: Servers) -> None:
    """Do what a Keystone does that uses the merged database: here, make users."""
    with servers.stretched.cursor(TARGET) as cursor:
        for name in ("made there", "admin"):
            id_ = uuid.uuid4().hex
            cursor.execute("INSERT INTO user (id, domain_id) VALUES (%s, 'elsewhere')", (id_,))
            cursor.execute(
                "INSERT INTO local_user (user_id, domain_id, name) VALUES (%s, 'elsewhere', %s)", (id_, name)
            )


def join_and_check(servers: Servers, stacks: int, policy: Policy, ways: Ways, first: Plan, before: Rows) -> None:
    """Merge all stacks but the first, which was cut over: its rows are the merged database's own from now on."""
    own = servers.merged()
    for table, rows in before.items():
        own[table] = own.get(table, Counter()) - rows
    for _round in range(6):
        request = servers.request(stacks, policy, ways.batch_rows, ways.compare_by)
        with Merge(request, read_only=True) as merge:
            assert merge.planned is not None
            if not merge.planned.conflicts:
                break
            policy = overriding(merge.planned, policy)
    assume(merge.obstacles() == [])
    with servers.reading(stacks) as (memories, fold), ways.taken():
        found, _written, _changes = run(request)
        rows = expected(found, memories[1:], fold)
        for table, others in own.items():
            rows[table] = rows.get(table, Counter()) + others
        assert not (differing := list(differences(servers.merged(), nonempty(rows)))), differing
        _again, written, changes = run(request)
        assert (written, [change for change in changes if change]) == (False, [])
    offsets = {ledger.name: ledger.offsets for ledger in first.ledgers}
    for ledger in found.ledgers[1:]:
        assert ledger.offsets == offsets.get(ledger.name, ledger.offsets)


@settings(max_examples=8, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
@given(data=st.data(), policy=st.sampled_from(POLICIES), ways=WAYS, stacks=st.integers(1, 3), noise=NOISE)
def test_merge_of_random_keystones(
    servers: Servers, data: st.DataObject, policy: Policy, ways: Ways, stacks: int, noise: random.Random
) -> None:
    """The first run, one that changes nothing, and one after all sorts of changes."""
    for name in NAMES[:stacks]:
        servers.fill(name, data.draw(populations(name[-1], Taste())), noise)
    servers.empty_target(ways.loads)
    first = merge_and_check(servers, stacks, policy, ways, None)
    assume(first is not None)
    for name in NAMES[:stacks]:
        if data.draw(st.booleans()):
            servers.fill(name, data.draw(populations(name[-1], Taste())), noise)
    merge_and_check(servers, stacks, policy, ways, first)


@settings(max_examples=5, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
@given(data=st.data(), policy=st.sampled_from(POLICIES), ways=WAYS, noise=NOISE)
def test_stacks_join_a_merged_keystone_in_use(
    servers: Servers, data: st.DataObject, policy: Policy, ways: Ways, noise: random.Random
) -> None:
    """The first of two stacks is cut over; the other one changes, and a third one comes."""
    for name in NAMES:
        servers.fill(name, data.draw(populations(name[-1], Taste())), noise)
    servers.empty_target(ways.loads)
    first = merge_and_check(servers, 2, policy, ways, None)
    assume(first is not None)
    with servers.reading(2) as (memories, fold):
        before = expected(replace(first, sources=(1,)), memories[1:], fold)
    servers.cut_over(NAMES[0])
    keystone_writes(servers)
    if data.draw(st.booleans()):
        servers.fill(NAMES[1], data.draw(populations("b", Taste())), noise)
    join_and_check(servers, data.draw(st.integers(2, 3)), policy, ways, first, before)
