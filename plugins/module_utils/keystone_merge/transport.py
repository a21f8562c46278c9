# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Reading the rows of a source range by range, and writing them to the merged database batch by batch."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import AbstractSet, Any, Callable, Iterator, Optional, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    RetryError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import (
    Fold,
    Ledger,
    Translate,
    translator,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    NO_ROWS,
    NUL,
    ROW_END,
    Bound,
    Load,
    Rows,
    RowSql,
    in_order,
    insert_rows,
    insert_text,
    is_clean,
    key_first,
    literal,
    literals,
    load_rows,
    one_row,
    other_rows,
    quote,
    row_sql,
    rows_in_python,
    rows_of,
    sql_digest,
    within,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import TABLES, Table

CHUNK_ROWS = 1000
"""Rows of one range: few enough that a changed row is found quickly, enough that a range costs little."""

CHUNK_BYTES = 1 << 20
"""What the text of one range should not exceed."""

BATCH_BYTES = 8 << 20
"""What one transaction should not exceed."""

DELETED_ROWS = 200
"""Rows that one statement deletes."""

LOOKED_UP = 200
"""Rows that are looked up at a time."""

Key = Tuple[str, ...]
"""Values of a primary key, as texts."""

_NUMBERS = {table.name: number for number, table in enumerate(TABLES)}
_ENDS = 10
"""Ranges that are cut at a time."""
_DIGESTS = 20
"""Ranges whose digests one statement asks for: some 20 ms of a server."""
_TRIES = 6
_QUEUED = 6
_PAUSE_SECONDS = 2.0


class TooLongError(Exception):
    """The rows of a range do not fit into one answer of the source, or one statement of the target."""


@dataclass(frozen=True)
class Limits:
    """What the target's server takes: *packet* is the longest statement in bytes, *loads* whether clients may load."""

    packet: int = 16 << 20
    loads: bool = False

    @classmethod
    def of(cls, target: Database) -> Limits:
        """Those of a server."""
        return cls(target.longest(), target.variable("local_infile") == "ON")


@dataclass(frozen=True)
class Destination:
    """A table of the target, its *columns* as rows come. Two sources' are equal where their rows can go together.

    *by_text* says that the primary key begins with a text, *loads* that clients may load.
    """

    table: str
    columns: tuple[str, ...]
    nullable: frozenset[str]
    by_text: bool
    loads: bool

    def write(self, rows: Rows) -> str | Load:
        """The statement that writes rows."""
        if rows.plain is None:
            return insert_rows(self.table, self.columns, rows.text)
        if self.loads:
            return load_rows(self.table, self.columns, self.nullable, rows.plain, rows.count)
        return insert_rows(self.table, self.columns, insert_text(rows.plain))

    def write_all(self, many: Sequence[Rows]) -> list[str | Load]:
        """The statements that write rows of several ranges; those of one source follow each other."""
        plain = [rows for rows in many if rows.plain is not None] if self.loads else []
        others = [rows for rows in many if rows.plain is None or not self.loads]
        joined = [in_order(plain, self.by_text)] if len(plain) > 1 else plain
        return [self.write(rows) for rows in (*joined, *others)]


Place = Tuple[Any, ...]
"""Where rows stand: number of the table, number of the part, first key."""


