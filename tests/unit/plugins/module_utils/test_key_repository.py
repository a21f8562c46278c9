# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key repositories: what a union keeps, and that no key that stays is ever missing on the way to another repository."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import key_repository
from ansible_collections.stretch.cluster.plugins.module_utils.key_repository import KeyRepositoryError
from hypothesis import given
from hypothesis import strategies as st

KEYS = [base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in range(12)]
A, B, C, D, E = KEYS[:5]


@st.composite
def repositories(draw: st.DrawFn) -> dict[int, str]:
    """A repository that Keystone can use: a primary key, and no key twice."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=6, unique=True))
    numbers = st.sets(st.integers(0, 9), min_size=len(keys), max_size=len(keys)).filter(lambda those: max(those) > 0)
    return dict(zip(sorted(draw(numbers)), keys))


@st.composite
def strangers(draw: st.DrawFn) -> list[dict[int, str]]:
    """Repositories that have no key in common, as those of regions that never met."""
    found: list[dict[int, str]] = []
    for repository in draw(st.lists(repositories(), min_size=1, max_size=4)):
        taken = {key for other in found for key in other.values()}
        own = {number: key for number, key in repository.items() if key not in taken}
        if [number for number in own if number]:
            found.append(own)
    return found


several = st.lists(repositories(), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("united", "union"),
    [
        ([{0: A, 1: B}], {0: A, 1: B}),
        ([{0: A, 7: B}, {0: A, 7: B}], {0: A, 7: B}),
        ([{0: A, 1: B}, {0: C, 1: D}], {0: A, 1: C, 2: D, 3: B}),
        ([{0: A, 1: E, 2: B}, {0: C, 1: D}], {0: A, 1: C, 2: D, 3: E, 4: B}),
        ([{1: A}, {0: B, 1: A}], {1: B, 2: A}),
        ([{0: A, 1: B}, {0: B, 1: A}], {0: A, 1: B}),
    ],
    ids=["one", "equal", "two", "with a secondary", "no staged key", "same keys in other places"],
)
def test_union(united: list[dict[int, str]], union: dict[int, str]) -> None:
    assert key_repository.union(united) == union


@given(strangers())
def test_a_union_has_every_key_once(united: list[dict[int, str]]) -> None:
    keys = list(key_repository.union(united).values())
    assert sorted(keys) == sorted({key for repository in united for key in repository.values()})


@given(strangers())
def test_a_rotation_goes_on_as_it_would_have(united: list[dict[int, str]]) -> None:
    union, first = key_repository.union(united), united[0]
    assert union[max(union)] == first[max(first)]
    assert union.get(0) == first.get(0)


@given(several, st.integers(1, 4))
def test_a_union_of_unions_changes_nothing(united: list[dict[int, str]], times: int) -> None:
    union = key_repository.union(united)
    assert key_repository.union([union] * times) == union


@given(strangers())
def test_all_sites_come_to_the_same_keys(united: list[dict[int, str]]) -> None:
    """As the cutover does it: each site learns all keys and keeps its primary, then all take the first site's."""
    for own in united:
        learned = key_repository.union([own, *united])
        assert set(learned.values()) == set(key_repository.union(united).values())
        assert learned[max(learned)] == own[max(own)]


@given(strangers(), st.data())
def test_a_cutover_that_stopped_anywhere_is_gone_on_with(united: list[dict[int, str]], data: st.DataObject) -> None:
    """Some sites have learned all keys, and of those some have taken the first site's primary key."""
    wanted = set(key_repository.union(united).values())
    primary = united[0][max(united[0])]
    stages = [[own, key_repository.union([own, *united]), key_repository.union(united)] for own in united]
    stopped = [data.draw(st.sampled_from(stage)) for stage in stages]
    for own in stopped:
        assert set(key_repository.union([own, *stopped]).values()) == wanted
    union = key_repository.union(stopped)
    assert set(union.values()) == wanted
    assert union[max(union)] == primary


def rotated(repository: dict[int, str], key: str, active: int) -> dict[int, str]:
    """As keystone.common.fernet_utils rotates: the staged key becomes the primary, `key` the staged one."""
    keys = {max(repository) + 1: repository[0], **{number: one for number, one in repository.items() if number}}
    kept = sorted(keys, reverse=True)[: active - 1]
    return {0: key, **{number: keys[number] for number in kept}}


@given(strangers(), st.integers(0, 3), st.integers(1, 8), st.integers(1, 4))
def test_what_rotations_made_of_a_union_is_the_union(
    united: list[dict[int, str]], where: int, active: int, times: int
) -> None:
    """Keys that were purged do not come back from the sites where nothing was rotated."""
    union = key_repository.union([{0: "n" * 43 + "=", **united[0]}, *united[1:]])
    newest = union
    for number in range(min(times, active)):
        newest = rotated(newest, base64.urlsafe_b64encode(bytes([100 + number]) * 32).decode(), active)
    sites: list[dict[int, str]] = [union, union, union, union]
    sites[where] = newest
    if union[0] in newest.values():
        assert key_repository.union(sites) == newest
        assert key_repository.union([union, *sites]) == newest


