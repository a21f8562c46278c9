# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real Keystones, merged: a real Keystone on the merged database shows everything of both, and it works."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import merge
from merge_inventory import differences, inventory, united
from merge_logins import by_trust, ec2, federated, with_one_time_password
from merge_population import ACCESS, Population
from merge_servers import Api, MariaDB
from merge_stack import PASSWORDS, Stack

pytestmark = pytest.mark.integration

Stacks = dict[str, Stack]
Result = dict[str, Any]
AUDITOR = {"auditor", "stack1-operator", "stack2-operator", "reader"}
"""What the role auditor is once both stacks' auditors are one: each implies what either did."""


@pytest.fixture(scope="module")
def target(fresh: Callable[[], str]) -> str:
    return fresh()


@pytest.fixture(scope="module")
def result(target: str, request_for: Callable[..., Request]) -> Result:
    """Merge the two stacks."""
    return merge(request_for(target))


@pytest.fixture(scope="module")
def changed(stretched: MariaDB, target: str, result: Result) -> dict[str, dict[str, str]]:
    """Return the map of ids, by stack."""
    found: dict[str, dict[str, str]] = {}
    for stack, old, new in stretched.query("SELECT source, old_id, new_id FROM id_map", database=f"{target}_state"):
        found.setdefault(stack, {})[old] = new
    return found


@pytest.fixture(scope="module")
def api(target: str, result: Result, serve: Callable[[str], Api]) -> Api:
    """Run a real Keystone on the merged database, with the keys of both."""
    return serve(target)


@pytest.fixture(scope="module")
def admin(api: Api) -> Api:
    found = api.password("admin", PASSWORDS["stack1"], "admin")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def system(api: Api) -> Api:
    return api.scoped_to_system("admin", PASSWORDS["stack1"])


@pytest.fixture(params=PASSWORDS)
def made(request: pytest.FixtureRequest, stacks: Stacks) -> Population:
    return stacks[request.param].made


def roles(api: Api | None, admin: Api | None = None) -> set[str]:
    """The names of the roles of a token, as it says itself or somebody who may ask is told."""
    assert api is not None
    return {role["name"] for role in api.told_by(admin or api)["roles"]}


def alice(api: Api, made: Population) -> Api:
    found = made.user(api, "alice", f"{made.stack}-project")
    assert found is not None
    return found


def test_every_table_was_filled(regions: MariaDB, stacks: Stacks, result: Result) -> None:
    tables = {table for (table,) in regions.query("SHOW TABLES FROM stack1")}
    # No release that uses Fernet tokens writes to `token`.
    assert tables - set(result["counts"]) == {"alembic_version", "token"}
    for table, counts in result["counts"].items():
        # There can be one of it only.
        assert set(counts) == set(stacks) or table == "config_register", table


def test_the_api_shows_everything_of_both(
    admin: Api, system: Api, stacks: Stacks, changed: dict[str, dict[str, str]]
) -> None:
    """Nothing is missing, nothing is another, nothing is invented."""
    wanted = united({name: stack.seen for name, stack in stacks.items()}, changed)
    makers = {changed.get(name, {}).get(id_, id_) for name, stack in stacks.items() for id_ in stack.makers}
    assert differences(inventory(admin, system, makers), wanted) == []


