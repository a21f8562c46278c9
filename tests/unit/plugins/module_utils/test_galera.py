# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members, weights, quorum and addresses of the stretched cluster."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import topology
from ansible_collections.stretch.cluster.plugins.module_utils.galera import (
    Arbiter,
    GaleraError,
    LinkCut,
    Member,
    Quorum,
    SiteLoss,
    Survival,
    arbiters,
    cluster_address,
    members,
    quorum,
    survivable,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[4]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8"))
STACKS = "stack1,stack2,stack3,stack4"


def expanded(stacks: str, **counts: int) -> dict[str, Any]:
    found = topology.expand({**CONFIG, "nodes": {**CONFIG["nodes"], **counts}}, stacks)
    plain: dict[str, Any] = topology.plain(found)
    return plain


def weights(cluster: tuple[Member, ...]) -> list[int]:
    return [member.weight for member in cluster]


def named(stacks: int) -> str:
    return ",".join(STACKS.split(",")[:stacks])


# --- Galera's rule, written down a second time and by itself: voters are bits of a number.


class Votes:
    """A cluster of ``stacks`` sites with ``size`` members each, and ``arbiters`` voters on a site of their own."""

    def __init__(self, stacks: int, size: int, arbiters: int, weights: tuple[int, ...]) -> None:
        self.everyone = 2 ** len(weights) - 1
        self.data = 2 ** (stacks * size) - 1
        sites = [(2**size - 1) << (size * stack) for stack in range(stacks)]
        self.sites = [*sites, self.everyone - self.data] if arbiters else sites
        self.faults = sorted({*self.sites, *(1 << bit for bit in range(len(weights)))})
        self.weight = [sum(w for bit, w in enumerate(weights) if some >> bit & 1) for some in range(self.everyone + 1)]
        self.known: dict[tuple[int, int], int] = {}

    def after(self, up: int, fault: int) -> int:
        """Who goes on, 0 for nobody."""
        left = up & ~fault
        return left if left & self.data and 2 * self.weight[left] > self.weight[up] else 0

    def survived(self, up: int, faults: int) -> int:
        """Count the sequences of so many faults (a voter dies, a site is lost) that it survives."""
        if not faults:
            return 1
        if (up, faults) not in self.known:
            ways = {up & fault for fault in self.faults if up & fault}
            lefts = [left for way in ways if (left := self.after(up, way))]
            self.known[up, faults] = sum(self.survived(left, faults - 1) for left in lefts)
        return self.known[up, faults]

    def score(self, faults: int) -> tuple[int, ...]:
        return tuple(self.survived(self.everyone, count) for count in range(1, faults + 1))


def ours(stacks: int, size: int, count: int) -> tuple[int, ...]:
    plan = expanded(named(stacks), arbiter=count)
    return (*weights(members(plan, size)), *(arbiter.weight for arbiter in arbiters(plan, size)))


def others(stacks: int, size: int, count: int, greatest: int) -> Iterator[tuple[int, ...]]:
    """All weights up to ``greatest`` (twice that for arbiters), but for renamings of members and stacks."""
    stack = list(itertools.combinations_with_replacement(range(greatest, 0, -1), size))
    site = list(itertools.combinations_with_replacement(range(2 * greatest, 0, -1), count))
    for chosen in itertools.combinations_with_replacement(stack, stacks):
        for voters in site:
            yield (*itertools.chain.from_iterable(chosen), *voters)


@pytest.mark.parametrize(
    ("stacks", "size", "count", "greatest"),
    [
        (2, 1, 0, 8),
        (2, 1, 1, 8),
        (2, 1, 2, 5),
        (2, 2, 0, 6),
        (2, 2, 2, 3),
        (2, 2, 1, 6),
        (2, 3, 0, 5),
        (2, 3, 1, 4),
        (3, 1, 0, 6),
        (3, 1, 1, 5),
        (3, 2, 0, 3),
        (3, 2, 1, 3),
        (4, 1, 0, 5),
        (4, 1, 1, 4),
    ],
)
def test_no_weights_survive_more_single_faults_or_pairs_of_them(
    stacks: int, size: int, count: int, greatest: int
) -> None:
    best = max(Votes(stacks, size, count, given).score(2) for given in others(stacks, size, count, greatest))
    assert Votes(stacks, size, count, ours(stacks, size, count)).score(2) >= best


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("stacks", [2, 3, 4])
def test_what_an_arbiter_brings(stacks: int, size: int, count: int) -> None:
    votes = Votes(stacks, size, count, ours(stacks, size, count))
    arbiter = votes.sites[-1]
    for site in votes.sites:
        left = votes.after(votes.everyone, site)
        assert left, "any one site may be lost"
        if size > 1 and site != arbiter:
            assert votes.after(left, arbiter), "and then the arbiter"
        dead = [1 << bit for bit in range(stacks * size) if not 1 << bit & site]
        # With one member in each of two stacks, the member that died before was the other site.
        if (stacks, size) != (2, 1):
            for one in dead:
                assert votes.after(votes.after(votes.everyone, one), site), "after a member elsewhere had died"
    without = votes.after(votes.everyone, arbiter)
    assert any(votes.after(without, site) for site in votes.sites[:-1]), "after the arbiter, one of the sites"


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("stacks", [2, 3, 4])
def test_without_an_arbiter_no_split_between_stacks_is_a_tie(stacks: int, size: int) -> None:
    votes = Votes(stacks, size, 0, ours(stacks, size, 0))
    for count in range(1, stacks):
        for side in itertools.combinations(votes.sites, count):
            assert 2 * votes.weight[sum(side)] != votes.weight[votes.everyone]


# --- The members


def test_members_of_the_default_topology() -> None:
    assert members(expanded("stack1,stack2"))[2:4] == (
        Member(name="s1controller-2", stack="stack1", address="10.0.20.13", segment=1, weight=10),
        Member(name="s2controller-0", stack="stack2", address="10.1.20.11", segment=2, weight=11),
    )


def test_a_part_of_the_controllers() -> None:
    found = members(expanded("stack3,stack1"), members_per_stack=2)
    assert [member.name for member in found] == ["s3controller-0", "s3controller-1", "s1controller-0", "s1controller-1"]
    assert [member.segment for member in found] == [3, 3, 1, 1]


def test_weights_stay_when_a_stack_joins() -> None:
    two, three = expanded("stack1,stack2"), expanded("stack1,stack2,stack3")
    assert weights(members(two)) == [12, 10, 10, 11, 10, 10]
    assert weights(members(three)) == [12, 10, 10, 11, 10, 10, 10, 10, 10]
    assert arbiters(two) == arbiters(three) == (Arbiter("arbiter-0", "172.16.0.5", weight=18),)


def test_the_first_named_stack_is_the_heaviest() -> None:
    assert weights(members(expanded("stack2,stack1"), 1)) == [12, 11]
    assert members(expanded("stack2,stack1"), 1)[0].stack == "stack2"


@pytest.mark.parametrize(
    ("size", "count", "shares"),
    [(3, 1, [18]), (3, 2, [9, 9]), (2, 2, [7, 6]), (1, 3, [3, 3, 2]), (1, 0, [])],
)
def test_arbiters_share_their_weight(size: int, count: int, shares: list[int]) -> None:
    found = arbiters(expanded("stack1,stack2", arbiter=count), size)
    assert [arbiter.weight for arbiter in found] == shares
    assert all(arbiter.segment == 0 for arbiter in found)


def test_an_arbiter_heavier_than_galera_takes() -> None:
    plan = expanded("stack1,stack2")
    plan["nodes"] = [
        *(node for node in plan["nodes"] if node["role"] == "arbiter"),
        *({"role": "controller", "stack": stack["name"]} for stack in plan["stacks"] for _number in range(51)),
    ]
    assert arbiters(plan, 50)[0].weight == 253
    with pytest.raises(GaleraError, match="would weigh 258; Galera takes 255 at most"):
        arbiters(plan)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members_per_stack": 4}, "members_per_stack is 4, but stack1 has 3 controllers."),
        ({"members_per_stack": 0}, "members_per_stack is 0; give a whole number, 1 or more."),
        ({"members_per_stack": "2"}, "members_per_stack is '2'; give a whole number, 1 or more."),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GaleraError) as caught:
        members(expanded("stack1,stack2"), **options)
    assert str(caught.value) == message
    with pytest.raises(GaleraError) as caught:
        arbiters(expanded("stack1,stack2"), **options)
    assert str(caught.value) == message


