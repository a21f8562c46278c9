# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writer notes what became of each attempt, and uses no number twice."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest
from stretch_drill import paced as paced_module
from stretch_drill.writer import Writer


class Cursor:
    """Takes statements and asks the connection what is to happen."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        self.connection.database.execute(statement, values)

    def fetchone(self) -> tuple[str]:
        return ("s1controller-0",)


class Connection:
    """A connection to the database below."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        pass


class Database:
    """Refuses the third connection and every fifth row, but keeps each second row that it refuses."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.connections = itertools.count(1)
        self.inserts = itertools.count(1)

    def connect(self) -> Any:
        if next(self.connections) == 3:
            raise OSError("no route to host")
        return Connection(self)

    def execute(self, statement: str, values: tuple[Any, ...]) -> None:
        if not statement.startswith("INSERT"):
            return
        count = next(self.inserts)
        if count % 5 == 0:
            if count % 10 == 0:
                self.rows.append(values[1])
            raise pymysql.err.OperationalError(2013, "Lost connection")
        self.rows.append(values[1])


def test_every_attempt_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database()
    synced: list[int] = []
    monkeypatch.setattr(paced_module.os, "fsync", synced.append)
    writer = Writer("stack1", database.connect, time.monotonic, 1000, tmp_path / "writes.jsonl", payload=10)
    writer.start()
    while len(writer.writes) < 30:
        time.sleep(0.01)
    writer.stop()
    writes = writer.writes
    assert [each.number for each in writes] == list(range(1, len(writes) + 1))
    assert {each.number for each in writes if each.acknowledged} <= set(database.rows)
    assert [each.error for each in writes if not each.sent] == ["no route to host"]
    assert all(each.sent for each in writes if "Lost connection" in each.error)
    assert any(each.number in database.rows for each in writes if each.error)
    lines = [json.loads(line) for line in (tmp_path / "writes.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines if "error" not in line] == [
        each.number for each in writes if each.acknowledged
    ]
    assert len(synced) == writer.acknowledged == sum(each.acknowledged for each in writes)
    assert writer.member == "s1controller-0"


def test_a_writer_that_is_held_writes_nothing(tmp_path: Path) -> None:
    writer = Writer("stack1", Database().connect, time.monotonic, 1000, tmp_path / "writes.jsonl", payload=10)
    writer.held.set()
    writer.start()
    time.sleep(0.1)
    assert writer.writes == []
    writer.held.clear()
    time.sleep(0.1)
    writer.stop()
    assert writer.writes


def test_the_rate_is_bounded(tmp_path: Path) -> None:
    writer = Writer("stack1", Database().connect, time.monotonic, 20, tmp_path / "writes.jsonl", payload=10)
    writer.start()
    time.sleep(0.5)
    writer.stop()
    assert 1 <= len(writer.writes) <= 12
