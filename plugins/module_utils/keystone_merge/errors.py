# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""The one kind of error that the merge raises for what a user can put right."""

from __future__ import annotations


class MergeError(Exception):
    """A merge that cannot be done: found before anything was written, or rolled back completely."""
