# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module, with one member that answers and one that does not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.module_utils import galera_report
from ansible_collections.stretch.cluster.plugins.modules import galera_reports_info

KEY = "0123456789abcdef" * 4


@pytest.fixture
def member() -> Iterator[int]:
    """A member called ``a`` that answers once; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _address = listening.accept()
            with connection:
                nonce = galera_report.parse_headers(connection.recv(65536))["x-stretch-nonce"]
                body = b'{"name": "a", "ok": true}'
                signature = galera_report.response_signature(KEY, nonce, body).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Stretch-Signature: " + signature + b"\r\n\r\n" + body)

        threading.Thread(target=answer, daemon=True).start()
        yield int(listening.getsockname()[1])


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the module in this process and return its result."""

    def call(**options: Any) -> dict[str, Any]:
        files = {"members_file": str(tmp_path / "members.json"), "key_file": str(tmp_path / "report.key")}
        with patch_module_args({**files, **options}), pytest.raises(SystemExit):
            galera_reports_info.main()
        printed = capsys.readouterr().out
        assert KEY not in printed
        result: dict[str, Any] = json.loads(printed)
        return result

    return call


def write(directory: Path, port: int) -> dict[str, Any]:
    """Write the files of a member and return what is in members.json."""
    members = {
        "cluster": "stretch",
        "self": "a",
        "check_port": port,
        "members": [{"name": "a", "address": "127.0.0.1"}, {"name": "b", "address": "127.0.0.2"}],
        "arbiters": [{"name": "arbiter-0", "address": "10.0.0.9", "weight": 1}],
    }
    (directory / "members.json").write_text(json.dumps(members))
    (directory / "report.key").write_text(KEY + "\n")
    return members


def test_it_asks_all_members(run: Any, tmp_path: Path, member: int) -> None:
    members = write(tmp_path, member)
    found = run(timeout=1)
    assert found["reports"]["a"].pop("round_trip") > 0
    assert found["reports"] == {
        "a": {"reachable": True, "name": "a", "ok": True},
        "b": {"reachable": False, "error": "Connection refused"},
    }
    assert [found[name] for name in ("changed", "own_name", "cluster", "members", "arbiters")] == [
        False,
        "a",
        "stretch",
        members["members"],
        members["arbiters"],
    ]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda directory: (directory / "members.json").unlink(), "run it on this host first"),
        (lambda directory: (directory / "report.key").unlink(), "run it on this host first"),
        (lambda directory: (directory / "report.key").write_text(""), "32 hexadecimal digits or more"),
        (lambda directory: (directory / "members.json").write_text("{"), "not what it should be"),
    ],
)
def test_what_is_missing_is_said(run: Any, tmp_path: Path, spoil: Any, message: str) -> None:
    write(tmp_path, 1)
    spoil(tmp_path)
    assert message in run()["msg"]


def test_a_timeout_is_a_time(run: Any, tmp_path: Path) -> None:
    write(tmp_path, 1)
    assert "above 0" in run(timeout=0)["msg"]
