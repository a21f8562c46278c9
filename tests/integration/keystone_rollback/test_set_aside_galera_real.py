# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A merged database on a real Galera is set aside on all members."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "stretch_arbiter"))  # the cluster
from merge_servers import MariaDB
from rollback_servers import STACKS, merge, options, run_module
from stretch_arbiter_harness import PROVIDER, Lab, Member

pytestmark = pytest.mark.integration


class Site(MariaDB):
    """A member, as the other tests know a server."""

    def __init__(self, member: Member) -> None:
        super().__init__(member.directory)

    @property
    def socket(self) -> str:
        return str(self.directory / "s")


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[Site]]:
    """Run a cluster of two."""
    if not PROVIDER.exists():
        pytest.skip("galera-4 is not installed")
    lab = Lab(tmp_path)
    lab.originate()
    first, second = (Member(lab, number, 1) for number in (1, 2))
    try:
        first.start(bootstrap=True)
        first.until("Primary", 1, 1)
        second.start()
        second.until("Primary", 2, 2)
        yield [Site(first), Site(second)]
    finally:
        second.kill()
        first.kill()


def load(site: Site, database: str, schema: bytes) -> None:
    site.query(f"CREATE DATABASE IF NOT EXISTS `{database}`")
    command = ["mariadb", "--no-defaults", f"--socket={site.socket}", database]
    subprocess.run(command, check=True, input=schema, capture_output=True)


def test_on_all_members(tmp_path: Path, members: list[Site], schema: bytes) -> None:
    first, second = members
    for stack in STACKS:
        load(first, stack, schema)
        first.query("INSERT INTO role (id, name) VALUES (%s, %s)", (f"id of {stack}", f"role of {stack}"), stack)
    load(first, "keystone", schema)
    merge(first, "keystone")
    before = first.content("keystone")
    values = {"target": options(first, "", "keystone"), "state_database": "keystone_state", "suffix": "old"}
    assert run_module("keystone_merge_set_aside", values, tmp_path)["database"] == "keystone_old"

    for _second in range(60):
        if second.content("keystone_old") == before:
            break
        time.sleep(1)
    assert second.content("keystone_old") == before
    assert second.content("keystone") == second.content("keystone_state") == {}
    with pytest.raises(pymysql.err.IntegrityError, match="foreign key constraint fails"):
        second.query("INSERT INTO user_option VALUES ('nobody', '1001', 'x')", database="keystone_old")

    load(second, "keystone", schema)
    merge(first, "keystone")
    assert first.content("keystone") == before
    assert len(first.content("keystone_state")["source"]) == 2
