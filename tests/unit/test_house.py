# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that every file of the collection keeps."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.stretch.cluster"
# What is resolved from a configured index or mirror is not named in a file. The brackets keep this file from finding
# itself.
FOREIGN_HOSTS = re.compile(
    r"pypi[.]org|pythonhosted[.]org|docker[.]io|quay[.]io|ghcr[.]io|registry[.][a-z]|registry[.]npmjs|"
    r"galaxy[.]ansible[.]com"
)
PRIVATE_PATHS = re.compile(r"(?<![\w.{}-])/(?:wor[k]|hom[e]/(?!(?:me|stack)\b)\w+|roo[t]/[.]pyenv|tm[p]/v)/")
LICENCE = (
    "# Copyright (c) 2026, The stretch.cluster developers",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


TRACKED = tracked()
SCRIPTS = [path for path in TRACKED if path.suffix == ".py" or path.parent in {ROOT / "tools", ROOT / ".ci"}]
FILTERS = [path for path in TRACKED if path.parent == ROOT / "plugins/filter" and path.suffix == ".py"]
MODULE_UTILS = [path for path in TRACKED if ROOT / "plugins/module_utils" in path.parents and path.suffix == ".py"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def hits(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in TRACKED:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{name_of(path)}:{number}: {line}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    return found


def test_no_file_names_a_registry() -> None:
    assert not hits(FOREIGN_HOSTS)


def test_no_file_names_a_path_of_one_machine() -> None:
    assert not hits(PRIVATE_PATHS)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_code_carries_its_licence(path: Path) -> None:
    head = path.read_text(encoding="utf-8").splitlines()[:10]
    assert [line for line in LICENCE if line not in head] == []


@pytest.mark.parametrize("path", FILTERS, ids=name_of)
def test_one_filter_per_file(path: Path) -> None:
    module = importlib.import_module(f"{COLLECTION}.plugins.filter.{path.stem}")
    assert list(module.FilterModule().filters()) == [path.stem]


@pytest.mark.parametrize("path", MODULE_UTILS, ids=name_of)
def test_module_utils_know_no_module(path: Path) -> None:
    """They raise exceptions; a module alone ends a run."""
    used = re.compile(r"^from .* import .*\bAnsibleModule\b|\b(fail|exit)_json\(", re.MULTILINE)
    assert not used.search(path.read_text(encoding="utf-8"))


def test_no_sanity_ignore_files() -> None:
    assert not list(ROOT.glob("tests/sanity/ignore-*"))
