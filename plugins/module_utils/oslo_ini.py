# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files as oslo.config reads them, and a change of single options that leaves all else byte for byte.

Rules of oslo_config/iniparser.py and cfg.py: an indented line continues the assignment before it, an empty line or a
comment ends it; a line has no comment at its end; names of sections match without regard to case; of repeated
assignments the last one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

Values = Dict[str, Dict[str, str]]
"""Section, option, value; sections as :func:`normal` gives them."""

_SAMPLE = re.compile(r"^[#;]\s?([A-Za-z0-9_]+)\s*[=:]")
"""An option as oslo-config-generator writes it into a sample: commented out, after its description."""


class OsloIniError(Exception):
    """A file that oslo.config would not read. The message has the number of the line and no part of it."""


@dataclass(frozen=True)
class Assignment:
    """An option that is set, on the lines from ``first`` to ``last``, counted from 0."""

    section: str
    option: str
    value: str
    first: int
    last: int


@dataclass(frozen=True)
class Document:
    """A file. ``lines`` keep their ends; ``headers`` and ``samples`` are (line, section[, option])."""

    lines: Tuple[str, ...]
    headers: Tuple[Tuple[int, str], ...]
    assignments: Tuple[Assignment, ...]
    samples: Tuple[Tuple[int, str, str], ...]


def normal(section: str) -> str:
    """Return the name by which oslo.config knows a section."""
    return section if section == "DEFAULT" else section.lower()


def _split(text: str) -> List[str]:
    """Return the lines with their ends; nothing but a line feed ends one."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _key_value(line: str, number: int) -> Tuple[str, str]:
    match = re.match(r"([^=:]*)[=:](.*)$", line, re.DOTALL)
    if not match or not match.group(1).strip():
        raise OsloIniError(f"line {number + 1} is no assignment")
    value = match.group(2).strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return match.group(1).strip(), value


def parse(text: str) -> Document:
    """Return what a file says. Raises :class:`OsloIniError`."""
    lines = _split(text)
    headers: List[Tuple[int, str]] = []
    found: List[Assignment] = []
    samples: List[Tuple[int, str, str]] = []
    section, open_ended = "", False
    for number, whole in enumerate(lines):
        line = whole.rstrip()
        if not line:
            open_ended = False
        elif line[0] in " \t":
            if not open_ended:
                raise OsloIniError(f"line {number + 1} continues nothing")
            last = found[-1]
            found[-1] = Assignment(last.section, last.option, last.value + "\n" + line.strip(), last.first, number)
        elif line[0] in "#;":
            open_ended = False
            sample = _SAMPLE.match(line)
            if sample:
                samples.append((number, section, sample.group(1)))
        elif line[0] == "[":
            open_ended = False
            if not line.endswith("]") or len(line) < 3:
                raise OsloIniError(f"line {number + 1} starts no section")
            section = normal(line[1:-1])
            headers.append((number, section))
        else:
            option, value = _key_value(line, number)
            if not section:
                raise OsloIniError(f"line {number + 1} is in no section")
            found.append(Assignment(section, option, value, number, number))
            open_ended = True
    return Document(tuple(lines), tuple(headers), tuple(found), tuple(samples))


def values(documents: Sequence[Document]) -> Values:
    """Return what files, read one after another, set; sections that set nothing are there too."""
    found: Values = {}
    for document in documents:
        for _line, section in document.headers:
            found.setdefault(section, {})
        for one in document.assignments:
            found[one.section][one.option] = one.value
    return found


def _place(document: Document, section: str, option: str) -> int:
    """Return the line before which a new assignment belongs: after its sample, else after the section's last one."""
    for line, where, name in document.samples:
        follower = document.lines[line + 1 : line + 2]
        if (where, name) == (section, option) and not (follower and follower[0].strip() and follower[0][0] in " \t"):
            return line + 1
    ends = [one.last for one in document.assignments if one.section == section]
    return (ends or [line for line, name in document.headers if name == section])[-1] + 1


def change(text: str, wanted: Mapping[Tuple[str, str], str]) -> str:
    """Return ``text`` with options set, and nothing else changed.

    :param wanted: values by (section, option). Where an option is set more than once, the one that counts changes.
    :raises OsloIniError: the text cannot be read.
    """
    document = parse(text)
    lines = list(document.lines)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    replaced: Dict[int, Tuple[int, str]] = {}
    inserted: Dict[int, List[str]] = {}
    appended: Dict[str, List[str]] = {}
    known = {name for _line, name in document.headers}
    for (section, option), value in wanted.items():
        where = normal(section)
        present = [one for one in document.assignments if (one.section, one.option) == (where, option)]
        if present and present[-1].value != value:
            first, last = present[-1].first, present[-1].last
            head = re.match(r"[^=:]*[=:][ \t]*", lines[first])
            tail = lines[last][len(lines[last].rstrip("\r\n")) :]
            replaced[first] = (last, (head.group(0) if head else "") + value + tail)
        elif not present and where in known:
            inserted.setdefault(_place(document, where, option), []).append(f"{option} = {value}{end}")
        elif not present:
            appended.setdefault(section, []).append(f"{option} = {value}{end}")
    result: List[str] = []
    skip_to = -1
    for number in range(len(lines) + 1):
        if inserted.get(number):
            if result and not result[-1].endswith("\n"):
                result[-1] += end
            result += inserted[number]
        if number < len(lines) and number > skip_to:
            result.append(replaced[number][1] if number in replaced else lines[number])
            skip_to = max(skip_to, replaced[number][0]) if number in replaced else skip_to
    for section, added in appended.items():
        if result and not result[-1].endswith("\n"):
            result[-1] += end
        result += ([end] if result and result[-1].strip() else []) + [f"[{section}]{end}", *added]
    return "".join(result)
