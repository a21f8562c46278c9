# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Keystone that serves and was filled through its API."""

from __future__ import annotations

from dataclasses import dataclass

from merge_inventory import Inventory, inventory
from merge_population import Population
from merge_servers import Api, Keystone

PASSWORDS = {"stack1": "first admin", "stack2": "second admin"}


@dataclass
class Stack:
    """A Keystone that serves: *name* is also the database that stays as it was when it was filled."""

    name: str
    keystone: Keystone
    api: Api
    made: Population
    admin: Api
    system: Api
    seen: Inventory

    @property
    def makers(self) -> list[str]:
        """Ids of the users who made things for themselves."""
        return [self.made.ids[name] for name in ("admin", "alice", "nova")]

    def look(self) -> Inventory:
        """Everything that its API shows now."""
        return inventory(self.admin, self.system, self.makers)
