# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person gets to see: outcomes, counts, the picture."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from xml.etree import ElementTree as ET

import pytest
from drill_harness import describe, left, seen, status, write
from stretch_drill.database import provider_seconds, status_from
from stretch_drill.expectations import NoPrimary, NothingAcknowledged, Noticed, PauseAtMost, StayedPrimary, SyncedWithin
from stretch_drill.model import DrillError, Event, Phase, Record, description_from
from stretch_drill.picture import draw
from stretch_drill.plans import Drill
from stretch_drill.result import result, summary

NAMES = [member.name for member in describe().members]
DESCRIPTION = replace(describe(), arbiters=())
DRILL = Drill("kill-member", "a <server> is killed & comes back", ())
PRIMARY = status(set(NAMES))


def record(until: float = 20.0) -> Record:
    """A member is killed at 5 s and is back at 12 s; the first site writes nothing from 5 to 9 s."""
    victim = NAMES[0]
    found = Record(began="2026-11-24T08:00:00+00:00", first=0.0, last=until)
    found.events = [Event("", "it is prepared", 1.0, 1.1)]
    found.events += [Event("killed", f"{victim} is killed", 5.0, 5.2), Event("over", "it is over", 15.0, 15.1)]
    quarter = [0.25 * index for index in range(int(until * 4))]
    others = status(set(NAMES) - {victim}, 2)
    back = status(set(NAMES), 3)
    for time in quarter:
        for name in NAMES:
            away = 5 <= time < 12
            said = None if away and name == victim else others if away else PRIMARY if time < 5 else back
            found.observations.append(seen(name, time, said))
        silent = 5 <= time < 9
        found.writes.append(write(int(time * 4) + 1, time + 0.1, error="gone away" if silent else ""))
        found.writes.append(write(int(time * 4) + 1, time + 0.1, site="stack2"))
    found.phases = [Phase(victim, 6.0, "starting"), Phase(victim, 10.0, "waiting", "for others")]
    found.rows = {
        name: {(each.site, each.number) for each in found.writes if each.acknowledged or each.number == 21}
        for name in NAMES
    }
    return found


@pytest.mark.parametrize(
    ("expectation", "met", "found"),
    [
        (PauseAtMost("stack1", 5, "killed"), True, "4.2 s"),
        (PauseAtMost("stack1", 4, "killed"), False, "4.2 s"),
        (PauseAtMost("stack2", 1, "killed", "over"), True, "0.2 s"),
        (PauseAtMost("stack1", 1, "over"), True, "0.3 s"),
        (PauseAtMost("stack1", 9, "never"), False, "the drill did not come that far"),
        (SyncedWithin(10, "killed", DESCRIPTION.members, 6), True, "6.8 s"),
        (SyncedWithin(6, "killed", DESCRIPTION.members, 6), False, "6.8 s"),
        (SyncedWithin(60, "killed", DESCRIPTION.members, 7), False, "not at the end either"),
        (NothingAcknowledged("stack1", "killed", "over", 0.0), False, "24 acknowledged"),
        (NothingAcknowledged("stack2", "over", "killed"), False, "the drill did not come that far"),
        (NoPrimary((NAMES[0],), "killed", "over"), False, f"Primary: {NAMES[0]}"),
        (StayedPrimary(tuple(NAMES), "killed"), True, "all the time"),
        (Noticed(NAMES[0], "killed"), True, "it did"),
        (Noticed(NAMES[1], "killed"), False, "it stayed Synced, so nothing is proved"),
        (Noticed(NAMES[0], "over"), False, "it stayed Synced, so nothing is proved"),
    ],
)
def test_expectations(expectation: PauseAtMost, met: bool, found: str) -> None:
    outcome = expectation.check(record())
    assert (outcome.met, outcome.found) == (met, found)


def test_a_site_that_is_cut_off_is_quiet_and_not_primary() -> None:
    cut = record()
    cut.writes = [each for each in cut.writes if not 5.5 < each.ended < 15 or not each.acknowledged]
    cut.observations = [
        seen(each.member, each.asked, left({each.member})) if 5.2 < each.asked < 15 else each
        for each in cut.observations
    ]
    assert NothingAcknowledged("stack1", "killed", "over").check(cut).met
    assert NoPrimary(tuple(NAMES), "killed", "over").check(cut).met
    assert not StayedPrimary(tuple(NAMES), "killed").check(cut).met


