# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_keys_info
short_description: Keys in the key repositories of a Keystone
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Reads key repositories. It returns keys, so a task that uses it needs C(no_log=true).
options:
  paths:
    description: Directories of repositories on the host, by a name for each.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
seealso:
  - module: stretch.cluster.keystone_keys
"""

EXAMPLES = r"""
- name: Keys of this Keystone
  stretch.cluster.keystone_keys_info:
    paths:
      fernet: /etc/keystone/fernet-keys
      credential: /etc/keystone/credential-keys
  register: keys
  no_log: true
"""

RETURN = r"""
repositories:
  description: Number and key of each repository, by its name; empty where there is none.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.key_files import read_keys


def main() -> None:
    module = AnsibleModule(argument_spec={"paths": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        repositories = {name: read_keys(path) for name, path in module.params["paths"].items()}
    except OSError as error:
        module.fail_json(msg=f"a key repository cannot be read: {error}")
    module.exit_json(changed=False, repositories=repositories)


if __name__ == "__main__":
    main()
