# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""A plan as text, so that a later run can go on with it instead of comparing all names of all stacks again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, Ledger
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import (
    Count,
    Kind,
    Lost,
    NewName,
    One,
    Plan,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import TABLES
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import SchemaVersion

LONGEST = 4 << 20
"""Characters of a plan that is remembered: where very much met, a run plans anew."""

_FORMAT = 1


@dataclass(frozen=True)
class Remembered:
    """What a complete run planned.

    *outside* is a sum, by source, of the rows that were left out, see :func:`following.outside`.
    """

    planned: Plan
    outside: Mapping[str, int]


def basis(policy: Policy, sources: Sequence[tuple[str, str, SchemaVersion]], columns: Mapping[str, Any]) -> str:
    """A digest of all that a plan rests on, but for the rows: the same plan follows from the same rows.

    *sources* are name, identity and schema version of each in order, *columns* those of the target's tables.
    """
    text = json.dumps(_plain([_FORMAT, TABLES, policy, sources, columns]))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    """The same for equal values in every process."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(value[key])] for key in sorted(value, key=repr)]
    if is_dataclass(value):
        return [[one.name, _plain(getattr(value, one.name))] for one in fields(value)]
    return value if value is None or isinstance(value, (str, int)) else repr(value)


def write(remembered: Remembered) -> str | None:
    """The text of a plan, or None where it is not worth it."""
    planned = remembered.planned
    text = json.dumps(
        {
            "outside": dict(remembered.outside),
            "ledgers": [_write_ledger(ledger) for ledger in planned.ledgers],
            "sources": planned.sources,
            "warnings": planned.warnings,
            "counts": {
                table: {stack: asdict(count) for stack, count in stacks.items()}
                for table, stacks in planned.counts.items()
            },
            "kinds": {kind: asdict(found) for kind, found in planned.kinds.items()},
            "ones": [asdict(one) for one in planned.ones],
            "new_names": [asdict(new) for new in planned.new_names],
            "lost": [asdict(lost) for lost in planned.lost],
            "rooms": dict(planned.rooms),
            "met": {table: sorted(map(list, met), key=repr) for table, met in planned.met.items()},
        }
    )
    return text if len(text) <= LONGEST else None


def read(text: str, fold: Fold, found_lost: Sequence[Mapping[tuple[str, str, str], Mapping[Any, int]]]) -> Remembered:
    """The opposite of :func:`write`. *found_lost* is remembered elsewhere."""
    known = json.loads(text)
    planned = Plan(
        ledgers=tuple(_read_ledger(one) for one in known["ledgers"]),
        sources=tuple(known["sources"]),
        fold=fold,
        conflicts=(),
        problems=(),
        warnings=tuple(known["warnings"]),
        counts={
            table: {stack: Count(**count) for stack, count in stacks.items()}
            for table, stacks in known["counts"].items()
        },
        kinds={kind: Kind(**found) for kind, found in known["kinds"].items()},
        ones=tuple(One(**{**one, "stacks": tuple(one["stacks"])}) for one in known["ones"]),
        new_names=tuple(NewName(**new) for new in known["new_names"]),
        lost=tuple(Lost(**lost) for lost in known["lost"]),
        rooms=known["rooms"],
        found_lost=tuple(found_lost),
        met={table: frozenset(map(tuple, met)) for table, met in known["met"].items()},
    )
    return Remembered(planned, known["outside"])


def _write_ledger(ledger: Ledger) -> dict[str, Any]:
    """Without what a policy drops: where it does, nothing is remembered."""
    return {
        "name": ledger.name,
        "number": ledger.number,
        # Ids are numbers in some tables, and keys of JSON objects are not.
        "changed": {table: list(changed.items()) for table, changed in ledger.changed.items()},
        "left_out": {table: sorted(rows, key=repr) for table, rows in ledger.left_out.items()},
        "absorbed": {table: sorted(ids, key=repr) for table, ids in ledger.absorbed.items()},
        "offsets": dict(ledger.offsets),
        "renamed": {table: list(renamed.items()) for table, renamed in ledger.renamed.items()},
    }


def _read_ledger(known: Mapping[str, Any]) -> Ledger:
    return Ledger(
        name=known["name"],
        number=known["number"],
        changed={table: dict(map(tuple, changed)) for table, changed in known["changed"].items()},
        left_out={table: set(map(tuple, rows)) for table, rows in known["left_out"].items()},
        absorbed={table: set(ids) for table, ids in known["absorbed"].items()},
        offsets=known["offsets"],
        renamed={table: dict(map(tuple, renamed)) for table, renamed in known["renamed"].items()},
    )
