# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of OpenStack to read definitions from, each laid below .build once, when a test asks for it.

``newest`` comes from the Python package index by pinned versions, ``packaged`` from the packages of this machine's
Debian, unpacked and not installed. What was read is kept beside it: it is the same until a version changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
READER = Path(__file__).with_name("region_definitions_harness.py")
FULL = os.environ.get("STRETCH_REGIONS") == "full"
"""Whether all services are read, and not those alone that a region usually has."""
CORE = {"aodh", "barbican", "ceilometer", "cinder", "designate", "glance", "heat", "ironic", "keystone"}
CORE |= {"keystonemiddleware", "magnum", "manila", "neutron", "nova", "octavia", "oslo.limit", "placement", "swift"}
OTHERS = {"cloudkitty", "gnocchi", "ironic-inspector", "masakari", "mistral", "murano", "sahara", "senlin", "trove"}
OTHERS |= {"vitrage", "watcher", "zaqar"}
# numpy needs them, which Gnocchi needs.
LIBRARIES = ("libblas3", "libgfortran5", "liblapack3", "libquadmath0")

Definitions = dict[str, dict[str, Any]]
"""By distribution: ``version``, ``options`` (section and name), ``failed`` (namespaces), ``count``."""


def run(command: list[Any], **named: Any) -> str:
    """Return what a command says; it shows its output only when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, **named)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def kept(place: Path, versions: str, make: Callable[[Path], None]) -> Definitions:
    """Return what ``make`` writes into a file, from the last time where versions and reader are the same."""
    wanted = hashlib.sha256((versions + READER.read_text()).encode()).hexdigest()
    stamp, result = place / "stamp", place / "definitions.json"
    place.parent.mkdir(exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            make(result)
            stamp.write_text(wanted)
        definitions: Definitions = json.loads(result.read_text())
    return definitions


def newest() -> Definitions:
    """Return the definitions of the newest releases."""
    own = ROOT / f"tests/integration/requirements-regions{'-full' if FULL else ''}.txt"
    place = ROOT / f".build/regions-newest{'-full' if FULL else ''}"

    def make(result: Path) -> None:
        run([sys.executable, "-m", "venv", place / "venv"])
        # The pins name everything: there is nothing to resolve. What is never imported need not be compiled.
        pip = [place / "venv/bin/pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-compile"]
        run([*pip, "--requirement", own])
        run([place / "venv/bin/python", READER, result])

    pins = (ROOT / "tests/integration/requirements-regions.txt").read_text() + (own.read_text() if FULL else "")
    return kept(place, pins, make)


def packaged() -> Definitions:
    """Return the definitions of Debian's packages. The test is skipped where this is no Debian that has them."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and Path("/usr/bin/python3").exists()):
        pytest.skip("Debian's packages need apt-get, dpkg-deb and Debian's own Python")
    wanted = sorted(f"python3-{name}" for name in CORE | (OTHERS if FULL else set()))
    found = simulate(wanted) or simulate(wanted, update=True)
    if not found:
        pytest.skip("this Debian has no packages of OpenStack, or its lists cannot be updated")
    chosen = {name: version for name, version in found.items() if name.startswith("python3-") or name in LIBRARIES}
    place = ROOT / f".build/regions-packaged{'-full' if FULL else ''}"

    def make(result: Path) -> None:
        run(["apt-get", "--quiet", "download", *chosen], cwd=place)
        for package in sorted(place.glob("*.deb")):
            run(["dpkg-deb", "--extract", package, place / "root"])
            package.unlink()
        libraries = [
            str(path) for name in ("blas", "lapack", "") for path in place.glob(f"root/usr/lib/*-linux-gnu/{name}")
        ]
        packages = place / "root/usr/lib/python3/dist-packages"
        environment = {**os.environ, "PYTHONPATH": str(packages), "LD_LIBRARY_PATH": ":".join(libraries)}
        run(["/usr/bin/python3", "-s", READER, result], env=environment)

    return kept(place, json.dumps(chosen, sort_keys=True), make)


def simulate(wanted: list[str], update: bool = False) -> dict[str, str]:
    """Return packages and versions that apt would install for ``wanted``; none if it would not."""
    if update and subprocess.run(["apt-get", "--quiet", "update"], check=False, capture_output=True).returncode:
        return {}
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", *wanted]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return dict(re.findall(r"^Inst (\S+) .*?\((\S+)", done.stdout, re.MULTILINE)) if done.returncode == 0 else {}
