# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What a merge tells: the module's result, the diff, and what the report page is made from."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Iterable, Iterator, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import differences, report
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.charset import character_set
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import DEFAULT_DOMAIN
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.sync import Change


def result(merge: Merge) -> dict[str, Any]:
    """What a module returns, but for files and time."""
    planned = merge.planned
    return {
        "changed": merge.changed,
        "target_state": merge.target_state,
        "merged": {known.name: known.merged_at for known in merge.known.values() if known.merged_at is not None},
        "cut_over": {known.name: known.cut_over_at for known in merge.known.values() if known.cut_over_at is not None},
        "plan": {} if planned is None else _plan(planned),
        "conflicts": [] if planned is None else [_conflict(conflict) for conflict in planned.conflicts],
        "problems": list(merge.problems),
        "obstacles": merge.obstacles(),
        "summary": summary(merge),
        "counts": {} if planned is None else _counts(planned),
        "character_set": character_set(merge.sources),
        "changes": changes(merge),
        "compared": merge.compared,
    }


def _plan(planned: Plan) -> dict[str, Any]:
    return {
        kind: {
            "created": found.created,
            "became_one": found.became_one,
            "renamed": found.renamed,
            "names": {what: list(names) for what, names in found.names.items()},
        }
        for kind, found in sorted(planned.kinds.items())
    }


def _conflict(conflict: Any) -> dict[str, Any]:
    return {
        "kind": conflict.kind.replace("_", " "),
        "domain": conflict.domain,
        "name": conflict.name,
        "stacks": list(conflict.stacks),
        "ids": list(conflict.ids),
        "settle": conflict.settle,
    }


def _counts(planned: Plan) -> dict[str, Any]:
    return {
        table: {
            stack: {
                "rows": count.rows,
                "carried": count.carried,
                "became_one": count.became_one,
                "dropped": count.dropped,
            }
            for stack, count in stacks.items()
        }
        for table, stacks in planned.counts.items()
        if any(count.rows for count in stacks.values())
    }


