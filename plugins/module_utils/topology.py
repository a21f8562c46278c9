# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a topology file to every name, address, group and route of the stacks.

Pure: a file that was parsed goes in, frozen dataclasses come out. The inventory plugin and the lookup plugin share it.

How traffic flows. Within a stack, directly. Between stacks, over both gateways (the first undercloud of each), which
meet on the stretch network. A node answers on the interface on which it was asked, so that a strict reverse-path filter
or a stateful firewall lets the answer through:

* provisioning to provisioning follows the default route, which points at the gateway's provisioning address;
* internal API to internal API, and internal API to the stretch network (where the arbiter and the other stacks'
  gateways come from), have routes over the gateway's internal API address;
* one pair is asymmetric: what comes from the stretch network to a provisioning address is answered on the internal
  API. No service talks that way.
"""

from __future__ import annotations

import dataclasses
import posixpath
import shlex
from dataclasses import dataclass
from typing import Any, Collection, Iterable, Iterator, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils import topology_file
from ansible_collections.stretch.cluster.plugins.module_utils.topology_file import (
    STACK_NETWORKS,
    STACK_ROLES,
    STRETCH,
    NetaddrMissingError,
    Spec,
    TopologyError,
)

__all__ = [
    "Interface",
    "NetaddrMissingError",
    "Network",
    "Node",
    "Overlap",
    "Route",
    "Stack",
    "Topology",
    "TopologyError",
    "expand",
    "host_overlaps",
    "inventory",
    "plain",
]


@dataclass(frozen=True)
class Network:
    """A network. ``gateway`` is None where there is none; ``host`` is the hypervisor's address on it."""

    name: str
    cidr: str
    prefixlen: int
    gateway: str | None
    host: str


@dataclass(frozen=True)
class Stack:
    """A stack, which is a site and a region. Keys of ``networks`` are ``provisioning`` and ``internal_api``."""

    name: str
    number: int
    prefix: str
    region: str
    networks: Mapping[str, Network]
    vips: Mapping[str, str]


@dataclass(frozen=True)
class Interface:
    """An interface of a node; ``network`` is a network's name."""

    device: str
    network: str
    address: str
    prefixlen: int


@dataclass(frozen=True)
class Route:
    """A static route: a CIDR or ``default``, and the address of the next hop."""

    to: str
    via: str


@dataclass(frozen=True)
class Node:
    """A node; ``stack`` is None for an arbiter. Keys of ``addresses`` are kinds of networks."""

    name: str
    stack: str | None
    role: str
    index: int
    addresses: Mapping[str, str]
    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Topology:
    """Everything there is. The stacks are in the order they were named, the first is primary; arbiters come last.

    ``sizes`` has what the file says of the machines of a role, for the provider that makes machines.
    """

    stacks: tuple[Stack, ...]
    networks: Mapping[str, Network]
    nodes: tuple[Node, ...]
    sizes: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Overlap:
    """A network of the topology, and one of this machine that shares addresses with it."""

    network: str
    cidr: str
    interface: str
    host_cidr: str


