# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action shows how its module gets on: from the file, with a person and without, whatever goes wrong."""

from __future__ import annotations

import copy
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import Told, telling
from ansible_collections.stretch.cluster.plugins.plugin_utils import screen, watched_module
from ansible_collections.stretch.cluster.plugins.plugin_utils.watched_module import WatchedModule, watch

CLEAR = "\r\x1b[K"
LINES = [
    Told(0.0, "copy", rows=10).line(),
    Told(2.0, "copy", "user", "stack1", 10, 5).line(),
    Told(4.0, "copy", "user", "stack1", 10, 10, ended=True).line(),
    Told(5.0, "verify").line(),
]
Shown = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    calls: Shown = []
    monkeypatch.setattr(screen.display, "display", lambda text, **more: calls.append((text, more)))
    monkeypatch.setattr(screen.display, "columns", 100)
    monkeypatch.setattr(watched_module, "PAUSE", 0.01)
    monkeypatch.setattr(watched_module, "WATCHED_PAUSE", 0.01)
    return calls


def reader(stop: threading.Event, looks: int) -> Callable[[int], str]:
    """Give a function that reads one line more with each look, and stops after so many."""
    there = iter(range(1, looks + 1))

    def read(skipped: int) -> str:
        number = next(there, None)
        if number is None:
            stop.set()
        return "".join(LINES[skipped : number or 0])

    return read


def see(looks: int, watched: bool) -> None:
    stop = threading.Event()
    watch(reader(stop, looks), stop, screen.Screen(stderr=True), watched)


def test_a_person_sees_a_bar_and_lines_that_stay(shown: Shown) -> None:
    see(4, watched=True)
    drawn = [text for text, more in shown if not more.get("newline", True)]
    stay = [text for text, more in shown if more.get("newline", True)]
    assert [line.split()[:2] for line in stay] == [["copy", "user"], ["copy", "everything"]]
    assert all(text.startswith(CLEAR) for text in drawn)
    assert drawn[1].endswith("50%  5 of 10 rows  2/s  0:02 left  user of stack1")
    assert shown[-1][0] == CLEAR
    assert all(more["stderr"] for _text, more in shown)
    assert all(more["screen_only"] for text, more in shown if text.startswith(CLEAR))


def test_a_log_has_a_line_now_and_then(shown: Shown) -> None:
    see(2, watched=False)
    assert [text for text, _more in shown] == [
        "copy: 0%, 0 of 10 rows", "copy: 50%, 5 of 10 rows, 2/s, 0:02 left, user of stack1"
    ]  # fmt: skip
    assert all(more == {"stderr": True} for _text, more in shown)


def test_a_log_has_nothing_while_nothing_is_known(shown: Shown) -> None:
    stop = threading.Event()
    looks = iter(range(3))

    def read(_skipped: int) -> str:
        if next(looks, None) is None:
            stop.set()
        return ""

    watch(read, stop, screen.Screen(stderr=True), False)
    assert shown == []


@pytest.mark.parametrize("error", [AnsibleConnectionFailure("gone"), OSError("no pipe")])
def test_a_connection_that_is_lost_ends_the_looking(shown: Shown, error: Exception) -> None:
    def read(_skipped: int) -> str:
        raise error

    watch(read, threading.Event(), screen.Screen(), True)
    assert shown == []


def test_a_dear_look_is_taken_less_often(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(watched_module.time, "monotonic", iter(range(100)).__next__)

    class Stop:
        def wait(self, seconds: float) -> bool:
            pauses.append(seconds)
            return len(pauses) == 3

        def is_set(self) -> bool:
            return False

    watch(lambda _skipped: "", Stop(), screen.Screen(), True)  # type: ignore[arg-type]
    assert pauses == [0.01, 5.0, 5.0]


class Connection:
    """Runs commands on this machine, as the user that its become plugin was made for."""

    has_native_async = False
    transport = "test"
    allow_executable = False

    def __init__(self) -> None:
        self._shell = SimpleNamespace(tmpdir=None)
        self.become: Any = None


class Action(WatchedModule):
    """An action whose module is a function."""

    def __init__(self, connection: Connection, arguments: dict[str, Any], async_val: int = 0) -> None:
        task = SimpleNamespace(args=arguments, async_val=async_val, check_mode=True, diff=False, action="slow")
        super().__init__(task, connection, SimpleNamespace(), None, None, None)  # type: ignore[arg-type, no-untyped-call]
        self.given: dict[str, Any] = {}
        self.read_on: set[int] = set()

    def get_shell_option(self, option: str, default: Any = None) -> Any:
        return default

    def _low_level_execute_command(self, cmd: str, **more: Any) -> dict[str, Any]:
        self.read_on.add(id(self._connection))
        done = subprocess.run(["sh", "-c", cmd], check=False, capture_output=True, text=True)
        return {"stdout": done.stdout}

    def _execute_module(self, module_args: dict[str, Any], **more: Any) -> dict[str, Any]:  # type: ignore[override]
        self.given = copy.copy(module_args) | more
        with telling(module_args.get("progress_file"), print) as progress:
            progress.phase("copy", 2)
            progress.start("user", "stack1", 2)
            threading.Event().wait(0.3)
            progress.done("user", "stack1")
        return {"changed": True}

    def _remove_tmp_path(self, tmp_path: Any, force: bool = False) -> None:
        return None


def test_it_gives_its_module_a_file_and_reads_it_on_a_connection_of_its_own(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(WatchedModule, "_new_path", lambda self: str(tmp_path / "it's here"))
    connection = Connection()
    connection.become = SimpleNamespace()
    action = Action(connection, {"target": "x"})
    assert action.run(None, {}) == {"changed": True}
    assert action.given == {
        "target": "x", "progress_file": str(tmp_path / "it's here"), "task_vars": {}, "wrap_async": False
    }  # fmt: skip
    assert any("user of stack1" in text for text, _more in shown)
    assert id(connection) not in action.read_on
    assert list(tmp_path.iterdir()) == []


def test_a_path_cannot_be_guessed() -> None:
    action = Action(Connection(), {})
    paths = {action._new_path() for _number in range(3)}
    assert len(paths) == 3
    assert all(path.startswith("/var/tmp/.stretch-progress-") for path in paths)


def test_a_file_that_is_asked_for_is_read(shown: Shown, tmp_path: Path) -> None:
    action = Action(Connection(), {"progress_file": str(tmp_path / "mine")})
    action.run(None, {})
    assert action.given["progress_file"] == str(tmp_path / "mine")
    assert any("user of stack1" in text for text, _more in shown)


def test_nobody_waits_for_an_asynchronous_task(shown: Shown) -> None:
    action = Action(Connection(), {}, async_val=60)
    action.run(None, {})
    assert action.given == {"task_vars": {}, "wrap_async": True}
    assert shown == []


def test_an_error_of_the_module_is_the_tasks(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Any, **_more: Any) -> dict[str, Any]:
        raise AnsibleConnectionFailure("gone")

    monkeypatch.setattr(Action, "_execute_module", fail)
    before = threading.active_count()
    with pytest.raises(AnsibleConnectionFailure):
        Action(Connection(), {}).run(None, {})
    assert threading.active_count() == before
