# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A merge into one of three members of a real Galera cluster."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge, Request
from merge_faults_servers import Middle
from merge_harness import add_users, crowd, merge
from merge_members import Cluster, Member
from merge_servers import MariaDB

pytestmark = pytest.mark.integration

USERS = 4000
WRITE_SET = 24 << 20


@dataclass
class Members:
    """The cluster, and the member that is written to."""

    cluster: Cluster
    written: Member
    others: list[Member]

    def agree(self, *databases: str) -> dict[str, int]:
        """See that all members that run hold the same; gives the checksums."""
        sums = {}
        position = self.written.server.status()["wsrep_last_committed"]
        for member in (self.written, *self.others):
            if not member.server.running:
                continue
            while member.server.status()["wsrep_last_committed"] < position:
                time.sleep(0.05)
            sums[member.server.name] = {
                f"{database}.{table}": sum_ for database in databases for table, sum_ in member.sums(database).items()
            }
        first = next(iter(sums.values()))
        assert all(found == first for found in sums.values()), sums
        return first


@pytest.fixture(scope="module")
def members(directory: Path, regions: MariaDB, schema: bytes) -> Iterator[Members]:
    """Run the cluster; its databases have the schema."""
    (directory / "galera").mkdir()
    cluster = Cluster(directory / "galera", ("s1-0", "s1-1", "s2-0"))
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start("s1-0")
        written, *others = (Member(server) for server in cluster.servers.values())
        for name in ("keystone", "again"):
            written.load(name, schema)
        # A merge that needs more than this in one transaction fails.
        for member in (written, *others):
            member.query(f"SET GLOBAL wsrep_max_ws_size = {WRITE_SET}, wsrep_max_ws_rows = 30000")
        yield Members(cluster, written, others)


@pytest.fixture(scope="module")
def source(regions: MariaDB, schema: bytes) -> Login:
    """Make a source of 20,000 rows."""
    return crowd(regions, schema, "for_galera", USERS)


def test_all_members_hold_the_same(members: Members, regions: MariaDB, source: Login) -> None:
    request = Request((source,), members.written.login("keystone"))
    result = merge(request)
    assert result["counts"]["assignment"]["for_galera"]["carried"] == 2 * USERS
    sums = members.agree("keystone", "stretch_merge")
    wanted = {f"keystone.{table}": sum_ for table, sum_ in regions.sums(source.database).items()}
    assert {table: sum_ for table, sum_ in sums.items() if table.startswith("keystone.")} == wanted
    # What was remembered is there for whoever merges through another member.
    assert merge(Request((source,), members.others[0].login("keystone")))["changed"] is False
    add_users(regions, source.database, USERS + 1, USERS + 10)
    result = merge(Request((source,), members.others[0].login("keystone")))
    assert result["changes"]["user"]["for_galera"] == {"added": 10, "changed": 0, "removed": 0}
    members.agree("keystone", "stretch_merge")


def test_a_member_that_dies_does_not_stop_it(members: Members, source: Login) -> None:
    victim = members.others[-1]
    request = Request((source,), members.written.login("again"), "again_state", batch_rows=1000)
    middle = Middle(USERS, lambda: victim.server.signal(signal.SIGKILL))
    with Merge(request, read_only=False, progress=middle) as planned:
        planned.apply()
    assert planned.written
    assert middle.happened
    assert not victim.server.running
    sums = members.agree("again", "again_state")
    before = members.written.sums("keystone")
    assert {table.split(".")[1]: sum_ for table, sum_ in sums.items() if table.startswith("again.")} == before
