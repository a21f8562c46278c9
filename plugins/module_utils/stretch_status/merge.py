# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All views put together into one picture."""

from __future__ import annotations

import dataclasses
from typing import Any, Collection, Iterable, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils import galera
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status import links, members, sites, verdict
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    Component,
    Member,
    Reserve,
    Status,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.views import (
    Expected,
    Sighting,
    StatusError,
    View,
    best,
    expected,
    mapping,
    sightings,
    views,
    whole,
    words,
)


def assess(
    topology: Mapping[str, Any],
    configured: Sequence[Mapping[str, Any]],
    arbiters: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Any],
    taken: str,
) -> Status:
    """Make the picture.

    :param topology: The value of C(stretch_topology).
    :param configured: The members as the topology has them; their own list counts, where one can be read.
    :param arbiters: The arbiters, likewise.
    :param answers: What each node answered, by host.
    :param taken: When they were asked, ISO 8601.
    :raises StatusError: when an input is not what it should be.
    """
    try:
        homes = {
            str(node["name"]): str(node["stack"] or node["name"])
            for node in topology["nodes"]
            if node["role"] in ("controller", "arbiter")
        }
        stacks = [(stack, str(stack["name"])) for stack in topology["stacks"]]
    except (KeyError, TypeError) as error:
        raise StatusError(f"the topology cannot be used: {error!r}") from error
    hosts = views(answers, homes)
    wanted, wanted_arbiters = expected(configured, arbiters, hosts)
    seen = {one.name: sightings(one.name, hosts) for one in wanted}
    reports = {one.name: mapping(found.report) for one in wanted for found in [best(one, seen[one.name])] if found}
    components = _components(wanted, wanted_arbiters, reports)
    # Members of stacks that were not selected are there all the same.
    known = [name for _stack, name in stacks]
    others = dict.fromkeys(one.site for one in wanted if one.site not in known)
    stacks += [({"name": name, "vips": {"stretch_galera": ""}}, name) for name in others]
    pacemaker = {
        name: members.site_pacemaker([view for view in hosts.values() if view.site == name]) for _stack, name in stacks
    }
    found = _behind(
        [_member(one, seen[one.name], components, reports, pacemaker[one.site][0], hosts) for one in wanted]
    )
    addresses = {one.address for one in wanted}
    votes = _voting(wanted_arbiters, components, hosts, addresses)
    status = Status(
        cluster=_cluster(hosts),
        taken=taken,
        level="",
        headline="",
        writes=None,
        split=len(components) > 1,
        sites=tuple(
            sites.site(stack, [view for view in hosts.values() if view.site == name], found, pacemaker[name])
            for stack, name in stacks
        ),
        members=found,
        arbiters=tuple(sites.arbiter(one, hosts.get(one.name), wanted, votes.get(one.name)) for one in wanted_arbiters),
        links=links.links(wanted, seen, hosts),
        components=components,
        reserve=_reserve(found, wanted_arbiters, components, votes),
        problems=(),
        newest=max((one.seqno for one in found if one.seqno is not None), default=None),
    )
    return verdict.judge(status, hosts, reports)


def _cluster(hosts: Mapping[str, View]) -> str:
    names = (mapping(view.get("members")[0]).get("cluster") for view in hosts.values())
    return next((str(name) for name in names if name), "")


def _listed(report: Mapping[str, Any], by_address: Mapping[str, str]) -> set[str]:
    """Names of the members that a member sees in its component; arbiters have no address there."""
    return {
        by_address[address]
        for entry in words(report.get("members_seen"))
        for address in [entry.rsplit(":", 1)[0].strip("[] ")]
        if address in by_address
    }


def _components(
    wanted: Sequence[Expected], arbiters: Sequence[Expected], reports: Mapping[str, Mapping[str, Any]]
) -> tuple[Component, ...]:
    """The Primary components, the heaviest first.

    Two members are in the same one if either lists the other. Not both have to: while a component shrinks, one may be
    a moment ahead of the other. Two histories are two components, whatever is listed.
    """
    by_address = {one.address: one.name for one in wanted}
    primary = {
        one.name: reports[one.name]
        for one in wanted
        if reports.get(one.name, {}).get("primary") and reports[one.name].get("answers")
    }
    lists = {name: _listed(report, by_address) for name, report in primary.items()}
    groups: list[set[str]] = []
    for name, report in primary.items():
        joined = [
            group
            for group in groups
            if any(
                report.get("cluster_uuid") == primary[other].get("cluster_uuid")
                and (name in lists[other] or other in lists[name] or not (lists[name] and lists[other]))
                for other in group
            )
        ]
        groups = [group for group in groups if group not in joined] + [{name}.union(*joined)]
    weights = {one.name: whole(reports.get(one.name, {}).get("weight")) or one.weight for one in wanted}
    everything = sum(weights.values()) + sum(one.weight for one in arbiters)
    found = [_component(group, primary, lists, weights, arbiters, everything) for group in groups]
    return tuple(sorted(found, key=lambda one: (-one.votes, one.members)))


