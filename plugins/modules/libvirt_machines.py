# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_machines
short_description: Ensure the networks and machines of a deployment on a hypervisor
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Makes networks, disks and machines in libvirt, or removes them. What it makes carries a mark of its deployment, and
    nothing else is changed, started or removed.
  - A name that something else has already, or something of this deployment that differs from what is wanted, fails
    before anything is changed.
  - A machine with an image is started. One without stays off, for a virtual BMC to start.
requirements:
  - The Python library C(libvirt) on the hypervisor.
options:
  uri:
    description: The hypervisor, as libvirt names it.
    type: str
    default: qemu:///system
  deployment:
    description: What the deployment's own things are marked with, as the path of its state directory.
    type: str
    required: true
  pool:
    description: Name of the pool of the machines' disks.
    type: str
    required: true
  directory:
    description: Absolute path of the pool's directory on the hypervisor, which has to be there.
    type: path
    required: true
  networks:
    description: The networks. A bridge has the name of its network.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name; at most 15 characters.
        type: str
        required: true
      address:
        description: Address of the hypervisor on the network.
        type: str
        required: true
      prefixlen:
        description: Length of the network's prefix.
        type: int
        required: true
      forward:
        description: How the network leads out of the hypervisor. It does not without this.
        type: str
        choices: [nat]
  machines:
    description: The machines.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name.
        type: str
        required: true
      vcpus:
        description: Number of processors.
        type: int
        required: true
      memory_mib:
        description: Memory in MiB.
        type: int
        required: true
      disk_gib:
        description: Size of the disk in GiB.
        type: int
        required: true
      networks:
        description: Names of the networks that the interfaces are on, in their order.
        type: list
        elements: str
        required: true
      image:
        description:
          - Whether the disk begins as O(image), and the machine reads C(NAME-cloud-init.iso) in O(directory) when it
            starts.
        type: bool
        required: true
  image:
    description: Absolute path, on the hypervisor, of a qcow2 image. It has to stay, and is not written to.
    type: path
    required: true
  state:
    description:
      - V(absent) stops and removes the machines with their disks, and the networks that no other machine is on. The
        pool and the images stay.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Looks for problems, reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows a line for every network and machine.
"""

EXAMPLES = r"""
- name: Two networks and two machines
  stretch.cluster.libvirt_machines:
    deployment: /home/me/.stretch
    pool: stretch
    directory: /var/lib/libvirt/images/stretch
    image: /var/lib/libvirt/images/stretch/CentOS-7-x86_64-GenericCloud.qcow2
    networks:
      - {name: s1provisioning, address: 192.168.24.254, prefixlen: 24}
      - {name: s1external, address: 192.168.22.1, prefixlen: 24, forward: nat}
    machines:
      - name: s1undercloud-0
        vcpus: 4
        memory_mib: 16384
        disk_gib: 50
        networks: [s1provisioning, s1external]
        image: true
      - name: s1controller-0
        vcpus: 8
        memory_mib: 16384
        disk_gib: 40
        networks: [s1provisioning, s1external]
        image: false
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode, as V(define machine s1controller-0).
  type: list
  elements: str
  returned: always
foreign:
  description: What has a name of this deployment and is not its own; with O(state=present) this fails.
  type: list
  elements: str
  returned: with O(state=absent)
mac_addresses:
  description: For each machine the address of its interface on each network.
  type: dict
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils import libvirt_plan, libvirt_xml

try:
    import libvirt
except ImportError:
    libvirt = None

NETWORKS = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "prefixlen": {"type": "int", "required": True},
    "forward": {"type": "str", "choices": ["nat"]},
}
MACHINES = {
    "name": {"type": "str", "required": True},
    "vcpus": {"type": "int", "required": True},
    "memory_mib": {"type": "int", "required": True},
    "disk_gib": {"type": "int", "required": True},
    "networks": {"type": "list", "elements": "str", "required": True},
    "image": {"type": "bool", "required": True},
}


def wanted_of(params: dict[str, Any]) -> libvirt_plan.Wanted:
    return libvirt_plan.Wanted(
        deployment=params["deployment"],
        pool=params["pool"],
        directory=params["directory"],
        networks=tuple(libvirt_xml.Network(**network) for network in params["networks"]),
        machines=tuple(wanted_machine(params, machine) for machine in params["machines"]),
    )


def wanted_machine(params: dict[str, Any], machine: dict[str, Any]) -> libvirt_plan.WantedMachine:
    name, directory = machine["name"], params["directory"]
    interfaces = [
        libvirt_xml.Interface(network, libvirt_xml.mac_address(params["deployment"], name, network))
        for network in machine["networks"]
    ]
    return libvirt_plan.WantedMachine(
        machine=libvirt_xml.Machine(
            name=name,
            vcpus=machine["vcpus"],
            memory_mib=machine["memory_mib"],
            interfaces=tuple(interfaces),
            disks=(f"{directory}/{libvirt_plan.disk_name(name)}",),
            cdroms=(f"{directory}/{libvirt_plan.cloud_init_name(name)}",) if machine["image"] else (),
        ),
        disk_gib=machine["disk_gib"],
        image=params["image"] if machine["image"] else None,
    )


