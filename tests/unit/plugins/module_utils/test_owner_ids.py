# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ids are followed where, and by which statements."""

from __future__ import annotations

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.owner_ids import (
    CHUNK,
    Column,
    OwnerIdsError,
    cell_connection,
    columns,
    connections,
    counts,
    joins,
    mapping,
    updates,
)

A, B, C, D = (letter * 32 for letter in "abcd")


def entry(old: str, new: str, kind: str = "project") -> dict[str, str]:
    return {"kind": kind, "old": old, "new": new}


def test_only_owners_count_and_only_ids_that_stand_for_themselves() -> None:
    entries = [entry(A, B), entry(C, D, "role"), entry("default", C, "domain"), entry("a" * 64, "b" * 64, "user")]
    assert mapping(entries) == ({A: B, "a" * 64: "b" * 64}, ["default"])
    assert mapping([entry(A, B)], reverse=True) == ({B: A}, [])


@pytest.mark.parametrize(
    ("entries", "reverse"),
    [
        ([entry(A, B), entry(A, C)], False),
        ([entry(A, B), entry(B, C)], False),
        ([entry(A, C), entry(B, C)], True),
    ],
)
def test_what_is_not_clear_is_refused(entries: list[dict[str, str]], reverse: bool) -> None:
    with pytest.raises(OwnerIdsError, match="not clear what becomes of"):
        mapping(entries, reverse)


def test_connections() -> None:
    found = {
        "DEFAULT": {"sql_connection": "mysql://a", "connection": "rabbit://b"},
        "database": {"connection": "mysql+pymysql://c", "slave_connection": "mysql://d"},
        "placement_database": {"connection": "mariadb://e"},
        "other": {"connection": "mysql://f"},
        "api_database": {"connection": "sqlite:///g"},
    }
    assert connections(found) == ["mysql://a", "mysql+pymysql://c", "mariadb://e"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "{scheme}://{username}:{password}@{hostname}:{port}/nova_cell0?{query}",
            "mysql+pymysql://nova:p%40w@10.0.20.5:3307/nova_cell0?charset=utf8",
        ),
        ("{scheme}://{username}:{password}@{netloc}/{path}", "mysql+pymysql://nova:p%40w@10.0.20.5:3307/nova"),
        ("mysql://other/cell1", "mysql://other/cell1"),
    ],
)
def test_a_cell_is_found_as_nova_finds_it(template: str, expected: str) -> None:
    assert cell_connection(template, "mysql+pymysql://nova:p%40w@10.0.20.5:3307/nova?charset=utf8") == expected


def test_columns_that_can_hold_an_id() -> None:
    rows = [
        ("images", "owner", "varchar", 255),
        ("images", "status", "varchar", 30),
        ("images", "size", "bigint", None),
        ("request_specs", "spec", "mediumtext", 16777215),
        ("stacks", "template", "longtext", 4294967295),
    ]
    assert columns(rows) == [Column("images", "owner"), Column("request_specs", "spec", True)]


def test_many_ids_take_several_statements() -> None:
    ids = {f"{number:032x}": f"{number + 10**6:032x}" for number in range(CHUNK + 1)}
    found = counts("images", [Column("images", "owner"), Column("images", "text", True)], ids)
    assert [len(parameters) for _sql, parameters in found] == [2 * CHUNK, 2]
    assert all(sql.count("%s") == len(parameters) for sql, parameters in found)
    found = updates(Column("images", "owner"), ids)
    assert [len(parameters) for _sql, parameters in found] == [3 * CHUNK, 3]
    assert found[-1][1] == (f"{CHUNK:032x}", f"{CHUNK + 10**6:032x}", f"{CHUNK:032x}")


def test_an_id_within_a_text_is_replaced_alone() -> None:
    ((sql, parameters),) = updates(Column("request_specs", "spec", True), {A: B})
    assert "REPLACE(`spec`, %s, %s)" in sql
    assert parameters == (A, B, f"%{A}%")


def test_owners_are_joined_where_placement_counts_them() -> None:
    assert joins(["projects", "users"], {A: B}) == []
    assert [sql.split(" ", 2)[0] for sql, _parameters in joins(["consumers", "projects"], {A: B})] == [
        "UPDATE",
        "DELETE",
    ]
