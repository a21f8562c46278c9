# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Bringing the merged database in step with the sources: what differs is found first, then written.

The first run finds everything, one that was interrupted what is missing, and a later one what changed in the sources.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Callable, Iterator, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.binlog import Touched
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.changelog import Changed
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.keyed import KeyedTable, RowsNeededError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, Ledger
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.manifest import (
    Chunk,
    Columns,
    Edit,
    chosen,
    columns_of,
    joined,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    NO_ROWS,
    NUL,
    NUL_IN_KEY,
    Bound,
    Load,
    Rows,
    literal_keys,
    split,
    together,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import TABLES
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.transport import (
    Key,
    Limits,
    Making,
    TableReader,
    TooLongError,
    Work,
    Writer,
    pump,
)

KEPT_ROWS = 20000
"""Rows of a difference that are kept in memory between planning and writing, and written in one transaction."""

AT_ONCE = 2000
"""Ranges that are written in one transaction: some 70 MB."""

LANES = 3
"""Connections that write at the same time."""

_TOGETHER = 100
"""Ranges whose keys are asked for at a time."""

GROWN = 4
"""A range with so many times its usual rows is cut anew."""


@dataclass(frozen=True)
class Rest:
    """A table, or a part of it, that is still to be read from *low* on; the next range has *number*."""

    part: str | None
    low: Bound
    number: int


@dataclass(frozen=True)
class Dirty:
    """A range that changed: what is in the merged database of it, and the marks of what should be.

    *read* are the rows that are to come, where they were read already, *went* the keys of rows that are to go by their
    marks, where they are known already.
    """

    old: Chunk
    new: tuple[Chunk, ...]
    read: tuple[Rows, ...] | None = None
    went: Mapping[bytes, Key] | None = None

    @cached_property
    def removed(self) -> frozenset[bytes]:
        """Marks of rows that are to go."""
        return self.old.known.difference(*(chunk.split_marks for chunk in self.new))

    @cached_property
    def added(self) -> tuple[tuple[bytes, ...], ...]:
        """Marks of rows that are to come, of each of the new ranges."""
        return tuple(tuple(mark for mark in chunk.split_marks if mark not in self.old.known) for chunk in self.new)

    @cached_property
    def gone(self) -> list[int]:
        """Where those that are to go stand in the old range."""
        return [at for at, mark in enumerate(self.old.split_marks) if mark in self.removed] if self.removed else []

    def gone_keys(self) -> Columns:
        """Their keys, where they are known already."""
        went, marks = self.went or {}, self.old.split_marks
        return [
            [value.replace(NUL, NUL_IN_KEY) for value in column]
            for column in zip(*(went[marks[at]] for at in self.gone))
        ]


@dataclass(frozen=True)
class Found:
    """What is kept of a range that changed: keys of rows that are to go, and the rows of each new range that come."""

    gone: Columns
    rows: tuple[Rows, ...]


@dataclass(frozen=True)
class Renewal:
    """What is needed to bring a range up to date."""

    dirty: Dirty
    found: Found

    def edit(self, arrived: bool) -> Edit | None:
        """What became of the range, before or after its new rows *arrived*; None where it has to be written anew."""
        if len(self.dirty.new) > 1:
            return None
        rows = self.found.rows[0]
        old, removed = self.dirty.old, self.dirty.removed
        digest = self.dirty.new[0].digest
        whole = old.edited(removed, rows.marks, columns_of(rows.keys, rows.count), digest)
        # Both ways are the same one, or the first would be taken for the second's.
        return whole if whole is None or arrived else old.edited(removed, b"", [], b"")

    def kept(self, keys: Columns) -> Chunk:
        """The range as it is once the rows are gone that are to go; *keys* are those of the rows before."""
        marks = self.dirty.old.split_marks
        stay = [at for at, mark in enumerate(marks) if mark not in self.dirty.removed]
        written = b"".join([marks[at] for at in stay])
        return replace(self.dirty.old, written=written, keys=chosen(keys, stay), edit=None, digest=b"")

    def renewed(self, keys: Columns) -> list[Chunk]:
        """The ranges as they are in the end; *keys* are those of the rows that stay."""
        marks = [mark for mark in self.dirty.old.split_marks if mark not in self.dirty.removed]
        for rows in self.found.rows:
            marks.extend(split(rows.marks))
            keys = joined(keys, columns_of(rows.keys, rows.count))
        place = {mark: at for at, mark in enumerate(marks)}
        return [
            replace(chunk, keys=chosen(keys, [place[mark] for mark in chunk.split_marks])) for chunk in self.dirty.new
        ]


@dataclass
class TableWork:
    """What is to be done for one table of one source."""

    reader: TableReader
    loads: list[Rest] = field(default_factory=list)
    dirty: list[Dirty] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.loads or self.dirty)


