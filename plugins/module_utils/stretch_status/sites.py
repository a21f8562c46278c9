# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's way in, its Pacemaker, and the arbiters."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    BAD,
    OK,
    WARN,
    Arbiter,
    Member,
    Proxy,
    Server,
    Site,
    State,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.views import Expected, View, words


def site(
    stack: Mapping[str, Any],
    views: Sequence[View],
    members: Iterable[Member],
    pacemaker: tuple[Mapping[str, Any] | None, str],
) -> Site:
    """Put together what is known of a site.

    :param stack: The site in the topology.
    :param views: Those of its controllers.
    :param members: All members, of the other sites too: HAProxy may send clients to them.
    :param pacemaker: What its Pacemaker says, or why that is not known.
    """
    vip = str(stack["vips"]["stretch_galera"])
    told, error = pacemaker
    holder = told["vips"].get(vip) if told is not None else None
    proxies = tuple(proxy for proxy in (_proxy(view, vip) for view in views) if proxy is not None)
    writes, access = _access(holder, told is not None, vip, proxies, {one.name: one for one in members})
    return Site(
        name=str(stack["name"]),
        region=str(stack.get("region") or ""),
        vip=vip,
        holder=holder,
        writes=writes,
        access=access,
        proxies=proxies,
        pacemaker=_pacemaker_trouble(told, error),
        reachable=sum(1 for view in views if not view.error),
        controllers=len(views),
    )


def _pacemaker_trouble(told: Mapping[str, Any] | None, error: str) -> str:
    if told is None:
        return error
    if not told["quorum"]:
        return "it has no quorum: it stops what it runs"
    if told["maintenance"]:
        return "it is in maintenance mode: it repairs nothing"
    return ""


def _proxy(view: View, vip: str) -> Proxy | None:
    answer, error = view.get("haproxy")
    if answer is None:
        return Proxy(view.host, error, 0, None, ()) if error and not view.error else None
    servers = tuple(
        Server(one["name"], one["up"], one["status"], one["sessions"], one["check"], one["since"])
        for one in answer["servers"]
    )
    usable = [one.name for one in servers if one.up]
    # HAProxy keeps to the server that it took before, while that is up; otherwise it takes the first one that is.
    kept = answer["stick"].get(vip)
    return Proxy(view.host, "", answer["sessions"], kept if kept in usable else next(iter(usable), None), servers)


def _access(
    holder: str | None, told: bool, vip: str, proxies: Iterable[Proxy], members: Mapping[str, Member]
) -> tuple[bool | None, str]:
    if holder is None:
        return (False, f"no controller has the VIP {vip}") if told else (None, "nobody could be asked")
    proxy = next((one for one in proxies if one.host == holder), None)
    if proxy is None:
        return None, f"the VIP is on {holder}, which does not answer"
    if proxy.error:
        return None, f"HAProxy on {holder}, which has the VIP, gives no answer: {proxy.error}"
    if proxy.target is None:
        return False, f"HAProxy on {holder} finds no member that it may send clients to"
    target = members.get(proxy.target)
    if target is not None and target.component is None and target.reported:
        return False, f"HAProxy on {holder} sends to {proxy.target}, which is not Primary"
    return True, f"HAProxy on {holder} sends to {proxy.target}"


def arbiter(one: Expected, view: View | None, members: Sequence[Expected], votes: bool | None) -> Arbiter:
    """Put together what is known of an arbiter.

    :param view: What its host answered.
    :param votes: Whether it is in a Primary component, as far as the members tell.
    """
    connections, _error = view.get("connections") if view else (None, "")
    unit, error = view.get("unit") if view else (None, "it was not asked")
    connected = None
    if connections is not None:
        others = set(words(connections.get("established")))
        connected = {member.site: 0 for member in members}
        for member in members:
            connected[member.site] += member.address in others
    total = None if connected is None else sum(connected.values())
    state = _arbiter_state(unit, error, bool(view and not view.error), total, votes)
    return Arbiter(one.name, one.address, one.weight, state, votes, connected)


def _arbiter_state(
    unit: Mapping[str, Any] | None, error: str, asked: bool, connected: int | None, votes: bool | None
) -> State:
    running = bool(unit and unit.get("running"))
    if votes:
        return State(OK, "votes", "" if running else f"the members count it in; its host: {error or 'no answer'}")
    if unit is None:
        return State(BAD, "down" if asked else "unreachable" if votes is None else "does not vote", error)
    if not running:
        return State(BAD, "down", f"its service is {unit.get('state')}")
    if votes is None:
        return State(WARN, "runs", f"connected to {connected} members; there is no Primary component to vote in")
    if connected == 0:
        return State(BAD, "cut off", "it runs, but has no connection to a member")
    return State(BAD, "does not vote", f"it runs, connected to {connected} members; no Primary component counts it in")
