# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes that an undercloud provisions: their virtual BMCs, their registration, their flavors.

Pure. Every function that ends in _argv gives one command line as a list.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import METALSMITH, Release, TripleoError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.topology_files import KEPT, size_of

FIRST_PORT = 6230
BMC_USER = "admin"

# Ironic's states in which there is nothing left to do, and those that end by themselves or by introspection.
READY = ("available", "active")
_REGISTERED = ("enroll", "verifying", "manageable", "inspecting", "inspect failed", "clean failed", "cleaning")


def nodes_of(topology: Mapping[str, Any], stack: str) -> List[Mapping[str, Any]]:
    """The nodes that the undercloud of a stack provisions, in the order of their BMCs' ports."""
    return [node for node in topology["nodes"] if node["stack"] == stack and node["role"] in ("controller", "compute")]


def bmcs(topology: Mapping[str, Any], stack: str) -> Dict[str, int]:
    """The port of each node's virtual BMC, which listens on its undercloud."""
    return {node["name"]: FIRST_PORT + number for number, node in enumerate(nodes_of(topology, stack))}


def bmc_config(domain: str, port: int, address: str, password: str, uri: str) -> str:
    """The file from which vbmcd makes a BMC (config in a directory of the domain's name).

    vbmc would take the password on its command line, where everybody can read it.
    """
    lines = ["[VirtualBMC]", f"username = {BMC_USER}", f"password = {password}", f"address = {address}"]
    lines += [f"port = {port}", f"domain_name = {domain}", f"libvirt_uri = {uri}", "active = True"]
    # ConfigParser reads % as the start of a reference.
    return "\n".join(line.replace("%", "%%") for line in lines) + "\n"


def instackenv(
    topology: Mapping[str, Any], stack: str, release: Release, macs: Mapping[str, str], password: str
) -> Dict[str, Any]:
    """The content of instackenv.json.

    :param macs: MAC address of each node on the provisioning network.
    :param password: Of the virtual BMCs.
    :raises TripleoError: if a node has no MAC address.
    """
    missing = [node["name"] for node in nodes_of(topology, stack) if node["name"] not in macs]
    if missing:
        raise TripleoError(
            [f"The hypervisor has no {', '.join(missing)} on the provisioning network: run --tags rebuild_vms."]
        )
    gateway = next(one for one in topology["stacks"] if one["name"] == stack)["networks"]["provisioning"]["gateway"]
    ports = bmcs(topology, stack)
    return {
        "nodes": [
            {
                "name": node["name"],
                **_mac(release, macs[node["name"]]),
                "cpu": str(size_of(topology, node["role"]).vcpus),
                "memory": str(size_of(topology, node["role"]).memory_mib),
                "disk": str(size_of(topology, node["role"]).disk_gib),
                "arch": "x86_64",
                "pm_type": "ipmi",
                "pm_addr": gateway,
                "pm_port": str(ports[node["name"]]),
                "pm_user": BMC_USER,
                "pm_password": password,
                "capabilities": capabilities(node),
            }
            for node in nodes_of(topology, stack)
        ]
    }


def capabilities(node: Mapping[str, Any]) -> str:
    """What places a node: itself, its flavor, and that it boots from its disk."""
    return f"node:{node['role']}-{node['index']},profile:{node['role']},boot_option:local"


def _mac(release: Release, mac: str) -> Dict[str, Any]:
    return {"mac": [mac]} if release.mac_key == "mac" else {"ports": [{"address": mac}]}


