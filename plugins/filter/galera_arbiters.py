# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_arbiters
short_description: The arbiters of the stretched Galera cluster
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the arbiter nodes of the topology their weights, which go with those of
    P(stretch.cluster.galera_members#filter). Together they weigh half a stack and a little more (5 for each member of a
    stack, and 3).
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
- name: Arbiters of the stretched cluster
  ansible.builtin.set_fact:
    # [{name: arbiter-0, address: 172.16.0.5, weight: 18, segment: 0}]
    arbiters: "{{ stretch_topology | stretch.cluster.galera_arbiters }}"
"""

RETURN = r"""
_value:
  description: The arbiters, in the order of the topology.
  type: list
  elements: dict
  contains:
    name:
      description: The host's name.
      type: str
    address:
      description: The address on the network that all stacks share.
      type: str
    weight:
      description: The value of C(pc.weight).
      type: int
    segment:
      description: The value of C(gmcast.segment), 0 for all arbiters.
      type: int
"""

import dataclasses
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import galera


def galera_arbiters(topology: dict[str, Any], members_per_stack: int | None = None) -> list[dict[str, Any]]:
    """The arbiters; the parameters are documented above."""
    try:
        return [dataclasses.asdict(arbiter) for arbiter in galera.arbiters(topology, members_per_stack)]
    except galera.GaleraError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter stretch.cluster.galera_arbiters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_arbiters": galera_arbiters}
