# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Comparing names as the columns' collation does.

A database says whether two names are equal, not Python: ``Admin`` equals ``admin`` and, under ``utf8mb3_general_ci``,
``José`` equals ``JOSE``. The weights of the collations that Keystone databases use are those of the single characters
one after another (the Unicode Collation Algorithm without contractions), so asking the server once for a page of
characters is enough to compare any number of names.
"""

from __future__ import annotations

from typing import Callable, Sequence

PAGE = 256
"""Characters asked for at a time."""

Weigh = Callable[[Sequence[str]], Sequence[bytes]]
"""Gives the weight of each of the characters handed to it."""


class Collation:
    """Makes names comparable: ``fold(a) == fold(b)`` where the database takes *a* and *b* for equal."""

    def __init__(self, weigh: Weigh, pad: bool = True) -> None:
        """*pad* is false for collations (``NO PAD``) that do count trailing spaces."""
        self._weigh = weigh
        self._pad = pad
        self._weights: dict[str, bytes] = {}

    def _learn(self, character: str) -> bytes:
        start = ord(character) // PAGE * PAGE
        page: list[str] = [chr(code) for code in range(start, start + PAGE) if not 0xD800 <= code <= 0xDFFF]
        self._weights.update(zip(page, self._weigh(page)))
        return self._weights[character]

    def fold(self, name: str) -> bytes:
        """What *name* compares as."""
        known = self._weights
        weights: list[bytes] = []
        for character in name:
            weight = known.get(character)
            weights.append(self._learn(character) if weight is None else weight)
        if self._pad:
            space = known.get(" ")
            if space is None:
                space = self._learn(" ")
            while weights and weights[-1] in (space, b""):
                weights.pop()
        return b"".join(weights)


def weigh_plainly(characters: Sequence[str]) -> list[bytes]:
    """Weights of a collation that ignores case and nothing else, for use without a server."""
    return [character.upper().encode("utf-8") for character in characters]
