# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that the modules which run Infrared have in common; doc_fragments/tripleo.py describes them."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import topology_files
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.infrared import Settings

COMMON: Dict[str, Any] = {
    "checkout": {"type": "path", "required": True},
    "topology": {"type": "dict", "required": True},
    "external_network": {"type": "str", "default": topology_files.EXTERNAL},
    "hypervisor": {
        "type": "dict",
        "required": True,
        "options": {
            "address": {"type": "str", "required": True},
            "user": {"type": "str", "default": "root"},
            # A path.
            "key": {"type": "path", "required": True, "no_log": False},
            "uri": {"type": "str", "default": "qemu:///system"},
            "disk_pool": {"type": "path", "default": "/var/lib/libvirt/images"},
        },
    },
    "state_dir": {"type": "path", "required": True},
}


def settings(
    hypervisor: Mapping[str, Any], image: str = "", nameservers: Sequence[str] = (), ntp_server: str = ""
) -> Settings:
    """What Infrared's commands take of the options."""
    return Settings(
        address=hypervisor["address"],
        user=hypervisor["user"],
        key=hypervisor["key"],
        disk_pool=hypervisor["disk_pool"],
        image=image,
        nameservers=tuple(nameservers),
        ntp_server=ntp_server,
    )
