# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts without and with certificates, and a server that uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tls_harness import Site, TlsServer, changed, free_port


def new_site(path: Path) -> Site:
    site = Site(path, free_port())
    for host in ("member-0", "member-1"):
        for where in ("source", "running"):
            site.keystone(host, where).mkdir(parents=True)
    return site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Hosts that have nothing yet."""
    return new_site(tmp_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, TlsServer]]:
    """Hosts that have certificates, and a server with those of member-0."""
    site = new_site(tmp_path_factory.mktemp("tls"))
    stats, _output = site.play("stretch_tls")
    assert changed(stats)
    with TlsServer(site, "member-0").running() as running:
        yield site, running
