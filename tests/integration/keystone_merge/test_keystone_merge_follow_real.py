# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A later run goes on with the plan of the last one where that is right, and finds what a plan made anew finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import run
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import ROOT_DOMAIN, login, look, merge, tiny
from merge_servers import MariaDB

pytestmark = pytest.mark.integration

ROWS = {
    "project": [
        ("{0}-admin", "admin", "default", 0),
        ("{0}-service", "service", "default", 0),
        ("{0}-web", "web", "default", 0),
        ("{0}-own", "own-{0}", "default", 0),
        ("{0}-domain", "domain-{0}", ROOT_DOMAIN, 1),
        ("{0}-inside", "inside", "{0}-domain", 0),
    ],
    "role": [("{0}-role-admin", "admin"), ("{0}-role", "role-{0}")],
    "user": [("{0}-nova", "default"), ("{0}-alice", "default"), ("{0}-bob", "{0}-domain")],
    "local_user": [
        ("{0}-nova", "default", "nova"), ("{0}-alice", "default", "alice-{0}"), ("{0}-bob", "{0}-domain", "bob"),
    ],
    "group": [("{0}-staff", "default", "staff-{0}")],
    "assignment": [
        ("UserProject", "{0}-nova", "{0}-service", "{0}-role-admin"),
        ("UserProject", "{0}-alice", "{0}-own", "{0}-role"),
        ("UserProject", "{0}-alice", "{0}-admin", "{0}-role-admin"),
    ],
}  # fmt: skip
"""One stack: some of it becomes one with the other's, `web` gets another name in the second."""

PROJECT = "INSERT INTO project (id, name, domain_id, is_domain, enabled) VALUES ('{}', '{}', 'default', 0, 1)"
DOMAIN = f"INSERT INTO project (id, name, domain_id, is_domain, enabled) VALUES ('d', 'new', '{ROOT_DOMAIN}', 1, 1)"
ASSIGNMENT = "INSERT INTO assignment VALUES ('UserProject', '{0}-nova', '{0}-admin', '{0}-role-admin', 0)"
PASSWORD = (
    "INSERT INTO password (local_user_id, password_hash, self_service, created_at, created_at_int) "
    "SELECT id, 'x', 0, '2026-01-01', 1 FROM local_user WHERE name = 'alice-west'"
)

PLAIN = {
    "nothing": [],
    "a user": [
        ("east", "INSERT INTO user (id, domain_id, enabled, extra) VALUES ('carol', 'default', 1, '{}')"),
        ("east", "INSERT INTO local_user (user_id, domain_id, name) VALUES ('carol', 'default', 'carol')"),
    ],
    "a password": [("west", PASSWORD)],
    "a project is renamed": [("west", "UPDATE project SET name = 'another' WHERE id = 'west-own'")],
    "a project goes": [
        ("west", "DELETE FROM assignment WHERE target_id = 'west-own'"),
        ("west", "DELETE FROM project WHERE id = 'west-own'"),
    ],
    "two exchange their names": [
        ("west", "UPDATE project SET name = 'between' WHERE id = 'west-own'"),
        (
            "west",
            PROJECT.format("n", "own-west"),
        ),
    ],
    "an assignment": [
        ("east", "INSERT INTO assignment VALUES ('UserProject', 'east-alice', 'east-web', 'east-role', 0)")
    ],
    "what one who became one does": [("west", "UPDATE user SET extra = '{\"seen\": 1}' WHERE id = 'west-nova'")],
    "a group": [("east", "INSERT INTO `group` (id, domain_id, name, extra) VALUES ('g', 'default', 'more', '{}')")],
}
"""Changes of what met nothing and meets nothing, by stack."""

UNSEEN = ("nothing", "what one who became one does")
"""Those of which nothing is carried."""

