# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the nodes answer to what it means, for every way to be broken that has a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Optional

import pytest
import stretch_status_harness as harness
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status import merge, text
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    BAD,
    BUSY,
    CUT,
    OFF,
    OK,
    PARTIAL,
    UNKNOWN,
    UP,
    WARN,
    Status,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.views import StatusError
from stretch_status_harness import World


def look(world: World) -> Status:
    return merge.assess(world.topology, world.members, world.arbiters, world.answers(), harness.TAKEN)


class Expected(NamedTuple):
    """What a picture has to say. ``labels`` are those of the members that are not Synced."""

    level: str
    writes: Optional[bool]
    headline: str
    labels: dict[str, str]
    problems: tuple[str, ...] = ()
    links: tuple[str, str] = (UP, UP)
    arbiter: Optional[str] = "votes"
    split: bool = False


def those(site: str, label: str) -> dict[str, str]:
    return {f"s{site}controller-{index}": label for index in range(3)}


WAITING = dict.fromkeys((*those("1", ""), "s2controller-0", "s2controller-2"), "waits")
PICTURES: list[tuple[Callable[[], World], Expected]] = [
    (harness.well, Expected(OK, True, "All is well: writes go on at all sites, 6 of 6 members are Synced", {})),
    (
        harness.site_lost,
        Expected(
            WARN, True, "Writes go on at stack1; stack2 is down or cut off", those("2", "unreachable"),
            ("stack2: no controller can be reached from here (3 asked)",), (UNKNOWN, UNKNOWN),
        ),
    ),
    (
        harness.link_cut,
        Expected(
            BAD, True, "NO WRITES at stack2; writes go on at stack1", those("2", "not Primary"),
            ("stack1 <-> stack2: the link is cut", "stack2: clients cannot write"), (CUT, CUT),
        ),
    ),
    (
        harness.one_way_cut,
        Expected(
            BAD, True, "NO WRITES at stack2; writes go on at stack1", those("2", "not Primary"),
            ("stack1 -> stack2: cut in this direction; stack2 -> stack1 works",), (CUT, UP),
        ),
    ),
    (
        harness.two_primaries,
        Expected(
            BAD, True, "TWO PRIMARY COMPONENTS", {**those("1", "Primary A"), **those("2", "Primary B")},
            ("newest seqno 4711", "newest seqno 4790"), (CUT, CUT), None, True,
        ),
    ),
    (
        harness.two_histories,
        Expected(
            WARN, True, "Writes go on at all sites; 3 of 6", those("2", "needs you"),
            ("data: two histories, of which only one can be kept: 0badc0de on s2controller-0",),
        ),
    ),
    (
        harness.blackout,
        Expected(
            BAD, False, "NO WRITES: there is no Primary component; it waits for s2controller-1",
            {**WAITING, "s2controller-1": "node is off"},
            ("waits: The position of s2controller-1 is not known.",), arbiter="runs",
        ),
    ),
    (
        harness.hung_member,
        Expected(
            WARN, True, "Writes go on at all sites; 5 of 6", {"s1controller-0": "hangs"},
            ("s1controller-0: hangs: the agent has it running, but: database: no answer within 1 s",),
        ),
    ),
    (
        harness.state_transfer,
        Expected(
            WARN, True, "Writes go on at all sites; 4 of 6", {"s2controller-1": "Donor", "s2controller-2": "joining"},
            ("s2controller-1: made the others wait 24% of the time", "gets its state from a member, for 1 min"),
        ),
    ),
    (
        harness.disk_full,
        Expected(
            WARN, True, "Writes go on at all sites; 5 of 6", {"s2controller-2": "start failed"},
            ("No space left on device (errno 28) (4 times in a row; it tries again)",),
        ),
    ),
    (
        harness.all_down,
        Expected(
            BAD, None, "NOTHING ANSWERS", {**those("1", "unreachable"), **those("2", "unreachable")},
            ("stack1: no controller", "stack2: no controller"), (UNKNOWN, UNKNOWN), "unreachable",
        ),
    ),
    (
        harness.half_broken,
        Expected(
            WARN, True, "Writes go on at stack1; whether at stack2 too is not known", {"s2controller-0": "no report"},
            (
                "stack2: HAProxy on s2controller-1, which has the VIP, gives no answer: no container",
                "s1controller-2: offline under Pacemaker: crm_mon: Error: cluster is not available on this node",
                "arbiter-0: down: its service is failed (failed)",
                "s2controller-0: no report: Connection refused; but 5 others count it in",
                "quorum: the loss of stack1 would stop writes at the others too",
            ),
            arbiter="down",
        ),
    ),
    (
        harness.declared_lost,
        Expected(
            BAD, None, "NO WRITES: there is no Primary component; s2controller-0, s2controller-1 and",
            {**those("1", "declared lost"), **those("2", "about to start")},
            ("declared lost for this outage by ops@bastion at 2026-11-24T03:10:00Z",), (UNKNOWN, UNKNOWN), None,
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), PICTURES, ids=[make.__name__ for make, _expected in PICTURES])
def test_picture(make: Callable[[], World], expected: Expected) -> None:
    status = look(make())
    assert (status.level, status.writes, status.split) == (expected.level, expected.writes, expected.split)
    assert status.headline.startswith(expected.headline)
    assert {one.name: one.state.label for one in status.members if one.state.label != "Synced"} == expected.labels
    problems = [f"{one.who}: {one.what}" for one in status.problems]
    assert [one for one in expected.problems if not any(one in problem for problem in problems)] == []
    assert (status.problems == ()) == (expected.level == OK)
    ways = {(link.source, link.target): link.state for link in status.links}
    assert (ways["stack1", "stack2"], ways["stack2", "stack1"]) == expected.links
    assert [one.state.label for one in status.arbiters] == ([] if expected.arbiter is None else [expected.arbiter])


def test_every_world_has_a_picture() -> None:
    assert [make.__name__ for make, _expected in PICTURES] == list(harness.WORLDS)


def of(status: Status, name: str) -> Any:
    return next(one for one in status.members if one.name == name)


def test_what_is_told_of_a_member_that_is_well() -> None:
    status = look(harness.well())
    member = of(status, "s2controller-0")
    assert (member.pacemaker, member.wsrep, member.uuid, member.seqno) == ("Promoted", "Synced", harness.UUID, 4711)
    assert (member.segment, member.weight, member.behind, member.component) == (2, 11, 0, 0)
    assert member.round_trips == {"stack1": 0.031, "stack2": 0.0004}
    assert (member.flow_control, member.queue, member.phase, member.phase_age) == (0.0, 0, "member", 10900.0)


def test_a_component_and_what_it_can_lose() -> None:
    status = look(harness.well())
    (component,) = status.components
    assert (component.votes, component.all_votes, component.arbiters, component.view) == (81, 81, 1, 7)
    assert status.reserve is not None
    assert status.reserve.sites == ("arbiter", "stack1", "stack2")
    assert status.reserve.risks == ()
    after = look(harness.site_lost())
    assert after.components[0].votes == 50
    assert after.reserve is not None
    assert after.reserve.members == 2
    assert look(harness.two_primaries()).reserve is None
    assert look(harness.blackout()).reserve is None


def test_where_connections_go() -> None:
    site = look(harness.well()).sites[0]
    assert (site.holder, site.writes) == ("s1controller-1", True)
    assert {proxy.host: (proxy.target, proxy.sessions) for proxy in site.proxies} == {
        "s1controller-0": ("s1controller-0", 0),
        "s1controller-1": ("s1controller-0", 7),
        "s1controller-2": ("s1controller-0", 0),
    }
    away = look(harness.two_histories()).sites[1]
    assert (away.writes, away.access) == (True, "HAProxy on s2controller-1 sends to s1controller-0")


def test_haproxy_keeps_to_whom_it_took_before() -> None:
    world = harness.well()
    told = world.haproxy("s1controller-1")
    told["stick"] = {"10.0.20.6": "s1controller-2"}
    world.sources["s1controller-1", "haproxy"] = told
    assert look(world).sites[0].access.endswith("sends to s1controller-2")
    next(one for one in told["servers"] if one["name"] == "s1controller-2")["up"] = False
    assert look(world).sites[0].access.endswith("sends to s1controller-0")


def test_a_vip_that_is_nowhere() -> None:
    world = harness.well()
    world.pacemaker["stack2"]["vips"] = dict.fromkeys(world.pacemaker["stack2"]["vips"])
    for host in world.of("stack2"):
        world.sources[host, "haproxy"] = world.haproxy("s1controller-0")
    status = look(world)
    assert status.sites[1].writes is False
    assert status.headline.startswith("NO WRITES at stack2; writes go on at stack1")
    assert any("no controller has the VIP 10.1.20.6" in one.what for one in status.problems)


def test_haproxy_that_still_sends_to_a_member_outside_of_the_primary_component() -> None:
    world = harness.link_cut()
    world.sources["s2controller-1", "haproxy"] = harness.well().haproxy("s2controller-1")
    site = look(world).sites[1]
    assert (site.writes, site.access) == (
        False,
        "HAProxy on s2controller-1 sends to s2controller-0, which is not Primary",
    )


def test_behind_is_counted_within_one_history() -> None:
    world = harness.two_histories()
    world.reports["s1controller-1"]["seqno"] = 4701
    status = look(world)
    assert of(status, "s1controller-1").behind == 10
    assert of(status, "s2controller-0").behind == 0


def test_a_site_that_only_ansible_does_not_reach() -> None:
    """Its members are seen by the other site, so nothing is said to be down that is not."""
    world = harness.well()
    for name in world.of("stack2"):
        world.dark[name] = "Connection timed out"
    status = look(world)
    assert {one.state.label for one in status.members} == {"Synced"}
    assert status.sites[1].writes is None
    assert status.headline.startswith("Writes go on at stack1; stack2 cannot be seen from here; 6 of 6")
    assert {link.state for link in status.links} == {UP}


def test_the_rest_may_go_on_where_it_cannot_be_seen() -> None:
    world = harness.link_cut()
    for name in world.of("stack1"):
        world.dark[name] = "Connection timed out"
    status = look(world)
    assert status.writes is None
    assert status.headline == "NO WRITES: there is no Primary component; stack1 cannot be seen from here and may go on"


def test_a_component_that_shrinks_is_not_two() -> None:
    """One side is a moment ahead: it lists three, while the others still list all six."""
    world = harness.well()
    world.component(world.of("stack1"), arbiters=1, view=8)
    status = look(world)
    assert not status.split
    (component,) = status.components
    assert component.view == 8


def test_two_histories_are_two_components_whatever_they_list() -> None:
    world = harness.well()
    for name in world.of("stack2"):
        world.reports[name]["cluster_uuid"] = world.reports[name]["uuid"] = harness.OTHER_UUID
    assert look(world).split


def test_reports_that_nobody_can_get() -> None:
    """As with another key, or a version that has none: HAProxy knows all the same."""
    world = harness.well()
    for name in world.all():
        world.sources[name, "reports"] = {"error": "[Errno 2] No such file or directory: 'report.key'"}
    status = look(world)
    assert (status.level, status.writes) == (WARN, True)
    assert status.headline == "No member's report can be read, but HAProxy finds members to send clients to"
    assert {one.state.label for one in status.members} == {"no report"}
    assert sum("cannot ask the members for their reports" in one.what for one in status.problems) == 1


def test_reports_that_are_refused() -> None:
    world = harness.well()
    world.silent = dict.fromkeys(world.all(), "refuses the signature: the report's key differs there")
    status = look(world)
    assert {link.state for link in status.links} == {UP}
    assert {one.state.level for one in status.members} == {WARN}


def test_some_connections_fail() -> None:
    world = harness.well()
    reports = {name: world.sees("s1controller-1", name) for name in world.all()}
    reports["s2controller-1"] = {"reachable": False, "error": "no answer within 3.2 s"}
    world.sources["s1controller-1", "reports"] = reports
    link = next(one for one in look(world).links if one.source == "stack1")
    assert (link.state, link.detail) == (PARTIAL, "1 of 9 connections fail")


def test_a_dead_host_is_no_cut_link() -> None:
    world = harness.well()
    world.node_off("s2controller-1")
    status = look(world)
    assert {link.state for link in status.links} == {UP}
    assert of(status, "s2controller-1").state.label == "no report"  # for as long as the others still count it in
    world.component([name for name in world.all() if name != "s2controller-1"], arbiters=1, view=8)
    assert of(look(world), "s2controller-1").state.label == "node is off"


PHASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("recovering", {}, BUSY, "recovering"),
    ("waiting", {"decision": {"action": "wait", "reason": "r", "missing": ["x"]}}, WARN, "waits"),
    ("waiting", {"decision": {"action": "stop", "reason": "r", "missing": []}}, BAD, "needs you"),
    ("waiting", {"decision": {"action": "bootstrap", "reason": "r", "missing": []}}, BUSY, "about to start"),
    ("waiting", {"decision": None}, WARN, "waits"),
    ("backoff", {"failures": 1, "last_error": "e"}, BAD, "start failed"),
    ("starting", {}, BUSY, "joining"),
    ("member", {}, BAD, "down"),
    ("nonprimary", {}, BAD, "down"),
    ("stopping", {}, BUSY, "stopping"),
    ("stopped", {}, OFF, "stopped"),
    ("", {}, BAD, "down"),
]


