# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict reader of Prometheus' text format 0.0.4, with its rules for names."""

from __future__ import annotations

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?[0-9][0-9.e+-]*)")
UNITS = re.compile(r"_(milliseconds|minutes|hours|percent|kilobytes|ms)(_|$)")

Labels = tuple[tuple[str, str], ...]


def parse_metrics(page: str) -> dict[str, dict[Labels, float]]:
    """Return the samples by name and sorted labels; fails on whatever Prometheus or promtool would refuse."""
    assert page.endswith("\n")
    found: dict[str, dict[Labels, float]] = {}
    name = kind = ""
    lines = page[:-1].split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            name, text = line[len("# HELP ") :].split(" ", 1)
            assert re.fullmatch(NAME, name), line
            assert text.endswith("."), line
            assert name not in found, f"{name} is there twice"
            found[name] = {}
            kind = re.fullmatch(rf"# TYPE {name} (gauge|counter)", lines[number + 1]).group(1)  # type: ignore[union-attr]
            assert name.endswith("_total") == (kind == "counter"), line
            assert not UNITS.search(name), "base units alone"
        elif line.startswith("# TYPE "):
            assert lines[number - 1].startswith(f"# HELP {name} "), line
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match.group(1) == name, f"{line} is not below its HELP"
            inside = match.group(2) or ""
            labels = LABEL.findall(inside)
            assert ",".join(f'{key}="{value}"' for key, value in labels) == inside, line
            unescaped = tuple(sorted((key, unescape(value)) for key, value in labels))
            assert len(dict(unescaped)) == len(unescaped), line
            assert unescaped not in found[name], f"{line} is there twice"
            found[name][unescaped] = float(match.group(3))
    assert all(found.values()), "a metric without samples"
    return found


def unescape(value: str) -> str:
    """Undo the escapes in the value of a label."""
    return re.sub(r"\\(.)", lambda match: "\n" if match.group(1) == "n" else match.group(1), value)
