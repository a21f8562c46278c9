# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a merge is: what is written of it, and that the writing is in nobody's way."""

from __future__ import annotations

import io
import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import (
    PAUSE,
    FileProgress,
    Progress,
    Timed,
    telling,
)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Memory(io.BytesIO):
    """A file that is nowhere."""

    def text(self) -> str:
        return self.getvalue().decode()


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def short(text: str) -> list[tuple[Any, ...]]:
    return [(one["at"], one["phase"], one["table"], one["done"], one["ended"]) for one in told(text)]


def test_lines_of_two_phases() -> None:
    clock, file = Clock(), Memory()
    progress = FileProgress(file, clock)
    progress.phase("plan")
    clock.now += 1.5
    progress.phase("copy", 300)
    progress.start("user", "stack1", 300)
    clock.now += PAUSE
    progress.advance("user", "stack1", 100)
    progress.advance("user", "stack1", 100)
    clock.now += 2
    progress.advance("user", "stack1", 100)
    progress.done("user", "stack1")
    assert short(file.text()) == [
        (0.0, "plan", None, 0, False),
        (1.5, "copy", None, 0, False),
        (1.5, "copy", "user", 0, False),
        (1.7, "copy", "user", 100, False),
        (3.7, "copy", "user", 300, False),
        (3.7, "copy", "user", 300, True),
    ]
    assert told(file.text())[1]["rows"] == 300
    assert told(file.text())[2] == {
        "at": 1.5, "phase": "copy", "table": "user", "stack": "stack1", "rows": 300, "done": 0, "ended": False
    }  # fmt: skip
    assert progress.timed() == (Timed("plan", 1.5, 0), Timed("copy", pytest.approx(2.2), 300))


def test_many_calls_are_few_lines() -> None:
    file = Memory()
    progress = FileProgress(file)
    progress.phase("copy", 1000_000)
    progress.start("assignment", "stack1", 1000_000)
    for _number in range(10_000):
        progress.advance("assignment", "stack1", 100)
    progress.done("assignment", "stack1")
    assert len(told(file.text())) < 3 + 10
    assert told(file.text())[-1]["done"] == 1000_000


def test_phases_are_timed_without_a_file_too() -> None:
    clock = Clock()
    progress = Progress(clock)
    assert progress.timed() == ()
    progress.phase("plan")
    progress.start("user", "stack1", None)
    progress.advance("user", "stack1", 7)
    progress.done("user", "stack1")
    clock.now += 3
    assert progress.timed() == (Timed("plan", 3.0, 7),)


def test_threads_have_tables_of_their_own() -> None:
    file = Memory()
    progress = FileProgress(file)
    progress.phase("copy", 4000)
    together = threading.Barrier(4)

    def work(stack: str) -> None:
        progress.start("user", stack, 1000)
        together.wait()
        for _number in range(1000):
            progress.advance("user", stack, 1)
        together.wait()
        progress.done("user", stack)

    threads = [threading.Thread(target=work, args=(f"stack{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [one for one in told(file.text()) if one["ended"]]
    assert sorted(one["stack"] for one in ended) == ["stack0", "stack1", "stack2", "stack3"]
    assert {one["done"] for one in ended} == {1000}
    assert progress.timed()[0].rows == 4000


def test_the_file_is_there_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    warnings: list[str] = []
    with telling(str(path), warnings.append) as progress:
        progress.phase("plan")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert short(path.read_text(encoding="utf-8"))[0][1] == "plan"
    assert not path.exists()
    assert warnings == []


def test_the_file_goes_when_the_module_ends_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with pytest.raises(SystemExit), telling(str(path), print):
        raise SystemExit(1)
    assert not path.exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_cannot_be_made_is_a_warning(tmp_path: Path, there: bool) -> None:
    """One that is there is left alone, as is what a link points to."""
    path = tmp_path / "progress" if there else tmp_path / "nowhere" / "progress"
    if there:
        path.write_text("mine", encoding="utf-8")
    warnings: list[str] = []
    with telling(str(path), warnings.append) as progress:
        progress.phase("plan")
        progress.start("user", "stack1", 1)
        progress.advance("user", "stack1", 1)
        progress.done("user", "stack1")
        assert progress.timed()[0].rows == 1
    assert len(warnings) == 1
    assert "cannot be shown" in warnings[0]
    assert not there or path.read_text(encoding="utf-8") == "mine"


def test_a_full_disk_stops_nobody() -> None:
    with open("/dev/full", "wb", buffering=0) as file:
        progress = FileProgress(file)
        progress.phase("copy", 2)
        progress.start("user", "stack1", 2)
        progress.advance("user", "stack1", 2)
        progress.done("user", "stack1")
        assert progress.timed()[0].rows == 2


def test_without_a_path_nobody_is_told() -> None:
    with telling(None, print) as progress:
        progress.phase("plan")
        assert not isinstance(progress, FileProgress)
