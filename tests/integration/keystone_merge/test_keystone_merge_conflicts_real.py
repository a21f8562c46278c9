# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Keystones that use one name for different things: merged, renamed, and what is lost in them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Override, Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import login, look, merge, people, refuse, run_module, tiny
from merge_logins import by_trust, ec2, federated
from merge_population import Population
from merge_servers import Api, MariaDB
from merge_stack import PASSWORDS, Stack

pytestmark = pytest.mark.integration

Stacks = dict[str, Stack]
Fresh = Callable[[], str]
RENAMES = (
    ("local_user", "stack2-alice", "Stack1-ALICE "),
    ("local_user", "stack2-carol", "stack1-carol"),
    ("project", "stack2-project", "stack1-project"),
    ("project", "stack2-domain", "STACK1-domain"),
    ("group", "stack2-empty", "stack1-empty"),
)
"""What the second stack calls as the first does: table, its name and the new one."""


@dataclass
class Clash:
    """Copies of the two stacks whose names meet."""

    request: Callable[..., Request]
    sources: tuple[Login, ...]
    first: Population
    second: Population


@pytest.fixture(scope="module")
def clash(regions: MariaDB, stacks: Stacks, request_for: Callable[..., Request]) -> Clash:
    for name in stacks:
        regions.load(f"{name}_clash", regions.dump(name))
    for table, old, new in RENAMES:
        regions.query(f"UPDATE `{table}` SET name = %s WHERE name = %s", (new, old), "stack2_clash")
    for old, new in (("stack2-domain", "STACK1-domain"), ("stack2-empty", "stack1-empty")):
        regions.query("UPDATE mapping SET rules = REPLACE(rules, %s, %s)", (old, new), "stack2_clash")
    # One whose row was taken away by hand: what is left refers to nobody.
    strict = stacks["stack2"].made.ids["strict"]
    regions.query("SET STATEMENT foreign_key_checks = 0 FOR DELETE FROM user WHERE id = %s", (strict,), "stack2_clash")
    sources = tuple(login(regions, name, f"{name}_clash", region=f"region_{name}") for name in stacks)
    first, second = (stack.made for stack in stacks.values())
    return Clash(request_for, sources, first, second)


ON_CONFLICT = {
    "user": "rename", "domain": "merge", "project": "merge", "group": "merge", "sensitive_config": "merge",
}  # fmt: skip
CAROL = Override("user", "Stack1-Carol", "merge", domain="default", stack="stack2")
GROUP = Override("group", "twin", "rename", domain="STACK1-domain", stack="stack2", new_name="the second twin")


@pytest.fixture(scope="module")
def merged(clash: Clash, fresh: Fresh, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], Path]:
    """Merge by the module, with a map of ids and a report; gives the target, the result and where the files are."""
    target, files = fresh(), tmp_path_factory.mktemp("files")
    overrides = [
        {"kind": one.kind, "name": one.name, "action": one.action, "domain": one.domain, "stack": one.stack,
         "new_name": one.new_name}
        for one in (CAROL, GROUP)
    ]  # fmt: skip
    request = clash.request(target, *clash.sources)
    assert request.target is not None
    result = run_module("keystone_merge", {
        "sources": [
            {"name": source.name, "region": source.region, "login_unix_socket": source.unix_socket,
             "login_user": source.user, "database": source.database}
            for source in clash.sources
        ],
        "target": {"login_unix_socket": request.target.unix_socket, "login_user": request.target.user,
                   "database": target},
        "state_database": request.state_database, "on_conflict": ON_CONFLICT, "overrides": overrides,
        "dangling": "drop", "id_map": str(files / "map.json"), "report": str(files / "report.html"),
    })  # fmt: skip
    assert not result.get("failed"), result["msg"]
    return target, result, files


@pytest.fixture(scope="module")
def api(merged: tuple[str, Any, Path], serve: Callable[[str], Api]) -> Api:
    """Run a real Keystone on the merged database."""
    return serve(merged[0])


@pytest.fixture(scope="module")
def admin(api: Api) -> Api:
    found = api.password("admin", PASSWORDS["stack1"], "admin")
    assert found is not None
    return found


def roles(api: Api | None) -> set[str]:
    assert api is not None
    return {role["name"] for role in api.own()["roles"]}


AUDITOR = {"auditor", "stack1-operator", "stack2-operator", "reader"}


