# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be declared in which outage, and that the members' election then does what was said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.filter.galera_recovery import galera_recovery
from ansible_collections.stretch.cluster.plugins.module_utils import election
from ansible_collections.stretch.cluster.plugins.module_utils import galera_recovery as recovery
from hypothesis import given
from hypothesis import strategies as st

OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"
THEIRS = "9b7dba1c-7f0e-11ef-8a55-0e1a2b3c4d5e"
NULL = "00000000-0000-0000-0000-000000000000"
MEMBERS = [
    {"name": name, "stack": f"stack{name[1]}", "address": "10.0.0.1", "segment": 1, "weight": 1}
    for name in ("s1c0", "s1c1", "s2c0", "s2c1")
]
NAMES = [str(member["name"]) for member in MEMBERS]
SILENT = {"reachable": False, "error": "no answer within 2 s"}

Reports = dict[str, dict[str, Any]]


def waiting(seqno: int, uuid: str = OURS, **more: Any) -> dict[str, Any]:
    agent = {"phase": "waiting", "position": {"uuid": uuid, "seqno": seqno}, "age": 1.0, "phase_age": 60.0}
    return {"reachable": True, "answers": False, "primary": False, "reason": "down", "agent": agent, **more}


def apart(seqno: int) -> dict[str, Any]:
    """A server that runs outside of a Primary component."""
    agent = {"phase": "nonprimary", "position": None, "age": 1.0, "phase_age": 60.0}
    return {"reachable": True, "answers": True, "primary": False, "uuid": OURS, "seqno": seqno, "agent": agent}


def asked(reports: Reports, by: tuple[str, ...] = ("s1c0", "s1c1"), arbiters: int = 0) -> dict[str, dict[str, Any]]:
    """What the hosts give, when some of them can be reached by SSH and all see the same."""
    given: dict[str, dict[str, Any]] = {name: {"unreachable": True, "msg": "ssh: no route"} for name in NAMES}
    for name in by:
        given[name] = {
            "reports": {member: reports.get(member, SILENT) for member in NAMES},
            "own_name": name,
            "members": MEMBERS,
            "arbiters": [
                {"name": f"arbiter-{number}", "address": "10.9.0.1", "weight": 1} for number in range(arbiters)
            ],
        }
    return given


def plan(reports: Reports, lost: Any = (), by: tuple[str, ...] = ("s1c0", "s1c1"), arbiters: int = 0) -> recovery.Plan:
    return recovery.plan(asked(reports, by, arbiters), lost, "2026-11-24T08:00:00Z", "someone")


HALF: Reports = {"s1c0": waiting(100), "s1c1": waiting(90)}


def test_looking() -> None:
    found = plan(HALF)
    assert [line.split() for line in found.table] == [
        ["member", "site", "reached", "phase", "Primary", "history", "seqno", "behind", "clustercheck"],
        ["s1c0", "stack1", "yes", "waiting", "no", OURS, "100", "0", "down"],
        ["s1c1", "stack1", "yes", "waiting", "no", OURS, "90", "10", "down"],
        ["s2c0", "stack2", "no", "-", "-", "-", "-", "-", "no", "answer", "within", "2", "s"],
        ["s2c1", "stack2", "no", "-", "-", "-", "-", "-", "no", "answer", "within", "2", "s"],
    ]
    assert found.decision == "The position of s2c0, s2c1 is not known."
    assert (found.uuid, found.seqno, found.askers) == (OURS, 100, ("s1c0", "s1c1"))
    assert (found.declaration, found.refusal, found.write_to) == ({}, "", ())


