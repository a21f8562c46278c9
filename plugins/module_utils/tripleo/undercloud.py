# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an undercloud is configured with, and its place in the networks of its overcloud.

Pure.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Sequence, Tuple

DOMAIN = "localdomain"
"""Of the overcloud's hosts; both clouds have to be told."""

INTERNAL_API_VLAN = 20
EXTERNAL_VLAN = 10

# Offsets on the provisioning network, beside the topology's plan (.1 undercloud, .10 controllers, .20 computes). What
# Neutron gives away is behind the nodes' own addresses, or its DHCP server could take a controller's.
_PUBLIC, _ADMIN = 2, 3
_DHCP = (30, 60)
_INSPECTION = (100, 120)


def config_options(stack: Mapping[str, Any], nameservers: Sequence[str]) -> Dict[str, str]:
    """Options of undercloud.conf as Infrared's --config-options takes them: SECTION.name to value."""
    provisioning = stack["networks"]["provisioning"]
    network = ipaddress.IPv4Network(provisioning["cidr"])
    return {
        "DEFAULT.local_ip": f"{provisioning['gateway']}/{network.prefixlen}",
        "DEFAULT.undercloud_public_host": str(network[_PUBLIC]),
        "DEFAULT.undercloud_admin_host": str(network[_ADMIN]),
        "DEFAULT.undercloud_nameservers": ",".join(nameservers),
        "DEFAULT.enable_telemetry": "false",
        "ctlplane-subnet.cidr": str(network),
        "ctlplane-subnet.gateway": provisioning["gateway"],
        "ctlplane-subnet.dhcp_start": str(network[_DHCP[0]]),
        "ctlplane-subnet.dhcp_end": str(network[_DHCP[1]]),
        "ctlplane-subnet.inspection_iprange": f"{network[_INSPECTION[0]]},{network[_INSPECTION[1]]}",
    }


@dataclass(frozen=True)
class Vlan:
    """An interface of the undercloud on br-ctlplane, on which it is its overcloud's gateway."""

    device: str
    tag: int
    address: str
    prefixlen: int


def vlans(stack: Mapping[str, Any], networks: Mapping[str, str]) -> Tuple[Vlan, ...]:
    """The undercloud's interfaces in its overcloud's networks.

    :param networks: CIDRs of the overcloud's networks by their names (:func:`overcloud.networks`).
    """
    internal_api = stack["networks"]["internal_api"]
    external = ipaddress.IPv4Network(networks["external"])
    return (
        Vlan(f"vlan{EXTERNAL_VLAN}", EXTERNAL_VLAN, str(external[1]), external.prefixlen),
        Vlan(f"vlan{INTERNAL_API_VLAN}", INTERNAL_API_VLAN, internal_api["gateway"], internal_api["prefixlen"]),
    )


# Third interface of an undercloud, behind the provisioning and the external network.
STRETCH_DEVICE = "eth2"
_SCRIPTS = "/etc/sysconfig/network-scripts"


def devices(topology: Mapping[str, Any], node: Mapping[str, Any], networks: Mapping[str, str]) -> Dict[str, str]:
    """Addresses of the interfaces of :func:`interface_files` by their names, in the order in which they come up."""
    stack = next(one for one in topology["stacks"] if one["name"] == node["stack"])
    found = {vlan.device: vlan.address for vlan in vlans(stack, networks)}
    return {**found, STRETCH_DEVICE: node["addresses"]["stretch"]}


def interface_files(
    topology: Mapping[str, Any], node: Mapping[str, Any], networks: Mapping[str, str]
) -> Dict[str, str]:
    """The network scripts of an undercloud's interfaces, and of its routes to the other stacks: path to content."""
    stack = next(one for one in topology["stacks"] if one["name"] == node["stack"])
    files = {f"{_SCRIPTS}/ifcfg-{vlan.device}": _vlan_script(vlan) for vlan in vlans(stack, networks)}
    stretch = topology["networks"]["stretch"]
    values = {"DEVICE": STRETCH_DEVICE, "ONBOOT": "yes", "BOOTPROTO": "none", "DEFROUTE": "no"}
    values.update(IPADDR=node["addresses"]["stretch"], PREFIX=str(stretch["prefixlen"]), NM_CONTROLLED="no")
    files[f"{_SCRIPTS}/ifcfg-{STRETCH_DEVICE}"] = _script(values)
    files[f"{_SCRIPTS}/route-{STRETCH_DEVICE}"] = "".join(
        f"{route['to']} via {route['via']} dev {STRETCH_DEVICE}\n"
        for route in node["routes"]
        if route["to"] != "default"
    )
    return files


def _vlan_script(vlan: Vlan) -> str:
    values = {"DEVICE": vlan.device, "ONBOOT": "yes", "DEVICETYPE": "ovs", "TYPE": "OVSIntPort", "BOOTPROTO": "static"}
    values.update(IPADDR=vlan.address, PREFIX=str(vlan.prefixlen), OVS_BRIDGE="br-ctlplane", NM_CONTROLLED="no")
    values["OVS_OPTIONS"] = f'"tag={vlan.tag}"'
    return _script(values)


def _script(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
