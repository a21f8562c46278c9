# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor has to do so that the networks and machines of a deployment are there, or are gone.

Only what carries the deployment's mark is started or removed. What is there and differs is a problem, not a change: a
machine that somebody deployed on is not made anew by the way.
"""

from __future__ import annotations

import ipaddress
import posixpath
from dataclasses import dataclass, fields
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils import libvirt_xml
from ansible_collections.stretch.cluster.plugins.module_utils.libvirt_xml import Machine, Network


@dataclass(frozen=True)
class WantedMachine:
    """A machine to make. One with an ``image`` starts from it at once; one without waits for its virtual BMC."""

    machine: Machine
    disk_gib: int
    image: Optional[str]


@dataclass(frozen=True)
class Wanted:
    """What a deployment is to have; ``deployment`` is what its own things are marked with."""

    deployment: str
    pool: str
    directory: str
    networks: Tuple[Network, ...]
    machines: Tuple[WantedMachine, ...]


@dataclass(frozen=True)
class FoundNetwork:
    """A network that is there."""

    network: Network
    deployment: Optional[str]
    active: bool
    autostart: bool


@dataclass(frozen=True)
class FoundMachine:
    """A machine that is there."""

    machine: Machine
    deployment: Optional[str]
    active: bool


@dataclass(frozen=True)
class Found:
    """All that a hypervisor has; ``pools`` are directories by name, ``disks`` the names in the deployment's pool."""

    virtualisation: str
    pools: Mapping[str, str]
    pool_active: bool
    disks: FrozenSet[str]
    networks: Mapping[str, FoundNetwork]
    machines: Mapping[str, FoundMachine]


@dataclass(frozen=True)
class Step:
    """One thing to do: ``verb`` says what, ``kind`` and ``name`` to what, ``xml`` what it becomes."""

    verb: str
    kind: str
    name: str
    xml: str = ""


def cloud_init_name(machine: str) -> str:
    """The name, in the pool, of the image from which a machine with an installed system configures itself."""
    return machine + "-cloud-init.iso"


def disk_name(machine: str) -> str:
    """The name of a machine's disk in the pool."""
    return machine + ".qcow2"


def problems(wanted: Wanted, found: Found) -> List[str]:
    """Everything that keeps what is wanted from being made; empty if nothing does."""
    return [
        *_malformed(wanted),
        *(
            f"{name} is not of this deployment; rename or remove it, or use another hypervisor"
            for name in _foreign(wanted, found)
        ),
        *_pool_problems(wanted, found),
        *_overlaps(wanted, found),
        *_changed(wanted, found),
    ]


def foreign(wanted: Wanted, found: Found) -> List[str]:
    """What has a name of this deployment and is not its own."""
    return list(_foreign(wanted, found))


def present(wanted: Wanted, found: Found) -> List[Step]:
    """What to do so that everything is there."""
    steps = []
    if wanted.pool not in found.pools:
        steps.append(Step("define", "pool", wanted.pool, libvirt_xml.pool_xml(wanted.pool, wanted.directory)))
    if not found.pool_active:
        steps.append(Step("start", "pool", wanted.pool))
    for network in wanted.networks:
        there = found.networks.get(network.name)
        if there is None:
            xml = libvirt_xml.network_xml(network, wanted.deployment)
            steps.append(Step("define", "network", network.name, xml))
        if there is None or not there.autostart:
            steps.append(Step("autostart", "network", network.name))
        if there is None or not there.active:
            steps.append(Step("start", "network", network.name))
    for machine in wanted.machines:
        steps += _machine_steps(wanted, found, machine)
    return steps


def absent(wanted: Wanted, found: Found) -> List[Step]:
    """What to do so that nothing of this deployment is there; images stay."""
    machines = [
        name
        for name, there in found.machines.items()
        if name in _names(wanted) and there.deployment == wanted.deployment
    ]
    steps = []
    for name in machines:
        if found.machines[name].active:
            steps.append(Step("stop", "machine", name))
        steps.append(Step("undefine", "machine", name))
    # What an interrupted run left has a disk and no machine.
    orphans = [name for name in _names(wanted) if name not in found.machines]
    steps += [
        Step("delete", "disk", disk_name(name)) for name in [*machines, *orphans] if disk_name(name) in found.disks
    ]
    used = {
        interface.network
        for name, there in found.machines.items()
        if name not in machines
        for interface in there.machine.interfaces
    }
    for network in wanted.networks:
        there_ = found.networks.get(network.name)
        # The network between the stacks stays as long as another stack is on it.
        if there_ is None or there_.deployment != wanted.deployment or network.name in used:
            continue
        if there_.active:
            steps.append(Step("stop", "network", network.name))
        steps.append(Step("undefine", "network", network.name))
    return steps


def difference(wanted: Wanted, found: Found, steps: List[Step]) -> Dict[str, str]:
    """What there is of what is wanted before and after the steps, a line each, for people."""
    definitions: Dict[Tuple[str, str], Any] = {("network", network.name): network for network in wanted.networks}
    definitions.update({("machine", machine.machine.name): machine.machine for machine in wanted.machines})
    state: Dict[Tuple[str, str], Tuple[Any, bool]] = {}
    for kind, name in definitions:
        network, machine = found.networks.get(name), found.machines.get(name)
        if kind == "network" and network is not None:
            state[kind, name] = (network.network, network.active)
        if kind == "machine" and machine is not None:
            state[kind, name] = (machine.machine, machine.active)
    before = _lines(state)
    for step in steps:
        key = (step.kind, step.name)
        if key in definitions:
            if step.verb == "undefine":
                del state[key]
            elif step.verb == "define":
                state[key] = (definitions[key], False)
            elif step.verb in ("start", "stop"):
                state[key] = (state[key][0], step.verb == "start")
    return {"before": before, "after": _lines(state)}


