# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks every member all the time what it is, each by itself so that one that hangs delays no other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pymysql.connections import Connection

from .database import Connect, Errors, ask_status
from .model import Observation, Phase, Status

INTERVAL = 0.25
"""Seconds from one question to a member to the next."""
SOON = 0.02
"""Seconds to the next question to a member that was between two views."""
REPORT_INTERVAL = 0.5


class MemberWatch(threading.Thread):
    """The questions to one member, over one lasting connection while that is possible."""

    def __init__(
        self, name: str, connect: Connect, clock: Callable[[], float], note: Callable[[Observation], None]
    ) -> None:
        """`note` is called with each observation, from this thread."""
        super().__init__(name=f"watch of {name}", daemon=True)
        self._member = name
        self._connect = connect
        self._clock = clock
        self._note = note
        self._stopped = threading.Event()
        self._connection: Connection[Any] | None = None

    def stop(self) -> None:
        """Have it end, and wait for that."""
        self._stopped.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        """Ask."""
        pause = 0.0
        while not self._stopped.wait(pause):
            asked = self._clock()
            status, error = self._ask()
            answered = self._clock()
            self._note(Observation(self._member, asked, answered, status, error))
            between = status is not None and status.primary and not status.settled
            pause = SOON if between else max(SOON, INTERVAL - (answered - asked))
        self._close()

    def _ask(self) -> tuple[Status | None, str]:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return ask_status(self._connection), ""
        except Errors as error:
            self._close()
            return None, " ".join(str(error).split()) or type(error).__name__

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*Errors):
                connection.close()


class ReportWatch(threading.Thread):
    """The questions to the members' resource agents, by the reports of clustercheck."""

    def __init__(
        self,
        fetch: Callable[[], Mapping[str, Mapping[str, Any]]],
        clock: Callable[[], float],
        note: Callable[[Phase], None],
    ) -> None:
        """`fetch` gives the report of every member by its name."""
        super().__init__(name="watch of the agents", daemon=True)
        self._fetch = fetch
        self._clock = clock
        self._note = note
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Have it end, and wait for that."""
        self._stopped.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        """Ask."""
        while not self._stopped.wait(REPORT_INTERVAL):
            for name, report in self._fetch().items():
                self._note(phase_from(name, report, self._clock()))


def phase_from(name: str, report: Mapping[str, Any], at: float) -> Phase:
    """What a member's agent is doing, from its report."""
    if not report.get("reachable"):
        return Phase(name, at, "unreachable", str(report.get("error", "")))
    agent = report.get("agent") or {}
    decision = agent.get("decision") or {}
    return Phase(name, at, str(agent.get("phase", "unknown")), str(decision.get("reason", "")))
