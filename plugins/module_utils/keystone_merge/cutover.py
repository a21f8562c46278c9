# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""The mark of a source whose Keystone uses the merged database: from then on the merged database is the truth."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    Database,
    Login,
    RetryError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import Merged, State


@dataclass(frozen=True)
class MarkRequest:
    """Which sources of a merged database to mark as cut over, or to take the mark from."""

    target: Login
    state_database: str
    names: Sequence[str]
    done: bool


@dataclass(frozen=True)
class Marks:
    """When all sources were merged and cut over, in UTC and None where not; *after* is with the marks as wanted."""

    merged: Mapping[str, str | None] = field(default_factory=dict)
    before: Mapping[str, str | None] = field(default_factory=dict)
    after: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """Names whose mark comes or goes."""
        return [name for name, at in self.after.items() if at != self.before[name]]


def to_mark(known: Mapping[str, Merged], names: Iterable[str], done: bool, address: str) -> list[str]:
    """Those of *names* whose mark has to change, or raise for those that cannot have it.

    :param known: what the state of the merged database says.
    :param done: whether they are to have the mark.
    :param address: the merged database for people.
    """
    wrong: list[str] = []
    found: list[str] = []
    for name in dict.fromkeys(names):
        source = known.get(name)
        if source is None:
            merged = ", ".join(sorted(known)) or "nothing yet"
            wrong.append(f"{name} was never merged into {address}, which holds {merged}")
        elif done and source.cut_over_at is None and not source.is_complete:
            wrong.append(
                f"{name} is not completely merged yet (begun {source.started_at} UTC): run keystone_merge first"
            )
        elif (source.cut_over_at is not None) != done:
            found.append(name)
    if wrong:
        raise MergeError("nothing is marked: {}".format("; ".join(wrong)))
    return found


def lines(merged: Mapping[str, str | None], marks: Mapping[str, str | None]) -> str:
    """A line for each source, for a diff. Times are in UTC."""
    return "".join(
        f"{name}: merged {merged[name] or 'in part'}, {f'cut over {at}' if at else 'not cut over'}\n"
        for name, at in sorted(marks.items())
    )


def result(marks: Marks) -> dict[str, Any]:
    """What the module returns."""
    return {
        "changed": bool(marks.changed),
        "cut_over": dict(marks.after),
        "diff": {"before": lines(marks.merged, marks.before), "after": lines(marks.merged, marks.after)},
    }


@contextlib.contextmanager
def _connected(login: Login) -> Iterator[Database]:
    database = Database(login)
    try:
        yield database
    finally:
        database.close()


def _times(known: Mapping[str, Merged]) -> dict[str, str | None]:
    return {name: source.cut_over_at for name, source in known.items()}


def mark(request: MarkRequest, read_only: bool) -> Marks:
    """Mark sources as cut over, or take it back; *read_only* only says what would be.

    :raises MergeError: a source is not known or not complete, or a merge is running; nothing is changed.
    """
    with _connected(request.target) as target:
        state = State(target, request.state_database)
        known = state.sources()
        wanted = to_mark(known, request.names, request.done, request.target.address)
        merged = {name: source.merged_at for name, source in known.items()}
        before = _times(known)
        if not wanted:
            return Marks(merged, before, before)
        if read_only:
            now = str(target.query("SELECT UTC_TIMESTAMP()")[0][0])
            return Marks(merged, before, {**before, **dict.fromkeys(wanted, now if request.done else None)})
        target.begin_writing()
        state.prepare()
        try:
            state.claim()
        except RetryError as error:
            raise MergeError(
                f"target ({request.target.address}): a merge into it is running; wait until it has ended"
            ) from error
        # A run that ended between the first look and the lock counts.
        wanted = to_mark(state.sources(), request.names, request.done, request.target.address)
        state.cut_over(wanted, request.done)
        target.commit()
        return Marks(merged, before, _times(state.sources()))
