# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a drill as plain data for JSON, for the picture and for the person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .expectations import SAFETY, Outcome
from .model import Description, Observation, Phase, Record, Write
from .plans import Drill
from .verdict import Gap, all_synced_since, claims, differing, longest_pause, lost, two_primaries

BIN = 0.5
"""Seconds that one bar of the picture stands for."""
PHASE_AGE = 2.5
"""Seconds for which an agent's report counts."""
SHOWN = 20
"""How many of a kind are listed one by one."""


def general(record: Record, description: Description) -> list[Outcome]:
    """What has to hold in every drill."""
    names = [member.name for member in description.members]
    missing = lost(record.writes, record.rows)
    rows = {row for own in missing.values() for row in own}
    unread = [name for name in names if name not in record.rows]
    conflicts = two_primaries(claims(record.observations, description.members))
    synced = all_synced_since(record, description.members, description.full_size)
    apart = differing(record.rows)
    return [
        Outcome(
            "every acknowledged row is on every member",
            SAFETY,
            not rows and not unread,
            ", ".join([f"{len(rows)} lost", *(f"{name} could not be read" for name in unread)]),
        ),
        Outcome(
            "never two Primary components",
            SAFETY,
            not conflicts,
            "; ".join(str(conflict) for conflict in conflicts[:3]) or f"{len(record.observations)} observations",
        ),
        Outcome("every member is Synced at the end", SAFETY, synced is not None, "yes" if synced is not None else "no"),
        Outcome("all members have the same rows", SAFETY, not apart and not unread, f"{len(apart)} rows differ"),
    ]


def bars(writes: Iterable[Write], site: str, until: float) -> list[list[int]]:
    """Acknowledged and refused writes of a site in each bin of time from the beginning of the run."""
    counts = [[0, 0] for _bin in range(int(until / BIN) + 1)]
    for write in writes:
        if write.site == site and 0 <= write.ended <= until:
            counts[int(write.ended / BIN)][0 if write.acknowledged else 1] += 1
    return counts


def _state(observation: Observation, phase: Phase | None) -> str:
    status = observation.status
    if status is not None:
        if not status.primary:
            return "not Primary"
        return {"Synced": "Synced", "Donor/Desynced": "donor"}.get(status.state, "joining")
    if phase is None or observation.answered - phase.at > PHASE_AGE or phase.phase in {"unreachable", "unknown"}:
        return "no answer"
    return "hangs" if phase.phase in {"member", "nonprimary"} else phase.phase


def lanes(record: Record, description: Description, until: float) -> dict[str, list[dict[str, Any]]]:
    """By member, what it was from when to when."""
    found: dict[str, list[dict[str, Any]]] = {member.name: [] for member in description.members}
    phases: dict[str, Phase] = {}
    seen: list[Observation | Phase] = [*record.observations, *record.phases]
    seen.sort(key=lambda each: each.at if isinstance(each, Phase) else each.answered)
    for each in seen:
        if isinstance(each, Phase):
            phases[each.member] = each
            continue
        lane = found[each.member]
        state = _state(each, phases.get(each.member))
        if lane and lane[-1]["state"] == state:
            lane[-1]["until"] = round(each.answered, 2)
            continue
        if lane:
            lane[-1]["until"] = round(each.answered, 2)
        lane.append(
            {"from": round(each.answered if lane else 0.0, 2), "until": round(each.answered, 2), "state": state}
        )
    for lane in found.values():
        if lane:
            lane[-1]["until"] = round(max(until, lane[-1]["until"]), 2)
    return found


def _site(record: Record, site: str, run: Gap) -> dict[str, Any]:
    own = [write for write in record.writes if write.site == site]
    unknown = {(site, write.number) for write in own if write.sent and not write.acknowledged}
    refused = {(site, write.number) for write in own if not write.acknowledged}
    present = set.union(*record.rows.values()) if record.rows else set()
    pause = longest_pause(own, site, run, run.began, run.ended)
    return {
        "acknowledged": sum(1 for write in own if write.acknowledged),
        "refused": len(refused),
        "of_unknown_outcome": len(unknown),
        "present_though_not_acknowledged": len(refused & present),
        "longest_pause": {
            "seconds": round(pause.seconds, 2),
            "from": round(pause.began, 2),
            "until": round(pause.ended, 2),
        },
        "errors": _errors(own),
    }


