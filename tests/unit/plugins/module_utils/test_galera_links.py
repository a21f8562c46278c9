# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links of a member: on a made-up network, and by the real functions on 127.0.0.1."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import galera_links as links

A = links.Peer("a", "10.0.0.1", 4577)
B = links.Peer("b", "10.0.0.2", 4577)


class Network:
    """Hosts by address with the seconds that they take to answer, or the error that a connection to them gives."""

    def __init__(self, **hosts: float | OSError) -> None:
        """Begin at second 0."""
        self.hosts = {name: [answer] for name, answer in hosts.items()}
        self.now = 0.0
        self.connections: list[str] = []
        self.lock = threading.Lock()

    def connect(self, address: str, _port: int, limit: float) -> None:
        """Take the time that the host takes."""
        with self.lock:
            self.connections.append(address)
            answers = self.hosts["h" + address.rsplit(".", 1)[1]]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, float):
                self.now += answer
                return
        raise answer

    def clock(self) -> float:
        """The second that it is."""
        with self.lock:
            return self.now


def resolver(**names: Sequence[str]) -> links.Resolver:
    def resolve(name: str) -> Sequence[str]:
        if name not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return names[name]

    return resolve


def one(
    network: Network, names: links.Resolver, peer: links.Peer = A, tries: int = 5, limit: float = 3.0
) -> links.Link:
    (found,) = links.measure([peer], names, network.connect, tries, limit, network.clock)
    return found


def test_round_trip_is_the_median_of_the_tries() -> None:
    network = Network(h1=0.001)
    network.hosts["h1"] = [0.004, 0.001, 0.9, 0.002, 0.003]
    assert one(network, resolver(a=["10.0.0.1"])) == links.Link(
        "a", "10.0.0.1", 4577, ("10.0.0.1",), "", True, "", round_trip_min=1.0, round_trip=3.0
    )
    assert len(network.connections) == 5


def test_a_refusal_is_an_answer() -> None:
    network = Network(h1=ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
    found = one(network, resolver(a=["10.0.0.1"]))
    assert (found.reached, found.error, found.round_trip) == (True, "", 0.0)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (socket.timeout("timed out"), links.UNFINISHED),
        (OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH)), "No route to host"),
    ],
)
def test_silence_is_none_and_is_not_tried_again(error: OSError, text: str) -> None:
    network = Network(h1=error)
    found = one(network, resolver(a=["10.0.0.1"]))
    assert (found.reached, found.error, found.round_trip, found.round_trip_min) == (False, text, None, None)
    assert len(network.connections) == 1


def test_no_try_begins_after_the_limit() -> None:
    network = Network(h1=1.0)
    found = one(network, resolver(a=["10.0.0.1"]), tries=100, limit=2.5)
    assert found.round_trip == 1000
    assert len(network.connections) == 3


def test_a_resolver_that_hangs_delays_nobody() -> None:
    release = threading.Event()

    def hang(name: str) -> Sequence[str]:
        if name == "b":
            release.wait(10)
        return ["10.0.0.1"]

    network = Network(h1=0.001, h2=0.001)
    begin = time.monotonic()
    first, second = links.measure([A, B], hang, network.connect, 1, 0.3)
    assert time.monotonic() - begin < 2
    release.set()
    assert (first.resolved, first.resolve_error, first.reached) == (("10.0.0.1",), "", True)
    assert (second.resolved, second.resolve_error, second.reached) == ((), links.UNFINISHED, True)


NAMES = [
    ({"a": ["10.0.0.1"]}, ""),
    ({"a": ["192.168.0.1", "10.0.0.1"]}, ""),
    ({"a": ["10.0.0.9"]}, "resolves to 10.0.0.9"),
    ({"a": ["127.0.1.1"]}, "resolves to the loopback address 127.0.1.1"),
    # By that name one would reach oneself every other time.
    ({"a": ["127.0.0.1", "10.0.0.1"]}, "resolves to the loopback address 127.0.0.1"),
    ({"a": ["::1", "10.0.0.1"]}, "resolves to the loopback address ::1"),
    ({}, "does not resolve (Name or service not known)"),
]


@pytest.mark.parametrize(("names", "problem"), NAMES)
def test_what_a_name_must_resolve_to(names: dict[str, Sequence[str]], problem: str) -> None:
    found = one(Network(h1=0.001), resolver(**names))
    assert links.name_problem(vars(found)) == problem
    assert links.problems([found]) == (
        (f"a {problem} here and must resolve to 10.0.0.1: correct /etc/hosts or this host's DNS.",) if problem else ()
    )


def test_a_cluster_on_loopback_may_resolve_to_it() -> None:
    found = one(Network(h1=0.001), resolver(a=["127.0.0.1"]), links.Peer("a", "127.0.0.1", 4577))
    assert links.name_problem(vars(found)) == ""


def test_problems_say_who_and_why() -> None:
    (problem,) = links.problems([one(Network(h1=socket.timeout("timed out")), resolver(a=["10.0.0.1"]))])
    assert problem.startswith("a (10.0.0.1, TCP port 4577) cannot be reached from here (no answer in time): ")


def test_peers() -> None:
    given: list[dict[str, Any]] = [{"name": "a", "address": "10.0.0.1", "weight": 2}, {**vars(B), "port": 5000}]
    assert links.peers(given, 4577) == (A, links.Peer("b", "10.0.0.2", 5000))
    for wrong in ({"name": "a"}, {"address": "10.0.0.1"}, {"name": "a", "address": "there"}):
        with pytest.raises(links.LinksError):
            links.peers([wrong], 4577)


def test_worst_round_trip() -> None:
    near = {"round_trip": 0.4, "round_trip_min": 0.3}
    far = {"round_trip": 21.5, "round_trip_min": 20.1}
    silent = {"round_trip": None, "round_trip_min": None}
    assert links.worst_round_trip([near, far, silent]) == 20.1
    assert links.worst_round_trip([silent]) is None
    assert links.worst_round_trip([]) is None


def test_on_a_real_network() -> None:
    with socket.socket() as listening, socket.socket() as free:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        free.bind(("127.0.0.1", 0))
        peers = [links.Peer("localhost", "127.0.0.1", each.getsockname()[1]) for each in (listening, free)]
        found = links.measure(peers, links.resolve, links.connect, 3, 3.0)
    for link in found:
        assert link.reached, link
        assert "127.0.0.1" in link.resolved
        assert link.round_trip is not None
        assert 0 <= link.round_trip < 1000


def test_silence_on_a_real_network() -> None:
    """A listener whose queue is full leaves a connection unanswered, as a firewall that drops packets does."""
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _each in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        peer = links.Peer("nowhere.invalid", *listening.getsockname())
        begin = time.monotonic()
        (found,) = links.measure([peer], links.resolve, links.connect, 3, 0.5)
    assert time.monotonic() - begin < 2
    assert (found.reached, found.error) == (False, links.UNFINISHED)
    assert found.resolve_error
