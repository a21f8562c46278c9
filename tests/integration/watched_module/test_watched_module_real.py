# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that takes its time under a real ansible-playbook: with a terminal, without, as another user."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

# Two phases of two tables each.
MODULE = """#!/usr/bin/python
import os
import time
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import telling

def main():
    spec = {"seconds": {"type": "float"}, "progress_file": {"type": "path"}, "stops": {"type": "bool"}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    with telling(module.params["progress_file"], module.warn) as progress:
        owner = os.stat(module.params["progress_file"]).st_uid
        for phase in ("plan", "copy"):
            progress.phase(phase, 2000)
            for stack in ("stack1", "stack2"):
                progress.start("user", stack, 1000)
                for _ in range(100):
                    time.sleep(module.params["seconds"] / 400)
                    progress.advance("user", stack, 10)
                progress.done("user", stack)
        if module.params["stops"]:
            module.fail_json(msg="it stops")
    module.exit_json(changed=True, owner=owner, file=module.params["progress_file"], check=module.check_mode)

main()
"""
ACTION = """from ansible_collections.stretch.cluster.plugins.plugin_utils.watched_module import WatchedModule

class ActionModule(WatchedModule):
    pass
"""
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - slow:
        seconds: "{{ seconds }}"
        stops: "{{ stops | default(false) }}"
      register: slow
      ignore_errors: true
    - ansible.builtin.copy:
        content: "{{ slow | to_json }}"
        dest: "{{ playbook_dir }}/result.json"
        mode: "0644"
      check_mode: false
      become: false
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, content in {
        "library/slow.py": MODULE, "action_plugins/slow.py": ACTION, "play.yml": PLAY,
        "ansible.cfg": "[defaults]\nretry_files_enabled = false\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def play(directory: Path, seconds: float, *options: str, terminal: bool) -> tuple[dict[str, Any], str, str]:
    """Run the playbook; gives the task's result, standard output and standard error (a terminal is both)."""
    command = [
        sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", str(directory / "play.yml"),
        "-e", json.dumps({"seconds": seconds, "ansible_python_interpreter": "/usr/bin/python3"}), *options,
    ]  # fmt: skip
    environment = {
        **os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
    }  # fmt: skip
    if not terminal:
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=120)
        output, errors = done.stdout, done.stderr
    else:
        output = errors = on_a_terminal(command, environment)
    result: dict[str, Any] = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    return result, output, errors


def on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    main, end = pty.openpty()
    termios.tcsetwinsize(end, (50, 120))
    read = b""
    with subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=environment) as process:
        os.close(end)
        # The end of the other side is an error for Linux.
        with contextlib.suppress(OSError):
            while chunk := os.read(main, 65536):
                read += chunk
    os.close(main)
    assert process.returncode == 0, read.decode()
    return read.decode()


def test_a_person_sees_it_move(directory: Path) -> None:
    result, output, _errors = play(directory, 6, terminal=True)
    drawn = re.findall(r"\r\x1b\[K(\w+ +\d:\d\d [^\r\n]*)", output)
    assert len(drawn) >= 4
    assert any(
        re.match(r"plan +0:0\d  ━+.* \d+%  [\d,]+ of 2,000 rows  [\d,]+/s .*user of stack\d", line) for line in drawn
    )
    assert re.search(r"plan +everything +2,000 rows +[\d,]+/s +\d\.\d s\r\n", output)
    assert re.search(r"copy +user of stack1 +1,000 rows", output)
    assert re.search(r"\r\x1b\[K[^\r\n]*changed: \[localhost\]", output), "the bar has to be gone before the result"
    assert not Path(result["file"]).exists()


def test_a_log_has_a_line_in_ten_seconds(directory: Path) -> None:
    result, output, errors = play(directory, 11, terminal=False)
    assert result["changed"]
    assert re.fullmatch(r"copy: \d+%, [\d,]+ of 2,000 rows, [\d,]+/s, 0:0\d left, user of stack\d\n", errors)
    assert "2,000 rows" not in output


def test_a_short_run_says_nothing(directory: Path) -> None:
    result, output, errors = play(directory, 0.2, terminal=False)
    assert result["changed"]
    assert errors == ""
    assert "rows" not in output
    assert not Path(result["file"]).exists()


def test_it_fails_as_without(directory: Path) -> None:
    result, _output, errors = play(directory, 0.2, "-e", "stops=true", terminal=False)
    assert (result["failed"], result["msg"]) == (True, "it stops")
    assert "stops" not in errors


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user without a password needs root")
def test_as_another_user_and_in_check_mode(directory: Path) -> None:
    become = ["--become", "--become-method", "ansible.builtin.su", "--become-user", "nobody"]
    extra = json.dumps({"ansible_become_exe": "su -s /bin/sh", "ansible_pipelining": True})
    result, output, _errors = play(directory, 4, *become, "-e", extra, "--check", terminal=True)
    assert result["owner"] == 65534
    assert result["check"] is True
    assert "of 2,000 rows" in output
    assert not Path(result["file"]).exists()
