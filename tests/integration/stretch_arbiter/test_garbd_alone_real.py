# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the arbiter's supervisor is for: garbd without it."""

from __future__ import annotations

import time

import pytest
from stretch_arbiter_harness import Arbiter, Member

pytestmark = pytest.mark.integration


def test_garbd_that_stayed_alone_never_votes_again(cluster: tuple[Member, Member], arbiter: Arbiter) -> None:
    """Worse can follow where a member knows its address: Galera ends one of the two components."""
    first, second = cluster
    arbiter.start(supervised=False)
    second.until("Primary", 3, 31)
    first.stop()
    second.stop()
    arbiter.until_said("members    = 1/1")
    second.start(bootstrap=True)
    second.until("Primary", 1, 11)
    first.start()
    first.until("Primary", 2, 23)
    time.sleep(5)
    assert first.state() == ("Primary", 2, 23)
    assert arbiter.process is not None
    assert arbiter.process.poll() is None
    assert arbiter.view().count("member:") == 1
