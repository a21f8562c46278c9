# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real packages of each release of TripleO, installed once into .build/contract, and processes that ask them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / ".build/contract"


class RefusedError(Exception):
    """What a release does not take; the message is its own."""


@dataclass(frozen=True)
class Packages:
    """A release: the Pythons that its packages run on, what installs them, and its templates."""

    name: str
    pythons: tuple[str, ...]
    installers: tuple[str, ...]
    templates: str

    @property
    def requirements(self) -> Path:
        """Its pins, of everything that is installed."""
        return HERE / f"requirements-{self.name}.txt"

    @property
    def place(self) -> Path:
        """Where it is installed."""
        return BUILD / self.name

    def installed(self) -> Path:
        """Install it if it is not there. The test is skipped where no Python of this machine runs it."""
        stamp = self.place / "stamp"
        wanted = hashlib.sha256(repr(self).encode() + self.requirements.read_bytes()).hexdigest()
        BUILD.mkdir(parents=True, exist_ok=True)
        with self.place.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (stamp.exists() and stamp.read_text() == wanted):
                python = find_python(self.pythons)
                if python is None:
                    pytest.skip(
                        f"{self.name} needs Python {' or '.join(self.pythons)}, which this machine does not have"
                    )
                shutil.rmtree(self.place, ignore_errors=True)
                self._install(python)
                stamp.write_text(wanted)
        return self.place

    def _install(self, python: Path) -> None:
        run([python, "-m", "venv", self.place / "venv"])
        pip = [self.place / "venv/bin/pip", "--disable-pip-version-check"]
        run([*pip, "install", "--quiet", *self.installers])
        # The pins name everything: there is nothing to resolve.
        run([*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--requirement", self.requirements])
        # The wheels have no templates.
        source = [
            f"tripleo-heat-templates=={self.templates}",
            "--no-deps",
            "--no-build-isolation",
            "--no-binary",
            ":all:",
        ]
        run([*pip, "download", "--quiet", "--dest", self.place, *source])
        (archive,) = self.place.glob("tripleo*heat*templates-*.tar.gz")
        run(["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", self.place])
        (unpacked,) = [path for path in self.place.glob("tripleo*heat*templates-*") if path.is_dir()]
        unpacked.rename(self.place / "templates")


QUEENS = Packages("queens", ("3.6",), ("pip==21.3.1", "setuptools==57.5.0", "wheel==0.37.1", "pbr==5.11.1"), "8.4.1")
TRAIN = Packages("train", ("3.8",), ("pip==21.3.1", "setuptools==57.5.0", "wheel==0.37.1", "pbr==5.11.1"), "11.6.0")
WALLABY = Packages("wallaby", ("3.8",), ("pip==21.3.1", "setuptools==57.5.0", "wheel==0.37.1", "pbr==5.11.1"), "14.3.0")
RELEASES = {packages.name: packages for packages in (QUEENS, TRAIN, WALLABY)}


def run(command: list[Any], **options: Any) -> str:
    """Run a command that shows its output only when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def find_python(versions: tuple[str, ...]) -> Path | None:
    """Find an interpreter of one of the versions, also among those that pyenv installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        found = [*sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True), shutil.which(f"python{version}")]
        for candidate in filter(None, found):
            # pyenv's own command of that name is there without the version, too.
            if subprocess.run([candidate, "-c", "import venv"], check=False, capture_output=True).returncode == 0:
                return Path(candidate)
    return None


class Asked:
    """A process in another Python that answers questions, a line of JSON each."""

    def __init__(self, command: list[Any], log: Path, **environment: str) -> None:
        self.log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **environment},
            )

    def __call__(self, ask: str, **question: Any) -> dict[str, Any]:
        """Ask; what is refused is raised."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"ask": ask, **question}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{ask} ended the process: {self.log.read_text()}")
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        found: dict[str, Any] = answer["answer"]
        return found

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
