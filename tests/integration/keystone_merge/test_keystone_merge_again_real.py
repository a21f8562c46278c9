# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging again: what two Keystones changed since, and a third one once the merged database is in use."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import add_users, crowd, cut_over, login, look, merge, people, refuse, tiny
from merge_inventory import differences, inventory, united
from merge_logins import ec2
from merge_population import ACCESS
from merge_servers import Api, MariaDB
from merge_stack import PASSWORDS, Stack

pytestmark = pytest.mark.integration

Stacks = dict[str, Stack]
Result = dict[str, Any]


@dataclass
class Extra:
    """What a test makes in a stack beside its population."""

    ids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def add_user(stack: Stack, extra: Extra, name: str, project: str) -> Api:
    """Make a user with everything that hangs on one; give the API as it sees it."""
    admin, ids, full = stack.admin, extra.ids, f"{stack.name}-{name}"
    extra.secrets[name] = f"{full} secret"
    id_ = ids[name] = admin.make(
        "user", name=full, domain_id="default", password=extra.secrets[name], default_project_id=project,
        options={"ignore_lockout_failure_attempts": True},
    )  # fmt: skip
    role = stack.made.ids["operator"]
    member = admin.do("GET", "/roles?name=member")["roles"][0]["id"]
    for path in (
        f"/projects/{project}/users/{id_}/roles/{role}",
        f"/projects/{project}/users/{id_}/roles/{member}",
        f"/domains/{stack.made.ids['domain']}/users/{id_}/roles/{role}",
        f"/groups/{stack.made.ids['empty group']}/users/{id_}",
    ):
        admin.do("PUT", path)
    stack.system.do("PUT", f"/system/users/{id_}/roles/{role}")
    admin.make("credential", type="cert", user_id=id_, project_id=project, blob=full)
    shown = admin.do("GET", f"/projects/{project}")["project"]
    own = stack.api.log_in(
        {"methods": ["password"], "password": {"user": {"id": id_, "password": extra.secrets[name]}}},
        {"project": {"id": shown["id"]}},
    )
    assert own is not None
    extra.tokens[name] = str(own.token)
    ids[f"app credential of {name}"] = own.make(
        "application_credential", f"/users/{id_}/application_credentials", name="ci", secret=full, access_rules=[ACCESS]
    )
    ec2_key = own.do("POST", f"/users/{id_}/credentials/OS-EC2", {"tenant_id": project})["credential"]
    ids[f"ec2 of {name}"], extra.secrets[f"ec2 of {name}"] = ec2_key["access"], ec2_key["secret"]
    own.do("POST", "/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": id_, "trustee_user_id": stack.made.ids["bob"], "project_id": project,
        "impersonation": True, "roles": [{"id": role}]}})  # fmt: skip
    return own


def prepare(stack: Stack) -> Extra:
    """Make what goes later: a user, a project, a group and a role, each with what belongs to it."""
    extra, admin, made = Extra(), stack.admin, stack.made.ids
    project = extra.ids["closing"] = admin.make(
        "project", name=f"{stack.name}-closing", domain_id="default", tags=["a", "b"], options={"immutable": False}
    )
    add_user(stack, extra, "leaver", made["project"])
    role = extra.ids["role"] = admin.make("role", name=f"{stack.name}-closing")
    group = extra.ids["group"] = admin.make("group", name=f"{stack.name}-closing", domain_id="default")
    registered = stack.system.do("GET", "/registered_limits")["registered_limits"]
    cores = next(limit for limit in registered if limit["resource_name"] == "cores")
    stack.system.do("POST", "/limits", {"limits": [{
        "service_id": cores["service_id"], "region_id": cores["region_id"], "resource_name": "cores",
        "project_id": project, "resource_limit": 3}]})  # fmt: skip
    for path in (
        f"/groups/{group}/users/{made['carol']}",
        f"/projects/{project}/groups/{group}/roles/{role}",
        f"/projects/{made['project']}/users/{made['carol']}/roles/{role}",
        f"/roles/{role}/implies/{made['operator']}",
        f"/OS-EP-FILTER/projects/{project}/endpoints/{made['endpoint-public']}",
    ):
        admin.do("PUT", path)
    return extra


