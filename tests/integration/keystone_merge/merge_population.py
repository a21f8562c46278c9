# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of every kind of thing that Keystone's API makes, in one Keystone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from merge_servers import Api

LEGACY_ACCESS = {"service": "compute", "path": "/v2.1/servers", "method": "GET"}


@dataclass
class Population:
    """What was made, by name, so that a test can look for it."""

    stack: str
    region: str
    password: str
    ids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    token: str = ""


def populate(root: Api, stack: str, region: str, password: str) -> Population:
    """Fill a Keystone through its API; names carry the name of the stack, but for those that are built in."""
    made = Population(stack, region, password)
    ids, secrets = made.ids, made.secrets
    found = root.password("admin", password, "admin")
    assert found is not None
    api = found
    roles = {role["name"]: role["id"] for role in api.do("GET", "/roles")["roles"]}
    services = {service["type"]: service["id"] for service in api.do("GET", "/services")["services"]}

    def grant(path: str) -> None:
        api.do("PUT", path)

    def user(name: str, domain: str = "default", **more: Any) -> str:
        secrets[name] = f"{stack}-password-of-{name}"
        ids[name] = api.make("user", name=name, password=secrets[name], domain_id=domain, **more)
        return ids[name]

    # The built-in ones, whose rows differ between the stacks.
    service = api.make("project", name="service", domain_id="default", description=stack)
    ids["service"] = service
    for name in ("nova", "glance"):
        grant(f"/projects/{service}/users/{user(name)}/roles/{roles['admin']}")
    compute = api.make("service", type="compute", name="nova")
    for interface in ("public", "internal"):
        ids[f"endpoint-{interface}"] = api.make(
            "endpoint", service_id=compute, region_id=region, interface=interface, url=f"http://{region}:8774/v2.1"
        )
    services["compute"] = compute
    api.make("region", id=f"{region}_zone", parent_region_id=region, description="within")

    # A domain with a tree of projects and everything that hangs on a project.
    domain = ids["domain"] = api.make("domain", name=f"{stack}-domain", description="Größe 漢字")
    tree = domain
    for depth in range(3):
        tree = api.make("project", name=f"{stack}-level{depth}", domain_id=domain, parent_id=tree)
    ids["leaf"] = tree
    project = ids["project"] = api.make("project", name=f"{stack}-project", domain_id="default", tags=["red", "Blau"])
    fixed = api.make("project", name=f"{stack}-immutable", domain_id="default", options={"immutable": True})
    ids["immutable"] = fixed
    ids["disabled"] = api.make("project", name=f"{stack}-disabled", domain_id=domain, enabled=False, colour="grün")

    # Users of every sort.
    alice = user(f"{stack}-alice", email="alice@example.com", default_project_id=project)
    user(f"{stack}-Ünï-漢字", options={"ignore_lockout_failure_attempts": True})
    local = user(f"{stack}-bob", domain)
    user(f"{stack}-disabled-user", enabled=False)
    grant(f"/projects/{project}/users/{alice}/roles/{roles['member']}")
    grant(f"/projects/{project}/users/{alice}/roles/{roles['reader']}")
    grant(f"/domains/{domain}/users/{local}/roles/{roles['admin']}")
    grant(f"/system/users/{local}/roles/{roles['reader']}")
    grant(f"/OS-INHERIT/domains/{domain}/users/{local}/roles/{roles['member']}/inherited_to_projects")
    group = ids["group"] = api.make("group", name=f"{stack}-group", domain_id=domain)
    grant(f"/groups/{group}/users/{local}")
    grant(f"/projects/{tree}/groups/{group}/roles/{roles['member']}")
    grant(f"/system/groups/{group}/roles/{roles['reader']}")

    # Roles: a global one that only this stack has, one of the domain, one of a name that every stack has.
    operator = ids["operator"] = api.make("role", name=f"{stack}-operator", options={"immutable": True})
    api.do("PUT", f"/roles/{operator}/implies/{roles['reader']}")
    ids["domain role"] = api.make("role", name="local-role", domain_id=domain)
    auditor = ids["auditor"] = api.make("role", name="auditor", description=stack)
    grant(f"/projects/{project}/users/{alice}/roles/{auditor}")

    # What users make for themselves.
    own = root.password(f"{stack}-alice", secrets[f"{stack}-alice"], f"{stack}-project")
    assert own is not None
    secrets["app credential"] = f"{stack}-secret"
    ids["app credential"] = own.make(
        "application_credential", f"/users/{alice}/application_credentials", name="ci", secret=f"{stack}-secret",
        roles=[{"id": roles["member"]}, {"id": auditor}], access_rules=[LEGACY_ACCESS], unrestricted=False,
    )  # fmt: skip
    ids["plain app credential"] = own.make(
        "application_credential", f"/users/{alice}/application_credentials", name="plain", secret=f"{stack}-secret",
        roles=[{"id": auditor}], unrestricted=True,
    )  # fmt: skip
    trust = own.do("POST", "/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": alice, "trustee_user_id": local, "project_id": project, "impersonation": True,
        "roles": [{"id": auditor}], "expires_at": "2037-01-01T00:00:00.000000Z"}})  # fmt: skip
    ids["trust"] = trust["trust"]["id"]
    ec2 = own.do("POST", f"/users/{alice}/credentials/OS-EC2", {"tenant_id": project})["credential"]
    ids["ec2"], secrets["ec2"] = ec2["access"], ec2["secret"]
    api.make("credential", type="cert", user_id=alice, project_id=project, blob=f"{stack} blob")

    identity = {
        "methods": ["password"],
        "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": password}},
    }
    system = root.log_in(identity, {"system": {"all": True}})
    assert system is not None

    # The catalog's further parts, limits, policies, federation, a domain's configuration, OAuth1.
    group_id = api.do("POST", "/OS-EP-FILTER/endpoint_groups", {"endpoint_group": {
        "name": f"{stack}-endpoints", "filters": {"service_id": compute, "region_id": region}}})  # fmt: skip
    ids["endpoint group"] = group_id["endpoint_group"]["id"]
    api.do("PUT", f"/OS-EP-FILTER/endpoint_groups/{ids['endpoint group']}/projects/{tree}")
    api.do("PUT", f"/OS-EP-FILTER/projects/{tree}/endpoints/{ids['endpoint-public']}")
    system.do("POST", "/registered_limits", {"registered_limits": [
        {"service_id": compute, "region_id": region, "resource_name": "cores", "default_limit": 10}]})  # fmt: skip
    system.do("POST", "/limits", {"limits": [
        {"service_id": compute, "region_id": region, "resource_name": "cores", "project_id": project,
         "resource_limit": 7}]})  # fmt: skip
    policy = api.make("policy", "/policies", type="application/json", blob="{}")
    api.do("PUT", f"/policies/{policy}/OS-ENDPOINT-POLICY/services/{compute}/regions/{region}")
    idp = f"{stack}-idp"
    api.do("PUT", f"/OS-FEDERATION/identity_providers/{idp}", {"identity_provider": {
        "enabled": True, "domain_id": domain, "remote_ids": [f"https://{stack}.example.com"]}})  # fmt: skip
    rules = [{"local": [{"user": {"name": "{0}"}}, {"group": {"id": group}}], "remote": [{"type": "REMOTE_USER"}]}]
    api.do("PUT", f"/OS-FEDERATION/mappings/{stack}-mapping", {"mapping": {"rules": rules}})
    api.do("PUT", f"/OS-FEDERATION/identity_providers/{idp}/protocols/mapped", {
        "protocol": {"mapping_id": f"{stack}-mapping"}})  # fmt: skip
    api.do("PUT", f"/OS-FEDERATION/service_providers/{stack}-sp", {"service_provider": {
        "auth_url": "https://sp.example.com/auth", "sp_url": "https://x.example.com/sp", "enabled": True}})  # fmt: skip
    api.make("user", name=f"{stack}-federated", domain_id=domain, federated=[
        {"idp_id": idp, "protocols": [{"protocol_id": "mapped", "unique_id": "someone"}]}])  # fmt: skip
    api.do("PUT", f"/domains/{domain}/config", {"config": {"ldap": {"url": "ldap://x", "password": stack}}})
    consumer = api.make("consumer", "/OS-OAUTH1/consumers", description=stack)
    ids["consumer"] = consumer

    # A token from before the merge, and one that was revoked.
    made.token = str(own.token)
    gone = root.password(f"{stack}-alice", secrets[f"{stack}-alice"], f"{stack}-project")
    assert gone is not None
    assert api.call("DELETE", "/auth/tokens", subject=gone.token)[0] == 204
    return made
