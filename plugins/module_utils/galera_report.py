# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""The authenticated report by which the members of a stretched Galera learn of each other.

A member's clustercheck answers ``GET /report``. The request carries a nonce and ``HMAC-SHA256(key, "request\n" +
nonce)``, the answer ``HMAC-SHA256(key, "response\n" + nonce + "\n" + body)``, both in hexadecimal digits: an answer is
good for the one question that it was made for. Nothing in it is secret, so it is signed and not encrypted.

Used by the resource agent, by clustercheck and by modules; Python 3.6 or newer, standard library alone.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import binascii
import hashlib
import hmac
import json
import os
import queue
import re
import socket
import threading
import time
from typing import Any, Dict, List, Mapping, Sequence, Tuple

PATH = "/report"
NONCE = "X-Stretch-Nonce"
SIGNATURE = "X-Stretch-Signature"
DEFAULT_PORT = 9201
"""Where the stretched Galera's clustercheck answers."""

ANSWER_LIMIT = 1 << 20
"""Bytes of the longest answer that is read."""

_NONCE = re.compile(r"^[0-9a-f]{32}$")
_KEY = re.compile(r"^[!-~]{32,}$")
_STATUS = re.compile(r"^HTTP/1\.[01] ([0-9]{3})\b")


class ReportError(Exception):
    """A report, or what is needed to ask for one, cannot be used; the text is one line and says why."""


def parse_key(text: str) -> str:
    """Return the shared key from the text of ``report.key``.

    :raises ReportError: for a key that could be guessed, an empty one above all.
    """
    key = text.strip()
    if not _KEY.match(key):
        raise ReportError("the report's key has to be one line of 32 hexadecimal digits or more")
    return key


