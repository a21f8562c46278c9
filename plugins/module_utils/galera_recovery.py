# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees, and may declare, when the stretched Galera waits for members that are lost.

Pure: what galera_reports_info said on every host goes in, a plan comes out. What the cluster then does is decided by
:mod:`election`, here as on the members.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils import election

Seen = Mapping[str, Any]
"""The result of galera_reports_info on one host, or of the attempt."""

NO_SEQNO = -1


class RecoveryError(Exception):
    """The reports are of no use."""


@dataclass(frozen=True)
class Plan:
    """What was found, and what a declaration would do.

    ``table`` are lines of text. ``primary``: members of a Primary component. ``decision``: what the election says now.
    ``uuid`` and ``seqno``: the newest position that is known, an empty text and -1 if there is none. ``holders``:
    members that keep a declaration. ``askers``: hosts from which the reports came.

    With lost members: ``refusal`` says why there can be no declaration. If it is empty, ``declaration`` is what to
    write into lost.json on the hosts ``write_to``, ``declared`` whether they all have it, ``outcome`` what the election
    will say then, ``loss`` what is given up, as sentences.
    """

    table: Tuple[str, ...]
    primary: Tuple[str, ...]
    decision: str
    uuid: str
    seqno: int
    holders: Tuple[str, ...]
    askers: Tuple[str, ...]
    refusal: str = ""
    declaration: Mapping[str, Any] = field(default_factory=dict)
    declared: bool = False
    write_to: Tuple[str, ...] = ()
    outcome: str = ""
    loss: Tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cluster:
    """Everything known of the cluster: members and arbiters as in members.json, raw and read reports by member."""

    members: Sequence[Mapping[str, Any]]
    arbiters: Sequence[Mapping[str, Any]]
    raw: Mapping[str, Mapping[str, Any]]
    reports: Mapping[str, election.Report]
    askers: Tuple[str, ...]
    asked: Mapping[str, Seen]

    @property
    def names(self) -> List[str]:
        return [str(member["name"]) for member in self.members]


def plan(asked: Mapping[str, Seen], lost: Any, made: str, by: str) -> Plan:
    """Look at what the hosts say, and at what the declaration would do.

    :param asked: By host, its result of galera_reports_info. A host that was not reached or has no member is there too,
        with ``unreachable`` or ``msg``.
    :param lost: Names of members, or of stacks for all of theirs, as a list or separated by commas. May be empty.
    :param made: The time, for the record.
    :param by: Who says so, for the record.
    :raises RecoveryError: if no host gave reports, or they are of different clusters or none at all.
    """
    cluster = _cluster(asked)
    known = election.newest(cluster.reports)
    best = max(known, key=lambda name: known[name]) if known else None
    found: Dict[str, Any] = {
        "table": _table(cluster, known),
        "primary": tuple(name for name in cluster.names if cluster.reports[name].primary),
        "uuid": str(cluster.reports[best].uuid) if best else "",
        "seqno": known[best] if best else NO_SEQNO,
        "holders": tuple(name for name in cluster.names if cluster.raw[name].get("lost")),
        "askers": cluster.askers,
        "decision": election.elect(cluster.reports, cluster.names).reason,
    }
    wanted, strangers = _expand(lost, cluster.members)
    if strangers:
        found["refusal"] = f"The cluster has no member or stack {_list(strangers)}; it has {_list(cluster.names)}."
    if strangers or not wanted:
        return Plan(**found)
    return _declare(cluster, wanted, known, found, made, by)


def _declare(
    cluster: _Cluster, lost: Tuple[str, ...], known: Mapping[str, int], found: Dict[str, Any], made: str, by: str
) -> Plan:
    said = election.Declaration(lost, found["uuid"], found["seqno"])
    # The servers that run outside a Primary component end once they are all that is left, and stand where they stood.
    after = {
        name: each._replace(running=each.running and name not in known, lost=said)
        for name, each in cluster.reports.items()
    }
    outcome = election.elect(after, cluster.names)
    write_to = tuple(name for name in cluster.askers if name not in lost and name in cluster.names)
    refusal = _refusal(cluster, lost, known, outcome)
    if not refusal and not write_to:
        refusal = "No member that is not lost can be reached by SSH, so there is nowhere to record the declaration."
    if refusal:
        return Plan(**found, refusal=refusal)
    text = {"members": list(lost), "uuid": said.uuid, "seqno": said.seqno}
    same = [
        cluster.raw[name]["lost"]
        for name in write_to
        if {key: (cluster.raw[name].get("lost") or {}).get(key) for key in text} == text
    ]
    return Plan(
        **found,
        # What stands there keeps its time and its author.
        declaration={**text, "made": same[0]["made"], "by": same[0]["by"]}
        if same
        else {**text, "made": made, "by": by},
        declared=len(same) == len(write_to) and all(each == same[0] for each in same),
        write_to=write_to,
        outcome=outcome.reason,
        loss=_loss(cluster, lost, found["uuid"], found["seqno"]),
    )


def _cluster(asked: Mapping[str, Seen]) -> _Cluster:
    """Bring what the hosts say together: of a member its own word counts, else that of any who reached it."""
    answered = {host: each for host, each in asked.items() if each.get("reports")}
    if not answered:
        why = "; ".join(f"{host}: {_why(each)}" for host, each in asked.items())
        raise RecoveryError(f"None of the hosts could tell anything. {why}")
    first = next(iter(answered.values()))
    differing = [host for host, each in answered.items() if each["members"] != first["members"]]
    if differing:
        raise RecoveryError(
            f"The hosts do not agree on who the members are: {_list(differing)} has another members.json than "
            f"{next(iter(answered))}. Bring them to one, by --tags run_galera of the site's playbook."
        )
    raw = {}
    for member in first["members"]:
        name = member["name"]
        views = sorted(answered.values(), key=lambda each: each["own_name"] != name)
        reached = [each["reports"][name] for each in views if each["reports"][name].get("reachable")]
        raw[name] = reached[0] if reached else views[0]["reports"][name]
    try:
        reports = {name: election.report(each) for name, each in raw.items()}
    except election.ElectionError as error:
        raise RecoveryError(str(error)) from error
    return _Cluster(first["members"], first["arbiters"], raw, reports, tuple(answered), asked)


