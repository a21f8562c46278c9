# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the hosts from forming one Galera cluster, found from what each of them says, before anything changes.

Pure: what the module galera_preflight_info found on every host goes in, sentences come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.galera_links import name_problem
from ansible_collections.stretch.cluster.plugins.module_utils.galera_state import NULL_UUID

CLOCK_TOLERANCE = 60.0
"""Seconds by which clocks may differ. A certificate is valid from the moment at which its maker's clock made it."""
SPACE_MARGIN = 1.1
"""A copy of the data takes its size, and the log of what is written meanwhile."""

Facts = Mapping[str, Any]
"""What galera_preflight_info returned on one host."""


@dataclass(frozen=True)
class Findings:
    """Sentences with what to do: ``errors`` keep the cluster from being made, ``warnings`` do not."""

    errors: Tuple[str, ...]
    warnings: Tuple[str, ...]


def examine(
    facts: Mapping[str, Facts], members: Sequence[Mapping[str, Any]], cluster: str, datadir: str, members_file: str
) -> Findings:
    """Find everything that is wrong.

    :param facts: What each host found. A member without facts was not asked, as with --limit; it counts only as a peer.
    :param members: All members of all sites, each with ``name`` and ``address``.
    :param cluster: The configured name of the cluster.
    :param datadir: The data directory, for the sentences.
    :param members_file: The file that names the cluster on a deployed host, for the sentences.
    """
    doubles = _doubles(members)
    if doubles:
        # Whatever the hosts say is then said of more than one.
        return Findings(doubles, ())
    asked = {member["name"]: facts[member["name"]] for member in members if member["name"] in facts}
    errors, warnings = _links(asked, [member["name"] for member in members])
    errors += _addresses(asked)
    errors += _cluster_names(asked, cluster, members_file)
    errors += _histories(asked)
    errors += _data(asked, cluster, datadir)
    errors += _clocks(asked)
    warnings += _space(asked, datadir)
    return Findings(tuple(errors), tuple(warnings))


def _doubles(members: Sequence[Mapping[str, Any]]) -> Tuple[str, ...]:
    found = []
    for key, what in (("name", "name"), ("address", "address")):
        holders: Dict[str, List[str]] = {}
        for member in members:
            other = member["address"] if key == "name" else member["name"]
            holders.setdefault(str(member[key]), []).append(str(other))
        found += [
            f"{len(others)} members have the {what} {value} ({', '.join(others)}): each needs one of its own; correct "
            "the topology."
            for value, others in holders.items()
            if len(others) > 1
        ]
    return tuple(found)


def _links(asked: Mapping[str, Facts], members: Collection[str]) -> Tuple[List[str], List[str]]:
    """Sentences about links, one for each peer and what is wrong with it.

    A peer that was not asked, an arbiter or a member that this run leaves out, only warrants a warning: an outage of it
    must not keep an operator from changing the others.
    """
    names: Dict[Tuple[str, str, str], List[str]] = {}
    unreached: Dict[Tuple[str, str, int], Dict[str, str]] = {}
    unknown: Set[str] = set()
    for host, each in asked.items():
        for link in each["links"]:
            problem = name_problem(link)
            if problem:
                names.setdefault((link["name"], link["address"], problem), []).append(host)
                unknown.update({problem} if link["resolve_error"] else set())
            if not link["reached"]:
                unreached.setdefault((link["name"], link["address"], link["port"]), {})[host] = link["error"]
    errors: List[str] = []
    warnings: List[str] = []
    for (peer, address, problem), hosts in names.items():
        sentence = f"{peer} {problem} on {_list(hosts)}; it must resolve to {address}: correct /etc/hosts or DNS there."
        # Members know each other by their addresses: a name that leads nowhere harms nothing, a wrong one does.
        (errors if peer in members and problem not in unknown else warnings).append(sentence)
    for (peer, address, port), reasons in unreached.items():
        why = _list(sorted(set(reasons.values())))
        sentence = f"{_list(reasons)} cannot reach {peer} ({address}, TCP port {port}): {why}."
        reached = {link["name"] for link in asked[peer]["links"] if link["reached"]} if peer in asked else set()
        back = sorted(reached.intersection(reasons))
        if back:
            sentence += f" The other way it works, to {_list(back)}: look for a firewall or a route for one direction."
        else:
            sentence += " Look at the routes and the firewalls in between, and whether the host is up."
        (errors if peer in asked else warnings).append(sentence)
    return errors, warnings


