# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""The options of the two modules, as an argument spec and as a request."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import (
    ACTIONS,
    Builtin,
    Override,
    Policy,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import (
    BATCH_ROWS,
    LOG,
    ROWS,
    TARGET,
    Request,
)


def login_spec() -> dict[str, Any]:
    """The options of a login."""
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
    """The argument spec; only a module that writes needs a target, and writes a map of ids."""
    return {
        **({"id_map": {"type": "path"}} if target_required else {}),
        "sources": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, "region": {"type": "str"}, **login_spec()},
        },
        "target": {"type": "dict", "required": target_required, "options": login_spec()},
        "builtin_users": {"type": "list", "elements": "str", "default": ["admin"]},
        "builtin_projects": {"type": "list", "elements": "str", "default": ["admin", "service", "services"]},
        "on_conflict": {"type": "dict", "default": {}},
        "rename_format": {"type": "str", "default": "{name}@{stack}"},
        "overrides": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "kind": {"type": "str", "required": True},
                "domain": {"type": "str"},
                "name": {"type": "str", "required": True},
                "stack": {"type": "str"},
                "action": {"type": "str", "required": True, "choices": list(ACTIONS)},
                "new_name": {"type": "str"},
            },
        },
        "dangling": {"type": "str", "default": "carry", "choices": ["carry", "drop"]},
        "batch_rows": {"type": "int", "default": BATCH_ROWS},
        "compare_by": {"type": "str", "default": LOG, "choices": [LOG, ROWS]},
        "state_database": {"type": "str", "default": "stretch_merge"},
        "report": {"type": "path"},
        "progress_file": {"type": "path"},
    }


def to_login(name: str, options: Mapping[str, Any]) -> Login:
    """The options of a login, typed."""
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
        sources=tuple(to_login(source["name"], source) for source in params["sources"]),
        target=None if params["target"] is None else to_login(TARGET, params["target"]),
        state_database=params["state_database"],
        policy=Policy(
            builtin=Builtin(tuple(params["builtin_users"]), tuple(params["builtin_projects"])),
            on_conflict={str(kind): str(action) for kind, action in params["on_conflict"].items()},
            overrides=tuple(Override(**override) for override in params["overrides"]),
            rename_format=params["rename_format"],
            dangling=params["dangling"],
        ),
        batch_rows=params["batch_rows"],
        compare_by=params["compare_by"],
    )
