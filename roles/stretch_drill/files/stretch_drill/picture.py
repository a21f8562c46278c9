# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline of a drill as one self-contained SVG, from the result that is written as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH = 1200
LEFT, RIGHT = 130, 20
PANEL, UP, DOWN = 104, 56, 24
"""Height of a site's panel, of its bars above the line and of those below."""
LANE = 22
LINE = 18
LETTER = 6.2
"""Width of a letter of the small text, roughly."""

# Light enough for dark text in them; the text says it too.
COLOURS = {
    "Synced": "#7cc495",
    "donor": "#bfe3c9",
    "joining": "#f7dc8c",
    "starting": "#f6bd78",
    "recovering": "#cfd6f5",
    "waiting": "#a9b6ec",
    "backoff": "#d9a9dc",
    "not Primary": "#ee8f86",
    "hangs": "#c39be0",
    "stopping": "#c9c9c9",
    "stopped": "#c9c9c9",
    "no answer": "#ececec",
    "answered": "#bfe3c9",
    "failed": "#ee8f86",
}
OTHER = "#dddddd"
ACKNOWLEDGED, REFUSED, PAUSE = "#2b6cb0", "#c53030", "#fff3c4"
GOOD, BAD, INK, FAINT = "#1e7a3c", "#b3201f", "#222222", "#8a8a8a"