def changes(merge: Merge) -> dict[str, dict[str, dict[str, int]]]:
    """Rows that a later run adds, changes and removes, per table and stack."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for work, changed in zip(merge.works, merge.changes):
        for table, change in changed.items():
            numbers = {action: len(getattr(change, action)) for action in differences.ACTIONS}
            if any(numbers.values()):
                found.setdefault(table, {})[work.name] = numbers
    return found


def _written(merge: Merge) -> Counter[str]:
    return Counter(
        {
            action: sum(numbers[action] for stacks in changes(merge).values() for numbers in stacks.values())
            for action in differences.ACTIONS
        }
    )


def summary(merge: Merge) -> str:
    """One line for people."""
    if merge.planned is None:
        return "Nothing to do: {}".format(
            ", ".join(f"{known.name} was cut over at {known.cut_over_at}" for known in merge.known.values())
        )
    sources = " and ".join(source.login.name for source in merge.sources)
    kinds = ", ".join(
        f"{kind}: {found.created} new, {found.became_one} became one"
        + (f", {found.renamed} renamed" if found.renamed else "")
        for kind, found in sorted(merge.planned.kinds.items())
    )
    if merge.obstacles() or merge.is_first or not merge.works:
        return f"{merge.planned.rows} rows of {sources}. {kinds}"
    if not merge.changed:
        return f"Nothing to do: nothing changed in {sources} since the last run"
    written = _written(merge)
    return (
        f"{written['added']} rows of {sources} added, {written['changed']} changed, {written['removed']} removed since "
        "the last run"
    )


def diff(merge: Merge) -> dict[str, str]:
    """What changes, by kind and name."""
    lines: list[str] = []
    if merge.planned is not None and (merge.is_first or not merge.works):
        for kind, found in sorted(merge.planned.kinds.items()):
            for what, names in found.names.items():
                lines.extend(f"{kind} {what.replace('_', ' ')}: {name}" for name in names)
                if getattr(found, what) > len(names):
                    lines.append(f"{kind} {what.replace('_', ' ')}: {getattr(found, what) - len(names)} more")
    else:
        for work, changed in zip(merge.works, merge.changes):
            lines.extend(differences.lines(work, changed, merge.target))
    return {"before": "", "after": "".join(line + "\n" for line in lines)}


def id_map_document(merge: Merge) -> bytes:
    """The map of ids, for the owners of resources in service databases, as JSON."""
    if merge.target is None:
        raise MergeError("there is no target")
    entries = sorted(State(merge.target, merge.request.state_database).id_map())
    document = {
        "target": merge.target.login.address,
        "changed": [{"kind": kind, "stack": stack, "old": old, "new": new} for kind, stack, old, new in entries],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def report_of(merge: Merge, at: str, version: str, seconds: float, id_map: str | None) -> report.Report:
    """What the report page is made from. *at* is the present time in UTC, *seconds* what the run took."""
    planned = merge.planned
    return report.Report(
        outcome=_outcome(merge),
        database=merge.request.target.address if merge.request.target is not None else "a new database",
        at=at,
        version=version,
        seconds=seconds,
        stacks=tuple(_stacks(merge, at)),
        counts=tuple(_table_counts(merge)),
        became_one=() if planned is None else tuple(_ones(planned)),
        renamed=()
        if planned is None
        else tuple(
            report.Renamed(new.kind, new.domain, new.old, new.new, new.stack, new.id) for new in planned.new_names
        ),
        conflicts=()
        if planned is None
        else tuple(
            report.Conflict(found.kind, found.domain, found.name, found.stacks, found.ids, found.settle)
            for found in planned.conflicts
        ),
        problems=tuple(merge.problems),
        warnings=tuple(merge.warnings),
        dangling=()
        if planned is None
        else tuple(
            report.Dangling(lost.stack, lost.table, lost.column, lost.to, lost.rows, lost.action == "drop")
            for lost in planned.lost
        ),
        id_changes=() if planned is None else tuple(_id_changes(planned)),
        id_map=id_map,
        phases=tuple(report.Phase(timed.phase, timed.seconds, timed.rows or None) for timed in merge.progress.timed()),
        checks=tuple(
            report.Check({"rows": "rows", "references": "kinds of references"}[what], number)
            for what, number in merge.checked.items()
        ),
        became_one_totals={} if planned is None else {kind: found.became_one for kind, found in planned.kinds.items()},
        renamed_totals={} if planned is None else {kind: found.renamed for kind, found in planned.kinds.items()},
        id_change_totals={} if planned is None else dict(Counter(kind for kind, _s, _o, _n in planned.id_map())),
    )


def _outcome(merge: Merge) -> report.Outcome:
    if merge.obstacles():
        return report.Outcome.STOPPED
    if not merge.changed:
        return report.Outcome.NOTHING
    if not merge.written:
        return report.Outcome.PLANNED
    return report.Outcome.MERGED if merge.is_first else report.Outcome.DIFFERENCE


def _utc(text: str | None) -> str | None:
    return None if text is None else str(text).replace(" ", "T") + "Z"


def _stacks(merge: Merge, at: str) -> Iterator[report.StackReport]:
    regions = {login.name: login.region for login in merge.request.sources}
    changed = {work.name: change for work, change in zip(merge.works, merge.changes)}
    for login in merge.request.sources:
        known = merge.known.get(login.name)
        numbers: Counter[str] = Counter()
        if merge.planned is not None:
            for stacks in merge.planned.counts.values():
                count = stacks.get(login.name)
                if count is not None:
                    numbers.update(
                        rows=count.rows, carried=count.carried, became_one=count.became_one, dropped=count.dropped
                    )
        actions = _actions(changed.get(login.name, {}).values())
        yield report.StackReport(
            name=login.name,
            region=regions[login.name],
            address=login.address,
            rows=numbers["rows"],
            carried=numbers["carried"],
            became_one=numbers["became_one"],
            renamed=0
            if merge.planned is None
            else sum(1 for new in merge.planned.new_names if new.stack == login.name),
            dropped=numbers["dropped"],
            added=actions["added"],
            changed=actions["changed"],
            deleted=actions["removed"],
            merged_at=at if merge.written else _utc(known.merged_at if known else None),
            cut_over_at=_utc(known.cut_over_at if known else None),
        )


def _actions(found: Iterable[Change]) -> Counter[str]:
    numbers: Counter[str] = Counter()
    for change in found:
        numbers.update({action: len(getattr(change, action)) for action in differences.ACTIONS})
    return numbers


def _table_counts(merge: Merge) -> Iterator[report.TableCount]:
    if merge.planned is None:
        return
    changed: Mapping[str, Mapping[str, Change]] = {
        work.name: change for work, change in zip(merge.works, merge.changes)
    }
    for table, stacks in merge.planned.counts.items():
        for stack, count in stacks.items():
            actions = _actions(change for name, change in changed.get(stack, {}).items() if name == table)
            if count.rows or any(actions.values()):
                yield report.TableCount(
                    table,
                    stack,
                    count.rows,
                    count.carried,
                    count.became_one,
                    count.dropped,
                    actions["added"],
                    actions["changed"],
                    actions["removed"],
                )


def _ones(planned: Plan) -> Iterator[report.BecameOne]:
    for one in planned.ones:
        domain = None if one.domain == DEFAULT_DOMAIN else one.domain
        yield report.BecameOne(one.kind, domain, one.name, one.stacks, one.kept, (one.given_up,))


def _id_changes(planned: Plan) -> Iterator[report.IdChange]:
    """Of projects and users, the first of each; the others are numbers."""
    for one in planned.ones:
        if one.kind in report.OWNED and one.kept != one.given_up:
            yield report.IdChange(one.kind, one.domain, one.name, one.stacks[1], one.given_up, one.kept)
