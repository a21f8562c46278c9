# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of the OpenStack services that a host has, and changes of single options of them."""

from __future__ import annotations

import glob
import os
import stat
from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import Document, OsloIniError, change, parse
from ansible_collections.stretch.cluster.plugins.module_utils.region_options import SERVICES, Service

Move = Callable[[str, str], None]
"""Replaces a file by another one."""


class ServiceFilesError(Exception):
    """A file that cannot be read; the message names it."""


def read(path: str) -> str:
    """The text of a file; bytes that are no UTF-8 come back as they were when it is written."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read()


def load(path: str) -> Document:
    """What a file says. Raises :class:`ServiceFilesError`."""
    try:
        return parse(read(path))
    except OsloIniError as error:
        raise ServiceFilesError(f"{path}: {error}; nothing has been changed") from None


def configurations(directories: Sequence[str]) -> List[Tuple[Service, Dict[str, Document]]]:
    """What is configured: a service and its files, as often as there is a directory of it."""
    return [
        # oslo.config reads the files in the directory after the file beside it.
        (service, {one: load(one) for one in [path, *sorted(glob.glob(glob.escape(path) + ".d/*.conf"))]})
        for service in SERVICES
        for file in service.files
        for directory in directories
        for path in sorted(glob.glob(os.path.join(directory, file)))
        if os.path.isfile(path)
    ]


def apply(wanted: Mapping[str, Mapping[Tuple[str, str], str]], move: Move) -> None:
    """Set options in files; owner, mode and all else of them stay.

    :param wanted: values by (section, option), by file.
    """
    for path, options in sorted(wanted.items()):
        content = change(read(path), options).encode("utf-8", "surrogateescape")
        target = os.path.realpath(path)
        now = os.stat(target)
        write_file(target, content, move, stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid)


def mark(directory: str, services: Sequence[str]) -> None:
    """Note services that have to restart."""
    os.makedirs(directory, mode=0o755, exist_ok=True)
    for name in services:
        with open(os.path.join(directory, name), "a", encoding="ascii"):
            pass


def marked(directory: str) -> List[str]:
    """Services that have to restart."""
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []
