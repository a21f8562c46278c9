# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may start the stretched Galera cluster when no member runs it.

One pure function of the members' reports. Every member computes it alone, from the same reports to the same answer, so
there is no coordinator and nothing to agree on over the network. The rules:

1. Where a Primary component is seen, anywhere, everyone joins it, whatever the own state.
2. Otherwise nobody bootstraps until every configured member of every site has reported the position that it recovered
   from disk, or an operator has said, for this outage, that the member is lost for good. A majority is not enough: the
   newest transactions can be with the minority.
3. There is one history: two different UUIDs with data stop the election, since one of the two would be thrown away. A
   null UUID (an empty data directory) never wins, whatever safe_to_bootstrap says.
4. The highest seqno wins. Ties go to the lowest name by code point, an order that all sites share.
5. A first deployment, in which every UUID is null, is started by the member with the lowest name, and only by those who
   say that it is the first deployment.
"""

from __future__ import annotations

import uuid as uuidlib
from dataclasses import dataclass
from typing import Any, Collection, Iterable, Mapping

JOIN = "join"
BOOTSTRAP = "bootstrap"
WAIT = "wait"
STOP = "stop"

_NULL = uuidlib.UUID(int=0)


class ElectionError(Exception):
    """What was handed to the election makes no sense."""


@dataclass(frozen=True)
class Report:
    """What is known of a member.

    Nothing else counts if it is not ``reachable``. ``uuid`` is None for an empty data directory, ``seqno`` is None
    while the position has not been recovered from disk (grastate.dat says -1 then).
    """

    reachable: bool
    primary: bool
    uuid: str | None
    seqno: int | None


@dataclass(frozen=True)
class Decision:
    """What to do.

    ``action``: ``join`` the Primary component; ``bootstrap``, which ``member`` does while the others wait for it;
    ``wait`` for the reports of ``missing``; ``stop``, because only an operator can go on. ``reason`` is one sentence.
    """

    action: str
    member: str | None
    reason: str
    missing: tuple[str, ...] = ()


def report(given: Mapping[str, Any]) -> Report:
    """Read a report.

    :param given: ``reachable``, and if it is true ``primary``, ``uuid`` and ``seqno``. A UUID of zeros, an empty one
        and None are the same; so are a negative seqno and None.
    :raises ElectionError: if a value is of no use.
    """
    reachable, primary = given.get("reachable"), given.get("primary", False)
    if not isinstance(reachable, bool) or not isinstance(primary, bool):
        raise ElectionError(f"reachable and primary must be true or false, not {reachable!r} and {primary!r}.")
    if not reachable:
        return Report(reachable=False, primary=False, uuid=None, seqno=None)
    seqno = given.get("seqno")
    if seqno is not None and (not isinstance(seqno, int) or isinstance(seqno, bool)):
        raise ElectionError(f"seqno must be a whole number, not {seqno!r}.")
    try:
        uuid = uuidlib.UUID(str(given.get("uuid") or _NULL))
    except ValueError:
        raise ElectionError(f"uuid must be a UUID, not {given['uuid']!r}.") from None
    return Report(
        reachable=True,
        primary=primary,
        uuid=None if uuid == _NULL else str(uuid),
        seqno=None if seqno is None or seqno < 0 else int(seqno),
    )


def elect(
    reports: Mapping[str, Report],
    members: Collection[str],
    first_deployment: bool = False,
    lost: Collection[str] = (),
) -> Decision:
    """Decide.

    :param reports: Reports by member. A member without one is taken for unreachable.
    :param members: Every configured member of every site.
    :param first_deployment: There is no data anywhere yet, and none is expected.
    :param lost: Members that an operator declared lost for this outage. This excuses their silence; what one of them
        reports all the same counts.
    :raises ElectionError: if there are no members, or a report or a loss is of none of them.
    """
    if not members:
        raise ElectionError("The cluster has no members.")
    _check_known("reports", reports, members)
    _check_known("lost", lost, members)

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

    positions = {name: seen[name].seqno for name in history}
    known = {name: seqno for name, seqno in positions.items() if seqno is not None}
    reported = [name for name in seen if name not in history or name in known]
    missing = tuple(name for name in sorted(members) if name not in reported and name not in lost)
    if missing:
        return Decision(WAIT, None, f"The position of {', '.join(missing)} is not known.", missing)

    if known:
        winner = min(known, key=lambda name: (-known[name], name))
        return Decision(
            BOOTSTRAP, winner, f"{winner} has the highest seqno, {known[winner]}, of history {history[winner]}."
        )
    if history or not reported:
        return Decision(STOP, None, "No member that is not lost holds a known position.")
    if not first_deployment:
        return Decision(STOP, None, "No member that reported has data, and this is not the first deployment.")
    return Decision(BOOTSTRAP, reported[0], f"This is the first deployment, and {reported[0]} has the lowest name.")


def _check_known(what: str, names: Iterable[str], members: Collection[str]) -> None:
    unknown = sorted(str(name) for name in names if name not in members)
    if unknown:
        raise ElectionError(f"{what} names {', '.join(unknown)}, which the cluster has not.")


def _by_uuid(uuids: Mapping[str, str | None]) -> str:
    """Say who holds which history."""
    histories = sorted({uuid for uuid in uuids.values() if uuid is not None})
    return "; ".join(f"{uuid} on {', '.join(name for name in uuids if uuids[name] == uuid)}" for uuid in histories)
