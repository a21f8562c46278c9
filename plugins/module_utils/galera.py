# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the Galera cluster that spans the stacks, how each one counts, and what the cluster survives.

Pure: ``stretch_topology`` goes in, frozen dataclasses come out.

The rule all of it rests on (Galera's gcomm/src/pc_proto.cpp, have_quorum): a component goes on, stays Primary, while it
holds more than half of the weight of the last Primary component; those that left in good order are subtracted first.
Each new Primary component is the base of the next count. So losses one after another are borne that at once are not.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any, Collection, Iterable, Iterator, Mapping, Sequence

MEMBER_WEIGHT = 10
TIE_BREAKS = (2, 1)
"""What the first members of the first stacks weigh more. Less than any difference that a member makes."""
MAX_WEIGHT = 255
"""The greatest pc.weight that Galera takes."""
PRACTICAL_MEMBERS = 15
"""A commit waits for every member's answer; above about this many, vendors advise against it."""
ARBITER_SITE = "arbiter"
DYNAMIC_PROVIDER_OPTIONS = frozenset(
    {
        "cert.log_conflicts",
        "cert.optimistic_pa",
        "evs.auto_evict",
        "evs.causal_keepalive_period",
        "evs.debug_log_mask",
        "evs.delay_margin",
        "evs.delayed_keep_period",
        "evs.inactive_timeout",
        "evs.info_log_mask",
        "evs.install_timeout",
        "evs.join_retrans_period",
        "evs.keepalive_period",
        "evs.max_install_timeouts",
        "evs.send_window",
        "evs.stats_report_period",
        "evs.suspect_timeout",
        "evs.use_aggregate",
        "evs.user_send_window",
        "gcache.keep_pages_size",
        "gcache.page_size",
        "gcs.fc_factor",
        "gcs.fc_limit",
        "gcs.max_throttle",
        "gcs.recv_q_hard_limit",
        "gcs.recv_q_soft_limit",
        "pc.ignore_quorum",
        "pc.ignore_sb",
        "pc.weight",
        "repl.causal_read_timeout",
        "repl.max_ws_size",
    }
)
"""Keys of wsrep_provider_options that a running member takes, and then has in force.

Measured with Galera 26.4.23: each was set to another value and read back (tests/integration/stretch_arbiter measures it
again). Of what this collection sets, evs.inactive_check_period, gmcast.* and ist.recv_addr take a restart. pc.weight
can be set in a Primary component only.
"""


class GaleraError(Exception):
    """The cluster that was asked for cannot be."""


@dataclass(frozen=True)
class Member:
    """A member that holds data.

    ``segment`` is gmcast.segment, one per site: a write set crosses a link between two sites once, not once per member.
    It is the stack's number; 0 is left to the arbiters. ``weight`` is pc.weight.
    """

    name: str
    stack: str
    address: str
    segment: int
    weight: int


@dataclass(frozen=True)
class Arbiter:
    """A voter without data (garbd) on the third site. ``segment`` and ``weight`` are as a member's."""

    name: str
    address: str
    weight: int
    segment: int = 0


@dataclass(frozen=True)
class Survival:
    """What a Primary component can still lose before writes stop, the worst choice each time.

    ``members``: how many members may die one after another; ``at_once``: how many may die in one moment; ``sites``:
    which sites may be lost, each alone and in one moment.
    """

    members: int
    at_once: int
    sites: tuple[str, ...]


@dataclass(frozen=True)
class SiteLoss:
    """A site is lost in one moment: whether the others go on, and which site may be lost after that."""

    site: str
    goes_on: bool
    then: tuple[str, ...]


@dataclass(frozen=True)
class LinkCut:
    """The link between two sites is cut.

    ``arbiter`` is what the arbiters' site still reaches of the two: ``both``, the name of one, ``neither``, or
    ``none`` where there is no arbiter. ``goes_on`` are the sites with data that go on writing.
    """

    between: tuple[str, str]
    arbiter: str
    goes_on: tuple[str, ...]


@dataclass(frozen=True)
class Quorum:
    """Which losses a whole cluster survives. ``weights`` are those of the sites; ``warnings`` are sentences."""

    weights: Mapping[str, int]
    survival: Survival
    sites: tuple[SiteLoss, ...]
    links: tuple[LinkCut, ...]
    warnings: tuple[str, ...]


def members(topology: Mapping[str, Any], members_per_stack: int | None = None) -> tuple[Member, ...]:
    """Choose the members, stack by stack in the order of the topology, the primary stack first.

    Every member weighs 10; the first one of the primary stack weighs 12, that of the second stack 11, so that two
    stacks that are left are never a tie: the one that is named first goes on. A weight does not depend on how many
    stacks or arbiters there are, so a stack that joins changes none.

    Of all weights that enumeration covered (tests/unit/plugins/module_utils/test_galera.py), with those of
    :func:`arbiters`, none survive more single losses, nor more pairs of losses one after another. What that means:

    * with an arbiter: any one site; any one site after a member elsewhere had died; after a site also the arbiter (with
      two members per stack or more); after the arbiter the site that is not the heaviest;
    * two stacks without an arbiter: the second stack, or the link between them (the first goes on). The loss of the
      first stack stops the second, until an operator bootstraps it;
    * three stacks without an arbiter: any one of the sites, then one more (not the heaviest of the two).

    :param topology: The value of ``stretch_topology``.
    :param members_per_stack: How many controllers of each stack take part, from the first on; None for all.
    :raises GaleraError: if a stack has not that many controllers, or the number is none.
    """
    chosen: list[Member] = []
    for place, (stack, controllers) in enumerate(_chosen(topology, members_per_stack)):
        extra = TIE_BREAKS[place] if place < len(TIE_BREAKS) else 0
        chosen += [
            Member(
                name=node["name"],
                stack=stack["name"],
                address=node["addresses"]["internal_api"],
                segment=stack["number"],
                weight=MEMBER_WEIGHT + (0 if index else extra),
            )
            for index, node in enumerate(controllers)
        ]
    return tuple(chosen)


def arbiters(topology: Mapping[str, Any], members_per_stack: int | None = None) -> tuple[Arbiter, ...]:
    """Weigh the arbiters of the topology, in its order.

    Together they weigh half a stack and a little more than the tie-breaks (5 for each member of a stack, and 3). With
    less, two stacks would stop when one is lost after a member of the other had died; with more, when the arbiters are
    lost after a stack.

    :param topology: The value of ``stretch_topology``.
    :param members_per_stack: As for :func:`members`.
    :raises GaleraError: as :func:`members`, and if one arbiter would weigh more than Galera takes.
    """
    nodes = [node for node in topology["nodes"] if node["role"] == "arbiter"]
    if not nodes:
        return ()
    largest = max((len(controllers) for _stack, controllers in _chosen(topology, members_per_stack)), default=0)
    whole = MEMBER_WEIGHT // 2 * largest + sum(TIE_BREAKS)
    share, rest = divmod(whole, len(nodes))
    if share + bool(rest) > MAX_WEIGHT:
        raise GaleraError(
            f"An arbiter to {largest} members in each stack would weigh {share + bool(rest)}; Galera takes "
            f"{MAX_WEIGHT} at most. Use fewer members per stack."
        )
    return tuple(
        Arbiter(name=node["name"], address=node["addresses"]["stretch"], weight=share + (index < rest))
        for index, node in enumerate(nodes)
    )


def survivable(
    weights: Mapping[str, tuple[str, int]], up: Collection[str], without_data: Collection[str] = ()
) -> Survival:
    """Say what a Primary component can still lose.

    :param weights: Site and weight of every voter, by name.
    :param up: The names of those that are in the Primary component now, arbiters too.
    :param without_data: The arbiters' names. What is left without a member does not write, whatever it weighs.
    :raises GaleraError: if a name has no weight.
    """
    unknown = sorted({*up, *without_data} - set(weights))
    if unknown:
        raise GaleraError(f"No weight is known of {', '.join(unknown)}.")
    present = sorted(up)
    votes = {name: weights[name][1] for name in present}
    data = [name for name in present if name not in without_data]
    total = sum(votes.values())

    def goes_on(left: Collection[str]) -> bool:
        return any(name in data for name in left) and 2 * sum(votes[name] for name in left) > total

    by_weight = sorted(data, key=lambda name: -votes[name])
    at_once = 0
    while at_once < len(data) and goes_on(set(present) - set(by_weight[: at_once + 1])):
        at_once += 1
    sites = sorted({weights[name][0] for name in present})
    return Survival(
        members=_deaths(tuple(sorted(votes[name] for name in data)), total - sum(votes[name] for name in data)),
        at_once=at_once,
        sites=tuple(site for site in sites if goes_on([name for name in present if weights[name][0] != site])),
    )


@functools.lru_cache(maxsize=4096)
def _deaths(data: tuple[int, ...], others: int) -> int:
    """How many of ``data`` (weights, sorted) may die one after another, whichever; ``others`` stay."""
    total = sum(data) + others
    worst = len(data)
    for index, weight in enumerate(data):
        if index and data[index - 1] == weight:
            continue
        rest = data[:index] + data[index + 1 :]
        if not rest or 2 * (total - weight) <= total:
            return 0
        worst = min(worst, 1 + _deaths(rest, others))
    return worst


def quorum(cluster: Sequence[Member], voters: Sequence[Arbiter]) -> Quorum:
    """Say which losses the whole cluster survives; the arbiters are one site, ``arbiter``.

    :raises GaleraError: if there are no members, or two voters have one name.
    """
    if not cluster:
        raise GaleraError("The cluster has no members.")
    placed = [(member.name, member.stack, member.weight) for member in cluster]
    placed += [(voter.name, ARBITER_SITE, voter.weight) for voter in voters]
    weights = {name: (site, weight) for name, site, weight in placed}
    if len(weights) < len(placed):
        names = [name for name, _site, _weight in placed]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise GaleraError(f"More than one voter is called {', '.join(twice)}.")
    no_data = {voter.name for voter in voters}
    sites = list(dict.fromkeys(site for _name, site, _weight in placed))
    votes = {site: sum(weight for _name, where, weight in placed if where == site) for site in sites}
    survival = survivable(weights, list(weights), no_data)
    losses = []
    for lost in sites:
        left = [name for name in weights if weights[name][0] != lost]
        goes_on = lost in survival.sites
        losses.append(SiteLoss(lost, goes_on, survivable(weights, left, no_data).sites if goes_on else ()))
    links = tuple(_cuts(votes, bool(voters)))
    found = Quorum(votes, survival, tuple(losses), links, ())
    return Quorum(votes, survival, tuple(losses), links, tuple(_warnings(found, len(cluster), bool(voters))))


def _cuts(votes: Mapping[str, int], arbitrated: bool) -> Iterator[LinkCut]:
    stacks = [site for site in votes if site != ARBITER_SITE]
    for one, other in itertools.combinations(stacks, 2):
        for arbiter in ("both", one, other, "neither") if arbitrated else ("none",):
            unreached = {"both": set(), one: {other}, other: {one}, "neither": {one, other}, "none": set()}[arbiter]
            broken = [{one, other}, *({ARBITER_SITE, site} for site in unreached)]
            # Members that do not reach each other are connected through those that reach both (gmcast relays).
            group = next(
                (
                    group
                    for group in _connected(list(votes), broken)
                    if 2 * sum(votes[site] for site in group) > sum(votes.values())
                ),
                set(),
            )
            yield LinkCut((one, other), arbiter, tuple(site for site in stacks if site in group))


def _connected(sites: Sequence[str], broken: Sequence[set[str]]) -> list[set[str]]:
    groups: list[set[str]] = []
    for site in sites:
        joined = [group for group in groups if any({site, each} not in broken for each in group)]
        groups = [group for group in groups if group not in joined]
        groups.append({site}.union(*joined))
    return groups


def _warnings(found: Quorum, count: int, arbitrated: bool) -> Iterator[str]:
    total = sum(found.weights.values())
    stacks = [site for site in found.weights if site != ARBITER_SITE]
    cure = (
        "The arbiters and the other stacks do not outweigh it: give every stack as many members."
        if arbitrated
        else "There is no arbiter; with a node of the role arbiter on a third site any one site may be lost."
    )
    for loss in found.sites:
        others = [stack for stack in stacks if stack != loss.site]
        if loss.goes_on or not others:
            continue
        yield (
            f"Losing {loss.site} would stop {' and '.join(others)}: without it {total - found.weights[loss.site]} of "
            f"{total} votes are left, and going on takes more than half. {cure}"
        )
    for cut in found.links:
        if not cut.goes_on and cut.arbiter == "none":
            yield (
                f"Cutting the link between {' and '.join(cut.between)} would stop writing everywhere: no side has more "
                "than half of the votes, and there is no arbiter to decide."
            )
    if len(stacks) == 1 and arbitrated:
        yield f"The arbiter has no second site to arbitrate: {stacks[0]} is the only one with data."
    if count > PRACTICAL_MEMBERS:
        yield (
            f"The cluster has {count} members; about {PRACTICAL_MEMBERS} are the practical limit. "
            "Use fewer members of each stack."
        )


def _chosen(
    topology: Mapping[str, Any], members_per_stack: int | None
) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    _check_number("members_per_stack", members_per_stack, least=1)
    for stack in topology["stacks"]:
        controllers = [
            node for node in topology["nodes"] if node["role"] == "controller" and node["stack"] == stack["name"]
        ]
        if members_per_stack is not None and members_per_stack > len(controllers):
            raise GaleraError(
                f"members_per_stack is {members_per_stack}, but {stack['name']} has {len(controllers)} controllers."
            )
        yield stack, controllers[:members_per_stack]


def cluster_address(cluster: Iterable[Mapping[str, Any]], port: int) -> str:
    """Write wsrep_cluster_address: the same text on every member, whatever the order they are given in.

    The order is that of the names by code point, the same as the election's. The port is written for every member,
    since Galera takes 4567 for one that has none.

    :param cluster: Members, each with at least ``name`` and ``address``.
    :raises GaleraError: if there is no member, or the port is none.
    """
    _check_number("port", port, least=1)
    addresses = [str(member["address"]) for member in sorted(cluster, key=lambda member: str(member["name"]))]
    if not addresses:
        # gcomm:// with nothing behind it would bootstrap a cluster of its own.
        raise GaleraError("The cluster has no members.")
    return "gcomm://" + ",".join(f"{address}:{port}" for address in addresses)


def _check_number(name: str, value: Any, least: int) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise GaleraError(f"{name} is {value!r}; give a whole number, {least} or more.")
