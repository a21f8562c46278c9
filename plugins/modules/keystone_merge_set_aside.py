# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Set a merged database aside."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_merge_set_aside
short_description: Set a merged Keystone database aside
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Moves all tables of a merged database into a database of another name, and those of its state into a second one.
    The next merge begins anew, and nothing is lost.
  - For when the Keystones use their own databases again. It is refused while a client is connected to the merged
    database through the same server, and while a merge is running.
  - All tables move in one statement, or none. Users and their rights stay as they are, and so do the emptied databases.
  - M(stretch.cluster.keystone_merge_writes_info) can still tell what was written to it, see its option C(merged_as).
options:
  target:
    description:
      - The merged database. The login needs C(ALTER), C(DROP) and C(SELECT) on both databases, all rights on the new
        ones, and C(PROCESS).
    required: true
  state_database:
    description: Name of the database on the same server that keeps what was merged when.
    type: str
    default: stretch_merge
  suffix:
    description:
      - What comes behind the names of both databases, with an underscore before it.
      - Letters, digits and underscores, 32 at most.
    type: str
    required: true
extends_documentation_fragment:
  - stretch.cluster.keystone_merge.target
requirements:
  - PyMySQL >= 1.0.2
attributes:
  check_mode:
    support: full
    description: Fails where moving would, and tells the new names.
  diff_mode:
    support: none
    description: The names say it all.
seealso:
  - module: stretch.cluster.keystone_merge_writes_info
"""

EXAMPLES = r"""
- name: The merged database is no longer used
  stretch.cluster.keystone_merge_set_aside:
    target:
      login_user: root
      login_unix_socket: /var/lib/stretch-galera/mysql.sock
    suffix: rolled_back_20261124T1140
"""

RETURN = r"""
database:
  description: Where the tables of the merged database are now. Null where nothing was merged there.
  returned: success
  type: str
  sample: keystone_rolled_back_20261124T1140
state_database:
  description: Where those of its state are.
  returned: success
  type: str
  sample: stretch_merge_rolled_back_20261124T1140
tables:
  description: How many tables that are.
  returned: success
  type: int
  sample: 52
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import aside
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    HAS_PYMYSQL,
    PYMYSQL_IMPORT_ERROR,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.options import login_spec, to_login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import TARGET


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "target": {"type": "dict", "required": True, "options": login_spec()},
            "state_database": {"type": "str", "default": "stretch_merge"},
            "suffix": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if not HAS_PYMYSQL:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_IMPORT_ERROR)
    params = module.params
    request = aside.Request(to_login(TARGET, params["target"]), params["state_database"], params["suffix"])
    try:
        found = aside.set_aside(request, read_only=module.check_mode)
    except MergeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**aside.result(found))


if __name__ == "__main__":
    main()
