# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: Hosts, groups and addresses of the stacks, from one small file
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Computes the nodes of every stack, with their groups, addresses, interfaces and routes, and the networks and virtual
    addresses of the stacks.
  - The file's name is C(stretch.yml) or C(stretch.yaml), or ends in C(.stretch.yml) or C(.stretch.yaml).
  - The extra variable C(stacks) wins over the file's O(stacks). The extra variable C(stretch_state_dir), an absolute
    path, wins over C(.stretch) in the directory where the command was given.
  - Every host, localhost included, gets C(stretch_topology), C(stretch_stacks) and C(stretch_state_dir). Every node
    gets its own C(stretch_name), C(stretch_stack), C(stretch_role), C(stretch_index), C(stretch_addresses),
    C(stretch_interfaces) and C(stretch_routes); those of a stack get C(stretch_region) too.
  - A topology or a selection that cannot be used gives no hosts. What is wrong, all of it, is in the variable
    C(stretch_topology_error), with which the playbook C(stretch.cluster.topology) fails; every playbook imports it.
requirements:
  - netaddr
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [stretch.cluster.topology]
  stacks:
    description:
      - The stacks, the primary one first; a list, or a string with commas.
      - A stack is called V(stackN), with N from 1 to 99. N alone decides its addresses.
    type: raw
  nodes:
    description: How many nodes there are.
    type: dict
    required: true
    suboptions:
      undercloud:
        description: Underclouds of each stack, 1 or more. The first one is the stack's gateway.
        type: int
        required: true
      controller:
        description: Controllers of each stack, 1 or 3.
        type: int
        required: true
      compute:
        description: Compute nodes of each stack.
        type: int
        required: true
      arbiter:
        description: Arbiters, which stand beside the stacks.
        type: int
        required: true
  networks:
    description:
      - The networks, all of IPv4.
      - V(provisioning) and V(internal_api) exist once in every stack. Each is a dictionary with V(first), the network
        of stack1 in CIDR notation; V(step), the prefix length of the block by which each further stack's network lies
        further on; and V(pool), the network in which all of them must lie.
      - V(stretch) is one network for all stacks, in CIDR notation.
    type: dict
    required: true
  sizes:
    description:
      - How large the machines of a role are, where they are made as VMs (the provider C(tripleo)). By the name of the
        role a dictionary with any of V(vcpus), V(memory_mib) and V(disk_gib).
      - Without it an undercloud has 4 vCPUs, 16384 MiB and 50 GiB, a controller 8, 16384 and 40, a compute node 4, 6144
        and 30, an arbiter 1, 2048 and 10.
    type: dict
    version_added: 0.2.0
"""

EXAMPLES = r"""
# inventory/stretch.yml
plugin: stretch.cluster.topology
stacks: [stack1, stack2]
nodes:
  undercloud: 1
  controller: 3
  compute: 1
  arbiter: 1
networks:
  provisioning:  # 192.168.24.0/24 in stack1, 192.168.25.0/24 in stack2
    first: 192.168.24.0/24
    step: 24
    pool: 192.168.0.0/16
  internal_api:  # 10.0.20.0/24 in stack1, 10.1.20.0/24 in stack2
    first: 10.0.20.0/24
    step: 16
    pool: 10.0.0.0/8
  stretch: 172.16.0.0/24
"""

import os
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.vars import load_extra_vars
from ansible_collections.stretch.cluster.plugins.module_utils import topology
from ansible_collections.stretch.cluster.plugins.module_utils.topology import TopologyError


class InventoryModule(BaseInventoryPlugin):
    """The inventory plugin stretch.cluster.topology."""

    NAME = "stretch.cluster.topology"

    def verify_file(self, path: str) -> bool:
        """Whether the file's name is one of this plugin's."""
        name = os.path.basename(path)
        ours = name in {"stretch.yml", "stretch.yaml"} or name.endswith((".stretch.yml", ".stretch.yaml"))
        return ours and bool(super().verify_file(path))  # type: ignore[no-untyped-call]

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts.

        A topology or a selection that cannot be used gives no hosts and a variable that says why, with which the
        playbooks fail. An error here would be buried under those of the plugins that Ansible tries next.

        :raises AnsibleParserError: if the file cannot be read.
        """
        super().parse(inventory, loader, path, cache)
        try:
            found = self._expand(loader, path)
        except TopologyError as error:
            inventory.set_variable("all", "stretch_topology_error", str(error))
            return
        except AnsibleError as error:
            raise AnsibleParserError(str(error)) from error
        for name, value in found["vars"].items():
            inventory.set_variable("all", name, value)
        for group in found["groups"]:
            inventory.add_group(group)
        for host in found["hosts"]:
            inventory.add_host(host["name"])
            for group in host["groups"]:
                inventory.add_child(group, host["name"])
            for name, value in host["vars"].items():
                inventory.set_variable(host["name"], name, value)

    def _expand(self, loader: Any, path: str) -> dict[str, Any]:
        """Read the file and expand it."""
        extra = load_extra_vars(loader)
        self.templar.available_variables = extra
        return topology.inventory(
            loader.load_from_file(path),
            stacks=self.templar.template(extra.get("stacks")),
            state_dir=self.templar.template(extra.get("stretch_state_dir")),
            working_directory=os.getcwd(),
        )