def _component(
    group: Collection[str],
    primary: Mapping[str, Mapping[str, Any]],
    lists: Mapping[str, Collection[str]],
    weights: Mapping[str, int],
    arbiters: Sequence[Expected],
    everything: int,
) -> Component:
    # The newest view is the one that counts; who it lists is in, even one that reports to nobody.
    latest = max(sorted(group), key=lambda name: whole(primary[name].get("view")) or 0)
    report = primary[latest]
    inside = sorted(set(group) | {name for name in lists[latest] if name not in primary})
    voting = 0
    if lists[latest]:
        # Whom the size counts and the list does not name: arbiters have no address of clients.
        voting = min(len(arbiters), max(0, (whole(report.get("cluster_size")) or 0) - len(lists[latest])))
    heaviest = sorted((one.weight for one in arbiters), reverse=True)[:voting]
    return Component(
        uuid=str(report.get("cluster_uuid") or ""),
        view=whole(report.get("view")),
        members=tuple(inside),
        arbiters=voting,
        votes=sum(weights[name] for name in inside) + sum(heaviest),
        all_votes=everything,
    )


def _member(
    one: Expected,
    seen: Sequence[Sighting],
    components: Sequence[Component],
    reports: Mapping[str, Mapping[str, Any]],
    pacemaker: Mapping[str, Any] | None,
    hosts: Mapping[str, View],
) -> Member:
    component = next((index for index, each in enumerate(components) if one.name in each.members), None)
    peers: list[str] = []
    if component is not None:
        peers = [name for name in components[component].members if name != one.name and reports.get(name)]
    view = hosts.get(one.name)
    node = view.error if view else "not asked"
    own_error = view.get("pacemaker")[1] if view and not node else ""
    proxies = [host for host, each in hosts.items() if one.name in _usable(each)]
    role = members.role(one.name, pacemaker, own_error)
    return members.member(one, seen, peers, proxies, component, role, node)


def _usable(view: View) -> list[str]:
    """Whom HAProxy on a controller finds usable: who answered its clustercheck with 200 a second ago."""
    answer, _error = view.get("haproxy")
    return [one["name"] for one in answer["servers"] if one["up"]] if answer is not None else []


def _behind(found: Iterable[Member]) -> tuple[Member, ...]:
    newest: dict[str, int] = {}
    found = tuple(found)
    for one in found:
        if one.seqno is not None:
            newest[one.uuid] = max(one.seqno, newest.get(one.uuid, one.seqno))
    return tuple(
        one if one.seqno is None else dataclasses.replace(one, behind=newest[one.uuid] - one.seqno) for one in found
    )


def _voting(
    arbiters: Sequence[Expected], components: Sequence[Component], hosts: Mapping[str, View], addresses: Collection[str]
) -> dict[str, bool]:
    """Which arbiters are in a Primary component. Its members tell how many; which ones, the arbiters' hosts."""
    if not components:
        return {}
    left = sum(one.arbiters for one in components)

    def connections(one: Expected) -> int:
        view = hosts.get(one.name)
        answer = view.get("connections")[0] if view else None
        # One that cannot be asked comes after one that is connected, and before one that is not.
        return len(set(words(answer.get("established"))) & set(addresses)) * 2 if answer is not None else 1

    ranked = sorted(arbiters, key=connections, reverse=True)
    return {one.name: index < left for index, one in enumerate(ranked)}


def _reserve(
    found: Sequence[Member],
    arbiters: Sequence[Expected],
    components: Sequence[Component],
    votes: Mapping[str, bool],
) -> Reserve | None:
    if len(components) != 1:
        return None
    weights = {one.name: (one.site, 1 if one.weight is None else one.weight) for one in found}
    weights.update({one.name: (galera.ARBITER_SITE, one.weight) for one in arbiters})
    inside = components[0].members
    up = {*inside, *(name for name, voting in votes.items() if voting)}
    left = galera.survivable(weights, up, [one.name for one in arbiters])
    holding = dict.fromkeys(one.site for one in found if one.name in inside)
    return Reserve(left.members, left.at_once, left.sites, tuple(site for site in holding if site not in left.sites))
