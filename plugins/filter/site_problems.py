# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: site_problems
short_description: What is wrong with the descriptions of sites
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Compares what M(stretch.cluster.site_facts_info) found on every controller with the description of its site.
options:
  _input:
    description: The value C(facts) that the module returned, by controller.
    type: dict
    required: true
  sites:
    description: The value of C(stretch_site), by controller.
    type: dict
    required: true
positional: sites
"""

EXAMPLES = r"""
- name: The descriptions are true
  ansible.builtin.assert:
    that: problems == []
    fail_msg: "{{ problems | join('\n') }}"
  vars:
    problems: "{{ {'c0': found.facts} | stretch.cluster.site_problems({'c0': stretch_site}) }}"
"""

RETURN = r"""
_value:
  description: What is wrong, each as a sentence with what to do.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible_collections.stretch.cluster.plugins.module_utils import site_facts


def site_problems(facts: dict[str, dict[str, Any]], sites: dict[str, dict[str, Any]]) -> list[str]:
    """The sentences; the parameters are documented above."""
    return site_facts.problems(facts, sites)


class FilterModule:
    """The filter stretch.cluster.site_problems."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"site_problems": site_problems}
