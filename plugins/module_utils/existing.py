# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an ordinary inventory of regions that are there already to what the collection knows of its stacks.

Pure: groups and the variables of their hosts go in, what the inventory plugin ``topology`` gives comes out.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.existing_layouts import (
    ARBITER_KEYS,
    COMPUTE_KEYS,
    DEFAULT_LAYOUT,
    LAYOUTS,
    describe,
)
from ansible_collections.stretch.cluster.plugins.module_utils.topology_file import TopologyError

LAST_STACK = 99
LEAST_CONTROLLERS = 3
"""Of two that lose each other neither has a majority of its stack's Pacemaker."""
VIPS = ("internal_api", "stretch_galera")

_STACK = re.compile(r"stack([1-9][0-9]?)")

Groups = Mapping[str, Sequence[str]]
Hosts = Mapping[str, Mapping[str, Any]]


def _selected(groups: Groups, stacks: Any, problems: List[str]) -> List[str]:
    """The names of the stacks, in their order."""
    there = sorted((name for name in groups if _STACK.fullmatch(name)), key=lambda name: int(name[len("stack") :]))
    if stacks is None:
        wanted = there
    elif isinstance(stacks, str):
        wanted = [name.strip() for name in stacks.split(",") if name.strip()]
    else:
        wanted = [str(name) for name in stacks]
    if not there:
        problems.append("the inventory has no group stack1, stack2, ...; give each region's controllers one of these.")
        return []
    problems += [
        f"there is no group {name} in the inventory; it has {', '.join(there)}." for name in wanted if name not in there
    ]
    problems += [
        f"{name} is named twice; name every stack once." for name in sorted(set(wanted)) if wanted.count(name) > 1
    ]
    return [name for name in dict.fromkeys(wanted) if name in there]


def _address(value: Any) -> str | None:
    """An address of IPv4 as it is written, or None for what is none."""
    try:
        return str(ipaddress.IPv4Address(str(value)))
    except ValueError:
        return None


def _address_of(name: str, hosts: Hosts, problems: List[str]) -> str:
    """A host's address on the network of its region's internal API."""
    known = hosts.get(name, {})
    for variable in ("stretch_address", "internal_api_ip", "ansible_host"):
        if known.get(variable) is not None:
            found = _address(known[variable])
            if found is not None:
                return found
            if variable != "ansible_host":
                problems.append(f"{variable} of {name} is {known[variable]!r}; give an address of IPv4.")
                return ""
    found = _address(name)
    if found is None:
        problems.append(f"{name} has no stretch_address, its address on the region's internal API network.")
    return found or ""


def _common(variable: str, stack: str, controllers: Sequence[str], hosts: Hosts, problems: List[str]) -> Any:
    """What the stack's variable of this name says; None, and a problem, where its hosts do not agree or have none."""
    values = [hosts.get(name, {}).get(variable) for name in controllers]
    if not values or values[0] is None:
        if values:
            problems.append(f"{stack} has no {variable}; set it for the group.")
        return None
    if any(value != values[0] for value in values):
        problems.append(f"{variable} differs among the controllers of {stack}; set it once, for the group.")
        return None
    return values[0]


def _vips(stack: str, controllers: Sequence[str], hosts: Hosts, problems: List[str]) -> Dict[str, str]:
    given = _common("stretch_vips", stack, controllers, hosts, problems)
    if given is None:
        return {}
    if not isinstance(given, Mapping) or set(given) != set(VIPS) or not all(_address(one) for one in given.values()):
        problems.append(
            f"stretch_vips of {stack} is {given!r}; give the addresses internal_api, where the region's services"
            " answer, and stretch_galera, a free one on the same network."
        )
        return {}
    return {name: str(_address(given[name])) for name in VIPS}


def _network(stack: str, controllers: Sequence[str], hosts: Hosts, vips: Mapping[str, str], problems: List[str]) -> str:
    """The internal API network; where nobody says, the 256 addresses around the virtual one."""
    values = [hosts.get(name, {}).get("stretch_network") for name in controllers]
    given = next((value for value in values if value is not None), None)
    if given is None:
        given = f"{vips['stretch_galera']}/24" if vips else "0.0.0.0/0"
    try:
        network = ipaddress.IPv4Network(str(given), strict=False)
    except ValueError:
        problems.append(f"stretch_network of {stack} is {given!r}; give a network of IPv4 as 10.0.20.0/24.")
        return ""
    problems += [
        f"the address {address} ({name}) of {stack} is not in its stretch_network {network}."
        for name, address in vips.items()
        if ipaddress.IPv4Address(address) not in network
    ]
    return str(network)