@pytest.mark.parametrize("lost", ["stack2", "s2c1, s2c0", ["s2c0", "s2c1"], ["stack2", "s2c0"], "s2c0,s2c1,"])
def test_a_site_is_declared_lost(lost: Any) -> None:
    found = plan(HALF, lost)
    assert found.refusal == ""
    assert found.declaration == {
        "members": ["s2c0", "s2c1"],
        "uuid": OURS,
        "seqno": 100,
        "made": "2026-11-24T08:00:00Z",
        "by": "someone",
    }
    assert (found.write_to, found.declared) == (("s1c0", "s1c1"), False)
    assert found.outcome == f"s1c0 has the highest seqno, 100, of history {OURS}."
    assert [sentence.split(".")[0] for sentence in found.loss] == [
        "The data of s2c0 and s2c1 are not known",
        "They have 2 of 4 votes: not enough to have gone on without the others, if all were together before",
    ]


def test_the_votes_of_arbiters_may_be_with_the_lost() -> None:
    assert (
        plan(HALF, "stack2", arbiters=1)
        .loss[1]
        .startswith("They have 2 of 5 votes, 3 with the arbiters: they may have gone on without the others")
    )
    assert plan(HALF, "s2c0", arbiters=1).refusal
    assert (
        plan({**HALF, "s2c0": waiting(80)}, "s2c1", arbiters=1)
        .loss[1]
        .startswith("They have 1 of 5 votes, 2 with the arbiters: not enough")
    )


def test_servers_that_run_apart_give_way() -> None:
    """They stop once all that is left has reported; what they are known to hold counts already."""
    found = plan({"s1c0": apart(100), "s1c1": apart(100)}, "stack2")
    assert found.decision == "The position of s1c0, s1c1, s2c0, s2c1 is not known."
    assert (found.refusal, found.outcome) == ("", f"s1c0 has the highest seqno, 100, of history {OURS}.")


REFUSED: list[tuple[str, Reports, Any, str]] = [
    ("a stranger", HALF, "stack3,s2c0", "The cluster has no member or stack stack3; it has s1c0, s1c1, s2c0 and s2c1."),
    ("all", HALF, "stack1,stack2", "All members are declared lost"),
    ("not enough", HALF, "s2c0", "That would not be enough: The position of s2c1 is not known. Bring s2c1 back"),
    (
        "a Primary component, seen by one member alone",
        {**HALF, "s2c0": {**apart(200), "primary": True}},
        "s2c1",
        "A Primary component is up, with s2c0: there is nothing to recover.",
    ),
    (
        "newer data",
        {**HALF, "s2c0": waiting(101)},
        "stack2",
        "There is an answer from s2c0 (seqno 101), with newer data: the newest of the others is 100.",
    ),
    (
        "data of none of the others",
        {"s1c0": waiting(-1, NULL), "s1c1": waiting(-1, NULL), "s2c0": waiting(101)},
        "stack2",
        "There is an answer from s2c0 (seqno 101), with newer data: of the others none is known.",
    ),
    ("two histories", {**HALF, "s1c1": waiting(90, THEIRS)}, "stack2", "The members hold different histories"),
    ("no data", {"s1c0": waiting(-1, NULL), "s1c1": waiting(-1, NULL)}, "stack2", "That would not be enough"),
    (
        "a position that is being read",
        {**HALF, "s1c1": {"reachable": True, "agent": {"phase": "recovering", "position": None}}},
        "stack2",
        "That would not be enough: The position of s1c1 is not known.",
    ),
]


