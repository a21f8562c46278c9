# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The election: its rules one by one, and what must hold for any reports at all."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.election import (
    BOOTSTRAP,
    JOIN,
    STOP,
    WAIT,
    Decision,
    ElectionError,
    Report,
    elect,
    report,
)
from hypothesis import given
from hypothesis import strategies as st

A, B, C = "s1controller-0", "s2controller-0", "s2controller-1"
MEMBERS = [A, B, C]
OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"
THEIRS = "9d2a7c11-7f0e-11ef-8a11-0b1c2d3e4f50"
NULL = "00000000-0000-0000-0000-000000000000"

SILENT = Report(reachable=False, primary=False, uuid=None, seqno=None)
EMPTY = Report(reachable=True, primary=False, uuid=None, seqno=None)


def down(seqno: int | None, uuid: str = OURS) -> Report:
    return Report(reachable=True, primary=False, uuid=uuid, seqno=seqno)


def up(uuid: str | None = OURS) -> Report:
    return Report(reachable=True, primary=True, uuid=uuid, seqno=None)


RULES: list[tuple[str, dict[str, Report], dict[str, Any], Decision]] = [
    (
        "a Primary component is joined, whoever is missing",
        {A: SILENT, B: up()},
        {},
        Decision(JOIN, None, f"A Primary component is up, with {B}."),
    ),
    (
        "a Primary component is joined by one that is ahead of it, or of another history",
        {A: down(99, THEIRS), B: up(), C: up()},
        {},
        Decision(JOIN, None, f"A Primary component is up, with {B}, {C}."),
    ),
    (
        "two Primary components",
        {A: up(THEIRS), B: up(), C: up()},
        {},
        Decision(
            STOP,
            None,
            f"There are two Primary components of different history: {OURS} on {B}, {C}; {THEIRS} on {A}.",
        ),
    ),
    (
        "one has not reported",
        {A: down(5), B: SILENT, C: down(4)},
        {},
        Decision(WAIT, None, f"The position of {B} is not known.", (B,)),
    ),
    (
        "one is not even in the reports, one has not recovered its position",
        {A: down(5), C: down(None)},
        {},
        Decision(WAIT, None, f"The position of {B}, {C} is not known.", (B, C)),
    ),
    (
        "nobody waits for the lost",
        {A: down(5), B: SILENT, C: down(4)},
        {"lost": [B]},
        Decision(BOOTSTRAP, A, f"{A} has the highest seqno, 5, of history {OURS}."),
    ),
    (
        "what one says that is called lost counts",
        {A: down(5), B: down(6), C: down(4)},
        {"lost": [B]},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 6, of history {OURS}."),
    ),
    (
        "one that is called lost, and does not know its position, does not count",
        {A: down(5), B: down(None), C: down(4)},
        {"lost": [B]},
        Decision(BOOTSTRAP, A, f"{A} has the highest seqno, 5, of history {OURS}."),
    ),
    (
        "two histories, even before all have reported",
        {A: down(5), B: down(500, THEIRS), C: SILENT},
        {},
        Decision(
            STOP,
            None,
            f"The members hold different histories, of which only one can be kept: {OURS} on {A}; {THEIRS} on {B}.",
        ),
    ),
    (
        "an empty member is not elected, though it has the lowest name",
        {A: EMPTY, B: down(0), C: EMPTY},
        {},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 0, of history {OURS}."),
    ),
    (
        "data wins over the claim that this is the first deployment",
        {A: EMPTY, B: down(7), C: EMPTY},
        {"first_deployment": True},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 7, of history {OURS}."),
    ),
    (
        "among equals the lowest name",
        {C: down(7), B: down(7), A: down(6)},
        {},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 7, of history {OURS}."),
    ),
    (
        "nobody has data",
        dict.fromkeys(MEMBERS, EMPTY),
        {},
        Decision(STOP, None, "No member that reported has data, and this is not the first deployment."),
    ),
    (
        "the first deployment",
        dict.fromkeys(reversed(MEMBERS), EMPTY),
        {"first_deployment": True},
        Decision(BOOTSTRAP, A, f"This is the first deployment, and {A} has the lowest name."),
    ),
    (
        "the first deployment waits for all as well",
        {A: EMPTY, B: EMPTY},
        {"first_deployment": True},
        Decision(WAIT, None, f"The position of {C} is not known.", (C,)),
    ),
    (
        "all are lost",
        {},
        {"first_deployment": True, "lost": MEMBERS},
        Decision(STOP, None, "No member that is not lost holds a known position."),
    ),
    (
        "the only data is on a lost member that does not know its position",
        {A: down(None), B: EMPTY, C: EMPTY},
        {"first_deployment": True, "lost": [A]},
        Decision(STOP, None, "No member that is not lost holds a known position."),
    ),
]


@pytest.mark.parametrize(
    ("reports", "options", "expected"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_rule(reports: dict[str, Report], options: dict[str, Any], expected: Decision) -> None:
    assert elect(reports, MEMBERS, **options) == expected


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"reachable": False, "primary": True, "uuid": "no matter", "seqno": "what"}, SILENT),
        ({"reachable": True}, EMPTY),
        ({"reachable": True, "primary": False, "uuid": NULL, "seqno": -1}, EMPTY),
        ({"reachable": True, "primary": False, "uuid": "", "seqno": None}, EMPTY),
        ({"reachable": True, "primary": True, "uuid": OURS.upper(), "seqno": 3}, dataclasses.replace(up(), seqno=3)),
        ({"reachable": True, "primary": False, "uuid": OURS, "seqno": -1}, down(None)),
        ({"reachable": True, "primary": False, "uuid": OURS, "seqno": 0}, down(0)),
    ],
)
def test_reports(given_: dict[str, Any], expected: Report) -> None:
    assert report(given_) == expected


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"reachable": "yes"},
        {"reachable": True, "primary": None},
        {"reachable": True, "primary": False, "uuid": "1234", "seqno": 3},
        {"reachable": True, "primary": False, "uuid": OURS, "seqno": "3"},
    ],
)
def test_bad_reports(given_: dict[str, Any]) -> None:
    with pytest.raises(ElectionError, match="must be"):
        report(given_)


