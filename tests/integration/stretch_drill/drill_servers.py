# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Galera cluster of processes on 127.0.0.1, with TLS and an arbiter, whose members can be killed and hung."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymysql
import pytest

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
SUSPECT = 5.0
"""evs.suspect_timeout of the cluster, seconds; Galera's default, as a machine that does other work needs it."""


# What a member misses it gets from the others as write sets (IST). Of a state transfer that leaves only to tell the
# joiner the position, which both sides' scripts do over a file; a full copy is refused.
TRANSFER = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
        --role) role=$2; shift ;;
        --address) address=${2##*/}; shift ;;
        --gtid) gtid=$2; shift ;;
        --bypass) bypass=1 ;;
        --mysqld-args) break ;;
    esac
    shift
done
if [ "$role" = joiner ]; then
    echo "ready 127.0.0.1:1/$$"
    until [ -s "@/$$" ]; do sleep 0.05; done
    cat "@/$$"
else
    [ "$bypass" ] || exit 22
    echo "$gtid" > "@/new.$address" && mv "@/new.$address" "@/$address"
    echo "done $gtid"
fi
"""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on; all different."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _each in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def make_certificate(directory: Path) -> None:
    """A CA and a certificate by it that every member uses."""

    def run(*argv: str) -> None:
        subprocess.run(argv, cwd=directory, check=True, capture_output=True)

    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(*new, "-x509", "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    run(*new, "-subj", "/CN=member", "-keyout", "key.pem", "-out", "request.pem")
    sign = ["openssl", "x509", "-req", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    run(*sign, "-in", "request.pem", "-out", "cert.pem")
    for path in directory.iterdir():
        path.chmod(0o644)


class Server:
    """One member."""

    def __init__(self, directory: Path, name: str, cluster: str, ports: tuple[int, int, int]) -> None:
        """Set it up without data; ports for clients, replication and IST."""
        self.directory = directory
        self.name = name
        self.port, gcomm, ist = ports
        self.socket = directory / "mysql.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.position = ""
        directory.mkdir()
        tls = directory.parent / "tls"
        options = {
            "gmcast.listen_addr": f"tcp://127.0.0.1:{gcomm}",
            "ist.recv_addr": f"127.0.0.1:{ist}",
            "gcache.size": "16M",
            "pc.recovery": "FALSE",
        }
        self.command = [
            "/usr/sbin/mariadbd",
            "--no-defaults",
            *(["--user=root"] if os.getuid() == 0 else []),
            f"--datadir={directory}/data",
            f"--socket={self.socket}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--pid-file={directory}/pid",
            f"--log-error={directory}/server.err",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=16M",
            "--innodb-log-file-size=8M",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            f"--ssl-ca={tls}/ca.pem",
            f"--ssl-cert={tls}/cert.pem",
            f"--ssl-key={tls}/key.pem",
            "--wsrep-on=ON",
            "--wsrep-sst-method=bypass",
            f"--wsrep-provider={PROVIDER}",
            f"--wsrep-node-name={name}",
            f"--wsrep-node-address=127.0.0.1:{gcomm}",
            f"--wsrep-node-incoming-address=127.0.0.1:{self.port}",
            f"--wsrep-provider-options={';'.join(f'{key}={value}' for key, value in options.items())}",
        ]
        self.cluster = cluster

    def start(self, bootstrap: bool = False) -> None:
        """Start it, with no wait."""
        grastate = self.directory / "data/grastate.dat"
        if bootstrap and grastate.exists():
            grastate.write_text(grastate.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        command = [*self.command, f"--wsrep-cluster-address={'gcomm://' if bootstrap else self.cluster}"]
        if grastate.exists():
            self.recovered()
            command.append(f"--wsrep-start-position={self.position}")
        if bootstrap:
            command.append("--wsrep-new-cluster")
        scripts = self.directory.parent / "scripts"
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def status(self) -> dict[str, str]:
        """Its status variables; empty when it does not answer."""
        with contextlib.suppress(pymysql.err.Error):
            return dict(self.sql("SHOW GLOBAL STATUS LIKE 'wsrep%'"))
        return {}

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def recovered(self) -> int:
        """The seqno that its data directory holds; it must not run."""
        log = self.directory / "recover.err"
        log.unlink(missing_ok=True)
        address = f"--wsrep-cluster-address={self.cluster}"
        recover = [*self.command, address, "--wsrep-recover", "--skip-networking", f"--log-error={log}"]
        subprocess.run(recover, check=True, capture_output=True)
        self.position = log.read_text().split("Recovered position:")[-1].split()[0]
        return int(self.position.rsplit(":", 1)[1])

    def wait_synced_somehow(self, limit: float = 20) -> None:
        """Wait until it is Synced, or was killed, or the time is over."""
        deadline = time.monotonic() + limit
        while self.running and time.monotonic() < deadline:
            if self.status().get("wsrep_local_state_comment") == "Synced":
                return
            time.sleep(0.2)

    def wait_synced(self, size: int, limit: float = 60) -> None:
        """Wait until it is Synced in a component of that many."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            found = self.status()
            if found.get("wsrep_local_state_comment") == "Synced" and found["wsrep_cluster_size"] == str(size):
                return
            time.sleep(0.1)
        pytest.fail((self.directory / "server.err").read_text()[-5000:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        """End it in good order."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)

    def sql(self, statement: str) -> Any:
        """Run a statement as root on a connection of its own."""
        with contextlib.closing(
            pymysql.connect(unix_socket=str(self.socket), user="root", read_timeout=5)
        ) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()


class Cluster:
    """Members on two sites, s1 and s2, and an arbiter."""

    def __init__(self, directory: Path, names: tuple[str, ...] = ("s1-0", "s1-1", "s2-0", "s2-1")) -> None:
        """Make the directories."""
        self.directory = directory
        (directory / "tls").mkdir()
        make_certificate(directory / "tls")
        script = directory / "scripts/wsrep_sst_bypass"
        script.parent.mkdir()
        script.write_text(TRANSFER.replace("@", str(script.parent)))
        script.chmod(0o755)
        ports = free_ports(3 * len(names) + 1)
        groups = list(zip(ports[::3], ports[1::3], ports[2::3]))
        self.address = "gcomm://" + ",".join(f"127.0.0.1:{group[1]}" for group in groups)
        self.servers = {name: Server(directory / name, name, self.address, group) for name, group in zip(names, groups)}
        self.arbiter_port = ports[-1]
        self.arbiter: subprocess.Popen[bytes] | None = None

    def start_arbiter(self) -> None:
        """Start garbd."""
        options = f"gmcast.listen_addr=tcp://127.0.0.1:{self.arbiter_port}"
        address = self.address.removeprefix("gcomm://")
        command = ["garbd", f"--address=gcomm://{address}", "--group=my_wsrep_cluster", f"--options={options}"]
        with (self.directory / "garbd.log").open("wb") as log:
            self.arbiter = subprocess.Popen([*command, "--name=arbiter"], cwd=self.directory, stdout=log, stderr=log)

    def start(self, first: str) -> None:
        """Bootstrap `first`; the others begin with a copy of its data and join one by one, the arbiter last."""
        account = ["--user=root"] if os.getuid() == 0 else []
        data = self.servers[first].directory / "data"
        install = ["mariadb-install-db", "--no-defaults", *account, f"--datadir={data}", "--skip-test-db"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
        self.servers[first].start(bootstrap=True)
        self.servers[first].wait_synced(1)
        self.servers[first].stop()
        others = [server for name, server in self.servers.items() if name != first]
        for server in others:
            subprocess.run(["cp", "-a", str(data), str(server.directory / "data")], check=True)
        self.servers[first].start(bootstrap=True)
        self.servers[first].wait_synced(1)
        for size, server in enumerate(others, 2):
            server.start()
            server.wait_synced(size)
        self.start_arbiter()
        self.wait_whole()

    def wait_whole(self) -> None:
        """Wait until all are Synced in one component with the arbiter."""
        for server in self.servers.values():
            server.wait_synced(len(self.servers) + 1)

    def stop(self) -> None:
        """End everything, also what hangs."""
        processes = [server.process for server in self.servers.values()] + [self.arbiter]
        for process in processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


class Lab:
    """The cluster as the lab would have it: power, an agent that starts members, a VIP for each site.

    Stands in for the commands that the drill gives: :meth:`run` is its runner.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Everything has power."""
        self.cluster = cluster
        self.powered = {*cluster.servers, "arbiter-0"}
        self.commands: list[tuple[str, ...]] = []
        self.vips = {site: Vip(self, site) for site in ("s1", "s2")}
        self._stopped = threading.Event()
        self._agent = threading.Thread(target=self._start_members, daemon=True)
        self._agent.start()

    def stop(self) -> None:
        """End the agent and the VIPs, not the cluster."""
        self._stopped.set()
        self._agent.join()
        for vip in self.vips.values():
            vip.stop()

    def _start_members(self) -> None:
        """Start what has power and does not run: join a Primary component, or elect when all are there."""
        servers = self.cluster.servers
        while not self._stopped.wait(0.5):
            arbiter = self.cluster.arbiter
            if "arbiter-0" in self.powered and (arbiter is None or arbiter.poll() is not None):
                self.cluster.start_arbiter()
            down = [name for name, server in servers.items() if name in self.powered and not server.running]
            if not down:
                continue
            running = [server for server in servers.values() if server.running]
            sizes = [
                int(status["wsrep_cluster_size"])
                for status in (server.status() for server in running)
                if status.get("wsrep_cluster_status") == "Primary"
            ]
            # A member that is back before its death was noticed leaves the others waiting for the dead one.
            if sizes and max(sizes) <= len(running) + 1:
                servers[down[0]].start()
                servers[down[0]].wait_synced_somehow()
            elif len(down) == len(servers):
                servers[max(down, key=lambda name: servers[name].recovered())].start(bootstrap=True)

    def run(self, argv: Sequence[str], text: str) -> str:
        """Do what a command of the drill says."""
        self.commands.append(tuple(argv))
        verb, *rest = argv
        if verb == "off":
            self.powered -= set(rest)
            for name in rest:
                if name in self.cluster.servers:
                    self.cluster.servers[name].signal(signal.SIGKILL)
                elif self.cluster.arbiter is not None:
                    self.cluster.arbiter.kill()
                    self.cluster.arbiter.wait()
            return ""
        if verb == "on":
            self.powered |= set(rest)
            return ""
        node, command = rest
        words = shlex.split(command)
        if "/mysql.sock" in command:
            for statement in text.split(";\n"):
                if statement.strip():
                    self.cluster.servers[node].sql(statement)
            return ""
        return self._verb(node, words[3:]) if words[0] == "sh" else ""

    def _verb(self, node: str, words: list[str]) -> str:
        server = self.cluster.servers[node]
        if words[0] == "read":
            return (self.cluster.directory / "tls/ca.pem").read_text()
        if words[0] == "signal":
            server.signal(signal.Signals[f"SIG{words[1]}"])
        return str(server.process.pid) if server.process is not None and server.running else ""


class Vip(threading.Thread):
    """What HAProxy does for a site: sends a client to the first healthy member, the site's own first."""

    def __init__(self, lab: Lab, site: str) -> None:
        """Listen on a port of its own."""
        super().__init__(daemon=True)
        self.lab = lab
        names = sorted(lab.cluster.servers, key=lambda name: (not name.startswith(site), name))
        self.servers = [lab.cluster.servers[name] for name in names]
        self.healthy: list[Server] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self._stopped = threading.Event()
        threading.Thread(target=self._check, daemon=True).start()
        self.start()

    def stop(self) -> None:
        """Take no more clients."""
        self._stopped.set()
        self.listener.close()

    def _check(self) -> None:
        while not self._stopped.wait(0.3):
            self.healthy = [
                server for server in self.servers if server.status().get("wsrep_local_state_comment") == "Synced"
            ]

    def run(self) -> None:
        """Accept clients."""
        with contextlib.suppress(OSError):
            while True:
                client, _address = self.listener.accept()
                try:
                    member = socket.create_connection(("127.0.0.1", self.healthy[0].port), timeout=1)
                except (OSError, IndexError):
                    client.close()
                    continue
                for one, other in ((client, member), (member, client)):
                    threading.Thread(target=_pass, args=(one, other), daemon=True).start()


def _pass(one: socket.socket, other: socket.socket) -> None:
    one.settimeout(None)
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for each in (one, other):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