def plain(value: Any) -> Any:
    """Turn dataclasses into dictionaries and tuples into lists, all the way down."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def expand(config: Any, stacks: Any = None) -> Topology:
    """Expand a topology.

    :param config: The parsed topology file.
    :param stacks: Names of stacks, as a list or as a string with commas; None takes the file's.
    :raises TopologyError: with everything that is wrong, not with the first thing alone.
    """
    spec = topology_file.read(config, stacks)
    shared = _network(STRETCH, spec.stretch, gateway=None, host=topology_file.STRETCH_HOST)
    stacks_ = tuple(_stack(spec, number) for number in spec.stacks)
    nodes = [*_stack_nodes(spec, stacks_, shared), *_arbiters(spec, stacks_, shared)]
    return Topology(stacks=stacks_, networks={STRETCH: shared}, nodes=tuple(nodes), sizes=spec.sizes)


def inventory(config: Any, stacks: Any, state_dir: Any, working_directory: str) -> dict[str, Any]:
    """Expand a topology, and describe its hosts to Ansible.

    :param config: The parsed topology file.
    :param stacks: Names of stacks, as a list or as a string with commas; None takes the file's.
    :param state_dir: Absolute path of the directory that holds the deployment's state, or None.
    :param working_directory: Absolute path; without a ``state_dir``, the state is in ``.stretch`` below it.
    :returns: ``hosts``, a list of {name, groups, vars}; ``groups``, all groups, those without a host too; ``vars``, the
        variables of every host, localhost included.
    :raises TopologyError: with everything that is wrong, not with the first thing alone.
    """
    problems: list[str] = []
    if state_dir is None:
        state_dir = posixpath.join(working_directory, ".stretch")
    elif not isinstance(state_dir, str) or not posixpath.isabs(state_dir):
        # An extra variable reaches the hosts as it was given: what is relative cannot be made absolute for them here.
        problems.append(f"stretch_state_dir is {state_dir!r}; give an absolute path.")
    try:
        topology = expand(config, stacks)
    except TopologyError as error:
        raise TopologyError([*error.problems, *problems]) from None
    if problems:
        raise TopologyError(problems)
    return _inventory(topology, str(state_dir))


def _inventory(topology: Topology, state_dir: str) -> dict[str, Any]:
    """Describe the hosts of a topology to Ansible."""
    regions = {stack.name: stack.region for stack in topology.stacks}
    hosts = []
    for node in topology.nodes:
        variables = {f"stretch_{key}": value for key, value in plain(node).items()}
        if node.stack is not None:
            variables["stretch_region"] = regions[node.stack]
        variables.update(
            ansible_host=node.interfaces[0].address,
            ansible_user="root",
            ansible_ssh_common_args="-F " + shlex.quote(f"{state_dir}/ssh_config"),
            ansible_pipelining=True,
        )
        hosts.append({"name": node.name, "groups": _groups(node.stack, node.role), "vars": variables})
    groups = _groups(None, "arbiter")
    groups += [group for stack in topology.stacks for role in STACK_ROLES for group in _groups(stack.name, role)]
    return {
        "hosts": hosts,
        "groups": sorted(set(groups)),
        "vars": {
            "stretch_topology": plain(topology),
            "stretch_stacks": [stack.name for stack in topology.stacks],
            "stretch_state_dir": state_dir,
        },
    }


def host_overlaps(
    topology: Mapping[str, Any], host_networks: Mapping[str, Iterable[str]], own_interfaces: Collection[str]
) -> tuple[Overlap, ...]:
    """Find networks of the topology that the machine already has, on an interface that is not the lab's.

    :param topology: The value of ``stretch_topology``.
    :param host_networks: For each interface of the machine its CIDRs, of a network or of an address (``10.0.0.5/24``).
        The topology has no IPv6, so those overlap nothing.
    :param own_interfaces: Names of the interfaces that the lab made.
    :raises TopologyError: if a CIDR of the machine cannot be read.
    """
    netaddr = topology_file.import_netaddr()
    try:
        foreign = [
            (interface, netaddr.IPNetwork(str(cidr)).cidr)
            for interface in sorted(set(host_networks) - set(own_interfaces))
            for cidr in host_networks[interface]
        ]
    except (netaddr.AddrFormatError, ValueError) as error:
        raise TopologyError([f"a network of this machine is no CIDR: {error}."]) from error
    networks = [network for stack in topology["stacks"] for network in stack["networks"].values()]
    networks += topology["networks"].values()
    return tuple(
        Overlap(network=network["name"], cidr=network["cidr"], interface=interface, host_cidr=str(other))
        for network in networks
        for interface, other in foreign
        if topology_file.overlap(netaddr.IPNetwork(str(network["cidr"])), other)
    )


def _network(name: str, network: Any, gateway: int | None, host: int) -> Network:
    """Describe a netaddr.IPNetwork; gateway and host are offsets in it."""
    return Network(
        name=name,
        cidr=str(network),
        prefixlen=network.prefixlen,
        gateway=None if gateway is None else str(network[gateway]),
        host=str(network[host]),
    )


def _stack(spec: Spec, number: int) -> Stack:
    """Compute a stack's networks and VIPs."""
    networks = {}
    for kind in STACK_NETWORKS:
        network = spec.blocks[kind].network(number)
        networks[kind] = _network(
            topology_file.stack_network_name(number, kind),
            network,
            gateway=topology_file.GATEWAY,
            host=topology_file.host_offset(network.prefixlen),
        )
    internal_api = spec.blocks["internal_api"].network(number)
    return Stack(
        name=f"stack{number}",
        number=number,
        prefix=f"s{number}",
        region=f"region_stack{number}",
        networks=networks,
        vips={vip: str(internal_api[offset]) for vip, offset in topology_file.VIPS.items()},
    )


