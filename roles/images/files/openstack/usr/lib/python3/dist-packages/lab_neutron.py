# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binds every port at once, for servers that no network is plugged into: Nova's fake driver has none."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api
from sqlalchemy import orm


class LabMechanismDriver(api.MechanismDriver):
    """Needs no agent on the node."""

    def initialize(self) -> None:
        """Without this the first request for ports to a process fails: nothing has looked at the models yet."""
        import_module("neutron.db.models.port_forwarding")
        orm.configure_mappers()

    def bind_port(self, context: Any) -> None:
        """Bind the port to its first segment, and have it active."""
        segment = context.segments_to_bind[0][api.ID]
        context.set_binding(segment, portbindings.VIF_TYPE_BRIDGE, {}, status=constants.ACTIVE)
