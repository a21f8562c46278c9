# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a merge is: for who watches it while it runs, and for the report afterwards.

Ansible shows nothing of a module before it has ended. So a module writes how it gets on to a file of its host, the
option ``progress_file``, and the action plugin of the same name reads that file on a second connection while the module
runs (:mod:`ansible_collections.stretch.cluster.plugins.plugin_utils.watched_module`). The file is there as long as the
module runs, like a PID file, so that nobody has to clean up; it holds names of phases, tables and stacks, and numbers.

Each line is one JSON object, see :class:`Told`. A table's line is repeated as it advances, at most every
:data:`PAUSE` seconds, so that the number of calls does not matter.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from io import RawIOBase
from typing import Any, Callable, Iterator

PAUSE = 0.2
"""Seconds between two lines of one table; a person sees no more."""


@dataclass(frozen=True)
class Told:
    """One line of the file.

    *at* is in seconds since the start. Without *table* it says that *phase* begins, which will handle *rows* rows in
    all (None: nobody knows). With *table* it says that *done* of the *rows* of that table of *stack* are through;
    *ended* is true in the table's last line.
    """

    at: float
    phase: str
    table: str | None = None
    stack: str | None = None
    rows: int | None = None
    done: int = 0
    ended: bool = False

    def line(self) -> str:
        """This as a line of ASCII."""
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"


@dataclass(frozen=True)
class Timed:
    """A phase that has ended: its seconds and the rows that it handled."""

    phase: str
    seconds: float
    rows: int


@dataclass
class _Step:
    """A table of a stack that is being handled."""

    table: str
    stack: str
    rows: int | None
    done: int = 0
    told_at: float = 0.0


class Progress:
    """Keeps the times of the phases, and tells nobody.

    Several tables may be handled at once, and by several threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._lock = threading.Lock()
        self._steps: dict[tuple[str, str], _Step] = {}
        self._phase = ""
        self._since = self._started
        self._rows = 0
        self._timed: list[Timed] = []

    def phase(self, name: str, rows: int | None = None) -> None:
        """Begin a phase, which ends the one before; *rows* is how many rows it will handle, if that is known."""
        with self._lock:
            self._end()
            self._phase = name
            self._tell(Told(self._at(), name, rows=rows))

    def start(self, table: str, stack: str, rows: int | None) -> None:
        """Begin a table of a stack, of which *rows* rows are to be handled, if that is known."""
        with self._lock:
            step = self._steps[(table, stack)] = _Step(table, stack, rows)
            self._tell_step(step)

    def advance(self, table: str, stack: str, rows: int) -> None:
        """Say that *rows* more rows of the table are through."""
        with self._lock:
            step = self._steps[(table, stack)]
            step.done += rows
            self._rows += rows
            if self._clock() - step.told_at >= PAUSE:
                self._tell_step(step)

    def done(self, table: str, stack: str) -> None:
        """End the table."""
        with self._lock:
            self._tell_step(self._steps.pop((table, stack)), ended=True)

    def timed(self) -> tuple[Timed, ...]:
        """All phases in order, the present one as if it ended now."""
        with self._lock:
            now = Timed(self._phase, self._clock() - self._since, self._rows)
            return (*self._timed, *([now] if self._phase else []))

    def _at(self) -> float:
        return round(self._clock() - self._started, 3)

    def _end(self) -> None:
        if self._phase:
            self._timed.append(Timed(self._phase, self._clock() - self._since, self._rows))
        self._since, self._rows = self._clock(), 0

    def _tell_step(self, step: _Step, ended: bool = False) -> None:
        step.told_at = self._clock()
        self._tell(Told(self._at(), self._phase, step.table, step.stack, step.rows, step.done, ended))

    def _tell(self, told: Told) -> None:
        """Nobody is told."""


class FileProgress(Progress):
    """Tells it in a file without a buffer. What cannot be written is not told: a merge does not fail for that."""

    def __init__(self, file: RawIOBase, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._file: RawIOBase | None = file

    def _tell(self, told: Told) -> None:
        if self._file is None:
            return
        try:
            self._file.write(told.line().encode("ascii"))
        except OSError:
            self._file = None


@contextlib.contextmanager
def telling(path: str | None, warn: Callable[[str], Any]) -> Iterator[Progress]:
    """Progress that is told in the file *path*, which is there meanwhile; to nobody where that is None.

    A file that cannot be made is a warning.
    """
    file = None
    if path is not None:
        try:
            # Exclusively: neither a file that is there is lost nor a link of somebody else in /var/tmp followed.
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            file = os.fdopen(made, "wb", buffering=0)
        except OSError as error:
            warn(f"how the merge gets on cannot be shown: {error}")
    if file is None:
        yield Progress()
        return
    try:
        yield FileProgress(file)
    finally:
        file.close()
        with contextlib.suppress(OSError):
            os.unlink(path or "")
