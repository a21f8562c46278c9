# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written in one step."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def move_with_attributes(source: str, target: str) -> None:
    """As Ansible does: the new file takes the attributes of the old one."""
    if os.path.exists(target):
        shutil.copystat(target, source)
    os.replace(source, target)


def test_a_new_file_and_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_file(str(path), b"one", move_with_attributes, 0o644)
    assert (path.read_bytes(), mode(path)) == (b"one", 0o644)
    write_file(str(path), b"two", move_with_attributes, 0o600)
    assert (path.read_bytes(), mode(path)) == (b"two", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    seen = []

    def move(source: str, target: str) -> None:
        seen.append((mode(Path(source)), mode(Path(target))))
        move_with_attributes(source, target)
        seen.append((mode(Path(target)), mode(Path(target))))

    write_file(str(path), b"secret", move, 0o600)
    assert seen == [(0o600, 0o600), (0o600, 0o600)]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    before = os.umask(0o022)
    os.umask(before)

    def move(_source: str, _target: str) -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        write_file(str(path), b"new", move, 0o600)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert os.umask(before) == before
