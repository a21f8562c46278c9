# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_services
short_description: The OpenStack services that the lab's regions have beside Keystone
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Checks a choice of services and brings it into the order in which they are set up. Fails where one is not known, or
    where one that another needs is missing.
options:
  _input:
    description:
      - Names of services, a list or a text with commas in between. V(keystone) is always there and left out of the
        answer, so that it or nothing at all means Keystone alone.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Services of the lab
  ansible.builtin.debug:
    # [glance, placement, neutron, nova]
    msg: "{{ 'nova,neutron,placement,glance' | stretch.cluster.lab_services }}"
"""

RETURN = r"""
_value:
  description: The services, in the order in which they are set up.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import lab_services as services


def lab_services(value: Any) -> list[str]:
    """The services; the parameter is documented above."""
    try:
        return services.services(value)
    except services.LabServicesError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter stretch.cluster.lab_services."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"lab_services": lab_services}
