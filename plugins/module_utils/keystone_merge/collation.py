# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Comparing names as the columns' collation does.

A database says whether two names are equal, not Python: ``Admin`` equals ``admin`` and, under ``utf8mb3_general_ci``,
``José`` equals ``JOSE``. The weight of a name is that of its characters one after another, so asking the server once
for a page of characters is enough to compare any number of names. The newest collations (``uca1400``, ``0900``) know
contractions, several characters that weigh as one: names that may hold one are asked for as a whole.
"""

from __future__ import annotations

import unicodedata
import zlib
from typing import Callable, Sequence

PAGE = 256
"""Characters asked for at a time."""

Weigh = Callable[[Sequence[str]], Sequence[bytes]]
"""Gives the weight of each of the texts handed to it."""

_CONTRACTIONS = ("\u0438\u0306", "l\u00b7", "\u0e40\u0e01")
"""Some that every collation has that has any: a letter and its mark, letter and point, a vowel before its consonant."""

_JOINING = frozenset("\u00b7\u0387\u19b5\u19b6\u19b7\u19ba\uaab5\uaab6\uaab9\uaabb\uaabc").union(
    map(chr, (*range(0x0E40, 0x0E45), *range(0x0EC0, 0x0EC5)))
)
"""Characters that are no marks and take part in contractions: points, and vowels that stand before their consonant."""


class Collation:
    """Makes names comparable: ``fold(a) == fold(b)`` where the database takes *a* and *b* for equal."""

    def __init__(self, weigh: Weigh, pad: bool = True) -> None:
        """*pad* is false for collations (``NO PAD``) that do count trailing spaces."""
        self._weigh = weigh
        self._pad = pad
        self._weights: dict[str, bytes] = {}
        self._wholes: dict[str, bytes] = {}
        self._contracts: bool | None = None

    def _learn(self, character: str) -> bytes:
        start = ord(character) // PAGE * PAGE
        page: list[str] = [chr(code) for code in range(start, start + PAGE) if not 0xD800 <= code <= 0xDFFF]
        self._weights.update(zip(page, self._weigh(page)))
        return self._weights[character]

    def fold(self, name: str) -> bytes:
        """What *name* compares as."""
        if not name.isascii() and any(map(_may_join, name)) and self._has_contractions():
            return self._whole(name)
        return self._by_character(name)

    def _has_contractions(self) -> bool:
        if self._contracts is None:
            self._contracts = any(
                bytes(weight) != b"".join(self._weigh(list(text)))
                for text, weight in zip(_CONTRACTIONS, self._weigh(_CONTRACTIONS))
            )
        return self._contracts

    def _whole(self, name: str) -> bytes:
        if name not in self._wholes:
            (weight,) = self._weigh([name])
            space = self._weights.get(" ") or self._learn(" ")
            while self._pad and space and weight.endswith(space):
                weight = weight[: -len(space)]
            self._wholes[name] = weight
        return self._wholes[name]

    def _by_character(self, name: str) -> bytes:
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


def _may_join(character: str) -> bool:
    """Whether a character may be part of a contraction."""
    return character in _JOINING or unicodedata.category(character)[0] == "M"


def fingerprint(text: bytes) -> int:
    """64 bits that change when *text* does.

    Two CRC-32, of the text and of the text backwards: every server computes them many times faster than a
    cryptographic sum, and what the first cannot tell apart (a multiple of its polynomial) the second can.
    The SQL of the same is :func:`sql_fingerprint`.
    """
    return zlib.crc32(text) << 32 | zlib.crc32(text[::-1])


def sql_fingerprint(expression: str) -> str:
    """:func:`fingerprint` of an expression, as a whole number without sign, in SQL."""
    return f"(CRC32({expression}) * 4294967296 + CRC32(REVERSE(CAST({expression} AS BINARY))))"


def weigh_plainly(characters: Sequence[str]) -> list[bytes]:
    """Weights of a collation that ignores case and nothing else, for use without a server."""
    return [character.upper().encode("utf-8") for character in characters]
