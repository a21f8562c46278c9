# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cutover writes into haproxy.cfg: writes to Keystone are refused, and servers are out of rotation. Pure.

All of it stands in lines of its own or is marked by one, so that it can be taken away without a trace; every other
byte of the file stays. It works with HAProxy 1.6 and later.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Iterable, Sequence

BEGIN = "# stretch.cluster cutover: begin"
END = "# stretch.cluster cutover: end"
OUT = "# stretch.cluster cutover: the next server is out of rotation"
ANY = frozenset({"", "*", "0.0.0.0", "::", "[::]"})  # noqa: S104 - nothing is bound
ANSWER = "keystone-cutover.http"
"""Name of the file with the answer to a refused write."""

_SECTION = re.compile(
    r"^[ \t]*(global|defaults|listen|frontend|backend|peers|resolvers|userlist|mailers|program|cache|http-errors|ring"
    r"|fcgi-app|log-forward|log-profile|crt-store|traces|acme)(?:[ \t]+(\S+))?(?:[ \t]+from[ \t]+(\S+))?[ \t]*(?:#.*)?$"
)
_SERVER = re.compile(r"^([ \t]*server[ \t]+\S+[ \t]+(\S+))((?:[ \t].*)?)$")
_DISABLED = re.compile(r"^([ \t]*server[ \t]+\S+[ \t]+\S+) disabled((?:[ \t].*)?)$")

# A segment of a path; not . and .., which a server before Keystone may resolve, nor one with a quoted beginning.
_SEGMENT = "/+[^/.%][^/]*"
# What is posted without writing anything but the traces of a login: logins, and validations of signed requests.
LOGINS = (
    f"^({_SEGMENT})?/+v3/+(auth/+tokens|ec2tokens|s3tokens|OS-OAUTH2/+token)/*$",
    f"^({_SEGMENT})?/+v2[.]0/+(tokens|ec2tokens)/*$",
    f"^({_SEGMENT})?/+v3/+auth/+OS-FEDERATION({_SEGMENT})+/*$",
    f"^({_SEGMENT})?/+v3/+OS-FEDERATION/+identity_providers{_SEGMENT}/+protocols{_SEGMENT}/+auth/*$",
)
_RULES = (
    *(f"acl stretch_cutover_login path_reg {path}" for path in LOGINS),
    "http-request deny deny_status 503 if !{ method GET HEAD OPTIONS POST }",
    "http-request deny deny_status 503 if { method POST } !stretch_cutover_login",
)


class GateError(Exception):
    """The file cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Endpoint:
    """Where a Keystone answers: the names and addresses of its controller, and the ports that are Keystone's."""

    hosts: frozenset[str]
    ports: frozenset[int]

    def is_at(self, host: str, port: int) -> bool:
        """Whether that is this Keystone."""
        return port in self.ports and same_host(host) in self.hosts


@dataclass(frozen=True)
class Gate:
    """What HAProxy shall do.

    `answer` is the file of a refusal as HAProxy sees it, or None where writes are admitted; `out` the controllers that
    get no requests.
    """

    answer: str | None = None
    out: frozenset[str] = frozenset()


@dataclass
class _Section:
    kind: str
    name: str
    head: int
    """Number of the line that begins it."""
    mode: str
    end: int = 0
    """Number of the line after its last one that is not empty or a comment."""


@dataclass(frozen=True)
class Found:
    """A section with servers that are Keystones: which lines, by the controller."""

    title: str
    head: int
    end: int
    mode: str
    servers: dict[str, tuple[int, ...]]
    """Numbers of the lines of each controller's server."""


@dataclass(frozen=True)
class Plan:
    """The text as it shall be, and what was found in the old one."""

    text: str
    sections: tuple[str, ...]
    binds: frozenset[tuple[str, int]]
    """Addresses and ports that HAProxy serves Keystone on; the address is empty for all of the host."""
    left: bool
    """Whether the old text had lines of a cutover."""


def same_host(host: str) -> str:
    """A host by one spelling."""
    bare = host.strip("[]").lower()
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare


def endpoint(hosts: Iterable[str], ports: Iterable[int]) -> Endpoint:
    """Where a Keystone answers, by whatever names HAProxy may know it."""
    return Endpoint(frozenset(same_host(host) for host in hosts), frozenset(ports))


def split_address(text: str) -> tuple[str, int | None]:
    """Host and port of an address of a server or of a bind line; the port is None where there is none."""
    if "@" in text:
        text = text.split("@", 1)[1]
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or (host.startswith("[") and not host.endswith("]")):
        return text, None
    return host, int(port)


