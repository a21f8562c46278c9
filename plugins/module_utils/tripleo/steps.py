# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step of a deployment finds, and what it has to do: commands, and what is remembered when they are through.

A loader is given a runner, so that it knows neither Ansible nor the machine that it runs on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import instackenv, overcloud, topology_files
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import Release, TripleoError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.topology_files import Hypervisor

Runner = Callable[[Sequence[str]], Tuple[int, str, str]]
"""Runs a command, gives its exit status, output and errors."""


@dataclass(frozen=True)
class Plan:
    """``commands``, in order; ``before`` and ``after``: lines of a diff."""

    commands: Tuple[Tuple[str, ...], ...] = ()
    before: Tuple[str, ...] = ()
    after: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What this deployment made on the hypervisor: UUIDs by name, None while one is being made.

    ``hosts``: how hosts are reached, variables by name.
    """

    domains: Mapping[str, str | None] = field(default_factory=dict)
    networks: Mapping[str, str | None] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Libvirt:
    """What the hypervisor has of a deployment's names: UUIDs by name, and which are running or active."""

    domains: Mapping[str, str]
    networks: Mapping[str, str]
    running: Tuple[str, ...] = ()
    active: Tuple[str, ...] = ()


def read_record(text: str | None, path: str) -> Record:
    """Read the record; None stands for no file.

    :raises TripleoError: if it is damaged: what it forgot would not be removed.
    """
    if text is None:
        return Record()
    try:
        return Record(**json.loads(text))
    except (ValueError, TypeError):
        raise TripleoError([f"{path} is damaged: repair it, or remove it and the machines of the stacks."]) from None


def load_libvirt(run: Runner, uri: str, domains: Sequence[str], networks: Sequence[str]) -> Libvirt:
    """Ask libvirt for the domains and networks of some names.

    :raises TripleoError: if it does not answer.
    """

    def ask(*words: str) -> str:
        status, output, errors = run(["virsh", "-c", uri, *words])
        if status:
            what = "start libvirtd and see that this user may use it, or set uri in stretch_hypervisor"
            raise TripleoError([f"libvirt does not answer at {uri} ({errors.strip()}): {what}."])
        return output

    there = [name for name in ask("list", "--all", "--name").split() if name in domains]
    nets = [name for name in ask("net-list", "--all", "--name").split() if name in networks]
    return Libvirt(
        domains={name: ask("domuuid", name).strip() for name in there},
        networks={name: ask("net-uuid", name).strip() for name in nets},
        running=tuple(name for name in ask("list", "--name").split() if name in there),
        active=tuple(name for name in ask("net-list", "--name").split() if name in nets),
    )


def foreign(have: Libvirt, record: Record) -> List[str]:
    """Sentences about domains and networks that bear a name of this deployment and are not its own."""
    found = []
    for what, these, ours in (("VM", have.domains, record.domains), ("network", have.networks, record.networks)):
        names = [name for name, uuid in these.items() if ours.get(name, "") not in (None, uuid)]
        if names:
            found.append(
                f"The hypervisor has a {what} {', '.join(sorted(names))} that this deployment did not make: rename or "
                "remove it, or leave its stack out."
            )
    return found


@dataclass(frozen=True)
class Machines:
    """What is to be done for machines: ``remove`` what a run left half made, then make ``networks`` and ``stacks``."""

    remove: Tuple[str, ...]
    networks: bool
    stacks: Tuple[str | None, ...]


def plan_machines(share: Hypervisor, have: Libvirt, record: Record) -> Machines:
    """Find the stacks whose machines have to be made; None stands for the arbiters.

    :raises TripleoError: for what is not this deployment's, and for a stack that lost a machine.
    """
    problems = foreign(have, record)
    remove: List[str] = []
    make: List[str | None] = []
    for stack in dict.fromkeys(machine.stack for machine in share.machines):
        names = [machine.name for machine in share.machines if machine.stack == stack]
        there = [name for name in names if name in have.domains]
        finished = [name for name in names if record.domains.get(name) is not None]
        if not finished or not there:
            remove += there
            make.append(stack)
        elif len(there) < len(names):
            gone = sorted(set(names) - set(there))
            problems.append(
                f"{stack or 'The arbiters'} lost {', '.join(gone)}: --tags rebuild_vms makes all machines of the named "
                "stacks anew."
            )
    if problems:
        raise TripleoError(problems)
    missing = [network.name for network in share.networks if network.name not in have.networks]
    return Machines(remove=tuple(remove), networks=bool(missing) or not record.hosts, stacks=tuple(make))


