# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the page that list things by their names."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Iterable, Iterator, Mapping, Sequence, TypeVar

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.html import bullets, table
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.model import (
    OWNED,
    SHOWN,
    BecameOne,
    IdChange,
    Renamed,
    Report,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.text import (
    NONE,
    listed,
    many,
    number,
    quoted,
    shown,
)

OPEN = 12
"""Entries up to which a list lies open."""

_Kind = TypeVar("_Kind", BecameOne, Renamed, IdChange)


def _totals(entries: Iterable[BecameOne | Renamed | IdChange], given: Mapping[str, int]) -> dict[str, int]:
    """How many there are, by kind: as is said, or else as many as are listed."""
    totals: dict[str, int] = {}
    for entry in entries:
        totals[entry.kind] = totals.get(entry.kind, 0) + 1
    return {kind: max(count, given.get(kind, 0)) for kind, count in {**given, **totals}.items() if count}


def _one_totals(report: Report) -> dict[str, int]:
    """How many things became one, by kind. What is said counts those that gave their ids up for it."""
    listed_ids: dict[str, int] = {}
    for one in report.became_one:
        listed_ids[one.kind] = listed_ids.get(one.kind, 0) + len(one.given_up)
    given = {kind: count for kind, count in report.became_one_totals.items() if count > listed_ids.get(kind, 0)}
    return _totals(_grouped(report.became_one), given)


def all_totals(report: Report) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """How many became one, were renamed and have another id, by kind."""
    return (
        _one_totals(report),
        _totals(report.renamed, report.renamed_totals),
        _totals(report.id_changes, report.id_change_totals),
    )


def _lists(
    entries: Sequence[_Kind], given: Mapping[str, int], columns: Sequence[str], where: str | None
) -> Iterator[str]:
    """A list for each kind; *where* says where to find what is not shown."""
    for kind, total in sorted(_totals(entries, given).items(), key=lambda pair: (-pair[1], pair[0])):
        some = [entry for entry in entries if entry.kind == kind][:SHOWN]
        if not some:
            yield f"<p><b>{escape(many(total, _words(kind)))}</b></p>"
            continue
        opened = " open" if total <= OPEN else ""
        yield f"<details{opened}><summary><b>{escape(many(total, _words(kind)))}</b></summary>"
        yield from table(columns, (_cells(entry) for entry in some), "names")
        if total > len(some):
            rest = f" {escape(where)}" if where else ""
            yield f'<p class="rest">{number(total - len(some))} more are not shown.{rest}</p>'
        yield "</details>"


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _cells(entry: BecameOne | Renamed | IdChange) -> tuple[str, ...]:
    name, domain = f"<b>{shown(entry.name)}</b>", NONE if entry.domain is None else shown(entry.domain)
    if isinstance(entry, Renamed):
        return name, f"<b>{shown(entry.new_name)}</b>", domain, shown(entry.stack), _id(entry.id)
    if isinstance(entry, IdChange):
        return name, domain, shown(entry.stack), _id(entry.old), _id(entry.new)
    return name, domain, _of(entry.stacks[0], entry.kept), "<br>".join(map(_of, entry.stacks[1:], entry.given_up))


def _id(id_: str) -> str:
    return f"<code>{shown(id_)}</code>"


def _of(stack: str, id_: str) -> str:
    return f"{_id(id_)} <small>{shown(stack)}</small>"


def _grouped(ones: Iterable[BecameOne]) -> list[BecameOne]:
    """Pairs of one thing put together."""
    found: dict[tuple[str, str], BecameOne] = {}
    for one in ones:
        known = found.get((one.kind, one.kept))
        if known is not None:
            stacks, given_up = known.stacks + one.stacks[1:], known.given_up + one.given_up
            found[one.kind, one.kept] = replace(known, stacks=stacks, given_up=given_up)
        else:
            found[one.kind, one.kept] = one
    return list(found.values())


def ones(report: Report) -> Iterator[str]:
    """What became one."""
    columns = ("name", "domain", "@id that stays", "@ids that were given up")
    yield from _lists(_grouped(report.became_one), _one_totals(report), columns, _in_map(report))


def renamed(report: Report) -> Iterator[str]:
    """What has another name."""
    columns = ("old name", "new name", "domain", "stack", "@id, which stays")
    yield from _lists(report.renamed, report.renamed_totals, columns, None)


def _in_map(report: Report) -> str | None:
    return f"All ids are in {report.id_map}." if report.id_map else None


def ids(report: Report) -> Iterator[str]:
    """Ids that are others now, first those that other services keep."""
    totals = _totals(report.id_changes, report.id_change_totals)
    if not totals:
        return
    owned = [change for change in report.id_changes if change.kind in OWNED]
    given = {kind: total for kind, total in totals.items() if kind in OWNED}
    if given:
        stacks = listed(sorted({shown(change.stack) for change in owned})) or "these stacks"
        yield (
            '<p class="notice"><b class="sign">!</b> <span>Nova, Glance, Neutron, Cinder, Swift and others keep the id '
            f"of the project and of the user that own a resource. In their databases of {stacks} the ids below have to "
            "follow, or who had the resource loses it.</span></p>"
        )
        yield from _lists(owned, given, ("name", "domain", "stack", "@old id", "@new id"), _in_map(report))
    others = {kind: total for kind, total in sorted(totals.items()) if kind not in OWNED}
    if others:
        words = escape(listed([many(total, _words(kind)) for kind, total in others.items()]))
        yield f"<p>{'Besides, ids' if given else 'Ids'} that only Keystone itself refers to: {words}.</p>"
    if report.id_map:
        yield f"<p>All of them, old and new: <code>{shown(report.id_map)}</code></p>"


def stops(report: Report) -> Iterator[str]:
    """What stops the merge, and the configuration that would settle it."""
    yield from bullets(report.problems)
    if not report.conflicts:
        return
    some = report.conflicts[:SHOWN]
    yield "<p>Each of these names means different things in different stacks.</p>"
    yield from table(
        ("kind", "name", "domain", "@ids and stacks"),
        (
            (
                escape(_words(one.kind)),
                f"<b>{shown(one.name)}</b>",
                NONE if one.domain is None else shown(one.domain),
                "<br>".join(map(_of, one.stacks, one.ids)),
            )
            for one in some
        ),
        "names",
    )
    more = len(report.conflicts) - len(some)
    if more:
        yield f'<p class="rest">{number(more)} more are not shown. The module returns all of them.</p>'
    yield (
        "<p>Where two are the same thing, say <code>merge</code>: it has the first stack's id, password and properties "
        "then. Where they are not, <code>rename</code> gives it another name and leaves its id. Each of these lines "
        "settles one; change what it does where you want something else:</p>"
    )
    lines = "\n".join(["overrides:", *(f"  {quoted(one.settle)}" for one in some)])
    yield f'<pre tabindex="0">{lines}</pre>'
