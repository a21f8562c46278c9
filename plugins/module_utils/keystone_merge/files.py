# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""The files that a merge leaves on its host: the map of ids and the report."""

from __future__ import annotations

import os
import time
from typing import Any, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils.atomic import Mover, write_file
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import outcome, report
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge

VERSION = "0.1.0"
"""The collection's, as ``galaxy.yml`` has it: a module on its host knows nothing of the collection around it."""


def _write(path: str, content: bytes, move: Mover) -> None:
    """Write a file that its owner alone reads, and the directory that it lies in where there is none."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
    write_file(path, content, move, 0o600)


def write_id_map(params: Mapping[str, Any], move: Mover, merge: Merge, result: dict[str, Any]) -> bool:
    """Write the map of ids where the option ``id_map`` says; gives whether the file is another one now."""
    path = params.get("id_map")
    if not path:
        return False
    result["id_map"] = path
    content = outcome.id_map_document(merge)
    try:
        with open(path, "rb") as there:
            if there.read() == content:
                return False
    except FileNotFoundError:
        pass
    _write(path, content, move)
    return True


def write_report(params: Mapping[str, Any], move: Mover, merge: Merge, result: dict[str, Any], seconds: float) -> None:
    """Write the page where the option ``report`` says. A page about nothing new does not take the place of one."""
    path = params["report"]
    if not path:
        return
    result["report"] = path
    if not merge.changed and not merge.obstacles():
        return
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    page = report.render(outcome.report_of(merge, at, VERSION, seconds, params.get("id_map")))
    _write(path, page.encode("utf-8"), move)
