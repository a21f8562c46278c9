# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab needs of its host, and what of that is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Dict, List, Mapping, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.topology import host_overlaps

# Measured on a deployed lab of two stacks, rounded up by a third; MiB.
MEMORY_HOST = 1024
MEMORY = {"controller": 1000, "undercloud": 100, "compute": 100, "arbiter": 100}
MEMORY_SERVICE = 150
"""Of each OpenStack service beside Keystone on a node; what the first controller has more is in it."""
DISK_IMAGES = 5000
DISK = {"controller": 700, "undercloud": 50, "compute": 50, "arbiter": 50}


@dataclass(frozen=True)
class Host:
    """What was read from the host.

    ``memory``: all its memory, MiB. ``disk``: free space where containers live, MiB. ``networks``: addresses with
    prefix length, per interface. ``nodes``: names of the lab's containers that exist. ``own_interfaces``: bridges of
    the lab's networks. ``netem``: whether the kernel can delay packets, None when it was not tried.
    """

    memory: int
    disk: int
    networks: Mapping[str, Tuple[str, ...]]
    nodes: Collection[str]
    own_interfaces: Collection[str]
    netem: bool | None


def memory_needed(nodes: List[Mapping[str, Any]], services: Collection[str]) -> int:
    """MiB of memory that the nodes, the services beside Keystone and the host need together."""
    each = {"controller": MEMORY_SERVICE * len(services), "compute": MEMORY_SERVICE if "nova" in services else 0}
    return MEMORY_HOST + sum(MEMORY[node["role"]] + each.get(node["role"], 0) for node in nodes)


def disk_needed(nodes: List[Mapping[str, Any]], present: Collection[str]) -> int:
    """MiB of disk that building the nodes which are not there takes; 0 when all are there."""
    missing = [node for node in nodes if node["name"] not in present]
    images = DISK_IMAGES if len(missing) == len(nodes) else 0
    return images + sum(DISK[node["role"]] for node in missing)


def problems(
    host: Host, topology: Mapping[str, Any], services: Collection[str], containers_directory: str
) -> Tuple[str, ...]:
    """Everything that keeps the lab from being built, each as one sentence with what to do."""
    found: List[str] = []
    nodes = list(topology["nodes"])
    memory = memory_needed(nodes, services)
    if host.memory < memory:
        found.append(
            f"The lab of {len(nodes)} nodes needs {memory} MiB of memory and this host has {host.memory}: name fewer "
            "stacks (-e stacks=stack1) or services (-e lab_services=[]), or set controller: 1 in the topology file."
        )
    disk = disk_needed(nodes, host.nodes)
    if host.disk < disk:
        found.append(
            f"The lab needs {disk} MiB free in {containers_directory} and there are {host.disk}: free some, or move "
            "podman's storage (graphroot in storage.conf)."
        )
    by_interface: Dict[Tuple[str, str], List[str]] = {}
    for overlap in host_overlaps(topology, host.networks, host.own_interfaces):
        by_interface.setdefault((overlap.interface, overlap.host_cidr), []).append(f"{overlap.network} {overlap.cidr}")
    for (interface, cidr), networks in by_interface.items():
        found.append(
            f"The host has {cidr} on {interface}, which overlaps {', '.join(networks)}: if that is another lab of this "
            "collection, run its cleanup; else choose other networks in the topology file."
        )
    if host.netem is False:
        found.append(
            "lab_wan_delay is set, and this host's kernel cannot delay packets (no sch_netem): load the module, or "
            "leave lab_wan_delay at 0."
        )
    return tuple(found)
