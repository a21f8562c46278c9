# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lost row and a second Primary component are always found, and nothing is found where there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from drill_harness import describe, left, seen, status, write
from hypothesis import given, settings
from hypothesis import strategies as st
from stretch_drill.model import Member, Observation, Record, Status
from stretch_drill.verdict import Gap, all_synced_since, claims, differing, longest_pause, lost, two_primaries

MEMBERS = describe().members
NAMES = [member.name for member in MEMBERS]
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
OTHER_HISTORY = "ffffffff-0000-11f1-8000-000000000002"

rows = st.sets(st.tuples(st.sampled_from(["stack1", "stack2"]), st.integers(1, 50)))


@settings(deadline=None)
@given(acknowledged=rows, others=rows, data=st.data())
def test_a_lost_row_is_always_found(
    acknowledged: set[tuple[str, int]], others: set[tuple[str, int]], data: st.DataObject
) -> None:
    writes = [write(number, 1.0, site) for site, number in acknowledged]
    writes += [write(number, 1.0, site, error="refused") for site, number in others - acknowledged]
    everything = acknowledged | others
    present = dict.fromkeys(NAMES, everything)
    assert lost(writes, present) == {}
    if acknowledged:
        row = data.draw(st.sampled_from(sorted(acknowledged)))
        name = data.draw(st.sampled_from(NAMES))
        present[name] = present[name] - {row}
        assert lost(writes, present) == {name: [row]}
        assert differing(present) == [row]


def test_a_row_that_no_member_has_is_lost_on_all() -> None:
    assert lost([write(1, 1.0)], {name: set() for name in NAMES}) == {name: [("stack1", 1)] for name in NAMES}


def conflicts(observations: list[Observation]) -> list[str]:
    return [str(each) for each in two_primaries(claims(observations, MEMBERS))]


def polls(member: str, what: Status | None, begin: float, end: float, phase: float = 0.0) -> list[Observation]:
    """A member that is asked every quarter of a second."""
    times = [begin + phase + 0.25 * index for index in range(int((end - begin - phase) / 0.25) + 1)]
    return [seen(member, time, what) for time in times]


splits = st.integers(1, 5).flatmap(lambda size: st.tuples(st.permutations(NAMES), st.just(size)))


@settings(deadline=None)
@given(
    split=splits,
    phases=st.lists(st.floats(0, 0.25), min_size=6, max_size=6),
    view=st.integers(1, 5),
    late=st.floats(0, 3),
)
def test_two_primaries_are_always_found(
    split: tuple[list[str], int], phases: list[float], view: int, late: float
) -> None:
    """Any two groups of members that are Primary at once for half a second, whatever their views are numbered."""
    one, other = set(split[0][: split[1]]), set(split[0][split[1] :])
    observations = []
    for name, phase in zip(NAMES, phases):
        observations += polls(name, status(set(NAMES), 7), 0, 5, phase)
        if name in one:
            observations += polls(name, status(one, 8), 5.3, 9, phase)
        else:
            observations += polls(name, left(other), 5.3, 5.3 + late, phase)
            observations += polls(name, status(other, view), 5.3 + late, 5.9 + late, phase)
    assert conflicts(observations)


@settings(deadline=None)
@given(
    order=st.permutations(NAMES),
    kept=st.integers(4, 5),
    delays=st.lists(st.floats(0, 2), min_size=6, max_size=6),
    phases=st.lists(st.floats(0, 0.25), min_size=6, max_size=6),
)
def test_those_who_have_not_noticed_yet_are_no_second_primary(
    order: list[str], kept: int, delays: list[float], phases: list[float]
) -> None:
    """After a cut each member learns of its new view at a time of its own, and then all are together again."""
    majority, minority = set(order[:kept]), set(order[kept:])
    observations = []
    for name, delay, phase in zip(NAMES, delays, phases):
        cut = 5 + delay
        observations += polls(name, status(set(NAMES), 1), 0, cut, phase)
        observations += polls(name, status(majority, 2) if name in majority else left(minority), cut + 0.3, 12, phase)
        observations += polls(name, status(set(NAMES), 3), 12.3 + delay, 20, phase)
    assert conflicts(observations) == []


