# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to the members' own ports, which are closed to everybody but the members: over SSH, by a network of its own.

So what is cut between the sites is not cut for who watches.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .model import Description

AGAIN = 0.5
"""Seconds from the end of a tunnel to the next attempt."""
OPTIONS = ("ExitOnForwardFailure=yes", "ServerAliveInterval=1", "ServerAliveCountMax=2", "ConnectTimeout=2")


@dataclass(frozen=True)
class Door:
    """Where a member's database and its check are reached from here."""

    host: str
    database: int
    check: int


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _each in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Tunnel(threading.Thread):
    """An SSH connection to a node that forwards ports; it is made anew whenever it ends."""

    def __init__(self, ssh: Sequence[str], node: str, forwards: Mapping[int, str]) -> None:
        """`forwards`: address and port as seen from the node, by the port here."""
        super().__init__(name=f"tunnel to {node}", daemon=True)
        options = [word for option in OPTIONS for word in ("-o", option)]
        ways = [word for port, target in forwards.items() for word in ("-L", f"127.0.0.1:{port}:{target}")]
        # Before the words of the description, as the first value of an option counts.
        self.argv = [ssh[0], "-N", *options, *ways, *ssh[1:], node]
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        with self._lock:
            if self._process is not None:
                self._process.terminate()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        """Keep it up."""
        while not self._stopped.is_set():
            with self._lock:
                if self._stopped.is_set():
                    return
                self._process = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._process.wait()
            self._stopped.wait(AGAIN)


class Tunnels:
    """One to every member."""

    def __init__(self, description: Description) -> None:
        """Nothing is connected yet."""
        ports = free_ports(2 * len(description.members))
        self.doors = {
            member.name: Door("127.0.0.1", ports[2 * index], ports[2 * index + 1])
            for index, member in enumerate(description.members)
        }
        self._tunnels = [
            Tunnel(
                description.ssh,
                member.name,
                {
                    self.doors[member.name].database: f"{member.address}:{member.port}",
                    self.doors[member.name].check: f"{member.address}:{description.check_port}",
                },
            )
            for member in description.members
        ]

    def __enter__(self) -> Tunnels:
        """Connect."""
        for tunnel in self._tunnels:
            tunnel.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the connections."""
        for tunnel in self._tunnels:
            tunnel.stop()
