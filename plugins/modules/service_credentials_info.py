# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_credentials_info
short_description: Whom the OpenStack services of a host log in as
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Reads the configuration of every OpenStack service on the host and gives each section by which it logs in to
    Keystone with a name and a password, C([keystone_authtoken]) and those of its clients.
  - It returns the passwords, so a task that uses it needs C(no_log=true).
options:
  directories:
    description:
      - Directories that have a directory of configuration for each service, as patterns, as for
        M(stretch.cluster.region_options).
    type: list
    elements: str
    default: [/etc]
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Whom the services log in as
  stretch.cluster.service_credentials_info:
    directories: [/var/lib/config-data/puppet-generated/*/etc]
  register: found
  no_log: true
"""

RETURN = r"""
credentials:
  description: One for each section.
  type: list
  elements: dict
  returned: success
  contains:
    service:
      description: The service.
      type: str
      sample: nova
    path:
      description: The file that sets the user's name.
      type: str
    section:
      description: Its section.
      type: str
      sample: keystone_authtoken
    option:
      description: What the name is called there.
      type: str
      sample: username
    user:
      description: The user.
      type: str
      sample: nova
    domain:
      description: Name of the user's domain.
      type: str
      sample: Default
    project:
      description: Name of the project, empty where there is none.
      type: str
      sample: service
    project_domain:
      description: Name of the project's domain.
      type: str
      sample: Default
    password:
      description: The password.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import service_users
from ansible_collections.stretch.cluster.plugins.module_utils.service_files import ServiceFilesError, configurations


def main() -> None:
    module = AnsibleModule(
        argument_spec={"directories": {"type": "list", "elements": "str", "default": ["/etc"]}},
        supports_check_mode=True,
    )
    try:
        found = [
            one
            for service, documents in configurations(module.params["directories"])
            for one in service_users.credentials(service.name, documents)
        ]
    except (ServiceFilesError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, credentials=service_users.plain(found))


if __name__ == "__main__":
    main()
