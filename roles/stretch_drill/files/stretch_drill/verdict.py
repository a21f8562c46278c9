# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from what was seen. Pure.

Two Primary components
    A component can commit only what all of its members have received (Galera delivers in safe order), so of two views
    that share a member at most one is at work; the other belongs to members that have not noticed yet that they were
    left, and shrinks or goes non-Primary within its timeouts. That is no second Primary. Two are proved by two members
    that say at overlapping times that they are in a Primary component, where the two views have no data member in
    common, or are of different histories. What would be missed: a second Primary component of which no member answered
    even once while it lasted; every member is asked several times a second.

    What a member says counts from the question on that it answered so until its next answer, at most one second.
    Doubts make it longer, so that nothing is missed: in a cluster that loses nothing, the next Primary component
    always has a member of the last one, or comes from a start of everything, seconds later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from .model import Member, Observation, Record, Write

HOLD = 1.0
"""Seconds that an answer counts for at most when no other follows."""
UNSETTLED = 1.0
"""Seconds for which server and provider may speak of two views without either being believed."""


@dataclass(frozen=True)
class Claim:
    """For some time a member said that it was in this Primary component."""

    member: str
    began: float
    ended: float
    history: str
    view: int
    members: frozenset[str]

    def overlaps(self, other: Claim) -> bool:
        """Whether both were made at some one time."""
        return self.began <= other.ended and other.began <= self.ended


def _believed(observations: Sequence[Observation]) -> list[Observation]:
    """Without the moments in which a member was between two views; a time longer than that stays."""
    believed: list[Observation] = []
    doubtful: list[Observation] = []
    for each in observations:
        if each.status is not None and each.status.primary and not each.status.settled:
            doubtful.append(each)
            continue
        if doubtful and doubtful[-1].answered - doubtful[0].asked >= UNSETTLED:
            believed += doubtful
        doubtful = []
        believed.append(each)
    if doubtful and doubtful[-1].answered - doubtful[0].asked >= UNSETTLED:
        believed += doubtful
    return believed


def claims(observations: Iterable[Observation], members: Sequence[Member]) -> list[Claim]:
    """What each member said of Primary components, by time."""
    names = {member.endpoint: member.name for member in members}
    asked: dict[str, list[Observation]] = {member.name: [] for member in members}
    for each in observations:
        asked[each.member].append(each)
    found = [claim for name, own in asked.items() for claim in _claims_of(name, own, names)]
    return sorted(found, key=lambda claim: claim.began)


def _claims_of(name: str, observations: list[Observation], names: dict[str, str]) -> list[Claim]:
    own = _believed(sorted(observations, key=lambda each: each.asked))
    found: list[Claim] = []
    same = False
    for index, each in enumerate(own):
        status = each.status
        if status is None or not status.primary:
            same = False
            continue
        ended = each.answered + HOLD
        if index + 1 < len(own):
            ended = min(ended, own[index + 1].answered)
        view = frozenset(names[endpoint] for endpoint in status.endpoints if endpoint in names) | {name}
        claim = Claim(name, each.asked, ended, status.history, status.view, view)
        if same and replace(claim, began=0.0, ended=0.0) == replace(found[-1], began=0.0, ended=0.0):
            found[-1] = replace(found[-1], ended=ended)
        else:
            found.append(claim)
        same = True
    return found


@dataclass(frozen=True)
class Conflict:
    """Two claims of which one at most can be rightful."""

    at: float
    one: Claim
    other: Claim

    def __str__(self) -> str:
        """Say it in one line."""
        sides = " and ".join(
            f"{claim.member} of {', '.join(sorted(claim.members))} ({claim.history}, view {claim.view})"
            for claim in (self.one, self.other)
        )
        return f"at {self.at:.1f} s two Primary components: {sides}"


def two_primaries(found: Sequence[Claim]) -> list[Conflict]:
    """Every pair of claims that proves two Primary components at one time; see above."""
    return [
        Conflict(max(one.began, other.began), one, other)
        for one, other in combinations(found, 2)
        if one.overlaps(other) and (one.history != other.history or not one.members & other.members)
    ]


def lost(writes: Iterable[Write], rows: dict[str, set[tuple[str, int]]]) -> dict[str, list[tuple[str, int]]]:
    """Acknowledged rows that a member does not have, by the member; only members that lack some are in it."""
    acknowledged = {(write.site, write.number) for write in writes if write.acknowledged}
    missing = {member: sorted(acknowledged - present) for member, present in rows.items()}
    return {member: numbers for member, numbers in missing.items() if numbers}


def differing(rows: dict[str, set[tuple[str, int]]]) -> list[tuple[str, int]]:
    """Rows that some members have and others do not, acknowledged or not."""
    if not rows:
        return []
    everywhere, anywhere = set.intersection(*rows.values()), set.union(*rows.values())
    return sorted(anywhere - everywhere)


@dataclass(frozen=True)
class Gap:
    """A time without an acknowledged write of a site."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ended - self.began


def longest_pause(writes: Iterable[Write], site: str, run: Gap, since: float, until: float) -> Gap:
    """The longest time between two acknowledged writes of the site that lies, in part or whole, between two times.

    `run`: when the writers wrote; its ends count as if a write had been acknowledged then.
    """
    times = sorted(write.ended for write in writes if write.site == site and write.acknowledged)
    times = [run.began, *(time for time in times if run.began < time < run.ended), run.ended]
    gaps = [Gap(began, ended) for began, ended in zip(times, times[1:]) if ended >= since and began <= until]
    return max(gaps, key=lambda gap: gap.seconds, default=Gap(since, since))


def all_synced_since(record: Record, members: Sequence[Member], size: int) -> float | None:
    """When the state began that lasted to the end: every member Synced in one component of that size.

    None when at the end it is not so. A member that did not answer is not Synced.
    """
    last: dict[str, Observation] = {}
    since: float | None = None
    for each in sorted(record.observations, key=lambda each: each.answered):
        last[each.member] = each
        states = [last[member.name].status for member in members if member.name in last]
        whole = len(states) == len(members) and all(
            state is not None and state.synced and state.size == size for state in states
        )
        # One component, not several of the same size.
        if whole and len({(state.history, state.view) for state in states if state is not None}) == 1:
            since = each.answered if since is None else since
        else:
            since = None
    return since