def answer(seconds: int) -> str:
    """The answer to a refused write, as HAProxy's errorfile wants it; clients come again after *seconds*."""
    message = "The identity service takes no changes for a moment. Please try again."
    body = json.dumps({"error": {"code": 503, "title": "Service Unavailable", "message": message}})
    head = (
        "HTTP/1.0 503 Service Unavailable",
        "Cache-Control: no-cache",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Retry-After: {seconds}",
    )
    return "\r\n".join([*head, "", body])


def opened(lines: Sequence[str]) -> list[str]:
    """The lines without those of a cutover.

    :raises GateError: when a begin has no end, as after an edit by hand.
    """
    kept: list[str] = []
    inside = out = False
    for line in lines:
        bare = line.strip()
        if bare == BEGIN:
            if inside:
                break
            inside = True
        elif bare == END and inside:
            inside = False
        elif inside:
            continue
        elif bare == OUT:
            out = True
        elif out:
            kept.append(_DISABLED.sub(r"\1\2", line))
            out = False
        else:
            kept.append(line)
    if lines and lines[-1].strip() == END and not lines[-1].endswith("\n"):
        # The file ended without a newline.
        kept[-1] = kept[-1].rstrip("\n")
    if inside:
        raise GateError(f"there is a line '{BEGIN}' without its '{END}'. Take the lines of the cutover away by hand")
    return kept


def _plain(line: str) -> str:
    """A line without its comment, roughly: a quoted # is nothing that the words looked for here could follow."""
    return line.split("#", 1)[0]


def sections(lines: Sequence[str]) -> list[_Section]:
    """The file's sections. A mode is the section's own, or that of the defaults before it; HAProxy's own is tcp."""
    found: list[_Section] = []
    defaults = {"": "tcp"}
    for number, line in enumerate(lines):
        head = _SECTION.match(line)
        if head:
            kind, name, source = head.groups(default="")
            mode = defaults.get(source, defaults[""])
            if kind == "defaults":
                # One that names no other begins anew.
                mode = defaults.get(source, "tcp") if source else "tcp"
            found.append(_Section(kind, name, number, mode))
        words = _plain(line).split()
        if not found or not words:
            continue
        found[-1].end = number + 1
        if words[0] == "mode" and len(words) > 1:
            found[-1].mode = words[1]
        if found[-1].kind == "defaults":
            defaults[""] = defaults[found[-1].name] = found[-1].mode
    return found


def keystones(lines: Sequence[str], controllers: dict[str, Endpoint]) -> list[Found]:
    """The sections whose servers are the controllers' Keystones."""
    found = []
    for section in sections(lines):
        if section.kind not in {"listen", "backend"}:
            continue
        servers: dict[str, tuple[int, ...]] = {}
        for number in range(section.head + 1, section.end):
            server = _SERVER.match(_plain(lines[number]))
            if not server:
                continue
            host, port = split_address(server.group(2))
            for name, keystone in controllers.items():
                if port is not None and keystone.is_at(host, port):
                    servers[name] = (*servers.get(name, ()), number)
        if servers:
            title = f"{section.kind} {section.name}"
            found.append(Found(title, section.head, section.end, section.mode, servers))
    return found


