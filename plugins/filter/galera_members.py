# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_members
short_description: The members of the stretched Galera cluster
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Chooses the controllers that are members of the cluster, and gives each its segment and its weight.
  - A member weighs 10, the first one of the primary stack 12, that of the second stack 11, so that two stacks that are
    left are never a tie. P(stretch.cluster.galera_arbiters#filter) gives the weights of the arbiters to them, and
    P(stretch.cluster.galera_quorum#filter) what the cluster then survives.
options:
  _input:
    description: The value of C(stretch_topology).
    type: dict
    required: true
  members_per_stack:
    description: How many controllers of each stack are members, from the first one on. Without it, all are.
    type: int
"""

EXAMPLES = r"""
- name: Members of the stretched cluster
  ansible.builtin.set_fact:
    members: "{{ stretch_topology | stretch.cluster.galera_members(members_per_stack=2) }}"
"""

RETURN = r"""
_value:
  description: The members, those of the primary stack first. The arbiters are not among them.
  type: list
  elements: dict
  contains:
    name:
      description: The host's name.
      type: str
    stack:
      description: The stack's name.
      type: str
    address:
      description: The address on the internal API network.
      type: str
    segment:
      description: The value of C(gmcast.segment), one per site; the stack's number. 0 is left to the arbiters.
      type: int
    weight:
      description: The value of C(pc.weight).
      type: int
"""

import dataclasses
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import galera


def galera_members(topology: dict[str, Any], members_per_stack: int | None = None) -> list[dict[str, Any]]:
    """The members; the parameters are documented above."""
    try:
        return [dataclasses.asdict(member) for member in galera.members(topology, members_per_stack)]
    except galera.GaleraError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter stretch.cluster.galera_members."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_members": galera_members}
