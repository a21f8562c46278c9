# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came from where, as a drawing: bands from the stacks on the left to what became of their rows on the right.

SVG to stand in a page, which gives its classes their colours. There are two of it, since words cannot shrink with the
picture: one for wide windows, with the words beside the ends, and one for narrow ones, with the words above them.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.text import plain

BODY = 280.0
"""Height of all rows together."""

THIN = 2.5
"""Height of what would be too thin to be seen."""


@dataclass(frozen=True)
class End:
    """What a band comes from or goes to: *kind* is its class, *notes* are the lines below its *name*."""

    kind: str
    name: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """An end on the left, and how many of its rows go to each of those on the right, by number."""

    end: End
    rows: Mapping[int, int]


@dataclass(frozen=True)
class Form:
    """Where things are. *beside* is the room for words beside the ends; without it they stand above.

    *line* is the height of a line of words, *gap* what is free between two ends, *ends* the width of an end.
    """

    name: str
    width: float
    beside: float
    line: float
    gap: float
    ends: float = 14.0

    @property
    def left(self) -> float:
        """Where the left ends begin."""
        return self.beside

    @property
    def right(self) -> float:
        """Where the right ends begin."""
        return self.width - self.beside - self.ends


WIDE = Form("wide", width=1160, beside=250, line=19, gap=16)
NARROW = Form("narrow", width=360, beside=0, line=17, gap=12)

_NAME_LETTER, _NOTE_LETTER = 9.7, 7.7
"""Width of a small letter of a name and of a note, where the font is a wide one."""


@dataclass(frozen=True)
class Place:
    """Where an end is, from top to bottom, and where its words begin."""

    top: float
    height: float
    words: float


def bands(sources: Sequence[Source], body: float = BODY) -> dict[tuple[int, int], float]:
    """The height of each band, by the numbers of its ends: as many as there are rows, yet never too thin to be seen."""
    whole = sum(sum(source.rows.values()) for source in sources)
    return {
        (left, right): max(THIN, rows / whole * body)
        for left, source in enumerate(sources)
        for right, rows in sorted(source.rows.items())
        if rows
    }


def column(heights: Sequence[float], lines: Sequence[int], form: Form) -> tuple[list[Place], float]:
    """Place ends below one another, each with room for its lines of words; and how high they are together."""
    places: list[Place] = []
    y = 0.0
    for height, count in zip(heights, lines):
        words = count * form.line + 3
        if form.beside:
            slot = max(height, words)
            places.append(Place(y + (slot - height) / 2, height, y + (slot - words) / 2))
        else:
            slot = words + height
            places.append(Place(y + words, height, y))
        y += slot + form.gap
    return places, y - form.gap


def draw(sources: Sequence[Source], targets: Sequence[End], title: str, form: Form) -> str:
    """The SVG element."""
    heights = bands(sources)
    left, left_height = column(
        [sum(high for (at, _to), high in heights.items() if at == number) for number in range(len(sources))],
        [1 + len(source.end.notes) for source in sources],
        form,
    )
    right, right_height = column(
        [sum(high for (_at, to), high in heights.items() if to == number) for number in range(len(targets))],
        [1 + len(target.notes) for target in targets],
        form,
    )
    height = max(left_height, right_height) + 4
    left_top, right_top = (height - left_height) / 2, (height - right_height) / 2
    body = [
        *_bands(heights, sources, left, right, left_top, right_top, form),
        *(line for end, at in zip(sources, left) for line in _end(end.end, at, left_top, form, True)),
        *(line for end, at in zip(targets, right) for line in _end(end, at, right_top, form, False)),
    ]
    return "\n".join(
        [
            f'<svg class="flow {form.name}" role="img" viewBox="0 0 {form.width:g} {height:.1f}">',
            f"<title>{escape(title)}</title>",
            *body,
            "</svg>",
        ]
    )


def _bands(
    heights: Mapping[tuple[int, int], float],
    sources: Sequence[Source],
    left: Sequence[Place],
    right: Sequence[Place],
    left_top: float,
    right_top: float,
    form: Form,
) -> Iterator[str]:
    """The bands, each beginning and ending below the one before."""
    begins = [left_top + place.top for place in left]
    ends = [right_top + place.top for place in right]
    x, to = form.left + form.ends, form.right
    bend = (to - x) / 2
    for (at, target), high in heights.items():
        a, b = begins[at], ends[target]
        begins[at] += high
        ends[target] += high
        path = (
            f"M{x:g},{a:.1f} C{x + bend:g},{a:.1f} {to - bend:g},{b:.1f} {to:g},{b:.1f} V{b + high:.1f} "
            f"C{to - bend:g},{b + high:.1f} {x + bend:g},{a + high:.1f} {x:g},{a + high:.1f} Z"
        )
        kind = "band" if target == 0 else "band aside"
        yield f'<path class="{kind} {sources[at].end.kind}" d="{path}"/>'


def _end(end: End, place: Place, top: float, form: Form, is_left: bool) -> Iterator[str]:
    x = form.left if is_left else form.right
    y = top + place.top
    yield (f'<rect class="{end.kind}" x="{x:g}" y="{y:.1f}" width="{form.ends:g}" height="{place.height:.1f}" rx="2"/>')
    if form.beside:
        at, anchor = (x - 12, "end") if is_left else (x + form.ends + 12, "")
        room = form.beside - 12
    else:
        at, anchor = (x, "") if is_left else (x + form.ends, "end")
        room = form.width * (0.44 if is_left else 0.56)
    for number, words in enumerate((end.name, *end.notes)):
        said = plain(words, room / (_NOTE_LETTER if number else _NAME_LETTER))
        kind = f"{'name' if number == 0 else 'note'} {anchor}".strip()
        line = top + place.words + (number + 1) * form.line - 4
        yield f'<text class="{kind}" x="{at:g}" y="{line:.1f}">{escape(said)}</text>'
