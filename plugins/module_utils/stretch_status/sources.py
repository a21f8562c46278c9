# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sources on a node print, as plain dictionaries. Pure: texts in, values that JSON can carry out."""

from __future__ import annotations

import csv
import io
import ipaddress
import re
import xml.etree.ElementTree as ET
from typing import Any, Collection, Iterator

DEGRADED = (190, 191)
"""OCF_DEGRADED and OCF_DEGRADED_PROMOTED: an agent that works and has something to say; Pacemaker does nothing."""

_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}
"""As Pacemaker before 2.1 called them."""
_NODE_STATES = ("unclean", "pending", "standby", "maintenance")
_ESTABLISHED, _SYN_RECV = "01", "03"
_CONTAINER = re.compile(r"^(.+)-(?:podman|docker|rkt)-(\d+)$")
_TABLE_ENTRY = re.compile(r"\bkey=(?P<key>\S+).*\bserver_id=(?P<id>\d+)(?:.*\bserver_key=(?P<name>\S+))?")


class SourceError(Exception):
    """A source gave no answer, or one that says nothing; the text is one line and says why."""


def pacemaker(output: str, bundle: str, primitive: str) -> dict[str, Any]:
    """Read ``crm_mon --as-xml`` of Pacemaker 1.1 to 2.1.

    :param bundle: Name of the bundle of the members; a clone of the resource itself is found without it.
    :param primitive: Name of the resource in it.
    :returns: ``dc``, ``quorum``, ``maintenance`` (of the whole cluster), ``nodes`` (state by name), ``configured``
        (whether Pacemaker knows them), ``members`` (role, failed, blocked, managed by host), ``vips`` (host or None by
        address), ``failures`` of the members alone (node, resource, task, code, reason, degraded).
    :raises SourceError: when it is not that.
    """
    try:
        root = ET.fromstring(output)  # noqa: S314 - the node's own answer
    except ET.ParseError as error:
        raise SourceError(f"crm_mon printed no XML: {error}") from error
    dc = next(root.iter("current_dc"), None)
    resources = root.find("resources")
    if dc is None or resources is None:
        raise SourceError("crm_mon does not tell of a cluster")
    options = next(root.iter("cluster_options"), None)
    found = next((one for one in resources.iter("bundle") if one.get("id") == bundle), None)
    native = next((one for one in resources.iter("clone") if one.get("id") == f"{primitive}-clone"), None)
    hosts = _replica_hosts(resources)
    return {
        "dc": dc.get("name"),
        "quorum": dc.get("with_quorum") == "true",
        "maintenance": options is not None and options.get("maintenance-mode") == "true",
        "nodes": {node.get("name", ""): _node_state(node) for node in root.iterfind("nodes/node[@type='member']")},
        "configured": found is not None or native is not None,
        "members": {
            **({} if found is None else dict(_members(found, primitive, hosts))),
            **({} if native is None else dict(_instances(native))),
        },
        "vips": {
            one.get("id", "")[len("ip-") :]: _running_on(one)
            for one in resources.iter("resource")
            if one.get("id", "").startswith("ip-")
        },
        "failures": [
            failure
            for failure in (_failure(one, hosts) for one in root.iterfind("failures/failure"))
            if failure["resource"] == primitive or failure["resource"].startswith(f"{bundle}-")
        ],
    }


def _node_state(node: ET.Element) -> str:
    if node.get("online") != "true":
        return "offline"
    return next((state for state in _NODE_STATES if node.get(state) == "true"), "online")


def _running_on(resource: ET.Element) -> str | None:
    node = resource.find("node")
    return None if node is None else node.get("name")


def _replica_hosts(resources: ET.Element) -> dict[str, str | None]:
    """The host of each guest node: a bundle's container NAME-podman-N runs the guest node NAME-N."""
    found = {}
    for one in resources.iterfind("bundle/replica/resource"):
        container = _CONTAINER.match(one.get("id", ""))
        if container:
            found["{}-{}".format(*container.groups())] = _running_on(one)
    return found


def _members(bundle: ET.Element, primitive: str, hosts: dict[str, str | None]) -> Iterator[tuple[str, dict[str, Any]]]:
    for replica in bundle.iterfind("replica"):
        host = hosts.get(f"{bundle.get('id')}-{replica.get('id')}")
        # A replica whose container does not run is nowhere.
        if host is None:
            continue
        yield host, _state(next((one for one in replica.iterfind("resource") if one.get("id") == primitive), None))


