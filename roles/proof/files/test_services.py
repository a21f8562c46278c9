# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other services of the regions: everybody sees what was there before the merge, with a token of any Keystone."""

from __future__ import annotations

import json
import shlex
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Description, Keystone, Tenant
from keystoneauth1.access import AccessInfoV3
from requests import Response
from testinfra.host import Host

Admin = dict[str, AccessInfoV3]
Keystones = dict[str, Keystone]
Resources = dict[str, dict[str, dict[str, dict[str, str]]]]
"""By stack, by user, by kind: ids by their names."""
LISTINGS = {
    "image": ("image", "/v2/images?limit=1000", "images"),
    "network": ("network", "/v2.0/networks", "networks"),
    "server": ("compute", "/servers/detail", "servers"),
}
START_TIMEOUT = 120
"""Seconds in which a server starts, or goes away."""


@dataclass(frozen=True)
class Services:
    """One region's services, with a token."""

    login: AccessInfoV3 = field(repr=False)
    keystone: Keystone
    region: str

    def request(self, service: str, method: str, path: str, **options: Any) -> Response:
        """Ask a service where the token's catalog says that it is in this region."""
        url = self.login.service_catalog.url_for(service_type=service, interface="public", region_name=self.region)
        response: Response = self.keystone.session.request(
            url + path,
            method,
            headers={"X-Auth-Token": self.login.auth_token, **options.pop("headers", {})},
            authenticated=False,
            raise_exc=False,
            **options,
        )
        return response

    def listing(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind that the token may see."""
        service, path, plural = LISTINGS[kind]
        answer = self.request(service, "GET", path)
        assert answer.status_code == 200, f"{service} of {self.region}: {answer.status_code} {answer.text}"
        found: list[dict[str, Any]] = answer.json()[plural]
        return found


@pytest.fixture(scope="session")
def before(description: Description, undercloud_hosts: dict[str, Host]) -> Resources:
    """What there was before the merge, which the underclouds wrote down."""
    found = {}
    for stack, host in undercloud_hosts.items():
        done = host.run(shlex.join(["cat", description.raw["resources_file"]]))
        assert done.rc == 0, f"undercloud of {stack}: {done.stderr}"
        found[stack] = json.loads(done.stdout)
    return found


def test_a_tenant_sees_what_was_there_before(
    tenant: Tenant, stack: str, keystones: Keystones, before: Resources, description: Description
) -> None:
    """In the own region, by the token of any Keystone."""
    if tenant.user not in before[tenant.stack]:
        return  # one who has nothing
    login = keystones[stack].login(tenant.user, tenant.password, tenant.project, tenant.domain)
    services = Services(login, keystones[stack], description.stacks[tenant.stack]["region"])
    for kind, wanted in before[tenant.stack][tenant.user].items():
        if kind in LISTINGS:
            found = services.listing(kind)
            assert {one["name"]: one["id"] for one in found if one["name"] in wanted} == wanted, kind
            owners = {one.get("owner") or one.get("project_id") or one["tenant_id"] for one in found}
            assert owners == {login.project_id}, kind


def test_what_the_administrator_had_follows_the_project(
    stack: str, keystones: Keystones, admin: Admin, before: Resources, description: Description
) -> None:
    """In every region it belongs to the one project that is left."""
    services = Services(admin[stack], keystones[stack], description.stacks[stack]["region"])
    for kind, wanted in before[stack][description.raw["admin"]["user"]].items():
        if kind in LISTINGS:
            found = {one["id"]: one for one in services.listing(kind)}
            for name, identifier in wanted.items():
                one = found[identifier]
                owner = one.get("owner") or one.get("project_id") or one["tenant_id"]
                assert (one["name"], owner) == (name, admin[stack].project_id), kind


def test_the_client_on_an_undercloud_shows_every_region(
    stack: str, region_of: str, undercloud_hosts: dict[str, Host], before: Resources, description: Description
) -> None:
    """As people call it: with the login of the undercloud's own Keystone, and the name of a region."""
    user = description.raw["admin"]["user"]
    kinds = [kind for kind in LISTINGS if kind in before[region_of][user]]
    region = description.stacks[region_of]["region"]
    script = (
        '. "$1"; region=$2; shift 2; for kind in "$@"; do '
        'openstack --os-region-name "$region" "$kind" list -f json > "/tmp/proof-$kind" & jobs="$jobs $!"; done; '
        'for job in $jobs; do wait "$job" || failed=1; done; '
        'for kind in "$@"; do cat "/tmp/proof-$kind"; rm "/tmp/proof-$kind"; done; exit "${failed:-0}"'
    )
    arguments = ["sh", "-c", script, "sh", description.raw["rc_file"], region, *kinds]
    done = undercloud_hosts[stack].run(shlex.join(arguments))
    assert done.rc == 0, done.stderr
    text, shown = done.stdout, {}
    for kind in kinds:
        rows, end = json.JSONDecoder().raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        shown[kind] = {row["Name"]: row["ID"] for row in rows}
    for kind in kinds:
        wanted = before[region_of][user][kind]
        assert {name: shown[kind].get(name) for name in wanted} == wanted, kind


def test_placement_has_the_regions_compute_nodes(
    stack: str, other: str, keystones: Keystones, admin: Admin, description: Description
) -> None:
    """And those of no other region, by the token of another region's Keystone."""
    if "placement" not in description.raw["services"]:
        return
    services = Services(admin[stack], keystones[stack], description.stacks[other]["region"])
    answer = services.request("placement", "GET", "/resource_providers")
    assert answer.status_code == 200, answer.text
    wanted = sorted(description.raw["computes"][other]) if "nova" in description.raw["services"] else []
    assert sorted(one["name"] for one in answer.json()["resource_providers"]) == wanted


@pytest.fixture
def server(
    stack: str, other: str, keystones: Keystones, admin: Admin, before: Resources, description: Description
) -> Iterator[tuple[Services, str]]:
    """A new server in the other region, by a token of this one's Keystone."""
    services = Services(admin[stack], keystones[stack], description.stacks[other]["region"])
    have = before[other][description.raw["admin"]["user"]]
    wanted = {
        "name": f"proof-{uuid.uuid4().hex}",
        "flavorRef": min(have["flavor"].values()),
        "imageRef": min(have["image"].values()),
        "networks": [{"uuid": min(have["network"].values())}],
    }
    made = services.request("compute", "POST", "/servers", json={"server": wanted})
    assert made.status_code == 202, made.text
    path = f"/servers/{made.json()['server']['id']}"
    yield services, path
    gone = services.request("compute", "DELETE", path)
    assert gone.status_code == 204, gone.text
    end = time.monotonic() + START_TIMEOUT
    while services.request("compute", "GET", path).status_code != 404 and time.monotonic() < end:
        time.sleep(1)
    assert services.request("compute", "GET", path).status_code == 404, "it does not go away"


def test_a_server_starts_in_another_region(server: tuple[Services, str], description: Description) -> None:
    """The region's scheduler, compute service, images and network work together after the cutover."""
    services, path = server
    end = time.monotonic() + START_TIMEOUT
    while True:
        found = services.request("compute", "GET", path).json()["server"]
        if found["status"] != "BUILD" or time.monotonic() > end:
            break
        time.sleep(1)
    assert found["status"] == "ACTIVE", found.get("fault", "it does not start")
    assert any(found["addresses"].values()), "it has no address"