def _stack_nodes(spec: Spec, stacks: tuple[Stack, ...], stretch: Network) -> Iterator[Node]:
    """Compute the nodes of all stacks, with their routes."""
    for stack in stacks:
        others = [other for other in stacks if other is not stack]
        networks = {**stack.networks, STRETCH: stretch}
        for role in STACK_ROLES:
            routes = (
                _gateway_routes(spec, others) if role == "undercloud" else _overcloud_routes(stack, others, stretch)
            )
            for index in range(spec.nodes[role]):
                addresses = {
                    kind: str(spec.blocks[kind].network(stack.number)[topology_file.FIRST[kind][role] + index])
                    for kind in STACK_NETWORKS
                }
                if role == "undercloud":
                    addresses[STRETCH] = _undercloud_on_stretch(spec, stack.number, index)
                yield Node(
                    name=f"{stack.prefix}{role}-{index}",
                    stack=stack.name,
                    role=role,
                    index=index,
                    addresses=addresses,
                    interfaces=_interfaces(networks, addresses),
                    routes=tuple(routes),
                )


def _arbiters(spec: Spec, stacks: tuple[Stack, ...], stretch: Network) -> Iterator[Node]:
    """Compute the nodes that stand on the stretch network alone."""
    for index in range(spec.nodes["arbiter"]):
        addresses = {STRETCH: str(spec.stretch[topology_file.STRETCH_ARBITER + index])}
        yield Node(
            name=f"arbiter-{index}",
            stack=None,
            role="arbiter",
            index=index,
            addresses=addresses,
            interfaces=_interfaces({STRETCH: stretch}, addresses),
            routes=tuple(_gateway_routes(spec, stacks)),
        )


def _undercloud_on_stretch(spec: Spec, number: int, index: int) -> str:
    return str(spec.stretch[topology_file.stretch_undercloud_offset(number, index)])


def _interfaces(networks: Mapping[str, Network], addresses: Mapping[str, str]) -> tuple[Interface, ...]:
    """Number the devices in the order of the addresses."""
    return tuple(
        Interface(device=f"eth{n}", network=networks[kind].name, address=address, prefixlen=networks[kind].prefixlen)
        for n, (kind, address) in enumerate(addresses.items())
    )


def _gateway_routes(spec: Spec, stacks: Iterable[Stack]) -> list[Route]:
    """Routes of a node on the stretch network: each stack's networks over that stack's gateway."""
    return [
        Route(to=network.cidr, via=_undercloud_on_stretch(spec, stack.number, 0))
        for stack in stacks
        for network in stack.networks.values()
    ]


def _overcloud_routes(stack: Stack, others: Iterable[Stack], stretch: Network) -> list[Route]:
    """Routes of a node of a stack; the other stacks' provisioning networks follow the default route."""
    provisioning, internal_api = (str(stack.networks[kind].gateway) for kind in STACK_NETWORKS)
    routes = [Route(to="default", via=provisioning)]
    routes += [Route(to=other.networks["internal_api"].cidr, via=internal_api) for other in others]
    return [*routes, Route(to=stretch.cidr, via=internal_api)]


def _groups(stack: str | None, role: str) -> list[str]:
    """The groups of a node."""
    groups = [role] if stack is None else [stack, f"{stack}_{role}", role]
    return [*groups, "overcloud"] if role in ("controller", "compute") else groups