class TestPlan:
    """All conflicts at once, each with the line that settles it."""

    def test_the_lines_that_are_told_settle_all(self, clash: Clash) -> None:
        planned = look(clash.request("nowhere", *clash.sources))
        found = {(one["kind"], one["name"]) for one in planned["conflicts"]}
        assert {
            ("user", "Stack1-ALICE "), ("user", "stack1-carol"), ("project", "stack1-project"),
            ("domain", "STACK1-domain"), ("group", "stack1-empty"),
        } <= found  # fmt: skip
        policy = Policy()
        for _round in range(3):
            planned = look(clash.request("nowhere", *clash.sources, policy=policy))
            lines = [line for one in planned["conflicts"] for line in one["settle"].splitlines()]
            if not lines:
                break
            policy = Policy(overrides=(*policy.overrides, *(Override(**yaml.safe_load(line)[0]) for line in lines)))
        assert planned["obstacles"] == []

    def test_a_name_that_is_taken_is_no_new_name(self, clash: Clash) -> None:
        taken = Override("user", "stack1-carol", "rename", stack="stack2", new_name="STACK1-changed")
        policy = Policy(on_conflict={"user": "rename"}, overrides=(taken,))
        obstacles = look(clash.request("nowhere", *clash.sources, policy=policy))["obstacles"]
        assert any("cannot be renamed to STACK1-changed: stack1 has that name already" in line for line in obstacles)


class TestRenamed:
    """A user of the second stack under another name: everything of it is what it was."""

    def test_the_new_name_comes_in_with_the_old_password(self, clash: Clash, api: Api) -> None:
        found = api.password("Stack1-ALICE @stack2", clash.second.secrets["alice"])
        assert found is not None
        assert found.own()["user"]["id"] == clash.second.ids["alice"]
        assert roles(found.scoped(project={"id": clash.first.ids["project"]})) == {"member", *AUDITOR}

    def test_the_old_name_is_the_first_stacks(self, clash: Clash, api: Api) -> None:
        found = api.password("stack1-alice", clash.first.secrets["alice"], "stack1-project")
        assert found is not None
        assert found.own()["user"]["id"] == clash.first.ids["alice"]
        assert api.password("stack1-alice", clash.second.secrets["alice"]) is None

    def test_what_it_made_works(self, clash: Clash, api: Api, admin: Api) -> None:
        second = clash.second
        found = api.app_credential(second.secrets["app credential"], id=second.ids["plain app credential"])
        assert found is not None
        # In the project that its own became.
        assert found.own()["project"]["id"] == clash.first.ids["project"]
        token = ec2(admin, second.ids["ec2 of alice"], second.secrets["ec2 of alice"])
        assert token["user"]["id"] == second.ids["alice"]
        assert token["project"]["id"] == clash.first.ids["project"]
        used = by_trust(api, second.ids["bob"], second.secrets["bob"], second.ids["trust"])
        assert used is not None
        assert used.told_by(admin)["user"]["id"] == second.ids["alice"]


class TestMerged:
    """A user, a project, a domain and groups that became one: the first stack's, with what either had."""

    def test_the_user_has_the_first_password_and_all_roles(self, clash: Clash, api: Api, admin: Api) -> None:
        first, second = clash.first, clash.second
        found = api.password("stack1-carol", first.secrets["carol"])
        assert found is not None
        assert api.password("stack1-carol", second.secrets["carol"]) is None
        assert admin.call("GET", f"/users/{second.ids['carol']}")[0] == 404
        for leaf in (first.ids["leaf"], second.ids["leaf"]):
            assert roles(found.scoped(project={"id": leaf})) >= {"member"}
        # A trust whose trustee she was in the second stack.
        used = by_trust(api, first.ids["carol"], first.secrets["carol"], second.ids["trust handed on"])
        assert used is not None

    def test_the_domain_holds_both_trees(self, clash: Clash, api: Api, admin: Api) -> None:
        first, second = clash.first, clash.second
        assert admin.call("GET", f"/domains/{second.ids['domain']}")[0] == 404
        shown = admin.do("GET", f"/projects/{second.ids['leaf']}?parents_as_ids")["project"]["parents"]
        for name in ("level2", "level1", "level0"):
            shown = shown[second.ids[name]]
        assert shown == {first.ids["domain"]: None}
        for made in (first, second):
            bob = made.user(api, "bob", domain="stack1-domain")
            assert bob is not None
            assert roles(bob.scoped(project={"id": made.ids["leaf"]})) == {"member", *AUDITOR}
            assert "admin" in roles(bob.scoped(domain={"id": first.ids["domain"]}))

    def test_whoever_comes_by_the_second_identity_provider_is_in_the_first_domain(self, clash: Clash, api: Api) -> None:
        found = federated(api, "stack2-idp", "höhe", REMOTE_KIND="person", REMOTE_IDP="urn:stack2")
        assert found is not None
        assert found.own()["user"]["id"] == clash.second.ids["mapped"]
        assert roles(found.scoped(project={"id": clash.second.ids["provisioned"]})) == AUDITOR

    def test_the_group_that_was_renamed_keeps_its_id(self, clash: Clash, admin: Api) -> None:
        group = admin.do("GET", f"/groups/{clash.second.ids['twin group 0']}")["group"]
        assert (group["name"], group["domain_id"]) == ("the second twin", clash.first.ids["domain"])

    def test_what_was_lost_is_left_out(self, clash: Clash, admin: Api) -> None:
        strict = clash.second.ids["strict"]
        assert strict not in json.dumps(admin.do("GET", "/role_assignments"))
        assert strict not in json.dumps(admin.do("GET", "/credentials"))
        # The first stack's is as it was.
        assert clash.first.ids["strict"] in json.dumps(admin.do("GET", "/role_assignments"))


