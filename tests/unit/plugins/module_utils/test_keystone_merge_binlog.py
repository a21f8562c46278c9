# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary logs as a replica gets them: which keys were written, and what is refused.

Real servers write the logs of the integration tests (test_keystone_merge_log_real.py); these here are put together,
so that they can be damaged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.binlog import (
    Known,
    Place,
    Reading,
    Touched,
    UnreadableLogError,
)

BORN = 1_796_055_595
# enum('a','b'), varchar(64), int, text, datetime(6), decimal(12,3): the first two are the key.
TABLES = {"t": Known(6, ((0, ("a", "b")), (1, ())), frozenset({2}))}
TYPES = bytes([254, 15, 3, 252, 18, 246])
META = bytes([0xF7, 1, 0xC0, 0, 2, 6, 12, 3])
ENDS = Place("bin.000001", 10_000)


def event(kind: int, body: bytes, position: int = 500, sums: bool = True) -> bytes:
    """One event, with its sum."""
    size = 19 + len(body) + (4 if sums else 0)
    whole = struct.pack("<IBIIIH", BORN, kind, 1, size, position, 0) + body
    return whole + struct.pack("<I", zlib.crc32(whole)) if sums else whole


def begun(created: int = 0, sums: bool = True) -> bytes:
    """The first event of a file."""
    heads = bytearray(200)
    heads[18] = heads[22] = 8
    body = struct.pack("<H50sIB", 4, b"10.11", created, 19) + bytes(heads) + bytes([int(sums)])
    # The sum is there in any case.
    return event(15, body, position=0, sums=True) if sums else event(15, body + bytes(4), position=0, sums=False)


def mapped(database: str = "keystone", table: str = "t", types: bytes = TYPES, meta: bytes = META) -> bytes:
    """What tells the columns of the rows that follow."""
    body = struct.pack("<IHH", 7, 0, 1)
    for name in (database, table):
        body += bytes([len(name)]) + name.encode() + b"\0"
    return event(19, body + bytes([len(types)]) + types + bytes([len(meta)]) + meta + b"\0")


def row(kind: bytes, name: str, number: int | None = 5) -> bytes:
    """A row: what follows its bitmap of NULLs."""
    nulls = 0b1111_1000 if number is not None else 0b1111_1100
    text = name.encode()
    return bytes([nulls]) + kind + bytes([len(text)]) + text + (b"" if number is None else struct.pack("<i", number))


def rows(kind: int, *values: bytes, extra: bytes = b"") -> bytes:
    """An event of rows with all their columns."""
    bitmaps = b"\x3f" * (2 if kind in (24, 31) else 1)
    return event(kind, struct.pack("<IHH", 7, 0, 1) + extra + b"\x06" + bitmaps + b"".join(values))


def statement(text: str, database: str = "keystone") -> bytes:
    """A statement."""
    name = database.encode()
    return event(2, struct.pack("<IIBHH", 1, 0, len(name), 0, 3) + b"set" + name + b"\0" + text.encode())


def read(*events: bytes, end: Place = ENDS) -> dict[str, Touched]:
    """Read a log that ends with these events."""
    reading = Reading("keystone", TABLES, Place("bin.000001", 400), end)
    last = event(16, bytes(8), position=end.position)
    reading.take([begun(), *events, *([last] if end == ENDS else [])], 1 << 20)
    assert reading.born == BORN
    return reading.touched


def refused(*events: bytes, end: Place = ENDS) -> str:
    with pytest.raises(UnreadableLogError) as caught:
        read(*events, end=end)
    return str(caught.value)


def test_added_and_deleted() -> None:
    assert read(mapped(), rows(23, row(b"\1", "x"), row(b"\2", "zoë"))) == {
        "t": Touched({("a", "x"), ("b", "zoë")}, deleted=False, moved=False)
    }
    assert read(mapped(), rows(25, row(b"\1", "x", None))) == {"t": Touched({("a", "x")}, deleted=True)}


def test_the_second_version_of_rows() -> None:
    assert read(mapped(), rows(30, row(b"\1", "x"), extra=b"\2\0")) == {"t": Touched({("a", "x")})}


def test_updates_tell_both_keys_and_whether_references_move() -> None:
    assert read(mapped(), rows(24, row(b"\1", "x"), row(b"\1", "y"))) == {"t": Touched({("a", "x"), ("a", "y")})}
    assert read(mapped(), rows(24, row(b"\1", "x", 5), row(b"\1", "x", 6))) == {"t": Touched({("a", "x")}, moved=True)}


def test_a_new_image_without_the_key() -> None:
    """As binlog_row_image=MINIMAL has it."""
    old = bytes([0b1111_1100]) + b"\1\1x"
    new = bytes([0b1111_1110]) + struct.pack("<i", 9)
    body = struct.pack("<IHH", 7, 0, 1) + b"\x06" + bytes([0b11, 0b100]) + old + new
    assert read(mapped(), event(24, body)) == {"t": Touched({("a", "x")}, moved=True)}


