# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One drill from the beginning to the end: writers and watchers run while the plan's steps are done."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .database import LIMIT, READ_LIMIT, Connect, Errors, connector, read_rows, suspect_timeout
from .injector import Injector
from .model import Description, DrillError, Event, Member, Observation, Phase, Record
from .picture import draw
from .plans import (
    Act,
    Drill,
    Facts,
    Sleep,
    Step,
    WaitNotSynced,
    WaitRestarted,
    WaitStopped,
    WaitSynced,
    WaitWritten,
    plan,
)
from .result import result
from .tunnels import Door
from .watcher import MemberWatch, ReportWatch
from .writer import Writer

Reports = Callable[[], Mapping[str, Mapping[str, Any]]]

TICK = 0.1
"""Seconds between two looks at what is waited for."""
TALK = 5.0
"""Seconds after which a wait says what it waits for."""
BEFORE = 60.0
"""Seconds that the cluster has to be whole before the drill begins."""
WARM = 20
"""Acknowledged writes of each site before anything is broken."""
QUIET = 3.0
"""Seconds of undisturbed writing before the first event and after the last."""


class InterruptedDrillError(DrillError):
    """Somebody ended the drill."""


class NotWholeError(DrillError):
    """The cluster is not whole before the drill, so that the drill would prove nothing."""


