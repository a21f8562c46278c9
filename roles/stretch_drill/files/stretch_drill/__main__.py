# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run drills on a stretched cluster, one after another.

usage: python -m stretch_drill --description FILE --directory DIRECTORY DRILL...

Exit status: 0 all passed, 1 one did not, 2 one could not begin, 130 interrupted. Whatever was broken is mended in any
case, and noted on disk until it is: a run begins with mending what an earlier one has left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.stretch.cluster.plugins.module_utils.galera_report import fetch, parse_key

from .injector import Injector
from .journal import Journal
from .model import Description, DrillError, description_from
from .plans import PLANS
from .result import summary
from .run import Run
from .tunnels import Tunnels

REPORT_LIMIT = 1.0
"""Seconds that the members have to report."""


class Voice:
    """Tells the person, and keeps what was said in a file.

    Whoever listened may be gone, after an interruption: that must not keep anything from being mended.
    """

    def __init__(self, file: Path) -> None:
        """Begin the file."""
        self._file = file
        file.write_text("", encoding="utf-8")

    def __call__(self, line: str) -> None:
        """Say a line, at once."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        with contextlib.suppress(OSError):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="stretch_drill", description="Run drills on a stretched cluster.")
    parser.add_argument("--description", type=Path, required=True, help="the deployment, JSON")
    parser.add_argument("--directory", type=Path, required=True, help="where the results are written")
    parser.add_argument(
        "drills", nargs="+", metavar="DRILL", choices=[*PLANS, "all"], help=f"all or: {', '.join(PLANS)}"
    )
    return parser.parse_args(argv)


def watch_for_an_end(stopping: threading.Event) -> None:
    """Set `stopping` when a signal comes, or when the process that started this one is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    parent = os.getppid()

    def watch() -> None:
        while not stopping.wait(0.5):
            if os.getppid() != parent:
                stopping.set()

    threading.Thread(target=watch, name="watch of the parent", daemon=True).start()


def heal(injector: Injector, say: Callable[[str], None]) -> None:
    """Mend what an earlier run has left.

    :raises DrillError: when something cannot be mended.
    """
    done = injector.heal()
    for line in done:
        say(f"left by an earlier drill, mended: {line}")
    if any("FAILED" in line for line in done):
        raise DrillError(f"an earlier drill left something that cannot be mended; see {injector.journal.path}")


def run_one(
    name: str,
    description: Description,
    injector: Injector,
    directory: Path,
    say: Callable[[str], None],
    stopping: threading.Event,
) -> dict[str, Any]:
    """Run one drill.

    :raises DrillError: when it could not begin.
    """
    own = directory / name
    own.mkdir(parents=True, exist_ok=True)
    first = description.members[0].name
    ca = directory / "ca.pem"
    ca.write_text(injector.do(first, "read", f"{description.config_dir}/tls/ca.pem") + "\n", encoding="utf-8")
    key = parse_key(description.report_key)
    injector.make_database(first)
    try:
        with Tunnels(description) as tunnels:
            doors = tunnels.doors
            members = [{"name": name, "address": door.host, "port": door.check} for name, door in doors.items()]

            def reports() -> Mapping[str, Mapping[str, Any]]:
                answers: Mapping[str, Mapping[str, Any]] = fetch(members, key, REPORT_LIMIT)
                return answers

            found = Run(description, injector, doors, reports, ca, own, say, stopping).drill(name)
    finally:
        drop_database(injector, description, say)
    for line in [*summary(found), f"  {own}/timeline.svg, result.json"]:
        say(line)
    return found


def drop_database(injector: Injector, description: Description, say: Callable[[str], None]) -> None:
    """Remove the drill's database by the first member that can."""
    if not any(dropped(injector, member.name) for member in description.members):
        say("the drill's database could not be removed: no member does it; the next drill will")


def dropped(injector: Injector, member: str) -> bool:
    """Whether the member could remove the drill's database."""
    try:
        injector.drop_database(member)
    except DrillError:
        return False
    return True


def main(argv: Sequence[str]) -> int:
    """Run the drills; returns the exit status."""
    options = arguments(argv)
    names = list(PLANS) if "all" in options.drills else options.drills
    stopping = threading.Event()
    watch_for_an_end(stopping)
    options.directory.mkdir(parents=True, exist_ok=True)
    say = Voice(options.directory / "drill.log")
    results: dict[str, str] = {}
    status = 0
    try:
        description = description_from(options.description.read_text(encoding="utf-8"))
        injector = Injector(description, Journal(options.directory / "injuries.json"))
        heal(injector, say)
        for name in names:
            found = run_one(name, description, injector, options.directory, say, stopping)
            results[name] = f"{'passed' if found['passed'] else 'FAILED'} after {found['seconds']:.0f} s"
            status = status if found["passed"] else 1
            if stopping.is_set():
                return 130
    except DrillError as error:
        say(f"{'interrupted' if stopping.is_set() else 'ERROR'}: {error}")
        return 130 if stopping.is_set() else 2
    finally:
        for name in names if len(names) > 1 else ():
            say(f"{name:26} {results.get(name, 'not run')}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
