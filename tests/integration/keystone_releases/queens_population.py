# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Keystone's API of Queens makes, with what db_sync of later releases moves about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from merge_servers import Api


@dataclass
class OldPopulation:
    """What was made, by name, and the trusts as the API showed them, by id."""

    ids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    trusts: dict[str, Any] = field(default_factory=dict)
    token: str = ""


def populate_queens(root: Api, stack: str, region: str, password: str) -> OldPopulation:
    """Fill a Keystone of Queens through its API; names carry the name of the stack, but for those that are built in."""
    made = OldPopulation()
    ids, secrets = made.ids, made.secrets
    api = root.password("admin", password, "admin")
    assert api is not None
    roles = {role["name"]: role["id"] for role in api.do("GET", "/roles")["roles"]}
    ids["service"] = api.make("project", name="service", domain_id="default", description=stack)
    compute = ids["compute"] = api.make("service", type="compute", name="nova")
    ids["endpoint"] = api.make(
        "endpoint", service_id=compute, region_id=region, interface="public", url=f"http://{region}:8774/v2.1"
    )
    domain = ids["domain"] = api.make("domain", name=f"{stack}-domain", description="Größe 漢字")
    project = ids["project"] = api.make("project", name=f"{stack}-project", domain_id="default", tags=["red"])
    ids["child"] = api.make("project", name=f"{stack}-child", domain_id="default", parent_id=project, colour="grün")
    # Queens keeps the description among the extra attributes.
    auditor = ids["auditor"] = api.make("role", name=f"{stack}-auditor", description=f"prüft {stack}")
    if "member" not in roles:
        roles["member"] = api.make("role", name="member")

    def user(name: str, domain: str = "default", **more: object) -> str:
        secrets[name] = f"{stack}-password-of-{name}"
        ids[name] = api.make("user", name=name, password=secrets[name], domain_id=domain, **more)
        return ids[name]

    alice = user(f"{stack}-alice", email="alice@example.com", default_project_id=project)
    for role in ("member", "auditor"):
        api.do("PUT", f"/projects/{project}/users/{alice}/roles/{ids.get(role) or roles[role]}")
    bob, carol = user(f"{stack}-Ünï-漢字"), user(f"{stack}-carol", domain)
    group = ids["group"] = api.make("group", name=f"{stack}-group", domain_id=domain)
    api.do("PUT", f"/groups/{group}/users/{carol}")
    api.do("PUT", f"/projects/{project}/groups/{group}/roles/{roles['member']}")

    own = root.password(f"{stack}-alice", secrets[f"{stack}-alice"], f"{stack}-project")
    assert own is not None
    made.token = str(own.token)
    secrets["app credential"] = f"{stack}-secret"
    ids["app credential"] = own.make(
        "application_credential", f"/users/{alice}/application_credentials", name="ci",
        secret=secrets["app credential"], roles=[{"id": auditor}],
    )  # fmt: skip
    trust = own.do("POST", "/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": alice, "trustee_user_id": bob, "project_id": project, "impersonation": True,
        "roles": [{"id": auditor}], "allow_redelegation": True, "redelegation_count": 2,
        "expires_at": "2037-01-01T00:00:00.000000Z"}})  # fmt: skip
    ids["trust"] = trust["trust"]["id"]
    made.trusts[ids["trust"]] = trust["trust"]
    identity = {"methods": ["password"], "password": {"user": {"id": bob, "password": secrets[f"{stack}-Ünï-漢字"]}}}
    trusted = root.log_in(identity, {"OS-TRUST:trust": {"id": ids["trust"]}})
    assert trusted is not None
    again = trusted.do("POST", "/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": alice, "trustee_user_id": carol, "project_id": project, "impersonation": True,
        "roles": [{"id": auditor}], "redelegated_trust_id": ids["trust"]}})  # fmt: skip
    made.trusts[again["trust"]["id"]] = again["trust"]
    # A limit names what it limits by itself; later releases refer to the registered limit.
    for region_id, resource in ((region, "cores"), (None, "servers")):
        where = {"service_id": compute, "resource_name": resource, **({"region_id": region_id} if region_id else {})}
        api.do("POST", "/registered_limits", {"registered_limits": [{**where, "default_limit": 10}]})
        limits = [{**where, "project_id": project, "resource_limit": 7}]
        found = api.do("POST", "/limits", {"limits": limits})["limits"]
        ids[f"limit of {resource}"] = next(limit["id"] for limit in found if limit["resource_name"] == resource)
    return made
