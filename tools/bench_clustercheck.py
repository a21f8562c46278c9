# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare clustercheck with the usual shell script: CPU per check and latency at several rates.

usage: python tools/bench_clustercheck.py [SECONDS]

Starts a MariaDB with Galera on 127.0.0.1, and in one run asks first the script, then clustercheck, for SECONDS (6
unless told) at each rate. Prints a table, and writes .build/bench/clustercheck.json.

The script is the one in common use: a server forks it for every check, and it forks a client of the database, reads
wsrep_local_state and prints an HTTP answer. Its variants that ask for read_only too fork a second client.

A check begins when it is due, whether or not earlier ones are answered, as those of many HAProxies do, and its time
counts from then. One that is not answered within 2 s has failed. No more than 100 are open at a time, as the host would
be lost with more; one that is due then is not sent, and counts as unanswered. The CPU time is that of the whole tree of
processes, those that have ended too, and is compared with the script's best, as a script that cannot keep up wastes
most of its own. Beside it stands the database's, and how busy others kept the machine: latencies are only worth
something where that is little.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration/clustercheck"))

from clustercheck_harness import PROVIDER, Member, Service, free_port, stop

RATES = (36, 500, 1000)
CLIENT_LIMIT = 2.0
OPEN_LIMIT = 100
PART_OF_CPU = 0.1
P99_LIMIT = 0.020
TICK = os.sysconf("SC_CLK_TCK")

SCRIPT = """#!/bin/bash
MYSQL_OPTS="--defaults-extra-file={options} --connect-timeout=10 -nNE"
AVAILABLE_WHEN_DONOR=0

WSREP_STATUS=$(mysql $MYSQL_OPTS -e "SHOW STATUS LIKE 'wsrep_local_state';" 2>/dev/null | tail -1)
if [[ "$WSREP_STATUS" == "4" ]] || [[ "$WSREP_STATUS" == "2" && $AVAILABLE_WHEN_DONOR == 1 ]]; then
    echo -en "HTTP/1.1 200 OK\\r\\n"
    echo -en "Content-Type: text/plain\\r\\n"
    echo -en "Connection: close\\r\\n"
    echo -en "Content-Length: 32\\r\\n"
    echo -en "\\r\\n"
    echo -en "Galera cluster node is synced.\\r\\n"
    exit 0
fi
echo -en "HTTP/1.1 503 Service Unavailable\\r\\n"
echo -en "Content-Type: text/plain\\r\\n"
echo -en "Connection: close\\r\\n"
echo -en "Content-Length: 36\\r\\n"
echo -en "\\r\\n"
echo -en "Galera cluster node is not synced.\\r\\n"
exit 1
"""


@dataclass
class Result:
    """One contestant at one rate; CPU in seconds per answered check, latency in seconds, others' part of all cores."""

    what: str
    rate: int
    asked: int
    answered: int
    cpu: float
    database_cpu: float
    p50: float | None
    p99: float | None
    others: float

    @property
    def keeps_up(self) -> bool:
        """Whether all but one in a thousand were answered."""
        return self.answered >= 0.999 * self.asked


def cpu_of(process: int) -> float:
    """Return the CPU seconds of a process, of its children that have ended and of those that live."""
    total = 0.0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        total = sum(int(field) for field in fields[11:15]) / TICK
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += cpu_of(int(child))
    return total


class Asker:
    """Checks at a rate, many at a time, at little expense of its own: the machine may have no core to spare."""

    def __init__(self, port: int) -> None:
        """Ask whoever listens there."""
        self.port = port
        self.poll = select.epoll()
        self.open: collections.OrderedDict[int, tuple[socket.socket, float, float]] = collections.OrderedDict()
        self.latencies: list[float] = []

    def run(self, rate: int, seconds: float) -> list[float]:
        """Ask; return the sorted latencies of the checks that were answered with 200."""
        due = [time.monotonic() + number / rate for number in range(int(rate * seconds))]
        due.reverse()
        while due or self.open:
            now = time.monotonic()
            while due and due[-1] <= now:
                if len(self.open) < OPEN_LIMIT:
                    self.begin(due[-1], now)
                due.pop()
            for number in [number for number, one in self.open.items() if now - one[2] > CLIENT_LIMIT]:
                self.end(number)
            for number, _events in self.poll.poll(max(0.0, min(due[-1] - time.monotonic(), 0.05)) if due else 0.05):
                self.receive(number)
        self.poll.close()
        return sorted(self.latencies)

    def begin(self, due: float, now: float) -> None:
        """Connect; on this machine that takes no time."""
        one = socket.socket()
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(("127.0.0.1", self.port))
        try:
            one.send(b"OPTIONS / HTTP/1.0\r\n\r\n")
        except OSError:  # the queue is full
            one.close()
            return
        self.open[one.fileno()] = one, due, now
        self.poll.register(one, select.EPOLLIN | select.EPOLLHUP)

    def receive(self, number: int) -> None:
        """Take the answer, which is so short that it comes in one piece."""
        one, due, _begun = self.open[number]
        with contextlib.suppress(OSError):
            if one.recv(4096).startswith(b"HTTP/1.1 200 "):
                self.latencies.append(time.monotonic() - due)
        self.end(number)

    def end(self, number: int) -> None:
        """Be done with one."""
        self.poll.unregister(number)
        self.open.pop(number)[0].close()


