# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters hand their input on; the rules are tested with module_utils."""

from __future__ import annotations

from ansible_collections.stretch.cluster.plugins.filter.galera_problems import galera_problems
from ansible_collections.stretch.cluster.plugins.filter.galera_round_trip import galera_round_trip


def test_round_trip() -> None:
    links = [[{"round_trip_min": 0.4}], [{"round_trip_min": None}, {"round_trip_min": 30.2}]]
    assert galera_round_trip(links) == 30.2
    assert galera_round_trip([]) is None


def test_problems() -> None:
    twins = [{"name": "a", "address": "10.0.0.1"}, {"name": "a", "address": "10.0.0.2"}]
    found = galera_problems({}, twins, "stretch", "/data", "/etc/members.json")
    assert found["warnings"] == []
    assert [sentence[:9] for sentence in found["errors"]] == ["2 members"]
    assert galera_problems({}, twins[:1], "stretch", "/data", "/etc/members.json") == {"errors": [], "warnings": []}
