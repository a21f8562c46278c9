# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the Galera cluster that spans the stacks, and how each member counts.

Pure: ``stretch_topology`` goes in, frozen dataclasses come out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Iterable, Mapping


class GaleraError(Exception):
    """The cluster that was asked for cannot be."""


@dataclass(frozen=True)
class Member:
    """A member that holds data.

    ``segment`` is gmcast.segment, one per site: a write set crosses a link between two sites once, not once per member.
    It is the stack's number; 0 is left to the arbiters. ``weight`` is pc.weight.
    """

    name: str
    stack: str
    address: str
    segment: int
    weight: int


def members(
    topology: Mapping[str, Any], members_per_stack: int | None = None, arbiters: int | None = None
) -> tuple[Member, ...]:
    """Choose the members, stack by stack in the order of the topology, the primary stack first.

    A component stays Primary while it holds more than half of the weight of the last Primary component (Galera's
    weighted quorum; members that leave in good order are subtracted first). An arbiter (garbd) weighs 1. If the sum is
    odd, every member weighs 1; if it is even, the first member of the first stack weighs 2, so that no split of the
    whole cluster is a tie. What that survives, for three members in each stack:

    * two stacks and an arbiter: any one of the three sites, and the link between any two;
    * two stacks and no arbiter: the second stack, or a cut between the two (the first goes on). The loss of the first
      stack stops the second, until an operator bootstraps it;
    * three stacks, with an arbiter or without: any one of the sites.

    :param topology: The value of ``stretch_topology``.
    :param members_per_stack: How many controllers of each stack take part, from the first on; None for all. About 15
        members are the practical limit of one cluster.
    :param arbiters: How many arbiters vote; None for all arbiter nodes of the topology.
    :raises GaleraError: if a stack has not that many controllers, or a number is none.
    """
    _check_number("members_per_stack", members_per_stack, least=1)
    _check_number("arbiters", arbiters, least=0)
    if arbiters is None:
        arbiters = sum(1 for node in topology["nodes"] if node["role"] == "arbiter")
    chosen: list[Member] = []
    for stack in topology["stacks"]:
        controllers = [
            node for node in topology["nodes"] if node["role"] == "controller" and node["stack"] == stack["name"]
        ]
        if members_per_stack is not None and members_per_stack > len(controllers):
            raise GaleraError(
                f"members_per_stack is {members_per_stack}, but {stack['name']} has {len(controllers)} controllers."
            )
        chosen += [
            Member(
                name=node["name"],
                stack=stack["name"],
                address=node["addresses"]["internal_api"],
                segment=stack["number"],
                weight=1,
            )
            for node in controllers[:members_per_stack]
        ]
    if chosen and (len(chosen) + arbiters) % 2 == 0:
        chosen[0] = dataclasses.replace(chosen[0], weight=2)
    return tuple(chosen)


def cluster_address(cluster: Iterable[Mapping[str, Any]], port: int) -> str:
    """Write wsrep_cluster_address: the same text on every member, whatever the order they are given in.

    The order is that of the names by code point, the same as the election's. The port is written for every member,
    since Galera takes 4567 for one that has none.

    :param cluster: Members, each with at least ``name`` and ``address``.
    :raises GaleraError: if there is no member, or the port is none.
    """
    _check_number("port", port, least=1)
    addresses = [str(member["address"]) for member in sorted(cluster, key=lambda member: str(member["name"]))]
    if not addresses:
        # gcomm:// with nothing behind it would bootstrap a cluster of its own.
        raise GaleraError("The cluster has no members.")
    return "gcomm://" + ",".join(f"{address}:{port}" for address in addresses)


def _check_number(name: str, value: Any, least: int) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise GaleraError(f"{name} is {value!r}; give a whole number, {least} or more.")
