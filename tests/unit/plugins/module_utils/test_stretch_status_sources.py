# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real programs printed, read: crm_mon of Pacemaker 2.1, HAProxy 2.6, the kernel, systemctl."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status import gather, sources
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.sources import SourceError

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures/stretch_status"
A, B, C = "s1controller-0", "s1controller-1", "s1controller-2"


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


def pacemaker(name: str) -> dict[str, Any]:
    return sources.pacemaker(fixture(f"crm_mon_{name}.xml"), "stretch-galera-bundle", "stretch-galera")


def roles(told: dict[str, Any]) -> dict[str, str]:
    return {host: one["role"] for host, one in told["members"].items()}


def test_pacemaker_that_is_well() -> None:
    told = pacemaker("well")
    assert told["quorum"]
    assert told["configured"]
    assert not told["maintenance"]
    assert told["dc"] == C
    assert told["nodes"] == {A: "online", B: "online", C: "online"}
    assert roles(told) == {A: "Promoted", B: "Promoted", C: "Promoted"}
    assert told["vips"] == {"10.0.20.5": A, "10.0.20.6": B}
    assert told["failures"] == []


def test_an_agent_that_says_something_and_a_node_that_is_off() -> None:
    told = pacemaker("degraded")
    assert told["nodes"][C] == "offline"
    assert roles(told) == {A: "Promoted", B: "Unpromoted"}
    assert {(one["node"], one["degraded"], one["reason"]) for one in told["failures"]} == {
        (A, True, "out of service: maintenance"),
        (B, True, "waits for s2controller-0, s2controller-1: their position is not known"),
    }
    assert {one["resource"] for one in told["failures"]} == {"stretch-galera"}


def test_the_collections_own_agent() -> None:
    """As the lab printed it while the last member of a rolling restart came back."""
    told = pacemaker("agent")
    hosts = ["s2controller-0", "s2controller-1", "s2controller-2"]
    assert sorted(told["members"]) == hosts
    assert {one["node"] for one in told["failures"]} <= set(hosts)
    assert all(one["degraded"] for one in told["failures"])
    assert told["vips"]["10.1.20.6"] == "s2controller-1"


def test_an_action_that_failed() -> None:
    told = pacemaker("failed")
    assert told["members"][B]["failed"]
    assert not told["members"][A]["failed"]
    (failure,) = told["failures"]
    assert (failure["node"], failure["task"], failure["code"], failure["degraded"]) == (B, "start", 1, False)
    assert failure["reason"] == "/etc/stretch-galera/members.json: self is not among the members"


def test_what_others_failed_at_is_no_matter_of_the_members() -> None:
    text = fixture("crm_mon_failed.xml").replace("stretch-galera_start_0", "keystone_start_0")
    assert sources.pacemaker(text, "stretch-galera-bundle", "stretch-galera")["failures"] == []
    text = fixture("crm_mon_failed.xml").replace("stretch-galera_start_0", "stretch-galera-bundle-podman-1_start_0")
    assert len(sources.pacemaker(text, "stretch-galera-bundle", "stretch-galera")["failures"]) == 1


def test_without_a_quorum() -> None:
    assert not pacemaker("noquorum")["quorum"]


def test_the_bundle_of_a_region() -> None:
    """As the lab printed it; the stretched one does not exist there."""
    text = fixture("crm_mon_region.xml")
    assert roles(sources.pacemaker(text, "galera-bundle", "galera")) == dict.fromkeys((A, B, C), "Promoted")
    told = sources.pacemaker(text, "stretch-galera-bundle", "stretch-galera")
    assert not told["configured"]
    assert told["members"] == {}
    assert told["vips"] == {"10.0.20.5": A}


def test_roles_of_an_older_pacemaker() -> None:
    older = fixture("crm_mon_degraded.xml").replace('"Promoted"', '"Master"').replace('"Unpromoted"', '"Slave"')
    told = sources.pacemaker(older, "stretch-galera-bundle", "stretch-galera")
    assert roles(told) == {A: "Promoted", B: "Unpromoted"}


@pytest.mark.parametrize("text", ["", "crm_mon: Error", "<crm_mon/>"])
def test_no_answer_of_pacemaker(text: str) -> None:
    with pytest.raises(SourceError, match="crm_mon"):
        sources.pacemaker(text, "b", "p")


HAPROXY: list[tuple[str, int, list[str], str | None]] = [
    # what HAProxy was asked in, sessions, who is up, whom it keeps to
    ("lab", 7, [A, B, C, "s2controller-0", "s2controller-1", "s2controller-2"], A),
    ("well", 5, [A, B, C, "s2controller-0", "s2controller-1", "s2controller-2"], A),
    ("first_down", 0, [B, C, "s2controller-0", "s2controller-1", "s2controller-2"], A),
    ("moved", 4, [B, C, "s2controller-2"], B),
    ("none", 0, [], B),
]


@pytest.mark.parametrize(("name", "sessions", "up", "kept"), HAPROXY, ids=[one[0] for one in HAPROXY])
def test_haproxy(name: str, sessions: int, up: list[str], kept: str) -> None:
    told = sources.haproxy(fixture(f"haproxy_{name}.txt"), "stretch_galera")
    assert told["sessions"] == sessions
    assert [one["name"] for one in told["servers"]] == [A, B, C, "s2controller-0", "s2controller-1", "s2controller-2"]
    assert [one["name"] for one in told["servers"] if one["up"]] == up
    assert told["stick"] == {"10.0.20.6": kept}


