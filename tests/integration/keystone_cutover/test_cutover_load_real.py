# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way from two Keystones to one while clients of both regions go on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cutover_load.load import Load, summary
from site_servers import Sites

pytestmark = pytest.mark.integration

RATES = {"logins": 2.0, "validations": 4.0, "reads": 4.0, "writes": 3.0}
LIMIT = 90.0
"""Seconds; how long it is on a machine that does nothing else is for bench-cutover to say."""


def test_nothing_fails_and_nothing_is_lost(sites: Sites, directory: Path) -> None:
    with Load([stack.who for stack in sites.stacks], directory / "load", RATES) as load:
        time.sleep(2)
        for step in ("setup_keystone_db", "setup_openstack_services"):
            load.mark(step)
            status, output, _changed = sites.play(step)
            assert status == 0, output
        time.sleep(3)
    found = load.result(LIMIT)
    assert found["passed"], "\n".join(summary(found))
    assert found["acknowledged"] > 20
    assert found["refused"] > 0
    assert all(sites.cut_over().values())
    assert "</svg>" in (directory / "load/timeline.svg").read_text()
