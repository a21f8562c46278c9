# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stretch_secrets
short_description: Ensure a file of generated secrets
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Generates the secrets that a file does not hold yet. What it holds stays to the letter, whatever the kind, and
    nothing is removed.
  - The file is a YAML mapping of names to strings, with mode V(0600) in a directory with mode V(0700). A file that
    cannot be read as such, or is empty, is an error and stays as it is.
  - No value is returned or shown in the diff.
attributes:
  check_mode:
    support: full
    description: Reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the names of the secrets alone.
options:
  path:
    description: Absolute path of the file.
    type: path
    required: true
  secrets:
    description:
      - Names of the wanted secrets and the kind of each.
      - V(password) is 32 letters and digits, V(hex) 32 hexadecimal digits, V(fernet) a key for Fernet.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Generate the passwords that are missing
  stretch.cluster.stretch_secrets:
    path: "{{ stretch_state_dir }}/secrets.yml"
    secrets:
      keystone_admin_password: password
      keystone_fernet_key_0: fernet
      memcache_secret_key: hex
"""

RETURN = r"""
added:
  description: Names of the secrets that were generated.
  type: list
  elements: str
  returned: success
  sample: [keystone_admin_password]
"""

import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_secrets import (
    SecretsError,
    check_wanted,
    extend,
    load,
)

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def read(path: str) -> str | None:
    """Return the text of the file, ``None`` if there is none."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise SecretsError(f"{path} is no text; repair it or remove it") from error


def mode_differs(path: str, mode: int) -> bool:
    """Return whether something is at ``path`` with another mode."""
    return os.path.exists(path) and stat.S_IMODE(os.stat(path).st_mode) != mode


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            # These are names and kinds.
            "secrets": {"type": "dict", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    path = os.path.realpath(module.params["path"])
    directory = os.path.dirname(path)
    try:
        if not os.path.isabs(module.params["path"]):
            raise SecretsError(f"path must be absolute, not {module.params['path']}")
        check_wanted(module.params["secrets"])
        text = read(path)
        names = [] if text is None else load(text, path)
        new_text, added = extend(text, names, module.params["secrets"])
        wanted_modes = ((directory, DIRECTORY_MODE), (path, FILE_MODE))
        modes = [(one, mode) for one, mode in wanted_modes if mode_differs(one, mode)]
        if not module.check_mode:
            os.makedirs(directory, mode=DIRECTORY_MODE, exist_ok=True)
            for one, mode in modes:
                os.chmod(one, mode)
            if added:
                write_file(path, new_text.encode("utf-8"), module.atomic_move, FILE_MODE)
    except (SecretsError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(added or modes),
        added=added,
        diff={
            "before_header": path,
            "after_header": path,
            "before": "".join(f"{name}\n" for name in sorted(names)),
            "after": "".join(f"{name}\n" for name in sorted([*names, *added])),
        },
    )


if __name__ == "__main__":
    main()