def test_one_bootstrap_after_a_blackout_is_one_primary() -> None:
    """Members join one by one; those that are asked late still tell of the smaller view."""
    observations = []
    for index, name in enumerate(NAMES):
        observations += polls(name, status(set(NAMES), 9), 0, 5)
        observations += polls(name, None, 5.2, 10)
        for size in range(index + 1, len(NAMES) + 1):
            observations += polls(name, status(set(NAMES[:size]), size), 10 + size, 10.9 + size)
    assert conflicts(observations) == []


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ([("s1controller-0", status({"s1controller-0"})), ("s2controller-0", status({"s2controller-0"}))], True),
        # Of one name and number, but not of one history.
        (
            [
                ("s1controller-0", status({"s1controller-0", "s2controller-0"})),
                ("s2controller-0", status({"s1controller-0", "s2controller-0"}, history=OTHER_HISTORY)),
            ],
            True,
        ),
        # A joiner is in a Primary component before it is Synced.
        (
            [
                ("s1controller-0", status({"s1controller-0"})),
                ("s2controller-0", status({"s2controller-0"}, state="Joined")),
            ],
            True,
        ),
        ([("s1controller-0", status({"s1controller-0"})), ("s2controller-0", left({"s2controller-0"}))], False),
        ([("s1controller-0", status({"s1controller-0"})), ("s2controller-0", None)], False),
    ],
)
def test_what_two_members_say_at_once(what: list[tuple[str, Status | None]], found: bool) -> None:
    observations = [each for name, said in what for each in polls(name, said, 0, 2)]
    assert bool(conflicts(observations)) is found


def test_one_after_the_other_is_no_conflict() -> None:
    first = polls("s1controller-0", status({"s1controller-0"}), 0, 5) + polls("s1controller-0", None, 5.2, 20)
    second = polls("s2controller-0", None, 0, 10) + polls("s2controller-0", status({"s2controller-0"}), 11, 20)
    assert conflicts(first + second) == []


def test_between_two_views_nobody_is_believed_for_a_moment_but_not_for_long() -> None:
    """The server speaks of the old view still, the provider of the new one: the sizes differ."""
    torn = replace(status({"s2controller-0"}), size=6)
    majority = polls("s1controller-0", status({"s1controller-0"}), 0, 10)
    moment = [seen("s2controller-0", 5 + 0.02 * index, torn) for index in range(20)]
    after = polls("s2controller-0", left({"s2controller-0"}), 5.5, 10)
    assert conflicts(majority + moment + after) == []
    assert conflicts(majority + polls("s2controller-0", torn, 5, 8))


@pytest.mark.parametrize(
    ("name", "found"), [("drill_watch_blackout", False), ("drill_watch_lose_site", False), ("drill_watch_split", True)]
)
def test_what_real_members_said(name: str, found: bool) -> None:
    """Recorded from members that were killed, came back, and were started as two clusters."""
    lines = [json.loads(line) for line in (FIXTURES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    members = tuple(Member(**each) for each in lines[0])
    observations = [
        Observation(
            member,
            asked,
            answered,
            Status(**{**said, "endpoints": tuple(said["endpoints"])}) if said else None,
        )
        for member, asked, answered, said in lines[1:]
    ]
    assert bool(two_primaries(claims(observations, members))) is found


@pytest.mark.parametrize(
    ("times", "since", "until", "pause"),
    [
        ([1, 2, 3, 9, 10], 3.5, 8, (3, 9)),
        ([1, 2, 4, 9, 10], 0, 2, (2, 4)),
        ([1, 2, 3], 5, 9, (3, 12)),
        ([], 1, 2, (0, 12)),
        ([1, 4, 5, 11], 0, 12, (5, 11)),
    ],
)
def test_longest_pause(times: list[float], since: float, until: float, pause: tuple[float, float]) -> None:
    """It is whole even where it reaches out of the window, and the ends of the run are its ends at most."""
    writes = [write(number, time) for number, time in enumerate(times)]
    writes += [write(99, 6.0, error="refused"), write(1, 6.5, site="stack2")]
    assert longest_pause(writes, "stack1", Gap(0, 12), since, until) == Gap(*pause)


def whole(at: float, but: str = "", instead: Status | None = None) -> list[Observation]:
    everyone = status(set(NAMES), 4)
    return [seen(name, at, instead if name == but else everyone) for name in NAMES]


@pytest.mark.parametrize(
    ("observations", "since"),
    [
        (whole(1) + whole(2), 1.01),
        (whole(1) + whole(2, "s1controller-1") + whole(3), 3.01),
        (whole(1) + whole(2, "s1controller-1"), None),
        (whole(1, "s2controller-2", left({"s2controller-2"})), None),
        # Of the same size, but of two components.
        (whole(1, "s2controller-2", status(set(NAMES), 5)), None),
        (whole(1)[:-1], None),
    ],
)
def test_when_all_are_synced(observations: list[Observation], since: float | None) -> None:
    record = Record(began="", observations=observations)
    assert all_synced_since(record, MEMBERS, len(NAMES)) == since
    assert all_synced_since(record, MEMBERS, len(NAMES) + 1) is None
