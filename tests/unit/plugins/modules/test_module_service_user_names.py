# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New names of service users in files, there and back: in a check, for real, again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import service_credentials_info, service_user_names

CONF = """\
# of the package
[keystone_authtoken]
auth_url = http://10.0.0.5:5000
username = nova
password = secret

[placement]
auth_url = http://10.0.0.5:5000
username=placement
password = other
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "etc/nova").mkdir(parents=True)
    (tmp_path / "etc/nova/nova.conf").write_text(CONF, encoding="utf-8")
    (tmp_path / "etc/nova/nova.conf").chmod(0o640)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], module: Any, **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def names(capsys: pytest.CaptureFixture[str], etc: Path, **arguments: Any) -> dict[str, Any]:
    common = {
        "directories": [str(etc / "etc")],
        "record": str(etc / "state/service-users.json"),
        "pending_directory": str(etc / "state/pending"),
    }
    return run(capsys, service_user_names, **common, **arguments)


def test_credentials(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(capsys, service_credentials_info, directories=[str(etc / "etc")])
    assert [(one["service"], one["section"], one["user"], one["password"]) for one in told["credentials"]] == [
        ("nova", "keystone_authtoken", "nova", "secret"),
        ("nova", "placement", "placement", "other"),
    ]


def test_there_and_back(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = etc / "etc/nova/nova.conf"
    wanted = {"nova": "nova@stack2", "glance": "glance@stack2"}
    checked = names(capsys, etc, names=wanted, _ansible_check_mode=True, _ansible_diff=True)
    assert checked["changed"]
    assert checked["diff"][0]["after"] == "[keystone_authtoken]\nusername = nova@stack2\n"
    assert path.read_text(encoding="utf-8") == CONF
    assert not (etc / "state").exists()

    done = names(capsys, etc, names=wanted)
    assert done["changed"]
    assert done["pending"] == ["nova"]
    assert path.read_text(encoding="utf-8") == CONF.replace("username = nova", "username = nova@stack2")
    assert path.stat().st_mode & 0o777 == 0o640
    assert not names(capsys, etc, names=wanted)["changed"]

    (etc / "state/pending/nova").unlink()
    assert names(capsys, etc, state="absent", _ansible_check_mode=True)["changed"]
    back = names(capsys, etc, state="absent")
    assert back["changed"]
    assert back["pending"] == ["nova"]
    assert path.read_text(encoding="utf-8") == CONF
    assert not names(capsys, etc, state="absent")["changed"]


def test_a_damaged_note_is_told(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (etc / "state").mkdir()
    (etc / "state/service-users.json").write_text("[]", encoding="utf-8")
    told = names(capsys, etc, state="absent")
    assert told["failed"]
    assert "service-users.json cannot be read" in told["msg"]
