# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stretch_status_info
short_description: What one node knows of the stretched Galera
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Asks several sources at once, as the node sees them; the reports of all members, the node's Pacemaker, its HAProxy,
    the kernel's connections, a systemd unit.
  - A source that fails or hangs costs nothing but its own answer, so the module succeeds on a node of which half is
    broken. M(stretch.cluster.stretch_status) makes one picture of what all nodes answered.
options:
  timeout:
    description: Seconds that the sources have. All are asked at the same time.
    type: float
    default: 4.0
  members_file:
    description: C(members.json) of the member on this node. Without it no reports are asked for.
    type: path
  key_file:
    description: File with the key that the reports are signed with; needed with O(members_file).
    type: path
  bundle:
    description: Name of the members' bundle in Pacemaker. Without it Pacemaker is not asked.
    type: str
  primitive:
    description: Name of the resource in the bundle.
    type: str
    default: stretch-galera
  haproxy_command:
    description:
      - Command that hands its standard input to HAProxy's stats socket and prints the answer. Without it HAProxy is not
        asked.
    type: list
    elements: str
  haproxy_proxy:
    description: Name of the proxy in HAProxy.
    type: str
    default: stretch_galera
  ports:
    description: Ports, on either end, of the connections to look for. Without them there is no look.
    type: list
    elements: int
  unit:
    description: A systemd unit to ask for. Without it none is.
    type: str
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: What this controller knows
  stretch.cluster.stretch_status_info:
    members_file: /etc/stretch-galera/members.json
    key_file: /etc/stretch-galera/report.key
    bundle: stretch-galera-bundle
    haproxy_command: [socat, "-", /var/lib/haproxy/stats]
    ports: [4577, 9201]
  register: status

- name: What an arbiter knows
  stretch.cluster.stretch_status_info:
    unit: stretch_arbiter.service
    ports: [4577]
"""

RETURN = r"""
sources:
  description:
    - What each source that was asked answered; C(reports), C(members), C(pacemaker), C(haproxy), C(connections) and
      C(unit).
    - One that did not answer is a dictionary with C(error) alone, a line that says why.
  type: dict
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import galera_report
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status import gather, sources

UNIT_PROPERTIES = "LoadState,ActiveState,SubState,Result"
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def members(path: str) -> dict[str, Any]:
    return galera_report.parse_members(read(path))


def reports(members_file: str, key_file: str, limit: float) -> dict[str, Any]:
    known = members(members_file)
    key = galera_report.parse_key(read(key_file))
    return galera_report.fetch(known["members"], key, limit, known["check_port"])


def wanted(params: dict[str, Any]) -> dict[str, gather.Source]:
    """The sources that are asked for. Each has a little less time than all together, to say itself that it had none."""
    limit = params["timeout"] * 0.8
    found: dict[str, gather.Source] = {}
    if params["members_file"]:
        found["members"] = lambda: members(params["members_file"])
        found["reports"] = lambda: reports(params["members_file"], params["key_file"], limit)
    if params["bundle"]:
        found["pacemaker"] = lambda: sources.pacemaker(
            gather.run(["crm_mon", "--as-xml"], limit), params["bundle"], params["primitive"]
        )
    if params["haproxy_command"]:
        proxy = params["haproxy_proxy"]
        found["haproxy"] = lambda: sources.haproxy(
            gather.run(params["haproxy_command"], limit, f"show stat;show table {proxy}\n"), proxy
        )
    if params["ports"]:
        found["connections"] = lambda: sources.connections("".join(map(read, TABLES)), params["ports"])
    if params["unit"]:
        found["unit"] = lambda: sources.unit(
            gather.run(["systemctl", "show", f"--property={UNIT_PROPERTIES}", params["unit"]], limit)
        )
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "timeout": {"type": "float", "default": 4.0},
            "members_file": {"type": "path"},
            "key_file": {"type": "path", "no_log": False},
            "bundle": {"type": "str"},
            "primitive": {"type": "str", "default": "stretch-galera"},
            "haproxy_command": {"type": "list", "elements": "str"},
            "haproxy_proxy": {"type": "str", "default": "stretch_galera"},
            "ports": {"type": "list", "elements": "int"},
            "unit": {"type": "str"},
        },
        required_by={"members_file": ["key_file"]},
        supports_check_mode=True,
    )
    if module.params["timeout"] <= 0:
        module.fail_json(msg=f"timeout is {module.params['timeout']:g}; give seconds, more than 0")
    module.exit_json(changed=False, sources=gather.gather(wanted(module.params), module.params["timeout"]))


if __name__ == "__main__":
    main()
