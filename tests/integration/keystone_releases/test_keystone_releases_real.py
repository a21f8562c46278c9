# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keystones of Queens and Zed are brought up to the newest release on copies: what is there afterwards, and works."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from merge_servers import MariaDB
from queens_population import OldPopulation
from release_servers import PASSWORD, ZED, ReleasedKeystone, shape

MODULES = "ansible_collections.stretch.cluster.plugins.modules"
NEWEST = "alembic 742c857f1dfb/c88cdce8f248"
STATE = "releases_state"

Run = Callable[..., dict[str, Any]]
Queens = tuple[ReleasedKeystone, OldPopulation]

pytestmark = pytest.mark.integration


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs a module as Ansible does."""

    def run(module: str, check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = tmp_path / "arguments.json"
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}))
        command = [sys.executable, "-m", f"{MODULES}.{module}", str(arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


@pytest.fixture(scope="session")
def merger(stretched: MariaDB) -> dict[str, Any]:
    """Return the login of a user that may write the copies and the state, and nothing else."""
    stretched.query("CREATE USER releases@'%' IDENTIFIED BY 'secret'")
    for database in (r"stretch\_copy\_%", STATE):
        stretched.query(f"GRANT ALL ON `{database}`.* TO releases@'%'")
    stretched.query("GRANT SELECT ON newest.* TO releases@'%'")
    return {
        "login_host": "127.0.0.1", "login_port": stretched.port, "login_user": "releases", "login_password": "secret",
    }  # fmt: skip


@pytest.fixture(scope="session")
def reader(regions: MariaDB) -> dict[str, Any]:
    """Return the login of a user that may only read the sources."""
    regions.query("CREATE USER reader@'%' IDENTIFIED BY 'secret'")
    regions.query("GRANT SELECT ON *.* TO reader@'%'")
    return {
        "login_host": "127.0.0.1", "login_port": regions.port, "login_user": "reader", "login_password": "secret",
    }  # fmt: skip


@pytest.fixture(scope="session")
def made(queens: Queens) -> OldPopulation:
    """Return what the Keystone of Queens was filled with."""
    return queens[1]


@pytest.fixture(scope="session")
def before(queens: Queens) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the Keystone of Queens as they were at first."""
    return queens[0].server.content("queens")


