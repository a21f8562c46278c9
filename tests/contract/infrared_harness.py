# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infrared's contract, from the table in infrared_options.yml: it is on no package index."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

import yaml
from contract_harness import HERE

TABLE = yaml.safe_load((HERE / "infrared_options.yml").read_text())
FORMS = {
    "text": r"\S+",
    "path": r"(/|\./)?[\w.][^\s]*|/\S+",
    "url": r"(https?|file)://\S+",
    "yes-no": r"yes|no",
    "nodes": r"[a-z0-9]+:\d+(,[a-z0-9]+:\d+)*",
    "option": r"[A-Za-z-]+\.[a-z_]+=\S+",
    "arguments": r"[a-z-]+(=[^;=]+)?(;[a-z-]+(=[^;=]+)?)*",
}
NODE = {
    "name": str,
    "prefix": (str, type(None)),
    "cpu": str,
    "cpumodel": str,
    "memory": str,
    "swap": str,
    "deploy_os": bool,
    "os": dict,
    "disks": dict,
    "interfaces": type(None),
    "groups": list,
}
DISK = {"import_url": (str, type(None)), "path": (str, type(None)), "dev": str, "size": str, "cache": str}
DISK["preallocation"] = str


def problems(argv: list[str]) -> list[str]:
    """What Infrared would not take of a command line, or take as something else."""
    return list(_problems(argv[1:]))


def _problems(words: list[str]) -> Iterator[str]:
    name = next((name for name in TABLE["commands"] if words[: len(name.split())] == name.split()), None)
    if name is None:
        yield f"infrared has no {' '.join(words[:2])}"
        return
    command, rest = TABLE["commands"][name], words[len(name.split()) :]
    options, seen = command["options"], []
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            if word not in command["words"]:
                yield f"{name} does not take {word}"
            continue
        if word not in options:
            yield f"{name} has no {word}"
            return
        if word in seen and not options[word].get("repeated"):
            yield f"{name} {word} is given twice"
        seen.append(word)
        if options[word]["kind"] != "flag":
            yield from _value(f"{name} {word}", options[word]["kind"], rest.pop(0) if rest else "")
    for option, described in options.items():
        if described.get("required") and option not in seen:
            yield f"{name} lacks {option}"


def _value(where: str, kind: str | list[str], value: str) -> Iterator[str]:
    fits = value in kind if isinstance(kind, list) else re.fullmatch(FORMS[kind], value)
    if not fits:
        yield f"{where} is {value!r}, which is no {kind}"


def file_problems(files: dict[str, Any]) -> list[str]:
    """What Infrared's templates would not take of the topology's files."""
    return [*_node_problems(files), *_network_problems(files)]


def _node_problems(files: dict[str, Any]) -> Iterator[str]:
    for path, content in files.items():
        if path.startswith("nodes/"):
            if path != f"nodes/{content['name']}.yml":
                yield f"{path} is called {content['name']}"
            yield from _kinds(path, NODE, content)
            yield from (problem for disk in content.get("disks", {}).values() for problem in _kinds(path, DISK, disk))


def _kinds(where: str, kinds: Any, content: dict[str, Any]) -> Iterator[str]:
    yield from (f"{where} has no {name}" for name in sorted(set(kinds) - set(content)))
    yield from (f"{where} has an unknown {name}" for name in sorted(set(content) - set(kinds)))
    yield from (
        f"{where}: {name} is {content[name]!r}"
        for name, kind in kinds.items()
        if name in content and not isinstance(content[name], kind)
    )


def _network_problems(files: dict[str, Any]) -> Iterator[str]:
    (described,) = [content for path, content in files.items() if path.startswith("network/")]
    names = [network["name"] for network in described["networks"].values()]
    for network in described["networks"].values():
        if len(network["name"]) > 15:
            yield f"{network['name']} has {len(network['name'])} characters, and a bridge takes 15"
        cidr = ipaddress.ip_network(f"{network['ip_address']}/{network['netmask']}", strict=False)
        if network["external_connectivity"] != ("forward" in network):
            yield f"{network['name']} leads out and does not forward, or the other way round"
        for address in network.get("dhcp", {}).get("range", {}).values():
            if ipaddress.ip_address(address) not in cidr:
                yield f"{network['name']} gives {address}, which is not in {cidr}"
    for path in files:
        if path.startswith("nodes/") and path[len("nodes/") : -len(".yml")] not in described["nodes"]:
            yield f"{path} has no networks"
    for name, node in described["nodes"].items():
        on = [interface["network"] for interface in node["interfaces"]]
        yield from (f"{name} is on {one}, which is no network" for one in on if one not in names)
        if node["external_network"]["network"] not in on:
            yield f"{name} is reached on {node['external_network']['network']}, on which it is not"
