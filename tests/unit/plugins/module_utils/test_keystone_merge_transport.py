# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of several sources on their way: in one order, in one transaction with what is noted of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import RetryError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    NUL,
    ROW_END,
    Load,
    Rows,
    in_order,
    rows_of,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import _portions
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.transport import (
    Destination,
    Making,
    Work,
    Writer,
    pump,
)


class Target:
    """A connection that keeps what was committed."""

    def __init__(self, retries: int = 0) -> None:
        self.retries = retries
        self.pending: list[Any] = []
        self.commits: list[list[Any]] = []

    def status(self, *_names: str) -> dict[str, str]:
        return {}

    def execute(self, statement: str | bytes) -> int:
        self.pending.append(statement)
        return 1

    def load(self, load: Load) -> None:
        self.pending.append(load.data.decode().rstrip(ROW_END).split(ROW_END))

    def commit(self) -> None:
        if self.retries:
            self.retries -= 1
            raise RetryError("another transaction came first")
        self.commits.append(self.pending)
        self.pending = []

    def rollback(self) -> None:
        self.pending = []


def destination(table: str = "t", by_text: bool = True, loads: bool = True) -> Destination:
    return Destination(table, ("id", "name"), frozenset({"name"}), by_text, loads)


def rows(*ids: Any) -> Rows:
    return rows_of(ROW_END.join(f"{id_}{NUL}n" for id_ in ids), 2, 1)


def work(stack: str, *ids: str, to: Destination | None = None) -> Work:
    return Work(
        "t", len(ids), (), stack, to or destination(), rows(*ids), f"({stack} {ids[0]})".encode(), (0, 0, ids[0])
    )


def written(target: Target, *several: list[Work], batch_rows: int = 100, **more: Any) -> list[tuple[str, str, int]]:
    """Pump what several sources make; gives what was told."""
    told: list[tuple[str, str, int]] = []
    writer = Writer(
        target,  # type: ignore[arg-type]
        batch_rows,
        lambda *one: told.append(one),
        lambda notes: [b"note " + b",".join(notes)] if notes else [],
    )
    pump([Making(iter(one), contextlib.nullcontext()) for one in several], writer, more.get("stop", threading.Event()))
    return told


def ids(committed: Any) -> list[str]:
    return [row.split(NUL)[0] for row in committed]


def test_rows_of_all_sources_come_in_one_order_and_one_statement() -> None:
    target = Target()
    told = written(target, [work("one", "a", "c"), work("one", "e")], [work("two", "b", "f"), work("two", "g")])
    assert len(target.commits) == 1
    load, note = target.commits[0]
    assert ids(load) == ["a", "b", "c", "e", "f", "g"]
    assert note == b"note (one a),(two b),(one e),(two g)"
    assert sorted(told) == [("one", "t", 1), ("one", "t", 2), ("two", "t", 1), ("two", "t", 2)]


def test_what_is_noted_is_committed_with_its_rows_and_each_source_in_its_order() -> None:
    """Whatever the size of a transaction: a run that is cut off leaves ranges from the beginning on."""
    target = Target()
    written(
        target,
        [work("one", *pair) for pair in ("ab", "cd", "kl")],
        [work("two", *pair) for pair in ("ef", "gh", "ij")],
        batch_rows=4,
    )
    assert len(target.commits) == 3
    seen: list[str] = []
    for load, note in target.commits:
        noted = note.decode().removeprefix("note ").strip("()").split("),(")
        assert {one.split()[1] for one in noted} <= set(ids(load))
        seen += noted
    assert [one for one in seen if one.startswith("one")] == ["one a", "one c", "one k"]
    assert [one for one in seen if one.startswith("two")] == ["two e", "two g", "two i"]


def test_numbers_stay_as_they_come() -> None:
    """As texts 10 comes before 9, and two sources' numbers have rooms of their own."""
    assert in_order([rows(9, 10), rows(1009)], by_text=False).plain == f"9{NUL}n{ROW_END}10{NUL}n{ROW_END}1009{NUL}n"


def test_rows_that_go_elsewhere_or_as_statements_stay_apart() -> None:
    """Other columns, other statements; and a server that takes no rows from clients gets one statement a range."""
    target = Target()
    written(target, [work("one", "a"), work("one", "b", to=destination("u"))], [work("two", "a1")])
    assert [ids(one) for one in target.commits[0][:-1]] == [["a", "a1"], ["b"]]
    target = Target()
    plain = destination(loads=False)
    written(target, [work("one", "a", to=plain)], [work("two", "b", to=plain)])
    assert target.commits[0][:-1] == [
        "INSERT INTO `t` (`id`,`name`) VALUES ('a','n')",
        "INSERT INTO `t` (`id`,`name`) VALUES ('b','n')",
    ]


def test_statements_come_before_the_rows_of_the_same_work() -> None:
    target = Target()
    first = Work("t", 0, ("DELETE",), "one")
    written(target, [first, work("one", "a")])
    assert target.commits[0][0] == "DELETE"
    assert ids(target.commits[0][1]) == ["a"]


def test_what_was_thrown_back_is_done_again_whole() -> None:
    target = Target(retries=2)
    told = written(target, [work("one", "a", "b")])
    assert [ids(one[0]) for one in target.commits] == [["a", "b"]]
    assert told == [("one", "t", 2)]


def test_one_source_s_error_ends_all_and_nothing_more_is_committed() -> None:
    def broken() -> Iterator[Work]:
        yield work("one", "a")
        raise OSError("gone")

    def endless() -> Iterator[Work]:
        while True:
            time.sleep(0.001)
            yield work("two", "b")

    target, stop = Target(), threading.Event()
    writer = Writer(target, 10**9, lambda *_one: None)  # type: ignore[arg-type]
    makings = [Making(one, contextlib.nullcontext()) for one in (broken(), endless())]
    with pytest.raises(OSError, match="gone"):
        pump(makings, writer, stop)
    assert stop.is_set()
    assert target.commits == []


def test_a_stop_from_elsewhere_ends_it_without_a_commit() -> None:
    target, stop = Target(), threading.Event()
    stop.set()
    assert written(target, [work("one", "a")], stop=stop) == []
    assert target.commits == []


def test_who_shares_a_connection_takes_turns() -> None:
    busy, most = 0, 0
    turn = threading.Lock()

    def making(stack: str) -> Iterator[Work]:
        nonlocal busy, most
        for number in range(20):
            busy += 1
            most = max(most, busy)
            time.sleep(0.001)
            busy -= 1
            yield work(stack, f"{number:02}")

    writer = Writer(Target(), 5, lambda *_one: None)  # type: ignore[arg-type]
    pump([Making(making(stack), turn) for stack in ("one", "two")], writer, threading.Event())
    assert most == 1


def test_notes_are_written_some_at_a_time() -> None:
    notes = [b"x" * 100_000 for _note in range(5)]
    assert [len(some) for some in _portions(notes)] == [2, 2, 1]
    assert [len(some) for some in _portions([b"x" * 1_000_000, b"y"])] == [1, 1]
    assert list(_portions([])) == []
