# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers on which a merge and a plain copy are compared, and what is done on them."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merge_bench import measure
from merge_bench.changes import changes
from merge_bench.cluster import Cluster
from merge_bench.measure import Cost
from merge_bench.population import BECOME_ONE, Sizes, Stack, statements
from merge_bench.servers import Server
from merge_servers import ROOT, Keystone

KEPT = ROOT / ".build/bench-merge"
MODULE = "ansible_collections.stretch.cluster.plugins.modules.keystone_merge"
STACKS = ("stack1", "stack2")
SMALLER = 10
"""How many times smaller the small Keystones are."""

LARGE, SMALL = "keystone", "keystone_small"
UNMERGED = {"alembic_version", "token"}
NAMES = "SET NAMES utf8mb3"
"""Computed ids are compared with columns of this character set; with another one the server would read every row."""

LOGGED = ("--log-bin=log", "--binlog-format=ROW", "--sync-binlog=1")
"""Arguments of a source that keeps a binary log."""

SETTLED = 50
"""Pages that a server may still have to write when it counts as idle."""


class BenchError(Exception):
    """What was to be measured did not happen."""


@dataclass
class Bench:
    """Servers that run, and who may do what on them."""

    stacks: dict[str, Stack]
    sources: list[Server]
    targets: list[Server]
    cluster: Cluster | None
    schema: bytes
    directory: Path
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def target(self) -> Server:
        """The server that is written to."""
        return self.targets[0]

    def prepare(self) -> None:
        """Make the accounts: those of a merge may do no more than its documentation asks for."""
        for server in (*self.sources, self.target):
            server.query("CREATE OR REPLACE USER copier@'%%' IDENTIFIED BY %s", (self.password,))
            server.query("GRANT ALL ON *.* TO copier@'%'")
        for source in self.sources:
            source.query("CREATE OR REPLACE USER source@'%%' IDENTIFIED BY %s", (self.password,))
            source.query("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO source@'%'")
            for database in (LARGE, SMALL):
                source.query(f"GRANT SELECT ON `{database}`.* TO source@'%'")
                # A server that was stopped right after it was filled believes that its tables are empty.
                for table in self._counts(source, database):
                    source.query(f"ANALYZE TABLE `{database}`.`{table}`")
                # What has been read once is in memory for everybody.
                self._dump(source, database, subprocess.DEVNULL).wait()
        self.target.query("CREATE OR REPLACE USER merger@'%%' IDENTIFIED BY %s", (self.password,))
        for database in (LARGE, SMALL):
            for name in (database, f"{database}_state"):
                self.target.query(f"GRANT ALL ON `{name}`.* TO merger@'%'")

    def rows(self, database: str) -> int:
        """Rows of all stacks."""
        return sum(sum(self._counts(source, database).values()) for source in self.sources)

    def make_ready(self, name: str, number: int) -> None:
        """Bring the servers to where a step of a round begins: nothing is left for them to write."""
        if name in ("again", "rows"):
            self._change(number)
        else:
            for (database,) in self.target.query("SHOW DATABASES"):
                if database.startswith(("copy_", LARGE)):
                    self.target.query(f"DROP DATABASE `{database}`")
        if name in ("merge", "small"):
            self.target.load(SMALL if name == "small" else LARGE, self.schema)
        self._settle()

    def do(self, name: str) -> Cost:
        """Take a step."""
        if name == "copy":
            return self._copy()
        return self._merge(SMALL if name == "small" else LARGE, "rows" if name == "rows" else "log")

    def miscounted(self, database: str) -> list[str]:
        """Tables of the target that do not hold the rows of the sources."""
        wanted = [self._counts(source, database) for source in self.sources]
        found = self._counts(self.target, database)
        wrong = []
        for table, rows in found.items():
            all_ = sum(counts[table] for counts in wanted) - (len(wanted) - 1) * BECOME_ONE.get(table, 0)
            if rows != all_:
                wrong.append(f"{table} has {rows} rows instead of {all_}")
        return wrong

    def uncarried(self, number: int) -> list[str]:
        """Changes of a round that the target does not show."""
        wrong = []
        with self.target.cursor(LARGE) as cursor:
            cursor.execute(NAMES)
            for change in [change for stack in self.stacks.values() for change in changes(stack, number)]:
                cursor.execute(change.found)
                rows = cursor.fetchall()[0][0]
                if rows != change.wanted:
                    wrong.append(f"{rows} instead of {change.wanted} after {change.statement[:60]}...")
        return wrong

    def _change(self, number: int) -> None:
        """Change rows of the large sources."""
        for source, stack in zip(self.sources, self.stacks.values()):
            with source.cursor(LARGE) as cursor:
                cursor.execute(NAMES)
                for change in changes(stack, number):
                    rows = cursor.execute(change.statement)
                    if rows != change.rows:
                        raise BenchError(f"{rows} rows instead of {change.rows} changed: {change.statement}")

    def _copy(self) -> Cost:
        """The plain copy of both large databases."""
        with self._costs() as cost:
            for source, name in zip(self.sources, [f"copy_{name}" for name in self.stacks]):
                self.target.query(f"CREATE DATABASE `{name}`")
                dump = self._dump(source, LARGE, subprocess.PIPE)
                load = subprocess.Popen(self._client("mariadb", self.target, name), stdin=dump.stdout)
                if dump.stdout is not None:
                    dump.stdout.close()
                for ended in (measure.reap(load), measure.reap(dump)):
                    if ended.status:
                        raise BenchError("the plain copy failed")
                    cost.clients += ended.cpu
                    cost.peak = max(cost.peak, ended.peak)
        return cost

    def _options(self, database: str, compare_by: str) -> dict[str, Any]:
        """The module's options."""

        def login(server: Server, user: str, **more: str) -> dict[str, Any]:
            return {
                "login_host": "127.0.0.1",
                "login_port": server.port,
                "login_user": user,
                "login_password": self.password,
                "database": database,
                **more,
            }

        return {
            "sources": [
                login(source, "source", name=name, region=f"region_{name}")
                for name, source in zip(self.stacks, self.sources)
            ],
            "target": login(self.target, "merger"),
            "state_database": f"{database}_state",
            "compare_by": compare_by,
            "id_map": str(self.directory / "id_map.json"),
            "report": str(self.directory / "merge-report.html"),
        }

    def _merge(self, database: str, compare_by: str) -> Cost:
        """The module, as Ansible runs it."""
        arguments, result = self.directory / "arguments.json", self.directory / "result.json"
        arguments.touch(mode=0o600)
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": self._options(database, compare_by)}), encoding="utf-8")
        with result.open("wb") as output, self._costs() as cost:
            ended = measure.run([sys.executable, "-m", MODULE, str(arguments)], output)
            cost.clients, cost.peak = ended.cpu, ended.peak
        try:
            answer = json.loads(result.read_text(encoding="utf-8"))
        except ValueError:
            raise BenchError("the module gave no result") from None
        if ended.status or answer.get("failed"):
            raise BenchError(f"the merge failed: {answer.get('msg')}")
        if not all(how.startswith(compare_by) for how in answer["compared"].values()):
            raise BenchError(f"what changed was found in another way: {answer['compared']}")
        return cost

    def _costs(self) -> contextlib.AbstractContextManager[Cost]:
        return measure.costs([server.pid for server in self.sources], [server.pid for server in self.targets])

    def _settle(self) -> None:
        """Wait until all servers have written what they hold in memory."""
        servers = (*self.sources, *self.targets)
        for server in servers:
            server.query("SET GLOBAL innodb_max_dirty_pages_pct = 0")
        end = time.monotonic() + 120
        for server in servers:
            while self._unwritten(server) > SETTLED and time.monotonic() < end:
                time.sleep(0.1)
            server.query("SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT")

    @staticmethod
    def _unwritten(server: Server) -> int:
        return int(server.query("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1])

    @staticmethod
    def _counts(server: Server, database: str) -> dict[str, int]:
        with server.cursor(database) as cursor:
            cursor.execute("SHOW TABLES")
            counts = {}
            for (table,) in list(cursor.fetchall()):
                if table not in UNMERGED:
                    cursor.execute(f"SELECT COUNT(*) FROM `{table}`")  # noqa: S608 - the server's own names
                    counts[str(table)] = int(cursor.fetchall()[0][0])
            return counts

    def _client(self, program: str, server: Server, *arguments: str) -> list[str]:
        file = self.directory / "client.cnf"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(f"[client]\nhost=127.0.0.1\nuser=copier\npassword={self.password}\n", encoding="utf-8")
        return [program, f"--defaults-file={file}", f"--port={server.port}", *arguments]

    def _dump(self, source: Server, database: str, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._client("mariadb-dump", source, "--single-transaction", database), stdout=output)


def generated(stack: Stack, small: Stack, sockets: Path) -> Path:
    """The directory of a server with the Keystones of a stack; made unless the same ones were made before."""
    parts = [*statements(stack), *statements(small), (ROOT / "tests/integration/requirements-keystone.txt").read_text()]
    mark = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    directory = KEPT / f"{stack.name}-{stack.sizes.users}"
    if (directory / "made").exists() and (directory / "made").read_text() == mark:
        return directory
    say(f"generating {stack.name}")
    shutil.rmtree(directory, ignore_errors=True)
    server = Server(directory=directory, sockets=sockets)
    with server.running(), tempfile.TemporaryDirectory() as configuration:
        server.query(f"CREATE DATABASE `{LARGE}`")
        keystone = Keystone(Path(configuration) / "keystone", server, LARGE)
        keystone.configure()
        keystone.manage("db_sync")
        schema = server.dump(LARGE)
        (directory / "schema.sql").write_bytes(schema)
        server.load(SMALL, schema)
        for database, filling in ((LARGE, stack), (SMALL, small)):
            with server.cursor(database) as cursor:
                cursor.execute(NAMES)
                for statement in statements(filling):
                    cursor.execute(statement)
    (directory / "made").write_text(mark)
    return directory


@contextlib.contextmanager
def benches(arguments: argparse.Namespace) -> Iterator[Bench]:
    """Run all servers until the end of the context."""
    KEPT.mkdir(parents=True, exist_ok=True)
    working = KEPT / "working"
    options = [f"--innodb-buffer-pool-size={arguments.pool}"]
    sizes = Sizes().part(arguments.part)
    stacks = {name: Stack(name, sizes) for name in STACKS}
    small = {name: Stack(name, sizes.part(SMALLER)) for name in STACKS}
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context((KEPT / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another one is running") from None
        # The path of a socket has to be short.
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bm-")))
        made = [generated(stacks[name], small[name], sockets) for name in STACKS]
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir()
        stack.callback(shutil.rmtree, working)
        sources = []
        for kept in made:
            subprocess.run(["cp", "--archive", "--reflink=auto", kept, working], check=True)
            server = Server(directory=working / kept.name, sockets=sockets, options=[*options, *LOGGED])
            sources.append(stack.enter_context(server.running()))
        cluster = None
        if arguments.galera:
            cluster = stack.enter_context(Cluster(working / "cluster", sockets, options).running())
            targets = cluster.members
        else:
            target = Server(directory=working / "target", sockets=sockets, options=options)
            targets = [stack.enter_context(target.running())]
        bench = Bench(stacks, sources, targets, cluster, (made[0] / "schema.sql").read_bytes(), working)
        bench.prepare()
        yield bench


def say(text: str) -> None:
    """Tell who watches."""
    sys.stderr.write(f"bench-merge: {text}\n")
