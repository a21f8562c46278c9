# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers with the settings of production: MariaDB alone, and members of a Galera cluster, on the loopback."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from merge_servers import MariaDB, user

SECONDS = 120
DURABLE = {
    "innodb-flush-log-at-trx-commit": "1",
    "innodb-doublewrite": "ON",
    "innodb-flush-method": "O_DIRECT",
    "innodb-autoinc-lock-mode": "2",
    "skip-name-resolve": "ON",
    "character-set-server": "utf8mb3",
    "collation-server": "utf8mb3_general_ci",
}
"""Every commit is on disk when it is answered, and a torn page is made whole: what the role sets, and MariaDB's own."""


@dataclass
class Server(MariaDB):
    """A server on a data directory that may be there already; its socket is elsewhere, as its path has to be short."""

    sockets: Path = Path("/nonexistent")
    options: Sequence[str] = ()
    pid: int = 0

    @property
    def socket(self) -> str:
        """Path of the socket."""
        return str(self.sockets / f"{self.directory.name}.sock")

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def install(self) -> None:
        """Make an empty data directory."""
        self.directory.mkdir(parents=True)
        with (self.directory / "log").open("wb") as log:
            subprocess.run(
                [
                    *("mariadb-install-db", "--no-defaults", f"--user={user()}", f"--datadir={self.data}"),
                    *("--skip-test-db", "--auth-root-authentication-method=socket", "--skip-name-resolve"),
                    f"--auth-root-socket-user={user()}",
                ],
                check=True,
                stdout=log,
                stderr=log,
            )

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[Server]:
        """Run it until the end of the context, with further arguments of mariadbd."""
        if not self.data.exists():
            self.install()
        # Every server that starts removes the temporary tables of all that share its directory for them.
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        command = [
            *(shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", f"--user={user()}"),
            *(f"--datadir={self.data}", f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1"),
            *(f"--tmpdir={temporary}", *(f"--{name}={value}" for name, value in DURABLE.items())),
            *self.options,
            *arguments,
        ]
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.pid = process.pid
        try:
            self.wait(process)
            yield self
        finally:
            end(process)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it answers."""
        limit = time.monotonic() + SECONDS
        while time.monotonic() < limit and process.poll() is None:
            with contextlib.suppress(Exception):
                self.query("SELECT 1")
                return
            time.sleep(0.1)
        raise RuntimeError((self.directory / "log").read_text(errors="replace")[-4000:])


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that this program has started."""
    process.terminate()
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