def _machine_steps(wanted: Wanted, found: Found, machine: WantedMachine) -> Iterator[Step]:
    """What to do for one machine. A disk without a machine is what an interrupted run left."""
    name = machine.machine.name
    there = found.machines.get(name)
    if there is None:
        if disk_name(name) in found.disks:
            yield Step("delete", "disk", disk_name(name))
        yield Step(
            "define", "disk", disk_name(name), libvirt_xml.disk_xml(disk_name(name), machine.disk_gib, machine.image)
        )
        xml = libvirt_xml.machine_xml(machine.machine, wanted.deployment, found.virtualisation)
        yield Step("define", "machine", name, xml)
    if machine.image is not None and (there is None or not there.active):
        yield Step("start", "machine", name)


def _names(wanted: Wanted) -> List[str]:
    return [machine.machine.name for machine in wanted.machines]


def _foreign(wanted: Wanted, found: Found) -> Iterator[str]:
    for network in wanted.networks:
        if network.name in found.networks and found.networks[network.name].deployment != wanted.deployment:
            yield "network " + network.name + _owner(found.networks[network.name].deployment)
    for name in _names(wanted):
        if name in found.machines and found.machines[name].deployment != wanted.deployment:
            yield "machine " + name + _owner(found.machines[name].deployment)


def _owner(deployment: Optional[str]) -> str:
    return "" if deployment is None else f" (of {deployment})"


def _malformed(wanted: Wanted) -> Iterator[str]:
    for network in wanted.networks:
        if len(network.name) > libvirt_xml.NAME_LENGTH:
            yield (
                f"network {network.name} has a name of {len(network.name)} characters, and its bridge takes "
                f"{libvirt_xml.NAME_LENGTH} at most; give it a shorter one"
            )
    known = {network.name for network in wanted.networks}
    for machine in wanted.machines:
        for interface in machine.machine.interfaces:
            if interface.network not in known:
                yield f"machine {machine.machine.name} is on {interface.network}, which is none of the networks; add it"


def _pool_problems(wanted: Wanted, found: Found) -> Iterator[str]:
    for name, directory in found.pools.items():
        if (name == wanted.pool) != (posixpath.normpath(directory) == posixpath.normpath(wanted.directory)):
            yield (
                f"pool {name} of the hypervisor is {directory}, and this deployment's is to be {wanted.pool} in "
                f"{wanted.directory}; remove the former or choose another directory"
            )


def _overlaps(wanted: Wanted, found: Found) -> Iterator[str]:
    own = {network.name for network in wanted.networks}
    for network in wanted.networks:
        for name, there in found.networks.items():
            if name not in own and there.network.address and _cidr(network).overlaps(_cidr(there.network)):
                yield (
                    f"network {network.name} has the addresses {_cidr(network)}, of which the hypervisor's network "
                    f"{name} ({_cidr(there.network)}) has some; choose others in the topology, or remove {name}"
                )


def _cidr(network: Network) -> Any:
    return ipaddress.ip_network(f"{network.address}/{network.prefixlen}", strict=False)


def _changed(wanted: Wanted, found: Found) -> Iterator[str]:
    for network in wanted.networks:
        there = found.networks.get(network.name)
        if there is not None and there.deployment == wanted.deployment:
            yield from _differences("network", network, there.network)
    for machine in wanted.machines:
        machine_ = found.machines.get(machine.machine.name)
        if machine_ is not None and machine_.deployment == wanted.deployment:
            yield from _differences("machine", machine.machine, machine_.machine)


def _differences(kind: str, new: Any, old: Any) -> Iterator[str]:
    names = [field.name for field in fields(new) if getattr(new, field.name) != getattr(old, field.name)]
    if names:
        what = "; ".join(f"{name} is {_plain(getattr(old, name))}, not {_plain(getattr(new, name))}" for name in names)
        yield f"{kind} {new.name} is there and differs: {what}; build it anew with --tags rebuild_vms"


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_plain(item) for item in value) or "none"
    if isinstance(value, libvirt_xml.Interface):
        return f"{value.network} {value.mac}"
    return "none" if value is None else str(value)


def _lines(state: Mapping[Tuple[str, str], Tuple[Any, bool]]) -> str:
    return "".join(_line(thing, active) for thing, active in state.values())


def _line(thing: Any, active: bool) -> str:
    if isinstance(thing, Network):
        what = f"{thing.address}/{thing.prefixlen} {thing.forward or 'isolated'}"
        return f"network {thing.name}: {what}, {'active' if active else 'inactive'}\n"
    networks = " ".join(interface.network for interface in thing.interfaces)
    what = f"{thing.vcpus} CPUs, {thing.memory_mib} MiB, on {networks}"
    return f"machine {thing.name}: {what}, {'running' if active else 'off'}\n"
