# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster for each test; what it started ends with it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stretch_arbiter_harness import PROVIDER, Arbiter, Lab, Member


@pytest.fixture(scope="session")
def seed() -> Iterator[Lab]:
    """The data of all members, in a directory with a path short enough for a socket."""
    if not PROVIDER.exists() or not all(shutil.which(name) for name in ("mariadbd", "garbd", "openssl")):
        pytest.skip("needs the packages that tools/servers installs")
    directory = Path(tempfile.mkdtemp(prefix="ga-"))
    lab = Lab(directory)
    lab.originate()
    yield lab
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def lab(seed: Lab) -> Iterator[Lab]:
    """The data, and room for the members of one file of tests."""
    kept = set(seed.directory.iterdir())
    yield seed
    for path in set(seed.directory.iterdir()) - kept:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def member(lab: Lab) -> Iterator[Callable[[int, int], Member]]:
    """Make members, by number and weight."""
    made: list[Member] = []

    def make(number: int, weight: int) -> Member:
        made.append(Member(lab, number, weight))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture(scope="module")
def arbiter(lab: Lab) -> Iterator[Arbiter]:
    """The arbiter, not started, of the weight that belongs to stacks of one member."""
    made = Arbiter(lab, 8)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def cluster(member: Callable[[int, int], Member]) -> tuple[Member, Member]:
    """Two members, one in each of two stacks, in one Primary component."""
    first, second = member(1, 12), member(2, 11)
    first.start(bootstrap=True)
    first.until("Primary", 1, 12)
    second.start()
    second.until("Primary", 2, 23)
    return first, second


@pytest.fixture
def whole(cluster: tuple[Member, Member], arbiter: Arbiter) -> tuple[Member, Member, Arbiter]:
    """Two members and the arbiter, together before each test."""
    for one in cluster:
        one.isolate(False)
    arbiter.start()
    for one in cluster:
        one.until("Primary", 3, 31)
    return (*cluster, arbiter)
