# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles that concern certificates on hosts that are all this machine, and a MariaDB that uses what they write."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import yaml

ADDRESSES = {"member-0": "127.0.0.41", "member-1": "127.0.0.42", "arbiter-0": "127.0.0.43"}
VIP = "127.0.0.46"
SECONDS = 60


@dataclasses.dataclass
class Site:
    """Two members and an arbiter, each with directories of its own below ``path``."""

    path: Path
    port: int = 0
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def directory(self, host: str) -> Path:
        """Where the certificates of a host are."""
        kind = "stretch_arbiter" if host.startswith("arbiter") else "stretch_galera"
        return self.path / host / kind / "etc/stretch-galera/tls"

    def keystone(self, host: str, where: str = "source") -> Path:
        """Keystone's configuration, as the host has it (source) or as the running one has it (running)."""
        return self.path / host / "keystone" / where

    @property
    def store(self) -> Path:
        """Where the Ansible controller keeps all certificates."""
        return self.path / "state/tls"

    def _inventory(self) -> dict[str, Any]:
        hosts: dict[str, Any] = {}
        for name, address in ADDRESSES.items():
            site: dict[str, Any] = {"address": address, "config_root": str(self.path / name)}
            role = name.split("-", maxsplit=1)[0].replace("member", "controller")
            if role == "controller":
                site["vips"] = {"stretch_galera": VIP}
                site["keystone"] = {
                    "config_dir": str(self.keystone(name)),
                    "config_source": str(self.keystone(name)),
                    "container_config_dir": str(self.keystone(name, "running")),
                    "exec": ["env"],
                }
            hosts[name] = {"stretch_site": site, "stretch_role": role}
        nodes = [{"name": name, "role": value["stretch_role"]} for name, value in hosts.items()]
        shared = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "stretch_topology": {"nodes": nodes},
            "stretch_state_dir": str(self.path / "state"),
            "stretch_secrets": {"keystone_db": "aSecret"},
            "cutover_database_port": self.port,
            "cutover_admin_socket": str(self.path / "mysqld/s"),
            **self.extra,
        }
        return {"all": {"hosts": hosts, "vars": shared}}

    def play(
        self, role: str, tasks_from: str = "main", hosts: str = "all", check: bool = False
    ) -> tuple[dict[str, dict[str, int]], str]:
        """Run a role's tasks; the numbers of each host, and all output."""
        task = {"ansible.builtin.include_role": {"name": f"stretch.cluster.{role}", "tasks_from": tasks_from}}
        play = {"hosts": hosts, "gather_facts": False, "any_errors_fatal": True, "tasks": [task]}
        (self.path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        (self.path / "hosts.yml").write_text(yaml.safe_dump(self._inventory()), encoding="utf-8")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        found = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.yml", "--diff", "play.yml"]
            + ["--check"] * check,
            cwd=self.path,
            env={**clean, "LC_ALL": "C.UTF-8", "HOME": str(self.path), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
            capture_output=True,
            text=True,
            check=False,
        )
        output = found.stdout + found.stderr
        assert "PRIVATE KEY" not in output
        assert "{" in found.stdout, output
        stats: dict[str, dict[str, int]] = json.loads(found.stdout[found.stdout.index("{") :])["stats"]
        return stats, output


def changed(stats: dict[str, dict[str, int]]) -> int:
    """Tasks that changed something, of a run in which none failed."""
    assert not any(one["failures"] or one["unreachable"] for one in stats.values()), stats
    return sum(one["changed"] for one in stats.values())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class TlsServer:
    """A MariaDB with the certificates of a member, for root by its socket and for all on every loopback address."""

    def __init__(self, site: Site, host: str) -> None:
        """Take the member's certificates."""
        self._site, self._tls = site, site.directory(host)
        self._directory = site.path / "mysqld"
        self.socket = self._directory / "s"

    @contextlib.contextmanager
    def running(self) -> Iterator[TlsServer]:
        """Run it on new data."""
        # In a container tests may run as root.
        user = ["--user=root"] if os.geteuid() == 0 else []
        data = self._directory / "data"
        self._directory.mkdir()
        install = shutil.which("mariadb-install-db")
        assert install, "mariadb-server-core is needed"
        options = ["--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve"]
        subprocess.run(
            [install, "--no-defaults", f"--datadir={data}", *user, *options], check=True, capture_output=True
        )
        options = {
            "datadir": data,
            "socket": self.socket,
            "pid-file": self._directory / "pid",
            "log-error": self._directory / "log.err",
            "port": self._site.port,
            "bind-address": "0.0.0.0",  # noqa: S104 - all loopback addresses; the test has several
            "ssl-ca": self._tls / "ca.pem",
            "ssl-cert": self._tls / "cert.pem",
            "ssl-key": self._tls / "key.pem",
            "tls-version": "TLSv1.2,TLSv1.3",
            "innodb-buffer-pool-size": "16M",
            "skip-name-resolve": "1",
        }
        program = shutil.which("mariadbd", path="/usr/sbin:" + os.environ["PATH"])
        assert program, "mariadb-server-core is needed"
        server = subprocess.Popen(
            [program, "--no-defaults", *user, *(f"--{key}={one}" for key, one in options.items())]
        )
        try:
            end = time.monotonic() + SECONDS
            while True:
                try:
                    self.query("SELECT 1")
                    break
                except pymysql.err.OperationalError:
                    assert server.poll() is None, (self._directory / "log.err").read_text(encoding="utf-8")
                    assert time.monotonic() < end
                    time.sleep(0.1)
            yield self
        finally:
            server.terminate()
            server.wait(SECONDS)

    def query(self, statement: str) -> list[Any]:
        """The answer to root."""
        link = pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)
        with contextlib.closing(link), link.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
