# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two commands, the output of one being the input of the other, and what each of them says."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from typing import Callable, Sequence


@dataclass(frozen=True)
class Ended:
    """Exit status (negative: killed by that signal) and standard error of a command that has ended."""

    rc: int
    stderr: str


@dataclass(frozen=True)
class Piped:
    """How both commands of a pipeline ended."""

    producer: Ended
    consumer: Ended


Pipe = Callable[[Sequence[str], Sequence[str]], Piped]
Run = Callable[[Sequence[str]], Ended]


def run(command: Sequence[str]) -> Ended:
    """Run one command, and drop what it prints. Raises :class:`OSError` when it does not exist."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return Ended(done.returncode, done.stderr.decode(errors="replace"))


def pipe(producer: Sequence[str], consumer: Sequence[str]) -> Piped:
    """Run ``producer | consumer``, and wait for both; what the consumer prints is dropped.

    Raises :class:`OSError` when a command does not exist. Any number of threads may do this at the same time.
    """
    with tempfile.TemporaryFile() as producing, tempfile.TemporaryFile() as consuming:
        with subprocess.Popen(
            producer, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=producing
        ) as first, subprocess.Popen(
            consumer, stdin=first.stdout, stdout=subprocess.DEVNULL, stderr=consuming
        ) as second:
            # The consumer alone holds the pipe, or the producer would not notice that it has gone.
            if first.stdout:
                first.stdout.close()
            consumer_rc = second.wait()
            producer_rc = first.wait()
        producing.seek(0)
        consuming.seek(0)
        return Piped(
            producer=Ended(producer_rc, producing.read().decode(errors="replace")),
            consumer=Ended(consumer_rc, consuming.read().decode(errors="replace")),
        )