class TableReader:
    """One table of one source."""

    def __init__(
        self, source: Database, table: Table, ledger: Ledger, fold: Fold, columns: Sequence[str], limits: Limits
    ) -> None:
        """*columns* are those of the target."""
        self.source = source
        self.table = table
        self.layout = source.layout(table.name)
        self.columns = key_first(self.layout, columns)
        self.limit = min(limits.packet, source.longest()) // 2
        self.destination = Destination(
            table.name,
            self.columns,
            frozenset(name for name in self.columns if self.layout.column(name).nullable),
            not self.layout.column(self.layout.primary[0]).whole,
            limits.loads,
        )
        self.size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // (2 * self.layout.row_bytes)))
        self._sql = row_sql(table, self.layout, ledger, self.columns)
        # What is no text cannot stand between quotes.
        self._by_row = any(self.layout.column(name).binary for name in self.columns)
        self._translate = translator(table, self.columns, ledger, fold)
        self._ledger, self._fold = ledger, fold
        self._from = f"FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE "
        # Of this table alone, as ranges of several are read by turns.
        self._counter = f"@{quote(f'rows of {table.name}')}"

    def bound(self, part: str | None, low: Bound, rows: int) -> Bound:
        """The key of the row that is *rows* behind *low*, or None where there are fewer."""
        columns = self.layout.bound_columns
        if not columns:
            return None
        names = ", ".join(quote(column) for column in columns)
        found = self.source.query(
            f"SELECT {names} {self._from}{within(self.layout, part, low, None)} ORDER BY {names} LIMIT {rows - 1}, 1"
        )
        return tuple(found[0]) if found else None

    def ranges(self, part: str | None, low: Bound, high: Bound = None) -> Iterator[tuple[Bound, Bound]]:
        """Ranges of :attr:`size` rows from *low* up to *high*, the last one open where *high* is None."""
        self.source.query(f"SET {self._counter} = 0")
        while self.layout.bound_columns:
            ends = self._ends(part, low, high)
            if ends and high is not None and not self._before(part, ends[-1], high):
                # No row is left between: the last range goes up to *high*.
                ends.pop()
            for end in ends:
                yield low, end
                low = end
            if len(ends) < _ENDS:
                break
        yield low, high

    def _ends(self, part: str | None, low: Bound, high: Bound) -> list[Bound]:
        """The keys at which the next ranges end, :data:`_ENDS` at most.

        The server counts the rows while it reads them in order, which is a promise of nobody. Were it in another order,
        the ranges would have other sizes, and hold the same rows.
        """
        names = ", ".join(quote(column) for column in self.layout.bound_columns)
        return [
            tuple(row)
            for row in self.source.query(
                f"SELECT {names} {self._from}{within(self.layout, part, low, high)} "
                f"AND ({self._counter} := {self._counter} + 1) % {self.size} = 0 ORDER BY {names} LIMIT {_ENDS}"
            )
        ]

    def _before(self, part: str | None, end: Bound, high: Bound) -> bool:
        """Whether there is a row between."""
        return bool(self.source.query(f"SELECT 1 {self._from}{within(self.layout, part, end, high)} LIMIT 1"))

    def digests(self, ranges: Sequence[tuple[str | None, Bound, Bound]]) -> list[bytes]:
        """The digest of the rows of each range, or nothing where its server cannot tell it: it costs half of the marks.

        Many are asked for at a time, as each answer is short and two sources are busy at the same time.
        """
        sql = self._sql
        if sql is None or self._by_row:
            return [b""] * len(ranges)
        digest = sql_digest(sql.plain)
        some = max(1, min(_DIGESTS, self.limit // (4 * (len(digest) + len(sql.where) + len(self._from)))))
        found: list[bytes] = []
        for start in range(0, len(ranges), some):
            selects = [
                f"SELECT {at}, {digest} {self._from}{within(self.layout, *one)} AND {sql.where}"
                for at, one in enumerate(ranges[start : start + some])
            ]
            # Nobody promises the order of a union.
            answers = dict(self.source.query(" UNION ALL ".join(selects)))
            found.extend(bytes.fromhex(answers[at] or "") for at in range(len(selects)))
        return found

    def marks(self, part: str | None, low: Bound, high: Bound) -> bytes:
        """The marks of the rows of a range."""
        where = within(self.layout, part, low, high)
        if self._sql is None:
            return self._slowly(where, None).marks
        rows, marks = self.source.query(
            f"SELECT COUNT(*), GROUP_CONCAT({self._sql.mark} SEPARATOR '') {self._from}{where} AND {self._sql.where}"
        )[0]
        if rows and (marks is None or len(marks) != 16 * rows):
            raise TooLongError
        return bytes.fromhex(marks) if rows else b""

    def read(self, part: str | None, low: Bound, high: Bound, only: Sequence[bytes] | None = None) -> Rows:
        """The rows of a range, or *only* those with these marks.

        :raises TooLongError: they do not fit into one statement.
        """
        where = within(self.layout, part, low, high)
        sql = self._sql
        if sql is None:
            return self._slowly(where, only)
        if only is not None:
            where += f" AND {sql.mark} IN ({literals(mark.hex().upper() for mark in only)})"
        count, plain = self._text(sql, where)
        if not count:
            return NO_ROWS
        if plain is None:
            return self._slowly(where, only)
        return rows_of(plain, len(self.columns), len(self.layout.primary))

    def others(self, part: str | None, low: Bound, high: Bound, known: AbstractSet[bytes]) -> tuple[bytes, Rows | None]:
        """The marks of the rows of a range, and the rows whose marks are not *known*, or None where Python makes them.

        :raises TooLongError: they do not fit into one statement.
        """
        where = within(self.layout, part, low, high)
        if self._sql is None:
            return self._slowly(where, None).marks, None
        count, plain = self._text(self._sql, where)
        if not count:
            return b"", NO_ROWS
        if plain is None:
            return self._slowly(where, None).marks, None
        return other_rows(plain, known, len(self.columns), len(self.layout.primary))

    @property
    def is_counted(self) -> bool:
        """Whether the server can count the rows that are carried, and write them down one by one."""
        return self._sql is not None

    def count(self) -> int:
        """How many rows are carried."""
        where = "1" if self._sql is None else self._sql.where
        return int(self.source.query(f"SELECT COUNT(*) FROM {quote(self.table.name)} WHERE {where}")[0][0])

    def rows_with(self, keys: Sequence[Key]) -> dict[Key, str] | None:
        """The texts of the carried rows with these primary keys, by their keys; None where a text is not clear."""
        sql, found = self._sql, {}
        if sql is None or self._by_row:
            return None
        primary = self.layout.primary
        names = ", ".join(map(quote, primary))
        for start in range(0, len(keys), LOOKED_UP):
            wanted = " OR ".join(one_row(primary, list(map(literal, key))) for key in keys[start : start + LOOKED_UP])
            for row in self.source.query(
                f"SELECT {names}, {sql.plain}, {sql.nulls} {self._from}({wanted}) AND {sql.where}"
            ):
                *key, plain, nulls = row
                if not is_clean(plain, 1, len(self.columns), int(nulls)):
                    return None
                found[tuple(map(str, key))] = plain
        return found

    def new_key(self, key: Key) -> Key | None:
        """A primary key as it is in the merged database, or None where its row is left out.

        :raises KeyError: more of the row is needed to say.
        """
        values = [int(value) if self._is_whole[at] else value for at, value in enumerate(key)]
        new = self._new_key(tuple(values))
        return None if new is None else tuple(map(str, new))

    @cached_property
    def _new_key(self) -> Translate:
        return translator(self.table, self.layout.primary, self._ledger, self._fold)

    @cached_property
    def _is_whole(self) -> list[bool]:
        return [self.layout.column(name).whole for name in self.layout.primary]

    def _text(self, sql: RowSql, where: str) -> tuple[int, str | None]:
        """How many rows there are, and their text; None where it would not be clear."""
        count, nulls, plain = self.source.query(
            f"SELECT COUNT(*), SUM({sql.nulls}), GROUP_CONCAT({sql.plain} SEPARATOR '{ROW_END}') "
            f"{self._from}{where} AND {sql.where}"
        )[0]
        if not count:
            return 0, None
        if plain is None or len(plain) * 2 >= self.limit:
            raise TooLongError
        clean = not self._by_row and is_clean(plain, count, len(self.columns), int(nulls))
        return count, plain if clean else None

    def _slowly(self, where: str, only: Sequence[bytes] | None) -> Rows:
        names = ", ".join(quote(column) for column in self.columns)
        rows = self.source.stream(f"SELECT {names} {self._from}{where}")
        found = rows_in_python(
            self.layout, self.columns, rows, self._translate, None if only is None else frozenset(only)
        )
        if len(found.text) * 2 >= self.limit:
            raise TooLongError
        return found

    def read_all(self, part: str | None, low: Bound, high: Bound) -> Iterator[tuple[Bound, Bound, Rows]]:
        """The rows of a range, in halves where they are too long for one answer."""
        try:
            rows = self.read(part, low, high)
        except TooLongError:
            middle = self._middle(part, low, high)
            yield from self.read_all(part, low, middle)
            yield from self.read_all(part, middle, high)
        else:
            yield low, high, rows

    def _middle(self, part: str | None, low: Bound, high: Bound) -> Bound:
        count = self.source.query(f"SELECT COUNT(*) {self._from}{within(self.layout, part, low, high)}")[0][0]
        middle = self.bound(part, low, count // 2) if count > 1 else None
        if middle is None or middle == high:
            raise MergeError(
                f"{self.source.login.name}: rows of table {self.table.name} are longer than a statement may be: "
                "raise max_allowed_packet on its server and on the target's"
            )
        return middle

    def place(self, part: str | None, rows: Rows) -> Place:
        """Where rows of a part stand among those of all sources; nearly, as a server may order texts in another way."""
        primary = self.layout.primary
        key = rows.keys.split(NUL, len(primary))[: len(primary)]
        return (
            _NUMBERS.get(self.table.name, -1),
            self.layout.parts.index(part),
            *(int(value) if self.layout.column(name).whole else value for name, value in zip(primary, key)),
        )

    def delete(self, keys: Sequence[Sequence[str]]) -> list[str]:
        """The statements that take rows away again."""
        return [
            "DELETE FROM {} WHERE {}".format(
                quote(self.table.name),
                " OR ".join(one_row(self.layout.primary, key) for key in keys[start : start + DELETED_ROWS]),
            )
            for start in range(0, len(keys), DELETED_ROWS)
        ]


@dataclass(frozen=True)
class Work:
    """Statements that belong into one transaction, and how many rows of which table of which stack they write.

    After these *arriving* rows are written to *destination*, together with those of other works, and last of all
    *note*, see :meth:`state.State.write_notes`. Works with a *place* are taken in the order of all sources' rows.
    """

    table: str
    rows: int
    statements: tuple[str | bytes | Load, ...] = ()
    stack: str = ""
    destination: Optional[Destination] = None
    arriving: Optional[Rows] = None
    note: bytes = b""
    place: Place = ()

    @cached_property
    def size(self) -> int:
        """Bytes, or nearly so."""
        rows = self.arriving
        return (
            sum(len(one.data) if isinstance(one, Load) else len(one) for one in self.statements)
            + (0 if rows is None else len(rows.plain or rows.text))
            + len(self.note)
        )


def _nothing(_notes: Sequence[bytes]) -> list[bytes]:
    return []


class Writer:
    """Writes work to the merged database in transactions of a limited size."""

    def __init__(
        self,
        target: Database,
        batch_rows: int,
        wrote: Callable[[str, str, int], None],
        write_notes: Callable[[Sequence[bytes]], list[bytes]] = _nothing,
    ) -> None:
        """*wrote* is told stack, table and rows of what is committed, *write_notes* makes statements of notes."""
        self._target = target
        self._batch_rows = batch_rows
        self._wrote = wrote
        self._write_notes = write_notes
        self._pending: list[Work] = []
        self._rows = 0
        self._bytes = 0
        self._paused = self._flow_control()

    def add(self, work: Work) -> None:
        """Write, now or with what follows."""
        size = work.size
        if self._pending and (self._rows + work.rows > self._batch_rows or self._bytes + size > BATCH_BYTES):
            self.flush()
        self._pending.append(work)
        self._rows += work.rows
        self._bytes += size

    def _statements(self) -> list[str | bytes | Load]:
        """All that is pending."""
        made: list[str | bytes | Load] = []
        for destination, some in itertools.groupby(self._pending, lambda work: work.destination):
            works = list(some)
            made.extend(statement for work in works for statement in work.statements)
            if destination is not None:
                works.sort(key=lambda work: work.stack)
                made.extend(destination.write_all([work.arriving for work in works if work.arriving is not None]))
        made.extend(self._write_notes([work.note for work in self._pending if work.note]))
        return made

    def flush(self) -> None:
        """Commit what is pending; what another transaction threw back is done again."""
        statements = self._statements()
        for attempt in range(_TRIES):
            try:
                for statement in statements:
                    self._run(statement)
                self._target.commit()
                break
            except RetryError:
                self._target.rollback()
                if attempt == _TRIES - 1:
                    raise
                time.sleep(0.05 * 2**attempt)
            except BaseException:
                self._target.rollback()
                raise
        for work in self._pending:
            self._wrote(work.stack, work.table, work.rows)
        self._pending, self._rows, self._bytes = [], 0, 0
        self._give_way()

    def _run(self, statement: str | bytes | Load) -> None:
        if isinstance(statement, Load):
            self._target.load(statement)
        else:
            self._target.execute(statement)

    def _flow_control(self) -> int:
        return int(self._target.status("wsrep_flow_control_paused_ns").get("wsrep_flow_control_paused_ns", 0))

    def _give_way(self) -> None:
        """Where the cluster had to be paused for a slow member, wait as long again, so that others get a turn."""
        paused = self._flow_control()
        if paused > self._paused:
            time.sleep(min((paused - self._paused) / 1e9, _PAUSE_SECONDS))
        self._paused = self._flow_control() if paused > self._paused else paused


class _End:
    """What a producer hands over last."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Producer(threading.Thread):
    """Makes work on a thread of its own, a little ahead of who takes it."""

    def __init__(self, making: Making, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._making = making
        self._stop_event = stop
        self._handed: queue.Queue[Work | _End] = queue.Queue(_QUEUED)

    def run(self) -> None:
        """Hand over all work, then what ended it."""
        error: BaseException | None = None
        try:
            while True:
                with self._making.turn:
                    one = next(self._making.work, None)
                if one is None or not self._hand(one):
                    break
        except BaseException as found:  # noqa: BLE001 - the writer's thread raises it
            error = found
        self._hand(_End(error))

    def _hand(self, one: Work | _End) -> bool:
        while not self._stop_event.is_set():
            with contextlib.suppress(queue.Full):
                self._handed.put(one, timeout=0.1)
                return True
        return False

    def take(self) -> Work | None:
        """What is made next, or None behind the last; raises what ended it."""
        while not self._stop_event.is_set():
            with contextlib.suppress(queue.Empty):
                one = self._handed.get(timeout=0.1)
                if not isinstance(one, _End):
                    return one
                if one.error is not None:
                    raise one.error
                return None
        return None


@dataclass(frozen=True)
class Making:
    """Work as it is made. *turn* is held meanwhile, as others make work from the same connection."""

    work: Iterator[Work]
    turn: contextlib.AbstractContextManager[Any]


def pump(makings: Sequence[Making], writer: Writer, stop: threading.Event) -> None:
    """Read and write at the same time, what several make in the order of their places.

    The first error ends all, here and wherever *stop* is looked at.
    """
    producers = [_Producer(making, stop) for making in makings]
    for producer in producers:
        producer.start()
    try:
        made = {producer: producer.take() for producer in producers}
        while not stop.is_set():
            next_one = min(
                ((work.place, at) for at, work in enumerate(made.values()) if work is not None), default=None
            )
            if next_one is None:
                writer.flush()
                return
            producer = producers[next_one[1]]
            work = made[producer]
            if work is not None:
                writer.add(work)
            made[producer] = producer.take()
    except BaseException:
        stop.set()
        raise
    finally:
        for producer in producers:
            producer.join()
