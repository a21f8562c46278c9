# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real members and a real garbd, alone or under the arbiter's supervisor, on addresses of the loopback.

Their timeouts are short. All copies of data are of one origin, so a state transfer only has to name the position.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVICE = ROOT / "roles/stretch_arbiter/files/arbiter.py"
# The interpreter of the service: another one shows that it runs on older Pythons.
PYTHON = os.environ.get("STRETCH_ARBITER_PYTHON", sys.executable)
PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
GROUP = "arbitrated"
# Quicker than the defaults, but longer than a busy machine may stop for: a voter that is not heard of is cut off.
QUICK = {
    "evs.inactive_check_period": "PT0.2S",
    "evs.inactive_timeout": "PT10S",
    "evs.install_timeout": "PT5S",
    "evs.keepalive_period": "PT0.3S",
    "evs.suspect_timeout": "PT3S",
    "gmcast.peer_timeout": "PT3S",
    "gmcast.time_wait": "PT1S",
}
SST = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in --role) role=$2 ;; --address) address=$2 ;; --gtid) gtid=$2 ;; esac
    shift
done
position=$SST_DIRECTORY/${address%%/*}
if [ "$role" = joiner ]; then
    rm -f "$position"
    echo "ready $address"
    until [ -s "$position" ]; do sleep 0.1; done
    cat "$position"
else
    echo "$gtid" > "$position.new" && mv "$position.new" "$position"
    echo "done $gtid"
fi
"""


def written(options: dict[str, str]) -> str:
    """Return options as the provider reads them."""
    return ";".join(f"{name}={value}" for name, value in options.items())


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a process that may have ended."""
    if process.poll() is None:
        process.kill()
    process.wait()


class Lab:
    """Addresses, certificates and data for one cluster."""

    def __init__(self, directory: Path) -> None:
        """Make the certificate and an empty data directory."""
        self.directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        (directory / "bin").mkdir()
        (directory / "bin/wsrep_sst_test").write_text(SST)
        (directory / "bin/wsrep_sst_test").chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{directory}/bin{os.pathsep}{os.environ['PATH']}",
            "SST_DIRECTORY": str(directory),
        }
        self.certify()
        self.account = ["--user=root"] if os.getuid() == 0 else []
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                *self.account,
                f"--datadir={directory}/seed",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
            env=self.environment,
        )

    def certify(self) -> None:
        """Make the certificate of everybody, which is its own authority."""
        new = self.directory / "new"
        new.mkdir()
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", "1", "-subj", "/CN=voter", "-keyout", str(new / "key.pem"), "-out", str(new / "cert.pem")),
            ],
            check=True,
            capture_output=True,
        )
        before = self.directory / "ca.pem"
        (new / "ca.pem").write_text((new / "cert.pem").read_text() + (before.read_text() if before.exists() else ""))
        for path in new.iterdir():
            path.replace(self.directory / path.name)
        new.rmdir()

    def originate(self) -> None:
        """Give the data a position, which every member then starts with."""
        origin = Member(self, 250, 1)
        origin.start(bootstrap=True)
        origin.until("Primary", 1, 1)
        origin.stop()
        shutil.rmtree(self.directory / "seed")
        (origin.directory / "data").rename(self.directory / "seed")
        shutil.rmtree(origin.directory)
        for name in ("gvwstate.dat", "galera.cache"):
            (self.directory / "seed" / name).unlink(missing_ok=True)

    def options(self, number: int, weight: int, segment: int) -> dict[str, str]:
        """Return the options of the provider for a voter."""
        return {
            **QUICK,
            "gmcast.listen_addr": f"tcp://127.0.1.{number}:{self.port}",
            "gmcast.segment": str(segment),
            "pc.weight": str(weight),
            "socket.ssl": "YES",
            **{f"socket.ssl_{name}": str(self.directory / f"{name}.pem") for name in ("ca", "cert", "key")},
        }

    def address(self, *numbers: int) -> str:
        """Return the address of a group."""
        return "gcomm://" + ",".join(f"127.0.1.{number}:{self.port}" for number in numbers)


class Member:
    """A member with data, on 127.0.1.NUMBER."""

    def __init__(self, lab: Lab, number: int, weight: int) -> None:
        """Copy its data."""
        self.lab, self.number, self.weight = lab, number, weight
        self.directory = lab.directory / f"m{number}"
        self.log = self.directory / "log.err"
        self.process: subprocess.Popen[bytes] | None = None
        self.directory.mkdir()
        shutil.copytree(lab.directory / "seed", self.directory / "data")

    def start(
        self, bootstrap: bool = False, extra: dict[str, str] | None = None, peers: tuple[int, ...] = (1, 2)
    ) -> None:
        """Start it; it is not waited for."""
        state = self.directory / "data/grastate.dat"
        if bootstrap and state.exists():
            state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        options = {
            **self.lab.options(self.number, self.weight, self.number),
            "ist.recv_addr": f"127.0.1.{self.number}:{self.lab.port + 1}",
            "gcache.size": "1M",
            **(extra or {}),
        }
        self.process = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                *self.lab.account,
                f"--datadir={self.directory}/data",
                f"--socket={self.directory}/s",
                "--skip-networking",
                f"--log-error={self.log}",
                "--innodb-buffer-pool-size=16M",
                "--binlog-format=ROW",
                "--innodb-autoinc-lock-mode=2",
                "--wsrep-on=ON",
                f"--wsrep-provider={PROVIDER}",
                f"--wsrep-cluster-address={self.lab.address(*peers)}",
                f"--wsrep-cluster-name={GROUP}",
                f"--wsrep-node-name=m{self.number}",
                f"--wsrep-node-address=127.0.1.{self.number}",
                "--wsrep-sst-method=test",
                f"--wsrep-sst-receive-address=127.0.1.{self.number}:{self.lab.port + 2}",
                f"--wsrep-provider-options={written(options)}",
                *(["--wsrep-new-cluster"] if bootstrap else []),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.lab.environment,
        )

    def sql(self, statement: str) -> Any:
        """Run a statement as root."""
        with contextlib.closing(
            pymysql.connect(unix_socket=str(self.directory / "s"), user="root", read_timeout=20, autocommit=None)
        ) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def set(self, name: str, value: str) -> str:
        """Set an option of the provider; returns nothing, or why the server refuses it."""
        try:
            self.sql(f"SET GLOBAL wsrep_provider_options = '{name}={value}'")
        except pymysql.err.MySQLError as error:
            return str(error)
        return ""

    def options(self) -> dict[str, str]:
        """Return the options of the provider that are in force."""
        text = self.sql("SELECT @@wsrep_provider_options")[0][0]
        pairs = (pair.split("=", 1) for pair in text.split(";") if "=" in pair)
        return {name.strip(): value.strip() for name, value in pairs}

    def state(self) -> tuple[str, int, int]:
        """Return the component, its size and its weight; of a server that does not answer, nothing."""
        try:
            found = dict(self.sql("SHOW GLOBAL STATUS LIKE 'wsrep_cluster_%'"))
        except pymysql.err.MySQLError:
            return "", 0, 0
        size, weight = (int(found.get(f"wsrep_cluster_{name}") or 0) for name in ("size", "weight"))
        return found["wsrep_cluster_status"], size, weight

    def until(self, component: str, size: int, weight: int, limit: float = 90) -> None:
        """Wait for a state."""
        deadline = time.monotonic() + limit
        while self.state() != (component, size, weight):
            if time.monotonic() > deadline or (self.process and self.process.poll() is not None):
                pytest.fail(f"m{self.number} is {self.state()}:\n" + self.log.read_text(errors="replace")[-6000:])
            time.sleep(0.1)

    def isolate(self, isolated: bool) -> None:
        """Cut it off from everybody, or no longer."""
        assert self.set("gmcast.isolate", str(int(isolated))) == ""

    def stop(self) -> None:
        """Stop it in good order."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """Kill it."""
        if self.process is not None:
            end(self.process)


class Arbiter:
    """The arbiter on 127.0.1.9, with its supervisor or without."""

    def __init__(self, lab: Lab, weight: int) -> None:
        """Configure it."""
        self.lab = lab
        self.directory = lab.directory / "arbiter"
        self.directory.mkdir()
        self.log = self.directory / "log"
        self.options = lab.options(9, weight, 0)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, supervised: bool = True) -> None:
        """Start it if it does not run."""
        if self.process is not None and self.process.poll() is None:
            return
        configuration = self.directory / "arbiter.json"
        values = {"name": "g", "group": GROUP, "address": self.lab.address(1, 2)}
        configuration.write_text(json.dumps({**values, "options": self.options, "directory": str(self.directory)}))
        command = [PYTHON, str(SERVICE), str(configuration)]
        if not supervised:
            command = ["garbd", "--name", "g", "--group", GROUP]
            command += ["--address", self.lab.address(1, 2), "--options", written(self.options)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdout=log, stderr=log, env=self.lab.environment, start_new_session=True
            )

    def said(self, text: str) -> int:
        """Count a text in its log since it was started."""
        return self.log.read_text(errors="replace").count(text)

    def until_said(self, text: str, limit: float = 90) -> None:
        """Wait for a text in its log."""
        self._until(lambda: bool(self.said(text)), f"said {text}", limit)

    def until_forgotten(self, limit: float = 90) -> None:
        """Wait until it keeps no view."""
        self._until(lambda: not self.view(), "forgot its view", limit)

    def _until(self, condition: Callable[[], bool], what: str, limit: float) -> None:
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"the arbiter never {what}:\n" + self.log.read_text(errors="replace")[-4000:])
            time.sleep(0.1)

    def view(self) -> str:
        """Return what garbd keeps of its last Primary component."""
        path = self.directory / "gvwstate.dat"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        """Stop it as systemd does."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """Kill all of it, as the loss of its site does."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)
            self.process.wait()