def test_a_stranger_joins_what_was_rotated() -> None:
    union = {0: A, 1: B, 2: C}
    newest = rotated(union, D, 3)
    assert newest == {0: D, 2: C, 3: A}
    assert key_repository.union([union, {1: E}, newest]) == {0: D, 1: E, 2: C, 3: A}


def test_one_without_keys() -> None:
    assert key_repository.union([{}, {0: A, 1: B}, {}], may_be_empty=True) == {0: A, 1: B}
    assert key_repository.union([{0: A, 1: B}, {}, {1: C}], may_be_empty=True) == {0: A, 1: C, 2: B}
    assert key_repository.union([{}, {}], may_be_empty=True) == {}
    with pytest.raises(KeyRepositoryError, match="2 of 2 has no primary key"):
        key_repository.union([{}, {0: A}], may_be_empty=True)


@pytest.mark.parametrize(
    ("united", "message"),
    [
        ([], "no key repository to unite"),
        ([{0: A, 1: B}, {}], "2 of 2 has no primary key"),
        ([{0: A}], "1 of 1 has no primary key"),
        ([{0: A, 1: "short"}], "1 of 1: key 1 is not a Fernet key"),
        ([{0: A, 1: ""}], "key 1 is not"),
        ([{0: A, 1: base64.urlsafe_b64encode(b"x" * 31).decode()}], "key 1 is not"),
        ([{0: A, 1: "\ufffd" * 44}], "key 1 is not"),
    ],
)
def test_what_keystone_could_not_use(united: list[dict[int, str]], message: str) -> None:
    with pytest.raises(KeyRepositoryError, match=message) as raised:
        key_repository.union(united)
    assert not any(key in str(raised.value) for key in (A, B, "short"))


def test_numbers_as_text() -> None:
    assert key_repository.numbered({"0": A, 1: B}, "here") == {0: A, 1: B}
    with pytest.raises(KeyRepositoryError, match="here: every key is named by a number"):
        key_repository.numbered({"primary": A}, "here")


def walk(before: dict[int, str], wanted: dict[int, str]) -> list[dict[int, str]]:
    """The repository after each step, the first being the one before."""
    states = [before]
    for index, key in key_repository.steps(before, wanted):
        states.append({number: one for number, one in states[-1].items() if number != index})
        if key is not None:
            states[-1][index] = key
    return states


PAIRS = [
    ({}, {0: A, 1: B}),
    ({0: A, 1: B}, {0: A, 1: B}),
    ({0: A, 1: B}, {0: A, 1: C, 2: D, 3: B}),
    ({0: A, 1: C, 2: D, 3: B}, {0: A, 1: B}),
    ({0: A, 1: B}, {0: B, 1: A}),
    ({0: A, 1: B, 2: C, 3: D}, {0: B, 1: A, 2: D, 3: C}),
    ({0: A, 1: B, 2: C}, {0: C, 1: A, 2: B}),
    ({0: A, 5: B}, {0: B, 1: A}),
]


@pytest.mark.parametrize(("before", "wanted"), PAIRS)
def test_steps(before: dict[int, str], wanted: dict[int, str]) -> None:
    assert_nothing_is_missed(before, wanted)


@given(repositories(), repositories())
def test_steps_between_any_two(before: dict[int, str], wanted: dict[int, str]) -> None:
    assert_nothing_is_missed(before, wanted)


@given(st.permutations(KEYS[:6]))
def test_steps_between_any_two_with_the_same_keys(keys: list[str]) -> None:
    """Nothing but keys that change places."""
    assert_nothing_is_missed(dict(enumerate(KEYS[:6])), dict(enumerate(keys)))


def assert_nothing_is_missed(before: dict[int, str], wanted: dict[int, str]) -> None:
    states = walk(before, wanted)
    assert states[-1] == wanted
    staying = set(before.values()) & set(wanted.values())
    assert [state for state in states if not staying <= set(state.values())] == []
    primaries = {repository[max(repository)] for repository in (before, wanted) if repository}
    assert {state[max(state)] for state in states if state} <= primaries


@given(repositories(), repositories())
def test_whoever_reads_meanwhile_misses_nothing(before: dict[int, str], wanted: dict[int, str]) -> None:
    """Keystone lists a repository at some time of a phase, and reads file after file until the end of it at most."""
    doubles = key_repository.doubles(before, wanted)
    steps = key_repository.steps({**before, **doubles}, wanted)
    present = dict(before)
    phases = (
        sorted(doubles.items(), reverse=True),
        [step for step in steps if step[1] is not None],
        [step for step in steps if step[1] is None],
    )
    for phase in phases:
        states = [dict(present)]
        for number, key in phase:
            if key is None:
                del present[number]
            else:
                present[number] = key
            states.append(dict(present))
        for key in set(before.values()) & set(wanted.values()):
            assert any(all(state.get(number) == key for state in states) for number in states[0])
    assert present == wanted


def test_equal_repositories_take_no_step() -> None:
    assert key_repository.steps({0: A, 1: B}, {0: A, 1: B}) == ()


def test_no_number_is_used_but_the_wanted_ones_where_none_change_places() -> None:
    assert key_repository.steps({0: A, 1: B}, {0: A, 1: C, 2: D, 3: B}) == ((3, B), (2, D), (1, C))
