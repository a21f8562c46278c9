# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, numbers and lists as a page shows them. Names are what anybody could choose: they are shown, never obeyed."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import Iterator, Sequence

NONE = "\u2013"
"""A dash, where there is nothing to show."""

_JOINERS = "\u200c\u200d"
_MARKS = 3
"""Marks on one letter that a script may need; what is more would run over the lines above and below."""


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """(piece, whether it stands for what cannot be seen) of *text*."""
    marks = 0
    for number, sign in enumerate(text):
        category = unicodedata.category(sign)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        around = text[max(0, number - 1) : number + 2]
        if sign == " ":
            seen = 0 < number < len(text) - 1 and text[number - 1] != " "
            yield (" ", False) if seen else ("space", True)
        elif sign in _JOINERS and len(around) == 3 and not any(other.isascii() for other in around):
            yield sign, False
        elif category[0] in "CZ" or marks > _MARKS:
            yield f"U+{ord(sign):04X}", True
        else:
            yield sign, False


def shown(text: str) -> str:
    """A name as HTML, with signs for all in it that cannot be seen or turns the line around."""
    if not text:
        return '<i class="odd">empty</i>'
    return (
        "<bdi>"
        + "".join(f'<i class="odd">{piece}</i>' if odd else escape(piece) for piece, odd in _pieces(text))
        + "</bdi>"
    )


def plain(text: str, room: float) -> str:
    """A name as text that takes no more than the room of so many small letters, likewise."""
    pieces = [f"[{piece}]" if odd else piece for piece, odd in _pieces(text)]
    whole = "".join(pieces)
    if _room(whole) <= room:
        return whole
    made, left = "", room - 1
    for piece in pieces:
        left -= _room(piece)
        if left < 0:
            break
        made += piece
    return made.rstrip() + "\u2026"


def _room(text: str) -> float:
    """The room that a text takes, in small letters."""
    return sum(
        2.0
        if unicodedata.east_asian_width(sign) in "WF"
        else 1.7
        if sign in "mwMW@%"
        else 1.3
        if sign.isupper()
        else 1.0
        for sign in text
    )


def quoted(text: str) -> str:
    """A line of configuration as HTML: what cannot be seen stands in it as JSON and YAML escape it."""
    return escape("".join(piece if not odd else _escaped(sign) for sign, (piece, odd) in zip(text, _pieces(text))))


def _escaped(sign: str) -> str:
    if sign == " ":
        return sign
    code = ord(sign)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: int) -> str:
    """A number as people read it."""
    return f"{value:,}"


def many(count: int, what: str) -> str:
    """How many of what: 1 row, 2 rows."""
    if count == 1:
        return f"1 {what}"
    return f"{number(count)} {what[:-1]}ies" if what.endswith("y") else f"{number(count)} {what}s"


def listed(words: Sequence[str]) -> str:
    """Words in a sentence: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def seconds(value: float) -> str:
    """A duration: 0.31 s, 24.1 s, 3 min 20 s."""
    if value < 1:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def rate(rows: int, duration: float) -> str:
    """Rows per second."""
    return f"{rows / duration:,.0f} rows/s" if rows and duration > 0 else NONE


def share(part: int, whole: int) -> str:
    """A part in percent; neither a little nor nearly all is rounded away."""
    if not whole or not part:
        return "0%"
    if part == whole:
        return "100%"
    percent = 100 * part / whole
    return "<1%" if percent < 1 else ">99%" if percent > 99 else f"{percent:.0f}%"
