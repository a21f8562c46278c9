# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clustercheck against a real member that is hung, killed, desynced and so on."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest
from clustercheck_harness import KEY, LIMIT, PYTHON, ROOT, Member, Service, free_port, install
from clustercheck_metrics_harness import parse_metrics

pytestmark = pytest.mark.integration

Start = Callable[..., Service]


def test_a_synced_member_is_available(start_service: Start) -> None:
    service = start_service()
    service.until(200, "Synced")
    assert service.ask("GET") == (200, "Synced")
    assert service.ask("HEAD") == (200, "")
    assert service.ask("GET", "/?x=1") == (200, "Synced")
    assert service.ask("GET", "/nothing") == (404, "there are / and /metrics")
    assert service.ask("GET", "/report") == (404, "there are / and /metrics")
    assert service.ask("POST")[0] == 405


def test_the_report_has_all_that_the_contract_says(start_reporter: Start, member: Member, tmp_path: Path) -> None:
    now, boot = time.monotonic(), Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    state = {"phase": "member", "since": now - 10, "written": now, "boot": boot, "position": None, "decision": None}
    lost = {"members": ["b"], "uuid": "u", "seqno": 3, "made": "2026-11-24T00:00:00Z", "by": "operator"}
    (tmp_path / "state/state.json").write_text(json.dumps(state))
    (tmp_path / "state/lost.json").write_text(json.dumps(lost))
    (tmp_path / "state/first.json").write_text('{"member": "a"}')
    service = start_reporter()
    service.until(200, "Synced")
    assert service.ask("GET", "/report") == (401, "the signature is missing or wrong")

    uuid = member.sql("SHOW STATUS LIKE 'wsrep_cluster_state_uuid'")[0][1]
    seqno = int(member.sql("SHOW STATUS LIKE 'wsrep_last_committed'")[0][1])
    found = service.report()
    agent = found.pop("agent")
    assert 0 <= agent.pop("age") < 10 <= agent.pop("phase_age") < 20
    assert agent == state
    assert 0 <= found.pop("flow_control_paused") < 1
    assert found == {
        "name": "a",
        "cluster": "stretch",
        "ok": True,
        "reason": "Synced",
        "answers": True,
        "maintenance": False,
        "primary": True,
        "synced": True,
        "ready": True,
        "read_only": "OFF",
        "reject_queries": "NONE",
        "state": "Synced",
        "uuid": uuid,
        "cluster_uuid": uuid,
        "seqno": seqno,
        "view": 1,
        "cluster_size": 1,
        "segment": 0,
        "weight": 1,
        "recv_queue": 0,
        "members_seen": ["127.0.0.1:0"],
        "provider": member.sql("SHOW STATUS LIKE 'wsrep_provider_version'")[0][1],
        "server": member.sql("SELECT VERSION()")[0][0],
        "lost": lost,
        "first": {"member": "a"},
    }
    (tmp_path / "state/lost.json").unlink()
    (tmp_path / "state/state.json").write_text(json.dumps({**state, "boot": "another", "phase": "stopping"}))
    time.sleep(2 * LIMIT / 4)
    found = service.report()
    assert (found["lost"], found["agent"]["phase"], found["agent"]["age"]) == (None, "stopping", None)


def test_a_new_key_and_new_members_need_no_reload(start_reporter: Start, tmp_path: Path) -> None:
    service = start_reporter()
    service.until(200)
    (tmp_path / "report.key").write_text("f" * 64)
    members = json.loads((tmp_path / "members.json").read_text())
    (tmp_path / "members.json").write_text(json.dumps({**members, "cluster": "renamed"}))
    time.sleep(2 * LIMIT / 4)
    with pytest.raises(AssertionError, match="the report's key differs there"):
        service.report()
    (tmp_path / "report.key").write_text(KEY)
    time.sleep(2 * LIMIT / 4)
    assert service.report()["cluster"] == "renamed"


