# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: one message, nothing written, no source changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import cut_over, login, merge, refuse, tiny
from merge_servers import MariaDB

pytestmark = pytest.mark.integration

Fresh = Callable[[], str]


@pytest.fixture(scope="class")
def target(stretched: MariaDB, fresh: Fresh) -> Iterator[str]:
    """Give a target that stays as it is."""
    name = fresh()
    before = stretched.content(name)
    yield name
    assert stretched.content(name) == before


class TestRefusals:
    """Bad input gets one message, and the target stays as it is."""

    def test_one_source_twice(
        self, regions: MariaDB, target: str, request_for: Callable[..., Request], sources: tuple[Login, ...]
    ) -> None:
        regions.query("CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'secret'")
        regions.query("GRANT SELECT ON stack1.* TO reader@'%'")
        again = Login("again", host="127.0.0.1", port=regions.port, user="reader", password="secret", database="stack1")
        assert "again" in refuse(request_for(target, sources[0], again))
        assert "same database as stack1" in refuse(request_for(target, sources[0], again))

    def test_source_is_target(self, stretched: MariaDB, target: str, request_for: Callable[..., Request]) -> None:
        assert "same database as the target" in refuse(request_for(target, login(stretched, "x", target)))

    def test_one_merged_before_under_another_name(
        self, regions: MariaDB, fresh: Fresh, request_for: Callable[..., Request], sources: tuple[Login, ...]
    ) -> None:
        target = fresh()
        merge(request_for(target))
        again = dataclasses.replace(sources[0], name="other", region=None)
        message = refuse(request_for(target, again))
        assert "sources lacks what was begun" in message
        assert "stack1 (stack1 at" in message
        assert "stack2 (stack2 at" in message
        assert "same database as stack1" in refuse(request_for(target, *sources, again))
        cut_over(request_for(target))
        assert "stack1, which was cut over at" in refuse(request_for(target, again))

    def test_no_keystone(self, regions: MariaDB, target: str, request_for: Callable[..., Request]) -> None:
        regions.query("CREATE DATABASE IF NOT EXISTS hollow_source")
        for database in ("mysql", "hollow_source"):
            assert "not a Keystone database: it has no table assignment" in refuse(
                request_for(target, login(regions, "x", database))
            )
        assert "Unknown database 'not_there'" in refuse(request_for(target, login(regions, "x", "not_there")))

    def test_no_server(self, target: str, request_for: Callable[..., Request]) -> None:
        nowhere = Login("x", host="127.0.0.1", port=1)
        for request in (request_for(target, nowhere), dataclasses.replace(request_for(target), target=nowhere)):
            assert "no server answers" in refuse(request)

    def test_no_rights(
        self, regions: MariaDB, stretched: MariaDB, target: str, request_for: Callable[..., Request],
        sources: tuple[Login, ...],
    ) -> None:  # fmt: skip
        for server in (regions, stretched):
            server.query("CREATE OR REPLACE USER weak@'%' IDENTIFIED BY 'secret'")
        weak = Login("x", host="127.0.0.1", port=regions.port, user="weak", password="secret", database="stack1")
        wrong = dataclasses.replace(weak, password="guess")
        for source in (weak, wrong):
            message = refuse(request_for(target, source))
            assert "refuses this login" in message
            assert "guess" not in message
        stretched.query(f"GRANT SELECT ON `{target}`.* TO weak@'%'")
        poor = dataclasses.replace(weak, name="target", port=stretched.port, database=target)
        assert "refuses this login" in refuse(dataclasses.replace(request_for(target), target=poor))
        # All that it needs, but nothing for the state.
        stretched.query(f"GRANT ALL ON `{target}`.* TO weak@'%'")
        assert "refuses this login" in refuse(
            dataclasses.replace(request_for(target), target=poor, state_database="not_its_own")
        )

    def test_a_table_that_a_login_may_not_see(
        self, regions: MariaDB, target: str, request_for: Callable[..., Request]
    ) -> None:
        """The server hides it, and it would be left out without a word."""
        regions.query("CREATE OR REPLACE USER blind@'%' IDENTIFIED BY 'secret'")
        for (table,) in regions.query("SHOW TABLES FROM stack1"):
            if table != "credential":
                regions.query(f"GRANT SELECT ON stack1.`{table}` TO blind@'%'")
        blind = Login("x", host="127.0.0.1", port=regions.port, user="blind", password="secret", database="stack1")
        assert "x: it shows no table credential, as the others do" in refuse(request_for(target, blind))

    def test_other_schema_version(
        self, regions: MariaDB, schema: bytes, target: str, request_for: Callable[..., Request]
    ) -> None:
        source = tiny(regions, schema, "older")
        regions.query("UPDATE alembic_version SET version_num = '27e647c0fad4' LIMIT 1", database="older")
        message = refuse(request_for(target, source))
        assert "schema versions differ" in message
        assert "older has" in message

    def test_no_primary_key(
        self, regions: MariaDB, schema: bytes, target: str, request_for: Callable[..., Request]
    ) -> None:
        source = tiny(regions, schema, "keyless")
        regions.query("ALTER TABLE assignment DROP PRIMARY KEY", database="keyless")
        assert "table assignment has no primary key" in refuse(request_for(target, source))

    def test_rows_of_an_unknown_table(
        self, regions: MariaDB, schema: bytes, target: str, request_for: Callable[..., Request]
    ) -> None:
        source = tiny(regions, schema, "plugged")
        regions.query("CREATE TABLE whatever (id INT)", database="plugged")
        regions.query("CREATE TABLE nothing (id INT)", database="plugged")
        regions.query("INSERT INTO whatever VALUES (1)", database="plugged")
        message = refuse(request_for(target, source))
        assert "table whatever holds rows" in message
        assert "nothing holds" not in message

    def test_a_region_that_is_not_there(
        self, target: str, request_for: Callable[..., Request], sources: tuple[Login, ...]
    ) -> None:
        wrong = dataclasses.replace(sources[0], region="region_stack9")
        assert "it has region_stack1, region_stack1_zone" in refuse(request_for(target, wrong))


def test_a_target_that_holds_something_else(
    stretched: MariaDB, schema: bytes, request_for: Callable[..., Request]
) -> None:
    tiny(stretched, schema, "lived_in", role=[("r1", "admin")])
    before = stretched.content("lived_in")
    assert "role (1)" in refuse(request_for("lived_in"))
    assert stretched.content("lived_in") == before


def test_a_target_that_cannot_take_back(stretched: MariaDB, schema: bytes, request_for: Callable[..., Request]) -> None:
    stretched.load("no_innodb", schema)
    stretched.query("ALTER TABLE trust ENGINE = Aria", database="no_innodb")
    before = stretched.content("no_innodb")
    assert "not InnoDB, so a failed merge could not be undone: table trust" in refuse(request_for("no_innodb"))
    assert stretched.content("no_innodb") == before
