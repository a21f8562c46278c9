# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource agent of one member of a Galera cluster that stretches over several Pacemaker clusters.

Unpromoted: the member's position is known, it waits or joins. Promoted: it is a member of the Primary component. No
action waits for the server: each looks, takes the next step and returns, so that neither an election that lasts for
hours nor a long state transfer runs into an operation's time limit. Members of the other sites are known by the
reports of their clustercheck alone, never by attributes of a Pacemaker cluster.

Python 3.6 or later, PyMySQL. Runs in the member's container as root.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import sys
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import election
import galera_state
from galera_host import AgentError, Host, Parameters, complain

OCF_SUCCESS = 0
OCF_ERR_GENERIC = 1
OCF_ERR_UNIMPLEMENTED = 3
OCF_ERR_INSTALLED = 5
OCF_ERR_CONFIGURED = 6
OCF_NOT_RUNNING = 7
OCF_RUNNING_PROMOTED = 8
OCF_FAILED_PROMOTED = 9
# Healthy, with something to say: Pacemaker shows the reason and takes no action.
OCF_DEGRADED = 190

PROMOTION_SCORE = 100
STOP_RESERVE = 20.0
"""Seconds of the stop operation's time limit that are left for what follows the end of the server."""
BUSY_TIME, BUSY_INTERVAL = 2.0, 0.4
"""Seconds for which a monitor goes on while the member is on its way, and between two looks."""
FIRST_BACKOFF, LAST_BACKOFF = 5.0, 60.0
"""Seconds before a start that failed is tried again; doubled each time."""


class Seen(NamedTuple):
    """What a look at the member found.

    ``phase`` as in the state file, "hung" besides: the server answered once and no longer does. ``status`` is that of a
    server that answers.
    """

    phase: str
    status: Mapping[str, str]
    error: str = ""