@dataclass
class Change:
    """What a later run does to one table of one source: keys of its rows as SQL literals, *marks* of what it writes."""

    added: list[tuple[str, ...]] = field(default_factory=list)
    changed: list[tuple[str, ...]] = field(default_factory=list)
    removed: list[tuple[str, ...]] = field(default_factory=list)
    marks: set[bytes] = field(default_factory=set)

    def come(self) -> list[tuple[str, ...]]:
        """Keys of the rows that it writes."""
        return [*self.added, *self.changed]


@dataclass
class SourceWork:
    """What is to be done for one source."""

    source: Database
    ledger: Ledger
    tables: list[TableWork] = field(default_factory=list)
    found: dict[int, Found] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that go or come in ranges that changed."""
        return sum(len(dirty.removed) + sum(map(len, dirty.added)) for table in self.tables for dirty in table.dirty)

    @property
    def name(self) -> str:
        """The stack."""
        return self.source.login.name

    @property
    def is_first(self) -> bool:
        """Whether anything is read for the first time."""
        return any(work.loads for work in self.tables)

    def __bool__(self) -> bool:
        return any(bool(work) for work in self.tables)


Unit = List[Tuple[SourceWork, Sequence[TableWork]]]
"""Tables of each source that are written together."""

Make = Callable[[State, SourceWork, Sequence[TableWork]], Iterator[Work]]
Wrote = Callable[[str, str, int], None]
"""Is told stack, table and rows of what is committed."""

Turns = Mapping[str, "contextlib.AbstractContextManager[bool]"]
"""Who may read from a source."""

Open = Callable[[], "contextlib.AbstractContextManager[Database]"]


class Sync:
    """Compares and writes. *open_target* gives a new connection to the merged database."""

    def __init__(
        self,
        open_target: Open | None,
        state_database: str,
        fold: Fold,
        columns: Mapping[str, Sequence[str]],
        limits: Limits,
    ) -> None:
        """*columns* are those of the target's tables, none where there is no target yet."""
        self._open_target = open_target
        self._columns = columns
        self._state_database = state_database
        self._fold = fold
        self._limits = limits

    def compare(
        self, sources: Sequence[tuple[Database, Ledger]], known: frozenset[str], logged: Mapping[str, Changed]
    ) -> list[SourceWork]:
        """What is to be done; *known* are the sources of which something may be in the merged database already.

        *logged* has what was written in those sources of which that is known, all of which is in the merged database
        as their ledgers say.
        """
        with ThreadPoolExecutor(max(1, len(sources))) as pool:
            return list(
                pool.map(
                    lambda one: self._compare(
                        one[0], one[1], one[0].login.name in known, logged.get(one[0].login.name)
                    ),
                    sources,
                )
            )

    def _compare(self, source: Database, ledger: Ledger, known: bool, logged: Changed | None) -> SourceWork:
        found = SourceWork(source, ledger)
        with contextlib.ExitStack() as stack:
            state, counts = None, {}
            if known and self._open_target is not None:
                target = stack.enter_context(self._open_target())
                state = State(target, self._state_database)
                counts = state.counts(source.login.name) if logged is not None else {}
            for table in TABLES:
                if table.name not in source.tables():
                    continue
                columns = self._columns.get(table.name, source.tables()[table.name])
                reader = TableReader(source, table, ledger, self._fold, columns, self._limits)
                work = None
                if state is not None and logged is not None:
                    keyed = KeyedTable(reader, state, target, self._fold)
                    work = self._compare_keys(keyed, logged.get(table.name, Touched()), counts.get(table.name, 0))
                found.tables.append(self._compare_table(reader, state) if work is None else work)
        return found

    @staticmethod
    def _compare_keys(keyed: KeyedTable, touched: Touched | None, known: int) -> TableWork | None:
        """What is to be done for a table of which what was *touched* is known; None where all rows must be compared."""
        if touched is None or len(touched.keys) > KEPT_ROWS:
            return None
        with contextlib.suppress(RowsNeededError):
            found = keyed.differing(sorted(touched.keys), known, GROWN * keyed.reader.size)
            return TableWork(keyed.reader, dirty=[Dirty(one.old, (one.new,), (one.rows,), one.went) for one in found])
        return None

    def _compare_table(self, reader: TableReader, state: State | None) -> TableWork:
        ranges = [] if state is None else state.ranges(reader.source.login.name, reader.table.name)
        work, kept = TableWork(reader), 0
        for part in reader.layout.parts:
            own = [chunk for chunk in ranges if chunk.part == part]
            number = max((chunk.number for chunk in own), default=-1) + 1
            if not any(chunk.high is None for chunk in own):
                low = own[-1].high if own else None
                work.loads.append(Rest(part, low, number))
            for chunk, digest in self._other(reader, state, own):
                dirty = self._same_range(reader, chunk, digest) or self._anew(reader, chunk, number)
                number += max(0, len(dirty.new) - 1)
                if dirty.removed or any(dirty.added) or len(dirty.new) > 1:
                    kept += sum(map(len, dirty.added))
                    work.dirty.append(dirty if kept <= KEPT_ROWS else replace(dirty, read=None))
        return work

    @staticmethod
    def _other(reader: TableReader, state: State | None, ranges: Sequence[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
        """What is in the merged database of the ranges whose rows are others than were written, or may be.

        With each comes the digest of its rows as they are now, or nothing where it is not known.
        """
        if state is None:
            return
        summed = [one for one in ranges if one.digest]
        found = dict(
            zip([one.number for one in summed], reader.digests([(one.part, one.low, one.high) for one in summed]))
        )
        others = [one for one in ranges if not one.digest or found[one.number] != one.digest]
        chunks = state.some_chunks(reader.source.login.name, reader.table.name, others)
        yield from zip(chunks, [found.get(one.number, b"") for one in others])

    @staticmethod
    def _same_range(reader: TableReader, chunk: Chunk, digest: bytes) -> Dirty | None:
        """What changed in a range whose rows have *digest*, or None where it has to be cut anew."""
        with contextlib.suppress(TooLongError):
            if not chunk.digest:
                marks = reader.marks(chunk.part, chunk.low, chunk.high)
                new = replace(chunk, written=marks, edit=None)
                return Dirty(chunk, (new,)) if new.rows <= GROWN * reader.size else None
            marks, rows = reader.others(chunk.part, chunk.low, chunk.high, chunk.known)
            # A text that is not clear could be that of other rows too.
            new = replace(chunk, written=marks, edit=None, digest=b"" if rows is None else digest)
            if new.rows <= GROWN * reader.size:
                return Dirty(chunk, (new,), None if rows is None else (rows,))
        return None

    @staticmethod
    def _anew(reader: TableReader, chunk: Chunk, number: int) -> Dirty:
        """A range that is cut anew; further ones are numbered from behind *number*."""
        ranges = list(reader.ranges(chunk.part, chunk.low, chunk.high))
        numbers = [chunk.number, *range(number, number + len(ranges) - 1)]
        return Dirty(
            chunk,
            tuple(
                Chunk(chunk.part, own, low, high, reader.marks(chunk.part, low, high))
                for own, (low, high) in zip(numbers, ranges)
            ),
        )

    def changes(self, works: Sequence[SourceWork]) -> list[dict[str, Change]]:
        """What a later run does, row by row, for each source; nothing of what is read for the first time."""
        with ThreadPoolExecutor(max(1, len(works))) as pool:
            return list(pool.map(self._changes, works))

    def _changes(self, work: SourceWork) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        if self._open_target is None or not any(one.dirty for one in work.tables):
            return changes
        keep = work.rows <= KEPT_ROWS
        with self._open_target() as target:
            state = State(target, self._state_database)
            for one in work.tables:
                for renewal in self._renewals(state, work, one):
                    change = changes.setdefault(one.reader.table.name, Change())
                    found = renewal.found
                    removed = set(literal_keys(found.gone))
                    added = {key for rows in found.rows for key in literal_keys(columns_of(rows.keys, rows.count))}
                    change.added.extend(sorted(added - removed))
                    change.changed.extend(sorted(added & removed))
                    change.removed.extend(sorted(removed - added))
                    change.marks.update(mark for marks in renewal.dirty.added for mark in marks)
                    if keep:
                        work.found[id(renewal.dirty)] = found
        return changes

    def _renewals(self, state: State, work: SourceWork, one: TableWork, removed: bool = False) -> Iterator[Renewal]:
        """What is needed for each range of a table that changed, as it is kept or read now.

        *removed* says that what goes is gone already, and its keys with it.
        """
        for start in range(0, len(one.dirty), _TOGETHER):
            some = one.dirty[start : start + _TOGETHER]
            unknown = [dirty for dirty in some if id(dirty) not in work.found and dirty.went is None]
            wanted = [(dirty.old, () if removed else dirty.gone) for dirty in unknown]
            keys = state.some_keys(work.name, one.reader.table.name, wanted)
            for dirty in some:
                found = work.found.get(id(dirty))
                if found is None:
                    gone = dirty.gone_keys() if dirty.went is not None else keys[(dirty.old.part, dirty.old.number)]
                    found = self._found(one, dirty, [] if removed else gone)
                yield Renewal(dirty, found)

    @staticmethod
    def _found(one: TableWork, dirty: Dirty, gone: Columns) -> Found:
        rows = dirty.read or tuple(
            one.reader.read(chunk.part, chunk.low, chunk.high, added) if added else NO_ROWS
            for chunk, added in zip(dirty.new, dirty.added)
        )
        return Found(gone, rows)

    def apply(
        self,
        works: Sequence[SourceWork],
        batch_rows: int,
        wrote: Wrote,
    ) -> None:
        """Write: what is to go in all sources, then what is to come.

        *wrote* is told stack, table and rows of what is committed.
        """
        dirty = sum(len(one.dirty) for work in works for one in work.tables)
        small = sum(work.rows for work in works) <= min(batch_rows, KEPT_ROWS) and dirty <= AT_ONCE
        if small and not any(work.is_first for work in works):
            self._apply_at_once(works, wrote)
            return
        turns = {work.name: threading.Lock() for work in works}
        alone: list[Unit] = [[(work, work.tables)] for work in works if any(one.dirty for one in work.tables)]
        self._in_lanes(alone, self._removals, batch_rows, wrote, turns)
        self._in_lanes(self._units(works, batch_rows), self._additions, batch_rows, wrote, turns)

    def _in_lanes(self, units: Sequence[Unit], make: Make, batch_rows: int, wrote: Wrote, turns: Turns) -> None:
        """Write units, as many at a time as there are lanes. The first error ends all, and is raised."""
        left, stop = iter(units), threading.Event()
        failed: list[BaseException] = []

        def lane(_number: int) -> None:
            try:
                self._write(left, make, batch_rows, wrote, turns, stop)
            except BaseException as error:  # noqa: BLE001 - it is raised below
                stop.set()
                failed.append(error)

        with ThreadPoolExecutor(LANES) as pool:
            list(pool.map(lane, range(min(LANES, len(units)))))
        if failed:
            # What came later may have come of it.
            raise failed[0]

    @staticmethod
    def _units(works: Sequence[SourceWork], batch_rows: int) -> list[Unit]:
        """What is written by one connection: a table of all sources, as rows cost less in order; the largest first."""
        rows: dict[str, int] = {}
        for work in works:
            for one in work.tables:
                if one:
                    rows[one.reader.table.name] = rows.get(one.reader.table.name, 0) + one.reader.layout.rows
        large = sorted((name for name in rows if rows[name] > batch_rows), key=lambda name: -rows[name])
        groups = [{name} for name in large] + [rows.keys() - set(large)]
        return [
            [(work, [one for one in work.tables if one and one.reader.table.name in group]) for work in works]
            for group in groups
            if group
        ]

    def _write(
        self, units: Iterator[Unit], make: Make, batch_rows: int, wrote: Wrote, turns: Turns, stop: threading.Event
    ) -> None:
        """Write one unit after another, as long as others leave any."""
        if self._open_target is None:
            raise RuntimeError("there is no target to write to")
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(self._open_target())
            target.begin_writing()
            sides = {name: State(stack.enter_context(self._open_target()), self._state_database) for name in turns}
            notes = State(target, self._state_database).write_notes
            while not stop.is_set():
                unit = next(units, None)
                if unit is None:
                    return
                makings = [Making(make(sides[work.name], work, tables), turns[work.name]) for work, tables in unit]
                pump(makings, Writer(target, batch_rows, wrote, notes), stop)

    def _apply_at_once(self, works: Sequence[SourceWork], wrote: Wrote) -> None:
        """Write a small difference in one transaction."""
        if self._open_target is None:
            raise RuntimeError("there is no target to write to")
        with self._open_target() as target, self._open_target() as side:
            target.begin_writing()
            state = State(side, self._state_database)
            busy = [(work, one) for work in works for one in work.tables if one.dirty]
            statements: list[str | bytes | Load] = []
            for work, one in busy:
                gone = [key for dirty in one.dirty for key in literal_keys(work.found[id(dirty)].gone)]
                statements.extend(one.reader.delete(gone))
            for work, one in busy:
                come = [rows for dirty in one.dirty for rows in work.found[id(dirty)].rows]
                statements.extend(one.reader.destination.write(rows) for rows in together(come))
                statements.extend(self._noted(state, work, one, list(self._renewals(state, work, one))))
            writer = Writer(target, sum(work.rows for work in works), lambda _stack, _table, _rows: None)
            writer.add(Work("", 0, tuple(statements)))
            writer.flush()
        for work, one in busy:
            come = [rows for dirty in one.dirty for rows in work.found[id(dirty)].rows]
            wrote(work.name, one.reader.table.name, sum(rows.count for rows in come))

    @staticmethod
    def _noted(
        state: State, work: SourceWork, one: TableWork, renewals: Sequence[Renewal], removed: bool = False
    ) -> Iterator[str | bytes]:
        """The statements that write down ranges as they are in the end. *removed* says that what goes is gone."""
        table = one.reader.table.name
        edits: list[tuple[str, str, Chunk, Edit]] = []
        for renewal in renewals:
            old, edit = renewal.dirty.old, renewal.edit(arrived=True)
            if edit is not None:
                edits.append((work.name, table, old, edit))
                continue
            keys = state.keys(work.name, table, renewal.kept([]) if removed else old)
            if not removed:
                keys = renewal.kept(keys).keys
            if old.edit is not None:
                yield state.remove_edit(work.name, table, old)
            yield from state.write_notes([state.note_chunk(work.name, table, one) for one in renewal.renewed(keys)])
        for start in range(0, len(edits), _TOGETHER):
            yield state.write_edits(edits[start : start + _TOGETHER])

    def _removals(self, state: State, work: SourceWork, tables: Sequence[TableWork]) -> Iterator[Work]:
        for one in tables:
            table = one.reader.table.name
            for renewal in self._renewals(state, work, one):
                if not renewal.dirty.gone:
                    continue
                deletes = one.reader.delete(literal_keys(renewal.found.gone))
                old, edit = renewal.dirty.old, renewal.edit(arrived=False)
                if edit is not None:
                    notes = state.write_edits([(work.name, table, old, edit)])
                    yield Work(table, 0, (*deletes, notes), work.name)
                    continue
                forget = () if old.edit is None else (state.remove_edit(work.name, table, old),)
                kept = renewal.kept(state.keys(work.name, table, old))
                yield Work(table, 0, (*deletes, *forget), work.name, note=state.note_chunk(work.name, table, kept))

    def _additions(self, state: State, work: SourceWork, tables: Sequence[TableWork]) -> Iterator[Work]:
        for one in tables:
            table = one.reader.table.name
            for renewal in self._renewals(state, work, one, removed=True):
                writes = [one.reader.destination.write(rows) for rows in renewal.found.rows if rows.count]
                notes = self._noted(state, work, one, [renewal], removed=bool(renewal.dirty.gone))
                count = sum(rows.count for rows in renewal.found.rows)
                yield Work(table, count, (*writes, *notes), work.name)
            for load in one.loads:
                yield from self._loaded(state, work, one.reader, load)

    @staticmethod
    def _loaded(state: State, work: SourceWork, reader: TableReader, load: Rest) -> Iterator[Work]:
        number, table = load.number, reader.table.name
        for low, high in reader.ranges(load.part, load.low):
            for start, end, rows in reader.read_all(load.part, low, high):
                keys = columns_of(rows.keys, rows.count)
                chunk = Chunk(load.part, number, start, end, rows.marks, keys, digest=rows.digest)
                note = state.note_chunk(work.name, table, chunk)
                if rows.count:
                    place = reader.place(load.part, rows)
                    yield Work(table, rows.count, (), work.name, reader.destination, rows, note, place)
                else:
                    yield Work(table, 0, (), work.name, note=note)
                number += 1
