# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: galera_member_info
short_description: State and position of one Galera member
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Tells whether the member runs and belongs to a Primary component, and its position (UUID and seqno). For one that
    does not run it is what C(grastate.dat) says, which is a seqno of -1 after a crash.
  - Can wait until the member is Synced in a Primary component of a given size.
requirements:
  - PyMySQL
options:
  socket:
    description: Path of the member's UNIX socket.
    type: path
    required: true
  datadir:
    description: Path of the member's data directory on this host.
    type: path
    required: true
  members_file:
    description: Path of the list of the members, C(members.json), to tell which members this one was made for.
    type: path
    required: true
  state_file:
    description: Path of the file in which the resource agent notes its state.
    type: path
    required: true
  wait_for_size:
    description: Wait until the member is Synced and its component is Primary and has this many members.
    type: int
    default: 0
  wait_for_agent:
    description: Wait until the resource agent runs the member, too.
    type: bool
    default: false
  wait_for_config:
    description: Wait until the member runs with the configuration of this SHA-256, too.
    type: str
    default: ''
  timeout:
    description: How many seconds to wait.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: The member of this node
  stretch.cluster.galera_member_info:
    socket: /var/lib/stretch-galera/mysql.sock
    datadir: /var/lib/stretch-galera
    members_file: /var/lib/config-data/puppet-generated/stretch_galera/etc/stretch-galera/members.json
    state_file: /var/lib/stretch-galera-state/state.json
  register: member
"""

RETURN = r"""
member:
  description:
    - What the member reports; C(reachable), C(running), C(primary), C(synced), C(uuid), C(seqno) and C(size) of
      its component. The null UUID says that there are no data.
  type: dict
  returned: always
configured:
  description: Addresses of the members that this one knows of, empty when it was never configured.
  type: list
  elements: str
  returned: always
round_trip:
  description: Round trip in milliseconds that the member's time limits were made for, or none.
  type: float
  returned: always
"""

import json
import os
import time
import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import pymysql

    PYMYSQL_ERROR = None
except ImportError:
    PYMYSQL_ERROR = traceback.format_exc()

from ansible_collections.stretch.cluster.plugins.module_utils import galera_state as state


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def running_report(socket: str) -> dict[str, Any] | None:
    """The report of a running member; None when nothing answers on its socket."""
    try:
        connection = pymysql.connect(unix_socket=socket, user="root", connect_timeout=5, read_timeout=5)
    except pymysql.err.OperationalError:
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep%'")
            return state.report({str(name).lower(): str(value) for name, value in cursor.fetchall()})
    except pymysql.err.OperationalError:
        return None
    finally:
        connection.close()


def stopped_report(module: AnsibleModule) -> dict[str, Any]:
    grastate = read(os.path.join(module.params["datadir"], "grastate.dat"))
    return state.stopped_report(state.parse_grastate(grastate) if grastate else state.Position(state.NULL_UUID, -1))


def agent_state(path: str) -> dict[str, Any]:
    try:
        found = json.loads(read(path) or "{}")
    except ValueError as error:
        raise state.MemberStateError(f"{path} is damaged: {error}") from error
    return found if isinstance(found, dict) else {}


def settled(report: dict[str, Any], agent: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return bool(
        report["primary"]
        and report["synced"]
        and report["size"] >= wanted["wait_for_size"]
        and (not wanted["wait_for_agent"] or agent.get("phase") == "member")
        and (not wanted["wait_for_config"] or agent.get("config") == wanted["wait_for_config"])
    )


def complaint(wanted: dict[str, Any], report: dict[str, Any] | None, agent: dict[str, Any]) -> str:
    seen = f"it reports {report}" if report else f"nothing answers on {wanted['socket']}"
    said = agent.get("told") or agent.get("last_error") or f"its phase is {agent.get('phase') or 'unknown'}"
    return (
        f"the member did not become Synced in a Primary component of {wanted['wait_for_size']} within "
        f"{wanted['timeout']} s: {seen}. What its resource agent says: {said}. Look at its log and at whether the "
        "members reach each other."
    )


def load(wanted: dict[str, Any], module: AnsibleModule) -> dict[str, Any]:
    deadline = time.monotonic() + wanted["timeout"]
    while True:
        report, agent = running_report(wanted["socket"]), agent_state(wanted["state_file"])
        if not wanted["wait_for_size"] or (report and settled(report, agent, wanted)):
            return report or stopped_report(module)
        if time.monotonic() > deadline:
            raise state.MemberStateError(complaint(wanted, report, agent))
        time.sleep(1)


def configured(path: str) -> tuple[list[str], float | None]:
    text = read(path)
    return state.parse_members(text) if text else ([], None)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "datadir": {"type": "path", "required": True},
            "members_file": {"type": "path", "required": True},
            "state_file": {"type": "path", "required": True},
            "wait_for_size": {"type": "int", "default": 0},
            "wait_for_agent": {"type": "bool", "default": False},
            "wait_for_config": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if PYMYSQL_ERROR:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_ERROR)
    try:
        known, trip = configured(module.params["members_file"])
        member = load(module.params, module)
        module.exit_json(changed=False, member=member, configured=known, round_trip=trip)
    except (state.MemberStateError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
