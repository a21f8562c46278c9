# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Galera cluster of three on the loopback, and what it has to bear while something is written to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
from merge_bench.measure import Watched
from merge_bench.servers import SECONDS, Server
from merge_servers import free_port
from stretch_arbiter_harness import PROVIDER, SST

MEMBERS = 3
LOOK = 0.2
"""Seconds between two looks at the members."""

WAIT = 0.1
"""Seconds between two writes of the other client."""

SHARED = {
    "binlog-format": "ROW",
    "wsrep-on": "ON",
    "wsrep-provider": str(PROVIDER),
    "wsrep-cluster-name": "bench",
    "wsrep-slave-threads": "4",
    "wsrep-sst-method": "test",
}
"""As the role sets them, but for the transfer of state: the members start as copies of one another."""


class Cluster:
    """The members; the first is the one that is written to."""

    def __init__(self, directory: Path, sockets: Path, options: Sequence[str]) -> None:
        """Lay them out."""
        self.directory, self.sockets, self.options = directory, sockets, options
        self.port = free_port()
        self.members = [self._member(number) for number in range(1, MEMBERS + 1)]

    def _member(self, number: int) -> Server:
        address = f"127.0.1.{number}"
        provider = (
            f"gmcast.listen_addr=tcp://{address}:{self.port};ist.recv_addr={address}:{self.port + 1};"
            f"gmcast.segment={number};gcache.size=128M"
        )
        peers = ",".join(f"127.0.1.{one}:{self.port}" for one in range(1, MEMBERS + 1))
        return Server(
            directory=self.directory / f"member{number}",
            sockets=self.sockets,
            options=(
                *self.options,
                *(f"--{name}={value}" for name, value in SHARED.items()),
                f"--wsrep-node-name=member{number}",
                f"--wsrep-node-address={address}",
                f"--wsrep-sst-receive-address={address}:{self.port + 2}",
                f"--wsrep-cluster-address=gcomm://{peers}",
                f"--wsrep-provider-options={provider}",
            ),
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[Cluster]:
        """Run all members until the end of the context."""
        programs = self.directory / "bin"
        programs.mkdir(parents=True)
        (programs / "wsrep_sst_test").write_text(SST)
        (programs / "wsrep_sst_test").chmod(0o755)
        self._originate()
        # The servers inherit both.
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        os.environ["SST_DIRECTORY"] = str(self.directory)
        with contextlib.ExitStack() as stack:
            for number, member in enumerate(self.members, 1):
                stack.enter_context(member.running(*(["--wsrep-new-cluster"] if number == 1 else [])))
                self._until(lambda number=number: status(self.members[0])["wsrep_cluster_size"] == str(number))
                self._until(lambda member=member: status(member)["wsrep_local_state_comment"] == "Synced")
            yield self

    def _originate(self) -> None:
        """Give all members data of one origin and position."""
        first = self.members[0]
        with first.running("--wsrep-new-cluster"):
            self._until(lambda: status(first)["wsrep_local_state_comment"] == "Synced")
        for name in ("gvwstate.dat", "galera.cache"):
            (first.data / name).unlink(missing_ok=True)
        for member in self.members[1:]:
            shutil.copytree(first.data, member.data)
        state = first.data / "grastate.dat"
        state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))

    @staticmethod
    def _until(condition: Any) -> None:
        limit = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > limit:
                raise RuntimeError("the members do not become a cluster")
            time.sleep(0.1)

    def differing(self, databases: Sequence[str]) -> list[str]:
        """Tables that are not the same on all members, once all have applied everything."""
        wanted = status(self.members[0])["wsrep_last_committed"]
        for member in self.members:
            self._until(lambda member=member: int(status(member)["wsrep_last_committed"]) >= int(wanted))
        found = []
        for database in databases:
            tables = [
                str(name)
                for (name,) in self.members[0].query(
                    "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (database,)
                )
            ]
            for table in tables:
                sums = {member.query(f"CHECKSUM TABLE `{database}`.`{table}`")[0][1] for member in self.members}
                if len(sums) != 1 or None in sums:
                    found.append(f"{database}.{table}")
        return found

    @contextlib.contextmanager
    def watched(self) -> Iterator[Watched]:
        """Watch the members, and write a little to another one than the first, as other services do."""
        self.members[0].query("CREATE DATABASE IF NOT EXISTS bench_other")
        self.members[0].query("CREATE OR REPLACE TABLE bench_other.writes (id INT PRIMARY KEY, n INT NOT NULL)")
        self.members[0].query("INSERT INTO bench_other.writes VALUES (1, 0)")
        watched = Watched()
        done = threading.Event()
        threads = [
            threading.Thread(target=self._look, args=(watched, done), daemon=True),
            threading.Thread(target=self._write, args=(watched, done), daemon=True),
        ]
        before, begin = [status(member) for member in self.members], time.monotonic()
        for thread in threads:
            thread.start()
        try:
            yield watched
        finally:
            done.set()
            for thread in threads:
                thread.join()
        nanoseconds = (time.monotonic() - begin) * 1e9
        after = [status(member) for member in self.members]
        name = "wsrep_flow_control_paused_ns"
        watched.paused = [(int(late[name]) - int(early[name])) / nanoseconds for early, late in zip(before, after)]
        # The other client's are written to the second member.
        watched.write_sets = int(after[0]["wsrep_replicated"]) - int(before[0]["wsrep_replicated"])
        watched.replicated = int(after[0]["wsrep_replicated_bytes"]) - int(before[0]["wsrep_replicated_bytes"])

    def _look(self, watched: Watched, done: threading.Event) -> None:
        watched.queues = [0] * MEMBERS
        sets = replicated = 0
        with contextlib.ExitStack() as stack:
            cursors = [stack.enter_context(member.cursor()) for member in self.members]
            last = False
            while not last:
                last = done.wait(LOOK if sets else 0)
                for number, cursor in enumerate(cursors):
                    cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep_%'")
                    found = dict(cursor.fetchall())
                    watched.queues[number] = max(watched.queues[number], int(found["wsrep_local_recv_queue"]))
                    if number == 0:
                        now = int(found["wsrep_replicated"]), int(found["wsrep_replicated_bytes"])
                        if sets and now[0] > sets:
                            watched.largest = max(watched.largest, (now[1] - replicated) / (now[0] - sets))
                        sets, replicated = now

    def _write(self, watched: Watched, done: threading.Event) -> None:
        with self.members[1].cursor("bench_other") as cursor:
            while not done.wait(WAIT):
                begin = time.monotonic()
                with contextlib.suppress(pymysql.err.OperationalError):  # a deadlock is an answer too
                    cursor.execute("UPDATE writes SET n = n + 1")
                watched.waits.append(time.monotonic() - begin)


def status(member: Server) -> dict[str, str]:
    """What a member says of its cluster."""
    return {str(name): str(value) for name, value in member.query("SHOW GLOBAL STATUS LIKE 'wsrep_%'")}


def limit(member: Server) -> int:
    """Bytes of the largest write set that a member takes."""
    return int(member.query("SELECT @@wsrep_max_ws_size")[0][0])
