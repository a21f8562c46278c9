# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the commands of a plan, which take hours, with all that they say in a file."""

from __future__ import annotations

import os
import subprocess
from typing import Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import steps
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError


def ask(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Tuple[int, str, str]:
    """Run a command that only reads; what cannot be started has the shell's exit status for it."""
    try:
        done = subprocess.run(
            list(argv), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


def carry_out(
    commands: Sequence[Sequence[str]],
    log: str,
    again: str,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    prefix: Sequence[str] = (),
) -> None:
    """Run commands one after another, to the first that fails.

    :param log: File that gets what they say, behind what it has.
    :param again: Tag with which a rerun goes on.
    :param prefix: Words before each command, which set its surroundings.
    :raises TripleoError: with the end of what the failed command said.
    """
    for argv in commands:
        with open(log, "a", encoding="utf-8") as stream:
            stream.write(f"+ {' '.join(argv)}\n")
            stream.flush()
            start = stream.tell()
            try:
                status = subprocess.run(
                    [*prefix, *argv], env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=stream,
                    stderr=subprocess.STDOUT, check=False,
                ).returncode  # fmt: skip
            except OSError as error:
                raise TripleoError(
                    [f"{argv[0]} cannot be run: {error}. Run the steps before this one first."]
                ) from error
        if status:
            raise TripleoError([failure(argv, status, _since(log, start), log, again)])


def failure(argv: Sequence[str], status: int, said: str, log: str, again: str) -> str:
    """What to say of a command that failed."""
    shown = " ".join(argv[:5]) + (" ..." if len(argv) > 5 else "")
    return (
        f"{shown} failed with status {status}. What is done stays; see {log}, mend what it says, and run again with "
        f"--tags {again} (and those after it). It ended with:\n{steps.tail(said, 12)}"
    )


def _since(log: str, start: int) -> str:
    with open(log, "rb") as stream:
        stream.seek(start, os.SEEK_SET)
        return stream.read().decode("utf-8", "replace")
