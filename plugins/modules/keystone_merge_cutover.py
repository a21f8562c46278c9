# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Mark merged Keystones as cut over."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_merge_cutover
short_description: Mark Keystones as using the merged database
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Until a source is marked, M(stretch.cluster.keystone_merge) reads it anew and carries over what changed in it. From
    the mark on the merged database is the truth, and no run reads the source again, which would bring back what has
    been deleted since.
  - To be run right before the first Keystone of a source is switched to the merged database, after a last run of
    M(stretch.cluster.keystone_merge).
  - It writes into the state beside the merged database and nowhere else.
options:
  target:
    required: true
  state_database:
    description: Name of the database on the target's server that keeps what was merged when.
    type: str
    default: stretch_merge
  sources:
    description: Names of the sources, as M(stretch.cluster.keystone_merge) was told them.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(present) marks them. A source that is marked already keeps its time.
      - V(absent) takes the mark back, for Keystones that were switched back to their own databases. The next merge
        brings the merged database to what the sources hold by then.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - stretch.cluster.keystone_merge.target
requirements:
  - PyMySQL >= 1.0.2
attributes:
  check_mode:
    support: full
    description: Fails where marking would, and changes nothing.
  diff_mode:
    support: full
    description: Shows for each source when it was merged and cut over.
seealso:
  - module: stretch.cluster.keystone_merge
"""

EXAMPLES = r"""
- name: From here on the merged database is the truth
  stretch.cluster.keystone_merge_cutover:
    target:
      login_host: 10.0.20.6
      login_user: keystone
      login_password: "{{ stretch_keystone_password }}"
    sources: [stack1, stack2]
"""

RETURN = r"""
cut_over:
  description: All sources of the merged database, and when each was cut over (UTC), or null.
  returned: success
  type: dict
  sample: {stack1: "2026-11-24 11:40:00", stack2: "2026-11-24 11:40:00"}
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import cutover
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
            "sources": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    if not HAS_PYMYSQL:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_IMPORT_ERROR)
    params = module.params
    request = cutover.MarkRequest(
        to_login(TARGET, params["target"]), params["state_database"], params["sources"], params["state"] == "present"
    )
    try:
        marks = cutover.mark(request, read_only=module.check_mode)
    except MergeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**cutover.result(marks))


if __name__ == "__main__":
    main()
