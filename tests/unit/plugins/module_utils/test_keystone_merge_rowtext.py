# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as a server writes them down: their marks are the fingerprints, whichever way they are made."""

from __future__ import annotations

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import fingerprint
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import (
    MARK,
    NO_ROWS,
    NUL,
    ROW_END,
    other_rows,
    rows_of,
    split,
)
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.text(st.characters(exclude_characters=NUL + ROW_END, exclude_categories=("Cs",)), max_size=12)
TEXTS = st.lists(st.tuples(VALUES, VALUES, VALUES).map(NUL.join), min_size=1, max_size=9, unique=True)


def marks_of(texts: list[str]) -> list[bytes]:
    return [fingerprint(text.encode()).to_bytes(MARK, "big") for text in texts]


@given(TEXTS)
def test_marks_are_fingerprints(texts: list[str]) -> None:
    rows = rows_of(ROW_END.join(texts), 3, 2)
    assert split(rows.marks) == marks_of(texts)
    assert rows.count == len(texts)
    assert rows.keys.split(NUL) == [value for text in texts for value in text.split(NUL)[:2]]


@given(TEXTS, st.data())
def test_rows_that_are_not_known(texts: list[str], data: st.DataObject) -> None:
    known = data.draw(st.lists(st.sampled_from(texts), unique=True))
    marks, rows = other_rows(ROW_END.join(texts), frozenset(marks_of(known)), 3, 1)
    others = [text for text in texts if text not in known]
    assert split(marks) == marks_of(texts)
    assert rows == (rows_of(ROW_END.join(others), 3, 1) if others else NO_ROWS)
