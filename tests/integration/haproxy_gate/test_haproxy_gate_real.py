# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module haproxy_gate on a real HAProxy: what it refuses, whom it leaves out, and what it waits for."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.haproxy_gate import ANSWER, BEGIN, Gate, endpoint, plan
from haproxy_servers import HAProxy, Web, free_port, haproxy_program, run_gate

pytestmark = pytest.mark.integration

FIXTURES = Path(__file__).resolve().parents[2] / "unit/fixtures/haproxy"
SECTIONS = """\
listen keystone_public
  bind 127.0.0.1:{port}
  mode http
  http-request set-header X-Forwarded-Proto http
  errorfile 503 {answer}
  server first 127.0.0.2:{keystone} check inter 200 fall 2 rise 1
  server second 127.0.0.3:{keystone} check inter 200 fall 2 rise 1

listen other
  bind 127.0.0.1:{port_of_other}
  server first 127.0.0.3:{other}
"""


@dataclass
class Site:
    """Two Keystones, as far as HAProxy can tell, and HAProxy before them."""

    haproxy: HAProxy
    first: Web
    second: Web
    port: int
    other: int

    def gate(self, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run the module."""
        return run_gate(
            self.haproxy.directory,
            {
                "config_file": str(self.haproxy.config),
                "controllers": {"c0": ["127.0.0.2", "first.example"], "c1": ["127.0.0.3"]},
                "ports": [self.first.port],
                "reload": self.haproxy.reload,
                **options,
            },
            check,
        )

    def ask(self, method: str, path: str, port: int = 0) -> tuple[int, str | None, str]:
        """Return status, Retry-After and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            connection.request(method, path, "{}" if method in {"POST", "PUT", "PATCH"} else None)
            answer = connection.getresponse()
            return answer.status, answer.headers["Retry-After"], answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if haproxy_program() is None:
        pytest.skip("haproxy is not there (tools/servers)")
    port, other, keystone = free_port(), free_port(), free_port("127.0.0.2")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(Web("first", "127.0.0.2", keystone).running())
        second = stack.enter_context(Web("second", "127.0.0.3", keystone).running())
        third = stack.enter_context(Web("third", "127.0.0.3", free_port("127.0.0.3")).running())
        answer = tmp_path / "other.http"
        answer.write_text("HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        sections = SECTIONS.format(port=port, port_of_other=other, keystone=keystone, other=third.port, answer=answer)
        with HAProxy(tmp_path / "haproxy", sections).running() as haproxy:
            found = Site(haproxy, first, second, port, other)
            end = time.monotonic() + 10
            while time.monotonic() < end:
                try:
                    found.ask("GET", "/v3")
                    break
                except OSError:
                    time.sleep(0.1)
            yield found


REFUSED = [
    ("POST", "/v3/users"), ("POST", "/v3/users?x=/v3/auth/tokens"), ("POST", "//v3/projects/"),
    ("PUT", "/v3/auth/tokens"),
    ("PATCH", "/v3/users/1"), ("DELETE", "/v3/auth/tokens"), ("DELETE", "/identity/v3/users/1"),
    ("LINK", "/v3/users/1"),
    ("POST", "/v3/users/1/password"), ("POST", "/v3/OS-OAUTH1/access_token"), ("POST", "/v3/auth/tokens/x"),
    ("PUT", "/v3/OS-FEDERATION/identity_providers/idp"), ("POST", "/v3/auth/OS-FEDERATION/../../users"),
]  # fmt: skip
ADMITTED = [
    ("GET", "/v3"), ("GET", "/v3/users?name=x"), ("HEAD", "/v3/auth/tokens"), ("OPTIONS", "/v3"),
    ("POST", "/v3/auth/tokens"), ("POST", "/v3/auth/tokens?nocatalog"), ("POST", "//v3//auth/tokens/"),
    ("POST", "/identity/v3/auth/tokens"), ("POST", "/v2.0/tokens"), ("POST", "/v3/ec2tokens"), ("POST", "/v3/s3tokens"),
    ("POST", "/v2.0/ec2tokens"), ("POST", "/v3/OS-OAUTH2/token"), ("POST", "/v3/auth/OS-FEDERATION/websso/openid"),
    ("POST", "/v3/OS-FEDERATION/identity_providers/my.idp/protocols/saml2/auth"),
]  # fmt: skip


def test_writes_are_refused_and_all_else_goes_on(site: Site) -> None:
    before = site.haproxy.config.read_bytes()
    looked = site.gate(check=True, refuse=True)
    assert (looked["changed"], looked["left"]) == (True, False)
    assert looked["sections"] == ["listen keystone_public"]
    assert "errorfile 503" in looked["diff"]["after"]
    assert site.haproxy.config.read_bytes() == before
    assert site.ask("POST", "/v3/users")[0] == 200

    done = site.gate(refuse=True, retry_after=7)
    assert done["changed"], done
    site.first.seen.clear()
    site.second.seen.clear()
    for method, path in REFUSED:
        status, after, body = site.ask(method, path)
        assert (status, after) == (503, "7"), (method, path)
        assert json.loads(body)["error"]["code"] == 503
    assert not [one for one in site.first.seen + site.second.seen if one[1] != "/"]
    for method, path in ADMITTED:
        assert site.ask(method, path)[:2] == (200, None), (method, path)
    # Another service of the same HAProxy is not concerned.
    assert site.ask("POST", "/v3/users", site.other)[0] == 200

    again = site.gate(refuse=True, retry_after=7)
    assert (again["changed"], again["left"]) == (False, True)
    done = site.gate()
    assert done["changed"]
    assert site.haproxy.config.read_bytes() == before
    assert not (site.haproxy.config.parent / ANSWER).exists()
    assert site.ask("POST", "/v3/users")[0] == 200
    assert site.gate()["changed"] is False


def test_a_connection_that_is_kept_is_refused_too(site: Site) -> None:
    """One that a client keeps, from before the refusal, leads to no Keystone that writes any more."""
    kept = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    kept.request("GET", "/v3")
    kept.getresponse().read()
    site.gate(refuse=True)
    with pytest.raises((http.client.HTTPException, OSError)):  # noqa: PT012 - either may say that it is closed
        kept.request("POST", "/v3/users", "{}")
        assert kept.getresponse().status == 503
        raise ConnectionResetError
    assert ("POST", "/v3/users") not in site.first.seen + site.second.seen


def test_one_is_left_out(site: Site) -> None:
    site.gate(out=["c0"])
    assert {site.ask("GET", "/v3")[2] for _each in range(8)} == {"second"}
    assert site.gate(out=["c0"])["changed"] is False
    # From one gate to the next in one step.
    site.gate(out=["c1"])
    assert {site.ask("POST", "/v3/users")[2] for _each in range(8)} == {"first"}
    site.gate()
    assert {site.ask("GET", "/v3")[2] for _each in range(8)} == {"first", "second"}


def begin(site: Site, *paths: str) -> list[threading.Thread]:
    """Begin requests that have no answer yet."""
    threads = [threading.Thread(target=lambda path=path: site.ask("POST", path)) for path in paths]
    for thread in threads:
        thread.start()
    time.sleep(1)
    return threads


def release(site: Site, threads: list[threading.Thread]) -> None:
    for web in (site.first, site.second):
        web.release.set()
    for thread in threads:
        thread.join()


def test_requests_under_way_are_waited_for(site: Site) -> None:
    slow = begin(site, "/slow/1", "/slow/2", "/slow/3")
    done: list[dict[str, Any]] = []
    gate = threading.Thread(target=lambda: done.append(site.gate(refuse=True, timeout=120)))
    gate.start()
    end = time.monotonic() + 60
    while BEGIN not in (site.haproxy.directory / "running.cfg").read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(2)
    assert gate.is_alive()
    assert ("POST", "/slow/1") not in site.first.seen + site.second.seen
    release(site, slow)
    gate.join()
    assert done[0]["waited"] > 0.5
    assert {path for _method, path in site.first.seen + site.second.seen} >= {"/slow/1", "/slow/2", "/slow/3"}


def test_requests_that_do_not_end(site: Site) -> None:
    slow = begin(site, "/slow")
    done = site.gate(refuse=True, timeout=10)
    assert done["failed"]
    assert re.search(
        r"\d connections to Keystone from before HAProxy was reloaded have not ended within 10 s", done["msg"]
    )
    # Whoever wanted it takes it back, and is not kept from that.
    done = site.gate(timeout=3)
    assert done["changed"]
    assert "have not ended within 3 s" in str(done["warnings"])
    release(site, slow)
    assert site.ask("POST", "/v3/users")[0] == 200


def test_no_request_fails_while_it_changes(site: Site) -> None:
    ended = threading.Event()
    failed: list[Any] = []

    def once() -> Any:
        try:
            return site.ask("GET", "/v3/auth/tokens")[0]
        except (OSError, http.client.HTTPException) as error:
            return error

    def load() -> None:
        while not ended.is_set():
            got = once()
            if got != 200:
                failed.append(got)

    clients = [threading.Thread(target=load) for _each in range(4)]
    for client in clients:
        client.start()
    for options in ({"out": ["c0"]}, {"out": ["c0"], "refuse": True}, {"out": ["c1"]}, {}):
        assert site.gate(**options)["changed"]
    ended.set()
    for client in clients:
        client.join()
    assert failed == []


def test_what_haproxy_does_not_take(site: Site) -> None:
    text = site.haproxy.config.read_text()
    site.haproxy.config.write_text(text + "\nnonsense\n")
    done = site.gate(refuse=True)
    assert done["failed"]
    assert "HAProxy does not take" in done["msg"]
    assert "nonsense" in done["msg"]
    assert site.haproxy.config.read_text() == text + "\nnonsense\n"


def test_what_cannot_be_refused(site: Site) -> None:
    text = site.haproxy.config.read_text()
    site.haproxy.config.write_text(text.replace("  mode http\n", "", 1))
    for check in (True, False):
        done = site.gate(check, refuse=True)
        assert "is in mode tcp" in done["msg"]
    assert site.gate(out=["c0", "c1"])["failed"]
    # It goes on all the same where the one is left out alone.
    assert site.gate(out=["c0"])["changed"]


@pytest.mark.parametrize("name", ["queens", "wallaby", "kolla"])
@pytest.mark.parametrize("gate", ["refuse", "out", "both"])
def test_haproxy_takes_what_is_written(tmp_path: Path, name: str, gate: str) -> None:
    program = haproxy_program()
    if program is None:
        pytest.skip("haproxy is not there (tools/servers)")
    # What this machine has not: the users, the log, the directory of the socket, IPv6 perhaps.
    text = re.sub(
        r"(?m)^ *(daemon|group|user|log|pidfile|stats +socket|ssl-default\S*|bind \[)\b.*\n", "",
        (FIXTURES / f"{name}.cfg").read_text(),
    )  # fmt: skip
    number = {"kolla": "10.10.10.{}"}.get(name, "172.17.1.2{}")
    hosts = {
        f"c{index}": endpoint([number.format(index + (name == "kolla")), f"192.168.24.1{index}"], [5000, 35357])
        for index in range(3)
    }
    answer_file = tmp_path / ANSWER
    answer_file.write_text("HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    wanted = Gate(str(answer_file) if gate != "out" else None, frozenset({"c0"}) if gate != "refuse" else frozenset())
    config = tmp_path / "haproxy.cfg"
    config.write_text(plan(text, hosts, wanted).text)
    done = subprocess.run([program, "-c", "-f", config], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
