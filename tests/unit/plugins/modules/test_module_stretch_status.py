# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two modules of the status: what a node is asked with real commands, and what becomes of the answers."""

from __future__ import annotations

import json
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.module_utils import galera
from ansible_collections.stretch.cluster.plugins.modules import stretch_status, stretch_status_info

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
TOPOLOGY: dict[str, Any] = yaml.safe_load((FIXTURES / "topology_two.yml").read_text(encoding="utf-8"))
MEMBERS = [vars(one) for one in galera.members(TOPOLOGY)]
ARBITERS = [vars(one) for one in galera.arbiters(TOPOLOGY)]


def run(module: Any, capsys: pytest.CaptureFixture[str], check: bool = False, **options: Any) -> dict[str, Any]:
    """Run a module in this process and return its result."""
    with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """crm_mon and systemctl that print what real ones printed."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name, text in (
        ("crm_mon", f"cat {FIXTURES}/stretch_status/crm_mon_well.xml"),
        ("systemctl", "printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nResult=success\\n'"),
    ):
        (directory / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


def haproxy(name: str) -> list[str]:
    """Print a fixture if asked for what HAProxy has to be asked for."""
    script = 'read question; [ "$question" = "show stat;show table stretch_galera" ] && cat "$0"'
    return ["sh", "-c", script, f"{FIXTURES}/stretch_status/haproxy_{name}.txt"]


def test_a_node_is_asked(capsys: pytest.CaptureFixture[str], programs: Path, tmp_path: Path) -> None:
    """Nobody answers for the members here: that is part of the answer."""
    members = [{"name": "one", "address": "127.0.0.1"}, {"name": "two", "address": "127.0.0.2"}]
    listed = {"cluster": "stretch", "self": "one", "check_port": 9, "members": members, "arbiters": []}
    (tmp_path / "members.json").write_text(json.dumps(listed), encoding="utf-8")
    (tmp_path / "report.key").write_text("0123456789abcdef" * 4 + "\n", encoding="utf-8")
    result = run(
        stretch_status_info,
        capsys,
        members_file=str(tmp_path / "members.json"),
        key_file=str(tmp_path / "report.key"),
        bundle="stretch-galera-bundle",
        haproxy_command=haproxy("moved"),
        ports=[9],
        unit="stretch_arbiter.service",
    )
    assert not result["changed"]
    sources = result["sources"]
    assert sources["members"]["cluster"] == "stretch"
    assert sources["reports"]["two"] == {"reachable": False, "error": "Connection refused"}
    assert sources["pacemaker"]["members"]["s1controller-0"]["role"] == "Promoted"
    assert sources["haproxy"]["stick"] == {"10.0.20.6": "s1controller-1"}
    assert set(sources["connections"]) == {"established", "half_open"}
    assert sources["unit"]["running"]
    assert "0123456789abcdef" not in json.dumps(sources)


def test_only_what_is_named_is_asked(capsys: pytest.CaptureFixture[str], programs: Path) -> None:
    assert set(run(stretch_status_info, capsys, unit="x")["sources"]) == {"unit"}
    assert run(stretch_status_info, capsys)["sources"] == {}


def test_a_node_of_which_nothing_works(capsys: pytest.CaptureFixture[str], programs: Path, tmp_path: Path) -> None:
    """Each source says so for itself, and in time."""
    (programs / "crm_mon").write_text("#!/bin/sh\nsleep 60\n", encoding="utf-8")
    begin = time.monotonic()
    result = run(
        stretch_status_info,
        capsys,
        timeout=1,
        members_file=str(tmp_path / "none"),
        key_file=str(tmp_path / "none"),
        bundle="b",
        haproxy_command=[sys.executable, "-c", "raise SystemExit('no container of haproxy-bundle runs here')"],
    )
    assert time.monotonic() - begin < 5
    assert result["sources"]["pacemaker"] == {"error": "crm_mon: no answer within 0.8 s"}
    assert result["sources"]["haproxy"] == {"error": "no container of haproxy-bundle runs here"}
    assert "No such file" in result["sources"]["reports"]["error"]


def test_a_timeout_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(stretch_status_info, capsys, timeout=0)["msg"] == "timeout is 0; give seconds, more than 0"


def picture(capsys: pytest.CaptureFixture[str], tmp_path: Path, **options: Any) -> dict[str, Any]:
    return run(
        stretch_status,
        capsys,
        **{
            "topology": TOPOLOGY,
            "members": MEMBERS,
            "arbiters": ARBITERS,
            "answers": {"s1controller-0": {"unreachable": True, "msg": "No route to host"}},
            "json_file": str(tmp_path / "new" / "status.json"),
            "html_file": str(tmp_path / "new" / "status.html"),
            **options,
        },
    )


def test_a_picture_of_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    checked = picture(capsys, tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []
    applied = picture(capsys, tmp_path)
    assert applied["changed"]
    assert {key: checked[key] for key in ("changed", "level", "headline", "writes", "split")} == {
        "changed": True,
        "level": "bad",
        "headline": "NOTHING ANSWERS: no controller of any site can be reached from here",
        "writes": None,
        "split": False,
    }
    assert applied["text"].startswith("CRITICAL: NOTHING ANSWERS")
    told = json.loads((tmp_path / "new" / "status.json").read_text(encoding="utf-8"))
    assert told["headline"] == applied["headline"]
    html = tmp_path / "new" / "status.html"
    assert html.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(html.stat().st_mode) == 0o644


def test_a_picture_that_is_only_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = picture(capsys, tmp_path, json_file=None, html_file=None)
    assert not result["changed"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "the topology cannot be used" in picture(capsys, tmp_path, topology={})["msg"]
    (tmp_path / "new").write_text("a file", encoding="utf-8")
    assert "new" in picture(capsys, tmp_path)["msg"]
