# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Keystones of these tests hold, how they are merged, and modules as Ansible runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.cutover import MarkRequest, mark
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge, Request
from merge_servers import Api, Keystone, MariaDB, user

MODULES = "ansible_collections.stretch.cluster.plugins.modules"
STACKS = ("stack1", "stack2")
SECRET = "not to be shown"
"""Part of every password and secret that a test gives."""


@dataclass
class Made:
    """A Keystone of one stack, and the ids of what was made in it, by name."""

    keystone: Keystone
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> str:
        """The stack, which is also what its database is called."""
        return self.keystone.database

    def log_in(self, root: Api, name: str, project: str | None = None, domain: str = "Default") -> Api:
        """Log in as a user."""
        found = root.password(f"{self.stack}-{name}", f"{SECRET} {name}", project and f"{self.stack}-{project}", domain)
        assert found is not None
        return found


def fill(root: Api, keystone: Keystone) -> Made:
    """Make a few things through the API; names carry the name of the stack."""
    made = Made(keystone)
    stack, ids = made.stack, made.ids
    api = administrator(root, stack)
    ids.update((role["name"], role["id"]) for role in api.do("GET", "/roles")["roles"])
    domain = ids["domain"] = api.make("domain", name=f"{stack}-domain")
    project = ids["project"] = api.make("project", name=f"{stack}-project", domain_id="default", tags=["red"])
    ids["spare"] = api.make("project", name=f"{stack}-spare", domain_id=domain)
    for name in ("alice", "Ünï-漢字", "dora"):
        ids[name] = api.make("user", name=f"{stack}-{name}", password=f"{SECRET} {name}", domain_id="default")
    ids["bob"] = api.make("user", name=f"{stack}-bob", password=f"{SECRET} bob", domain_id=domain)
    for role in ("member", "reader"):
        for name in ("alice", "dora"):
            api.do("PUT", f"/projects/{project}/users/{ids[name]}/roles/{ids[role]}")
    group = ids["group"] = api.make("group", name=f"{stack}-group", domain_id=domain)
    api.do("PUT", f"/groups/{group}/users/{ids['bob']}")
    api.do("PUT", f"/groups/{group}/users/{ids['alice']}")
    api.do("PUT", f"/domains/{domain}/groups/{group}/roles/{ids['member']}")
    ids["auditor"] = api.make("role", name=f"{stack}-auditor")
    service = ids["service"] = api.make("service", type="compute", name="nova")
    for interface in ("public", "internal"):
        ids[interface] = api.make(
            "endpoint", service_id=service, region_id=f"region_{stack}", interface=interface, url=f"http://{stack}"
        )
    for name in ("alice", "dora"):
        own = made.log_in(root, name, "project")
        trust = own.do("POST", "/OS-TRUST/trusts", {"trust": {
            "trustor_user_id": ids[name], "trustee_user_id": ids["bob"], "project_id": project,
            "impersonation": True, "roles": [{"id": ids["reader"]}]}})  # fmt: skip
        ids[f"trust of {name}"] = trust["trust"]["id"]
    for number in (1, 2):
        ids[f"credential {number}"] = api.make(
            "credential", type=f"cert{number}", user_id=ids["alice"], blob=f"{SECRET} {number}"
        )
    return made


def administrator(root: Api, stack: str = "stack1") -> Api:
    """Log in as the administrator; a merged Keystone has the first stack's."""
    found = root.password("admin", f"admin of {stack}", "admin")
    assert found is not None
    return found


def login(server: MariaDB, name: str, database: str) -> Login:
    """How to get to a database."""
    return Login(name, user=user(), unix_socket=server.socket, database=database)


def sources(server: MariaDB) -> tuple[Login, ...]:
    """The stacks' own databases."""
    return tuple(login(server, stack, stack) for stack in STACKS)


def merge(server: MariaDB, target: str) -> None:
    """Merge all stacks and mark them as cut over; the state lies in a database beside."""
    into = login(server, "target", target)
    with Merge(Request(sources(server), into, f"{target}_state"), read_only=False) as planned:
        planned.apply()
    mark(MarkRequest(into, f"{target}_state", STACKS, done=True), read_only=False)


def options(server: MariaDB, name: str, database: str) -> dict[str, Any]:
    """The same login as an option of a module."""
    return {
        **({"name": name} if name else {}),
        "login_unix_socket": server.socket,
        "login_user": user(),
        "database": database,
    }


def run_module(module: str, values: dict[str, Any], directory: Path, check: bool = False) -> dict[str, Any]:
    """Run a module; no secret may be in what it says."""
    arguments = directory / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**values, "_ansible_check_mode": check}}))
    command = [sys.executable, "-m", f"{MODULES}.{module}", str(arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    text = json.dumps(result)
    assert SECRET not in text
    assert "$2b$" not in text
    return result
