# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_election
short_description: Who may start the stretched Galera cluster
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Decides, from what the members of all sites report, whether to join a running cluster, to bootstrap it on one
    member, to wait for reports, or to stop. Everybody who has the same reports comes to the same decision.
  - Where a Primary component is seen, everyone joins it.
  - Otherwise nobody bootstraps until all members have reported, save those that an operator has declared lost.
  - Two different histories stop the election. An empty data directory never wins over data, and is started on a first
    deployment only.
  - The highest seqno wins; among equals, the lowest name.
positional: members
options:
  _input:
    description:
      - Reports by member, as M(stretch.cluster.galera_reports_info) gives them.
      - A member without a report is taken for unreachable. A UUID that is empty or all zeros is an empty data
        directory; a member of which no position is known has to report it first.
    type: dict
    required: true
  members:
    description:
      - All configured members of all sites. Their names, or what P(stretch.cluster.galera_members#filter) gives.
    type: list
    elements: raw
    required: true
  lost:
    description:
      - Members that would be declared gone for good, for this outage, beside those of which the reports say so already.
      - What a lost member reports all the same counts.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Who starts the cluster
  ansible.builtin.set_fact:
    # {action: bootstrap, member: s2controller-0, reason: ..., missing: []}
    decision: "{{ reports | stretch.cluster.galera_election(['s1controller-0', 's2controller-0']) }}"
  vars:
    reports:
      s1controller-0:
        reachable: true
        agent: {phase: waiting, position: {uuid: 2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a, seqno: 100}}
      s2controller-0:
        reachable: true
        agent: {phase: waiting, position: {uuid: 2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a, seqno: 102}}
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  contains:
    action:
      description: What to do.
      type: str
      choices: [join, bootstrap, wait, stop]
    member:
      description: Who bootstraps, or none.
      type: str
    reason:
      description: Why, in one sentence.
      type: str
    missing:
      description: Members whose position must be known first.
      type: list
      elements: str
"""

from typing import Any, Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import election


def galera_election(
    reports: dict[str, dict[str, Any]], members: list[str | dict[str, Any]], lost: Sequence[str] = ()
) -> dict[str, Any]:
    """The decision; the parameters are documented above."""
    names = [member["name"] if isinstance(member, dict) else member for member in members]
    unknown = sorted(set(lost) - set(names))
    if unknown:
        raise AnsibleFilterError(f"lost names {', '.join(unknown)}, which the cluster has not.")
    try:
        read = {name: election.report(given) for name, given in reports.items()}
        decision = election.elect(_declare(read, lost), names)
    except election.ElectionError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        "action": decision.action,
        "member": decision.member,
        "reason": decision.reason,
        "missing": list(decision.missing),
    }


def _declare(reports: dict[str, election.Report], lost: Sequence[str]) -> dict[str, election.Report]:
    """The reports as they would be if the members were declared lost now."""
    known = election.newest(reports)
    if not lost or not known:
        return reports
    name = max(known, key=lambda each: known[each])
    said = election.Declaration(tuple(lost), str(reports[name].uuid), known[name])
    return {**reports, name: reports[name]._replace(lost=said)}


class FilterModule:
    """The filter stretch.cluster.galera_election."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_election": galera_election}
