# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a real Galera cluster, to be asked as the other servers are."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from merge_servers import MariaDB

sys.path.append(str(Path(__file__).resolve().parents[1] / "stretch_drill"))
from drill_servers import Cluster, Server

__all__ = ["Cluster", "Member"]


class Member(MariaDB):
    """A member of a cluster."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.directory, server.port)
        self.server = server

    @property
    def socket(self) -> str:
        return str(self.server.socket)

    def login(self, database: str) -> Login:
        """Log in as root through the socket."""
        return Login("target", user="root", unix_socket=self.socket, database=database)
