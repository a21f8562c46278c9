# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge two Keystones of a million rows each, beside a plain copy of the same databases to the same server.

Starts a MariaDB for each stack and one for the target, with durable settings, and fills the stacks' with generated
Keystones (kept in .build/bench-merge). Then, several times in turn and from clean buffers each time: the plain copy,
`mariadb-dump | mariadb` of both databases, one after another; the whole merge, as Ansible runs the module, into a
schema that db_sync made; its second run after 1,000 rows of the sources have changed, once by the binary logs of the
sources and once without; and the merge of two Keystones
of a tenth of the size. What the target holds afterwards is counted, apart from the module's own verification. Prints a
table, and writes .build/bench/merge.json. The exit status is 1 if a target is missed.

With --galera the target is one of three members of a cluster, all on this machine. They share its cores, so the times
say little; what counts is the size of the write sets, how long others have to wait, and that all hold the same.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "tests/integration" / name) for name in ("keystone_merge", "stretch_arbiter")]

from merge_bench import verdicts
from merge_bench.changes import ROWS, rounds
from merge_bench.cluster import Cluster, limit
from merge_bench.measure import Cost, Watched
from merge_bench.population import Sizes
from merge_bench.stage import LARGE, SMALL, SMALLER, STACKS, Bench, BenchError, benches, say
from merge_bench.verdicts import Step, Verdict

STEPS = ("copy", "merge", "again", "rows", "small")
Watch = Callable[[str], AbstractContextManager[Any]]
"""Watches the servers while the step of that name is taken."""


def steps(bench: Bench, names: Sequence[str]) -> list[Step]:
    """What is measured."""
    rows, few = bench.rows(LARGE), ROWS * len(STACKS)
    known = [
        Step("copy", "mariadb-dump | mariadb", rows),
        Step("merge", "merge", rows),
        Step("again", f"second run, {few:,} rows changed", few),
        Step("rows", "the same without the sources' logs", few),
        Step("small", f"merge, a {SMALLER}th of the rows", bench.rows(SMALL)),
    ]
    return [step for step in known if step.name in names]


def measured(
    bench: Bench, names: Sequence[str], count: int, watch: Watch
) -> tuple[list[dict[str, Cost]], list[Verdict]]:
    """All rounds, and whether the target held what it should."""
    found: list[dict[str, Cost]] = []
    wrong: list[str] = []
    uncarried: list[str] = []
    for number in range(count):
        costs: dict[str, Cost] = {}
        for name in names:
            change = count + number if name == "rows" else number
            bench.make_ready(name, change)
            with watch(name):
                costs[name] = bench.do(name)
            say(f"round {number + 1} of {count}: {name} {costs[name].seconds:.2f} s")
            if name in ("again", "rows"):
                uncarried += bench.uncarried(change) or bench.miscounted(LARGE)
            elif name != "copy":
                wrong += bench.miscounted(SMALL if name == "small" else LARGE)
        found.append(costs)
    for line in dict.fromkeys([*wrong, *uncarried]):
        say(f"WRONG: {line}")
    verdict = [verdicts.right("tables whose rows are not those of the sources", wrong)]
    if not {"again", "rows"}.isdisjoint(names):
        verdict.append(verdicts.right("changes that the second run did not carry", uncarried))
    return found, verdict


def options() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description="Merge two large Keystones, beside a plain copy of their databases.")
    parser.add_argument("--rounds", type=int, help="how often (3, with --galera 1)")
    parser.add_argument("--steps", help="which steps (copy,merge,again,rows,small; with --galera not small)")
    parser.add_argument("--part", type=int, default=1, help="so many times smaller Keystones, to try this out")
    parser.add_argument("--pool", default="1G", help="buffer pool of each server (1G)")
    parser.add_argument("--galera", action="store_true", help="the target is one of three members of a cluster")
    parser.add_argument("--report-only", action="store_true", help="exit with 0 also when a target is missed")
    found = parser.parse_args()
    found.rounds = found.rounds or (1 if found.galera else 3)
    known = STEPS[:-1] if found.galera else STEPS
    found.steps = [name for name in known if found.steps is None or name in found.steps.split(",")]
    if "merge" not in found.steps:
        parser.error("--steps without merge measures nothing")
    if 2 * found.rounds > rounds(Sizes().part(found.part).users):
        parser.error("the Keystones are too small for so many rounds")
    return found


def main() -> int:
    """Run the comparison; the exit status is 1 if a target is missed."""
    arguments = options()
    for program in ("mariadb", "mariadb-dump", "mariadb-install-db"):
        if shutil.which(program) is None:
            sys.exit(f"bench_merge: needs {program}; tools/servers brings it")
    # A time limit ends this program so; the servers end with it.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    watched: dict[str, list[Watched]] = {}
    try:
        with benches(arguments) as bench:
            kinds = steps(bench, arguments.steps)
            found, verdict = measured(bench, arguments.steps, arguments.rounds, watcher(bench.cluster, watched))
            if bench.cluster is None:
                reached = [*verdicts.speed(found, {step.name: step.rows for step in kinds}), *verdict]
            else:
                differing = bench.cluster.differing((LARGE, f"{LARGE}_state"))
                own = [one for name, several in watched.items() if name != "copy" for one in several]
                peaks = [cost.peak for costs in found for name, cost in costs.items() if name != "copy"]
                reached = [*verdicts.replication(own, limit(bench.target), differing), verdicts.memory(peaks), *verdict]
            version = bench.target.query("SELECT VERSION()")[0][0]
    except BenchError as error:
        sys.exit(f"bench_merge: {error}")

    kind = "three members of Galera" if arguments.galera else "one server"
    write = sys.stdout.write
    write(f"== bench-merge: {os.cpu_count()} cores, MariaDB {version}, into {kind}, buffer pools of {arguments.pool}, ")
    write("innodb_flush_log_at_trx_commit=1, innodb_doublewrite=ON, innodb_flush_method=O_DIRECT\n")
    for line in [*verdicts.table(kinds, found), *verdicts.cluster_table(kinds, watched)]:
        write(f"   {line}\n")
    for one in reached:
        write(f"   {one.name:<58} {one.figure:>24}   target {one.target:>6}   {'ok' if one.met else 'missed'}\n")
    path = ROOT / ".build/bench" / ("merge-galera.json" if arguments.galera else "merge.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = {
        "cores": os.cpu_count(),
        "version": version,
        "options": vars(arguments),
        "rows": {step.name: step.rows for step in kinds},
        "rounds": [{name: asdict(cost) for name, cost in costs.items()} for costs in found],
        "cluster": {name: [asdict(one) for one in several] for name, several in watched.items()},
        "targets": [asdict(one) for one in reached],
    }
    path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0 if arguments.report_only or all(one.met for one in reached) else 1


def watcher(cluster: Cluster | None, watched: dict[str, list[Watched]]) -> Watch:
    """What watches a cluster, if there is one, and notes what it saw."""

    @contextlib.contextmanager
    def watch(name: str) -> Iterator[None]:
        if cluster is None:
            yield
            return
        with cluster.watched() as seen:
            yield
        watched.setdefault(name, []).append(seen)

    return watch


if __name__ == "__main__":
    sys.exit(main())
