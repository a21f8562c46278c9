# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_quorum
short_description: Which losses the stretched Galera cluster survives
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Says, for a cluster that is whole, which sites may be lost, which site after which, what a cut of a link between
    two sites does, and how many members may die.
  - Rests on Galera's weighted quorum. A component goes on while it holds more than half of the weight of the last
    Primary component; what is left without a member does not write, whatever the arbiters weigh.
positional: arbiters
options:
  _input:
    description:
      - The value of C(stretch_topology), or the members as P(stretch.cluster.galera_members#filter) gives them.
    type: raw
    required: true
  arbiters:
    description:
      - The arbiters as P(stretch.cluster.galera_arbiters#filter) gives them. Only with members, for a topology they are
        those of the topology.
    type: list
    elements: dict
    default: []
  members_per_stack:
    description: Only with a topology, how many controllers of each stack are members. Without it, all are.
    type: int
"""

EXAMPLES = r"""
- name: What does the cluster not survive?
  ansible.builtin.debug:
    msg: "{{ (stretch_topology | stretch.cluster.galera_quorum).warnings }}"

- name: Does it survive the loss of any one site?
  ansible.builtin.assert:
    that: (members | stretch.cluster.galera_quorum(arbiters)).sites | rejectattr('goes_on') | length == 0
"""

RETURN = r"""
_value:
  description: What the whole cluster survives. The arbiters are one site, C(arbiter).
  type: dict
  contains:
    weights:
      description: The weight of each site.
      type: dict
    survival:
      description:
        - The worst choice each time. C(members) is how many members may die one after another, C(at_once) how many in
          one moment, C(sites) which sites may be lost, each alone.
      type: dict
    sites:
      description:
        - For each C(site) whether the others go on without it (C(goes_on)), and which sites may be lost after it
          (C(then)).
      type: list
      elements: dict
    links:
      description:
        - For each pair of stacks (C(between)) whose link is cut, and each set of the two that the arbiters still reach
          (C(arbiter), V(both), V(neither), the name of one, or V(none) if there is no arbiter), the stacks that go on
          (C(goes_on)).
      type: list
      elements: dict
    warnings:
      description: What a single loss would stop, and why; sentences for people.
      type: list
      elements: str
"""

import dataclasses
from typing import Any, Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import galera


def galera_quorum(
    cluster: dict[str, Any] | list[dict[str, Any]],
    arbiters: Sequence[dict[str, Any]] = (),
    members_per_stack: int | None = None,
) -> dict[str, Any]:
    """What it survives; the parameters are documented above."""
    try:
        if isinstance(cluster, dict):
            members = galera.members(cluster, members_per_stack)
            voters = galera.arbiters(cluster, members_per_stack)
        else:
            members = tuple(galera.Member(**member) for member in cluster)
            voters = tuple(galera.Arbiter(**arbiter) for arbiter in arbiters)
        return dataclasses.asdict(galera.quorum(members, voters))
    except TypeError as error:
        raise AnsibleFilterError(f"Give what galera_members and galera_arbiters gave: {error}") from error
    except galera.GaleraError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter stretch.cluster.galera_quorum."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_quorum": galera_quorum}