@pytest.mark.parametrize(("phase", "agent", "level", "label"), PHASES)
def test_phases_of_an_agent_whose_database_does_not_answer(
    phase: str, agent: dict[str, Any], level: str, label: str
) -> None:
    world = harness.well()
    world.stopped("s1controller-2", phase, **agent)
    world.component([name for name in world.all() if name != "s1controller-2"], arbiters=1, view=8)
    world.reports["s1controller-2"]["primary"] = False
    state = of(look(world), "s1controller-2").state
    assert (state.level, state.label) == (level, label)


DATABASES: list[tuple[dict[str, Any], str, str]] = [
    ({"state": "Joined", "synced": False, "ok": False}, BUSY, "joining"),
    ({"ok": False, "reason": "maintenance"}, WARN, "out of service"),
    ({"state": "Donor/Desynced", "synced": False}, BUSY, "Donor"),
    ({"primary": False}, BAD, "not Primary"),
    ({"agent": None}, OK, "Synced"),
]


@pytest.mark.parametrize(("report", "level", "label"), DATABASES)
def test_states_of_a_database_that_answers(report: dict[str, Any], level: str, label: str) -> None:
    world = harness.well()
    world.reports["s1controller-2"].update(report)
    state = of(look(world), "s1controller-2").state
    assert (state.level, state.label) == (level, label)


