# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture as text, to be read without colours: ASCII, but for what nodes say themselves."""

from __future__ import annotations

import textwrap
from typing import Iterator, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.galera import ARBITER_SITE
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.members import duration
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    BAD,
    BUSY,
    CUT,
    OFF,
    OK,
    PARTIAL,
    UNKNOWN,
    UP,
    WARN,
    Arbiter,
    Link,
    Member,
    Proxy,
    Reserve,
    Site,
    Status,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.verdict import names, plural

WIDTH = 108
"""Columns; with what Ansible puts around a line, YAML or JSON, they are less than 120."""
MARKS = {OK: "  ", BUSY: "..", OFF: "--", WARN: "! ", BAD: "!!"}
LEVEL_NAMES = {OK: "OK", BUSY: "BUSY", WARN: "WARNING", BAD: "CRITICAL"}
COLUMNS = ("", "member", "state", "pacemaker", "wsrep", "uuid:seqno", "behind", "seg", "wt", "ms", "fc%", "agent")


def render(status: Status) -> str:
    """Return the whole, without a line end at its end."""
    return "\n".join(line.rstrip() for line in _lines(status))


def _lines(status: Status) -> Iterator[str]:
    yield from _wrapped(f"{LEVEL_NAMES[status.level]}: {status.headline}", "")
    yield f"cluster {status.cluster or 'unknown'}, seen {moment(status)}"
    for line in _quorum(status):
        yield from _wrapped(line, "  ")
    if status.problems:
        yield ""
        for problem in status.problems:
            yield from _wrapped(f"{MARKS[problem.level]} {problem.who}: {problem.what}", "   ")
    rows = {site.name: [_row(member) for member in status.of_site(site.name)] for site in status.sites}
    widths = _widths([COLUMNS, *(row for site in rows.values() for row in site)])
    for site in status.sites:
        yield ""
        yield from _wrapped(_site(site), "  ")
        yield from (_columns(row, widths) for row in [COLUMNS, *rows[site.name]])
        for line in (*_under_pacemaker(status.of_site(site.name)), *_proxies(site)):
            yield from _wrapped(line, "     ")
    if status.arbiters:
        yield ""
        for arbiter in status.arbiters:
            yield from _wrapped(_arbiter(arbiter), "     ")
    if status.links:
        yield ""
        yield "LINKS (round trip)"
        for line in _links(status.links):
            yield from _wrapped(line, "     ")


def moment(status: Status) -> str:
    """When it was, for people."""
    return status.taken.replace("T", " ").replace("Z", " UTC")


def _quorum(status: Status) -> Iterator[str]:
    if not status.components:
        yield "Primary component: none"
    for one in status.components:
        arbiters = f" and {plural(one.arbiters, 'arbiter')}" if one.arbiters else ""
        yield (
            f"Primary component: {one.votes} of {one.all_votes} votes, {plural(len(one.members), 'member')}{arbiters}; "
            f"view {one.view}, history {one.uuid}"
        )
    if status.reserve is not None:
        yield f"Can still be lost before writes stop: {reserve(status)}"


def reserve(status: Status) -> str:
    """What can still be lost, in words; empty where there is nothing to lose."""
    left = status.reserve
    if left is None:
        return ""
    if left.members == left.at_once:
        lost = plural(left.members, "member")
    else:
        lost = f"{plural(left.members, 'member')} one after another ({left.at_once} at the same moment)"
    return f"{lost}, or {lost_sites(left)}" if left.sites else f"{lost}, {lost_sites(left)}"


def lost_sites(left: Reserve) -> str:
    """Which sites may be lost, in words; those with data first."""
    if not left.sites:
        return "no site"
    ordered = sorted(left.sites, key=lambda site: (site == ARBITER_SITE, site))
    return f"one site ({' or '.join(ordered)})" if len(ordered) > 1 else f"one site ({ordered[0]} alone)"