def _errors(writes: Iterable[Write]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for write in writes:
        if write.error:
            counts[write.error[:120]] = counts.get(write.error[:120], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:SHOWN])


def result(drill: Drill, record: Record, description: Description, interrupted: str = "") -> dict[str, Any]:
    """All of it. `interrupted`: why the drill did not come to its end, if it did not."""
    run = Gap(record.first, record.last)
    outcomes = general(record, description) + [each.check(record) for each in drill.expectations]
    missing = lost(record.writes, record.rows)
    synced = all_synced_since(record, description.members, description.full_size)
    last = record.events[-1].ended if record.events else record.first
    safe = not interrupted and all(each.met for each in outcomes if each.kind == SAFETY)
    quick = all(each.met for each in outcomes if each.kind != SAFETY)
    ended = max([record.last, *(each.answered for each in record.observations)], default=record.last)
    return {
        "drill": drill.name,
        "title": drill.title,
        "began": record.began,
        "seconds": round(ended, 1),
        "passed": safe and (quick or not description.strict),
        "safe": safe,
        "in_time": quick,
        "interrupted": interrupted,
        "by_hand": list(drill.hands),
        "acknowledged": sum(1 for write in record.writes if write.acknowledged),
        "refused": sum(1 for write in record.writes if not write.acknowledged),
        "lost": len({row for own in missing.values() for row in own}),
        "unread": [member.name for member in description.members if member.name not in record.rows],
        "lost_rows": {member: [list(row) for row in own[:SHOWN]] for member, own in missing.items()},
        "rows": {member: len(rows) for member, rows in record.rows.items()},
        "sites": {site.name: _site(record, site.name, run) for site in description.sites},
        "all_synced_after_last_event": None if synced is None else round(max(0.0, synced - last), 2),
        "outcomes": [outcome.as_dict() for outcome in outcomes],
        "events": [
            {"at": round(event.began, 2), "until": round(event.ended, 2), "title": event.title}
            for event in record.events
        ],
        "writing": {"from": round(record.first, 2), "until": round(record.last, 2)},
        "bin": BIN,
        "bars": {site.name: bars(record.writes, site.name, ended) for site in description.sites},
        "lanes": lanes(record, description, ended),
        "member_sites": {member.name: member.site for member in description.members},
    }


def lost_words(found: Mapping[str, Any]) -> str:
    """How many rows are lost, and whether that is all that is known."""
    unread = f" (unread: {', '.join(found['unread'])})" if found["unread"] else ""
    return f"{found['lost']}{unread}"


def summary(found: Mapping[str, Any]) -> list[str]:
    """The result in a few lines for a person."""
    lines = [
        f"{found['drill']}: {'PASSED' if found['passed'] else 'FAILED'}"
        + (f" ({found['interrupted']})" if found["interrupted"] else ""),
        f"  acknowledged {found['acknowledged']}, refused {found['refused']}, lost {lost_words(found)}",
    ]
    for name, site in found["sites"].items():
        pause = site["longest_pause"]
        lines.append(
            f"  {name}: acknowledged {site['acknowledged']}, refused {site['refused']}"
            f" (of these present: {site['present_though_not_acknowledged']}),"
            f" longest pause {pause['seconds']:.1f} s ({pause['from']:.1f} to {pause['until']:.1f})"
        )
    for outcome in found["outcomes"]:
        limit = f" (at most {outcome['limit']:.1f} s)" if outcome["limit"] is not None else ""
        lines.append(f"  {'met   ' if outcome['met'] else 'MISSED'} {outcome['what']}: {outcome['found']}{limit}")
    return lines
