# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture as a drawing: SVG to stand in a page, which gives its classes their colours."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Iterable, Iterator, Mapping

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
    Arbiter,
    Link,
    Member,
    Proxy,
    Site,
    Status,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.text import milliseconds, position
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.verdict import plural

NONE = "\u2013"
"""A dash, where there is nothing to show."""
GLYPHS = {OK: "✓", BUSY: "↻", OFF: NONE, WARN: "!", BAD: "✕"}
LINK_LEVELS = {UP: OK, CUT: BAD, PARTIAL: WARN, UNKNOWN: OFF}
LINK_WORDS = {UP: "", CUT: "CUT", PARTIAL: "falters", UNKNOWN: "not known"}

MARGIN, GAP = 16, 180
SITE_WIDTH, HEAD, VIP, ROW, ROW_GAP, CHANNEL, PAD = 340, 54, 50, 62, 10, 40, 14
ARBITER_WIDTH, ARBITER_HEIGHT, ARBITER_GAP = 250, 58, 70
ARC = 46
"""Height that the link of two sites which are not neighbours takes below them."""


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Where it is in the middle from left to right."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


@dataclass(frozen=True)
class Layout:
    """Where everything is; rows by the member's name."""

    width: float
    height: float
    sites: Mapping[str, Box]
    vips: Mapping[str, Box]
    rows: Mapping[str, Box]
    arbiters: Mapping[str, Box]


def layout(status: Status) -> Layout:
    """Place the sites side by side and the arbiters above them."""
    rows_most = max((len(status.of_site(site.name)) for site in status.sites), default=0)
    height = HEAD + VIP + PAD + rows_most * (ROW + ROW_GAP) + PAD
    width = len(status.sites) * (SITE_WIDTH + GAP) - GAP
    crowd = len(status.arbiters) * (ARBITER_WIDTH + GAP / 4) - GAP / 4
    total = 2 * MARGIN + max(width, crowd)
    top = MARGIN + (ARBITER_HEIGHT + ARBITER_GAP if status.arbiters else 0)
    left = (total - width) / 2
    sites = {
        site.name: Box(left + index * (SITE_WIDTH + GAP), top, SITE_WIDTH, height)
        for index, site in enumerate(status.sites)
    }
    vips = {name: Box(box.x + PAD, top + HEAD, SITE_WIDTH - 2 * PAD, VIP) for name, box in sites.items()}
    first = top + HEAD + VIP + PAD
    rows = {
        member.name: Box(box.x + CHANNEL, first + index * (ROW + ROW_GAP), SITE_WIDTH - CHANNEL - PAD, ROW)
        for name, box in sites.items()
        for index, member in enumerate(status.of_site(name))
    }
    start = (total - crowd) / 2
    arbiters = {
        arbiter.name: Box(start + index * (ARBITER_WIDTH + GAP / 4), MARGIN, ARBITER_WIDTH, ARBITER_HEIGHT)
        for index, arbiter in enumerate(status.arbiters)
    }
    arcs = max(0, len(status.sites) - 2)
    return Layout(total, top + height + arcs * ARC + MARGIN, sites, vips, rows, arbiters)


def render(status: Status) -> str:
    """Return the SVG element."""
    place = layout(status)
    body = [
        *(line for arbiter in status.arbiters for line in _arbiter_links(arbiter, status, place)),
        *_links(status, place),
        *(line for site in status.sites for line in _site(site, status, place)),
        *(line for member in status.members for line in _member(member, place.rows[member.name])),
        *(line for site in status.sites for line in _flow(site, place)),
        *(line for arbiter in status.arbiters for line in _arbiter(arbiter, place.arbiters[arbiter.name])),
    ]
    wide = place.width * 1.25
    return "\n".join(
        [
            f'<svg role="img" viewBox="0 0 {place.width:g} {place.height:g}" style="max-width: {wide:g}px">',
            f"<title>{escape(status.headline)}</title>",
            *map(_marker, ("flow", OK, BAD, WARN, OFF)),
            *body,
            "</svg>",
        ]
    )


def _marker(kind: str) -> str:
    """The head of an arrow."""
    size = 'markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto" markerUnits="userSpaceOnUse"'
    head = f'<path class="head {kind}" d="M0,0 L9,4 L0,8 Z"/>'
    return f'<defs><marker id="arrow-{kind}" {size}>{head}</marker></defs>'


def _text(x: float, y: float, words: str, kind: str = "", room: float = 0) -> str:
    """A text, cut to the room that it has (in letters of the size that its class has, about)."""
    size = 8.2 if "big" in kind else 6.7 if "small" in kind else 7.4
    most = int(room / size)
    shown = words if not room or len(words) <= most else words[: max(1, most - 1)] + "…"
    title = f"<title>{escape(words)}</title>" if shown != words else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(shown)}{title}</text>'


