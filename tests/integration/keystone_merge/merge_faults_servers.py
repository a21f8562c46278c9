# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose disk can be full, and what happens to servers in the middle of a merge."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.progress import Progress
from merge_servers import MariaDB


class Fragile(MariaDB):
    """A server on a disk of its own, in memory, that no other process sees."""

    holder: subprocess.Popen[bytes]

    def command(self, *command: str) -> list[str]:
        """Return the command that runs another where the disk is."""
        user = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self.holder.pid}", "--mount", *user, *command]

    @contextlib.contextmanager
    def disk(self) -> Iterator[Fragile]:
        """Make the disk; it is gone at the end of the context."""
        data = self.directory / "data"
        data.mkdir(parents=True)
        user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
        held = 'mount -t tmpfs -o size=1G none "$0" && echo && read -r _'
        self.holder = subprocess.Popen(
            ["unshare", "--mount", *user, "sh", "-c", held, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.holder.stdout is not None
        try:
            assert self.holder.stdout.readline() == b"\n"
            yield self
        finally:
            self.holder.communicate(b"\n")

    def used(self) -> int:
        """Return how many KiB of the disk are in use."""
        command = self.command("df", "--output=used", "-k", str(self.directory / "data"))
        done = subprocess.run(command, check=True, capture_output=True)
        return int(done.stdout.split()[-1])

    def resize(self, kib: int) -> None:
        """Make the disk larger or smaller."""
        options = f"remount,size={kib}k"
        subprocess.run(self.command("mount", "-o", options, str(self.directory / "data")), check=True)


class Middle(Progress):
    """Does something once, when so many rows of a merge are written."""

    def __init__(self, rows: int, happens: Callable[[], object]) -> None:
        super().__init__()
        self._left = rows
        self._happens = happens
        self.happened = False

    def advance(self, table: str, stack: str, rows: int) -> None:
        """Count."""
        super().advance(table, stack, rows)
        self._left -= rows
        if self._left <= 0 and not self.happened:
            self.happened = True
            self._happens()


def cut(server: MariaDB, database: str) -> int:
    """End all connections to a database, and return how many they were."""
    found = server.query(
        "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()", (database,)
    )
    for (id_,) in found:
        with contextlib.suppress(Exception):
            server.query(f"KILL {id_}")
    return len(found)
