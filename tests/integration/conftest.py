# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All tests find the programs of servers where tools/servers puts them."""

from __future__ import annotations

import os
from pathlib import Path

UNPACKED = Path(__file__).resolve().parents[2] / ".build/servers/usr"

os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(UNPACKED / "bin"), str(UNPACKED / "sbin")])
