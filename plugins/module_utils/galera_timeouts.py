# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Galera's timeouts and windows, from the round trip between its members.

Where a file is named, it is one of Galera's source, whose relations between the values are kept here.
"""

from __future__ import annotations

import math

from ansible_collections.stretch.cluster.plugins.module_utils.galera import GaleraError

LADDER = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Round trips in milliseconds that a measured one is rounded up to."""
HEADROOM = 1.25
"""What a step of the ladder has to lie above a measured round trip to be chosen. It is left upwards without it."""
GREATEST = 500.0
"""Milliseconds. No link between places on the ground takes longer."""

SUSPECT = 5.0
PEER = 3.0
"""Galera's defaults in seconds (gcomm/src/defaults.cpp), which a local network keeps."""
KEEPALIVE = 0.5
INACTIVE_CHECK = 0.2
JOIN_RETRANS = 0.3
"""Seconds, less than Galera's 1, 0.5 and 1. Members do not suspect a dead one at the same moment, and learn what the
others think of it with the next join message: with the defaults seven of them took 3.3 s beyond suspect_timeout to go
on, with these about 2."""
MESSAGES = 2000
"""Messages a second that the windows let through; 2 in flight at 1 ms are Galera's default."""
MOST_IN_FLIGHT = 512
"""Restores the throughput at 300 ms; a message has 64 KiB at most, and every member may have to keep as many."""


def round_trip(measured: float, configured: float | None = None) -> float:
    """Round a measured round trip up to a step of the ladder; it stays what it was while it can.

    The same measurement again changes nothing, and one that wavers around a step does not go up and down with it.

    :param measured: Milliseconds.
    :param configured: What an earlier measurement was rounded to, milliseconds; None for the first one.
    :raises GaleraError: if a value is no round trip, or is longer than 500 ms.
    """
    _check(measured)
    wanted = float(next((step for step in LADDER if step >= measured * HEADROOM), LADDER[-1]))
    if configured is None:
        return wanted
    _check(configured)
    if measured > configured:
        return wanted
    return min(wanted, float(configured))


def timeouts(milliseconds: float) -> dict[str, str]:
    """Derive the options of the provider (wsrep_provider_options, garbd's --options) from a round trip.

    Up to about 200 ms suspect_timeout is Galera's own: what kills a member is noticed in 5 s. A preset for a WAN (30 s)
    would stop all writes for as long after each loss.

    evs.delay_margin and evs.delayed_keep_period are not among them: they are read only where evs.auto_evict is not 0
    (gcomm/src/evs_proto.cpp, check_inactive), and members that a slow link evicts stay out until they are restarted.

    :param milliseconds: The round trip between the two members that are the farthest apart.
    :raises GaleraError: if that is no round trip, or is longer than 500 ms.
    """
    _check(milliseconds)
    trip = milliseconds / 1000
    # A member is suspected that was not heard of for so long. Between two keepalives a packet can be lost, and its
    # retransmission too: Linux waits a round trip and 0.2 s for the first, twice that for the second. Three keepalives
    # and ten round trips cover it.
    suspect = max(SUSPECT, 3 * KEEPALIVE + 10 * trip)
    # After so long a suspected one is dropped, even if others still hear it. Galera's own ratio is 3.
    inactive = 3 * suspect
    # Agreement on a new view: join messages of all to all, then its installation. evs_proto.cpp wants it between two
    # keepalives and the inactive_timeout; Galera's own is half of that.
    install = inactive / 2
    # gmcast closes a connection that was silent for so long, and relays around it; it asks for a sign of life after
    # two thirds (gmcast.cpp, check_liveness). The answer, a retransmission with it, has to come in the third that is
    # left, looked for every 0.5 s; and all that before the member is suspected.
    peer = max(PEER, 3 * (2 * trip + 0.5))
    # A join message that is sent again before the answer can be there is a message for nothing.
    join = max(JOIN_RETRANS, 3 * trip)
    # What is in flight while one waits for the answers: the bandwidth-delay product in messages. User messages are
    # half of all, as by default.
    user_window = min(MOST_IN_FLIGHT, max(2, math.ceil(MESSAGES * trip)))
    return {
        "evs.inactive_timeout": _period(inactive),
        "evs.suspect_timeout": _period(suspect),
        # At most a third of suspect_timeout (evs_proto.cpp). Slower would mean later news, faster only more packets.
        "evs.keepalive_period": _period(KEEPALIVE),
        # At most half of suspect_timeout (evs_proto.cpp). It is a matter of the member's own clock, of no round trip.
        "evs.inactive_check_period": _period(INACTIVE_CHECK),
        "evs.install_timeout": _period(install),
        "evs.join_retrans_period": _period(join),
        # Before user_send_window, which must not be above it.
        "evs.send_window": str(2 * user_window),
        "evs.user_send_window": str(user_window),
        "gmcast.peer_timeout": _period(peer),
    }


def _period(seconds: float) -> str:
    """Write a period of ISO 8601 as Galera reads it."""
    return f"PT{round(seconds, 3):g}S"


def _check(milliseconds: float) -> None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)) or not milliseconds > 0:
        raise GaleraError(f"A round trip of {milliseconds!r} ms is none; give a number above 0.")
    if milliseconds > GREATEST:
        raise GaleraError(
            f"A round trip of {milliseconds:g} ms is longer than the {GREATEST:g} ms that a cluster that commits "
            "everywhere at once can do with. Look for what delays the link."
        )
