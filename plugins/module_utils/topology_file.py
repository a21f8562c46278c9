# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and check a topology file, and a selection of stacks.

Pure: what was parsed goes in; a checked description comes out, or one error that lists everything that is wrong. The
file's keys and the address plan are explained in inventory/stretch.yml.
"""

from __future__ import annotations

import importlib
import itertools
import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

PLUGIN = "stretch.cluster.topology"

_IPV4 = 4
_BITS = 32  # of an address

# Names of networks become names of bridges, which hold 15 characters: s99provisioning.
LAST_STACK = 99

STACK_ROLES = ("undercloud", "controller", "compute")
ROLES = (*STACK_ROLES, "arbiter")
STACK_NETWORKS = ("provisioning", "internal_api")
STRETCH = "stretch"
SIZES = ("vcpus", "memory_mib", "disk_gib")
"""What of a machine's size can be given."""

# The address plan: offsets within a network. The hypervisor has a stack network's last usable address.
GATEWAY = 1
VIPS = {"internal_api": 5, "stretch_galera": 6}
FIRST = {
    "provisioning": {"undercloud": GATEWAY, "controller": 10, "compute": 20},
    "internal_api": {"undercloud": GATEWAY, "controller": 11, "compute": 21},
}
STRETCH_HOST = 1
STRETCH_ARBITER = 5

# How many fit before the plan's next range begins.
_MOST = {"undercloud": 4, "arbiter": 6}

_STACK_NAME = re.compile(r"stack([1-9][0-9]*)")


