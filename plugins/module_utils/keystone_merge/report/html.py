# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pieces of HTML that several parts of the page are made of."""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.model import Report
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.style import COLOURS
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.text import NONE, number, shown

SIGNS = {"ok": "✓", "off": NONE, "busy": "◔", "bad": "✕", "warn": "!"}
_STYLES = {"#": ' class="number"', "@": ' class="ids"'}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> Iterator[str]:
    """A table; the cells are HTML already, the names of columns are not.

    A column whose name begins with ``#`` holds numbers, one with ``@`` ids. *kind* is the table's class.
    """
    styles = [_STYLES.get(column[:1], "") for column in columns]
    names = [shown(column[1:] if style else column) for style, column in zip(styles, columns)]
    heads = "".join(f"<th{style}>{name}</th>" for style, name in zip(styles, names))
    yield f'<div class="wide"><table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>'
    for row in rows:
        yield "<tr>" + "".join(f"<td{style}>{cell}</td>" for style, cell in zip(styles, row)) + "</tr>"
    yield "</tbody></table></div>"


def bullets(lines: Sequence[str]) -> Iterator[str]:
    """A list of lines, if there are any."""
    if lines:
        yield "<ul>" + "".join(f"<li>{shown(line)}</li>" for line in lines) + "</ul>"


def colour(report: Report, stack: str) -> str:
    """The class with the colour of a stack."""
    names = [one.name for one in report.stacks]
    return f"s{names.index(stack) % COLOURS + 1}" if stack in names else "held"


def figure(value: int) -> str:
    """A number in a table, where most are none."""
    return number(value) if value else f'<span class="none">{NONE}</span>'


def moment(at: str | None) -> str:
    """A time for people."""
    return at.replace("T", " ").replace("Z", " UTC") if at else NONE
