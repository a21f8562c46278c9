# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The election: its rules one by one, and what must hold for any reports at all."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.election import (
    BOOTSTRAP,
    JOIN,
    STOP,
    WAIT,
    Decision,
    Declaration,
    ElectionError,
    Report,
    complete,
    declaration,
    elect,
    lost_members,
    newest,
    next_member,
    report,
)
from hypothesis import given
from hypothesis import strategies as st

A, B, C = "s1controller-0", "s2controller-0", "s2controller-1"
MEMBERS = [A, B, C]
OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"
THEIRS = "9d2a7c11-7f0e-11ef-8a11-0b1c2d3e4f50"
NULL = "00000000-0000-0000-0000-000000000000"

SILENT = Report(reachable=False)
EMPTY = Report(reachable=True)
UNKNOWN = Report(reachable=True, running=True)


def down(seqno: int | None, uuid: str = OURS, **others: Any) -> Report:
    return Report(reachable=True, uuid=uuid, seqno=seqno, running=seqno is None, **others)


def up(uuid: str | None = OURS) -> Report:
    return Report(reachable=True, primary=True, uuid=uuid)


def apart(seqno: int) -> Report:
    return Report(reachable=True, running=True, uuid=OURS, seqno=seqno)


def says(*members: str, seqno: int, uuid: str = OURS) -> Declaration:
    return Declaration(members, uuid, seqno)


RULES: list[tuple[str, dict[str, Report], Decision]] = [
    (
        "a Primary component is joined, whoever is missing",
        {A: SILENT, B: up()},
        Decision(JOIN, None, f"A Primary component is up, with {B}."),
    ),
    (
        "a Primary component is joined by one that is ahead of it, or of another history",
        {A: down(99, THEIRS), B: up(), C: up()},
        Decision(JOIN, None, f"A Primary component is up, with {B}, {C}."),
    ),
    (
        "two Primary components",
        {A: up(THEIRS), B: up(), C: up()},
        Decision(
            STOP,
            None,
            f"There are two Primary components of different history: {OURS} on {B}, {C}; {THEIRS} on {A}.",
        ),
    ),
    (
        "one has not reported",
        {A: down(5), B: SILENT, C: down(4)},
        Decision(WAIT, None, f"The position of {B} is not known.", (B,)),
    ),
    (
        "one is not even in the reports, one has not recovered its position",
        {A: down(5), C: down(None)},
        Decision(WAIT, None, f"The position of {B}, {C} is not known.", (B, C)),
    ),
    (
        "nobody waits for the lost",
        {A: down(5, lost=says(B, seqno=5)), B: SILENT, C: down(4)},
        Decision(BOOTSTRAP, A, f"{A} has the highest seqno, 5, of history {OURS}."),
    ),
    (
        "what one says that is called lost counts",
        {A: down(5, lost=says(B, seqno=6)), B: down(6), C: down(4)},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 6, of history {OURS}."),
    ),
    (
        "one that is called lost, and does not know its position, does not count",
        {A: down(5), B: down(None), C: down(4, lost=says(B, seqno=5))},
        Decision(BOOTSTRAP, A, f"{A} has the highest seqno, 5, of history {OURS}."),
    ),
    (
        "two histories, even before all have reported",
        {A: down(5), B: down(500, THEIRS), C: SILENT},
        Decision(
            STOP,
            None,
            f"The members hold different histories, of which only one can be kept: {OURS} on {A}; {THEIRS} on {B}.",
        ),
    ),
    (
        "an empty member is not elected, though it has the lowest name",
        {A: EMPTY, B: down(0), C: EMPTY},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 0, of history {OURS}."),
    ),
    (
        "data wins over the claim that this is the first deployment",
        {A: EMPTY._replace(first=A), B: down(7), C: EMPTY},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 7, of history {OURS}."),
    ),
    (
        "among equals the lowest name",
        {C: down(7), B: down(7), A: down(6)},
        Decision(BOOTSTRAP, B, f"{B} has the highest seqno, 7, of history {OURS}."),
    ),
    (
        "nobody has data",
        dict.fromkeys(MEMBERS, EMPTY),
        Decision(STOP, None, "No member that reported has data, and this is not the first deployment."),
    ),
    (
        "the first deployment",
        {**dict.fromkeys(reversed(MEMBERS), EMPTY), B: EMPTY._replace(first=B)},
        Decision(BOOTSTRAP, B, f"This is the first deployment, and {B} was named to start it."),
    ),
    (
        "the first deployment waits for all as well",
        {A: EMPTY._replace(first=A), B: EMPTY},
        Decision(WAIT, None, f"The position of {C} is not known.", (C,)),
    ),
    (
        "two members were told to be the first",
        {A: EMPTY._replace(first=A), B: EMPTY._replace(first=B), C: EMPTY},
        Decision(STOP, None, f"More than one was told to be the first, or a stranger: {A}, {B}."),
    ),
    (
        "what was said of an earlier outage is void: there is newer data",
        {A: down(8, lost=says(B, seqno=5)), B: SILENT, C: down(4)},
        Decision(WAIT, None, f"The position of {B} is not known.", (B,)),
    ),
    (
        "what was said of another history is void",
        {A: down(5, lost=says(B, seqno=5, uuid=THEIRS)), B: SILENT, C: down(4)},
        Decision(WAIT, None, f"The position of {B} is not known.", (B,)),
    ),
    (
        "what two operators say adds up",
        {A: down(5, lost=says(B, seqno=5)), B: SILENT, C: down(None, lost=says(C, seqno=5))},
        Decision(BOOTSTRAP, A, f"{A} has the highest seqno, 5, of history {OURS}."),
    ),
    (
        "a server that runs apart may become Primary by itself",
        {A: down(5), B: apart(5), C: down(4)},
        Decision(WAIT, None, f"{B} runs outside a Primary component, and may come back by itself.", (B,)),
    ),
    (
        "one that is called lost and runs apart may as well",
        {A: down(5, lost=says(B, seqno=5)), B: apart(4), C: down(4)},
        Decision(WAIT, None, f"{B} runs outside a Primary component, and may come back by itself.", (B,)),
    ),
    (
        "the only data is on a member that does not know its position",
        {A: down(None), B: EMPTY._replace(first=B), C: EMPTY},
        Decision(WAIT, None, f"The position of {A} is not known.", (A,)),
    ),
]


