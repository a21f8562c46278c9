# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps hosts from forming one cluster: each case spoils one thing of a healthy deployment."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import galera_preflight as preflight
from ansible_collections.stretch.cluster.plugins.module_utils.galera_state import NULL_UUID

OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"
THEIRS = "9b7dba1c-7f0e-11ef-8a55-0e1a2b3c4d5e"
MEMBERS = [
    {"name": name, "address": address, "stack": name[:2]}
    for name, address in (
        ("s1c0", "10.0.20.11"),
        ("s1c1", "10.0.20.12"),
        ("s2c0", "10.1.20.11"),
        ("s2c1", "10.1.20.12"),
    )
]
ARBITER = {"name": "arbiter-0", "address": "172.16.0.5"}
GIB = 2**30

Facts = dict[str, dict[str, Any]]


def link(peer: dict[str, str]) -> dict[str, Any]:
    return {
        "name": peer["name"],
        "address": peer["address"],
        "port": 4577,
        "resolved": [peer["address"]],
        "resolve_error": "",
        "reached": True,
        "error": "",
        "round_trip_min": 0.3,
        "round_trip": 0.4,
    }


def empty() -> Facts:
    """Hosts before a first deployment."""
    return {
        member["name"]: {
            "links": [link(peer) for peer in [*MEMBERS, ARBITER] if peer is not member],
            "address": member["address"],
            "address_is_local": True,
            "configured_cluster": "",
            "running_cluster": "",
            "managed": False,
            "uuid": NULL_UUID,
            "grastate": False,
            "entries": [],
            "data_bytes": 0,
            "free_bytes": 10 * GIB,
            "clock_offset": 0.6,
        }
        for member in MEMBERS
    }


def deployed() -> Facts:
    """Hosts of a cluster that runs."""
    facts = empty()
    for each in facts.values():
        each.update(
            configured_cluster="stretch",
            running_cluster="stretch",
            managed=True,
            uuid=OURS,
            grastate=True,
            entries=["aria_log_control", "grastate.dat"],
            data_bytes=2 * GIB,
        )
    return facts


def examine(facts: Facts, members: list[dict[str, str]] = MEMBERS) -> preflight.Findings:
    return preflight.examine(facts, members, "stretch", "/data", "/etc/members.json")


def cut(facts: Facts, host: str, peer: str, error: str = "no answer in time") -> None:
    (found,) = [each for each in facts[host]["links"] if each["name"] == peer]
    found.update(reached=False, error=error, round_trip=None, round_trip_min=None)


@pytest.mark.parametrize("facts", [empty(), deployed()], ids=["empty", "deployed"])
def test_nothing_is_wrong(facts: Facts) -> None:
    assert examine(facts) == preflight.Findings((), ())


def test_growing_is_fine() -> None:
    facts = deployed()
    facts.update({name: each for name, each in empty().items() if name.startswith("s2")})
    assert examine(facts) == preflight.Findings((), ())


def test_two_members_of_one_name_or_address() -> None:
    twin = {**MEMBERS[1], "address": MEMBERS[0]["address"]}
    assert examine(empty(), [MEMBERS[0], twin]).errors == (
        "2 members have the address 10.0.20.11 (s1c0, s1c1): each needs one of its own; correct the topology.",
    )
    twin = {**MEMBERS[1], "name": MEMBERS[0]["name"]}
    assert examine(empty(), [MEMBERS[0], twin]).errors == (
        "2 members have the name s1c0 (10.0.20.11, 10.0.20.12): each needs one of its own; correct the topology.",
    )


def test_a_site_that_is_cut_off() -> None:
    facts = empty()
    for near in ("s1c0", "s1c1"):
        for far in ("s2c0", "s2c1"):
            cut(facts, near, far)
            cut(facts, far, near)
    found = examine(facts)
    assert len(found.errors) == 4
    assert found.errors[0] == (
        "s1c0 and s1c1 cannot reach s2c0 (10.1.20.11, TCP port 4577): no answer in time. "
        "Look at the routes and the firewalls in between, and whether the host is up."
    )


def test_one_direction_alone() -> None:
    facts = empty()
    cut(facts, "s1c0", "s2c0", "No route to host")
    (error,) = examine(facts).errors
    assert error == (
        "s1c0 cannot reach s2c0 (10.1.20.11, TCP port 4577): No route to host. "
        "The other way it works, to s1c0: look for a firewall or a route for one direction."
    )


def test_a_name_that_resolves_wrongly_on_several_hosts_is_one_error() -> None:
    facts = empty()
    for host in ("s1c0", "s1c1"):
        facts[host]["links"][-2]["resolved"] = ["127.0.1.1"]
    (error,) = examine(facts).errors
    assert error == (
        "s2c1 resolves to the loopback address 127.0.1.1 on s1c0 and s1c1; it must resolve to 10.1.20.12: correct "
        "/etc/hosts or DNS there."
    )