class _Scale:
    """From seconds to pixels."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(seconds, 1.0)

    def __call__(self, time: float) -> float:
        part = min(max(time, 0.0), self.seconds) / self.seconds
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> list[int]:
        """Round times, at most about fifteen."""
        step = next((each for each in (5, 10, 20, 30, 60, 120) if self.seconds / each <= 15), 300)
        return list(range(0, int(self.seconds) + 1, step))


def _text(x: float, y: float, text: str, size: int = 12, colour: str = INK, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{" " + more if more else ""}>{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, colour: str, title: str = "", more: str = "") -> str:
    inner = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{round(x, 1)}" y="{round(y, 1)}" width="{round(max(width, 0.5), 1)}" height="{round(height, 1)}"'
        f' fill="{colour}"{" " + more if more else ""}>{inner}</rect>'
    )


def _bold(text: str) -> str:
    return f'font-weight="bold"{" " + text if text else ""}'


def _heading(found: Mapping[str, Any]) -> list[str]:
    verdict, colour = ("PASSED", GOOD) if found["passed"] else ("FAILED", BAD)
    counts = f"acknowledged {found['acknowledged']}   refused {found['refused']}   "
    lost = f"lost {'at least ' if found['unread'] else ''}{found['lost']}"
    title = f"{found['title']}   ({found['began']}, {found['seconds']:.0f} s)"
    lines = [
        _text(LEFT, 30, found["drill"], 20, INK, _bold("")),
        _text(WIDTH - RIGHT, 30, verdict, 20, colour, _bold('text-anchor="end"')),
        _text(LEFT, 50, title, 13, "#444444"),
        _text(
            WIDTH - RIGHT,
            50,
            counts + lost,
            13,
            BAD if found["lost"] or found["unread"] else INK,
            'text-anchor="end" xml:space="preserve"',
        ),
    ]
    if found["interrupted"]:
        lines.append(_text(LEFT, 68, f"Ended early: {found['interrupted'][:170]}", 12, BAD))
    return lines


def _site(found: Mapping[str, Any], name: str, top: float, at: _Scale) -> list[str]:
    """The panel of a site: acknowledged writes above the line, refused ones below it, the longest pause behind."""
    site, counts, width = found["sites"][name], found["bars"][name], found["bin"]
    line = top + 18 + UP
    stopped = at(found["writing"]["until"])
    most = max([1, *(count for pair in counts for count in pair)])
    pause = site["longest_pause"]
    left, right = at(pause["from"]), at(pause["until"])
    words = f"pause {pause['seconds']:.1f} s"
    parts = [
        _box(left, top + 18, right - left, UP + DOWN, PAUSE),
        _box(stopped, top + 18, WIDTH - RIGHT - stopped, UP + DOWN, "#f2f2f2", "the writers have stopped"),
        _text(8, top + 36, name, 13, INK, _bold("")),
        _text(8, top + 54, f"{site['acknowledged']} acknowledged", 11, ACKNOWLEDGED),
        _text(8, top + 70, f"{site['refused']} refused", 11, REFUSED),
        _text(8, top + 86, f"per {width:g} s, up to {most}", 10, FAINT),
    ]
    for index, (acknowledged, refused) in enumerate(counts):
        x, wide = at(index * width), at((index + 1) * width) - at(index * width) - 0.4
        when = f"{index * width:g} s: "
        if acknowledged:
            height = UP * acknowledged / most
            parts.append(_box(x, line - height, wide, height, ACKNOWLEDGED, f"{when}{acknowledged} acknowledged"))
        if refused:
            parts.append(_box(x, line, wide, DOWN * refused / most, REFUSED, f"{when}{refused} refused"))
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{line}" y2="{line}" stroke="{INK}" stroke-width="0.7"/>')
    middle = min(max((left + right) / 2, LEFT + 40), WIDTH - RIGHT - 40)
    parts.append(_text(round(middle, 1), top + 14, words, 11, "#7a5b00", 'text-anchor="middle"'))
    return parts


def _lane(name: str, segments: Sequence[Mapping[str, Any]], top: float, at: _Scale) -> list[str]:
    parts = [_text(8, top + 15, name, 12)]
    for segment in segments:
        x, wide = at(segment["from"]), at(segment["until"]) - at(segment["from"])
        state = segment["state"]
        says = f"{name}: {state}, {segment['from']:.1f} to {segment['until']:.1f} s"
        parts.append(_box(x, top + 2, wide, LANE - 5, COLOURS.get(state, OTHER), says))
        if wide > LETTER * len(state) + 6:
            parts.append(_text(round(x + 4, 1), top + 14, state, 11))
    return parts


def _marks(events: Sequence[Mapping[str, Any]], top: float, bottom: float, at: _Scale) -> list[str]:
    """A line for each event with its number on it; numbers that would cover each other move up."""
    parts: list[str] = []
    ends = [-100.0, -100.0]
    for number, event in enumerate(events, 1):
        x = at(event["at"])
        row = next((row for row, end in enumerate(ends) if x - end >= 18), len(ends) - 1)
        ends[row] = x
        y = top - 10 - 17 * row
        parts += [
            f'<line x1="{x}" x2="{x}" y1="{y}" y2="{bottom}" stroke="{INK}" stroke-width="1" stroke-dasharray="3 3"/>',
            f'<circle cx="{x}" cy="{y}" r="8" fill="{INK}"><title>{escape(event["title"])}</title></circle>',
            _text(x, y + 4, str(number), 11, "#ffffff", 'text-anchor="middle"'),
        ]
    return parts


def _axis(y: float, top: float, at: _Scale) -> list[str]:
    parts = []
    for tick in at.ticks():
        x = at(tick)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{y}" stroke="#e3e3e3" stroke-width="0.7"/>')
        parts.append(_text(x, y + 14, f"{tick} s", 11, FAINT, 'text-anchor="middle"'))
    return parts


def _legend(y: float, states: Sequence[str]) -> list[str]:
    parts, x = [], float(LEFT)
    keys = [("acknowledged", ACKNOWLEDGED), ("refused", REFUSED), ("longest pause", PAUSE)]
    for word, colour in [*keys, *((state, COLOURS.get(state, OTHER)) for state in states)]:
        parts += [
            _box(x, y - 9, 11, 11, colour, more='stroke="#999999" stroke-width="0.4"'),
            _text(x + 15, y, word, 11),
        ]
        x += 15 + LETTER * len(word) + 14
    return parts


def draw(found: Mapping[str, Any]) -> str:
    """Draw a result of :func:`stretch_drill.result.result`; gives the text of an SVG file."""
    at = _Scale(found["seconds"])
    top = 110.0
    parts: list[str] = []
    y = top
    for name in found["sites"]:
        parts += _site(found, name, y, at)
        y += PANEL
    y += 8
    seen: dict[str, None] = {}
    site = ""
    for name, segments in found["lanes"].items():
        if site and found["member_sites"][name] != site:
            y += 8
        site = found["member_sites"][name]
        parts += _lane(name, segments, y, at)
        seen.update((segment["state"], None) for segment in segments)
        y += LANE
    axis = _axis(y + 2, top, at)
    marks = _marks(found["events"], top, y, at)
    y += 44
    parts += _legend(y, sorted(seen, key=lambda state: [*COLOURS, state].index(state)))
    y += 14
    for number, event in enumerate(found["events"], 1):
        y += LINE
        parts.append(_text(8, y, f"{number}", 12, INK, _bold("")))
        parts.append(_text(40, y, f"{event['at']:.1f} s", 12, FAINT))
        parts.append(_text(LEFT, y, event["title"], 12))
    y += 8
    for outcome in found["outcomes"]:
        y += LINE
        limit = f", at most {outcome['limit']:.1f} s" if outcome["limit"] is not None else ""
        word, colour = ("met", GOOD) if outcome["met"] else ("MISSED", BAD)
        parts.append(_text(8, y, word, 12, colour, _bold("")))
        parts.append(_text(LEFT, y, f"{outcome['what']}: {outcome['found'][:110]}{limit}", 12))
    height = y + 20
    size = f'width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}"'
    font = 'font-family="DejaVu Sans, Verdana, sans-serif"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    background = _box(0, 0, WIDTH, height, "#ffffff")
    return "\n".join([opening, background, *_heading(found), *axis, *parts, *marks, "</svg>", ""])
