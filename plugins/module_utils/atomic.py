# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a file so that a reader sees either the old content or the new one, and never a secret with a wide mode."""

from __future__ import annotations

import os
import tempfile
from typing import Callable

Mover = Callable[[str, str], None]
"""Moves a file over another, as C(AnsibleModule.atomic_move) does: SELinux context and bind mounts are its business."""


def set_attributes(path: str, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """Give ``path`` its owner and its mode; ``None`` leaves the owner or the group as it is.

    The owner comes first, since changing it drops the set-user-ID bits of the mode. Raises :class:`OSError`.
    """
    if uid is not None or gid is not None:
        os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
    os.chmod(path, mode)


def write_file(
    path: str, content: bytes, move: Mover, mode: int, uid: int | None = None, gid: int | None = None
) -> None:
    """Replace ``path`` by ``content`` in one step, with its attributes. Raises :class:`OSError`.

    ``move`` hands the attributes of an existing file on to its successor, so these are set before and after.
    """
    previous_umask = os.umask(0o077)
    temporary = ""
    try:
        if os.path.exists(path):
            set_attributes(path, mode, uid, gid)
        descriptor, temporary = tempfile.mkstemp(prefix=".stretch-", dir=os.path.dirname(path))
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        move(temporary, path)
        set_attributes(path, mode, uid, gid)
    finally:
        os.umask(previous_umask)
        if temporary and os.path.lexists(temporary):
            os.unlink(temporary)
