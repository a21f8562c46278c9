# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of the module keystone_merge, which has its documentation."""

from __future__ import annotations

from ansible_collections.stretch.cluster.plugins.plugin_utils.watched_module import WatchedModule


class ActionModule(WatchedModule):
    """Shows how far the merge is while it runs."""
