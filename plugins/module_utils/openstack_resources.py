# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flavors, images, networks and servers that a project is to have, and the requests that make what is missing.

Everything is known by its name; what is there stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Protocol, Sequence, Tuple

KINDS = ("flavor", "image", "network", "server")
"""In the order in which they have to be made."""


class ResourcesError(Exception):
    """What is wanted cannot be had; the text is for the operator."""


class Api(Protocol):
    """A login at one region. A path begins behind the version of a service's API; raises ResourcesError."""

    def request(self, service: str, method: str, path: str, body: Any = None) -> Mapping[str, Any]:
        """Send a request to the service of that type; bytes go as they are, all else as JSON."""


@dataclass(frozen=True)
class Wanted:
    """Names of what is to be there, and what it is made of."""

    flavors: Mapping[str, Mapping[str, Any]]
    images: Tuple[str, ...]
    networks: Mapping[str, str]
    servers: Mapping[str, Mapping[str, str]]

    def names(self, kind: str) -> Tuple[str, ...]:
        """Return the names of a kind."""
        found: Dict[str, Sequence[str]] = {
            "flavor": list(self.flavors),
            "image": self.images,
            "network": list(self.networks),
            "server": list(self.servers),
        }
        return tuple(found[kind])


State = Dict[Tuple[str, str], str]
"""The ids of what is there, by kind and name."""
Step = Tuple[str, str]
"""The kind and the name of what is to be made."""


def parse(params: Mapping[str, Any]) -> Wanted:
    """Make the wanted state of the module's options. Raises :class:`ResourcesError`."""
    for plural in ("flavors", "networks", "servers"):
        names = [item["name"] for item in params[plural]]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ResourcesError(f"named twice among {plural}: {', '.join(twice)}")
    return Wanted(
        flavors={item["name"]: {key: item[key] for key in ("vcpus", "ram", "disk")} for item in params["flavors"]},
        images=tuple(dict.fromkeys(params["images"])),
        networks={item["name"]: item["cidr"] for item in params["networks"]},
        servers={
            item["name"]: {key: item[key] for key in ("flavor", "image", "network")} for item in params["servers"]
        },
    )


def plan(wanted: Wanted, state: State) -> List[Step]:
    """Return what is missing, in an order in which it can be made.

    :raises ResourcesError: a server is to be made of something that is neither there nor wanted.
    """
    steps = [(kind, name) for kind in KINDS for name in wanted.names(kind) if (kind, name) not in state]
    unknown = sorted(
        f"{kind} {name}"
        for server, parts in wanted.servers.items()
        if ("server", server) in steps
        for kind, name in parts.items()
        if (kind, name) not in state and (kind, name) not in steps
    )
    if unknown:
        raise ResourcesError(f"servers are to be made of what is not there: {', '.join(unknown)}")
    return steps


def load(api: Api, wanted: Wanted, all_projects: bool) -> State:
    """Ask for what is there: by its names, in the login's own project or in all of them."""
    every = "?all_tenants=1" if all_projects else ""
    listings = {
        "flavor": ("compute", "/flavors", "flavors"),
        "image": ("image", "/v2/images?limit=1000", "images"),
        "network": ("network", "/v2.0/networks", "networks"),
        "server": ("compute", f"/servers{every}", "servers"),
    }
    state: State = {}
    # A server is made of what can be there already.
    used = {kind for parts in wanted.servers.values() for kind in parts}
    for kind, (service, path, plural) in listings.items():
        if wanted.names(kind) or kind in used:
            for record in api.request(service, "GET", path)[plural]:
                state[kind, record["name"]] = record["id"]
    return state


def apply(api: Api, wanted: Wanted, state: State, steps: Sequence[Step]) -> State:
    """Make what is missing; the ids of all that is there then."""
    ids = dict(state)
    for kind, name in steps:
        if kind == "flavor":
            ids[kind, name] = api.request(
                "compute", "POST", "/flavors", {"flavor": {"name": name, **wanted.flavors[name]}}
            )["flavor"]["id"]
        elif kind == "image":
            image = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "private"}
            ids[kind, name] = api.request("image", "POST", "/v2/images", image)["id"]
            api.request("image", "PUT", f"/v2/images/{ids[kind, name]}/file", name.encode("utf-8"))
        elif kind == "network":
            made = api.request("network", "POST", "/v2.0/networks", {"network": {"name": name}})["network"]
            subnet = {"network_id": made["id"], "name": name, "ip_version": 4, "cidr": wanted.networks[name]}
            api.request("network", "POST", "/v2.0/subnets", {"subnet": {**subnet, "enable_dhcp": False}})
            ids[kind, name] = made["id"]
        else:
            parts = wanted.servers[name]
            server = {
                "name": name,
                "flavorRef": ids["flavor", parts["flavor"]],
                "imageRef": ids["image", parts["image"]],
                "networks": [{"uuid": ids["network", parts["network"]]}],
            }
            ids[kind, name] = api.request("compute", "POST", "/servers", {"server": server})["server"]["id"]
    return ids


def unready(api: Api, wanted: Wanted, ids: State) -> List[str]:
    """Return the names of the servers that are not active yet.

    :raises ResourcesError: one has failed.
    """
    waiting = []
    for name in wanted.servers:
        server = api.request("compute", "GET", f"/servers/{ids['server', name]}")["server"]
        if server["status"] == "ERROR":
            reason = server.get("fault", {}).get("message", "Nova does not say why")
            raise ResourcesError(f"server {name} could not be started: {reason}")
        if server["status"] != "ACTIVE":
            waiting.append(name)
    return waiting
