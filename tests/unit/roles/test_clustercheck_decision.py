# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clustercheck's decision and answers; the service itself is tested against a real member."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import galera_report
from clustercheck_metrics_harness import parse_metrics
from hypothesis import given
from hypothesis import strategies as st

# As the role lays them: in one directory.
sys.modules["galera_report"] = galera_report
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles/clustercheck/files"))
answers: Any = importlib.import_module("clustercheck_answers")
clustercheck: Any = importlib.import_module("clustercheck")

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
    assert answers.decide({**HEALTHY, **change}, donor) == (ok, reason)


def test_a_server_without_galera_is_no_member() -> None:
    assert answers.decide({"read_only": "OFF", "wsrep_on": "OFF"}, True) == (
        False,
        "not a Galera member: wsrep is off",
    )
    assert answers.decide({}, True).ok is False


VALUES = st.sampled_from(["Primary", "non-Primary", "4", "2", "1", "ON", "OFF", "NONE", "ALL", "Synced", ""])


@given(
    st.dictionaries(st.sampled_from(sorted(HEALTHY)), VALUES), st.sets(st.sampled_from(sorted(HEALTHY))), st.booleans()
)
def test_only_a_wholly_healthy_member_is_available(change: dict[str, str], absent: set[str], donor: bool) -> None:
    status = {name: value for name, value in {**HEALTHY, **change}.items() if name not in absent}
    verdict = answers.decide(status, donor)
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
    observation = answers.Observation(0.0, status, "database: gone")
    verdict = answers.judge(observation, maintenance, donor)
    if maintenance or status is None:
        assert not verdict.ok
    report = answers.report(observation, verdict, answers.Local(maintenance))
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
        service.tell(answers.Observation(loop.time(), HEALTHY, ""))
        assert status() == "200"
        let_pass(0.1)
        assert status() == "200"
    let_pass(0.15)
    assert status() == "503"
    assert b"no answer within 0.2 s" in service.answer(request)
    service.tell(answers.Observation(loop.time() - 0.15, HEALTHY, ""))
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


KEY = "0123456789abcdef" * 4
OF_REPORT = {"report_key_file": "/key", "members_file": "/members", "state_directory": "/state"}
LOCAL = answers.Local(key=KEY, name="a", cluster="stretch")


def ask(service: Any, nonce: str = "ab" * 16, key: str = KEY, signature: str | None = None) -> tuple[int, bytes]:
    """Ask for the report and return status and whole answer."""
    signed = galera_report.request_signature(key, nonce) if signature is None else signature
    lines = f"GET /report HTTP/1.1\r\nx-stretch-nonce: {nonce}\r\nX-STRETCH-SIGNATURE:{signed}\r\n\r\n"
    whole = service.answer(lines.encode())
    return int(whole.split()[1]), whole


def test_the_report_is_for_those_with_the_key(loop: asyncio.AbstractEventLoop) -> None:
    service = clustercheck.Service(configuration(**OF_REPORT), loop, LOCAL)
    status, whole = ask(service)
    assert status == 200
    found = galera_report.open_answer(whole, KEY, "ab" * 16, "a")
    assert (found["cluster"], found["answers"], found["agent"], found["lost"], found["first"]) == (
        "stretch",
        False,
        None,
        None,
        None,
    )
    with pytest.raises(galera_report.ReportError, match="signature"):
        galera_report.open_answer(whole, KEY, "cd" * 16, "a")
    refused = [
        ask(service, key="f" * 64),
        ask(service, signature=""),
        ask(service, signature=galera_report.response_signature(KEY, "ab" * 16, b"")),
        ask(service, nonce=""),
        ask(service, nonce="AB" * 16),
        ask(service, nonce="ab" * 17),
        ask(service, signature="\u00e4" * 64),
    ]
    for status, whole in refused:
        assert status == 401
        assert whole.endswith(b"\r\n\r\nthe signature is missing or wrong\n")
    assert service.answer(b"GET /report HTTP/1.1\r\n\r\n").split()[1] == b"401"


