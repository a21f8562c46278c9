# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each node answered, and who is expected to be there.

The answers come over a network: nothing in them is taken for granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence


class StatusError(Exception):
    """What was handed in is no topology, or no answers of its nodes."""


@dataclass(frozen=True)
class Expected:
    """A member or an arbiter as configured; ``site`` of an arbiter is its own name: it stands on a site of its own."""

    name: str
    site: str
    address: str
    weight: int
    segment: int | None = None


@dataclass(frozen=True)
class View:
    """What one node answered; ``error`` says why it did not."""

    host: str
    site: str
    error: str
    sources: Mapping[str, Any]

    def get(self, source: str) -> tuple[Mapping[str, Any] | None, str]:
        """What a source said, and why it said nothing. Both are empty when it was not asked."""
        if self.error:
            return None, self.error
        answer = self.sources.get(source)
        if not isinstance(answer, Mapping):
            return None, ""
        if set(answer) == {"error"}:
            return None, str(answer["error"])
        return answer, ""


def views(answers: Mapping[str, Any], sites: Mapping[str, str]) -> dict[str, View]:
    """Read the registered results of M(stretch.cluster.stretch_status_info) by host.

    :param sites: The site of each host that was asked.
    """
    found = {}
    for host, site in sites.items():
        answer = answers.get(host)
        sources = answer.get("sources") if isinstance(answer, Mapping) else None
        error = "" if isinstance(sources, Mapping) else _reason(answer)
        found[host] = View(host, site, error, sources if isinstance(sources, Mapping) else {})
    return found


def _reason(answer: Any) -> str:
    """Why a node did not answer, in one line; ssh's own words follow a colon, after what Ansible says."""
    message = str(answer.get("msg") or "") if isinstance(answer, Mapping) else ""
    line = " ".join(message.split())
    for lead in ("Failed to connect to the host via ssh: ", "Task failed: "):
        line = line[line.find(lead) + len(lead) :] if lead in line else line
    return line[:200] or "not asked"


def expected(
    configured: Sequence[Mapping[str, Any]], arbiters: Sequence[Mapping[str, Any]], seen: Mapping[str, View]
) -> tuple[tuple[Expected, ...], tuple[Expected, ...]]:
    """Who is expected: as the members' own lists say, and where none can be read, as the topology says.

    :raises StatusError: when a list is none.
    """
    for view in seen.values():
        listed, _error = view.get("members")
        if listed is not None:
            configured, arbiters = listed["members"], listed["arbiters"]
            break
    try:
        return (
            tuple(
                Expected(one["name"], one["stack"], one["address"], int(one["weight"]), int(one["segment"]))
                for one in configured
            ),
            tuple(Expected(one["name"], one["name"], one["address"], int(one.get("weight", 1))) for one in arbiters),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StatusError(f"the list of members cannot be used: {error!r}") from error


@dataclass(frozen=True)
class Sighting:
    """A member's report as one observer got it: ``report`` is None if it got none, ``error`` says why."""

    observer: str
    site: str
    report: Mapping[str, Any] | None
    error: str

    @property
    def reached(self) -> bool:
        """Whether the member's host answered, be it with a refusal: then the way there is open."""
        return self.report is not None or not any(
            lead in self.error for lead in ("no answer", "timed out", "No route", "unreachable", "is down")
        )

    @property
    def round_trip(self) -> float | None:
        """Seconds that a connection took to make."""
        return None if self.report is None else number(self.report.get("round_trip"))


def sightings(member: str, seen: Mapping[str, View]) -> tuple[Sighting, ...]:
    """All that is known of a member, by observer."""
    return tuple(_sightings(member, seen))


def _sightings(member: str, seen: Mapping[str, View]) -> Iterator[Sighting]:
    for view in seen.values():
        reports, _error = view.get("reports")
        report = reports.get(member) if reports is not None else None
        if isinstance(report, Mapping):
            good = report.get("reachable") is True
            error = "" if good else str(report.get("error") or "no answer")
            yield Sighting(view.host, view.site, report if good else None, error)


def best(member: Expected, seen: Sequence[Sighting]) -> Sighting | None:
    """The sighting to believe: the member's own, then one of its site, then any; one with a report before all else."""
    return min(
        seen,
        key=lambda one: (one.report is None, one.observer != member.name, one.site != member.site, one.observer),
        default=None,
    )


def number(value: Any) -> float | None:
    """A number, or None for what is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole(value: Any) -> int | None:
    """A whole number, or None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """A dictionary, an empty one for what is none."""
    return value if isinstance(value, Mapping) else {}


def words(value: Any) -> tuple[str, ...]:
    """A list of texts, an empty one for what is none."""
    return tuple(str(one) for one in value) if isinstance(value, (list, tuple)) else ()