def load(connection: Any, pool_name: str) -> libvirt_plan.Found:
    pools = {pool.name(): pool for pool in connection.listAllStoragePools()}
    pool = pools.get(pool_name)
    pool_active = pool is not None and bool(pool.isActive())
    if pool is not None and pool_active:
        # libvirt does not see what others put there.
        pool.refresh()
    networks = {}
    for network in connection.listAllNetworks():
        xml = network.XMLDesc()
        networks[network.name()] = libvirt_plan.FoundNetwork(
            network=libvirt_xml.read_network(xml),
            deployment=libvirt_xml.deployment_of(xml),
            active=bool(network.isActive()),
            autostart=bool(network.isPersistent() and network.autostart()),
        )
    machines = {}
    for domain in connection.listAllDomains():
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        machines[domain.name()] = libvirt_plan.FoundMachine(
            machine=libvirt_xml.read_machine(xml),
            deployment=libvirt_xml.deployment_of(xml),
            active=bool(domain.isActive()),
        )
    return libvirt_plan.Found(
        virtualisation=libvirt_xml.virtualisation_of(connection.getCapabilities()),
        pools={name: libvirt_xml.read_pool(pool_.XMLDesc()) for name, pool_ in pools.items()},
        pool_active=pool_active,
        disks=frozenset(volume.name() for volume in pool.listAllVolumes())
        if pool is not None and pool_active
        else frozenset(),
        networks=networks,
        machines=machines,
    )


def apply(connection: Any, pool: str, step: libvirt_plan.Step) -> None:
    def disks() -> Any:
        return connection.storagePoolLookupByName(pool)

    actions = {
        "define pool": lambda: connection.storagePoolDefineXML(step.xml).setAutostart(True),
        "start pool": lambda: disks().create(),
        "define network": lambda: connection.networkDefineXML(step.xml),
        "autostart network": lambda: connection.networkLookupByName(step.name).setAutostart(True),
        "start network": lambda: connection.networkLookupByName(step.name).create(),
        "stop network": lambda: connection.networkLookupByName(step.name).destroy(),
        "undefine network": lambda: connection.networkLookupByName(step.name).undefine(),
        "define disk": lambda: disks().createXML(step.xml),
        "delete disk": lambda: disks().storageVolLookupByName(step.name).delete(),
        "define machine": lambda: connection.defineXML(step.xml),
        "start machine": lambda: connection.lookupByName(step.name).create(),
        "stop machine": lambda: connection.lookupByName(step.name).destroy(),
        "undefine machine": lambda: connection.lookupByName(step.name).undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        ),
    }
    actions[f"{step.verb} {step.kind}"]()


def carry_out(module: AnsibleModule, connection: Any, steps: list[libvirt_plan.Step]) -> None:
    what = ""
    try:
        for step in steps:
            what = f"{step.verb} {step.kind} {step.name}"
            apply(connection, module.params["pool"], step)
    except libvirt.libvirtError as error:
        module.fail_json(
            msg=f"libvirt could not {what}: {error}. Settle that and run this again; it goes on where it stopped."
        )


def ensure(module: AnsibleModule, connection: Any) -> dict[str, Any]:
    wanted = wanted_of(module.params)
    found = load(connection, wanted.pool)
    result: dict[str, Any] = {}
    if module.params["state"] == "present":
        problems = libvirt_plan.problems(wanted, found)
        if problems:
            module.fail_json(
                msg="The hypervisor cannot have these machines: " + ". ".join(problems) + ". Nothing has been changed."
            )
        steps = libvirt_plan.present(wanted, found)
    else:
        steps = libvirt_plan.absent(wanted, found)
        result["foreign"] = libvirt_plan.foreign(wanted, found)
    if not module.check_mode:
        carry_out(module, connection, steps)
    return {
        **result,
        "changed": bool(steps),
        "steps": [f"{step.verb} {step.kind} {step.name}" for step in steps],
        "diff": libvirt_plan.difference(wanted, found, steps),
        "mac_addresses": {
            machine.machine.name: {interface.network: interface.mac for interface in machine.machine.interfaces}
            for machine in wanted.machines
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "uri": {"type": "str", "default": "qemu:///system"},
            "deployment": {"type": "str", "required": True},
            "pool": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "networks": {"type": "list", "elements": "dict", "required": True, "options": NETWORKS},
            "machines": {"type": "list", "elements": "dict", "required": True, "options": MACHINES},
            "image": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    if libvirt is None:
        module.fail_json(msg=missing_required_lib("libvirt-python"))
    # What libvirt says on its own goes to standard error, where it would be told twice.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    uri = module.params["uri"]
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as error:
        module.fail_json(
            msg=f"libvirt does not answer at {uri}: {error}. Install and start libvirtd on the hypervisor."
        )
    try:
        result = ensure(module, connection)
    finally:
        connection.close()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
