# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two populated Keystones, the schema of an empty one, and a server for merged ones."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from merge_population import Population, populate
from merge_servers import Keystone, MariaDB

PASSWORDS = {"stack1": "first admin", "stack2": "second admin"}


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merge")


@pytest.fixture(scope="session")
def regions(directory: Path) -> Iterator[MariaDB]:
    """Run the server that holds the sources."""
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("mariadb-server is not installed")
    with MariaDB(directory / "regions").running() as server:
        yield server


@pytest.fixture(scope="session")
def stretched(directory: Path, regions: MariaDB) -> Iterator[MariaDB]:
    """Run the server that holds the targets."""
    with MariaDB(directory / "stretched").running() as server:
        yield server


@pytest.fixture(scope="session")
def schema(directory: Path, stretched: MariaDB) -> bytes:
    """Return what db_sync makes."""
    keystone = Keystone(directory / "fresh", stretched, "fresh")
    keystone.configure()
    stretched.query("CREATE DATABASE fresh")
    keystone.manage("db_sync")
    return stretched.dump("fresh")


@pytest.fixture(scope="session")
def stacks(directory: Path, regions: MariaDB, schema: bytes) -> dict[str, tuple[Keystone, Population]]:
    """Make and fill a Keystone for each stack, in databases of the same names."""

    def make(stack: str) -> tuple[Keystone, Population]:
        keystone = Keystone(directory / stack, regions, stack)
        keystone.configure()
        regions.load(stack, schema)
        keystone.bootstrap(PASSWORDS[stack], f"region_{stack}")
        with keystone.running() as api:
            return keystone, populate(api, stack, f"region_{stack}", PASSWORDS[stack])

    with ThreadPoolExecutor() as pool:
        return dict(zip(PASSWORDS, pool.map(make, PASSWORDS)))


@pytest.fixture(scope="session")
def fresh(stretched: MariaDB, schema: bytes) -> Callable[[], str]:
    """Return a function that makes a target as db_sync leaves it and gives its name."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"target{next(numbers)}"
        stretched.load(name, schema)
        return name

    return make
