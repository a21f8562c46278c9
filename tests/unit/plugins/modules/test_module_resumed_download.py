# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with a server that cuts connections, knows ranges or does not, and publishes checksums."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import resumed_download

CONTENT = bytes(range(256)) * 1000


class Source(BaseHTTPRequestHandler):
    """Serves one file; ``cut``: after how many bytes connections end, ``ranges``: whether it knows them."""

    cut: int | None = None
    ranges = True
    published = hashlib.sha256(CONTENT).hexdigest()

    def do_GET(self) -> None:
        if self.path.endswith(".sha256"):
            self.reply(200, f"{type(self).published}  image.tar\n".encode(), {})
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(CONTENT):
                self.reply(416, b"", {})
                return
            self.reply(206, CONTENT[start:], {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"})
        else:
            self.reply(200, CONTENT, {})

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: type(self).cut])

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Source.cut, Source.ranges, Source.published = None, True, hashlib.sha256(CONTENT).hexdigest()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Source)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/image.tar"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path) -> Any:
    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"url": url, "dest": str(tmp_path / "image.tar"), **options, "_ansible_check_mode": check}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            resumed_download.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def test_once_and_in_check_mode(run: Any, url: str, tmp_path: Path) -> None:
    assert run(check=True)["changed"]
    assert not list(tmp_path.iterdir())
    result = run(checksum_url=f"{url}.sha256")
    assert (result["changed"], result["resumed_at"]) == (True, 0)
    assert (tmp_path / "image.tar").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["image.tar"]
    Source.cut = 0
    assert not run()["changed"]


def test_a_connection_that_was_cut_goes_on(run: Any, url: str, tmp_path: Path) -> None:
    Source.cut = 1000
    failed = run(checksum_url=f"{url}.sha256")
    assert "was cut off: 1000 of 256000 bytes arrived" in failed["msg"]
    assert not (tmp_path / "image.tar").exists()
    Source.cut = None
    assert run(checksum_url=f"{url}.sha256")["resumed_at"] == 1000
    assert (tmp_path / "image.tar").read_bytes() == CONTENT


def test_a_server_without_ranges_begins_again(run: Any, tmp_path: Path) -> None:
    (tmp_path / "image.tar.part").write_bytes(b"something else")
    Source.ranges = False
    assert run()["resumed_at"] == 0
    assert (tmp_path / "image.tar").read_bytes() == CONTENT


def test_all_had_arrived_before_the_run_was_ended(run: Any, url: str, tmp_path: Path) -> None:
    (tmp_path / "image.tar.part").write_bytes(CONTENT)
    assert run(checksum_url=f"{url}.sha256")["resumed_at"] == len(CONTENT)


def test_another_checksum_leaves_nothing(run: Any, url: str, tmp_path: Path) -> None:
    Source.published = "0" * 64
    assert "another checksum" in run(checksum_url=f"{url}.sha256")["msg"]
    assert not list(tmp_path.iterdir())
    Source.published = "<html>"
    assert "no sha256 checksum" in run(checksum_url=f"{url}.sha256")["msg"]


def test_nobody_answers(run: Any) -> None:
    assert "cannot be had" in run(url="http://127.0.0.1:9/image.tar")["msg"]
