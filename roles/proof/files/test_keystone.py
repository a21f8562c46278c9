# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several regions, one identity: asked of the Keystones over their API."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from conftest import Controller, Description, Keystone, Tenant
from keystoneauth1.access import AccessInfoV3
from keystoneauth1.session import Session

Admin = dict[str, AccessInfoV3]
Keystones = dict[str, Keystone]


def test_a_token_of_one_stack_is_accepted_in_another(
    stack: str, other: str, keystones: Keystones, admin: Admin
) -> None:
    """The other Keystone validates it for its own administrator, and serves who brings it."""
    login = admin[stack]
    subject = {"X-Subject-Token": login.auth_token}
    seen = keystones[other].request("GET", "/auth/tokens", admin[other], headers=subject)
    assert seen.status_code == 200, f"{other} does not know the token: {seen.text}"
    assert seen.json()["token"]["user"]["id"] == login.user_id
    used = keystones[other].request("GET", "/auth/projects", login)
    assert used.status_code == 200, f"{other} does not serve the token: {used.text}"


def test_a_user_logs_in_everywhere_with_the_old_password(tenant: Tenant, stack: str, keystones: Keystones) -> None:
    """Into the project where the user has been all along, with the roles there."""
    login = keystones[stack].login(tenant.user, tenant.password, tenant.project, tenant.domain)
    assert login.project_name == tenant.project
    assert set(tenant.roles) <= set(login.role_names or ())


@pytest.fixture
def project(stack: str, keystones: Keystones, admin: Admin) -> Iterator[dict[str, str]]:
    """A new project, made through this stack, and deleted when all have looked for it."""
    keystone = keystones[stack]
    wanted = {
        "name": f"proof-{uuid.uuid4().hex}",
        "domain_id": "default",
        "description": "Made and removed by the proof",
    }
    made = keystone.request("POST", "/projects", admin[stack], json={"project": wanted})
    assert made.status_code == 201, made.text
    project = made.json()["project"]
    yield project
    gone = keystone.request("DELETE", f"/projects/{project['id']}", admin[stack])
    assert gone.status_code == 204, gone.text
    for other in keystones:
        # A listing, because single projects are cached in every region.
        left = keystones[other].request("GET", f"/projects?name={project['name']}", admin[other])
        assert left.json()["projects"] == [], f"{other} still has it"


def test_a_project_of_one_stack_is_everywhere_at_once(
    project: dict[str, str], stack: str, keystones: Keystones, admin: Admin, description: Description, session: Session
) -> None:
    """Every stack has it behind its VIP, and every controller's own Keystone: all use the one database."""
    missing = []
    doors = [(name, keystone, name) for name, keystone in keystones.items() if name != stack]
    doors += [(one.name, Keystone(one.url, session), one.stack) for one in description.controllers.values()]
    for name, keystone, home in doors:
        seen = keystone.request("GET", f"/projects/{project['id']}", admin[home])
        if seen.status_code != 200 or seen.json()["project"]["name"] != project["name"]:
            missing.append(f"{name}: {seen.status_code}")
    assert not missing, f"what {stack} has made is missing elsewhere"


def test_a_credential_of_one_stack_can_be_read_in_another(
    stack: str, other: str, keystones: Keystones, admin: Admin
) -> None:
    """What one Keystone encrypted the other decrypts."""
    secret = f"proof-{uuid.uuid4().hex}"
    wanted = {"type": "proof", "blob": secret, "user_id": admin[stack].user_id}
    made = keystones[stack].request("POST", "/credentials", admin[stack], json={"credential": wanted})
    assert made.status_code == 201, made.text
    path = f"/credentials/{made.json()['credential']['id']}"
    try:
        seen = keystones[other].request("GET", path, admin[other])
        assert seen.status_code == 200, f"{other} cannot read it: {seen.text}"
        assert seen.json()["credential"]["blob"] == secret
    finally:
        gone = keystones[stack].request("DELETE", path, admin[stack])
    assert gone.status_code == 204, gone.text


def test_the_catalog_has_an_identity_endpoint_of_every_region(
    stack: str, admin: Admin, description: Description
) -> None:
    """Each at its own region's address."""
    endpoints = {
        (endpoint["region_id"], urlsplit(endpoint["url"]).hostname)
        for service in admin[stack].service_catalog.catalog
        if service["type"] == "identity"
        for endpoint in service["endpoints"]
        if endpoint["interface"] == "public"
    }
    wanted = {(each["region"], urlsplit(each["url"]).hostname) for each in description.stacks.values()}
    assert wanted - endpoints == set()


def test_a_controllers_own_keystone_knows_the_tokens(
    controller: Controller, admin: Admin, session: Session, description: Description
) -> None:
    """Those of every stack, whichever controller HAProxy sends a client to."""
    keystone = Keystone(controller.url, session)
    for stack in description.stacks:
        used = keystone.request("GET", "/auth/projects", admin[stack])
        assert used.status_code == 200, f"{controller.name} does not serve a token of {stack}: {used.text}"