def sync(keystone: ReleasedKeystone, copy: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a Keystone's db_sync on a copy, without that Keystone's configuration."""
    config = directory / "copy.conf"
    socket = keystone.server.socket
    config.write_text(f"[database]\nconnection = mysql+pymysql://root@localhost/{copy}?unix_socket={socket}\n")
    command = [keystone.venv / "bin/keystone-manage", "--config-file", config, "db_sync"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


class TestQueens:
    """From the oldest to the newest."""

    COPY = "stretch_copy_queens"

    @pytest.fixture
    def options(self, reader: dict[str, Any], merger: dict[str, Any]) -> dict[str, Any]:
        return {
            "source": {**reader, "name": "queens", "database": "queens"},
            "target": {**merger, "database": self.COPY},
            "state_database": STATE,
        }

    def test_it_is_told_and_refused_by_name(
        self, run: Run, queens: Queens, newest: ReleasedKeystone, reader: dict[str, Any], merger: dict[str, Any]
    ) -> None:
        options = {
            "sources": [{**reader, "name": "queens", "region": "region_queens", "database": "queens"}],
            "target": {**merger, "database": "newest"},
            "state_database": STATE,
        }
        told = run("keystone_version_info", **options)
        assert told["versions"] == {
            "queens": {"schema_version": "migrate 109/44/44/44", "release": "Queens (13)"},
        }
        assert told["target"] == {"schema_version": NEWEST, "release": "2026.1 to 2026.2 (29 to 30)"}
        assert told["copies"] == []
        (obstacle,) = told["obstacles"]
        assert obstacle == (
            "queens's Keystone database is of Queens (13), migrate 109/44/44/44; the target's Keystone of 2026.1 to "
            "2026.2 (29 to 30) cannot bring it up; give a Keystone of Ussuri to Xena (17 to 20) and one of Zed to "
            "2023.1 (22 to 23) in keystone_merge_upgrade_execs"
        )
        told = run("keystone_version_info", **options, upgraders=[22, 20])
        assert told["obstacles"] == []
        assert told["copies"] == [
            {"name": "queens", "region": "region_queens", "database": self.COPY, "hops": [1, 0]},
        ]

    def test_the_copy_is_made_in_steps(
        self, run: Run, xena: ReleasedKeystone, newest: ReleasedKeystone, tmp_path: Path,
        before: dict[str, Any], options: dict[str, Any], stretched: MariaDB,
    ) -> None:  # fmt: skip
        expected = run("keystone_copy", check=True, **options)
        assert expected["changed"]
        assert not stretched.query("SHOW DATABASES LIKE 'stretch_copy_queens'")
        made = run("keystone_copy", **options)
        assert (made["changed"], made["upgraded"], made["release"]) == (True, False, "Queens (13)")
        assert made["rows"] == expected["rows"] == sum(map(len, before.values()))
        assert stretched.content(self.COPY) == before
        assert not run("keystone_copy", **options)["changed"]

        # What versions.py says is so: these two stop before they have done anything that counts.
        between = ReleasedKeystone(tmp_path, stretched, "nothing", release=ZED)
        for keystone in (newest, between):
            assert sync(keystone, self.COPY, tmp_path).returncode != 0
        assert run("keystone_copy", **options, force=True)["changed"]
        early = run("keystone_copy", **options, state="upgraded", schema_version=NEWEST)
        assert "schema version migrate 109/44/44/44 instead of" in early["msg"]

        for keystone in (xena, between, newest):
            done = sync(keystone, self.COPY, tmp_path)
            assert done.returncode == 0, done.stderr
        finished = run("keystone_copy", target=options["target"], state_database=STATE, state="upgraded",
                       schema_version=NEWEST)  # fmt: skip
        assert (finished["changed"], finished["upgraded"]) == (True, True), finished
        assert finished["schema_version"] == NEWEST
        assert "the passwords of 1 users are hashed with SHA-512 crypt" in str(finished["warnings"])
        again = run("keystone_copy", **options, schema_version=NEWEST)
        assert (again["changed"], again["upgraded"]) == (False, True)

    def test_the_schema_is_that_of_the_newest(self, stretched: MariaDB) -> None:
        assert shape(stretched, self.COPY) == shape(stretched, "newest")

    def test_the_source_was_only_read(self, regions: MariaDB, before: dict[str, Any]) -> None:
        assert regions.content("queens") == before

    def test_no_row_is_lost(self, stretched: MariaDB, before: dict[str, Any]) -> None:
        after = stretched.content(self.COPY)
        for table in {*before, *after} - {"migrate_version", "alembic_version"}:
            assert len(after[table]) == len(before[table]), table

    def test_the_newest_keystone_works_on_it(
        self, queens: Queens, made: OldPopulation, stretched: MariaDB, directory: Path
    ) -> None:
        """What db_sync moves about, and what it leaves undone, as the API shows it."""
        keystone = ReleasedKeystone(directory / "upgraded", stretched, self.COPY)
        keystone.configure()
        for name in ("fernet", "credential"):
            for key in (queens[0].directory / name).iterdir():
                (keystone.directory / name / key.name).write_bytes(key.read_bytes())
        alice = made.ids["queens-alice"]
        with keystone.running() as root:
            admin = root.password("admin", PASSWORD, "admin")
            own = root.password("queens-alice", made.secrets["queens-alice"], "queens-project")
            assert admin is not None
            assert own is not None
            credential = {"id": made.ids["app credential"], "secret": made.secrets["app credential"]}
            assert root.log_in({"methods": ["application_credential"], "application_credential": credential})
            assert admin.call("GET", "/auth/tokens", subject=made.token)[0] == 200
            role = admin.do("GET", f"/roles/{made.ids['auditor']}")["role"]
            assert role["description"] == "prüft queens"
            project = admin.do("GET", f"/projects/{made.ids['child']}")["project"]
            assert (project["parent_id"], project["colour"]) == (made.ids["project"], "grün")
            trusts = own.do("GET", f"/OS-TRUST/trusts?trustor_user_id={alice}")["trusts"]
            shown = {trust["id"]: own.do("GET", f"/OS-TRUST/trusts/{trust['id']}")["trust"] for trust in trusts}
            assert set(shown) == set(made.trusts)
            for id_, trust in made.trusts.items():
                for name in ("redelegated_trust_id", "redelegation_count", "expires_at", "trustee_user_id"):
                    assert shown[id_].get(name) == trust.get(name), name
            limits = own.do("GET", "/limits")["limits"]
            assert {(one["resource_name"], one["region_id"], one["resource_limit"]) for one in limits} == {
                ("cores", "region_queens", 7), ("servers", None, 7),
            }  # fmt: skip
            assert {one["service_id"] for one in limits} == {made.ids["compute"]}

    def test_a_change_of_the_source_takes_a_new_copy(
        self, run: Run, queens: Queens, made: OldPopulation, options: dict[str, Any], regions: MariaDB
    ) -> None:
        regions.query("UPDATE queens.user SET extra = '{\"new\": 1}' WHERE id = %s", (made.ids["queens-carol"],))
        assert run("keystone_copy", check=True, **options, schema_version=NEWEST)["changed"]
        again = run("keystone_copy", **options, schema_version=NEWEST)
        assert (again["changed"], again["upgraded"]) == (True, False)

    def test_it_is_dropped(self, run: Run, options: dict[str, Any], stretched: MariaDB) -> None:
        options = {**options, "state": "absent"}
        assert run("keystone_copy", check=True, **options)["changed"]
        assert run("keystone_copy", **options)["changed"]
        assert not stretched.query("SHOW DATABASES LIKE 'stretch_copy_queens'")
        assert not run("keystone_copy", **options)["changed"]


class TestZed:
    """What the newest release brings up by itself."""

    COPY = "stretch_copy_zed"

    @pytest.fixture
    def options(self, reader: dict[str, Any], merger: dict[str, Any]) -> dict[str, Any]:
        return {
            "source": {**reader, "name": "zed", "database": "zed"},
            "target": {**merger, "database": self.COPY},
            "state_database": STATE,
        }

    def test_one_step(
        self, run: Run, zed: ReleasedKeystone, newest: ReleasedKeystone, options: dict[str, Any], stretched: MariaDB,
        regions: MariaDB, reader: dict[str, Any], merger: dict[str, Any], tmp_path: Path,
    ) -> None:  # fmt: skip
        told = run(
            "keystone_version_info", sources=[options["source"]], target={**merger, "database": "newest"},
            state_database=STATE,
        )  # fmt: skip
        assert told["versions"]["zed"]["release"] == "Zed to 2023.1 (22 to 23)"
        assert [copy["hops"] for copy in told["copies"]] == [[]]
        before = regions.content("zed")
        assert run("keystone_copy", **options)["schema_version"] == "alembic 29e87d24a316/e25ffa003242"
        assert stretched.content(self.COPY) == before
        assert sync(newest, self.COPY, tmp_path).returncode == 0
        assert run("keystone_copy", **options, state="upgraded", schema_version=NEWEST)["upgraded"]
        assert shape(stretched, self.COPY) == shape(stretched, "newest")
        after = stretched.content(self.COPY)
        differing = {table for table in {*before, *after} if before.get(table) != after.get(table)}
        # Rules of mappings have a version.
        assert differing == {"alembic_version", "mapping"}

    def test_an_older_keystone_is_refused(
        self, run: Run, zed: ReleasedKeystone, queens: Queens, reader: dict[str, Any]
    ) -> None:
        told = run(
            "keystone_version_info", sources=[{**reader, "name": "zed", "database": "zed"}],
            target={**reader, "database": "queens"}, state_database=STATE,
        )  # fmt: skip
        (obstacle,) = told["obstacles"]
        assert obstacle == (
            "zed's Keystone database is of Zed to 2023.1 (22 to 23), and the target's Keystone of Queens (13), which "
            "is older: give the target a Keystone of Zed (22) or later"
        )


class TestRefusals:
    """Nothing is overwritten that is no copy."""

    def test_a_database_in_use(
        self, run: Run, zed: ReleasedKeystone, reader: dict[str, Any], stretched: MariaDB, newest: ReleasedKeystone
    ) -> None:
        own = {"login_unix_socket": stretched.socket, "login_user": "root"}
        failed = run(
            "keystone_copy", source={**reader, "name": "zed", "database": "zed"}, target={**own, "database": "newest"},
            state_database=STATE, force=True,
        )  # fmt: skip
        assert "holds tables that no copy brought there" in failed["msg"]
        failed = run("keystone_copy", target={**own, "database": "newest"}, state_database=STATE, state="absent")
        assert "holds tables that no copy brought there" in failed["msg"]

    def test_the_source_itself(self, run: Run, zed: ReleasedKeystone, regions: MariaDB) -> None:
        own = {"login_unix_socket": regions.socket, "login_user": "root", "database": "zed"}
        failed = run("keystone_copy", source={**own, "name": "zed"}, target=own, state_database=STATE)
        assert "is the database that the copy would replace" in failed["msg"]

    def test_no_keystone(self, run: Run, reader: dict[str, Any], merger: dict[str, Any]) -> None:
        failed = run(
            "keystone_copy", source={**reader, "name": "x", "database": "mysql"},
            target={**merger, "database": "stretch_copy_x"}, state_database=STATE,
        )  # fmt: skip
        assert "not a Keystone database" in failed["msg"]


def test_a_source_that_serves_is_copied_as_of_one_moment(
    run: Run,
    zed: ReleasedKeystone,
    reader: dict[str, Any],
    merger: dict[str, Any],
    stretched: MariaDB,
    regions: MariaDB,
) -> None:
    """Pairs of rows in two tables are written all the while: the copy has both or none of each."""
    copy = "stretch_copy_busy"
    regions.load("busy", regions.dump("zed"))
    filler = "INSERT INTO policy SELECT CONCAT('filler', seq), 'x', '{}', '{}' FROM seq_1_to_20000"
    regions.query(filler, database="busy")
    stop = threading.Event()
    written = [0]

    def write() -> None:
        with regions.cursor("busy") as cursor:
            while not stop.is_set():
                written[0] += 1
                cursor.execute("BEGIN")
                cursor.execute("INSERT INTO policy VALUES (%s, 'x', '{}', '{}')", (f"pair{written[0]}",))
                cursor.execute("INSERT INTO config_register VALUES (%s, 'x')", (f"pair{written[0]}",))
                cursor.execute("COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = run(
            "keystone_copy", source={**reader, "name": "busy", "database": "busy"},
            target={**merger, "database": copy}, state_database=STATE,
        )  # fmt: skip
    finally:
        stop.set()
        thread.join()
    assert made["changed"], made
    pairs = [
        {row[0] for row in stretched.query(f"SELECT {column} FROM {table} WHERE {column} LIKE 'pair%'", (), copy)}
        for table, column in (("policy", "id"), ("config_register", "type"))
    ]
    assert pairs[0] == pairs[1]
    assert 0 < len(pairs[0]) < written[0]
