# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions on this machine: a real Keystone each, with a configuration of the host and one that it runs with."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import socketserver
import stat
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merge_servers import SECONDS, SERVER, Api, MariaDB, free_port, keystone_venv

ROOT = Path(__file__).resolve().parents[3]
REPOSITORIES = ("fernet-keys", "credential-keys")

CONFIG = """
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = mysql+pymysql://{user}:{password}@127.0.0.1:{port}/{database}?charset=utf8
[fernet_tokens]
key_repository = {running}/fernet-keys
max_active_keys = 4
[fernet_receipts]
key_repository = {running}/fernet-keys
[credential]
key_repository = {running}/credential-keys
[identity]
password_hash_rounds = 4
"""
# What a container's start does: it copies the configuration, and runs with the copy.
RESTART = """#!/bin/sh
set -eu
[ ! -e {directory}/pid ] || kill "$(cat {directory}/pid)" 2> /dev/null || true
rm -rf {running}
mkdir -p {directory}/home
cp -rp {host} {running}
cd {directory}/home
HOME={directory}/home PATH={path} setsid {python} -c "$(cat {directory}/server.py)" {port} \\
    > {directory}/stderr 2>&1 < /dev/null &
echo $! > {directory}/pid
"""


def key() -> str:
    """Return a new Fernet key."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def key_hash(one: str) -> str:
    """Return what Keystone notes of the key that encrypted a credential."""
    return hashlib.sha1(one.encode()).hexdigest()  # noqa: S324 - Keystone's choice


@dataclass
class Region:
    """A region's Keystone; `host` is its configuration on the host, `running` the copy that it runs with."""

    name: str
    directory: Path
    server: MariaDB
    admin: str
    port: int = field(default_factory=free_port)
    address: str = "127.0.0.1"
    database: str = ""
    """Several Keystones of a region have one; else it is called as the region."""

    def __post_init__(self) -> None:
        self.database = self.database or self.name

    @property
    def host(self) -> Path:
        return self.directory / "host"

    @property
    def running(self) -> Path:
        return self.directory / "home/.keystone"

    @property
    def haproxy(self) -> Path:
        """HAProxy's configuration; there is no HAProxy."""
        return self.directory / "haproxy.cfg"

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def api(self) -> Api:
        return Api(self.url)

    @property
    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.directory / "home"), "PATH": f"{keystone_venv() / 'bin'}:{os.environ['PATH']}"}

    @property
    def exec(self) -> list[str]:
        """Return the command that leads to where Keystone is installed."""
        return ["env", *(f"{name}={value}" for name, value in self.environment.items())]

    def configure(self, **repositories: list[str]) -> None:
        """Write the configuration, with these keys in their order."""
        self.host.mkdir(parents=True, mode=0o700)
        password = f"secret of {self.database}".replace(" ", "_")
        self.server.query(f"CREATE USER IF NOT EXISTS `{self.database}`@'%' IDENTIFIED BY '{password}'")
        self.server.query(f"GRANT ALL ON `{self.database}`.* TO `{self.database}`@'%'")
        (self.host / "keystone.conf").write_text(
            CONFIG.format(
                directory=self.directory, running=self.running, user=self.database, password=password,
                port=self.server.port, database=self.database,
            )
        )  # fmt: skip
        self.haproxy.write_text(
            f"listen keystone\n  bind :1\n  mode http\n  server one {self.address}:{self.port} check\n"
        )
        for name, keys in repositories.items():
            repository = self.host / f"{name}-keys"
            repository.mkdir(mode=0o700)
            for number, one in enumerate(keys):
                (repository / str(number)).write_text(one)
                (repository / str(number)).chmod(0o600)
        (self.directory / "server.py").write_text(SERVER.replace("127.0.0.1", self.address))
        restart = self.directory / "restart"
        restart.write_text(
            RESTART.format(
                directory=self.directory, running=self.running, host=self.host, port=self.port,
                path=self.environment["PATH"], python=keystone_venv() / "bin/python",
            )
        )  # fmt: skip
        restart.chmod(0o755)

    def manage(self, *arguments: str) -> str:
        """Run keystone-manage where Keystone runs."""
        command = [*self.exec, "keystone-manage", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def restart(self) -> None:
        """Start Keystone, and wait until it answers."""
        subprocess.run([self.directory / "restart"], check=True)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(urllib.error.URLError):
                self.api.do("GET", "/")
                return
            time.sleep(0.1)
        raise RuntimeError((self.directory / "stderr").read_text())

    def stop(self) -> None:
        """End Keystone."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.directory / "pid").read_text()), 15)

    def bootstrap(self) -> Api:
        """Make the first things; gives the administrator's API of the Keystone that runs from then on."""
        shutil.copytree(self.host, self.running)
        self.manage(
            "bootstrap", "--bootstrap-password", self.admin, "--bootstrap-region-id", f"region_{self.database}",
            "--bootstrap-public-url", self.url, "--bootstrap-internal-url", self.url, "--bootstrap-admin-url", self.url,
        )  # fmt: skip
        self.restart()
        return self.as_admin()

    def as_admin(self, password: str = "") -> Api:
        found = self.api.password("admin", password or self.admin, "admin")
        assert found is not None
        return found

    def keys(self, repository: str, running: bool = False) -> dict[int, str]:
        """Return the keys of a repository; every file of it is for its owner alone."""
        directory = (self.running if running else self.host) / repository
        files = list(directory.iterdir()) if directory.exists() else []
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} <= {0o600}
        return {int(file.name): file.read_text() for file in files}


class Memcached(socketserver.ThreadingTCPServer):
    """Says OK to flush_all, and counts how often that was asked."""

    daemon_threads = True
    flushed = 0

    class Handler(socketserver.StreamRequestHandler):
        """One client."""

        def handle(self) -> None:
            assert isinstance(self.server, Memcached)
            for line in self.rfile:
                if line.startswith(b"flush_all"):
                    self.server.flushed += 1
                    self.wfile.write(b"OK\r\n")
                else:
                    return

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Memcached]:
        with cls(("127.0.0.1", 0), cls.Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server
            server.shutdown()


def certificates(directory: Path) -> None:
    """Make an authority (ca.pem) and a server's certificate of it for 127.0.0.1 (server.pem, server.key)."""
    directory.mkdir()
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "9",
    ]
    for name, more in (
        ("ca", ["-subj", "/CN=Authority"]),
        (
            "server",
            ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-CA", "ca.pem", "-CAkey", "ca.key"],
        ),
    ):
        subprocess.run(
            [*new, "-keyout", f"{name}.key", "-out", f"{name}.pem", *more],
            cwd=directory,
            check=True,
            capture_output=True,
        )


def play(
    directory: Path, playbook: Path, inventory: dict[str, Any], extra: dict[str, Any], *arguments: str
) -> tuple[int, str, dict[str, int]]:
    """Run a playbook; gives the exit status, the output and how many tasks changed something on each host."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "hosts.json").write_text(json.dumps(inventory))
    (directory / "extra.json").write_text(json.dumps(extra))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", "-e", "@extra.json", "--diff",
            playbook, *arguments,
        ],
        cwd=directory, check=False, capture_output=True, text=True, timeout=600,
        env={**clean, "LC_ALL": "C.UTF-8", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    )  # fmt: skip
    output = done.stdout + done.stderr
    (directory / "output").write_text(output)
    changed = {
        name: int(number) for name, number in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)
    }
    return done.returncode, output, changed
