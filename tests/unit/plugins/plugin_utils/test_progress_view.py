# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a merge that runs."""

from __future__ import annotations

import json

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import Told
from ansible_collections.stretch.cluster.plugins.plugin_utils.progress_view import ProgressView, clock, parse

BEGIN = Told(0.0, "copy", rows=1_000_000)


def fed(*told: Told) -> tuple[ProgressView, list[str]]:
    view = ProgressView()
    return view, list(view.feed("".join(one.line() for one in told)))


def test_a_bar() -> None:
    view, lines = fed(BEGIN, Told(10.0, "copy", "user", "stack1", 500_000, 250_000))
    assert lines == []
    line = view.drawn(140, 12)
    assert line.startswith("copy      0:12  ━━━━━━━╸──")
    assert line.endswith(" 25%  250,000 of 1,000,000 rows  25,000/s  0:30 left  user of stack1")


@pytest.mark.parametrize("width", [10, 40, 79, 200])
def test_a_bar_fits(width: int) -> None:
    view, _lines = fed(BEGIN, *(Told(2.0, "copy", "t" * 60, f"stack{number}", 9, 1) for number in range(9)))
    assert len(view.drawn(width, 2)) <= width


def test_a_bar_before_there_is_anything() -> None:
    assert ProgressView().drawn(79, 1) == "start     0:01"
    assert ProgressView().line() == ""


def test_a_long_table_and_a_long_phase_have_lines() -> None:
    view, lines = fed(
        BEGIN,
        Told(0.0, "copy", "user", "stack1", 100_000),
        Told(4.0, "copy", "user", "stack1", 100_000, 100_000, ended=True),
        Told(4.0, "copy", "role", "stack1", 3),
        Told(4.1, "copy", "role", "stack1", 3, 3, ended=True),
        Told(5.0, "verify"),
        Told(5.2, "report"),
    )
    assert [line.split() for line in lines] == [
        ["copy", "user", "of", "stack1", "100,000", "rows", "25,000/s", "4.0", "s"],
        ["copy", "everything", "100,003", "rows", "20,001/s", "5.0", "s"],
    ]
    assert view.line() == "report: "


def test_a_line_for_a_log() -> None:
    view, _lines = fed(BEGIN, Told(10.0, "copy", "user", "stack1", 500_000, 250_000))
    assert view.line() == "copy: 25%, 250,000 of 1,000,000 rows, 25,000/s, 0:30 left, user of stack1"


def test_nobody_knows_how_many_rows() -> None:
    view, _lines = fed(Told(0.0, "plan"), Told(2.0, "plan", "user", "stack1", None, 1000))
    assert view.line() == "plan: 1,000 rows, 500/s, user of stack1"
    assert view.drawn(100, 2) == "plan      0:02  1,000 rows  500/s  user of stack1"


def test_more_rows_than_were_expected() -> None:
    view, _lines = fed(Told(0.0, "copy", rows=10), Told(2.0, "copy", "user", "stack1", 10, 11))
    assert "100%" in view.drawn(100, 2)
    assert "0:00 left" in view.drawn(100, 2)


def test_several_tables_at_once() -> None:
    view, _lines = fed(
        BEGIN,
        Told(0.0, "copy", "user", "stack1", 10, 5),
        Told(0.0, "copy", "user", "stack2", 10, 6),
        Told(1.0, "copy", "user", "stack2", 10, 10, ended=True),
        Told(1.0, "copy", "group", "stack2", 10, 1),
    )
    assert view.line() == "copy: 0%, 16 of 1,000,000 rows, 16/s, 17:21:39 left, user of stack1, group of stack2"


def test_what_is_not_whole_is_read_again() -> None:
    """And what a login or a terminal adds counts for nothing."""
    view = ProgressView()
    first, second = BEGIN.line(), Told(1.0, "copy", "user", "stack1", 10, 5).line()
    assert list(view.feed("Last login: today\r\n" + first.replace("\n", "\r\n") + second[:20])) == []
    assert view.lines == 1
    assert list(view.feed(second)) == []
    assert view.lines == 2
    assert "user of stack1" in view.line()


@pytest.mark.parametrize(
    "line",
    [
        "", "null", "[]", "1", "{", '{"phase": 1, "at": 1}', '{"phase": "copy"}', '{"phase": "copy", "at": "1"}',
        '{"phase": "copy", "at": 1, "done": "x"}', '{"phase": "copy", "at": 1, "rows": {}}',
        '{"phase": "copy", "at": 1, "table": []}', '{"phase": "copy", "at": 1, "table": "x", "stack": 5}',
    ],
)  # fmt: skip
def test_what_is_no_line(line: str) -> None:
    assert parse(line) is None


def test_nothing_reaches_the_terminal_that_it_would_obey() -> None:
    view, _lines = fed(Told(0.0, "copy\x1b[2J"), Told(2.0, "copy", "\x9b31m\n\r", "\u202estack\x07" + "x" * 999, 9, 1))
    assert view.drawn(1000, 2).isprintable()
    assert len(view.drawn(1000, 2)) < 200


def test_a_newer_module_may_say_more() -> None:
    assert parse(json.dumps({"at": 1, "phase": "copy", "colour": "red"})) == Told(1, "copy")


@pytest.mark.parametrize(("seconds", "shown"), [(0.9, "0:00"), (61, "1:01"), (3599, "59:59"), (3661, "1:01:01")])
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
