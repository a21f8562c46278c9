# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys on the disk, as Keystone reads them."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.stretch.cluster.plugins.module_utils.key_files import read_keys


def test_every_file_with_a_number_for_a_name_is_a_key(tmp_path: Path) -> None:
    for name, content in (
        ("0", "a\n"),
        ("1", "b"),
        ("12", "c"),
        (".new-1", "x"),
        ("1.bak", "x"),
        ("-1", "x"),
        ("²", "x"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "7").mkdir()
    assert read_keys(str(tmp_path)) == {0: "a", 1: "b", 12: "c"}


def test_no_directory_is_no_keys(tmp_path: Path) -> None:
    assert read_keys(str(tmp_path / "none")) == {}


def test_a_file_of_anything_is_read(tmp_path: Path) -> None:
    """Whether it is a key is the repository's business, which says so in its own words."""
    (tmp_path / "1").write_bytes(b"\xff\x00")
    assert read_keys(str(tmp_path)) == {1: "\ufffd\x00"}