def test_the_address_does_not_depend_on_the_order() -> None:
    cluster = [
        {"name": member.name, "address": member.address}
        for member in members(expanded("stack2,stack10,stack1", controller=1))
    ]
    for _round in range(5):
        random.shuffle(cluster)
        assert cluster_address(cluster, 4577) == "gcomm://10.9.20.11:4577,10.0.20.11:4577,10.1.20.11:4577"


def test_no_address_for_nobody() -> None:
    with pytest.raises(GaleraError, match="no members"):
        cluster_address([], 4577)


@pytest.mark.parametrize("port", [0, "4577", True])
def test_bad_port(port: Any) -> None:
    with pytest.raises(GaleraError, match="port is"):
        cluster_address([{"name": "a", "address": "192.0.2.1"}], port)


# --- What a cluster survives

VOTERS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.tuples(st.sampled_from(["one", "two", "three"]), st.integers(0, 12)),
    min_size=1,
    max_size=7,
)


@given(VOTERS, st.data())
@settings(deadline=None)
def test_survival_is_what_enumeration_finds(voters: dict[str, tuple[str, int]], data: st.DataObject) -> None:
    up = data.draw(st.sets(st.sampled_from(sorted(voters)), min_size=1))
    no_data = data.draw(st.sets(st.sampled_from(sorted(voters)), max_size=2))
    holders = up - no_data

    def weigh(names: set[str]) -> int:
        return sum(voters[name][1] for name in names)

    def goes_on(left: set[str], base: set[str]) -> bool:
        return bool(left & holders) and 2 * weigh(left) > weigh(base)

    def deaths(alive: set[str]) -> int:
        return min(
            (1 + deaths(alive - {name}) if goes_on(alive - {name}, alive) else 0 for name in alive & holders), default=0
        )

    at_once = 0
    while at_once < len(holders) and all(
        goes_on(up - set(dead), up) for dead in itertools.combinations(sorted(holders), at_once + 1)
    ):
        at_once += 1
    sites = {voters[name][0] for name in up}
    lost = sorted(site for site in sites if goes_on({name for name in up if voters[name][0] != site}, up))
    assert survivable(voters, up, no_data) == Survival(deaths(up), at_once, tuple(lost))


