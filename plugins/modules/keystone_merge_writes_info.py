# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Tell what has been written to a merged database since the merge."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_merge_writes_info
short_description: Tell what has been written to a merged Keystone database since the merge
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Compares the merged database as it is with what M(stretch.cluster.keystone_merge) brought there, and tells by kind
    and name what has been added, changed and removed since. All of that stays behind when the Keystones go back to
    their own databases.
  - It changes nothing, and reads everything in one consistent snapshot. Keystones may go on writing meanwhile.
  - Passwords, secrets and hashes appear in none of its results; of a new password it tells whose it is.
options:
  target:
    required: true
  state_database:
    description: Name of the database on the target's server that keeps what was merged when.
    type: str
    default: stretch_merge
  merged_as:
    description:
      - Name that the merged database had when it was merged, for one that
        M(stretch.cluster.keystone_merge_set_aside) has given another.
    type: str
  sources:
    description:
      - The Keystones' own databases, as M(stretch.cluster.keystone_merge) was told them. They tell the names of what is
        gone from the merged database, and what something that was renamed is called there.
      - They are checked as well. What stands in the way of a Keystone that would use its own one again is in
        RV(ignore:obstacles).
      - Names of what was never merged are passed over.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the stack is called.
        type: str
        required: true
      region:
        description: Id of its region.
        type: str
      login_host:
        description: Host name or address of the server.
        type: str
        default: localhost
      login_port:
        description: Port of the server.
        type: int
        default: 3306
      login_user:
        description: Who to log in as. Needs C(SELECT) on the database.
        type: str
      login_password:
        description: The password.
        type: str
      login_unix_socket:
        description: Path of the server's socket. Without it the connection is TCP.
        type: path
      ca_cert:
        description: Path of the certificate of the authority that the server's certificate must come from.
        type: path
      database:
        description: Name of the database.
        type: str
        default: keystone
extends_documentation_fragment:
  - stretch.cluster.keystone_merge.target
requirements:
  - PyMySQL >= 1.0.2
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: It never changes anything.
seealso:
  - module: stretch.cluster.keystone_merge
  - module: stretch.cluster.keystone_merge_set_aside
"""

EXAMPLES = r"""
- name: What would be left behind
  stretch.cluster.keystone_merge_writes_info:
    target:
      login_host: 10.0.20.6
      login_user: keystone
      login_password: "{{ stretch_keystone_password }}"
    sources:
      - name: stack1
        login_host: 10.0.20.5
        login_user: keystone
        login_password: "{{ stack1_keystone_password }}"
      - name: stack2
        login_host: 10.1.20.5
        login_user: keystone
        login_password: "{{ stack2_keystone_password }}"
  register: left

- name: Show it
  ansible.builtin.debug:
    var: left.lines
"""

RETURN = r"""
target_state:
  description:
    - V(merged) where something was merged; V(empty) where the state knows of no merge; V(absent) where there is no such
      database, or no table in it.
  returned: success
  type: str
  sample: merged
sources:
  description: What was merged, from where, and when it was merged and cut over (UTC, or null).
  returned: success
  type: dict
  sample:
    stack1:
      merged_at: "2026-11-24 11:30:00"
      cut_over_at: "2026-11-24 11:40:00"
      address: keystone at 10.0.20.5:3306
writes:
  description:
    - What was written, by kind. The numbers are those of all things, at most 100 names of what happened alike to things
      of one kind are listed.
    - A new user's password and options are part of it. What Keystone removed along with something, such as the
      assignments of a user that is gone, is not listed by itself.
    - Where something that was changed has another name in its own database, that follows in brackets.
  returned: success
  type: dict
  sample:
    user: {added: 1, changed: 1, removed: 0, names: {added: [carol], changed: ["alicia (alice in stack1)"]}}
    password: {added: 0, changed: 1, removed: 0, names: {changed: [user bob]}}
    assignment: {added: 1, changed: 0, removed: 0, names: {added: [role member of user carol on project web]}}
expendable:
  description:
    - What is no loss. These are events of revocation, which concern tokens that end anyway; mappings of users and
      groups of LDAP, which Keystone makes anew with the same ids; OAuth's request tokens; and numbers of rows in which
      nothing changed but what Keystone writes when somebody logs in.
  returned: success
  type: dict
  sample: {revocation event: {added: 12, changed: 0, removed: 0}}
tables:
  description: Rows that differ, per table, all of them.
  returned: success
  type: dict
  sample: {local_user: {added: 1, changed: 1, removed: 0}}
obstacles:
  description: What stands in the way of Keystones that would use O(sources) again, one line each.
  returned: success
  type: list
  elements: str
  sample: []
schemas:
  description:
    - Those of O(sources) whose schema has another version than the merged database's, one line each. A Keystone that
      has run on the merged database cannot use such a one before C(keystone-manage db_sync).
  returned: success
  type: list
  elements: str
  sample: []
lines:
  description: RV(writes) as lines for people.
  returned: success
  type: list
  elements: str
  sample: ["user added: carol", "password changed: user bob"]
summary:
  description: One line for people.
  returned: success
  type: str
  sample: "Written to the merged database since the merge: password: 1 changed; user: 1 added"
seconds:
  description: What it took.
  returned: success
  type: float
  sample: 2.4
"""

import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import writes
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
            "merged_as": {"type": "str"},
            "sources": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, "region": {"type": "str"}, **login_spec()},
            },
        },
        supports_check_mode=True,
    )
    if not HAS_PYMYSQL:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_IMPORT_ERROR)
    started = time.monotonic()
    params = module.params
    request = writes.Request(
        to_login(TARGET, params["target"]),
        params["state_database"],
        tuple(to_login(source["name"], source) for source in params["sources"]),
        params["merged_as"],
    )
    try:
        found = writes.look(request)
    except MergeError as error:
        module.fail_json(msg=str(error))
    for warning in found.warnings:
        module.warn(warning)
    module.exit_json(**writes.result(found), seconds=round(time.monotonic() - started, 3))


if __name__ == "__main__":
    main()