class TestFiles:
    """The map of ids and the report are beside the result."""

    def test_the_map_of_ids(self, clash: Clash, merged: tuple[str, dict[str, Any], Path]) -> None:
        _target, result, files = merged
        assert result["id_map"] == str(files / "map.json")
        assert stat.S_IMODE((files / "map.json").stat().st_mode) == 0o600
        document = json.loads((files / "map.json").read_text())
        changed = {(one["kind"], one["stack"], one["old"]): one["new"] for one in document["changed"]}
        for kind, name in (
            ("user", "carol"), ("user", "nova"), ("project", "project"), ("project", "domain"),
            ("project", "service"), ("group", "empty group"), ("role", "auditor"),
        ):  # fmt: skip
            assert changed[(kind, "stack2", clash.second.ids[name])] == clash.first.ids[name]
        assert ("user", "stack2", clash.second.ids["alice"]) not in changed

    def test_the_report(self, merged: tuple[str, dict[str, Any], Path]) -> None:
        _target, result, files = merged
        assert result["report"] == str(files / "report.html")
        page = (files / "report.html").read_text()
        assert "Stack1-ALICE @stack2" in page
        assert "the second twin" in page


def test_it_follows_later_as_it_began(
    clash: Clash, regions: MariaDB, stretched: MariaDB, merged: tuple[str, dict[str, Any], Path]
) -> None:
    target, _result, _files = merged
    # Whoever tries the merged Keystone out writes to it, a revocation for instance.
    stretched.query("INSERT INTO revocation_event (issued_before, revoked_at, audit_id) VALUES (NOW(), NOW(), 'x')",
                    database=target)  # fmt: skip
    policy = Policy(on_conflict=ON_CONFLICT, overrides=(CAROL, GROUP), dangling="drop")
    request = clash.request(target, *clash.sources, policy=policy)
    assert merge(request)["changed"] is False
    # Without the rule that settled it nothing is written: it is a conflict again.
    before = stretched.content(target)
    message = refuse(clash.request(target, *clash.sources, policy=Policy(on_conflict={**ON_CONFLICT, "user": "fail"})))
    assert "user Stack1-ALICE " in message
    assert stretched.content(target) == before
    # Another name for the same user is carried.
    other = Override("user", "stack1-alice", "rename", stack="stack2", new_name="alice of two")
    policy = Policy(on_conflict=ON_CONFLICT, overrides=(CAROL, GROUP, other), dangling="drop")
    result = merge(clash.request(target, *clash.sources, policy=policy))
    assert result["changes"] == {"local_user": {"stack2": {"added": 0, "changed": 1, "removed": 0}}}
    assert result["diff"] == ["user changed: Stack1-ALICE  (stack2)"]
    assert any("table revocation_event has" in warning for warning in result["warnings"])
    assert stretched.query("SELECT name FROM local_user WHERE user_id = %s", (clash.second.ids["alice"],), target) == [
        ("alice of two",)
    ]


def test_what_is_lost_is_carried_or_dropped(clash: Clash, regions: MariaDB, stretched: MariaDB, fresh: Fresh) -> None:
    """The second stack alone, whose user was deleted by hand."""
    carried, dropped = fresh(), fresh()
    source = clash.sources[1]
    result = merge(clash.request(carried, source))
    assert stretched.content(carried) == regions.content(source.database)
    told = [warning for warning in result["warnings"] if "that is no longer there; carried as it is" in warning]
    assert {warning.split(" of table ")[1].split(" ")[0] for warning in told} >= {
        "local_user", "user_option", "assignment", "credential"
    }  # fmt: skip
    result = merge(clash.request(dropped, source, policy=Policy(dangling="drop")))
    strict = clash.second.ids["strict"]
    for table, column in (
        ("local_user", "user_id"), ("user_option", "user_id"), ("assignment", "actor_id"), ("credential", "user_id"),
    ):  # fmt: skip
        assert stretched.query(f"SELECT 1 FROM {table} WHERE {column} = %s", (strict,), carried)
        assert not stretched.query(f"SELECT 1 FROM {table} WHERE {column} = %s", (strict,), dropped)
        assert result["counts"][table]["stack2"]["dropped"] >= 1
    assert result["counts"]["password"]["stack2"]["dropped"] == 1


def test_renaming_takes_no_name_that_only_the_target_has(
    regions: MariaDB, schema: bytes, fresh: Fresh, request_for: Callable[..., Request]
) -> None:
    one = tiny(regions, schema, "rename1", **people(("u1", "eve"), ("u2", "EVE@rename2")))
    two = tiny(regions, schema, "rename2", **people(("v1", "eve")))
    message = refuse(request_for(fresh(), one, two, policy=Policy(on_conflict={"user": "rename"})))
    assert "user eve of rename2 cannot be renamed to eve@rename2: rename1 has that name already" in message
