# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rows that differ mean to people."""

from __future__ import annotations

import base64
import random
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import divergence, things, writes
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME, TABLES
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.writes import ADDED, CHANGED, REMOVED

ROWS: dict[str, list[dict[str, Any]]] = {
    "project": [
        {"id": "default", "name": "Default", "domain_id": "<<keystone.domain.root>>", "is_domain": 1},
        {"id": "d1", "name": "shop", "domain_id": "<<keystone.domain.root>>", "is_domain": 1},
        {"id": "p1", "name": "web", "domain_id": "d1", "is_domain": 0},
    ],
    "user": [{"id": "u1", "domain_id": "default"}, {"id": "u2", "domain_id": "d1"}, {"id": "u3", "domain_id": "d1"}],
    "local_user": [{"user_id": "u1", "name": "alice"}],
    "nonlocal_user": [{"user_id": "u2", "name": "bob"}],
    "role": [{"id": "r1", "name": "member", "domain_id": "<<null>>"}],
    "group": [{"id": "g1", "name": "staff", "domain_id": "d1"}],
    "service": [{"id": "s1", "type": "compute", "extra": '{"name": "nova"}'}],
    "endpoint": [{"id": "e1", "interface": "public", "service_id": "s1", "region_id": "here"}],
}


def fetch(table: str, ids: Sequence[Any], columns: Sequence[str], column: str) -> list[dict[str, Any]]:
    return [
        {name: row[name] for name in columns if name in row} for row in ROWS.get(table, []) if row[column] in set(ids)
    ]


class Names(things.Names):
    """Names of these rows alone."""

    def __init__(self) -> None:
        self._here = things.Lookup(fetch)
        self._there = {}


def account(*events: tuple[str, str, dict[str, Any]]) -> writes.Writes:
    """What comes of (table, action, row)."""
    made = writes._Account(Names())
    for table, action, row in events:
        made.add(BY_NAME[table], writes._Event(action, row))
    return made.finish()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_difference(size: int) -> None:
    """In slices of any size what only one side has is found."""
    chance = random.Random(size)  # noqa: S311 - numbers for a test
    common = [chance.getrandbits(64) for _number in range(300)]
    left, right = ([chance.getrandbits(64) for _number in range(count)] for count in (5, 40))
    first, second = (array("Q", chance.sample(common + more, 300 + len(more))) for more in (left, right))
    found = divergence.difference(first, second, size)
    assert [sorted(side) for side in found] == [sorted(left), sorted(right)]
    assert divergence.difference(first, array("Q", reversed(first)), size) == (array("Q"), array("Q"))
    assert sorted(divergence.difference(first, array("Q"), size)[0]) == sorted(first)


def test_every_table_has_a_shape() -> None:
    assert set(things.SHAPES) == {table.name for table in TABLES}
    for name, shape in things.SHAPES.items():
        assert shape.expendable or shape.of or shape.text or name in ("assignment", "system_assignment"), name
        assert shape.of is None or BY_NAME[shape.of].id is not None


@pytest.mark.parametrize(
    ("table", "row", "text"),
    [
        ("user", {"id": "u1"}, "alice"),
        ("user", {"id": "u2"}, "bob in domain shop"),
        ("user", {"id": "u3"}, "u3 in domain shop"),
        ("user", {"id": "nobody"}, "nobody"),
        ("project", {"id": "p1"}, "web in domain shop"),
        ("project", {"id": "d1"}, "shop"),
        ("endpoint", {"id": "e1"}, "public of nova (compute) in here"),
        ("user_group_membership", {"user_id": "u1", "group_id": "g1"}, "user alice in group staff in domain shop"),
        (
            "assignment",
            {"type": "GroupDomain", "actor_id": "g1", "target_id": "d1", "role_id": "r1", "inherited": "1"},
            "role member of group staff in domain shop on domain shop, inherited by its projects",
        ),
        (
            "system_assignment",
            {"type": "UserSystem", "actor_id": "u1", "target_id": "system", "role_id": "r1", "inherited": 0},
            "role member of user alice on the system",
        ),
        ("whitelisted_config", {"domain_id": "d1", "group": "ldap", "option": "url"}, "ldap.url of domain shop"),
        ("credential", {"type": "ec2", "user_id": "u1"}, "ec2 credential of user alice"),
        ("limit", {"registered_limit_id": "l1", "project_id": "p1", "domain_id": None}, "l1 for web in domain shop"),
    ],
)
def test_texts(table: str, row: dict[str, Any], text: str) -> None:
    names = Names()
    assert names.tell(lambda: names.text(table, row)) == text