def test_survival_of_the_default_cluster() -> None:
    found = quorum(members(expanded("stack1,stack2")), arbiters(expanded("stack1,stack2")))
    assert found.weights == {"stack1": 32, "stack2": 31, "arbiter": 18}
    assert found.survival == Survival(members=5, at_once=3, sites=("arbiter", "stack1", "stack2"))
    assert found.sites == (
        SiteLoss("stack1", True, ("arbiter",)),
        SiteLoss("stack2", True, ("arbiter",)),
        SiteLoss("arbiter", True, ("stack2",)),
    )
    assert found.links == (
        LinkCut(("stack1", "stack2"), "both", ("stack1", "stack2")),
        LinkCut(("stack1", "stack2"), "stack1", ("stack1",)),
        LinkCut(("stack1", "stack2"), "stack2", ("stack2",)),
        LinkCut(("stack1", "stack2"), "neither", ()),
    )
    assert found.warnings == ()


def without_arbiter(stacks: str) -> Quorum:
    return quorum(members(expanded(stacks)), ())


def test_two_stacks_without_an_arbiter() -> None:
    found = without_arbiter("stack1,stack2")
    assert found.sites == (SiteLoss("stack1", False, ()), SiteLoss("stack2", True, ()))
    assert found.links == (LinkCut(("stack1", "stack2"), "none", ("stack1",)),)
    (warning,) = found.warnings
    assert warning == (
        "Losing stack1 would stop stack2: without it 31 of 63 votes are left, and going on takes more than half. There "
        "is no arbiter; with a node of the role arbiter on a third site any one site may be lost."
    )


def test_three_stacks_without_an_arbiter() -> None:
    found = without_arbiter("stack1,stack2,stack3")
    assert [(loss.goes_on, loss.then) for loss in found.sites] == [
        (True, ("stack3",)),
        (True, ("stack3",)),
        (True, ("stack2",)),
    ]
    # The third one relays between the two that do not reach each other.
    assert all(cut.goes_on == ("stack1", "stack2", "stack3") for cut in found.links)
    assert not found.warnings


def test_three_stacks_with_an_arbiter_survive_every_cut_of_one_link() -> None:
    plan = expanded("stack1,stack2,stack3")
    found = quorum(members(plan), arbiters(plan))
    assert len(found.links) == 12
    assert all(cut.goes_on == ("stack1", "stack2", "stack3") for cut in found.links)


def equal(*stacks: int) -> tuple[Member, ...]:
    return tuple(
        Member(f"s{number}c{index}", f"stack{number}", "192.0.2.1", number, 1)
        for number, size in enumerate(stacks, 1)
        for index in range(size)
    )


def test_an_even_vote_without_an_arbiter() -> None:
    warnings = quorum(equal(2, 2), ()).warnings
    assert len(warnings) == 3
    assert warnings[2] == (
        "Cutting the link between stack1 and stack2 would stop writing everywhere: no side has more than half of the "
        "votes, and there is no arbiter to decide."
    )


def test_a_stack_that_outweighs_all_others_and_the_arbiter() -> None:
    (warning,) = quorum(equal(5, 2), (Arbiter("arbiter-0", "192.0.2.2", 1),)).warnings
    assert warning == (
        "Losing stack1 would stop stack2: without it 3 of 8 votes are left, and going on takes more than half. The "
        "arbiters and the other stacks do not outweigh it: give every stack as many members."
    )


def test_other_warnings() -> None:
    (warning,) = quorum(equal(3), (Arbiter("arbiter-0", "192.0.2.2", 1),)).warnings
    assert "no second site to arbitrate: stack1" in warning
    assert "16 members; about 15 are" in quorum(equal(5, 5, 6), ()).warnings[0]


def test_quorum_of_nobody_and_of_two_with_one_name() -> None:
    with pytest.raises(GaleraError, match="no members"):
        quorum((), ())
    with pytest.raises(GaleraError, match="More than one voter is called s1c0"):
        quorum((*equal(1), *equal(1)), ())
    with pytest.raises(GaleraError, match="No weight is known of b, c"):
        survivable({"a": ("one", 1)}, ["a", "c"], ["b"])
