# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Keystones, merged on real servers."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge, Request
from merge_population import LEGACY_ACCESS, Population
from merge_servers import Api, Keystone, MariaDB, keystone_venv, user

pytestmark = pytest.mark.integration

MODULES = "ansible_collections.stretch.cluster.plugins.modules"
Stacks = dict[str, tuple[Keystone, Population]]
Fresh = Callable[[], str]


def login(server: MariaDB, name: str, database: str, **more: Any) -> Login:
    return Login(name=name, user=user(), unix_socket=server.socket, database=database, **more)


@pytest.fixture
def sources(regions: MariaDB, stacks: Stacks) -> tuple[Login, ...]:
    return tuple(login(regions, stack, stack, region=f"region_{stack}") for stack in stacks)


@pytest.fixture
def request_for(stretched: MariaDB, sources: tuple[Login, ...]) -> Callable[..., Request]:
    """Give a request for a target; each target has a state of its own, as each region's server would."""

    def make(target: str, *others: Login, **more: Any) -> Request:
        return Request(others or sources, login(stretched, "target", target), f"{target}_state", **more)

    return make


def merge(request: Request) -> dict[str, Any]:
    with Merge(request, read_only=False) as planned:
        planned.apply()
        return {**planned.result(), "warnings": planned.warnings}


def look(request: Request) -> dict[str, Any]:
    with Merge(request, read_only=True) as planned:
        return {**planned.result(), "warnings": planned.warnings}


def refuse(request: Request) -> str:
    """Return why a merge is refused."""
    with pytest.raises(MergeError) as caught:
        merge(request)
    return str(caught.value)


@pytest.fixture(scope="session")
def merged(regions: MariaDB, stretched: MariaDB, stacks: Stacks, fresh: Fresh) -> tuple[str, dict[str, Any]]:
    """Merge the two stacks; gives the database and what the merge returned."""
    target = fresh()
    logins = tuple(login(regions, stack, stack, region=f"region_{stack}") for stack in stacks)
    return target, merge(Request(logins, login(stretched, "target", target), f"{target}_state"))


@pytest.fixture(scope="session")
def api(directory: Path, stretched: MariaDB, stacks: Stacks, merged: tuple[str, Any]) -> Iterator[Api]:
    """Run a real Keystone on the merged database, with the keys of both."""
    keystone = Keystone(directory / "merged", stretched, merged[0])
    keystone.configure()
    for repository in ("fernet", "credential"):
        keys = sorted(key for old, _made in stacks.values() for key in (old.directory / repository).iterdir())
        for number, key in enumerate(keys):
            shutil.copy(key, keystone.directory / repository / str(number))
    with keystone.running() as served:
        yield served


