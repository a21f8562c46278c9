# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tripleo_connections
short_description: How the nodes of TripleO are reached
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the configuration of SSH, and the variables of Ansible that differ from the inventory's.
options:
  _input:
    description: The topology, as P(stretch.cluster.topology#inventory) gives it.
    type: dict
    required: true
  release:
    description: The release, as P(stretch.cluster.tripleo#lookup) gives it.
    type: dict
    required: true
  hosts:
    description: Variables of the hosts that got a system with their machine, by name.
    type: dict
    required: true
  deployed:
    description: Names of the nodes that got theirs from an undercloud.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Connections
  ansible.builtin.debug:
    msg: "{{ stretch_topology | stretch.cluster.tripleo_connections(release, hosts, ['s1controller-0']) }}"
"""

RETURN = r"""
_value:
  description: C(ssh_config), a text, and C(variables), by name of the node.
  type: dict
"""

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import connections
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError, read


def tripleo_connections(
    topology: dict[str, Any],
    release: Mapping[str, Any],
    hosts: Mapping[str, Mapping[str, str]],
    deployed: Sequence[str],
) -> dict[str, Any]:
    """The connections, as documented above."""
    try:
        known = read(release, "The release")
    except TripleoError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        "ssh_config": connections.ssh_config(topology, hosts, deployed, known),
        "variables": connections.variables(topology, hosts, deployed, known),
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tripleo_connections": tripleo_connections}
