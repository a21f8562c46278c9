# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: existing
short_description: Hosts and variables of the stacks, out of an inventory of regions that are there already
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives what the inventory plugin P(stretch.cluster.topology#inventory) gives, computed from groups and variables of
    an ordinary inventory, for a playbook that adds it to the hosts.
  - Groups C(stack1), C(stack2) and so on are the regions, the first one primary. Their hosts are the controllers, but
    for those in C(stackN_compute); where there is a group C(stackN_controller), these are. Arbiters are in C(arbiter).
  - A region needs C(stretch_region), its id in Keystone, and C(stretch_vips) with the addresses C(internal_api), where
    its services answer, and C(stretch_galera), a free one on the same network.
  - A host's address on that network is its C(stretch_address), else C(internal_api_ip) as TripleO's own inventory has
    it, else C(ansible_host), else its name. C(stretch_network) is the network, else the 256 addresses around the VIP.
options:
  stacks:
    description: The stacks, the primary one first; a list, or a string with commas. Without it, all.
    type: raw
  state_dir:
    description:
      - Absolute path of the directory with the deployment's state. Without it, C(.stretch) in the directory where the
        command was given.
    type: raw
"""

EXAMPLES = r"""
- name: The regions
  ansible.builtin.debug:
    msg: "{{ lookup('stretch.cluster.existing').vars.stretch_topology }}"
"""

RETURN = r"""
_raw:
  description: What is known of the regions.
  type: list
  elements: dict
  contains:
    hosts:
      description: The nodes, each with its C(name), C(groups) and C(vars).
      type: list
      elements: dict
    vars:
      description: The variables that all hosts share; C(stretch_topology), C(stretch_stacks) and C(stretch_state_dir).
      type: dict
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.stretch.cluster.plugins.module_utils import existing
from ansible_collections.stretch.cluster.plugins.module_utils.topology_file import TopologyError


class LookupModule(LookupBase):
    """The lookup plugin stretch.cluster.existing."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        """Compute what is known; terms have no meaning.

        :raises AnsibleLookupError: if the inventory or the selection cannot be used.
        """
        self.set_options(var_options=variables, direct=kwargs)  # type: ignore[no-untyped-call]
        groups = {str(name): [str(host) for host in hosts] for name, hosts in variables["groups"].items()}
        try:
            found = existing.inventory(
                groups,
                {name: variables["hostvars"][name] for name in groups.get("all", [])},
                stacks=self.get_option("stacks"),  # type: ignore[no-untyped-call]
                state_dir=self.get_option("state_dir"),  # type: ignore[no-untyped-call]
                working_directory=os.getcwd(),
            )
        except TopologyError as error:
            raise AnsibleLookupError(str(error)) from error
        return [found]