def test_an_agent_that_has_gone_silent() -> None:
    world = harness.well()
    world.reports["s1controller-2"]["agent"]["age"] = 200.0
    assert [(one.who, one.what) for one in look(world).problems] == [
        ("s1controller-2", "its agent has said nothing for 3 min")
    ]


def test_pacemaker_that_failed_complained_or_is_in_maintenance() -> None:
    world = harness.disk_full()
    member = of(look(world), "s2controller-2")
    assert (member.pacemaker, member.pacemaker_reason) == (
        "Unpromoted",
        "start failed 4 times: No space left on device",
    )
    world.pacemaker["stack2"]["failures"][0]["degraded"] = False
    assert of(look(world), "s2controller-2").pacemaker == "failed"
    world.pacemaker["stack2"].update(maintenance=True, failures=[], quorum=False)
    status = look(world)
    assert of(status, "s2controller-0").pacemaker == "maintenance"
    assert any(one.who == "stack2" and "no quorum" in one.what for one in status.problems)


def test_what_pacemaker_kept_of_a_member_that_is_well_by_now_is_not_repeated() -> None:
    world = harness.well()
    said = {"node": "s1controller-0", "resource": "stretch-galera", "task": "monitor", "code": 190, "degraded": True}
    world.pacemaker["stack1"]["failures"] = [{**said, "reason": "is joining the Primary component"}]
    assert not text.remarkable(of(look(world), "s1controller-0"))
    assert look(world).level == OK
    world.hung("s1controller-0")
    assert text.remarkable(of(look(world), "s1controller-0"))