def busy() -> float:
    """Return the CPU seconds that the machine has spent, all cores together."""
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK  # all but idle and waiting for disks


def percentile(ordered: list[float], part: float) -> float | None:
    """Return a percentile of sorted values, by the nearest rank."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


def measure(what: str, process: int, port: int, database: int, rate: int, seconds: float) -> Result:
    """Ask one contestant at one rate."""
    Asker(port).run(20, 0.5)  # warm
    begin = time.monotonic()
    before = cpu_of(process), cpu_of(database), time.process_time(), busy()
    latencies = Asker(port).run(rate, seconds)
    time.sleep(0.5)  # what a check leaves behind ends
    after = cpu_of(process), cpu_of(database), time.process_time(), busy()
    spent = [late - early for early, late in zip(before, after)]
    capacity = (time.monotonic() - begin) * (os.cpu_count() or 1)
    answered = len(latencies)
    # A check that was not answered is as slow as can be.
    unanswered = [float("inf")] * (int(rate * seconds) - answered)
    p99 = percentile(latencies + unanswered, 0.99)
    return Result(
        what,
        rate,
        int(rate * seconds),
        answered,
        spent[0] / max(answered, 1),
        spent[1] / max(answered, 1),
        percentile(latencies, 0.5),
        None if p99 == float("inf") else p99,
        max(0.0, spent[3] - sum(spent[:3])) / capacity,
    )


@contextlib.contextmanager
def script_server(directory: Path, member: Member) -> Iterator[tuple[int, int]]:
    """Serve the script; yields process and port."""
    options = directory / "client.cnf"
    options.write_text(f'[client]\nsocket={member.socket}\nuser=clustercheck\npassword="{member.password}"\n')
    options.chmod(0o600)
    script = directory / "clustercheck.sh"
    script.write_text(SCRIPT.format(options=options))
    script.chmod(0o755)
    port = free_port()
    command = ["socat", f"TCP4-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=1024", f"EXEC:{script}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        time.sleep(0.5)
        yield process.pid, port
    finally:
        # With all that it forked: what is left of an overload would slow down what comes next.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def service_server(directory: Path, member: Member) -> Iterator[tuple[int, int]]:
    """Run clustercheck; yields process and port."""
    service = Service(directory, socket=member.socket, user="clustercheck", password=member.password)
    try:
        service.until(200)
        yield service.process.pid, service.port
    finally:
        stop(service.process)


def shown(seconds: float | None) -> str:
    """Return milliseconds."""
    return "-" if seconds is None else f"{seconds * 1000:.2f}"


def verdicts(results: list[Result]) -> list[tuple[str, str, str, bool]]:
    """Return what is to be reached: name, figure, target, whether it is met."""
    found = []
    by = {(result.what, result.rate): result for result in results}
    best = min(by["script", rate].cpu for rate in RATES)
    for rate in RATES:
        part = by["clustercheck", rate].cpu / best
        name = f"CPU per check as a part of the script's, {rate}/s"
        found.append((name, f"{part:.3f}", f"{PART_OF_CPU:g}", part <= PART_OF_CPU))
    fastest = by["clustercheck", max(RATES)]
    p99 = fastest.p99
    met = fastest.keeps_up and p99 is not None and p99 < P99_LIMIT
    found.append((f"p99 at {max(RATES)}/s, ms", shown(p99), f"< {P99_LIMIT * 1000:g}", met))
    return found


def main() -> int:
    """Run the comparison; the exit status is 1 if a target is missed."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else 6.0
    for program in ("socat", "mysql", "mariadb-install-db"):
        if shutil.which(program) is None or not PROVIDER.exists():
            sys.exit(f"bench_clustercheck: needs {program} and Galera; tools/servers and apt install socat bring them")
    directory = Path(tempfile.mkdtemp(prefix="cb-"))
    member = Member(directory)
    results = []
    try:
        member.start()
        database = member.process.pid if member.process else 0
        member.sql(f"CREATE USER clustercheck@localhost IDENTIFIED BY '{member.password}'")
        for what, server in (("script", script_server), ("clustercheck", service_server)):
            for rate in RATES:
                with server(directory, member) as (process, port):
                    results.append(measure(what, process, port, database, rate, seconds))
    finally:
        member.stop()
        shutil.rmtree(directory)

    write = sys.stdout.write
    write(f"== bench-clustercheck: {os.cpu_count()} cores, {seconds:g} s at each rate\n")
    write("   what          rate/s   answered      CPU ms  database's   p50 ms   p99 ms   others\n")
    for result in results:
        note = "" if result.keeps_up else "  cannot keep up"
        write(
            f"   {result.what:<12} {result.rate:>7} {100 * result.answered / result.asked:>9.1f}%"
            f" {shown(result.cpu):>11} {shown(result.database_cpu):>11} {shown(result.p50):>8} {shown(result.p99):>8}"
            f" {100 * result.others:>7.0f}%{note}\n"
        )
    reached = verdicts(results)
    for name, figure, target, met in reached:
        write(f"   {name:<50} {figure:>8}   target {target:>5}   {'met' if met else 'missed'}\n")
    path = ROOT / ".build/bench/clustercheck.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("name", "figure", "target", "met")
    written = {
        "cores": os.cpu_count(),
        "seconds": seconds,
        "results": [asdict(result) for result in results],
        "targets": [dict(zip(names, one)) for one in reached],
    }
    path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0 if all(met for *_figures, met in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