def test_without_a_key_there_is_no_report(loop: asyncio.AbstractEventLoop) -> None:
    assert ask(clustercheck.Service(configuration(), loop))[0] == 404
    # Configured, but the file is not there or empty: nobody gets in with an empty key.
    service = clustercheck.Service(configuration(**OF_REPORT), loop, answers.Local(name="a"))
    for key in ("", KEY):
        assert ask(service, key=key)[0] == 503


STATE = {"phase": "waiting", "since": 90.0, "written": 99.5, "boot": "b1", "position": None, "failures": 0}


@pytest.mark.parametrize(
    ("state", "boot", "age", "phase_age"),
    [
        (STATE, "b1", 0.5, 10.0),
        (STATE, "b2", None, None),
        ({**STATE, "boot": None}, "b1", None, None),
        ({**STATE, "since": "x", "written": True}, "b1", None, None),
        ({}, "b1", None, None),
    ],
)
def test_ages_are_of_this_boot(state: dict[str, Any], boot: str, age: float | None, phase_age: float | None) -> None:
    assert answers.agent(state, boot, 100.0) == {**state, "age": age, "phase_age": phase_age}
    assert answers.agent(None, boot, 100.0) is None


@pytest.mark.parametrize(
    ("options", "segment", "weight"),
    [
        ("base_host = 10.0.0.1; gmcast.segment = 2; pc.weight = 3; ", 2, 3),
        ("gmcast.segment=0;pc.weight=1", 0, 1),
        ("xgmcast.segment = 2; pc.weight.x = 3", None, None),
        ("gmcast.segment = ; pc.weight = -1", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_segment_and_weight_are_found(options: str | None, segment: int | None, weight: int | None) -> None:
    assert answers.provider_option(options, "gmcast.segment") == segment
    assert answers.provider_option(options, "pc.weight") == weight


FULL = {
    **HEALTHY,
    "wsrep_last_committed": str(2**60 + 1),
    "wsrep_cluster_conf_id": "7",
    "wsrep_cluster_size": "6",
    "wsrep_flow_control_paused": "0.25",
    "wsrep_local_recv_queue": "3",
    "wsrep_provider_options": "gmcast.segment = 1; pc.weight = 2",
    "wsrep_provider_version": '26.4.25(r"x\\y\nz")',
    "version": "10.11.19-MariaDB",
}


def test_metrics_say_what_is_known_and_no_more() -> None:
    verdict = answers.Verdict(True, "Synced")
    report = answers.report(answers.Observation(0.0, FULL, ""), verdict, LOCAL)
    state = {**STATE, "decision": {"missing": ["c", "d"]}, "age": 0.5, "phase_age": 10.0}
    found = parse_metrics(answers.metrics(report, "4", 0.125, {"200": 5, "503": 1}, state))
    assert found.pop("clustercheck_agent_phase") == {
        (("phase", phase),): float(phase == "waiting") for phase in answers.PHASES
    }
    assert found.pop("clustercheck_checks_total") == {(("status", "200"),): 5, (("status", "503"),): 1}
    assert found.pop("clustercheck_galera_version_info") == {
        (("provider", FULL["wsrep_provider_version"]), ("server", "10.11.19-MariaDB")): 1
    }
    assert {name: samples[()] for name, samples in found.items()} == {
        "clustercheck_available": 1,
        "clustercheck_maintenance": 0,
        "clustercheck_database_up": 1,
        "clustercheck_database_answer_age_seconds": 0.125,
        "clustercheck_galera_primary": 1,
        "clustercheck_galera_synced": 1,
        "clustercheck_galera_ready": 1,
        "clustercheck_galera_local_state": 4,
        "clustercheck_galera_last_committed_seqno": float(2**60 + 1),
        "clustercheck_galera_cluster_size": 6,
        "clustercheck_galera_view_id": 7,
        "clustercheck_galera_flow_control_paused_ratio": 0.25,
        "clustercheck_galera_receive_queue_length": 3,
        "clustercheck_galera_segment": 1,
        "clustercheck_galera_weight": 2,
        "clustercheck_agent_phase_age_seconds": 10,
        "clustercheck_agent_age_seconds": 0.5,
        "clustercheck_agent_failures": 0,
        "clustercheck_agent_missing_members": 2,
    }
    assert f"seqno {2**60 + 1}\n" in answers.metrics(report, "4", 0.125, {}, None)

    silent = answers.report(answers.Observation(0.0, None, "x"), answers.Verdict(False, "x"), answers.Local())
    assert sorted(parse_metrics(answers.metrics(silent, None, None, {"200": 0}, None))) == [
        "clustercheck_available",
        "clustercheck_checks_total",
        "clustercheck_database_up",
        "clustercheck_galera_primary",
        "clustercheck_galera_ready",
        "clustercheck_galera_synced",
        "clustercheck_maintenance",
    ]


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(FULL, st.text())),
    st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys([*STATE, "decision"], JSON)),
)
def test_metrics_can_be_read_whatever_was_found(status: dict[str, str], state: dict[str, Any] | None) -> None:
    observation = answers.Observation(0.0, status, "")
    report = answers.report(observation, answers.judge(observation, False, False), answers.Local())
    of_agent = answers.agent(state, "b1", 100.0)
    parse_metrics(answers.metrics(report, status.get("wsrep_local_state"), None, {"200": 0}, of_agent))


