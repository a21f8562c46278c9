# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Keystone on 127.0.0.1, on SQLite, for as long as the tests run."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[3]
VENV = Path(os.environ.get("STRETCH_KEYSTONE_VENV", ROOT / ".build/keystone-venv"))

SERVER = """
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
port = int(sys.argv.pop())  # the import below reads the arguments
from keystone.wsgi.api import application

class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

make_server("127.0.0.1", port, application, Server, Quiet).serve_forever()
"""

# Users and projects come in pages of so few that the listings of the tests have several.
CONFIG = """
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {directory}/fernet
[fernet_receipts]
key_repository = {directory}/fernet
[identity]
list_limit = 4
[resource]
list_limit = 3
[credential]
key_repository = {directory}/credential
"""


@dataclass(frozen=True)
class Keystone:
    """Where it answers and its administrator's password."""

    url: str
    password: str


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """Build, bootstrap and run it."""
    if not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    if not (VENV / "bin/keystone-manage").exists():
        wanted = ROOT / "tests/integration/requirements-keystone.txt"
        subprocess.run([VENV / "bin/pip", "install", "--quiet", "--requirement", wanted], check=True)
    directory = tmp_path_factory.mktemp("keystone")
    config = directory / "keystone.conf"
    config.write_text(CONFIG.format(directory=directory))
    port = free_port()
    url = f"http://127.0.0.1:{port}/v3"
    password = "bootstrapped"
    manage = [VENV / "bin/keystone-manage", "--config-file", config]
    owner = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    for name in ("fernet", "credential"):
        (directory / name).mkdir(mode=0o700)
    for command in (
        ["db_sync"],
        ["fernet_setup", *owner],
        ["credential_setup", *owner],
        ["bootstrap", "--bootstrap-password", password, "--bootstrap-public-url", url, "--bootstrap-region-id", "one"],
    ):
        subprocess.run([*manage, *command], check=True, capture_output=True)
    server = subprocess.Popen(
        [VENV / "bin/python", "-c", SERVER, str(port)], env={**os.environ, "OS_KEYSTONE_CONFIG_FILES": str(config)}
    )
    try:
        wait_for(url, server)
        yield Keystone(url, password)
    finally:
        server.terminate()
        server.wait(10)


def wait_for(url: str, server: subprocess.Popen[bytes], limit: float = 60) -> None:
    """Wait up to `limit` seconds until the URL answers."""
    end = time.monotonic() + limit
    while server.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError):
            requests.get(url, timeout=5)
            return
        time.sleep(0.2)
    pytest.fail(f"Keystone does not answer at {url}")
