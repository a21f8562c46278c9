# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: region_options
short_description: The region in the configuration of every OpenStack service
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Sets every option that names a region, of every OpenStack service that is configured on the host, so that services
    find each other's endpoints in their own region when the catalog has those of others too.
  - An option is set where its section is in use, that is, sets anything, or where the service looks up an endpoint
    with an empty section too. Options that name no region of Keystone (as S3's), or other regions on purpose, stay as
    they are.
  - Files are changed in place. All but the options that change stays byte for byte, with owner and mode.
attributes:
  check_mode:
    support: full
    description: Reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the options that change, nothing else of a file.
options:
  region:
    description: Name of the region.
    type: str
    required: true
  directories:
    description:
      - Directories that have a directory of configuration for each service, as patterns. Below them, the files are
        where the services' packages have them, as in C(nova/nova.conf).
    type: list
    elements: str
    default: [/etc]
  leave:
    description: Options that stay as they are, as V(swift/filter:s3api/location); service, section, option.
    type: list
    elements: str
    default: []
  pending_directory:
    description:
      - Directory in which a file of a service's name is made before its configuration is changed. Whoever restarts the
        service removes it; so a run that was stopped between the two is finished by the next.
    type: path
    default: /var/lib/stretch/regions
  login:
    description:
      - Any text that stands for whom the services log in as. When it is another than the last time, all services on the
        host but Keystone itself are pending, so that they log in anew. It is noted beside O(pending_directory).
    type: str
notes:
  - Configuration of Horizon is no INI file and not changed.
seealso:
  - name: stretch.cluster.stretch_regions
    description: The role that restarts what this module changed.
    link: https://github.com/stretch-cluster/stretch.cluster
"""

EXAMPLES = r"""
- name: Packaged services
  stretch.cluster.region_options:
    region: region_stack1
  register: regions

- name: Services in TripleO's containers
  stretch.cluster.region_options:
    region: region_stack1
    directories: [/var/lib/config-data/puppet-generated/*/etc]
"""

RETURN = r"""
services:
  description: Services that are configured on this host.
  type: list
  elements: str
  returned: success
  sample: [cinder, glance, nova]
pending:
  description: Services whose configuration changed, now or in an earlier run, and that were not restarted since.
  type: list
  elements: str
  returned: success
  sample: [nova]
options:
  description: Options that changed.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: File.
      type: str
    section:
      description: Section.
      type: str
    option:
      description: Name of the option.
      type: str
    before:
      description: What it was; nothing where it was not set.
      type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.region_options import (
    RegionOptionsError,
    Setting,
    check_region,
    diff,
    plan,
)
from ansible_collections.stretch.cluster.plugins.module_utils.service_files import (
    ServiceFilesError,
    apply,
    configurations,
    mark,
    marked,
)


def by_file(settings: list[Setting], region: str) -> dict[str, dict[tuple[str, str], str]]:
    wanted: dict[str, dict[tuple[str, str], str]] = {}
    for one in settings:
        wanted.setdefault(one.path, {})[(one.section, one.option)] = region
    return wanted


def noted(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as stream:
        return stream.read().strip()


def ensure(module: AnsibleModule) -> dict[str, Any]:
    region = check_region(module.params["region"])
    pending_directory = module.params["pending_directory"]
    found = configurations(module.params["directories"])
    plans = [(service.name, plan(service, documents, region, module.params["leave"])) for service, documents in found]
    settings = [setting for _name, these in plans for setting in these]
    changed = {name for name, these in plans if these}
    login, login_file = module.params["login"], pending_directory + ".login"
    other_login = bool(login) and noted(login_file) != login
    if other_login:
        changed |= {service.name for service, _documents in found} - {"keystone"}
    waiting = marked(pending_directory)
    if (settings or other_login) and not module.check_mode:
        mark(pending_directory, sorted(changed))
        apply(by_file(settings, region), lambda source, target: module.atomic_move(source, target, unsafe_writes=True))
        if other_login:
            write_file(login_file, f"{login}\n".encode(), module.atomic_move, 0o644)
    return {
        "changed": bool(settings) or other_login,
        "services": sorted({service.name for service, _documents in found}),
        "pending": sorted({*changed, *waiting}),
        "options": [vars(setting) for setting in settings],
        "diff": diff(settings, region) if module._diff else [],  # noqa: SLF001 - it has no public name
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "region": {"type": "str", "required": True},
            "directories": {"type": "list", "elements": "str", "default": ["/etc"]},
            "leave": {"type": "list", "elements": "str", "default": []},
            "pending_directory": {"type": "path", "default": "/var/lib/stretch/regions"},
            "login": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except (RegionOptionsError, ServiceFilesError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
