# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill has broken and not yet mended, on disk: whoever runs next can mend it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Injury:
    """Something that is to be undone on a node: what, where, and what it takes."""

    undo: str
    node: str
    detail: str = ""


class Journal:
    """The injuries that are open. Every change is on disk before the call returns."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier run has left."""
        self.path = path
        self.open: list[Injury] = []
        if path.exists():
            self.open = [Injury(**each) for each in json.loads(path.read_text(encoding="utf-8"))]

    def add(self, *injuries: Injury) -> None:
        """Note them, before they are done."""
        self._save(self.open + [each for each in injuries if each not in self.open])

    def remove(self, undo: str, *nodes: str) -> None:
        """They are undone."""
        self._save([each for each in self.open if each.undo != undo or each.node not in nodes])

    def nodes(self, undo: str) -> tuple[str, ...]:
        """The nodes on which that is to be undone."""
        return tuple(each.node for each in self.open if each.undo == undo)

    def detail(self, undo: str, node: str) -> str:
        """What undoing it there takes."""
        return next((each.detail for each in self.open if (each.undo, each.node) == (undo, node)), "")

    def _save(self, injuries: list[Injury]) -> None:
        self.open = injuries
        if not injuries:
            self.path.unlink(missing_ok=True)
            return
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump([asdict(each) for each in injuries], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
