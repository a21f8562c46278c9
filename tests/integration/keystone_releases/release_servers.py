# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Keystones of several releases, each in a venv of its own that is made once, when a test asks for it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from merge_servers import CONFIG, ROOT, Keystone, keystone_venv

PASSWORD = "admin's"
REQUIREMENTS = ROOT / "tests/integration"


@dataclass(frozen=True)
class Release:
    """One release: what it is called, the Pythons that it runs on, and what pip takes to install it there."""

    number: int
    name: str
    pythons: tuple[str, ...]
    installers: tuple[str, ...] = ()

    @property
    def requirements(self) -> list[Path]:
        """Its pins."""
        own = REQUIREMENTS / f"requirements-keystone-{self.name}.txt"
        return [own, *(REQUIREMENTS / line[3:] for line in own.read_text().splitlines() if line.startswith("-r "))]

    def venv(self) -> Path:
        """Where it is installed. The test is skipped where no Python of this machine runs it."""
        place = ROOT / f".build/keystone-{self.name}-venv"
        stamp = place / "stamp"
        wanted = hashlib.sha256(b"".join(path.read_bytes() for path in self.requirements)).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return place
        python = find_python(self.pythons)
        if python is None:
            pytest.skip(f"Keystone {self.number} ({self.name}) needs Python {' or '.join(self.pythons)}")
        place.parent.mkdir(exist_ok=True)
        with place.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (stamp.exists() and stamp.read_text() == wanted):
                pip = [place / "bin/pip", "--disable-pip-version-check", "install", "--quiet"]
                run([python, "-m", "venv", "--clear", place])
                if self.installers:
                    run([*pip, *self.installers])
                # The pins name everything: there is nothing to resolve.
                run([*pip, "--no-deps", "--requirement", self.requirements[0]])
                stamp.write_text(wanted)
        return place


QUEENS = Release(13, "queens", ("3.6",), ("pip==21.3.1", "setuptools==57.5.0", "wheel==0.37.1"))
XENA = Release(20, "xena", ("3.11", "3.10", "3.9", "3.8"))
ZED = Release(22, "zed", ("3.11", "3.10", "3.9", "3.8"))


def run(command: list[Any]) -> None:
    """Run a command that shows its output only when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")


def find_python(versions: tuple[str, ...]) -> Path | None:
    """Find an interpreter of one of the versions, also among those that pyenv installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        if sys.version_info[:2] == tuple(map(int, version.split("."))):
            return Path(sys.executable)
        found = [*sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True), shutil.which(f"python{version}")]
        for candidate in filter(None, found):
            # pyenv's own command of that name is there without the version, too.
            if subprocess.run([candidate, "-c", "import venv"], check=False, capture_output=True).returncode == 0:
                return Path(candidate)
    return None


@dataclass
class ReleasedKeystone(Keystone):
    """A Keystone of one release; the newest without one."""

    release: Release | None = None

    @property
    def venv(self) -> Path:
        """Where this Keystone is installed."""
        return keystone_venv() if self.release is None else self.release.venv()

    @property
    def command(self) -> list[str]:
        """How a role runs what is installed there."""
        return ["env", f"PATH={self.venv / 'bin'}:{os.environ['PATH']}"]

    def configure(self) -> None:
        """Write its configuration and its keys."""
        super().configure()
        # Up to Queens the services come out of a file that is installed beside the code.
        paste = f"[paste_deploy]\nconfig_file = {self.venv / 'etc/keystone/keystone-paste.ini'}\n"
        text = CONFIG.format(directory=self.directory, database=self.database, socket=self.server.socket)
        self.config.write_text(text + (paste if self.release is QUEENS else ""))


def shape(server: Any, database: str) -> dict[str, set[tuple[Any, ...]]]:
    """Return all that a schema is made of, but for what does not matter to a Keystone.

    Tables that count versions have other columns, and old releases made constraints that say what a boolean is.
    """
    queries = {
        "columns": "SELECT table_name, ordinal_position, column_name, column_type, is_nullable, column_default, "
        "character_set_name, collation_name, extra FROM information_schema.columns WHERE table_schema = %s",
        "indexes": "SELECT table_name, index_name, non_unique, seq_in_index, column_name "
        "FROM information_schema.statistics WHERE table_schema = %s",
        "references": "SELECT k.table_name, k.constraint_name, k.ordinal_position, k.column_name, "
        "k.referenced_table_name, k.referenced_column_name, r.update_rule, r.delete_rule "
        "FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r "
        "ON r.constraint_schema = k.table_schema AND r.constraint_name = k.constraint_name "
        "AND r.table_name = k.table_name WHERE k.table_schema = %s",
        "tables": "SELECT table_name, engine, table_collation FROM information_schema.tables WHERE table_schema = %s",
    }
    return {
        part: {row for row in server.query(query, (database,)) if row[0] != "migrate_version"}
        for part, query in queries.items()
    }
