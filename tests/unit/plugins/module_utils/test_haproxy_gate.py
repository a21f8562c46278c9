# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cutover writes into haproxy.cfg, and takes away again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.haproxy_gate import (
    BEGIN,
    LOGINS,
    Endpoint,
    Gate,
    GateError,
    Traffic,
    answer,
    connections,
    endpoint,
    plan,
    split_address,
)

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures/haproxy"
ANSWER = "/etc/haproxy/keystone-cutover.http"
PORTS = (5000, 35357)

LAB = """\
# BEGIN region
defaults
  mode tcp
  timeout connect 10s

listen keystone_public
  bind 10.0.20.5:5000 transparent
  mode http
  option httpchk GET /v3
  server s1controller-0.internalapi 10.0.20.11:5000 check inter 2s fall 5 rise 2
  server s1controller-1.internalapi 10.0.20.12:5000 check inter 2s fall 5 rise 2

listen mysql
  bind 10.0.20.5:3306 transparent
  server s1controller-0.internalapi 10.0.20.11:3306 backup check port 9200
# END region
"""


def controllers(*hosts: tuple[str, ...]) -> dict[str, Endpoint]:
    return {f"c{number}": endpoint(names, PORTS) for number, names in enumerate(hosts)}


QUEENS = controllers(
    ("192.168.24.10", "172.17.1.20"), ("192.168.24.11", "172.17.1.21"), ("192.168.24.12", "172.17.1.22")
)
KOLLA = controllers(("10.10.10.1",), ("10.10.10.2",), ("10.10.10.3",))
TWO = controllers(("10.0.20.11",), ("10.0.20.12",))

FILES = [
    pytest.param((FIXTURES / "queens.cfg").read_text(), QUEENS, {"keystone_admin", "keystone_public"}, id="queens"),
    pytest.param((FIXTURES / "wallaby.cfg").read_text(), QUEENS, {"keystone_public"}, id="wallaby"),
    pytest.param(
        (FIXTURES / "kolla.cfg").read_text(), KOLLA, {"keystone_internal_back", "keystone_external_back"}, id="kolla"
    ),
    pytest.param(LAB, TWO, {"keystone_public"}, id="lab"),
    pytest.param(LAB.partition("\n\nlisten mysql")[0], TWO, {"keystone_public"}, id="no newline at the end"),
]


@pytest.mark.parametrize(("text", "all_of", "sections"), FILES)
def test_there_and_back(text: str, all_of: dict[str, Endpoint], sections: set[str]) -> None:
    """Whatever the gate was, taking it away gives the file as it was, byte for byte."""
    for gate in (Gate(ANSWER), Gate(None, frozenset({"c0"})), Gate(ANSWER, frozenset({"c0"}))):
        closed = plan(text, all_of, gate)
        assert {title.split()[1] for title in closed.sections} == sections
        assert not closed.left
        assert closed.text != text
        again = plan(closed.text, all_of, gate)
        assert (again.text, again.left) == (closed.text, True)
        back = plan(closed.text, all_of, Gate())
        assert (back.text, back.left) == (text, True)
        # From one gate to another, too.
        other = Gate(None, frozenset({"c1"}))
        assert plan(closed.text, all_of, other).text == plan(text, all_of, other).text


@pytest.mark.parametrize(("text", "all_of", "sections"), FILES)
def test_only_sections_of_keystone_change(text: str, all_of: dict[str, Endpoint], sections: set[str]) -> None:
    section = ""
    old = text.splitlines()
    for line in plan(text, all_of, Gate(ANSWER, frozenset({"c0"}))).text.splitlines():
        if re.match(r"(listen|frontend|backend|global|defaults)\b", line):
            section = line.partition(" ")[2]
        if line not in old:
            assert section in sections, line
    closed = plan(text, all_of, Gate(ANSWER, frozenset({"c0"}))).text
    assert closed.count("deny_status 503 if !{ method GET HEAD OPTIONS POST }") == len(sections)
    assert closed.count(" disabled check") == len(sections)


def test_what_is_written() -> None:
    closed = plan(LAB, TWO, Gate(ANSWER, frozenset({"c0"}))).text
    lines = closed.splitlines()
    head = lines.index("listen keystone_public")
    assert lines[head + 1] == f"  {BEGIN}"
    # The rules come before any other of the section, and the answer after any other.
    assert lines.index("  mode http") > lines.index("  # stretch.cluster cutover: end")
    assert (
        "  # stretch.cluster cutover: the next server is out of rotation\n"
        "  server s1controller-0.internalapi 10.0.20.11:5000 disabled check inter 2s fall 5 rise 2\n"
        "  server s1controller-1.internalapi 10.0.20.12:5000 check inter 2s fall 5 rise 2\n"
        f"  {BEGIN}\n"
        f"  errorfile 503 {ANSWER}\n"
        "  # stretch.cluster cutover: end\n"
        "\nlisten mysql\n" in closed
    )


