# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Reading and writing the MySQL and MariaDB servers that hold Keystones.

Values pass as the server writes them: only whole numbers are decoded, so that dates, microseconds and texts arrive as
they left.
"""

from __future__ import annotations

import binascii
import contextlib
import traceback
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import Collation
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import ESSENTIAL

try:
    import pymysql
    import pymysql.converters
    import pymysql.cursors
except ImportError:
    HAS_PYMYSQL = False
    PYMYSQL_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    HAS_PYMYSQL = True
    PYMYSQL_IMPORT_ERROR = None

FETCH_ROWS = 1000
"""Rows taken from a server at a time."""

_CONNECT_SECONDS = 10
_ACCESS_DENIED = (1044, 1045, 1130, 1142, 1143, 1227, 1698)
_NO_DATABASE = (1049,)
_NO_SERVER = (2002, 2003, 2005)
_LOST = (2006, 2013, 2014, 2055)


@dataclass(frozen=True)
class Login:
    """Where a Keystone database is and how to get there. *host* and *port* do not count where *unix_socket* is set."""

    name: str
    host: str = "localhost"
    port: int = 3306
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    unix_socket: str | None = None
    ca_cert: str | None = None
    database: str = "keystone"
    region: str | None = None

    @property
    def address(self) -> str:
        """The database for people, without user and password."""
        server = self.unix_socket or f"{self.host}:{self.port}"
        return f"{self.database} at {server}"


class UnreachableError(MergeError):
    """The database is not there, or the login does not get to it."""


@contextlib.contextmanager
def clear_errors(login: Login) -> Iterator[None]:
    """Turn what the driver raises into one message that says what to do."""
    try:
        yield
    except pymysql.err.Error as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        detail = error.args[1] if len(error.args) > 1 else str(error)
        where = f"{login.name} ({login.address})"
        if code in _NO_SERVER:
            raise UnreachableError(
                f"{where}: no server answers: {detail}. Check login_host, login_port or login_unix_socket, and "
                "that the server runs"
            ) from error
        if code in _NO_DATABASE:
            raise UnreachableError(f"{where}: {detail}. Check the option database") from error
        if code in _ACCESS_DENIED:
            raise UnreachableError(
                f"{where}: the server refuses this login: {detail}. A source needs SELECT on its database; the "
                "target all rights on its own and on the one that keeps the state"
            ) from error
        if code in _LOST or isinstance(error, pymysql.err.InterfaceError):
            raise MergeError(
                f"{where}: the connection was lost: {detail}. What was not committed is rolled back; run it again"
            ) from error
        raise MergeError(f"{where}: {detail} (error {code}). What was not committed is rolled back") from error
    except OSError as error:
        raise MergeError(f"{login.name} ({login.address}): {error}. Check ca_cert and the network") from error


def quote(name: str) -> str:
    """*name* as an identifier in SQL."""
    return "`" + name.replace("`", "``") + "`"


def _converters() -> dict[Any, Any]:
    """The driver's encoders, and of its decoders those of whole numbers alone."""
    types = pymysql.constants.FIELD_TYPE
    chosen: dict[Any, Any] = dict(pymysql.converters.encoders)
    for whole in (types.TINY, types.SHORT, types.INT24, types.LONG, types.LONGLONG):
        chosen[whole] = int
    return chosen


