# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What a later run changes, by kind and name."""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import SHOWN_NAMES
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import service_name
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import literal, one_row, quote
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME, Rule
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.sync import Change, SourceWork

ACTIONS = ("added", "changed", "removed")

_OF_USERS = ("password", "local_user", "nonlocal_user", "user_option")
"""Tables whose rows are told as their users; of these the first belongs to the second."""

_FEW_ROWS = 500
"""Rows that are looked up at a time."""

_MANY_ROWS = 5000
"""With more rows than these to be told as their users, the rows are counted instead."""

Keys = Sequence["tuple[str, ...]"]


def lines(work: SourceWork, changed: Mapping[str, Change], target: Database | None) -> Iterator[str]:
    """A line for each thing of a source with a name, and one for all other rows of a table.

    To be asked before anything is written: what is removed has no name afterwards.
    """
    told = {table for table in _OF_USERS if table in changed}
    if sum(len(keys) for table in told for _action, keys in _keys(changed[table])) > _MANY_ROWS:
        told = set()
    stack = work.name
    for table, change in changed.items():
        for action, keys in _keys(change):
            if BY_NAME[table].rule is not Rule.NAMED:
                if table not in told:
                    yield f"{table.replace('_', ' ')} {action}: {len(keys)} rows ({stack})"
                continue
            database = target if action == "removed" and target is not None else work.source
            yield from _named(table, action, names(database, table, _ids(keys[:SHOWN_NAMES])), len(keys), stack)
    users = sorted(_owners(work, {table: changed[table] for table in told}, target) - _told(changed))
    named = names(work.source, "user", users[:SHOWN_NAMES])
    yield from _named("user", "changed", named, len(users), stack)


def _named(table: str, action: str, found: Sequence[tuple[str, str]], total: int, stack: str) -> Iterator[str]:
    for kind, name in found:
        yield f"{kind} {action}: {name} ({stack})"
    if total > len(found):
        yield f"{table} {action}: {total - len(found)} more ({stack})"


def names(database: Database, table: str, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Kind and name of things by their ids; the id where there is no name."""
    found: dict[str, str] = {}
    kinds: dict[str, str] = {}
    where = (In("id", tuple(ids)),)
    if not ids:
        return []
    if table == "service":
        found = {id_: service_name(extra) for id_, extra in database.rows(table, ("id", "extra"), where)}
    elif table == "user":
        for source in BY_NAME["user"].names:
            if source in database.tables():
                found.update(database.rows(source, ("user_id", "name"), (In("user_id", tuple(ids)),)))
    elif table == "project":
        for id_, name, is_domain in database.rows(table, ("id", "name", "is_domain"), where):
            found[id_], kinds[id_] = name, "domain" if is_domain else "project"
    elif "name" in database.tables()[table]:
        found = dict(database.rows(table, ("id", "name"), where))
    return sorted((kinds.get(id_, table), found.get(id_, id_)) for id_ in ids)


def _keys(change: Change) -> Iterator[tuple[str, Keys]]:
    for action in ACTIONS:
        keys: Keys = getattr(change, action)
        if keys:
            yield action, keys


def _ids(keys: Keys) -> list[str]:
    """The ids that are the keys of named things: literals without anything that has to be escaped."""
    return [key[0][1:-1] for key in keys]


def _told(changed: Mapping[str, Change]) -> set[str]:
    """Users that are told by their own rows."""
    return {id_ for _action, keys in _keys(changed.get("user", Change())) for id_ in _ids(keys)}


def _owners(work: SourceWork, changed: Mapping[str, Change], target: Database | None) -> set[str]:
    """Ids of the users whose parts change."""
    found: set[str] = set()
    for action in ACTIONS:
        database = target if action == "removed" and target is not None else work.source
        offsets: Mapping[str, int] = {} if database is target else work.ledger.offsets
        local: set[str] = set()
        for table in _OF_USERS:
            keys = getattr(changed.get(table, Change()), action)
            owners = _owner(database, table, _shifted(keys, offsets.get(table, 0)))
            (local if table == "password" else found).update(str(owner) for owner in owners)
        found.update(str(owner) for owner in _owner(database, "local_user", [(id_,) for id_ in local]))
    return found


def _shifted(keys: Keys, offset: int) -> Keys:
    """Keys as they are in the source, where they are numbers."""
    return [(literal(int(key[0].strip("'")) - offset),) for key in keys] if offset else keys


def _owner(database: Database, table: str, keys: Keys) -> Iterable[object]:
    """What rows with these keys belong to."""
    if not keys:
        return
    primary, column = database.layout(table).primary, quote(str(BY_NAME[table].part_of))
    for start in range(0, len(keys), _FEW_ROWS):
        where = " OR ".join(one_row(primary, key) for key in keys[start : start + _FEW_ROWS])
        for (owner,) in database.query(f"SELECT {column} FROM {quote(table)} WHERE {where}"):
            yield owner