def served(lines: Sequence[str], backends: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Where HAProxy takes requests for these sections, given as `listen NAME` or `backend NAME`."""
    wanted = frozenset(backends)
    binds: set[tuple[str, int]] = set()
    for section in sections(lines):
        own: set[tuple[str, int]] = set()
        leads = f"{section.kind} {section.name}" in wanted
        for number in range(section.head, section.end):
            words = _plain(lines[number]).split()
            if len(words) > 1 and words[0] == "bind":
                own.update(_binds(words[1]))
            elif len(words) > 1 and words[0] in {"default_backend", "use_backend"}:
                # A name that is computed may lead anywhere.
                leads = leads or f"backend {words[1]}" in wanted or "%[" in words[1]
        if leads:
            binds |= own
    return frozenset(binds)


def _binds(addresses: str) -> set[tuple[str, int]]:
    found = (split_address(address) for address in addresses.split(","))
    return {("" if host in ANY else same_host(host), port) for host, port in found if port is not None}


def plan(text: str, controllers: dict[str, Endpoint], gate: Gate, name: str = "haproxy.cfg") -> Plan:
    """Give the file its lines of a cutover, or take them away.

    :param controllers: the Keystones of the stack.
    :param name: what the file is called in messages.
    :raises GateError: where HAProxy does not serve a Keystone, does not see the requests, or none would be left.
    """
    # Not splitlines: other characters than a newline end a line for it.
    old = re.findall(r"[^\n]*\n|[^\n]+", text)
    lines = opened(old)
    left = lines != old
    found = keystones(lines, controllers)
    names = tuple(section.title for section in found)
    binds = served(lines, names)
    if gate == Gate():
        return Plan("".join(lines), names, binds, left)
    _check(lines, found, controllers, gate, name)
    after: dict[int, list[str]] = {}
    for section in found:
        if gate.answer is not None:
            rules = [BEGIN, *_RULES, END]
            after.setdefault(section.head, []).extend(f"  {rule}\n" for rule in rules)
            # At the end, as the last of several errorfiles counts.
            told = [BEGIN, f"errorfile 503 {gate.answer}", END]
            after.setdefault(section.end - 1, []).extend(f"  {line}\n" for line in told)
        for controller in sorted(gate.out):
            for number in section.servers.get(controller, ()):
                server = _SERVER.match(lines[number].rstrip("\n"))
                if server is not None and not _is_disabled(lines[number]):
                    rest = lines[number][len(server.group(1)) :]
                    lines[number] = f"  {OUT}\n{server.group(1)} disabled{rest}"
    new = []
    for number, line in enumerate(lines):
        more = "".join(after.get(number, ()))
        if more and not line.endswith("\n"):
            more = "\n" + more.rstrip("\n")
        new.append(line + more)
    return Plan("".join(new), names, binds, left)


def _is_disabled(line: str) -> bool:
    return "disabled" in _plain(line).split()


def _check(
    lines: Sequence[str], found: Sequence[Found], controllers: dict[str, Endpoint], gate: Gate, name: str
) -> None:
    missing = sorted(set(controllers).difference(*(section.servers for section in found)))
    if missing:
        raise GateError(
            f"no section of {name} has the Keystone of {', '.join(missing)} as a server, so that HAProxy cannot keep "
            "requests from it"
        )
    for section in found:
        if gate.answer is not None and section.mode != "http":
            raise GateError(
                f"{section.title} of {name} is in mode {section.mode}, so that HAProxy does not see which requests are "
                "writes"
            )
        kept = {number for controller, own in section.servers.items() if controller not in gate.out for number in own}
        if all(_is_disabled(lines[number]) for number in kept):
            raise GateError(f"no Keystone of {section.title} in {name} would be left in rotation")


@dataclass(frozen=True)
class Connection:
    """A TCP socket of this host as `ss` tells it; `processes` are the ids of those that have it, by their names."""

    listening: bool
    local: tuple[str, int | None]
    peer: tuple[str, int | None]
    processes: frozenset[tuple[str, int]]


def connections(text: str) -> list[Connection]:
    """Read the output of C(ss -Htanp)."""
    found = []
    for line in text.splitlines():
        words = line.split(None, 5)
        if len(words) < 5:
            continue
        processes = frozenset(
            (name, int(pid)) for name, pid in re.findall(r'\("([^"]*)",pid=(\d+)', words[5] if len(words) > 5 else "")
        )
        local, peer = split_address(words[3]), split_address(words[4])
        found.append(Connection(words[0] == "LISTEN", local, peer, processes))
    return found


@dataclass(frozen=True)
class Traffic:
    """Tells HAProxy's part of the host's connections that is Keystone's."""

    binds: frozenset[tuple[str, int]]
    controllers: dict[str, Endpoint]

    def listeners(self, sockets: Iterable[Connection]) -> frozenset[tuple[str, int]]:
        """Processes of HAProxy that take new connections."""
        return frozenset(
            each for one in sockets if one.listening and self._is_served(one.local) for each in one.processes
        )

    def under_way(self, sockets: Sequence[Connection]) -> int:
        """How many connections HAProxy's processes have that take no new ones any more, neither these nor others."""
        names = {name for name, _pid in self.listeners(sockets)}
        taking = {each for one in sockets if one.listening for each in one.processes}
        return sum(
            1
            for one in sockets
            if (self._is_served(one.local) or self._is_keystone(one.peer))
            and any(name in names for name, _pid in one.processes)
            and not one.processes & taking
        )

    def _is_keystone(self, address: tuple[str, int | None]) -> bool:
        host, port = address
        return port is not None and any(keystone.is_at(host, port) for keystone in self.controllers.values())

    def _is_served(self, address: tuple[str, int | None]) -> bool:
        # Keystone may listen on the same port of another address.
        host, port = address
        return not self._is_keystone(address) and any(
            port == bound and own in {"", same_host(host)} for own, bound in self.binds
        )
