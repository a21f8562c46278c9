# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor gives to the stacks, computed from the topology, and Infrared's files for it.

Pure. :func:`hypervisor` is read by both backends of the role vms.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError

EXTERNAL = "192.168.22.0/24"
"""Of stack1; each further stack's lies one such block further on."""

NETWORK_FILE = "stretch_nets"

# A bridge is named as its network.
_LONGEST_NAME = 15
_EXTERNAL_DHCP = (10, 50)
_FEWEST_LEASES = 4


@dataclass(frozen=True)
class Size:
    """What a node is given; ``deployed``: whether it gets a system, or boots what its undercloud gives it."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    deployed: bool


# The seed's, where the topology says nothing else. An arbiter votes and holds nothing.
SIZES = {
    "undercloud": Size(vcpus=4, memory_mib=16384, disk_gib=50, deployed=True),
    "controller": Size(vcpus=8, memory_mib=16384, disk_gib=40, deployed=False),
    "compute": Size(vcpus=4, memory_mib=6144, disk_gib=30, deployed=False),
    "arbiter": Size(vcpus=1, memory_mib=2048, disk_gib=10, deployed=True),
}
# What Ironic keeps of a node for itself: a flavor has that much less.
KEPT = Size(vcpus=1, memory_mib=2048, disk_gib=3, deployed=False)
# Of the hypervisor's own system.
MEMORY_HOST = 4096


@dataclass(frozen=True)
class Dhcp:
    """A range of leases, and the addresses that nodes have by their names where a backend can reserve them."""

    start: str
    end: str
    hosts: Mapping[str, str]


@dataclass(frozen=True)
class Network:
    """A network of libvirt; ``address`` is the hypervisor's on it. ``forward``: "nat" or None."""

    name: str
    address: str
    prefixlen: int
    forward: str | None
    dhcp: Dhcp | None


@dataclass(frozen=True)
class Machine:
    """A domain of libvirt, named as its node. ``networks``: names, in the order of its interfaces.

    ``image``: whether its disk starts as the cloud image. ``access``: the network on which such a one is reached.
    """

    name: str
    stack: str | None
    role: str
    index: int
    vcpus: int
    memory_mib: int
    disk_gib: int
    image: bool
    networks: Tuple[str, ...]
    access: str | None


@dataclass(frozen=True)
class Hypervisor:
    """Everything of a deployment that lies on the hypervisor."""

    networks: Tuple[Network, ...]
    machines: Tuple[Machine, ...]


def hypervisor(topology: Mapping[str, Any], external: str = EXTERNAL) -> Hypervisor:
    """Describe the networks and machines of a topology.

    :param topology: The value of ``stretch_topology``.
    :param external: Network in CIDR notation over which stack1's undercloud is reached and has its way out.
    :raises TripleoError: where names or networks do not fit.
    """
    stretch = topology["networks"]["stretch"]
    outside = {stack["name"]: _external(external, stack["number"]) for stack in topology["stacks"]}
    networks: List[Network] = []
    for stack in topology["stacks"]:
        provisioning = stack["networks"]["provisioning"]
        networks.append(
            Network(provisioning["name"], provisioning["host"], provisioning["prefixlen"], forward=None, dhcp=None)
        )
        cidr = outside[stack["name"]]
        networks.append(
            Network(
                name=f"{stack['prefix']}external",
                address=str(cidr[1]),
                prefixlen=cidr.prefixlen,
                forward="nat",
                dhcp=Dhcp(
                    start=str(cidr[_EXTERNAL_DHCP[0]]),
                    end=str(cidr[_EXTERNAL_DHCP[1]]),
                    hosts={
                        node["name"]: str(cidr[_EXTERNAL_DHCP[0] + node["index"]])
                        for node in topology["nodes"]
                        if node["stack"] == stack["name"] and node["role"] == "undercloud"
                    },
                ),
            )
        )
    networks.append(
        Network(stretch["name"], stretch["host"], stretch["prefixlen"], forward="nat", dhcp=_stretch_dhcp(topology))
    )
    _check(topology, networks)
    return Hypervisor(tuple(networks), tuple(_machine(topology, node) for node in topology["nodes"]))


def size_of(topology: Mapping[str, Any], role: str) -> Size:
    """How large the machines of a role are."""
    return dataclasses.replace(SIZES[role], **topology["sizes"].get(role, {}))


def memory_needed(share: Hypervisor) -> int:
    """MiB of memory that the machines and the hypervisor's own system need together."""
    return MEMORY_HOST + sum(machine.memory_mib for machine in share.machines)


def infrared_files(share: Hypervisor) -> Dict[str, Any]:
    """The files below plugins/virsh/vars/topology of an Infrared checkout: path to content."""
    files: Dict[str, Any] = {}
    kinds: Dict[str, Machine] = {}
    for machine in share.machines:
        kinds.setdefault(kind(machine), machine)
    files[f"network/{NETWORK_FILE}.yml"] = {
        "networks": {f"net{number}": _infrared_network(one) for number, one in enumerate(share.networks, 1)},
        "nodes": {
            name: {
                "interfaces": [{"network": network} for network in machine.networks],
                "external_network": {"network": machine.access or machine.networks[-1]},
            }
            for name, machine in kinds.items()
        },
    }
    files.update((f"nodes/{name}.yml", _infrared_node(name, machine)) for name, machine in kinds.items())
    return files


def kind(machine: Machine) -> str:
    """What Infrared calls the machines of this one's kind; it adds a dash and a number for each."""
    return machine.name.rsplit("-", 1)[0]


