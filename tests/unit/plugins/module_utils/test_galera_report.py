# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's client against members that forge, replay, hang, drip and talk nonsense."""

from __future__ import annotations

import ast
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import galera_report
from hypothesis import given
from hypothesis import strategies as st

KEY = "0123456789abcdef" * 4
OTHER_KEY = "f" * 64
NONCE = "ab" * 16
ROOT = Path(__file__).resolve().parents[4]
HEADERS = b"HTTP/1.1 200 OK\r\nX-Stretch-Signature: %s\r\n\r\n"


def answer(body: bytes, key: str = KEY, nonce: str = NONCE) -> bytes:
    return HEADERS % galera_report.response_signature(key, nonce, body).encode() + body


GOOD = b'{"name": "a", "ok": true}'


@pytest.mark.parametrize(
    "name",
    [
        "plugins/module_utils/galera_report.py",
        "roles/clustercheck/files/clustercheck.py",
        "roles/clustercheck/files/clustercheck_answers.py",
    ],
)
def test_it_is_python_3_6(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(), feature_version=(3, 6))
    imported = {
        alias.name for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names
    }
    assert not imported & {"annotations", "dataclasses", "dataclass"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (answer(GOOD), None),
        (answer(GOOD, OTHER_KEY), "signature is wrong"),
        (answer(GOOD, KEY, "cd" * 16), "signature is wrong"),
        (answer(GOOD).replace(b"true", b"fals"), "signature is wrong"),
        (answer(GOOD) + b" ", "signature is wrong"),
        (answer(GOOD)[:-1], "signature is wrong"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + GOOD, "signature is wrong"),
        (HEADERS % b"\xff\xfe" + GOOD, "signature is wrong"),
        (HEADERS % galera_report.request_signature(KEY, NONCE).encode() + GOOD, "signature is wrong"),
        (answer(b'{"name": "b"}'), "calls itself b"),
        (answer(b"{}"), "calls itself None"),
        (answer(b"[]"), "no report"),
        (answer(b"{"), "no JSON"),
        (answer(b"\xff"), "no JSON"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\nwrong", "key differs"),
        (b"HTTP/1.1 404 Not Found\r\n\r\nno \x1b[31m\nreport", "answers 404: no ?[31m report"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no clustercheck"),
        (b"HTTP/1.1 200 OK\r\n", "no clustercheck"),
        (b"", "unanswered"),
    ],
)
def test_only_a_signed_answer_to_this_question_counts(given: bytes, problem: str | None) -> None:
    if problem is None:
        assert galera_report.open_answer(given, KEY, NONCE, "a") == {"name": "a", "ok": True}
    else:
        with pytest.raises(galera_report.ReportError, match=problem.replace("?[", r"\?\[")):
            galera_report.open_answer(given, KEY, NONCE, "a")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_of_the_body_passes(place: int, change: int) -> None:
    whole = bytearray(answer(GOOD))
    start = whole.index(b"\r\n\r\n") + 4
    whole[start + place % len(GOOD)] ^= change
    with pytest.raises(galera_report.ReportError):
        galera_report.open_answer(bytes(whole), KEY, NONCE, "a")


@given(st.binary(max_size=300))
def test_garbage_is_refused_in_one_line(garbage: bytes) -> None:
    with pytest.raises(galera_report.ReportError) as raised:
        galera_report.open_answer(garbage, KEY, NONCE, "a")
    assert str(raised.value).isprintable()


@given(st.text(max_size=40), st.text(max_size=80))
def test_a_question_needs_the_key(nonce: str, signature: str) -> None:
    assert not galera_report.is_request(KEY, nonce, signature)
    assert galera_report.is_request(KEY, NONCE, galera_report.request_signature(KEY, NONCE))
    assert not galera_report.is_request(OTHER_KEY, NONCE, galera_report.request_signature(KEY, NONCE))


def test_the_protocol_is_what_it_was() -> None:
    """Members of two versions understand each other; the figures are of ``openssl dgst -sha256 -hmac``."""
    assert galera_report.request_signature("k" * 32, "0" * 32) == (
        "e35bbe46ba1b49bd1d9db418f10f3fa4799711fb8e20aa7d0fcf2f12042e6411"
    )
    assert galera_report.response_signature("k" * 32, "0" * 32, b"{}\n") == (
        "709495eabcc48959cdbe07940a5fb0e10ef8edd487f1300dc62b92e8794c417e"
    )


def test_nonces_differ() -> None:
    assert len({galera_report.new_nonce() for _each in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "\n", "short", "a" * 31, "a" * 32 + "\n" + "b" * 32, "ä" * 32, "a b" * 20])
def test_a_key_that_can_be_guessed_is_none(text: str) -> None:
    with pytest.raises(galera_report.ReportError, match="32"):
        galera_report.parse_key(text)
    assert galera_report.parse_key(KEY + "\n") == KEY


MEMBERS: dict[str, Any] = {
    "cluster": "stretch",
    "self": "a",
    "check_port": 9201,
    "members": [{"name": "a", "address": "10.0.0.1"}, {"name": "b", "address": "10.0.0.2"}],
    "arbiters": [],
}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (json.dumps(MEMBERS), None),
        ("", "not what it should be"),
        ("[]", "not what it should be"),
        ("{}", "has no 'members'"),
        (json.dumps({**MEMBERS, "members": 1}), "not what it should be"),
        (json.dumps({**MEMBERS, "check_port": "x"}), "not what it should be"),
        (json.dumps({**MEMBERS, "members": [{"name": "a"}]}), "has no 'address'"),
        (json.dumps({key: value for key, value in MEMBERS.items() if key != "cluster"}), "has no 'cluster'"),
        (
            json.dumps({**MEMBERS, "members": [{"name": "a", "address": "1"}, {"name": "a", "address": "2"}]}),
            "two members have the name a",
        ),
        (
            json.dumps({**MEMBERS, "members": [{"name": "a", "address": "1"}, {"name": "b", "address": "1"}]}),
            "two members have the address 1",
        ),
    ],
)
def test_the_list_of_members_is_checked(text: str, problem: str | None) -> None:
    if problem is None:
        assert galera_report.parse_members(text) == MEMBERS
    else:
        with pytest.raises(galera_report.ReportError, match=problem):
            galera_report.parse_members(text)


