# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole drills on real members that are killed and hung; what takes real links and nodes is drilled on the lab."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest
from drill_servers import SUSPECT, Cluster, Lab
from stretch_drill.injector import Injector
from stretch_drill.journal import Journal
from stretch_drill.model import Arbiter, Description, Member, Observation, Site
from stretch_drill.run import NotWholeError, Run
from stretch_drill.tunnels import Door
from stretch_drill.verdict import claims, two_primaries
from stretch_drill.watcher import MemberWatch

pytestmark = pytest.mark.integration


def describe(lab: Lab) -> Description:
    servers = lab.cluster.servers
    return Description(
        sites=tuple(
            Site(site, "127.0.0.1", vip.port, "", ("192.0.2.0/24",), tuple(n for n in servers if n.startswith(site)))
            for site, vip in lab.vips.items()
        ),
        members=tuple(Member(name, name[:2], "127.0.0.1", server.port) for name, server in servers.items()),
        arbiters=(Arbiter("arbiter-0", "127.0.0.1"),),
        ssh=("ssh",),
        power_off=("off",),
        power_on=("on",),
        recover=("recover", ""),
        datadir="/data",
        state_dir="/state",
        config_dir="/config",
        check_port=1,
        report_key="",
        password="ofTheDrill",
        limit=90,
    )


def doors(lab: Lab) -> dict[str, Door]:
    return {name: Door("127.0.0.1", server.port, 0) for name, server in lab.cluster.servers.items()}


def drill(lab: Lab, name: str, directory: Path) -> tuple[dict[str, Any], list[str]]:
    """Run a drill; gives its result and what it said."""
    said: list[str] = []
    injector = Injector(describe(lab), Journal(directory / "injuries.json"), runner=lab.run)
    injector.make_database("s1-0")
    ca = lab.cluster.directory / "tls/ca.pem"
    run = Run(injector.description, injector, doors(lab), dict, ca, directory, said.append, threading.Event())
    found = run.drill(name)
    assert json.loads((directory / "result.json").read_text()) == found
    return found, said


@pytest.mark.parametrize("name", ["kill-member", "lose-site", "blackout"])
def test_nothing_is_lost(lab: Lab, tmp_path: Path, name: str) -> None:
    found, said = drill(lab, name, tmp_path)
    assert found["safe"], "\n".join(said) + json.dumps(found["outcomes"], indent=1)
    assert found["lost"] == 0
    assert found["acknowledged"] > 100
    assert set(found["rows"]) == set(lab.cluster.servers)
    assert found["sites"]["s2"]["longest_pause"]["seconds"] > SUSPECT / 2, "nothing was felt, so nothing was proved"
    journal = [json.loads(line) for line in (tmp_path / "writes-s1.jsonl").read_text().splitlines()]
    assert sum(1 for line in journal if "error" not in line) == found["sites"]["s1"]["acknowledged"]


def test_an_end_in_the_middle_leaves_all_mended(lab: Lab, tmp_path: Path) -> None:
    injector = Injector(describe(lab), Journal(tmp_path / "injuries.json"), runner=lab.run)
    injector.make_database("s1-0")
    stopping = threading.Event()
    ca = lab.cluster.directory / "tls/ca.pem"

    def say(line: str) -> None:
        if "loses its power" in line:
            threading.Timer(2, stopping.set).start()

    found = Run(injector.description, injector, doors(lab), dict, ca, tmp_path, say, stopping).drill("lose-site")
    assert not found["passed"]
    assert found["interrupted"]
    assert lab.commands[-1][0] in {"on", "ssh"}
    assert {"s1-0", "s1-1"} <= lab.powered
    assert injector.journal.nodes("power_on") == ()
    lab.cluster.wait_whole()


def test_a_cluster_that_is_not_whole_is_not_drilled(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stretch_drill.run.BEFORE", 3)
    injector = Injector(describe(lab), Journal(tmp_path / "injuries.json"), runner=lab.run)
    injector.make_database("s1-0")
    lab.run(["off", "s2-1"], "")
    ca = lab.cluster.directory / "tls/ca.pem"
    run = Run(injector.description, injector, doors(lab), dict, ca, tmp_path, print, threading.Event())
    with pytest.raises(NotWholeError, match="s2-1 no answer"):
        run.drill("kill-member")
    lab.run(["on", "s2-1"], "")
    lab.cluster.wait_whole()


def test_two_real_primary_components_are_found(cluster: Cluster) -> None:
    """The second site is started as a cluster of its own while the first one goes on. The last test: it stays so."""
    begin = time.monotonic()
    seen: list[Observation] = []
    members = tuple(Member(name, name[:2], "127.0.0.1", server.port) for name, server in cluster.servers.items())

    def watch(name: str) -> MemberWatch:
        def connect() -> Any:
            return pymysql.connect(unix_socket=str(cluster.servers[name].socket), user="root", read_timeout=2)

        return MemberWatch(name, connect, lambda: time.monotonic() - begin, seen.append)

    watches = [watch(member.name) for member in members]
    for each in watches:
        each.start()
    for name in ("s2-0", "s2-1"):
        cluster.servers[name].signal(signal.SIGKILL)
    cluster.servers["s1-0"].wait_synced(3)
    assert two_primaries(claims(seen, members)) == []
    cluster.servers["s2-0"].start(bootstrap=True)
    cluster.servers["s2-0"].wait_synced(1)
    time.sleep(1)
    for each in watches:
        each.stop()
    found = two_primaries(claims(seen, members))
    assert found
    assert {frozenset({"s1-0", "s1-1"}), frozenset({"s2-0"})} == {found[0].one.members, found[0].other.members}