def test_where_clients_come() -> None:
    gate = Gate(ANSWER)
    assert plan((FIXTURES / "queens.cfg").read_text(), QUEENS, gate).binds == {
        ("192.168.24.7", 35357), ("172.17.1.12", 35357), ("10.0.0.104", 5000), ("172.17.1.12", 5000),
    }  # fmt: skip
    assert plan((FIXTURES / "wallaby.cfg").read_text(), QUEENS, gate).binds == {
        ("10.0.0.104", 13000), ("172.17.1.12", 5000),
    }  # fmt: skip
    assert plan((FIXTURES / "kolla.cfg").read_text(), KOLLA, gate).binds == {
        ("10.10.10.254", 5000), ("192.0.2.254", 5000), ("2001:db8::fe", 5001), ("", 5002),
    }  # fmt: skip
    computed = (
        "frontend all\n  mode http\n  bind :443\n  use_backend %[req.hdr(host)]\n"
        "backend k\n  mode http\n  server a 10.0.20.11:5000\n  server b 10.0.20.12:5000\n"
    )
    assert plan(computed, TWO, gate).binds == {("", 443)}


@pytest.mark.parametrize(
    ("text", "gate", "said"),
    [
        (LAB.replace("  mode http\n", ""), Gate(ANSWER), "listen keystone_public of h.cfg is in mode tcp"),
        (LAB.replace("10.0.20.12:5000", "10.0.20.12:5001"), Gate(ANSWER), "the Keystone of c1 as a server"),
        ("global\n", Gate(None, frozenset({"c0"})), "no section of h.cfg has the Keystone of c0, c1 as a server"),
        (LAB, Gate(None, frozenset({"c0", "c1"})), "no Keystone of listen keystone_public in h.cfg would be left"),
        (
            LAB.replace("10.0.20.12:5000 check", "10.0.20.12:5000 disabled check"),
            Gate(None, frozenset({"c0"})),
            "no Keystone of listen keystone_public in h.cfg would be left",
        ),
        (f"listen a\n  {BEGIN}\n  mode http\n", Gate(), "without its"),
        (f"listen a\n  {BEGIN}\n  {BEGIN}\n  # stretch.cluster cutover: end\n", Gate(), "without its"),
    ],
)
def test_what_cannot_be_done(text: str, gate: Gate, said: str) -> None:
    with pytest.raises(GateError, match=re.escape(said)):
        plan(text, TWO, gate, "h.cfg")


def test_nothing_is_asked_of_a_file_that_is_to_be_open() -> None:
    assert plan("global\n", TWO, Gate()).text == "global\n"


@pytest.mark.parametrize(
    ("defaults", "section", "http"),
    [
        ("defaults\n  mode http\n", "listen k\n", True),
        ("defaults\n  mode http\ndefaults\n  retries 3\n", "listen k\n", False),
        ("defaults web\n  mode http\ndefaults other\n  mode tcp\n", "listen k from web\n", True),
        ("defaults web\n  mode http\ndefaults more from web\n  retries 3\n", "listen k\n", True),
        ("defaults\n  mode http # not tcp\n", "listen k # the Keystone\n", True),
        ("", "listen k\n  mode http\n", True),
    ],
)
def test_modes(defaults: str, section: str, http: bool) -> None:
    text = f"{defaults}{section}  bind :5000\n  server a 10.0.20.11:5000\n  server b 10.0.20.12:5000\n"
    if http:
        assert plan(text, TWO, Gate(ANSWER)).sections == ("listen k",)
    else:
        with pytest.raises(GateError, match="mode tcp"):
            plan(text, TWO, Gate(ANSWER))


def test_names_of_servers() -> None:
    names = controllers(("Controller-0.example", "2001:DB8::1"), ("ipv4.example",))
    text = (
        "listen k\n  mode http\n  server a [2001:db8:0::1]:5000\n  server b ipv4@IPv4.example:5000 check\n"
        "#  server c 10.0.20.13:5000\n"
    )
    assert plan(text, names, Gate(None, frozenset({"c0"}))).text.count("disabled") == 1
    with pytest.raises(GateError, match="of c0"):
        plan(text.replace("[2001:db8:0::1]", "10.0.20.11"), names, Gate(ANSWER))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.1:5000", ("10.0.0.1", 5000)), ("[::1]:5000", ("[::1]", 5000)), ("*:5000", ("*", 5000)),
        (":5000", ("", 5000)), ("ipv6@[::1]:5000", ("[::1]", 5000)), ("/run/k.sock", ("/run/k.sock", None)),
        ("[::1]", ("[::1]", None)), ("${ADDR}", ("${ADDR}", None)),
    ],
)  # fmt: skip
def test_addresses(text: str, found: tuple[str, int | None]) -> None:
    assert split_address(text) == found


