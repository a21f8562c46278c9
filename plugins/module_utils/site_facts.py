# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the description of sites that somebody else built, from what each controller says.

Pure: what the module site_facts_info found on every controller goes in, sentences come out.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

OLDEST_MARIADB = (10, 3)
"""Of Train's images; an older server has no mariabackup that can encrypt with an authority of its own."""
LEAST_NODES = 3

Facts = Mapping[str, Any]
"""What site_facts_info returned on one controller."""


def listening(proc_net_tcp: str) -> List[Tuple[str, int]]:
    """Addresses and ports on which somebody listens, of /proc/net/tcp."""
    found = []
    for line in proc_net_tcp.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == "0A":
            address, port = words[1].split(":")
            octets = [str(int(address[at : at + 2], 16)) for at in (6, 4, 2, 0)]
            found.append((".".join(octets), int(port, 16)))
    return found


def listening_everywhere(proc_net_tcp6: str) -> List[Tuple[str, int]]:
    """Ports on which somebody listens at all addresses of IPv6 and so, mostly, of IPv4 too, of /proc/net/tcp6."""
    found = []
    for line in proc_net_tcp6.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == "0A" and not words[1].split(":")[0].strip("0"):
            found.append(("0.0.0.0", int(words[1].split(":")[1], 16)))  # noqa: S104 - that is what it is
    return found


def holders(listeners: Iterable[Sequence[Any]], address: str, ports: Iterable[int]) -> List[int]:
    """The ports, of those given, that cannot be listened on at an address any more."""
    taken = {int(port) for where, port in listeners if where in (address, "0.0.0.0")}  # noqa: S104 - of others
    return sorted(taken.intersection(ports))


def version(text: str) -> Tuple[int, ...] | None:
    """The version in what ``mariadbd --version`` prints; None if it is none of MariaDB."""
    match = re.search(r"(\d+)\.(\d+)\.(\d+)-MariaDB", text)
    return None if match is None else tuple(int(part) for part in match.groups())


def _programs(facts: Facts, site: Mapping[str, Any]) -> List[str]:
    """What members need in their image, or on the node."""
    where = "the image " + site["containers"]["galera_image"] if site.get("containers") else "the node"
    told = facts["programs"]
    if told["error"]:
        return [f"{where} cannot be looked into: {told['error']}"]
    found = []
    made = version(told["mariadb"])
    if made is None:
        found.append(f"there is no mariadbd in {where}; install mariadb-server, or name another image")
    elif made[:2] < OLDEST_MARIADB:
        found.append(
            f"MariaDB in {where} is {'.'.join(map(str, made))}; members need {'.'.join(map(str, OLDEST_MARIADB))}"
            " or later"
        )
    if not told["galera"]:
        directory = site["galera"]["plugin_dir"]
        found.append(
            f"there is no {directory}/libgalera_smm.so in {where}; install Galera, or correct galera.plugin_dir"
        )
    if not told["pymysql"]:
        found.append(f"Python in {where} has no PyMySQL; install python3-pymysql")
    if not told["user"]:
        found.append(f"there is no user {site['galera']['user']} in {where}; correct galera.user")
    return found


def _files(facts: Facts) -> List[str]:
    found = [f"{what} {path} is not there" for what, path in facts["missing"]]
    return found + [f"the command {name} ({what}) is not there" for what, name in facts["no_command"]]


def _network(facts: Facts, site: Mapping[str, Any]) -> List[str]:
    found = []
    vip = site["vips"]["stretch_galera"]
    if not facts["vip_on_network"]:
        found.append(f"the virtual address {vip} (stretch_galera) is on none of its networks")
    if facts["vip_answers"] and not facts["vip_is_ours"]:
        found.append(f"somebody answers at {vip}, which is to be made the stretched Galera's; give another, free one")
    if facts["taken"]:
        found.append(
            f"TCP ports {', '.join(map(str, facts['taken']))} are taken at {site['address']}; the members need them"
        )
    if facts["vip_port_taken"]:
        found.append(
            f"somebody listens on port {facts['vip_port_taken']} of all addresses, so that HAProxy cannot at {vip}:"
            " give the region's own database its bind-address, or set stretch_haproxy_port, cutover_database_port and"
            " stretch_firewall_vip_port"
        )
    return found


def _pacemaker(name: str, facts: Facts, site: Mapping[str, Any]) -> List[str]:
    told = facts["pacemaker"]
    if told["error"]:
        return [f"Pacemaker does not answer: {told['error']}"]
    found = []
    if len(told["nodes"]) < LEAST_NODES:
        found.append(
            f"its Pacemaker has {len(told['nodes'])} nodes ({', '.join(told['nodes'])}), and takes {LEAST_NODES}"
        )
    strangers = [one for one in site["controllers"] if one not in told["nodes"]]
    if strangers:
        found.append(
            f"its Pacemaker knows no {', '.join(strangers)} (it has {', '.join(told['nodes'])}); call the hosts in the"
            " inventory as Pacemaker does, with ansible_host for their addresses"
        )
    elif told["self"] and told["self"] != name:
        found.append(f"it is {told['self']} to its Pacemaker: ansible_host leads to another host")
    resource = site["haproxy"]["resource"]
    if resource and resource not in told["resources"]:
        found.append(
            f"its Pacemaker has no resource {resource}; correct haproxy.resource, or empty it if HAProxy is none"
        )
    return found


def _keystone(facts: Facts, site: Mapping[str, Any]) -> List[str]:
    told = facts["keystone"]
    found = [told["config_error"]] if told["config_error"] else []
    if told["exec_error"]:
        found.append(f"keystone-manage cannot be run by keystone.exec ({told['exec_error']})")
    if told["url_error"]:
        found.append(
            f"Keystone does not answer at {site['keystone']['url']} ({told['url_error']}); correct keystone.url"
        )
    if told["database_error"]:
        found.append(f"its own database of Keystone does not answer: {told['database_error']}")
    elif told["regions"] is not None and site["region"] not in told["regions"]:
        known = ", ".join(told["regions"]) or "none"
        found.append(f"its Keystone has no region {site['region']} (it has {known}); correct stretch_region")
    if told["memcached_error"]:
        found.append(
            f"memcached does not answer at {site['keystone']['memcached']} ({told['memcached_error']}); correct"
            " keystone.memcached, or empty it where Keystone caches nothing"
        )
    return found


def problems(facts: Mapping[str, Facts], sites: Mapping[str, Mapping[str, Any]]) -> List[str]:
    """Everything that is wrong, one sentence for all controllers of which it holds.

    :param facts: What each controller found. One that could not be asked is left out.
    :param sites: The controllers' descriptions.
    """
    told: Dict[str, List[str]] = {}
    for name, found in facts.items():
        site = sites[name]
        sentences = [
            *_files(found),
            *_programs(found, site),
            *_network(found, site),
            *_pacemaker(name, found, site),
            *_keystone(found, site),
        ]
        for sentence in sentences:
            told.setdefault(sentence, []).append(name)
    return [f"{', '.join(names)}: {sentence}." for sentence, names in told.items()]