def test_metrics_are_what_prometheus_reads(start_reporter: Start, member: Member, tmp_path: Path) -> None:
    state = {"phase": "waiting", "failures": 2, "decision": {"missing": ["b", "c"]}}
    (tmp_path / "state/state.json").write_text(json.dumps(state))
    service = start_reporter()
    service.until(200)
    before = parse_metrics(service.ask("GET", "/metrics")[1] + "\n")
    for _attempt in range(10):
        service.ask()
    found = parse_metrics(service.ask("GET", "/metrics")[1] + "\n")
    ok = (("status", "200"),)
    assert found["clustercheck_checks_total"][ok] == before["clustercheck_checks_total"][ok] + 10
    assert found["clustercheck_available"] == {(): 1}
    assert found["clustercheck_galera_local_state"] == {(): 4}
    assert found["clustercheck_agent_missing_members"] == {(): 2}
    assert found["clustercheck_agent_phase"][(("phase", "waiting"),)] == 1
    assert 0 <= found["clustercheck_database_answer_age_seconds"][()] < LIMIT

    member.signal(signal.SIGSTOP)
    service.until(503)
    time.sleep(LIMIT / 2)
    found = parse_metrics(service.ask("GET", "/metrics")[1] + "\n")
    assert (found["clustercheck_available"][()], found["clustercheck_database_up"][()]) == (0, 0)
    assert LIMIT <= found["clustercheck_database_answer_age_seconds"][()] < 5 * LIMIT
    assert "clustercheck_galera_local_state" not in found


def test_requests_open_no_connections(start_service: Start, member: Member) -> None:
    service = start_service()
    service.until(200)
    before = member.connections()
    for _attempt in range(200):
        assert service.ask()[0] == 200
    time.sleep(2 * LIMIT)
    assert member.connections() == before + 1, "the one that counts"


@pytest.mark.parametrize(
    ("setting", "back", "reason"),
    [
        ("wsrep_reject_queries = ALL", "wsrep_reject_queries = NONE", "wsrep_reject_queries is ALL"),
        ("wsrep_reject_queries = ALL_KILL", "wsrep_reject_queries = NONE", "wsrep_reject_queries is ALL_KILL"),
        ("wsrep_desync = ON", "wsrep_desync = OFF", "state is Donor/Desynced, not Synced"),
        ("read_only = ON", "read_only = OFF", "read_only is ON"),
    ],
)
def test_settings_take_a_member_out(start_service: Start, member: Member, setting: str, back: str, reason: str) -> None:
    service = start_service()
    service.until(200)
    member.sql(f"SET GLOBAL {setting}")
    service.until(503, reason)
    # A service that starts meanwhile has to find out the same.
    start_service().until(503, reason)
    member.sql(f"SET GLOBAL {back}")
    service.until(200)


def test_a_donor_is_available_if_told_so(start_reporter: Start, member: Member) -> None:
    service = start_reporter(available_when_donor="true")
    service.until(200, "Synced")
    member.sql("SET GLOBAL wsrep_desync = ON")
    service.until(200, "Donor/Desynced")
    report = service.report()
    assert (report["ok"], report["synced"], report["primary"]) == (True, False, True)


def test_a_member_without_a_primary_component_is_not_available(start_reporter: Start, member: Member) -> None:
    service = start_reporter()
    service.until(200)
    before = service.report()
    # Nobody answers there: the member looks for a Primary component and then gives up.
    with contextlib.suppress(pymysql.err.Error):
        member.sql("SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1'")
    try:
        service.until(503, "component is ")
        start_reporter().until(503, "component is ")
        report = service.report()
        assert (report["answers"], report["primary"], report["ok"]) == (True, False, False)
        assert report["uuid"] == before["uuid"]
    finally:
        member.sql("SET GLOBAL wsrep_cluster_address = 'gcomm://'")
    service.until(200)


AGENT = {"phase": "starting", "position": None}


def assert_silent(service: Service) -> None:
    """The report says that the database does not answer, guesses nothing of it, and still has the agent's part."""
    found = service.report()
    assert (found["answers"], found["ok"], found["primary"], found["synced"], found["ready"]) == (False,) * 5
    assert [found[name] for name in ("uuid", "cluster_uuid", "seqno", "view", "state", "cluster_size")] == [None] * 6
    assert (found["name"], found["agent"]["phase"], found["first"]) == ("a", "starting", {"member": "a"})


