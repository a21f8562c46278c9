# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts of bench-merge, what it generates and what it changes, without a server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))

from merge_bench import verdicts
from merge_bench.changes import ROWS, changes, rounds
from merge_bench.measure import Cost, Watched
from merge_bench.population import Sizes, Stack, statements
from merge_bench.verdicts import Step

ROWS_OF = {"copy": 2_000_000, "merge": 2_000_000, "again": 1000, "small": 200_000}
STEPS = [Step(name, name, rows) for name, rows in ROWS_OF.items()]


def one_round(merge: float = 10.0, copy: float = 10.0, again: float = 0.9, small: float = 1.0) -> dict[str, Cost]:
    seconds = {"copy": copy, "merge": merge, "again": again, "small": small}
    return {name: Cost(seconds=each, peak=100_000_000) for name, each in seconds.items()}


def missed(*found: dict[str, Cost]) -> list[str]:
    return [one.name.split(",")[0] for one in verdicts.speed(found, ROWS_OF) if not one.met]


def test_all_targets_reached() -> None:
    assert missed(one_round(), one_round(), one_round()) == []


@pytest.mark.parametrize(
    ("costs", "name"),
    [
        (one_round(copy=9.9), "whole merge"),
        (one_round(small=0.83), "time per row"),
        (one_round(again=1.0), "second run after 1"),
    ],
)
def test_each_target_missed(costs: dict[str, Cost], name: str) -> None:
    assert missed(costs) == [name]


def test_one_lucky_or_slow_round_decides_nothing() -> None:
    assert missed(one_round(copy=9.9), one_round(copy=9.9), one_round(copy=20.0)) == ["whole merge"]
    assert missed(one_round(), one_round(), one_round(merge=20.0, small=2.0, again=1.9)) == []


def test_but_one_peak_does() -> None:
    large = one_round()
    large["small"].peak = 300_000_000
    assert missed(one_round(), large) == ["peak memory"]
    large["small"].peak, large["copy"].peak = 1, 900_000_000
    assert missed(one_round(), large) == []


def test_only_what_was_measured_is_judged() -> None:
    found = verdicts.speed([{"merge": Cost(seconds=1.0)}], {"merge": 1})
    assert [one.name for one in found] == ["peak memory, MB"]


def test_replication() -> None:
    calm = Watched(waits=[0.01, 0.5], largest=1e6)
    assert all(one.met for one in verdicts.replication([calm], 2_000_000, []))
    stalled = Watched(waits=[0.01, 1.5], largest=3e6)
    assert not any(one.met for one in verdicts.replication([calm, stalled], 2_000_000, ["keystone.user"]))


def test_tables() -> None:
    slow = one_round(merge=30.0)
    slow["merge"].others = 0.5
    lines = verdicts.table(STEPS, [one_round(), slow])
    assert len(lines) == 1 + len(STEPS)
    assert lines[2].split()[:5] == ["merge", "20.00", "10.00", "..", "30.00"]
    assert [line.endswith("the machine was busy") for line in lines] == [False, False, True, False, False]
    assert verdicts.cluster_table(STEPS, {}) == []
    watched = Watched(paused=[0.25, 0, 0], queues=[1, 2, 3], waits=[0.1], write_sets=2, replicated=4000, largest=3e3)
    assert "25.0%" in verdicts.cluster_table(STEPS[:1], {"copy": [watched]})[1]


def test_changes_are_as_many_as_said() -> None:
    stack = Stack("stack1", Sizes())
    for number in range(3):
        assert sum(change.rows for change in changes(stack, number)) == ROWS


def test_rounds_change_different_rows_that_there_are() -> None:
    sizes = Sizes().part(10)
    stack = Stack("stack1", sizes)
    told = [change.statement for number in range(rounds(sizes.users)) for change in changes(stack, number)]
    assert rounds(sizes.users) >= 3
    assert len(set(told)) == len(told)


def test_stacks_and_seeds_share_no_ids() -> None:
    texts = ["\n".join(statements(Stack(name, Sizes(), seed))) for name, seed in (("a", 1), ("b", 1), ("a", 2))]
    assert len(set(texts)) == len(texts)
    assert "'a/1/user/'" in texts[0]
    assert "'a/1/user/'" not in texts[1] + texts[2]
    assert texts[0] == "\n".join(statements(Stack("a", Sizes())))
