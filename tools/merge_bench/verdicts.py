# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured beside what is to be reached: pure, without a server."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merge_bench.measure import Cost, Watched

PART_OF_COPY = 1.0
PART_OF_SMALL = 1.2
PART_OF_FIRST = 0.1
PEAK = 300_000_000
"""Bytes of memory."""

WAIT = 1.0
"""Seconds that a write of another client may take. The issue says that flow control must not stall the cluster; a stall
that services notice begins about here."""

BUSY = 0.1
"""Part of all cores that others may use: with more the times are worth little."""

MEGA = 1_000_000


@dataclass(frozen=True)
class Step:
    """One thing that is measured in each round; *rows* are those of all stacks."""

    name: str
    what: str
    rows: int


@dataclass(frozen=True)
class Verdict:
    """One figure beside its target."""

    name: str
    figure: str
    target: str
    met: bool


Rounds = Sequence[Mapping[str, Cost]]
"""What each round took, by the names of the steps."""


def _spread(values: Sequence[float], digits: int) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def _part(name: str, parts: Sequence[float], most: float, strictly: bool = False) -> Verdict:
    """The median of what each round gives: a ratio of two times of one round outlives a machine that gets slower."""
    middle = statistics.median(parts)
    met = middle < most if strictly else middle <= most
    return Verdict(name, _spread(parts, 3), f"{'<' if strictly else '<='} {most:g}", met)


def speed(rounds: Rounds, rows: Mapping[str, int]) -> list[Verdict]:
    """How a merge compares with a plain copy, a smaller merge and its own second run, as far as they were measured."""

    def parts(name: str, other: str) -> list[float]:
        return [one[name].seconds / one[other].seconds for one in rounds]

    found = [memory([cost.peak for one in rounds for name, cost in one.items() if name != "copy"])]
    if "copy" in rows:
        found.append(_part("whole merge, as a part of the plain copy's time", parts("merge", "copy"), PART_OF_COPY))
    if "small" in rows:
        more = rows["merge"] / rows["small"]
        per_row = [part / more for part in parts("merge", "small")]
        found.append(_part("time per row, as a part of that of a tenth of the rows", per_row, PART_OF_SMALL))
    if "again" in rows:
        name = "second run after 1,000 changes, as a part of the first"
        found.append(_part(name, parts("again", "merge"), PART_OF_FIRST, strictly=True))
    return found


def memory(peaks: Sequence[int]) -> Verdict:
    """The greatest of all peaks."""
    return Verdict("peak memory, MB", f"{max(peaks) / MEGA:.0f}", f"< {PEAK / MEGA:.0f}", max(peaks) < PEAK)


def replication(watched: Sequence[Watched], most: int, differing: Sequence[str]) -> list[Verdict]:
    """What a merge means for a cluster; *most* bytes is the largest write set that it takes."""
    largest, waits = max(one.largest for one in watched), sorted(wait for one in watched for wait in one.waits)
    return [
        Verdict("largest write set, MB", f"{largest / MEGA:.2f}", f"< {most / MEGA:.0f}", largest < most),
        Verdict("another client's write waited at most, s", f"{waits[-1]:.2f}", f"< {WAIT:g}", waits[-1] < WAIT),
        Verdict("tables that differ between members", str(len(differing)), "0", not differing),
    ]


def right(name: str, wrong: Sequence[str]) -> Verdict:
    """Whether nothing was found wrong."""
    return Verdict(name, str(len(wrong)), "0", not wrong)


def table(steps: Sequence[Step], rounds: Rounds) -> list[str]:
    """Lines with the median and the spread of each step."""
    head = f"{'median of ' + str(len(rounds)):<34} {'s':>7} {'from .. to':>15} {'rows/s':>9}   "
    lines = [head + f"{'CPU s: program':>14} {'sources':>8} {'target':>7} {'peak MB':>8} {'others':>7}"]
    for step in steps:
        found = [one[step.name] for one in rounds if step.name in one]
        if not found:
            continue
        seconds = [cost.seconds for cost in found]
        middle = statistics.median(seconds)
        spread = f"{min(seconds):.2f} .. {max(seconds):.2f}"
        clients, sources, target, others = (
            statistics.median(values)
            for values in zip(*((cost.clients, cost.sources, cost.target, cost.others) for cost in found))
        )
        busy = "  the machine was busy" if others > BUSY else ""
        lines.append(
            f"{step.what:<34} {middle:>7.2f} {spread:>15} {step.rows / middle:>9,.0f}   "
            f"{clients:>14.2f} {sources:>8.2f} {target:>7.2f} {max(cost.peak for cost in found) / MEGA:>8.0f} "
            f"{100 * others:>6.0f}%{busy}"
        )
    return lines


def cluster_table(steps: Sequence[Step], watched: Mapping[str, Sequence[Watched]]) -> list[str]:
    """Lines with what each step meant for a cluster, the worst of all rounds."""
    if not watched:
        return []
    head = f"{'members':<34} {'paused by flow control':>24} {'longest queues':>16} {'write sets':>11} {'mean kB':>8} "
    lines = [head + f"{'largest kB':>11}   another client's writes, s: median, longest"]
    for step in steps:
        several = watched[step.name]
        paused = " ".join(f"{100 * max(values):6.1f}%" for values in zip(*(one.paused for one in several)))
        queues = " ".join(f"{max(values):4d}" for values in zip(*(one.queues for one in several)))
        sets = max(one.write_sets for one in several)
        mean = max(one.replicated / max(one.write_sets, 1) for one in several) / 1000
        largest = max(one.largest for one in several) / 1000
        waits = [wait for one in several for wait in one.waits]
        lines.append(
            f"{step.what:<34} {paused:>24} {queues:>16} {sets:>11,} {mean:>8.0f} {largest:>11.0f}   "
            f"{statistics.median(waits):.3f} {max(waits):.2f}"
        )
    return lines
