# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A later run finds what changed by the binary logs of real servers, and by the rows where a log does not tell all."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.changelog import RIGHTS
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import add_users, crowd, login, look, merge
from merge_members import Cluster, Member
from merge_servers import MariaDB

pytestmark = pytest.mark.integration

USERS = 300
LOGGED = ("--log-bin=log", "--binlog-format=ROW")


@dataclass
class Source:
    """A Keystone of its own server, and the database that it is merged into."""

    server: MariaDB
    stretched: MariaDB
    request: Request

    def change(self, *statements: str) -> None:
        """Run statements on one connection."""
        with self.server.cursor("source") as cursor:
            for statement in statements:
                cursor.execute(statement)

    def merged(self) -> dict[str, Any]:
        """Merge, and see that the target holds what the source does, and that nothing is left to do."""
        result = merge(self.request)
        target = self.request.target
        assert target is not None
        assert self.stretched.content(target.database) == self.server.content("source")
        assert look(replace(self.request, compare_by="rows"))["changed"] is False
        return result

    def numbers(self, result: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
        """How many rows of each table were added, changed and removed."""
        return {
            table: (stacks["source"]["added"], stacks["source"]["changed"], stacks["source"]["removed"])
            for table, stacks in result["changes"].items()
        }


@pytest.fixture
def make(
    tmp_path_factory: pytest.TempPathFactory, stretched: MariaDB, schema: bytes, fresh: Callable[[], str]
) -> Iterator[Callable[..., Source]]:
    """Return a function that starts a server with some arguments, and merges a Keystone from it."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Source:
            server = MariaDB(tmp_path_factory.mktemp("s") / "m")
            server.install()
            stack.enter_context(server.serving(*arguments))
            crowd(server, schema, "source", USERS)
            target = fresh()
            request = Request(
                (login(server, "source", "source"),), login(stretched, "target", target), f"{target}_state"
            )
            assert merge(request)["compared"] == {}
            return Source(server, stretched, request)

        yield start


def of(number: int) -> str:
    """The id of a user."""
    return f"MD5('source{number}')"


@pytest.mark.parametrize("image", ["FULL", "MINIMAL", "NOBLOB"])
def test_rows_that_were_written(make: Callable[..., Source], image: str) -> None:
    source = make(*LOGGED, f"--binlog-row-image={image}")
    add_users(source.server, "source", USERS + 1, USERS + 3)
    for statement in (
        "CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)", "INSERT INTO other.t VALUES (1)",
        "GRANT SELECT ON source.* TO reader@localhost IDENTIFIED BY 'secret'",
    ):  # fmt: skip
        source.server.query(statement)
    source.change(
        f"UPDATE user SET extra = '{{\"new\": 1}}' WHERE id IN ({of(1)}, {of(2)})",
        f"UPDATE user SET extra = 'x' WHERE id = {of(3)}",
        f"UPDATE user SET extra = '{{}}' WHERE id = {of(3)}",
        f"DELETE FROM assignment WHERE actor_id = {of(4)} AND role_id = 'source-role'",
        "FLUSH BINARY LOGS",
        f"UPDATE assignment SET role_id = 'source-member', inherited = 1 WHERE actor_id = {of(4)}",
        "BEGIN", f"DELETE FROM assignment WHERE actor_id = {of(5)}", "ROLLBACK",
        "INSERT INTO project (id, name, domain_id, is_domain, enabled) VALUES ('Größe', 'Größe', 'default', 0, 1)",
    )  # fmt: skip
    result = source.merged()
    assert result["compared"] == {"source": "log"}
    assert source.numbers(result) == {
        "user": (3, 2, 0), "local_user": (3, 0, 0), "password": (3, 0, 0), "assignment": (7, 0, 2),
        "project": (1, 0, 0),
    }  # fmt: skip
    assert look(source.request)["compared"] == {"source": "log"}
    # From where that run read on.
    source.change(f"UPDATE user SET enabled = 0 WHERE id = {of(7)}")
    result = source.merged()
    assert (source.numbers(result), result["compared"]) == ({"user": (0, 1, 0)}, {"source": "log"})


def test_what_foreign_keys_do_is_in_no_log(make: Callable[..., Source]) -> None:
    source = make(*LOGGED)
    source.change(
        "INSERT INTO project (id, name, domain_id, is_domain, enabled) SELECT 'd', 'd', domain_id, 1, 1 FROM project "
        "WHERE id = 'default'",
        f"UPDATE user SET domain_id = 'd' WHERE id = {of(1)}",
        f"DELETE FROM user WHERE id = {of(2)}",
    )
    result = merge(source.request)
    # A domain lets all be planned anew; what follows does not.
    assert result["compared"] == {"source": "rows: all was planned anew"}
    dropping = replace(source.request, policy=Policy(dangling="drop"))
    assert look(dropping)["compared"] == {"source": "rows: all was planned anew"}
    source.change(f"UPDATE user SET domain_id = 'd' WHERE id = {of(3)}", f"DELETE FROM user WHERE id = {of(4)}")
    result = source.merged()
    assert result["compared"] == {"source": "log"}
    assert source.numbers(result) == {"user": (0, 1, 1), "local_user": (0, 1, 1), "password": (0, 0, 1)}


def test_what_was_kept_out_of_the_log_shows_in_the_numbers(make: Callable[..., Source]) -> None:
    source = make(*LOGGED)
    source.change("SET sql_log_bin = 0", f"DELETE FROM assignment WHERE actor_id = {of(1)}")
    assert source.numbers(source.merged()) == {"assignment": (0, 0, 2)}
    # What changed alone does not: that is why the rows can be asked for.
    source.change("SET sql_log_bin = 0", f"UPDATE user SET extra = 'x' WHERE id = {of(1)}")
    assert merge(source.request)["changed"] is False
    source.request = replace(source.request, compare_by="rows")
    result = source.merged()
    assert (source.numbers(result), result["compared"]) == ({"user": (0, 1, 0)}, {"source": "rows: compare_by is rows"})


UPDATE = "UPDATE user SET extra = 'x' LIMIT 3"


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (["SET SESSION binlog_format = STATEMENT", UPDATE], "it holds a statement (UPDATE)"),
        (["ALTER TABLE user ENGINE = InnoDB", UPDATE], "it holds a statement (ALTER)"),
        (["RESET MASTER", UPDATE], "it "),
        (
            [UPDATE, "FLUSH BINARY LOGS", "DO SLEEP(1)", "PURGE BINARY LOGS TO 'log.000002'"],
            "it cannot be read: source (source at ",
        ),
        (["XA START 'x'", UPDATE, "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'"], "it holds "),
    ],
    ids=["a statement", "a table made anew", "begun anew", "purged", "in two steps"],
)
def test_where_the_log_does_not_tell(make: Callable[..., Source], statements: list[str], why: str) -> None:
    source = make(*LOGGED)
    time.sleep(1.1)  # a file that is begun anew has another time
    source.change(*statements)
    result = source.merged()
    assert result["compared"]["source"].startswith(f"rows: {why}")
    assert source.numbers(result) == {"user": (0, 3, 0)}
    # The next one reads it again.
    source.change(f"UPDATE user SET enabled = 0 WHERE id = {of(USERS)}")
    assert source.merged()["compared"] == {"source": "log"}


def test_the_server_was_started_again(
    tmp_path: Path, stretched: MariaDB, schema: bytes, fresh: Callable[[], str]
) -> None:
    server, target = MariaDB(tmp_path / "m"), fresh()
    server.install()
    request = Request((login(server, "source", "source"),), login(stretched, "target", target), f"{target}_state")
    source = Source(server, stretched, request)
    with server.serving(*LOGGED):
        crowd(server, schema, "source", USERS)
        merge(request)
        source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(1)}")
    with server.serving(*LOGGED):
        source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(2)}")
        result = source.merged()
        assert result["compared"] == {"source": "rows: the server was started again since the last run"}
        assert source.numbers(result) == {"user": (0, 2, 0)}
    with server.serving():
        source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(3)}")
        result = source.merged()
        assert result["compared"] == {"source": "rows: the server keeps none (log_bin)"}
        assert source.numbers(result) == {"user": (0, 1, 0)}
    with server.serving(*LOGGED):
        source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(4)}")
        assert source.merged()["compared"] == {"source": "rows: the last run did not note the place"}


def test_rights_and_filters(make: Callable[..., Source]) -> None:
    source = make(*LOGGED)
    source.server.query("CREATE USER reader@'%' IDENTIFIED BY 'secret'")
    source.server.query("GRANT SELECT ON source.* TO reader@'%'")
    reader = Login("source", "127.0.0.1", source.server.port, "reader", "secret", database="source")
    source.request = replace(source.request, sources=(reader,))
    lacking = f"rows: the login lacks {RIGHTS}"
    for number, right in enumerate(("REPLICATION SLAVE", "BINLOG MONITOR"), 1):
        source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(number)}")
        result = source.merged()
        assert (result["compared"], source.numbers(result)) == ({"source": lacking}, {"user": (0, 1, 0)})
        source.server.query(f"GRANT {right} ON *.* TO reader@'%'")
    source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(3)}")
    assert source.merged()["compared"] == {"source": "rows: the last run did not note the place"}
    source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(4)}")
    assert source.merged()["compared"] == {"source": "log"}

    filtered = make(*LOGGED, "--binlog-do-db=other")
    filtered.change(f"UPDATE user SET extra = 'x' WHERE id = {of(1)}")
    result = filtered.merged()
    assert result["compared"] == {"source": "rows: it does not hold all databases (binlog_do_db, binlog_ignore_db)"}
    assert filtered.numbers(result) == {"user": (0, 1, 0)}


def test_a_server_that_also_follows_others(make: Callable[..., Source]) -> None:
    source = make(*LOGGED)
    source.server.query("SET GLOBAL gtid_slave_pos = '7-7-7'")
    source.change(f"UPDATE user SET extra = 'x' WHERE id = {of(1)}")
    assert source.merged()["compared"] == {"source": "rows: what other servers wrote is not in it (log_slave_updates)"}


@contextlib.contextmanager
def writing(servers: Sequence[MariaDB]) -> Iterator[None]:
    """Write through each server meanwhile, in transactions of one row and of several."""
    stop = threading.Event()

    def write(number: int) -> int:
        done, noise = 0, random.Random(number)  # noqa: S311
        with servers[number].cursor("source") as cursor:
            while not stop.is_set():
                # Of its own users, or a cluster would refuse some.
                user = of(1 + number + len(servers) * noise.randrange(USERS // len(servers) - 1))
                cursor.execute("BEGIN")
                for _each in range(noise.randrange(1, 4)):
                    cursor.execute(f"UPDATE user SET extra = '{noise.random()}' WHERE id = {user}")
                    if noise.random() < 0.5:
                        cursor.execute(f"DELETE FROM assignment WHERE actor_id = {user} AND role_id = 'source-role'")
                    else:
                        cursor.execute(
                            f"REPLACE INTO assignment SELECT 'UserProject', {user}, 'source-project', 'source-role', 0"
                        )
                cursor.execute("COMMIT")
                done += 1
        return done

    with ThreadPoolExecutor(len(servers)) as pool:
        futures = [pool.submit(write, number) for number in range(len(servers))]
        try:
            yield
        finally:
            stop.set()
        assert min(future.result() for future in futures) > 10


def test_no_write_is_missed_while_it_is_read(make: Callable[..., Source]) -> None:
    """The place that is noted is that of the snapshot, however many write at that moment."""
    source = make(*LOGGED)
    with writing([source.server] * 3):
        results = [merge(source.request) for _each in range(12)]
    assert [result["compared"] for result in results] == [{"source": "log"}] * 12
    # The first may come before the first write.
    assert sum("user" in result["changes"] for result in results) > 6
    assert source.merged()["compared"] == {"source": "log"}


def test_members_of_a_cluster(directory: Path, stretched: MariaDB, schema: bytes, fresh: Callable[[], str]) -> None:
    """A member's log holds what was written through the others; another member's log is another one."""
    (directory / "logging").mkdir()
    cluster = Cluster(directory / "logging", ("s1-0", "s2-0"))
    for number, server in enumerate(cluster.servers.values(), 1):
        server.command += [*LOGGED, "--log-slave-updates=ON", f"--server-id={number}"]
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start("s1-0")
        one, other = cluster.servers.values()
        member, through_other = Member(one), Member(other)
        crowd(member, schema, "source", USERS)
        target = fresh()
        into = login(stretched, "target", target)
        requests = [
            Request((replace(server.login("source"), name="source"),), into, f"{target}_state")
            for server in (member, through_other)
        ]
        merge(requests[0])
        through_other.query(f"UPDATE user SET extra = 'x' WHERE id = {of(1)}", database="source")
        _follow(member, through_other)
        result = merge(requests[0])
        assert result["compared"] == {"source": "log"}
        assert result["changes"] == {"user": {"source": {"added": 0, "changed": 1, "removed": 0}}}
        member.query(f"UPDATE user SET extra = 'x' WHERE id = {of(2)}", database="source")
        _follow(through_other, member)
        result = merge(requests[1])
        assert result["compared"]["source"].startswith("rows: the last run read another database, ")
        assert result["changes"] == {"user": {"source": {"added": 0, "changed": 1, "removed": 0}}}
        assert stretched.content(target) == member.content("source")
        with writing([member, through_other]):
            results = [merge(requests[1]) for _each in range(8)]
        assert [result["compared"] for result in results] == [{"source": "log"}] * 8
        _follow(through_other, member)
        assert merge(requests[1])["compared"] == {"source": "log"}
        assert stretched.content(target) == member.content("source")


def _follow(member: MariaDB, written: MariaDB) -> None:
    """Wait until a member has what was written through another."""

    def committed(server: MariaDB) -> int:
        return int(server.query("SHOW STATUS LIKE 'wsrep_last_committed'")[0][1])

    while committed(member) < committed(written):
        time.sleep(0.05)
