# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: Hosts and variables of the stacks, where no inventory gives them
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Expands a topology file as the inventory plugin P(stretch.cluster.topology#inventory) does, for a playbook that adds
    the hosts itself.
requirements:
  - netaddr
options:
  _terms:
    description:
      - Path of the topology file, from the working directory if it is relative.
      - The collection's own file is taken without it.
    type: list
    elements: path
  stacks:
    description: The stacks, the primary one first; a list, or a string with commas. Without it, the file decides.
    type: raw
  state_dir:
    description:
      - Absolute path of the directory with the deployment's state. Without it, C(.stretch) in the directory where the
        command was given.
    type: raw
"""

EXAMPLES = r"""
- name: Add the nodes
  ansible.builtin.add_host:
    name: "{{ item.name }}"
    groups: "{{ item.groups }}"
    ansible_host: "{{ item.vars.ansible_host }}"
  loop: "{{ lookup('stretch.cluster.topology', stacks='stack1,stack2').hosts }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
_raw:
  description: The expansion of each file.
  type: list
  elements: dict
  contains:
    hosts:
      description: The nodes, each with its C(name), C(groups) and C(vars).
      type: list
      elements: dict
    groups:
      description: The names of all groups, those without a host included.
      type: list
      elements: str
    vars:
      description: The variables that all hosts share; C(stretch_topology), C(stretch_stacks) and C(stretch_state_dir).
      type: dict
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.stretch.cluster.plugins.module_utils import topology
from ansible_collections.stretch.cluster.plugins.module_utils.topology import TopologyError

_OWN_FILE = os.path.join(os.path.dirname(__file__), "..", "..", "inventory", "stretch.yml")


class LookupModule(LookupBase):
    """The lookup plugin stretch.cluster.topology."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Expand each file.

        :raises AnsibleLookupError: if a file or the selection cannot be used.
        """
        self.set_options(var_options=variables, direct=kwargs)  # type: ignore[no-untyped-call]
        try:
            return [self._expand(os.path.abspath(os.path.expanduser(str(term)))) for term in terms or [_OWN_FILE]]
        except TopologyError as error:
            raise AnsibleLookupError(str(error)) from error

    def _expand(self, path: str) -> dict[str, Any]:
        loader: Any = self._loader
        return topology.inventory(
            loader.load_from_file(path),
            stacks=self.get_option("stacks"),  # type: ignore[no-untyped-call]
            state_dir=self.get_option("state_dir"),  # type: ignore[no-untyped-call]
            working_directory=os.getcwd(),
        )
