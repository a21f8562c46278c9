# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An action that runs the module of its name and shows how it gets on."""

from __future__ import annotations

import contextlib
import copy
import secrets
import shlex
import threading
import time
from typing import Any, Callable, Iterator

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.stretch.cluster.plugins.plugin_utils import screen
from ansible_collections.stretch.cluster.plugins.plugin_utils.progress_view import ProgressView

WATCHED_PAUSE, PAUSE = 1.0, 10.0
"""Seconds between two looks: where a person watches, and for a log."""

SHARE = 0.2
"""How much of the time looking may take: where a look is dear (no ControlPersist), there are fewer."""

OPTION = "progress_file"

Read = Callable[[int], str]


def watch(read: Read, stop: threading.Event, seen: screen.Screen, watched: bool) -> None:
    """Show what *read* gives, the file without its first so many lines, until *stop* is set. Errors end it."""
    view, started = ProgressView(), time.monotonic()
    least = pause = WATCHED_PAUSE if watched else PAUSE
    while not stop.wait(pause):
        looked = time.monotonic()
        try:
            lines = list(view.feed(read(view.lines)))
        except (AnsibleError, OSError):
            break
        if stop.is_set():
            break
        if watched:
            for line in lines:
                seen.line(line)
            seen.draw(view.drawn(seen.columns, looked - started))
        elif view.line():
            seen.line(view.line())
        pause = max(least, (time.monotonic() - looked) / SHARE)
    seen.clear()


class WatchedModule(ActionBase):
    """Runs the module with the option ``progress_file``, and reads that file while it runs.

    Nothing is read before the first pause is over: a short run costs nothing.
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; with ``async`` nobody waits for it, so nothing is shown."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        arguments = dict(self._task.args)
        with contextlib.nullcontext() if self._task.async_val else self._watching(arguments):
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async))
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)  # type: ignore[no-untyped-call]  # noqa: SLF001
        return result

    @contextlib.contextmanager
    def _watching(self, arguments: dict[str, Any]) -> Iterator[None]:
        """Show how it gets on while the block runs; gives the module its option where it has none."""
        path = arguments.setdefault(OPTION, self._new_path())
        stop = threading.Event()
        reader = self._reader(str(path))
        watcher = threading.Thread(
            target=watch, args=(reader, stop, screen.Screen(stderr=True), screen.WATCHED), daemon=True
        )
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            # A look that hangs has to end with the process; it shows nothing any more.
            watcher.join(timeout=5)

    def _new_path(self) -> str:
        """A name that nobody can guess, where every user may make a file."""
        directories = self.get_shell_option("system_tmpdirs", ["/var/tmp"])  # type: ignore[no-untyped-call]  # noqa: S108
        return f"{directories[0]}/.stretch-progress-{secrets.token_hex(16)}"

    def _reader(self, path: str) -> Read:
        """A function that reads the file without its first lines, on a connection of its own beside the module's."""
        other = copy.copy(self)
        # Both keep what belongs to one command: a pipe with a password, the sign that a command's user has changed.
        connection = other._connection = copy.copy(self._connection)  # noqa: SLF001 - it is this class's own
        if connection.become:
            connection.become = copy.copy(connection.become)
        return other._read(path)  # noqa: SLF001 - likewise

    def _read(self, path: str) -> Read:
        def read(skipped: int) -> str:
            command = f"tail -n +{skipped + 1} {shlex.quote(path)} 2>/dev/null"
            return str(self._low_level_execute_command(command)["stdout"])  # type: ignore[no-untyped-call]

        return read
