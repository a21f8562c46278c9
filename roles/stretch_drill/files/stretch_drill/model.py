# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill is about and what it sees: plain data that the other modules exchange.

All times are seconds on the clock of the run, which begins with it, unless said.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


class DrillError(Exception):
    """The drill cannot be run, or not to its end; the text says why and what to do."""


@dataclass(frozen=True)
class Member:
    """A member that holds data; `address` and `port` are where clients connect, and what it is called in views."""

    name: str
    site: str
    address: str
    port: int

    @property
    def endpoint(self) -> str:
        """The member's entry in wsrep_incoming_addresses."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Site:
    """A stack. `networks` are in CIDR notation; `router` is the node that all packets from and to them pass."""

    name: str
    vip: str
    port: int
    router: str
    networks: tuple[str, ...]
    nodes: tuple[str, ...]
    """All controllers, members or not."""


@dataclass(frozen=True)
class Arbiter:
    """A member without data, on a node of its own."""

    name: str
    address: str


@dataclass(frozen=True)
class Description:
    """The deployment, as the role writes it, and how it is reached from here."""

    sites: tuple[Site, ...]
    members: tuple[Member, ...]
    arbiters: tuple[Arbiter, ...]
    ssh: tuple[str, ...]
    """Command to which the name of a node and a command there are added."""
    power_off: tuple[str, ...]
    """Command to which names of nodes are added; all of them lose their power at once."""
    power_on: tuple[str, ...]
    recover: tuple[str, ...]
    """Command that declares members lost; their names with commas in between are added to its last word."""
    datadir: str
    state_dir: str
    config_dir: str
    check_port: int
    report_key: str = field(repr=False)
    password: str = field(repr=False)
    writes_per_second: float = 20.0
    limit: float = 300.0
    """Seconds that any one wait of a drill may take."""
    strict: bool = True
    """Whether a target of time that is missed fails the drill."""

    @property
    def full_size(self) -> int:
        """Members of the whole cluster, arbiters included."""
        return len(self.members) + len(self.arbiters)

    def member(self, name: str) -> Member:
        """The member of that name."""
        return next(member for member in self.members if member.name == name)

    def members_of(self, site: str) -> tuple[Member, ...]:
        """The members on a site, in their order."""
        return tuple(member for member in self.members if member.site == site)


def description_from(text: str) -> Description:
    """Read the role's JSON.

    :raises DrillError: when something is missing or of another type.
    """
    try:
        raw: dict[str, Any] = json.loads(text)
        commands = {name: tuple(raw[name]) for name in ("ssh", "power_off", "power_on", "recover")}
        return Description(
            **{
                **raw,
                **commands,
                "sites": tuple(
                    Site(**{**site, "networks": tuple(site["networks"]), "nodes": tuple(site["nodes"])})
                    for site in raw["sites"]
                ),
                "members": tuple(Member(**member) for member in raw["members"]),
                "arbiters": tuple(Arbiter(**arbiter) for arbiter in raw["arbiters"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DrillError(f"the description of the deployment cannot be used: {error!r}") from error


@dataclass(frozen=True)
class Write:
    """One attempt to insert one row through a site's VIP.

    `sent`: whether the statement may have reached a member; an attempt that failed after that has an unknown outcome.
    `error` is empty when the row was acknowledged.
    """

    site: str
    number: int
    began: float
    ended: float
    sent: bool
    error: str
    made: str = ""
    """What was made, where the number does not say it."""

    @property
    def acknowledged(self) -> bool:
        """Whether the client was told that the row is committed."""
        return not self.error


PRIMARY_STATES = frozenset({"Joining", "Joined", "Synced", "Donor/Desynced"})
"""Values of wsrep_local_state_comment in a Primary component; outside of one it is Initialized or Inconsistent."""


@dataclass(frozen=True)
class Status:
    """What a member says of itself.

    `primary`: its component is Primary by the server (wsrep_cluster_status) and by the provider (wsrep_local_state).
    `history`: wsrep_cluster_state_uuid. `view`: wsrep_cluster_conf_id. `size`: wsrep_cluster_size.
    `endpoints`: wsrep_incoming_addresses, an arbiter's being empty.
    """

    primary: bool
    state: str
    history: str
    view: int
    size: int
    endpoints: tuple[str, ...]

    @property
    def synced(self) -> bool:
        """Whether it is a full member of a Primary component."""
        return self.primary and self.state == "Synced"

    @property
    def settled(self) -> bool:
        """Whether server and provider speak of the same view: each notes a new one by itself, a moment apart."""
        return self.size == len(self.endpoints)


@dataclass(frozen=True)
class Observation:
    """One question to one member, and the answer; `status` is None when there was none, and `error` says why."""

    member: str
    asked: float
    answered: float
    status: Status | None
    error: str = ""


@dataclass(frozen=True)
class Phase:
    """What the resource agent of a member reports that it is doing."""

    member: str
    at: float
    phase: str
    reason: str = ""


@dataclass(frozen=True)
class Event:
    """Something that the drill did. `mark` names it for the expectations."""

    mark: str
    title: str
    began: float
    ended: float


@dataclass
class Record:
    """All that was seen during a run."""

    began: str
    """By the machine's clock, ISO 8601."""
    writes: list[Write] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    rows: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    """Site and number of every row at the end, by the member; one that could not be read is missing."""
    first: float = 0.0
    """When the writers had begun to write."""
    last: float = 0.0
    """When they were told to stop."""