@pytest.fixture
def silent_parts(tmp_path: Path, start_reporter: Start) -> None:
    (tmp_path / "state/state.json").write_text(json.dumps(AGENT))
    (tmp_path / "state/first.json").write_text('{"member": "a"}')


@pytest.mark.usefixtures("silent_parts")
def test_a_hung_database_does_not_hang_the_check(start_reporter: Start, member: Member) -> None:
    service = start_reporter()
    service.until(200)
    member.signal(signal.SIGSTOP)
    assert service.until(503, "database: ") <= LIMIT + 0.2
    assert_silent(service)
    started = start_reporter()
    assert started.until(503, "database: ") <= LIMIT + 0.5
    assert_silent(started)
    time.sleep(3 * LIMIT)
    assert service.ask()[0] == 503
    member.signal(signal.SIGCONT)
    service.until(200)
    started.until(200)


@pytest.mark.usefixtures("silent_parts")
def test_a_killed_database_comes_back(start_reporter: Start, member: Member) -> None:
    service = start_reporter()
    service.until(200)
    assert service.report()["answers"] is True
    member.signal(signal.SIGKILL)
    assert member.process is not None
    member.process.wait()
    assert service.until(503, "database: ") <= LIMIT + 0.2
    assert_silent(service)
    seen: set[bool] = set()
    watching = threading.Event()

    def watch() -> None:
        while not watching.wait(0.05):
            found = service.report()
            # Never half of an answer while it starts.
            assert found["answers"] == (found["uuid"] is not None) == (found["state"] is not None)
            assert found["answers"] or not found["ok"]
            seen.add(found["answers"])

    thread = threading.Thread(target=watch)
    thread.start()
    member.start()
    service.until(200)
    time.sleep(0.2)
    watching.set()
    thread.join()
    assert seen == {False, True}
    assert service.process.poll() is None


@pytest.mark.usefixtures("silent_parts")
def test_a_stopped_database_is_said(start_reporter: Start, member: Member) -> None:
    service = start_reporter()
    service.until(200)
    member.stop()
    service.until(503, "database: ")
    assert_silent(service)


class Stream:
    """Checks without a pause, on two connections at a time, and what they were answered."""

    def __init__(self, service: Service) -> None:
        """Begin."""
        self.service = service
        self.answers: list[tuple[int, str]] = []
        self.failures: list[str] = []
        self.longest = 0.0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _each in range(2)]
        for thread in self.threads:
            thread.start()

    def run(self) -> None:
        """Ask until it is to end."""
        while not self.ended.wait(0.003):
            begin = time.monotonic()
            try:
                self.answers.append(self.service.ask(limit=5))
            except OSError as error:
                self.failures.append(repr(error))
            self.longest = max(self.longest, time.monotonic() - begin)

    def end(self) -> None:
        """Stop asking."""
        self.ended.set()
        for thread in self.threads:
            thread.join()


def until_loaded(service: Service, limit: float = 10) -> None:
    """Wait until the service runs with the files that are there."""
    deadline = time.monotonic() + limit
    while service.loaded.read_text().strip() != service.digest():
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.02)


def until_said(service: Service, text: str, limit: float = 10) -> None:
    """Wait until the log has this text."""
    deadline = time.monotonic() + limit
    while text not in service.log.read_text():
        assert time.monotonic() < deadline, service.log.read_text()
        assert service.ask(limit=5)[0] == 200
        time.sleep(0.02)


# Seconds that the database may take where it is not what is tested: the machine may be busy.
PATIENT = 5