class TestMergedKeystone:
    """What the API of a Keystone on the merged database says."""

    @pytest.fixture(params=["stack1", "stack2"])
    def made(self, request: pytest.FixtureRequest, stacks: Stacks) -> Population:
        return stacks[request.param][1]

    @pytest.fixture
    def admin(self, api: Api) -> Api:
        found = api.password("admin", "first admin", "admin")
        assert found is not None
        return found

    def test_old_passwords_work(self, api: Api, made: Population) -> None:
        for name in (f"{made.stack}-alice", f"{made.stack}-Ünï-漢字"):
            assert api.password(name, made.secrets[name]) is not None
            assert api.password(name, "wrong") is None
        bob = f"{made.stack}-bob"
        assert api.password(bob, made.secrets[bob], domain=f"{made.stack}-domain") is not None
        disabled = f"{made.stack}-disabled-user"
        assert api.password(disabled, made.secrets[disabled]) is None

    def test_builtin_users_are_the_first_stacks(self, api: Api, stacks: Stacks) -> None:
        first, second = (made for _keystone, made in stacks.values())
        for name in ("nova", "glance"):
            assert api.password(name, first.secrets[name], "service") is not None
            assert api.password(name, second.secrets[name], "service") is None
        assert api.password("admin", second.password) is None

    def test_tokens_from_before_are_valid(self, admin: Api, made: Population) -> None:
        status, _headers, answer = admin.call("GET", "/auth/tokens", subject=made.token)
        assert status == 200
        assert {role["name"] for role in answer["token"]["roles"]} == {"member", "reader", "auditor"}
        assert answer["token"]["project"]["id"] == made.ids["project"]

    def test_application_credentials_work(self, api: Api, made: Population) -> None:
        for name in ("app credential", "plain app credential"):
            assert api.app_credential(made.ids[name], made.secrets["app credential"]) is not None
            assert api.app_credential(made.ids[name], "wrong") is None
        found = api.app_credential(made.ids["plain app credential"], made.secrets["app credential"])
        assert found is not None
        _status, _headers, answer = found.call("GET", "/auth/tokens", subject=found.token)
        assert [role["name"] for role in answer["token"]["roles"]] == ["auditor"]
        assert answer["token"]["project"]["id"] == made.ids["project"]

    def test_application_credentials_keep_roles_and_rules(self, api: Api, made: Population) -> None:
        name = f"{made.stack}-alice"
        alice = api.password(name, made.secrets[name], f"{made.stack}-project")
        assert alice is not None
        path = f"/users/{made.ids[name]}/application_credentials/{made.ids['app credential']}"
        shown = alice.do("GET", path)["application_credential"]
        assert {role["name"] for role in shown["roles"]} >= {"member", "auditor"}
        assert [{key: rule[key] for key in LEGACY_ACCESS} for rule in shown["access_rules"]] == [LEGACY_ACCESS]

    def test_both_regions_are_in_the_catalog(self, admin: Api) -> None:
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

    def test_projects_keep_their_trees_tags_and_options(self, admin: Api, made: Population) -> None:
        project = admin.do("GET", f"/projects/{made.ids['project']}")["project"]
        assert sorted(project["tags"]) == ["Blau", "red"]
        path = f"/projects/{made.ids['leaf']}?parents_as_ids"
        parents = json.dumps(admin.do("GET", path)["project"]["parents"])
        assert made.ids["domain"] in parents
        assert admin.call("DELETE", f"/projects/{made.ids['immutable']}")[0] == 403
        disabled = admin.do("GET", f"/projects/{made.ids['disabled']}")["project"]
        assert (disabled["enabled"], disabled["colour"]) == (False, "grün")
        assert admin.do("GET", f"/domains/{made.ids['domain']}")["domain"]["description"] == "Größe 漢字"

    def test_roles_of_one_name_are_one(self, admin: Api, made: Population) -> None:
        roles = admin.do("GET", "/roles")["roles"]
        # Bootstrap makes more of them from release to release.
        names = [role["name"] for role in roles]
        assert len(set(names)) == len(names)
        assert {"admin", "member", "reader", "auditor", "stack1-operator", "stack2-operator"} <= set(names)
        shown = admin.do("GET", f"/roles/{made.ids['operator']}/implies")["role_inference"]["implies"]
        assert [role["name"] for role in shown] == ["reader"]
        own = admin.do("GET", f"/roles?domain_id={made.ids['domain']}")["roles"]
        assert [role["id"] for role in own] == [made.ids["domain role"]]

    def test_effective_assignments(self, admin: Api, made: Population) -> None:
        """Memberships, inheritance and implied roles work together."""
        bob = made.ids[f"{made.stack}-bob"]
        path = f"/role_assignments?user.id={bob}&scope.project.id={made.ids['leaf']}&effective&include_names"
        found = admin.do("GET", path)["role_assignments"]
        assert {assignment["role"]["name"] for assignment in found} == {"member", "reader"}

    def test_the_rest_is_there(self, admin: Api, api: Api, made: Population) -> None:
        identity = {"methods": ["token"], "token": {"id": admin.token}}
        system = api.log_in(identity, {"system": {"all": True}})
        assert system is not None
        name = f"{made.stack}-alice"
        alice = made.ids[name]
        trust = admin.do("GET", "/OS-TRUST/trusts")["trusts"]
        assert made.ids["trust"] in {found["id"] for found in trust}
        own = api.password(name, made.secrets[name], f"{made.stack}-project")
        assert own is not None
        roles = own.do("GET", f"/OS-TRUST/trusts/{made.ids['trust']}/roles")["roles"]
        assert [role["name"] for role in roles] == ["auditor"]
        ec2 = admin.do("GET", f"/users/{alice}/credentials/OS-EC2")["credentials"]
        assert [(found["access"], found["secret"]) for found in ec2] == [(made.ids["ec2"], made.secrets["ec2"])]
        limits = system.do("GET", f"/limits?region_id={made.region}")["limits"]
        assert [(limit["project_id"], limit["resource_limit"]) for limit in limits] == [(made.ids["project"], 7)]
        group = admin.do("GET", f"/OS-EP-FILTER/endpoint_groups/{made.ids['endpoint group']}/endpoints")["endpoints"]
        assert {endpoint["region"] for endpoint in group} == {made.region}
        idp = admin.do("GET", f"/OS-FEDERATION/identity_providers/{made.stack}-idp")["identity_provider"]
        assert idp["domain_id"] == made.ids["domain"]
        config = admin.do("GET", f"/domains/{made.ids['domain']}/config")["config"]
        assert config == {"ldap": {"url": "ldap://x"}}

    def test_it_goes_on_living(self, admin: Api, api: Api, made: Population) -> None:
        """Auto-increment numbers go on behind those of all stacks."""
        name = f"new-{made.stack}"
        admin.make("user", name=name, domain_id="default", password="new password")
        assert api.password(name, "new password") is not None