class Database:
    """One Keystone database, read and (the target) written in one transaction. Is a :class:`planner.Reader`."""

    def __init__(self, login: Login) -> None:
        """Connect, and start a transaction that sees the database as it is at this moment."""
        self.login = login
        with clear_errors(login):
            self._connection = pymysql.connect(
                host=login.host,
                port=login.port,
                user=login.user,
                password=login.password or "",
                unix_socket=login.unix_socket,
                database=login.database,
                charset="utf8mb4",
                autocommit=True,
                ssl={"ca": login.ca_cert} if login.ca_cert else None,
                connect_timeout=_CONNECT_SECONDS,
                conv=_converters(),
            )
        self._tables: dict[str, tuple[str, ...]] | None = None

    def close(self) -> None:
        """Let go of the connection; what was not committed is gone."""
        with contextlib.suppress(pymysql.err.Error):
            self._connection.close()

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement's answer."""
        with clear_errors(self.login), self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def write(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of *rows*, many in one packet where it is an INSERT."""
        with clear_errors(self.login), self._connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    def begin(self, read_only: bool) -> None:
        """Start the transaction: everything read from here on is of one moment."""
        for statement in (
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ERROR_FOR_DIVISION_BY_ZERO'",
            # The other side is written in between: the server waits with the rest of an answer.
            "SET SESSION net_write_timeout = 3600",
            # Rows arrive before those that they refer to; every reference is verified before the commit.
            "SET SESSION foreign_key_checks = 0",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT" + (", READ ONLY" if read_only else ""),
        ):
            self.query(statement)

    def commit(self) -> None:
        """Make everything that was written since :meth:`begin` there for all, or raise and leave nothing."""
        with clear_errors(self.login):
            self._connection.commit()

    def rollback(self) -> None:
        """Undo everything since :meth:`begin`."""
        with contextlib.suppress(pymysql.err.Error):
            self._connection.rollback()

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """Tables and their columns, in order."""
        if self._tables is None:
            found: dict[str, list[str]] = {}
            for table, column in self.query(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s "
                "ORDER BY table_name, ordinal_position",
                (self.login.database,),
            ):
                found.setdefault(table, []).append(column)
            self._tables = {table: tuple(columns) for table, columns in found.items()}
        return self._tables

    def rows(
        self, table: str, columns: Sequence[str], where: tuple[str, Sequence[str]] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Rows as the server sends them, a few at a time. One such reading at a time."""
        statement = "SELECT {} FROM {}".format(", ".join(quote(column) for column in columns), quote(table))
        values: list[Any] | None = None
        if where is not None:
            statement += " WHERE {} IN ({})".format(quote(where[0]), ", ".join(["%s"] * len(where[1])))
            values = list(where[1])
        with clear_errors(self.login), self._connection.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute(statement, values)
            while True:
                fetched = cursor.fetchmany(FETCH_ROWS)
                if not fetched:
                    return
                yield from fetched

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.query(f"SELECT COUNT(*) FROM {quote(table)}")[0][0])

    def versions(self) -> frozenset[str]:
        """The schema's version: alembic's heads, or those of sqlalchemy-migrate before Yoga; none without a schema."""
        if "alembic_version" in self.tables():
            return frozenset(str(row[0]) for row in self.query("SELECT version_num FROM alembic_version"))
        if "migrate_version" in self.tables():
            return frozenset(
                "{} {}".format(*row) for row in self.query("SELECT repository_id, version FROM migrate_version")
            )
        return frozenset()

    def identity(self) -> str:
        """The same for every way to this database: by host, address or socket, through any member of a Galera."""
        with clear_errors(self.login):
            variables = dict(
                self.query(
                    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'hostname', 'port', 'datadir')"
                )
            )
            galera = dict(self.query("SHOW GLOBAL STATUS LIKE 'wsrep_cluster_state_uuid'"))
        server = (
            galera.get("wsrep_cluster_state_uuid")
            or variables.get("server_uuid")
            or "{}:{}:{}".format(variables["hostname"], variables["port"], variables["datadir"])
        )
        return f"{server}/{self.login.database}"

    def require_keystone(self) -> None:
        """Raise unless this is the database of a Keystone."""
        missing = sorted(ESSENTIAL - set(self.tables()))
        if missing:
            raise MergeError(
                "{} ({}): not a Keystone database: it has no table {}. Check the option database".format(
                    self.login.name, self.login.address, ", ".join(missing)
                )
            )

    def require_transactions(self) -> None:
        """Raise where a table would keep what a rollback should undo."""
        tables = [
            row[0]
            for row in self.query(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = %s "
                "AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'",
                (self.login.database,),
            )
        ]
        if tables:
            raise MergeError(
                "{} ({}): not InnoDB, so a failed merge could not be undone: table {}".format(
                    self.login.name, self.login.address, ", ".join(sorted(tables))
                )
            )

    def foreign_keys(self) -> list[tuple[str, tuple[str, ...], str, tuple[str, ...]]]:
        """The declared references: (table, columns, table referred to, its columns)."""
        found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        for table, name, column, to, to_column in self.query(
            "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name "
            "FROM information_schema.key_column_usage WHERE table_schema = %s AND referenced_table_name IS NOT NULL "
            "ORDER BY table_name, constraint_name, ordinal_position",
            (self.login.database,),
        ):
            found.setdefault((table, name, to), []).append((column, to_column))
        return [
            (table, tuple(column for column, _to in pairs), to, tuple(to_column for _column, to_column in pairs))
            for (table, _name, to), pairs in found.items()
        ]

    def collation(self) -> tuple[str, str]:
        """(character set, collation) of the names."""
        rows = self.query(
            "SELECT character_set_name, collation_name FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = 'project' AND column_name = 'name'",
            (self.login.database,),
        )
        return rows[0][0], rows[0][1]


def weigher(login: Login, database: Database) -> tuple[Collation, Callable[[], None]]:
    """How *database* compares names, and what closes the connection of its own that this takes."""
    charset, collation = database.collation()
    pads = database.query(
        f"SELECT CONVERT('a' USING {charset}) COLLATE {collation} = CONVERT('a ' USING {charset}) COLLATE {collation}"
    )[0][0]
    side = Database(login)
    expression = f"HEX(WEIGHT_STRING(CONVERT(%s USING {charset}) COLLATE {collation}))"

    def weigh(characters: Sequence[str]) -> Sequence[bytes]:
        row = side.query("SELECT " + ", ".join([expression] * len(characters)), characters)[0]
        # What the character set does not have would all be `?`.
        wide = charset in ("utf8", "utf8mb3")
        return [
            character.encode("utf-8") if wide and ord(character) > 0xFFFF else binascii.unhexlify(weight or "")
            for character, weight in zip(characters, row)
        ]

    return Collation(weigh, bool(pads)), side.close
