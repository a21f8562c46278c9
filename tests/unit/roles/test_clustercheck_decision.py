# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clustercheck's decision and answers; the service itself is tested against a real member."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

PATH = Path(__file__).resolve().parents[3] / "roles/clustercheck/files/clustercheck.py"
spec = importlib.util.spec_from_file_location("clustercheck", PATH)
assert spec is not None
assert spec.loader is not None
clustercheck: Any = importlib.util.module_from_spec(spec)
sys.modules["clustercheck"] = clustercheck
spec.loader.exec_module(clustercheck)

HEALTHY = {
    "wsrep_cluster_status": "Primary",
    "wsrep_local_state": "4",
    "wsrep_local_state_comment": "Synced",
    "wsrep_ready": "ON",
    "wsrep_on": "ON",
    "wsrep_reject_queries": "NONE",
    "read_only": "OFF",
}
DONOR = {"wsrep_local_state": "2", "wsrep_local_state_comment": "Donor/Desynced"}


@pytest.mark.parametrize(
    ("change", "donor", "ok", "reason"),
    [
        ({}, False, True, "Synced"),
        ({}, True, True, "Synced"),
        (DONOR, False, False, "state is Donor/Desynced, not Synced"),
        (DONOR, True, True, "Donor/Desynced"),
        (
            {"wsrep_local_state": "1", "wsrep_local_state_comment": "Joining"},
            True,
            False,
            "state is Joining, not Synced",
        ),
        ({"wsrep_cluster_status": "non-Primary"}, True, False, "component is non-Primary, not Primary"),
        ({"wsrep_cluster_status": "Disconnected"}, True, False, "component is Disconnected, not Primary"),
        ({"wsrep_ready": "OFF"}, True, False, "wsrep is not ready"),
        ({"wsrep_on": "OFF"}, True, False, "not a Galera member: wsrep is off"),
        ({"wsrep_reject_queries": "ALL"}, True, False, "wsrep_reject_queries is ALL"),
        ({"read_only": "ON"}, True, False, "read_only is ON"),
        ({"read_only": "NO_LOCK_NO_ADMIN"}, True, False, "read_only is NO_LOCK_NO_ADMIN"),
    ],
)
def test_each_fault_is_named(change: dict[str, str], donor: bool, ok: bool, reason: str) -> None:
    assert clustercheck.decide({**HEALTHY, **change}, donor) == (ok, reason)


def test_a_server_without_galera_is_no_member() -> None:
    assert clustercheck.decide({"read_only": "OFF", "wsrep_on": "OFF"}, True) == (
        False,
        "not a Galera member: wsrep is off",
    )
    assert clustercheck.decide({}, True).ok is False


VALUES = st.sampled_from(["Primary", "non-Primary", "4", "2", "1", "ON", "OFF", "NONE", "ALL", "Synced", ""])


@given(
    st.dictionaries(st.sampled_from(sorted(HEALTHY)), VALUES), st.sets(st.sampled_from(sorted(HEALTHY))), st.booleans()
)
def test_only_a_wholly_healthy_member_is_available(change: dict[str, str], absent: set[str], donor: bool) -> None:
    status = {name: value for name, value in {**HEALTHY, **change}.items() if name not in absent}
    verdict = clustercheck.decide(status, donor)
    judged = [name for name in HEALTHY if name != "wsrep_local_state_comment"]
    healthy = all(
        status.get(name) == HEALTHY[name] or (name == "wsrep_local_state" and donor and status.get(name) == "2")
        for name in judged
    )
    assert verdict.ok == healthy
    assert verdict.reason
    assert "\n" not in verdict.reason


@given(st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(HEALTHY, VALUES)), st.booleans(), st.booleans())
def test_no_answer_or_maintenance_is_never_available(
    status: dict[str, str] | None, maintenance: bool, donor: bool
) -> None:
    observation = clustercheck.Observation(0.0, status, "database: gone", maintenance)
    verdict = clustercheck.judge(observation, donor)
    if maintenance or status is None:
        assert not verdict.ok
    report = clustercheck.report(observation, verdict)
    assert json.loads(json.dumps(report)) == report
    assert (report["ok"], report["answers"]) == (verdict.ok, status is not None)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def configuration(**options: Any) -> Any:
    defaults = {"address": "127.0.0.1", "port": 1, "user": "u", "password": "p", "socket": "/s", "timeout": 0.2}
    return clustercheck.Configuration(**{**defaults, "interval": 0.1, **options})


def test_an_answer_expires_and_a_later_one_counts(loop: asyncio.AbstractEventLoop) -> None:
    service = clustercheck.Service(configuration(), loop)
    request = b"OPTIONS / HTTP/1.0\r\n\r\n"

    def status() -> str:
        return str(service.answer(request).decode().split()[1])

    def let_pass(seconds: float) -> None:
        loop.run_until_complete(asyncio.sleep(seconds))

    assert status() == "503"
    for _round in range(4):
        service.tell(clustercheck.Observation(loop.time(), HEALTHY, "", False))
        assert status() == "200"
        let_pass(0.1)
        assert status() == "200"
    let_pass(0.15)
    assert status() == "503"
    assert b"no answer within 0.2 s" in service.answer(request)
    service.tell(clustercheck.Observation(loop.time() - 0.15, HEALTHY, "", False))
    assert status() == "200"
    let_pass(0.1)
    assert status() == "503", "an answer is as old as its question"


@given(st.binary(max_size=100))
def test_any_request_gets_an_http_answer(head: bytes) -> None:
    loop = asyncio.new_event_loop()
    try:
        answer = clustercheck.Service(configuration(), loop).answer(head)
    finally:
        loop.close()
    assert answer.startswith(b"HTTP/1.1 ")
    assert b"\r\n\r\n" in answer


def test_the_ini_file_may_hold_any_password() -> None:
    text = "[clustercheck]\naddress = ::1\nport = 9200\nuser = u\npassword = 50%;#=x\nsocket = /s\n"
    read = clustercheck.configure(text + "available_when_donor = true\ninterval = 0.5\n")
    assert read == configuration(
        address="::1", port=9200, password="50%;#=x", timeout=1.0, interval=0.5, available_when_donor=True
    )
