# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Votes and the arbiter against real members, which are stopped and cut off."""

from __future__ import annotations

from typing import Tuple

import pytest
from stretch_arbiter_harness import Arbiter, Lab, Member

pytestmark = pytest.mark.integration

Whole = Tuple[Member, Member, Arbiter]


def test_a_site_is_lost_and_then_the_arbiter(whole: Whole) -> None:
    first, second, arbiter = whole
    first.isolate(True)
    second.until("Primary", 2, 19)
    first.until("non-Primary", 1, 0)
    arbiter.kill()
    second.until("Primary", 1, 11)
    first.isolate(False)
    second.until("Primary", 2, 23)


def test_an_arbiter_without_weight_decides_nothing(whole: Whole) -> None:
    first, second, arbiter = whole
    arbiter.stop()
    second.until("Primary", 2, 23)
    weight = arbiter.options["pc.weight"]
    arbiter.options["pc.weight"] = "0"
    arbiter.start()
    second.until("Primary", 3, 23)
    first.isolate(True)
    second.until("non-Primary", 2, 0)
    first.until("Primary", 1, 12)
    first.isolate(False)
    second.until("Primary", 3, 23)
    arbiter.options["pc.weight"] = weight
    arbiter.stop()


def test_the_arbiter_leaves_with_the_last_member_and_comes_back(whole: Whole) -> None:
    first, second, arbiter = whole
    first.stop()
    second.until("Primary", 2, 19)
    assert not arbiter.said("garbd leaves too")
    second.stop()
    arbiter.until_said("garbd leaves too")
    arbiter.until_forgotten()
    second.start(bootstrap=True)
    second.until("Primary", 2, 19)
    # Its address in a member's list does no harm now.
    first.start(peers=(1, 2, 9))
    first.until("Primary", 3, 31)
    assert arbiter.said("garbd leaves too") == 1
    assert not arbiter.said("garbd ended with")


def test_a_cluster_in_three_pieces_forms_again_though_the_arbiter_was_restarted(whole: Whole) -> None:
    first, second, arbiter = whole
    for one in (first, second):
        one.isolate(True)
    for one in (first, second):
        one.until("non-Primary", 1, 0)
    arbiter.until_said("primary = no")
    view = arbiter.view()
    assert view.count("member:") == 3
    arbiter.stop()
    assert arbiter.view() == view
    arbiter.start()
    for one in (first, second):
        one.isolate(False)
    first.until("Primary", 3, 31)
    second.until("Primary", 3, 31)


def test_a_renewed_certificate_and_an_arbiter_that_is_restarted_stop_nobody(lab: Lab, whole: Whole) -> None:
    first, second, arbiter = whole
    lab.certify()
    for one in (first, second):
        assert one.set("socket.ssl_reload", "1") == ""
    arbiter.until_said("the certificate was renewed")
    second.until("Primary", 2, 23)
    second.until("Primary", 3, 31)
    arbiter.stop()
    second.until("Primary", 2, 23)
    assert arbiter.view() == ""
