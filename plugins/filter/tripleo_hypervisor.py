# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tripleo_hypervisor
short_description: What the stacks of a topology need of a hypervisor
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the networks and machines of libvirt for C(stretch_topology).
options:
  _input:
    description: The topology, as P(stretch.cluster.topology#inventory) gives it.
    type: dict
    required: true
  external_network:
    description: Network in CIDR notation over which the first stack's undercloud is reached; each stack takes a block.
    type: str
    default: 192.168.22.0/24
"""

EXAMPLES = r"""
- name: Machines
  ansible.builtin.debug:
    msg: "{{ (stretch_topology | stretch.cluster.tripleo_hypervisor).machines | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description:
    - C(networks), each with C(name), C(address) of the hypervisor, C(prefixlen), C(forward) and C(dhcp).
    - C(machines), each with C(name), C(stack), C(role), C(index), C(vcpus), C(memory_mib), C(disk_gib), C(image),
      C(networks) and C(access).
    - C(infrared_files), the files of Infrared's topology by path.
  type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils.topology import plain
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import topology_files
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError


def tripleo_hypervisor(topology: dict[str, Any], external_network: str = topology_files.EXTERNAL) -> dict[str, Any]:
    """The hypervisor's share, as documented above."""
    try:
        share = topology_files.hypervisor(topology, external_network)
    except TripleoError as error:
        raise AnsibleFilterError(str(error)) from error
    return {**plain(share), "infrared_files": topology_files.infrared_files(share)}


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tripleo_hypervisor": tripleo_hypervisor}