def test_the_first_stack_is_carried_byte_for_byte(
    regions: MariaDB, stretched: MariaDB, stacks: Stacks, request_for: Callable[..., Request], fresh: Fresh,
    sources: tuple[Login, ...],
) -> None:  # fmt: skip
    target = fresh()
    merge(request_for(target, sources[0]))
    assert stretched.content(target) == regions.content("stack1")


def test_no_row_is_lost_and_ids_are_kept(
    regions: MariaDB, stretched: MariaDB, stacks: Stacks, merged: tuple[str, dict[str, Any]]
) -> None:
    target, result = merged
    for table, found in result["counts"].items():
        there = stretched.query(f"SELECT COUNT(*) FROM `{table}`", database=target)[0][0]
        carried = sum(count["carried"] for count in found.values())
        for stack, count in found.items():
            rows = regions.query(f"SELECT COUNT(*) FROM `{table}`", database=stack)[0][0]
            assert rows == count["rows"] == count["carried"] + count["became_one"], (table, stack)
        assert there >= carried, table
    for _keystone, made in stacks.values():
        for name in (f"{made.stack}-alice", f"{made.stack}-bob"):
            assert stretched.query("SELECT id FROM user WHERE id = %s", (made.ids[name],), target)


def test_the_map_of_ids_names_what_became_one(
    stretched: MariaDB, stacks: Stacks, merged: tuple[str, dict[str, Any]]
) -> None:
    target, _result = merged
    first, second = (made for _keystone, made in stacks.values())
    rows = stretched.query("SELECT source, kind, old_id, new_id FROM id_map", database=f"{target}_state")
    for kind, name in (("user", "nova"), ("project", "service"), ("role", "auditor")):
        assert ("stack2", kind, second.ids[name], first.ids[name]) in rows
    assert {source for source, _kind, _old, _new in rows} == {"stack2"}


