# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Proving that the merged database holds what it should: its rows, and what they refer to.

What a source's rows are as they arrive is known by their marks. The server of the merged database computes the same of
the rows that it has. The first run compares the whole database, a later one the rows that it wrote.
"""

from __future__ import annotations

import sys
import threading
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import AbstractSet, Any, Callable, Iterable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Ledger
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    RowSql,
    by_key,
    key_first,
    literal,
    literal_keys,
    one_of,
    one_row,
    quote,
    row_sql,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    NOTHING,
    TABLES,
    Ref,
    Table,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.sync import Change, Open, SourceWork

READ_BACK = 200
"""Rows that are read back by their keys at a time."""

Dangling = Mapping["tuple[str, str, str]", int]


class Verifier:
    """Checks the merged database; every check gives what is wrong, one line each."""

    def __init__(self, open_target: Open, state_database: str) -> None:
        self._open = open_target
        self._state_database = state_database
        self._source_lock = threading.Lock()
        self.checked: dict[str, int] = {"rows": 0, "references": 0}
        self.warnings: list[str] = []
        self._counting = threading.Lock()

    def whole(self, works: Sequence[SourceWork], dangling: Dangling, shared: bool) -> list[str]:
        """Compare all rows and all references. *shared* says that others write to the merged database too."""
        tables = [table for table in TABLES if any(one.reader.table is table for work in works for one in work.tables)]
        contents = self._present if shared else self._equal
        return self._run(
            [
                *(partial(contents, works, table) for table in tables),
                *(partial(self._led, works, dangling, shared, table) for table in tables),
                partial(self._declared, dangling),
            ]
        )

    def changes(self, works: Sequence[SourceWork], changes: Sequence[Mapping[str, Change]], shared: bool) -> list[str]:
        """Compare the rows that were written, and the number of all."""
        checks: list[Callable[[Database], Iterable[str]]] = []
        for work, changed in zip(works, changes):
            for one in work.tables:
                change = changed.get(one.reader.table.name)
                if change is not None:
                    table = one.reader.table
                    come = {key for each in changes if table.name in each for key in each[table.name].come()}
                    checks.append(partial(self._written, work, table, change, come))
        if not shared:
            with self._open() as target:
                counts = State(target, self._state_database).counts()
            # The longest first, as there are two who take them.
            checks[:0] = [
                partial(self._number, table, counts[table]) for table in sorted(counts, key=lambda one: -counts[one])
            ]
        return self._run(checks)

    def _run(self, checks: Sequence[Callable[[Database], Iterable[str]]]) -> list[str]:
        """Two connections, each taking the next check as soon as it is through with one."""
        wrong: dict[int, list[str]] = {}
        left = iter(list(enumerate(checks)))

        def run(_connection: int) -> None:
            with self._open() as target:
                target.begin_checking()
                for number, check in left:
                    wrong[number] = list(check(target))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, range(2)))
        return [line for number in sorted(wrong) for line in wrong[number]]

    def _checked(self, what: str, number: int) -> None:
        """Count for who reads :attr:`checked`; two threads do."""
        with self._counting:
            self.checked[what] += number

    @staticmethod
    def _sql(target: Database, table: Table) -> RowSql:
        layout = target.layout(table.name)
        columns = key_first(layout, target.tables()[table.name])
        made = row_sql(table, layout, Ledger("target", 0), columns)
        if made is None:
            raise RuntimeError("a row that stays as it is has SQL")
        return made

    def _equal(self, works: Sequence[SourceWork], table: Table, target: Database) -> Iterator[str]:
        """Number of rows, and the sum of the first halves of their marks, which costs a server half of both."""
        plain = self._sql(target, table).plain
        rows, sum_ = target.query(f"SELECT COUNT(*), COALESCE(SUM(CRC32({plain})), 0) FROM {quote(table.name)}")[0]
        wanted = [0, 0]
        for marks in State(target, self._state_database).marks(table.name):
            wanted[0] += len(marks) // 8
            wanted[1] += sum(_halves(marks)[0::2])
        if int(rows) > wanted[0]:
            self._tell_others(table.name, int(rows) - wanted[0])
            yield from self._present(works, table, target)
            return
        self._checked("rows", int(rows))
        if int(rows) != wanted[0]:
            yield f"table {table.name} has {rows} rows instead of {wanted[0]}"
        elif int(sum_) != wanted[1]:
            yield f"table {table.name} has other rows than the sources brought"

    def _present(self, works: Sequence[SourceWork], table: Table, target: Database) -> Iterator[str]:
        """All rows of the sources are there; others may be as well."""
        state = State(target, self._state_database)
        for work in works:
            for chunk in state.chunks(work.name, table.name):
                keys = literal_keys(state.keys(work.name, table.name, chunk))
                yield from self._read_back(target, table, work.name, keys, set(chunk.split_marks))

    def _read_back(
        self, target: Database, table: Table, name: str, keys: Sequence[Sequence[str]], wanted: AbstractSet[bytes]
    ) -> Iterator[str]:
        sql, primary = self._sql(target, table), target.layout(table.name).primary
        found: set[bytes] = set()
        for where in _wheres(primary, keys):
            found.update(
                bytes.fromhex(mark)
                for (mark,) in target.query(f"SELECT {sql.mark} FROM {by_key(table.name)} WHERE {where}")
            )
        self._checked("rows", len(keys))
        missing = len(wanted - found)
        if missing:
            yield f"{missing} rows of {name} are not in table {table.name} as they should be"

    def _written(
        self,
        work: SourceWork,
        table: Table,
        change: Change,
        come: AbstractSet[tuple[str, ...]],
        target: Database,
    ) -> Iterator[str]:
        """*come* are keys of rows that any source brought: what one gives up another may hold from now on."""
        keys = change.come()
        yield from self._read_back(target, table, work.name, keys, change.marks)
        primary = target.layout(table.name).primary
        for where in _wheres(primary, change.removed):
            names = ", ".join(map(quote, primary))
            there = target.query(f"SELECT {names} FROM {by_key(table.name)} WHERE {where}")
            left = sum(1 for row in there if tuple(literal(str(value)) for value in row) not in come)
            if left:
                yield f"{left} rows of table {table.name} that {work.name} no longer has are still there"
        for ref in table.refs:
            if ref.loose or ref.column not in target.tables()[table.name] or ref.to not in target.tables():
                continue
            self._checked("references", 1)
            for where in _wheres(primary, keys):
                yield from self._followed(work, table, ref, where, target)

    def _followed(self, work: SourceWork, table: Table, ref: Ref, where: str, target: Database) -> Iterator[str]:
        """References of the rows that were written: one that leads nowhere must do so in its source as well."""
        parent, column = BY_NAME[ref.to], quote(ref.column)
        limits = [f"({where})", f"{column} IS NOT NULL", one_of(ref.column, sorted(NOTHING), negate=True)]
        if ref.when is not None:
            limits.append(one_of(ref.when[0], sorted(ref.when[1])))
        if target.knows_elsewhere(ref):
            of_kind = f"entity_type = {literal(ref.to)}"
            limits.append(f"NOT EXISTS (SELECT 1 FROM id_mapping WHERE public_id = child.{column} AND {of_kind})")
        lost = {
            value
            for (value,) in target.query(
                f"SELECT DISTINCT {column} FROM {by_key(table.name, 'child')} "
                f"WHERE {' AND '.join(limits)} AND NOT EXISTS "
                f"(SELECT 1 FROM {quote(ref.to)} parent WHERE parent.{quote(str(parent.id))} = child.{column})"
            )
        }
        if not lost:
            return
        with self._source_lock:
            there = list(work.source.rows(ref.to, (str(parent.id),), (In(str(parent.id), tuple(lost)),)))
        if there:
            yield f"{len(there)} {ref.column} in table {table.name} lead nowhere, but are there in {work.name}"
        else:
            self.warnings.append(
                f"{work.name}: {len(lost)} new {ref.column} in table {table.name} lead nowhere; carried as they are"
            )

    def _number(self, table: str, wanted: int, target: Database) -> Iterator[str]:
        rows = target.count(table)
        if rows > wanted:
            self._tell_others(table, rows - wanted)
        elif rows < wanted:
            yield f"table {table} has {rows} rows instead of {wanted}"

    def _tell_others(self, table: str, rows: int) -> None:
        """A Keystone that is only tried out before the cutover writes too: what it revokes, for instance."""
        self.warnings.append(
            f"table {table} has {rows} rows that no source brought: somebody else writes to the merged database, which "
            "is not cut over yet; they stay"
        )

    def _led(
        self, works: Sequence[SourceWork], dangling: Dangling, shared: bool, table: Table, target: Database
    ) -> Iterator[str]:
        """Every reference of a table leads somewhere, but for those that did not in their source."""
        covered = frozenset() if shared else _covered(table, target)
        for ref in table.refs:
            if ref.loose or ref.column not in target.tables()[table.name] or ref in covered:
                continue
            found = target.dangling(table.name, ref)
            lost, known = sum(found.values()), dangling.get((table.name, ref.column, ref.to), 0)
            self._checked("references", 1)
            if shared and lost > known:
                # Keystones that use it leave such references too; what a source has must be there.
                lost, known = sum(found[value] for value in self._in_sources(works, ref, list(found))), 0
            if lost > known:
                yield f"{lost} rows of table {table.name} have a {ref.column} that is nowhere, instead of {known}"

    def _in_sources(self, works: Sequence[SourceWork], ref: Ref, values: Sequence[Any]) -> set[Any]:
        """Those of *values* that a source has in the table that *ref* leads to."""
        id_ = str(BY_NAME[ref.to].id)
        with self._source_lock:
            return {
                value
                for work in works
                for start in range(0, len(values), READ_BACK)
                for (value,) in work.source.rows(ref.to, (id_,), (In(id_, tuple(values[start : start + READ_BACK])),))
            }

    def _declared(self, dangling: Dangling, target: Database) -> Iterator[str]:
        """The server's own foreign keys, which were not looked at while rows were written."""
        for name, columns, to, to_columns in target.foreign_keys():
            table = BY_NAME.get(name)
            if table is not None and len(columns) == 1 and any(_is(ref, columns[0], to) for ref in table.refs):
                continue
            joined = " AND ".join(
                f"parent.{quote(to_column)} = child.{quote(column)}" for column, to_column in zip(columns, to_columns)
            )
            given = " AND ".join(f"child.{quote(column)} IS NOT NULL" for column in columns)
            lost = target.query(
                f"SELECT COUNT(*) FROM {quote(name)} child WHERE {given} AND NOT EXISTS "
                f"(SELECT 1 FROM {quote(to)} parent WHERE {joined})"
            )[0][0]
            known = sum(rows for (child, column, _to), rows in dangling.items() if child == name and column in columns)
            self._checked("references", 1)
            if lost > known:
                yield f"{lost} rows of table {name} have a {' and '.join(columns)} that is nowhere"


def _wheres(primary: Sequence[str], keys: Sequence[Sequence[str]]) -> Iterator[str]:
    """Conditions for the rows with these keys, some at a time."""
    for start in range(0, len(keys), READ_BACK):
        yield " OR ".join(one_row(primary, key) for key in keys[start : start + READ_BACK])


def _covered(table: Table, target: Database) -> frozenset[Ref]:
    """References of a table that a declared key of several columns has in it, which is looked at by itself."""
    layout = target.layout(table.name)
    return frozenset(
        ref
        for name, columns, to, to_columns in target.foreign_keys()
        if name == table.name and len(columns) > 1 and not any(layout.column(column).nullable for column in columns)
        for column, to_column in zip(columns, to_columns)
        for ref in table.refs
        if _is(ref, column, to) and to_column == BY_NAME[to].id
    )


def _is(ref: Ref, column: str, to: str) -> bool:
    return (ref.column, ref.to, ref.when, ref.loose) == (column, to, None, False)


def _halves(marks: bytes) -> array[int]:
    found = array("I")
    found.frombytes(marks)
    if sys.byteorder == "little":
        found.byteswap()
    return found
