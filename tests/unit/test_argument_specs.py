# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role says of its variables (meta/argument_specs.yml) is what it does (defaults, tasks)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "roles").iterdir() if any(path.rglob("*.yml")))
MAX_TASK_FILE_LINES = 80
TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (float, int),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "raw": (object,),
    "str": (str,),
}

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: str(role.name))


def load(path: Path) -> Any:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def entries(role: Path) -> dict[str, dict[str, Any]]:
    specs: dict[str, dict[str, Any]] = load(role / "meta/argument_specs.yml").get("argument_specs", {})
    return specs


def options(role: Path) -> dict[str, dict[str, Any]]:
    """All options of all entry points; test_entry_points_agree keeps them from contradicting each other."""
    return {name: option for spec in entries(role).values() for name, option in spec.get("options", {}).items()}


def nested(where: str, these: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, option in these.items():
        yield f"{where}.{name}", option
        yield from nested(f"{where}.{name}", option.get("options", {}))


def tasks(role: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task of the role with the file it is in, those in blocks too."""

    def walk(these: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in these:
            yield task
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part) or [])

    for directory in ("tasks", "handlers"):
        for path in sorted((role / directory).rglob("*.yml")):
            for task in walk(load(path) or []):
                yield str(path.relative_to(role)), task


def defined_by(task: dict[str, Any]) -> Iterator[str]:
    """The names of the variables that a task defines for others."""
    if "register" in task:
        yield task["register"]
    for key in ("set_fact", "ansible.builtin.set_fact"):
        yield from (name for name in task.get(key) or {} if name != "cacheable")


def test_table_of_contents(role: Path) -> None:
    assert (role / "tasks/main.yml").is_file(), "tasks/main.yml is the role's table of contents"


def test_entry_points_have_tasks(role: Path) -> None:
    assert "main" in entries(role), "meta/argument_specs.yml has no entry point main"
    missing = [name for name in entries(role) if not (role / "tasks" / f"{name}.yml").is_file()]
    assert not missing, "entry points without a task file"


def test_entry_points_are_described(role: Path) -> None:
    bare = [name for name, spec in entries(role).items() if not {"short_description", "description"} <= set(spec)]
    assert not bare, "entry points without short_description or description"


def test_entry_points_agree(role: Path) -> None:
    seen: dict[str, dict[str, Any]] = {}
    differing = []
    for entry, spec in entries(role).items():
        for name, option in spec.get("options", {}).items():
            if {**seen.setdefault(name, option), "required": None} != {**option, "required": None}:
                differing.append(f"{entry}: {name}")
    assert not differing, "options that another entry point of the role declares otherwise"


def test_options_are_typed_and_described(role: Path) -> None:
    bare = []
    for entry, spec in entries(role).items():
        for name, option in nested(entry, spec.get("options", {})):
            if option.get("type") not in TYPES or not option.get("description"):
                bare.append(name)
            if option.get("type") == "list" and option.get("elements") not in TYPES:
                bare.append(f"{name} (elements)")
    assert not bare, "options without a type or a description"


def test_required_options_have_no_default(role: Path) -> None:
    required = {name for spec in entries(role).values() for name, option in nested("", spec.get("options", {}))
                if option.get("required") and "default" in option}  # fmt: skip
    defaulted = {name for name, option in options(role).items() if option.get("required")} & set(
        load(role / "defaults/main.yml")
    )
    assert not required | defaulted


def test_defaults_equal_the_specs(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    declared = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert {name: (type(value), value) for name, value in defaults.items()} == {
        name: (type(value), value) for name, value in declared.items()
    }


def test_optional_variables_have_a_default(role: Path) -> None:
    bare = [
        name
        for name, option in options(role).items()
        if not option.get("required") and "default" not in option and not name.startswith(("stretch_", "lab_"))
    ]
    assert not bare, "options that are neither required nor have a default"


def test_defaults_have_the_declared_type(role: Path) -> None:
    wrong = []
    for entry, spec in entries(role).items():
        for name, option in nested(entry, spec.get("options", {})):
            if "default" not in option or (isinstance(option["default"], str) and "{{" in option["default"]):
                continue
            accepted = TYPES.get(option.get("type", "str"), ())
            # To Python a bool is an int; to a reader of the spec it is not.
            if not isinstance(option["default"], accepted) or (
                isinstance(option["default"], bool) and bool not in accepted and object not in accepted
            ):
                wrong.append(f"{name}: {option['default']!r} is no {option.get('type')}")
    assert not wrong


def test_variables_carry_the_name_of_the_role(role: Path) -> None:
    # lab_ are the inputs that the lab's roles share.
    prefixes = (f"{role.name}_", f"__{role.name}_", "stretch_", "lab_")
    names = [(str(path.relative_to(role)), name) for directory in ("defaults", "vars")
             for path in sorted((role / directory).rglob("*.yml")) for name in load(path)]  # fmt: skip
    names += [("meta/argument_specs.yml", name) for name in options(role)]
    names += [(where, name) for where, task in tasks(role) for name in defined_by(task)]
    assert not [pair for pair in names if not pair[1].startswith(prefixes)]


def test_task_files_are_short(role: Path) -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in role.glob("tasks/**/*.yml")}
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_TASK_FILE_LINES}


def test_no_errors_are_ignored(role: Path) -> None:
    assert not [(where, task.get("name")) for where, task in tasks(role) if "ignore_errors" in task]
