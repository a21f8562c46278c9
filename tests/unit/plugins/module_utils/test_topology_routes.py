# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets sent through the computed topology, hop by hop, as Linux would forward them."""

from __future__ import annotations

import ipaddress
import itertools
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils.topology import Interface, Node, Topology, expand

ROOT = Path(__file__).resolve().parents[4]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8"))
SELECTIONS = ["stack1", "stack2", "stack1,stack2", "stack1,stack2,stack3", "stack3,stack1,stack2", "stack9,stack42"]


class Lab:
    """The nodes, and a packet's way between them."""

    def __init__(self, topology: Topology) -> None:
        self.nodes = {node.name: node for node in topology.nodes}
        self.owners = {address: node for node in topology.nodes for address in node.addresses.values()}

    @staticmethod
    def interface_to(node: Node, address: str) -> Interface | None:
        """The interface whose network holds the address."""
        for interface in node.interfaces:
            network = ipaddress.ip_network(f"{interface.address}/{interface.prefixlen}", strict=False)
            if ipaddress.ip_address(address) in network:
                return interface
        return None

    def next_hop(self, node: Node, address: str) -> tuple[Interface, str]:
        """The route with the longest prefix; a connected network before all others."""
        connected = self.interface_to(node, address)
        if connected:
            return connected, address
        fitting = []
        for route in node.routes:
            network = ipaddress.ip_network("0.0.0.0/0" if route.to == "default" else route.to)
            if ipaddress.ip_address(address) in network:
                fitting.append((network.prefixlen, route.via))
        assert fitting, f"{node.name} has no route to {address}"
        via = max(fitting)[1]
        interface = self.interface_to(node, via)
        assert interface, f"{node.name} is not on the network of its gateway {via}"
        return interface, via

    def way(self, source: str, address: str) -> tuple[list[str], list[str], str]:
        """The nodes on the way, the networks between them, and the address that the source sends from."""
        node = self.nodes[source]
        nodes, networks = [source], []
        sender = self.next_hop(node, address)[0].address
        while address not in node.addresses.values():
            interface, via = self.next_hop(node, address)
            networks.append(interface.network)
            assert via in self.owners, f"{node.name} sends what is for {address} to {via}, which nobody has"
            node = self.owners[via]
            nodes.append(node.name)
            assert len(nodes) <= 4, f"{address} is not reached from {source}: {nodes}"
        return nodes, networks, sender


def lab(stacks: str, **counts: int) -> Lab:
    return Lab(expand({**CONFIG, "nodes": {**CONFIG["nodes"], **counts}}, stacks))


def journeys(found: Lab) -> Iterator[tuple[Node, Node, str, str]]:
    """Every node to every address of every other node."""
    for source, target in itertools.permutations(found.nodes.values(), 2):
        for kind, address in target.addresses.items():
            yield source, target, kind, address


@pytest.mark.parametrize("stacks", SELECTIONS)
def test_what_crosses_sites_crosses_the_gateway_of_each(stacks: str) -> None:
    found = lab(stacks)
    for source, target, _network, address in journeys(found):
        nodes, _networks, _sender = found.way(source.name, address)
        underclouds = [name for name in nodes if found.nodes[name].role == "undercloud"]
        if source.stack == target.stack:
            assert nodes == [source.name, target.name]
        else:
            sites = [f"s{node.stack[5:]}undercloud-0" for node in (source, target) if node.stack]
            assert underclouds == sites, f"{source.name} to {target.name} {address}: {nodes}"
            assert len(underclouds) == 2 or "arbiter" in {source.role, target.role}


@pytest.mark.parametrize("stacks", SELECTIONS)
def test_an_answer_takes_the_same_way_back(stacks: str) -> None:
    """So no reverse-path filter drops it, and a delay on one router counts the same both ways."""
    found = lab(stacks)
    for source, target, kind, address in journeys(found):
        nodes, networks, sender = found.way(source.name, address)
        back_nodes, back_networks, _sender = found.way(target.name, sender)
        assert back_nodes == nodes[::-1]
        sent_on = next(kind for kind, own in source.addresses.items() if own == sender)
        if (sent_on, kind) != ("stretch", "provisioning") or target.role == "undercloud":
            assert back_networks == networks[::-1], f"{source.name} to {target.name} {address}"


@pytest.mark.parametrize("stacks", SELECTIONS)
def test_galera_talks_from_the_address_by_which_it_is_known(stacks: str) -> None:
    found = lab(stacks)
    controllers = [node for node in found.nodes.values() if node.role == "controller"]
    for source, target in itertools.permutations(controllers, 2):
        assert found.way(source.name, target.addresses["internal_api"])[2] == source.addresses["internal_api"]


@pytest.mark.parametrize("stacks", SELECTIONS)
def test_more_nodes_reach_each_other_as_well(stacks: str) -> None:
    found = lab(stacks, undercloud=2, controller=1, compute=2, arbiter=2)
    for source, _target, _network, address in journeys(found):
        found.way(source.name, address)
