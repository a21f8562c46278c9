# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drills, as data: what is done when, and what has to hold. Pure.

A drill does nothing that would help the cluster: whatever it takes away it gives back as it was, and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Union

from .expectations import Expectation, NoPrimary, NothingAcknowledged, Noticed, PauseAtMost, StayedPrimary, SyncedWithin
from .model import Description, DrillError, Site

Kind = Literal[
    "power_off",
    "power_on",
    "kill",
    "hang",
    "cut",
    "mend",
    "keep_stopped",
    "let_run",
    "limit_disk",
    "fill_disk",
    "free_disk",
    "unlimit_disk",
    "fake_clock",
    "set_clock",
    "unfake_clock",
    "recover",
    "hold_writers",
    "release_writers",
]


@dataclass(frozen=True)
class Cut:
    """Packets from `sources` to `destinations`, networks or addresses, are dropped on the node `router`."""

    router: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]


@dataclass(frozen=True)
class Act:
    """Something is done to nodes or members, all at once. `value`: seconds that a clock is set to differ."""

    kind: Kind
    title: str
    targets: tuple[str, ...] = ()
    mark: str = ""
    cuts: tuple[Cut, ...] = ()
    value: int = 0


@dataclass(frozen=True)
class Sleep:
    """Time passes."""

    seconds: float


@dataclass(frozen=True)
class WaitSynced:
    """Until each of these members is Synced in a component of that many members, arbiters included."""

    members: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class WaitNotSynced:
    """Until this member is not Synced."""

    member: str


@dataclass(frozen=True)
class WaitStopped:
    """Until no server runs for any of these members."""

    members: tuple[str, ...]


@dataclass(frozen=True)
class WaitRestarted:
    """Until another server process than before the last Act runs for the member."""

    member: str


@dataclass(frozen=True)
class WaitWritten:
    """Until so many further writes of the site are acknowledged."""

    site: str
    count: int


Step = Union[Act, Sleep, WaitSynced, WaitNotSynced, WaitStopped, WaitRestarted, WaitWritten]