class Agent:
    """The actions; ``host`` does all that is done outside of this process."""

    def __init__(self, parameters: Parameters, host: Host) -> None:
        """Load the member's state."""
        self.parameters = parameters
        self.host = host
        self.state = host.load_state()
        self.scores: List[Optional[int]] = []

    def _wish(self, score: Optional[int]) -> None:
        """Want this promotion score, once everything else is done."""
        self.scores.append(score)

    def _tell_score(self) -> None:
        """Tell Pacemaker the promotion score, last of all.

        Where that changes the member's role, Pacemaker cancels the monitor, and kills it if it still runs.
        """
        if self.scores:
            self.host.set_promotion_score(self.scores[-1])

    # Looking

    def look(self) -> Seen:
        """Find out where the member stands."""
        phase = str(self.state.get("phase") or "")
        if self.host.server_pid() is not None:
            status = self.host.status()
            if phase == "stopping":
                return Seen("stopping", status or {})
            if status is None:
                return Seen("starting" if phase == "starting" else "hung", {})
            # A server that starts answers only once it has joined.
            if status.get("wsrep_cluster_status") != "Primary":
                return Seen("nonprimary", status)
            return Seen("member" if galera_state.is_member(status) else "starting", status)
        if self.host.recovery_runs():
            return Seen("recovering", {})
        if phase == "stopping":
            return Seen("unknown", {})
        if phase in ("waiting", "backoff") and self.state.get("position"):
            return Seen(phase, {})
        if phase in ("starting", "member", "nonprimary", "hung"):
            return Seen("ended", {}, self.host.last_error())
        return Seen("unknown", {})

    # Acting

    def enter(self, phase: str, **values: Any) -> None:
        """Note that the member is in a phase; the age of the phase starts when it changes."""
        if self.state.get("phase") != phase:
            self.state["since"] = time.monotonic()
        self.state.update(phase=phase, **values)
        self.host.save_state(self.state)

    def recover(self) -> None:
        """Learn the position of a server that does not run.

        A server that was killed left none in grastate.dat: then mariadbd itself is asked, in the background.
        """
        try:
            position = self.host.position()
        except galera_state.MemberStateError as error:
            # No position, no vote. But where a Primary component is up, the member can get a copy of its data.
            self.enter("backoff", position=None, unreadable=str(error), unreadable_at=time.monotonic())
            return
        if position is None:
            self.host.start_recovery()
            self.enter("recovering", position=None)
        else:
            self.enter("waiting", position=position._asdict())

    def step(self, seen: Seen) -> str:
        """Take the next step; return what the member waits for, or nothing when all is well."""
        if seen.phase == "member":
            return self._member(seen)
        if seen.phase == "starting":
            self._wish(None)
            self.enter("starting")
            return "is joining the Primary component; a full state transfer can take long"
        if seen.phase == "stopping":
            return "the server is being stopped, to be started again"
        if seen.phase == "hung":
            return "the server does not answer"
        if seen.phase == "nonprimary":
            return self._without_primary(seen)
        if seen.phase == "recovering":
            return "the position of its data is being read from disk"
        if seen.phase == "ended":
            self._failed(seen.error)
        if seen.phase == "ended" or (seen.phase == "unknown" and self._may_recover()):
            self.recover()
            if self.state["phase"] == "recovering":
                return "the position of its data is being read from disk"
        return self._elect()

    def _may_recover(self) -> bool:
        """Whether the position may be read; where that failed, it is tried again now and then."""
        return not self.state.get("unreadable") or (
            time.monotonic() - float(self.state.get("unreadable_at") or 0.0) > LAST_BACKOFF
        )

    def _member(self, seen: Seen) -> str:
        self.host.forget_declarations()
        if self.host.restart_requested():
            self._wish(None)
            self.host.end_server()
            self.enter("stopping", position=None)
            return "the server is being stopped, to be started again"
        self.host.refresh_certificates()
        self.enter("member", position=None, failures=0, last_error="", decision=None)
        # What was told last is taken back first: no further monitor of this role would do so once it is promoted.
        if not self.state.get("told"):
            if self.state.pop("shown", False):
                self.host.save_state(self.state)
                self.host.forget_told()
            self._wish(PROMOTION_SCORE)
        return "" if seen.status.get("wsrep_ready") == "ON" else "the server is not ready for queries"

    def _without_primary(self, seen: Seen) -> str:
        """Wait for the component to come back; give way to an election only when it has not, although all are there."""
        self._wish(None)
        reports, decision = self._decide(seen.status)
        lost = election.lost_members(reports, self.host.member_names())
        since = None
        if decision.action != election.JOIN and election.complete(reports, self.host.member_names(), lost):
            since = self.state.get("complete_since") or time.monotonic()
        reason = f"runs outside a Primary component. {decision.reason}"
        self.enter("nonprimary", position=None, complete_since=since, decision=_plain(decision))
        if since is not None and time.monotonic() - since > self.host.limit("component_timeout"):
            self.host.end_server()
            self.enter("stopping", complete_since=None)
            return "gives way to the election: all members are there, and no component became Primary"
        if decision.action == election.JOIN and self._aged("nonprimary") > self.host.limit("component_timeout"):
            # Galera looks for lost peers by itself; one that does not find them joins anew.
            self.host.end_server()
            self.enter("stopping")
            return "leaves its component to join the Primary one"
        return reason

    def _failed(self, error: str) -> None:
        self.state["failures"] = int(self.state.get("failures") or 0) + 1
        self.state["last_error"] = error
        self.state["failed_at"] = time.monotonic()

    def _decide(self, status: Mapping[str, str]) -> Tuple[Mapping[str, election.Report], election.Decision]:
        names = self.host.member_names()
        reports = self.host.reports(self.state, status)
        return reports, election.elect(reports, names)

    def _elect(self) -> str:
        """Without a server: wait, join or bootstrap."""
        self._wish(None)
        reports, decision = self._decide({})
        me = self.host.me
        if decision.action != election.JOIN:
            self.state["join_since"] = None
        elif not self.state.get("join_since"):
            self.state["join_since"] = time.monotonic()
        self.enter(str(self.state["phase"]), decision=_plain(decision))
        if decision.action == election.STOP:
            return f"an operator has to decide. {decision.reason}"
        if decision.action == election.WAIT:
            return " ".join([decision.reason, str(self.state.get("unreadable") or "")]).strip()
        if decision.action == election.BOOTSTRAP and decision.member != me:
            return decision.reason
        pause = self._pause()
        if pause > 0:
            return f"a start failed {self.state['failures']} times and is tried again; {self.state['last_error']}"
        if decision.action == election.BOOTSTRAP:
            self._start(bootstrap=True)
            return f"bootstraps the cluster. {decision.reason}"
        waited = time.monotonic() - self.state["join_since"]
        if election.still_seen(self.host.address, reports) and waited < election.TURN_PATIENCE:
            return "waits until the others have noticed that its server ended"
        first = election.next_member(me, reports, waited)
        if first is not None:
            if self.state["phase"] == "backoff" and self.state.get("position"):
                self.enter("waiting")
            return f"joins after {first}. {decision.reason}"
        self._start(bootstrap=False)
        return "is joining the Primary component; a full state transfer can take long"

    def _pause(self) -> float:
        """Seconds until a start may be tried again."""
        failures = int(self.state.get("failures") or 0)
        if not failures:
            return 0.0
        if self.state["phase"] == "waiting":
            self.enter("backoff")
        limit = min(LAST_BACKOFF, FIRST_BACKOFF * 2 ** min(failures - 1, 10))
        return limit - (time.monotonic() - float(self.state.get("failed_at") or 0.0))

    def _start(self, bootstrap: bool) -> None:
        position = self.state.get("position")
        # Before the server is there: from now on nobody may take this position for the member's.
        self.enter("starting", position=None, join_since=None, unreadable="")
        self.state["config"] = self.host.start_server(bootstrap, position)
        self.host.save_state(self.state)

    def _aged(self, phase: str) -> float:
        """Seconds for which the member has been in a phase; 0 if it is in another."""
        return time.monotonic() - float(self.state.get("since") or 0.0) if self.state.get("phase") == phase else 0.0

    # The actions of the OCF

    def start(self) -> int:
        """Begin to take part: from here on the monitor takes the steps."""
        if not self.host.started():
            self.host.prepare()
            if self.host.server_pid() is None and not self.host.recovery_runs():
                # What the last container left is over, whatever it was.
                self.state.update(join_since=None, complete_since=None, unreadable="")
                if self.state.get("phase") not in election.POSITION_PHASES or not self.state.get("position"):
                    self.state.update(phase="", position=None)
                else:
                    self.state["phase"] = "waiting"
            self.host.mark_started(True)
        self.step(self.look())
        self._tell_score()
        return OCF_SUCCESS

    def stop(self) -> int:
        """End the server in good order, or, where it hangs, by force; learn where its data stand."""
        self.host.set_promotion_score(None)
        self.host.mark_promoted(False)
        if self.host.started() or self.host.server_pid() is not None:
            hung = self.look().phase == "hung"
            self.enter("stopping", position=None)
            limit = max(5.0, self.parameters.action_timeout - STOP_RESERVE)
            self.host.end_server_and_wait(5.0 if hung else limit)
            self.host.end_recovery()
            try:
                position = self.host.position()
            except galera_state.MemberStateError:
                position = None
            self.enter("stopped" if position else "", position=position._asdict() if position else None, failures=0)
        self.host.mark_started(False)
        return OCF_SUCCESS

    def promote(self) -> int:
        """Say that the member is in the Primary component, which it is already."""
        if self.host.promoted():
            return OCF_SUCCESS
        for _attempt in range(10):
            if self.look().phase == "member":
                self.enter("member", position=None)
                break
            time.sleep(1)
        else:
            # It left the component again a moment ago. That is no failure: it is demoted at once, and waits.
            self._wish(None)
        self.host.mark_promoted(True)
        self._tell_score()
        return OCF_SUCCESS

    def demote(self) -> int:
        """Say that the member is not to be counted on; its server stays, and may become a member again."""
        self.host.mark_promoted(False)
        return OCF_SUCCESS if self.host.started() else OCF_NOT_RUNNING

    def monitor(self) -> int:
        """Look, take the next step and say how it stands."""
        if not self.host.started():
            return OCF_NOT_RUNNING
        promoted = self.host.promoted()
        seen = self.look()
        if self.host.probe:
            return OCF_RUNNING_PROMOTED if promoted else OCF_SUCCESS
        failed = self._broken(seen, promoted)
        if failed:
            return complain(failed, OCF_FAILED_PROMOTED if promoted else OCF_ERR_GENERIC)
        code = self._report(self._step_for_a_while(seen, promoted), promoted)
        self._tell_score()
        return code

    def _report(self, waits_for: str, promoted: bool) -> int:
        """The monitor's code for what the member waits for, if it waits."""
        if promoted:
            # Whatever it waits for, it is about to be demoted, and says so then.
            return OCF_RUNNING_PROMOTED
        # Pacemaker records a result anew only when its code changes: a new reason is told after one round of silence.
        if waits_for and self.state.get("told") in ("", None, waits_for):
            self.state.update(told=waits_for, shown=True)
            self.host.save_state(self.state)
            return complain(waits_for, OCF_DEGRADED)
        if self.state.get("told"):
            self.state["told"] = ""
            self.host.save_state(self.state)
        return OCF_SUCCESS

    def _step_for_a_while(self, seen: Seen, promoted: bool) -> str:
        """Take steps; while others depend on them, or their turn depends on others, not only one in each interval."""
        deadline = time.monotonic() + BUSY_TIME
        while True:
            waits_for = self.step(seen)
            if promoted or not waits_for or time.monotonic() > deadline:
                return waits_for
            time.sleep(BUSY_INTERVAL)
            seen = self.look()

    def _broken(self, seen: Seen, promoted: bool) -> str:
        """What calls for a recovery by Pacemaker, which then counts and shows it."""
        if seen.phase == "hung":
            silent = self._aged("hung")
            self.enter("hung")
            if silent > self.host.limit("hang_timeout"):
                return f"the server has not answered for {silent:.0f} s"
        if seen.phase == "ended" and promoted:
            return f"the server ended by itself: {seen.error}"
        return ""