ADMITTED = """
/v3/auth/tokens /v3/auth/tokens/ //v3//auth//tokens /identity/v3/auth/tokens /v2.0/tokens /v2.0/ec2tokens
/identity/v2.0/tokens/ /v3/ec2tokens /v3/s3tokens /v3/OS-OAUTH2/token /v3/auth/OS-FEDERATION/websso/openid
/v3/auth/OS-FEDERATION/identity_providers/idp/protocols/saml2/websso /v3/auth/OS-FEDERATION/saml2/ecp
/v3/OS-FEDERATION/identity_providers/my.idp/protocols/mapped/auth /keystone/v3/auth/tokens
"""
REFUSED = """
/v3/users /v3/projects /v3/users/1/password /v3/credentials /v3/users/1/credentials/OS-EC2 /v3/OS-TRUST/trusts
/v3/auth/tokens/x /v3/auth/tokensx /v3/users/v3/auth/tokens /a/b/v3/auth/tokens /v3/OS-OAUTH1/request_token
/v3/OS-OAUTH1/access_token /v3/auth/OS-FEDERATION/../../users /v3/auth/OS-FEDERATION/%2e%2e/%2e%2e/users
/v3/OS-FEDERATION/identity_providers/idp/protocols /v3/OS-FEDERATION/identity_providers/../protocols/x/auth
/v3/OS-FEDERATION/mappings /v3/domains /v2.0/users /v3/ec2tokens/../users /v3/users/x/application_credentials / /v3
"""


@pytest.mark.parametrize("path", ADMITTED.split())
def test_logins_are_admitted(path: str) -> None:
    assert any(re.search(one, path) for one in LOGINS)


@pytest.mark.parametrize("path", REFUSED.split())
def test_other_posts_are_writes(path: str) -> None:
    assert not any(re.search(one, path) for one in LOGINS)


def test_the_answer_is_one() -> None:
    head, body = answer(7).split("\r\n\r\n")
    assert "Retry-After: 7" in head.split("\r\n")
    assert f"Content-Length: {len(body)}" in head.split("\r\n")


SOCKETS = """\
LISTEN    0      128          10.0.20.7:5000      0.0.0.0:*     users:(("haproxy",pid=60,fd=7))
ESTAB     0      0           10.0.20.11:40006  10.0.20.12:5000  users:(("haproxy",pid=60,fd=12))
LISTEN    0      128          10.0.20.5:5000      0.0.0.0:*     users:(("haproxy",pid=31,fd=7),("haproxy",pid=31,fd=9))
LISTEN    0      128         10.0.20.11:5000      0.0.0.0:*     users:(("uwsgi",pid=40,fd=3))
ESTAB     0      0            10.0.20.5:5000    10.0.20.9:4711  users:(("haproxy",pid=21,fd=11))
ESTAB     0      0           10.0.20.11:40000  10.0.20.12:5000  users:(("haproxy",pid=21,fd=12))
ESTAB     0      0           10.0.20.11:40002  10.0.20.12:3306  users:(("haproxy",pid=21,fd=13))
ESTAB     0      0            10.0.20.5:5000    10.0.20.9:4712  users:(("haproxy",pid=31,fd=11))
ESTAB     0      0           10.0.20.11:5000   10.0.20.12:4713  users:(("uwsgi",pid=40,fd=5))
ESTAB     0      0           10.0.20.11:40004   10.0.20.5:5000  users:(("curl",pid=50,fd=5))
TIME-WAIT 0      0            10.0.20.5:5000    10.0.20.9:4714
"""


def test_requests_under_way() -> None:
    """Those of a process that does not listen any more; not of another HAProxy, another program or another service."""
    sockets = connections(SOCKETS)
    for binds in ({("10.0.20.5", 5000)}, {("", 5000)}):
        traffic = Traffic(frozenset(binds), TWO)
        # Keystone listens on the same port of the controller's own address.
        assert traffic.listeners(sockets) >= {("haproxy", 31)}
        assert ("uwsgi", 40) not in traffic.listeners(sockets)
        assert traffic.under_way(sockets) == 2
        ended = connections("\n".join(line for line in SOCKETS.splitlines() if "pid=21" not in line or "3306" in line))
        assert traffic.under_way(ended) == 0
    assert Traffic(frozenset({("10.0.20.6", 5000)}), TWO).listeners(sockets) == frozenset()
