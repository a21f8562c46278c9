# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_user_names
short_description: New names of users in the configuration of the OpenStack services that log in as them
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Changes the user's name in every section by which a service of the host logs in to Keystone, where that user was
    renamed, and notes what was changed so that it can be taken back.
  - Files are changed in place. All but the names stays byte for byte, with owner and mode.
attributes:
  check_mode:
    support: full
    description: Reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the names that change, nothing else of a file.
options:
  names:
    description: New names by old ones. Needed with O(state=present).
    type: dict
    default: {}
  directories:
    description:
      - Directories that have a directory of configuration for each service, as patterns, as for
        M(stretch.cluster.region_options).
    type: list
    elements: str
    default: [/etc]
  state:
    description: V(absent) gives the users the names that they had before, by the note.
    type: str
    choices: [present, absent]
    default: present
  record:
    description: File on the host that notes which names were changed; it is removed with them.
    type: path
    default: /var/lib/stretch/service-users.json
  pending_directory:
    description:
      - Directory in which a file of a service's name is made before its configuration is changed; whoever restarts the
        service removes it, as for M(stretch.cluster.region_options).
    type: path
    default: /var/lib/stretch/regions
seealso:
  - module: stretch.cluster.service_credentials_info
  - module: stretch.cluster.region_options
"""

EXAMPLES = r"""
- name: The configuration follows
  stretch.cluster.service_user_names:
    names: {nova: nova@stack2}

- name: The way back
  stretch.cluster.service_user_names:
    state: absent
"""

RETURN = r"""
options:
  description: What changed.
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
      description: The name before.
      type: str
    after:
      description: The name after.
      type: str
pending:
  description: Services whose configuration changed, now or in an earlier run, and that were not restarted since.
  type: list
  elements: str
  returned: success
  sample: [nova]
"""

import contextlib
import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import service_users
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.service_files import (
    ServiceFilesError,
    apply,
    configurations,
    mark,
    marked,
)


class RecordError(Exception):
    """The note cannot be read."""


def noted(path: str) -> dict[str, str]:
    """New names by old ones, as they were changed here."""
    try:
        with open(path, encoding="utf-8") as stream:
            return {str(old): str(new) for old, new in json.load(stream).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise RecordError(f"{path} cannot be read ({error}); restore it, or write {{OLD: NEW}} of the users") from None


def ensure(module: AnsibleModule) -> dict[str, Any]:
    present = module.params["state"] == "present"
    record, directory = module.params["record"], module.params["pending_directory"]
    known = noted(record)
    names = module.params["names"] if present else {new: old for old, new in known.items()}

    def move(source: str, target: str) -> None:
        module.atomic_move(source, target, unsafe_writes=True)

    wanted, services = [], set()
    for service, documents in configurations(module.params["directories"]):
        these = service_users.changes(list(service_users.credentials(service.name, documents)), names)
        wanted += these
        services.update({service.name} if these else set())
    changed = bool(wanted) or (not present and bool(known))
    if changed and not module.check_mode:
        if present:
            os.makedirs(os.path.dirname(record), mode=0o755, exist_ok=True)
            told = {**known, **{one.before: one.after for one in wanted}}
            write_file(record, (json.dumps(told, sort_keys=True) + "\n").encode(), move, 0o644)
        mark(directory, sorted(services))
        files: dict[str, dict[tuple[str, str], str]] = {}
        for one in wanted:
            files.setdefault(one.path, {})[(one.section, one.option)] = one.after.replace("$", "$$")
        apply(files, move)
        if not present:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(record)
    return {
        "changed": changed,
        "options": [vars(one) for one in wanted],
        "pending": sorted({*services, *marked(directory)}),
        "diff": service_users.diff(wanted) if module._diff else [],  # noqa: SLF001 - it has no public name
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "dict", "default": {}},
            "directories": {"type": "list", "elements": "str", "default": ["/etc"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "record": {"type": "path", "default": "/var/lib/stretch/service-users.json"},
            "pending_directory": {"type": "path", "default": "/var/lib/stretch/regions"},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except (ServiceFilesError, RecordError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
