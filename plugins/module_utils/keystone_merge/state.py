# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What the merged database remembers: which source was merged when and from where, and which ids changed.

It lies in a database of its own on the target's server, and is written in the transaction of the merge, so that it
is there exactly when the merge is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    clear_errors,
    quote,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import batches

# Ids as long as Keystone's longest (region.id), compared byte for byte; a primary key, as Galera wants one.
_TABLES = {
    "source": """
        target VARCHAR(64) NOT NULL COMMENT 'merged database',
        name VARCHAR(128) NOT NULL COMMENT 'stack',
        region VARCHAR(255) NULL,
        identity VARCHAR(255) NOT NULL COMMENT 'server and database',
        address VARCHAR(255) NOT NULL COMMENT 'how it was reached',
        carried INT NOT NULL COMMENT 'rows',
        merged_at DATETIME NOT NULL COMMENT 'UTC',
        PRIMARY KEY (target, name)""",
    "id_map": """
        target VARCHAR(64) NOT NULL,
        source VARCHAR(128) NOT NULL,
        kind VARCHAR(64) NOT NULL COMMENT 'table',
        old_id VARCHAR(255) NOT NULL,
        new_id VARCHAR(255) NOT NULL,
        PRIMARY KEY (target, source, kind, old_id)""",
}


@dataclass(frozen=True)
class Merged:
    """A source that was merged: *identity* as :meth:`Database.identity`, *merged_at* in UTC."""

    name: str
    identity: str
    address: str
    merged_at: str


class State:
    """The tables of the state, through the connection of the target."""

    def __init__(self, target: Database, database: str) -> None:
        self._target = target
        self._database = database

    def _table(self, name: str) -> str:
        return f"{quote(self._database)}.{quote(name)}"

    def merged(self) -> dict[str, Merged]:
        """The sources that were merged, by name; none where there is no state yet."""
        there = self._target.query(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'source'",
            (self._database,),
        )
        if not there:
            return {}
        return {
            row[0]: Merged(*row)
            for row in self._target.query(
                "SELECT name, identity, address, merged_at FROM {} WHERE target = %s".format(self._table("source")),
                (self._target.login.database,),
            )
        }

    def prepare(self) -> None:
        """Make the tables. Not part of a transaction: the server commits where a table is made."""
        there = {
            row[0]
            for row in self._target.query(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (self._database,)
            )
        }
        if set(_TABLES) <= there:
            return
        known = self._target.query(
            "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (self._database,)
        )
        with clear_errors(self._target.login):
            if not known:
                self._target.query(f"CREATE DATABASE IF NOT EXISTS {quote(self._database)}")
            for name, columns in _TABLES.items():
                self._target.query(
                    f"CREATE TABLE IF NOT EXISTS {self._table(name)} ({columns}) "
                    "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin"
                )

    def claim(self, sources: Iterable[tuple[str, object, str, str, int]]) -> None:
        """Write down (name, region, identity, address, rows) of each source; a second run at the same time waits."""
        self._target.write(
            "INSERT INTO {} (target, name, region, identity, address, carried, merged_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP())".format(self._table("source")),
            [(self._target.login.database, *source) for source in sources],
        )

    def remember(self, changed: Iterator[tuple[str, str, str, str]], size: int) -> None:
        """Write down (kind, source, old id, new id)."""
        for batch in batches(changed, size):
            rows: list[tuple[str, ...]] = [
                (self._target.login.database, source, kind, old, new) for kind, source, old, new in batch
            ]
            self._target.write(
                "INSERT INTO {} (target, source, kind, old_id, new_id) VALUES (%s, %s, %s, %s, %s)".format(
                    self._table("id_map")
                ),
                rows,
            )
