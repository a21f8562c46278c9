# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: its frame, the first look, and the order of its parts."""

from __future__ import annotations

from html import escape
from typing import Iterator, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report import figures, lists
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.html import SIGNS, bullets, moment
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.model import OWNED, Outcome, Report
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.style import STYLE
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.text import (
    listed,
    many,
    number,
    plain,
    rate,
    seconds,
    shown,
)

_Section = Tuple[str, str, str]
"""Anchor, heading and content."""

_LEVELS = {
    Outcome.MERGED: "ok",
    Outcome.DIFFERENCE: "ok",
    Outcome.NOTHING: "off",
    Outcome.PLANNED: "busy",
    Outcome.STOPPED: "bad",
}


def render(report: Report) -> str:
    """The whole page."""
    sections = [section for section in _sections(report) if section[2]]
    page = [*_head(report), *_tiles(report), *_contents(sections), *map(_card, sections), "</body></html>", ""]
    return "\n".join(page).encode("utf-8", "replace").decode("utf-8")


def _sections(report: Report) -> Iterator[_Section]:
    yield "stop", "What stops the merge", "\n".join(lists.stops(report))
    yield "picture", "What came from where", "\n".join(figures.picture(report))
    yield "stacks", "Stacks", "\n".join(figures.stacks(report))
    yield "ids", "Ids that changed", "\n".join(lists.ids(report))
    yield "one", "What became one", "\n".join(lists.ones(report))
    yield "renamed", "What was renamed", "\n".join(lists.renamed(report))
    yield "dangling", "References that lead nowhere", "\n".join(figures.dangling(report))
    yield "warnings", "Worth knowing", "\n".join(bullets(report.warnings))
    yield "tables", "Tables", "\n".join(figures.tables(report))
    yield "time", "Time", "\n".join(figures.time(report))
    yield "verified", "Verified", "\n".join(figures.checks(report))


def _headline(report: Report) -> str:
    stacks = listed([stack.name for stack in report.stacks]) or "nothing"
    if report.outcome is Outcome.MERGED:
        return f"{stacks} merged into {report.database}"
    if report.outcome is Outcome.DIFFERENCE:
        return f"{many(report.written, 'row')} that changed in {stacks} followed into {report.database}"
    if report.outcome is Outcome.NOTHING:
        return f"Nothing to do: {stacks} merged into {report.database} before"
    if report.outcome is Outcome.PLANNED:
        return f"A plan, nothing is written: {stacks} can be merged into {report.database}"
    found = len(report.conflicts) + len(report.problems)
    return f"Stopped, nothing is written: {many(found, 'thing')} to settle before {stacks} can be merged"


def _head(report: Report) -> Iterator[str]:
    level, headline = _LEVELS[report.outcome], shown(_headline(report))
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield '<link rel="icon" href="data:,">'
    yield f"<title>Merge report: {escape(plain(report.database, 80))}, {escape(moment(report.at))}</title>"
    yield f"<style>{STYLE}</style></head>"
    yield '<body class="report">'
    yield f'<header class="{level}"><span class="sign">{SIGNS[level]}</span><div><h1>{headline}</h1>'
    yield (
        f'<p>Keystone merge, <time datetime="{escape(report.at)}">{escape(moment(report.at))}</time>, '
        f"stretch.cluster {escape(report.version)}</p></div></header>"
    )


def _tile(name: str, value: str, note: str = "", level: str = "plain") -> str:
    return (
        f'<div class="tile {level}"><span>{escape(name)}</span><strong>{escape(value)}</strong>'
        f"<span>{escape(note)}</span></div>"
    )


def _tiles(report: Report) -> Iterator[str]:
    plan = report.outcome in (Outcome.PLANNED, Outcome.STOPPED)
    yield '<section class="tiles">'
    if report.outcome is Outcome.DIFFERENCE:
        added, changed, deleted = (
            sum(getattr(stack, what) for stack in report.stacks) for what in ("added", "changed", "deleted")
        )
        note = f"{number(added)} new, {number(changed)} changed, {number(deleted)} deleted"
        yield _tile("Rows that followed", number(report.written), note)
    elif report.rows:
        name = "Rows to carry" if plan else "Rows carried"
        yield _tile(name, number(report.carried), f"of {number(report.rows)} read")
    one, renamed, changed = lists.all_totals(report)
    if report.rows:
        absorbed = sum(stack.became_one for stack in report.stacks)
        yield _tile("Became one", many(sum(one.values()), "thing"), f"{many(absorbed, 'row')} in all")
        yield _tile("Renamed", many(sum(renamed.values()), "thing"), "their ids stay")
        owners = listed([many(changed[kind], kind) for kind in OWNED if changed.get(kind)])
        note = "who keeps them must follow" if owners else "of no project and no user"
        value = owners or number(sum(changed.values()))
        yield _tile("Ids that changed", value, note, "warn" if owners else "plain")
    if report.conflicts or report.problems:
        yield _tile("Conflicts", number(len(report.conflicts)), many(len(report.problems), "other problem"), "bad")
    yield _tile("Time", seconds(report.seconds), rate(_rows(report), report.seconds))
    if report.checks:
        wrong = sum(len(check.failed) for check in report.checks)
        note = f"{number(wrong)} of them not well" if wrong else "all well"
        yield _tile("Verified", many(sum(c.number for c in report.checks), "check"), note, "bad" if wrong else "ok")
    yield "</section>"


def _rows(report: Report) -> int:
    """The rows that the time of the whole run is about."""
    return report.written if report.outcome is Outcome.DIFFERENCE else report.rows


def _contents(sections: Sequence[_Section]) -> Iterator[str]:
    links = "".join(f'<a href="#{anchor}">{escape(heading)}</a>' for anchor, heading, _content in sections)
    yield f'<nav aria-label="Contents">{links}</nav>'


def _card(section: _Section) -> str:
    anchor, heading, content = section
    return f'<section class="card" id="{anchor}"><h2>{escape(heading)}</h2>\n{content}</section>'
