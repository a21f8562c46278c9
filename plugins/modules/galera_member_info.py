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
  - Tells whether the member runs and belongs to a Primary component, and its position (UUID and seqno); for one that
    does not run, the position is read from its disk, and recovered where the member did not stop cleanly.
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
  config_file:
    description: Path of the configuration file with C(wsrep_cluster_address), to tell which members it was made for.
    type: path
    required: true
  recover_command:
    description:
      - Command that runs C(mariadbd --wsrep-recover) on the data directory and prints its log. Only run when the
        member does not run, has data and did not stop cleanly.
    type: list
    elements: str
    required: true
  wait_for_size:
    description: Wait until the member is Synced and its component is Primary and has this many members.
    type: int
    default: 0
  timeout:
    description: How many seconds to wait for O(wait_for_size).
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
    config_file: /var/lib/config-data/puppet-generated/stretch_galera/etc/my.cnf.d/cluster.cnf
    recover_command:
      [podman, run, --rm, -v, "/var/lib/stretch-galera:/var/lib/mysql", service, mariadbd, --wsrep-recover]
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
  description: Addresses in the member's present C(wsrep_cluster_address), empty when it was never configured.
  type: list
  elements: str
  returned: always
"""

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
    if not grastate:
        return state.stopped_report(state.Position(state.NULL_UUID, -1))
    position = state.parse_grastate(grastate)
    if position.seqno < 0 and position.uuid != state.NULL_UUID:
        _rc, out, err = module.run_command(module.params["recover_command"])
        position = state.parse_recovered(out + err)
    return state.stopped_report(position)


def settled(report: dict[str, Any], size: int) -> bool:
    return bool(report["primary"] and report["synced"] and report["size"] >= size)


def load(module: AnsibleModule) -> dict[str, Any]:
    socket, size = module.params["socket"], module.params["wait_for_size"]
    deadline = time.monotonic() + module.params["timeout"]
    report = running_report(socket)
    while size and not (report and settled(report, size)):
        if time.monotonic() > deadline:
            seen = f"it reports {report}" if report else f"nothing answers on {socket}"
            raise state.MemberStateError(
                f"the member did not become Synced in a Primary component of {size} "
                f"within {module.params['timeout']} s: {seen}. "
                "Look at its log and at whether the members reach each other."
            )
        time.sleep(1)
        report = running_report(socket)
    return report or stopped_report(module)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "datadir": {"type": "path", "required": True},
            "config_file": {"type": "path", "required": True},
            "recover_command": {"type": "list", "elements": "str", "required": True},
            "wait_for_size": {"type": "int", "default": 0},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if PYMYSQL_ERROR:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_ERROR)
    try:
        configured = state.parse_cluster_address(read(module.params["config_file"]))
        module.exit_json(changed=False, member=load(module), configured=list(configured))
    except (state.MemberStateError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