def parse_members(text: str) -> Dict[str, Any]:
    """Return the contents of ``members.json``, with ``cluster``, ``self``, ``check_port``, ``members``, ``arbiters``.

    :raises ReportError: when it is not that, or names or addresses of members are not distinct.
    """
    try:
        found = json.loads(text)
        members = [(str(one["name"]), str(one["address"])) for one in found["members"]]
        found["cluster"], found["self"], found["arbiters"] = found["cluster"], found["self"], found["arbiters"]
        found["check_port"] = int(found["check_port"])
    except KeyError as error:
        raise ReportError(f"the list of members has no {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ReportError(f"the list of members is not what it should be: {one_line(error)}") from error
    _distinct(members)
    return dict(found)


def _distinct(members: Sequence[Tuple[str, str]]) -> None:
    names = [name for name, _address in members]
    addresses = [address for _name, address in members]
    for what, values in (("name", names), ("address", addresses)):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ReportError(f"two members have the {what} {', '.join(twice)}")


def one_line(value: object) -> str:
    """Return a short printable line of whatever text, such as one that came over the network."""
    text = " ".join(str(value).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]


def request_signature(key: str, nonce: str) -> str:
    """Return what proves that a question comes from one who has the key."""
    return _sign(key, f"request\n{nonce}".encode())


def response_signature(key: str, nonce: str, body: bytes) -> str:
    """Return what proves that an answer was made for this nonce by one who has the key."""
    return _sign(key, f"response\n{nonce}\n".encode() + body)


def _sign(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def is_request(key: str, nonce: str, signature: str) -> bool:
    """Tell whether a question is signed with the key."""
    return bool(_NONCE.match(nonce)) and _same(request_signature(key, nonce), signature)


def _same(expected: str, given: str) -> bool:
    # As bytes, since texts that are not ASCII cannot be compared in constant time.
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def new_nonce() -> str:
    """Return a nonce that was never used."""
    return binascii.hexlify(os.urandom(16)).decode("ascii")


def request(host: str, key: str, nonce: str) -> bytes:
    """Return the signed question to a host."""
    lines = (
        f"GET {PATH} HTTP/1.1",
        f"Host: {host}",
        f"{NONCE}: {nonce}",
        f"{SIGNATURE}: {request_signature(key, nonce)}",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(lines).encode("ascii")


def parse_headers(head: bytes) -> Dict[str, str]:
    """Return the header lines after the first line, by name in lower case; of one that is there twice, the last."""
    found = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
    return found


def open_answer(answer: bytes, key: str, nonce: str, name: str) -> Dict[str, Any]:
    """Return the report in a whole answer to the question with this nonce, as given by the member of this name.

    :raises ReportError: unless it is one.
    """
    head, separator, body = answer.partition(b"\r\n\r\n")
    status = _STATUS.match(head.split(b"\r\n", 1)[0].decode("latin-1"))
    if not status or not separator:
        raise ReportError("what answers there is no clustercheck" if answer else "closed the connection unanswered")
    if status.group(1) == "401":
        raise ReportError("refuses the signature: the report's key differs there")
    if status.group(1) != "200":
        raise ReportError("answers {}: {}".format(status.group(1), one_line(body.decode("utf-8", "replace"))))
    if not _same(response_signature(key, nonce, body), parse_headers(head).get(SIGNATURE.lower(), "")):
        raise ReportError("the answer's signature is wrong")
    try:
        report = json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise ReportError(f"the answer is no JSON: {one_line(error)}") from error
    if not isinstance(report, dict):
        raise ReportError("the answer is no report")
    # Or one member would count as two.
    if report.get("name") != name:
        raise ReportError("the member that answers there calls itself {}".format(one_line(report.get("name"))))
    return report


def ask(name: str, address: str, port: int, key: str, timeout: float) -> Dict[str, Any]:
    """Ask one member.

    :param timeout: seconds for all of it, however the other side behaves.
    :returns: ``reachable`` and ``round_trip``, the seconds that the connection took to make, and the report.
    :raises ReportError, OSError: when there is none.
    """
    deadline = time.monotonic() + timeout
    nonce = new_nonce()
    begin = time.monotonic()
    connection = socket.create_connection((address, port), timeout)
    # A TCP handshake is one round trip.
    round_trip = time.monotonic() - begin
    try:
        connection.settimeout(_left(deadline))
        connection.sendall(request(address, key, nonce))
        received = b""
        while len(received) <= ANSWER_LIMIT:
            connection.settimeout(_left(deadline))
            part = connection.recv(65536)
            if not part:
                report = open_answer(received, key, nonce, name)
                return dict(report, reachable=True, round_trip=round_trip)
            received += part
    finally:
        connection.close()
    raise ReportError("the answer does not end")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout
    return left


def fetch(
    members: Sequence[Mapping[str, Any]], key: str, timeout: float = 2.0, port: int = DEFAULT_PORT
) -> Dict[str, Dict[str, Any]]:
    """Ask all members at once.

    :param members: each with ``name`` and ``address``, and ``port`` where it is not the common one.
    :param key: the shared key, see :func:`parse_key`.
    :param timeout: seconds after which this returns, whatever the members do.
    :returns: for every member ``{"reachable": True, "round_trip": seconds}`` with its report, or ``{"reachable": False,
        "error": one line}``.
    :raises ReportError: when two members have one name or one address.
    """
    _distinct([(str(one["name"]), f"{one['address']} port {one.get('port', port)}") for one in members])
    late = f"no answer within {timeout:g} s"
    answers: queue.Queue[Tuple[str, Dict[str, Any]]] = queue.Queue()

    def one(name: str, address: str, at: int) -> None:
        try:
            answers.put((name, ask(name, address, at, key, timeout)))
        except socket.timeout:
            pass  # as one whose thread hangs, in the resolver for one
        except OSError as error:
            answers.put((name, _unreachable(error.strerror or error)))
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            answers.put((name, _unreachable(error)))

    deadline = time.monotonic() + timeout
    threads: List[threading.Thread] = []
    for member in members:
        arguments = (str(member["name"]), str(member["address"]), int(member.get("port", port)))
        threads.append(threading.Thread(target=one, args=arguments, daemon=True))
        threads[-1].start()
    found = {str(member["name"]): _unreachable(late) for member in members}
    for _each in members:
        try:
            name, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[name] = answer
    return found


def _unreachable(error: object) -> Dict[str, Any]:
    return {"reachable": False, "error": one_line(error) or type(error).__name__}
