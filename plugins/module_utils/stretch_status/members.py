# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one member does, told from its report, from its site's Pacemaker and from what the others see of it."""

from __future__ import annotations

from typing import Any, Collection, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    BAD,
    BUSY,
    OFF,
    OK,
    WARN,
    Member,
    State,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.views import (
    Expected,
    Sighting,
    View,
    best,
    mapping,
    number,
    whole,
    words,
)

NULL_UUID = "00000000-0000-0000-0000-000000000000"
SILENCE = 60.0
"""Seconds after which an agent that has written nothing is said to be silent; it writes at each of its monitors."""


def duration(seconds: float) -> str:
    """A time in words: the largest unit that it fills."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def state(
    sighting: Sighting | None, peers: Collection[str], proxies: Collection[str], pacemaker: str, node: str
) -> State:
    """Say what a member does.

    :param sighting: The one to believe.
    :param peers: Members of a Primary component that count it in.
    :param proxies: Controllers whose HAProxy finds it usable.
    :param pacemaker: Its role, as :func:`role` says it.
    :param node: Why its node does not answer Ansible; empty if it does.
    """
    report = sighting.report if sighting else None
    if report is not None:
        return _answering(report) if report.get("answers") else _silent(report)
    error = sighting.error if sighting else "nobody could ask for it"
    if peers:
        return State(WARN, "no report", f"{error}; but {len(peers)} others count it in")
    if proxies:
        return State(WARN, "no report", f"{error}; but HAProxy on {', '.join(sorted(proxies))} finds it usable")
    if pacemaker == "offline":
        return State(BAD, "node is off", "Pacemaker of its site does not see the node")
    if node:
        return State(BAD, "unreachable", f"neither from here nor by a member that can be asked: {node}")
    if not sighting:
        return State(OFF, "not known", error)
    return State(BAD, "down", f"its clustercheck does not answer: {error}")


def _answering(report: Mapping[str, Any]) -> State:
    """A member whose database answers."""
    wsrep, reason = str(report.get("state") or ""), str(report.get("reason") or "")
    if not report.get("primary"):
        if mapping(report.get("agent")).get("phase") == "starting":
            return _joining(mapping(report.get("agent")))
        return State(BAD, "not Primary", "in no Primary component: it refuses reads and writes")
    if wsrep.startswith("Donor"):
        return State(BUSY, "Donor", "sends its state to a member that joins")
    if not report.get("synced"):
        return State(BUSY, "joining", f"is {wsrep or 'not Synced yet'}")
    if not report.get("ok", True):
        return State(WARN, "out of service", reason or "clustercheck takes no clients here")
    return State(OK, "Synced")


def _silent(report: Mapping[str, Any]) -> State:
    """A member whose database does not answer; its agent knows more."""
    agent = mapping(report.get("agent"))
    phase, reason = str(agent.get("phase") or ""), str(report.get("reason") or "no answer")
    decision = mapping(agent.get("decision"))
    why = str(decision.get("reason") or "")
    if phase in ("member", "nonprimary"):
        hangs = "no answer" in reason
        return State(BAD, "hangs" if hangs else "down", f"the agent has it running, but: {reason}")
    if phase == "backoff":
        failures = whole(agent.get("failures")) or 1
        times = "once" if failures == 1 else f"{failures} times in a row"
        return State(BAD, "start failed", f"{agent.get('last_error') or 'no reason given'} ({times}; it tries again)")
    if phase == "waiting":
        if decision.get("action") == "stop":
            return State(BAD, "needs you", why)
        if decision.get("action") in ("join", "bootstrap"):
            return State(BUSY, "about to start", why)
        return State(WARN, "waits", why or "its position is known; it waits for the others")
    if phase == "starting":
        return _joining(agent)
    if phase == "recovering":
        return State(BUSY, "recovering", "reads its position from its disk")
    if phase == "stopping":
        return State(BUSY, "stopping")
    if phase == "stopped":
        return State(OFF, "stopped", "Pacemaker stopped it")
    return State(BAD, "down", f"nothing is known of an agent; {reason}")


def _joining(agent: Mapping[str, Any]) -> State:
    age = number(agent.get("phase_age"))
    lasts = "" if age is None else f", for {duration(age)}"
    return State(BUSY, "joining", f"gets its state from a member{lasts}")


def site_pacemaker(views: Sequence[View]) -> tuple[Mapping[str, Any] | None, str]:
    """What Pacemaker of a site says, as the controller sees it that sees most; or why none does."""
    answers = [(view, *view.get("pacemaker")) for view in views]
    told = [answer for _view, answer, _error in answers if answer is not None]
    if told:
        return max(told, key=lambda one: (one["quorum"], list(one["nodes"].values()).count("online"))), ""
    return None, next((error for view, _answer, error in answers if error and not view.error), "")


def role(name: str, pacemaker: Mapping[str, Any] | None, error: str) -> tuple[str, str]:
    """A member's role under Pacemaker, and what its actions said when they failed or complained.

    :param error: Why Pacemaker on the member's own node does not answer.
    """
    if pacemaker is None:
        return ("down" if error else "unknown"), error
    if not pacemaker["configured"]:
        return "none", "it has no bundle of members"
    known = pacemaker["members"].get(name, {})
    where = pacemaker["nodes"].get(name, "unknown")
    found = "offline" if where == "offline" else known.get("role") or "Stopped"
    if known.get("blocked"):
        found = "blocked"
    elif known.get("failed") and not _degraded(name, pacemaker):
        found = "failed"
    elif where in ("standby", "maintenance", "unclean") or (pacemaker["maintenance"] and where != "offline"):
        found = "maintenance" if where == "online" else where
    reasons = [one["reason"] for one in _failures(name, pacemaker) if one["reason"]]
    return found, "; ".join(dict.fromkeys(reasons)) or error


def _failures(name: str, pacemaker: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in pacemaker["failures"] if one["node"] == name]


def _degraded(name: str, pacemaker: Mapping[str, Any]) -> bool:
    """Whether all that Pacemaker holds against a member is that it said something."""
    failures = _failures(name, pacemaker)
    return bool(failures) and all(one["degraded"] for one in failures)


def member(
    one: Expected,
    seen: Sequence[Sighting],
    peers: Collection[str],
    proxies: Collection[str],
    component: int | None,
    pacemaker: tuple[str, str],
    node: str,
) -> Member:
    """Put together what is known of a member; ``behind`` is left to who knows the newest one."""
    sighting = best(one, seen)
    report = mapping(sighting.report if sighting else None)
    agent = mapping(report.get("agent"))
    decision = mapping(agent.get("decision"))
    position = report if report.get("answers") else mapping(agent.get("position"))
    uuid, seqno = str(position.get("uuid") or ""), whole(position.get("seqno"))
    round_trips: dict[str, float] = {}
    for each in seen:
        took = each.round_trip
        if took is not None and each.observer != one.name:
            round_trips[each.site] = min(took, round_trips.get(each.site, took))
    weight, segment = whole(report.get("weight")), whole(report.get("segment"))
    return Member(
        name=one.name,
        site=one.site,
        address=one.address,
        segment=one.segment if segment is None else segment,
        weight=one.weight if weight is None else weight,
        state=state(sighting, peers, proxies, pacemaker[0], node),
        pacemaker=pacemaker[0],
        pacemaker_reason=pacemaker[1],
        wsrep=str(report.get("state") or "") if report.get("answers") else "",
        uuid="" if uuid == NULL_UUID else uuid,
        seqno=None if seqno is None or seqno < 0 else seqno,
        behind=None,
        component=component,
        round_trips=round_trips,
        flow_control=number(report.get("flow_control_paused")),
        queue=whole(report.get("recv_queue")),
        phase=str(agent.get("phase") or ""),
        phase_age=number(agent.get("phase_age")),
        waits_for=words(decision.get("missing")) if agent.get("phase") == "waiting" else (),
        lost=False,
        reported=bool(report),
        node=node,
        version=" / ".join(str(report[key]) for key in ("server", "provider") if report.get(key)),
    )