def _why(seen: Seen) -> str:
    return "not reached by SSH" if seen.get("unreachable") else str(seen.get("msg") or "not asked").splitlines()[0]


def _expand(lost: Any, members: Sequence[Mapping[str, Any]]) -> Tuple[Tuple[str, ...], List[str]]:
    """Names of the members meant, sorted, and what names neither a member nor a stack."""
    given = lost.split(",") if isinstance(lost, str) else list(lost or [])
    names, strangers = set(), []
    for each in (str(one).strip() for one in given):
        meant = {str(member["name"]) for member in members if each in {member["name"], member["stack"]}}
        names |= meant
        if each and not meant:
            strangers.append(each)
    return tuple(sorted(names)), strangers


def _refusal(cluster: _Cluster, lost: Tuple[str, ...], known: Mapping[str, int], outcome: election.Decision) -> str:
    primary = [name for name in cluster.names if cluster.reports[name].primary]
    if primary:
        return (
            f"A Primary component is up, with {_list(primary)}: there is nothing to recover. A member that is down "
            "joins it when it comes back; one that never does is taken out of the topology."
        )
    if set(lost) == set(cluster.names):
        return "All members are declared lost, and there would be none to go on with. Name only those that are gone."
    kept = [known[name] for name in known if name not in lost]
    newer = [name for name in lost if name in known and known[name] > max(kept, default=NO_SEQNO)]
    if newer and outcome.action != election.STOP:
        held = _list(f"{name} (seqno {known[name]})" for name in newer)
        than = f"the newest of the others is {max(kept)}" if kept else "of the others none is known"
        return (
            f"There is an answer from {held}, with newer data: {than}. It is not lost, and the election counts it. "
            "Leave it out of the list; or, to give up what it alone has, power it off first."
        )
    if outcome.action == election.WAIT:
        return (
            f"That would not be enough: {outcome.reason} Bring {_list(outcome.missing)} back or, if it is lost as "
            "well, declare it."
        )
    return outcome.reason if outcome.action == election.STOP else ""


def _loss(cluster: _Cluster, lost: Tuple[str, ...], uuid: str, seqno: int) -> Tuple[str, ...]:
    """What the declaration gives up, and what nobody can know."""
    found = []
    silent = [name for name in lost if cluster.reports[name].uuid is None]
    if silent:
        found.append(
            f"The data of {_list(silent)} are not known. What was committed there alone, after seqno {seqno} of "
            f"{uuid}, is lost: a member that comes back gets a copy of the others' data over its own."
        )
        found.append(_votes(cluster, silent))
    needless = [name for name in lost if name not in silent]
    if needless:
        found.append(f"There are answers, and known positions, from {_list(needless)}: these count all the same.")
    return tuple(found)


def _votes(cluster: _Cluster, silent: Sequence[str]) -> str:
    """Whether the silent ones could be a Primary component out of sight; arbiters may be on their side."""
    weights = {str(each["name"]): int(each["weight"]) for each in [*cluster.members, *cluster.arbiters]}
    arbiters = sum(int(each["weight"]) for each in cluster.arbiters)
    votes, total = sum(weights[name] for name in silent), sum(weights.values())
    have = f"They have {votes} of {total} votes" + (f", {votes + arbiters} with the arbiters" if arbiters else "")
    if (votes + arbiters) * 2 <= total:
        return f"{have}: not enough to have gone on without the others, if all were together before."
    return (
        f"{have}: they may have gone on without the others, and acknowledged writes. If they are up, out of sight, "
        "there will be two clusters: make sure that they are off, and that they stay off until they see the others."
    )


def _table(cluster: _Cluster, known: Mapping[str, int]) -> Tuple[str, ...]:
    best = max(known.values(), default=0)
    rows = [("member", "site", "reached", "phase", "Primary", "history", "seqno", "behind", "clustercheck")]
    for member in cluster.members:
        name = str(member["name"])
        raw, report = cluster.raw[name], cluster.reports[name]
        by_ssh = name in cluster.asked and not cluster.asked[name].get("unreachable")
        check = "ok" if raw.get("ok") else str(raw.get("reason") or "")
        seqno = "" if report.seqno is None or report.uuid is None else str(report.seqno)
        rows.append(
            (
                name,
                str(member["stack"]),
                "yes" if report.reachable else "SSH alone" if by_ssh else "no",
                report.phase or "-",
                ("yes" if report.primary else "no") if report.reachable else "-",
                report.uuid or ("none" if report.seqno is not None or _empty(raw) else "-"),
                seqno or "-",
                str(best - known[name]) if name in known else "-",
                check if report.reachable else str(raw.get("error") or "-"),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return tuple("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _empty(raw: Mapping[str, Any]) -> bool:
    """Whether a member that does not run says that its data directory is empty."""
    agent = raw.get("agent") or {}
    return bool(raw.get("reachable")) and agent.get("phase") in election.POSITION_PHASES and bool(agent.get("position"))


def _list(names: Iterable[str]) -> str:
    ordered = list(names)
    return ", ".join(ordered[:-1]) + " and " + ordered[-1] if len(ordered) > 1 else "".join(ordered)