def learned(share: Hypervisor, have: Libvirt, record: Record, hosts: Mapping[str, Mapping[str, str]]) -> Record:
    """The record after another backend made or removed machines: of the share what is there, all else as it was.

    :param hosts: How the machines of the share would be reached, and the hypervisor.
    """
    ours = {machine.name for machine in share.machines}
    networks = {network.name for network in share.networks}
    return Record(
        {**{name: uuid for name, uuid in record.domains.items() if name not in ours}, **have.domains},
        {**{name: uuid for name, uuid in record.networks.items() if name not in networks}, **have.networks},
        {
            **{name: variables for name, variables in record.hosts.items() if name not in ours},
            **{name: variables for name, variables in hosts.items() if name not in ours or name in have.domains},
        },
    )


def part(share: Hypervisor, stacks: Sequence[str | None]) -> Hypervisor:
    """The machines of some stacks alone."""
    return Hypervisor(share.networks, tuple(machine for machine in share.machines if machine.stack in stacks))


def remove_domains(uri: str, names: Sequence[str], running: Sequence[str]) -> List[Tuple[str, ...]]:
    """The commands that remove domains with their disks."""
    commands: List[Tuple[str, ...]] = []
    for name in names:
        if name in running:
            commands.append(("virsh", "-c", uri, "destroy", name))
        commands.append(("virsh", "-c", uri, "undefine", name, "--remove-all-storage"))
    return commands


def remove_networks(uri: str, names: Sequence[str], active: Sequence[str]) -> List[Tuple[str, ...]]:
    """The commands that remove networks."""
    words = [(word, name) for name in names for word in ("net-destroy", "net-undefine")]
    return [("virsh", "-c", uri, word, name) for word, name in words if word == "net-undefine" or name in active]


def load_nodes(run: Runner) -> Dict[str, Dict[str, Any]]:
    """The nodes that the undercloud knows, by name.

    :raises TripleoError: if it does not answer.
    """
    return {str(node["Name"]): node for node in answer(run, instackenv.list_argv())}


def answer(run: Runner, argv: Sequence[str]) -> List[Dict[str, Any]]:
    """The JSON that a command of the client gives.

    :raises TripleoError: if it fails.
    """
    status, output, errors = run(argv)
    if status:
        raise TripleoError([f"The undercloud does not answer to {' '.join(argv)}: {tail(errors or output)}"])
    found: List[Dict[str, Any]] = json.loads(output or "[]")
    return found


def tail(text: str, lines: int = 5) -> str:
    """The last lines of an output."""
    return "\n".join(text.strip().splitlines()[-lines:])


