# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of one site: inserts numbered rows through its VIP and notes what became of each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from .database import Connect, Errors, insert, node_name
from .model import Write
from .paced import Paced


class Writer(Paced):
    """Inserts rows until it is stopped."""

    def __init__(
        self, site: str, connect: Connect, clock: Callable[[], float], rate: float, journal: Path, payload: int
    ) -> None:
        """Nothing is written before it is started. `rate`: attempts per second at most; `payload`: bytes of a row."""
        super().__init__(f"writer of {site}", site, clock, rate, journal)
        self.member = ""
        self._connect = connect
        self.payload = payload
        self._connection: Connection[Any] | None = None

    def run(self) -> None:
        """Write."""
        super().run()
        self._close()

    def _attempt(self, number: int) -> Write:
        began = self._clock()
        sent = False
        error = ""
        try:
            if self._connection is None:
                self._connection = self._connect()
                self.member = node_name(self._connection)
            sent = True
            insert(self._connection, self.site, number, b"x" * self.payload)
        except Errors as problem:
            error = " ".join(str(problem).split()) or type(problem).__name__
            self._close()
        return Write(self.site, number, began, self._clock(), sent, error)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*Errors):
                connection.close()
