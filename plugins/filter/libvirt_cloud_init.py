# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: libvirt_cloud_init
short_description: Files with which machines of a hypervisor configure themselves
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives C(meta-data), C(user-data) and C(network-config) of cloud-init for each machine that starts from an image.
  - Interfaces are told by their addresses, which M(stretch.cluster.libvirt_machines) gives them.
positional: _input
options:
  _input:
    description: Networks and machines, as the filter P(stretch.cluster.tripleo_hypervisor#filter) gives them.
    type: dict
    required: true
  directory:
    description: Absolute path of the directory for the files, on the hypervisor.
    type: str
    required: true
  deployment:
    description: The same as the module's option of that name.
    type: str
    required: true
  user:
    description: Who may log in, and become root.
    type: str
    required: true
  public_key:
    description: The key that lets the user in.
    type: str
    required: true
  nameservers:
    description: Name servers of the machines; without any, libvirt's on the network over which each is reached.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Files for the underclouds and arbiters
  stretch.cluster.config_files:
    files: >-
      {{ stretch_topology | stretch.cluster.tripleo_hypervisor
         | stretch.cluster.libvirt_cloud_init(directory='/srv/machines',
           deployment='/home/me/.stretch', user='cloud-user', public_key=key, nameservers=['192.0.2.53']) }}
"""

RETURN = r"""
_value:
  description: The files, as M(stretch.cluster.config_files) takes them.
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible_collections.stretch.cluster.plugins.module_utils.libvirt_cloud_init import cloud_init


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"libvirt_cloud_init": cloud_init}
