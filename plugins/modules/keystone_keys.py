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
  - Makes a Fernet or credential key repository hold just the given keys, each in a file that its owner alone reads.
  - Keystone reads the repository at each use, so keys are added before any is taken away, and none is ever half
    written.
options:
  path:
    description: Directory of the repository on the host.
    type: path
    required: true
  like:
    description: Directory whose owner and group a repository gets that is not there yet.
    type: path
    version_added: 0.2.0
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
closed:
  description: Numbers of the other keys that others than their owner could read.
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
import stat
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import key_repository
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.key_files import read_keys

MODE = 0o600
READING = 1.0
"""Seconds in which whoever has listed a repository has read it."""


def make_directory(path: str, like: str | None) -> None:
    os.makedirs(path, mode=0o700)
    if like:
        owner = os.stat(like)
        os.chown(path, owner.st_uid, owner.st_gid)


def apply(module: AnsibleModule, before: dict[int, str], wanted: dict[int, str], closed: list[int]) -> None:
    path = module.params["path"]
    if not os.path.isdir(path):
        make_directory(path, module.params["like"])
    owner = os.stat(path)
    for index in closed:
        os.chmod(os.path.join(path, str(index)), MODE)
    doubles = key_repository.doubles(before, wanted)
    steps = key_repository.steps({**before, **doubles}, wanted)
    phases = (
        sorted(doubles.items(), reverse=True),
        [step for step in steps if step[1] is not None],
        [step for step in steps if step[1] is None],
    )
    for phase in phases:
        for index, key in phase:
            file = os.path.join(path, str(index))
            if key is None:
                os.unlink(file)
            else:
                # The file that it is written to first has no number for a name, as every file that Keystone reads has.
                write_file(file, key.encode("ascii"), module.atomic_move, MODE, owner.st_uid, owner.st_gid)
        if doubles and phase is not phases[-1]:
            time.sleep(READING)


def ensure(module: AnsibleModule) -> dict[str, Any]:
    path = module.params["path"]
    wanted = key_repository.numbered(module.params["keys"], "the wanted repository")
    key_repository.check(wanted, "the wanted repository")
    before = read_keys(path)
    if before and not module.params["force"]:
        return {"changed": False, "written": [], "removed": [], "closed": []}
    written = sorted(index for index, key in wanted.items() if before.get(index) != key)
    removed = sorted(set(before) - set(wanted))
    modes = {
        index: stat.S_IMODE(os.stat(os.path.join(path, str(index))).st_mode) for index in set(wanted) - set(written)
    }
    closed = sorted(index for index, mode in modes.items() if mode != MODE)
    if (written or removed or closed) and not module.check_mode:
        apply(module, before, wanted, closed)
    shown = {
        **{index: f"{index} ({modes[index]:04o} to {MODE:04o})" for index in closed},
        **{index: f"{index} (new)" for index in written},
    }
    return {
        "changed": bool(written or removed or closed),
        "written": written,
        "removed": removed,
        "closed": closed,
        "diff": {
            "before": "".join(f"{index}\n" for index in sorted(before)) or "\n",
            "after": "".join(f"{shown.get(index, index)}\n" for index in sorted(wanted)),
            "before_header": path,
            "after_header": path,
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "like": {"type": "path"},
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