def _addresses(asked: Mapping[str, Facts]) -> List[str]:
    return [
        f"The host that answers as {host} does not have the address {each['address']}: correct ansible_host, or the "
        "address in the topology."
        for host, each in asked.items()
        if not each["address_is_local"]
    ]


def _cluster_names(asked: Mapping[str, Facts], cluster: str, members_file: str) -> List[str]:
    found = []
    for kept, where in (("configured_cluster", f"by its {members_file}"), ("running_cluster", "as its server says")):
        others: Dict[str, List[str]] = {}
        for host, each in asked.items():
            if each[kept] and each[kept] != cluster:
                others.setdefault(each[kept], []).append(host)
        found += [
            f"The cluster of {_list(hosts)} is {name} ({where}), and stretch_galera_cluster_name is {cluster}: set it "
            f"to {name}, or choose hosts that belong to no other cluster."
            for name, hosts in others.items()
        ]
    return found


def _histories(asked: Mapping[str, Facts]) -> List[str]:
    holders: Dict[str, List[str]] = {}
    for host, each in asked.items():
        if each["uuid"] != NULL_UUID:
            holders.setdefault(each["uuid"], []).append(host)
    if len(holders) < 2:
        return []
    listed = "; ".join(f"{uuid} on {_list(hosts)}" for uuid, hosts in sorted(holders.items()))
    what = f"The members hold different histories, of which one cluster can keep only one: {listed}."
    return [f"{what} Move the data directories of the others away, once you know which data you want to keep."]


def _data(asked: Mapping[str, Facts], cluster: str, datadir: str) -> List[str]:
    """Data directories that hold what this cluster did not put there."""
    ours = {host for host, each in asked.items() if each["managed"] or each["running_cluster"] == cluster}
    found = []
    for host, each in asked.items():
        if each["entries"] and not each["grastate"] and host not in ours:
            found.append(
                f"{datadir} on {host} is not empty and holds no Galera member's data ({_list(each['entries'])}): a "
                "copy of the cluster's data would overwrite it. Move it away, or set stretch_galera_datadir."
            )
    with_data = [host for host, each in asked.items() if each["uuid"] != NULL_UUID]
    # Data of another history beside those of this cluster are _histories' matter.
    if not ours.intersection(with_data):
        found += [
            f"{datadir} on {host} holds data of a Galera cluster that was not made here ({asked[host]['uuid']}), and "
            "on a first deployment every member would get a copy of them. Move them away, or set "
            "stretch_galera_datadir."
            for host in with_data
            if host not in ours
        ]
    return found


def _clocks(asked: Mapping[str, Facts]) -> List[str]:
    """Clocks that differ too much from that of the control node, which makes the certificates, or among each other."""
    offsets = {host: each["clock_offset"] for host, each in asked.items() if each["clock_offset"] is not None}
    found = [
        f"The clock of {host} is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} the control node's; "
        "certificates made now would not be valid there yet, or end too early. Set it (chrony, systemd-timesyncd)."
        for host, offset in offsets.items()
        if abs(offset) > CLOCK_TOLERANCE
    ]
    if not found and offsets and max(offsets.values()) - min(offsets.values()) > CLOCK_TOLERANCE:
        first, last = min(offsets, key=lambda host: offsets[host]), max(offsets, key=lambda host: offsets[host])
        found.append(
            f"The clocks of {first} and {last} are {offsets[last] - offsets[first]:.0f} s apart; set them (chrony, "
            "systemd-timesyncd)."
        )
    return found


def _space(asked: Mapping[str, Facts], datadir: str) -> List[str]:
    """Members that could not take a full copy of the data; their own data are removed before it comes."""
    needed = max((each["data_bytes"] for each in asked.values() if each["uuid"] != NULL_UUID), default=0)
    return [
        f"{datadir} on {host} has room for {(each['free_bytes'] + each['data_bytes']) // 2**20} MiB, and a full copy "
        f"of the data needs about {int(needed * SPACE_MARGIN) // 2**20} MiB: free some, or it cannot join by one."
        for host, each in asked.items()
        if each["free_bytes"] + each["data_bytes"] < needed * SPACE_MARGIN
    ]


def _list(names: Iterable[str]) -> str:
    ordered = list(names)
    return ", ".join(ordered[:-1]) + " and " + ordered[-1] if len(ordered) > 1 else "".join(ordered)