def mac_of(domiflist: str, network: str) -> str | None:
    """The MAC address on a network, from what virsh domiflist says of a domain."""
    for line in domiflist.splitlines():
        words = line.split()
        if len(words) >= 5 and words[2] == network and re.match(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$", words[4]):
            return words[4]
    return None


def import_argv(path: str) -> List[str]:
    """Register the nodes of a file."""
    return ["openstack", "overcloud", "node", "import", "--instance-boot-option=local", path]


def introspect_argv() -> List[str]:
    """Look at all nodes that are registered, and make them available."""
    return ["openstack", "overcloud", "node", "introspect", "--provide", "--all-manageable"]


def provide_argv(name: str) -> List[str]:
    """Make a node available whose introspection is done."""
    return ["openstack", "overcloud", "node", "provide", name]


def manage_argv(name: str) -> List[str]:
    """Bring a node back to where introspection can begin."""
    return ["openstack", "baremetal", "node", "manage", "--wait", "600", name]


def list_argv() -> List[str]:
    """All nodes with their states."""
    fields = ["name", "provision_state", "properties", "resource_class"]
    return ["openstack", "baremetal", "node", "list", "-f", "json", "--fields", *fields]


def node_commands(wanted: Sequence[str], path: str, states: Mapping[str, str]) -> List[List[str]]:
    """The commands that make all nodes available.

    :param wanted: Names of the nodes.
    :param states: Provision state by name, of the nodes that are registered.
    :raises TripleoError: for a node that is in a state which nothing here ends.
    """
    stuck = [f"{name} is {states[name]!r}" for name in wanted if states.get(name, "enroll") not in READY + _REGISTERED]
    if stuck:
        what = "wait until it is done, or repair it there (openstack baremetal node show), and run again"
        raise TripleoError([f"{', '.join(stuck)} at the undercloud: {what}."])
    commands = []
    if not set(wanted) <= set(states):
        commands.append(import_argv(path))
    failed = ("inspect failed", "clean failed")
    commands += [manage_argv(name) for name in wanted if states.get(name) in failed]
    if any(states.get(name) not in READY for name in wanted):
        commands.append(introspect_argv())
    return commands


def flavors(release: Release) -> Tuple[str, ...]:
    """Names of the flavors, one for each role; none where Nova does not provision."""
    return () if release.provisioning == METALSMITH else ("controller", "compute")


def flavor_list_argv() -> List[str]:
    """All flavors."""
    return ["openstack", "flavor", "list", "-f", "json", "--long"]


def flavor_argv(name: str, topology: Mapping[str, Any]) -> List[str]:
    """Create the flavor of a role: a little less than the machine has, as Ironic takes its share."""
    size = size_of(topology, name)
    return [
        "openstack", "flavor", "create", "--id", "auto",
        "--ram", str(size.memory_mib - KEPT.memory_mib), "--disk", str(size.disk_gib - KEPT.disk_gib),
        "--vcpus", str(size.vcpus - KEPT.vcpus), *_properties(name), name,
    ]  # fmt: skip


def flavor_set_argv(name: str) -> List[str]:
    """Give a flavor its properties."""
    return ["openstack", "flavor", "set", *_properties(name), name]


def resource_class_argv(node: Mapping[str, Any]) -> List[str]:
    """Make a node one of its role's resource class, and say what it can do."""
    return [
        "openstack", "baremetal", "node", "set", "--resource-class", node["role"],
        "--property", f"capabilities={capabilities(node)}", node["name"],
    ]  # fmt: skip


def flavor_properties(name: str) -> Dict[str, str]:
    """Properties of a role's flavor: scheduling by resource class, whatever the machine's sizes are."""
    return {
        "capabilities:boot_option": "local",
        "capabilities:profile": name,
        f"resources:CUSTOM_{name.upper()}": "1",
        "resources:DISK_GB": "0",
        "resources:MEMORY_MB": "0",
        "resources:VCPU": "0",
    }


def _properties(name: str) -> List[str]:
    return [word for key, value in flavor_properties(name).items() for word in ("--property", f"{key}={value}")]


def flavor_commands(
    have: Mapping[str, Mapping[str, str]], wanted: Sequence[str], topology: Mapping[str, Any]
) -> List[List[str]]:
    """The commands that make the wanted flavors; ``have``: properties by name."""
    commands = []
    for name in wanted:
        if name not in have:
            commands.append(flavor_argv(name, topology))
        elif not set(flavor_properties(name).items()) <= set(have[name].items()):
            commands.append(flavor_set_argv(name))
    return commands