def _instances(clone: ET.Element) -> Iterator[tuple[str, dict[str, Any]]]:
    """The members of a cluster without containers; an instance that does not run is nowhere."""
    for resource in clone.iterfind("resource"):
        host = _running_on(resource)
        if host is not None:
            yield host, _state(resource)


def _state(resource: ET.Element | None) -> dict[str, Any]:
    role = "Stopped" if resource is None else resource.get("role", "")
    flags = {flag: resource is not None and resource.get(flag) == "true" for flag in ("failed", "blocked", "managed")}
    return {"role": _ROLES.get(role, role), **flags}


def _failure(failure: ET.Element, hosts: dict[str, str | None]) -> dict[str, Any]:
    node = failure.get("node", "")
    code = int(failure.get("exitcode") or 0)
    key = failure.get("op_key") or failure.get("id") or ""
    return {
        "node": hosts.get(node) or node,
        "resource": key.rsplit("_", 2)[0],
        "task": failure.get("task", ""),
        "code": code,
        "degraded": code in DEGRADED,
        "reason": failure.get("exitreason") or failure.get("exitstatus") or "",
    }


def haproxy(output: str, proxy: str) -> dict[str, Any]:
    """Read HAProxy's answer to ``show stat;show table PROXY``.

    :returns: ``sessions`` (now), ``servers`` in their order (name, up, status, sessions, check, since: seconds),
        ``stick`` (server's name by the address that it is remembered for).
    :raises SourceError: when it is not that, or there is no such proxy.
    """
    statistics, _separator, table = output.partition("\n\n")
    if not statistics.startswith("# "):
        raise SourceError(f"HAProxy gave no statistics: {' '.join(output.split())[:100] or 'nothing'}")
    rows = [row for row in csv.DictReader(io.StringIO(statistics[2:])) if row["pxname"] == proxy]
    if not rows:
        raise SourceError(f"HAProxy has no {proxy}")
    servers = [row for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")]
    by_id = {row["sid"]: row["svname"] for row in servers}
    entries = [match for match in map(_TABLE_ENTRY.search, table.splitlines()) if match]
    return {
        "sessions": sum(_number(row["scur"]) for row in rows if row["svname"] == "FRONTEND"),
        "servers": [
            {
                "name": row["svname"],
                "up": row["status"].startswith(("UP", "no check")),
                "status": row["status"],
                "sessions": _number(row["scur"]),
                "check": _check(row),
                "since": _number(row["lastchg"]),
            }
            for row in servers
        ],
        "stick": {match.group("key"): by_id.get(match.group("id"), match.group("name") or "") for match in entries},
    }


def _number(value: str | None) -> int:
    return int(value) if value else 0


def _check(row: dict[str, str]) -> str:
    """What the last check found, as HAProxy says it: a sentence of its own and the server's words."""
    parts = (row.get("check_desc") or row.get("check_status") or "", row.get("check_code"), row.get("last_chk"))
    return " ".join(part for part in parts if part)


def connections(tables: str, ports: Collection[int]) -> dict[str, list[str]]:
    """Read /proc/net/tcp and tcp6, one after the other.

    A connection in SYN_RECV says that packets from its other end arrive and that the answers to them do not get back:
    the one trace that a cut of one direction leaves.

    :param ports: Of these, on either end.
    :returns: ``established`` and ``half_open``, sorted addresses of the other ends.
    """
    found: dict[str, set[str]] = {_ESTABLISHED: set(), _SYN_RECV: set()}
    wanted = {f"{port:04X}" for port in ports}
    for line in tables.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[3] not in found:
            continue
        local, remote = fields[1].split(":"), fields[2].split(":")
        if local[1] in wanted or remote[1] in wanted:
            found[fields[3]].add(_address(remote[0]))
    return {"established": sorted(found[_ESTABLISHED]), "half_open": sorted(found[_SYN_RECV])}


def _address(digits: str) -> str:
    """An address as the kernel prints it: words of 32 bits, each in the byte order of a little-endian host."""
    packed = b"".join(bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, len(digits), 8))
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def unit(output: str) -> dict[str, Any]:
    """Read ``systemctl show --property=LoadState,ActiveState,SubState,Result`` of one unit.

    :raises SourceError: when there is no such unit.
    """
    values = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if values.get("LoadState") != "loaded":
        raise SourceError(f"the unit is {values.get('LoadState') or 'not known'}")
    return {
        "running": values.get("ActiveState") == "active",
        "state": f"{values.get('ActiveState')} ({values.get('SubState')})",
        "result": values.get("Result", ""),
    }