def test_parts_count_for_what_they_are_part_of() -> None:
    found = account(
        ("user", ADDED, {"id": "u1"}),
        ("local_user", ADDED, {"id": 1, "user_id": "u1"}),
        ("password", ADDED, {"id": 1, "user_id": "u1"}),
        ("local_user", CHANGED, {"id": 2, "user_id": "u2"}),
        ("user_option", ADDED, {"user_id": "u2"}),
        ("project_tag", REMOVED, {"project_id": "p1"}),
        ("project_option", ADDED, {"project_id": "d1"}),
    )
    assert writes.lines(found) == [
        "domain changed: shop",
        "project changed: web in domain shop",
        "user added: alice",
        "user changed: bob in domain shop",
    ]


def test_what_went_with_something_goes_unsaid() -> None:
    grant = {"type": "UserProject", "target_id": "p1", "role_id": "r1", "inherited": 0}
    found = account(
        ("user", REMOVED, {"id": "u1"}),
        ("local_user", REMOVED, {"id": 1, "user_id": "u1"}),
        ("password", REMOVED, {"id": 1, "user_id": "u1"}),
        ("user_group_membership", REMOVED, {"user_id": "u1", "group_id": "g1"}),
        ("assignment", REMOVED, {**grant, "actor_id": "u1"}),
        ("assignment", REMOVED, {**grant, "actor_id": "u2"}),
        ("trust", REMOVED, {"id": "t1", "trustor_user_id": "u1", "trustee_user_id": "u2", "project_id": "p1"}),
        ("trust_role", REMOVED, {"trust_id": "t1", "role_id": "r1"}),
    )
    assert writes.lines(found) == [
        "assignment removed: role member of user bob in domain shop on project web in domain shop",
        "user removed: alice",
    ]


@pytest.mark.parametrize(
    ("actions", "told"),
    [
        ([ADDED, CHANGED], "changed"),
        ([ADDED, REMOVED], "changed"),
        ([ADDED], "added"),
        ([REMOVED], "removed"),
        ([CHANGED], "changed"),
    ],
)
def test_passwords(actions: list[str], told: str) -> None:
    """A new one makes the old one end, or takes its place."""
    found = account(*(("password", action, {"id": 1, "user_id": "u1"}) for action in actions))
    assert writes.lines(found) == [f"password {told}: user alice"]


def test_credentials_encrypted_anew() -> None:
    """Those of one run of credential_migrate are no writes, one that was encrypted a while after it is."""

    def sealed(second: int, key: str = "new") -> dict[str, Any]:
        blob = base64.urlsafe_b64encode(b"\x80" + second.to_bytes(8, "big") + b"secret").decode()
        return {"type": f"of {second}", "user_id": "u1", "key_hash": key, "encrypted_blob": blob}

    made = writes._Account(Names())
    old = {"key_hash": "old"}
    for second in (1000, 1001, 1060, 5000, 5001):
        made.seal(sealed(second), old)
    made.seal({**sealed(1), "encrypted_blob": "unreadable"}, None)
    made.seal(sealed(1002, "old"), old)
    found = made.finish()
    assert writes.lines(found) == [
        f"credential changed: of {second} credential of user alice" for second in (1002, 5000, 5001)
    ]
    assert found.expendable[writes.SEALED] == Counter({CHANGED: 4})


def test_what_is_no_loss() -> None:
    found = account(("revocation_event", ADDED, {"id": 1}), ("id_mapping", ADDED, {"public_id": "x"}))
    found.target_state = "merged"
    assert found.kinds == {}
    assert writes.summary(found) == (
        "Nothing has been written to the merged database since the merge, but for id mapping (1), revocation event (1)"
    )


def test_without_a_merge() -> None:
    assert writes.summary(writes.Writes()) == "Nothing is merged there"


def test_all_are_counted_and_a_hundred_named() -> None:
    found = account(*(("region", ADDED, {"id": f"r{number:03}"}) for number in range(130)))
    found.target_state = "merged"
    lines = writes.lines(found)
    assert (len(lines), lines[0], lines[-1]) == (101, "region added: r000", "region added: 30 more")
    assert writes.summary(found).endswith("region: 130 added")
    assert writes.result(found)["writes"]["region"]["added"] == 130