def test_all_kinds_of_values_are_passed_over() -> None:
    # A text, a time with microseconds (8 bytes), a decimal of 9 and 3 digits (4 and 2 bytes).
    values = bytes([0b1100_0000]) + b"\1\1x" + struct.pack("<i", 1) + b"\3\0hey" + bytes(8) + bytes(6)
    assert read(mapped(), rows(23, values, row(b"\2", "y"))) == {"t": Touched({("a", "x"), ("b", "y")})}


def test_others_are_passed_over() -> None:
    assert read(mapped(database="nova"), rows(23, b"whatever")) == {}
    assert read(mapped(table="token"), rows(23, b"whatever")) == {}
    assert read(event(160, b"INSERT"), event(162, bytes(19)), event(163, bytes(4))) == {}


@pytest.mark.parametrize(
    ("text", "database"),
    [
        ("BEGIN", "keystone"),
        ("COMMIT", "keystone"),
        ("GRANT SELECT ON keystone.* TO x@y", "keystone"),
        ("CREATE OR REPLACE USER x@y IDENTIFIED BY 'secret'", "keystone"),
        ("DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `keystone`.`x`", "keystone"),
        ("CREATE TABLE instances (id INT)", "nova"),
        ("ANALYZE TABLE keystone.user", "keystone"),
    ],
)
def test_statements_that_write_no_row(text: str, database: str) -> None:
    assert read(statement(text, database)) == {}


@pytest.mark.parametrize(
    ("text", "database"),
    [
        ("UPDATE user SET enabled = 0 WHERE id = 'secret'", "keystone"),
        ("update KEYSTONE.user SET enabled = 0", "nova"),
        ("INSERT INTO instances VALUES (1)", "nova"),
        ("ALTER TABLE user ADD COLUMN x INT", "keystone"),
        ("RENAME TABLE nova.x TO keystone.user", "nova"),
        ("DROP DATABASE Keystone", ""),
        ("TRUNCATE TABLE user", "keystone"),
        ("XA COMMIT 'x'", "nova"),
        ("", "keystone"),
    ],
)
def test_statements_that_may_write_one(text: str, database: str) -> None:
    message = refused(statement(text, database))
    assert message.startswith("it holds a statement (")
    assert "secret" not in message


def test_a_further_file() -> None:
    end = Place("bin.000002", 600)
    told = struct.pack("<Q", 4) + b"bin.000002"
    further = [event(4, told, position=900), event(4, told, position=0), begun(), event(16, bytes(8), position=600)]
    assert read(mapped(), rows(23, row(b"\1", "x")), *further, end=end) == {"t": Touched({("a", "x")})}
    again = [further[0], further[1], begun(created=BORN), further[3]]
    assert refused(*again, end=end) == "the server was started again since the last run"


def test_nothing_was_written() -> None:
    place = Place("bin.000001", 400)
    reading = Reading("keystone", TABLES, place, place)
    first = event(4, struct.pack("<Q", 400) + b"bin.000001", position=0, sums=False)
    reading.take([first, begun()], 1 << 20)
    assert (reading.touched, reading.born) == ({}, BORN)


def test_a_log_without_sums() -> None:
    reading = Reading("keystone", TABLES, Place("bin.000001", 400), ENDS)
    reading.take([begun(sums=False), event(16, bytes(8), position=ENDS.position, sums=False)], 1 << 20)
    assert reading.touched == {}


def test_what_is_damaged() -> None:
    good = rows(23, row(b"\1", "x"))
    assert refused(mapped(), good[:-9] + b"?" + good[-8:]) == "the sum of an event of it is wrong"
    not_known = "an event of it is not of the format that is known here"
    assert refused(good[:-1]) == not_known
    assert refused(good) == not_known  # no table was told
    assert refused(mapped(), rows(23, row(b"\1", "x")[:-1])) == not_known
    assert refused(mapped(), rows(23, row(b"\3", "x"))) == not_known
    assert refused(mapped(types=TYPES[:5], meta=META[:6])) == "table t had other columns"
    assert refused(mapped(types=bytes([254, 141, 3, 252, 18, 246]))) == (
        "it holds values of kind 141, which is not known here"
    )
    assert refused(event(26, b"\1\0")) == "it holds an event of kind 26, which is not known here"
    assert refused(mapped(), rows(23, bytes([0b1111_1001]) + b"\1x" + struct.pack("<i", 1))) == (
        "it holds keys of a kind that is not known here"
    )


def test_its_end_is_missing() -> None:
    end = Place("bin.000001", 700)
    assert refused(rows(23), end=end).startswith("an event of it")
    assert refused(event(16, bytes(8), position=699), end=end) == "it ends before bin.000001:700"


def test_it_is_too_long() -> None:
    reading = Reading("keystone", TABLES, Place("bin.000001", 400), ENDS)
    many: Sequence[bytes] = [begun(), *[event(160, bytes(1000))] * 1100]
    with pytest.raises(UnreadableLogError, match="more than 1 MiB were written to it since the last run"):
        reading.take(many, 1 << 20)


def test_too_many_rows() -> None:
    many = rows(23, *[row(b"\1", "x")] * 60_000)
    reading = Reading("keystone", TABLES, Place("bin.000001", 400), ENDS)
    with pytest.raises(UnreadableLogError, match="more than 100000 rows were written since the last run"):
        reading.take([begun(), mapped(), many, many], 1 << 24)