class Run:
    """What one drill needs while it runs."""

    def __init__(
        self,
        description: Description,
        injector: Injector,
        doors: Mapping[str, Door],
        reports: Reports,
        ca: Path,
        directory: Path,
        say: Callable[[str], None],
        stopping: threading.Event,
    ) -> None:
        """Nothing is done yet.

        `doors`: how each member is reached; `directory`: for the results; `stopping`: set by whoever wants the drill to
        end.
        """
        self.description = description
        self.injector = injector
        self.directory = directory
        self.stopping = stopping
        self._say = say
        self._origin = time.monotonic()
        self.record = Record(began=datetime.now(timezone.utc).isoformat(timespec="seconds"))
        self.latest: dict[str, Observation] = {}
        self.phases: dict[str, Phase] = {}
        self._processes: dict[str, str] = {}
        self._ca = str(ca)
        self._doors = doors
        self.watches: list[MemberWatch | ReportWatch] = [
            MemberWatch(member.name, self._member_connector(member), self.clock, self._observed)
            for member in description.members
        ]
        self.watches.append(ReportWatch(reports, self.clock, self._reported))
        self.writers = {
            site.name: Writer(
                site.name,
                self._connector(site.vip, site.port),
                self.clock,
                description.writes_per_second,
                directory / f"writes-{site.name}.jsonl",
                payload=100,
            )
            for site in description.sites
        }

    def clock(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._origin

    def say(self, text: str) -> None:
        """Tell the person, with the time."""
        self._say(f"{self.clock():7.1f} s  {text}")

    def _connector(self, address: str, port: int, limit: float = LIMIT) -> Connect:
        return connector(address, port, self.description.password, self._ca, limit)

    def _member_connector(self, member: Member, limit: float = LIMIT) -> Connect:
        door = self._doors[member.name]
        return self._connector(door.host, door.database, limit)

    def _observed(self, observation: Observation) -> None:
        self.record.observations.append(observation)
        self.latest[observation.member] = observation

    def _reported(self, phase: Phase) -> None:
        self.record.phases.append(phase)
        self.phases[phase.member] = phase

    # Waiting

    def sleep(self, seconds: float) -> None:
        """Let time pass.

        :raises InterruptedDrillError: when somebody wants the drill to end.
        """
        if self.stopping.wait(seconds):
            raise InterruptedDrillError("interrupted")

    def until(self, what: str, condition: Callable[[], bool], limit: float) -> None:
        """Wait for a condition, and say from time to time how it stands.

        :raises DrillError: when it does not come about in time.
        """
        begin = talked = self.clock()
        while not condition():
            now = self.clock()
            if now - begin > limit:
                raise DrillError(f"not within {limit:g} s: {what}. {self.standing()}")
            if now - talked >= TALK:
                talked = now
                self.say(f"  waiting for {what}. {self.standing()}")
            self.sleep(TICK)

    def standing(self) -> str:
        """Who is not Synced, and how many writes there are."""
        parts = []
        for member in self.description.members:
            status = self.latest[member.name].status if member.name in self.latest else None
            if status is not None and status.synced:
                continue
            phase = self.phases.get(member.name)
            state = status.state if status is not None and status.primary else "not Primary" if status else "no answer"
            parts.append(f"{member.name} {state}" + (f" (agent: {phase.phase} {phase.reason})" if phase else ""))
        written = ", ".join(f"{site} {writer.acknowledged}" for site, writer in self.writers.items())
        return f"Not Synced: {'; '.join(parts) or 'nobody'}. Acknowledged: {written}."

    def synced(self, members: tuple[str, ...], size: int, since: float = 0.0) -> bool:
        """Whether each of them, when last asked after a time, was Synced in one component of that many."""
        states = [self.latest[name] for name in members if name in self.latest]
        good = [
            each.status
            for each in states
            if each.asked >= since and each.status is not None and each.status.synced and each.status.size == size
        ]
        return len(good) == len(members) and len({(status.history, status.view) for status in good}) == 1

    # The steps

    def step(self, step: Step) -> None:
        """Do one.

        :raises DrillError: when it cannot be done, or what it waits for does not come about.
        """
        limit = self.description.limit
        since = self.clock()
        if isinstance(step, Act):
            self._act(step)
        elif isinstance(step, Sleep):
            self.sleep(step.seconds)
        elif isinstance(step, WaitSynced):
            what = f"{'all' if len(step.members) == len(self.description.members) else ', '.join(step.members)} Synced"
            self.until(what, lambda: self.synced(step.members, step.size, since), limit)
            self.say(f"{what}, {step.size} in the component with the arbiters")
        elif isinstance(step, WaitNotSynced):
            what = f"{step.member} to suffer from it"
            self.until(what, lambda: not self.synced((step.member,), self.description.full_size), limit)
        elif isinstance(step, WaitStopped):
            for name in step.members:
                self.until(f"{name} to be stopped", lambda name=name: not self.injector.server(name), limit)  # type: ignore[misc]
        elif isinstance(step, WaitRestarted):
            before = self._processes.get(step.member, "")
            what = f"another server of {step.member} than process {before}"
            self.until(what, lambda: self.injector.server(step.member) not in {"", before}, limit)
        elif isinstance(step, WaitWritten):
            writer = self.writers[step.site]
            wanted = writer.acknowledged + step.count
            self.until(f"{step.count} writes of {step.site}", lambda: writer.acknowledged >= wanted, limit)

    def _act(self, act: Act) -> None:
        if act.kind in {"hang", "fake_clock", "unfake_clock"}:
            self._processes = {name: self.injector.server(name) for name in act.targets}
        self.say(act.title)
        began = self.clock()
        if act.kind == "hold_writers":
            self._hold(True)
        elif act.kind == "release_writers":
            self._hold(False)
        else:
            self.injector.apply(act)
        self.record.events.append(Event(act.mark, act.title, began, self.clock()))

    def _hold(self, held: bool) -> None:
        for writer in self.writers.values():
            if held:
                writer.held.set()
            else:
                writer.held.clear()

    # The whole

    def drill(self, name: str) -> dict[str, Any]:
        """Run it, mend what it broke, and give the result, which is also written.

        :raises DrillError: when it could not begin.
        """
        problem = ""
        drill: Drill | None = None
        try:
            for watch in self.watches:
                watch.start()
            drill = self._prepare(name)
            for step in drill.steps:
                self.step(step)
            self.sleep(QUIET)
        except DrillError as error:
            if drill is None:
                raise
            problem = str(error)
            self.say(f"ended early: {problem}")
        finally:
            self._end(drill, problem)
        found = result(drill, self.record, self.description, problem)
        self._write(found)
        return found

    def _prepare(self, name: str) -> Drill:
        whole = tuple(member.name for member in self.description.members)
        try:
            self.until("the whole cluster", lambda: self.synced_anyway(whole), BEFORE)
        except InterruptedDrillError:
            raise
        except DrillError as error:
            raise NotWholeError(f"the cluster is not whole, so a drill would prove nothing: {error}") from error
        suspect = self._suspect()
        for writer in self.writers.values():
            writer.start()
        warm = [writer.name for writer in self.writers.values()]
        self.until(
            f"the {' and the '.join(warm)}",
            lambda: all(writer.acknowledged >= WARM for writer in self.writers.values()),
            BEFORE,
        )
        writing = {site: writer.member for site, writer in self.writers.items()}
        drill = plan(name, Facts(self.description, suspect, writing))
        for writer in self.writers.values():
            writer.payload = drill.payload
        self.record.first = self.clock()
        self.say(f"{name}: {drill.title}")
        written = ", ".join(f"{site} writes to {member}" for site, member in writing.items())
        self.say(f"all Synced; {written}; suspect_timeout {suspect:g} s")
        self.sleep(QUIET)
        return drill

    def synced_anyway(self, members: tuple[str, ...]) -> bool:
        """Whether all are Synced with all arbiters."""
        return self.synced(members, self.description.full_size)

    def _suspect(self) -> float:
        return suspect_timeout(self._member_connector(self.description.members[0]))

    def _end(self, drill: Drill | None, problem: str) -> None:
        """Stop writing, mend, wait for the cluster, read what every member has, stop watching."""
        stopped = self.stopping.is_set()
        self.record.last = self.clock()
        for writer in self.writers.values():
            writer.stop()
            self.record.writes += writer.writes
        # From here on nobody may interrupt: what is broken has to be mended.
        self.stopping.clear()
        for line in self.injector.heal():
            self.say(f"mended: {line}")
        if drill is not None and not stopped:
            self._wait_and_read(problem)
        for watch in self.watches:
            watch.stop()
        if stopped:
            self.stopping.set()

    def _wait_and_read(self, problem: str) -> None:
        whole = tuple(member.name for member in self.description.members)
        try:
            self.until(
                "the whole cluster", lambda: self.synced_anyway(whole), self.description.limit if problem else BEFORE
            )
        except DrillError as error:
            self.say(str(error))
        for member in self.description.members:
            # Once more, as a member that has just come back may close a connection.
            if not self._read(member):
                self.stopping.wait(1)
                self._read(member)

    def _read(self, member: Member) -> bool:
        try:
            self.record.rows[member.name] = read_rows(self._member_connector(member, READ_LIMIT))
        except Errors as error:
            self.say(f"{member.name} cannot be read: {error}")
            return False
        return True

    def _write(self, found: Mapping[str, Any]) -> None:
        (self.directory / "result.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (self.directory / "timeline.svg").write_text(draw(found), encoding="utf-8")
        with (self.directory / "watch.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(each)) + "\n" for each in self.record.observations)
            file.writelines(json.dumps(asdict(each)) + "\n" for each in self.record.phases)