def change(stack: Stack, extra: Extra) -> None:
    """Add, change and take away, through the API."""
    admin, made, name = stack.admin, stack.made.ids, stack.name
    # New.
    project = extra.ids["opening"] = admin.make(
        "project", name=f"{name}-opening", domain_id=made["domain"], parent_id=made["level0"], tags=["new"]
    )
    add_user(stack, extra, "joiner", project)
    extra.ids["new role"] = admin.make("role", name=f"{name}-opening", domain_id=made["domain"])
    region = admin.make("region", id=f"{stack.made.region}_new")
    service = admin.make("service", type=f"{name}-new", name="new")
    admin.make("endpoint", service_id=service, region_id=region, interface="public", url="http://new")
    # Changed.
    admin.do("PATCH", f"/users/{made['carol']}", {"user": {"name": f"{name}-caroline", "email": "c@example.com"}})
    extra.secrets["bob"] = "another password"
    admin.do("PATCH", f"/users/{made['bob']}", {"user": {"password": extra.secrets["bob"]}})
    admin.do("PATCH", f"/users/{made['changed']}", {"user": {"enabled": False}})
    admin.do("PATCH", f"/projects/{made['level3']}", {"project": {"name": f"{name}-renamed", "tags": ["x"]}})
    admin.do("PATCH", f"/groups/{made['empty group']}", {"group": {"description": "somebody"}})
    admin.do("PATCH", f"/endpoints/{made['endpoint-public']}", {"endpoint": {"url": "http://moved"}})
    admin.do("PATCH", f"/domains/{made['domain']}/config", {"config": {"ldap": {"url": "ldap://moved"}}})
    admin.do("PUT", f"/projects/{made['project']}/users/{made['carol']}/roles/{made['auditor']}")
    admin.do("DELETE", f"/projects/{made['project']}/users/{made['alice']}/roles/{made['auditor']}")
    admin.do("DELETE", f"/roles/{made['domain role']}/implies/{made['auditor']}")
    # Gone.
    for path in (
        f"/users/{extra.ids['leaver']}",
        f"/projects/{extra.ids['closing']}",
        f"/groups/{extra.ids['group']}",
        f"/roles/{extra.ids['role']}",
        f"/domains/{made['shut domain']}",
        f"/OS-FEDERATION/service_providers/{name}-sp",
    ):
        admin.do("DELETE", path)


@dataclass
class Story:
    """Two Keystones that were merged, changed, and merged again."""

    target: str
    request: Request
    extras: dict[str, Extra]
    first: Result
    checked: Result
    second: Result
    third: Result


@pytest.fixture(scope="module")
def story(
    regions: MariaDB, stretched: MariaDB, stacks: Stacks, fresh: Callable[[], str], request_for: Callable[..., Request]
) -> Story:
    target = fresh()
    logins = [login(regions, name, stack.keystone.database, region=stack.made.region) for name, stack in stacks.items()]
    request = request_for(target, *logins)
    with ThreadPoolExecutor() as pool:
        extras = dict(zip(stacks, pool.map(prepare, stacks.values())))
        first = merge(request)
        list(pool.map(change, stacks.values(), extras.values()))
    before = stretched.content(target)
    checked = look(request)
    assert stretched.content(target) == before
    return Story(target, request, extras, first, checked, merge(request), merge(request))


@pytest.fixture(scope="module")
def api(story: Story, serve: Callable[[str], Api]) -> Api:
    """Run a real Keystone on the merged database."""
    return serve(story.target)


@pytest.fixture(scope="module")
def admin(api: Api) -> Api:
    found = api.password("admin", PASSWORDS["stack1"], "admin")
    assert found is not None
    return found


