# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_cluster_address
short_description: The wsrep_cluster_address of the stretched Galera cluster
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Writes the addresses of all members, with the port, in one order that every site shares. So the text is the same on
    every member.
positional: port
options:
  _input:
    description: The members, as P(stretch.cluster.galera_members#filter) gives them.
    type: list
    elements: dict
    required: true
  port:
    description: The port of group communication.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Address of the stretched cluster
  ansible.builtin.set_fact:
    # gcomm://10.0.20.11:4577,10.0.20.12:4577,10.0.20.13:4577,10.1.20.11:4577,10.1.20.12:4577,10.1.20.13:4577
    address: "{{ stretch_topology | stretch.cluster.galera_members | stretch.cluster.galera_cluster_address(4577) }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import galera


def galera_cluster_address(members: list[dict[str, Any]], port: int) -> str:
    """The address; the parameters are documented above."""
    try:
        return galera.cluster_address(members, port)
    except galera.GaleraError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter stretch.cluster.galera_cluster_address."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_cluster_address": galera_cluster_address}
