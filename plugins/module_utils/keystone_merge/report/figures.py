# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the page that are about numbers: what came from where, the tables, the time, the checks."""

from __future__ import annotations

from html import escape
from typing import Iterator, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report import picture as drawing
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.html import (
    SIGNS,
    colour,
    figure,
    moment,
    table,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.model import (
    SHOWN,
    Outcome,
    Report,
    StackReport,
    TableCount,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.picture import End, Source
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.text import (
    NONE,
    many,
    number,
    plain,
    rate,
    seconds,
    share,
    shown,
)


def picture(report: Report) -> Iterator[str]:
    """The picture, if rows were read."""
    if not report.rows:
        return
    absorbed, dropped = (sum(getattr(one, what) for one in report.stacks) for what in ("became_one", "dropped"))
    ends = [
        End("merged", "merged database", (many(report.carried + report.held, "row"), report.database)),
        End("aside", "became one", (many(absorbed, "row"), "were there already")),
        End("aside", "left out", (many(dropped, "row"), "that lead nowhere")),
    ]
    sources = [
        Source(
            End(colour(report, stack.name), stack.name, _notes(stack, report)),
            {0: stack.carried, 1: stack.became_one, 2: stack.dropped},
        )
        for stack in report.stacks
        if stack.rows
    ]
    if report.held:
        sources.append(Source(End("held", "merged before", (many(report.held, "row"),)), {0: report.held}))
    used = [to for to in range(len(ends)) if any(source.rows.get(to) for source in sources)]
    told = [Source(source.end, {used.index(to): source.rows.get(to, 0) for to in used}) for source in sources]
    title = "; ".join(
        f"{plain(one.name, 40)}: {one.carried} of {one.rows} rows carried" for one in report.stacks if one.rows
    )
    yield "<figure>"
    for form in (drawing.WIDE, drawing.NARROW):
        yield drawing.draw(told, [ends[to] for to in used], title, form)
    yield "</figure>"


def _notes(stack: StackReport, report: Report) -> tuple[str, ...]:
    return f"{many(stack.rows, 'row')}, {share(stack.rows, report.rows)}", stack.region or ""


def stacks(report: Report) -> Iterator[str]:
    """A line for each stack."""
    difference = report.outcome is Outcome.DIFFERENCE
    columns = ["stack", "region", "database", "#rows read", "#carried", "#became one", "#left out", "#things renamed"]
    columns += ["#new", "#changed", "#deleted"] if difference else []
    yield from table(
        (*columns, "merged", "cut over"),
        (
            (
                f'<span class="dot {colour(report, one.name)}"></span><b>{shown(one.name)}</b>',
                NONE if one.region is None else shown(one.region),
                shown(one.address),
                *map(figure, (one.rows, one.carried, one.became_one, one.dropped, one.renamed)),
                *(map(figure, (one.added, one.changed, one.deleted)) if difference else ()),
                escape(moment(one.merged_at)),
                escape(moment(one.cut_over_at)),
            )
            for one in report.stacks
        ),
        "stacks",
    )


def dangling(report: Report) -> Iterator[str]:
    """References that lead nowhere, if there are any."""
    if not report.dangling:
        return
    yield "<p>Keystone leaves them behind when it deletes something. They meant nothing before, and do not now.</p>"
    yield from table(
        ("stack", "table", "column", "names what is not in", "#rows", "so they are"),
        (
            (
                shown(one.stack),
                f"<code>{escape(one.table)}</code>",
                f"<code>{escape(one.column)}</code>",
                f"<code>{escape(one.to)}</code>",
                number(one.rows),
                "left out" if one.dropped else "carried as they are",
            )
            for one in report.dangling
        ),
    )


def tables(report: Report) -> Iterator[str]:
    """Where the rows of each table come from, the largest first."""
    stacks = [one.name for one in report.stacks if any(count.stack == one.name for count in report.counts)]
    by_table: dict[str, dict[str, TableCount]] = {}
    for count in report.counts:
        if count.rows or count.deleted:
            by_table.setdefault(count.table, {})[count.stack] = count
    if not by_table:
        return
    yield '<p class="legend">'
    for stack in stacks:
        yield f'<span><i class="swatch {colour(report, stack)}"></i>{shown(stack)}</span>'
    yield '<span><i class="swatch some one"></i>became one with a row that was there</span>'
    if any(count.dropped for count in report.counts):
        yield '<span><i class="swatch gone"></i>left out</span>'
    yield "</p>"
    ordered = sorted(by_table.items(), key=lambda pair: (-sum(count.rows for count in pair[1].values()), pair[0]))
    yield from table(
        ("table", "from", "#merged", *(f"#{stack}" for stack in stacks)),
        (
            (
                f"<code>{escape(name)}</code>",
                _bar(report, [counts[stack] for stack in stacks if stack in counts]),
                f"<b>{number(sum(count.carried for count in counts.values()))}</b>",
                *(_cell(report, counts.get(stack)) for stack in stacks),
            )
            for name, counts in ordered
        ),
        "tables",
    )


def _bar(report: Report, counts: Sequence[TableCount]) -> str:
    parts = [
        (f"{colour(report, count.stack)}{kind}", rows)
        for count in counts
        for kind, rows in (("", count.carried), (" one", count.became_one), (" gone", count.dropped))
        if rows
    ]
    drawn = "".join(f'<i class="{kind}" style="flex:{rows}"></i>' for kind, rows in parts)
    return f'<span class="bar">{drawn}</span>'


def _cell(report: Report, count: TableCount | None) -> str:
    if count is None:
        return figure(0)
    if report.outcome is Outcome.DIFFERENCE:
        notes = [("new", count.added), ("changed", count.changed), ("deleted", count.deleted)]
    else:
        notes = [("became one", count.became_one), ("left out", count.dropped)]
    said = ", ".join(f"{number(rows)} {what}" for what, rows in notes if rows)
    return (f"<small>{said}</small> &nbsp;" if said else "") + number(count.rows)


def time(report: Report) -> Iterator[str]:
    """How long each phase took."""
    if not report.phases:
        return
    whole = sum(phase.seconds for phase in report.phases) or 1.0
    yield from table(
        ("phase", "share", "#time", "#rows", "#rows/s"),
        [
            (
                shown(phase.name),
                f'<span class="bar time"><i style="width:{100 * phase.seconds / whole:.1f}%"></i></span>',
                escape(seconds(phase.seconds)),
                figure(phase.rows or 0),
                rate(phase.rows or 0, phase.seconds).replace(" rows/s", ""),
            )
            for phase in report.phases
        ],
        "time",
    )


def checks(report: Report) -> Iterator[str]:
    """What was verified."""
    if not report.checks:
        return
    yield from table(
        ("what", "#checks", "result"),
        (
            (
                shown(one.what),
                number(one.number),
                _pill("bad", "not well") + " " + "<br>".join(map(shown, one.failed[:SHOWN]))
                if one.failed
                else _pill("ok", "well"),
            )
            for one in report.checks
        ),
    )


def _pill(level: str, words: str) -> str:
    return f'<span class="pill {level}"><b>{SIGNS[level]}</b> {escape(words)}</span>'
