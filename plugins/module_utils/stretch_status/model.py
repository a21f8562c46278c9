# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture: what all nodes saw, put together. Plain data; see :mod:`merge` for where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

OK, BUSY, WARN, BAD = "ok", "busy", "warn", "bad"
"""How a thing is: well; on its way by itself; not as it should be; broken. OFF stands for what is not meant to run."""
OFF = "off"

LEVELS = (OK, BUSY, OFF, WARN, BAD)
"""From the best to the worst."""

UP, CUT, PARTIAL, UNKNOWN = "up", "cut", "partial", "unknown"
"""How one direction of a link between two sites is."""


@dataclass(frozen=True)
class State:
    """What a member or an arbiter does: a level, two or three words, and one sentence (or none) about why."""

    level: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Member:
    """A member.

    ``uuid`` and ``seqno`` are those of the database while it runs, otherwise those that the agent read from its disk;
    ``behind`` is how many transactions the newest member of the same history has more. ``round_trips`` are seconds by
    the site that measured them. ``component`` is the index of its Primary component, None outside of one.
    ``phase`` and ``phase_age`` (seconds) are the agent's; ``lost``: an operator declared it lost for this outage.
    ``reported``: somebody got its report. ``node`` says why the node itself does not answer Ansible, if so.
    """

    name: str
    site: str
    address: str
    segment: int | None
    weight: int | None
    state: State
    pacemaker: str
    pacemaker_reason: str
    wsrep: str
    uuid: str
    seqno: int | None
    behind: int | None
    component: int | None
    round_trips: Mapping[str, float]
    flow_control: float | None
    queue: int | None
    phase: str
    phase_age: float | None
    waits_for: tuple[str, ...]
    lost: bool
    reported: bool
    node: str
    version: str


@dataclass(frozen=True)
class Server:
    """A member as HAProxy sees it; ``since`` is seconds since it was found up or down."""

    name: str
    up: bool
    status: str
    sessions: int
    check: str
    since: int


@dataclass(frozen=True)
class Proxy:
    """HAProxy on one controller. ``target``: the server that takes a connection made now; None if none does."""

    host: str
    error: str
    sessions: int
    target: str | None
    servers: tuple[Server, ...]


@dataclass(frozen=True)
class Site:
    """A site.

    ``holder`` is the controller that has the VIP, ``proxies`` are those of all controllers that answered. ``writes``
    says whether a client of this site can write through its VIP, None if it cannot be told; ``access`` says why (not).
    ``pacemaker`` is empty, or says what is wrong with the site's Pacemaker.
    """

    name: str
    region: str
    vip: str
    holder: str | None
    writes: bool | None
    access: str
    proxies: tuple[Proxy, ...]
    pacemaker: str
    reachable: int
    controllers: int


@dataclass(frozen=True)
class Arbiter:
    """An arbiter; ``connected``: how many members of each site it has connections to, None if it could not be asked."""

    name: str
    address: str
    weight: int
    state: State
    votes: bool | None
    connected: Mapping[str, int] | None


@dataclass(frozen=True)
class Link:
    """The way from one site to another, in this direction alone. ``round_trip`` in seconds."""

    source: str
    target: str
    state: str
    round_trip: float | None
    detail: str


@dataclass(frozen=True)
class Component:
    """A Primary component. ``arbiters`` is how many arbiters are in it; ``votes`` of ``all_votes`` are its weight."""

    uuid: str
    view: int | None
    members: tuple[str, ...]
    arbiters: int
    votes: int
    all_votes: int


@dataclass(frozen=True)
class Reserve:
    """What can still be lost before writes stop, the worst choice each time.

    ``members`` is how many may die one after another, ``at_once`` how many in one moment. ``sites`` are those that may
    be lost, each alone and in one moment; ``risks`` are the other sites that hold data now.
    """

    members: int
    at_once: int
    sites: tuple[str, ...]
    risks: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be: a level, who it is about, and what it is."""

    level: str
    who: str
    what: str


@dataclass(frozen=True)
class Status:
    """The whole. ``taken`` is when it was asked for, ISO 8601. ``newest`` is the highest seqno."""

    cluster: str
    taken: str
    level: str
    headline: str
    writes: bool | None
    split: bool
    sites: tuple[Site, ...]
    members: tuple[Member, ...]
    arbiters: tuple[Arbiter, ...]
    links: tuple[Link, ...]
    components: tuple[Component, ...]
    reserve: Reserve | None
    problems: tuple[Problem, ...]
    newest: int | None

    def of_site(self, site: str) -> tuple[Member, ...]:
        """The members of a site."""
        return tuple(member for member in self.members if member.site == site)
