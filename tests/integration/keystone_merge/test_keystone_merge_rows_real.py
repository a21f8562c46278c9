# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of rows, on real servers: they arrive as they are, and what meets is judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request
from merge_harness import ROOT_DOMAIN, look, merge, people, refuse, tiny
from merge_servers import MariaDB

pytestmark = pytest.mark.integration

Fresh = Callable[[], str]


def test_the_first_stack_is_carried_byte_for_byte(
    regions: MariaDB, stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh, sources: tuple[Login, ...]
) -> None:
    target = fresh()
    merge(request_for(target, sources[0]))
    assert stretched.content(target) == regions.content("stack1")


def test_any_size_of_batches_gives_the_same(
    stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    contents = []
    for size in (1, 3, 1000):
        target = fresh()
        merge(request_for(target, batch_rows=size))
        contents.append(stretched.content(target))
    assert contents[0] == contents[1] == contents[2]


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


def test_every_conflict_is_listed_and_nothing_is_written(
    regions: MariaDB, stretched: MariaDB, schema: bytes, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    one = tiny(
        regions, schema, "clash1", project=[("d1", "Acme", ROOT_DOMAIN, 1), ("p1", "web", "default", 0)],
        group=[("g1", "default", "José")], **people(("u1", "alice"), ("u2", "bob"), ("u3", "carol")),
    )  # fmt: skip
    two = tiny(
        regions, schema, "clash2", project=[("d2", "ACME", ROOT_DOMAIN, 1), ("p2", "web ", "default", 0)],
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
    assert set(stretched.content(f"{target}_state")) == {"run"}


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


def test_what_was_written_is_verified(stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh) -> None:
    """Rows that a trigger changes on their way are found before the commit."""
    target = fresh()
    stretched.query(
        "CREATE TRIGGER spoil BEFORE INSERT ON `trust_role` FOR EACH ROW SET NEW.role_id = 'nowhere'", database=target
    )
    found = [refuse(request_for(target))]
    # What stopped is not believed by the next run, though nothing is left to write.
    found.append(refuse(request_for(target)))
    for message in found:
        assert "role_id that is nowhere" in message
        assert "table trust_role has other rows than the sources brought" in message
    assert look(request_for(target))["merged"] == {}


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


def test_all_characters_arrive_and_meet_as_the_server_compares_them(
    regions: MariaDB, stretched: MariaDB, schema: bytes, request_for: Callable[..., Request], fresh: Fresh
) -> None:
    """Characters of the Basic Multilingual Plane, each in a name of its own: all that have two cases, and many more."""
    codes = [
        code
        for code in range(0x10000)
        if not 0xD800 <= code <= 0xDFFF and (code % 16 == 0 or chr(code).swapcase() != chr(code))
    ]
    one, two = (
        tiny(regions, schema, name, project=[("domain", "domain", ROOT_DOMAIN, 1)]) for name in ("all1", "all2")
    )
    for name, texts in (("all1", [chr(code) for code in codes]), ("all2", [chr(code).swapcase() for code in codes])):
        with regions.cursor(name) as cursor:
            # Of characters that the collation takes for equal, the first has the name.
            cursor.executemany(
                "INSERT IGNORE INTO `group` VALUES (%s, 'domain', %s, %s, '{}')",
                [(f"{name}-{code:x}", f"a{text}b", f"it's {text} \\") for code, text in zip(codes, texts)],
            )
    target = fresh()
    merge(request_for(target, one))
    everything = "SELECT id, HEX(name), HEX(description) FROM `group` ORDER BY id"
    assert stretched.query(everything, database=target) == regions.query(everything, database="all1")
    assert merge(request_for(target, one))["changed"] is False
    met = regions.query(
        "SELECT one.id, two.id FROM all1.`group` one JOIN all2.`group` two USING (name) ORDER BY one.id, two.id"
    )
    assert len(met) > 500
    conflicts = look(request_for("nowhere", one, two))["conflicts"]
    told = [tuple(found["ids"]) for found in conflicts if found["kind"] == "group"]
    assert sorted(told) == sorted(met)


@pytest.mark.parametrize("loads", ["ON", "OFF"])
def test_servers_with_other_settings(
    regions: MariaDB, stretched: MariaDB, request_for: Callable[..., Request], fresh: Fresh, sources: tuple[Login, ...],
    loads: str,
) -> None:  # fmt: skip
    usual, target = fresh(), fresh()
    merge(request_for(usual))
    settings = {
        "sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'", "autocommit": "0", "wait_timeout": "1",
        "group_concat_max_len": "100", "time_zone": "'+05:00'", "tx_isolation": "'SERIALIZABLE'",
        "character_set_server": "latin1", "net_write_timeout": "1", "local_infile": loads,
        "lock_wait_timeout": "5", "sql_select_limit": "10", "div_precision_increment": "0",
    }  # fmt: skip
    try:
        for server in (regions, stretched):
            server.query("SET GLOBAL " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
        merge(request_for(target))
        assert merge(request_for(target))["changed"] is False
    finally:
        for server in (regions, stretched):
            server.query("SET GLOBAL " + ", ".join(f"{name} = DEFAULT" for name in settings))
    assert stretched.sums(target) == stretched.sums(usual)
