# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to a merged Keystone through its API is what is listed afterwards, nothing else."""

from __future__ import annotations

import base64
import grp
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from merge_servers import Api, Keystone, MariaDB, user
from rollback_servers import SECRET, STACKS, Made, administrator, merge, options, run_module

pytestmark = pytest.mark.integration


class Look:
    """The module for one merged database."""

    def __init__(self, server: MariaDB, database: str, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.values: dict[str, Any] = {
            "target": options(server, "", database),
            "state_database": f"{database}_state",
            "sources": [options(server, stack, stack) for stack in STACKS],
        }

    def __call__(self, **more: Any) -> dict[str, Any]:
        found = run_module("keystone_merge_writes_info", {**self.values, **more}, self.directory)
        assert not found.get("failed"), found
        assert found["changed"] is False
        return found


@pytest.fixture
def look(tmp_path: Path, server: MariaDB, keystone: Keystone) -> Look:
    return Look(server, keystone.database, tmp_path)


def write(root: Api, first: Made, second: Made) -> None:
    """Add, change and remove things of every sort."""
    api = administrator(root)
    one, two = first.ids, second.ids
    ids = {}
    for name in ("carol", "gone again"):
        ids[name] = api.make("user", name=name, password=SECRET, options={"ignore_lockout_failure_attempts": True})
    api.do("DELETE", f"/users/{ids['gone again']}")
    web = api.make("project", name="web", domain_id=two["domain"], tags=["new"])
    api.do("PUT", f"/projects/{web}/users/{ids['carol']}/roles/{one['member']}")
    api.do(
        "PUT", f"/OS-INHERIT/domains/{two['domain']}/users/{ids['carol']}/roles/{one['reader']}/inherited_to_projects"
    )
    api.do("PUT", f"/system/users/{ids['carol']}/roles/{one['reader']}")
    api.do("PUT", f"/groups/{two['group']}/users/{ids['carol']}")
    own = root.log_in(
        {"methods": ["password"], "password": {"user": {"id": ids["carol"], "password": SECRET}}},
        {"project": {"id": web}},
    )
    assert own is not None
    own.do("POST", f"/users/{ids['carol']}/application_credentials", {
        "application_credential": {"name": "ci", "secret": SECRET, "roles": [{"id": one["member"]}]}})  # fmt: skip
    own.do("POST", f"/users/{ids['carol']}/credentials/OS-EC2", {"tenant_id": web})
    api.make("domain", name="new domain")
    api.make("role", name="new role", domain_id=two["domain"])
    api.do("PUT", f"/roles/{two['auditor']}/implies/{one['reader']}")
    api.make("region", id="new region")
    api.make("endpoint", service_id=one["service"], region_id="new region", interface="admin", url="http://new")

    api.do("PATCH", f"/users/{one['alice']}", {"user": {"name": "alicia", "email": "alicia@example.com"}})
    api.do("PATCH", f"/users/{two['bob']}", {"user": {"password": f"{SECRET} new"}})
    api.do("PATCH", f"/projects/{two['project']}", {"project": {"description": "changed"}})
    # The database takes both names for the same.
    api.do("DELETE", f"/projects/{one['project']}/tags/red")
    api.do("PUT", f"/projects/{one['project']}/tags/Red")
    api.do("PATCH", f"/domains/{one['domain']}", {"domain": {"enabled": False}})
    api.do("PATCH", f"/roles/{one['auditor']}", {"role": {"name": "revisor"}})
    api.do("PATCH", f"/endpoints/{two['internal']}", {"endpoint": {"url": "http://elsewhere"}})
    api.do("PATCH", f"/credentials/{one['credential 1']}", {"credential": {"blob": f"{SECRET} new"}})

    api.do("DELETE", f"/users/{two['dora']}")
    api.do("DELETE", f"/projects/{one['spare']}")
    api.do("DELETE", f"/projects/{one['project']}/users/{one['dora']}/roles/{one['reader']}")
    api.do("DELETE", f"/groups/{two['group']}/users/{two['alice']}")
    api.do("DELETE", f"/groups/{one['group']}")
    api.do("DELETE", f"/endpoints/{two['public']}")
    first.log_in(root, "dora", "project").do("DELETE", f"/OS-TRUST/trusts/{one['trust of dora']}")
    assert root.password("stack1-Ünï-漢字", "wrong") is None


WRITTEN = [
    "application credential added: ci of user carol",
    "assignment added: role member of user carol on project web in domain stack2-domain",
    "assignment added: role reader of user carol on domain stack2-domain, inherited by its projects",
    "assignment added: role reader of user carol on the system",
    "assignment removed: role reader of user stack1-dora on project stack1-project",
    "credential added: ec2 credential of user carol",
    "credential changed: cert1 credential of user alicia",
    "domain added: new domain",
    "domain changed: stack1-domain",
    "endpoint added: admin of nova (compute) in new region",
    "endpoint changed: internal of nova (compute) in region_stack2",
    "endpoint removed: public of nova (compute) in region_stack2",
    "group removed: stack1-group in domain stack1-domain",
    "implied role added: role stack2-auditor implies role reader",
    "membership added: user carol in group stack2-group in domain stack2-domain",
    "membership removed: user stack2-alice in group stack2-group in domain stack2-domain",
    "password changed: user stack2-bob in domain stack2-domain",
    "project added: web in domain stack2-domain",
    "project changed: stack1-project",
    "project changed: stack2-project",
    "project removed: stack1-spare in domain stack1-domain",
    "region added: new region",
    "role added: new role in domain stack2-domain",
    "role changed: revisor (stack1-auditor in stack1)",
    "trust removed: user stack1-dora trusts user stack1-bob in domain stack1-domain on project stack1-project",
    "user added: carol",
    "user changed: alicia (stack1-alice in stack1)",
    "user removed: stack2-dora",
]


def test_nothing_was_written(look: Look) -> None:
    found = look()
    assert found["target_state"] == "merged"
    assert (found["writes"], found["tables"], found["expendable"], found["lines"]) == ({}, {}, {}, [])
    assert found["obstacles"] == []
    assert found["summary"] == "Nothing has been written to the merged database since the merge"
    assert all(source["cut_over_at"] for source in found["sources"].values())


def test_exactly_what_was_written(look: Look, keystone: Keystone, stacks: dict[str, Made]) -> None:
    with keystone.running() as root:
        write(root, *stacks.values())
    found = look()
    assert found["lines"] == WRITTEN
    assert found["expendable"]["login counter"] == {"added": 0, "changed": 1, "removed": 0}
    assert found["expendable"]["revocation event"]["added"] > 0
    assert set(found["expendable"]) == {"login counter", "revocation event"}
    assert found["tables"]["local_user"] == {"added": 1, "changed": 2, "removed": 1}
    assert "user: 1 added, 1 changed, 1 removed" in found["summary"]
    assert found["writes"]["user"]["names"]["removed"] == ["stack2-dora"]

    # Without their own databases what is gone has no name, but its id and number are told.
    blind = look(sources=[])
    assert f"user removed: {stacks['stack2'].ids['dora']}" in blind["lines"]
    assert "user changed: alicia" in blind["lines"]
    assert {line for line in blind["lines"] if " removed" not in line} >= {
        line for line in found["lines"] if " added" in line
    }
    assert "rows of table local_user are gone" in str(blind["warnings"])


def test_credentials_that_are_only_encrypted_anew(look: Look, keystone: Keystone, stacks: dict[str, Made]) -> None:
    """As the cutover does it; what somebody changes later is told apart."""
    group = grp.getgrgid(os.getgid()).gr_name
    keystone.manage("credential_migrate", "--keystone-user", user(), "--keystone-group", group)
    found = look()
    assert found["lines"] == []
    assert found["expendable"]["credential encrypted anew"]["changed"] > 0
    # A credential that was migrated, and changed a day later: Fernet notes the time of its encryption.
    id_ = stacks["stack2"].ids["credential 2"]
    (blob,) = keystone.server.query("SELECT encrypted_blob FROM credential WHERE id = %s", (id_,), keystone.database)[0]
    token = base64.urlsafe_b64decode(blob)
    later = (int.from_bytes(token[1:9], "big") + 86400).to_bytes(8, "big")
    changed = base64.urlsafe_b64encode(token[:1] + later + token[9:]).decode()
    keystone.server.query("UPDATE credential SET encrypted_blob = %s WHERE id = %s", (changed, id_), keystone.database)
    assert look()["lines"] == ["credential changed: cert2 credential of user stack2-alice"]


def test_a_schema_that_has_grown(look: Look, keystone: Keystone) -> None:
    keystone.server.query("ALTER TABLE `user` ADD COLUMN shoe_size INT NOT NULL DEFAULT 42", database=keystone.database)
    assert look()["lines"] == []


def test_rows_of_a_table_that_nobody_knows(look: Look, keystone: Keystone) -> None:
    keystone.server.query("CREATE TABLE loyalty_card (id INT PRIMARY KEY)", database=keystone.database)
    keystone.server.query("INSERT INTO loyalty_card VALUES (1), (2)", database=keystone.database)
    assert look()["lines"] == ["loyalty card added: 2"]


def test_many(look: Look, keystone: Keystone) -> None:
    """All are counted, a hundred are named, and the same hundred each time."""
    keystone.server.query(
        "INSERT INTO role (id, name) SELECT CONCAT('r', seq), CONCAT('role ', seq) FROM seq_1_to_2500",
        database=keystone.database,
    )
    found = look()
    assert found["writes"]["role"]["added"] == 2500
    assert len(found["lines"]) == 101
    assert found["lines"][-1] == "role added: 2400 more"
    assert look()["lines"] == found["lines"]


class TestOwnDatabases:
    """What is said of databases to which the Keystones cannot go back."""

    def test_they_are_unusable(self, look: Look, server: MariaDB, schema: bytes) -> None:
        server.query("CREATE DATABASE IF NOT EXISTS hollow")
        first, second = look.values["sources"]
        found = look(sources=[{**first, "login_unix_socket": "/nowhere"}, {**second, "database": "hollow"}])
        assert len(found["obstacles"]) == 2
        assert "stack1 (stack1 at /nowhere): no server answers" in found["obstacles"][0]
        assert "stack2 (hollow at" in found["obstacles"][1]
        assert "not a Keystone database" in found["obstacles"][1]

    def test_another_schema_version(self, look: Look, server: MariaDB, schema: bytes) -> None:
        server.load("outdated", schema)
        server.query("DELETE FROM alembic_version LIMIT 1", database="outdated")
        first, second = look.values["sources"]
        found = look(sources=[{**first, "database": "outdated"}, second])
        assert found["obstacles"] == []
        assert "stack1 (outdated at" in found["schemas"][0]
        assert "its schema has version" in found["schemas"][0]
        assert "is another database" in str(found["warnings"])

    def test_one_that_was_never_merged_is_passed_over(self, look: Look) -> None:
        other = {**look.values["sources"][0], "name": "stack3"}
        assert look(sources=[*look.values["sources"], other])["obstacles"] == []


def test_where_nothing_was_merged(tmp_path: Path, server: MariaDB, schema: bytes) -> None:
    look = Look(server, "never", tmp_path)
    assert look()["target_state"] == "absent"
    server.query("CREATE DATABASE never")
    assert look()["target_state"] == "absent"
    server.query("DROP DATABASE never")
    server.load("never", schema)
    found = look()
    assert (found["target_state"], found["writes"]) == ("empty", {})


def test_no_server(tmp_path: Path, server: MariaDB) -> None:
    look = Look(server, "never", tmp_path)
    values = {**look.values, "target": {**look.values["target"], "login_unix_socket": "/nowhere"}}
    found = run_module("keystone_merge_writes_info", values, tmp_path)
    assert found["failed"]
    assert "no server answers" in found["msg"]
    assert "exception" not in found


class TestSetAside:
    """The merged database gets another name."""

    def run(self, server: MariaDB, name: str, directory: Path, check: bool = False, **more: Any) -> dict[str, Any]:
        values = {"target": options(server, "", name), "state_database": f"{name}_state", "suffix": "old", **more}
        return run_module("keystone_merge_set_aside", values, directory, check)

    def keys(self, server: MariaDB, name: str) -> list[tuple[Any, ...]]:
        return server.query(
            "SELECT table_name, constraint_name, unique_constraint_schema = constraint_schema, referenced_table_name, "
            "update_rule, delete_rule FROM information_schema.referential_constraints WHERE constraint_schema = %s "
            "ORDER BY 1, 2",
            (name,),
        )

    def test_everything_moves(self, tmp_path: Path, server: MariaDB, schema: bytes, merged: Callable[[], str]) -> None:
        name = merged()
        server.query("INSERT INTO role (id, name) VALUES ('new', 'new role')", database=name)
        before, state, keys = server.content(name), server.content(f"{name}_state"), self.keys(server, name)
        checked = self.run(server, name, tmp_path, check=True)
        assert server.content(name) == before
        done = self.run(server, name, tmp_path)
        assert done["changed"] is checked["changed"] is True
        assert done["database"] == checked["database"] == f"{name}_old"
        assert server.content(f"{name}_old") == before
        assert server.content(f"{name}_state_old") == state
        assert keys == self.keys(server, f"{name}_old")
        assert server.content(name) == server.content(f"{name}_state") == {}
        # Its writes can still be listed, and the next merge begins anew.
        look = Look(server, f"{name}_old", tmp_path)
        assert look(state_database=f"{name}_state_old", merged_as=name)["lines"] == ["role added: new role"]
        again = self.run(server, name, tmp_path)
        assert (again["changed"], again["database"]) == (False, None)
        server.query(f"DROP DATABASE `{name}`")
        server.load(name, schema)
        merge(server, name)
        assert Look(server, name, tmp_path)()["lines"] == []
        assert "there are tables in" in self.run(server, name, tmp_path)["msg"]

    def test_not_while_somebody_uses_it(self, tmp_path: Path, server: MariaDB, merged: Callable[[], str]) -> None:
        name = merged()
        before = server.content(name)
        with server.cursor(name):
            refused = self.run(server, name, tmp_path)
        assert refused["failed"]
        assert "still in use by" in refused["msg"]
        assert server.content(name) == before

    def test_not_with_the_state_of_another(self, tmp_path: Path, server: MariaDB, merged: Callable[[], str]) -> None:
        name = merged()
        server.query(
            "INSERT INTO source (target, name, identity, address) VALUES ('other', 's', 'i', 'a')",
            database=f"{name}_state",
        )
        assert "keeps the state of other as well" in self.run(server, name, tmp_path)["msg"]

    @pytest.mark.parametrize("suffix", ["", "a`b", "x" * 33])
    def test_names_that_cannot_be(self, tmp_path: Path, server: MariaDB, suffix: str) -> None:
        assert "suffix is" in self.run(server, "never", tmp_path, suffix=suffix)["msg"]
