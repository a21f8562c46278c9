# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask several sources on a node at once, none for longer than a limit: half of them may hang when it matters."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.galera_report import ReportError, one_line
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.sources import SourceError

Source = Callable[[], Any]
"""Returns what a source says; raises SourceError, ReportError or OSError."""


def run(argv: Sequence[str], limit: float, text: str = "") -> str:
    """Return what a command prints.

    :param limit: Seconds, after which the command and its children are killed.
    :param text: Its standard input.
    :raises SourceError: when it fails, with what it says about that, or takes too long.
    :raises OSError: when it cannot be started.
    """
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},  # what is parsed must not be translated
        start_new_session=True,  # to be killed with its children
    ) as process:
        try:
            out, err = process.communicate(text, timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise SourceError(f"{argv[0]}: no answer within {limit:g} s") from None
    if process.returncode:
        raise SourceError(one_line(err or out) or f"{argv[0]} ended with {process.returncode}")
    return out


def gather(sources: Mapping[str, Source], limit: float) -> dict[str, Any]:
    """Ask all sources at once.

    :param limit: Seconds after which this returns, whatever the sources do.
    :returns: What each says, by its name, or ``{"error": one line}``.
    """
    late = {"error": f"no answer within {limit:g} s"}
    found: dict[str, Any] = {}

    def ask(name: str, source: Source) -> None:
        try:
            found[name] = source()
        except (SourceError, ReportError) as error:
            found[name] = {"error": str(error)}
        except OSError as error:
            found[name] = {"error": one_line(error)}

    threads = [threading.Thread(target=ask, args=pair, daemon=True) for pair in sources.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: found.get(name, late) for name in sources}
