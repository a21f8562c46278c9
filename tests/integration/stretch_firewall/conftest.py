# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role on this machine, and a network to load its rules in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from firewall_harness import Network, Run


@pytest.fixture
def role(tmp_path: Path) -> Run:
    """The role, on this machine."""
    return Run(tmp_path)


@pytest.fixture
def network() -> Iterator[Network]:
    """A network of this test's own."""
    made = Network()
    yield made
    made.close()
