# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MariaDB with Galera on 127.0.0.1, started from a my.cnf as the resource agent starts one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Member:
    """The one member of a cluster, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Make the data directory and the configuration."""
        self.directory = directory
        self.datadir = directory / "data"
        self.socket = self.datadir / "mysql.sock"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.account = ["--user=root"] if os.getuid() == 0 else []
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                *self.account,
                f"--datadir={self.datadir}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )
        self.config = f"""\
[mysqld]
datadir = {self.datadir}
socket = {self.socket}
pid-file = {directory}/pid
log-error = {directory}/log
skip-networking
innodb-buffer-pool-size = 16M
binlog_format = ROW
innodb_autoinc_lock_mode = 2
max_connections = 100
wsrep_on = ON
wsrep_provider = {PROVIDER}
wsrep_cluster_name = integration
wsrep_cluster_address = gcomm://
wsrep_node_address = 127.0.0.1
wsrep_sst_auth = sst:first
wsrep_provider_options = base_port={self.port};gmcast.listen_addr=tcp://127.0.0.1:{self.port};gcache.size=1M;evs.suspect_timeout=PT5S;evs.inactive_timeout=PT15S

[sst]
encrypt = 0
"""

    def start(self) -> None:
        """Start it and wait until it is Synced."""
        (self.directory / "my.cnf").write_text(self.config)
        self.process = subprocess.Popen(
            ["/usr/sbin/mariadbd", f"--defaults-file={self.directory}/my.cnf", *self.account, "--wsrep-new-cluster"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _attempt in range(300):
            with contextlib.suppress(pymysql.err.Error):
                if self.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'")[0][1] == "Synced":
                    return
            time.sleep(0.1)
        pytest.fail((self.directory / "log").read_text())

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def sql(self, statement: str) -> Any:
        """Run a statement as root on a connection of its own."""
        with contextlib.closing(
            pymysql.connect(unix_socket=str(self.socket), user="root", read_timeout=60)
        ) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def variable(self, name: str) -> str:
        """The value of a global variable."""
        return str(self.sql(f"SHOW GLOBAL VARIABLES LIKE '{name}'")[0][1])

    def provider_option(self, key: str) -> str:
        """The value of a key of wsrep_provider_options."""
        pairs = (part.partition("=") for part in self.variable("wsrep_provider_options").split(";"))
        return {name.strip(): value.strip() for name, _equals, value in pairs}[key]