def _stack(name: str, groups: Groups, hosts: Hosts, problems: List[str]) -> Tuple[Dict[str, Any], List[str]]:
    """A stack, and the names of its controllers."""
    computes = set(groups.get(f"{name}_compute", ()))
    controllers = list(groups.get(f"{name}_controller", [one for one in groups[name] if one not in computes]))
    if len(controllers) < LEAST_CONTROLLERS:
        problems.append(
            f"{name} has {len(controllers)} controllers ({', '.join(controllers) or 'none'}); a region takes"
            f" {LEAST_CONTROLLERS} or more to be highly available."
        )
    region = _common("stretch_region", name, controllers, hosts, problems)
    vips = _vips(name, controllers, hosts, problems)
    number = int(name[len("stack") :])
    network = {
        "name": f"s{number}internal_api",
        "cidr": _network(name, controllers, hosts, vips, problems),
    }
    stack = {
        "name": name,
        "number": number,
        "prefix": f"s{number}",
        "region": None if region is None else str(region),
        "networks": {"internal_api": network},
        "vips": vips,
    }
    return stack, controllers


def _doubles(stacks: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], problems: List[str]) -> None:
    """Report what has to be there once and is there twice."""
    names = [node["name"] for node in nodes]
    problems += [
        f"{name} is in two of the groups; a host belongs to one."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    users: Dict[str, List[str]] = {}
    for node in nodes:
        for address in node["addresses"].values():
            users.setdefault(address, []).append(node["name"])
    for stack in stacks:
        for kind, address in stack["vips"].items():
            users.setdefault(address, []).append(f"{kind} of {stack['name']}")
    problems += [
        f"the address {address} is given to {' and '.join(who)}; each needs one of its own."
        for address, who in users.items()
        if address and len(set(who)) > 1
    ]
    regions: Dict[str, List[str]] = {}
    for stack in stacks:
        if stack["region"] is not None:
            regions.setdefault(stack["region"], []).append(stack["name"])
    problems += [
        f"{' and '.join(who)} have the region {region}; every stack is a region of its own."
        for region, who in regions.items()
        if len(who) > 1
    ]


def _nodes(
    role: str, stack: str | None, names: Sequence[str], kind: str, hosts: Hosts, problems: List[str]
) -> List[Dict[str, Any]]:
    return [
        {
            "name": name,
            "stack": stack,
            "role": role,
            "index": index,
            "addresses": {kind: _address_of(name, hosts, problems)},
        }
        for index, name in enumerate(names)
    ]


def _described(node: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]], hosts: Hosts) -> Tuple[Any, Any]:
    """The layout of a node and what differs from it; a compute node's are its stack's where it has none of its own."""
    names = [node["name"]]
    if node["role"] == "compute":
        names += [one["name"] for one in nodes if (one["stack"], one["role"]) == (node["stack"], "controller")]
    known = next((hosts[name] for name in names if "stretch_layout" in hosts.get(name, {})), hosts.get(names[-1], {}))
    return known.get("stretch_layout", DEFAULT_LAYOUT), known.get("stretch_site_overrides") or {}


def _layouts(nodes: Sequence[Mapping[str, Any]], hosts: Hosts, problems: List[str]) -> None:
    """Report layouts that there are not, and what has to be said beside one."""
    for node in nodes:
        layout, overrides = _described(node, nodes, hosts)
        if layout not in LAYOUTS:
            problems.append(f"stretch_layout of {node['name']} is {layout!r}; there are {', '.join(LAYOUTS)}.")
            continue
        if not isinstance(overrides, Mapping):
            problems.append(f"stretch_site_overrides of {node['name']} must be a dictionary.")
            continue
        containers = describe(layout, "", overrides).get("containers")
        if containers is not None and "galera_image" not in containers and node["role"] != "compute":
            problems.append(
                f"{node['name']} has no image for the members: set containers.galera_image in stretch_site_overrides,"
                " to the one that the region's own Galera has (pcs resource config galera-bundle)."
            )