Talk = Callable[[socket.socket], None]


@pytest.fixture
def peer() -> Iterator[Callable[[Talk], int]]:
    """Start members that behave as told; returns the port."""
    with contextlib.ExitStack() as stack:

        def start(talk: Talk) -> int:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                with contextlib.suppress(OSError):
                    connection, _address = listening.accept()
                    with connection:
                        talk(connection)

            threading.Thread(target=run, daemon=True).start()
            return int(listening.getsockname()[1])

        yield start


def honest(name: str, key: str = KEY) -> Talk:
    """A member that signs for whoever asks."""

    def talk(connection: socket.socket) -> None:
        asked = galera_report.parse_headers(connection.recv(65536))
        nonce = asked["x-stretch-nonce"]
        assert galera_report.is_request(KEY, nonce, asked["x-stretch-signature"])
        connection.sendall(answer(json.dumps({"name": name, "reachable": False}).encode(), key, nonce))

    return talk


def replaying(connection: socket.socket) -> None:
    """A member whose answer, to another question, was recorded."""
    connection.recv(65536)
    connection.sendall(answer(GOOD, KEY, "cd" * 16))


def hanging(connection: socket.socket) -> None:
    connection.recv(65536)
    time.sleep(3)


def dripping(connection: socket.socket) -> None:
    connection.recv(65536)
    for _each in range(100):
        connection.sendall(b"H")
        time.sleep(0.05)


def flooding(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65536)


def closing(connection: socket.socket) -> None:
    """Ends at once."""


def test_all_are_asked_at_once_and_none_holds_the_others_up(peer: Callable[[Talk], int]) -> None:
    talks: dict[str, Talk] = {
        "good": honest("good"),
        "namesake": honest("good"),
        "forger": honest("forger", OTHER_KEY),
        "a": replaying,
        "hanging": hanging,
        "dripping": dripping,
        "flooding": flooding,
        "closing": closing,
    }
    members = [{"name": name, "address": "127.0.0.1", "port": peer(talk)} for name, talk in talks.items()]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        members.append({"name": "down", "address": "127.0.0.1", "port": unused.getsockname()[1]})
        begin = time.monotonic()
        found = galera_report.fetch(members, KEY, 0.7)
        took = time.monotonic() - begin
    assert took < 1.2
    good = found.pop("good")
    assert good["reachable"] is True
    assert 0 < good["round_trip"] < 0.7
    assert {name: one["reachable"] for name, one in found.items()} == dict.fromkeys(found, False)
    errors = {name: one["error"] for name, one in found.items()}
    assert errors.pop("closing") in ("closed the connection unanswered", "Connection reset by peer")
    assert errors == {
        "namesake": "the member that answers there calls itself good",
        "forger": "the answer's signature is wrong",
        "a": "the answer's signature is wrong",
        "hanging": "no answer within 0.7 s",
        "dripping": "no answer within 0.7 s",
        "flooding": "the answer does not end",
        "down": "Connection refused",
    }


def test_a_resolver_that_hangs_holds_nobody_up(peer: Callable[[Talk], int], monkeypatch: pytest.MonkeyPatch) -> None:
    original = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "slow.example.com":
            time.sleep(2)
        return original(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    members = [
        {"name": "good", "address": "127.0.0.1", "port": peer(honest("good"))},
        {"name": "slow", "address": "slow.example.com", "port": 1},
    ]
    begin = time.monotonic()
    found = galera_report.fetch(members, KEY, 0.5)
    assert time.monotonic() - begin < 1
    assert found["good"]["reachable"] is True
    assert found["slow"] == {"reachable": False, "error": "no answer within 0.5 s"}


def test_members_are_distinct() -> None:
    with pytest.raises(galera_report.ReportError, match=r"two members have the address 127\.0\.0\.1 port 9201"):
        galera_report.fetch([{"name": "a", "address": "127.0.0.1"}, {"name": "b", "address": "127.0.0.1"}], KEY)
