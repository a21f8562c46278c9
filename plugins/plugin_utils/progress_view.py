# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown of a merge that runs, from the lines that it writes: pure, without a screen."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any, Iterator

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import Told

LONG = 1.0
"""Seconds after which a table is worth a line of its own."""

_FULL, _HALF, _EMPTY = "\u2501", "\u2578", "\u2500"  # heavy line, its left half, thin line
_BAR = 30
_NAME = 64


@dataclass(frozen=True)
class _Table:
    """A table of a stack in the present phase: when it began, and how far it is."""

    began: float
    told: Told


def _clean(value: Any) -> Any:
    """*value*, with nothing that a terminal would obey: it comes from another host."""
    if isinstance(value, str):
        return "".join(sign if sign.isprintable() else "?" for sign in value[:_NAME])
    return value


def parse(line: str) -> Told | None:
    """A line of the file, or None where it is none."""
    try:
        loaded = json.loads(line)
        told = Told(**{field.name: _clean(loaded.get(field.name, field.default)) for field in fields(Told)})
        sound = (
            isinstance(told.at, (int, float))
            and isinstance(told.phase, str)
            and all(isinstance(name, (str, type(None))) for name in (told.table, told.stack))
            and isinstance(told.rows, (int, type(None)))
            and isinstance(told.done, int)
        )
    except (ValueError, TypeError, AttributeError):
        return None
    return told if sound else None


def clock(seconds: float) -> str:
    """Seconds as people read them: 0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(rows: int, seconds: float) -> str:
    """Rows per second."""
    return f"{rows / seconds:,.0f}/s" if seconds > 0 else ""


def _bar(share: float, width: int) -> str:
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    full, half = divmod(halves, 2)
    return _FULL * full + _HALF * half + _EMPTY * (width - full - half)


class ProgressView:
    """The state of a merge, as far as it was told: *lines* lines of the file."""

    def __init__(self) -> None:
        self.lines = 0
        self._phase: Told | None = None
        self._tables: dict[tuple[str, str | None], _Table] = {}
        self._ended = 0
        self._now = 0.0

    def feed(self, text: str) -> Iterator[str]:
        """Take the file's lines after those that were taken; gives a line for each long table and phase that ended.

        A line that is not whole yet counts for nothing, nor does what a terminal or a login adds.
        """
        for told in filter(None, map(parse, text.splitlines())):
            self.lines += 1
            self._now = max(self._now, told.at)
            if told.table is None:
                yield from self._phase_ended()
                self._phase, self._tables, self._ended = told, {}, 0
                continue
            if self._phase is None:
                self._phase = replace(told, table=None, stack=None, rows=None, done=0)
            yield from self._table(told, (told.table, told.stack))

    def _table(self, told: Told, key: tuple[str, str | None]) -> Iterator[str]:
        known = self._tables.get(key)
        began = told.at if known is None else known.began
        if not told.ended:
            self._tables[key] = _Table(began, told)
            return
        self._tables.pop(key, None)
        self._ended += told.done
        if told.at - began >= LONG:
            name = f"{told.table} of {told.stack}" if told.stack else f"{told.table}"
            yield _line(told.phase, name, told.done, told.at - began)

    def _phase_ended(self) -> Iterator[str]:
        if self._phase is not None and self._now - self._phase.at >= LONG:
            yield _line(self._phase.phase, "everything", self._done(), self._now - self._phase.at)

    def _done(self) -> int:
        return self._ended + sum(table.told.done for table in self._tables.values())

    def _at(self) -> str:
        """The tables that it is at."""
        return ", ".join(f"{table} of {stack}" if stack else table for table, stack in self._tables)

    def _parts(self) -> tuple[float | None, list[str]]:
        """How much of the phase is through (None: not known), and what there is to say of it, the best first."""
        if self._phase is None:
            return None, []
        done, total, seconds = self._done(), self._phase.rows, self._now - self._phase.at
        share = min(done / total, 1.0) if total else None
        parts = [f"{done:,} of {total:,} rows" if total else f"{done:,} rows" if done else ""]
        if seconds >= LONG and done:
            parts.append(rate(done, seconds))
        if seconds >= LONG and share:
            parts.append(f"{clock(seconds / share - seconds)} left")
        parts.append(self._at())
        return share, [part for part in parts if part]

    def drawn(self, width: int, seconds: float) -> str:
        """One line of at most *width* columns, to be drawn again and again, *seconds* after the start."""
        share, parts = self._parts()
        phase = "start" if self._phase is None else self._phase.phase
        head = f"{phase:<8} {clock(seconds):>5} "
        if share is not None:
            head += f" {_bar(share, _BAR)} {share:4.0%} "
        return " ".join([head, "  ".join(parts)])[:width].rstrip()

    def line(self) -> str:
        """One line for a log, or nothing as long as nothing is known."""
        if self._phase is None:
            return ""
        share, parts = self._parts()
        percent = [] if share is None else [f"{share:.0%}"]
        return f"{self._phase.phase}: {', '.join([*percent, *parts])}"


def _line(phase: str, name: str, rows: int, seconds: float) -> str:
    return f"{phase:<8} {name:<44} {rows:>12,} rows {rate(rows, seconds):>12} {seconds:8.1f} s"