class TestLogins:
    """Everybody comes in as before."""

    def test_passwords(self, api: Api, made: Population) -> None:
        for name in ("alice", "carol", "changed", "Ünï-漢字-\u202eabc"):
            assert made.user(api, name) is not None
        assert made.user(api, "bob", domain=f"{made.stack}-domain") is not None
        assert api.password(f"{made.stack}-alice", "wrong") is None
        assert api.password(f"{made.stack}-changed", f"{made.stack}-password-of-changed") is None

    def test_who_could_not_come_in_still_cannot(self, api: Api, made: Population) -> None:
        for name in ("disabled-user", "expired", "locked", "strict"):
            assert made.user(api, name) is None
        assert made.user(api, "shut-in", domain=f"{made.stack}-shut") is None

    def test_names_that_are_equal_in_other_domains(self, api: Api, made: Population) -> None:
        for number, domain in enumerate(("domain", "other")):
            found = api.password("Twin", made.secrets[f"twin {number}"], domain=f"{made.stack}-{domain}")
            assert found is not None
            assert found.own()["user"]["id"] == made.ids[f"twin {number}"]

    def test_one_time_passwords(self, api: Api, made: Population) -> None:
        """The secret is in a credential, which the keys of both decrypt."""
        found = with_one_time_password(api, made.ids["strict"], made.secrets["strict"], made.secrets["totp"])
        assert found is not None

    def test_builtin_users_are_the_first_stacks(self, api: Api, stacks: Stacks) -> None:
        first, second = (stack.made for stack in stacks.values())
        for name in ("nova", "glance"):
            assert api.password(name, first.secrets[name], "service") is not None
            assert api.password(name, second.secrets[name], "service") is None
        assert api.password("admin", second.password) is None

    def test_tokens_from_before(self, admin: Api, made: Population) -> None:
        status, _headers, answer = admin.call("GET", "/auth/tokens", subject=made.token)
        assert status == 200
        # Both stacks' auditors are one role, which implies what either did.
        assert {role["name"] for role in answer["token"]["roles"]} == {"member", *AUDITOR}
        assert answer["token"]["project"]["id"] == made.ids["project"]
        assert admin.call("GET", "/auth/tokens", subject=made.revoked)[0] == 404


class TestDelegation:
    """Application credentials, EC2 keys, trusts and OAuth1 do what they did."""

    def test_application_credentials_by_id_and_by_name(self, api: Api, made: Population) -> None:
        secret = made.secrets["app credential"]
        for key, name in (("app credential", "ci"), ("plain app credential", "plain")):
            for which in (
                {"id": made.ids[key]},
                {"name": name, "user": {"id": made.ids["alice"]}},
                {"name": name, "user": {"name": f"{made.stack}-alice", "domain": {"id": "default"}}},
            ):
                assert api.app_credential(secret, **which) is not None
            assert api.app_credential("wrong", id=made.ids[key]) is None
        found = api.app_credential(secret, id=made.ids["plain app credential"])
        # Its roles were written down when it was made.
        assert roles(found) == {"auditor", f"{made.stack}-operator", "reader"}
        assert api.app_credential(secret, id=made.ids["old app credential"]) is None

    def test_access_rules_let_in_what_they_name(self, api: Api, made: Population) -> None:
        for key in ("app credential", "app credential of nova"):
            found = api.app_credential(made.secrets["app credential"], id=made.ids[key])
            assert found is not None
            assert found.call("GET", f"/users/{found.own()['user']['id']}")[0] == 200
            assert found.call("GET", "/projects")[0] == 401

    def test_ec2_keys(self, admin: Api, made: Population, changed: dict[str, dict[str, str]]) -> None:
        for key, project in (("alice", "project"), ("nova", "service")):
            token = ec2(admin, made.ids[f"ec2 of {key}"], made.secrets[f"ec2 of {key}"])
            assert token is not None
            new = changed.get(made.stack, {})
            assert token["user"]["id"] == new.get(made.ids[key], made.ids[key])
            assert token["project"]["id"] == new.get(made.ids[project], made.ids[project])
            assert ec2(admin, made.ids[f"ec2 of {key}"], "wrong") is None

    def test_trusts(self, api: Api, admin: Api, made: Population) -> None:
        for trust, trustee, seen in (
            ("trust", "bob", "alice"), ("trust of a project", "carol", "carol"), ("trust handed on", "carol", "alice"),
        ):  # fmt: skip
            found = by_trust(api, made.ids[trustee], made.secrets[trustee], made.ids[trust])
            assert found is not None
            token = found.told_by(admin)
            assert token["OS-TRUST:trust"]["id"] == made.ids[trust]
            assert token["user"]["id"] == made.ids[seen]
            assert token["project"]["id"] == made.ids["project"]
            assert roles(found, admin) == AUDITOR
        assert by_trust(api, made.ids["alice"], made.secrets["alice"], made.ids["trust"]) is None
        if made.stack == "stack1":
            found = by_trust(api, made.ids["nova"], made.secrets["nova"], made.ids["trust for nova"])
            assert roles(found, admin) == AUDITOR

    def test_a_trust_of_the_second_stacks_nova_is_the_firsts(self, api: Api, admin: Api, stacks: Stacks) -> None:
        first, second = (stack.made for stack in stacks.values())
        found = by_trust(api, first.ids["nova"], first.secrets["nova"], second.ids["trust for nova"])
        assert found is not None
        assert found.told_by(admin)["project"]["id"] == second.ids["project"]

    def test_a_trust_can_be_handed_on(self, api: Api, admin: Api, made: Population) -> None:
        used = by_trust(api, made.ids["carol"], made.secrets["carol"], made.ids["trust handed on"])
        assert used is not None
        body = {
            "trustor_user_id": made.ids["alice"], "trustee_user_id": made.ids["changed"], "impersonation": True,
            "project_id": made.ids["project"], "roles": [{"name": "auditor"}],
        }  # fmt: skip
        further = used.do("POST", "/OS-TRUST/trusts", {"trust": body})["trust"]
        assert further["redelegated_trust_id"] == made.ids["trust handed on"]
        found = by_trust(api, made.ids["changed"], made.secrets["changed"], further["id"])
        assert roles(found, admin) == AUDITOR
        assert alice(api, made).call("DELETE", f"/OS-TRUST/trusts/{further['id']}")[0] == 204

    def test_oauth1(self, api: Api, admin: Api, made: Population) -> None:
        """The access token holds ids of roles as text."""
        assert made.consumer is not None
        used = dataclasses.replace(made.consumer, root=api)
        assert roles(used.log_in(), admin) == AUDITOR
        assert dataclasses.replace(used, token_secret="wrong").log_in() is None