def _plain(decision: election.Decision) -> Dict[str, Any]:
    return {
        "action": decision.action,
        "member": decision.member,
        "reason": decision.reason,
        "missing": list(decision.missing),
    }


ACTIONS = ("start", "stop", "monitor", "promote", "demote", "meta-data", "validate-all")


def main(arguments: List[str]) -> int:
    """Run one action; the exit status is that of the OCF."""
    action = arguments[1] if len(arguments) == 2 else ""
    if action in ("meta-data", "usage", "help"):
        from galera_metadata import META_DATA  # noqa: PLC0415 - the other actions do without it

        sys.stdout.write(META_DATA if action == "meta-data" else f"usage: {arguments[0]} {{{'|'.join(ACTIONS)}}}\n")
        return OCF_SUCCESS
    if action not in ACTIONS:
        sys.stderr.write(f"usage: {arguments[0]} {{{'|'.join(ACTIONS)}}}\n")
        return OCF_ERR_UNIMPLEMENTED
    return run(action)


def run(action: str) -> int:
    """Run one of ACTIONS."""
    try:
        parameters = Parameters.from_environment()
        host = Host(parameters)
        # What never started needs no configuration to be found stopped, or to be stopped.
        if action not in ("stop", "monitor") or host.started():
            host.validate()
        if action == "validate-all":
            return OCF_SUCCESS
        return int(getattr(Agent(parameters, host), action)())
    except AgentError as error:
        codes = {"configured": OCF_ERR_CONFIGURED, "installed": OCF_ERR_INSTALLED}
        return complain(str(error), codes.get(error.kind, OCF_ERR_GENERIC))
    except election.ElectionError as error:
        return complain(str(error), OCF_ERR_GENERIC)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
