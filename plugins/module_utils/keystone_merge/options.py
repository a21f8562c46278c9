# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""The options of the two modules, as an argument spec and as a request."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import Builtin
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import TARGET, Request


def _login() -> dict[str, Any]:
    return {
        "login_host": {"type": "str", "default": "localhost"},
        "login_port": {"type": "int", "default": 3306},
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "login_unix_socket": {"type": "path"},
        "ca_cert": {"type": "path"},
        "database": {"type": "str", "default": "keystone"},
    }


def argument_spec(target_required: bool) -> dict[str, Any]:
    """The argument spec; only a module that writes needs a target."""
    return {
        "sources": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, "region": {"type": "str"}, **_login()},
        },
        "target": {"type": "dict", "required": target_required, "options": _login()},
        "builtin_users": {"type": "list", "elements": "str", "default": ["admin"]},
        "builtin_projects": {"type": "list", "elements": "str", "default": ["admin", "service", "services"]},
        "state_database": {"type": "str", "default": "stretch_merge"},
    }


def _to_login(name: str, options: Mapping[str, Any]) -> Login:
    return Login(
        name=name,
        host=options["login_host"],
        port=options["login_port"],
        user=options["login_user"],
        password=options["login_password"],
        unix_socket=options["login_unix_socket"],
        ca_cert=options["ca_cert"],
        database=options["database"],
        region=options.get("region"),
    )


def to_request(params: Mapping[str, Any]) -> Request:
    """A module's parameters, typed."""
    return Request(
        sources=tuple(_to_login(source["name"], source) for source in params["sources"]),
        target=None if params["target"] is None else _to_login(TARGET, params["target"]),
        state_database=params["state_database"],
        builtin=Builtin(tuple(params["builtin_users"]), tuple(params["builtin_projects"])),
    )
