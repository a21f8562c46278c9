# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeouts and windows from a round trip; a real member takes them in tests/integration/stretch_arbiter."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.galera import GaleraError
from ansible_collections.stretch.cluster.plugins.module_utils.galera_timeouts import LADDER, round_trip, timeouts
from hypothesis import given
from hypothesis import strategies as st

MEASURED = st.floats(0.01, 500)
LOCAL = {
    "evs.inactive_check_period": "PT0.2S",
    "evs.inactive_timeout": "PT15S",
    "evs.install_timeout": "PT7.5S",
    "evs.join_retrans_period": "PT0.3S",
    "evs.keepalive_period": "PT0.5S",
    "evs.send_window": "4",
    "evs.suspect_timeout": "PT5S",
    "evs.user_send_window": "2",
    "gmcast.peer_timeout": "PT3S",
}


def seconds(options: dict[str, str], name: str) -> float:
    assert options[name].startswith("PT")
    assert options[name].endswith("S")
    return float(options[name][2:-1])


@pytest.mark.parametrize("milliseconds", [0.1, 0.5, 1])
def test_a_local_network_suspects_as_galera_does_and_agrees_sooner(milliseconds: float) -> None:
    assert timeouts(milliseconds) == LOCAL


def test_what_grows_with_the_round_trip() -> None:
    changed = {name: value for name, value in timeouts(200).items() if value != LOCAL[name]}
    assert changed == {"evs.join_retrans_period": "PT0.6S", "evs.send_window": "800", "evs.user_send_window": "400"}
    assert timeouts(500) == {
        **LOCAL,
        "evs.inactive_timeout": "PT19.5S",
        "evs.install_timeout": "PT9.75S",
        "evs.join_retrans_period": "PT1.5S",
        "evs.send_window": "1024",
        "evs.suspect_timeout": "PT6.5S",
        "evs.user_send_window": "512",
        "gmcast.peer_timeout": "PT4.5S",
    }


@given(MEASURED)
def test_relations_that_galera_and_a_link_demand(milliseconds: float) -> None:
    options = timeouts(milliseconds)
    suspect = seconds(options, "evs.suspect_timeout")
    keepalive = seconds(options, "evs.keepalive_period")
    # gcomm/src/evs_proto.cpp
    assert 0.1 <= keepalive <= suspect / 3
    assert seconds(options, "evs.inactive_check_period") <= suspect / 2
    assert 2 * keepalive <= seconds(options, "evs.install_timeout") <= seconds(options, "evs.inactive_timeout")
    assert seconds(options, "evs.join_retrans_period") >= 0.1
    assert 1 <= int(options["evs.user_send_window"]) <= int(options["evs.send_window"])
    # A round trip has to fit in, and a lost packet too.
    trip = milliseconds / 1000
    assert seconds(options, "gmcast.peer_timeout") / 3 >= 2 * trip
    assert seconds(options, "gmcast.peer_timeout") < suspect < seconds(options, "evs.inactive_timeout")
    assert suspect >= keepalive + 3 * (trip + 0.2)
    assert suspect <= 6.5


@given(MEASURED, st.none() | st.sampled_from(LADDER) | MEASURED)
def test_the_same_measurement_again_changes_nothing(measured: float, configured: float | None) -> None:
    once = round_trip(measured, configured)
    assert once >= measured
    assert round_trip(measured, once) == once
    assert once in LADDER or once == configured


@given(st.sampled_from(LADDER), st.lists(st.floats(0.81, 1.0), min_size=2, max_size=5))
def test_it_does_not_waver(step: int, factors: list[float]) -> None:
    assert {round_trip(step * factor, step) for factor in factors} == {float(step)}


@pytest.mark.parametrize(
    ("measured", "configured", "taken"),
    [
        (0.05, None, 1),
        (0.8, None, 1),
        (0.81, None, 2),
        (9.9, None, 20),
        (9.9, 10, 10),
        (10.1, 10, 20),
        (9.9, 20, 20),
        (7.9, 20, 10),
        (1, 200, 2),
        (450, None, 500),
        (450, 500, 500),
        (20, 30, 30),
        (31, 30, 50),
    ],
)
def test_ladder(measured: float, configured: float | None, taken: float) -> None:
    assert round_trip(measured, configured) == taken


@pytest.mark.parametrize("wrong", [0, -1, "20", None, True, float("nan")])
def test_no_round_trip(wrong: Any) -> None:
    for function in (timeouts, round_trip):
        with pytest.raises(GaleraError, match="give a number above 0"):
            function(wrong)


def test_a_round_trip_that_is_too_long() -> None:
    for function in (timeouts, round_trip):
        with pytest.raises(GaleraError, match=r"A round trip of 500\.1 ms is longer than the 500 ms"):
            function(500.1)
    with pytest.raises(GaleraError, match="give a number above 0"):
        round_trip(1, 0)
