# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_preflight
short_description: Whether this host can carry the lab
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Compares what the lab of a topology needs with what this host has (memory, disk, free networks, the kernel's
    packet delay), and fails with everything that is missing in one message.
options:
  topology:
    description: Value of C(stretch_topology).
    type: dict
    required: true
  podman:
    description: Path of the lab's podman; it need not exist yet.
    type: path
    required: true
  services:
    description: OpenStack services beside Keystone, as the filter P(stretch.cluster.lab_services#filter) takes them.
    type: raw
    required: true
  wan_delay:
    description: Delay in milliseconds that the lab will set between the sites; 0 for none.
    type: int
    default: 0
requirements:
  - netaddr
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: This host can carry the lab
  stretch.cluster.lab_preflight:
    topology: "{{ stretch_topology }}"
    podman: "{{ stretch_state_dir }}/lab/podman"
    services: [glance]
"""

RETURN = r"""
memory_needed:
  description: Memory that the lab and the host need, MiB.
  type: int
  returned: success
nodes:
  description: Names of the lab's nodes that exist.
  type: list
  elements: str
  returned: success
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import lab_preflight as preflight
from ansible_collections.stretch.cluster.plugins.module_utils import lab_services
from ansible_collections.stretch.cluster.plugins.module_utils.topology import TopologyError

_TRY_NETEM = "ip link add p0 type veth peer name p1 && tc qdisc add dev p0 root netem delay 1ms"


def memory() -> int:
    with open("/proc/meminfo", encoding="ascii") as stream:
        total = next(line for line in stream if line.startswith("MemTotal:"))
    return int(total.split()[1]) // 1024


def free_disk(directory: str) -> int:
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize // 2**20


def networks(module: AnsibleModule) -> dict[str, tuple[str, ...]]:
    _rc, out, _err = module.run_command(["ip", "-json", "-4", "address", "show"], check_rc=True)
    return {
        link["ifname"]: tuple(f"{address['local']}/{address['prefixlen']}" for address in link["addr_info"])
        for link in json.loads(out)
        if link.get("addr_info")
    }


def from_podman(module: AnsibleModule, argv: list[str]) -> Any:
    """What podman answers, as parsed JSON; an empty list as long as there is no engine."""
    if not os.path.exists(module.params["podman"]):
        return []
    rc, out, _err = module.run_command([module.params["podman"], *argv])
    return json.loads(out or "[]") if rc == 0 else []


def load(module: AnsibleModule, directory: str) -> preflight.Host:
    topology = module.params["topology"]
    wanted = {node["name"] for node in topology["nodes"]}
    names = {interface["network"] for node in topology["nodes"] for interface in node["interfaces"]}
    containers = from_podman(module, ["ps", "--all", "--format", "json"])
    bridges = from_podman(module, ["network", "ls", "--format", "json"])
    netem = None
    if module.params["wan_delay"]:
        netem = module.run_command(["unshare", "--net", "sh", "-c", _TRY_NETEM])[0] == 0
    return preflight.Host(
        memory=memory(),
        disk=free_disk(directory),
        networks=networks(module),
        nodes={name for container in containers for name in container["Names"]} & wanted,
        own_interfaces={bridge["network_interface"] for bridge in bridges if bridge["name"] in names},
        netem=netem,
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "topology": {"type": "dict", "required": True},
            "podman": {"type": "path", "required": True},
            "services": {"type": "raw", "required": True},
            "wan_delay": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    directory = "/var/lib/containers"
    try:
        services = lab_services.services(module.params["services"])
        host = load(module, directory)
        found = preflight.problems(host, module.params["topology"], services, directory)
    except lab_services.LabServicesError as error:
        module.fail_json(msg=f"{error} Nothing has been changed.")
    except (TopologyError, OSError) as error:
        module.fail_json(msg=str(error))
    if found:
        module.fail_json(msg="This host cannot carry the lab; nothing has been changed.\n" + "\n".join(found))
    module.exit_json(
        changed=False,
        memory_needed=preflight.memory_needed(module.params["topology"]["nodes"], services),
        nodes=sorted(host.nodes),
    )


if __name__ == "__main__":
    main()
