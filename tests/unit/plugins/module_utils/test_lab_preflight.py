# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of a host: one sentence for each thing that is missing, and none on a host that has all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import lab_preflight
from ansible_collections.stretch.cluster.plugins.module_utils.lab_preflight import Host

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
TOPOLOGY: dict[str, Any] = yaml.safe_load((FIXTURES / "topology_two.yml").read_text(encoding="utf-8"))
NODES: list[dict[str, Any]] = TOPOLOGY["nodes"]
NAMES = [node["name"] for node in NODES]
SERVICES = ("glance", "placement", "neutron", "nova")
NEEDED = lab_preflight.memory_needed(NODES, SERVICES)
DISK = lab_preflight.disk_needed(NODES, ())
ENOUGH = Host(
    memory=NEEDED,
    disk=DISK,
    networks={"lo": ("127.0.0.1/8",), "ens3": ("203.0.113.7/24",)},
    nodes=(),
    own_interfaces=(),
    netem=None,
)


def problems(**changes: Any) -> tuple[str, ...]:
    return lab_preflight.problems(dataclasses.replace(ENOUGH, **changes), TOPOLOGY, SERVICES, "/store")


def test_more_nodes_need_more() -> None:
    assert lab_preflight.memory_needed([], SERVICES) == lab_preflight.MEMORY_HOST
    assert lab_preflight.memory_needed(NODES[:-1], SERVICES) < NEEDED
    roles = [node["role"] for node in NODES]
    programs = len(SERVICES) * roles.count("controller") + roles.count("compute")
    assert NEEDED - lab_preflight.memory_needed(NODES, ()) == programs * lab_preflight.MEMORY_SERVICE
    assert set(lab_preflight.MEMORY) == set(lab_preflight.DISK) == {node["role"] for node in NODES}


def test_disk_is_needed_for_what_is_not_there_yet() -> None:
    assert lab_preflight.disk_needed(NODES, NAMES) == 0
    one = lab_preflight.disk_needed(NODES, NAMES[1:])
    assert one == lab_preflight.DISK[NODES[0]["role"]]
    # Where a node runs, its image is there.
    assert (
        lab_preflight.DISK_IMAGES
        < DISK
        < lab_preflight.DISK_IMAGES + lab_preflight.disk_needed(NODES, NAMES[:1]) + 1000
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"netem": True},
        {"disk": 0, "nodes": NAMES},
        {"networks": {"podman1": ("10.0.20.254/24",)}, "own_interfaces": {"podman1"}},
    ],
    ids=["just enough", "delay works", "deployed already", "the lab's own bridge"],
)
def test_nothing_is_wrong(changes: dict[str, Any]) -> None:
    assert problems(**changes) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"memory": NEEDED - 1}, [f"needs {NEEDED} MiB of memory and this host has {NEEDED - 1}", "-e stacks=stack1"]),
        ({"disk": DISK - 1}, [f"needs {DISK} MiB free in /store and there are {DISK - 1}", "graphroot"]),
        (
            {"networks": {"docker0": ("10.0.0.1/8",)}},
            ["10.0.0.0/8 on docker0", "s1internal_api 10.0.20.0/24", "s2internal_api 10.1.20.0/24", "topology file"],
        ),
        ({"netem": False}, ["sch_netem", "lab_wan_delay at 0"]),
    ],
    ids=["memory", "disk", "networks", "delay"],
)
def test_what_is_missing_and_what_to_do(changes: dict[str, Any], said: list[str]) -> None:
    (sentence,) = problems(**changes)
    assert [part for part in said if part not in sentence] == []


def test_everything_is_said_at_once() -> None:
    assert len(problems(memory=1, disk=1, networks={"a": ("10.0.20.9/24",), "b": ("172.16.0.9/16",)}, netem=False)) == 5