class TopologyError(Exception):
    """The topology cannot be used. ``problems`` holds one sentence for each thing that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        told = problems if len(problems) == 1 else [f"({number}) {text}" for number, text in enumerate(problems, 1)]
        super().__init__("The topology cannot be used: " + " ".join(told))


class NetaddrMissingError(TopologyError):
    """The Python library netaddr is not installed."""

    def __init__(self) -> None:
        super().__init__(["the Python that runs Ansible has no netaddr; install it with: pip install netaddr"])


@dataclass(frozen=True)
class Block:
    """A network that every stack has one of. ``step`` is a prefix length; the other two are netaddr.IPNetwork."""

    first: Any
    step: int
    pool: Any

    def size(self) -> int:
        """How many addresses lie from one stack's network to the next one's."""
        return int(2 ** (_BITS - self.step))

    def last_stack(self) -> int:
        """The highest stack number whose network lies in the pool."""
        return int((self.pool.last - self.first.last) // self.size() + 1)

    def network(self, number: int) -> Any:
        """The netaddr.IPNetwork of stack ``number``, which is not above ``last_stack()``."""
        return type(self.first)((self.first.first + (number - 1) * self.size(), self.first.prefixlen))


@dataclass(frozen=True)
class Spec:
    """A checked topology file and selection. ``stacks`` are numbers, the primary first.

    ``sizes`` are those that were given, by role.
    """

    stacks: tuple[int, ...]
    nodes: Mapping[str, int]
    blocks: Mapping[str, Block]
    stretch: Any
    sizes: Mapping[str, Mapping[str, int]]


def import_netaddr() -> Any:
    """Import netaddr when it is needed, so that documentation can be read without it.

    :raises NetaddrMissingError: if it is not installed.
    """
    try:
        return importlib.import_module("netaddr")
    except ImportError:
        raise NetaddrMissingError from None


def stack_network_name(number: int, kind: str) -> str:
    """Name the network of a kind in stack ``number``."""
    return f"s{number}{kind}"


def host_offset(prefixlen: int) -> int:
    """The last usable address of a network, as an offset; not above 0 where a network has none."""
    return int(2 ** (_BITS - prefixlen)) - 2


def stretch_undercloud_offset(number: int, index: int) -> int:
    """Where undercloud ``index`` of stack ``number`` stands on the stretch network."""
    return 10 + number + 100 * index


def overlap(one: Any, other: Any) -> bool:
    """Whether two netaddr.IPNetwork share an address."""
    return bool(one.version == other.version and one.first <= other.last and other.first <= one.last)


def read(config: Any, stacks: Any = None) -> Spec:
    """Check a topology file and a selection of stacks.

    :param config: The parsed file.
    :param stacks: Names of stacks, as a list or as a string with commas; None takes the file's.
    :raises TopologyError: with everything that is wrong, not with the first thing alone.
    """
    netaddr = import_netaddr()
    if not isinstance(config, Mapping):
        raise TopologyError(
            ["the topology file must hold a dictionary, as the collection's inventory/stretch.yml does."]
        )
    problems: list[str] = []
    if config.get("plugin", PLUGIN) != PLUGIN:
        problems.append(f"plugin is {config['plugin']!r}; it must be {PLUGIN}.")
    _check_keys("The topology file", config, ("plugin", "stacks", "nodes", "networks", "sizes"), problems)
    numbers = _read_stacks(config.get("stacks") if stacks is None else stacks, problems)
    nodes = _read_nodes(config.get("nodes"), problems)
    sizes = _read_sizes(config.get("sizes"), problems)
    networks = _read_dictionary("networks", config.get("networks"), (*STACK_NETWORKS, STRETCH), problems)

    blocks = {}
    named = []
    for kind in STACK_NETWORKS:
        block = _read_block(netaddr, f"networks.{kind}", networks[kind], problems) if kind in networks else None
        if block is not None:
            blocks[kind] = block
            _check_room(f"networks.{kind}", block.first, nodes, FIRST[kind], problems)
            for number in numbers:
                if number <= block.last_stack():
                    named.append((stack_network_name(number, kind), block.network(number)))
                else:
                    problems.append(
                        f"networks.{kind} runs out for stack{number}: its pool {block.pool} ends after"
                        f" stack{block.last_stack()}; choose a lower stack number or a larger pool."
                    )
    stretch = _read_cidr(netaddr, f"networks.{STRETCH}", networks[STRETCH], problems) if STRETCH in networks else None
    if stretch is not None:
        named.append((STRETCH, stretch))
        _check_stretch_room(stretch, numbers, nodes, problems)

    for (name, one), (other_name, other) in itertools.combinations(named, 2):
        if overlap(one, other):
            problems.append(f"The networks {name} ({one}) and {other_name} ({other}) overlap; move one of them.")
    if problems:
        raise TopologyError(problems)
    return Spec(stacks=numbers, nodes=nodes, blocks=blocks, stretch=stretch, sizes=sizes)


def _read_stacks(value: Any, problems: list[str]) -> tuple[int, ...]:
    """Numbers of the stacks that were named. A wrong name is reported and left out."""
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")] if value.strip() else []
    if value is None or (isinstance(value, (list, tuple)) and not value):
        problems.append("No stack is selected; name at least one, for example -e stacks=stack1,stack2.")
        return ()
    if not isinstance(value, (list, tuple)):
        problems.append(f"stacks is {value!r}; give a list, or names separated by commas, such as stack1,stack2.")
        return ()
    numbers: list[int] = []
    for name in value:
        match = _STACK_NAME.fullmatch(name.strip()) if isinstance(name, str) else None
        number = int(match.group(1)) if match else 0
        if not 1 <= number <= LAST_STACK:
            problems.append(
                f"There is no stack {str(name)!r}; valid names are stack1, stack2 and so on to stack{LAST_STACK}."
            )
        elif number in numbers:
            problem = f"stack{number} is named twice; name every stack once."
            if problem not in problems:
                problems.append(problem)
        else:
            numbers.append(number)
    return tuple(numbers)


def _read_nodes(value: Any, problems: list[str]) -> dict[str, int]:
    """The counts per role. A wrong one is reported and left out."""
    counts = {}
    for role, count in _read_dictionary("nodes", value, ROLES, problems).items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            problems.append(f"nodes.{role} is {count!r}; give a whole number that is not negative.")
        elif role == "controller" and count not in (1, 3):
            problems.append(f"nodes.controller is {count}; a stack has 1 controller, or 3 for high availability.")
        elif role == "undercloud" and count == 0:
            problems.append("nodes.undercloud is 0; a stack needs 1 or more, as the first is its gateway.")
        else:
            counts[role] = int(count)
    return counts


def _read_sizes(value: Any, problems: list[str]) -> dict[str, dict[str, int]]:
    """The sizes that were given, by role. A wrong one is reported and left out."""
    sizes: dict[str, dict[str, int]] = {}
    if value is None:
        return sizes
    if not isinstance(value, Mapping):
        problems.append(f"sizes must be a dictionary with any of the keys {', '.join(ROLES)}.")
        return sizes
    _check_keys("sizes", value, ROLES, problems)
    for role in [role for role in ROLES if role in value]:
        if not isinstance(value[role], Mapping):
            problems.append(f"sizes.{role} must be a dictionary with any of the keys {', '.join(SIZES)}.")
            continue
        _check_keys(f"sizes.{role}", value[role], SIZES, problems)
        sizes[role] = {}
        for key in [key for key in SIZES if key in value[role]]:
            number = value[role][key]
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                problems.append(f"sizes.{role}.{key} is {number!r}; give a whole number above 0.")
            else:
                sizes[role][key] = int(number)
    return sizes


def _read_block(netaddr: Any, where: str, value: Any, problems: list[str]) -> Block | None:
    """A network that every stack has one of; None if it is wrong, which is reported."""
    before = len(problems)
    given = _read_dictionary(where, value, ("first", "step", "pool"), problems)
    first = _read_cidr(netaddr, f"{where}.first", given["first"], problems) if "first" in given else None
    pool = _read_cidr(netaddr, f"{where}.pool", given["pool"], problems) if "pool" in given else None
    step = given.get("step")
    if "step" in given and (not isinstance(step, int) or isinstance(step, bool) or not 1 <= step <= _BITS):
        problems.append(f"{where}.step is {step!r}; give a prefix length from 1 to {_BITS}.")
    elif first is not None and isinstance(step, int) and step > first.prefixlen:
        problems.append(
            f"{where}.step is {step}; it must not be above {first.prefixlen}, the prefix length of {first},"
            " or the stacks' networks would overlap."
        )
    if first is not None and pool is not None and not (pool.first <= first.first and first.last <= pool.last):
        problems.append(f"{where}.first {first} is not within {where}.pool {pool}.")
    if len(problems) > before or step is None:
        return None
    return Block(first=first, step=int(step), pool=pool)


def _read_cidr(netaddr: Any, where: str, value: Any, problems: list[str]) -> Any:
    """A netaddr.IPNetwork; None if the value is not a network of IPv4, which is reported."""
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError("not a CIDR")
        network = netaddr.IPNetwork(str(value))
    except (netaddr.AddrFormatError, ValueError):
        problems.append(f"{where} is {value!r}; give a network in CIDR notation, such as 172.16.0.0/24.")
        return None
    if network.version != _IPV4:
        problems.append(f"{where} is {value!r}; give a network of IPv4.")
        return None
    if network.ip != network.network:
        problems.append(f"{where} is {value!r}, an address within a network; give the network, {network.cidr}.")
        return None
    return network


def _check_room(
    where: str, network: Any, nodes: Mapping[str, int], first: Mapping[str, int], problems: list[str]
) -> None:
    """Report counts for which a stack network has too few addresses."""
    for role in STACK_ROLES:
        room = max(0, host_offset(network.prefixlen) - first[role])
        room = min(room, _MOST.get(role, room))
        if nodes.get(role, 0) > room:
            problems.append(f"nodes.{role} is {nodes[role]}; {where} (a /{network.prefixlen}) has room for {room}.")


def _check_stretch_room(network: Any, numbers: Iterable[int], nodes: Mapping[str, int], problems: list[str]) -> None:
    """Report arbiters and underclouds for which the stretch network has too few addresses."""
    last = host_offset(network.prefixlen)
    room = min(_MOST["arbiter"], max(0, last - STRETCH_ARBITER + 1))
    if nodes.get("arbiter", 0) > room:
        problems.append(f"nodes.arbiter is {nodes['arbiter']}; networks.stretch ({network}) has room for {room}.")
    problems += [
        f"networks.stretch ({network}) runs out for stack{number}: it has no address for s{number}undercloud-{index};"
        " give it a shorter prefix."
        for number in numbers
        for index in range(min(nodes.get("undercloud", 0), _MOST["undercloud"]))
        if stretch_undercloud_offset(number, index) > last
    ]


def _read_dictionary(where: str, value: Any, keys: Sequence[str], problems: list[str]) -> dict[str, Any]:
    """The known keys of a dictionary. Others, and missing ones, are reported."""
    if not isinstance(value, Mapping):
        problems.append(f"{where} must be a dictionary with the keys {', '.join(keys)}.")
        return {}
    _check_keys(where, value, keys, problems)
    missing = [key for key in keys if key not in value]
    if missing:
        problems.append(f"{where} lacks {', '.join(missing)}.")
    return {key: value[key] for key in keys if key in value}


def _check_keys(where: str, value: Mapping[Any, Any], keys: Sequence[str], problems: list[str]) -> None:
    """Report keys that have no meaning."""
    unknown = [str(key) for key in value if key not in keys]
    if unknown:
        problems.append(f"{where} has unknown keys: {', '.join(unknown)}; valid ones are {', '.join(keys)}.")
