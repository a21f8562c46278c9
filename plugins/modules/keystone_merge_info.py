# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Plan a merge of Keystone databases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_merge_info
short_description: Plan the merge of several Keystone databases into one
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Reads the databases of several Keystones, each in one consistent snapshot, and tells what a merge of them would do.
  - It changes nothing. The target may be left out, be empty, or not be there yet.
  - Conflicts and problems do not make it fail. They are returned.
extends_documentation_fragment:
  - stretch.cluster.keystone_merge
  - stretch.cluster.keystone_merge.sources
  - stretch.cluster.keystone_merge.target
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: It never changes anything.
seealso:
  - module: stretch.cluster.keystone_merge
"""

EXAMPLES = r"""
- name: See whether two Keystones can become one
  stretch.cluster.keystone_merge_info:
    sources:
      - name: stack1
        region: region_stack1
        login_host: 10.0.20.5
        login_user: keystone
        login_password: "{{ stack1_keystone_password }}"
      - name: stack2
        region: region_stack2
        login_host: 10.1.20.5
        login_user: keystone
        login_password: "{{ stack2_keystone_password }}"
  register: plan

- name: Stop where one name means different things, and say what would settle it
  ansible.builtin.assert:
    that: plan.conflicts == []
    fail_msg: "{{ plan.conflicts | map(attribute='settle') | join('\n') }}"
"""

RETURN = r"""
target_state:
  description:
    - What the target is.
    - V(empty) has its schema and nothing is merged yet; V(merged) holds what was merged before; V(absent) has no schema
      yet; V(unreadable) cannot be reached or refuses the login, so that the plan is that for an empty target; and
      V(not given) says that the option O(target) was left out.
  returned: always
  type: str
  sample: empty
merged:
  description: The sources whose merge was complete before this run, and when it was (UTC).
  returned: always
  type: dict
  sample: {stack1: "2026-11-22 16:00:00"}
cut_over:
  description: The sources that were cut over, which are not read again, and when they were (UTC).
  returned: always
  type: dict
  sample: {stack1: "2026-11-24 11:40:00"}
plan:
  description:
    - What becomes of domains, projects, users, groups, roles, services and regions, and of all else of which something
      became one or was renamed, by kind.
    - At most 100 names of a kind are listed; the numbers are those of all.
  returned: always
  type: dict
  sample:
    role:
      created: 3
      became_one: 3
      renamed: 0
      names:
        created: [admin (stack1), member (stack1), reader (stack1)]
        became_one: [admin (stack2), member (stack2), reader (stack2)]
        renamed: []
conflicts:
  description: Every name that several stacks use for different things.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: What it is.
      type: str
      sample: user
    domain:
      description: Name of the domain it is in, or null for what belongs to none.
      type: str
      sample: Default
    name:
      description: Its name.
      type: str
      sample: alice
    stacks:
      description: The stacks that use it; C(target) is what the merged database holds already.
      type: list
      elements: str
      sample: [stack1, stack2]
    ids:
      description: Its ids there, in the same order.
      type: list
      elements: str
      sample: [0a95f09d2a0d4c7eb8f2e8b1f1c84a36, 5ad1a0a1c1df4aaeae2f1ab2b7dc8a14]
    settle:
      description: The lines of O(overrides) that would settle it, in YAML, one for each stack but the first.
      type: str
      sample: "- {kind: \"user\", domain: \"Default\", name: \"alice\", stack: \"stack2\", action: rename}"
problems:
  description: What else stops the merge, one line each.
  returned: always
  type: list
  elements: str
  sample: []
obstacles:
  description: Conflicts and problems together, one line each. Empty where the merge can be done.
  returned: always
  type: list
  elements: str
  sample: []
summary:
  description: One line for people.
  returned: always
  type: str
  sample: "66 rows of stack1 and stack2. role: 3 new, 3 became one"
counts:
  description:
    - Rows per table and stack that the sources hold, and what becomes of them. Tables without rows are left out.
    - C(dropped) are those that are left out because they refer to what is no longer there, see O(dangling).
  returned: always
  type: dict
  sample:
    role:
      stack1: {rows: 3, carried: 3, became_one: 0, dropped: 0}
      stack2: {rows: 3, carried: 0, became_one: 3, dropped: 0}
changes:
  description:
    - Rows per table and stack that changed in the sources since the last run, and were carried over. Tables in which
      nothing changed are left out. Empty in the first run.
  returned: always
  type: dict
  sample:
    local_user:
      stack2: {added: 1, changed: 2, removed: 0}
compared:
  description:
    - How it was found what changed in each source that was merged before, V(log) or V(rows), and why not by its log.
    - See O(compare_by).
  returned: always
  type: dict
  sample: {stack1: log, stack2: "rows: the server keeps none (log_bin)"}
report:
  description: Path of the page about the merge.
  returned: when O(report) is given
  type: str
  sample: /var/lib/stretch/merge-report.html
seconds:
  description: What the run took.
  returned: always
  type: float
  sample: 12.345
character_set:
  description:
    - Character set that the target has to have to hold what the sources hold. V(utf8) as Keystone makes its tables, or
      V(utf8mb4) where those of a source were converted.
  returned: always
  type: str
  sample: utf8
"""

import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import outcome
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    HAS_PYMYSQL,
    PYMYSQL_IMPORT_ERROR,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.files import write_report
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.options import argument_spec, to_request
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import telling
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(target_required=False), supports_check_mode=True)
    if not HAS_PYMYSQL:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_IMPORT_ERROR)
    started = time.monotonic()
    try:
        with telling(module.params["progress_file"], module.warn) as progress, Merge(
            to_request(module.params), read_only=True, progress=progress
        ) as merge:
            result = {**outcome.result(merge), "changed": False}
            for warning in merge.warnings:
                module.warn(warning)
            if not module.check_mode:
                write_report(module.params, module.atomic_move, merge, result, time.monotonic() - started)
            result["seconds"] = round(time.monotonic() - started, 3)
    except (MergeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