def test_the_absent_are_warned_of() -> None:
    """An arbiter, or a member that --limit leaves out, may be down while others are changed."""
    facts = deployed()
    del facts["s2c1"]
    for host in facts:
        cut(facts, host, "s2c1")
        cut(facts, host, "arbiter-0")
    found = examine(facts)
    assert found.errors == ()
    assert [text.split(": ")[0] for text in found.warnings] == [
        "s1c0, s1c1 and s2c0 cannot reach s2c1 (10.1.20.12, TCP port 4577)",
        "s1c0, s1c1 and s2c0 cannot reach arbiter-0 (172.16.0.5, TCP port 4577)",
    ]


SPOILED: list[tuple[str, Facts, dict[str, dict[str, Any]], list[str]]] = [
    (
        "two inventory hosts are one machine",
        empty(),
        {"s1c1": {"address_is_local": False}},
        ["The host that answers as s1c1 does not have the address 10.0.20.12"],
    ),
    (
        "another cluster's host, by its file",
        empty(),
        {"s2c0": {"configured_cluster": "other", "managed": True}, "s2c1": {"configured_cluster": "other"}},
        ["The cluster of s2c0 and s2c1 is other (by its /etc/members.json), and stretch_galera_cluster_name is "],
    ),
    (
        "another cluster's host, by its server",
        deployed(),
        {"s2c0": {"running_cluster": "other"}},
        ["The cluster of s2c0 is other (as its server says)"],
    ),
    (
        "two histories",
        deployed(),
        {"s2c0": {"uuid": THEIRS}, "s2c1": {"uuid": THEIRS}},
        [f"The members hold different histories, of which one cluster can keep only one: {OURS} on s1c0 and s1c1; "],
    ),
    (
        "a directory with something else in it",
        empty(),
        {"s2c0": {"entries": ["ibdata1", "mysql"]}},
        ["/data on s2c0 is not empty and holds no Galera member's data (ibdata1 and mysql)"],
    ),
    (
        "the same beside a cluster that runs",
        {**deployed(), "s2c0": empty()["s2c0"]},
        {"s2c0": {"entries": ["backup.tar"]}},
        ["/data on s2c0 is not empty"],
    ),
    (
        "a foreign member's data, and a first deployment",
        empty(),
        {"s2c0": {"entries": ["grastate.dat"], "grastate": True, "uuid": THEIRS, "data_bytes": GIB}},
        [f"/data on s2c0 holds data of a Galera cluster that was not made here ({THEIRS})"],
    ),
    (
        "a clock in the past",
        empty(),
        {"s1c1": {"clock_offset": -3600.4}},
        ["The clock of s1c1 is 3600 s behind the control node's"],
    ),
    (
        "clocks that differ from each other alone",
        empty(),
        {"s1c1": {"clock_offset": -40.0}, "s2c1": {"clock_offset": 40.0}},
        ["The clocks of s1c1 and s2c1 are 80 s apart"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "changes", "begins"), [case[1:] for case in SPOILED], ids=[case[0] for case in SPOILED]
)
def test_spoiled(facts: Facts, changes: dict[str, dict[str, Any]], begins: list[str]) -> None:
    facts = copy.deepcopy(facts)
    for host, values in changes.items():
        facts[host].update(values)
    found = examine(facts)
    assert found.warnings == ()
    assert len(found.errors) == len(begins), found.errors
    for sentence, begin in zip(found.errors, begins):
        assert sentence.startswith(begin)


INTERRUPTED: dict[str, dict[str, Any]] = {
    # Its configuration was written, and mariadb-install-db was under way.
    "installing": {"managed": True, "configured_cluster": "stretch", "entries": ["mysql"]},
    "bootstrapped alone": {
        "managed": True,
        "configured_cluster": "stretch",
        "entries": ["grastate.dat"],
        "grastate": True,
        "uuid": OURS,
    },
    # One of the first version, which kept no members.json.
    "of the first version": {"running_cluster": "stretch", "entries": ["grastate.dat"], "grastate": True, "uuid": OURS},
    # An operator asks for a full copy.
    "without grastate.dat": {"managed": True, "configured_cluster": "stretch", "entries": ["ibdata1"]},
}


@pytest.mark.parametrize("values", INTERRUPTED.values(), ids=list(INTERRUPTED))
def test_what_a_deployment_left_is_no_error(values: dict[str, Any]) -> None:
    facts = empty()
    facts["s1c0"].update(values)
    assert examine(facts) == preflight.Findings((), ())


@pytest.mark.parametrize(
    ("free", "own", "warned"), [(3 * GIB, 0, False), (2 * GIB, 0, True), (GIB, 2 * GIB, False), (0, 2 * GIB, True)]
)
def test_room_for_a_full_copy(free: int, own: int, warned: bool) -> None:
    facts = deployed()
    facts["s2c1"].update(free_bytes=free, data_bytes=own)
    found = examine(facts)
    assert found.errors == ()
    assert [text.split(" has")[0] for text in found.warnings] == (["/data on s2c1"] if warned else [])


def test_everything_is_said_at_once() -> None:
    facts = empty()
    cut(facts, "s1c0", "s1c1")
    facts["s1c0"]["address_is_local"] = False
    facts["s2c0"]["entries"] = ["ibdata1"]
    facts["s2c1"]["clock_offset"] = 999.0
    assert len(examine(facts).errors) == 4