@pytest.mark.parametrize(
    ("reports", "members", "lost", "message"),
    [
        ({}, [], [], "no members"),
        ({"stranger": down(1)}, MEMBERS, [], "reports names stranger, which the cluster has not"),
        ({}, MEMBERS, ["stranger"], "lost names stranger, which the cluster has not"),
    ],
)
def test_bad_input(reports: dict[str, Report], members: list[str], lost: list[str], message: str) -> None:
    with pytest.raises(ElectionError, match=message):
        elect(reports, members, lost=lost)


# Few values, so that ties, gaps and second histories are common.
REPORTS = st.builds(
    Report,
    reachable=st.sampled_from([True, True, True, False]),
    primary=st.sampled_from([False, False, False, False, False, True]),
    uuid=st.sampled_from([OURS, OURS, OURS, OURS, None, None, THEIRS]),
    seqno=st.sampled_from([0, 1, 2, 2, 3, None]),
)
NAMES = [f"s{stack}controller-{index}" for stack in (1, 2, 10) for index in range(3)]


@st.composite
def outages(draw: st.DrawFn) -> tuple[dict[str, Report], list[str], bool, list[str]]:
    """Reports, members, whether it is the first deployment, and the lost."""
    members = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    reports = draw(st.dictionaries(st.sampled_from(members), REPORTS))
    lost = draw(st.lists(st.sampled_from(members), unique=True, max_size=2))
    return reports, members, draw(st.booleans()), lost


@given(outages(), st.randoms(use_true_random=False))
def test_every_member_decides_the_same(
    outage: tuple[dict[str, Report], list[str], bool, list[str]], order: Any
) -> None:
    reports, members, first_deployment, lost = outage
    names, shuffled = list(reports), list(members)
    order.shuffle(names)
    order.shuffle(shuffled)
    decision = elect(reports, members, first_deployment, lost)
    assert elect({name: reports[name] for name in names}, shuffled, first_deployment, lost[::-1]) == decision
    # A report that says nothing is as good as none.
    told = {**dict.fromkeys(members, SILENT), **reports}
    assert elect(told, set(members), first_deployment, set(lost)) == decision


@given(outages())
def test_what_is_seen_of_the_unreachable_does_not_count(
    outage: tuple[dict[str, Report], list[str], bool, list[str]],
) -> None:
    reports, members, first_deployment, lost = outage
    without = {name: each for name, each in reports.items() if each.reachable}
    assert elect(without, members, first_deployment, lost) == elect(reports, members, first_deployment, lost)


@given(outages())
def test_a_bootstrap_loses_nothing(outage: tuple[dict[str, Report], list[str], bool, list[str]]) -> None:
    reports, members, first_deployment, lost = outage
    decision = elect(reports, members, first_deployment, lost)
    seen = {name: each for name, each in reports.items() if each.reachable}
    assert decision.action in {JOIN, BOOTSTRAP, WAIT, STOP}
    assert (decision.member is not None) == (decision.action == BOOTSTRAP)
    assert bool(decision.missing) == (decision.action == WAIT)
    assert decision.reason.endswith(".")
    if decision.action != BOOTSTRAP:
        return
    assert decision.member is not None
    winner = seen[decision.member]
    # Nobody runs, and everybody spoke, or an operator said that they never will.
    assert not any(each.primary for each in seen.values())
    assert {name for name in members if name not in seen} <= set(lost)
    histories = {each.uuid for each in seen.values() if each.uuid is not None}
    if winner.uuid is None:
        # Never from an empty directory, unless all are empty and it is said to be the first time.
        assert first_deployment
        assert not histories
    else:
        # Never with two histories, never from behind.
        assert histories == {winner.uuid}
        assert winner.seqno is not None
        ahead = [
            name for name, each in seen.items() if each.uuid and each.seqno is not None and each.seqno > winner.seqno
        ]
        assert not ahead
        unknown = {name for name, each in seen.items() if each.uuid and each.seqno is None}
        assert unknown <= set(lost)


@given(outages())
def test_a_primary_component_is_never_bootstrapped_over(
    outage: tuple[dict[str, Report], list[str], bool, list[str]],
) -> None:
    reports, members, first_deployment, lost = outage
    if any(each.reachable and each.primary for each in reports.values()):
        assert elect(reports, members, first_deployment, lost).action in {JOIN, STOP}


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=3, max_size=3))
def test_views_that_differ_in_who_is_reached_never_start_two(seqnos: list[int]) -> None:
    """After a crash, members that reach different parts of the cluster wait, or elect the same one."""
    reports = {name: down(seqno) for name, seqno in zip(MEMBERS, seqnos)}
    elected = set()
    for hidden in itertools.chain.from_iterable(itertools.combinations(MEMBERS, count) for count in range(3)):
        decision = elect({name: each for name, each in reports.items() if name not in hidden}, MEMBERS)
        assert decision.action == (WAIT if hidden else BOOTSTRAP)
        elected.add(decision.member)
    assert len(elected - {None}) == 1