def groups(machine: Machine) -> List[str]:
    """Infrared's groups of a machine."""
    overcloud = ["overcloud_nodes"] if machine.role in ("controller", "compute") else []
    return [machine.role, "openstack_nodes", *overcloud]


def _external(first: str, number: int) -> ipaddress.IPv4Network:
    """The external network of stack ``number``."""
    try:
        network = ipaddress.IPv4Network(first)
    except ValueError:
        raise TripleoError(
            [f"stretch_tripleo_external_network is {first!r}; give a network in CIDR notation, such as {EXTERNAL}."]
        ) from None
    if network.num_addresses <= _EXTERNAL_DHCP[1] + 1:
        raise TripleoError([f"stretch_tripleo_external_network {first} is too small; give a /26 or a larger one."])
    start = int(network.network_address) + (number - 1) * network.num_addresses
    return ipaddress.IPv4Network((start, network.prefixlen))


def _stretch_dhcp(topology: Mapping[str, Any]) -> Dhcp:
    """Leases on the stretch network, behind all addresses that nodes have there for good."""
    stretch = topology["networks"]["stretch"]
    network = ipaddress.IPv4Network(stretch["cidr"])
    fixed = {node["name"]: node["addresses"]["stretch"] for node in topology["nodes"] if "stretch" in node["addresses"]}
    taken = [ipaddress.IPv4Address(address) for address in [*fixed.values(), stretch["host"]]]
    start, end = max(taken) + 1, network.broadcast_address - 1
    if int(end) - int(start) + 1 < _FEWEST_LEASES:
        raise TripleoError([f"networks.stretch ({network}) has no room for leases behind {max(taken)}; enlarge it."])
    return Dhcp(start=str(start), end=str(end), hosts=fixed)


def _machine(topology: Mapping[str, Any], node: Mapping[str, Any]) -> Machine:
    """The domain of a node."""
    size = size_of(topology, node["role"])
    stretch = topology["networks"]["stretch"]["name"]
    networks: Tuple[str, ...] = (stretch,)
    access: str | None = stretch
    if node["stack"] is not None:
        stack = next(one for one in topology["stacks"] if one["name"] == node["stack"])
        outside = f"{stack['prefix']}external"
        networks = (stack["networks"]["provisioning"]["name"], outside)
        access = outside if size.deployed else None
        if node["role"] == "undercloud":
            networks = (*networks, stretch)
    return Machine(
        name=node["name"],
        stack=node["stack"],
        role=node["role"],
        index=node["index"],
        vcpus=size.vcpus,
        memory_mib=size.memory_mib,
        disk_gib=size.disk_gib,
        image=size.deployed,
        networks=networks,
        access=access,
    )


def _check(topology: Mapping[str, Any], networks: List[Network]) -> None:
    """Refuse names that no bridge can have, networks that share addresses, and nodes that are too small."""
    problems = [
        f"The network {one.name} has a name of {len(one.name)} characters; a bridge's has {_LONGEST_NAME} at most."
        for one in networks
        if len(one.name) > _LONGEST_NAME
    ]
    cidrs = [(one.name, ipaddress.IPv4Network(f"{one.address}/{one.prefixlen}", strict=False)) for one in networks]
    cidrs += [
        (stack["networks"]["internal_api"]["name"], ipaddress.IPv4Network(stack["networks"]["internal_api"]["cidr"]))
        for stack in topology["stacks"]
    ]
    for (name, one), (other_name, other) in itertools.combinations(cidrs, 2):
        if one.overlaps(other):
            problems.append(
                f"The networks {name} ({one}) and {other_name} ({other}) overlap: give another "
                "stretch_tripleo_external_network, of which each stack takes one block, or move the topology's."
            )
    for role in ("controller", "compute"):
        size = size_of(topology, role)
        problems += [
            f"sizes.{role}.{key} is {getattr(size, key)}, of which Ironic keeps {getattr(KEPT, key)}; give more."
            for key in ("vcpus", "memory_mib", "disk_gib")
            if getattr(size, key) <= getattr(KEPT, key)
        ]
    if problems:
        raise TripleoError(problems)


def _infrared_network(network: Network) -> Dict[str, Any]:
    cidr = ipaddress.IPv4Network(f"{network.address}/{network.prefixlen}", strict=False)
    described: Dict[str, Any] = {
        "name": network.name,
        "external_connectivity": network.forward is not None,
        "ip_address": network.address,
        "netmask": str(cidr.netmask),
    }
    if network.forward is not None:
        described["forward"] = network.forward
    if network.dhcp is not None:
        described["dhcp"] = {
            "range": {"start": network.dhcp.start, "end": network.dhcp.end},
            "subnet_cidr": str(cidr),
            "subnet_gateway": network.address,
        }
    return described


def _infrared_node(name: str, machine: Machine) -> Dict[str, Any]:
    return {
        "name": name,
        "prefix": None,
        "cpu": str(machine.vcpus),
        "cpumodel": "host-model",
        "memory": str(machine.memory_mib),
        "swap": "0",
        "deploy_os": machine.image,
        "os": {"type": "linux", "variant": "rhel7"},
        "disks": {
            "disk1": {
                "import_url": None,
                "path": None,
                "dev": "/dev/vda",
                "size": f"{machine.disk_gib}G",
                "cache": "unsafe",
                "preallocation": "metadata",
            }
        },
        "interfaces": None,
        "groups": groups(machine),
    }
