# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running cluster for the tests of the drill."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles/stretch_drill/files"))

from drill_servers import Cluster, Lab


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four members on two sites and an arbiter, all Synced; a test that uses it leaves it so, but for the last one."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start("s1-0")
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def lab(cluster: Cluster) -> Iterator[Lab]:
    """The cluster with power that can be cut, an agent and VIPs."""
    lab = Lab(cluster)
    try:
        yield lab
    finally:
        lab.stop()
