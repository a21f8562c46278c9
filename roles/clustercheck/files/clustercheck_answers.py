# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clustercheck concludes and says, from what was found: pure functions. Python 3.6 or newer."""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import math
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

STATUS = (
    "wsrep_cluster_conf_id",
    "wsrep_cluster_size",
    "wsrep_cluster_state_uuid",
    "wsrep_cluster_status",
    "wsrep_flow_control_paused",
    "wsrep_incoming_addresses",
    "wsrep_last_committed",
    "wsrep_local_recv_queue",
    "wsrep_local_state",
    "wsrep_local_state_comment",
    "wsrep_local_state_uuid",
    "wsrep_provider_version",
    "wsrep_ready",
)
VARIABLES = ("read_only", "version", "wsrep_on", "wsrep_provider_options", "wsrep_reject_queries")

# wsrep_local_state: https://galeracluster.com/library/documentation/node-states.html
DONOR, SYNCED = "2", "4"


class Verdict(NamedTuple):
    """Whether clients may be sent here, and why (not)."""

    ok: bool
    reason: str


class Observation(NamedTuple):
    """What one round of questions found. `asked` is on the monotonic clock; `status` is None when none was answered."""

    asked: float
    status: Optional[Mapping[str, str]]
    error: str


class Local(NamedTuple):
    """What the files say. `problem` names the first one that cannot be used; `key` is None without a usable one."""

    maintenance: bool = False
    key: Optional[str] = None
    name: Optional[str] = None
    cluster: Optional[str] = None
    state: Optional[Mapping[str, Any]] = None
    lost: Optional[Mapping[str, Any]] = None
    first: Optional[Mapping[str, Any]] = None
    problem: str = ""


def decide(status: Mapping[str, str], available_when_donor: bool) -> Verdict:
    """Decide from the status and the variables of the member, by name, as MariaDB shows them."""
    absent = [name for name in ("wsrep_cluster_status", "wsrep_local_state", "wsrep_ready") if name not in status]
    if absent or status.get("wsrep_on") != "ON":
        return Verdict(False, "not a Galera member: wsrep is off")
    if status["wsrep_cluster_status"] != "Primary":
        return Verdict(False, "component is {}, not Primary".format(status["wsrep_cluster_status"]))
    if status["wsrep_ready"] != "ON":
        return Verdict(False, "wsrep is not ready")
    state = status.get("wsrep_local_state_comment") or status["wsrep_local_state"]
    if status["wsrep_local_state"] not in ((SYNCED, DONOR) if available_when_donor else (SYNCED,)):
        return Verdict(False, f"state is {state}, not Synced")
    if status.get("wsrep_reject_queries") != "NONE":
        return Verdict(False, "wsrep_reject_queries is {}".format(status.get("wsrep_reject_queries")))
    if status.get("read_only") != "OFF":
        return Verdict(False, "read_only is {}".format(status.get("read_only")))
    return Verdict(True, state)


def judge(observation: Observation, maintenance: bool, available_when_donor: bool) -> Verdict:
    """Decide from everything that was observed."""
    if maintenance:
        return Verdict(False, "in maintenance")
    if observation.status is None:
        return Verdict(False, observation.error)
    return decide(observation.status, available_when_donor)


def provider_option(options: Optional[str], name: str) -> Optional[int]:
    """Return a number out of wsrep_provider_options, which reads ``a = 1; b = 2``; None if it is not there."""
    for option in (options or "").split(";"):
        key, _equals, value = option.partition("=")
        if key.strip() == name and value.strip().isdigit():
            return int(value)
    return None


def report(observation: Observation, verdict: Verdict, local: Local) -> Dict[str, Any]:
    """Return the report but for the agent; what the database did not say is null. `seqno` is the last committed one."""
    status = observation.status or {}

    def number(name: str, kind: Callable[[str], Any] = int) -> Any:
        try:
            return kind(status[name])
        except (KeyError, ValueError):
            return None

    options = status.get("wsrep_provider_options")
    return {
        "name": local.name,
        "cluster": local.cluster,
        "ok": verdict.ok,
        "reason": verdict.reason,
        "answers": observation.status is not None,
        "maintenance": local.maintenance,
        "primary": status.get("wsrep_cluster_status") == "Primary",
        "synced": status.get("wsrep_local_state") == SYNCED,
        "ready": status.get("wsrep_ready") == "ON",
        "read_only": status.get("read_only"),
        "reject_queries": status.get("wsrep_reject_queries"),
        "state": status.get("wsrep_local_state_comment"),
        "uuid": status.get("wsrep_local_state_uuid"),
        "cluster_uuid": status.get("wsrep_cluster_state_uuid"),
        "seqno": number("wsrep_last_committed"),
        "view": number("wsrep_cluster_conf_id"),
        "cluster_size": number("wsrep_cluster_size"),
        "segment": provider_option(options, "gmcast.segment"),
        "weight": provider_option(options, "pc.weight"),
        "flow_control_paused": number("wsrep_flow_control_paused", float),
        "recv_queue": number("wsrep_local_recv_queue"),
        "members_seen": [one.strip() for one in status.get("wsrep_incoming_addresses", "").split(",") if one.strip()],
        "provider": status.get("wsrep_provider_version"),
        "server": status.get("version"),
        "lost": local.lost,
        "first": local.first,
    }


