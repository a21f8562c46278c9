# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that does one thing again and again at a bounded rate, and notes what became of each attempt."""

from __future__ import annotations

import json
import os
import threading
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .model import Write


class Paced(threading.Thread):
    """Goes on until it is stopped.

    A number is used once: whether a refused attempt had an effect is not known. An acknowledged one is on disk, in the
    journal, before the next is made.
    """

    def __init__(self, name: str, site: str, clock: Callable[[], float], rate: float, journal: Path) -> None:
        """Nothing is done before it is started. `rate`: attempts per second at most."""
        super().__init__(name=name, daemon=True)
        self.site = site
        self.writes: list[Write] = []
        self.acknowledged = 0
        self.held = threading.Event()
        self._clock = clock
        self._pace = 1 / rate
        self._journal = journal
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Have it end, and wait for that."""
        self._stopped.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        """Go on."""
        with self._journal.open("w", encoding="utf-8") as journal:
            due = self._clock()
            while not self._stopped.wait(max(0.0, due - self._clock())):
                due = max(due + self._pace, self._clock())
                if not self.held.is_set():
                    self._note(journal, self._attempt(len(self.writes) + 1))

    @abstractmethod
    def _attempt(self, number: int) -> Write:
        """Make one attempt."""

    def _note(self, journal: IO[str], write: Write) -> None:
        line = {"number": write.number, "began": round(write.began, 3), "ended": round(write.ended, 3)}
        more = {"error": write.error, "made": write.made}
        json.dump({**line, **{name: value for name, value in more.items() if value}}, journal)
        journal.write("\n")
        journal.flush()
        if write.acknowledged:
            os.fsync(journal.fileno())
            self.acknowledged += 1
        self.writes.append(write)
