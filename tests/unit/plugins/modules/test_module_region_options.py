# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on real files: check, apply, apply again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import region_options

NOVA = b"""# caf\xe9
[DEFAULT]
transport_url = rabbit://nova:s3cret@host

[neutron]
auth_url = http://host
#region_name = <None>
password = s3cret
"""


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the module in this process and return its result."""

    def call(check: bool = False, failing: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {
            "region": "r1", "directories": [f"{tmp_path}/*/etc"], "pending_directory": str(tmp_path / "pending"),
            "_ansible_check_mode": check, "_ansible_diff": True, **options,
        }  # fmt: skip
        with patch_module_args(arguments), pytest.raises(SystemExit):
            region_options.main()
        printed = capsys.readouterr().out
        assert "s3cret" not in printed
        result: dict[str, Any] = json.loads(printed)
        assert bool(result.get("failed")) == failing, printed
        return result

    return call


def lay(root: Path, directory: str, file: str, content: bytes) -> Path:
    path = root / directory / "etc" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(0o640)
    return path


def test_check_apply_again(run: Any, tmp_path: Path) -> None:
    nova = lay(tmp_path, "nova", "nova/nova.conf", NOVA)
    metadata = lay(tmp_path, "nova_metadata", "nova/nova.conf", NOVA)
    keystone = lay(tmp_path, "keystone", "keystone/keystone.conf", b"[database]\nconnection = s3cret\n")
    before = keystone.stat().st_mtime_ns
    checked = run(check=True)
    assert nova.read_bytes() == NOVA
    assert not (tmp_path / "pending").exists()
    applied = run()
    assert applied == checked
    assert applied["changed"]
    assert (applied["services"], applied["pending"]) == (["keystone", "nova"], ["nova"])
    assert os.listdir(tmp_path / "pending") == ["nova"]
    assert nova.read_bytes() == metadata.read_bytes()
    assert nova.read_bytes() == NOVA.replace(b"= <None>\n", b"= <None>\nregion_name = r1\n") + (
        b"\n[cinder]\nos_region_name = r1\n\n[glance]\nregion_name = r1\n\n[keystone]\nregion_name = r1\n"
    )
    assert nova.stat().st_mode & 0o7777 == 0o640
    assert keystone.stat().st_mtime_ns == before
    again = run()
    assert (again["changed"], again["options"], again["diff"]) == (False, [], [])
    # Nobody restarted Nova in between.
    assert again["pending"] == ["nova"]


def test_a_file_beside_it_that_counts(run: Any, tmp_path: Path) -> None:
    main = lay(tmp_path, "placement", "placement/placement.conf", b"[keystone_authtoken]\nauth_url = x\n")
    beside = lay(
        tmp_path, "placement", "placement/placement.conf.d/90-old.conf", b"[keystone_authtoken]\nregion_name=o\n"
    )
    assert [one["path"] for one in run()["options"]] == [str(beside)]
    assert main.read_bytes() == b"[keystone_authtoken]\nauth_url = x\n"


def test_a_broken_file_changes_nothing(run: Any, tmp_path: Path) -> None:
    nova = lay(tmp_path, "nova", "nova/nova.conf", NOVA)
    broken = lay(tmp_path, "placement", "placement/placement.conf", b"[database]\ns3cret\n")
    result = run(failing=True)
    assert result["msg"] == f"{broken}: line 2 is no assignment; nothing has been changed"
    assert nova.read_bytes() == NOVA


def test_a_region_that_no_file_can_hold(run: Any) -> None:
    assert "$" in run(failing=True, region="$r")["msg"]


def test_no_service(run: Any) -> None:
    assert run() == run(check=True)


def test_another_login_has_all_services_pending_once(run: Any, tmp_path: Path) -> None:
    lay(tmp_path, "nova", "nova/nova.conf", NOVA)
    lay(tmp_path, "keystone", "keystone/keystone.conf", b"[database]\nconnection = s3cret\n")
    run()
    (tmp_path / "pending/nova").unlink()
    for check in (True, False):
        found = run(check=check, login="one")
        assert (found["changed"], found["pending"], found["options"]) == (True, ["nova"], [])
    (tmp_path / "pending/nova").unlink()
    for login in ("one", ""):
        found = run(login=login)
        assert (found["changed"], found["pending"]) == (False, [])
    assert run(login="two")["pending"] == ["nova"]
