# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: galera_reports_info
short_description: Reports of all members of the stretched Galera, as seen from one of them
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Asks the clustercheck of every member at once for its authenticated report. Whether MariaDB runs there does not
    matter. A member that gives none within the time is reported as unreachable, with the reason.
  - Run it on a controller that has the files of the role P(stretch.cluster.stretch_galera#role).
options:
  members_file:
    description: Path of C(members.json), which says who the members are and where clustercheck answers.
    type: path
    required: true
  key_file:
    description: Path of C(report.key), with which questions and answers are signed.
    type: path
    required: true
  timeout:
    description: Seconds within which a member has to answer.
    type: float
    default: 2.0
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: What the members say
  stretch.cluster.galera_reports_info:
    members_file: /var/lib/config-data/puppet-generated/stretch_galera/etc/stretch-galera/members.json
    key_file: /var/lib/config-data/puppet-generated/stretch_galera/etc/stretch-galera/report.key
  register: galera

- name: Who is not there
  ansible.builtin.debug:
    msg: "{{ galera.reports | dict2items | rejectattr('value.reachable') | map(attribute='key') }}"
"""

RETURN = r"""
reports:
  description:
    - By name of the member. C(reachable) says whether it gave its report; if not, C(error) says why. Otherwise
      C(round_trip), the seconds that a round trip to it takes, and the report itself.
  type: dict
  returned: success
  sample:
    s1controller-0: {reachable: true, round_trip: 0.0004, ok: true, reason: Synced, answers: true, primary: true}
    s2controller-0: {reachable: false, error: no answer within 2 s}
own_name:
  description: Name of the member that was asked from (C(self) in C(members.json)).
  type: str
  returned: success
cluster:
  description: Name of the cluster.
  type: str
  returned: success
members:
  description: The members, each with C(name), C(stack), C(address), C(segment) and C(weight).
  type: list
  elements: dict
  returned: success
arbiters:
  description: The arbiters, each with C(name), C(address) and C(weight).
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import galera_report


def read(path: str) -> str:
    """Return the text of a file.

    :raises galera_report.ReportError: if there is none.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise galera_report.ReportError(
            f"{path} cannot be read: {error}. The role stretch_galera writes it; run it on this host first."
        ) from error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "members_file": {"type": "path", "required": True},
            "key_file": {"type": "path", "required": True, "no_log": False},
            "timeout": {"type": "float", "default": 2.0},
        },
        supports_check_mode=True,
    )
    if module.params["timeout"] <= 0:
        module.fail_json(msg="timeout has to be above 0 seconds")
    try:
        known = galera_report.parse_members(read(module.params["members_file"]))
        key = galera_report.parse_key(read(module.params["key_file"]))
        reports = galera_report.fetch(known["members"], key, module.params["timeout"], known["check_port"])
    except galera_report.ReportError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        reports=reports,
        cluster=known["cluster"],
        members=known["members"],
        arbiters=known["arbiters"],
        own_name=known["self"],
    )


if __name__ == "__main__":
    main()
