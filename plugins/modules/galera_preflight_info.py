# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: galera_preflight_info
short_description: What a host holds and reaches before it becomes a member of a Galera cluster
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Reads in one call what P(stretch.cluster.galera_problems#filter) compares over all hosts. The links to the peers as
    M(stretch.cluster.galera_links_info) gives them, what is in the data directory, which cluster the host belongs to,
    its free space and its clock.
requirements:
  - PyMySQL
options:
  address:
    description: This member's own address.
    type: str
    required: true
  peers:
    description: The other members and the arbiters, as for M(stretch.cluster.galera_links_info).
    type: list
    elements: dict
    required: true
  port:
    description: TCP port for replication, the same on all members.
    type: int
    default: 4577
  datadir:
    description: Path of the data directory; it need not exist. The server's socket C(mysql.sock) is in it.
    type: path
    required: true
  state_dir:
    description: Path of the agent's directory; it need not exist.
    type: path
    required: true
  members_file:
    description: Path of the C(members.json) of a host that was deployed before; it need not exist.
    type: path
    required: true
  controller_time:
    description: The control node's time in seconds since the epoch, to compare this host's clock with.
    type: float
    required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: What this host holds and reaches
  stretch.cluster.galera_preflight_info:
    address: 10.0.20.11
    peers:
      - {name: s1controller-1, address: 10.0.20.12}
      - {name: s2controller-0, address: 10.1.20.11}
    datadir: /var/lib/stretch-galera
    state_dir: /var/lib/stretch-galera-state
    members_file: /var/lib/config-data/puppet-generated/stretch_galera/etc/stretch-galera/members.json
    controller_time: "{{ now().timestamp() }}"
"""

RETURN = r"""
facts:
  description: What was found.
  type: dict
  returned: success
  contains:
    links:
      description: As M(stretch.cluster.galera_links_info) returns them.
      type: list
      elements: dict
    address:
      description: The value of O(address).
      type: str
    address_is_local:
      description: Whether this host has the address.
      type: bool
    configured_cluster:
      description: Name of the cluster in O(members_file), empty if there is none.
      type: str
    running_cluster:
      description: The C(wsrep_cluster_name) of the running server, empty if none answers.
      type: str
    managed:
      description: Whether the collection has put a member here before.
      type: bool
    uuid:
      description: History of the data, from the running server or from C(grastate.dat); the null UUID without data.
      type: str
    grastate:
      description: Whether there is a C(grastate.dat).
      type: bool
    entries:
      description: The first few names in the data directory that this collection did not put there.
      type: list
      elements: str
    data_bytes:
      description: Size of the data directory.
      type: int
    free_bytes:
      description: Free space of its file system.
      type: int
    clock_offset:
      description: This host's time less O(controller_time), in seconds; the time that the call took included.
      type: float
"""

import contextlib
import errno
import json
import os
import socket
import time
import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import pymysql

    PYMYSQL_ERROR = None
except ImportError:
    PYMYSQL_ERROR = traceback.format_exc()

from ansible_collections.stretch.cluster.plugins.module_utils import galera_links
from ansible_collections.stretch.cluster.plugins.module_utils import galera_state as state

OWN = frozenset({"lost+found", ".stretch-bootstrap"})
SHOWN_ENTRIES = 5
LINK_TRIES = 5
LINK_SECONDS = 3.0
SQL_SECONDS = 2


def read(path: str) -> str:
    """The text of a file, empty if there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def is_local(address: str) -> bool:
    """Whether a program on this host could listen on the address."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return False
            raise
    return True


def running(path: str) -> dict[str, str]:
    """The ``wsrep_cluster_name`` and the ``wsrep_local_state_uuid`` of the server; empty when none answers."""
    try:
        connection = pymysql.connect(
            unix_socket=path, user="root", connect_timeout=SQL_SECONDS, read_timeout=SQL_SECONDS
        )
    except pymysql.err.OperationalError:
        return {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep_local_state_uuid'")
            rows = list(cursor.fetchall())
            cursor.execute("SHOW GLOBAL VARIABLES LIKE 'wsrep_cluster_name'")
            rows += cursor.fetchall()
            return {str(name).lower(): str(value) for name, value in rows}
    except pymysql.err.OperationalError:
        return {}
    finally:
        connection.close()


def size(directory: str) -> int:
    """Bytes that the files of a directory take. A file that goes meanwhile takes none."""
    total = 0
    for where, _directories, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(where, name)).st_blocks * 512
    return total


def free(directory: str) -> int:
    """Bytes that a directory could still hold; it need not exist."""
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def configured_cluster(path: str) -> str:
    """The cluster that a ``members.json`` names, empty without one."""
    text = read(path)
    if not text:
        return ""
    try:
        return str(json.loads(text)["cluster"])
    except (ValueError, KeyError, TypeError):
        raise state.MemberStateError(f"{path} is damaged: it names no cluster. Restore it, or remove it.") from None


def load(params: dict[str, Any], offset: float) -> dict[str, Any]:
    """Look at this host."""
    datadir = params["datadir"]
    peers = galera_links.peers(params["peers"], params["port"])
    links = galera_links.measure(peers, galera_links.resolve, galera_links.connect, LINK_TRIES, LINK_SECONDS)
    server = running(os.path.join(datadir, "mysql.sock"))
    grastate = read(os.path.join(datadir, "grastate.dat"))
    names = sorted(os.listdir(datadir)) if os.path.isdir(datadir) else []
    configured = configured_cluster(params["members_file"])
    return {
        "links": [vars(link) for link in links],
        "address": params["address"],
        "address_is_local": is_local(params["address"]),
        "configured_cluster": configured,
        "running_cluster": server.get("wsrep_cluster_name", ""),
        "managed": bool(configured)
        or os.path.exists(os.path.join(params["state_dir"], "state.json"))
        or ".stretch-bootstrap" in names,
        "uuid": server.get("wsrep_local_state_uuid")
        or (state.parse_grastate(grastate).uuid if grastate else state.NULL_UUID),
        "grastate": bool(grastate),
        "entries": [name for name in names if name not in OWN][:SHOWN_ENTRIES],
        "data_bytes": size(datadir),
        "free_bytes": free(datadir),
        "clock_offset": round(offset, 1),
    }


def main() -> None:
    """Run the module."""
    began = time.time()
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "peers": {"type": "list", "elements": "dict", "required": True},
            "port": {"type": "int", "default": 4577},
            "datadir": {"type": "path", "required": True},
            "state_dir": {"type": "path", "required": True},
            "members_file": {"type": "path", "required": True},
            "controller_time": {"type": "float", "required": True},
        },
        supports_check_mode=True,
    )
    if PYMYSQL_ERROR:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_ERROR)
    try:
        facts = load(module.params, began - module.params["controller_time"])
    except (galera_links.LinksError, state.MemberStateError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, facts=facts)


if __name__ == "__main__":
    main()
