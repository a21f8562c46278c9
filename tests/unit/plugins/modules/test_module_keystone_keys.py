# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on real repositories: check, apply, apply again, and what a Keystone sees on the way."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import keystone_keys, keystone_keys_info

A = "A" * 43 + "="
B = "E" * 43 + "="
C = "I" * 43 + "="
D = "M" * 43 + "="


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a module in this process and return its result."""
    monkeypatch.setattr(keystone_keys, "READING", 0.0)

    def call(module: Any = keystone_keys, check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        printed = capsys.readouterr().out
        # The info module gives keys, by definition; this one never.
        assert module is keystone_keys_info or not any(key in printed for key in (A, B, C, D))
        result: dict[str, Any] = json.loads(printed)
        return result

    return call


def picture(root: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of every file below a directory."""
    return {
        str(path.relative_to(root)): (stat.S_IMODE(path.stat().st_mode), path.read_text(encoding="ascii"))
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("before", "wanted", "written", "removed"),
    [
        (None, {"0": A, "1": B}, [0, 1], []),
        ({}, {"0": A, "1": B}, [0, 1], []),
        ({0: A, 1: B}, {"0": A, "1": C, "2": D, "3": B}, [1, 2, 3], []),
        ({0: A, 1: C, 2: D, 3: B}, {"0": A, "1": B}, [1], [2, 3]),
        ({0: A, 1: B, 2: C, 3: D}, {"0": B, "1": A, "2": D, "3": C}, [0, 1, 2, 3], []),
    ],
    ids=["new", "empty", "more", "fewer", "changed places"],
)
def test_check_apply_again(
    run: Any,
    tmp_path: Path,
    before: dict[int, str] | None,
    wanted: dict[str, str],
    written: list[int],
    removed: list[int],
) -> None:
    repository = tmp_path / "etc" / "fernet-keys"
    if before is not None:
        repository.mkdir(parents=True, mode=0o700)
        for index, key in before.items():
            (repository / str(index)).write_text(key, encoding="ascii")
            (repository / str(index)).chmod(0o600)
    first = picture(tmp_path)
    checked = run(check=True, path=str(repository), keys=wanted)
    assert picture(tmp_path) == first
    assert repository.is_dir() == (before is not None)
    applied = run(path=str(repository), keys=wanted)
    assert applied == checked
    assert applied["changed"]
    assert (applied["written"], applied["removed"]) == (written, removed)
    assert {name: content for name, (_mode, content) in picture(repository).items()} == wanted
    assert {mode for mode, _content in picture(repository).values()} == {0o600}
    assert stat.S_IMODE(repository.stat().st_mode) == 0o700
    for check in (True, False):
        again = run(check=check, path=str(repository), keys=wanted)
        assert (again["changed"], again["written"], again["removed"]) == (False, [], [])
        assert again["diff"]["before"] == again["diff"]["after"]


def test_the_diff_has_numbers(run: Any, tmp_path: Path) -> None:
    for name, key in (("0", A), ("1", B)):
        (tmp_path / name).write_text(key, encoding="ascii")
        (tmp_path / name).chmod(0o600)
    diff = run(check=True, path=str(tmp_path), keys={"0": A, "1": C, "2": B})["diff"]
    assert (diff["before"], diff["after"]) == ("0\n1\n", "0\n1 (new)\n2 (new)\n")


def test_keys_belong_to_the_owner_of_the_repository(run: Any, tmp_path: Path) -> None:
    if os.geteuid() == 0:  # anybody else is the owner
        os.chown(tmp_path, 12345, 12346)
    run(path=str(tmp_path), keys={"0": A, "1": B})
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in [tmp_path, *tmp_path.iterdir()]}
    assert len(owners) == 1


def test_a_new_repository_is_its_sisters_owners(run: Any, tmp_path: Path) -> None:
    sister = tmp_path / "fernet-keys"
    sister.mkdir()
    if os.geteuid() == 0:
        os.chown(sister, 12345, 12346)
    path = tmp_path / "credential-keys"
    run(path=str(path), keys={"0": A, "1": B}, like=str(sister))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    owners = {(found.stat().st_uid, found.stat().st_gid) for found in [sister, path, *path.iterdir()]}
    assert len(owners) == 1


def test_keys_that_others_could_read(run: Any, tmp_path: Path) -> None:
    for name, mode in (("0", 0o644), ("1", 0o600), ("2", 0o640)):
        (tmp_path / name).write_text(A, encoding="ascii")
        (tmp_path / name).chmod(mode)
    wanted = {"0": A, "1": A, "2": B}
    checked = run(check=True, path=str(tmp_path), keys=wanted)
    assert stat.S_IMODE((tmp_path / "0").stat().st_mode) == 0o644
    assert (checked["changed"], checked["closed"], checked["written"]) == (True, [0], [2])
    assert checked["diff"]["after"] == "0 (0644 to 0600)\n1\n2 (new)\n"
    assert run(path=str(tmp_path), keys=wanted) == checked
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert not run(path=str(tmp_path), keys=wanted)["changed"]


def test_without_force_keys_that_are_there_stay(run: Any, tmp_path: Path) -> None:
    wanted = {"0": C, "1": D}
    assert run(path=str(tmp_path / "new"), keys=wanted, force=False)["changed"]
    (tmp_path / "1").write_text(B, encoding="ascii")
    before = picture(tmp_path)
    assert not run(path=str(tmp_path), keys=wanted, force=False)["changed"]
    assert picture(tmp_path) == before


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "no primary key"),
        ({"0": A}, "no primary key"),
        ({"0": A, "1": "short"}, "key 1 is not a Fernet key"),
        ({"primary": A}, "every key is named by a number"),
    ],
)
def test_a_repository_that_keystone_could_not_use(run: Any, tmp_path: Path, keys: dict[str, str], message: str) -> None:
    (tmp_path / "1").write_text(B, encoding="ascii")
    before = picture(tmp_path)
    for check in (True, False):
        result = run(check=check, path=str(tmp_path), keys=keys)
        assert result["failed"]
        assert message in result["msg"]
    assert picture(tmp_path) == before


def test_a_path_that_is_a_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    result = run(path=str(tmp_path / "file"), keys={"0": A, "1": B})
    assert result["failed"]
    assert str(tmp_path / "file") in result["msg"]


def test_info(run: Any, tmp_path: Path) -> None:
    run(path=str(tmp_path / "fernet"), keys={"0": A, "1": B})
    before = picture(tmp_path)
    paths = {"fernet": str(tmp_path / "fernet"), "credential": str(tmp_path / "credential")}
    for check in (True, False):
        result = run(keystone_keys_info, check=check, paths=paths)
        assert not result["changed"]
        assert result["repositories"] == {"fernet": {"0": A, "1": B}, "credential": {}}
    assert picture(tmp_path) == before