def test_files_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    names = {"report_key_file": "key", "members_file": "members.json", "state_directory": "state"}
    wanted = configuration(**{option: str(tmp_path / name) for option, name in names.items()})
    (tmp_path / "state").mkdir()
    local = clustercheck.look(wanted)
    assert local[:-1] == answers.Local()[:-1]
    assert re.fullmatch(r"\S+/members.json cannot be used: No such file or directory", local.problem)

    members = {"cluster": "stretch", "self": "a", "check_port": 1, "members": [], "arbiters": []}
    (tmp_path / "members.json").write_text(json.dumps(members))
    (tmp_path / "key").write_text("x")
    local = clustercheck.look(wanted)
    assert (local.name, local.cluster, local.key) == ("a", "stretch", None)
    assert "/key cannot be used: the report's key has to be" in local.problem

    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "state/state.json").write_text(json.dumps(STATE))
    (tmp_path / "state/lost.json").write_text('{"members": ["b"]}')
    assert clustercheck.look(wanted) == LOCAL._replace(state=STATE, lost={"members": ["b"]})

    for text in ('{"phase": "wait', "[]", "\ud800"):
        (tmp_path / "state/state.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        local = clustercheck.look(wanted)
        assert local.state is None
        assert "/state.json cannot be used: " in local.problem
        assert "\n" not in local.problem
        assert local.lost == {"members": ["b"]}


@given(
    st.none() | st.tuples(st.floats(0, 1e9), st.none() | st.dictionaries(st.text(), st.text()), st.text()),
    st.none() | st.floats(0, 1e9),
)
def test_what_is_handed_over_arrives(observed: tuple[Any, ...] | None, answered: float | None) -> None:
    observation = observed and answers.Observation(*observed)
    given_over = clustercheck.Handover(7, "::1", 9201, observation, answered, {"200": 3})
    assert clustercheck.Handover.parse(given_over.text()) == given_over


@pytest.mark.parametrize("left_out", sorted(OF_REPORT))
def test_what_the_report_needs_belongs_together(left_out: str) -> None:
    text = "[clustercheck]\naddress = ::1\nport = 1\nuser = u\npassword = p\nsocket = /s\n"
    given_options = "".join(f"{name} = {value}\n" for name, value in OF_REPORT.items() if name != left_out)
    with pytest.raises(clustercheck.ConfigurationError, match="belong together"):
        clustercheck.configure(text + given_options)


def test_the_ini_file_may_hold_any_password() -> None:
    text = "[clustercheck]\naddress = ::1\nport = 9200\nuser = u\npassword = 50%;#=x\nsocket = /s\n"
    read = clustercheck.configure(text + "available_when_donor = true\ninterval = 0.5\n")
    assert read == configuration(
        address="::1", port=9200, password="50%;#=x", timeout=1.0, interval=0.5, available_when_donor=True
    )
