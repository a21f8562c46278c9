# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on real files: check, apply, apply again, for what is made, changed and removed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import config_files


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the module in this process and return its result."""

    def call(check: bool = False, show_diff: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": show_diff}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            config_files.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def picture(root: Path) -> dict[str, tuple[int, bytes | None]]:
    """Mode and content of everything below a directory."""
    return {
        str(path.relative_to(root)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
    }


def check_apply_again(run: Any, root: Path, **options: Any) -> dict[str, Any]:
    """Apply options with all that check mode and a second run owe."""
    before = picture(root)
    checked = run(check=True, **options)
    assert picture(root) == before
    applied: dict[str, Any] = run(**options)
    assert checked == applied
    assert applied["changed"], applied
    for check in (True, False):
        again = run(check=check, **options)
        assert not again["changed"], again
        assert again["digest"] == applied["digest"]
    return applied


def test_create_change_remove(run: Any, tmp_path: Path) -> None:
    one, two = str(tmp_path / "new" / "deep" / "one"), str(tmp_path / "two")
    made = check_apply_again(
        run,
        tmp_path,
        directories=[{"path": str(tmp_path / "new"), "mode": "0750"}],
        files=[{"path": one, "content": "1\n"}, {"path": two, "content": {"a": 1}, "mode": "0600"}],
    )
    assert made["changed_files"] == [str(tmp_path / "new"), str(tmp_path / "new" / "deep"), one, two]
    assert picture(tmp_path) == {
        "new": (0o750, None),
        "new/deep": (0o755, None),
        "new/deep/one": (0o644, b"1\n"),
        "two": (0o600, b'{\n    "a": 1\n}\n'),
    }
    changed = check_apply_again(
        run, tmp_path, files=[{"path": one, "content": "2\n", "mode": "0600"}, {"path": two, "state": "absent"}]
    )
    assert changed["changed_files"] == [one, two]
    assert picture(tmp_path)["new/deep/one"] == (0o600, b"2\n")
    assert "two" not in picture(tmp_path)


def test_a_new_file_does_not_depend_on_the_umask(run: Any, tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        check_apply_again(run, tmp_path, files=[{"path": str(tmp_path / "d" / "f"), "content": "x"}])
    finally:
        os.umask(previous)
    assert picture(tmp_path) == {"d": (0o755, None), "d/f": (0o644, b"x")}


def test_what_is_there_is_kept_without_force(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("mine", encoding="utf-8")
    path.chmod(0o600)
    assert not run(files=[{"path": str(path), "content": "x", "force": False}])["changed"]
    assert picture(tmp_path) == {"f": (0o600, b"mine")}


def test_a_link_stays_a_link(run: Any, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    check_apply_again(run, tmp_path, files=[{"path": str(tmp_path / "link"), "content": "new"}])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == "new"


def test_everything_is_checked_before_anything_is_changed(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    files = [{"path": str(tmp_path / "a"), "content": "x"}, {"path": str(tmp_path / "file" / "b"), "content": "x"}]
    result = run(files=files)
    assert result["failed"]
    assert f"{tmp_path}/file is no directory" in result["msg"]
    assert list(picture(tmp_path)) == ["file"]


def test_an_unknown_user(run: Any, tmp_path: Path) -> None:
    """It may be that an earlier task would have made it: so check mode goes on."""
    files = [{"path": str(tmp_path / "a"), "content": "x", "owner": "nobody-by-this-name"}]
    assert run(check=True, files=files)["changed"]
    assert "user nobody-by-this-name does not exist" in run(files=files)["msg"]
    assert picture(tmp_path) == {}


def test_contents_are_in_the_result_for_a_diff_only(run: Any, tmp_path: Path) -> None:
    files = [
        {"path": str(tmp_path / "a"), "content": "geheim", "sensitive": True},
        {"path": str(tmp_path / "b"), "content": "plain"},
    ]
    assert run(check=True, files=files)["diff"] == []
    shown = run(check=True, show_diff=True, files=files)
    assert [one["after"] for one in shown["diff"]] == ["[sensitive] changed\n", "plain"]


def test_a_directory_that_another_task_makes_meanwhile(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names of the inventory may be one host."""
    directory = tmp_path / "made"

    def planned_before(*arguments: Any) -> Any:
        changes = plan(*arguments)
        directory.mkdir(exist_ok=True)
        return changes

    plan = config_files.plan
    monkeypatch.setattr(config_files, "plan", planned_before)
    result = run(directories=[{"path": str(directory), "mode": "0750"}])
    assert result["changed_files"] == [str(directory)]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o750
