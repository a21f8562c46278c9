# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: service_user_plan
short_description: What becomes of the services' users when Keystones are merged
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Decides from what every region's Keystone answered to P(stretch.cluster.service_user_questions#filter).
options:
  _input:
    description: The value C(credentials) of M(stretch.cluster.service_credentials_info), of all its nodes, by stack.
    type: dict
    required: true
  answers:
    description: What C(login_check.py) answered, by stack.
    type: dict
    required: true
  regions:
    description: The regions, by stack, in the order of the stacks.
    type: dict
    required: true
  policy:
    description: V(shared) or V(rename).
    type: str
    required: true
  cut_over:
    description: Stacks that use the merged database already.
    type: list
    elements: str
    required: true
positional: answers, regions, policy, cut_over
"""

EXAMPLES = r"""
- name: Nobody is locked out
  ansible.builtin.assert:
    that: plan.errors == []
    fail_msg: "{{ plan.errors | join('\n') }}"
  vars:
    plan: "{{ credentials | stretch.cluster.service_user_plan(answers, regions, 'shared', []) }}"
    regions: {stack1: East, stack2: West}
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  contains:
    errors:
      description: Who would be locked out.
      type: list
      elements: str
    stale:
      description: Logins of the configuration that do not work now either.
      type: list
      elements: str
    names:
      description: New names by old ones, by stack.
      type: dict
    overrides:
      description: What M(stretch.cluster.keystone_merge) is told.
      type: list
      elements: dict
    logins:
      description: Who has to be let in by the merged database.
      type: list
      elements: dict
"""

import dataclasses
from typing import Any, Callable

from ansible_collections.stretch.cluster.plugins.module_utils import service_users


def service_user_plan(
    credentials: dict[str, list[dict[str, str]]],
    answers: dict[str, dict[str, Any]],
    regions: dict[str, str],
    policy: str,
    cut_over: list[str],
) -> dict[str, Any]:
    """The decision; the parameters are documented above."""
    found = dataclasses.asdict(
        service_users.plan(list(regions), regions, credentials, answers, str(policy), list(cut_over))
    )
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


class FilterModule:
    """The filter stretch.cluster.service_user_plan."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"service_user_plan": service_user_plan}
