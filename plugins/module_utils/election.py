# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may start the stretched Galera cluster when no member runs it.

One pure function of the members' reports. Every member computes it alone, from the same reports to the same answer, so
there is no coordinator and nothing to agree on over the network. The rules:

1. Where a Primary component is seen, anywhere, everyone joins it, whatever the own state.
2. Otherwise nobody bootstraps until every configured member of every site has reported the position that it recovered
   from disk, or an operator has said, for this outage, that the member is lost for good. A majority is not enough: the
   newest transactions can be with the minority. Nor does anybody bootstrap beside a server that still runs outside the
   Primary component: Galera may make it Primary again by itself at any moment, and then there would be two.
3. There is one history: two different UUIDs with data stop the election, since one of the two would be thrown away. A
   null UUID (an empty data directory) never wins, whatever safe_to_bootstrap says.
4. The highest seqno wins. Ties go to the lowest name by code point, an order that all sites share.
5. A first deployment, in which every UUID is null, is started by the one member that was named for it, and only by it.

What an operator says (a declaration) travels in the reports, so that all members know it, and names the newest position
that was known when it was made: it is void as soon as another one is the newest, thus in every later outage.

Runs in the containers of the members too: Python 3.6 or later.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import uuid as uuidlib
from typing import Any, Collection, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

JOIN = "join"
BOOTSTRAP = "bootstrap"
WAIT = "wait"
STOP = "stop"

POSITION_PHASES = ("waiting", "backoff", "stopped")
"""Phases of the agent in which the server does not run and its position on disk is known."""
JOINING_PATIENCE = 20.0
"""Seconds for which a member that joins has the others wait for their turn; a full state transfer takes longer."""
TURN_PATIENCE = 30.0
"""Seconds after which a member no longer lets one of a lower name go first."""
FRESH = 30.0
"""Age in seconds of an agent's last word that still shows it at work."""

_NULL = uuidlib.UUID(int=0)


class ElectionError(Exception):
    """What was handed to the election makes no sense."""


class Declaration(NamedTuple):
    """What an operator said for one outage: these members are lost; ``uuid`` and ``seqno`` were the newest known."""

    members: Tuple[str, ...]
    uuid: str
    seqno: int


class Report(NamedTuple):
    """What is known of a member.

    Nothing else counts if it is not ``reachable``. ``uuid`` is None for an empty data directory, ``seqno`` is None
    while the position is not known (grastate.dat says -1 then). ``running``: its server runs outside a Primary
    component. ``lost`` is the declaration that it keeps, ``first`` the member that it was told to be the first of a
    first deployment. ``phase`` is its agent's, ``phase_age`` and ``age`` are seconds since the phase began and since
    the agent's last word (None: unknown). ``sees``: addresses of the members of its component.
    """

    reachable: bool
    primary: bool = False
    running: bool = False
    uuid: Optional[str] = None
    seqno: Optional[int] = None
    lost: Optional[Declaration] = None
    first: Optional[str] = None
    phase: str = ""
    phase_age: Optional[float] = None
    age: Optional[float] = None
    sees: Tuple[str, ...] = ()


class Decision(NamedTuple):
    """What to do.

    ``action``: ``join`` the Primary component; ``bootstrap``, which ``member`` does while the others wait for it;
    ``wait`` for the reports of ``missing``; ``stop``, because only an operator can go on. ``reason`` is one sentence.
    """

    action: str
    member: Optional[str]
    reason: str
    missing: Tuple[str, ...] = ()


