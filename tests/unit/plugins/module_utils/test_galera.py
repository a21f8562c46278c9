# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members, weights and addresses of the stretched cluster."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import topology
from ansible_collections.stretch.cluster.plugins.module_utils.galera import (
    GaleraError,
    Member,
    cluster_address,
    members,
)

ROOT = Path(__file__).resolve().parents[4]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8"))


def expanded(stacks: str, **counts: int) -> dict[str, Any]:
    found = topology.expand({**CONFIG, "nodes": {**CONFIG["nodes"], **counts}}, stacks)
    plain: dict[str, Any] = topology.plain(found)
    return plain


def weights(cluster: tuple[Member, ...]) -> list[int]:
    return [member.weight for member in cluster]


def votes(cluster: tuple[Member, ...], arbiters: int) -> dict[str, int]:
    """The weight of every site."""
    sites = {member.stack: sum(each.weight for each in cluster if each.stack == member.stack) for member in cluster}
    return {**sites, "arbiters": arbiters}


def goes_on(cluster: tuple[Member, ...], arbiters: int, *left: str) -> bool:
    """Whether these sites, by themselves, are more than half."""
    each = votes(cluster, arbiters)
    return 2 * sum(each[site] for site in left) > sum(each.values())


def test_members_of_the_default_topology() -> None:
    assert members(expanded("stack1,stack2"))[2:4] == (
        Member(name="s1controller-2", stack="stack1", address="10.0.20.13", segment=1, weight=1),
        Member(name="s2controller-0", stack="stack2", address="10.1.20.11", segment=2, weight=1),
    )


def test_a_part_of_the_controllers() -> None:
    found = members(expanded("stack3,stack1"), members_per_stack=2)
    assert [member.name for member in found] == ["s3controller-0", "s3controller-1", "s1controller-0", "s1controller-1"]
    assert [member.segment for member in found] == [3, 3, 1, 1]


@pytest.mark.parametrize("stacks", ["stack1,stack2", "stack1,stack2,stack3"])
@pytest.mark.parametrize("per_stack", [1, 2, 3])
@pytest.mark.parametrize("arbiters", [0, 1, 2])
def test_no_split_is_a_tie(stacks: str, per_stack: int, arbiters: int) -> None:
    cluster = members(expanded(stacks), per_stack, arbiters)
    assert (sum(weights(cluster)) + arbiters) % 2 == 1
    assert set(weights(cluster)[1:]) == {1}


@pytest.mark.parametrize("per_stack", [1, 2, 3])
@pytest.mark.parametrize("stacks", ["stack1,stack2", "stack1,stack2,stack3"])
def test_with_an_arbiter_any_site_may_be_lost(stacks: str, per_stack: int) -> None:
    cluster = members(expanded(stacks), per_stack)
    sites = [*stacks.split(","), "arbiters"]
    assert all(goes_on(cluster, 1, *left) for left in itertools.combinations(sites, len(sites) - 1))


def test_with_an_arbiter_two_stacks_weigh_the_same() -> None:
    assert weights(members(expanded("stack1,stack2"))) == [1] * 6


def test_without_an_arbiter_the_primary_stack_goes_on_alone() -> None:
    for topology_, arbiters in ((expanded("stack2,stack1", arbiter=0), None), (expanded("stack2,stack1"), 0)):
        cluster = members(topology_, arbiters=arbiters)
        assert weights(cluster) == [2, 1, 1, 1, 1, 1]
        assert goes_on(cluster, 0, "stack2")
        assert not goes_on(cluster, 0, "stack1")


def test_without_an_arbiter_three_stacks_survive_the_loss_of_any() -> None:
    cluster = members(expanded("stack1,stack2,stack3", arbiter=0))
    assert weights(cluster) == [1] * 9
    assert all(goes_on(cluster, 0, *left) for left in itertools.combinations(["stack1", "stack2", "stack3"], 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members_per_stack": 4}, "members_per_stack is 4, but stack1 has 3 controllers."),
        ({"members_per_stack": 0}, "members_per_stack is 0; give a whole number, 1 or more."),
        ({"members_per_stack": "2"}, "members_per_stack is '2'; give a whole number, 1 or more."),
        ({"arbiters": -1}, "arbiters is -1; give a whole number, 0 or more."),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GaleraError) as caught:
        members(expanded("stack1,stack2"), **options)
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