@pytest.mark.parametrize(("reports", "expected"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_rule(reports: dict[str, Report], expected: Decision) -> None:
    assert elect(reports, MEMBERS) == expected


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"reachable": False, "primary": True, "uuid": "no matter", "seqno": "what"}, SILENT),
        ({"reachable": True}, UNKNOWN),
        ({"reachable": True, "agent": {"phase": "member", "position": None}}, UNKNOWN._replace(phase="member")),
        (
            {"reachable": True, "agent": {"phase": "member", "position": {"uuid": OURS, "seqno": 4}}},
            UNKNOWN._replace(phase="member"),
        ),
        (
            {"reachable": True, "agent": {"phase": "waiting", "position": {"uuid": NULL, "seqno": -1}, "age": 1}},
            EMPTY._replace(phase="waiting", age=1.0),
        ),
        (
            {"reachable": True, "agent": {"phase": "stopped", "position": {"uuid": OURS.upper(), "seqno": 0}}},
            down(0)._replace(phase="stopped"),
        ),
        ({"reachable": True, "agent": {"phase": "backoff", "position": None}}, UNKNOWN._replace(phase="backoff")),
        ({"reachable": True, "answers": True, "primary": True, "uuid": OURS, "seqno": 3}, up()._replace(seqno=3)),
        ({"reachable": True, "answers": True, "primary": False, "uuid": OURS, "seqno": 3}, apart(3)),
        ({"reachable": True, "answers": False, "primary": True, "uuid": OURS, "seqno": 3}, UNKNOWN),
        (
            {"reachable": True, "lost": {"members": [B, A], "uuid": OURS, "seqno": 3}, "first": {"member": C}},
            UNKNOWN._replace(lost=says(A, B, seqno=3), first=C),
        ),
    ],
)
def test_reports(given_: dict[str, Any], expected: Report) -> None:
    assert report(given_) == expected


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"reachable": "yes"},
        {"reachable": True, "answers": True, "primary": None},
        {"reachable": True, "answers": True, "primary": False, "uuid": "1234", "seqno": 3},
        {"reachable": True, "answers": True, "primary": False, "uuid": OURS, "seqno": "3"},
        {"reachable": True, "agent": "waiting"},
    ],
)
def test_bad_reports(given_: dict[str, Any]) -> None:
    with pytest.raises(ElectionError, match="must be"):
        report(given_)


@pytest.mark.parametrize(
    "given_", [{}, {"members": "all", "uuid": OURS, "seqno": 1}, {"members": [A], "uuid": OURS, "seqno": -1}]
)
def test_bad_declarations(given_: dict[str, Any]) -> None:
    with pytest.raises(ElectionError, match="declaration needs"):
        declaration(given_)


@pytest.mark.parametrize(
    ("reports", "members", "message"),
    [
        ({}, [], "no members"),
        ({"stranger": down(1)}, MEMBERS, "reports names stranger, which the cluster has not"),
    ],
)
def test_bad_input(reports: dict[str, Report], members: list[str], message: str) -> None:
    with pytest.raises(ElectionError, match=message):
        elect(reports, members)


def waits(age: float | None = 1.0) -> Report:
    return down(1, phase="waiting", phase_age=50.0, age=age)


def joins(age: float | None) -> Report:
    return Report(reachable=True, running=True, phase="starting", phase_age=age)