def test_a_quorate_pacemaker_is_believed() -> None:
    """A controller that is alone knows nothing of the others."""
    world = harness.well()
    alone = world.cluster(world.topology["stacks"][0])
    alone.update(quorum=False, nodes=dict.fromkeys(world.of("stack1"), "offline"), members={})
    world.sources["s1controller-0", "pacemaker"] = alone
    status = look(world)
    assert of(status, "s1controller-0").pacemaker == "Promoted"
    assert status.sites[0].pacemaker == ""


def test_the_members_own_list_counts() -> None:
    world = harness.well()
    answers = world.answers()
    status = merge.assess(world.topology, [], [], answers, harness.TAKEN)
    assert len(status.members) == 6
    assert len(status.arbiters) == 1


def test_members_of_stacks_that_were_not_selected() -> None:
    world = harness.well()
    answers = {host: answer for host, answer in world.answers().items() if host not in world.of("stack2")}
    world.topology["stacks"] = world.topology["stacks"][:1]
    world.topology["nodes"] = [node for node in world.topology["nodes"] if node["stack"] != "stack2"]
    status = merge.assess(world.topology, world.members, world.arbiters, answers, harness.TAKEN)
    assert [site.name for site in status.sites] == ["stack1", "stack2"]
    assert {one.state.label for one in status.members} == {"Synced"}
    assert (status.level, status.sites[1].writes) == (WARN, None)
    assert [(one.who, one.what) for one in status.problems] == [
        ("stack2", "none of its controllers was asked: the stack is not among those selected")
    ]