def report(given: Mapping[str, Any]) -> Report:
    """Read a member's report as clustercheck gives it, or one of the same keys.

    :param given: ``reachable``; ``answers`` and ``primary`` of the server; ``uuid`` and ``seqno`` of one that answers;
        ``agent`` with ``phase``, ``position``, ``age`` and ``phase_age``; ``lost`` and ``first``. A UUID of zeros, an
        empty one and None are the same; so are a negative seqno and None.
    :raises ElectionError: if a value is of no use.
    """
    reachable = given.get("reachable")
    if not isinstance(reachable, bool):
        raise ElectionError(f"reachable must be true or false, not {reachable!r}.")
    if not reachable:
        return Report(reachable=False)
    answers, primary = given.get("answers", False), given.get("primary", False)
    if not isinstance(answers, bool) or not isinstance(primary, bool):
        raise ElectionError(f"answers and primary must be true or false, not {answers!r} and {primary!r}.")
    agent = _mapping(given, "agent")
    phase = str(agent.get("phase") or "")
    stopped = phase in POSITION_PHASES and bool(agent.get("position"))
    source = given if answers else _mapping(agent, "position") if stopped else None
    uuid, seqno = _position(source) if source is not None else (str(_NULL), None)
    return Report(
        reachable=True,
        primary=answers and primary,
        # Neither answers nor is known to be stopped: it may run, or its data may be anywhere.
        running=(answers and not primary) or (not answers and not stopped),
        uuid=None if uuid == str(_NULL) else uuid,
        seqno=seqno,
        lost=declaration(_mapping(given, "lost")) if given.get("lost") else None,
        first=str(_mapping(given, "first").get("member") or "") or None,
        phase=phase,
        phase_age=_seconds(agent.get("phase_age")),
        age=_seconds(agent.get("age")),
        sees=tuple(str(each).rsplit(":", 1)[0] for each in given.get("members_seen") or () if each),
    )


def declaration(given: Mapping[str, Any]) -> Declaration:
    """Read an operator's declaration: ``members``, ``uuid`` and ``seqno``.

    :raises ElectionError: if a value is missing or of no use.
    """
    uuid, seqno = _position(given)
    members = given.get("members")
    if not isinstance(members, (list, tuple)) or seqno is None:
        raise ElectionError(
            "A declaration needs members, a list of names, and the uuid and seqno that were the newest."
        )
    return Declaration(tuple(sorted(str(name) for name in members)), uuid, seqno)


def elect(reports: Mapping[str, Report], members: Collection[str]) -> Decision:
    """Decide.

    :param reports: Reports by member. A member without one is taken for unreachable.
    :param members: Every configured member of every site.
    :raises ElectionError: if there are no members, or a report is of none of them.
    """
    if not members:
        raise ElectionError("The cluster has no members.")
    unknown = sorted(str(name) for name in reports if name not in members)
    if unknown:
        raise ElectionError(f"reports names {', '.join(unknown)}, which the cluster has not.")

    seen = {name: reports[name] for name in sorted(reports) if reports[name].reachable}
    primary = {name: each.uuid for name, each in seen.items() if each.primary}
    if len(set(primary.values()) - {None}) > 1:
        return Decision(STOP, None, f"There are two Primary components of different history: {_by_uuid(primary)}.")
    if primary:
        return Decision(JOIN, None, f"A Primary component is up, with {', '.join(primary)}.")

    history = {name: each.uuid for name, each in seen.items() if each.uuid is not None}
    if len(set(history.values())) > 1:
        return Decision(
            STOP, None, f"The members hold different histories, of which only one can be kept: {_by_uuid(history)}."
        )

    known = newest(seen)
    lost = _lost(seen, known, members)
    waited = _waited_for(seen, known, members, lost)
    if waited is not None:
        return waited
    if known:
        winner = min(known, key=lambda name: (-known[name], name))
        return Decision(
            BOOTSTRAP, winner, f"{winner} has the highest seqno, {known[winner]}, of history {history[winner]}."
        )
    return _first(seen, history, members)


def _waited_for(
    seen: Mapping[str, Report], known: Mapping[str, int], members: Collection[str], lost: Collection[str]
) -> Optional[Decision]:
    """The decision to wait, if somebody has to be waited for (rule 2)."""
    reported = [
        name for name, each in seen.items() if not each.running and (each.uuid is None or each.seqno is not None)
    ]
    missing = tuple(name for name in sorted(members) if name not in reported and name not in lost)
    apart = tuple(name for name, each in seen.items() if each.running and name in known)
    if missing and not set(missing) <= set(apart):
        return Decision(WAIT, None, f"The position of {', '.join(missing)} is not known.", missing)
    if apart:
        reason = f"{', '.join(apart)} runs outside a Primary component, and may come back by itself."
        return Decision(WAIT, None, reason, apart)
    return None


