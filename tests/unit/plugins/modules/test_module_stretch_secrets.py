# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on a real file."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import stretch_secrets


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "secrets.yml"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], path: Path) -> Any:
    """Run the module in this process and return its result, in which no secret may be."""

    def call(check: bool = False, **secrets: str) -> dict[str, Any]:
        arguments = {"path": str(path), "secrets": secrets, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            stretch_secrets.main()
        output = capsys.readouterr().out
        values = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
        if isinstance(values, dict):
            assert [name for name, value in values.items() if str(value) in output] == []
        result: dict[str, Any] = json.loads(output)
        return result

    return call


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_check_apply_again(run: Any, path: Path) -> None:
    checked = run(check=True, b="hex", a="password")
    assert not path.parent.exists()
    applied = run(b="hex", a="password")
    assert checked == applied
    assert (applied["changed"], applied["added"], applied["diff"]["after"]) == (True, ["a", "b"], "a\nb\n")
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    before = path.read_bytes()
    for check in (True, False):
        assert not run(check=check, b="hex")["changed"]
    assert path.read_bytes() == before


def test_missing_ones_are_added(run: Any, path: Path) -> None:
    run(a="password")
    before = path.read_text(encoding="utf-8")
    result = run(a="fernet", z="fernet")
    assert (result["added"], result["diff"]["before"], result["diff"]["after"]) == (["z"], "a\n", "a\nz\n")
    assert path.read_text(encoding="utf-8").startswith(before)
    assert list(path.parent.iterdir()) == [path]


def test_wide_modes_are_mended(run: Any, path: Path) -> None:
    run(a="password")
    path.chmod(0o644)
    path.parent.chmod(0o755)
    assert run(check=True, a="password")["changed"]
    assert (mode(path), mode(path.parent)) == (0o644, 0o755)
    result = run(a="password")
    assert (result["changed"], result["added"]) == (True, [])
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


@pytest.mark.parametrize("content", [b"a: {geheim\n", b"", b"\xff\xfe"])
def test_a_damaged_file_stays_as_it_is(run: Any, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "safe_load", lambda _text: None)
        patch.setattr(Path, "exists", lambda _path: False)
        result = run(a="password")
    assert result["failed"]
    assert "geheim" not in result["msg"]
    assert str(path) in result["msg"]
    assert path.read_bytes() == content


def test_an_unknown_kind_is_found_first(run: Any, path: Path) -> None:
    assert "there is no kind 'uuid'" in run(a="uuid", b="hex")["msg"]
    assert not path.parent.exists()
