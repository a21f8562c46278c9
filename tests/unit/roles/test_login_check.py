# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the login check asks of a Keystone that runs; real ones are asked in the integration tests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles/keystone_merge/files/login_check.py"
LOGINS = [{"stack": "stack1", "user": "a", "password": "right"}, {"stack": "stack2", "user": "b", "password": "wrong"}]
FOUND = [
    {"stack": "stack1", "user": "a", "problem": ""},
    {"stack": "stack2", "user": "b", "problem": "401 Unauthorized no"},
]


class Server(ThreadingHTTPServer):
    """Lets in who has the right password, and notes who asks for what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers as /v3/auth/tokens."""

    server: Server

    def do_POST(self) -> None:
        user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]["identity"]["password"]["user"]
        self.server.asked.append(f"login of {user['name']}")
        right = user["password"] == "right"
        self.answer(201 if right else 401, {} if right else {"error": {"message": "no"}})

    def do_GET(self) -> None:
        self.server.asked.append("token")
        self.answer(200, {})

    def answer(self, status: int, content: dict[str, Any]) -> None:
        self.send_response(status)
        self.send_header("X-Subject-Token", "t")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - it is called that
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def check(url: str, **request: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input=json.dumps({"url": url, "logins": LOGINS, **request}),
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_login_and_its_token(server: Server) -> None:
    assert check(f"http://127.0.0.1:{server.server_port}/v3") == {"logins": FOUND, "error": ""}
    assert server.asked == ["login of a", "token", "login of b"]


def test_logins_alone(server: Server) -> None:
    assert check(f"http://127.0.0.1:{server.server_port}/v3", briefly=True) == {"logins": FOUND, "error": ""}
    assert sorted(server.asked) == ["login of a", "login of b"]


def test_many_before_who_do_not_count(server: Server) -> None:
    assert check(f"http://127.0.0.1:{server.server_port}/v3", processes=5) == {"logins": FOUND, "error": ""}
    assert server.asked.count("login of a") == 3 + 1
    assert server.asked.count("login of b") == 2 + 1
    assert server.asked[-3:] == ["login of a", "token", "login of b"]


@pytest.mark.parametrize("more", [{}, {"briefly": True}, {"processes": 2}])
def test_nobody_answers(more: dict[str, Any]) -> None:
    found = check("http://127.0.0.1:1/v3", **more)
    assert found["logins"] == []
    assert "Connection refused" in found["error"]
