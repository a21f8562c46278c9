# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the picture means: one headline, whether clients can write, and everything that is not as it should be."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.members import SILENCE, duration
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    BAD,
    BUSY,
    CUT,
    LEVELS,
    OFF,
    OK,
    PARTIAL,
    UP,
    WARN,
    Member,
    Problem,
    Site,
    State,
    Status,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.views import View, mapping, number, words

GONE = ("unreachable", "down", "node is off")
"""What is said of members of which nothing is heard."""
SIDES = "ABCDEFGHIJKLMNOP"
"""Names of Primary components, where there are more than one."""
FLOW_CONTROL = 0.1
"""Share of the time that a member made the cluster wait, from which on it is worth a word."""


def names(found: Iterable[str]) -> str:
    """A list in words."""
    ordered = list(found)
    return ", ".join(ordered) if len(ordered) < 3 else f"{', '.join(ordered[:-1])} and {ordered[-1]}"


def plural(count: int, what: str) -> str:
    """A number of things."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def judge(status: Status, hosts: Mapping[str, View], reports: Mapping[str, Mapping[str, Any]]) -> Status:
    """Add the headline, the level, whether clients can write, the problems and the declared losses.

    :param hosts: What each node answered.
    :param reports: The report of each member to believe.
    """
    lost, declared = _losses(reports)
    status = dataclasses.replace(
        status, members=tuple(_declared(one) if one.name in lost else one for one in status.members)
    )
    if status.split:
        status = dataclasses.replace(status, members=tuple(_side(one) for one in status.members))
    writes = _writes(status)
    found = [*_alarms(status), *declared, *_sites(status, hosts), *_members(status, reports), *_rest(status)]
    found = sorted(_grouped(found), key=lambda one: -LEVELS.index(one.level))
    level, headline = _headline(dataclasses.replace(status, writes=writes), found)
    return dataclasses.replace(status, writes=writes, level=level, headline=headline, problems=tuple(found))


def _grouped(found: Iterable[Problem]) -> list[Problem]:
    """One problem for all who have the same one."""
    who: dict[tuple[str, str], list[str]] = {}
    for one in found:
        who.setdefault((one.level, one.what), []).append(one.who)
    return [Problem(level, names(those), what) for (level, what), those in who.items()]


def _declared(member: Member) -> Member:
    """A member that is declared lost. If it is back all the same, that is what to see."""
    state = State(OFF, "declared lost", member.state.detail) if member.state.label in GONE else member.state
    return dataclasses.replace(member, lost=True, state=state)


def _side(member: Member) -> Member:
    """A member while there are two Primary components: to be well in one of them is no good."""
    if member.component is None:
        return member
    detail = f"{member.wsrep or 'counted'} in one of several components"
    return dataclasses.replace(member, state=State(BAD, f"Primary {SIDES[member.component]}", detail))


def _losses(reports: Mapping[str, Mapping[str, Any]]) -> tuple[set[str], list[Problem]]:
    lost: set[str] = set()
    found: dict[str, Problem] = {}
    for report in reports.values():
        declaration = mapping(report.get("lost"))
        declared = words(declaration.get("members"))
        if declared:
            lost.update(declared)
            made, author = declaration.get("made") or "an unknown time", declaration.get("by") or "nobody knows whom"
            what = f"declared lost for this outage by {author} at {made}"
            found[what] = Problem(WARN, names(declared), what)
    return lost, list(found.values())


def _writes(status: Status) -> bool | None:
    known = [site.writes for site in status.sites]
    return True if True in known else None if None in known else False


def _headline(status: Status, problems: Sequence[Problem]) -> tuple[str, str]:
    if status.split:
        sides = "; ".join(f"{SIDES[index]}: {names(one.members)}" for index, one in enumerate(status.components))
        return BAD, f"TWO PRIMARY COMPONENTS drift apart with every write. Stop one of them now. {sides}"
    blind = [site.name for site in status.sites if not site.reachable]
    if len(blind) == len(status.sites) and not status.components:
        return BAD, "NOTHING ANSWERS: no controller of any site can be reached from here"
    if not status.components and status.writes:
        return WARN, "No member's report can be read, but HAProxy finds members to send clients to"
    if not status.components:
        where = f"; {names(blind)} cannot be seen from here and may go on" if blind else ""
        return BAD, f"NO WRITES: there is no Primary component{_why(status)}{where}"
    if status.writes is False:
        return BAD, "NO WRITES: there is a Primary component, but no site's clients get to it"
    return _going_on(status, problems)


def _why(status: Status) -> str:
    """What a cluster without a Primary component is up to."""
    labels = {one.state.label for one in status.members}
    if "needs you" in labels:
        return "; an operator has to decide"
    waited_for = sorted({name for one in status.members for name in one.waits_for})
    if waited_for:
        return f"; it waits for {names(waited_for)}"
    busy = [one.name for one in status.members if one.state.level == BUSY]
    return f"; {names(busy)} {'is' if len(busy) == 1 else 'are'} on the way" if busy else ""


def _going_on(status: Status, problems: Sequence[Problem]) -> tuple[str, str]:
    open_sites = [site.name for site in status.sites if site.writes]
    shut = [site for site in status.sites if site.writes is False]
    unknown = [site for site in status.sites if site.writes is None]
    well = sum(1 for one in status.members if one.state.level == OK)
    count = f"{well} of {len(status.members)} members are Synced"
    if shut:
        going = f"writes go on at {names(open_sites)}" if open_sites else "whether others can is not known"
        return BAD, f"NO WRITES at {names(site.name for site in shut)}; {going}; {count}"
    if unknown:
        going = f"Writes go on at {names(open_sites)}" if open_sites else "There is a Primary component"
        return WARN, f"{going}; {'; '.join(_not_told(site, status) for site in unknown)}; {count}"
    if any(one.level in (BAD, WARN) for one in problems):
        return WARN, f"Writes go on at all sites; {count}" + ("" if well < len(status.members) else "; see below")
    if problems:
        return BUSY, f"Writes go on at all sites; {count}, the rest is on its way"
    return OK, f"All is well: writes go on at all sites, {count}"


def _not_told(site: Site, status: Status) -> str:
    if site.reachable:
        return f"whether at {site.name} too is not known"
    inside = any(one.component is not None for one in status.of_site(site.name))
    return f"{site.name} cannot be seen from here" if inside else f"{site.name} is down or cut off"


def _alarms(status: Status) -> Iterator[Problem]:
    if status.split:
        for index, one in enumerate(status.components):
            newest = max((each.seqno or 0 for each in status.members if each.component == index), default=0)
            what = f"Primary component {SIDES[index]}: history {one.uuid}, view {one.view}, newest seqno {newest}"
            yield Problem(BAD, names(one.members), what)
    histories: dict[str, list[str]] = {}
    for member in status.members:
        if member.uuid:
            histories.setdefault(member.uuid, []).append(member.name)
    if len(histories) > 1 and not status.split:
        sides = "; ".join(f"{uuid[:8]} on {names(holders)}" for uuid, holders in sorted(histories.items()))
        yield Problem(BAD, "data", f"two histories, of which only one can be kept: {sides}")


def _sites(status: Status, hosts: Mapping[str, View]) -> Iterator[Problem]:
    for site in status.sites:
        if not site.controllers:
            yield Problem(WARN, site.name, "none of its controllers was asked: the stack is not among those selected")
            continue
        if not site.reachable:
            # One reason is enough: they are seldom different.
            why, *_others = (view.error for view in hosts.values() if view.site == site.name)
            yield Problem(BAD, site.name, f"no controller can be reached from here ({site.controllers} asked): {why}")
            continue
        if status.components and not site.writes:
            shut = "clients cannot write: " if site.writes is False else ""
            yield Problem(BAD, site.name, f"{shut}{site.access}")
        members = {one.name for one in status.of_site(site.name)}
        for view in hosts.values():
            reports, error = view.get("reports")
            if view.host in members and not view.error and reports is None:
                yield Problem(BAD, view.host, f"cannot ask the members for their reports: {error or 'not asked'}")
        if site.pacemaker:
            yield Problem(BAD, site.name, f"Pacemaker: {site.pacemaker}")
        yield from _proxies(site)


def _proxies(site: Site) -> Iterator[Problem]:
    for proxy in site.proxies:
        if proxy.error and proxy.host != site.holder:
            yield Problem(WARN, proxy.host, f"HAProxy gives no answer: {proxy.error}")


def _members(status: Status, reports: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    dark = {site.name for site in status.sites if not site.reachable}
    for member in status.members:
        trouble = member.state.level != OK and not (status.split and member.component is not None)
        # A site that is gone has been named, and so has who is declared lost.
        named = (member.site in dark and member.state.label in GONE) or member.state.label == "declared lost"
        if trouble and not named:
            what = ": ".join(part for part in (member.state.label, member.state.detail) if part)
            yield Problem(WARN if member.state.level == OFF else member.state.level, member.name, what)
        elif not trouble and member.node and member.site not in dark:
            yield Problem(WARN, member.name, f"its node does not answer Ansible: {member.node}")
        yield from _under_pacemaker(member)
        report = reports.get(member.name, {})
        silent = number(mapping(report.get("agent")).get("age"))
        if silent is not None and silent > SILENCE:
            yield Problem(WARN, member.name, f"its agent has said nothing for {duration(silent)}")
        if member.flow_control is not None and member.flow_control > FLOW_CONTROL:
            share = f"{member.flow_control:.0%} of the time"
            yield Problem(WARN, member.name, f"made the others wait {share} (flow control)")


def _under_pacemaker(member: Member) -> Iterator[Problem]:
    offline = member.pacemaker == "offline" and not member.node
    if offline or member.pacemaker in ("failed", "blocked", "down", "unclean", "none"):
        reason = f": {member.pacemaker_reason}" if member.pacemaker_reason else ""
        words = {"none": "not under Pacemaker"}.get(member.pacemaker, f"{member.pacemaker} under Pacemaker")
        yield Problem(BAD, member.name, f"{words}{reason}")
    elif member.pacemaker in ("maintenance", "standby"):
        yield Problem(WARN, member.name, f"in {member.pacemaker} under Pacemaker: it is not looked after")


def _rest(status: Status) -> Iterator[Problem]:
    for arbiter in status.arbiters:
        if arbiter.state.level != OK:
            what = ": ".join(part for part in (arbiter.state.label, arbiter.state.detail) if part)
            yield Problem(arbiter.state.level, arbiter.name, what)
    directions = {(link.source, link.target): link for link in status.links}
    for link in status.links:
        back = directions[link.target, link.source]
        if link.state == PARTIAL:
            yield Problem(WARN, f"{link.source} -> {link.target}", link.detail)
        elif link.state == CUT and back.state == CUT:
            if link.source < link.target:
                yield Problem(BAD, f"{link.source} <-> {link.target}", "the link is cut")
        elif link.state == CUT:
            one_way = f"; {link.target} -> {link.source} works" if back.state == UP else ""
            yield Problem(BAD, f"{link.source} -> {link.target}", f"cut in this direction{one_way}: {link.detail}")
    if status.reserve is not None:
        if not status.reserve.members:
            yield Problem(WARN, "quorum", "there is a member whose loss would stop writes")
        elif status.reserve.risks and len({one.site for one in status.members if one.component is not None}) > 1:
            risks = names(status.reserve.risks)
            yield Problem(WARN, "quorum", f"the loss of {risks} would stop writes at the others too")
