# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a key repository, read as Keystone reads them: every file whose name is a number."""

from __future__ import annotations

import os
from typing import Dict


def read_keys(path: str) -> Dict[int, str]:
    """Number and key of every key in the directory ``path``; empty when it does not exist."""
    keys = {}
    for name in os.listdir(path) if os.path.isdir(path) else []:
        file = os.path.join(path, name)
        if name.isdecimal() and os.path.isfile(file):
            with open(file, encoding="utf-8", errors="replace") as stream:
                keys[int(name)] = stream.read().strip()
    return keys
