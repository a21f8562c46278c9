# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release a schema is of, and which Keystones bring it up to which other."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import (
    FIRST,
    NAMES,
    NEWEST,
    SchemaVersion,
    lacking,
    left_by,
    parse,
    path,
    takes,
    version,
    way,
)

# What db_sync of each release left in an empty database.
LEFT = {
    13: "migrate 109/44/44/44",
    14: "migrate 109/52/52/52",
    15: "migrate 109/61/61/61",
    16: "migrate 109/71/71/71",
    17: "migrate 109/78/78/78",
    18: "migrate 109/78/78/78",
    19: "migrate 109/79/79/79",
    20: "migrate 109/79/79/79",
    21: "migrate 79/79/79",
    22: "alembic 29e87d24a316/e25ffa003242",
    23: "alembic 29e87d24a316/e25ffa003242",
    24: "alembic 11c3b243b4cb/c88cdce8f248",
    25: "alembic 47147121/c88cdce8f248",
    26: "alembic 47147121/c88cdce8f248",
    27: "alembic 47147121/c88cdce8f248",
    28: "alembic e8725d6fa226/c88cdce8f248",
    29: "alembic 742c857f1dfb/c88cdce8f248",
    30: "alembic 742c857f1dfb/c88cdce8f248",
}
QUEENS, TRAIN, XENA, ZED, LATEST = (parse(LEFT[release]) for release in (13, 16, 20, 22, 30))

# What came of running db_sync of the second on an empty database of the first.
TRIED = {
    (13, 16): True, (13, 17): True, (13, 19): True, (13, 20): True, (13, 22): False, (13, 30): False,
    (16, 21): False, (16, 22): False, (16, 23): False, (17, 21): True, (17, 22): True, (17, 23): True,
    (19, 23): True, (19, 24): False, (20, 22): True, (20, 30): False, (21, 23): True, (21, 24): False,
    (22, 20): False, (22, 30): True, (23, 24): True, (24, 30): True, (30, 20): False, (30, 22): False, (30, 24): False,
}  # fmt: skip


@pytest.mark.parametrize("release", LEFT)
def test_a_release_is_known_by_its_schema(release: int) -> None:
    found = parse(LEFT[release])
    assert str(found) == LEFT[release]
    assert found.releases is not None
    assert found.releases.first <= release <= found.releases.last
    assert not found.unfinished


def test_the_table_has_no_gap() -> None:
    assert sorted(LEFT) == sorted(NAMES) == list(range(FIRST, NEWEST + 1))


@pytest.mark.parametrize(("source", "release"), TRIED, ids=str)
def test_what_was_tried(source: int, release: int) -> None:
    at = parse(LEFT[source]).releases
    assert at is not None
    assert takes(release, at) is TRIED[source, release]


def test_names_for_people() -> None:
    assert str(QUEENS.releases) == "Queens (13)"
    assert str(parse(LEFT[19]).releases) == "Wallaby to Yoga (19 to 21)"
    assert str(LATEST.releases) == "2026.1 to 2026.2 (29 to 30)"


def test_a_database_that_came_through_zed_has_both() -> None:
    found = version(
        ["742c857f1dfb", "c88cdce8f248"],
        [("keystone", 109), ("keystone_expand", 79), ("keystone_data_migrate", 79), ("keystone_contract", 79)],
    )
    assert str(found) == LEFT[30]
    assert found.schema == LATEST.schema


@pytest.mark.parametrize(
    ("text", "unfinished"),
    [
        ("migrate 109/79/79/71", True),
        ("migrate 109/40/40/40", False),
        ("alembic 742c857f1dfb/e25ffa003242", True),
        ("alembic 0123456789ab/c88cdce8f248", False),
        ("none", False),
    ],
)
def test_schemas_of_no_release(text: str, unfinished: bool) -> None:
    found = parse(text)
    assert found.releases is None
    assert found.unfinished is unfinished
    obstacle = way("stack1", found, LATEST, [20, 22]).obstacle
    assert obstacle is not None
    assert ("middle of an upgrade" in obstacle) is unfinished


@pytest.mark.parametrize("text", ["", "migrate 1/2", "migrate a/b/c", "alembic ", "queens"])
def test_no_version(text: str) -> None:
    with pytest.raises(ValueError, match=r"no schema version|invalid literal"):
        parse(text)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(LEFT, LEFT)))
def test_every_way_exists_or_names_what_lacks(source: int, target: int) -> None:
    """From each release to each: the way is one that works step by step, and what a refusal names is enough."""
    old, new = parse(LEFT[source]), parse(LEFT[target])
    found = way("stack1", old, new, [])
    if old.schema == new.schema:
        assert (found.copy, found.obstacle) == (False, None)
        return
    if source > target:
        assert found.obstacle is not None
        assert f"of {old.releases}, and the target's Keystone of {new.releases}, which is older" in found.obstacle
        return
    at = old.releases
    assert at is not None
    assert new.releases is not None
    release = new.releases.first
    if found.obstacle is None:
        assert takes(release, at)
        return
    needed = [one.first for one in lacking(at, release, [])]
    # In whatever order they are given.
    helped = way("stack1", old, new, needed[::-1])
    assert helped.copy
    assert sorted(helped.hops) == list(range(len(needed)))
    for place in helped.hops:
        upgrader = needed[::-1][place]
        assert takes(upgrader, at)
        at = left_by(upgrader)
    assert takes(release, at)


def test_the_refusal() -> None:
    assert way("stack1", QUEENS, LATEST, [22]).obstacle == (
        "stack1's Keystone database is of Queens (13), migrate 109/44/44/44; the target's Keystone of 2026.1 to 2026.2 "
        "(29 to 30) cannot bring it up; give a Keystone of Ussuri to Xena (17 to 20) in keystone_merge_upgrade_execs"
    )


def test_the_shortest_way_is_taken() -> None:
    at = TRAIN.releases
    assert at is not None
    assert path(at, 30, [16, 17, 20, 21, 22, 23]) == [1, 4]
    assert path(at, 20, [17, 18]) == []
    assert path(at, 30, [16, 21]) is None


def test_a_keystone_newer_than_the_table_is_tried() -> None:
    newer = version(["abcdefabcdef", "c88cdce8f248"], [])
    assert way("stack1", ZED, newer, []).copy
    assert way("stack1", QUEENS, newer, []).obstacle is not None
    assert way("stack1", QUEENS, newer, [20, 22]).hops == (0, 1)
    assert way("stack1", newer, newer, []) == way("stack1", XENA, XENA, [])
    assert way("stack1", newer, LATEST, []).obstacle == (
        "stack1's Keystone database has a schema of no release that is known (alembic abcdefabcdef/c88cdce8f248); "
        "known are those of Queens to 2026.2 (13 to 30)"
    )


def test_nothing_has_no_release() -> None:
    assert SchemaVersion().releases is None
    assert str(SchemaVersion()) == "none"
