# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: service_user_questions
short_description: Logins that a region's Keystone is to try before its users become one with those of others
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the logins for C(login_check.py) of the role C(stretch.cluster.keystone_merge). Those of the stack's own
    services as they log in now, then those of the later stacks' services.
  - P(stretch.cluster.service_user_plan#filter) reads what comes of them.
options:
  _input:
    description: The value C(credentials) of M(stretch.cluster.service_credentials_info), of all its nodes, by stack.
    type: dict
    required: true
  stack:
    description: The stack whose Keystone is asked.
    type: str
    required: true
  stacks:
    description: All stacks in their order.
    type: list
    elements: str
    required: true
positional: stack, stacks
"""

EXAMPLES = r"""
- name: What stack1 is asked
  ansible.builtin.set_fact:
    logins: "{{ credentials | stretch.cluster.service_user_questions('stack1', ['stack1', 'stack2']) }}"
"""

RETURN = r"""
_value:
  description: The logins.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.stretch.cluster.plugins.module_utils import service_users


def service_user_questions(
    credentials: dict[str, list[dict[str, str]]], stack: str, stacks: list[str]
) -> list[dict[str, str]]:
    """The logins; the parameters are documented above."""
    return service_users.questions(stack, stacks, credentials)


class FilterModule:
    """The filter stretch.cluster.service_user_questions."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"service_user_questions": service_user_questions}
