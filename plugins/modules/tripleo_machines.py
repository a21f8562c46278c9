# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tripleo_machines
short_description: The machines of the stacks on a hypervisor, made by Infrared
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Has C(infrared virsh) make the networks and machines that are missing, stack by stack. A stack that a run left half
    made is made anew; a whole one is left alone.
  - What it made it remembers by name and UUID in O(state_dir), and removes nothing else. A VM or network of the same
    name that it did not make is an error.
attributes:
  check_mode:
    support: full
    description: Says what it would make or remove.
  diff_mode:
    support: full
    description: Shows the names of machines and networks.
extends_documentation_fragment: [stretch.cluster.tripleo]
options:
  image:
    description: URL of the cloud image for machines that get a system; needed for V(present).
    type: str
  own:
    description:
      - Whether Infrared makes the machines. Otherwise V(checked) looks at the memory alone, and O(state=present) only
        remembers how the machines are reached at the addresses that are reserved for them.
    type: bool
    default: true
  image_user:
    description: Whom the image lets in, where O(own) is false.
    type: str
    default: cloud-user
  state:
    description:
      - V(checked) finds what stands in the way, memory that is missing among it, and changes nothing.
      - V(absent) removes the machines of the topology, and its networks with the last of them.
    type: str
    choices: [checked, present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Machines
  stretch.cluster.tripleo_machines:
    checkout: /srv/infrared
    topology: "{{ stretch_topology }}"
    hypervisor: {address: 127.0.0.2, key: /home/me/.ssh/id_rsa}
    image: https://mirror.example/centos.qcow2
    state_dir: "{{ stretch_state_dir }}/tripleo"
"""

RETURN = r"""
machines:
  description: Names of the machines that were made or removed.
  type: list
  elements: str
  returned: success
hosts:
  description: How the machines with a system are reached, variables of Ansible by name.
  type: dict
  returned: success
"""

import dataclasses
import json
import os
from typing import Any, Dict, List, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import infrared, running, steps, topology_files
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.arguments import COMMON, settings
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.steps import Libvirt, Record

TAG = "rebuild_vms"


class Deployment:
    """What is there, and the record of what this deployment made of it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        params: Dict[str, Any] = module.params
        self.checkout: str = params["checkout"]
        self.uri: str = params["hypervisor"]["uri"]
        self.settings = settings(params["hypervisor"], image=params["image"] or "")
        self.share = topology_files.hypervisor(params["topology"], params["external_network"])
        self.state_dir: str = params["state_dir"]
        self.path = f"{self.state_dir}/machines.json"
        self.log = f"{self.state_dir}/virsh.log"
        self.environment = infrared.environment(self.checkout, os.environ)
        text = None
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as stream:
                text = stream.read()
        self.record = steps.read_record(text, self.path)
        self.have = self.look()

    def look(self) -> Libvirt:
        """Ask libvirt."""
        machines = [machine.name for machine in self.share.machines]
        networks = [network.name for network in self.share.networks]
        return steps.load_libvirt(running.ask, self.uri, machines, networks)

    def remember(self, record: Record) -> None:
        """Write the record."""
        self.record = record
        os.makedirs(self.state_dir, mode=0o700, exist_ok=True)
        text = json.dumps(dataclasses.asdict(record), indent=2, sort_keys=True) + "\n"
        write_file(self.path, text.encode("utf-8"), self.module.atomic_move, 0o600)

    def run(self, commands: Sequence[Sequence[str]]) -> None:
        """Run commands of virsh and of Infrared."""
        running.carry_out(commands, self.log, TAG, self.environment, self.checkout)


def check(deployment: Deployment, own: bool) -> None:
    """Find what stands in the way."""
    problems = steps.foreign(deployment.have, deployment.record) if own else []
    memory = steps.memory_problem(running.ask, deployment.uri, deployment.share, deployment.have)
    if memory:
        problems.append(memory)
    if problems:
        raise TripleoError(problems)


def make(deployment: Deployment, check_mode: bool) -> List[str]:
    """Make what is missing; returns the names of the machines that were."""
    share, have, record = deployment.share, deployment.have, deployment.record
    todo = steps.plan_machines(share, have, record)
    wanted = steps.part(share, todo.stacks)
    names = [machine.name for machine in wanted.machines]
    missing = [network.name for network in share.networks if network.name not in have.networks]
    if check_mode or not (names or missing):
        return [*missing, *names]
    # Before anything is made, so that what an interrupted run leaves is known to be ours.
    domains = {**record.domains, **dict.fromkeys(names)}
    deployment.remember(Record(domains, {**record.networks, **dict.fromkeys(missing)}, record.hosts))
    deployment.run(steps.remove_domains(deployment.uri, todo.remove, have.running))
    if todo.networks:
        deployment.run([infrared.networks_argv(deployment.checkout, share, deployment.settings)])
    if names:
        deployment.run([infrared.machines_argv(deployment.checkout, wanted, deployment.settings)])
    found = deployment.look()
    lost = sorted(set(names) - set(found.domains))
    if lost:
        raise TripleoError([f"Infrared ended well and did not make {', '.join(lost)}; see {deployment.log}."])
    with open(f"{deployment.checkout}/.workspaces/{infrared.WORKSPACE}/hosts-prov", encoding="utf-8") as stream:
        hosts = infrared.hosts(stream.read())
    known = {name: hosts[name] for name in (*infrared.KNOWN, *names) if name in hosts}
    deployment.remember(
        Record(
            {**domains, **{name: found.domains[name] for name in names}},
            {**record.networks, **{name: found.networks.get(name) for name in missing}},
            {**record.hosts, **known},
        )
    )
    return [*missing, *names]


def learn(deployment: Deployment, user: str, check_mode: bool) -> List[str]:
    """Remember the machines that another backend made or removed, and how they are reached."""
    share, have, record = deployment.share, deployment.have, deployment.record
    reached = infrared.own_hosts(share, deployment.settings, user)
    machines = {machine.name for machine in share.machines}
    networks = {network.name for network in share.networks}
    # Of the stacks that were not named all stays as it is.
    wanted = Record(
        {**{name: uuid for name, uuid in record.domains.items() if name not in machines}, **have.domains},
        {**{name: uuid for name, uuid in record.networks.items() if name not in networks}, **have.networks},
        {
            **{name: values for name, values in record.hosts.items() if name not in machines},
            **{name: values for name, values in reached.items() if name not in machines or name in have.domains},
        },
    )
    if wanted == record:
        return []
    if not check_mode:
        deployment.remember(wanted)
    return sorted(reached)


def remove(deployment: Deployment, check_mode: bool) -> List[str]:
    """Remove what this deployment made of the topology's machines, and the networks with the last machine."""
    have, record = deployment.have, deployment.record
    problems = steps.foreign(have, record)
    if problems:
        raise TripleoError(problems)
    names = [name for name in have.domains if name in record.domains]
    selected = {machine.name for machine in deployment.share.machines}
    left = {name: uuid for name, uuid in record.domains.items() if name not in selected}
    networks = [] if left else [name for name in have.networks if name in record.networks]
    if check_mode or not (names or networks):
        return [*names, *networks]
    deployment.run(steps.remove_domains(deployment.uri, names, have.running))
    deployment.run(steps.remove_networks(deployment.uri, networks, have.active))
    hosts = {name: values for name, values in record.hosts.items() if name in left}
    deployment.remember(Record(left, {} if not left else record.networks, hosts))
    if not left:
        for name in infrared.INVENTORIES:
            path = f"{deployment.checkout}/.workspaces/{infrared.WORKSPACE}/{name}"
            if os.path.lexists(path):
                os.unlink(path)
    return [*names, *networks]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "image": {"type": "str"},
            "own": {"type": "bool", "default": True},
            "image_user": {"type": "str", "default": "cloud-user"},
            "state": {"type": "str", "choices": ["checked", "present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    state, own = module.params["state"], module.params["own"]
    changed: List[str] = []
    try:
        deployment = Deployment(module)
        before = sorted([*deployment.have.domains, *deployment.have.networks])
        if state == "checked":
            check(deployment, own)
        elif state == "absent":
            changed = remove(deployment, module.check_mode)
        elif own:
            changed = make(deployment, module.check_mode)
        else:
            changed = learn(deployment, module.params["image_user"], module.check_mode)
    except (TripleoError, OSError) as error:
        module.fail_json(msg=str(error))
    after = sorted(set(before) - set(changed) if state == "absent" else set(before) | set(changed))
    module.exit_json(
        changed=bool(changed),
        machines=changed,
        hosts=deployment.record.hosts,
        diff={"before": "".join(f"{one}\n" for one in before), "after": "".join(f"{one}\n" for one in after)},
    )


if __name__ == "__main__":
    main()
