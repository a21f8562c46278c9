# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Ensure a set of configuration files in one call
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Writes, changes and removes any number of files and directories of a host in one task.
  - Everything is checked before anything is changed. A file is replaced in one step; where that is impossible, as for
    a single file mounted into a container, it is written in place.
  - Missing parent directories are made with mode V(0755). Symbolic links are followed.
attributes:
  check_mode:
    support: full
    description: Reports what would change and changes nothing.
  diff_mode:
    support: full
    description: One entry per file or directory that changes.
options:
  files:
    description:
      - The files. Where a content is secret, set C(no_log) on the task, and O(files[].sensitive) for a file whose task
        has none.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description:
          - The whole content. A mapping or a list is written as JSON with sorted keys.
          - Either this or O(files[].options) is required for O(files[].state=present).
        type: raw
      options:
        description:
          - Options of an INI file as oslo.config reads it, by name and by section. They alone are set; all else that is
            in the file stays byte for byte, as what other roles have set there.
        type: dict
      mode:
        description: Octal mode, quoted, with a leading zero.
        type: str
        default: '0644'
      owner:
        description: User name or number. Without it the owner of an existing file stays.
        type: str
      group:
        description: Group name or number. Without it the group of an existing file stays.
        type: str
      force:
        description: V(false) leaves a file that exists as it is, its mode and owner included.
        type: bool
        default: true
      sensitive:
        description: Keep the content out of the diff.
        type: bool
        default: false
      state:
        description: Whether the file shall be there.
        type: str
        choices: [present, absent]
        default: present
  directories:
    description: Directories, made before the files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Octal mode, quoted, with a leading zero.
        type: str
        default: '0755'
      owner:
        description: User name or number. Without it the owner of an existing directory stays.
        type: str
      group:
        description: Group name or number. Without it the group of an existing directory stays.
        type: str
"""

EXAMPLES = r"""
- name: Configure Galera
  stretch.cluster.config_files:
    directories:
      - path: /var/lib/mysql-stretch
        mode: '0750'
        owner: '42434'
    files:
      - path: /var/lib/config-data/puppet-generated/stretch/etc/my.cnf.d/galera.cnf
        content: "{{ lookup('ansible.builtin.template', 'galera.cnf.j2') }}"
      - path: /var/lib/config-data/puppet-generated/stretch/root/.my.cnf
        content: "{{ lookup('ansible.builtin.template', 'my.cnf.j2') }}"
        mode: '0600'
        sensitive: true
  no_log: true
  register: galera_files
"""

RETURN = r"""
changed_files:
  description: Paths of the files and directories that changed, in the order of the changes.
  type: list
  elements: str
  returned: success
  sample: [/var/lib/mysql-stretch]
digest:
  description:
    - SHA-256 over the paths, modes and contents that the files shall have, whether or not they changed. Of files with
      O(files[].force=false) only the path counts, of files with O(files[].options) these count as their content. Give
      it to a container, so that a new configuration replaces it.
  type: str
  returned: success
"""

import errno
import grp
import os
import pwd
import stat
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import set_attributes, write_file
from ansible_collections.stretch.cluster.plugins.module_utils.config_files import (
    Change,
    ConfigFilesError,
    Observed,
    diff,
    digest,
    entries,
    plan,
)

UNKNOWN_ID = -2
"""Stands in check mode for a user or group that an earlier task would have made; no file has it, so it differs."""


def observe(path: str) -> Observed:
    """Return what is at ``path`` on this host."""
    try:
        status = os.stat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Observed("absent")
        raise
    kind, content = "other", b""
    if stat.S_ISDIR(status.st_mode):
        kind = "directory"
    elif stat.S_ISREG(status.st_mode):
        kind = "file"
        with open(path, "rb") as stream:
            content = stream.read()
    return Observed(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, content)


def identifier(lookup: Callable[[str], int], what: str, check_mode: bool) -> Callable[[str | None], int | None]:
    """Return a function from a name or number to the number, by means of the host's database."""

    def resolve(name: str | None) -> int | None:
        if name is None or name.isdigit():
            return None if name is None else int(name)
        try:
            return lookup(name)
        except KeyError as error:
            if check_mode:
                return UNKNOWN_ID
            raise ConfigFilesError(f"{what} {name} does not exist on this host; make it first") from error

    return resolve


def apply(module: AnsibleModule, change: Change) -> None:
    """Make one change."""
    entry = change.entry
    if change.action == "remove":
        os.unlink(entry.path)
    elif change.action == "write":
        write_file(
            os.path.realpath(entry.path),
            entry.content,
            lambda source, target: module.atomic_move(source, target, unsafe_writes=True),
            entry.mode,
            entry.uid,
            entry.gid,
        )
    else:
        if change.action == "mkdir":
            # Another task may make it at the same time, where two names of the inventory are one host.
            os.makedirs(entry.path, 0o700, exist_ok=True)
        set_attributes(entry.path, entry.mode, entry.uid, entry.gid)


def main() -> None:
    """Run the module."""
    owner = {"owner": {"type": "str"}, "group": {"type": "str"}}
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": dict(
                    owner,
                    path={"type": "path", "required": True},
                    content={"type": "raw"},
                    options={"type": "dict"},
                    mode={"type": "str", "default": "0644"},
                    force={"type": "bool", "default": True},
                    sensitive={"type": "bool", "default": False},
                    state={"type": "str", "choices": ["present", "absent"], "default": "present"},
                ),
            },
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": dict(
                    owner,
                    path={"type": "path", "required": True},
                    mode={"type": "str", "default": "0755"},
                ),
            },
        },
        supports_check_mode=True,
    )
    try:
        wanted = entries(
            module.params["files"],
            module.params["directories"],
            identifier(lambda name: pwd.getpwnam(name).pw_uid, "user", module.check_mode),
            identifier(lambda name: grp.getgrnam(name).gr_gid, "group", module.check_mode),
        )
        changes = plan(wanted, observe)
        if not module.check_mode:
            for change in changes:
                apply(module, change)
    except (ConfigFilesError, OSError) as error:
        module.fail_json(msg=f"{error}")
    module.exit_json(
        changed=bool(changes),
        changed_files=[change.entry.path for change in changes],
        digest=digest(wanted),
        diff=[diff(change) for change in changes] if module._diff else [],  # noqa: SLF001 - it has no public name
    )


if __name__ == "__main__":
    main()