@dataclass(frozen=True)
class Drill:
    """A drill for one cluster. `payload`: bytes of each row. `hands`: what an operator has to do, if anything."""

    name: str
    title: str
    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...] = ()
    payload: int = 100
    hands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What a plan depends on.

    `suspect`: evs.suspect_timeout in seconds. `writing`: by site, the member that takes its writes.
    """

    description: Description
    suspect: float
    writing: Mapping[str, str]

    @property
    def away(self) -> float:
        """Seconds for which something is taken away: the cluster has decided long before."""
        return max(15.0, 3 * self.suspect)

    @property
    def all_members(self) -> tuple[str, ...]:
        """Names of all members."""
        return tuple(member.name for member in self.description.members)

    @property
    def arbiters(self) -> tuple[str, ...]:
        """Names of the arbiters."""
        return tuple(arbiter.name for arbiter in self.description.arbiters)

    @property
    def everything(self) -> tuple[str, ...]:
        """All controllers and arbiters."""
        return tuple(node for site in self.description.sites for node in site.nodes) + self.arbiters

    @property
    def primary(self) -> Site:
        """The first site."""
        return self.description.sites[0]

    @property
    def second(self) -> Site:
        """The second site."""
        return self.description.sites[1]

    @property
    def expendable(self) -> Site:
        """A site that may be lost: with an arbiter even the first one, without one that which is not decisive."""
        return self.primary if self.arbiters else self.description.sites[-1]

    def on(self, site: Site) -> tuple[str, ...]:
        """Names of the members on a site."""
        return tuple(member.name for member in self.description.members_of(site.name))

    def but(self, *left_out: str) -> tuple[str, ...]:
        """All members but these."""
        return tuple(name for name in self.all_members if name not in left_out)

    def other_sites(self, site: Site) -> tuple[Site, ...]:
        """All sites but this one."""
        return tuple(each for each in self.description.sites if each.name != site.name)

    def idle(self, site: Site) -> str:
        """A member of the site that takes no writes, if there is one."""
        return next((name for name in self.on(site) if name not in self.writing.values()), self.on(site)[0])

    def synced(self) -> WaitSynced:
        """Wait for the whole cluster."""
        return WaitSynced(self.all_members, self.description.full_size)

    def whole_within(self, seconds: float, since: str) -> Expectation:
        """The whole cluster is Synced that soon."""
        return SyncedWithin(seconds, since, self.description.members, self.description.full_size)

    def isolation(self, site: Site) -> tuple[Cut, ...]:
        """Nothing passes between the site and all that is elsewhere."""
        elsewhere = tuple(network for each in self.other_sites(site) for network in each.networks)
        elsewhere += tuple(arbiter.address for arbiter in self.description.arbiters)
        return (Cut(site.router, site.networks, elsewhere), Cut(site.router, elsewhere, site.networks))

    def pauses(
        self, seconds: float, since: str, until: str = "", sites: tuple[Site, ...] = ()
    ) -> tuple[Expectation, ...]:
        """No longer pause than suspect_timeout and so many seconds on these sites, or on all."""
        return tuple(
            PauseAtMost(site.name, self.suspect + seconds, since, until) for site in sites or self.description.sites
        )


def _need_arbiter(facts: Facts, why: str) -> None:
    if not facts.arbiters:
        raise DrillError(f"this drill needs an arbiter: {why}. The topology has none (nodes: arbiter: 1).")


def _kill_member(facts: Facts) -> Drill:
    victim = facts.writing[facts.primary.name]
    return Drill(
        "kill-member",
        "the server that takes a site's writes is killed",
        (
            Act("kill", f"mariadbd of {victim} is killed", (victim,), "killed"),
            WaitNotSynced(victim),
            facts.synced(),
        ),
        (*facts.pauses(2, "killed"), StayedPrimary(facts.but(victim), "killed"), Noticed(victim, "killed")),
    )


def _power_off_node(facts: Facts) -> Drill:
    victim = facts.writing[facts.second.name]
    return Drill(
        "power-off-node",
        "the node that takes a site's writes loses its power and gets it back",
        (
            Act("power_off", f"{victim} loses its power", (victim,), "off"),
            Sleep(facts.away),
            Act("power_on", f"{victim} has power again", (victim,), "on"),
            facts.synced(),
        ),
        (*facts.pauses(2, "off", "on"), StayedPrimary(facts.but(victim), "off"), Noticed(victim, "off")),
    )


def _lose_site(facts: Facts) -> Drill:
    site = facts.expendable
    rest = facts.other_sites(site)
    survivors = facts.but(*facts.on(site))
    return Drill(
        "lose-site",
        "all controllers of a site lose their power at once and get it back",
        (
            Act("power_off", f"all of {site.name} loses its power", site.nodes, "lost"),
            Sleep(facts.away),
            Act("power_on", f"{site.name} has power again", site.nodes, "back"),
            facts.synced(),
        ),
        (*facts.pauses(3, "lost", "back", rest), StayedPrimary(survivors, "lost")),
    )


def _lose_arbiter(facts: Facts) -> Drill:
    _need_arbiter(facts, "it is what gets lost")
    return Drill(
        "lose-arbiter",
        "the arbiter loses its power and gets it back",
        (
            Act("power_off", "the arbiter loses its power", facts.arbiters, "lost"),
            Sleep(facts.away),
            Act("power_on", "the arbiter has power again", facts.arbiters, "back"),
            facts.synced(),
        ),
        (*facts.pauses(2, "lost"), StayedPrimary(facts.all_members, "lost")),
    )


def _isolate(facts: Facts, name: str, title: str, site: Site) -> Drill:
    _need_arbiter(facts, "it stays with one of the sites")
    return Drill(
        name,
        title,
        (
            Act("cut", f"{site.name} is cut off from all others", mark="cut", cuts=facts.isolation(site)),
            Sleep(facts.away + 10),
            Act("mend", "the link is whole again", mark="mended"),
            facts.synced(),
        ),
        (
            *facts.pauses(3, "cut", "mended", facts.other_sites(site)),
            StayedPrimary(facts.but(*facts.on(site)), "cut"),
            NothingAcknowledged(site.name, "cut", "mended"),
            NoPrimary(facts.on(site), "cut", "mended", settle=facts.away),
        ),
    )


def _cut_link_arbiter_primary(facts: Facts) -> Drill:
    title = "the link between the sites is cut, the arbiter stays with the first"
    return _isolate(facts, "cut-link-arbiter-primary", title, facts.second)


def _cut_link_arbiter_second(facts: Facts) -> Drill:
    title = "the link between the sites is cut, the arbiter stays with the second"
    return _isolate(facts, "cut-link-arbiter-second", title, facts.primary)


def _cut_link_isolated(facts: Facts) -> Drill:
    _need_arbiter(facts, "without one the first site has the deciding vote")
    sites = facts.description.sites
    return Drill(
        "cut-link-isolated",
        "every site is cut off from the others and from the arbiter",
        (
            Act(
                "cut",
                "every site is cut off from all others and from the arbiter",
                mark="cut",
                cuts=tuple(cut for site in sites for cut in facts.isolation(site)),
            ),
            Sleep(facts.away + 10),
            Act("mend", "the links are whole again", mark="mended"),
            facts.synced(),
        ),
        (
            *(NothingAcknowledged(site.name, "cut", "mended") for site in sites),
            NoPrimary(facts.all_members, "cut", "mended", settle=facts.away),
        ),
    )


def _cut_one_way(facts: Facts) -> Drill:
    source, target = facts.primary, facts.second
    cut = Cut(target.router, source.networks, target.networks)
    return Drill(
        "cut-one-way",
        "packets pass from the second site to the first, but not the other way",
        (
            Act("cut", f"packets from {source.name} to {target.name} get lost", mark="cut", cuts=(cut,)),
            Sleep(facts.away + 10),
            Act("mend", "the link is whole again", mark="mended"),
            facts.synced(),
        ),
    )


def _blackout(facts: Facts) -> Drill:
    return Drill(
        "blackout",
        "everything loses its power at once and gets it back",
        (
            Act("power_off", "everything loses its power", facts.everything, "dark"),
            Sleep(5),
            Act("power_on", "everything has power again", facts.everything, "up"),
            facts.synced(),
        ),
        (facts.whole_within(60, "up"),),
    )


def _blackout_writing_member(facts: Facts) -> Drill:
    victim = facts.writing[facts.primary.name]
    rest = tuple(node for node in facts.everything if node != victim)
    return Drill(
        "blackout-writing-member",
        "the node that takes a site's writes loses its power, a moment later all others do",
        (
            Act("power_off", f"{victim}, which is written to, loses its power", (victim,), "first"),
            Sleep(1),
            Act("power_off", "all others lose their power", rest, "dark"),
            Sleep(5),
            Act("power_on", "everything has power again", facts.everything, "up"),
            facts.synced(),
        ),
        (facts.whole_within(60, "up"),),
    )


def _blackout_freshest_last(facts: Facts) -> Drill:
    lost = facts.expendable
    home = facts.other_sites(lost)[0]
    freshest = facts.on(home)[-1]
    gone = tuple(node for site in facts.other_sites(home) for node in site.nodes)
    beside = tuple(name for name in facts.on(home) if name != freshest)
    others = tuple(node for node in facts.everything if node != freshest)
    votes = len(facts.arbiters)
    return Drill(
        "blackout-freshest-last",
        "one member alone has the newest rows when all power is lost, and its node is the last to get it back",
        (
            Act("power_off", f"all but {home.name} loses its power", gone, "lost"),
            WaitSynced((freshest,), len(facts.on(home)) + votes),
            *(
                (
                    Act("keep_stopped", f"Pacemaker stops {', '.join(beside)}", beside, "alone"),
                    WaitStopped(beside),
                    WaitSynced((freshest,), 1 + votes),
                )
                if beside
                else ()
            ),
            WaitWritten(home.name, 20),
            Act("power_off", "the rest loses its power", (*home.nodes, *facts.arbiters), "dark"),
            Sleep(5),
            Act("power_on", f"all but {freshest} has power again", others, "others"),
            Sleep(40),
            Act("power_on", f"{freshest} has power again", (freshest,), "up"),
            facts.synced(),
        ),
        (NoPrimary(facts.all_members, "others", "up"), facts.whole_within(60, "up")),
    )


def _disk_full(facts: Facts) -> Drill:
    victim = facts.idle(facts.primary)
    return Drill(
        "disk-full",
        "the disk of a member is full, then there is room again",
        (
            Act("keep_stopped", f"Pacemaker stops {victim}, to get a small disk", (victim,), "small"),
            WaitStopped((victim,)),
            Act("limit_disk", f"{victim} has a small disk", (victim,)),
            Act("let_run", f"{victim} may run", (victim,)),
            facts.synced(),
            Act("fill_disk", f"the disk of {victim} is full", (victim,), "full"),
            WaitNotSynced(victim),
            Sleep(10),
            Act("free_disk", f"there is room on the disk of {victim}", (victim,), "freed"),
            facts.synced(),
            Act("keep_stopped", f"Pacemaker stops {victim}, to get its own disk", (victim,), "own"),
            WaitStopped((victim,)),
            Act("unlimit_disk", f"{victim} has its own disk", (victim,)),
            Act("let_run", f"{victim} may run", (victim,)),
            facts.synced(),
        ),
        (
            *facts.pauses(2, "full", "freed"),
            StayedPrimary(facts.but(victim), "full"),
            Noticed(victim, "full", "freed"),
        ),
        payload=8192,
    )


def _hang_member(facts: Facts) -> Drill:
    victim = facts.writing[facts.primary.name]
    return Drill(
        "hang-member",
        "the server that takes a site's writes hangs and is never let go on",
        (
            Act("hang", f"mariadbd of {victim} hangs", (victim,), "hung"),
            WaitNotSynced(victim),
            WaitRestarted(victim),
            facts.synced(),
        ),
        (*facts.pauses(2, "hung"), StayedPrimary(facts.but(victim), "hung"), Noticed(victim, "hung")),
    )


def _clock_step(facts: Facts) -> Drill:
    victim = facts.idle(facts.primary)
    return Drill(
        "clock-step",
        "the clock of a member steps by an hour forward and by more than an hour back",
        (
            Act("fake_clock", f"{victim} restarts with a clock of its own", (victim,), "own"),
            WaitRestarted(victim),
            facts.synced(),
            Act("set_clock", f"the clock of {victim} steps forward by an hour", (victim,), "forward", value=3600),
            Sleep(10),
            Act("set_clock", f"the clock of {victim} steps back by 65 minutes", (victim,), "backward", value=-300),
            Sleep(10),
            Act("unfake_clock", f"{victim} restarts with the machine's clock", (victim,), "restored"),
            WaitRestarted(victim),
            facts.synced(),
        ),
        (
            StayedPrimary(facts.all_members, "forward", "restored"),
            *facts.pauses(2, "forward", "restored"),
        ),
    )


def _recover_lost(facts: Facts) -> Drill:
    site, gone = facts.primary, facts.second
    lost = tuple(name for each in facts.other_sites(site) for name in facts.on(each))
    away = tuple(node for each in facts.other_sites(site) for node in each.nodes)
    return Drill(
        "recover-lost",
        "after a blackout a site does not come back; an operator declares it lost; it does come back later",
        (
            # What a site alone has got when it is lost for good nobody can bring back: it is quiet when that happens.
            Act("hold_writers", "the writers pause"),
            Sleep(2),
            Act("power_off", "everything loses its power", facts.everything, "dark"),
            Act("release_writers", "the writers go on"),
            Sleep(5),
            Act("power_on", f"{site.name} has power again", (*site.nodes, *facts.arbiters), "some"),
            Sleep(40),
            Act("recover", f"recover.yml declares {', '.join(lost)} lost", lost, "declared"),
            WaitSynced(facts.on(site), len(facts.on(site)) + len(facts.arbiters)),
            WaitWritten(site.name, 20),
            Act("power_on", f"{gone.name} comes back all the same", away, "back"),
            facts.synced(),
        ),
        (NoPrimary(facts.on(site), "some", "declared"),),
        hands=("recover.yml",),
    )


PLANS: Mapping[str, Callable[[Facts], Drill]] = {
    "kill-member": _kill_member,
    "power-off-node": _power_off_node,
    "lose-site": _lose_site,
    "lose-arbiter": _lose_arbiter,
    "cut-link-arbiter-primary": _cut_link_arbiter_primary,
    "cut-link-arbiter-second": _cut_link_arbiter_second,
    "cut-link-isolated": _cut_link_isolated,
    "cut-one-way": _cut_one_way,
    "blackout": _blackout,
    "blackout-writing-member": _blackout_writing_member,
    "blackout-freshest-last": _blackout_freshest_last,
    "disk-full": _disk_full,
    "hang-member": _hang_member,
    "clock-step": _clock_step,
    "recover-lost": _recover_lost,
}


def plan(name: str, facts: Facts) -> Drill:
    """The drill of that name.

    :raises DrillError: for a cluster on which it means nothing.
    """
    if len(facts.description.sites) < 2:
        raise DrillError("a drill needs two sites; name two stacks, as in -e stacks=stack1,stack2.")
    try:
        return PLANS[name](facts)
    except KeyError:
        raise DrillError(f"there is no drill {name}; there are: {', '.join(PLANS)}.") from None
