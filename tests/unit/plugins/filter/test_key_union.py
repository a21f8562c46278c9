# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter takes what JSON gives and raises Ansible's error; the rules are tested with key_repository."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.filter.key_union import FilterModule

A = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
B = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI="
C = "Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M="
key_union = FilterModule().filters()["key_union"]


def test_numbers_as_text() -> None:
    assert key_union([{"0": A, "1": B}, {1: C}]) == {0: A, 1: C, 2: B}


def test_ten_comes_after_nine() -> None:
    assert key_union([{"9": A, "10": B}, {1: C}]) == {1: C, 2: A, 3: B}


def test_a_keystone_with_the_null_key() -> None:
    assert key_union([{"0": A, "1": B}, {}], may_be_empty=True) == {0: A, 1: B}


@pytest.mark.parametrize(
    ("repositories", "message"),
    [
        ([], "no key repository"),
        ([{"a": A}], "named by a number"),
        ([{0: A}], "no primary key"),
        ([{0: A, 1: B}, {}], "no primary key"),
        ([{1: "secret"}], "not a Fernet key"),
    ],
)
def test_errors(repositories: list[dict[object, str]], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message) as raised:
        key_union(repositories)
    assert "secret" not in str(raised.value)
