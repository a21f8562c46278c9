# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cutover's load notes and concludes, without a Keystone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from email.message import Message
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[1:1] = [str(ROOT / name) for name in ("tools", "roles/stretch_drill/files")]

from cutover_load.clients import Answer, Client, Keystone, Tenant, User
from cutover_load.load import result, summary
from cutover_load.population import statements
from stretch_drill.model import Event
from stretch_drill.picture import draw


class Scripted(Keystone):
    """Answers as it is told, one after another, and the last again and again."""

    script: list[tuple[int, dict[str, str], Any]]

    def ask(self, method: str, path: str, body: Any = None, token: str = "", subject: str = "") -> Answer:
        if path == "/auth/tokens" and method == "POST" and body["auth"]["identity"]["password"]["user"]["name"] == "w":
            return Answer(201, headers({"X-Subject-Token": "t"}), None)
        status, more, said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return Answer(status, headers(more), said)


def headers(more: dict[str, str]) -> Message:
    found = Message()
    for name, value in more.items():
        found[name] = value
    return found


def client(
    tmp_path: Path, kind: str, script: list[tuple[int, dict[str, str], Any]], times: int, every: float
) -> Client:
    """A client that has made so many attempts, one every so many seconds."""
    keystone = Scripted("stack1", "http://nowhere")
    object.__setattr__(keystone, "script", script)
    who = Tenant(keystone, User("u", "p", "x"), User("w", "p", "x"), "1", "token")
    now = [0.0]
    found = Client(who, kind, lambda: now[0], 1.0, tmp_path)
    with (tmp_path / "journal").open("w") as journal:
        for number in range(times):
            now[0] = number * every
            found._note(journal, found._attempt(number + 1))
    return found


def found_by(clients: Iterable[Client], missing: tuple[str, ...] = (), limit: float = 15.0) -> dict[str, Any]:
    return result(list(clients), [Event("", "mark", 5.0, 5.0)], "2026-11-24", 40.0, missing, (), limit)


MADE = (201, {}, {"user": {"id": "1"}, "project": {"id": "2"}})
REFUSED = (503, {"Retry-After": "5"}, "")


def test_all_is_well(tmp_path: Path) -> None:
    clients = [
        client(tmp_path, "logins", [(201, {}, None)], 10, 1.0),
        client(tmp_path, "validations", [(200, {}, None)], 10, 1.0),
        client(tmp_path, "reads", [(200, {}, None)], 10, 1.0),
        client(tmp_path, "writes", [MADE, MADE, *[REFUSED] * 6, MADE], 20, 2.0),
    ]
    found = found_by(clients)
    assert found["passed"], summary(found)
    assert (found["acknowledged"], found["refused"], found["lost"]) == (14, 6, 0)
    # From the last acknowledged one before the refusal to the first after it.
    assert found["sites"]["stack1"]["longest_pause"] == {"seconds": 14.0, "from": 2.0, "until": 16.0}
    assert {one["state"] for lane in found["lanes"].values() for one in lane} == {"answered"}
    assert json.loads(json.dumps(found)) == found
    ET.fromstring(draw(found))
    # Longer than it may be.
    assert not found_by(clients, limit=13.0)["passed"]


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("logins", [(201, {}, None), (401, {}, "no")]),
        ("logins", [(201, {}, None), REFUSED]),
        ("validations", [(404, {}, "no")]),
        ("reads", [(200, {}, None), (502, {}, "")]),
        ("writes", [MADE, (500, {}, "")]),
        ("writes", [MADE, (503, {}, "without Retry-After")]),
    ],
)
def test_what_fails_is_told(tmp_path: Path, kind: str, script: list[tuple[int, dict[str, str], Any]]) -> None:
    found = found_by([client(tmp_path, kind, script, 5, 1.0)])
    assert not found["passed"]
    assert [one["what"] for one in found["outcomes"] if not one["met"]] == [f"no {kind} fail"]
    assert found["errors"][f"stack1 {kind}"]


def test_a_user_that_an_earlier_load_left_gets_the_password() -> None:
    asked: list[tuple[str, str, Any]] = []

    class Known(Keystone):
        def ask(self, method: str, path: str, body: Any = None, token: str = "", subject: str = "") -> Answer:
            asked.append((method, path, body))
            answers = {"POST": (409, None), "GET": (200, {"users": [{"id": "1"}]}), "PATCH": (200, None)}
            return Answer(answers[method][0], headers({}), answers[method][1])

    wanted = {"name": "load", "domain_id": "default", "password": "new"}
    assert Known("stack1", "http://nowhere").make("t", "user", wanted) == "1"
    assert asked[-1] == ("PATCH", "/users/1", {"user": {"password": "new"}})


def test_a_new_token_after_401(tmp_path: Path) -> None:
    found = found_by([client(tmp_path, "writes", [MADE, (401, {}, ""), MADE], 4, 1.0)])
    assert found["passed"]
    assert found["acknowledged"] == 4


def test_what_is_lost(tmp_path: Path) -> None:
    found = found_by([client(tmp_path, "writes", [MADE], 4, 1.0)], missing=("stack1: /users/1: 404",))
    assert not found["passed"]
    assert found["lost"] == 1


def test_rows() -> None:
    counted: dict[str, int] = {}
    for one in statements("stack1", 1_000_000):
        table = one.split()[3]
        first, last = one.rstrip(";").rpartition("seq_")[2].split("_to_")
        counted[table] = counted.get(table, 0) + int(last) - int(first) + 1
    assert sum(counted.values()) == 1_000_000
    assert set(counted) == {"project", "user", "local_user", "assignment"}
