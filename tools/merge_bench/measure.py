# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time, CPU and memory of programs and of the servers that they use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
LOOK = 0.05
"""Seconds between two looks at the memory."""


@dataclass
class Cost:
    """What something took: wall-clock and CPU seconds, bytes, and which part of all cores others used meanwhile."""

    seconds: float = 0.0
    clients: float = 0.0
    sources: float = 0.0
    target: float = 0.0
    peak: int = 0
    others: float = 0.0


@dataclass
class Watched:
    """What the members had to bear.

    *paused* is the part of the time that each spent waiting for slower ones, *queues* are the longest queues of what
    was received and not applied. *waits* are the seconds that each small write of another client took at another
    member. *largest* is the largest write set, as far as it can be told: the members only count write sets and their
    bytes, so it is the greatest mean of all those between two looks.
    """

    paused: list[float] = field(default_factory=list)
    queues: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    write_sets: int = 0
    replicated: int = 0
    largest: float = 0.0


@dataclass
class Ended:
    """A program that has ended."""

    status: int
    cpu: float
    peak: int


def cpu_of(process: int) -> float:
    """CPU seconds of a process, without its children."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def busy() -> float:
    """CPU seconds that the machine has spent, all cores together."""
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK  # all but idle and waiting for disks


def memory_of(process: int) -> int:
    """Bytes that a process and its descendants hold now; what they share counts for each."""
    total = 0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        total = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * PAGE
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                total += memory_of(int(child))
    return total


class MemoryWatch(threading.Thread):
    """Looks at the memory of a process until it has ended."""

    def __init__(self, process: int) -> None:
        """Watch this one."""
        super().__init__(daemon=True)
        self.process, self.peak = process, 0
        self.done = threading.Event()

    def run(self) -> None:
        """Look again and again."""
        while not self.done.wait(LOOK):
            self.peak = max(self.peak, memory_of(self.process))


def run(command: Sequence[str], output: IO[bytes]) -> Ended:
    """Run a program to its end.

    The peak is the greater of what the kernel noted of the one process, and of what was seen of it and all its
    children together. It cannot be lower than this program's own.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output)
    watch = MemoryWatch(process.pid)
    watch.start()
    ended = reap(process)
    watch.done.set()
    watch.join()
    return Ended(ended.status, ended.cpu, max(ended.peak, watch.peak))


def reap(process: subprocess.Popen[bytes]) -> Ended:
    """Wait for a program, with the kernel's account of it and of the children that it waited for."""
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


@contextlib.contextmanager
def costs(sources: Sequence[int], targets: Sequence[int]) -> Iterator[Cost]:
    """Measure what happens in the context; *clients* and *peak* are for the caller to set in it."""
    cost = Cost()

    def account() -> list[float]:
        return [sum(map(cpu_of, sources)), sum(map(cpu_of, targets)), time.process_time(), busy()]

    before, begin = account(), time.monotonic()
    yield cost
    cost.seconds = time.monotonic() - begin
    cost.sources, cost.target, own, all_ = (late - early for early, late in zip(before, account()))
    known = cost.sources + cost.target + own + cost.clients
    cost.others = max(0.0, all_ - known) / (cost.seconds * (os.cpu_count() or 1))
