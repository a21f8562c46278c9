# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What the merged database has to be made of, to hold what the sources do."""

from __future__ import annotations

from typing import Iterable

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import VERSION_TABLES


def character_set(sources: Iterable[Database]) -> str:
    """``utf8`` as every Keystone makes its tables, whatever the database is of; ``utf8mb4`` where a source's are."""
    wide = any(
        source.query(
            "SELECT 1 FROM information_schema.columns WHERE table_schema = %s AND character_set_name = 'utf8mb4' "
            "AND table_name NOT IN ({}) LIMIT 1".format(", ".join(["%s"] * len(VERSION_TABLES))),
            (source.login.database, *sorted(VERSION_TABLES)),
        )
        for source in sources
    )
    return "utf8mb4" if wide else "utf8"
