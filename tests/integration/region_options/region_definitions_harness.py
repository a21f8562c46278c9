# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every region option that the installed OpenStack packages define, as JSON.

usage: PYTHON region_definitions_harness.py TARGET

Runs under the Python of a release. Services define their options in one global object, where those of one clash with
those of another: so each is read by a process of its own, forked from one that has what they have in common.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import json
import multiprocessing
import sys
import types
import warnings
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

COMMON = ("oslo_config.cfg", "oslo_messaging", "oslo_db.options", "oslo_policy", "keystoneauth1.loading")
# Other people's clients that a driver or a test needs; what they do is nothing to a definition.
OPTIONAL = ("googleapiclient", "kmip", "tempest")
# Sections that a service registers when it starts and that no namespace lists.
STARTS = {"neutron": ("neutron.common.config", "register_common_config_options")}
# Distributions with options and no namespace: the section, the module, the list in it.
UNLISTED = {"mistral-extra": ("openstack_actions", "mistral_extra.config", "openstack_actions_opts")}


class Absent(types.ModuleType):
    """Stands for a module that is not installed."""

    __path__: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


class AbsentFinder:
    """Finds what is not there, for the optional ones."""

    names: frozenset[str] = frozenset()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.split(".", maxsplit=1)[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """It has nothing to execute."""


def prepare() -> None:
    """Import what all have in common, and stand in for what is missing."""
    finder = AbsentFinder()
    finder.names = frozenset(name for name in OPTIONAL if importlib.util.find_spec(name) is None)
    sys.meta_path.append(finder)  # type: ignore[arg-type]
    for name in COMMON:
        importlib.import_module(name)


def row(group: str, option: Any) -> tuple[str, str] | None:
    """Return the section and the name that a file has for an option, if that or a former name is about a region."""
    names = [option.dest, *(one.name for one in option.deprecated_opts or [] if one.name)]
    return (group, option.dest) if any("region" in name.lower() for name in names) else None


def registered() -> list[tuple[str, Any]]:
    """Return what importing the definitions, or starting, put into the global object."""
    from oslo_config import cfg  # noqa: PLC0415 - it is installed where this runs

    found = [("DEFAULT", one["opt"]) for one in cfg.CONF._opts.values()]
    for name, group in cfg.CONF._groups.items():
        found += [(name, one["opt"]) for one in group._opts.values()]
    return found


def read(distribution: str, namespaces: list[EntryPoint]) -> dict[str, Any]:
    """Return what the namespaces of one distribution define."""
    options: set[tuple[str, str]] = set()
    failed: dict[str, str] = {}
    count = 0
    for one in namespaces:
        try:
            groups = list(one.load()())
        except Exception as error:  # noqa: BLE001 - a definition can fail in any way, and the test says which do
            failed[one.name] = f"{type(error).__name__}: {error}"[:300]
            continue
        for group, listed in groups:
            name = (group if isinstance(group, str) else getattr(group, "name", None)) or "DEFAULT"
            rows = [row(name, option) for option in listed]
            count += len(rows)
            options.update(found for found in rows if found)
    if distribution in STARTS:
        module, function = STARTS[distribution]
        getattr(importlib.import_module(module), function)()
    options.update(found for group, option in registered() if (found := row(group, option)))
    return {"options": sorted(options), "failed": failed, "count": count}


def work(job: tuple[str, str, list[EntryPoint]]) -> tuple[str, dict[str, Any]]:
    """Read one distribution in this process, which ends then."""
    name, version, namespaces = job
    return name, {"version": version, **read(name, namespaces)}


def unlisted() -> dict[str, dict[str, Any]]:
    """Return the options of distributions that tell of them by no namespace."""
    found = {}
    for name, (section, module, listed) in UNLISTED.items():
        try:
            options = getattr(importlib.import_module(module), listed)
        except ImportError:
            continue
        rows = [one for option in options if (one := row(section, option))]
        found[name] = {"version": "", "options": rows, "failed": {}, "count": len(options)}
    return found


def swift() -> dict[str, Any] | None:
    """Return what Swift's middleware takes from its sections; it has no definitions."""
    try:
        place = Path(str(importlib.import_module("swift").__file__)).parent / "common/middleware"
    except ImportError:
        return None
    names = set()
    files = sorted(place.rglob("*.py"))
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str) and "region" in first.value:
                    names.add(first.value)
    return {"version": "", "options": sorted(("*", name) for name in names), "failed": {}, "count": len(files)}


def main() -> None:
    """Read all distributions and write the result."""
    warnings.simplefilter("ignore")
    prepare()
    jobs: dict[str, tuple[str, str, list[EntryPoint]]] = {}
    for one in entry_points(group="oslo.config.opts"):
        if one.dist is not None:
            name = one.dist.name.lower().replace("_", "-")
            jobs.setdefault(name, (name, one.dist.version, []))[2].append(one)
    context = multiprocessing.get_context("fork")
    with context.Pool(2, maxtasksperchild=1) as pool:
        found = dict(pool.imap_unordered(work, jobs.values()))
    found.update(unlisted())
    middleware = swift()
    if middleware:
        found["swift"] = middleware
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main()
