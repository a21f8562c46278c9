# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory that can be broken: what each node would answer while this or that has failed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import galera

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
TAKEN = "2026-11-24T03:12:45Z"
UUID = "e2d6c8af-e7da-11f1-8415-8a65c5b71fd6"
OTHER_UUID = "0badc0de-e7da-11f1-9f56-2ee45a320372"
CLIENT_PORT = 3316


class World:
    """Everything is well until a method says otherwise. Sites are stacks; `arbiter-0` is a site of its own."""

    def __init__(self, topology: str = "topology_two.yml", arbiters: int = 1, far: float = 0.031) -> None:
        self.topology: dict[str, Any] = yaml.safe_load((FIXTURES / topology).read_text(encoding="utf-8"))
        self.members = [vars(one) for one in galera.members(self.topology)]
        self.arbiters = [vars(one) for one in galera.arbiters(self.topology)][:arbiters]
        self.site_of = {one["name"]: one["stack"] for one in self.members}
        self.address_of = {one["name"]: one["address"] for one in self.members}
        self.site_of.update({one["name"]: one["name"] for one in self.arbiters})
        self.far = far
        self.dark: dict[str, str] = {}  # hosts that Ansible does not reach
        self.off: set[str] = set()  # hosts that are off
        self.cuts: set[tuple[str, str]] = set()  # directions between sites in which no packet gets through
        self.reports = {one["name"]: self.report(one) for one in self.members}
        self.silent: dict[str, str] = {}  # members whose clustercheck does not answer, and how
        self.pacemaker = {stack["name"]: self.cluster(stack) for stack in self.topology["stacks"]}
        self.sources: dict[tuple[str, str], Any] = {}  # what a source of a host says instead
        self.arbiter_running = True
        self.component([one["name"] for one in self.members], arbiters)

    # What things look like while they are well

    def report(self, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": one["name"], "cluster": "stretch", "ok": True, "reason": "Synced", "maintenance": False,
            "answers": True, "primary": True, "synced": True, "ready": True, "read_only": "OFF",
            "reject_queries": "NONE", "state": "Synced", "uuid": UUID, "cluster_uuid": UUID, "seqno": 4711, "view": 7,
            "cluster_size": 7, "segment": one["segment"], "weight": one["weight"], "flow_control_paused": 0.0,
            "recv_queue": 0, "members_seen": [], "provider": "26.4.23", "server": "10.11.14-MariaDB",
            "agent": {
                "phase": "member", "since": 100.0, "written": 11000.0, "position": None, "decision": None,
                "failures": 0, "last_error": "", "config": "", "age": 2.0, "phase_age": 10900.0,
            },
            "lost": None, "first": None,
        }  # fmt: skip

    def cluster(self, stack: dict[str, Any]) -> dict[str, Any]:
        hosts = self.of(stack["name"])
        role = {"role": "Promoted", "failed": False, "blocked": False, "managed": True}
        return {
            "dc": hosts[0], "quorum": True, "maintenance": False, "configured": True,
            "nodes": dict.fromkeys(hosts, "online"),
            "members": {host: dict(role) for host in hosts},
            "vips": {stack["vips"]["stretch_galera"]: hosts[1]},
            "failures": [],
        }  # fmt: skip

    def of(self, site: str) -> list[str]:
        return [one["name"] for one in self.members if one["stack"] == site]

    def all(self) -> list[str]:
        return [one["name"] for one in self.members]

    # What can fail

    def component(self, names: Iterable[str], arbiters: int = 0, view: int = 7, uuid: str = UUID) -> None:
        """These are one Primary component."""
        names = list(names)
        seen = [f"{self.address_of[name]}:{CLIENT_PORT}" for name in names] + [""] * arbiters
        for name in names:
            self.reports[name].update(
                members_seen=seen, cluster_size=len(seen), view=view, uuid=uuid, cluster_uuid=uuid, primary=True
            )
        self.voting = arbiters

    def alone(self, names: Iterable[str]) -> None:
        """These run, and are in no Primary component."""
        for name in names:
            self.reports[name].update(
                primary=False, synced=False, ready=False, ok=False, state="Initialized", members_seen=[],
                reason="non-Primary component", cluster_size=0,
            )  # fmt: skip
            self.reports[name]["agent"].update(phase="nonprimary", phase_age=42.0)

    def stopped(self, name: str, phase: str, seqno: int | None = 4711, uuid: str = UUID, **agent: Any) -> None:
        """The database of this one does not run."""
        self.reports[name].update(
            answers=False, ok=False, primary=False, synced=False, ready=False, state="", seqno=None, uuid=None,
            cluster_uuid=None, view=None, cluster_size=None, flow_control_paused=None, recv_queue=None,
            members_seen=[], weight=None, segment=None,
            reason="database: Can't connect to MySQL server (No such file or directory)",
        )  # fmt: skip
        position = None if seqno is None else {"uuid": uuid, "seqno": seqno}
        self.reports[name]["agent"].update(phase=phase, phase_age=65.0, position=position, **agent)
        self.pacemaker[self.site_of[name]]["members"][name]["role"] = "Unpromoted"

    def hung(self, name: str) -> None:
        """The process of the database is there and says nothing."""
        self.stopped(name, "member", None)
        self.reports[name]["reason"] = "database: no answer within 1 s"
        self.pacemaker[self.site_of[name]]["members"][name]["role"] = "Promoted"

    def node_off(self, name: str) -> None:
        """The machine is off."""
        self.off.add(name)
        self.dark[name] = f"ssh: connect to host {self.address_of.get(name, '172.16.0.5')} port 22: No route to host"
        if name in self.address_of:
            cluster = self.pacemaker[self.site_of[name]]
            cluster["nodes"][name] = "offline"
            cluster["members"].pop(name, None)
            for vip, holder in cluster["vips"].items():
                if holder == name:
                    cluster["vips"][vip] = next((one for one, at in cluster["nodes"].items() if at == "online"), None)

    def site_off(self, site: str) -> None:
        """All machines of a site are off, and nobody answers for them."""
        for name in self.of(site):
            self.node_off(name)

    def cut(self, source: str, target: str, both: bool = True) -> None:
        """No packet gets from one site to the other, nor back if `both`."""
        self.cuts.add((source, target))
        if both:
            self.cuts.add((target, source))

    # What the nodes answer

    def sees(self, observer: str, target: str) -> dict[str, Any]:
        there, back = self.site_of[observer], self.site_of[target]
        if target in self.off or (there, back) in self.cuts or (back, there) in self.cuts:
            return {"reachable": False, "error": "no answer within 3.2 s"}
        if target in self.silent:
            return {"reachable": False, "error": self.silent[target]}
        took = 0.0004 if there == back else self.far
        return {"reachable": True, "round_trip": took, **copy.deepcopy(self.reports[target])}

    def usable(self, observer: str, target: str) -> bool:
        report = self.sees(observer, target)
        # HAProxy's check is not signed.
        refused = "signature" in report.get("error", "")
        return bool(self.reports[target]["ok"] and (report["reachable"] or refused))

    def haproxy(self, host: str) -> dict[str, Any]:
        site = self.site_of[host]
        order = [*self.of(site), *(name for name in self.all() if name not in self.of(site))]
        up = [name for name in order if self.usable(host, name)]
        (vip,) = self.pacemaker[site]["vips"]
        held = self.pacemaker[site]["vips"][vip] == host
        return {
            "sessions": 7 if held and up else 0,
            "servers": [
                {
                    "name": name,
                    "up": name in up,
                    "status": "UP" if name in up else "DOWN",
                    "sessions": 7 if held and up[:1] == [name] else 0,
                    "check": "Layer7 check passed 200" if name in up else "Layer7 wrong status 503 Service Unavailable",
                    "since": 215 if name in up else 9,
                }
                for name in order
            ],
            "stick": {vip: up[0]} if held and up else {},
        }

    def connections(self, host: str) -> dict[str, Any]:
        here = self.site_of[host]
        heard = [
            self.address_of[name]
            for name in self.all()
            if name not in self.off
            and (self.site_of[name], here) not in self.cuts
            and (here, self.site_of[name]) in self.cuts
        ]
        return {"established": [], "half_open": heard}

    def answer(self, host: str) -> dict[str, Any]:
        if host in self.dark:
            return {"unreachable": True, "msg": f"Failed to connect to the host via ssh: {self.dark[host]}"}
        if host not in self.address_of:
            linked = [
                self.address_of[name]
                for name in self.all()
                if name not in self.off
                and self.reports[name]["answers"]
                and not {(host, self.site_of[name]), (self.site_of[name], host)} & self.cuts
            ]
            unit = {"running": self.arbiter_running, "state": "active (running)", "result": "success"}
            if not self.arbiter_running:
                unit.update(state="failed (failed)", result="exit-code")
                linked = []
            sources: dict[str, Any] = {"unit": unit, "connections": {"established": linked, "half_open": []}}
        else:
            listed = {"cluster": "stretch", "self": host, "check_port": 9201, "members": self.members}
            sources = {
                "members": {**listed, "arbiters": self.arbiters},
                "reports": {name: self.sees(host, name) for name in self.all()},
                "pacemaker": copy.deepcopy(self.pacemaker[self.site_of[host]]),
                "haproxy": self.haproxy(host),
                "connections": self.connections(host),
            }
        sources.update({source: said for (of, source), said in self.sources.items() if of == host})
        return {"changed": False, "sources": sources}

    def answers(self) -> dict[str, Any]:
        return {host: self.answer(host) for host in [*self.all(), *(one["name"] for one in self.arbiters)]}


