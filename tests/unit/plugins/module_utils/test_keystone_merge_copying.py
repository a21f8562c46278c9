# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of copies of Keystone databases without a server."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.copying import (
    Copy,
    Seen,
    copy_name,
    is_usable,
    portable,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import parse

QUEENS, LATEST = parse("migrate 109/44/44/44"), parse("alembic 742c857f1dfb/c88cdce8f248")
KNOWN = Copy("stretch_copy_a", "server/keystone", "keystone at x:3306", str(QUEENS), {"user": 7}, {"user": 1})
SEEN = Seen("server/keystone", QUEENS, {"user": 7})
MARIADB = frozenset({"utf8_general_ci", "utf8mb3_general_ci", "utf8mb4_bin"})


@pytest.mark.parametrize("stack", ["stack1", "stack-1", "Ünï", "a`b", "x" * 100])
def test_names_are_plain(stack: str) -> None:
    assert re.fullmatch(r"stretch_copy_[a-z0-9A-Z_]{1,51}", copy_name(stack))


def test_names_are_readable() -> None:
    assert copy_name("stack1") == "stretch_copy_stack1"


def test_names_differ() -> None:
    stacks = ["a", "a-b", "a_b", "a.b", "x" * 100, "x" * 101, "x" * 40]
    assert len({copy_name(stack) for stack in stacks}) == len(stacks)


@pytest.mark.parametrize(
    ("ddl", "wanted"),
    [
        ("`a` int) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3", "`a` int) ENGINE=InnoDB DEFAULT CHARSET=utf8"),
        (
            "`a` text CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci",
            "`a` text CHARACTER SET utf8 COLLATE utf8_general_ci",
        ),
        ("CHARSET=utf8mb4 COLLATE=utf8mb4_bin", "CHARSET=utf8mb4 COLLATE=utf8mb4_bin"),
        # MySQL 8's default, which MariaDB does not have.
        ("CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci", "CHARSET=utf8mb4"),
        ("`COLLATE x` int COMMENT 'CHARSET=utf8mb3 COLLATE y'", "`COLLATE x` int COMMENT 'CHARSET=utf8mb3 COLLATE y'"),
        ("COMMENT 'it''s \\' COLLATE x' COLLATE x", "COMMENT 'it''s \\' COLLATE x'"),
    ],
)
def test_structure_for_another_server(ddl: str, wanted: str) -> None:
    assert portable(ddl, MARIADB) == wanted


def test_a_copy_of_just_this() -> None:
    complete = replace(KNOWN, copied_at="2026-11-24 12:00:00")
    assert SEEN.is_of(complete)
    assert not SEEN.is_of(KNOWN)
    assert not SEEN.is_of(None)
    assert not SEEN.is_of(replace(complete, checksums={"user": 8}))
    assert not SEEN.is_of(replace(complete, checksums={"user": 7, "group": 0}))
    assert not SEEN.is_of(replace(complete, identity="other/keystone"))


def test_a_copy_that_can_be_used_again() -> None:
    upgraded = replace(KNOWN, upgraded_to=str(LATEST))
    assert is_usable(QUEENS, KNOWN, QUEENS, LATEST)
    assert is_usable(LATEST, upgraded, QUEENS, LATEST)
    assert is_usable(LATEST, upgraded, QUEENS, None)
    # Its database is gone; db_sync stopped half way; somebody upgraded it further; the target has another version now.
    assert not is_usable(None, KNOWN, QUEENS, LATEST)
    assert not is_usable(parse("migrate 109/79/79/79"), KNOWN, QUEENS, LATEST)
    assert not is_usable(parse("alembic a/b"), upgraded, QUEENS, None)
    assert not is_usable(LATEST, upgraded, QUEENS, parse("alembic a/b"))
