# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sources can be marked as cut over, and how that is shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.cutover import Marks, result, to_mark
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import Merged

BEGUN, MERGED, LATER = "2026-11-24 11:40:00", "2026-11-24 11:41:00", "2026-11-24 11:50:00"
ADDRESS = "keystone at 10.0.20.6:3306"


def source(name: str, **more: Any) -> Merged:
    return Merged(name, "uuid/keystone", "keystone at 10.0.20.5:3306", **more)


KNOWN = {
    found.name: found
    for found in (
        source("whole", started_at=BEGUN, merged_at=MERGED),
        source("at once", started_at=MERGED, merged_at=MERGED),
        source("old", merged_at=MERGED, cut_over_at=MERGED),
        source("begun", started_at=BEGUN),
        source("again", started_at=LATER, merged_at=MERGED),
        source("gone", started_at=BEGUN, merged_at=MERGED, cut_over_at=LATER),
    )
}


@pytest.mark.parametrize(
    ("names", "done", "found"),
    [
        (["whole", "at once"], True, ["whole", "at once"]),
        (["whole", "whole"], True, ["whole"]),
        (["gone", "whole", "old"], True, ["whole"]),
        (["gone", "old"], True, []),
        (["gone", "whole"], False, ["gone"]),
        (["begun", "again"], False, []),
        ([], True, []),
    ],
)
def test_what_changes(names: list[str], done: bool, found: list[str]) -> None:
    assert to_mark(KNOWN, names, done, ADDRESS) == found


@pytest.mark.parametrize(
    ("names", "done", "message"),
    [
        (["begun"], True, f"begun is not completely merged yet (begun {BEGUN} UTC): run keystone_merge first"),
        (["again"], True, f"again is not completely merged yet (begun {LATER} UTC): run keystone_merge first"),
        (["other"], True, f"other was never merged into {ADDRESS}, which holds again, at once, begun"),
        (["other"], False, "other was never merged"),
    ],
)
def test_what_cannot_be_marked(names: list[str], done: bool, message: str) -> None:
    with pytest.raises(MergeError) as caught:
        to_mark(KNOWN, ["whole", *names], done, ADDRESS)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(MergeError, match=r"other was never.*; begun is not"):
        to_mark(KNOWN, ["other", "begun"], True, ADDRESS)
    with pytest.raises(MergeError, match="which holds nothing yet"):
        to_mark({}, ["stack1"], True, ADDRESS)


def test_the_diff_has_stacks_and_times() -> None:
    merged = {"stack2": MERGED, "stack1": MERGED, "stack3": None}
    before = {"stack2": None, "stack1": MERGED, "stack3": None}
    made = result(Marks(merged, before, {**before, "stack2": LATER}))
    assert made["changed"] is True
    assert made["cut_over"] == {"stack1": MERGED, "stack2": LATER, "stack3": None}
    lines = [
        f"stack1: merged {MERGED}, cut over {MERGED}",
        f"stack2: merged {MERGED}, not cut over",
        "stack3: merged in part, not cut over",
    ]
    assert made["diff"]["before"].splitlines() == lines
    assert made["diff"]["after"].splitlines() == [lines[0], f"stack2: merged {MERGED}, cut over {LATER}", lines[2]]
    assert result(Marks(merged, before, before))["changed"] is False