def test_a_reload_fails_no_check(start_reporter: Start, member: Member) -> None:
    service = start_reporter(timeout=PATIENT)
    service.until(200, "Synced")
    until_loaded(service)
    asked = parse_metrics(service.ask("GET", "/metrics")[1] + "\n")["clustercheck_checks_total"][(("status", "200"),)]
    member.sql("SET GLOBAL wsrep_desync = ON")
    service.until(503, "Donor")
    member.sql("SET GLOBAL wsrep_desync = OFF")
    service.until(200)
    idle = [socket.create_connection(("127.0.0.1", service.port)) for _each in range(2)]
    stream = Stream(service)
    for version in range(4):
        service.configure(available_when_donor="true" if version % 2 == 0 else "false")
        code = service.program.read_text()
        service.program.write_text(code.replace('REASONS = {\n    200: "OK', f'REASONS = {{\n    200: "OK{version}'))
        service.reload()
        until_loaded(service)
        time.sleep(0.3)
    stream.end()
    for connection in idle:
        connection.close()
    assert stream.failures == []
    assert set(stream.answers) == {(200, "Synced")}
    assert len(stream.answers) > 100
    assert stream.longest < PATIENT
    assert service.process.poll() is None
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK3210\r\n"), "the new code"
    counted = parse_metrics(service.ask("GET", "/metrics")[1] + "\n")["clustercheck_checks_total"]
    assert counted[(("status", "200"),)] >= asked + len(stream.answers), "the counters go on"
    assert service.report()["ok"] is True


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda service: service.configure(sockt="/x"), "unknown: sockt"),
        (lambda service: service.program.write_text("("), "SyntaxError"),
        (lambda service: (service.directory / "galera_report.py").unlink(), "No module named 'galera_report'"),
        (lambda service: service.configure(address="192.0.2.1"), "cannot listen on 192.0.2.1"),
    ],
    ids=["ini", "code", "library", "address"],
)
def test_bad_files_are_not_loaded(start_service: Start, spoil: Callable[[Service], Any], problem: str) -> None:
    service = start_service()
    service.until(200)
    loaded = service.loaded.read_text()
    spoil(service)
    service.reload()
    until_said(service, "not reloaded: ")
    assert problem in service.log.read_text()
    assert service.loaded.read_text() == loaded
    # Once they are good again, so is the signal.
    install(service.directory)
    service.configure(address="127.0.0.1")
    service.options.pop("sockt", None)
    service.configure(interval=0.2)
    service.reload()
    until_loaded(service)
    service.until(200)


ENGINE = """#!/bin/sh
# Stands for podman: the service is the process of a container whose /etc/clustercheck and /run are its directory.
case $1 in
    ps) [ "$4" != 'name=^stretch-clustercheck-bundle-[a-z]+-[0-9]+$' ] || echo abc ;;
    exec) sh -euc "$(printf %s "$5" | sed 's,/etc/clustercheck,{directory},; s,/run/clustercheck[.],{directory}/,')" ;;
    kill) kill -s "$3" {pid} ;;
    logs) tail -n 3 {directory}/log ;;
esac
"""


def test_the_role_reloads_what_has_other_files_and_no_other(start_service: Start, tmp_path: Path) -> None:
    service = start_service()
    service.until(200)
    engine = tmp_path / "engine"
    engine.write_text(ENGINE.format(directory=service.directory, pid=service.process.pid))
    engine.chmod(0o755)

    def run(mode: str, bundle: str = "stretch-clustercheck-bundle") -> tuple[int, str, str]:
        command = ["sh", "-s", "--", engine, bundle, mode]
        script = (ROOT / "roles/clustercheck/files/reload.sh").read_text()
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert run("reload") == (0, "", "")
    service.configure(interval=0.2)
    assert run("reload", "clustercheck-bundle") == (0, "", ""), "it does not run here"
    assert run("look") == (0, "would be reloaded\n", "")
    assert run("reload") == (0, "reloaded\n", "")
    assert run("look") == (0, "", "")
    service.configure(sockt="/x")
    code, out, err = run("reload")
    assert (code, out) == (1, "")
    assert "unknown: sockt" in err
    service.until(200)


def test_a_reload_can_change_the_port(start_service: Start) -> None:
    service = start_service()
    service.until(200)
    before, after = service.port, free_port()
    service.configure(port=after)
    service.reload()
    until_loaded(service)
    service.port = after
    service.until(200)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before))


def test_signals_in_a_row_do_no_harm(start_service: Start) -> None:
    service = start_service(timeout=PATIENT)
    service.until(200)
    stream = Stream(service)
    for pause in [0.03] * 30 + [0.5] * 4:
        service.reload()
        time.sleep(pause)
    until_said(service, "reloading")
    stream.end()
    assert stream.failures == []
    assert set(stream.answers) == {(200, "Synced")}
    service.reload()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(5) == 0