MEETING = {
    "one who became one is renamed": [("west", "UPDATE local_user SET name = 'nova2' WHERE user_id = 'west-nova'")],
    "one whom another became is renamed": [
        ("east", "UPDATE local_user SET name = 'nova2' WHERE user_id = 'east-nova'")
    ],
    "one whom another became goes": [
        ("east", "DELETE FROM assignment WHERE actor_id = 'east-nova'"),
        ("east", "DELETE FROM local_user WHERE user_id = 'east-nova'"),
        ("east", "DELETE FROM user WHERE id = 'east-nova'"),
    ],
    "an equal name": [("east", "UPDATE local_user SET name = 'Alice-West' WHERE user_id = 'east-alice'")],
    "an equal name of two new ones": [
        (stack, PROJECT.format(f"{stack}-x", name))
        for stack, name in (("east", "José"), ("west", "jose"))
    ],
    "an equal name with a space behind": [("west", "UPDATE project SET name = 'own-east ' WHERE id = 'west-own'")],
    "a name that was given": [
        ("east", PROJECT.format("x", "web@west"))
    ],
    "the cause of a new name goes": [("east", "DELETE FROM project WHERE id = 'east-web'")],
    "an equal id": [("west", "INSERT INTO user (id, domain_id, enabled) VALUES ('east-alice', 'default', 1)")],
    "an equal assignment goes": [
        ("east", "DELETE FROM assignment WHERE actor_id = 'east-nova' AND target_id = 'east-service'")
    ],
    "a further one for both": [
        (stack, ASSIGNMENT.format(stack))
        for stack in ("east", "west")
    ],
    "a domain": [
        ("west", DOMAIN)
    ],
    "a domain of an equal name": [
        ("west", "UPDATE project SET name = 'domain-east' WHERE id = 'west-domain'"),
    ],
    "a role": [("east", "INSERT INTO role (id, name, extra) VALUES ('r', 'role-west', '{}')")],
    "no service user any more": [("west", "DELETE FROM assignment WHERE actor_id = 'west-nova'")],
    "a name without a password": [
        ("east", "INSERT INTO user (id, domain_id, enabled) VALUES ('ldap', 'default', 1)"),
        ("east", "INSERT INTO nonlocal_user (domain_id, name, user_id) VALUES ('default', 'alice-west', 'ldap')"),
    ],
    "what no rule knows": [
        ("west", "CREATE TABLE mystery (id INT PRIMARY KEY)"), ("west", "INSERT INTO mystery VALUES (1)"),
    ],
}  # fmt: skip
"""Changes by which other things become one, or no longer do, or which are refused."""


@dataclass
class Clouds:
    """Two Keystones that were merged, and their server."""

    regions: MariaDB
    stretched: MariaDB
    request: Request

    def change(self, statements: list[tuple[str, str]]) -> None:
        for stack, statement in statements:
            self.regions.query(statement, database=f"follow_{stack}")

    def forget(self) -> None:
        """Make the next run plan anew."""
        self.stretched.query("DELETE FROM planned", database=self.request.state_database)

    def remembers(self) -> bool:
        return bool(self.stretched.query("SELECT 1 FROM planned", database=self.request.state_database))


@pytest.fixture(params=["log", "rows"])
def clouds(
    request: pytest.FixtureRequest, regions: MariaDB, stretched: MariaDB, schema: bytes, fresh: Callable[[], str]
) -> Clouds:
    sources: list[Login] = []
    for stack in ("east", "west"):
        rows = {
            table: [tuple(text.format(stack) if isinstance(text, str) else text for text in row) for row in values]
            for table, values in ROWS.items()
        }
        regions.query(f"DROP DATABASE IF EXISTS follow_{stack}")
        made = tiny(regions, schema, f"follow_{stack}", **rows)
        sources.append(Login(**{**made.__dict__, "name": stack}))
    policy = Policy(on_conflict={"project": "rename"}, rename_format="{name}@{stack}")
    target = fresh()
    wanted = Request(
        tuple(sources), login(stretched, "target", target), f"{target}_state", policy=policy, compare_by=request.param
    )
    assert merge(wanted)["changed"] is True
    made = Clouds(regions, stretched, wanted)
    assert made.remembers()
    return made


def told(result: dict[str, Any]) -> dict[str, Any]:
    """All that a plan decides."""
    names = ("changed", "plan", "conflicts", "counts", "changes", "obstacles", "warnings", "diff", "summary")
    return json.loads(json.dumps({name: result[name] for name in names}))


@pytest.mark.parametrize("change", PLAIN)
def test_the_plan_holds(clouds: Clouds, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_given: Any) -> None:
        raise AssertionError("planned anew")

    clouds.change(PLAIN[change])
    with monkeypatch.context() as patched:
        patched.setattr(run, "plan", never)
        found = look(clouds.request)
        followed = told(found)
    assert {how.split(":")[0] for how in found["compared"].values()} == {clouds.request.compare_by}
    clouds.forget()
    assert told(look(clouds.request)) == followed


@pytest.mark.parametrize("change", PLAIN)
def test_further_runs(clouds: Clouds, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run that followed wrote is what the next one goes on with."""

    def never(*_given: Any) -> None:
        raise AssertionError("planned anew")

    monkeypatch.setattr(run, "plan", never)
    clouds.change(PLAIN[change])
    assert merge(clouds.request)["changed"] is (change not in UNSEEN)
    assert clouds.remembers()
    assert merge(clouds.request)["changed"] is False
    clouds.change([("east", "INSERT INTO user (id, domain_id, enabled) VALUES ('one more', 'default', 1)")])
    found = merge(clouds.request)
    assert found["changes"] == {"user": {"east": {"added": 1, "changed": 0, "removed": 0}}}
    assert {how.split(":")[0] for how in found["compared"].values()} == {clouds.request.compare_by}
    assert merge(clouds.request)["changed"] is False


@pytest.mark.parametrize("change", MEETING)
def test_a_plan_that_no_longer_holds_is_made_anew(clouds: Clouds, change: str) -> None:
    before = told(look(clouds.request))
    clouds.change(MEETING[change])
    found = told(look(clouds.request))
    clouds.forget()
    assert told(look(clouds.request)) == found
    assert found != before
