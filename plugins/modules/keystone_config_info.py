# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_config_info
short_description: The database that a Keystone is configured for
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Reads C(keystone.conf) and tells how to log in to its database, and how many keys a rotation leaves. It returns the
    password, so a task that uses it needs C(no_log=true).
  - Files beside C(keystone.conf) that override it are not read, so it tells the region's own database after the
    cutover too.
options:
  path:
    description: Path of C(keystone.conf) on the host.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: The region's own database
  stretch.cluster.keystone_config_info:
    path: /etc/keystone/keystone.conf
  register: keystone
  no_log: true
"""

RETURN = r"""
database:
  description:
    - C(login_host) and C(login_port), or C(login_unix_socket); C(login_user), C(login_password), C(database), and
      C(ca_cert) where there is one. A source of M(stretch.cluster.keystone_merge) but for its name.
  type: dict
  returned: success
max_active_keys:
  description: How many Fernet keys a rotation leaves there.
  type: int
  returned: success
  sample: 3
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import keystone_config


def main() -> None:
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    path = module.params["path"]
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        found = keystone_config.login(keystone_config.connection(text))
        active = keystone_config.max_active_keys(text)
    except FileNotFoundError:
        module.fail_json(msg=f"{path} is not there: no Keystone is configured on this host. Deploy the region first.")
    except (keystone_config.KeystoneConfigError, OSError) as error:
        module.fail_json(msg=f"{path}: {error}.")
    module.exit_json(changed=False, database=found, max_active_keys=active)


if __name__ == "__main__":
    main()
