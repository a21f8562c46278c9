# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tripleo_files
short_description: The files from which an overcloud is deployed
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the files that lie on a stack's undercloud, as data.
options:
  _input:
    description: The topology, as P(stretch.cluster.topology#inventory) gives it.
    type: dict
    required: true
  stack:
    description: Name of the stack.
    type: str
    required: true
  release:
    description: The release, as P(stretch.cluster.tripleo#lookup) gives it.
    type: dict
    required: true
  secrets:
    description: Passwords and keys by name.
    type: dict
    required: true
  directory:
    description: Absolute path of the directory for the files.
    type: path
    required: true
  registry:
    description: Host of the registry with the containers' images.
    type: str
    default: ""
  nameservers:
    description: Addresses of name servers.
    type: list
    elements: str
    default: []
  ntp_server:
    description: Time server.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Files
  ansible.builtin.set_fact:
    files: >-
      {{ stretch_topology | stretch.cluster.tripleo_files(stack='stack1', release=release, secrets=stretch_secrets,
                                                          directory='/home/stack/stretch', registry='images.example',
                                                          nameservers=['192.0.2.1'], ntp_server='ntp.example') }}
"""

RETURN = r"""
_value:
  description: The files, each with C(path), C(content) (data) and C(sensitive).
  type: list
  elements: dict
"""

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils.topology import plain
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import overcloud
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError, read


def tripleo_files(
    topology: dict[str, Any],
    stack: str,
    release: Mapping[str, Any],
    secrets: Mapping[str, str],
    directory: str,
    registry: str = "",
    nameservers: Sequence[str] = (),
    ntp_server: str = "",
) -> list[dict[str, Any]]:
    """The files, as documented above."""
    try:
        known = read(release, "The release")
        files = overcloud.files(topology, stack, known, secrets, registry, nameservers, ntp_server, directory)
    except TripleoError as error:
        raise AnsibleFilterError(str(error)) from error
    except KeyError as error:
        raise AnsibleFilterError(f"There is no secret {error}; run the playbook's secrets step.") from error
    return [plain(one) for one in files]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"tripleo_files": tripleo_files}
