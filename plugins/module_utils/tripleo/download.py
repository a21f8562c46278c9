# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A download that is resumed, and checked against what the source publishes beside it.

Pure, but for :func:`hash_file`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError


def expected(published: str, name: str, algorithm: str) -> str:
    """The checksum of a file, from what lies beside it: the sum alone, or lines of sums with names.

    :raises TripleoError: if there is none.
    """
    width = hashlib.new(algorithm).digest_size * 2
    lines = [line.split() for line in published.splitlines() if line.strip()]
    for words in lines:
        if re.fullmatch(rf"[0-9a-f]{{{width}}}", words[0].lower()) and (len(words) == 1 or words[-1].endswith(name)):
            return words[0].lower()
    raise TripleoError(
        [f"What is published beside {name} is no {algorithm} checksum of it: look whether a proxy answers."]
    )


def resumed(status: int, offset: int, content_range: str | None) -> Tuple[bool, int | None]:
    """Whether an answer continues what was there, and how long the whole is (None: not said).

    :param status: Of HTTP; 0 for other protocols.
    :param offset: How many bytes were there.
    :raises TripleoError: for an answer that is of no use.
    """
    if status in (0, 200):
        return False, None
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range or "")
    if status == 206 and match and int(match.group(1)) == offset:
        return True, None if match.group(2) == "*" else int(match.group(2))
    raise TripleoError([f"The server answered with status {status} and range {content_range!r}."])


def hash_file(path: str, algorithm: str) -> str:
    """The checksum of a file."""
    found = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()