def test_the_result_counts() -> None:
    found = result(DRILL, record(), DESCRIPTION)
    assert (found["passed"], found["acknowledged"], found["refused"], found["lost"]) == (True, 144, 16, 0)
    assert found["sites"]["stack1"]["longest_pause"] == {"seconds": 4.25, "from": 4.85, "until": 9.1}
    assert found["sites"]["stack1"]["present_though_not_acknowledged"] == 1
    assert [each["state"] for each in found["lanes"][NAMES[0]]] == [
        "Synced",
        "no answer",
        "starting",
        "no answer",
        "waiting",
        "Synced",
    ]
    assert sum(pair[0] for pair in found["bars"]["stack2"]) == 80
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("strict", [True, False])
def test_a_missed_target_of_time_fails_a_strict_drill_alone(strict: bool) -> None:
    drill = replace(DRILL, expectations=(PauseAtMost("stack1", 1, "killed"),))
    found = result(drill, record(), replace(DESCRIPTION, strict=strict))
    assert (found["safe"], found["in_time"], found["passed"]) == (True, False, not strict)


def broken_rows(found: Record) -> None:
    found.rows[NAMES[3]] = found.rows[NAMES[3]] - {("stack2", 7)}


def unread(found: Record) -> None:
    del found.rows[NAMES[3]]


def not_synced(found: Record) -> None:
    found.observations.append(seen(NAMES[2], 20.5, left({NAMES[2]})))


def split(found: Record) -> None:
    found.observations += [seen(NAMES[0], 16.1, status({NAMES[0]})), seen(NAMES[3], 16.1, status({NAMES[3]}))]


@pytest.mark.parametrize("harm", [broken_rows, unread, not_synced, split])
def test_what_is_not_safe_fails_however_lenient(harm: object) -> None:
    found = record()
    harm(found)  # type: ignore[operator]
    judged = result(DRILL, found, replace(DESCRIPTION, strict=False))
    assert not judged["passed"]
    assert any("MISSED" in line for line in summary(judged))


def test_a_drill_that_was_interrupted_has_not_passed() -> None:
    assert not result(DRILL, record(), DESCRIPTION, "interrupted")["passed"]


def test_the_picture_is_one_file_and_says_it_all() -> None:
    found = result(DRILL, record(), DESCRIPTION, "not <within> 300 s")
    root = ET.fromstring(draw(found))
    texts = {element.text for element in root.iter() if element.text}
    assert {*NAMES, "stack1", "stack2", "FAILED", "kill-member", "Synced", "waiting", "it is over"} <= texts
    assert {"pause 4.2 s", "Ended early: not <within> 300 s"} <= texts
    assert not any("href" in name or "src" in name for element in root.iter() for name in element.attrib)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter():
        for axis, most in (("x", width), ("y", height)):
            assert 0 <= float(element.attrib.get(axis, 0)) <= most


def test_the_description_round_trips_and_a_bad_one_is_said() -> None:
    raw = asdict(describe())
    assert description_from(json.dumps(raw)) == describe()
    del raw["datadir"]
    with pytest.raises(DrillError, match="datadir"):
        description_from(json.dumps(raw))
    assert "secret" not in repr(describe())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT5S", 5.0), ("PT0.5S", 0.5), ("PT1M30S", 90.0), ("P0DT0H0M7.5S", 7.5)],
)
def test_times_of_the_provider(text: str, seconds: float) -> None:
    options = f"base_port = 4577; evs.suspect_timeout = {text}; evs.suspect_timeout_x = PT9S; gcache.size = 128M"
    assert provider_seconds(options, "evs.suspect_timeout") == seconds


def test_a_time_that_is_none_is_said() -> None:
    with pytest.raises(DrillError, match=r"evs\.suspect_timeout"):
        provider_seconds("gcache.size = 128M", "evs.suspect_timeout")


@pytest.mark.parametrize(
    ("change", "primary", "synced", "settled"),
    [
        ({}, True, True, True),
        ({"wsrep_cluster_status": "non-Primary"}, False, False, True),
        # The provider has left already.
        ({"wsrep_local_state_comment": "Initialized"}, False, False, True),
        ({"wsrep_local_state_comment": "Joining: receiving State Transfer"}, True, False, True),
        ({"wsrep_local_state_comment": "Donor/Desynced"}, True, False, True),
        ({"wsrep_cluster_size": "7"}, True, True, False),
        ({"wsrep_local_state_comment": "Inconsistent"}, False, False, True),
    ],
)
def test_status(change: dict[str, str], primary: bool, synced: bool, settled: bool) -> None:
    values = {
        "wsrep_cluster_conf_id": "18446744073709551615",
        "wsrep_cluster_size": "3",
        "wsrep_cluster_state_uuid": "u",
        "wsrep_cluster_status": "Primary",
        "wsrep_incoming_addresses": "10.0.20.11:3316,10.0.20.12:3316,",
        "wsrep_local_state_comment": "Synced",
        **change,
    }
    found = status_from(values)
    assert (found.primary, found.synced, found.settled) == (primary, synced, settled)
