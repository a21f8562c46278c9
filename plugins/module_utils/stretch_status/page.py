# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture as one HTML page that needs nothing but itself."""

from __future__ import annotations

from html import escape
from typing import Iterable, Iterator, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status import drawing, text
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.members import duration
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    BAD,
    OFF,
    OK,
    WARN,
    Member,
    Proxy,
    Site,
    Status,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.style import SCRIPT, STYLE
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.verdict import plural

COLUMNS = (
    "member", "state", "Pacemaker", "wsrep", "UUID", "seqno", "behind", "segment", "weight", "round trip, ms",
    "flow control", "queue", "agent", "MariaDB / Galera",
)  # fmt: skip


def render(status: Status) -> str:
    """Return the whole page."""
    return "\n".join(_page(status)) + "\n"


def _page(status: Status) -> Iterator[str]:
    title = f"{text.LEVEL_NAMES[status.level]}: {status.cluster or 'stretched Galera'}"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield '<link rel="icon" href="data:,">'
    yield f"<title>{escape(title)}</title>"
    yield f"<style>{STYLE}</style></head>"
    yield f'<body class="{status.level}">'
    yield from _banner(status)
    yield from _tiles(status)
    yield from _problems(status)
    yield '<figure class="card">'
    yield drawing.render(status)
    yield "<figcaption>" + " ".join(
        f'<span class="{level}"><b>{drawing.GLYPHS[level]}</b> {escape(words)}</span>'
        for level, words in drawing.legend()
    )
    yield '<span class="flow"><b>→</b> where the VIP sends connections</span></figcaption></figure>'
    for site in status.sites:
        yield from _site(site, status)
    yield from _others(status)
    yield f"<script>{SCRIPT}</script>"
    yield "</body></html>"


def _banner(status: Status) -> Iterator[str]:
    yield f'<header class="{status.level}"><span class="sign">{drawing.GLYPHS[status.level]}</span><div>'
    yield f"<h1>{escape(status.headline)}</h1>"
    seen = f'<time datetime="{escape(status.taken)}">{escape(text.moment(status))}</time>'
    yield f'<p>cluster <b>{escape(status.cluster or "unknown")}</b>, seen {seen} <b id="age"></b></p></div></header>'


def _tile(name: str, value: str, level: str, note: str = "") -> str:
    return (
        f'<div class="tile {level}"><span>{escape(name)}</span><strong>{escape(value)}</strong>'
        f"<span>{escape(note)}</span></div>"
    )


def _tiles(status: Status) -> Iterator[str]:
    yield '<section class="tiles">'
    for site in status.sites:
        level, value = {True: (OK, "writes"), False: (BAD, "NO WRITES"), None: (OFF, "not known")}[site.writes]
        if status.split and site.writes:
            level, value = BAD, "writes, split"
        yield _tile(site.name, value, level, site.access)
    left = status.reserve
    if left is None:
        why = "the data drift apart" if status.split else "writes have stopped"
        yield _tile("can still be lost", "nothing", BAD, why)
    else:
        level = BAD if not left.members else WARN if left.risks else OK
        together = "" if left.at_once == left.members else f" ({left.at_once} at the same moment)"
        yield _tile("can still be lost", plural(left.members, "member") + together, level, text.lost_sites(left))
    if len(status.components) == 1:
        one = status.components[0]
        whole = one.votes == one.all_votes
        note = f"history {one.uuid}, view {one.view}"
        yield _tile("Primary component", f"{one.votes} of {one.all_votes} votes", OK if whole else WARN, note)
    else:
        yield _tile("Primary component", "none" if not status.components else str(len(status.components)), BAD)
    well = sum(1 for one in status.members if one.state.level == OK)
    level = OK if well == len(status.members) else WARN if well else BAD
    newest = "" if status.newest is None else f"newest seqno {status.newest}"
    yield _tile("Synced", "split" if status.split else f"{well} of {len(status.members)}", level, newest)
    yield "</section>"


