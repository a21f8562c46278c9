# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resource agent's steps, over a host that is made up: what it does at what it sees, and what it says of it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"
NULL = "00000000-0000-0000-0000-000000000000"
NAMES = ["s1controller-0", "s1controller-1", "s2controller-0"]
MEMBER = {"wsrep_cluster_status": "Primary", "wsrep_local_state": "4", "wsrep_ready": "ON"}
JOINING = {"wsrep_cluster_status": "Primary", "wsrep_local_state": "1", "wsrep_ready": "OFF"}
APART = {
    "wsrep_cluster_status": "non-Primary",
    "wsrep_local_state": "0",
    "wsrep_local_state_uuid": OURS,
    "wsrep_last_committed": "7",
}


@pytest.fixture(scope="module")
def library() -> Iterator[Any]:
    """The agent's modules under the plain names that they have on a node."""
    paths = [str(ROOT / "roles/stretch_galera/files/ocf"), str(ROOT / "plugins/module_utils")]
    sys.path[:0] = paths
    import galera_agent  # noqa: PLC0415

    galera_agent.BUSY_TIME = -1.0  # one step in each monitor
    yield galera_agent
    for path in paths:
        sys.path.remove(path)


class FakeHost:
    """A host whose server does what the test says; it notes what it is asked to do."""

    def __init__(self, **seen: Any) -> None:
        self.me = NAMES[0]
        self.address = "10.0.20.11"
        self.probe = False
        self.server: int | None = None
        self.answers: dict[str, str] | None = None
        self.recovering = False
        self.found: Any = None
        self.others: dict[str, dict[str, Any]] = {}
        self.saved: dict[str, Any] = {}
        self.is_started, self.is_promoted, self.restart = True, False, False
        self.score: int | None = None
        self.noted_at_score: dict[str, Any] = {}
        self.declarations = {"lost": None, "first": None}
        self.calls: list[str] = []
        for name, value in seen.items():
            setattr(self, name, value)

    def limit(self, name: str) -> float:
        return {"hang_timeout": 30.0, "component_timeout": 45.0}[name]

    def load_state(self) -> dict[str, Any]:
        return dict(self.saved)

    def save_state(self, state: dict[str, Any]) -> None:
        self.saved = dict(state)

    def server_pid(self) -> int | None:
        return self.server

    def status(self) -> dict[str, str] | None:
        return self.answers

    def recovery_runs(self) -> bool:
        return self.recovering

    def last_error(self) -> str:
        return "disk is full"

    def position(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def start_recovery(self) -> None:
        self.calls.append("recover")
        self.recovering = True

    def end_recovery(self) -> None:
        self.recovering = False

    def start_server(self, bootstrap: bool, position: Any) -> str:
        assert self.server is None, "a second server on the same data"
        assert self.saved["position"] is None, "the others still take the old position for this member's"
        self.calls.append("bootstrap" if bootstrap else "join")
        self.server, self.answers = 17, None
        return "digest"

    def end_server(self) -> None:
        self.calls.append("end")

    def end_server_and_wait(self, limit: float) -> None:
        self.calls.append(f"end within {limit:g} s")
        self.server = self.answers = None

    def restart_requested(self) -> bool:
        asked, self.restart = self.restart, False
        return asked

    def refresh_certificates(self) -> None:
        pass

    def forget_declarations(self) -> None:
        self.declarations = {"lost": None, "first": None}

    def prepare(self) -> None:
        pass

    def started(self) -> bool:
        return self.is_started

    def mark_started(self, started: bool) -> None:
        self.is_started = started

    def promoted(self) -> bool:
        return self.is_promoted

    def mark_promoted(self, promoted: bool) -> None:
        self.is_promoted = promoted

    def forget_told(self) -> None:
        self.calls.append("forget")

    def set_promotion_score(self, score: int | None) -> None:
        # Pacemaker kills a monitor whose role changes by this: what is not noted by now never is.
        self.noted_at_score = dict(self.saved)
        self.score = score

    def member_names(self) -> list[str]:
        return list(NAMES)

    def reports(self, state: dict[str, Any], status: dict[str, str]) -> dict[str, Any]:
        import election  # noqa: PLC0415

        own = {
            "reachable": True,
            "answers": bool(status),
            "primary": status.get("wsrep_cluster_status") == "Primary",
            "uuid": status.get("wsrep_local_state_uuid"),
            "seqno": int(status.get("wsrep_last_committed") or -1),
            "agent": dict(state, age=0.0, phase_age=0.0),
            **self.declarations,
        }
        return {name: election.report(given) for name, given in {**self.others, self.me: own}.items()}


def position(seqno: int, uuid: str = OURS) -> Any:
    import galera_state  # noqa: PLC0415

    return galera_state.Position(uuid, seqno)


def waiting(seqno: int, uuid: str = OURS, phase: str = "waiting", age: float = 1.0) -> dict[str, Any]:
    return {
        "reachable": True,
        "answers": False,
        "agent": {"phase": phase, "position": {"uuid": uuid, "seqno": seqno}, "age": age, "phase_age": age},
    }


def primary() -> dict[str, Any]:
    return {
        "reachable": True,
        "answers": True,
        "primary": True,
        "uuid": OURS,
        "seqno": 9,
        "agent": {"phase": "member", "position": None, "age": 1.0, "phase_age": 100.0},
    }


SILENT = {"reachable": False}


def agent(library: Any, host: FakeHost) -> Any:
    parameters = library.Parameters(
        config="/c", datadir="/d", state="/s", log="/l", user="mysql",
        action_timeout=60.0, interval=3.0,
    )  # fmt: skip
    return library.Agent(parameters, host)


def test_it_waits_for_all_and_says_for_whom(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    host = FakeHost(found=position(5), others={NAMES[1]: waiting(4), NAMES[2]: SILENT}, is_started=False)
    assert agent(library, host).start() == library.OCF_SUCCESS
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert NAMES[2] in capsys.readouterr().err
    assert host.calls == []
    assert host.saved["decision"]["missing"] == [NAMES[2]]
    assert host.saved["position"] == {"uuid": OURS, "seqno": 5}


def test_it_waits_for_hours_without_a_failure(library: Any) -> None:
    host = FakeHost(found=position(5), others={NAMES[1]: waiting(4), NAMES[2]: SILENT})
    codes = {agent(library, host).monitor() for _each in range(50)}
    assert codes == {library.OCF_DEGRADED}


def test_a_new_reason_is_told_after_one_round_of_silence(library: Any) -> None:
    """Pacemaker records a result that repeats only once."""
    host = FakeHost(found=position(5), others={NAMES[1]: SILENT, NAMES[2]: SILENT})
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    host.others[NAMES[1]] = waiting(4)
    assert agent(library, host).monitor() == library.OCF_SUCCESS
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert agent(library, host).monitor() == library.OCF_DEGRADED


def test_the_newest_bootstraps(library: Any) -> None:
    host = FakeHost(found=position(5), others={NAMES[1]: waiting(4), NAMES[2]: waiting(5)})
    agent(library, host).monitor()
    assert host.calls == ["bootstrap"]
    assert host.saved["phase"] == "starting"


def test_one_that_is_behind_lets_the_newest_bootstrap(library: Any) -> None:
    host = FakeHost(found=position(4), others={NAMES[1]: waiting(4), NAMES[2]: waiting(5)})
    agent(library, host).monitor()
    assert host.calls == []
    assert NAMES[2] in host.saved["told"]


def test_a_position_that_a_crash_left_unknown_is_read_first(library: Any) -> None:
    host = FakeHost(found=None, others={NAMES[1]: waiting(4), NAMES[2]: waiting(5)})
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert (host.calls, host.saved["phase"], host.saved["position"]) == (["recover"], "recovering", None)
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert host.calls == ["recover"]
    host.recovering, host.found = False, position(6)
    # The phase is still the one of before, the process is gone: the position is there now.
    agent(library, host).monitor()
    assert host.calls == ["recover", "bootstrap"]


def test_it_joins_a_primary_component_in_its_turn(library: Any) -> None:
    host = FakeHost(me=NAMES[1], found=position(5), others={NAMES[0]: waiting(5), NAMES[2]: primary()})
    agent(library, host).monitor()
    assert (host.calls, host.saved["told"].split(".")[0]) == ([], f"joins after {NAMES[0]}")
    host.others[NAMES[0]] = primary()
    agent(library, host).monitor()
    assert host.calls == ["join"]


def test_it_joins_only_when_its_former_server_is_gone(library: Any) -> None:
    host = FakeHost(found=position(5), others={NAMES[1]: SILENT, NAMES[2]: primary()})
    host.others[NAMES[2]]["members_seen"] = ["10.0.20.11:3316", "10.1.20.11:3316"]
    agent(library, host).monitor()
    assert host.calls == []
    host.others[NAMES[2]]["members_seen"] = ["10.1.20.11:3316", ""]
    agent(library, host).monitor()
    assert host.calls == ["join"]


def test_a_member_that_cannot_read_its_data_joins_but_never_bootstraps(library: Any) -> None:
    import galera_state  # noqa: PLC0415

    host = FakeHost(
        found=galera_state.MemberStateError("grastate.dat is damaged"),
        others={NAMES[1]: waiting(4), NAMES[2]: waiting(5)},
    )
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert host.calls == []
    assert host.saved["decision"]["missing"] == [NAMES[0]]
    assert "grastate.dat is damaged" in host.saved["told"]
    host.others[NAMES[2]] = primary()
    agent(library, host).monitor()
    assert host.calls == ["join"]


def test_member_and_promotion(library: Any) -> None:
    host = FakeHost(
        server=17,
        answers=MEMBER,
        saved={"phase": "starting", "told": "is joining", "shown": True},
        declarations={"lost": {"members": []}, "first": None},
    )
    assert agent(library, host).monitor() == library.OCF_SUCCESS
    assert host.score is None, "what was told before is taken back first"
    assert agent(library, host).monitor() == library.OCF_SUCCESS
    assert (host.score, host.calls) == (library.PROMOTION_SCORE, ["forget"])
    assert host.declarations == {"lost": None, "first": None}, "a declaration is void once the cluster is Primary"
    assert agent(library, host).promote() == library.OCF_SUCCESS
    assert agent(library, host).monitor() == library.OCF_RUNNING_PROMOTED
    assert agent(library, host).demote() == library.OCF_SUCCESS
    assert agent(library, host).monitor() == library.OCF_SUCCESS


def test_a_promotion_that_comes_too_late_is_no_failure(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.time, "sleep", lambda _seconds: None)
    host = FakeHost(server=17, answers=APART, saved={"phase": "member"}, score=100)
    assert agent(library, host).promote() == library.OCF_SUCCESS
    assert (host.is_promoted, host.score) == (True, None)


def test_a_long_state_transfer_is_no_failure(library: Any) -> None:
    host = FakeHost(server=17, answers=None, saved={"phase": "starting", "since": -100000.0})
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    host.answers = JOINING
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert host.calls == []


def test_a_server_that_dies_while_it_starts_is_tried_again_later(library: Any) -> None:
    host = FakeHost(found=position(5), others={NAMES[1]: waiting(4), NAMES[2]: primary()}, saved={"phase": "starting"})
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert (host.calls, host.saved["failures"], host.saved["phase"]) == ([], 1, "backoff")
    assert "disk is full" in host.saved["told"]
    host.saved["failed_at"] -= 6
    agent(library, host).monitor()
    assert host.calls == ["join"]
    host.server = None
    agent(library, host).monitor()
    host.saved["failed_at"] -= 6
    agent(library, host).monitor()
    assert host.calls == ["join"], "the second pause is longer"


def test_a_promoted_server_that_dies_is_a_failure(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    host = FakeHost(is_promoted=True, saved={"phase": "member"}, found=position(5), score=100)
    assert agent(library, host).monitor() == library.OCF_FAILED_PROMOTED
    assert "disk is full" in capsys.readouterr().err
    assert host.score == 100, "it would be killed before it can say so"
    assert agent(library, host).stop() == library.OCF_SUCCESS
    assert host.score is None


def test_a_hung_server_is_a_failure_only_after_its_limit(library: Any) -> None:
    host = FakeHost(server=17, answers=None, is_promoted=True, saved={"phase": "member", "since": -1e6})
    assert agent(library, host).monitor() == library.OCF_RUNNING_PROMOTED
    host.saved["since"] -= 31
    assert agent(library, host).monitor() == library.OCF_FAILED_PROMOTED
    assert agent(library, host).stop() == library.OCF_SUCCESS
    assert host.calls == ["end within 5 s"]


def test_it_gives_way_to_an_election_only_when_galera_had_its_time(library: Any) -> None:
    apart = {"reachable": True, "answers": True, "primary": False, "uuid": OURS, "seqno": 7, "agent": {}}
    host = FakeHost(server=17, answers=APART, is_promoted=True, score=100, others={NAMES[1]: apart, NAMES[2]: SILENT})
    host.saved = {"phase": "member"}
    for _each in range(3):
        assert agent(library, host).monitor() == library.OCF_RUNNING_PROMOTED
    assert (host.calls, host.score) == ([], None)
    agent(library, host).demote()
    assert agent(library, host).monitor() == library.OCF_DEGRADED
    assert host.noted_at_score["phase"] == "nonprimary"
    assert host.saved["complete_since"] is None, "one is missing: nothing is given up"
    host.others[NAMES[2]] = waiting(5)
    agent(library, host).monitor()
    assert host.calls == []
    host.saved["complete_since"] -= 46
    agent(library, host).monitor()
    assert host.calls == ["end"]
    assert host.saved["phase"] == "stopping"
    host.server, host.answers, host.found = None, None, position(7)
    host.others[NAMES[1]] = waiting(7)
    agent(library, host).monitor()
    assert host.calls == ["end", "bootstrap"]


def test_a_restart_on_request_is_no_failure(library: Any) -> None:
    host = FakeHost(server=17, answers=MEMBER, is_promoted=True, restart=True, saved={"phase": "member"})
    host.others = {NAMES[1]: primary(), NAMES[2]: primary()}
    assert agent(library, host).monitor() == library.OCF_RUNNING_PROMOTED
    assert (host.calls, host.score) == (["end"], None)
    assert host.noted_at_score["phase"] == "stopping"
    host.server, host.answers, host.found = None, None, position(9)
    agent(library, host).monitor()
    assert host.calls == ["end", "join"]


@pytest.mark.parametrize("started", [True, False])
def test_stop_and_demote_can_be_repeated(library: Any, started: bool) -> None:
    host = FakeHost(is_started=started, server=17 if started else None, answers=MEMBER, found=position(9))
    host.saved = {"phase": "member"} if started else {}
    assert [agent(library, host).stop() for _each in range(2)] == [library.OCF_SUCCESS] * 2
    assert (host.is_started, host.is_promoted, host.server) == (False, False, None)
    if started:
        assert (host.saved["phase"], host.saved["position"]) == ("stopped", {"uuid": OURS, "seqno": 9})
    assert agent(library, host).monitor() == library.OCF_NOT_RUNNING
    assert agent(library, host).demote() == library.OCF_NOT_RUNNING


def test_a_probe_takes_no_step(library: Any) -> None:
    host = FakeHost(probe=True, found=position(5), others={NAMES[1]: waiting(4), NAMES[2]: waiting(5)})
    assert agent(library, host).monitor() == library.OCF_SUCCESS
    host.is_promoted = True
    assert agent(library, host).monitor() == library.OCF_RUNNING_PROMOTED
    assert host.calls == []


class World:
    """Members with their agents, a network that cuts links, and servers that Galera would run, in small steps.

    A bootstrap over another Primary component, or from behind, is what must never be seen.
    """

    def __init__(self, library: Any, seqnos: list[int]) -> None:
        self.library = library
        self.hosts = {name: FakeHost(me=name, found=position(seqno)) for name, seqno in zip(NAMES, seqnos)}
        self.seqno = dict(zip(NAMES, seqnos))
        self.newest = max(seqnos)
        self.up = set(NAMES)
        self.cut: set[frozenset[str]] = set()
        self.primary: set[str] = set()
        self.begun: set[str] = set()

    def reaches(self, one: str, other: str) -> bool:
        return one == other or (other in self.up and frozenset({one, other}) not in self.cut)

    def report_of(self, name: str) -> dict[str, Any]:
        host = self.hosts[name]
        return {
            "reachable": True,
            "answers": name in self.primary,
            "primary": name in self.primary,
            "uuid": OURS,
            "seqno": self.seqno[name],
            "agent": dict(host.saved, age=1.0, phase_age=1.0),
        }

    def monitor(self, name: str) -> None:
        host = self.hosts[name]
        if name not in self.up:
            return
        host.others = {
            other: self.report_of(other) if self.reaches(name, other) else SILENT for other in NAMES if other != name
        }
        before = len(host.calls)
        agent(self.library, host).monitor()
        for call in host.calls[before:]:
            if call == "bootstrap":
                assert not self.primary, f"{name} bootstraps beside the Primary component of {self.primary}"
                assert not self.begun, f"{name} bootstraps while {self.begun} does"
                assert self.seqno[name] == self.newest, f"{name} bootstraps from behind"
                self.begun.add(name)

    def settle(self, name: str) -> None:
        """The server of a member comes up: on its own if it bootstrapped, else if it reaches the component."""
        host = self.hosts[name]
        if name not in self.up or host.server is None or name in self.primary:
            return
        if name in self.begun:
            self.begun.discard(name)
        elif not any(self.reaches(name, other) for other in self.primary):
            host.server = None  # it gives up: there is no component that it reaches
            return
        self.primary.add(name)
        host.answers = MEMBER
        self.write()

    def write(self) -> None:
        if self.primary:
            self.newest += 1
            for name in self.primary:
                self.seqno[name] = self.newest

    def crash(self, name: str) -> None:
        host = self.hosts[name]
        self.up.discard(name)
        self.primary.discard(name)
        self.begun.discard(name)
        host.server = host.answers = None
        host.recovering = False

    def boot(self, name: str) -> None:
        host = self.hosts[name]
        if name not in self.up:
            self.up.add(name)
            host.is_started = host.is_promoted = False
            host.found = position(self.seqno[name])
            agent(self.library, host).start()
            if host.calls and host.calls[-1] == "bootstrap" and host.server is not None:
                assert not self.primary
                assert self.seqno[name] == self.newest
                self.begun.add(name)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["monitor", "monitor", "settle", "crash", "boot", "cut", "heal", "write"]),
              st.integers(0, 2)),
    max_size=60,
)  # fmt: skip
PAIRS = [frozenset(pair) for pair in itertools.combinations(NAMES, 2)]


@settings(max_examples=300, deadline=None)
@given(seqnos=st.lists(st.integers(0, 2), min_size=3, max_size=3), events=EVENTS)
def test_never_two_bootstraps_and_never_from_behind(library: Any, seqnos: list[int], events: list[Any]) -> None:
    """A Primary component of the world is any set of servers that came up together: losing its last one ends it."""
    world = World(library, seqnos)
    for event, number in events:
        if event in {"cut", "heal"}:
            (world.cut.add if event == "cut" else world.cut.discard)(PAIRS[number])
        elif event == "write":
            world.write()
        else:
            getattr(world, event)(NAMES[number])
    # And it comes back: everything up, all links whole, nobody does anything by hand.
    world.cut.clear()
    for name in NAMES:
        world.boot(name)
    for _round in range(40):
        for name in NAMES:
            for key in ("failed_at", "join_since"):
                if world.hosts[name].saved.get(key):
                    world.hosts[name].saved[key] -= 70
            world.hosts[name].found = position(world.seqno[name])
            world.monitor(name)
            world.settle(name)
    assert world.primary == set(NAMES)
