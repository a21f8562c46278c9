# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Whether what changed in the sources leaves the plan of an earlier run as it is.

A plan says which rows of several stacks are one thing, and follows from their ids and names alone. As long as no row
that had met another changes, no row that was left out does, and what came meets nothing, the same plan would be made
again. Where that is not certain, all is planned anew: every answer here may be a false alarm, none may be a false calm.
"""

from __future__ import annotations

from typing import Any, Collection, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import fingerprint
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, Ledger
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    NUL,
    NULL_MARK,
    ROW_END,
    by_key,
    literal,
    one_of,
    one_row,
    quote,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    EXPENDABLE,
    TABLES,
    VERSION_TABLES,
    Rule,
    Table,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.sync import Change, SourceWork, TableWork

FOLLOWED = frozenset(
    {
        "project",
        "project_tag",
        "project_option",
        "user",
        "local_user",
        "password",
        "nonlocal_user",
        "user_option",
        "group",
        "user_group_membership",
        "assignment",
        "system_assignment",
        "credential",
        "trust",
        "trust_role",
        "application_credential",
        "application_credential_role",
        "revocation_event",
    }
)
"""Tables of clouds in use, whose changes are looked at one by one; a change in any other lets all be planned anew."""

MOST = 20000
"""With more rows left out than these they are not summed up."""

_TOGETHER = 200
"""Rows that are looked up at a time."""

_ACTORS = ("assignment", "system_assignment")


def outside(source: Database, ledger: Ledger) -> int | None:
    """A sum of the rows of a source that are left out, as far as names and ids go; None where they are very many."""
    if sum(map(len, (*ledger.left_out.values(), *ledger.absorbed.values()))) > MOST:
        return None
    total = 0
    for table in TABLES:
        if table.name not in source.tables():
            continue
        names = _telling(table, source.tables()[table.name])
        columns = ", ".join(map(quote, names))
        for where in _left_out(table, ledger):
            for row in source.query(f"SELECT {columns} FROM {quote(table.name)} WHERE {where}"):
                text = NUL.join(NULL_MARK if value is None else str(value) for value in (table.name, *row))
                total += fingerprint(text.encode("utf-8", "surrogatepass"))
    return total


def _telling(table: Table, columns: Sequence[str]) -> list[str]:
    """The columns from which it follows what becomes of a row."""
    if table.rule is Rule.SAME or table.whole:
        return list(columns)
    wanted = {"name", table.id, table.auto, table.part_of, table.first, table.rename, *table.identity}
    wanted.update(column for key in table.keys for column in key.columns)
    wanted.update(column for ref in table.refs for column in (ref.column, ref.when[0] if ref.when else None))
    return [column for column in columns if column in wanted]


def _left_out(table: Table, ledger: Ledger) -> Iterator[str]:
    rows = sorted(ledger.left_out.get(table.name, ()), key=repr)
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        if len(table.identity) == 1:
            yield one_of(table.identity[0], [row[0] for row in some])
        else:
            yield " OR ".join(one_row(table.identity, list(map(literal, row))) for row in some)
    owners = sorted(ledger.gone(table), key=repr)
    for start in range(0, len(owners), _TOGETHER):
        yield one_of(str(table.part_of), owners[start : start + _TOGETHER])


def has_room(source: Database, ledger: Ledger) -> bool:
    """Whether the numbers of a source still fit into the room that they have in the merged database."""
    return all(
        source.largest(table.name, table.auto) + ledger.offsets.get(table.name, 0)
        <= ledger.offsets.get(f"{table.name}.end", 0)
        for table in TABLES
        if table.auto is not None and table.auto in source.tables().get(table.name, ())
    )


def has_unknown(source: Database) -> bool:
    """Whether a source holds rows that no rule speaks of."""
    return any(
        source.query(f"SELECT 1 FROM {quote(table)} LIMIT 1")
        for table in source.tables()
        if table not in BY_NAME and table not in VERSION_TABLES and table not in EXPENDABLE
    )


class Following:
    """Looks at what changed: *target* is the merged database as it is before that is carried."""

    def __init__(self, target: Database, fold: Fold, planned: Plan) -> None:
        self._target = target
        self._fold = fold
        self._met = {
            table: frozenset(tuple(literal(str(value)) for value in identity) for identity in met)
            for table, met in planned.met.items()
        }
        self._met_users = frozenset(identity[0] for identity in self._met.get("user", ()))

    def holds(self, works: Sequence[SourceWork], changes: Sequence[Mapping[str, Change]]) -> bool:
        """Whether the plan stays as it is."""
        touched = {table for changed in changes for table in changed}
        if not touched <= FOLLOWED or any(work.is_first or (work and not work.found) for work in works):
            return False
        return all(self._table_holds(BY_NAME[table], works, changes) for table in sorted(touched))

    def _table_holds(self, table: Table, works: Sequence[SourceWork], changes: Sequence[Mapping[str, Change]]) -> bool:
        found = [changed.get(table.name, Change()) for changed in changes]
        primary = self._target.layout(table.name).primary
        before = {key for change in found for key in (*change.changed, *change.removed)}
        after = {key for change in found for key in (*change.added, *change.changed)}
        if any(self._has_met(table, primary, key) for key in before | after):
            return False
        come = [rows for work in works for rows in _come(work, table)]
        if None in come:
            return False
        rows = [row for several in come if several is not None for row in several]
        if self._is_special(table, primary, before, rows):
            return False
        added = [tuple(key) for change in found for key in change.added]
        removed = {key for change in found for key in change.removed}
        if len({tuple(map(self._fold, key)) for key in added}) < len(added):
            return False
        if self._taken(table.name, primary, added, removed):
            return False
        return not any(self._meets(table, columns, rows, before) for columns in _keys(table, rows))

    def _has_met(self, table: Table, primary: Sequence[str], key: tuple[str, ...]) -> bool:
        """Whether a row met another, or says something of a user who did."""
        values = dict(zip(primary, key))
        if table.name in _ACTORS and values["actor_id"] in self._met_users:
            return True
        return tuple(values.get(column, "") for column in table.identity) in self._met.get(table.name, ())

    def _is_special(
        self,
        table: Table,
        primary: Sequence[str],
        before: Collection[tuple[str, ...]],
        rows: Sequence[Mapping[str, str]],
    ) -> bool:
        """Whether it is about a domain, or the name of a user who met another."""
        if table.name == "project":
            column, met = "is_domain", frozenset({literal("1")})
        elif table.name in BY_NAME["user"].names:
            column, met = "user_id", self._met_users
        else:
            return False
        if any(literal(row[column]) in met for row in rows):
            return True
        return any(literal(str(value)) in met for (value,) in self._look(table.name, (column,), primary, before))

    def _meets(
        self,
        table: Table,
        columns: Sequence[str],
        rows: Sequence[Mapping[str, str]],
        before: Collection[tuple[str, ...]],
    ) -> bool:
        """Whether two rows have one key of now on."""
        values = [tuple(row[column] for column in columns) for row in rows]
        values = [value for value in values if NULL_MARK not in value]
        if len({tuple(map(self._fold, value)) for value in values}) < len(values):
            return True
        keys = [tuple(map(literal, value)) for value in values]
        names = BY_NAME["user"].names
        others = [name for name in names if name != table.name] if table.name in names else []
        return self._taken(table.name, columns, keys, before) or any(
            self._taken(other, columns, keys, ()) for other in others if other in self._target.tables()
        )

    def _taken(
        self,
        table: str,
        columns: Sequence[str],
        keys: Collection[tuple[str, ...]],
        but: Collection[tuple[str, ...]],
    ) -> bool:
        """Whether a row has one of *keys*, but for rows with these primary keys."""
        primary = self._target.layout(table).primary
        return any(
            tuple(literal(str(value)) for value in row) not in but for row in self._look(table, primary, columns, keys)
        )

    def _look(
        self, table: str, wanted: Sequence[str], columns: Sequence[str], keys: Collection[tuple[str, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """Columns of the rows with these keys."""
        listed, names = list(keys), ", ".join(map(quote, wanted))
        source = by_key(table) if tuple(columns) == tuple(self._target.layout(table).primary) else quote(table)
        for start in range(0, len(listed), _TOGETHER):
            where = " OR ".join(one_row(columns, key) for key in listed[start : start + _TOGETHER])
            yield from self._target.query(f"SELECT {names} FROM {source} WHERE {where}")


def _come(work: SourceWork, table: Table) -> Iterator[list[dict[str, str]] | None]:
    """The rows that a source brings, column by column as text; None for some that are no text."""
    for one in work.tables:
        if one.reader.table is table:
            yield from _texts(work, one)


def _texts(work: SourceWork, one: TableWork) -> Iterator[list[dict[str, str]] | None]:
    columns = one.reader.columns
    for dirty in one.dirty:
        for rows in work.found[id(dirty)].rows:
            if rows.count:
                yield (
                    None
                    if rows.plain is None
                    else [dict(zip(columns, text.split(NUL))) for text in rows.plain.split(ROW_END)]
                )


def _keys(table: Table, rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    """The columns by which rows of a table can meet, but for the primary key."""
    if not rows:
        return
    if table.name in BY_NAME["user"].names:
        yield ("domain_id", "name")
    for key in table.keys:
        if all(column in rows[0] for column in key.columns) and set(key.columns) != set(table.identity):
            yield key.columns
