# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What changed in a source since the last run, from its server's binary log: in time that follows what was written.

Not every server keeps such a log, or one that holds all; then there is a reason, and all rows are compared. A foreign
key's own deletes and updates are in no log (InnoDB does them by itself): deletes show in the number of rows, which is
compared anyway, and tables of which rows may have been updated so are compared row by row.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Iterator, Mapping, Optional

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.binlog import (
    Known,
    Place,
    Reading,
    Touched,
    UnreadableLogError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    UnreachableError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import Layout, quote
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME

MOST_BYTES = 64 << 20
"""Of a log that are read: what other databases of the server write is read as well."""

RIGHTS = "the rights REPLICATION SLAVE and BINLOG MONITOR (REPLICATION CLIENT before MariaDB 10.5)"

_SETTINGS = ("log_bin", "log_slave_updates", "wsrep_on", "gtid_slave_pos", "hostname", "port", "datadir", "server_id")

Changed = Mapping[str, Optional[Touched]]
"""What was written of each table; None where that is not known. Tables that are not there were not written."""


@dataclass(frozen=True)
class LogMark:
    """How far a source was read: the *place* in the binary log of a *server*, whose file was begun at *born*.

    The database is named beside the server.
    """

    server: str
    place: Place
    born: int

    def text(self) -> str:
        """To be read again by :meth:`of`."""
        return json.dumps([self.server, self.place.file, self.place.position, self.born])

    @classmethod
    def of(cls, text: str) -> LogMark:
        """The opposite of :meth:`text`."""
        server, file, position, born = json.loads(text)
        return cls(server, Place(file, position), born)


def mark(source: Database) -> LogMark:
    """Where a source is. To be asked after :meth:`Database.begin_reading`: it is the place of that snapshot.

    :raises UnreadableLogError: its log cannot be used, and why.
    """
    settings = {name: source.variable(name) or "" for name in _SETTINGS}
    if settings["log_bin"] != "ON":
        raise UnreadableLogError("the server keeps none (log_bin)")
    if settings["log_slave_updates"] != "ON" and (settings["wsrep_on"] == "ON" or settings["gtid_slave_pos"]):
        raise UnreadableLogError("what other servers wrote is not in it (log_slave_updates)")
    status = source.session_status("Binlog_snapshot_%")
    if not status.get("Binlog_snapshot_file"):
        raise UnreadableLogError("the server does not tell the place of a snapshot in it, as MariaDB does")
    place = Place(status["Binlog_snapshot_file"], int(status["Binlog_snapshot_position"]))
    with _another(source) as reader:
        filters = reader.query("SHOW MASTER STATUS")
        if not filters or any(filters[0][2:4]):
            raise UnreadableLogError("it does not hold all databases (binlog_do_db, binlog_ignore_db)")
        reading = Reading(source.login.database, {}, place, place)
        reading.take(reader.log_events(place.file, place.position), MOST_BYTES)
    server = "{hostname}:{port}:{datadir}:{server_id}".format(**settings)
    return LogMark(f"{server}/{source.login.database}", place, reading.born or 0)


def changed(source: Database, earlier: LogMark, now: LogMark) -> Changed:
    """What was written between two marks.

    :raises UnreadableLogError: that cannot be told, and why.
    """
    if earlier.server != now.server:
        raise UnreadableLogError(f"the last run read another database, {earlier.server}")
    keys = source.foreign_keys()
    if not keys:
        raise UnreadableLogError("the foreign keys of the database are not shown to this login")
    referenced: dict[str, set[str]] = defaultdict(set)
    children: dict[str, set[str]] = defaultdict(set)
    for table, _columns, to, to_columns in keys:
        referenced[to].update(to_columns)
        children[to].add(table)
    known = {
        name: _known(source.layout(name), referenced[name])
        for name in source.tables()
        if name in BY_NAME and source.layouts()[name].primary
    }
    reading = Reading(source.login.database, known, earlier.place, now.place)
    with _another(source) as reader:
        reading.take(reader.log_events(earlier.place.file, earlier.place.position), MOST_BYTES)
    if reading.born != earlier.born:
        raise UnreadableLogError("it was begun anew since the last run")
    return {**reading.touched, **dict.fromkeys(_unlogged(source, children, reading.touched))}


@contextlib.contextmanager
def _another(source: Database) -> Iterator[Database]:
    """A connection of its own, on which what goes wrong with the log is a reason to do without."""
    reader = Database(source.login, source)
    try:
        yield reader
    except UnreachableError as error:
        raise UnreadableLogError(f"the login lacks {RIGHTS}") from error
    except MergeError as error:
        raise UnreadableLogError(f"it cannot be read: {error}") from error
    finally:
        reader.close()


def _known(layout: Layout, referenced: set[str]) -> Known:
    names = [column.name for column in layout.columns]
    key = tuple((names.index(name), layout.column(name).values) for name in layout.primary)
    if any(layout.column(name).foreign for name in layout.primary):
        raise UnreadableLogError(f"the keys of table {layout.table} are of another character set")
    return Known(len(names), key, frozenset(names.index(name) for name in referenced))


_RULE = re.compile(
    r"FOREIGN KEY \([^)]*\) REFERENCES `((?:[^`]|``)+)` \([^)]*\)"
    r"(?: ON DELETE (CASCADE|SET NULL|SET DEFAULT|RESTRICT|NO ACTION))?"
    r"(?: ON UPDATE (CASCADE|SET NULL|SET DEFAULT|RESTRICT|NO ACTION))?"
)


def _unlogged(source: Database, children: Mapping[str, set[str]], touched: Mapping[str, Touched]) -> set[str]:
    """Tables of which a foreign key may have updated rows. *children* are the tables that refer to each."""
    deleted = [table for table, one in touched.items() if one.deleted]
    moved = [table for table, one in touched.items() if one.moved]
    seen_deleted, seen_moved, updated = set(deleted), set(moved), set()
    while deleted or moved:
        is_deleted = bool(deleted)
        parent = deleted.pop() if is_deleted else moved.pop()
        for child in children.get(parent, ()):
            rules = [rule for rule in _rules(source, child) if rule[0] == parent]
            for action in {rule[1 if is_deleted else 2] for rule in rules}:
                if action.startswith("SET") or (action == "CASCADE" and not is_deleted):
                    updated.add(child)
                    if child not in seen_moved:
                        seen_moved.add(child)
                        moved.append(child)
                elif action == "CASCADE" and child not in seen_deleted:
                    seen_deleted.add(child)
                    deleted.append(child)
    return updated


def _rules(source: Database, table: str) -> list[tuple[str, str, str]]:
    """(table referred to, rule of delete, rule of update) of a table's foreign keys, as who may only read sees them."""
    statement = source.query(f"SHOW CREATE TABLE {quote(table)}")[0][1]
    return [(to.replace("``", "`"), delete, update) for to, delete, update in _RULE.findall(statement)]
