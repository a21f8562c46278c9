# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_recovery
short_description: What members hold in an outage, and what declaring some of them lost would do
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Brings the reports together that M(stretch.cluster.galera_reports_info) gave on each host, and says what the
    election would decide if some members were declared lost. The rules are those of
    P(stretch.cluster.galera_election#filter).
  - There can be no declaration while a Primary component is up anywhere, when it would not be enough, when the members
    hold different histories, or when a member that answers holds newer data than all that are kept.
options:
  _input:
    description: What the module returned, by host; of a host that was not reached, the result that says so.
    type: dict
    required: true
  lost:
    description: Names of members, or of stacks for all of their members, as a list or separated by commas.
    type: raw
    default: []
  made:
    description: The time of the declaration, for the record.
    type: str
    default: ''
  by:
    description: Who declares it, for the record.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: What would be
  ansible.builtin.debug:
    msg: "{{ {'s1controller-0': hostvars['s1controller-0'].asked} | stretch.cluster.galera_recovery(lost='stack2') }}"
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    table:
      description: What each member holds, as lines of text.
      type: list
      elements: str
    primary:
      description: Members of a Primary component.
      type: list
      elements: str
    decision:
      description: What the election says now, in one sentence.
      type: str
    uuid:
      description: History of the newest position that is known, or nothing.
      type: str
    seqno:
      description: Its seqno, or -1.
      type: int
    holders:
      description: Members that keep a declaration.
      type: list
      elements: str
    askers:
      description: Hosts that gave reports.
      type: list
      elements: str
    refusal:
      description: Why there can be no declaration, or nothing.
      type: str
    declaration:
      description: What to write into C(lost.json); empty if nothing is to be declared.
      type: dict
    declared:
      description: Whether it is there already, everywhere.
      type: bool
    write_to:
      description: Hosts where it belongs.
      type: list
      elements: str
    outcome:
      description: What the election will say then, in one sentence.
      type: str
    loss:
      description: What is given up, as sentences.
      type: list
      elements: str
"""

from typing import Any, Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import galera_recovery as recovery


def galera_recovery(
    asked: dict[str, dict[str, Any]], lost: Sequence[str] = (), made: str = "", by: str = ""
) -> dict[str, Any]:
    """The plan; the parameters are documented above."""
    try:
        found = vars(recovery.plan(asked, lost, made, by))
    except recovery.RecoveryError as error:
        raise AnsibleFilterError(str(error)) from error
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


class FilterModule:
    """The filter stretch.cluster.galera_recovery."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_recovery": galera_recovery}