class TestBeforeTheCutover:
    """The merged database follows the sources."""

    def test_only_what_changed_is_carried(self, story: Story) -> None:
        assert (story.first["changed"], story.second["changed"], story.third["changed"]) == (True, True, False)
        assert story.first["changes"] == story.third["changes"] == {}
        assert story.third["diff"] == []
        assert story.third["summary"] == "Nothing to do: nothing changed in stack1 and stack2 since the last run"
        for name in PASSWORDS:
            numbers = {table: found[name] for table, found in story.second["changes"].items()}
            assert numbers["user"] == {"added": 1, "changed": 2, "removed": 2}
            assert numbers["local_user"] == {"added": 1, "changed": 1, "removed": 2}
            # A password that was changed is a new row beside the old one.
            assert numbers["password"] == {"added": 2, "changed": 1, "removed": 2}
            assert numbers["project"] == {"added": 1, "changed": 1, "removed": 2}
            assert numbers["group"] == {"added": 0, "changed": 1, "removed": 1}
            assert numbers["role"] == {"added": 1, "changed": 0, "removed": 1}
            assert numbers["endpoint"] == {"added": 1, "changed": 1, "removed": 0}
            assert numbers["service_provider"] == {"added": 0, "changed": 0, "removed": 1}

    def test_check_mode_tells_the_same_and_writes_nothing(self, story: Story) -> None:
        assert story.checked["changed"] is True
        assert story.checked["changes"] == story.second["changes"]
        assert story.checked["diff"] == story.second["diff"]
        for name in PASSWORDS:
            for line in (
                f"user added: {name}-joiner ({name})", f"user removed: {name}-leaver ({name})",
                f"user removed: {name}-shut-in ({name})", f"user changed: {name}-caroline ({name})",
                f"project added: {name}-opening ({name})", f"project changed: {name}-renamed ({name})",
                f"project removed: {name}-closing ({name})", f"domain removed: {name}-shut ({name})",
                f"user changed: {name}-bob ({name})", f"user changed: {name}-changed ({name})",
                f"role added: {name}-opening ({name})", f"role removed: {name}-closing ({name})",
                f"group removed: {name}-closing ({name})", f"service added: new ({name})",
            ):  # fmt: skip
                assert line in story.second["diff"]

    def test_the_api_shows_what_the_sources_show(
        self, story: Story, stretched: MariaDB, api: Api, admin: Api, stacks: Stacks
    ) -> None:
        changed: dict[str, dict[str, str]] = {}
        for stack, old, new in stretched.query(
            "SELECT source, old_id, new_id FROM id_map", (), f"{story.target}_state"
        ):
            changed.setdefault(stack, {})[old] = new
        with ThreadPoolExecutor() as pool:
            seen = dict(zip(stacks, pool.map(Stack.look, stacks.values())))
        makers = {changed.get(name, {}).get(id_, id_) for name, stack in stacks.items() for id_ in stack.makers}
        found = inventory(admin, api.scoped_to_system("admin", PASSWORDS["stack1"]), makers)
        assert differences(found, united(seen, changed)) == []

    def test_what_changed_works(self, story: Story, api: Api, admin: Api, stacks: Stacks) -> None:
        for name, stack in stacks.items():
            made, extra = stack.made, story.extras[name]
            assert api.password(f"{name}-joiner", extra.secrets["joiner"]) is not None
            credential = extra.ids["app credential of joiner"]
            assert api.app_credential(f"{name}-joiner", id=credential) is not None
            assert ec2(admin, extra.ids["ec2 of joiner"], extra.secrets["ec2 of joiner"]) is not None
            assert admin.call("GET", "/auth/tokens", subject=extra.tokens["joiner"])[0] == 200
            assert api.password(f"{name}-caroline", made.secrets["carol"]) is not None
            assert api.password(f"{name}-carol", made.secrets["carol"]) is None
            assert api.password(f"{name}-bob", extra.secrets["bob"], domain=f"{name}-domain") is not None
            assert made.user(api, "bob", domain=f"{name}-domain") is None
            assert made.user(api, "changed") is None

    def test_what_is_gone_lets_nobody_in(self, story: Story, api: Api, admin: Api) -> None:
        for name, extra in story.extras.items():
            assert api.password(f"{name}-leaver", extra.secrets["leaver"]) is None
            assert api.app_credential(f"{name}-leaver", id=extra.ids["app credential of leaver"]) is None
            assert ec2(admin, extra.ids["ec2 of leaver"], extra.secrets["ec2 of leaver"]) is None
            assert admin.call("GET", "/auth/tokens", subject=extra.tokens["leaver"])[0] == 404


