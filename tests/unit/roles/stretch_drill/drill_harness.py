# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment and observations to judge."""

from __future__ import annotations

from stretch_drill.model import Arbiter, Description, Member, Observation, Site, Status, Write

HISTORY = "5a1f6f2e-0000-11f1-8000-000000000001"


def describe(sites: int = 2, members: int = 3, arbiters: int = 1) -> Description:
    """Sites of three controllers, of which some are members, and arbiters."""
    return Description(
        sites=tuple(
            Site(
                name=f"stack{n}",
                vip=f"10.{n - 1}.20.6",
                port=3306,
                router=f"s{n}undercloud-0",
                networks=(f"10.{n - 1}.20.0/24", f"192.168.{23 + n}.0/24"),
                nodes=tuple(f"s{n}controller-{index}" for index in range(3)),
            )
            for n in range(1, sites + 1)
        ),
        members=tuple(
            Member(f"s{n}controller-{index}", f"stack{n}", f"10.{n - 1}.20.{11 + index}", 3316)
            for n in range(1, sites + 1)
            for index in range(members)
        ),
        arbiters=tuple(Arbiter(f"arbiter-{index}", f"172.16.0.{5 + index}") for index in range(arbiters)),
        ssh=("ssh", "-F", "config"),
        power_off=("podman", "kill"),
        power_on=("podman", "start"),
        recover=("ansible-playbook", "lost="),
        datadir="/data",
        state_dir="/state",
        config_dir="/config",
        check_port=9201,
        report_key="k" * 32,
        password="secret",
    )


def status(names: frozenset[str] | set[str], view: int = 1, state: str = "Synced", history: str = HISTORY) -> Status:
    """What a member of a Primary component of these says; without an arbiter."""
    endpoints = tuple(member.endpoint for member in describe(sites=3).members if member.name in names)
    return Status(True, state, history, view, len(endpoints), endpoints)


def left(names: set[str]) -> Status:
    """What a member says that is in a component of these that is not Primary."""
    return Status(False, "Initialized", HISTORY, 2**64 - 1, len(names), tuple(sorted(names)))


def seen(member: str, at: float, what: Status | None, took: float = 0.01) -> Observation:
    """An observation."""
    return Observation(member, at, at + took, what, "" if what else "refused")


def write(number: int, ended: float, site: str = "stack1", error: str = "") -> Write:
    """An attempt that took 10 ms."""
    return Write(site, number, ended - 0.01, ended, True, error)
