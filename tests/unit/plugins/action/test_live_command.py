# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command prints is shown while it runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleActionSkip
from ansible_collections.stretch.cluster.plugins.action import live_command
from ansible_collections.stretch.cluster.plugins.plugin_utils import screen


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(screen.display, "display", lambda line, stderr: lines.append(line))
    return lines


def run(argv: list[str], check: bool = False) -> dict[str, Any]:
    task = SimpleNamespace(args={"argv": argv}, async_val=0, check_mode=check, diff=False, action="live_command")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = live_command.ActionModule(task, connection, SimpleNamespace(check_mode=check), None, None, None)  # type: ignore[no-untyped-call]
    return action.run(None, {})


def test_lines_are_shown_before_the_command_ends(
    tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command goes on only when its first line was seen."""
    seen = tmp_path / "seen"
    monkeypatch.setattr(screen.display, "display", lambda line, stderr: (shown.append(line), seen.touch()))
    script = 'echo one; for _ in $(seq 100); do [ -e "$0" ] && echo two && exit; sleep 0.1; done; echo late'
    result = run(["sh", "-c", script, str(seen)])
    assert shown == ["one", "two"]
    assert (result["rc"], result["stdout_lines"], result.get("failed")) == (0, ["one", "two"], None)


def test_a_command_that_fails_fails_the_task(shown: list[str]) -> None:
    result = run(["sh", "-c", "echo why >&2; exit 3"])
    assert (result["failed"], result["rc"]) == (True, 3)
    assert shown == ["why"]


def test_a_command_that_is_not_there_is_said() -> None:
    with pytest.raises(AnsibleActionFail, match="no-such-command"):
        run(["no-such-command"])


def test_it_is_not_run_in_check_mode(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionSkip):
        run(["touch", str(tmp_path / "made")], check=True)
    assert not (tmp_path / "made").exists()
