# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Merge Keystone databases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_merge
short_description: Merge several Keystone databases into one
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Brings users with their passwords, projects, roles, assignments, groups, domains, the catalog and all else that the
    databases of several Keystones hold into one database.
  - Everything is planned and checked before anything is written, and all that stands in the way is told at once. Each
    source is read in one consistent snapshot, may be serving meanwhile, and is never changed.
  - Rows are written range by range, in transactions of limited size. With each goes a note, in the database that keeps
    the state, of what it brought. So a run that was interrupted (killed, cut off, out of disk space) goes on from there
    when it is run again.
  - It says that it is done only after it has compared what the merged database holds with what the sources brought, row
    by row, and has seen that every reference leads somewhere.
  - A later run with the same sources carries over what was added, changed and deleted in them since, and nothing else;
    without any of that it changes nothing. Once a source is marked as cut over, by
    M(stretch.cluster.keystone_merge_cutover), it is not read again, because the merged database is the truth from then
    on.
  - The target's schema must be there, made by C(keystone-manage db_sync). The target must hold nothing else, or what
    was merged before. A further source can be merged into it at any time. What a target in use holds comes before that
    source.
extends_documentation_fragment:
  - stretch.cluster.keystone_merge
  - stretch.cluster.keystone_merge.sources
  - stretch.cluster.keystone_merge.target
options:
  target:
    required: true
  id_map:
    description:
      - Path on the host of the JSON file that is to hold all ids that changed, for the owners of resources in other
        databases. Its list C(changed) has C(kind), C(stack), C(old) and C(new) of each.
    type: path
attributes:
  check_mode:
    support: full
    description: Plans, and fails where the merge would. A target that is not there yet is taken for an empty one.
  diff_mode:
    support: full
    description:
      - Shows kinds and names, at most 100 names of a kind; never a row, a secret or a password hash.
      - In a later run, what changed since the one before.
seealso:
  - module: stretch.cluster.keystone_merge_info
  - module: stretch.cluster.keystone_merge_cutover
"""

EXAMPLES = r"""
- name: Merge two Keystones
  stretch.cluster.keystone_merge:
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
    target:
      login_host: 10.0.20.6
      login_user: keystone
      login_password: "{{ stretch_keystone_password }}"

- name: The same where both have users of one name, and one of them is the same person
  stretch.cluster.keystone_merge:
    sources: "{{ keystones }}"
    target: "{{ stretch_keystone }}"
    on_conflict:
      user: rename
    rename_format: "{name}.{stack}"
    overrides:
      - kind: user
        domain: Default
        name: operator
        stack: stack2
        action: merge
      - kind: project
        name: demo
        stack: stack2
        action: rename
        new_name: demo-two
    id_map: /var/lib/stretch/merge-id-map.json
    report: /var/lib/stretch/merge-report.html

- name: Leave out what refers to users and projects that are no longer there
  stretch.cluster.keystone_merge:
    sources: "{{ keystones }}"
    target: "{{ stretch_keystone }}"
    dangling: drop
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
id_map:
  description: Path of the map of ids.
  returned: when O(id_map) is given and the merge did not fail
  type: str
  sample: /var/lib/stretch/merge-id-map.json
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
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import outcome
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    HAS_PYMYSQL,
    PYMYSQL_IMPORT_ERROR,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.files import write_id_map, write_report
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.options import argument_spec, to_request
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import telling
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge


def run(module: AnsibleModule, merge: Merge, started: float) -> dict[str, Any]:
    """Merge, and write the files that were asked for. An error of the merge is in ``msg``."""
    failed: dict[str, Any] = {}
    # Told before it is done: what is removed has no name afterwards.
    diff = outcome.diff(merge) if module._diff else None  # noqa: SLF001 - it has no public name
    try:
        merge.apply()
    except MergeError as error:
        failed = {"failed": True, "msg": str(error)}
    result = {**outcome.result(merge), **failed}
    result["changed"] = result["changed"] and not failed
    if diff is not None:
        result["diff"] = diff
    if not module.check_mode:
        if not failed:
            result["changed"] |= write_id_map(module.params, module.atomic_move, merge, result)
        write_report(module.params, module.atomic_move, merge, result, time.monotonic() - started)
    result["seconds"] = round(time.monotonic() - started, 3)
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(target_required=True), supports_check_mode=True)
    if not HAS_PYMYSQL:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_IMPORT_ERROR)
    started = time.monotonic()
    try:
        with telling(module.params["progress_file"], module.warn) as progress, Merge(
            to_request(module.params), read_only=module.check_mode, progress=progress
        ) as merge:
            result = run(module, merge, started)
            for warning in merge.warnings:
                module.warn(warning)
    except (MergeError, OSError) as error:
        module.fail_json(msg=str(error))
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