def test_haproxy_says_why_a_server_is_down() -> None:
    servers = {one["name"]: one for one in sources.haproxy(fixture("haproxy_moved.txt"), "stretch_galera")["servers"]}
    assert servers[A]["check"] == "Layer7 wrong status 503 Service Unavailable"
    assert servers[A]["since"] == 10
    assert servers["s2controller-0"]["check"] == "Layer4 connection problem Connection refused"
    assert servers[B]["sessions"] == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no statistics: nothing"),
        ("Unknown command.\n", "no statistics: Unknown command."),
        (fixture("haproxy_well.txt").replace("stretch_galera,", "mysql,"), "has no stretch_galera"),
    ],
)
def test_no_answer_of_haproxy(text: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        sources.haproxy(text, "stretch_galera")


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B14000A:23F1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0B14000A:23F1 0B14010A:D431 03 00000000:00000000 01:00000046 00000002     0        0 0 1 0
   2: 0B14000A:11E1 0C14010A:D432 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0
   3: 0B14000A:D433 0D14010A:11E1 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0
   4: 0B14000A:0016 0E14010A:D434 01 00000000:00000000 00:00000000 00000000     0        0 4 1 0
   5: 0B14000A:11E1 0F14010A:D435 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 0000000000000000FFFF00000B14000A:11E1 0000000000000000FFFF00001014010A:D436 01 00000000:00000000
   1: B80D0120000000000000000001000000:11E1 B80D0120000000000000000002000000:D437 03 00000000:00000000
"""


def test_connections() -> None:
    """Listeners, other ports and closed ones do not count; either end may have the port."""
    found = sources.connections(TCP + TCP6, [4577, 9201])
    assert found == {
        "established": ["10.1.20.12", "10.1.20.13", "10.1.20.16"],
        "half_open": ["10.1.20.11", "2001:db8::2"],
    }


def test_unit() -> None:
    show = "LoadState=loaded\nActiveState={}\nSubState={}\nResult={}\n"
    assert sources.unit(show.format("active", "running", "success"))["running"]
    failed = sources.unit(show.format("failed", "failed", "exit-code"))
    assert failed == {"running": False, "state": "failed (failed)", "result": "exit-code"}
    with pytest.raises(SourceError, match="not-found"):
        sources.unit("LoadState=not-found\nActiveState=inactive\nSubState=dead\n")


def test_a_command_that_works() -> None:
    assert gather.run([sys.executable, "-c", "print(input())"], 10, "hello\n") == "hello\n"


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(SourceError, match=r"^crm_mon: Error: cluster is not available on this node$"):
        gather.run(["sh", "-c", "echo 'crm_mon: Error: cluster is not available on this node' >&2; exit 102"], 10)
    with pytest.raises(SourceError, match="false ended with 1"):
        gather.run(["false"], 10)
    with pytest.raises(OSError, match="No such file"):
        gather.run(["no-such-command-anywhere"], 10)


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begin = time.monotonic()
    with pytest.raises(SourceError, match=r"no answer within 0\.3 s"):
        gather.run(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], 0.3)
    assert time.monotonic() - begin < 5
    child = Path("/proc", pid.read_text(encoding="utf-8").strip(), "stat")
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text(encoding="utf-8").split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or child.read_text(encoding="utf-8").split()[2] == "Z"


def test_sources_are_asked_at_once_and_none_holds_up_the_others() -> None:
    def fails() -> Any:
        raise SourceError("broken")

    def missing() -> Any:
        with open("/no/such/file", encoding="utf-8") as stream:
            return stream.read()

    def hangs() -> Any:
        time.sleep(30)

    begin = time.monotonic()
    found = gather.gather(
        {"good": lambda: {"a": 1}, "fails": fails, "missing": missing, "hangs": hangs, "hangs too": hangs}, 0.4
    )
    assert time.monotonic() - begin < 5
    assert found == {
        "good": {"a": 1},
        "fails": {"error": "broken"},
        "missing": {"error": "[Errno 2] No such file or directory: '/no/such/file'"},
        "hangs": {"error": "no answer within 0.4 s"},
        "hangs too": {"error": "no answer within 0.4 s"},
    }


def test_members_without_containers() -> None:
    """Instances of a clone run on the nodes themselves."""
    node = '<node name="{}" id="1" cached="true"/>'
    flags = 'resource_agent="ocf:stretch:galera" blocked="false" managed="true" failed="false"'
    told = sources.pacemaker(
        '<crm_mon><summary><current_dc name="n1" with_quorum="true"/></summary>'
        '<nodes><node name="n1" online="true" type="member"/></nodes><resources>'
        '<clone id="stretch-galera-clone">'
        f'<resource id="stretch-galera" role="Master" {flags}>{node.format("n1")}</resource>'
        f'<resource id="stretch-galera" role="Slave" {flags}>{node.format("n2")}</resource>'
        f'<resource id="stretch-galera" role="Stopped" {flags}/></clone></resources></crm_mon>',
        "stretch-galera-bundle",
        "stretch-galera",
    )
    assert told["configured"]
    assert roles(told) == {"n1": "Promoted", "n2": "Unpromoted"}
    assert told["members"]["n1"]["managed"]
