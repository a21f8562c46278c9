# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clustercheck against a real member that is hung, killed, desynced and so on."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest
from clustercheck_harness import LIMIT, PYTHON, SERVICE, Member, Service

pytestmark = pytest.mark.integration

Start = Callable[..., Service]


def test_a_synced_member_is_available(start_service: Start, member: Member) -> None:
    service = start_service()
    service.until(200, "Synced")
    assert service.ask("GET") == (200, "Synced")
    assert service.ask("HEAD") == (200, "")
    assert service.ask("GET", "/?x=1") == (200, "Synced")
    assert service.ask("GET", "/nothing")[0] == 404
    assert service.ask("POST")[0] == 405

    uuid = member.sql("SHOW STATUS LIKE 'wsrep_cluster_state_uuid'")[0][1]
    seqno = int(member.sql("SHOW STATUS LIKE 'wsrep_last_committed'")[0][1])
    expected = {
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
    }
    assert service.report() == expected


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


def test_a_donor_is_available_if_told_so(start_service: Start, member: Member) -> None:
    service = start_service(available_when_donor="true")
    service.until(200, "Synced")
    member.sql("SET GLOBAL wsrep_desync = ON")
    service.until(200, "Donor/Desynced")
    report = service.report()
    assert (report["ok"], report["synced"], report["primary"]) == (True, False, True)


def test_a_member_without_a_primary_component_is_not_available(start_service: Start, member: Member) -> None:
    service = start_service()
    service.until(200)
    before = service.report()
    # Nobody answers there: the member looks for a Primary component and then gives up.
    with contextlib.suppress(pymysql.err.Error):
        member.sql("SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1'")
    try:
        service.until(503, "component is ")
        start_service().until(503, "component is ")
        report = service.report()
        assert (report["answers"], report["primary"], report["ok"]) == (True, False, False)
        assert report["uuid"] == before["uuid"]
    finally:
        member.sql("SET GLOBAL wsrep_cluster_address = 'gcomm://'")
    service.until(200, limit=10)


def test_a_hung_database_does_not_hang_the_check(start_service: Start, member: Member) -> None:
    service = start_service()
    service.until(200)
    member.signal(signal.SIGSTOP)
    assert service.until(503, "database: ") <= LIMIT + 0.2
    assert service.report()["answers"] is False
    started = start_service()
    assert started.until(503, "database: ") <= LIMIT + 0.5
    time.sleep(3 * LIMIT)
    assert service.ask()[0] == 503
    member.signal(signal.SIGCONT)
    service.until(200)
    started.until(200)


def test_a_killed_database_comes_back(start_service: Start, member: Member) -> None:
    service = start_service()
    service.until(200)
    member.signal(signal.SIGKILL)
    assert member.process is not None
    member.process.wait()
    service.until(503, "database: ")
    member.start()
    service.until(200)
    assert service.process.poll() is None


def test_the_maintenance_file_is_a_switch(start_service: Start, tmp_path: Path) -> None:
    switch = tmp_path / "maintenance"
    service = start_service(maintenance_file=switch)
    service.until(200)
    switch.touch()
    service.until(503, "in maintenance")
    switch.unlink()
    service.until(200)


def test_wrong_password_is_said_without_it(start_service: Start) -> None:
    service = start_service(password="not-this-one")
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
    member.sql("SET GLOBAL read_only = ON")
    service.until(503)
    for _attempt in range(50):
        service.ask()
    member.sql("SET GLOBAL read_only = OFF")
    service.until(200)
    lines = [line.split(" ", 2)[2] for line in service.log.read_text().splitlines()]
    assert lines[1:] == [f"listening on 127.0.0.1 port {service.port}", *LOGGED]


LOGGED = ["available: Synced", "unavailable: read_only is ON", "available: Synced"]


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
    done: Any = subprocess.run([PYTHON, SERVICE, ini], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
