# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module keystone_population against a real Keystone."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.identity import V3Password
from keystoneauth1.session import Session

pytestmark = pytest.mark.integration

MODULE = "ansible_collections.stretch.cluster.plugins.modules.keystone_population"
USERS = [f"user{number}" for number in range(5)]
POPULATION: dict[str, Any] = {
    "domains": [{"name": "acme", "description": "A customer"}],
    "projects": [
        {"name": "web", "domain": "acme", "description": "Their site"},
        {"name": "web"},
        *({"name": f"project{number}", "domain": "acme"} for number in range(4)),
    ],
    "users": [
        {"name": "alice", "domain": "acme", "password": "secret-of-alice", "default_project": "web"},
        {"name": "bob", "password": "secret-of-bob", "email": "bob@example.com"},
        *({"name": name, "domain": "acme", "password": f"secret-of-{name}"} for name in USERS),
    ],
    "groups": [
        {
            "name": "operators",
            "domain": "acme",
            "members": [{"name": "alice"}, {"name": "bob", "domain": "Default"}],
        }
    ],
    "roles": ["auditor"],
    "assignments": [
        {"role": "member", "user": "alice", "user_domain": "acme", "project": "web", "project_domain": "acme"},
        {"role": "auditor", "user": "bob", "domain": "acme"},
        {"role": "reader", "group": "operators", "group_domain": "acme", "project": "web"},
        {"role": "reader", "group": "operators", "group_domain": "acme", "domain": "acme"},
    ],
    "services": [{"name": "glance", "type": "image", "region": "one", "url": "http://127.0.0.1:9292"}],
}


def run(auth: dict[str, str], population: dict[str, Any], tmp_path: Path, check: bool = False) -> dict[str, Any]:
    """Run the module in a process of its own, as Ansible does."""
    arguments = tmp_path / "arguments.json"
    options = {"auth": auth, **population, "_ansible_check_mode": check, "_ansible_diff": True}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    done = subprocess.run(
        [sys.executable, "-m", MODULE, str(arguments)], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    result.pop("invocation", None)
    assert "secret-of" not in json.dumps(result)
    return result


@pytest.fixture
def auth(keystone: Any) -> dict[str, str]:
    return {"auth_url": keystone.url, "username": "admin", "password": keystone.password, "project_name": "admin"}


def login(url: str, name: str, domain: str, password: str, project: str, project_domain: str) -> set[str]:
    """Log in with a new session; the names of the roles that the token carries."""
    plugin = V3Password(
        url,
        username=name,
        user_domain_name=domain,
        password=password,
        project_name=project,
        project_domain_name=project_domain,
    )
    return set(plugin.get_access(Session()).role_names)


def test_everything_is_made_once_and_kept(auth: dict[str, str], tmp_path: Path) -> None:
    url = auth["auth_url"]
    predicted = run(auth, POPULATION, tmp_path, check=True)
    assert predicted["changed"]
    with pytest.raises(Unauthorized):
        login(url, "alice", "acme", "secret-of-alice", "web", "acme")

    made = run(auth, POPULATION, tmp_path)
    assert made["changed"]
    assert made["steps"] == predicted["steps"]
    assert made["diff"]["after"].splitlines() == made["steps"]
    assert {"create domain acme", "create project Default/web", "add user Default/bob to group acme/operators"} <= set(
        made["steps"]
    )
    assert login(url, "alice", "acme", "secret-of-alice", "web", "acme") == {"member", "reader"}  # implied
    assert login(url, "alice", "acme", "secret-of-alice", "web", "Default") == {"reader"}
    assert login(url, "bob", "Default", "secret-of-bob", "web", "Default") == {"reader"}

    for check in (True, False):
        again = run(auth, POPULATION, tmp_path, check=check)
        assert (again["changed"], again["steps"]) == (False, [])
        assert again["diff"] == {"before": "", "after": ""}
        # Domains, roles, users and projects of two domains, groups, members, assignments, services and endpoints; and
        # further pages.
        assert again["api_calls"] <= 18

    changed = copy.deepcopy(POPULATION)
    changed["users"][0]["password"] = "secret-of-nobody"
    changed["users"][1]["email"] = "robert@example.com"
    changed["users"][1]["default_project"] = "web"
    changed["projects"][0]["description"] = "Their new site"
    changed["services"][0]["url"] = "http://127.0.0.1:9293"
    updated = run(auth, changed, tmp_path)
    assert updated["steps"] == [
        "update project acme/web: description",
        "update user Default/bob: email, default_project",
        *(f"update endpoint glance/one/{interface}: url" for interface in ("public", "internal", "admin")),
    ]
    assert login(url, "alice", "acme", "secret-of-alice", "web", "acme") == {"member", "reader"}
    assert not run(auth, changed, tmp_path)["changed"]


@pytest.mark.parametrize(
    ("auth_change", "population", "message"),
    [
        ({"password": "wrong"}, {"roles": ["x"]}, "refuses the login of Default/admin in project Default/admin"),
        ({"auth_url": "http://127.0.0.1:1/v3"}, {"roles": ["x"]}, "No Keystone answers at http://127.0.0.1:1/v3"),
        (
            {},
            {"projects": [{"name": "p", "domain": "nowhere"}]},
            "neither in Keystone nor in what is wanted: domain now",
        ),
        ({}, {"roles": ["x", "x"]}, "role x is listed twice"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_made(
    auth: dict[str, str], tmp_path: Path, auth_change: dict[str, str], population: dict[str, Any], message: str
) -> None:
    before = keystone_roles(auth)
    result = run({**auth, **auth_change}, population, tmp_path)
    assert result["failed"]
    assert message in result["msg"]
    assert keystone_roles(auth) == before


def keystone_roles(auth: dict[str, str]) -> set[str]:
    """Names of all roles."""
    plugin = V3Password(**auth, user_domain_name="Default", project_domain_name="Default")
    answer = Session(auth=plugin).get(auth["auth_url"] + "/roles")
    return {role["name"] for role in answer.json()["roles"]}
