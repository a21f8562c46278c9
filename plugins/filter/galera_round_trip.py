# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_round_trip
short_description: The worst round trip between the members of a Galera cluster
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - The greatest of the round trips that M(stretch.cluster.galera_links_info) or
    M(stretch.cluster.galera_preflight_info) took on any number of hosts. Each link counts with its fastest try.
options:
  _input:
    description: The value C(links) of each host that measured.
    type: list
    elements: list
    required: true
"""

EXAMPLES = r"""
- name: The worst round trip, in milliseconds
  ansible.builtin.debug:
    msg: "{{ [hostvars['s1controller-0'].found.facts.links] | stretch.cluster.galera_round_trip }}"
"""

RETURN = r"""
_value:
  description: Milliseconds, or none if no link answered.
  type: float
"""

from typing import Any, Callable

from ansible_collections.stretch.cluster.plugins.module_utils import galera_links


def galera_round_trip(links: list[list[dict[str, Any]]]) -> float | None:
    """The round trip; the parameter is documented above."""
    return galera_links.worst_round_trip(link for host in links for link in host)


class FilterModule:
    """The filter stretch.cluster.galera_round_trip."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_round_trip": galera_round_trip}
