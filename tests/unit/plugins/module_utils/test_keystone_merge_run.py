# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a merge, comparing names, and what is asked of a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import PAGE, Collation
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login, quote
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.options import to_request
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Request, check_request

TARGET = Login("target", database="keystone")


@pytest.mark.parametrize(
    ("sources", "target", "message"),
    [
        ([], TARGET, "sources is empty"),
        ([Login("a"), Login("b"), Login("a")], TARGET, "two sources are named a"),
        ([Login("target")], TARGET, "cannot be named target"),
        ([Login("a", region="x"), Login("b", region="x")], TARGET, "have the region x"),
        ([Login("a")], Login("target", database="stretch_merge"), "needs one of its own"),
    ],
)
def test_bad_options(sources: list[Login], target: Login, message: str) -> None:
    with pytest.raises(MergeError, match=message):
        check_request(Request(tuple(sources), target))


def test_good_options() -> None:
    check_request(Request((Login("a", region="x"), Login("b", region="y"), Login("c")), None))


def test_options_become_a_request() -> None:
    login: dict[str, Any] = {
        "login_host": "h", "login_port": 1, "login_user": "u", "login_password": "p", "login_unix_socket": None,
        "ca_cert": "/ca", "database": "d",
    }  # fmt: skip
    params = {
        "sources": [{**login, "name": "s", "region": "r"}], "target": login, "builtin_users": ["admin"],
        "builtin_projects": ["x"], "state_database": "state", "on_conflict": {"user": "rename"},
        "overrides": [{"kind": "role", "domain": None, "name": "a", "stack": "s", "action": "merge", "new_name": None}],
        "rename_format": "{name}@{stack}", "dangling": "drop", "batch_rows": 7, "compare_by": "rows",
    }  # fmt: skip
    request = to_request(params)
    assert request.sources == (Login("s", "h", 1, "u", "p", None, "/ca", "d", "r"),)
    assert request.target == Login("target", "h", 1, "u", "p", None, "/ca", "d")
    policy = request.policy
    assert (policy.builtin.users, policy.builtin.projects, request.state_database) == (("admin",), ("x",), "state")
    assert (policy.on_conflict, policy.dangling, request.batch_rows) == ({"user": "rename"}, "drop", 7)
    assert request.compare_by == "rows"
    assert [(one.kind, one.name, one.action, one.stack) for one in policy.overrides] == [("role", "a", "merge", "s")]
    assert "'p'" not in repr(request)
    assert to_request({**params, "target": None}).target is None


@pytest.mark.parametrize(
    ("login", "address"),
    [(Login("a", "db", 3316), "keystone at db:3316"), (Login("a", unix_socket="/run/s"), "keystone at /run/s")],
)
def test_address(login: Login, address: str) -> None:
    assert login.address == address


def test_quote() -> None:
    assert quote("a`b") == "`a``b`"


class Weights:
    """A collation that ignores accents of e and takes soft hyphens for nothing; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, characters: Sequence[str]) -> list[bytes]:
        self.asked += 1
        return [{"é": b"E", "\xad": b""}.get(one, one.upper().encode("utf-8", "surrogatepass")) for one in characters]


def test_fold_compares_as_the_weights_do() -> None:
    fold = Collation(Weights()).fold
    assert fold("José") == fold("JOSE") == fold("jos\xade") == fold("Jose  ")
    assert len({fold("a b"), fold("ab"), fold(" ab"), fold("")}) == 4
    assert fold("  ") == fold("")


def test_fold_without_padding_counts_spaces() -> None:
    fold = Collation(Weights(), pad=False).fold
    assert fold("a ") != fold("a")


def test_a_page_of_characters_is_asked_for_once() -> None:
    weights = Weights()
    fold = Collation(weights).fold
    fold(" ")
    for code in range(PAGE, 2 * PAGE):
        fold(chr(code) * 3)
    assert weights.asked == 2
    fold("\ud7ff漢")
    assert weights.asked == 4


def weigh_together(texts: Sequence[str]) -> list[bytes]:
    """Weigh as a collation that takes i and a breve for one letter."""
    return [text.upper().replace("И\u0306", "Й").encode("utf-8", "surrogatepass") for text in texts]


def test_characters_that_weigh_as_one() -> None:
    asked: list[str] = []

    def weigh(texts: Sequence[str]) -> list[bytes]:
        asked.extend(texts if len(texts) == 1 else ())
        return weigh_together(texts)

    fold = Collation(weigh).fold
    assert fold("Андреи\u0306  ") == fold("андрей") == fold("АНДРЕЙ")
    assert fold("Андрей") != fold("Андреи")
    assert fold("Андреи\u0306  ") == fold("андрей")
    # Only a name that may hold such characters is asked for, and once.
    assert asked == ["Андреи\u0306  "]
    assert Collation(Weights()).fold("и\u0306") == Collation(Weights()).fold("И\u0306")