def inventory(groups: Groups, hosts: Hosts, stacks: Any, state_dir: Any, working_directory: str) -> Dict[str, Any]:
    """Describe the regions as the inventory plugin ``topology`` does.

    :param groups: Names of the hosts by the name of the group. A region's controllers are those of
        ``stackN_controller`` or, where there is no such group, of ``stackN`` without ``stackN_compute``; arbiters those
        of ``arbiter``.
    :param hosts: Their variables.
    :param stacks: Names of stacks, as a list or as a string with commas; None takes all.
    :param state_dir: Absolute path of the directory with the state, or None for ``.stretch`` in the working directory.
    :returns: ``hosts``, a list of {name, groups, vars}; ``vars``, the variables of every host.
    :raises TopologyError: with everything that is wrong.
    """
    problems: List[str] = []
    if state_dir is None:
        state_dir = posixpath.join(working_directory, ".stretch")
    elif not isinstance(state_dir, str) or not posixpath.isabs(state_dir):
        problems.append(f"stretch_state_dir is {state_dir!r}; give an absolute path.")
    described: List[Dict[str, Any]] = []
    nodes: List[Dict[str, Any]] = []
    for name in _selected(groups, stacks, problems):
        stack, controllers = _stack(name, groups, hosts, problems)
        described.append(stack)
        nodes += _nodes("controller", name, controllers, "internal_api", hosts, problems)
        nodes += _nodes("compute", name, groups.get(f"{name}_compute", ()), "internal_api", hosts, problems)
    nodes += _nodes("arbiter", None, groups.get("arbiter", ()), "stretch", hosts, problems)
    known = {node["name"] for node in nodes}
    problems += [
        f"the group {role} has {', '.join(sorted(set(groups.get(role, ())) - known))}, of no stack that is named; leave"
        f" that group out, the collection makes it."
        for role in ("controller", "compute")
        if set(groups.get(role, ())) - known
    ]
    _doubles(described, nodes, problems)
    _layouts(nodes, hosts, problems)
    if problems:
        raise TopologyError(problems)
    common = {
        "stretch_topology": {"stacks": described, "networks": {}, "nodes": nodes},
        "stretch_stacks": [stack["name"] for stack in described],
        "stretch_state_dir": state_dir,
    }
    sites = {node["name"]: _site(node, described, nodes, hosts) for node in nodes}
    return {"hosts": [_host(node, sites[node["name"]]) for node in nodes], "vars": common}


def _site(
    node: Mapping[str, Any], stacks: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], hosts: Hosts
) -> Dict[str, Any]:
    """The description of a node's site, as the role ``site`` documents it; of an arbiter, what counts for it."""
    address = next(iter(node["addresses"].values()))
    name, overrides = _described(node, nodes, hosts)
    layout = describe(name, address, overrides)
    if node["stack"] is None:
        return {"address": address, **{key: layout[key] for key in ARBITER_KEYS if key in layout}}
    stack = next(one for one in stacks if one["name"] == node["stack"])
    if node["role"] == "compute":
        return {"region": stack["region"], **{key: layout[key] for key in COMPUTE_KEYS}}
    return {
        **layout,
        "stack": stack["name"],
        "region": stack["region"],
        "controllers": [one["name"] for one in nodes if (one["stack"], one["role"]) == (stack["name"], "controller")],
        "address": address,
        "vips": stack["vips"],
        "verify": True,
    }


def _host(node: Mapping[str, Any], site: Mapping[str, Any]) -> Dict[str, Any]:
    """A node as a host of the inventory."""
    stack, role = node["stack"], node["role"]
    groups = [role] if stack is None else [stack, f"{stack}_{role}", role, "overcloud"]
    variables = {f"stretch_{key}": node[key] for key in ("name", "stack", "role", "index", "addresses")}
    variables["stretch_site"] = site
    if stack is not None:
        variables["stretch_region"] = site["region"]
    return {"name": node["name"], "groups": groups, "vars": variables}