def plan_nodes(wanted: Sequence[str], path: str, have: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Have all nodes registered, introspected and available."""
    states = {name: str(node["Provisioning State"]) for name, node in have.items()}
    commands = instackenv.node_commands(wanted, path, states)
    before = tuple(f"{name}: {states.get(name, 'not registered')}" for name in wanted)
    after = tuple(f"{name}: {states[name] if states.get(name) in instackenv.READY else 'available'}" for name in wanted)
    return Plan(tuple(map(tuple, commands)), before, after)


def load_flavors(run: Runner) -> Dict[str, Dict[str, str]]:
    """Properties of the flavors that there are, by name. Older clients give them as text."""
    return {str(one["Name"]): properties(one.get("Properties")) for one in answer(run, instackenv.flavor_list_argv())}


def properties(value: Any) -> Dict[str, str]:
    """Properties as the client shows them: a dictionary, or ``a='b', c='d'``."""
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    pairs = [word.split("=", 1) for word in str(value or "").split(", ") if "=" in word]
    return {key: item.strip("'") for key, item in pairs}


def plan_flavors(
    release: Release,
    topology: Mapping[str, Any],
    stack: str,
    have_flavors: Mapping[str, Mapping[str, str]],
    have_nodes: Mapping[str, Mapping[str, Any]],
) -> Plan:
    """Have a flavor for each role, and each node in its role's class; nothing where Nova does not provision."""
    wanted = instackenv.flavors(release)
    commands = instackenv.flavor_commands(have_flavors, wanted, topology)
    before = [f"flavor {name}" for name in wanted if name in have_flavors]
    after = [f"flavor {name}" for name in wanted]
    for node in instackenv.nodes_of(topology, stack) if wanted else ():
        have = have_nodes.get(node["name"], {})
        role = f"{node['name']}: {node['role']}"
        after.append(role)
        placed = f"node:{node['role']}-{node['index']}" in properties_of(have)
        if have.get("Resource Class") != node["role"] or not placed:
            commands.append(instackenv.resource_class_argv(node))
        else:
            before.append(role)
    return Plan(tuple(map(tuple, commands)), tuple(before), tuple(after))


def properties_of(node: Mapping[str, Any]) -> List[str]:
    """What a node can do."""
    return str(properties(node.get("Properties")).get("capabilities", "")).split(",")


def digest(commands: Sequence[Sequence[str]], contents: Sequence[str]) -> str:
    """Of everything that a result depends on."""
    return hashlib.sha256(json.dumps([list(map(list, commands)), list(contents)]).encode("utf-8")).hexdigest()


def plan_once(what: str, commands: Sequence[Sequence[str]], contents: Sequence[str], stamp: str) -> Tuple[Plan, str]:
    """Have commands run once for what they depend on.

    :param stamp: What was remembered when they were last through, empty if they never were.
    :returns: The plan, and what to remember once it is through.
    """
    now = digest(commands, contents)
    before = (f"{what} {stamp}",) if stamp else ()
    todo = () if stamp == now else tuple(map(tuple, commands))
    return Plan(todo, before, (f"{what} {now}",)), now


def plan_overcloud(
    run: Runner, release: Release, wanted: Sequence[str], directory: str, stamp: str, contents: Sequence[str]
) -> Tuple[Plan, str]:
    """Have the overcloud deployed as its files say.

    :param wanted: Names of its nodes.
    :param stamp: What was remembered of the last deployment, empty if there was none.
    :param contents: Of its files.
    :returns: The plan, and what to remember once it is through.
    :raises TripleoError: while a deployment runs.
    """
    argv = overcloud.deploy_argv(release, directory)
    now = digest([argv], contents)
    status, output, errors = run(overcloud.status_argv(release))
    if status:
        raise TripleoError([f"The undercloud does not say what became of the overcloud: {tail(errors or output)}"])
    state = overcloud.status(release, output)
    have = load_nodes(run)
    bare = [name for name in wanted if have.get(name, {}).get("Provisioning State") != "active"]
    running = run(overcloud.deploying_argv())[0] == 0
    if not overcloud.must_deploy(state, running, stamp != now, bare):
        return Plan(before=(f"overcloud {now}",), after=(f"overcloud {now}",)), now
    return Plan((tuple(argv),), (f"overcloud {stamp}",) if state else (), (f"overcloud {now}",)), now


def memory_problem(run: Runner, uri: str, share: Hypervisor, have: Libvirt) -> str | None:
    """Say what memory is missing for the machines, of which those that are there have theirs."""
    status, output, _errors = run(["virsh", "-c", uri, "nodememstats"])
    found = [line.split()[-2] for line in output.splitlines() if line.split()[:1] == ["total"]]
    if status or not found:
        return None
    total = int(found[0]) // 1024
    needed = topology_files.memory_needed(share)
    if total >= needed or all(machine.name in have.domains for machine in share.machines):
        return None
    return (
        f"The {len(share.machines)} machines need {needed} MiB of memory and the hypervisor has {total}: "
        f"{needed - total} MiB are missing. Name fewer stacks (-e stacks=stack1), set controller: 1 in the topology "
        "file, or use the lab (stretch_provider=lab)."
    )
