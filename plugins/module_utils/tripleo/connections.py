# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this machine reaches the nodes: underclouds and arbiters directly, overclouds' nodes through their undercloud.

Pure.
"""

from __future__ import annotations

import shlex
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import Release

_COMMON = {
    "BatchMode": "yes",
    # Machines are made anew under their old addresses.
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "ServerAliveInterval": "15",
}


def reachable(topology: Mapping[str, Any], hosts: Mapping[str, Any], deployed: Sequence[str]) -> List[str]:
    """Names of the nodes that have a system.

    :param hosts: Variables of those that got one with their machine (``hosts`` of the record).
    :param deployed: Names of those to which their undercloud gave one.
    """
    return [node["name"] for node in topology["nodes"] if node["name"] in hosts or node["name"] in deployed]


def variables(
    topology: Mapping[str, Any], hosts: Mapping[str, Mapping[str, str]], deployed: Sequence[str], release: Release
) -> Dict[str, Dict[str, Any]]:
    """Variables by node: the user, and whether there is nobody to connect to yet."""
    there = reachable(topology, hosts, deployed)
    return {
        node["name"]: {
            "ansible_user": hosts.get(node["name"], {}).get("ansible_user", release.node_user),
            "ansible_python_interpreter": release.python,
            "stretch_pending": node["name"] not in there,
        }
        for node in topology["nodes"]
    }


def ssh_config(
    topology: Mapping[str, Any], hosts: Mapping[str, Mapping[str, str]], deployed: Sequence[str], release: Release
) -> str:
    """The configuration of SSH for the nodes, which answers to their names and to their addresses in the inventory."""
    lines: List[str] = []
    for node in topology["nodes"]:
        name = node["name"]
        if name in hosts:
            options = _direct(hosts[name])
        elif name in deployed:
            gateway = next(
                one["name"] for one in topology["nodes"]
                if one["stack"] == node["stack"] and one["role"] == "undercloud"
            )  # fmt: skip
            key = hosts[gateway].get("ansible_ssh_private_key_file")
            options = {"HostName": node["addresses"]["provisioning"], "User": release.node_user, "ProxyJump": gateway}
            options.update({"IdentityFile": f'"{key}"'} if key else {})
        else:
            continue
        lines.append(f"Host {name} {node['interfaces'][0]['address']}")
        lines += [f"  {option} {value}" for option, value in {**_COMMON, **options}.items()]
    return "\n".join(lines) + "\n"


def _direct(found: Mapping[str, str]) -> Dict[str, str]:
    """Options for a host from variables that Infrared gave it."""
    options = {"HostName": found["ansible_host"], "User": found.get("ansible_user", "root")}
    if "ansible_ssh_private_key_file" in found:
        options["IdentityFile"] = f'"{found["ansible_ssh_private_key_file"]}"'
    words = shlex.split(found.get("ansible_ssh_common_args", ""))
    for word, value in zip(words, words[1:]):
        if word == "-o" and "=" in value:
            option, _equals, setting = value.partition("=")
            options[option] = setting
    return options