def _first(seen: Mapping[str, Report], history: Mapping[str, str], members: Collection[str]) -> Decision:
    """The decision where no position is known (rule 5)."""
    if history or not seen:
        return Decision(STOP, None, "No member that is not lost holds a known position.")
    first = sorted({each.first for each in seen.values() if each.first is not None})
    if not first:
        return Decision(STOP, None, "No member that reported has data, and this is not the first deployment.")
    if len(first) > 1 or first[0] not in members:
        return Decision(STOP, None, f"More than one was told to be the first, or a stranger: {', '.join(first)}.")
    return Decision(BOOTSTRAP, first[0], f"This is the first deployment, and {first[0]} was named to start it.")


def newest(reports: Mapping[str, Report]) -> Dict[str, int]:
    """The known positions of the members that hold data and were reached, seqno by member."""
    return {
        name: each.seqno
        for name, each in sorted(reports.items())
        if each.reachable and each.uuid is not None and each.seqno is not None
    }


def next_member(me: str, reports: Mapping[str, Report], waited: float) -> Optional[str]:
    """Whom this member lets join the Primary component before it, or None: it is its turn.

    Members join one after another, since two that join at once can miss the write set of each other's arrival. One that
    is joining goes on holding the turn for JOINING_PATIENCE seconds only; then it is in a full state transfer, during
    which others may join. Among those that wait the lowest name is next.

    :param me: This member.
    :param reports: Reports by member, this one's may be among them.
    :param waited: Seconds since this member first saw the Primary component that it wants to join.
    """
    others = {name: each for name, each in sorted(reports.items()) if each.reachable and name != me}
    for name, each in others.items():
        joins = each.phase == "starting" and not each.primary
        if joins and each.phase_age is not None and each.phase_age < JOINING_PATIENCE:
            return name
    if waited > TURN_PATIENCE:
        return None
    for name, each in others.items():
        if each.phase == "waiting" and each.age is not None and each.age < FRESH and name < me:
            return name
    return None


def still_seen(address: str, reports: Mapping[str, Report]) -> bool:
    """Whether a Primary component still counts the server that this member had before as one of its own.

    A new one that meets it before the others have noticed its end can leave all of them without a Primary component.
    """
    return any(address in each.sees for each in reports.values() if each.reachable and each.primary)


def complete(reports: Mapping[str, Report], members: Collection[str], lost: Collection[str] = ()) -> bool:
    """Whether every member that is not lost has reported, and none is in a Primary component.

    A server that runs outside the Primary component gives way to the election only if this has held for long enough for
    Galera to have found its peers again by itself.
    """
    seen = [name for name in reports if reports[name].reachable]
    return all(name in seen or name in lost for name in members) and not any(reports[name].primary for name in seen)


def lost_members(reports: Mapping[str, Report], members: Collection[str]) -> Tuple[str, ...]:
    """The members that a declaration which is valid now calls lost."""
    return _lost({name: each for name, each in reports.items() if each.reachable}, newest(reports), members)


def _lost(seen: Mapping[str, Report], known: Mapping[str, int], members: Collection[str]) -> Tuple[str, ...]:
    """The members of the declarations that name the newest position of all that is known."""
    best = max(known.values()) if known else None
    uuids = {seen[name].uuid for name in known}
    names: List[str] = []
    for each in seen.values():
        if each.lost is not None and each.lost.seqno == best and uuids == {each.lost.uuid}:
            names += [name for name in each.lost.members if name in members]
    return tuple(sorted(set(names)))


def _mapping(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ElectionError(f"{key} must be a mapping, not {value!r}.")
    return value


def _position(given: Mapping[str, Any]) -> Tuple[str, Optional[int]]:
    """UUID and seqno in canonical form.

    :raises ElectionError: if one of them is neither a value nor nothing.
    """
    seqno = given.get("seqno")
    if seqno is not None and (not isinstance(seqno, int) or isinstance(seqno, bool)):
        raise ElectionError(f"seqno must be a whole number, not {seqno!r}.")
    try:
        uuid = str(uuidlib.UUID(str(given.get("uuid") or _NULL)))
    except ValueError:
        raise ElectionError(f"uuid must be a UUID, not {given['uuid']!r}.") from None
    return uuid, None if seqno is None or seqno < 0 else int(seqno)


def _seconds(value: Any) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _by_uuid(uuids: Mapping[str, Optional[str]]) -> str:
    """Say who holds which history."""
    histories: Iterable[str] = sorted({uuid for uuid in uuids.values() if uuid is not None})
    return "; ".join(f"{uuid} on {', '.join(name for name in uuids if uuids[name] == uuid)}" for uuid in histories)
