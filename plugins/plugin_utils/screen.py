# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The screen of an action plugin that shows how a long step gets on."""

from __future__ import annotations

import os
import sys

from ansible.utils.display import Display

display = Display()

WATCHED = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
"""Whether a person looks at it, on a terminal that can draw a line again.

Ansible's strategies load the action plugin of a task before they fork the worker that runs it, and only the process
before the fork still has the terminal: workers are cut off from it.
"""

_CLEAR = "\r\x1b[K"  # to the start of the line, and erase it


class Screen:
    """Lines that stay, and one line below them that is drawn again and again.

    :param stderr: write where it is in nobody's way who reads Ansible's output.
    """

    def __init__(self, stderr: bool = False) -> None:
        self._stderr = stderr
        self._drawn = False

    @property
    def columns(self) -> int:
        """The width of the terminal."""
        return int(display.columns or 79)

    def line(self, text: str) -> None:
        """Show a line that stays."""
        self.clear()
        display.display(text, stderr=self._stderr)

    def draw(self, text: str) -> None:
        """Draw the last line again."""
        # The stream hands on what it has when it meets the carriage return: there is no way to flush it from a worker.
        display.display(_CLEAR + text, stderr=self._stderr, screen_only=True, newline=False)
        self._drawn = True

    def clear(self) -> None:
        """Take away the line that was drawn."""
        if self._drawn:
            display.display(_CLEAR, stderr=self._stderr, screen_only=True, newline=False)
            self._drawn = False
