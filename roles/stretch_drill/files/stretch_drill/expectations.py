# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to hold in a drill beyond what holds in all of them, as data with a check over the record. Pure.

A window lies between two marks: it begins where the event of the first ended (plus `settle` seconds) and ends where the
event of the second began. An empty mark `until` is the end of the writing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from .model import Event, Member, Record
from .verdict import Gap, all_synced_since, longest_pause

SAFETY = "safety"
TIME = "time"


@dataclass(frozen=True)
class Outcome:
    """What became of an expectation; `limit` and `measured` are seconds, where it is one of time."""

    what: str
    kind: str
    met: bool
    found: str
    limit: float | None = None
    measured: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The outcome for JSON."""
        return asdict(self)


class Expectation(Protocol):
    """Something that has to hold."""

    def check(self, record: Record) -> Outcome:
        """Tell whether it held."""


def _event(record: Record, mark: str) -> Event | None:
    return next((event for event in record.events if event.mark == mark), None)


def _window(record: Record, since: str, until: str, settle: float = 0.0) -> tuple[float, float]:
    """Begin and end; a window whose events did not happen is empty."""
    first, last = _event(record, since), _event(record, until) if until else None
    if first is None or (until and last is None):
        return (0.0, -1.0)
    return (first.ended + settle, last.began if last else record.last)


def _empty(what: str, kind: str) -> Outcome:
    """Of a window that never was: nothing is proved, so it is not met."""
    return Outcome(what, kind, False, "the drill did not come that far")


@dataclass(frozen=True)
class PauseAtMost:
    """Between two acknowledged writes of the site never lay more seconds, from the event on."""

    site: str
    seconds: float
    since: str
    until: str = ""

    def check(self, record: Record) -> Outcome:
        """Tell whether it held."""
        what = f"longest pause in writes of {self.site} after: {_title(record, self.since)}"
        event = _event(record, self.since)
        begin, end = _window(record, self.since, self.until)
        if event is None or end < begin:
            return _empty(what, TIME)
        pause = longest_pause(record.writes, self.site, Gap(record.first, record.last), event.began, end).seconds
        return Outcome(what, TIME, pause <= self.seconds, f"{pause:.1f} s", self.seconds, round(pause, 2))


@dataclass(frozen=True)
class SyncedWithin:
    """Every member was Synced, and stayed so, at most so many seconds after the event; `size` counts the arbiters."""

    seconds: float
    since: str
    members: tuple[Member, ...]
    size: int

    def check(self, record: Record) -> Outcome:
        """Tell whether it held."""
        what = f"all members Synced after: {_title(record, self.since)}"
        event = _event(record, self.since)
        if event is None:
            return _empty(what, TIME)
        since = all_synced_since(record, self.members, self.size)
        if since is None:
            return Outcome(what, TIME, False, "not at the end either", self.seconds)
        took = max(0.0, since - event.ended)
        return Outcome(what, TIME, took <= self.seconds, f"{took:.1f} s", self.seconds, round(took, 2))


@dataclass(frozen=True)
class NothingAcknowledged:
    """No write of the site was acknowledged in the window."""

    site: str
    since: str
    until: str
    settle: float = 1.0

    def check(self, record: Record) -> Outcome:
        """Tell whether it held."""
        what = f"nothing acknowledged on {self.site} after: {_title(record, self.since)}"
        begin, end = _window(record, self.since, self.until, self.settle)
        if end < begin:
            return _empty(what, SAFETY)
        count = sum(
            1
            for write in record.writes
            if write.site == self.site and write.acknowledged and begin <= write.ended <= end
        )
        return Outcome(what, SAFETY, count == 0, f"{count} acknowledged")


@dataclass(frozen=True)
class NoPrimary:
    """None of the members said in the window that it was in a Primary component."""

    members: tuple[str, ...]
    since: str
    until: str
    settle: float = 0.0

    def check(self, record: Record) -> Outcome:
        """Tell whether it held."""
        what = f"no Primary component of {', '.join(self.members)} after: {_title(record, self.since)}"
        begin, end = _window(record, self.since, self.until, self.settle)
        if end < begin:
            return _empty(what, SAFETY)
        saying = sorted(
            {
                each.member
                for each in record.observations
                if each.member in self.members
                and each.status is not None
                and each.status.primary
                and begin <= each.asked
                and each.answered <= end
            }
        )
        return Outcome(what, SAFETY, not saying, f"Primary: {', '.join(saying)}" if saying else "none")


@dataclass(frozen=True)
class StayedPrimary:
    """Whatever these members answered in the window, it was that they are in a Primary component."""

    members: tuple[str, ...]
    since: str
    until: str = ""

    def check(self, record: Record) -> Outcome:
        """Tell whether it held."""
        what = f"{', '.join(self.members)} stayed Primary after: {_title(record, self.since)}"
        begin, end = _window(record, self.since, self.until)
        if end < begin:
            return _empty(what, SAFETY)
        leaving = sorted(
            {
                each.member
                for each in record.observations
                if each.member in self.members
                and each.status is not None
                and not each.status.primary
                and begin <= each.asked
                and each.answered <= end
            }
        )
        return Outcome(what, SAFETY, not leaving, f"not so: {', '.join(leaving)}" if leaving else "all the time")


@dataclass(frozen=True)
class Noticed:
    """The member was not Synced at some time in the window: what was done to it had an effect, so it was survived."""

    member: str
    since: str
    until: str = ""

    def check(self, record: Record) -> Outcome:
        """Tell whether it held."""
        what = f"{self.member} suffered from: {_title(record, self.since)}"
        begin, end = _window(record, self.since, self.until)
        if end < begin:
            return _empty(what, SAFETY)
        seen = any(
            each.member == self.member
            and begin <= each.asked <= end
            and (each.status is None or not each.status.synced)
            for each in record.observations
        )
        return Outcome(what, SAFETY, seen, "it did" if seen else "it stayed Synced, so nothing is proved")


def _title(record: Record, mark: str) -> str:
    event = _event(record, mark)
    return event.title if event else mark
