# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key repositories of Keystone (Fernet tokens and receipts, credentials), and the union of several.

Keystone reads every file of a repository whose name is a number, at each use. The highest number is the primary key,
which encrypts; 0 is the staged one, the primary after the next rotation; all of them decrypt
(keystone.common.fernet_utils).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

STAGED = 0

Step = Tuple[int, Optional[str]]


class KeyRepositoryError(Exception):
    """A repository that Keystone could not use either."""


def numbered(keys: Mapping[Any, Any], where: str) -> Dict[int, str]:
    """Number and key; the numbers may come as text, as JSON has them.

    :raises KeyRepositoryError: with ``where`` in its message: a key has another name than a number.
    """
    try:
        return {int(index): str(key) for index, key in keys.items()}
    except ValueError as error:
        raise KeyRepositoryError(f"{where}: every key is named by a number, from 0") from error


def check(repository: Mapping[int, str], where: str) -> None:
    """Refuse what Keystone could not use: a repository without a primary key, or with a key that is none.

    :raises KeyRepositoryError: with ``where`` in its message, and never a key.
    """
    if not [index for index in repository if index != STAGED]:
        raise KeyRepositoryError(
            f"{where} has no primary key. Run keystone-manage fernet_setup or credential_setup there."
        )
    for index, key in repository.items():
        try:
            length = len(base64.urlsafe_b64decode(key))
        except (binascii.Error, ValueError):
            length = 0
        if length != 32:
            raise KeyRepositoryError(f"{where}: key {index} is not a Fernet key (32 bytes in URL-safe base64)")


def union(repositories: Sequence[Mapping[int, str]], may_be_empty: bool = False) -> Dict[int, str]:
    """One repository with every key of all, numbered anew.

    The first repository's primary stays the primary and its staged key stays staged, so a rotation goes on as it would
    have. All other keys are secondary, the first repository's newest of them: a rotation purges the lowest numbers
    first. A repository that another one comes from by rotation counts for nothing: what it has more was purged. Where
    the first repository has every key it is the union, so a union of unions changes nothing.

    :param repositories: number to key, of each site; the first is the one of the primary site.
    :param may_be_empty: whether one of them can be empty, as that of a Keystone whose credentials are encrypted with
        the null key, which every Keystone knows. The union is empty where all are.
    :raises KeyRepositoryError: no repository, or one that Keystone could not use.
    """
    if not repositories:
        raise KeyRepositoryError("there is no key repository to unite")
    for number, repository in enumerate(repositories, 1):
        if repository or not may_be_empty:
            check(repository, f"key repository {number} of {len(repositories)}")
    present = [repository for repository in repositories if repository]
    if not present:
        return {}
    current = [older for older in present if not any(_follows(newer, older) for newer in present)] or present
    first = next((newer for newer in current if newer is present[0] or _follows(newer, present[0])), current[0])
    if all(set(repository.values()) <= set(first.values()) for repository in current):
        return dict(first)
    primary, staged = first[max(first)], first.get(STAGED)
    secondary: List[str] = []
    for repository in [*(other for other in reversed(current) if other is not first), first]:
        # A staged key of another site has encrypted nothing yet, or is its primary already on a node that rotated.
        for index in sorted(repository):
            if repository[index] not in (primary, staged, *secondary):
                secondary.append(repository[index])
    keys = dict(enumerate([*secondary, primary], 1))
    return keys if staged is None else {STAGED: staged, **keys}


def _follows(newer: Mapping[int, str], older: Mapping[int, str]) -> bool:
    """Whether rotations made *newer* of *older*: the staged key became the primary one, above the primary of before.

    A union has the staged key of another site below that site's primary key.
    """
    if STAGED not in older:
        return False
    numbers = {key: number for number, key in sorted(newer.items())}
    staged, primary = numbers.get(older[STAGED], STAGED), numbers.get(older[max(older)])
    return staged != STAGED and (primary is None or STAGED < primary < staged)


def doubles(before: Mapping[int, str], wanted: Mapping[int, str]) -> Dict[int, str]:
    """Second numbers for all keys, above all others and in their order, where a number is to get another key.

    Keystone lists a repository and then reads one file after another. Who listed it with these, has every key
    whatever becomes of the first numbers while he reads.
    """
    if not any(index in before and before[index] != key for index, key in wanted.items()):
        return {}
    spare = max([*before, *wanted]) + 1
    return {spare + place: before[index] for place, index in enumerate(sorted(before))}


def steps(before: Mapping[int, str], wanted: Mapping[int, str]) -> Tuple[Step, ...]:
    """How to turn one repository into another while Keystone uses it: number and key to write, ``None`` to remove.

    After no step is a key missing that stays, and the primary is always the one before or the wanted one. A number is
    written only when the key that it held is wanted no more or stands under another number already. Where keys change
    places, one of them waits under a number of its own, below a second copy of the wanted primary.
    """
    present = dict(before)
    found: List[Step] = []

    def write(index: int, key: str) -> None:
        present[index] = key
        found.append((index, key))

    pending = {index for index, key in wanted.items() if before.get(index) != key}
    spare = max([*before, *wanted]) + 1
    top = spare + len(pending)
    while pending:
        free = [index for index in pending if _replaceable(index, present, wanted)]
        if not free:
            if top not in present:
                write(top, wanted[max(wanted)])
            write(spare, present[max(pending)])
            spare += 1
            continue
        chosen = max(free)
        write(chosen, wanted[chosen])
        pending.remove(chosen)
    return (*found, *((index, None) for index in sorted(set(present) - set(wanted))))


def _replaceable(index: int, present: Mapping[int, str], wanted: Mapping[int, str]) -> bool:
    """Whether another key can be written under this number without losing one that stays."""
    key = present.get(index)
    elsewhere = [other for number, other in present.items() if number != index]
    return key is None or key in elsewhere or key not in wanted.values()
