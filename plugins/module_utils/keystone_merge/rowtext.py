# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""The SQL by which a server itself writes its rows down as they will be in the merged database.

A source answers with many rows in one value, so that no row is taken apart in Python: ids that change are put in by
CASE, what is left out by WHERE. The text becomes the one of an INSERT by replacing what stands between. Where too many
ids change for that, or a value holds one of these characters itself, the same texts are made row by row.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from hashlib import sha256
from typing import AbstractSet, Any, Iterable, Mapping, Optional, Sequence, Tuple
from zlib import crc32

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import (
    fingerprint,
    sql_fingerprint,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import (
    Ledger,
    Row,
    Translate,
    name_column,
    name_key,
    renames,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Table

CASES = 200
"""New ids that one statement puts in, and four times as many rows that it leaves out; with more, Python does it."""

ROW_END = "\x1e"
"""What stands between two rows of an answer."""

NUL = "\0"
"""What stands between two columns."""

MARK = 8
"""Bytes of a mark."""

DIGEST = 16
"""Bytes of the digest of a range's rows."""

NULL_MARK = "\x01"
"""What a server writes for NULL. Where changes are looked for, a text that is nothing but this counts as NULL, too."""

NUL_IN_KEY = "\ud800"
"""What stands for a NUL inside of a key; it is no character, so that no text of a server holds it."""

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\0": "\\0", "\x1a": "\\Z"}

Bound = Optional[Tuple[Any, ...]]


@dataclass(frozen=True)
class Column:
    """One column on a server.

    *foreign* has another character set than UTF-8, *wide* one with characters of four bytes; *values* are an ENUM's.
    """

    name: str
    whole: bool = False
    binary: bool = False
    nullable: bool = False
    foreign: bool = False
    values: tuple[str, ...] = ()
    wide: bool = False


@dataclass(frozen=True)
class Layout:
    """One table on a server: *row_bytes* is what a row takes on average, *rows* about how many there are."""

    table: str
    columns: tuple[Column, ...]
    primary: tuple[str, ...]
    row_bytes: int = 100
    rows: int = 0

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def part_column(self) -> str | None:
        """A leading ENUM of the primary key: it is ordered by number and compared as text, so it is walked by value."""
        first = self.primary[0]
        return first if self.column(first).values else None

    @property
    def bound_columns(self) -> tuple[str, ...]:
        """The columns of the primary key by whose values the table is cut into ranges."""
        columns = self.primary[1:] if self.part_column is not None else self.primary
        enums = [at for at, name in enumerate(columns) if self.column(name).values]
        return columns[: enums[0]] if enums else columns

    @property
    def parts(self) -> tuple[str | None, ...]:
        """The values of :attr:`part_column`, or one None."""
        column = self.part_column
        return (None,) if column is None else self.column(column).values


def quote(name: str) -> str:
    """*name* as an identifier in SQL."""
    return "`" + name.replace("`", "``") + "`"


def literal(value: Any) -> str:
    """*value* as SQL writes it: the same text as the server's ``QUOTE``."""
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return f"X'{bytes(value).hex().upper()}'"
    text = str(value)
    for character, escaped in _ESCAPES.items():
        if character in text:
            text = text.replace(character, escaped)
    return f"'{text}'"


def literal_bytes(value: bytes) -> bytes:
    """Bytes as SQL writes them, in hardly more bytes than they are."""
    return b"_binary'" + value.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def literals(values: Iterable[Any]) -> str:
    """Values with commas in between."""
    return ",".join(literal(value) for value in values)


def one_of(column: str, values: Iterable[Any], negate: bool = False) -> str:
    """Whether the column has one of the values (or none: then NULL counts as none)."""
    listed = literals(values)
    name = quote(column)
    if not listed:
        return "1" if negate else "0"
    return f"({name} IS NULL OR {name} NOT IN ({listed}))" if negate else f"{name} IN ({listed})"


def behind(columns: Sequence[str], values: Sequence[Any]) -> str:
    """Whether a row comes behind *values* in the order of *columns*; written so that the server uses their index."""
    name, value = quote(columns[0]), literal(values[0])
    if len(columns) == 1:
        return f"{name} > {value}"
    return f"({name} > {value} OR ({name} = {value} AND {behind(columns[1:], values[1:])}))"


def up_to(columns: Sequence[str], values: Sequence[Any]) -> str:
    """Whether a row comes before *values* or is there."""
    name, value = quote(columns[0]), literal(values[0])
    if len(columns) == 1:
        return f"{name} <= {value}"
    return f"({name} < {value} OR ({name} = {value} AND {up_to(columns[1:], values[1:])}))"


def within(layout: Layout, part: str | None, low: Bound, high: Bound) -> str:
    """Whether a row is in a range: behind *low*, up to *high*; None leaves a side open."""
    conditions = [] if part is None else [f"{quote(str(layout.part_column))} = {literal(part)}"]
    if low is not None:
        conditions.append(behind(layout.bound_columns, low))
    if high is not None:
        conditions.append(up_to(layout.bound_columns, high))
    return " AND ".join(conditions) or "1"


def one_row(columns: Sequence[str], texts: Sequence[str]) -> str:
    """The condition for the row with a key, whose values are texts already."""
    return "(" + " AND ".join(f"{quote(column)}={text}" for column, text in zip(columns, texts)) + ")"


def by_key(table: str, alias: str = "") -> str:
    """A table whose rows are looked up by their primary keys.

    Right after many rows came a server may believe that the table has hardly any, and read all of it.
    """
    return f"{quote(table)} {alias} FORCE INDEX (PRIMARY)"


@dataclass(frozen=True)
class RowSql:
    """Expressions of a row, and *where* which rows are carried.

    *plain* is the row: its columns with :data:`NUL` in between, *mark* its fingerprint as 16 hexadecimal digits;
    *nulls* is how many of its values are NULL.
    """

    plain: str
    mark: str
    nulls: str
    where: str


_FEW_CASES = 2
"""Cases that are compared one after another; of more a server finds by one search that a row is none of them."""


def _cases(column: str, changed: Mapping[Any, Any], otherwise: str) -> str:
    if not changed:
        return otherwise
    name = quote(column)
    whens = " ".join(f"WHEN {literal(old)} THEN {literal(new)}" for old, new in changed.items())
    cases = f"CASE {name} {whens} ELSE {otherwise} END"
    return cases if len(changed) <= _FEW_CASES else f"IF({name} IN ({literals(changed)}),{cases},{otherwise})"


def _moved(column: str, offset: int) -> str:
    return f"{quote(column)}+{offset}" if offset else quote(column)


class _Expressions:
    """What each column of a row becomes, in SQL."""

    def __init__(self, table: Table, layout: Layout, ledger: Ledger) -> None:
        self.table = table
        self.layout = layout
        self.ledger = ledger

    def raw(self, column: Column) -> str:
        """The value in the merged database."""
        table, ledger, name = self.table, self.ledger, column.name
        key = name_key(table)
        if key is not None and name == name_column(table) and renames(ledger, table):
            return _cases(key, renames(ledger, table), quote(name))
        if name in (table.auto, table.id):
            offset = ledger.offsets.get(table.name, 0) if name == table.auto else 0
            changed = _own_changes(table, ledger) if name == table.id else {}
            return self._emptied(column, _cases(name, changed, _moved(name, offset)))
        refs = [ref for ref in table.refs if ref.column == name]
        plain = [ref for ref in refs if ref.when is None]
        if plain:
            inner = _cases(name, ledger.mapping(plain[0]), _moved(name, ledger.shift(plain[0])))
            return self._emptied(column, inner)
        changing = [ref for ref in refs if ledger.mapping(ref)]
        if not changing:
            return quote(name)
        whens = " ".join(
            f"WHEN {one_of(ref.when[0], sorted(ref.when[1]))} THEN {_cases(name, ledger.mapping(ref), quote(name))}"
            for ref in changing
            if ref.when is not None
        )
        return f"CASE {whens} ELSE {quote(name)} END"

    def _emptied(self, column: Column, inner: str) -> str:
        """Weak references that lead nowhere and are to go become NULL."""
        lost = [
            value
            for ref in self.table.refs
            if ref.column == column.name and ref.weak
            for value in sorted(self.ledger.lost.get((self.table.name, ref.column, ref.to), ()), key=str)
        ]
        return f"CASE WHEN {one_of(column.name, lost)} THEN NULL ELSE {inner} END" if lost else inner

    def plain(self, column: Column) -> str:
        """The value as text."""
        raw = self.raw(column)
        if column.binary:
            raw = f"HEX({raw})"
        elif column.foreign:
            raw = f"CONVERT({raw} USING utf8mb4)"
        return f"IFNULL({raw},{literal(NULL_MARK)})" if column.nullable else raw

    def where(self) -> str:
        """Which rows are carried."""
        table, ledger = self.table, self.ledger
        conditions: list[str] = []
        left_out = ledger.left_out.get(table.name, set())
        if left_out:
            if len(table.identity) == 1:
                conditions.append(one_of(table.identity[0], [identity[0] for identity in left_out], negate=True))
            else:
                rows = " OR ".join(one_row(table.identity, [literal(value) for value in row]) for row in left_out)
                conditions.append(f"NOT ({rows})")
        gone = ledger.gone(table)
        if gone:
            conditions.append(one_of(str(table.part_of), gone, negate=True))
        for ref in table.refs:
            lost = ledger.lost.get((table.name, ref.column, ref.to))
            if lost and not ref.weak:
                condition = one_of(ref.column, lost, negate=True)
                if ref.when is not None:
                    condition = f"({one_of(ref.when[0], sorted(ref.when[1]), negate=True)} OR {condition})"
                conditions.append(condition)
        return " AND ".join(conditions) or "1"


def _own_changes(table: Table, ledger: Ledger) -> dict[Any, Any]:
    """New ids of the rows of *table* that are carried."""
    changed = ledger.changed.get(table.name, {})
    left_out = {identity[0] for identity in ledger.left_out.get(table.name, ())} if changed else set()
    return {old: new for old, new in changed.items() if old not in left_out}


def row_sql(table: Table, layout: Layout, ledger: Ledger, columns: Sequence[str]) -> RowSql | None:
    """How a server writes down rows of *table*, in the order of *columns*; None where Python has to."""
    if not _few(table, ledger):
        return None
    made = _Expressions(table, layout, ledger)
    chosen = [layout.column(name) for name in columns]
    plains = ",".join(made.plain(column) for column in chosen)
    plain = f"CONCAT_WS('\\0',{plains})" if len(chosen) > 1 else f"CONCAT({plains})"
    nulls = "+".join(f"({made.raw(column)} IS NULL)" for column in chosen if column.nullable) or "0"
    return RowSql(plain, f"LPAD(HEX({sql_fingerprint(plain)}),16,'0')", nulls, made.where())


def _few(table: Table, ledger: Ledger) -> bool:
    """Whether all that changes fits into a statement."""
    if any(ledger.swaps(table).values()):
        return False
    cases = sum(len(ledger.mapping(ref)) for ref in table.refs) + len(renames(ledger, table))
    cases += len(_own_changes(table, ledger))
    outside = len(ledger.left_out.get(table.name, ())) + len(ledger.gone(table))
    outside += sum(len(ledger.lost.get((table.name, ref.column, ref.to), ())) for ref in table.refs)
    return cases <= CASES and outside <= 4 * CASES


@dataclass(frozen=True)
class Rows:
    """Rows of a range as they will be in the merged database, their *marks* of 8 bytes each, their *keys*.

    *plain* is the text of a server, with :data:`ROW_END` between the rows; where it would not be clear, *text* is what
    stands inside the outer parentheses of VALUES instead. The keys are the values of the primary key's columns, with
    :data:`NUL` between all of them. *digest* is that of *plain*, see :func:`sql_digest`.
    """

    count: int
    marks: bytes
    keys: str
    plain: str | None = None
    text: str = ""
    digest: bytes = b""


NO_ROWS = Rows(0, b"", "")


def together(many: Sequence[Rows]) -> list[Rows]:
    """The same rows in as few as can be: those that a server wrote down, and those that were made in Python."""
    found: list[Rows] = []
    plain = [rows for rows in many if rows.count and rows.plain is not None]
    if plain:
        found.append(
            Rows(
                sum(rows.count for rows in plain),
                b"".join(rows.marks for rows in plain),
                NUL.join(rows.keys for rows in plain),
                ROW_END.join(str(rows.plain) for rows in plain),
            )
        )
    found.extend(rows for rows in many if rows.count and rows.plain is None)
    return found


def in_order(many: Sequence[Rows], by_text: bool) -> Rows:
    """Rows of several ranges of several servers, to be written at once: *by_text* sorted, as their keys are texts.

    Rows that come in the order of the primary key cost a server two thirds of what they cost otherwise, and leave its
    pages full.
    """
    texts = [text for rows in many for text in str(rows.plain).split(ROW_END)]
    if by_text:
        texts.sort()
    return Rows(len(texts), b"", "", ROW_END.join(texts))


@dataclass(frozen=True)
class Load:
    """A statement that takes its rows from the client, and these rows."""

    statement: str
    data: bytes
    rows: int


def load_rows(table: str, columns: Sequence[str], nullable: AbstractSet[str], plain: str, rows: int) -> Load:
    """What loads rows as a server wrote them down. No other SQL costs a server so little."""
    names = [f"@v{at}" if name in nullable else quote(name) for at, name in enumerate(columns)]
    # Byte for byte: some collations take the mark for nothing.
    empty = ",".join(
        f"{quote(name)}=NULLIF(@v{at},BINARY {literal(NULL_MARK)})"
        for at, name in enumerate(columns)
        if name in nullable
    )
    return Load(
        # Nobody opens a file of that name, see Database.load.
        f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {quote(table)} CHARACTER SET {{charset}} "
        f"FIELDS TERMINATED BY '\\0' ESCAPED BY '' LINES TERMINATED BY '{ROW_END}' ({','.join(names)})"
        + (f" SET {empty}" if empty else ""),
        # Without an end an empty last value would be none.
        (plain + ROW_END).encode("utf-8"),
        rows,
    )


def insert_rows(table: str, columns: Sequence[str], text: str) -> str:
    """The INSERT of rows."""
    return f"INSERT INTO {quote(table)} ({','.join(quote(column) for column in columns)}) VALUES ({text})"


def insert_text(plain: str) -> str:
    """What a server wrote down, as it stands inside the outer parentheses of VALUES.

    Numbers are quoted as well: the server takes them for what they are.
    """
    text = plain.replace("\\", "\\\\").replace("'", "\\'").replace("\x1a", "\\Z")
    text = "'" + text.replace(NUL, "','").replace(ROW_END, "'),('") + "'"
    return text.replace(f"'{NULL_MARK}'", "NULL")


def is_clean(plain: str, rows: int, columns: int, nulls: int) -> bool:
    """Whether no value holds a character that has a meaning in *plain*."""
    return (
        plain.count(NUL) == rows * (columns - 1)
        and plain.count(ROW_END) == rows - 1
        and plain.count(NULL_MARK) == nulls
    )


def sql_digest(plain: str) -> str:
    """The SQL for the digest of many rows, hexadecimal; *plain* is the expression of one of them."""
    return f"LEFT(SHA2(GROUP_CONCAT({plain} SEPARATOR '{ROW_END}'),256),{2 * DIGEST})"


def split(marks: bytes) -> list[bytes]:
    """Marks, each by itself."""
    return [mark for (mark,) in struct.iter_unpack(f"{MARK}s", marks)]


def _marks(encoded: Sequence[bytes]) -> bytes:
    """The :func:`collation.fingerprint` of each text."""
    marks = array("Q", [crc32(row) << 32 | crc32(row[::-1]) for row in encoded])
    if sys.byteorder == "little":
        marks.byteswap()
    return marks.tobytes()


def other_rows(plain: str, known: AbstractSet[bytes], columns: int, width: int) -> tuple[bytes, Rows]:
    """The marks of clean rows as in :func:`rows_of`, and those of the rows whose marks are not *known*."""
    encoded = plain.encode("utf-8").split(ROW_END.encode())
    marks = _marks(encoded)
    others = [row for row, mark in zip(encoded, split(marks)) if mark not in known]
    return marks, rows_of(ROW_END.encode().join(others).decode("utf-8"), columns, width) if others else NO_ROWS


def rows_of(plain: str, columns: int, width: int) -> Rows:
    """Clean rows of *columns* columns, of which the first *width* are the key."""
    text = plain.encode("utf-8")
    encoded = text.split(ROW_END.encode())
    if width == columns:
        keys = plain.replace(ROW_END, NUL)
    elif width == 1:
        keys = NUL.join([row[: row.index(NUL)] for row in plain.split(ROW_END)])
    else:
        keys = NUL.join([value for row in plain.split(ROW_END) for value in row.split(NUL, width)[:width]])
    return Rows(len(encoded), _marks(encoded), keys, plain, digest=sha256(text).digest()[:DIGEST])


def rows_in_python(
    layout: Layout, columns: Sequence[str], rows: Iterable[Row], translate: Translate, only: frozenset[bytes] | None
) -> Rows:
    """The same of rows that a server sent one by one, or of *only* those with these marks; without what is left out."""
    chosen = [layout.column(name) for name in columns]
    width = len(layout.primary)
    texts: list[str] = []
    marks: list[bytes] = []
    keys: list[str] = []
    for row in rows:
        new = translate(row)
        if new is None:
            continue
        values = [_plain(column, value) for column, value in zip(chosen, new)]
        mark = fingerprint(NUL.join(values).encode("utf-8")).to_bytes(8, "big")
        if only is None or mark in only:
            texts.append(",".join(literal(value) for value in new))
            marks.append(mark)
            keys.extend(value.replace(NUL, NUL_IN_KEY) for value in values[:width])
    return Rows(len(texts), b"".join(marks), NUL.join(keys), text="),(".join(texts))


def _plain(column: Column, value: Any) -> str:
    if value is None:
        return NULL_MARK
    return bytes(value).hex().upper() if column.binary else str(value)


def literal_keys(columns: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Keys that are given column by column, row by row and as SQL literals."""
    return list(zip(*([literal(value.replace(NUL_IN_KEY, NUL)) for value in column] for column in columns)))


def key_first(layout: Layout, columns: Iterable[str]) -> tuple[str, ...]:
    """Columns in the order of a row's text: those of the primary key come first."""
    return (*layout.primary, *(column for column in columns if column not in layout.primary))