def well() -> World:
    return World()


def site_lost() -> World:
    world = World()
    world.site_off("stack2")
    world.component(world.of("stack1"), arbiters=1, view=8)
    return world


def link_cut() -> World:
    """The arbiter is with the first site."""
    world = World()
    world.cut("stack1", "stack2")
    world.cut("stack2", "arbiter-0")
    world.component(world.of("stack1"), arbiters=1, view=8)
    world.alone(world.of("stack2"))
    return world


def one_way_cut() -> World:
    world = World()
    world.cut("stack1", "stack2", both=False)
    world.component(world.of("stack1"), arbiters=1, view=8)
    world.alone(world.of("stack2"))
    return world


def two_primaries() -> World:
    world = World(arbiters=0)
    world.cut("stack1", "stack2")
    world.component(world.of("stack1"), view=8)
    world.component(world.of("stack2"), view=9)
    for name in world.of("stack2"):
        world.reports[name]["seqno"] = 4790
    return world


def two_histories() -> World:
    world = World()
    world.component(world.of("stack1"), arbiters=1, view=8)
    for name in world.of("stack2"):
        reason = f"The members hold different histories, of which only one can be kept: {UUID} and {OTHER_UUID}."
        world.stopped(name, "waiting", 12, OTHER_UUID, decision={"action": "stop", "reason": reason, "missing": []})
    return world


