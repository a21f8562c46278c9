# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the firewall lets through: real rules in a real kernel, in network namespaces of the test's own."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from firewall_harness import Network, Run, node_variables

pytestmark = pytest.mark.integration

MEMBER = "10.0.20.11"
OWN_STACK, OTHER_STACK, ARBITER = "10.0.20.12", "10.1.20.11", "172.16.0.5"
NEIGHBOUR, STRANGER, COLLECTOR = "10.0.20.77", "10.9.9.9", "10.8.0.5"
OWN_VIP, REGION_VIP = "10.0.20.6", "10.0.20.5"
PEERS = {OWN_STACK, OTHER_STACK, ARBITER}
EVERYBODY = PEERS | {NEIGHBOUR, STRANGER, COLLECTOR}
# Address and port of the member, and who gets an answer there.
ADMITTED = {
    (MEMBER, 3316): {OWN_STACK, OTHER_STACK},
    (MEMBER, 4577): PEERS,
    (MEMBER, 4578): PEERS,
    (MEMBER, 4454): PEERS,
    (MEMBER, 9201): PEERS | {COLLECTOR},
    (MEMBER, 3150): {OWN_STACK},
    (OWN_VIP, 3306): {OWN_STACK, OTHER_STACK, NEIGHBOUR},
    # The region's own database, and what else there is.
    (REGION_VIP, 3306): EVERYBODY,
    (MEMBER, 3306): EVERYBODY,
    (MEMBER, 22): EVERYBODY,
}
PROBE = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def answer(line):
    source, target, port = line.split()
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(family) as one:
        one.settimeout(0.5)
        one.bind((source, 0))
        try:
            one.connect((target, int(port)))
        except TimeoutError:
            return "silence"
        except ConnectionRefusedError:
            return "refused"
        return "open"

with ThreadPoolExecutor(20) as pool:
    print(*pool.map(answer, sys.stdin), sep="\\n")
"""


def answers(network: Network, asked: list[tuple[str, str, int]]) -> dict[tuple[str, str, int], str]:
    """What each source gets from each address and port."""
    lines = "".join(f"{source} {target} {port}\n" for source, target, port in asked)
    found = network.run(network.others, sys.executable, "-c", PROBE, stdin=lines)
    assert found.returncode == 0, found.stderr
    return dict(zip(asked, found.stdout.split()))


def load(network: Network, rules: str) -> None:
    found = network.run(network.node, "nft", "-f", "-", stdin=rules)
    assert found.returncode == 0, found.stderr


def member_variables(**more: Any) -> dict[str, Any]:
    return {**node_variables("s1controller-0"), "stretch_firewall_metrics_sources": ["10.8.0.0/16"], **more}


def test_who_gets_an_answer_from_a_member(role: Run, network: Network) -> None:
    network.address(network.node, MEMBER, OWN_VIP, REGION_VIP)
    network.address(network.others, *EVERYBODY)
    asked = [(source, target, port) for target, port in ADMITTED for source in sorted(EVERYBODY)]
    # Nothing listens: that a port is closed is an answer, by which a peer measures its distance.
    assert set(answers(network, asked).values()) == {"refused"}
    load(network, role.rules(member_variables()))
    expected = {one: "refused" if one[0] in ADMITTED[one[1:]] else "silence" for one in asked}
    assert answers(network, asked) == expected


def test_a_member_reaches_itself_and_others(role: Run, network: Network) -> None:
    """Also by its own address, and with what comes back from a stranger whom it called."""
    network.address(network.node, MEMBER, OWN_VIP)
    network.address(network.others, STRANGER)
    load(network, role.rules(member_variables()))
    lines = f"{MEMBER} {MEMBER} 3316\n{MEMBER} {OWN_VIP} 3306\n127.0.0.1 127.0.0.1 3150\n{MEMBER} {STRANGER} 4577\n"
    found = network.run(network.node, sys.executable, "-c", PROBE, stdin=lines)
    assert found.stdout.split() == ["refused"] * 4


def test_who_gets_an_answer_from_an_arbiter(role: Run, network: Network) -> None:
    network.address(network.node, ARBITER)
    network.address(network.others, OWN_STACK, OTHER_STACK, STRANGER, "172.16.0.99")
    load(network, role.rules(node_variables("arbiter-0")))
    sources = (OWN_STACK, OTHER_STACK, STRANGER, "172.16.0.99")
    found = answers(network, [(source, ARBITER, port) for source in sources for port in (4577, 22)])
    assert [found[source, ARBITER, 4577] for source in sources] == ["refused", "refused", "silence", "silence"]
    assert {found[source, ARBITER, 22] for source in sources} == {"refused"}


def test_ipv6(role: Run, network: Network) -> None:
    network.address(network.node, "fd00::1", "fd00::6")
    network.address(network.others, "fd00::2", "fd00::9")
    variables = member_variables(stretch_firewall_client_sources=["fd00::9/128"])
    topology = {**variables["stretch_topology"], "nodes": [dict(one) for one in variables["stretch_topology"]["nodes"]]}
    for number, node in enumerate(one for one in topology["nodes"] if one["role"] == "controller"):
        node["addresses"] = {"internal_api": f"fd00::{number + 1}"}
    site = {**variables["stretch_site"], "vips": {"internal_api": "fd00::5", "stretch_galera": "fd00::6"}}
    load(network, role.rules({**variables, "stretch_topology": topology, "stretch_site": site}))
    asked = [(s, t, p) for s in ("fd00::2", "fd00::9") for t, p in (("fd00::1", 4577), ("fd00::6", 3306))]
    assert list(answers(network, asked).values()) == ["refused", "refused", "silence", "refused"]


def test_another_load_replaces_this_table_and_touches_no_other(role: Run, network: Network) -> None:
    network.address(network.node, MEMBER)
    network.address(network.others, OWN_STACK, STRANGER)
    load(network, "table inet host {\nchain input {\ntype filter hook input priority 0;\ntcp dport 23 drop\n}\n}\n")
    load(network, role.rules(member_variables()))
    load(network, role.rules(member_variables(stretch_firewall_check_port=9999)))
    tables = network.run(network.node, "nft", "list", "tables").stdout.split("\n")
    assert tables[:2] == ["table inet host", "table inet stretch_cluster"]
    assert "tcp dport 23 drop" in network.run(network.node, "nft", "list", "ruleset").stdout
    asked = [(STRANGER, MEMBER, port) for port in (9201, 9999, 23)]
    assert list(answers(network, asked).values()) == ["refused", "silence", "silence"]


def test_a_bad_rule_is_named_and_nothing_else_runs(role: Run) -> None:
    results, output = role(member_variables(stretch_firewall_metrics_sources=["10.0.0.0/99"]))
    assert results["The rules are valid"]["failed"], output
    assert "10.0.0.0/99" in output
    assert "Rules, and the unit that loads them when the node boots" not in results


def test_the_role_sees_which_rules_are_loaded(role: Run, network: Network) -> None:
    rules = role.rules(member_variables())
    digest = re.search(r'comment "([0-9a-f]{16})"', rules)
    assert digest is not None
    load(network, rules)
    inside = Run(role.cwd, ("ip", "netns", "exec", network.node))
    results, _output = inside(member_variables())
    assert digest[1] in results["Rules that are loaded"]["stdout"]


def test_this_machine_has_no_such_table(role: Run) -> None:
    """A check loads nothing."""
    role(member_variables())
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert "stretch_cluster" not in tables
