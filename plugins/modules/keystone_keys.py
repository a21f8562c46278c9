# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_keys
short_description: Contents of a key repository of Keystone
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Makes a Fernet or credential key repository hold just the given keys.
  - Keystone reads the repository at each use, so keys are added before any is taken away, and none is ever half
    written.
options:
  path:
    description: Directory of the repository on the host.
    type: path
    required: true
  keys:
    description: Number and key; the highest number is the primary key, 0 the staged one.
    type: dict
    required: true
  force:
    description: V(false) leaves a repository alone that has keys already.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Changes nothing in check mode.
  diff_mode:
    support: full
    description: Shows the numbers of the keys, and which of them change; never a key.
seealso:
  - module: stretch.cluster.keystone_keys_info
"""

EXAMPLES = r"""
- name: One set of keys on every Keystone
  stretch.cluster.keystone_keys:
    path: /var/lib/config-data/puppet-generated/keystone/etc/keystone/fernet-keys
    keys: "{{ repositories | stretch.cluster.key_union }}"
  no_log: true
"""

RETURN = r"""
written:
  description: Numbers of the keys that were written.
  type: list
  elements: int
  returned: always
removed:
  description: Numbers of the keys that were removed.
  type: list
  elements: int
  returned: always
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import key_repository
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.key_files import read_keys


def apply(module: AnsibleModule, path: str, before: dict[int, str], wanted: dict[int, str]) -> None:
    if not os.path.isdir(path):
        os.makedirs(path, mode=0o700)
    owner = os.stat(path)
    for index, key in key_repository.steps(before, wanted):
        file = os.path.join(path, str(index))
        if key is None:
            os.unlink(file)
        else:
            # The file that it is written to first has no number for a name, as every file that Keystone reads has.
            write_file(file, key.encode("ascii"), module.atomic_move, 0o600, owner.st_uid, owner.st_gid)


def ensure(module: AnsibleModule) -> dict[str, Any]:
    path = module.params["path"]
    wanted = key_repository.numbered(module.params["keys"], "the wanted repository")
    key_repository.check(wanted, "the wanted repository")
    before = read_keys(path)
    if before and not module.params["force"]:
        return {"changed": False, "written": [], "removed": []}
    written = sorted(index for index, key in wanted.items() if before.get(index) != key)
    removed = sorted(set(before) - set(wanted))
    if (written or removed) and not module.check_mode:
        apply(module, path, before, wanted)
    names = [f"{index} (new)" if index in written else str(index) for index in sorted(wanted)]
    return {
        "changed": bool(written or removed),
        "written": written,
        "removed": removed,
        "diff": {
            "before": "\n".join(str(index) for index in sorted(before)) + "\n",
            "after": "\n".join(names) + "\n",
            "before_header": path,
            "after_header": path,
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "keys": {"type": "dict", "required": True, "no_log": True},
            "force": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except (key_repository.KeyRepositoryError, OSError) as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