class Writer:
    """Writes users to a Keystone, one after another, while something else happens."""

    def __init__(self, admin: Api, prefix: str) -> None:
        self.names: list[str] = []
        self._admin = admin
        self._prefix = prefix
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def write(self) -> None:
        """Make one more user."""
        name = f"{self._prefix}-{len(self.names)}"
        self._admin.make("user", name=name, domain_id="default", password=f"secret of {name}")
        self.names.append(name)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.write()

    def __enter__(self) -> Writer:
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._running.result()


@dataclass
class Third:
    """A third stack, merged into two that are in use."""

    request: Request
    login: Login
    writer: Writer
    first: Result


USERS = 3000


@pytest.fixture(scope="module")
def third(
    regions: MariaDB, stretched: MariaDB, schema: bytes, story: Story, admin: Api, request_for: Callable[..., Request]
) -> Third:
    """Merge a third stack while a Keystone writes to the merged database; the first two are no more."""
    source = crowd(regions, schema, "third", USERS)
    regions.query("UPDATE password SET password_hash = (SELECT password_hash FROM stack1.password ORDER BY id LIMIT 1)",
                  database="third")  # fmt: skip
    cut_over(story.request)
    nowhere = (Login("stack1", host="127.0.0.1", port=1), login(regions, "stack2", "mysql"))
    request = request_for(story.target, *nowhere, source)
    writer = Writer(admin, "live")
    writer.write()
    with writer:
        first = merge(request)
    writer.write()
    return Third(request, source, writer, first)


