# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Reading the rows of a source range by range, and writing them to the merged database batch by batch."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    RetryError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, Ledger, translator
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    ROW_END,
    Bound,
    Load,
    Rows,
    insert_rows,
    insert_text,
    is_clean,
    key_first,
    literals,
    load_rows,
    one_row,
    quote,
    row_sql,
    rows_in_python,
    rows_of,
    sql_digest,
    within,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Table

CHUNK_ROWS = 1000
"""Rows of one range: few enough that a changed row is found quickly, enough that a range costs little."""

CHUNK_BYTES = 1 << 20
"""What the text of one range should not exceed."""

BATCH_BYTES = 8 << 20
"""What one transaction should not exceed."""

DELETED_ROWS = 200
"""Rows that one statement deletes."""

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
        packet = target.variable("max_allowed_packet")
        return cls(int(packet or cls.packet), target.variable("local_infile") == "ON")


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
        self.limit = min(limits.packet, int(source.variable("max_allowed_packet") or limits.packet)) // 2
        self._loads = limits.loads
        self.size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // (2 * self.layout.row_bytes)))
        self._sql = row_sql(table, self.layout, ledger, self.columns)
        # What is no text cannot stand between quotes.
        self._by_row = any(self.layout.column(name).binary for name in self.columns)
        self._translate = translator(table, self.columns, ledger, fold)
        self._from = f"FROM {quote(table.name)} FORCE INDEX (PRIMARY) WHERE "

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
        while True:
            end = self.bound(part, low, self.size)
            if end is None or (high is not None and not self._before(part, end, high)):
                yield low, high
                return
            yield low, end
            low = end

    def _before(self, part: str | None, end: Bound, high: Bound) -> bool:
        """Whether there is a row between."""
        return bool(self.source.query(f"SELECT 1 {self._from}{within(self.layout, part, end, high)} LIMIT 1"))

    def digest(self, part: str | None, low: Bound, high: Bound) -> bytes:
        """The digest of the rows of a range, or nothing where its server cannot tell it: it costs half of the marks."""
        if self._sql is None or self._by_row:
            return b""
        where = within(self.layout, part, low, high)
        text = self.source.query(f"SELECT {sql_digest(self._sql.plain)} {self._from}{where} AND {self._sql.where}")[0][
            0
        ]
        return bytes.fromhex(text or "")

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
        count, nulls, plain = self.source.query(
            f"SELECT COUNT(*), SUM({sql.nulls}), GROUP_CONCAT({sql.plain} SEPARATOR '{ROW_END}') "
            f"{self._from}{where} AND {sql.where}"
        )[0]
        if not count:
            return Rows(0, b"", "")
        if plain is None or len(plain) * 2 >= self.limit:
            raise TooLongError
        if self._by_row or not is_clean(plain, count, len(self.columns), int(nulls)):
            return self._slowly(where, only)
        return rows_of(plain, len(self.columns), len(self.layout.primary))

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

    def write(self, rows: Rows) -> str | Load:
        """The statement that writes rows."""
        if rows.plain is None:
            return insert_rows(self.table.name, self.columns, rows.text)
        if self._loads:
            return load_rows(self.layout, self.columns, rows.plain, rows.count)
        return insert_rows(self.table.name, self.columns, insert_text(rows.plain))

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
    """Statements that belong into one transaction, and how many rows of which table they write."""

    table: str
    rows: int
    statements: tuple[str | bytes | Load, ...]

    @property
    def size(self) -> int:
        """Bytes, or nearly so."""
        return sum(len(one.data) if isinstance(one, Load) else len(one) for one in self.statements)


class Writer:
    """Writes work to the merged database in transactions of a limited size."""

    def __init__(self, target: Database, batch_rows: int, wrote: Callable[[str, int], None]) -> None:
        self._target = target
        self._batch_rows = batch_rows
        self._wrote = wrote
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

    def flush(self) -> None:
        """Commit what is pending; what another transaction threw back is done again."""
        for attempt in range(_TRIES):
            try:
                for work in self._pending:
                    for statement in work.statements:
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
            self._wrote(work.table, work.rows)
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

    def __init__(self, work: Iterator[Work], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._stop_event = stop
        self.handed: queue.Queue[Work | _End] = queue.Queue(_QUEUED)

    def run(self) -> None:
        """Hand over all work, then what ended it."""
        error: BaseException | None = None
        try:
            for one in self._work:
                if not self._hand(one):
                    break
        except BaseException as found:  # noqa: BLE001 - the writer's thread raises it
            error = found
        self._hand(_End(error))

    def _hand(self, one: Work | _End) -> bool:
        while not self._stop_event.is_set():
            with contextlib.suppress(queue.Full):
                self.handed.put(one, timeout=0.1)
                return True
        return False


def pump(work: Iterator[Work], writer: Writer, stop: threading.Event) -> None:
    """Read and write at the same time. The first error ends both, here and wherever *stop* is looked at."""
    producer = _Producer(work, stop)
    producer.start()
    try:
        while not stop.is_set():
            with contextlib.suppress(queue.Empty):
                one = producer.handed.get(timeout=0.1)
                if isinstance(one, _End):
                    if one.error is not None:
                        raise one.error
                    writer.flush()
                    return
                writer.add(one)
    except BaseException:
        stop.set()
        raise
    finally:
        producer.join()