class TestRoles:
    """What a token may, by groups, inheritance, implication, and roles of domains."""

    def bob(self, api: Api, made: Population, **scope: Any) -> Api | None:
        identity = {
            "methods": ["password"], "password": {"user": {"id": made.ids["bob"], "password": made.secrets["bob"]}},
        }  # fmt: skip
        return api.log_in(identity, scope)

    def test_groups_and_inheritance(self, api: Api, made: Population) -> None:
        found = self.bob(api, made, project={"id": made.ids["leaf"]})
        assert roles(found) == {"member", *AUDITOR}
        assert roles(self.bob(api, made, project={"id": made.ids["level0"]})) == {f"{made.stack}-operator", "reader"}

    def test_a_role_of_a_domain_is_what_it_implies(self, api: Api, made: Population) -> None:
        assert roles(self.bob(api, made, project={"id": made.ids["level1"]})) == AUDITOR

    def test_domain_and_system(self, api: Api, made: Population) -> None:
        assert roles(self.bob(api, made, domain={"id": made.ids["domain"]})) >= {"admin", "member", *AUDITOR}
        assert roles(self.bob(api, made, system={"all": True})) == AUDITOR

    def test_who_has_none_gets_none(self, api: Api, made: Population) -> None:
        assert self.bob(api, made, project={"id": made.ids["disabled"]}) is None
        assert self.bob(api, made, project={"id": made.ids["service"]}) is None

    def test_roles_of_one_name_are_one(self, admin: Api, made: Population) -> None:
        names = [role["name"] for role in admin.do("GET", "/roles")["roles"]]
        assert len(set(names)) == len(names)
        assert {"admin", "member", "reader", "auditor", "stack1-operator", "stack2-operator"} <= set(names)
        assert admin.call("DELETE", f"/roles/{made.ids['operator']}")[0] == 403


class TestCatalog:
    """Services of both are one, endpoints are filtered and have policies as before."""

    def test_both_regions(self, admin: Api) -> None:
        catalog = admin.do("GET", "/auth/catalog")["catalog"]
        found = {
            (service["type"], service["name"], endpoint["interface"], endpoint["region"])
            for service in catalog
            for endpoint in service["endpoints"]
        }
        for region in ("region_stack1", "region_stack2"):
            for interface in ("public", "internal"):
                assert ("identity", "keystone", interface, region) in found
                assert ("compute", "nova", interface, region) in found
        assert [service["type"] for service in catalog].count("compute") == 1

    def test_filters(self, api: Api, made: Population) -> None:
        def seen(found: Api | None) -> set[tuple[str, str]]:
            assert found is not None
            return {
                (endpoint["region"], endpoint["interface"])
                for service in found.own()["catalog"]
                for endpoint in service["endpoints"]
            }

        bob = made.user(api, "bob", domain=f"{made.stack}-domain")
        assert bob is not None
        of_group = seen(bob.scoped(project={"id": made.ids["level1"]}))
        assert of_group == {(made.region, "public"), (made.region, "internal")}
        assert seen(bob.scoped(project={"id": made.ids["leaf"]})) == {(made.region, "public")}

    def test_policies(self, admin: Api, made: Population) -> None:
        for endpoint, key in (
            ("endpoint-internal", "policy of an endpoint"), ("endpoint-public", "policy of a region"),
            ("endpoint-zone", "policy of a service"),
        ):  # fmt: skip
            policy = admin.do("GET", f"/endpoints/{made.ids[endpoint]}/OS-ENDPOINT-POLICY/policy")["policy"]
            assert policy["id"] == made.ids[key]