def _wrapped(line: str, indent: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def position(member: Member) -> str:
    """The UUID's beginning and the seqno."""
    if not member.uuid and member.seqno is None:
        return "-"
    return f"{member.uuid[:8] or 'no data'}:{'?' if member.seqno is None else member.seqno}"


def milliseconds(seconds: float | None) -> str:
    """A round trip with two digits that count."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f}" if seconds < 0.01 else f"{seconds * 1000:.0f}"


def round_trips(member: Member) -> str:
    """Round trips to a member: from its own site, then from the others."""
    own = member.round_trips.get(member.site)
    far = [value for site, value in member.round_trips.items() if site != member.site]
    return "/".join(milliseconds(value) for value in (own, *far)) if own is not None or far else "-"


def agent(member: Member) -> str:
    """The agent's phase and how long it has lasted."""
    age = "" if member.phase_age is None else f" {duration(member.phase_age)}"
    return f"{member.phase}{age}" if member.phase else "-"


def _row(member: Member) -> tuple[str, ...]:
    return (
        MARKS[member.state.level],
        member.name,
        member.state.label,
        member.pacemaker,
        member.wsrep or "-",
        position(member),
        "-" if member.behind is None else str(member.behind),
        "-" if member.segment is None else str(member.segment),
        "-" if member.weight is None else str(member.weight),
        round_trips(member),
        "-" if member.flow_control is None else f"{member.flow_control * 100:.1f}",
        agent(member),
    )


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """What each column needs; where that is too much for a line, the widest ones give."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    while sum(widths) + len(widths) - 1 > WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _columns(row: Sequence[str], widths: Sequence[int]) -> str:
    return " ".join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths))


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + "~"


def _site(site: Site) -> str:
    writes = {True: "writes", False: "NO WRITES", None: "not known"}[site.writes]
    return f"SITE {site.name} ({site.region})  VIP {site.vip}  {writes}: {site.access}"


def remarkable(member: Member) -> bool:
    """Whether what Pacemaker says of a member is worth a line: it keeps what was said of one that is well by now."""
    return bool(member.pacemaker_reason) and (member.state.level != OK or member.pacemaker != "Promoted")


def _under_pacemaker(members: Sequence[Member]) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for member in members:
        if remarkable(member):
            told.setdefault(member.pacemaker_reason, []).append(member.name)
    for reason, those in told.items():
        yield f"   pacemaker on {names(those)}: {reason}"


def _proxies(site: Site) -> Iterator[str]:
    """HAProxy of the controller that has the VIP, and of those that see something else."""
    holder = next((proxy for proxy in site.proxies if proxy.host == site.holder), None)
    if holder is not None:
        yield f"   haproxy on {holder.host} (VIP): {_proxy(holder)}"
    told: dict[str, list[str]] = {}
    for proxy in site.proxies:
        if proxy is not holder:
            same = holder is not None and not holder.error and _ups(proxy) == _ups(holder)
            told.setdefault("finds the same members up" if same else _proxy(proxy), []).append(proxy.host)
    for what, hosts in told.items():
        yield f"   haproxy on {names(hosts)}: {what}"


def _ups(proxy: Proxy) -> list[str]:
    return [one.name for one in proxy.servers if one.up]


def _proxy(proxy: Proxy) -> str:
    if proxy.error:
        return f"no answer: {proxy.error}"
    busy = [f"{one.name} {one.sessions}" for one in proxy.servers if one.sessions]
    parts = [f"sends to {proxy.target}" if proxy.target else "has nobody to send to"]
    parts.append(f"sessions: {', '.join(busy) or 'none'}")
    ready = [name for name in _ups(proxy) if name != proxy.target]
    parts += [f"ready: {', '.join(ready)}"] if ready else []
    down: dict[str, list[str]] = {}
    for one in proxy.servers:
        if not one.up:
            down.setdefault(f"{one.check}, {duration(one.since)} ago", []).append(one.name)
    parts += [f"DOWN: {', '.join(hosts)} ({check})" for check, hosts in down.items()]
    return "; ".join(parts)


def _arbiter(arbiter: Arbiter) -> str:
    detail = f": {arbiter.state.detail}" if arbiter.state.detail else ""
    connected = ""
    if arbiter.connected is not None:
        connected = f", connected to {plural(sum(arbiter.connected.values()), 'member')}"
    return (
        f"{MARKS[arbiter.state.level]} ARBITER {arbiter.name} ({arbiter.address}), weight {arbiter.weight}{connected}: "
        f"{arbiter.state.label}{detail}"
    )


def _links(links: Sequence[Link]) -> Iterator[str]:
    """Both directions in one line where they are the same."""
    ways = {(link.source, link.target): link for link in links}
    for link in links:
        back = ways[link.target, link.source]
        same = (link.state, link.detail) == (back.state, back.detail)
        if not same:
            yield _link(link, "->")
        elif link.source < link.target:
            yield _link(link, "<->")


def _link(link: Link, arrow: str) -> str:
    states = {UP: "ok", CUT: "CUT", PARTIAL: "FALTERS", UNKNOWN: "not known"}
    mark = MARKS[{UP: OK, CUT: BAD, PARTIAL: WARN, UNKNOWN: OFF}[link.state]]
    took = f" {milliseconds(link.round_trip)} ms" if link.round_trip is not None else ""
    detail = f": {link.detail}" if link.detail else ""
    return f"{mark} {link.source} {arrow} {link.target}: {states[link.state]}{took}{detail}"
