# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keystones of Queens and Zed that hold something, the schema of the newest, and a server for the copies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "keystone_merge"))  # the servers

from merge_population import populate
from merge_servers import MariaDB
from queens_population import OldPopulation, populate_queens
from release_servers import PASSWORD, QUEENS, XENA, ZED, ReleasedKeystone


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="session")
def regions(directory: Path) -> Iterator[MariaDB]:
    """Run the server that holds the sources."""
    with MariaDB(directory / "regions").running() as server:
        yield server


@pytest.fixture(scope="session")
def stretched(directory: Path, regions: MariaDB) -> Iterator[MariaDB]:
    """Run the server that holds the copies."""
    with MariaDB(directory / "stretched").running() as server:
        yield server


@pytest.fixture(scope="session")
def newest(directory: Path, stretched: MariaDB) -> ReleasedKeystone:
    """Make an empty Keystone of the newest release."""
    keystone = ReleasedKeystone(directory / "newest", stretched, "newest")
    keystone.configure()
    stretched.query("CREATE DATABASE newest")
    keystone.manage("db_sync")
    return keystone


@pytest.fixture(scope="session")
def xena(directory: Path, stretched: MariaDB) -> ReleasedKeystone:
    """Return a Keystone that comes between."""
    return ReleasedKeystone(directory / "xena", stretched, "nothing", release=XENA)


@pytest.fixture(scope="session")
def zed(directory: Path, regions: MariaDB) -> ReleasedKeystone:
    """Fill a Keystone of Zed with all that there is, and with somebody who may log in."""
    keystone = ReleasedKeystone(directory / "zed", regions, "zed", release=ZED)
    build(keystone, "region_zed")
    with keystone.running() as api:
        populate(api, "zed", "region_zed", PASSWORD)
        admin = api.password("admin", PASSWORD, "admin")
        assert admin is not None
        admin.make("user", name="zed-somebody", password=PASSWORD, domain_id="default")
        return keystone


@pytest.fixture(scope="session")
def queens(directory: Path, regions: MariaDB) -> tuple[ReleasedKeystone, OldPopulation]:
    """Fill a Keystone of Queens."""
    keystone = ReleasedKeystone(directory / "queens", regions, "queens", release=QUEENS)
    build(keystone, "region_queens")
    with keystone.running() as api:
        made = populate_queens(api, "queens", "region_queens", PASSWORD)
    # Somebody who has not set a new password since Ocata, whose hash is still in the column of that time.
    regions.query(
        "UPDATE queens.password SET password = '$6$rounds=10000$salt$hash', password_hash = NULL WHERE local_user_id = "
        "(SELECT id FROM queens.local_user WHERE user_id = %s)",
        (made.ids["queens-carol"],),
    )
    return keystone, made


def build(keystone: ReleasedKeystone, region: str) -> None:
    """Make an empty Keystone."""
    keystone.configure()
    keystone.server.query(f"CREATE DATABASE {keystone.database}")
    keystone.manage("db_sync")
    keystone.bootstrap(PASSWORD, region)
