# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real MariaDB with Galera on 127.0.0.1, and a clustercheck beside it."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import galera_report

ROOT = Path(__file__).resolve().parents[3]
KEY = "0123456789abcdef" * 4
# The interpreter of the service: another one shows that it runs on older Pythons.
PYTHON = os.environ.get("STRETCH_CLUSTERCHECK_PYTHON", sys.executable)
PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
LIMIT = 1.0
"""Seconds within which the service has to notice a database that hangs."""


def install(directory: Path) -> Path:
    """Lay the service's files into a directory, as the role does, and return the path of the one to run."""
    directory.mkdir(exist_ok=True)
    for name in ("clustercheck.py", "clustercheck_answers.py"):
        shutil.copy(ROOT / "roles/clustercheck/files" / name, directory)
    shutil.copy(ROOT / "plugins/module_utils/galera_report.py", directory)
    return directory / "clustercheck.py"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[Any], limit: float = 30) -> None:
    """End a process, also one that is stopped."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Member:
    """The one member of a Galera cluster in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Make the data directory."""
        self.directory = directory
        self.socket = directory / "mysql.sock"
        self.password = "of-clustercheck % ;"
        self.process: subprocess.Popen[bytes] | None = None
        self.gcomm = free_port()
        account = ["--user=root"] if os.getuid() == 0 else []
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                *account,
                f"--datadir={directory}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )
        provider_options = (
            f"base_port={self.gcomm}",
            f"gmcast.listen_addr=tcp://127.0.0.1:{self.gcomm}",
            "gcache.size=1M",
            "pc.wait_prim_timeout=PT2S",
        )
        self.command = [
            "/usr/sbin/mariadbd",
            "--no-defaults",
            *account,
            f"--datadir={directory}/data",
            f"--socket={self.socket}",
            "--skip-networking",
            f"--pid-file={directory}/pid",
            f"--log-error={directory}/log",
            "--innodb-buffer-pool-size=16M",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}",
            "--wsrep-cluster-address=gcomm://",
            "--wsrep-node-address=127.0.0.1",
            f"--wsrep-provider-options={';'.join(provider_options)}",
            "--wsrep-new-cluster",
        ]

    def start(self) -> None:
        """Start it and wait until it is Synced."""
        grastate = self.directory / "data/grastate.dat"
        if grastate.exists():
            grastate.write_text(grastate.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _attempt in range(300):
            with contextlib.suppress(pymysql.err.Error):
                if self.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'")[0][1] == "Synced":
                    return
            time.sleep(0.1)
        pytest.fail((self.directory / "log").read_text())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        assert self.process is not None
        self.process.send_signal(number)

    def revive(self) -> None:
        """Start it again if it was stopped or killed."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            stop(self.process)

    def sql(self, statement: str) -> Any:
        """Run a statement as root on a connection of its own."""
        with contextlib.closing(
            pymysql.connect(unix_socket=str(self.socket), user="root", read_timeout=60)
        ) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def connections(self) -> int:
        """Count the connections that were ever made, but for the one that asks."""
        return int(self.sql("SHOW GLOBAL STATUS LIKE 'Connections'")[0][1])


class Service:
    """A running clustercheck."""

    def __init__(self, directory: Path, **options: Any) -> None:
        """Start it with these options of its ini file."""
        self.port = free_port()
        self.directory = directory / str(self.port)
        self.program = install(self.directory)
        self.log = self.directory / "log"
        self.ini = self.directory / "clustercheck.ini"
        self.loaded = self.directory / "loaded"
        self.options = {
            "address": "127.0.0.1",
            "port": self.port,
            "timeout": LIMIT,
            "loaded_file": self.loaded,
            **options,
        }
        self.configure()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([PYTHON, str(self.program), str(self.ini)], stdout=log, stderr=log)

    def configure(self, **options: Any) -> None:
        """Write the ini file, with these options changed."""
        self.options.update(options)
        lines = "".join(f"{name} = {value}\n" for name, value in self.options.items())
        self.ini.write_text("[clustercheck]\n" + lines)

    def reload(self) -> None:
        """Send the signal that makes it read its files."""
        self.process.send_signal(signal.SIGHUP)

    def digest(self) -> str:
        """Return the digest of its files, as the role's reload command computes it."""
        names = ("clustercheck.py", "clustercheck_answers.py", "galera_report.py", "clustercheck.ini")
        command = f"cd {self.directory} && cat {' '.join(names)} | sha256sum"
        return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout.split()[0]  # noqa: S602

    def ask(self, method: str = "OPTIONS", path: str = "/", limit: float = 0.5) -> tuple[int, str]:
        """Ask once, with a short limit of time: no answer may ever wait for the database."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode().strip()

    def report(self) -> dict[str, Any]:
        """Return the report, asked for as the members do, with a short limit of time."""
        member = {"name": "a", "address": "127.0.0.1", "port": self.port}
        found = galera_report.fetch([member], KEY, 0.5)["a"]
        assert found.pop("reachable"), found
        assert 0 < found.pop("round_trip") < 0.5
        return found

    def until(self, status: int, reason: str = "", limit: float = 10 * LIMIT) -> float:
        """Wait until it answers so, and return how many seconds that took."""
        begin = time.monotonic()
        answer: tuple[int, str] = (0, "nothing")
        while time.monotonic() < begin + limit:
            with contextlib.suppress(ConnectionRefusedError):
                answer = self.ask()
                if answer[0] == status and reason in answer[1]:
                    return time.monotonic() - begin
            time.sleep(0.02)
        pytest.fail(f"wanted {status} {reason}, got {answer} after {limit} s; log:\n{self.log.read_text()}")
