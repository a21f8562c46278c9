# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every role's README.md, which Galaxy demands, from its argument_specs.

usage: python tools/role_readme.py [--check]

With --check nothing is written: a README that is missing or out of date is named, and the exit status is 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
MARKUP = re.compile(r"\b([A-Z])\(([^()]*)\)")


def text(value: str | list[str] | None) -> str:
    """Turn a description (one string or several) into one line of Markdown, its markup C(x), O(x), V(x) into `x`."""
    lines = [value] if isinstance(value, str) else value or []
    return MARKUP.sub(r"`\2`", " ".join(line.strip() for line in lines))


def rows(options: dict[str, dict[str, Any]], prefix: str = "") -> list[str]:
    """Give the lines of a table for options, suboptions below the option that they belong to."""
    lines = []
    for name, option in options.items():
        kind = option.get("type", "str")
        if kind == "list":
            kind = f"list of {option.get('elements', 'str')}"
        if option.get("required"):
            default = "required"
        elif "default" in option:
            default = f"`{json.dumps(option['default'])}`"
        else:
            default = ""
        description = text(option.get("description"))
        if "choices" in option:
            description += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        cells = (f"`{prefix}{name}`", kind, default, description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines += rows(option.get("options", {}), f"{prefix}{name}.")
    return lines


def readme(role: str, specs: dict[str, dict[str, Any]]) -> str:
    """Give the README of a role, one section for each of its entry points."""
    blocks = [f"# stretch.cluster.{role}"]
    for entry, spec in specs.items():
        if entry != "main":
            blocks.append(f"## Entry point `{entry}`")
        blocks.append(text(spec.get("short_description")).rstrip(".") + ".")
        if "description" in spec:
            blocks.append(text(spec["description"]))
        if spec.get("options"):
            table = ["| variable | type | default | what it is |", "|---|---|---|---|", *rows(spec["options"])]
            blocks.append("\n".join(table))
    blocks.append("Generated from `meta/argument_specs.yml`.")
    return "\n\n".join(blocks) + "\n"


def main() -> int:
    """Write or check the READMEs; returns the exit status."""
    stale = []
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        role = path.parents[1]
        wanted = readme(role.name, yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"])
        target = role / "README.md"
        if target.exists() and target.read_text(encoding="utf-8") == wanted:
            continue
        if "--check" in sys.argv[1:]:
            stale.append(str(target.relative_to(ROOT)))
        else:
            target.write_text(wanted, encoding="utf-8")
    if stale:
        sys.stderr.write(f"Out of date (make docs writes them): {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
