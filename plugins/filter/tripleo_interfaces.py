# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tripleo_interfaces
short_description: An undercloud's interfaces in its overcloud's networks and on the stretch network
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the configuration of the interfaces on which an undercloud is the gateway of its overcloud, and reaches the
    other stacks.
options:
  _input:
    description: The topology, as P(stretch.cluster.topology#inventory) gives it.
    type: dict
    required: true
  node:
    description: Name of the undercloud.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Interfaces
  ansible.builtin.debug:
    msg: "{{ stretch_topology | stretch.cluster.tripleo_interfaces('s1undercloud-0') }}"
"""

RETURN = r"""
_value:
  description:
    - C(files), each with C(path) and C(content), for the network scripts; C(devices), each with C(name) and C(address);
      C(external), the network that reaches the outside through the undercloud.
  type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import overcloud, undercloud
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError


def tripleo_interfaces(topology: dict[str, Any], node: str) -> dict[str, Any]:
    """The interfaces, as documented above."""
    described = next(one for one in topology["nodes"] if one["name"] == node)
    try:
        networks = overcloud.networks(topology, described["stack"])
    except TripleoError as error:
        raise AnsibleFilterError(str(error)) from error
    files = undercloud.interface_files(topology, described, networks)
    return {
        "files": [{"path": path, "content": content} for path, content in files.items()],
        "devices": [
            {"name": device, "address": address}
            for device, address in undercloud.devices(topology, described, networks).items()
        ],
        "external": networks["external"],
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tripleo_interfaces": tripleo_interfaces}