class TestFederation:
    """Identity providers, whose rules name groups, projects, domains and roles of their stack."""

    def enter(self, api: Api, made: Population, user: str, **said: str) -> Api | None:
        return federated(api, f"{made.stack}-idp", user, **{
            "REMOTE_KIND": "person", "REMOTE_IDP": f"https://{made.stack}.example.com", **said})  # fmt: skip

    def test_who_was_there_is_the_same(self, api: Api, made: Population) -> None:
        found = self.enter(api, made, "höhe")
        assert found is not None
        assert found.own()["user"]["id"] == made.ids["mapped"]
        assert roles(found.scoped(project={"id": made.ids["provisioned"]})) == AUDITOR
        # By the group, and by what it inherits.
        assert roles(found.scoped(project={"id": made.ids["leaf"]})) == {"member", *AUDITOR}

    def test_who_comes_new_gets_the_same(self, api: Api, made: Population) -> None:
        found = self.enter(api, made, "newcomer")
        assert found is not None
        assert roles(found.scoped(project={"id": made.ids["provisioned"]})) == AUDITOR
        assert roles(found.scoped(project={"id": made.ids["leaf"]})) == {"member", *AUDITOR}

    def test_others_are_refused(self, api: Api, made: Population) -> None:
        assert self.enter(api, made, "höhe", REMOTE_KIND="robot") is None
        assert self.enter(api, made, "höhe", REMOTE_IDP="https://elsewhere.example.com") is None


def test_projects_are_what_they_were(admin: Api, made: Population) -> None:
    shown = admin.do("GET", f"/projects/{made.ids['leaf']}?parents_as_ids")["project"]["parents"]
    for name in ("level2", "level1", "level0", "domain"):
        assert list(shown) == [made.ids[name]]
        shown = shown[made.ids[name]]
    assert admin.call("DELETE", f"/projects/{made.ids['immutable']}")[0] == 403
    assert admin.do("GET", f"/projects/{made.ids['disabled']}")["project"]["colour"] == "grün"


def test_what_is_secret_of_a_domain_is_there(stretched: MariaDB, target: str, api: Api, made: Population) -> None:
    rows = stretched.query("SELECT value FROM sensitive_config WHERE domain_id = %s", (made.ids["domain"],), target)
    assert rows == [(json.dumps(f"{made.stack} 漢字"),)]


def test_the_map_of_ids_names_what_became_one(stacks: Stacks, changed: dict[str, dict[str, str]]) -> None:
    first, second = (stack.made.ids for stack in stacks.values())
    assert set(changed) == {"stack2"}
    for name in ("nova", "glance", "admin", "service", "auditor"):
        assert changed["stack2"][second[name]] == first[name]


def test_no_row_is_lost(regions: MariaDB, stretched: MariaDB, stacks: Stacks, result: Result) -> None:
    for table, found in result["counts"].items():
        for stack, count in found.items():
            rows = regions.query(f"SELECT COUNT(*) FROM `{table}`", database=stack)[0][0]
            assert rows == count["rows"] == count["carried"] + count["became_one"], (table, stack)
            assert count["dropped"] == 0


def test_it_goes_on_living(admin: Api, api: Api, made: Population) -> None:
    """Auto-increment numbers go on behind those of all stacks."""
    name = f"new-{made.stack}"
    id_ = admin.make("user", name=name, domain_id="default", password="new password")
    admin.do("PUT", f"/projects/{made.ids['project']}/users/{id_}/roles/{made.ids['operator']}")
    own = api.password(name, "new password", f"{made.stack}-project")
    assert own is not None
    made_now = own.make("application_credential", f"/users/{id_}/application_credentials", name="ci", secret="s",
                        access_rules=[ACCESS])  # fmt: skip
    assert roles(api.app_credential("s", id=made_now)) == {f"{made.stack}-operator", "reader"}
    admin.do("DELETE", f"/users/{id_}")