@pytest.mark.parametrize(("reports", "lost", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(reports: Reports, lost: Any, why: str) -> None:
    found = plan(reports, lost)
    assert found.refusal.startswith(why)
    assert (found.declaration, found.write_to) == ({}, ())


def test_nowhere_to_record_it() -> None:
    """Members answer each other, and of those that are kept none can be reached by SSH."""
    found = plan({**HALF, "s2c0": waiting(80)}, "stack2", by=("s2c0",))
    assert found.refusal.startswith("No member that is not lost can be reached by SSH")


def test_one_that_answers_and_is_behind_counts_all_the_same() -> None:
    found = plan({**HALF, "s2c0": waiting(80)}, "stack2")
    assert (found.refusal, found.write_to) == ("", ("s1c0", "s1c1"))
    assert found.loss[-1] == "There are answers, and known positions, from s2c0: these count all the same."


def test_a_host_without_clustercheck_keeps_the_declaration_as_well() -> None:
    found = plan({"s1c0": waiting(100)}, "s1c1,stack2")
    assert found.write_to == ("s1c0",)
    assert [line.split()[2:4] for line in found.table[2:3]] == [["SSH", "alone"]]


def test_the_same_again_keeps_time_and_author() -> None:
    first = {"members": ["s2c0", "s2c1"], "uuid": OURS, "seqno": 100, "made": "earlier", "by": "another"}
    everywhere = {name: {**each, "lost": first} for name, each in HALF.items()}
    found = plan(everywhere, "stack2")
    assert (found.declared, found.declaration, found.holders) == (True, first, ("s1c0", "s1c1"))
    found = plan({**HALF, "s1c1": everywhere["s1c1"]}, "stack2")
    assert (found.declared, found.declaration) == (False, first)
    # Another one replaces it.
    found = plan({**everywhere, "s2c0": waiting(70)}, "s2c1")
    assert (found.declared, found.declaration["made"]) == (False, "2026-11-24T08:00:00Z")


def test_of_a_member_its_own_word_counts() -> None:
    """The link between two members is cut; each of them is reached by SSH."""
    given = asked({**HALF, "s1c1": SILENT})
    given["s1c1"]["reports"] = {**given["s1c1"]["reports"], "s1c0": SILENT, "s1c1": waiting(90)}
    given["s1c0"]["reports"]["s1c0"] = waiting(95)
    found = recovery.plan(given, "stack2", "", "")
    assert (found.refusal, found.seqno) == ("", 95)
    assert [line.split()[6] for line in found.table[1:3]] == ["95", "90"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"s1c0": {"unreachable": True}, "s1c1": {"msg": "no members.json\nat all"}, "s2c0": {}},
         "None of the hosts could tell anything. s1c0: not reached by SSH; s1c1: no members.json; s2c0: not asked"),
        ({**asked(HALF), "s1c1": {**asked(HALF)["s1c1"], "members": MEMBERS[:3]}},
         "The hosts do not agree on who the members are: s1c1 has another members.json than s1c0."),
        (asked({"s1c0": waiting(1, "no-uuid")}), "uuid must be a UUID"),
    ],
)  # fmt: skip
def test_reports_of_no_use(given: dict[str, dict[str, Any]], why: str) -> None:
    with pytest.raises(AnsibleFilterError, match=why.replace(".", "[.]")):
        galera_recovery(given)


def test_filter_gives_plain_data() -> None:
    found = galera_recovery(asked(HALF), "stack2", made="now", by="me")
    assert json.loads(json.dumps(found)) == found
    assert found["declaration"]["by"] == "me"


POSITIONS = st.one_of(
    st.none(), st.builds(waiting, st.integers(1, 4)), st.builds(apart, st.integers(1, 4)), st.just(waiting(-1, NULL))
)


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, POSITIONS)), st.sets(st.sampled_from(NAMES), min_size=1))
def test_what_was_said_is_what_the_election_does(reports: dict[str, dict[str, Any] | None], lost: set[str]) -> None:
    """Nothing known is given up by a declaration, and the members then do what the operator was told."""
    known: Reports = {name: each for name, each in reports.items() if each is not None}
    found = plan(known, sorted(lost), by=tuple(NAMES))
    if found.refusal:
        assert not found.declaration
        return
    assert set(found.declaration["members"]) == lost
    stopped = {
        name: {**waiting(each["seqno"]), "lost": None} if each.get("answers") else each for name, each in known.items()
    }
    for name in found.write_to:
        if name in stopped:
            stopped[name] = {**stopped[name], "lost": found.declaration}
    then = {name: election.report(each) for name, each in stopped.items()}
    decision = election.elect(then, NAMES)
    if any(name in stopped for name in found.write_to):
        assert (decision.action, decision.reason) == (election.BOOTSTRAP, found.outcome)
    held = {name: each.seqno for name, each in then.items() if each.uuid is not None}
    assert decision.member is None or held[decision.member] == max(seqno or 0 for seqno in held.values())
