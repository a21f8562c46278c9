# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a project's resources is missing, and the requests that make it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.openstack_resources import (
    ResourcesError,
    apply,
    load,
    parse,
    plan,
    unready,
)

FLAVOR = {"name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}
NETWORK = {"name": "net", "cidr": "192.168.100.0/24"}
SERVER = {"name": "vm", "flavor": "tiny", "image": "img", "network": "net"}


def options(**lists: Any) -> dict[str, Any]:
    return {"flavors": [], "images": [], "networks": [], "servers": [], **lists}


ALL = parse(options(flavors=[FLAVOR], images=["img"], networks=[NETWORK], servers=[SERVER]))


class Cloud:
    """The services, as far as the module asks them."""

    def __init__(self, status: str = "ACTIVE") -> None:
        self.there: dict[str, list[dict[str, Any]]] = {"flavors": [], "images": [], "networks": [], "servers": []}
        self.status = status
        self.asked: list[str] = []

    def request(self, service: str, method: str, path: str, body: Any = None) -> Mapping[str, Any]:
        self.asked.append(f"{service} {method} {path}")
        plural = path.split("?", maxsplit=1)[0].split("/")[2 if path.startswith("/v2") else 1]
        if method == "GET" and path.count("/") == (2 if path.startswith("/v2") else 1):
            return {plural: self.there[plural]}
        if method == "GET":
            return {"server": {"status": self.status, "fault": {"message": "no valid host"}}}
        if method == "PUT" or plural == "subnets":
            return {}
        single = body if service == "image" else body[plural[:-1]]
        made = {**single, "id": f"id-of-{single['name']}"}
        self.there[plural].append(made)
        return made if service == "image" else {plural[:-1]: made}


def test_everything_is_made_once_in_an_order_that_works() -> None:
    cloud = Cloud()
    steps = plan(ALL, load(cloud, ALL, all_projects=False))
    assert steps == [("flavor", "tiny"), ("image", "img"), ("network", "net"), ("server", "vm")]
    ids = apply(cloud, ALL, {}, steps)
    assert ids["server", "vm"] == "id-of-vm"
    (server,) = cloud.there["servers"]
    made_of = (server["flavorRef"], server["imageRef"], server["networks"])
    assert made_of == ("id-of-tiny", "id-of-img", [{"uuid": "id-of-net"}])
    assert unready(cloud, ALL, ids) == []
    assert plan(ALL, load(cloud, ALL, all_projects=True)) == []
    assert "compute GET /servers?all_tenants=1" in cloud.asked


def test_a_server_can_be_made_of_what_is_there() -> None:
    wanted = parse(options(servers=[SERVER]))
    there = {("flavor", "tiny"): "1", ("image", "img"): "2", ("network", "net"): "3"}
    assert plan(wanted, there) == [("server", "vm")]
    with pytest.raises(ResourcesError, match="made of what is not there: flavor tiny, image img, network net"):
        plan(wanted, {})
    assert plan(wanted, {("server", "vm"): "4"}) == []


def test_only_what_is_wanted_is_asked_for() -> None:
    cloud = Cloud()
    load(cloud, parse(options(images=["img"])), all_projects=False)
    assert cloud.asked == ["image GET /v2/images?limit=1000"]


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ResourcesError, match="named twice among networks: net"):
        parse(options(networks=[NETWORK, NETWORK]))


def test_servers_that_do_not_start() -> None:
    ids = {("server", "vm"): "4"}
    assert unready(Cloud("BUILD"), ALL, ids) == ["vm"]
    with pytest.raises(ResourcesError, match="server vm could not be started: no valid host"):
        unready(Cloud("ERROR"), ALL, ids)