def _problems(status: Status) -> Iterator[str]:
    if not status.problems:
        return
    yield '<section class="card"><h2>What is wrong</h2><ul class="problems">'
    for problem in status.problems:
        yield (
            f'<li class="{problem.level}"><b class="sign">{drawing.GLYPHS[problem.level]}</b>'
            f"<div><b>{escape(problem.who)}</b> {escape(problem.what)}</div></li>"
        )
    yield "</ul></section>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table; the cells are HTML already."""
    yield '<div class="wide"><table><thead><tr>' + "".join(f"<th>{escape(one)}</th>" for one in columns)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _pill(level: str, words: str) -> str:
    return f'<span class="pill {level}"><b>{drawing.GLYPHS[level]}</b> {escape(words)}</span>'


def _site(site: Site, status: Status) -> Iterator[str]:
    yield f'<section class="card"><h2>{escape(site.name)} <small>{escape(site.region)}</small></h2>'
    yield from _table(COLUMNS, (_row(member) for member in status.of_site(site.name)))
    reasons = [one for one in status.of_site(site.name) if text.remarkable(one)]
    if reasons:
        yield '<p class="notes">' + "<br>".join(
            f"<b>{escape(one.name)}</b> under Pacemaker: {escape(one.pacemaker_reason)}" for one in reasons
        )
        yield "</p>"
    if site.proxies:
        yield f"<h3>HAProxy: where connections to {escape(site.vip)} go</h3>"
        yield from _table(("controller", "sends to", "members"), (_proxy_row(one, site) for one in site.proxies))
    yield "</section>"


def _row(member: Member) -> tuple[str, ...]:
    def shown(value: object, form: str = "{}") -> str:
        return drawing.NONE if value in (None, "") else escape(form.format(value))

    detail = f"<br><small>{escape(member.state.detail)}</small>" if member.state.detail else ""
    lost = " (declared lost)" if member.lost and member.state.label != "declared lost" else ""
    flow = None if member.flow_control is None else f"{member.flow_control:.1%}"
    return (
        f"<b>{escape(member.name)}</b><br><small>{escape(member.address)}</small>",
        _pill(member.state.level, member.state.label + lost) + detail,
        escape(member.pacemaker),
        shown(member.wsrep),
        f'<code title="{escape(member.uuid)}">{escape(member.uuid[:8])}</code>' if member.uuid else drawing.NONE,
        shown(member.seqno),
        shown(member.behind),
        shown(member.segment),
        shown(member.weight),
        escape(text.round_trips(member)),
        shown(flow),
        shown(member.queue),
        escape(text.agent(member)),
        f"<small>{shown(member.version)}</small>",
    )


def _proxy_row(proxy: Proxy, site: Site) -> tuple[str, ...]:
    holds = " <b>has the VIP</b>" if proxy.host == site.holder else ""
    if proxy.error:
        return escape(proxy.host) + holds, drawing.NONE, _pill(BAD, "no answer") + " " + escape(proxy.error)
    servers = []
    for one in proxy.servers:
        sessions = f", {plural(one.sessions, 'session')}" if one.sessions else ""
        words = f"{one.name}{sessions}" if one.up else f"{one.name}: {one.check}, {duration(one.since)} ago"
        servers.append(_pill(OK if one.up else BAD, words))
    target = _pill(OK, proxy.target) if proxy.target else _pill(BAD, "nobody")
    return escape(proxy.host) + holds, target, " ".join(servers)


def _others(status: Status) -> Iterator[str]:
    if status.arbiters:
        yield '<section class="card"><h2>Arbiters</h2>'
        rows = [
            (
                f"<b>{escape(one.name)}</b><br><small>{escape(one.address)}</small>",
                _pill(one.state.level, one.state.label),
                escape(one.state.detail) or drawing.NONE,
                str(one.weight),
                drawing.NONE
                if one.connected is None
                else escape(", ".join(f"{site}: {count}" for site, count in one.connected.items())),
            )
            for one in status.arbiters
        ]
        yield from _table(("arbiter", "state", "why", "weight", "connected members"), rows)
        yield "</section>"
    if status.links:
        yield '<section class="card"><h2>Links between the sites</h2>'
        ways = [
            (
                f"{escape(one.source)} → {escape(one.target)}",
                _pill(drawing.LINK_LEVELS[one.state], one.state),
                escape(text.milliseconds(one.round_trip)),
                escape(one.detail) or drawing.NONE,
            )
            for one in status.links
        ]
        yield from _table(("direction", "state", "round trip, ms", "why"), ways)
        yield "</section>"
