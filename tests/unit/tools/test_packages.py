# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several scripts install packages at the same time; apt-get update alone does not wait for another one's lock."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """Give a directory with an apt-get that says what is in ``says`` as often as there are lines in ``fails``."""
    programs = {
        "apt-get": """
            echo "$*" >> calls
            case $* in *update*)
                [ -s fails ] || exit 0
                sed -i 1d fails
                cat says
                exit 100
            esac""",
        "sudo": 'exec "$@"',
        "sleep": "true",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def install(apt: Path) -> subprocess.CompletedProcess[str]:
    """Install a package."""
    return subprocess.run(
        [ROOT / "tools/packages", "tools/test", "one"],
        cwd=apt,
        env=os.environ | {"PATH": f"{apt}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_ones_lock_is_waited_for(apt: Path) -> None:
    """Two times it is there, then not."""
    (apt / "fails").write_text("once\nagain\n")
    (apt / "says").write_text(LOCKED)
    found = install(apt)
    assert found.returncode == 0, found.stderr
    calls = (apt / "calls").read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["update", "update", "update", "one"]


def test_what_else_is_wrong_is_told_at_once(apt: Path) -> None:
    """It is not tried again."""
    (apt / "fails").write_text("once\nagain\n")
    (apt / "says").write_text("E: The repository has no Release file.")
    found = install(apt)
    assert found.returncode == 1
    assert "no Release file" in found.stderr
    assert len((apt / "calls").read_text().splitlines()) == 1
