# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which site reaches which, told from who got whose report.

A connection needs both directions, so a cut of one alone looks like a cut of both. What tells them apart are half-open
connections: a host that has one hears the other side, which does not hear it.
"""

from __future__ import annotations

import statistics
from typing import Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import (
    CUT,
    PARTIAL,
    UNKNOWN,
    UP,
    Link,
)
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.views import (
    Expected,
    Sighting,
    View,
    mapping,
    words,
)


def links(
    members: Sequence[Expected],
    seen: Mapping[str, Sequence[Sighting]],
    hosts: Mapping[str, View],
) -> tuple[Link, ...]:
    """The links between all pairs of sites that have members, each direction by itself.

    :param seen: The sightings of each member.
    :param hosts: The views of the controllers.
    """
    sites = list(dict.fromkeys(one.site for one in members))
    asked = {pair: _asked(pair, members, seen) for pair in ((a, b) for a in sites for b in sites if a != b)}
    return tuple(
        _link(pair, asked[pair], asked[pair[::-1]], _heard(pair, members, hosts), _heard(pair[::-1], members, hosts))
        for pair in asked
    )


def _asked(
    pair: tuple[str, str], members: Sequence[Expected], seen: Mapping[str, Sequence[Sighting]]
) -> list[Sighting]:
    """How the one site found members of the other. Only those that anybody reaches: a dead host is no cut link."""
    return [
        sighting
        for one in members
        if one.site == pair[1] and any(each.reached for each in seen[one.name])
        for sighting in seen[one.name]
        if sighting.site == pair[0]
    ]


def _heard(pair: tuple[str, str], members: Sequence[Expected], hosts: Mapping[str, View]) -> bool:
    """Whether packets of the one site arrive at the other, whose answers do not get back."""
    sources = {one.address for one in members if one.site == pair[0]}
    return any(
        sources & set(words(mapping(view.get("connections")[0]).get("half_open")))
        for view in hosts.values()
        if view.site == pair[1]
    )


def _link(
    pair: tuple[str, str], there: Sequence[Sighting], back: Sequence[Sighting], heard: bool, answered: bool
) -> Link:
    reached = [one for one in there if one.reached]
    took = [one.round_trip for one in there if one.round_trip is not None]
    round_trip = statistics.median(took) if took else None
    if there and len(reached) == len(there):
        return Link(*pair, UP, round_trip, "")
    if reached:
        return Link(*pair, PARTIAL, round_trip, f"{len(there) - len(reached)} of {len(there)} connections fail")
    if heard:
        # Its packets arrive, so it is the other direction that is cut.
        return Link(*pair, UP, None, "packets arrive, but the answers do not get back")
    if there:
        why = "packets do not arrive; those of the other direction do" if answered else "no connection gets through"
        return Link(*pair, CUT, None, why)
    if back and not any(one.reached for one in back):
        return Link(*pair, CUT, None, "no connection from the other side gets through")
    if any(one.reached for one in back):
        return Link(*pair, UP, None, "")
    return Link(*pair, UNKNOWN, None, "nobody there could be asked")
