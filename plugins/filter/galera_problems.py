# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_problems
short_description: What keeps hosts from forming one Galera cluster
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Compares what M(stretch.cluster.galera_preflight_info) found on every host.
  - Errors are two members of one name or address, a member whose name leads elsewhere or that does not reach another, a
    host that does not have its address, different names of the cluster, different histories of the data, a data
    directory that is not empty on a first deployment, and clocks more than a minute apart.
  - Warnings are a name that does not resolve, an arbiter or a member that was not asked and cannot be reached, and too
    little space for a full copy of the data.
options:
  _input:
    description: The value C(facts) that the module returned, by member.
    type: dict
    required: true
  members:
    description: All members of all sites, as P(stretch.cluster.galera_members#filter) gives them.
    type: list
    elements: dict
    required: true
  cluster:
    description: The name that the cluster is to have.
    type: str
    required: true
  datadir:
    description: The data directory on the hosts.
    type: str
    required: true
  members_file:
    description: The file by which a host that was deployed before knows its cluster.
    type: str
    required: true
positional: members, cluster, datadir, members_file
"""

EXAMPLES = r"""
- name: The hosts can form one cluster
  ansible.builtin.assert:
    that: problems.errors | length == 0
    fail_msg: "{{ problems.errors | join('\n') }}"
  vars:
    problems: >-
      {{ {'s1controller-0': hostvars['s1controller-0'].found.facts}
         | stretch.cluster.galera_problems(members, 'stretch', '/var/lib/stretch-galera', '/etc/members.json') }}
"""

RETURN = r"""
_value:
  description: What was found, each as a sentence with what to do.
  type: dict
  contains:
    errors:
      description: What keeps the cluster from being made.
      type: list
      elements: str
    warnings:
      description: What does not.
      type: list
      elements: str
"""

from typing import Any, Callable

from ansible_collections.stretch.cluster.plugins.module_utils import galera_preflight


def galera_problems(
    facts: dict[str, dict[str, Any]], members: list[dict[str, Any]], cluster: str, datadir: str, members_file: str
) -> dict[str, list[str]]:
    """The findings; the parameters are documented above."""
    found = galera_preflight.examine(facts, members, cluster, datadir, members_file)
    return {"errors": list(found.errors), "warnings": list(found.warnings)}


class FilterModule:
    """The filter stretch.cluster.galera_problems."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_problems": galera_problems}