@pytest.mark.parametrize(
    ("me", "reports", "waited", "expected"),
    [
        (B, {A: up(), B: waits(), C: waits()}, 1.0, None),
        (C, {A: up(), B: waits(), C: waits()}, 1.0, B),
        (C, {A: up(), B: waits(), C: waits()}, 31.0, None),
        (C, {A: up(), B: waits(age=99.0), C: waits()}, 1.0, None),
        (C, {A: up(), B: waits(age=None), C: waits()}, 1.0, None),
        (B, {A: up(), B: waits(), C: joins(1.0)}, 99.0, C),
        (B, {A: up(), B: waits(), C: joins(21.0)}, 1.0, None),
        (B, {A: up(), B: waits(), C: joins(None)}, 1.0, None),
        (C, {A: up(), B: SILENT, C: waits()}, 1.0, None),
        (C, {A: up(), B: joins(1.0)._replace(primary=True, running=False), C: waits()}, 1.0, None),
    ],
)
def test_members_join_one_after_another(
    me: str, reports: dict[str, Report], waited: float, expected: str | None
) -> None:
    assert next_member(me, reports, waited) == expected


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ({A: apart(1), B: apart(1), C: down(1)}, True),
        ({A: apart(1), B: apart(1), C: SILENT}, False),
        ({A: apart(1), B: apart(1)}, False),
        ({A: apart(1), B: apart(1), C: up()}, False),
        ({A: apart(1)._replace(lost=says(C, seqno=1)), B: apart(1)}, True),
    ],
)
def test_complete(reports: dict[str, Report], expected: bool) -> None:
    assert complete(reports, MEMBERS, lost_members(reports, MEMBERS)) is expected


# Few values, so that ties, gaps and second histories are common.
DECLARATIONS = st.builds(
    Declaration,
    members=st.lists(st.sampled_from(["s1controller-0", "s2controller-1", "s10controller-2"]), max_size=2).map(tuple),
    uuid=st.sampled_from([OURS, OURS, THEIRS]),
    seqno=st.sampled_from([1, 2, 3]),
)
REPORTS = st.builds(
    Report,
    reachable=st.sampled_from([True, True, True, False]),
    primary=st.sampled_from([False, False, False, False, False, True]),
    running=st.sampled_from([False, False, False, False, True]),
    uuid=st.sampled_from([OURS, OURS, OURS, OURS, None, None, THEIRS]),
    seqno=st.sampled_from([0, 1, 2, 2, 3, None]),
    lost=st.none() | DECLARATIONS,
    first=st.sampled_from([None, None, None, "s1controller-0", "s2controller-0"]),
)
NAMES = [f"s{stack}controller-{index}" for stack in (1, 2, 10) for index in range(3)]
Outage = tuple[dict[str, Report], list[str]]


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    """Reports and members."""
    members = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    return draw(st.dictionaries(st.sampled_from(members), REPORTS)), members


@given(outages(), st.randoms(use_true_random=False))
def test_every_member_decides_the_same(outage: Outage, order: Any) -> None:
    reports, members = outage
    names, shuffled = list(reports), list(members)
    order.shuffle(names)
    order.shuffle(shuffled)
    decision = elect(reports, members)
    assert elect({name: reports[name] for name in names}, shuffled) == decision
    # A report that says nothing is as good as none.
    told = {**dict.fromkeys(members, SILENT), **reports}
    assert elect(told, set(members)) == decision


@given(outages())
def test_what_is_seen_of_the_unreachable_does_not_count(outage: Outage) -> None:
    reports, members = outage
    assert elect({name: each for name, each in reports.items() if each.reachable}, members) == elect(reports, members)


@given(outages())
def test_a_bootstrap_loses_nothing(outage: Outage) -> None:
    reports, members = outage
    decision = elect(reports, members)
    seen = {name: each for name, each in reports.items() if each.reachable}
    lost = lost_members(reports, members)
    assert decision.action in {JOIN, BOOTSTRAP, WAIT, STOP}
    assert (decision.member is not None) == (decision.action == BOOTSTRAP)
    assert bool(decision.missing) == (decision.action == WAIT)
    assert decision.reason.endswith(".")
    if decision.action != BOOTSTRAP:
        return
    assert decision.member is not None
    # Nobody runs, or may at any moment, and everybody spoke, or an operator said that they never will.
    assert not any(each.primary for each in seen.values())
    assert {name for name in members if name not in seen} <= set(lost)
    assert not any(each.running and each.uuid and each.seqno is not None for each in seen.values())
    assert {name for name, each in seen.items() if each.running} <= set(lost)
    histories = {each.uuid for each in seen.values() if each.uuid is not None}
    if not histories:
        # Never from an empty directory, unless all are empty and it is the one that was named.
        assert {each.first for each in seen.values()} - {None} == {decision.member}
        return
    # Never with two histories, never from behind.
    winner = seen[decision.member]
    assert histories == {winner.uuid}
    assert winner.seqno == max(newest(reports).values())
    assert {name for name, each in seen.items() if each.uuid and each.seqno is None} <= set(lost)


@given(outages())
def test_a_declaration_counts_for_its_outage_only(outage: Outage) -> None:
    """Whatever was declared, once there is a newer position than it names nobody is passed over."""
    reports, members = outage
    later = {
        name: each._replace(seqno=each.seqno + 10) if each.seqno is not None else each for name, each in reports.items()
    }
    assert lost_members(later, members) == ()


@given(outages())
def test_a_primary_component_is_never_bootstrapped_over(outage: Outage) -> None:
    reports, members = outage
    if any(each.reachable and each.primary for each in reports.values()):
        assert elect(reports, members).action in {JOIN, STOP}


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
