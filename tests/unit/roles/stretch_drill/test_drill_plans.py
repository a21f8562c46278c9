# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plan gives back what it takes, and speaks of what there is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drill_harness import describe
from stretch_drill.model import Description, DrillError
from stretch_drill.plans import PLANS, Act, Drill, Facts, Sleep, WaitSynced, plan

WITHOUT_ARBITER = {"lose-arbiter", "cut-link-arbiter-primary", "cut-link-arbiter-second", "cut-link-isolated"}
GIVEN_BACK = {
    "power_off": "power_on",
    "cut": "mend",
    "keep_stopped": "let_run",
    "limit_disk": "unlimit_disk",
    "fill_disk": "free_disk",
    "fake_clock": "unfake_clock",
    "hold_writers": "release_writers",
}


def facts(description: Description) -> Facts:
    first = {site.name: description.members_of(site.name)[0].name for site in description.sites}
    return Facts(description, 5.0, first)


def acts(drill: Drill) -> list[Act]:
    return [step for step in drill.steps if isinstance(step, Act)]


DEPLOYMENTS = [describe(), describe(sites=3), describe(members=1), describe(sites=3, arbiters=0), describe(arbiters=2)]
CASES = [
    pytest.param(name, description, id=f"{name}-{index}")
    for name in PLANS
    for index, description in enumerate(DEPLOYMENTS)
    if description.arbiters or name not in WITHOUT_ARBITER
]


@pytest.mark.parametrize(("name", "description"), CASES)
def test_what_is_taken_is_given_back(name: str, description: Description) -> None:
    drill = plan(name, facts(description))
    assert drill.name == name
    for taking, giving in GIVEN_BACK.items():
        taken: set[str] = set()
        for act in acts(drill):
            targets = set(act.targets) or {"all"}
            if act.kind == taking:
                taken |= targets
            elif act.kind == giving:
                taken -= targets
            elif act.kind == "power_off" and taking == "keep_stopped":
                # It holds until the node starts anew.
                taken -= targets
        assert not taken, f"{taking} without {giving}"


@pytest.mark.parametrize(("name", "description"), CASES)
def test_it_ends_with_the_whole_cluster(name: str, description: Description) -> None:
    last = plan(name, facts(description)).steps[-1]
    assert last == WaitSynced(tuple(member.name for member in description.members), description.full_size)


@pytest.mark.parametrize(("name", "description"), CASES)
def test_targets_exist_and_marks_are_set(name: str, description: Description) -> None:
    drill = plan(name, facts(description))
    nodes = {node for site in description.sites for node in site.nodes} | {each.name for each in description.arbiters}
    assert {target for act in acts(drill) for target in act.targets} <= nodes
    marks = [act.mark for act in acts(drill) if act.mark]
    assert len(marks) == len(set(marks))
    for expectation in drill.expectations:
        named = {getattr(expectation, "since", ""), getattr(expectation, "until", "")} - {""}
        assert named <= set(marks), expectation


@pytest.mark.parametrize("name", sorted(WITHOUT_ARBITER))
def test_a_drill_that_needs_an_arbiter_says_so(name: str) -> None:
    with pytest.raises(DrillError, match="needs an arbiter"):
        plan(name, facts(describe(arbiters=0)))


def test_an_unknown_drill_is_refused_with_the_list() -> None:
    with pytest.raises(DrillError, match="there is no drill kil-member; there are: kill-member, "):
        plan("kil-member", facts(describe()))


def test_one_site_is_nothing_to_drill() -> None:
    with pytest.raises(DrillError, match="two sites"):
        plan("kill-member", facts(describe(sites=1)))


def test_a_site_cut_off_reaches_nobody() -> None:
    description = describe(sites=3)
    cut = next(act for act in acts(plan("cut-link-arbiter-primary", facts(description))) if act.kind == "cut")
    assert {each.router for each in cut.cuts} == {"s2undercloud-0"}
    assert {(each.sources, each.destinations) for each in cut.cuts} == {
        (
            ("10.1.20.0/24", "192.168.25.0/24"),
            ("10.0.20.0/24", "192.168.24.0/24", "10.2.20.0/24", "192.168.26.0/24", "172.16.0.5"),
        ),
        (
            ("10.0.20.0/24", "192.168.24.0/24", "10.2.20.0/24", "192.168.26.0/24", "172.16.0.5"),
            ("10.1.20.0/24", "192.168.25.0/24"),
        ),
    }


def test_one_way_is_one_way() -> None:
    (cut,) = next(act for act in acts(plan("cut-one-way", facts(describe()))) if act.kind == "cut").cuts
    assert (cut.sources[0], cut.destinations[0]) == ("10.0.20.0/24", "10.1.20.0/24")


def test_the_freshest_comes_back_last_and_alone() -> None:
    ons = [act.targets for act in acts(plan("blackout-freshest-last", facts(describe()))) if act.kind == "power_on"]
    assert ons[-1] == ("s2controller-2",)
    assert "s2controller-2" not in ons[-2]
    assert len(ons[-2]) == 6


def test_without_an_arbiter_the_deciding_site_is_not_lost() -> None:
    off = next(act for act in acts(plan("lose-site", facts(describe(arbiters=0)))) if act.kind == "power_off")
    assert off.targets == describe().sites[1].nodes


def test_nothing_is_away_for_less_than_the_cluster_needs_to_notice() -> None:
    slow = replace(facts(describe()), suspect=30.0)
    sleeps = [step.seconds for step in plan("lose-site", slow).steps if isinstance(step, Sleep)]
    assert min(sleeps) >= 90
