# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a member's status and files say of it."""

from __future__ import annotations

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import galera_state
from ansible_collections.stretch.cluster.plugins.module_utils.galera_state import MemberStateError, Position

OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"
THEIRS = "9a0f4c1e-7f0e-11ef-8d1c-1f3a5b7c9d0e"
NULL = galera_state.NULL_UUID


@pytest.mark.parametrize(
    ("seqno", "bootstrap"), [("42", "1"), ("-1", "0"), ("0", "0")], ids=["stopped", "running or crashed", "new"]
)
def test_grastate(seqno: str, bootstrap: str) -> None:
    text = f"# GALERA saved state\nversion: 2.1\nuuid:    {OURS}\nseqno:   {seqno}\nsafe_to_bootstrap: {bootstrap}\n"
    assert galera_state.parse_grastate(text) == Position(OURS, int(seqno))


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"uuid: {OURS}\n",
        "seqno: 1\n",
        f"uuid: {OURS}\nseqno:\n",
        f"uuid: {OURS}\nseqno: many\n",
        "uuid: x\nseqno: 1\n",
    ],
    ids=["empty", "no seqno", "no uuid", "cut off", "seqno no number", "uuid no UUID"],
)
def test_a_damaged_grastate(text: str) -> None:
    with pytest.raises(MemberStateError, match=r"grastate\.dat"):
        galera_state.parse_grastate(text)


@pytest.mark.parametrize(
    ("log", "position"),
    [
        (f"2026-11-22 [Note] WSREP: Recovered position: {OURS}:17\n", Position(OURS, 17)),
        (f"WSREP: Recovered position {OURS}:17,0-1-17\n", Position(OURS, 17)),
        (f"WSREP: Recovered position: {NULL}:-1\n", Position(NULL, -1)),
        (f"Recovered position: {THEIRS}:3\nagain\nRecovered position: {OURS}:4\n", Position(OURS, 4)),
    ],
    ids=["position", "with GTID", "no data", "the last one"],
)
def test_recovered(log: str, position: Position) -> None:
    assert galera_state.parse_recovered(log) == position


def test_a_failed_recovery_shows_the_end_of_its_log() -> None:
    log = "".join(f"line {number}\n" for number in range(10))
    with pytest.raises(MemberStateError, match="gave no position:\nline 5\n") as raised:
        galera_state.parse_recovered(log)
    assert "line 4" not in str(raised.value)


def test_members() -> None:
    members = '"members": [{"address": "10.1.20.11"}, {"address": "10.0.20.11"}]'
    assert galera_state.parse_members("{" + members + "}") == (["10.0.20.11", "10.1.20.11"], None)
    assert galera_state.parse_members("{" + members + ', "round_trip": 5.0}')[1] == 5.0
    for text in ("", "[]", "{}", '{"members": [{}]}'):
        with pytest.raises(MemberStateError, match="does not list"):
            galera_state.parse_members(text)


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        ("Primary", "4", True),
        ("Primary", "2", True),
        ("Primary", "1", False),
        ("Primary", "3", False),
        ("non-Primary", "4", False),
        ("Disconnected", "0", False),
    ],
)
def test_who_is_a_member(status: str, state: str, expected: bool) -> None:
    assert galera_state.is_member({"wsrep_cluster_status": status, "wsrep_local_state": state}) is expected


def test_report_of_a_running_member() -> None:
    status = {
        "wsrep_cluster_status": "Primary",
        "wsrep_local_state_comment": "Synced",
        "wsrep_cluster_state_uuid": OURS,
        "wsrep_last_committed": "17",
        "wsrep_cluster_size": "6",
    }
    report = {
        "reachable": True,
        "running": True,
        "primary": True,
        "synced": True,
        "uuid": OURS,
        "seqno": 17,
        "size": 6,
    }
    assert galera_state.report(status) == report
    for change, differing in (
        ({"wsrep_cluster_status": "non-Primary"}, {"primary": False}),
        ({"wsrep_local_state_comment": "Donor/Desynced"}, {"synced": False}),
        ({"wsrep_last_committed": ""}, {"seqno": -1}),
        ({"wsrep_last_committed": "0"}, {"seqno": 0}),
        ({"wsrep_cluster_size": ""}, {"size": 0}),
        ({"wsrep_cluster_state_uuid": ""}, {"uuid": NULL}),
    ):
        assert galera_state.report({**status, **change}) == {**report, **differing}


def test_report_without_a_provider() -> None:
    assert galera_state.report({}) == {
        "reachable": True,
        "running": True,
        "primary": False,
        "synced": False,
        "uuid": NULL,
        "seqno": -1,
        "size": 0,
    }


def test_report_of_a_member_that_does_not_run() -> None:
    report = galera_state.stopped_report(Position(OURS, 17))
    assert (report["uuid"], report["seqno"], report["reachable"]) == (OURS, 17, True)
    assert not any(report[name] for name in ("running", "primary", "synced", "size"))