class TestAfterTheCutover:
    """What was cut over is never read again, and what the merged database holds comes first."""

    def test_the_sources_are_not_opened(self, third: Third) -> None:
        assert set(third.first["cut_over"]) == {"stack1", "stack2"}
        assert sum("is not read" in warning for warning in third.first["warnings"]) == 2
        assert set(third.first["counts"]["user"]) == {"third"}
        assert third.first["counts"]["user"]["third"]["carried"] == USERS

    def test_everybody_comes_in(self, third: Third, api: Api, stacks: Stacks) -> None:
        assert len(third.writer.names) >= 3
        for name in third.writer.names:
            assert api.password(name, f"secret of {name}") is not None
        admin_password = PASSWORDS["stack1"]
        for number in (1, USERS // 2, USERS):
            assert api.password(f"third-{number}", admin_password, "third-project") is not None

    def test_numbers_do_not_meet(self, third: Third, stretched: MariaDB, story: Story) -> None:
        """What the Keystone writes gets none that the third stack may still need."""
        offsets = stretched.query("SELECT offsets FROM source WHERE name = 'third'", database=f"{story.target}_state")[
            0
        ][0]
        room = json.loads(offsets)
        numbers = [
            id_ for (id_,) in stretched.query("SELECT id FROM local_user WHERE name LIKE 'live-%'", (), story.target)
        ]
        assert not [number for number in numbers if room["local_user"] < number <= room["local_user.end"]]

    def test_a_later_run_carries_the_thirds_changes_only(
        self, third: Third, regions: MariaDB, stretched: MariaDB, story: Story, admin: Api, api: Api
    ) -> None:
        ids = dict(regions.query("SELECT name, user_id FROM local_user", database="third"))
        # What the merged Keystone does to the third stack's users stays.
        admin.do("PATCH", f"/users/{ids['third-10']}", {"user": {"description": "changed where it is now"}})
        admin.do("DELETE", f"/users/{ids['third-11']}")
        operator = admin.do("GET", "/roles?name=stack1-operator")["roles"][0]["id"]
        admin.do("PUT", f"/projects/third-project/users/{ids['third-12']}/roles/{operator}")
        third.writer.write()
        add_users(regions, "third", USERS + 1, USERS + 5)
        regions.query("UPDATE local_user SET name = 'third-renamed' WHERE name = 'third-13'", database="third")
        regions.query("DELETE FROM user WHERE id = %s", (ids["third-14"],), "third")
        regions.query("DELETE FROM assignment WHERE actor_id = %s", (ids["third-14"],), "third")
        with third.writer:
            result = merge(third.request)
        assert result["changes"]["user"]["third"] == {"added": 5, "changed": 0, "removed": 1}
        assert result["changes"]["local_user"]["third"] == {"added": 5, "changed": 1, "removed": 1}
        assert merge(third.request)["changed"] is False
        shown = admin.do("GET", f"/users/{ids['third-10']}")["user"]
        assert shown["description"] == "changed where it is now"
        assert admin.call("GET", f"/users/{ids['third-11']}")[0] == 404
        assert admin.call("GET", f"/users/{ids['third-14']}")[0] == 404
        assert admin.call("HEAD", f"/projects/third-project/users/{ids['third-12']}/roles/{operator}")[0] == 204
        assert api.password("third-renamed", PASSWORDS["stack1"]) is not None
        for name in third.writer.names:
            assert api.password(name, f"secret of {name}") is not None

    def test_a_name_that_was_given_meanwhile_is_a_conflict(self, third: Third, regions: MariaDB, admin: Api) -> None:
        admin.make("user", name="Meanwhile", domain_id="default", password="x")
        regions.query("UPDATE local_user SET name = 'meanwhile' WHERE name = 'third-20'", database="third")
        message = refuse(third.request)
        assert "user meanwhile in domain Default: target (" in message
        assert "third (" in message


OLD_STATE = """
CREATE TABLE source (
    target VARCHAR(64) NOT NULL, name VARCHAR(128) NOT NULL, region VARCHAR(255) NULL, identity VARCHAR(255) NOT NULL,
    address VARCHAR(255) NOT NULL, carried INT NOT NULL, merged_at DATETIME NOT NULL, PRIMARY KEY (target, name)
) DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
CREATE TABLE id_map (
    target VARCHAR(64) NOT NULL, source VARCHAR(128) NOT NULL, kind VARCHAR(64) NOT NULL, old_id VARCHAR(255) NOT NULL,
    new_id VARCHAR(255) NOT NULL, PRIMARY KEY (target, source, kind, old_id)
) DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin
"""
"""The tables of version 0.1.0."""


def test_what_version_0_1_merged_counts_as_cut_over(
    regions: MariaDB, stretched: MariaDB, schema: bytes, fresh: Callable[[], str], request_for: Callable[..., Request]
) -> None:
    target = fresh()
    first = tiny(regions, schema, "old_first", **people(("u1", "anna")))
    second = tiny(regions, schema, "old_second", **people(("u2", "otto")))
    merge(request_for(target, first))
    state = f"{target}_state"
    stretched.query(f"CREATE OR REPLACE DATABASE {state}")
    for statement in OLD_STATE.split(";"):
        stretched.query(statement, database=state)
    stretched.query("INSERT INTO source VALUES (%s, 'old_first', NULL, 'x', 'somewhere', 1, '2026-01-01 00:00:00')",
                    (target,), state)  # fmt: skip
    assert look(request_for(target, first))["changed"] is False
    assert look(request_for(target, first, second))["counts"]["user"] == {
        "old_second": {"rows": 1, "carried": 1, "became_one": 0, "dropped": 0}
    }
    assert set(merge(request_for(target, first, second))["cut_over"]) == {"old_first"}
    assert stretched.query("SELECT name FROM local_user ORDER BY name", database=target) == [("anna",), ("otto",)]
    assert merge(request_for(target, first, second))["changed"] is False