def blackout() -> World:
    """All were off. Five are back and wait for the sixth, which may hold more."""
    world = World()
    for index, name in enumerate(world.all()):
        reason = "The position of s2controller-1 is not known."
        decision = {"action": "wait", "member": None, "missing": ["s2controller-1"], "reason": reason}
        world.stopped(name, "waiting", 4700 + index, decision=decision)
    world.node_off("s2controller-1")
    return world


def hung_member() -> World:
    world = World()
    world.hung("s1controller-0")
    world.component([name for name in world.all() if name != "s1controller-0"], arbiters=1, view=8)
    return world


def state_transfer() -> World:
    world = World()
    world.stopped("s2controller-2", "starting", None)
    world.reports["s2controller-1"].update(
        state="Donor/Desynced", synced=False, ok=False, reason="Donor/Desynced", flow_control_paused=0.24
    )
    return world


def disk_full() -> World:
    world = World()
    error = "mariadbd ended: [ERROR] InnoDB: Write to file ./ibdata1 failed: No space left on device (errno 28)"
    world.stopped("s2controller-2", "backoff", 4650, failures=4, last_error=error)
    world.component([name for name in world.all() if name != "s2controller-2"], arbiters=1, view=9)
    world.pacemaker["stack2"]["failures"] = [
        {"node": "s2controller-2", "resource": "stretch-galera", "task": "monitor", "code": 190, "degraded": True,
         "reason": "start failed 4 times: No space left on device"},
    ]  # fmt: skip
    world.pacemaker["stack2"]["members"]["s2controller-2"]["failed"] = True
    return world


def all_down() -> World:
    world = World()
    for site in ("stack1", "stack2"):
        world.site_off(site)
    world.node_off("arbiter-0")
    return world


def half_broken() -> World:
    """A node's Pacemaker is down, another's HAProxy, a third's clustercheck; the arbiter's service has failed."""
    world = World()
    world.sources["s1controller-2", "pacemaker"] = {"error": "crm_mon: Error: cluster is not available on this node"}
    world.pacemaker["stack1"]["nodes"]["s1controller-2"] = "offline"
    world.pacemaker["stack1"]["members"].pop("s1controller-2")
    world.sources["s2controller-1", "haproxy"] = {"error": "no container of haproxy-bundle runs here"}
    world.silent["s2controller-0"] = "Connection refused"
    world.arbiter_running = False
    world.component(world.all(), arbiters=0, view=8)
    return world


def declared_lost() -> World:
    """A site has gone for good; the other was told so and starts again."""
    world = World(arbiters=0)
    world.site_off("stack1")
    lost = {
        "members": world.of("stack1"), "uuid": UUID, "seqno": 4711, "made": "2026-11-24T03:10:00Z", "by": "ops@bastion"
    }  # fmt: skip
    for name in world.of("stack2"):
        decision = {"action": "bootstrap", "member": "s2controller-0", "missing": [],
                    "reason": "s2controller-0 has the highest seqno."}  # fmt: skip
        world.stopped(name, "waiting", decision=decision)
        world.reports[name]["lost"] = lost
    return world


WORLDS: dict[str, Callable[[], World]] = {
    make.__name__: make
    for make in (
        well,
        site_lost,
        link_cut,
        one_way_cut,
        two_primaries,
        two_histories,
        blackout,
        hung_member,
        state_transfer,
        disk_full,
        all_down,
        half_broken,
        declared_lost,
    )
}
