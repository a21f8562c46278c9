# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine with an installed system is told when it first starts: who may log in, its name, its addresses."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.libvirt_plan import cloud_init_name
from ansible_collections.stretch.cluster.plugins.module_utils.libvirt_xml import mac_address


def cloud_init(
    share: Mapping[str, Any], directory: str, deployment: str, user: str, public_key: str, nameservers: Sequence[str]
) -> List[Dict[str, str]]:
    """Give path and content of the NoCloud data source's files, for each machine that has an image.

    :param share: What the hypervisor gives, as the filter tripleo_hypervisor describes it.
    :param directory: Where the images of these files come to lie, each beside its files.
    :param deployment: What the machines' addresses are made from, as by the module libvirt_machines.
    :param user: Who may log in with the key and become root.
    :param nameservers: Of the machines; without any, libvirt's on the network over which each is reached.
    """
    networks = {network["name"]: network for network in share["networks"]}
    files = []
    for machine in share["machines"]:
        if machine["image"]:
            described = {
                "meta-data": _yaml({"instance-id": machine["name"], "local-hostname": machine["name"]}),
                "user-data": "#cloud-config\n" + _yaml(_user_data(user, public_key)),
                # Version 1: the cloud-init of CentOS 7 knows no other.
                "network-config": _yaml(
                    {"version": 1, "config": _interfaces(machine, networks, deployment, nameservers)}
                ),
            }
            place = f"{directory}/{cloud_init_name(machine['name'])[: -len('.iso')]}"
            files += [{"path": f"{place}/{name}", "content": content} for name, content in described.items()]
    return files


def _yaml(value: Any) -> str:
    """JSON is YAML, and needs no library on any side."""
    return json.dumps(value, indent=2) + "\n"


def _user_data(user: str, public_key: str) -> Dict[str, Any]:
    described = {
        "name": user,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": True,
        "ssh_authorized_keys": [public_key],
    }
    return {"users": [described], "ssh_pwauth": False}


def _interfaces(
    machine: Mapping[str, Any], networks: Mapping[str, Any], deployment: str, nameservers: Sequence[str]
) -> List[Dict[str, Any]]:
    """Describe the interfaces; one on which the machine has no address is left to what is installed later."""
    described = []
    for number, name in enumerate(machine["networks"]):
        network = networks[name]
        address = (network["dhcp"] or {"hosts": {}})["hosts"].get(machine["name"])
        subnet: Dict[str, Any] = {"type": "manual"}
        if address is not None:
            subnet = {"type": "static", "address": f"{address}/{network['prefixlen']}"}
        if name == machine["access"]:
            subnet.update(gateway=network["address"], dns_nameservers=list(nameservers) or [network["address"]])
        described.append(
            {
                "type": "physical",
                "name": f"eth{number}",
                "mac_address": mac_address(deployment, machine["name"], name),
                "subnets": [subnet],
            }
        )
    return described
