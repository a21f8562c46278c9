# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters hand their input on, and turn errors into Ansible's; the rules are tested with module_utils."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.filter.galera_arbiters import galera_arbiters
from ansible_collections.stretch.cluster.plugins.filter.galera_cluster_address import galera_cluster_address
from ansible_collections.stretch.cluster.plugins.filter.galera_election import galera_election
from ansible_collections.stretch.cluster.plugins.filter.galera_members import galera_members
from ansible_collections.stretch.cluster.plugins.filter.galera_quorum import galera_quorum
from ansible_collections.stretch.cluster.plugins.filter.galera_timeouts import galera_timeouts

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
TOPOLOGY: dict[str, Any] = yaml.safe_load((FIXTURES / "topology_two.yml").read_text(encoding="utf-8"))
OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"


def test_members() -> None:
    assert galera_members(TOPOLOGY, members_per_stack=1) == [
        {"name": "s1controller-0", "stack": "stack1", "address": "10.0.20.11", "segment": 1, "weight": 12},
        {"name": "s2controller-0", "stack": "stack2", "address": "10.1.20.11", "segment": 2, "weight": 11},
    ]
    with pytest.raises(AnsibleFilterError, match="stack1 has 3 controllers"):
        galera_members(TOPOLOGY, members_per_stack=4)


def test_arbiters() -> None:
    assert galera_arbiters(TOPOLOGY, members_per_stack=1) == [
        {"name": "arbiter-0", "address": "172.16.0.5", "weight": 8, "segment": 0}
    ]
    with pytest.raises(AnsibleFilterError, match="stack1 has 3 controllers"):
        galera_arbiters(TOPOLOGY, members_per_stack=4)


def test_quorum_of_a_topology_and_of_lists() -> None:
    found = galera_quorum(TOPOLOGY)
    assert found == galera_quorum(galera_members(TOPOLOGY), galera_arbiters(TOPOLOGY))
    assert found["weights"] == {"stack1": 32, "stack2": 31, "arbiter": 18}
    assert found["survival"] == {"members": 5, "at_once": 3, "sites": ("arbiter", "stack1", "stack2")}
    assert found["sites"][0] == {"site": "stack1", "goes_on": True, "then": ("arbiter",)}
    assert galera_quorum(TOPOLOGY, members_per_stack=1)["weights"] == {"stack1": 12, "stack2": 11, "arbiter": 8}
    assert len(galera_quorum(galera_members(TOPOLOGY))["warnings"]) == 1
    with pytest.raises(AnsibleFilterError, match="no members"):
        galera_quorum([])
    with pytest.raises(AnsibleFilterError, match="Give what galera_members"):
        galera_quorum([{"name": "a"}])


def test_timeouts() -> None:
    assert galera_timeouts(30)["options"]["evs.user_send_window"] == "60"
    assert galera_timeouts(16.4, 20, measured=True)["round_trip"] == 20.0
    assert galera_timeouts(16.4, measured=True)["round_trip"] == 50.0
    assert galera_timeouts(16.4)["round_trip"] == 16.4
    with pytest.raises(AnsibleFilterError, match="give a number above 0"):
        galera_timeouts(0)


def test_cluster_address() -> None:
    members = galera_members(TOPOLOGY, members_per_stack=1)
    assert galera_cluster_address(members, 4577) == "gcomm://10.0.20.11:4577,10.1.20.11:4577"
    with pytest.raises(AnsibleFilterError, match="no members"):
        galera_cluster_address([], 4577)


def test_election() -> None:
    reports = {
        "a": {"reachable": True, "agent": {"phase": "waiting", "position": {"uuid": OURS, "seqno": 1}}},
        "b": {"reachable": True, "agent": {"phase": "waiting", "position": {"uuid": "", "seqno": -1}}},
    }
    assert galera_election(reports, ["a", "b", "c"]) == {
        "action": "wait",
        "member": None,
        "reason": "The position of c is not known.",
        "missing": ["c"],
    }
    assert galera_election(reports, ["a", "b", "c"], lost=["c"])["member"] == "a"
    assert galera_election(reports, [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}])["member"] == "a"
    assert galera_election({"a": reports["b"]}, ["a"])["action"] == "stop"
    with pytest.raises(AnsibleFilterError, match="lost names d"):
        galera_election(reports, ["a", "b", "c"], lost=["d"])
    with pytest.raises(AnsibleFilterError, match="reachable must be"):
        galera_election({"a": {}}, ["a"])
