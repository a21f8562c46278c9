# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services a lab is asked for, as people write it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.lab_services import LabServicesError, services

ALL = ["glance", "placement", "neutron", "nova"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], []),
        ("", []),
        ("[]", []),
        ("keystone", []),
        (["keystone", "glance"], ["glance"]),
        ("nova,neutron, glance,placement", ALL),
        ("['nova', 'neutron', 'glance', 'placement']", ALL),
        (["nova", "neutron", "glance", "placement", "nova"], ALL),
        ("neutron", ["neutron"]),
    ],
)
def test_what_is_meant(value: Any, expected: list[str]) -> None:
    assert services(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("cinder,glance", "lab_services names cinder, and the lab has keystone, glance, placement, neutron, nova"),
        ("nova,glance", "names nova, which does not work without placement, neutron"),
        ({"nova": True}, "must be a list"),
        (None, "must be a list"),
    ],
)
def test_what_cannot_be(value: Any, message: str) -> None:
    with pytest.raises(LabServicesError, match=message):
        services(value)