def agent(state: Optional[Mapping[str, Any]], boot: str, now: float) -> Optional[Dict[str, Any]]:
    """Return the agent's state with the ages of it and of its phase in seconds; None if of an earlier boot."""
    if state is None:
        return None

    def age(name: str) -> Optional[float]:
        value = state.get(name)
        if state.get("boot") != boot or isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return round(now - value, 3)

    return dict(state, age=age("written"), phase_age=age("since"))


PHASES = ("recovering", "waiting", "backoff", "starting", "member", "nonprimary", "stopping", "stopped")
# Metric, what the report calls it, help. Units and suffixes: https://prometheus.io/docs/practices/naming/
GAUGES = (
    ("clustercheck_available", "ok", "Whether clients may be sent to the member."),
    ("clustercheck_maintenance", "maintenance", "Whether the member is in maintenance."),
    ("clustercheck_database_up", "answers", "Whether the database answers within the limit."),
    ("clustercheck_galera_primary", "primary", "Whether the member is in the Primary component."),
    ("clustercheck_galera_synced", "synced", "Whether the member is Synced."),
    ("clustercheck_galera_ready", "ready", "Whether the member accepts queries (wsrep_ready)."),
    ("clustercheck_galera_last_committed_seqno", "seqno", "Sequence number of the last committed write set."),
    ("clustercheck_galera_cluster_size", "cluster_size", "Members of the component that the member is in."),
    ("clustercheck_galera_view_id", "view", "Number of the component's view (wsrep_cluster_conf_id)."),
    (
        "clustercheck_galera_flow_control_paused_ratio",
        "flow_control_paused",
        "Part of the time since the last FLUSH STATUS in which flow control paused the member.",
    ),
    ("clustercheck_galera_receive_queue_length", "recv_queue", "Write sets that wait to be applied."),
    ("clustercheck_galera_segment", "segment", "Segment of the member (gmcast.segment)."),
    ("clustercheck_galera_weight", "weight", "Votes of the member (pc.weight)."),
)

Sample = Tuple[Sequence[Tuple[str, str]], float]


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """Return the lines of a metric; none if it has no samples."""
    for number, (labels, value) in enumerate(samples):
        if not number:
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} {kind}"
        escaped = ",".join('{}="{}"'.format(label, escape(content)) for label, content in labels)  # noqa: UP032
        # Whole numbers in full: a double's shortest form rounds a seqno above 2^53.
        shown = repr(value) if isinstance(value, float) else str(int(value))
        yield "{}{} {}".format(name, "{" + escaped + "}" if escaped else "", shown)


def escape(value: str) -> str:
    """Return the value of a label as the text format wants it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def metrics(
    found: Mapping[str, Any],
    local_state: Optional[str],
    answered: Optional[float],
    checks: Mapping[str, int],
    of_agent: Optional[Mapping[str, Any]],
) -> str:
    """Return the page for Prometheus; what is unknown is left out.

    :param found: the report.
    :param local_state: wsrep_local_state.
    :param answered: seconds since the last question that the database answered.
    :param checks: answers to checks, by HTTP status.
    :param of_agent: the agent's state, see :func:`agent`.
    """
    lines: List[str] = []

    def add(name: str, kind: str, text: str, samples: Iterable[Sample]) -> None:
        lines.extend(family(name, kind, text, samples))

    def gauge(name: str, value: Any, text: str) -> None:
        known = isinstance(value, (int, float)) and math.isfinite(value)
        add(name, "gauge", text, [((), value)] if known else [])

    for name, key, text in GAUGES:
        gauge(name, found[key], text)
    gauge(
        "clustercheck_galera_local_state",
        int(local_state) if local_state and local_state.isdigit() else None,
        "State of the member: 1 joining, 2 donor or desynced, 3 joined, 4 synced.",
    )
    gauge(
        "clustercheck_database_answer_age_seconds", answered, "Time since the database was asked what it answered last."
    )
    add(
        "clustercheck_checks_total",
        "counter",
        "Checks answered, by HTTP status.",
        [((("status", status),), count) for status, count in sorted(checks.items())],
    )
    versions = (("server", found["server"]), ("provider", found["provider"]))
    add(
        "clustercheck_galera_version_info",
        "gauge",
        "Versions of the database and of Galera.",
        [(tuple((name, value) for name, value in versions if value), 1)] if found["server"] else [],
    )
    if of_agent is not None:
        add(
            "clustercheck_agent_phase",
            "gauge",
            "Phase that the resource agent is in.",
            [((("phase", phase),), int(of_agent.get("phase") == phase)) for phase in PHASES],
        )
        gauge("clustercheck_agent_phase_age_seconds", of_agent.get("phase_age"), "Time since the phase began.")
        gauge("clustercheck_agent_age_seconds", of_agent.get("age"), "Time since the resource agent wrote its state.")
        gauge("clustercheck_agent_failures", of_agent.get("failures"), "Starts of the database that failed in a row.")
        decision = of_agent.get("decision")
        missing = decision.get("missing") if isinstance(decision, dict) else []
        gauge(
            "clustercheck_agent_missing_members",
            len(missing) if isinstance(missing, list) else None,
            "Members whose report the resource agent waits for.",
        )
    return "\n".join(lines) + "\n"
