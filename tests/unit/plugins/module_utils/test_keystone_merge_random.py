# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of a merge of random Keystones, in memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import translator
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Earlier, Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import (
    KINDS,
    MERGE,
    RENAME,
    RENAMED,
    Policy,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME, TABLES
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from merge_memory_harness import (
    COLUMNS,
    FOLD,
    Memory,
    Taste,
    applied,
    nowhere,
    planned,
    populations,
    settled,
    shared_keys,
    told,
)

OWN = Taste(own=True)
MEETING = Taste()
POLICIES = (
    Policy(on_conflict=dict.fromkeys(KINDS, MERGE)),
    Policy(on_conflict=dict.fromkeys(KINDS, MERGE), dangling="drop"),
    Policy(on_conflict={**dict.fromkeys(KINDS, MERGE), **dict.fromkeys(RENAMED, RENAME)}),
    Policy(on_conflict={**dict.fromkeys(KINDS, MERGE), **dict.fromkeys(RENAMED, RENAME)}, dangling="drop"),
)
# What people choose may meet; what has a name of its own may not.
CHOSEN = Policy(on_conflict=dict.fromkeys({*KINDS} - {"domain", "project", "user", "group"}, MERGE))
# A failing example is not made smaller: that would take minutes.
QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


def stacks(taste: Taste) -> st.SearchStrategy[tuple[Memory, ...]]:
    return st.tuples(*(populations(letter, taste) for letter in "123"))


def check(found: Plan, *sources: Memory) -> None:
    """See that the merged database holds all that it should, and nothing else."""
    rows = applied(found, *sources)
    assert not (twice := shared_keys(rows)), twice
    for table in TABLES:
        for number in found.sources:
            check_rows(found, number, sources[number], table.name)
        told_rows = sum(count.carried for count in found.counts[table.name].values())
        assert len(rows.get(table.name, [])) == told_rows, table.name
    assert not (lost := nowhere(rows) - Counter(found.dangling())), lost
    for number in found.sources:
        check_references(found, number, sources[number], rows)


def check_rows(found: Plan, number: int, source: Memory, name: str) -> None:
    """See that each row arrived or went for a reason, and that the plan counted right."""
    table, ledger = BY_NAME[name], found.ledgers[number]
    translate = translator(table, COLUMNS[name], ledger, FOLD)
    content = source.content.get(name, [])
    gone = [row for row in content if translate(row) is None]
    count = found.counts[name][ledger.name]
    assert (count.rows, count.carried, count.became_one + count.dropped) == (
        len(content), len(content) - len(gone), len(gone),
    ), name  # fmt: skip
    place = {column: at for at, column in enumerate(COLUMNS[name])}
    dropped = 0
    for row in gone:
        identity = tuple(row[place[column]] for column in table.identity)
        if identity in ledger.left_out.get(name, set()):
            dropped += identity in ledger.dropped.get(name, set())
        elif table.part_of is None or row[place[table.part_of]] not in ledger.gone(table):
            assert any(
                FOLD(str(value)) in {FOLD(str(lost)) for lost in ledger.lost.get((name, ref.column, ref.to), ())}
                for ref in table.refs
                for value in source.references(name, ref, row)
            )
            dropped += 1
    assert dropped <= count.dropped


def check_references(found: Plan, number: int, source: Memory, rows: dict[str, Any]) -> None:
    """See that what led somewhere leads to the same thing, or to the one that it became one with."""
    ledger = found.ledgers[number]
    ids = {
        table.name: {FOLD(str(row[COLUMNS[table.name].index(table.id)])) for row in rows.get(table.name, [])}
        for table in TABLES
        if table.id is not None
    }
    for table in TABLES:
        translate = translator(table, COLUMNS[table.name], ledger, FOLD)
        for row in source.content.get(table.name, []):
            new = translate(row)
            if new is None:
                continue
            for ref in table.refs:
                if ref.column not in COLUMNS[table.name]:
                    continue
                there = {FOLD(str(value)): value for value in source.values(ref.to, str(BY_NAME[ref.to].id))}
                for value in source.references(table.name, ref, row):
                    new_value = new[COLUMNS[table.name].index(ref.column)]
                    if FOLD(str(value)) in there and new_value is not None:
                        old = there[FOLD(str(value))]
                        changed = {FOLD(str(one)): new for one, new in ledger.changed.get(ref.to, {}).items()}
                        wanted = changed.get(FOLD(str(old)), old if isinstance(old, str) else None)
                        if wanted is not None:
                            assert FOLD(str(new_value)) == FOLD(str(wanted)), (table.name, ref.column, value)
                        if not ref.loose:
                            assert FOLD(str(new_value)) in ids[ref.to], (table.name, ref.column, value)


@settings(max_examples=60, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
@given(stacks(MEETING), st.sampled_from(POLICIES))
def test_no_row_is_missing_none_is_invented_every_reference_resolves(
    sources: tuple[Memory, ...], policy: Policy
) -> None:
    found, _policy = settled(*sources, policy=policy)
    assume(not found.problems)
    check(found, *sources)


@settings(max_examples=30, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
@given(stacks(OWN))
def test_names_of_their_own_stay(sources: tuple[Memory, ...]) -> None:
    found = planned(*sources, policy=CHOSEN)
    assume(not found.conflicts)
    check(found, *sources)
    first = applied(planned(sources[0]), sources[0])
    assert first == {table: rows for table, rows in sources[0].content.items() if rows}
    rows = applied(found, *sources)
    for table, content in first.items():
        assert not Counter(content) - Counter(rows[table])
    assert found.new_names == ()


@settings(max_examples=30, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
@given(stacks(MEETING))
def test_every_conflict_can_be_settled(sources: tuple[Memory, ...]) -> None:
    settled(*sources, policy=Policy())


@settings(max_examples=20, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
@given(stacks(MEETING), st.sampled_from(POLICIES[:1] + POLICIES[2:3]))
def test_a_third_stack_later_is_as_good_as_at_once(sources: tuple[Memory, ...], policy: Policy) -> None:
    at_once, policy = settled(*sources, policy=policy)
    two = planned(*sources[:2], policy=policy)
    assume(not at_once.problems and not two.conflicts)
    target = Memory(applied(two, *sources[:2]))
    later = planned(
        target, sources[2], merged=True, policy=policy, names="c", earlier={"c": Earlier(at_once.ledgers[2].offsets)}
    )
    assume(not later.conflicts and not later.problems)
    assert applied(later, target, sources[2]) == applied(at_once, *sources)


@settings(max_examples=20, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
@given(stacks(MEETING), st.sampled_from(POLICIES))
def test_what_is_known_from_an_earlier_run_changes_nothing(sources: tuple[Memory, ...], policy: Policy) -> None:
    found = planned(*sources, policy=policy)
    earlier = {
        ledger.name: Earlier(dict(ledger.offsets), lost) for ledger, lost in zip(found.ledgers, found.found_lost)
    }
    again = planned(*sources, policy=policy, earlier=earlier)
    assert told(again) == told(found)
