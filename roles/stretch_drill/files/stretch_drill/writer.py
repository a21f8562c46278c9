# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of one site: inserts numbered rows through its VIP and notes what became of each."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from pymysql.connections import Connection

from .database import Connect, Errors, insert, node_name
from .model import Write


class Writer(threading.Thread):
    """Writes at a bounded rate until it is stopped.

    A number is used once: whether the row of a refused attempt is there is not known. An acknowledged one is on disk,
    in the journal, before the next is sent.
    """

    def __init__(
        self, site: str, connect: Connect, clock: Callable[[], float], rate: float, journal: Path, payload: int
    ) -> None:
        """Nothing is written before it is started. `rate`: attempts per second at most; `payload`: bytes of a row."""
        super().__init__(name=f"writer of {site}", daemon=True)
        self.site = site
        self.writes: list[Write] = []
        self.member = ""
        self.acknowledged = 0
        self.held = threading.Event()
        self._connect = connect
        self._clock = clock
        self._pace = 1 / rate
        self._journal = journal
        self.payload = payload
        self._stopped = threading.Event()
        self._connection: Connection[Any] | None = None

    def stop(self) -> None:
        """Have it end, and wait for that."""
        self._stopped.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        """Write."""
        with self._journal.open("w", encoding="utf-8") as journal:
            due = self._clock()
            while not self._stopped.wait(max(0.0, due - self._clock())):
                due = max(due + self._pace, self._clock())
                if not self.held.is_set():
                    self._note(journal, self._attempt(len(self.writes) + 1))
        self._close()

    def _attempt(self, number: int) -> Write:
        began = self._clock()
        sent = False
        error = ""
        try:
            if self._connection is None:
                self._connection = self._connect()
                self.member = node_name(self._connection)
            sent = True
            insert(self._connection, self.site, number, b"x" * self.payload)
        except Errors as problem:
            error = " ".join(str(problem).split()) or type(problem).__name__
            self._close()
        return Write(self.site, number, began, self._clock(), sent, error)

    def _note(self, journal: IO[str], write: Write) -> None:
        line = {"number": write.number, "began": round(write.began, 3), "ended": round(write.ended, 3)}
        json.dump({**line, "error": write.error} if write.error else line, journal)
        journal.write("\n")
        journal.flush()
        if write.acknowledged:
            os.fsync(journal.fileno())
            self.acknowledged += 1
        self.writes.append(write)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*Errors):
                connection.close()
