# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real commands in a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.pipeline import Ended, Piped, pipe


def shell(script: str, *arguments: str) -> list[str]:
    return ["sh", "-c", script, "sh", *arguments]


def test_what_one_writes_the_other_reads(tmp_path: Path) -> None:
    target = tmp_path / "target"
    ended = pipe(shell("seq 100000"), shell('cat > "$1"; echo to nobody', str(target)))
    assert ended == Piped(Ended(0, ""), Ended(0, ""))
    assert target.read_text(encoding="ascii").splitlines() == [str(number) for number in range(1, 100001)]


def test_status_and_errors_of_both() -> None:
    ended = pipe(shell("echo one >&2; exit 3"), shell("cat > /dev/null; echo two >&2; exit 4"))
    assert ended == Piped(Ended(3, "one\n"), Ended(4, "two\n"))


def test_a_producer_ends_when_its_consumer_does() -> None:
    ended = pipe(["yes"], ["false"])
    assert ended.consumer.rc == 1
    assert ended.producer.rc != 0


@pytest.mark.parametrize(("producer", "consumer"), [(["/no/such/command"], ["cat"]), (["yes"], ["/no/such/command"])])
def test_a_command_that_does_not_exist(producer: list[str], consumer: list[str]) -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/command"):
        pipe(producer, consumer)