def test_three_sites_and_a_link_between_two_of_them() -> None:
    world = World("topology_three.yml")
    world.cut("stack1", "stack3")
    status = look(world)
    assert {(one.source, one.target) for one in status.links if one.state == CUT} == {
        ("stack1", "stack3"),
        ("stack3", "stack1"),
    }
    assert len(status.links) == 6


def test_an_arbiter_that_is_cut_off() -> None:
    world = harness.well()
    world.cuts = {(one, other) for one in ("stack1", "stack2") for other in ("arbiter-0",)}
    world.component(world.all(), arbiters=0, view=8)
    (arbiter,) = look(world).arbiters
    assert (arbiter.state.label, arbiter.votes, arbiter.connected) == ("cut off", False, {"stack1": 0, "stack2": 0})


@pytest.mark.parametrize(
    "rubbish", [None, [], {"sources": None}, {"sources": {"reports": [], "haproxy": 3}}, {"msg": 1}]
)
def test_nodes_that_answer_rubbish(rubbish: Any) -> None:
    """They are part of the picture, and no reason to have none."""
    world = harness.well()
    answers = {**world.answers(), "s1controller-0": rubbish}
    status = merge.assess(world.topology, world.members, world.arbiters, answers, harness.TAKEN)
    assert of(status, "s1controller-0").state.label == "Synced"


@pytest.mark.parametrize("topology", [{}, {"nodes": [{}], "stacks": []}])
def test_no_topology(topology: dict[str, Any]) -> None:
    with pytest.raises(StatusError, match="topology"):
        merge.assess(topology, [], [], {}, harness.TAKEN)


def test_no_members() -> None:
    world = harness.well()
    with pytest.raises(StatusError, match="list of members"):
        merge.assess(world.topology, [{"name": "x"}], [], {}, harness.TAKEN)