def test_any_size_of_batches_gives_the_same(
    stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    contents = []
    for size in (1, 3, 1000):
        target = fresh()
        merge(request_for(target, batch_rows=size))
        contents.append(stretched.content(target))
    assert contents[0] == contents[1] == contents[2]


def test_a_second_run_opens_no_source_and_brings_nothing_back(
    stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    target = fresh()
    assert merge(request_for(target))["changed"] is True
    stretched.query("DELETE FROM project_tag", database=target)
    before = stretched.content(target)
    gone = request_for(target, Login("stack1", host="192.0.2.1"), Login("stack2", host="192.0.2.1"))
    result = merge(gone)
    assert (result["changed"], result["target_state"]) == (False, "merged")
    assert sorted(result["merged"]) == ["stack1", "stack2"]
    assert len(result["warnings"]) == 2
    assert stretched.content(target) == before


def test_a_plan_writes_nothing_and_needs_no_target(
    stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    target = fresh()
    before = stretched.content(target)
    planned = look(request_for(target))
    assert stretched.content(target) == before
    assert not stretched.query("SHOW DATABASES LIKE %s", (f"{target}_state",))
    for other in (request_for("nowhere"), dataclasses.replace(request_for("nowhere"), target=None)):
        assert look(other)["plan"] == planned["plan"]
    stretched.query("CREATE DATABASE hollow")
    assert look(request_for("hollow"))["target_state"] == "absent"
    assert "db_sync" in refuse(request_for("hollow"))


def tiny(server: MariaDB, schema: bytes, name: str, **rows: list[tuple[Any, ...]]) -> Login:
    """Make a Keystone database with the given rows beside the default domain."""
    server.load(name, schema)
    insert = {
        "project": "INSERT INTO project (id, name, domain_id, is_domain, enabled) VALUES (%s, %s, %s, %s, 1)",
        "user": "INSERT INTO user (id, domain_id, enabled) VALUES (%s, %s, 1)",
        "local_user": "INSERT INTO local_user (user_id, domain_id, name) VALUES (%s, %s, %s)",
        "group": "INSERT INTO `group` (id, domain_id, name) VALUES (%s, %s, %s)",
        "assignment": "INSERT INTO assignment VALUES (%s, %s, %s, %s, 0)",
        "role": "INSERT INTO role (id, name) VALUES (%s, %s)",
    }
    server.query(insert["project"], ("default", "Default", "<<keystone.domain.root>>", 1), name)
    for table, values in rows.items():
        for value in values:
            server.query(insert[table], value, name)
    return login(server, name, name)


def people(*names: tuple[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "user": [(id_, "default") for id_, _name in names],
        "local_user": [(id_, "default", name) for id_, name in names],
    }


def test_every_conflict_is_listed_and_nothing_is_written(
    regions: MariaDB, stretched: MariaDB, schema: bytes, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    root = "<<keystone.domain.root>>"
    one = tiny(
        regions, schema, "clash1", project=[("d1", "Acme", root, 1), ("p1", "web", "default", 0)],
        group=[("g1", "default", "José")], **people(("u1", "alice"), ("u2", "bob"), ("u3", "carol")),
    )  # fmt: skip
    two = tiny(
        regions, schema, "clash2", project=[("d2", "ACME", root, 1), ("p2", "web ", "default", 0)],
        group=[("g2", "default", "JOSE")], **people(("v1", "Alice"), ("v2", "BOB  "), ("v3", "dave")),
    )  # fmt: skip
    three = tiny(regions, schema, "clash3", **people(("w1", "alice"), ("w2", "erin")))
    target = fresh()
    before = stretched.content(target)
    request = request_for(target, one, two, three)
    conflicts = look(request)["conflicts"]
    assert sorted((found["kind"], found["domain"], tuple(found["ids"])) for found in conflicts) == [
        ("domain", None, ("d1", "d2")),
        ("group", "Default", ("g1", "g2")),
        ("project", "Default", ("p1", "p2")),
        ("user", "Default", ("u1", "v1", "w1")),
        ("user", "Default", ("u2", "v2")),
    ]
    message = refuse(request)
    assert all(id_ in message for found in conflicts for id_ in found["ids"])
    assert stretched.content(target) == before
    assert stretched.content(f"{target}_state") == {}


def test_service_users_are_told_by_their_roles(
    regions: MariaDB, schema: bytes, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    """Cinder has a role on the service project in both; heat in one only."""

    def stack(name: str, letter: str, *service_users: str) -> Login:
        ids = {"admin": f"{letter}a", "cinder": f"{letter}c", "heat": f"{letter}h"}
        return tiny(
            regions, schema, name, project=[(f"{letter}s", "services", "default", 0)], role=[(f"{letter}r", "admin")],
            assignment=[("UserProject", ids[one], f"{letter}s", f"{letter}r") for one in service_users],
            **people(*((id_, name) for name, id_ in ids.items())),
        )  # fmt: skip

    one, two = stack("services1", "x", "cinder", "heat"), stack("services2", "y", "cinder")
    target = fresh()
    assert [found["name"] for found in look(request_for(target, one, two))["conflicts"]] == ["heat"]


def test_a_third_stack_joins_two(
    regions: MariaDB, stretched: MariaDB, schema: bytes, request_for: Callable[..., Request], fresh: Fresh,
    sources: tuple[Login, ...],
) -> None:  # fmt: skip
    target = fresh()
    merge(request_for(target))
    third = tiny(regions, schema, "third", role=[("r3", "member")], **people(("u3", "frank"), ("a3", "admin")))
    result = merge(request_for(target, *sources, third))
    assert result["counts"]["user"] == {"third": {"rows": 2, "carried": 1, "became_one": 1}}
    assert stretched.query("SELECT domain_id FROM user WHERE id = 'u3'", database=target) == [("default",)]
    fourth = tiny(regions, schema, "fourth", **people(("u4", "Stack2-ALICE"), ("u5", "frank")))
    conflicts = look(request_for(target, *sources, third, fourth))["conflicts"]
    assert [found["stacks"] for found in conflicts] == [["target", "fourth"], ["target", "fourth"]]


def test_a_failure_in_the_middle_leaves_everything_as_it_was(
    stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    target = fresh()
    before = stretched.content(target)
    stretched.query(
        "CREATE TRIGGER stop BEFORE INSERT ON `trust_role` FOR EACH ROW SIGNAL SQLSTATE '45000' "
        "SET MESSAGE_TEXT = 'the disk is full'",
        database=target,
    )
    assert "the disk is full" in refuse(request_for(target))
    assert stretched.content(target) == before
    assert stretched.content(f"{target}_state") == {}
    stretched.query("DROP TRIGGER stop", database=target)
    assert merge(request_for(target))["changed"] is True


def test_what_was_written_is_verified(stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh) -> None:
    """Rows that a trigger changes on their way are found before the commit."""
    target = fresh()
    before = stretched.content(target)
    stretched.query(
        "CREATE TRIGGER spoil BEFORE INSERT ON `trust_role` FOR EACH ROW SET NEW.role_id = 'nowhere'", database=target
    )
    assert "role_id that is nowhere" in refuse(request_for(target))
    assert stretched.content(target) == before


def test_values_arrive_exactly(
    regions: MariaDB, stretched: MariaDB, schema: bytes, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    target = fresh()
    extra = '{"a":  "\\u00e9\\n", "b" : "it\'s %s \\\\ 100%  ", "c": "\N{GRINNING FACE}\u0000"}\t\n '
    source = tiny(regions, schema, "exact", user=[("u1", "default"), ("u2", "default"), ("u3", "default")])
    for server, database in ((regions, "exact"), (stretched, target)):
        server.query(
            "ALTER TABLE user MODIFY created_at DATETIME(6), MODIFY extra TEXT CHARACTER SET utf8mb4", database=database
        )
    update = "UPDATE user SET extra = %s, created_at = %s, last_active_at = %s, enabled = %s WHERE id = %s"
    regions.query(update, (extra, "2026-02-28 23:59:59.000001", "1000-01-01", None, "u1"), "exact")
    regions.query(update, ("", "9999-12-31 23:59:59.999999", None, 0, "u2"), "exact")
    regions.query("SET STATEMENT sql_mode='' FOR UPDATE user SET created_at='0000-00-00' WHERE id='u3'", (), "exact")
    merge(request_for(target, source))
    exact = (
        "SELECT id, HEX(extra), CAST(created_at AS CHAR), CAST(last_active_at AS CHAR), enabled FROM user ORDER BY id"
    )
    assert stretched.query(exact, database=target) == regions.query(exact, database="exact")


def test_dangling_references_are_told_and_carried(
    regions: MariaDB, stretched: MariaDB, schema: bytes, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    target = fresh()
    rows = [("UserDomain", "u9", "default", "r9"), ("UserDomain", "u1", "default", "r1")]
    source = tiny(regions, schema, "dangling", role=[("r1", "x")], assignment=rows, **people(("u1", "grace")))
    result = merge(request_for(target, source))
    assert sorted(re.findall(r"with a (\w+) that", " ".join(result["warnings"]))) == ["actor_id", "role_id"]
    assert result["counts"]["assignment"]["dangling"]["carried"] == 2


@pytest.fixture(scope="class")
def target(stretched: MariaDB, fresh: Fresh) -> Iterator[str]:
    """Give a target that stays as it is."""
    name = fresh()
    before = stretched.content(name)
    yield name
    assert stretched.content(name) == before


class TestRefusals:
    """Bad input gets one message, and the target stays as it is."""

    def test_one_source_twice(
        self, regions: MariaDB, target: str, request_for: Callable[..., Request], sources: tuple[Login, ...]
    ) -> None:
        regions.query("CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'secret'")
        regions.query("GRANT SELECT ON stack1.* TO reader@'%'")
        again = Login("again", host="127.0.0.1", port=regions.port, user="reader", password="secret", database="stack1")
        assert "again" in refuse(request_for(target, sources[0], again))
        assert "same database as stack1" in refuse(request_for(target, sources[0], again))

    def test_source_is_target(self, stretched: MariaDB, target: str, request_for: Callable[..., Request]) -> None:
        assert "same database as the target" in refuse(request_for(target, login(stretched, "x", target)))

    def test_one_merged_before_under_another_name(
        self, regions: MariaDB, fresh: Fresh, request_for: Callable[..., Request], sources: tuple[Login, ...]
    ) -> None:
        target = fresh()
        merge(request_for(target))
        again = dataclasses.replace(sources[0], name="other", region=None)
        assert "stack1, which was merged at" in refuse(request_for(target, again))

    def test_no_keystone(self, regions: MariaDB, target: str, request_for: Callable[..., Request]) -> None:
        assert "not a Keystone database" in refuse(request_for(target, login(regions, "x", "mysql")))

    def test_no_server(self, target: str, request_for: Callable[..., Request]) -> None:
        message = refuse(request_for(target, Login("x", host="127.0.0.1", port=1)))
        assert "no server answers" in message

    def test_no_rights(
        self, regions: MariaDB, stretched: MariaDB, target: str, request_for: Callable[..., Request],
        sources: tuple[Login, ...],
    ) -> None:  # fmt: skip
        for server in (regions, stretched):
            server.query("CREATE OR REPLACE USER weak@'%' IDENTIFIED BY 'secret'")
        weak = Login("x", host="127.0.0.1", port=regions.port, user="weak", password="secret", database="stack1")
        wrong = dataclasses.replace(weak, password="guess")
        for source in (weak, wrong):
            message = refuse(request_for(target, source))
            assert "refuses this login" in message
            assert "guess" not in message
        stretched.query(f"GRANT SELECT ON `{target}`.* TO weak@'%'")
        poor = dataclasses.replace(weak, name="target", port=stretched.port, database=target)
        assert "refuses this login" in refuse(dataclasses.replace(request_for(target), target=poor))

    def test_other_schema_version(
        self, regions: MariaDB, schema: bytes, target: str, request_for: Callable[..., Request]
    ) -> None:
        source = tiny(regions, schema, "older")
        regions.query("UPDATE alembic_version SET version_num = '27e647c0fad4' LIMIT 1", database="older")
        message = refuse(request_for(target, source))
        assert "schema versions differ" in message
        assert "older has" in message

    def test_rows_of_an_unknown_table(
        self, regions: MariaDB, schema: bytes, target: str, request_for: Callable[..., Request]
    ) -> None:
        source = tiny(regions, schema, "plugged")
        regions.query("CREATE TABLE whatever (id INT)", database="plugged")
        regions.query("CREATE TABLE nothing (id INT)", database="plugged")
        regions.query("INSERT INTO whatever VALUES (1)", database="plugged")
        message = refuse(request_for(target, source))
        assert "table whatever holds rows" in message
        assert "nothing holds" not in message

    def test_a_region_that_is_not_there(
        self, target: str, request_for: Callable[..., Request], sources: tuple[Login, ...]
    ) -> None:
        wrong = dataclasses.replace(sources[0], region="region_stack9")
        assert "it has region_stack1, region_stack1_zone" in refuse(request_for(target, wrong))


def test_a_target_that_holds_something_else(
    stretched: MariaDB, schema: bytes, request_for: Callable[..., Request]
) -> None:
    tiny(stretched, schema, "lived_in", role=[("r1", "admin")])
    before = stretched.content("lived_in")
    assert "role (1)" in refuse(request_for("lived_in"))
    assert stretched.content("lived_in") == before


class TestModules:
    """The modules as Ansible runs them, with logins that may do no more than they must."""

    @pytest.fixture
    def options(self, regions: MariaDB, stretched: MariaDB, stacks: Stacks, fresh: Fresh) -> dict[str, Any]:
        target = fresh()
        regions.query("CREATE OR REPLACE USER source@'%' IDENTIFIED BY 'secret of source'")
        stretched.query("CREATE OR REPLACE USER merger@'%' IDENTIFIED BY 'secret of target'")
        stretched.query(f"GRANT ALL ON `{target}`.* TO merger@'%'")
        stretched.query(f"GRANT ALL ON `{target}_state`.* TO merger@'%'")
        for stack in stacks:
            regions.query(f"GRANT SELECT ON `{stack}`.* TO source@'%'")
        return {
            "sources": [
                {
                    "name": stack, "region": f"region_{stack}", "login_host": "127.0.0.1", "login_port": regions.port,
                    "login_user": "source", "login_password": "secret of source", "database": stack,
                }
                for stack in stacks
            ],
            "target": {
                "login_host": "127.0.0.1", "login_port": stretched.port, "login_user": "merger",
                "login_password": "secret of target", "database": target,
            },
            "state_database": f"{target}_state",
        }  # fmt: skip

    def run(self, module: str, options: dict[str, Any], tmp_path: Path, check: bool = False) -> dict[str, Any]:
        arguments = tmp_path / "arguments.json"
        flags = {"_ansible_check_mode": check, "_ansible_diff": True}
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, **flags}}))
        command = [sys.executable, "-m", f"{MODULES}.{module}", str(arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        text = json.dumps(result)
        assert "secret of" not in text
        assert "$2b$" not in text
        return result

    def test_check_apply_check_again_apply_again(self, options: dict[str, Any], tmp_path: Path) -> None:
        assert self.run("keystone_merge_info", options, tmp_path)["changed"] is False
        checked = self.run("keystone_merge", options, tmp_path, check=True)
        applied = self.run("keystone_merge", options, tmp_path)
        assert checked["changed"] is applied["changed"] is True
        assert (checked["plan"], checked["diff"]) == (applied["plan"], applied["diff"])
        assert "user became one: nova (stack2)" in applied["diff"]["after"]
        roles = applied["counts"]["role"]["stack2"]
        assert (roles["carried"], roles["became_one"]) == (2, roles["rows"] - 2)
        for check in (True, False):
            again = self.run("keystone_merge", options, tmp_path, check=check)
            assert again["changed"] is False
            assert again["diff"] == {"before": "", "after": ""}

    def test_a_message_instead_of_a_traceback(self, options: dict[str, Any], tmp_path: Path) -> None:
        options["sources"][1]["login_port"] = 1
        failed = self.run("keystone_merge", options, tmp_path)
        assert failed["failed"]
        assert "no server answers" in failed["msg"]
        assert "exception" not in failed


ROLE = """
- hosts: localhost
  gather_facts: false
  roles:
    - role: stretch.cluster.keystone_merge
"""


class TestRole:
    """The role as a playbook runs it."""

    def play(self, directory: Path, variables: dict[str, Any], *arguments: str) -> tuple[int, str, int]:
        """Return the exit status, the output and how many tasks changed something."""
        directory.mkdir()
        playbook = directory / "play.yml"
        playbook.write_text(ROLE)
        extra = directory / "variables.json"
        extra.write_text(json.dumps(variables))
        done = subprocess.run(
            [
                Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-c", "local", playbook,
                "-e", f"@{extra}", "-e", f"ansible_python_interpreter={sys.executable}", "--diff", *arguments,
            ],
            check=False, capture_output=True, text=True, timeout=300, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        changed = re.search(r"changed=(\d+)", done.stdout)
        assert "secret of" not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr, int(changed.group(1)) if changed else -1

    def test_role(
        self, tmp_path: Path, directory: Path, regions: MariaDB, stretched: MariaDB, schema: bytes, stacks: Stacks
    ) -> None:
        regions.query("CREATE OR REPLACE USER role_source@'%' IDENTIFIED BY 'secret of source'")
        regions.query("GRANT SELECT ON *.* TO role_source@'%'")
        source = {
            "login_host": "127.0.0.1", "login_port": regions.port, "login_user": "role_source",
            "login_password": "secret of source",
        }  # fmt: skip
        path = f"PATH={keystone_venv() / 'bin'}:{os.environ['PATH']}"
        variables: dict[str, Any] = {
            "keystone_merge_sources": [
                {**source, "name": stack, "region": f"region_{stack}", "database": stack} for stack in stacks
            ],
            "keystone_merge_target": {"login_host": "127.0.0.1", "login_port": stretched.port},
            "keystone_merge_admin_socket": stretched.socket,
            "keystone_merge_database": "by_role",
            "keystone_merge_state_database": "by_role_state",
            "keystone_merge_user": "by_role",
            # All that means something in a URL, in oslo.config or in a format.
            "keystone_merge_password": "secret of p:/?#$x&+target=",
            "keystone_merge_exec": ["env", path],
            "keystone_merge_config_file": str(stacks["stack1"][0].config),
        }
        clash = tiny(regions, schema, "role_clash", **people(("c1", "STACK1-alice")))
        first = variables["keystone_merge_sources"][0]
        second = {**source, "name": "clash", "database": clash.database}
        clashing = {**variables, "keystone_merge_sources": [first, second]}
        nowhere = {**variables, "keystone_merge_admin_socket": f"{stretched.socket}.nowhere"}
        stretched.query("CREATE DATABASE by_role_broken")
        stretched.query("CREATE TABLE by_role_broken.access_rule (id INT)")
        broken = {"keystone_merge_database": "by_role_broken", "keystone_merge_user": "by_role_broken"}
        # None of these changes what another sees, so that they need not wait for each other.
        with ThreadPoolExecutor() as pool:
            blind = pool.submit(self.play, tmp_path / "blind", nowhere, "--check")
            check = pool.submit(self.play, tmp_path / "check", variables, "--check")
            stopped = pool.submit(self.play, tmp_path / "stopped", clashing)
            failed = pool.submit(self.play, tmp_path / "failed", {**variables, **broken})
        status, output, _changed = blind.result()
        assert status == 0, output
        assert "No server answers" in output
        status, output, changed = check.result()
        assert status == 0, output
        assert changed > 0
        status, output, _changed = stopped.result()
        assert status != 0
        assert "user STACK1-alice in domain Default" in output
        assert not stretched.query("SHOW DATABASES LIKE 'by_role'")
        status, output, _changed = failed.result()
        assert status != 0
        assert "db_sync failed" in output
        assert "access_rule" in output

        status, output, changed = self.play(tmp_path / "apply", variables)
        assert status == 0, output
        assert changed > 0
        assert "user: 13 new, 3 became one" in output
        with ThreadPoolExecutor() as pool:
            again = pool.submit(self.play, tmp_path / "again", variables)
            check = pool.submit(self.play, tmp_path / "check again", variables, "--check")
        for done in (again, check):
            status, output, changed = done.result()
            assert (status, changed) == (0, 0), output
            assert "Nothing to do" in output
