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
import functools
import re
import struct
import sys
import threading
import traceback
from array import array
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import (
    Collation,
    fingerprint,
    sql_fingerprint,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import resolver
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In, KeyRequest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    CASES,
    Column,
    Layout,
    Load,
    literal,
    literals,
    one_of,
    quote,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    ESSENTIAL,
    NOTHING,
    Ref,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import SchemaVersion, version

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

FEW_PARENTS = 8
"""How many times more rows than ids there must be for the ids to be compared by their fingerprints."""

FETCH_ROWS = 1000
"""Rows taken from a server at a time."""

_CONNECT_SECONDS = 10
_ACCESS_DENIED = (1044, 1045, 1130, 1142, 1143, 1227, 1698)
_NO_DATABASE = (1049,)
_NO_SERVER = (2002, 2003, 2005)
_LOST = (2006, 2013, 2014, 2055)
_FULL = (28, 1021, 1114, 3)
_CHANGED = (1412,)
_RETRIED = (1205, 1213)


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


class RetryError(MergeError):
    """The transaction was taken back for another's sake (a deadlock, a conflict in a Galera cluster): do it again."""


def again(login: Login, detail: str, what: str) -> str:
    """The message for what went wrong on a server in the middle of the work."""
    return (
        f"{login.name} ({login.address}): {what}: {detail}. What was committed stays, and the run goes on from there "
        "when it is started again; no source was changed"
    )


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
        if code in _RETRIED:
            raise RetryError(again(login, detail, "another transaction came first")) from error
        if code in _LOST or isinstance(error, pymysql.err.InterfaceError):
            raise MergeError(again(login, detail, "the connection was lost")) from error
        if code in _FULL:
            raise MergeError(again(login, detail, "the disk of the server is full")) from error
        if code in _CHANGED:
            raise MergeError(again(login, detail, "the schema was changed while it was read")) from error
        raise MergeError(again(login, detail, f"error {code}")) from error
    except OSError as error:
        raise MergeError(f"{login.name} ({login.address}): {error}. Check ca_cert and the network") from error


def _converters() -> dict[Any, Any]:
    """The driver's encoders, and of its decoders those of whole numbers alone."""
    types = pymysql.constants.FIELD_TYPE
    chosen: dict[Any, Any] = dict(pymysql.converters.encoders)
    for whole in (types.TINY, types.SHORT, types.INT24, types.LONG, types.LONGLONG):
        chosen[whole] = int
    return chosen


@dataclass(frozen=True)
class Comparison:
    """How the merged database compares names."""

    charset: str
    collation: str
    pads: bool
    fold: Collation

    def weight(self, text: str) -> str:
        """The SQL for what :meth:`Collation.fold` gives."""
        weighed = f"WEIGHT_STRING(CONVERT({text} USING {self.charset}) COLLATE {self.collation})"
        space = f"WEIGHT_STRING(CONVERT(' ' USING {self.charset}) COLLATE {self.collation})"
        # RTRIM would leave what counts as a space and is none.
        return f"TRIM(TRAILING {space} FROM {weighed})" if self.pads else weighed


_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"})
_UTF8 = frozenset({"utf8", "utf8mb3", "utf8mb4", "ascii"})
_LOADED_BYTES = 1 << 20
_MANY = 5000
"""Values of one condition."""
_SAMPLE = "\u00c9a \u00df\u00a0"
"""Characters of several levels of weight, and one at the end that some collations take for a space."""


def _column(name: str, kind: str, column_type: str, nullable: str, charset: str | None) -> Column:
    """What ``information_schema.columns`` says of a column."""
    values: tuple[str, ...] = ()
    if kind == "enum":
        values = tuple(value.replace("''", "'") for value in re.findall(r"'((?:[^']|'')*)'", column_type))
    return Column(
        name,
        whole=kind in _WHOLE,
        binary=kind in _BINARY,
        nullable=nullable == "YES",
        foreign=charset is not None and charset not in _UTF8,
        values=values,
        wide=charset == "utf8mb4",
    )


def _condition(one: In) -> str:
    return one_of(one.column, one.values, one.negate)


def _where(conditions: Sequence[In]) -> str:
    return " WHERE " + " AND ".join(_condition(one) for one in conditions) if conditions else ""


@functools.lru_cache(maxsize=None)
def _connection_class() -> Any:
    """The driver's connection, but for one thing: the certificates of the system are read once, which takes 35 ms."""

    class Connection(pymysql.connections.Connection):
        def _create_ssl_ctx(self, sslp: Any) -> Any:
            known = tuple(sorted(sslp.items()))
            if known not in contexts:
                contexts[known] = getattr(super(), "_create_ssl_ctx")(sslp)  # noqa: B009
            return contexts[known]

    contexts: dict[tuple[tuple[str, Any], ...], Any] = {}
    return Connection


_SETTINGS = (
    # Dates that an old server took are carried as they are; a backslash quotes, as QUOTE has it.
    "sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
    # The other side is written in between: the server waits with the rest of an answer.
    "net_write_timeout = 3600",
    "wait_timeout = 28800",
    "group_concat_max_len = 1073741824",
    "sql_select_limit = 18446744073709551615",
)
"""What every connection sets, as a server's own settings can be others."""


class Database:
    """One Keystone database on one connection. Is a :class:`population.Population` once :attr:`comparison` is set."""

    def __init__(self, login: Login, like: Database | None = None) -> None:
        """Connect. *like* is a connection to the same database that has read what tables there are."""
        self.login = login
        self.comparison: Comparison | None = None
        with clear_errors(login):
            self._connection: Any = _connection_class()(
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
                local_infile=True,
                init_command=f"SET SESSION {', '.join(_SETTINGS)}",
            )
        # The server may take rows in load() alone, and never a file.
        setattr(self._connection, "_local_infile", False)  # noqa: B010
        self._layouts: dict[str, Layout] | None = None if like is None else like.layouts()
        self._indexed: frozenset[tuple[str, str]] | None = None
        self._weighs: bool | None = None
        self._longest: int | None = None

    def close(self) -> None:
        """Let go of the connection; what was not committed is gone."""
        with contextlib.suppress(pymysql.err.Error):
            self._connection.close()

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement's answer."""
        with clear_errors(self.login), self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def execute(self, statement: str | bytes, values: Sequence[Any] = ()) -> int:
        """Run a statement and give how many rows it touched."""
        with clear_errors(self.login), self._connection.cursor() as cursor:
            return int(cursor.execute(statement, values or None))

    def load(self, load: Load) -> None:
        """Run a LOAD DATA, whose rows go to the server from memory.

        The driver would open whatever file the server names; here it gets these rows and nothing else. A server takes
        a row that it should refuse for a warning: that is an error here.
        """
        connection = self._connection
        statement = load.statement.format(charset="utf8mb4" if self._is_wide() else "utf8")
        size = min(_LOADED_BYTES, self.longest() // 2)
        with clear_errors(self.login):
            connection._execute_command(pymysql.constants.COMMAND.COM_QUERY, statement)  # noqa: SLF001
            if not connection._read_packet().is_load_local_packet():  # noqa: SLF001
                raise MergeError(f"{self.login.name} ({self.login.address}): the server did not ask for the rows")
            for start in range(0, len(load.data), size):
                connection.write_packet(load.data[start : start + size])
            connection.write_packet(b"")
            packets: Any = pymysql.connections
            done = packets.OKPacketWrapper(connection._read_packet())  # noqa: SLF001
        if done.affected_rows != load.rows or done.warning_count:
            raise MergeError(
                f"{self.login.name} ({self.login.address}): of {load.rows} rows the server took {done.affected_rows}: "
                + "; ".join(str(warning[2]) for warning in self.query("SHOW WARNINGS LIMIT 3"))
            )

    def _session(self, *statements: str) -> None:
        for statement in (
            # Nothing is converted on the way where all is of three bytes at most anyway.
            *(() if self._is_wide() else ("SET NAMES utf8",)),
            *statements,
        ):
            self.query(statement)

    def _is_wide(self) -> bool:
        """Whether a column holds characters of four bytes; who knows where there are no tables yet."""
        layouts = self.layouts()
        return not layouts or any(column.wide for layout in layouts.values() for column in layout.columns)

    def begin_reading(self) -> None:
        """Start a transaction that sees everything as it is at this moment."""
        self._session(
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        )

    def begin_writing(self) -> None:
        """Make the connection one that writes; every batch is a transaction of its own."""
        self._session(
            # No locks on gaps: two sources are written at a time.
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            # Rows arrive before those that they refer to; every reference is verified in the end.
            "SET SESSION foreign_key_checks = 0",
            "SET SESSION autocommit = 0",
        )

    def begin_checking(self) -> None:
        """Make the connection one that reads what is committed."""
        self._session("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def commit(self) -> None:
        """Make everything that was written since the last time there for all, or raise and leave nothing of it."""
        with clear_errors(self.login):
            self._connection.commit()

    def rollback(self) -> None:
        """Undo everything since the last commit."""
        with contextlib.suppress(pymysql.err.Error):
            self._connection.rollback()

    def variable(self, name: str) -> str | None:
        """A variable of the server, or None where it has none of that name."""
        found = self.query("SHOW VARIABLES WHERE Variable_name = %s", (name,))
        return str(found[0][1]) if found else None

    def longest(self) -> int:
        """Bytes of the longest statement, or answer, of the server."""
        if self._longest is None:
            self._longest = int(self.variable("max_allowed_packet") or 16 << 20)
        return self._longest

    def status(self, *names: str) -> dict[str, str]:
        """Values of the server's status."""
        return dict(
            self.query("SHOW GLOBAL STATUS WHERE Variable_name IN ({})".format(", ".join(["%s"] * len(names))), names)
        )

    def session_status(self, like: str) -> dict[str, str]:
        """Values of the status of this connection."""
        return dict(self.query("SHOW SESSION STATUS LIKE %s", (like,)))

    def log_events(self, file: str, position: int) -> Iterator[bytes]:
        """The events of the server's binary log from a place in it to its end, as a replica gets them.

        The connection serves for nothing else afterwards. Needs the right REPLICATION SLAVE.
        """
        # Sums as the server keeps them, and events as they are in the log.
        self.query("SET @master_binlog_checksum = @@GLOBAL.binlog_checksum, @mariadb_slave_capability = 4")
        # Without waiting for more; number 0 is no replica's, whose connection the server would end.
        dump = struct.pack("<IHI", position, 1, 0) + file.encode("utf-8")
        connection = self._connection
        with clear_errors(self.login):
            connection._execute_command(pymysql.constants.COMMAND.COM_BINLOG_DUMP, dump)  # noqa: SLF001
            while True:
                packet = connection._read_packet()  # noqa: SLF001
                if packet.is_eof_packet():
                    return
                yield packet.get_all_data()[1:]

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """Tables and their columns, in order."""
        return {table: tuple(column.name for column in layout.columns) for table, layout in self.layouts().items()}

    def layout(self, table: str) -> Layout:
        """What is known of a table's columns and key.

        :raises MergeError: it has no primary key.
        """
        layout = self.layouts()[table]
        if not layout.primary:
            raise MergeError(
                f"{self.login.name} ({self.login.address}): table {table} has no primary key, by which its rows could "
                "be told apart"
            )
        return layout

    def layouts(self) -> dict[str, Layout]:
        """What is known of all tables; read once."""
        if self._layouts is not None:
            return self._layouts
        columns: dict[str, list[Column]] = {}
        for table, name, kind, column_type, nullable, charset in self.query(
            "SELECT table_name, column_name, data_type, column_type, is_nullable, character_set_name "
            "FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position",
            (self.login.database,),
        ):
            columns.setdefault(table, []).append(_column(name, kind, column_type, nullable, charset))
        primary: dict[str, list[str]] = {}
        for table, name in self.query(
            "SELECT table_name, column_name FROM information_schema.key_column_usage WHERE table_schema = %s "
            "AND constraint_name = 'PRIMARY' ORDER BY table_name, ordinal_position",
            (self.login.database,),
        ):
            primary.setdefault(table, []).append(name)
        sizes = {
            table: (int(size or 0) or 100, int(rows or 0))
            for table, size, rows in self.query(
                "SELECT table_name, avg_row_length, table_rows FROM information_schema.tables WHERE table_schema = %s",
                (self.login.database,),
            )
        }
        self._layouts = {
            table: Layout(table, tuple(found), tuple(primary.get(table, ())), *sizes.get(table, (100, 0)))
            for table, found in columns.items()
        }
        return self._layouts

    def rows(
        self, table: str, columns: Sequence[str], where: Sequence[In] = (), limit: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Rows as the server sends them, a few at a time. One such reading at a time.

        Who wants some alone says how many: the others would be sent, too.
        """
        names = ", ".join(quote(column) for column in columns)
        most = "" if limit is None else f" LIMIT {limit}"
        return self.stream(f"SELECT {names} FROM {quote(table)}{_where(where)}{most}")

    def stream(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """The rows of an answer, a few at a time."""
        with clear_errors(self.login), self._connection.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute(statement)
            while True:
                fetched = cursor.fetchmany(FETCH_ROWS)
                if not fetched:
                    return
                yield from fetched

    def count(self, table: str, where: Sequence[In] = ()) -> int:
        """How many rows a table has."""
        return int(self.query(f"SELECT COUNT(*) FROM {quote(table)}{_where(where)}")[0][0])

    def largest(self, table: str, column: str) -> int:
        """The largest number in a column, 0 without rows."""
        return int(self.query(f"SELECT COALESCE(MAX({quote(column)}), 0) FROM {quote(table)}")[0][0])

    def hashes(self, request: KeyRequest) -> Sequence[int]:
        """64 bits for each key, equal where the merged database takes the keys for equal; keys with NULL left out."""
        bits = self._bits(request)
        if bits is None:
            return array("Q", (value for value, _row in self.weighed(request, ())))
        found = array("Q")
        source = f"FROM {quote(request.table)}{self._key_where(request, bits)}"
        # One value instead of a row for each, where the server need not cut it.
        rows, text = self.query(f"SELECT COUNT(*), GROUP_CONCAT(LPAD(HEX({bits}),16,'0') SEPARATOR '') {source}")[0]
        if rows and len(text) == 16 * rows:
            found.frombytes(bytes.fromhex(text))
            if sys.byteorder == "little":
                found.byteswap()
        elif rows:
            found.extend(row[0] for row in self.stream(f"SELECT {bits} {source}"))
        return found

    def matching(
        self, request: KeyRequest, hashes: frozenset[int], columns: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows whose keys have one of *hashes*."""
        bits = self._bits(request)
        if bits is None or len(hashes) > _MANY:
            for value, row in self.weighed(request, columns):
                if value in hashes:
                    yield row
            return
        names = ", ".join(quote(column) for column in columns)
        chosen = ",".join(str(value) for value in hashes)
        condition = f"{self._key_where(request, bits)} AND {bits} IN ({chosen})"
        yield from self.stream(f"SELECT {names} FROM {quote(request.table)}{condition}")

    def dangling(self, table: str, ref: Ref) -> Mapping[Any, int]:
        """Values of a reference that lead nowhere in this database, and how many rows have each.

        Users and groups of LDAP need no row of their own: ``id_mapping`` knows them.
        """
        parent = BY_NAME[ref.to]
        if ref.to not in self.tables():
            return {}
        column = quote(ref.column)
        conditions = [f"child.{column} IS NOT NULL"]
        if table == "role":
            conditions.append(f"child.{column} NOT IN ({literals(sorted(NOTHING))})")
        if ref.when is not None:
            conditions.append(f"child.{quote(ref.when[0])} IN ({literals(sorted(ref.when[1]))})")
        key = quote(str(parent.id))
        few = self.layouts()[table].rows > FEW_PARENTS * self.layouts()[ref.to].rows
        if few and len(conditions) == 1 and (table, ref.column) in self._first_of_index():
            # Each value of an index is looked at once, however many rows have it.
            values = f"(SELECT DISTINCT {column} FROM {quote(table)})"
            lost = self._nowhere(f"child.{column}", values, ref, conditions)
            return dict(
                self.query(
                    f"SELECT child.{column}, COUNT(*) FROM ({lost}) lost JOIN {quote(table)} child USING ({column}) "
                    f"GROUP BY child.{column}"
                )
            )
        if few:
            missing = self._missing(table, ref, f"parent.{key}", conditions)
            if not missing:
                return {}
            conditions.append(f"{sql_fingerprint(f'child.{column}')} IN ({literals(missing)})")
        found = self._nowhere(f"child.{column}, COUNT(*)", quote(table), ref, conditions)
        return dict(self.query(f"{found} GROUP BY child.{column}"))

    def _nowhere(self, what: str, child: str, ref: Ref, conditions: Sequence[str]) -> str:
        """The SELECT of rows of *child* whose reference leads nowhere.

        A join costs half of what NOT IN does here: the server looks ids up one after another.
        """
        column, key = quote(ref.column), quote(str(BY_NAME[ref.to].id))
        joined = f"LEFT JOIN {quote(ref.to)} parent ON parent.{key} = child.{column}"
        wanted = [*conditions, f"parent.{key} IS NULL"]
        if self.knows_elsewhere(ref):
            joined += (
                f" LEFT JOIN id_mapping ON id_mapping.public_id = child.{column} "
                f"AND id_mapping.entity_type = {literal(ref.to)}"
            )
            wanted.append("id_mapping.public_id IS NULL")
        return f"SELECT {what} FROM {child} child {joined} WHERE {' AND '.join(wanted)}"

    def _first_of_index(self) -> frozenset[tuple[str, str]]:
        """(table, column) of columns with which an index begins; read once."""
        if self._indexed is None:
            self._indexed = frozenset(
                self.query(
                    "SELECT table_name, column_name FROM information_schema.statistics WHERE table_schema = %s "
                    "AND seq_in_index = 1 AND sub_part IS NULL",
                    (self.login.database,),
                )
            )
        return self._indexed

    def knows_elsewhere(self, ref: Ref) -> bool:
        """Whether ``id_mapping`` may know what *ref* leads to."""
        return ref.to in ("user", "group") and "id_mapping" in self.tables()

    def _missing(self, table: str, ref: Ref, key: str, conditions: Sequence[str]) -> set[int]:
        """Fingerprints of references that are no id's, letter by letter: all of those that lead nowhere, and more.

        The numbers of a few ids are compared much faster than the ids of many rows are looked up.
        """
        child = sql_fingerprint(f"child.{quote(ref.column)}")
        found = {
            number
            for (number,) in self.query(
                f"SELECT DISTINCT {child} FROM {quote(table)} child WHERE {' AND '.join(conditions)}"
            )
        }
        there = [f"SELECT {sql_fingerprint(key)} FROM {quote(ref.to)} parent"]
        if self.knows_elsewhere(ref):
            there.append(f"SELECT {sql_fingerprint('public_id')} FROM id_mapping WHERE entity_type = {literal(ref.to)}")
        return found.difference(*([number for (number,) in self.query(statement)] for statement in there))

    def _bits(self, request: KeyRequest) -> str | None:
        """The SQL for the bits of a key, or None where this server cannot say them."""
        comparison = self.comparison
        if comparison is None or any(len(changed) > CASES for changed in request.changed.values()):
            return None
        if self._weighs is None:
            self._weighs = self._can_weigh(comparison)
        if not self._weighs:
            return None
        layout = self.layout(request.table)
        parts: list[str] = []
        for name in request.columns:
            shift = request.shift.get(name, 0)
            text = f"{quote(name)}+{shift}" if shift else quote(name)
            changed = request.changed.get(name)
            if changed:
                whens = " ".join(f"WHEN {literal(old)} THEN {literal(new)}" for old, new in changed.items())
                text = f"CASE {quote(name)} {whens} ELSE {text} END"
            part = f"CAST({text} AS CHAR)" if layout.column(name).whole else comparison.weight(text)
            parts.append(f"IFNULL({part},'\x02')" if request.null_equal else part)
        return sql_fingerprint(f"CONCAT_WS('\\0',{','.join(parts)})" if len(parts) > 1 else f"CONCAT({parts[0]})")

    def _key_where(self, request: KeyRequest, bits: str) -> str:
        conditions = [_condition(one) for one in request.where]
        if not request.null_equal:
            conditions.extend(f"{quote(name)} IS NOT NULL" for name in request.columns)
        if request.part[1] > 1:
            conditions.append(f"{bits} % {request.part[1]} = {request.part[0]}")
        return " WHERE " + " AND ".join(conditions or ["1"])

    def _can_weigh(self, comparison: Comparison) -> bool:
        """Whether this server knows the collation of the merged database, and weighs a text as its characters."""
        try:
            weight = self.query(f"SELECT {comparison.weight('%s')}", (_SAMPLE,))[0][0]
        except MergeError:
            return False
        return bool(weight == comparison.fold.fold(_SAMPLE))

    def weighed(self, request: KeyRequest, columns: Sequence[str]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """The bits of the keys, made in Python, and rows beside them."""
        if self.comparison is None:
            raise RuntimeError("how names are compared is not known yet")
        fold = self.comparison.fold
        resolvers = [
            resolver(request.changed.get(name, {}), request.shift.get(name, 0), fold.fold) for name in request.columns
        ]
        width = len(request.columns)
        for row in self.rows(request.table, (*request.columns, *columns), request.where):
            values = [None if value is None else resolve(value) for value, resolve in zip(row, resolvers)]
            if None in values and not request.null_equal:
                continue
            weights = [
                b"\x02" if value is None else str(value).encode() if isinstance(value, int) else fold.fold(value)
                for value in values
            ]
            bits = fingerprint(b"\0".join(weights))
            if bits % request.part[1] == request.part[0]:
                yield bits, row[width:]

    def schema_version(self) -> SchemaVersion:
        """What the database says of its schema."""
        heads: list[str] = []
        repositories: list[tuple[str, int]] = []
        if "alembic_version" in self.tables():
            heads = [str(row[0]) for row in self.query("SELECT version_num FROM alembic_version")]
        if "migrate_version" in self.tables():
            found = self.query("SELECT repository_id, version FROM migrate_version")
            repositories = [(str(name), int(number)) for name, number in found]
        return version(heads, repositories)

    def identity(self) -> str:
        """The same for every way to this database: by host, address or socket, through any member of a Galera."""
        variables = dict(
            self.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'hostname', 'port', 'datadir')")
        )
        galera = self.status("wsrep_cluster_state_uuid")
        server = (
            galera.get("wsrep_cluster_state_uuid")
            or variables.get("server_uuid")
            or "{}:{}:{}".format(variables["hostname"], variables["port"], variables["datadir"])
        )
        return f"{server}/{self.login.database}"

    def position(self) -> str | None:
        """How far the server was: the last write of its Galera cluster, or of its binary log; None where it keeps none.

        To be asked right after :meth:`begin_reading`; for people, who look for what came later.
        """
        galera = self.status("wsrep_cluster_state_uuid", "wsrep_last_committed")
        if galera.get("wsrep_cluster_state_uuid"):
            return "{wsrep_cluster_state_uuid}:{wsrep_last_committed}".format(**galera)
        return self.variable("gtid_binlog_pos") or self.variable("gtid_executed") or None

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


def comparison_of(login: Login, database: Database) -> tuple[Comparison, Callable[[], None]]:
    """How *database* compares names, and what closes the connection of its own that this takes."""
    charset, collation = database.collation()
    pads = database.query(
        f"SELECT CONVERT('a' USING {charset}) COLLATE {collation} = CONVERT('a ' USING {charset}) COLLATE {collation}"
    )[0][0]
    side = Database(login)
    # Several sources are asked at the same time, and all compare names by this one.
    turn = threading.Lock()
    expression = f"HEX(WEIGHT_STRING(CONVERT(%s USING {charset}) COLLATE {collation}))"

    def weigh(texts: Sequence[str]) -> Sequence[bytes]:
        with turn:
            row = side.query("SELECT " + ", ".join([expression] * len(texts)), texts)[0]
        # What the character set does not have would all be `?`.
        wide = charset in ("utf8", "utf8mb3")
        return [
            text.encode("utf-8") if wide and max(text) > "\uffff" else binascii.unhexlify(weight or "")
            for text, weight in zip(texts, row)
        ]

    return Comparison(charset, collation, bool(pads), Collation(weigh, bool(pads))), side.close
