# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Populated Keystones, the schema of an empty one, and a server for merged ones."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.stretch.cluster.plugins.filter.key_union import key_union
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import login, run_module
from merge_population import CONFIG, add_by_sql, populate
from merge_servers import Api, Keystone, MariaDB, fresh_schema
from merge_stack import PASSWORDS, Stack


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merge")


@pytest.fixture(scope="session")
def regions(directory: Path) -> Iterator[MariaDB]:
    """Run the server that holds the sources, and keeps a binary log of all that is written."""
    with MariaDB(directory / "regions").running("--log-bin=log", "--binlog-format=ROW") as server:
        yield server


@pytest.fixture(scope="session")
def stretched(directory: Path, regions: MariaDB) -> Iterator[MariaDB]:
    """Run the server that holds the targets."""
    with MariaDB(directory / "stretched").running() as server:
        yield server


@pytest.fixture(scope="session")
def schema(directory: Path, stretched: MariaDB) -> bytes:
    """Return what db_sync makes."""
    return fresh_schema(directory / "fresh", stretched)


@pytest.fixture(scope="session")
def stacks(directory: Path, regions: MariaDB, schema: bytes) -> Iterator[dict[str, Stack]]:
    """Make and fill a Keystone for each stack, which goes on serving; a copy of its database has the stack's name."""
    with contextlib.ExitStack() as running:

        def make(name: str) -> Stack:
            keystone = Keystone(directory / name, regions, f"{name}_live")
            keystone.configure(CONFIG)
            regions.load(keystone.database, schema)
            keystone.bootstrap(PASSWORDS[name], f"region_{name}")
            api = running.enter_context(keystone.running())
            made = populate(api, name, f"region_{name}", PASSWORDS[name])
            add_by_sql(regions, keystone.database, made)
            admin = api.password("admin", PASSWORDS[name], "admin")
            assert admin is not None
            system = api.scoped_to_system("admin", PASSWORDS[name])
            regions.load(name, regions.dump(keystone.database))
            stack = Stack(name, keystone, api, made, admin, system, {})
            stack.seen = stack.look()
            return stack

        with ThreadPoolExecutor() as pool:
            made = list(pool.map(make, PASSWORDS))
        yield {stack.name: stack for stack in made}


@pytest.fixture(scope="session")
def serve(directory: Path, stretched: MariaDB, stacks: dict[str, Stack]) -> Iterator[Callable[[str], Api]]:
    """Return a function that starts a real Keystone on a merged database, with the keys of both stacks."""
    with contextlib.ExitStack() as running:

        def start(database: str) -> Api:
            keystone = Keystone(directory / database, stretched, database)
            keystone.configure(CONFIG)
            for repository in ("fernet", "credential"):
                unite([stack.keystone.directory / repository for stack in stacks.values()],
                      keystone.directory / repository)  # fmt: skip
            return running.enter_context(keystone.running())

        yield start


def unite(repositories: list[Path], to: Path) -> None:
    """Make *to* the union of key repositories, as the role cutover does."""
    keys = [{int(key.name): key.read_text() for key in repository.iterdir()} for repository in repositories]
    done = run_module("keystone_keys", {"path": str(to), "keys": key_union(keys)})
    assert done["changed"] is True


@pytest.fixture(scope="session")
def fresh(stretched: MariaDB, schema: bytes) -> Callable[[], str]:
    """Return a function that makes a target as db_sync leaves it and gives its name."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"target{next(numbers)}"
        stretched.load(name, schema)
        return name

    return make


@pytest.fixture(scope="session")
def sources(regions: MariaDB, stacks: dict[str, Stack]) -> tuple[Login, ...]:
    """Logins to the stacks as they were when they were filled."""
    return tuple(login(regions, stack, stack, region=f"region_{stack}") for stack in stacks)


@pytest.fixture(scope="session")
def request_for(stretched: MariaDB, sources: tuple[Login, ...]) -> Callable[..., Request]:
    """Give a request for a target; each target has a state of its own, as each region's server would."""

    def make(target: str, *others: Login, **more: object) -> Request:
        return Request(others or sources, login(stretched, "target", target), f"{target}_state", **more)  # type: ignore[arg-type]

    return make
