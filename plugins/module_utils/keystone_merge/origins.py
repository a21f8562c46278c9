# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""A source after its merge: what a row of the merged database was there, with the ids of the merged database."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.divergence import READ_ROWS, Key
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Ledger, translator
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    literal,
    one_row,
    quote,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME, Table
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import Merged

Fields = Dict[str, Any]
"""A row's values by their columns."""


def _fold(text: Any) -> Any:
    return text.casefold() if isinstance(text, str) else text


class Origin:
    """One source, its Keystone's own database."""

    def __init__(self, source: Database, merged: Merged, id_map: Iterable[tuple[str, str, str, str]]) -> None:
        """*id_map* is that of :meth:`State.id_map`."""
        self.source = source
        self.name = merged.name
        self._forth = Ledger(self.name, 0, offsets=dict(merged.offsets))
        self._back = Ledger(self.name, 0, offsets={table: -offset for table, offset in merged.offsets.items()})
        for kind, stack, old, new in id_map:
            if stack == self.name:
                self._forth.changed.setdefault(kind, {})[old] = new
                self._back.changed.setdefault(kind, {})[new] = old

    def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Fields]:
        """The rows with these keys of the merged database, as they are here."""
        layout = self.source.layout(table.name)
        columns = self.source.tables()[table.name]
        whole = [layout.column(name).whole for name in layout.primary]
        back = translator(table, layout.primary, self._back, _fold)
        wanted = [back(tuple(int(text) if is_number else text for text, is_number in zip(key, whole))) for key in keys]
        found: dict[Key, Fields] = {}
        for start in range(0, len(wanted), READ_ROWS):
            where = " OR ".join(
                one_row(layout.primary, [literal(value) for value in key])
                for key in wanted[start : start + READ_ROWS]
                if key is not None
            )
            names = ", ".join(quote(column) for column in columns)
            for row in self._translated(table, columns, f"SELECT {names} FROM {quote(table.name)} WHERE {where}"):
                found[tuple(str(row[name]) for name in layout.primary)] = row
        return found

    def records(self, table: str, ids: Sequence[Any], columns: Sequence[str], column: str) -> list[Fields]:
        """Some *columns* of the rows whose *column* has one of the ids of the merged database."""
        back = translator(BY_NAME[table], (column,), self._back, _fold)
        wanted = [row[0] for row in (back((id_,)) for id_ in ids) if row is not None]
        there = [name for name in columns if name in self.source.tables().get(table, ())]
        if column not in there:
            return []
        forth = translator(BY_NAME[table], there, self._forth, _fold)
        return [
            dict(zip(there, row))
            for row in map(forth, self.source.rows(table, there, (In(column, tuple(wanted)),)))
            if row is not None
        ]

    def _translated(self, table: Table, columns: Sequence[str], statement: str) -> list[Fields]:
        forth = translator(table, columns, self._forth, _fold)
        return [dict(zip(columns, row)) for row in map(forth, self.source.query(statement)) if row is not None]
