# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tripleo_nodes
short_description: The nodes of a stack as its undercloud registers them, and their virtual BMCs
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the content of C(instackenv.json), and the configuration of each node's BMC for C(vbmcd).
options:
  _input:
    description: The topology, as P(stretch.cluster.topology#inventory) gives it.
    type: dict
    required: true
  stack:
    description: Name of the stack.
    type: str
    required: true
  release:
    description: The release, as P(stretch.cluster.tripleo#lookup) gives it.
    type: dict
    required: true
  interfaces:
    description: For each node what C(virsh domiflist) says of it.
    type: dict
    required: true
  password:
    description: Password of the BMCs.
    type: str
    required: true
  uri:
    description: Where libvirt answers, as the undercloud reaches it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Nodes
  ansible.builtin.set_fact:
    nodes: >-
      {{ stretch_topology | stretch.cluster.tripleo_nodes('stack1', release, interfaces, stretch_secrets.tripleo_bmc,
                                                          'qemu+ssh://root@192.168.22.1/system') }}
"""

RETURN = r"""
_value:
  description:
    - C(instackenv), the content of the file; C(bmcs), the configuration of each node's BMC by name.
  type: dict
"""

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import instackenv
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError, read


def tripleo_nodes(
    topology: dict[str, Any],
    stack: str,
    release: Mapping[str, Any],
    interfaces: Mapping[str, str],
    password: str,
    uri: str,
) -> dict[str, Any]:
    """The nodes, as documented above."""
    provisioning = next(one for one in topology["stacks"] if one["name"] == stack)["networks"]["provisioning"]
    found = {name: instackenv.mac_of(text, provisioning["name"]) for name, text in interfaces.items()}
    macs = {name: mac for name, mac in found.items() if mac is not None}
    ports = instackenv.bmcs(topology, stack)
    try:
        content = instackenv.instackenv(topology, stack, read(release, "The release"), macs, password)
    except TripleoError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        "instackenv": content,
        "bmcs": {
            name: instackenv.bmc_config(name, port, provisioning["gateway"], password, uri)
            for name, port in ports.items()
        },
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tripleo_nodes": tripleo_nodes}
