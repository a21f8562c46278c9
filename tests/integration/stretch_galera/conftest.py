# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from galera_agent_harness import OCF, Member


@pytest.fixture
def member() -> Iterator[Member]:
    """A member that never started."""
    if os.getuid() != 0 or not OCF.exists() or shutil.which("unshare") is None:
        pytest.skip("needs root and the package resource-agents")
    directory = Path(tempfile.mkdtemp(prefix="sg-"))
    member = Member(directory)
    try:
        yield member
    finally:
        member.end()
        shutil.rmtree(directory)
