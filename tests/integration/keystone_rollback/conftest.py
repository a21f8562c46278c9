# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two Keystones with a few things in each, on one server, and databases into which they are merged."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "keystone_merge"))  # the servers
from merge_servers import Keystone, MariaDB, fresh_schema
from rollback_servers import STACKS, Made, fill, merge


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rollback")


@pytest.fixture(scope="session")
def server(directory: Path) -> Iterator[MariaDB]:
    """Run the server."""
    with MariaDB(directory / "server").running() as found:
        yield found


@pytest.fixture(scope="session")
def schema(directory: Path, server: MariaDB) -> bytes:
    """Return what db_sync makes."""
    return fresh_schema(directory / "fresh", server)


@pytest.fixture(scope="session")
def stacks(directory: Path, server: MariaDB, schema: bytes) -> dict[str, Made]:
    """Make and fill a Keystone for each stack, in databases of the same names."""

    def make(stack: str) -> Made:
        keystone = Keystone(directory / stack, server, stack)
        keystone.configure()
        server.load(stack, schema)
        keystone.bootstrap(f"admin of {stack}", f"region_{stack}")
        with keystone.running() as api:
            return fill(api, keystone)

    with ThreadPoolExecutor() as pool:
        return dict(zip(STACKS, pool.map(make, STACKS)))


@pytest.fixture(scope="session")
def merged(server: MariaDB, schema: bytes, stacks: dict[str, Made]) -> Callable[[], str]:
    """Return a function that merges both into a new database, marks them as cut over, and gives its name."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"merged{next(numbers)}"
        server.load(name, schema)
        merge(server, name)
        return name

    return make


@pytest.fixture
def keystone(tmp_path: Path, server: MariaDB, stacks: dict[str, Made], merged: Callable[[], str]) -> Keystone:
    """Return a Keystone on a merged database, with the keys of both and the first one's primary key."""
    found = Keystone(tmp_path / "keystone", server, merged())
    found.configure()
    for repository in ("fernet", "credential"):
        found_in = [made.keystone.directory / repository for made in reversed(stacks.values())]
        for number, key in enumerate(key for place in found_in for key in sorted(place.iterdir())):
            shutil.copy(key, found.directory / repository / str(number))
    return found