@pytest.mark.usefixtures("silent_parts")
def test_a_reload_beside_a_hung_database(start_reporter: Start, member: Member) -> None:
    service = start_reporter()
    service.until(200)
    member.signal(signal.SIGSTOP)
    service.until(503)
    stream = Stream(service)
    service.configure(interval=0.2)
    service.reload()
    until_loaded(service)
    stream.end()
    assert stream.failures == []
    assert {status for status, _reason in stream.answers} == {503}
    assert_silent(service)
    member.signal(signal.SIGCONT)
    service.until(200)


def test_the_maintenance_file_is_a_switch(start_service: Start, tmp_path: Path) -> None:
    switch = tmp_path / "maintenance"
    service = start_service(maintenance_file=switch)
    service.until(200)
    switch.touch()
    service.until(503, "in maintenance")
    switch.unlink()
    service.until(200)


def test_wrong_password_is_said_without_it(start_reporter: Start) -> None:
    service = start_reporter(password="not-this-one")
    service.until(503, "Access denied")
    assert "not-this-one" not in service.log.read_text() + str(service.report())


@pytest.mark.parametrize("hung", [False, True])
def test_it_ends_at_once_when_told(start_service: Start, member: Member, hung: bool) -> None:
    service = start_service()
    service.until(200)
    if hung:
        member.signal(signal.SIGSTOP)
        time.sleep(LIMIT / 2)
    begin = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(5) == 0
    assert time.monotonic() - begin < 0.5


def test_the_log_has_a_line_per_change_only(start_service: Start, member: Member) -> None:
    service = start_service()
    service.until(200)
    member.sql("SET GLOBAL wsrep_reject_queries = ALL")
    service.until(503)
    for _attempt in range(50):
        service.ask()
    member.sql("SET GLOBAL wsrep_reject_queries = NONE")
    service.until(200)
    lines = [line.split(" ", 2)[2] for line in service.log.read_text().splitlines()]
    assert lines == [f"listening on 127.0.0.1 port {service.port}", *LOGGED]


LOGGED = ["available: Synced", "unavailable: wsrep_reject_queries is ALL", "available: Synced"]


@pytest.mark.parametrize("sent", [b"rubbish\r\n\r\n", b"GET / HTTP/1.0\r\n" + b"x" * 9000, b"\x00\xff\r\n\r\n"])
def test_rubbish_is_answered_and_does_no_harm(start_service: Start, sent: bytes) -> None:
    service = start_service()
    service.until(200)
    with socket.create_connection(("127.0.0.1", service.port), timeout=2) as client:
        client.sendall(sent)
        assert client.recv(100).startswith(b"HTTP/1.1 ")
    with socket.create_connection(("127.0.0.1", service.port)):
        assert service.ask()[0] == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("rubbish", "needs a section [clustercheck]"),
        ("[clustercheck]\nport = x\n", "missing: address, password, user"),
        ("[clustercheck]\naddress=::1\nport=1\nuser=u\npassword=p\nsockt=/x\n", "unknown: sockt"),
        ("[clustercheck]\naddress=::1\nport=x\nuser=u\npassword=p\nsocket=/x\n", "'x'"),
        ("[clustercheck]\naddress=::1\nport=1\nuser=u\npassword=p\n", "either socket or host"),
        ("[clustercheck]\naddress=::1\nport=1\nuser=u\npassword=p\nsocket=/x\ntimeout=0.1\n", "below timeout"),
        (
            "[clustercheck]\naddress=192.0.2.1\nport=9\nuser=u\npassword=p\nsocket=/x\n",
            "cannot listen on 192.0.2.1 port 9",
        ),
    ],
)
def test_a_bad_configuration_is_said(tmp_path: Path, text: str | None, message: str) -> None:
    ini = tmp_path / "clustercheck.ini"
    if text is not None:
        ini.write_text(text)
    done: Any = subprocess.run(
        [PYTHON, install(tmp_path / "program"), ini], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 2
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
