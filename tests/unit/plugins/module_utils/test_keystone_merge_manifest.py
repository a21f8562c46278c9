# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a state knows of a range: keys in few bytes, edits beside them, and a plan as text."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import remembered
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.manifest import (
    Chunk,
    Columns,
    Edit,
    pack_keys,
    unpack_keys,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Earlier
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Override, Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import MARK, split
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import version
from hypothesis import given
from hypothesis import strategies as st
from merge_memory_harness import FOLD, base, people

KEYS = st.one_of(
    st.integers(0, 2**128 - 1).map("{:032x}".format), st.sampled_from(["default", "", "UserProject", "ä\ud800'", "0"])
)


def mark(key: tuple[str, ...]) -> bytes:
    return sha256("\0".join(key).encode("utf-8", "surrogatepass")).digest()[:MARK]


def columns(keys: list[tuple[str, ...]]) -> Columns:
    return [list(column) for column in zip(*keys)]


@given(st.lists(st.tuples(KEYS, KEYS), min_size=1), st.data())
def test_keys_are_packed_and_unpacked(keys: list[tuple[str, ...]], data: st.DataObject) -> None:
    packed = pack_keys(columns(keys))
    assert list(zip(*unpack_keys(packed))) == keys
    places = data.draw(st.lists(st.integers(0, len(keys) - 1)))
    assert unpack_keys(packed, places) == [[key[column] for key in (keys[at] for at in places)] for column in (0, 1)]


def test_ids_take_half_of_their_digits() -> None:
    ids = [f"{number:032x}" for number in range(1000)]
    assert len(pack_keys([ids])) < 16_100
    # What only looks like one stays as it is written.
    assert unpack_keys(pack_keys([[one.upper() for one in ids]])) == [[one.upper() for one in ids]]


@given(st.sets(st.tuples(KEYS, KEYS), min_size=1, max_size=40), st.data())
def test_edits_are_what_was_done(found: set[tuple[str, ...]], data: st.DataObject) -> None:
    """A chunk after any number of edits has the rows that it should, in the order of their marks."""
    written = sorted(found)
    packed = pack_keys(columns(written))
    chunk = Chunk(None, 0, None, None, b"".join(map(mark, written)))
    rows = dict(zip(chunk.split_marks, written))
    for round_ in range(data.draw(st.integers(1, 4))):
        gone = data.draw(st.sets(st.sampled_from(sorted(rows)) if rows else st.nothing(), max_size=3))
        come = data.draw(st.sets(st.tuples(KEYS, KEYS), max_size=3)) - set(rows.values())
        added = sorted(come)
        edit = chunk.edited(frozenset(gone), b"".join(map(mark, added)), columns(added), bytes([round_]))
        after = {one: key for one, key in rows.items() if one not in gone}
        after.update((mark(key), key) for key in added)
        if edit is None:
            assert len(gone) + len(added) + len(chunk.edit.gone if chunk.edit else ()) > 0
            break
        again = Edit.unpack(edit.pack_gone(), edit.marks, edit.packed, edit.digest)
        assert again == edit
        assert edit.more == len(after) - len(written)
        chunk, rows = replace(chunk, edit=again), after
        assert sorted(chunk.split_marks) == sorted(rows)
        assert chunk.rows == len(rows)
        keys = list(zip(*chunk.all_keys(packed)))
        assert keys == [rows[one] for one in chunk.split_marks]
        places = sorted(data.draw(st.sets(st.integers(0, len(keys) - 1) if keys else st.nothing())))
        assert list(zip(*chunk.some_keys(packed, places))) == [keys[at] for at in places]


def test_a_long_edit_is_none() -> None:
    keys = [(f"{number:032x}",) for number in range(40)]
    chunk = Chunk(None, 0, None, None, b"".join(map(mark, keys)))
    marks = split(chunk.written)
    assert chunk.edited(frozenset(marks[:10]), b"", [], b"") is not None
    assert chunk.edited(frozenset(marks[:11]), b"", [], b"") is None


def test_a_plan_is_remembered() -> None:
    one = base(**people(("a1", "admin"), ("u1", "web")), role=[("r1", "admin", "<<null>>")])
    two = base(
        **people(("a2", "Admin"), ("u2", "web"), first=4),
        role=[("r2", "ADMIN", "<<null>>")],
        assignment=[("UserDomain", "a2", "default", "r2", 0), ("UserDomain", "nobody", "default", "r2", 0)],
    )
    policy = Policy(on_conflict={"user": "rename"})
    planned = plan([("one", one), ("two", two)], FOLD, policy, earlier={"one": Earlier({"password": 0})})
    assert planned.met["user"] >= {("a1",), ("u1",), ("u2",)}
    text = remembered.write(remembered.Remembered(planned, {"one": 2**70, "two": 0}))
    assert text is not None
    found = remembered.read(text, FOLD, planned.found_lost)
    assert found == remembered.Remembered(planned, {"one": 2**70, "two": 0})


def test_what_is_too_long_is_not_remembered() -> None:
    planned = plan([("one", base(**people(("a1", "a" * remembered.LONGEST))))], FOLD)
    assert remembered.write(remembered.Remembered(planned, {})) is None


def test_a_basis_is_the_same_in_every_process() -> None:
    """Sets are in another order in each."""
    program = (
        "from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import remembered\n"
        "from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Policy\n"
        "from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import version\n"
        "print(remembered.basis(Policy(), [('one', 'server/db', version(['1', '2'], ()))], {'user': ('id',)}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(3)
    }
    assert len(found) == 1
    other = Policy(overrides=(Override("user", "web", "rename"),))
    sources = [("one", "server/db", version(["1"], ()))]
    assert remembered.basis(other, sources, {"user": ("id",)}) != remembered.basis(Policy(), sources, {"user": ("id",)})
