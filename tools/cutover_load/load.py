# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load of all regions from before a cutover until after it, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from stretch_drill.expectations import SAFETY, TIME, Outcome
from stretch_drill.model import Event, Write
from stretch_drill.picture import draw
from stretch_drill.result import BIN, SHOWN
from stretch_drill.verdict import Gap, longest_pause

from .clients import KINDS, REFUSED, Client, Keystone, LoadError, Tenant, User

RATES = {"logins": 2.0, "validations": 5.0, "reads": 5.0, "writes": 3.0}
"""Attempts per second at most, of each kind in each region."""


class Load:
    """Runs while it is entered."""

    def __init__(self, tenants: Sequence[Tenant], directory: Path, rates: Mapping[str, float] | None = None) -> None:
        """Nothing is done before it is entered. Journals and results go to the directory."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.began = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.events: list[Event] = []
        self.stopped = 0.0
        self._zero = time.monotonic()
        self._tenants = tenants
        self.clients = [
            Client(who, kind, self.clock, (rates or RATES)[kind], directory) for who in tenants for kind in KINDS
        ]

    def clock(self) -> float:
        """Seconds from the beginning."""
        return time.monotonic() - self._zero

    def mark(self, title: str) -> None:
        """Note what happens now."""
        self.events.append(Event("", title, self.clock(), self.clock()))

    def __enter__(self) -> Load:
        """Begin."""
        for client in self.clients:
            client.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what is under way is waited for."""
        self.stopped = self.clock()
        for client in self.clients:
            client.stop()

    def result(self, limit: float) -> dict[str, Any]:
        """What became of it. `limit`: seconds that writes may be refused for."""
        missing, unread = missing_writes(self._tenants, self.clients)
        found = result(self.clients, self.events, self.began, self.stopped, missing, unread, limit)
        (self.directory / "result.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (self.directory / "timeline.svg").write_text(draw(found), encoding="utf-8")
        return found


def missing_writes(tenants: Sequence[Tenant], clients: Iterable[Client]) -> tuple[list[str], list[str]]:
    """What was acknowledged and is not to be had, in which region; and the regions that could not be asked."""
    made = [write.made for client in clients if client.kind == "writes" for write in client.writes if write.made]
    asked = {who.keystone.region: _missing_in(who.keystone, who.writer, made) for who in tenants}
    missing = [one for found in asked.values() for one in found or ()]
    return missing, [region for region, found in asked.items() if found is None]


def _missing_in(keystone: Keystone, user: User, made: Iterable[str]) -> list[str] | None:
    try:
        token = keystone.log_in(user)
        asked = {path: keystone.ask("GET", path, token=token).status for path in made}
    except (OSError, LoadError):
        return None
    return [f"{keystone.region}: {path}: {status}" for path, status in asked.items() if status != 200]


def refused(write: Write) -> bool:
    """Whether it was refused as the cutover does."""
    return write.error.startswith(REFUSED)


def result(
    clients: Sequence[Client],
    events: Sequence[Event],
    began: str,
    stopped: float,
    missing: Sequence[str],
    unread: Sequence[str],
    limit: float,
) -> dict[str, Any]:
    """All of it as plain data, also for the picture of the drills."""
    writers = [client for client in clients if client.kind == "writes"]
    others = [client for client in clients if client.kind != "writes"]
    run = Gap(0.0, stopped)
    spans = {client.region: _span(client, run) for client in writers}
    failed = {
        client.site: [write for write in client.writes if write.error and not (client in writers and refused(write))]
        for client in clients
    }
    outcomes = [
        *(
            Outcome(f"no {kind} fail", SAFETY, not count, f"{count} of {total}")
            for kind in KINDS
            for count, total in [_counts(kind, clients, failed)]
        ),
        Outcome(
            "every acknowledged write is in every region", SAFETY, not missing and not unread, _lost(missing, unread)
        ),
        *(
            Outcome(f"writes refused in {region}", TIME, gap.seconds <= limit, f"{gap.seconds:.1f} s", limit)
            for region, gap in spans.items()
        ),
    ]
    ended = max((write.ended for client in clients for write in client.writes), default=stopped)
    return {
        "drill": "cutover",
        "title": "One Keystone in place of the regions' own, under load",
        "began": began,
        "seconds": round(ended, 1),
        "passed": all(outcome.met for outcome in outcomes),
        "interrupted": "",
        "acknowledged": sum(client.acknowledged for client in writers),
        "refused": sum(1 for client in writers for write in client.writes if write.error),
        "lost": len(missing),
        "missing": list(missing[:SHOWN]),
        "unread": list(unread),
        "outcomes": [outcome.as_dict() for outcome in outcomes],
        "errors": {site: [write.error for write in own[:SHOWN]] for site, own in failed.items() if own},
        "attempts": {client.site: len(client.writes) for client in clients},
        "events": [
            {"at": round(event.began, 2), "until": round(event.ended, 2), "title": event.title} for event in events
        ],
        "writing": {"from": 0.0, "until": round(stopped, 2)},
        "bin": BIN,
        "sites": {client.region: _site(client, spans[client.region]) for client in writers},
        "bars": {client.region: _bars(client.writes, ended) for client in writers},
        "lanes": {client.site: _lane(client.writes, ended) for client in others},
        "member_sites": {client.site: client.region for client in others},
    }


def _counts(kind: str, clients: Sequence[Client], failed: Mapping[str, Sequence[Write]]) -> tuple[int, int]:
    own = [client for client in clients if client.kind == kind]
    return sum(len(failed[client.site]) for client in own), sum(len(client.writes) for client in own)


def _lost(missing: Sequence[str], unread: Sequence[str]) -> str:
    return ", ".join([f"{len(missing)} missing", *(f"{region} could not be asked" for region in unread)])


def _span(client: Client, run: Gap) -> Gap:
    """The time without an acknowledged write in which writes were refused; nothing where none was."""
    times = [write.ended for write in client.writes if refused(write)]
    if not times:
        return Gap(0.0, 0.0)
    return longest_pause(client.writes, client.site, run, min(times), max(times))


def _site(client: Client, span: Gap) -> dict[str, Any]:
    return {
        "acknowledged": client.acknowledged,
        "refused": sum(1 for write in client.writes if write.error),
        "longest_pause": {
            "seconds": round(span.seconds, 2), "from": round(span.began, 2), "until": round(span.ended, 2),
        },
    }  # fmt: skip


def _bars(writes: Iterable[Write], until: float) -> list[list[int]]:
    counts = [[0, 0] for _bin in range(int(until / BIN) + 1)]
    for write in writes:
        counts[min(int(write.ended / BIN), len(counts) - 1)][0 if write.acknowledged else 1] += 1
    return counts


def _lane(writes: Sequence[Write], until: float) -> list[dict[str, Any]]:
    """Whether each kind was answered, from when to when."""
    lane: list[dict[str, Any]] = []
    for write in writes:
        state = "failed" if write.error else "answered"
        if not lane or lane[-1]["state"] != state:
            lane.append({"from": round(write.began, 2), "until": round(write.ended, 2), "state": state})
        lane[-1]["until"] = round(write.ended, 2)
    if lane:
        lane[-1]["until"] = round(until, 2)
    return lane


def summary(found: Mapping[str, Any]) -> list[str]:
    """The result in a few lines for a person."""
    lines = [f"cutover: {'PASSED' if found['passed'] else 'FAILED'}, {found['acknowledged']} writes acknowledged"]
    for outcome in found["outcomes"]:
        limit = f" (at most {outcome['limit']:.0f} s)" if outcome["limit"] is not None else ""
        lines.append(f"  {'met   ' if outcome['met'] else 'MISSED'} {outcome['what']}: {outcome['found']}{limit}")
    lines += [f"  {site}: {error}" for site, errors in found["errors"].items() for error in errors[:3]]
    return lines
