# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_container
short_description: A node of the topology as a container of the lab
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Turns a node of C(stretch_topology) into the parameters of M(containers.podman.podman_container), a container
    that boots systemd and has the node's addresses.
positional: common
options:
  _input:
    description: A node, as the inventory plugin P(stretch.cluster.topology#inventory) describes it.
    type: dict
    required: true
  common:
    description:
      - What all nodes share; C(executable), C(image), C(engine_directory), C(keys_directory) and C(image_store).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Nodes
  containers.podman.podman_containers:
    containers: "{{ stretch_topology.nodes | map('stretch.cluster.lab_container', common) }}"
"""

RETURN = r"""
_value:
  description: Parameters of M(containers.podman.podman_container).
  type: dict
"""

from typing import Any, Callable


def lab_container(node: dict[str, Any], common: dict[str, str]) -> dict[str, Any]:
    """The container of one node; ``common`` as documented above."""
    name = node["name"]
    return {
        "name": name,
        "executable": common["executable"],
        "image": common["image"],
        "command": "/sbin/init",
        "hostname": name,
        "state": "started",
        "systemd": "always",
        "privileged": True,
        # Both files are the roles' to write, as on a machine.
        "no_hosts": True,
        "dns": ["none"],
        "network": [
            f"{interface['network']}:ip={interface['address']},interface_name={interface['device']}"
            for interface in node["interfaces"]
        ],
        "volumes": [
            f"{name}-containers:/var/lib/containers",
            f"{common['image_store']}:/var/lib/lab-images:ro",
            f"{common['engine_directory']}/containers.conf:/etc/containers/containers.conf:ro",
            f"{common['keys_directory']}/host_key:/etc/ssh/lab/host_key:ro",
            f"{common['keys_directory']}/id_ed25519.pub:/etc/ssh/lab/authorized_keys:ro",
        ],
        "label": {"stretch.cluster.stack": node["stack"] or "", "stretch.cluster.role": node["role"]},
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lab_container": lab_container}