def _rect(box: Box, kind: str, radius: float = 8) -> str:
    return (
        f'<rect class="{kind}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" '
        f'rx="{radius:g}"/>'
    )


def _badge(x: float, y: float, level: str) -> str:
    return (
        f'<circle class="badge {level}" cx="{x:g}" cy="{y:g}" r="11"/>'
        f'<text class="glyph" x="{x:g}" y="{y + 5:g}">{GLYPHS[level]}</text>'
    )


def _site(site: Site, status: Status, place: Layout) -> Iterator[str]:
    box, vip = place.sites[site.name], place.vips[site.name]
    yield _rect(box, "site" if site.reachable else "site dark", 12)
    yield _text(box.x + PAD, box.y + 24, site.name, "big", SITE_WIDTH / 2)
    yield _text(box.x + PAD, box.y + 42, site.region, "small quiet", SITE_WIDTH / 2)
    well = sum(1 for one in status.of_site(site.name) if one.state.level == OK)
    count = "split" if status.split else f"{well} of {len(status.of_site(site.name))} Synced"
    yield _text(box.x + SITE_WIDTH - PAD, box.y + 24, count, "end", SITE_WIDTH / 2)
    if not site.reachable:
        yield _text(box.x + SITE_WIDTH - PAD, box.y + 42, "cannot be seen from here", "small end bad")
    level = {True: OK, False: BAD, None: OFF}[site.writes]
    yield _rect(vip, f"vip {level}")
    holder = f" on {site.holder}" if site.holder else ""
    yield _text(vip.x + 10, vip.y + 20, f"VIP {site.vip}{holder}", "strong", vip.width - 20)
    yield _text(vip.x + 10, vip.y + 39, _access(site), f"small {'bad' if site.writes is False else ''}", vip.width - 20)


def _holding(site: Site) -> Proxy | None:
    return next((proxy for proxy in site.proxies if proxy.host == site.holder and not proxy.error), None)


def _access(site: Site) -> str:
    proxy = _holding(site)
    if site.writes and proxy is not None:
        return f"writes go to {proxy.target}, {plural(proxy.sessions, 'session')}"
    if site.writes is False and proxy is not None:
        return f"NO WRITES: sends to {proxy.target}" if proxy.target else "NO WRITES: HAProxy finds no usable member"
    return f"NO WRITES: {site.access}" if site.writes is False else f"not known: {site.access}"


def _member(member: Member, box: Box) -> Iterator[str]:
    level = member.state.level
    yield _rect(box, f"member {level}")
    yield _badge(box.x + 20, box.y + 22, level)
    yield _text(box.x + 38, box.y + 26, member.name, "strong", box.width * 0.53)
    yield _text(box.x + box.width - 10, box.y + 26, member.state.label, f"strong end {level}", box.width * 0.42)
    yield _text(box.x + 12, box.y + 49, _second(member), "small", box.width - 22)


def _second(member: Member) -> str:
    """What is most worth knowing in the second line: why it is not well, or where it stands."""
    if member.waits_for:
        return f"for {', '.join(member.waits_for)} · at {position(member)}"
    if member.state.level != OK and member.state.detail:
        return member.state.detail
    behind = f", {member.behind} behind" if member.behind else ""
    weight = "" if member.weight is None else f" · weight {member.weight}"
    role = member.pacemaker if member.pacemaker in ("Promoted", "Unpromoted") else f"Pacemaker: {member.pacemaker}"
    return f"{role} · {position(member)}{behind}{weight}"


def _flow(site: Site, place: Layout) -> Iterator[str]:
    """Arrow from the VIP to the member that takes its connections."""
    proxy, vip = _holding(site), place.vips[site.name]
    row = place.rows.get(proxy.target or "") if proxy is not None else None
    if row is None:
        return
    y = row.y + row.height / 2
    home = place.sites[site.name]
    if home.x < row.x < home.x + home.width:
        x = home.x + PAD + 11
        path = f"M{x:g},{vip.bottom:g} V{y - 8:g} q0,8 8,8 H{row.x:g}"
    else:
        right = row.x > home.x
        start, end = (vip.x + vip.width, row.x) if right else (vip.x, row.x + row.width)
        bend = (end - start) / 2
        middle = vip.y + vip.height / 2
        path = f"M{start:g},{middle:g} C{start + bend:g},{middle:g} {end - bend:g},{y:g} {end:g},{y:g}"
    yield f'<path class="line flow" marker-end="url(#arrow-flow)" d="{path}"/>'


