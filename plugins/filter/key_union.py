# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: key_union
short_description: One key repository with the keys of several Keystones
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Unites Fernet or credential key repositories, so that what any of the Keystones encrypted all of them decrypt.
  - The first repository's primary key stays primary and its staged key staged; all others become secondary keys.
  - A repository that another one comes from by rotation counts for nothing, so that keys which were purged do not come
    back.
options:
  _input:
    description: The repositories, the primary site's first; each a dictionary of number and key.
    type: list
    elements: dict
    required: true
  may_be_empty:
    description:
      - Whether one of them can have no key, as the credential repository of a Keystone where C(credential_setup) was
        never run. It encrypts with the null key, which every Keystone knows.
    type: bool
    default: false
    version_added: 0.2.0
"""

EXAMPLES = r"""
- name: One set of keys on every Keystone
  stretch.cluster.keystone_keys:
    path: /etc/keystone/fernet-keys
    keys: "{{ [stack1_keys, stack2_keys] | stretch.cluster.key_union }}"
  no_log: true

- name: The same for credentials, of which one Keystone may have no keys
  stretch.cluster.keystone_keys:
    path: /etc/keystone/credential-keys
    keys: "{{ [stack1_keys, {}] | stretch.cluster.key_union(may_be_empty=true) }}"
    like: /etc/keystone/fernet-keys
  no_log: true
"""

RETURN = r"""
_value:
  description: The union, a dictionary of number and key.
  type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import key_repository


def key_union(repositories: list[dict[Any, str]], may_be_empty: bool = False) -> dict[int, str]:
    """See DOCUMENTATION; the numbers may come as text, as JSON has them."""
    try:
        return key_repository.union(
            [key_repository.numbered(keys, "a key repository") for keys in repositories], may_be_empty
        )
    except key_repository.KeyRepositoryError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"key_union": key_union}
