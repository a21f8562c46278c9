# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An outage in which one site is lost, and what an operator can do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recover_servers import OURS, Outage

pytestmark = pytest.mark.integration


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Callable[..., Outage]]:
    """Make an outage."""
    made: list[Outage] = []

    def make(**positions: int) -> Outage:
        made.append(Outage(tmp_path, **positions))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_site_is_declared_lost(outage: Callable[..., Outage]) -> None:
    lab = outage(s1c0=100, s1c1=90)

    # Looking changes nothing, and says what is waited for.
    code, output = lab.recover()
    assert code == 0, output
    assert "The position of s2c0, s2c1 is not known." in output
    assert lab.declarations() == {}

    # Nobody there to say yes.
    code, output = lab.recover("-e", "lost=stack2")
    assert code != 0
    assert "add -e stretch_recover_confirm=yes." in " ".join(output.split())
    assert lab.declarations() == {}

    # Check mode says what it would write.
    code, output = lab.recover("-e", "lost=stack2", "-e", "stretch_recover_confirm=yes", "--check", "--diff")
    assert code == 0, output
    assert '"seqno": 100' in output
    assert lab.declarations() == {}

    # It is recorded on those that are kept; the cluster does not come back by itself in this test.
    wait = ("-e", "stretch_recover_timeout=2")
    code, output = lab.recover("-e", "lost=s2c1,s2c0", "-e", "stretch_recover_confirm=yes", *wait)
    assert code != 0
    assert "No Primary component after 2 s. s1c0 has the highest seqno, 100" in " ".join(output.split())
    said = lab.declarations()
    assert sorted(said) == ["s1c0", "s1c1"]
    assert said["s1c0"] == said["s1c1"]
    assert said["s1c0"].pop("made").endswith("Z")
    assert said["s1c0"] == {"members": ["s2c0", "s2c1"], "uuid": OURS, "seqno": 100, "by": "someone"}

    # The same again asks nobody and changes nothing. Two hosts ask two members: it is Primary at the third look.
    lab.patience = 9
    code, output = lab.recover("-e", "lost=stack2")
    assert code == 0, output
    assert "changed=0" in output
    assert "changed=1" not in output
    assert "A Primary component is up, with s1c0, s1c1." in output
    assert output.count("TASK [stretch.cluster.stretch_recover : Progress]") == 2

    # Then there is nothing to recover.
    code, output = lab.recover("-e", "lost=stack2", "-e", "stretch_recover_confirm=yes")
    assert code != 0
    assert "there is nothing to recover" in output
    assert lab.declarations() == {}


def test_a_declaration_is_taken_back(outage: Callable[..., Outage]) -> None:
    lab = outage(s1c0=100, s1c1=90)
    confirmed = ("-e", "lost=stack2", "-e", "stretch_recover_confirm=yes", "-e", "stretch_recover_timeout=0")
    lab.recover(*confirmed)
    assert sorted(lab.declarations()) == ["s1c0", "s1c1"]
    code, output = lab.recover("-e", "lost=", "-e", "stretch_recover_withdraw=yes")
    assert code == 0, output
    assert lab.declarations() == {}
    code, output = lab.recover("-e", "lost=stack2", "-e", "stretch_recover_withdraw=yes")
    assert code != 0
    assert "Give one of the two." in " ".join(output.split())


def test_one_that_answers_is_not_lost(outage: Callable[..., Outage]) -> None:
    lab = outage(s1c0=100, s1c1=90, s2c0=110)
    code, output = lab.recover("-e", "lost=stack2", "-e", "stretch_recover_confirm=yes")
    assert code != 0
    assert "There is an answer from s2c0 (seqno 110), with newer data: the newest of the others is 100." in output
    assert "Nothing has been changed." in output
    assert lab.declarations() == {}