def _links(status: Status, place: Layout) -> Iterator[str]:
    order = [site.name for site in status.sites]
    ways = {(link.source, link.target): link for link in status.links}
    depth = 0
    for index, left in enumerate(order):
        for right in order[index + 1 :]:
            there, back = ways.get((left, right)), ways.get((right, left))
            if there is None or back is None:
                continue
            a, b = place.sites[left], place.sites[right]
            if order.index(right) == index + 1:
                yield from _straight(there, back, a.x + a.width, b.x, a.bottom - 2 * ROW)
            else:
                depth += 1
                yield from _arc(there, back, a, b, depth)


def _words(link: Link) -> str:
    if link.state == UP and link.round_trip is not None:
        return f"{milliseconds(link.round_trip)} ms"
    return LINK_WORDS[link.state] or "open"


def _same(there: Link, back: Link) -> bool:
    return there.state == back.state


def _line(path: str, level: str, arrow: bool) -> str:
    head = f' marker-end="url(#arrow-{level})"' if arrow else ""
    return f'<path class="line link {level}"{head} d="{path}"/>'


def _label(x: float, y: float, words: str, level: str) -> Iterator[str]:
    width = len(words) * 7.6 + 22
    yield _rect(Box(x - width / 2, y - 12, width, 24), f"label {level}", 12)
    yield _text(x, y + 5, words, f"strong mid {level}")


def _straight(there: Link, back: Link, start: float, end: float, y: float) -> Iterator[str]:
    middle = (start + end) / 2
    if _same(there, back):
        level = LINK_LEVELS[there.state]
        yield _line(f"M{start:g},{y:g} H{end:g}", level, False)
        words = ("✕ " if there.state == CUT else "") + _words(there)
        yield from _label(middle, y, words, level)
        return
    for link, height, path in (
        (there, y - 22, f"M{start:g},{y - 22:g} H{end:g}"),
        (back, y + 22, f"M{end:g},{y + 22:g} H{start:g}"),
    ):
        level = LINK_LEVELS[link.state]
        yield _line(path, level, True)
        arrow = "→" if link is there else "←"
        words = f"✕ {_words(link)}" if link.state == CUT else _words(link)
        yield from _label(middle, height, f"{words} {arrow}" if link is there else f"{arrow} {words}", level)


def _arc(there: Link, back: Link, a: Box, b: Box, depth: int) -> Iterator[str]:
    y = a.bottom + depth * ARC - 18
    shift = 14 * depth
    level = LINK_LEVELS[there.state if _same(there, back) else CUT if CUT in (there.state, back.state) else PARTIAL]
    start, end = a.middle - shift, b.middle + shift
    path = f"M{start:g},{a.bottom:g} V{y - 10:g} q0,10 10,10 H{end - 10:g} q10,0 10,-10 V{b.bottom:g}"
    yield _line(path, level, False)
    words = _words(there)
    if not _same(there, back):
        words = f"{there.source} → {there.target}: {_words(there)}, back: {_words(back)}"
    yield from _label((a.middle + b.middle) / 2, y, ("✕ " if level == BAD else "") + words, level)


def _arbiter(arbiter: Arbiter, box: Box) -> Iterator[str]:
    level = arbiter.state.level
    yield _rect(box, f"member {level}")
    yield _badge(box.x + 22, box.y + 22, level)
    yield _text(box.x + 42, box.y + 26, arbiter.name, "strong", box.width * 0.45)
    yield _text(box.x + box.width - 10, box.y + 26, arbiter.state.label, f"strong end {level}", box.width * 0.4)
    second = arbiter.state.detail if level != OK else f"arbiter, weight {arbiter.weight} · {arbiter.address}"
    yield _text(box.x + 12, box.y + 47, second, "small", box.width - 22)


def _arbiter_links(arbiter: Arbiter, status: Status, place: Layout) -> Iterator[str]:
    box = place.arbiters[arbiter.name]
    alive = arbiter.state.label == "cut off" or any((arbiter.connected or {}).values())
    for name, site in place.sites.items():
        count = None if arbiter.connected is None else arbiter.connected.get(name, 0)
        running = any(member.wsrep for member in status.of_site(name))
        level = OK if count else BAD if alive and running and count is not None else OFF
        start = min(max(site.middle, box.x + 30), box.x + box.width - 30)
        y = box.bottom + ARBITER_GAP / 2
        yield _line(f"M{start:g},{box.bottom:g} V{y:g} H{site.middle:g} V{site.y:g}", level, False)
        if level == BAD:
            yield from _label((start + site.middle) / 2, y, "✕ CUT", level)


def legend() -> Iterable[tuple[str, str]]:
    """What the colours and glyphs mean: level and words."""
    return (
        (OK, "well"),
        (BUSY, "on its way by itself"),
        (WARN, "look at it"),
        (BAD, "broken"),
        (OFF, "off, or not known"),
    )
