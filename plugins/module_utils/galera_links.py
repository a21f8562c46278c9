# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links from one member to the others: what their names resolve to, whether they answer, and how fast.

The network is handed in as two functions, :func:`resolve` and :func:`connect` where it is the real one.
"""

from __future__ import annotations

import ipaddress
import socket
import statistics
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterable, List, Mapping, Sequence, Tuple

Resolver = Callable[[str], Sequence[str]]
"""Addresses of a name, in any order; raises OSError when there are none."""
Connector = Callable[[str, int, float], None]
"""Connects to an address and a port within some seconds and closes; raises OSError. A ConnectionRefusedError is an
answer too: the host sent it."""
Clock = Callable[[], float]
"""Seconds that only grow."""

UNFINISHED = "no answer in time"


class LinksError(Exception):
    """What shall be measured makes no sense."""


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: its name, the address that it is expected at, and its TCP port."""

    name: str
    address: str
    port: int


@dataclass(frozen=True)
class Link:
    """What was seen of the link to a peer.

    ``resolved`` are the addresses of its name, sorted; ``resolve_error`` says why there are none. ``reached``: its host
    answered, be it with a refusal. ``error`` says why it did not. ``round_trip_min`` and ``round_trip`` are the least
    and the median time of the tries that were answered, in milliseconds.
    """

    name: str
    address: str
    port: int
    resolved: Tuple[str, ...]
    resolve_error: str
    reached: bool
    error: str
    round_trip_min: float | None
    round_trip: float | None


class _Probe:
    """What two threads find out about a peer, as far as they have come."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.resolved: Tuple[str, ...] = ()
        self.resolve_error = UNFINISHED
        self.times: List[float] = []
        self.error = UNFINISHED

    def resolve(self, resolver: Resolver) -> None:
        try:
            self.resolved, self.resolve_error = tuple(sorted(set(resolver(self.peer.name)))), ""
        except OSError as error:
            self.resolve_error = error.strerror or str(error)

    def connect(self, connector: Connector, tries: int, deadline: float, clock: Clock) -> None:
        for _try in range(tries):
            begin = clock()
            if begin >= deadline:
                return
            try:
                connector(self.peer.address, self.peer.port, deadline - begin)
            except ConnectionRefusedError:
                pass
            except OSError as error:
                # socket.timeout has no strerror.
                self.error = error.strerror or UNFINISHED
                return
            self.times.append((clock() - begin) * 1000)

    def link(self) -> Link:
        times = list(self.times)
        return Link(
            name=self.peer.name,
            address=self.peer.address,
            port=self.peer.port,
            resolved=self.resolved,
            resolve_error=self.resolve_error,
            reached=bool(times),
            error="" if times else self.error,
            round_trip_min=round(min(times), 3) if times else None,
            round_trip=round(statistics.median(times), 3) if times else None,
        )


def resolve(name: str) -> List[str]:
    """Return the addresses of a name as programs on this host see them. Raises OSError."""
    # A link-local address comes with its interface, as fe80::1%eth0.
    return [str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


def connect(address: str, port: int, limit: float) -> None:
    """Connect and close. Raises OSError, a ConnectionRefusedError where the host answered with a refusal."""
    socket.create_connection((address, port), timeout=limit).close()


def peers(given: Iterable[Mapping[str, Any]], port: int) -> Tuple[Peer, ...]:
    """Read peers, each with ``name``, ``address`` and perhaps a ``port`` of its own.

    :raises LinksError: if a name is missing, or an address is none.
    """
    return tuple(_peer(each, port) for each in given)


def _peer(given: Mapping[str, Any], port: int) -> Peer:
    try:
        return Peer(str(given["name"]), str(ipaddress.ip_address(given["address"])), int(given.get("port") or port))
    except KeyError as error:
        raise LinksError(f"The peer {dict(given)} has no {error.args[0]}.") from None
    except ValueError:
        raise LinksError(f"{given['name']}: {given['address']!r} is no IP address, or its port no number.") from None


def measure(
    to: Sequence[Peer],
    resolver: Resolver,
    connector: Connector,
    tries: int,
    limit: float,
    clock: Clock = time.monotonic,
) -> Tuple[Link, ...]:
    """Look at the links to all peers at once.

    :param tries: Connections to each peer, one after another.
    :param limit: Seconds after which it returns, whatever is unfinished by then; each thread ends by itself later.
    """
    deadline = clock() + limit
    probes = [_Probe(peer) for peer in to]
    threads = []
    for probe in probes:
        # A resolver cannot be interrupted; a daemon keeps nobody from leaving.
        threads.append(threading.Thread(target=probe.resolve, args=(resolver,), daemon=True))
        threads.append(threading.Thread(target=probe.connect, args=(connector, tries, deadline, clock), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - clock()))
    return tuple(probe.link() for probe in probes)


def name_problem(link: Mapping[str, Any]) -> str:
    """What is wrong with what the name of a peer resolves to, the part of a sentence after the name; or nothing.

    :param link: The keys of :class:`Link`.
    """
    if link["resolve_error"]:
        return f"does not resolve ({link['resolve_error']})"
    loopback = [address for address in link["resolved"] if ipaddress.ip_address(address).is_loopback]
    if loopback and not ipaddress.ip_address(link["address"]).is_loopback:
        return f"resolves to the loopback address {loopback[0]}"
    if link["address"] not in link["resolved"]:
        return f"resolves to {', '.join(link['resolved'])}"
    return ""


def problems(links: Iterable[Link]) -> Tuple[str, ...]:
    """Everything that is wrong with the links of this one host, each as a sentence with what to do."""
    found = []
    for link in links:
        name = name_problem(vars(link))
        if name:
            found.append(
                f"{link.name} {name} here and must resolve to {link.address}: correct /etc/hosts or this host's DNS."
            )
        if not link.reached:
            found.append(
                f"{link.name} ({link.address}, TCP port {link.port}) cannot be reached from here ({link.error}): "
                "is it up, and do the routes and firewalls in between let this port through, both ways?"
            )
    return tuple(found)


def worst_round_trip(links: Iterable[Mapping[str, Any]]) -> float | None:
    """The greatest of the links' round trips in milliseconds; None where none was measured.

    Each link counts with its fastest try: what a busy host adds to the others says nothing about the link, and would
    change the cluster's time limits from one run to the next.

    :param links: The links of any number of hosts, each with the keys of :class:`Link`.
    """
    return max((link["round_trip_min"] for link in links if link["round_trip_min"] is not None), default=None)
