# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role rollback on real Keystones that use a merged database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from merge_servers import Keystone, MariaDB
from region_servers import Regions
from rollback_servers import SECRET, Made, administrator, merge

pytestmark = pytest.mark.integration


@pytest.fixture
def regions(tmp_path: Path, server: MariaDB, stacks: dict[str, Made], keystone: Keystone) -> Iterator[Regions]:
    """Give controllers whose Keystones use a merged database."""
    found = Regions(tmp_path / "regions", server, stacks, keystone)
    try:
        found.cut_over(keystone.database)
        yield found
    finally:
        found.close()


def on_merged(regions: Regions) -> list[bool]:
    """Whether each Keystone knows the user that was made after the cutover."""
    return [one.api.password("carol", SECRET) is not None for one in regions.controllers]


def test_there_and_back(regions: Regions, server: MariaDB, schema: bytes) -> None:
    database = regions.database
    administrator(regions.controllers[0].api).make("user", name="carol", password=SECRET, domain_id="default")
    starts = [one.starts() for one in regions.controllers]
    assert on_merged(regions) == [True, True, True]

    # Looking changes nothing.
    status, said, changed = regions.roll_back("--check")
    assert (status, changed) == (0, 0), said
    assert "user added: carol" in said
    assert "The Keystones of stack1, stack2 would go back to their own databases." in said
    assert regions.reports() == []

    # Nobody there to say yes; the list is there.
    status, said, _changed = regions.roll_back()
    assert status != 0
    assert "Nobody said yes" in said
    (report,) = regions.reports()
    assert report.stat().st_mode & 0o777 == 0o600
    assert json.loads(report.read_text())["writes"]["user"]["names"]["added"] == ["carol"]

    # One stack cannot go alone.
    status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes", limit="stack1")
    assert status != 0
    assert "-e rollback_without=stack2" in said

    # An own database that is gone is found before anything is changed.
    conf = regions.controllers[2].etc / "keystone.conf"
    text = conf.read_text()
    conf.write_text(text.replace("localhost/stack2?", "localhost/nothing?"))
    status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes")
    assert status != 0
    assert "nothing at localhost, the own database of the Keystones of stack2 by keystone.conf, does not answer" in said
    conf.write_text(text.replace("localhost/stack2?", "localhost/mysql?"))
    status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes")
    assert status != 0
    assert "is not that of a Keystone" in said
    conf.write_text(text)
    # So is a schema that the Keystones cannot use.
    versions = server.query("SELECT version_num FROM alembic_version", database="stack2")
    server.query("DELETE FROM alembic_version LIMIT 1", database="stack2")
    try:
        status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes")
    finally:
        server.query("DELETE FROM alembic_version", database="stack2")
        for version in versions:
            server.query("INSERT INTO alembic_version VALUES (%s)", version, "stack2")
    assert status != 0
    assert "-e rollback_other_schemas=yes" in said
    assert [one.starts() for one in regions.controllers] == starts
    assert all(one.drop_in.exists() for one in regions.controllers)
    for report in regions.reports():
        report.unlink()

    # Back.
    status, said, changed = regions.roll_back("-e", "rollback_confirm=yes")
    assert status == 0, said
    assert changed > 0
    assert on_merged(regions) == [False, False, False]
    for one in regions.controllers:
        assert one.made.log_in(one.api, "alice", "project")
        assert not one.drop_in.exists()
        assert list(one.markers.iterdir()) == []
        assert (one.home / "haproxy.cfg").read_text() == "listen keystone\n  mode http\n"
        assert one.memcached.emptied == 1
    first, second, other = (one.starts()[-1] for one in regions.controllers)
    assert max(first, other) < second
    # What was written is left behind, but not lost.
    (report,) = regions.reports()
    aside = f"{database}_rolled_back_{report.stem.split('-')[-1]}"
    assert aside in said
    assert server.content(database) == server.content(f"{database}_state") == {}
    assert server.query("SELECT COUNT(*) FROM local_user WHERE name = 'carol'", database=aside) == [(1,)]
    assert json.loads(report.read_text())["writes"]["user"]["added"] == 1

    # Nothing more to do.
    status, said, changed = regions.roll_back("-e", "rollback_confirm=yes")
    assert (status, changed) == (0, 0), said
    assert f"Nothing is merged in {database}" in said

    # And merged anew.
    server.query(f"DROP DATABASE `{database}`")
    server.load(database, schema)
    merge(server, database)
    status, said, changed = regions.roll_back("--check")
    assert status == 0, said
    assert "Nothing has been written to the merged database since the merge" in said
    assert "Every Keystone uses its own database already." in said


def test_what_was_interrupted_is_finished(regions: Regions, server: MariaDB) -> None:
    """One Keystone is back, one was taken back by hand without a restart, one has not been touched."""
    database = regions.database
    back, half, _other = regions.controllers
    back.drop_in.unlink()
    (back.home / "container/keystone.conf.d/50-stretch.conf").unlink()
    (back.markers / "cutover-0123").unlink()
    back.start()
    half.drop_in.unlink()
    starts = [len(one.starts()) for one in regions.controllers]

    # Somebody else still uses the merged database.
    with server.cursor(database):
        status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes", "-e", "__rollback_patience=1")
    assert status != 0
    assert "somebody is still connected to the merged one: root@localhost" in said
    assert [len(one.starts()) for one in regions.controllers] == [starts[0], starts[1] + 1, starts[2] + 1]
    assert on_merged(regions) == [False, False, False]
    assert server.content(database)

    status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes")
    assert status == 0, said
    assert server.content(database) == {}


def test_a_merged_database_that_is_gone(regions: Regions, server: MariaDB) -> None:
    administrator(regions.controllers[0].api).make("user", name="carol", password=SECRET, domain_id="default")
    status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes", sockets=False)
    assert status != 0
    assert "-e rollback_blind=yes" in said
    assert on_merged(regions) == [True, True, True]
    status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes", "-e", "rollback_blind=yes", sockets=False)
    assert status == 0, said
    assert on_merged(regions) == [False, False, False]
    # It has come back.
    status, said, _changed = regions.roll_back("-e", "rollback_confirm=yes")
    assert status == 0, said
    assert "user added: carol" in said
    assert server.content(regions.database) == {}
