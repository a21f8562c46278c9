# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came of a merge, for people: one HTML page that needs nothing but itself. Pure.

Whoever has a plan fills a :class:`Report` (:mod:`model`) and gets the page from :func:`render`.
"""

from __future__ import annotations

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.model import (
    OWNED,
    SHOWN,
    BecameOne,
    Check,
    Conflict,
    Dangling,
    IdChange,
    Outcome,
    Phase,
    Renamed,
    Report,
    StackReport,
    TableCount,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.page import render

__all__ = (
    "OWNED",
    "SHOWN",
    "BecameOne",
    "Check",
    "Conflict",
    "Dangling",
    "IdChange",
    "Outcome",
    "Phase",
    "Renamed",
    "Report",
    "StackReport",
    "TableCount",
    "render",
)
