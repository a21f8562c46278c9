# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of every kind of thing that Keystone's API makes, in one Keystone."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import Any

from merge_logins import OAuth1, by_trust, federated
from merge_servers import Api, MariaDB

ACCESS = {"service": "compute", "path": "/v2.1/servers", "method": "GET"}
OWN_ACCESS = {"service": "identity", "path": "/v3/users/*", "method": "GET"}

CONFIG = """
[auth]
methods = external,password,token,oauth1,mapped,application_credential,ec2credential,totp
[security_compliance]
lockout_failure_attempts = 4
[federation]
remote_id_attribute = REMOTE_IDP
[trust]
allow_redelegation = true
"""
"""What the Keystones need beside the defaults, so that everything works."""


@dataclass
class Population:
    """What was made, by name, so that a test can look for it."""

    stack: str
    region: str
    password: str
    ids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    token: str = ""
    revoked: str = ""
    consumer: OAuth1 | None = None

    def user(self, root: Api, name: str, project: str | None = None, domain: str = "Default") -> Api | None:
        """Log in as a user whose name begins with that of the stack."""
        return root.password(f"{self.stack}-{name}", self.secrets[name], project, domain)


def populate(root: Api, stack: str, region: str, password: str) -> Population:
    """Fill a Keystone through its API; names carry the name of the stack, but for those that are built in."""
    return _Filler(root, Population(stack, region, password)).run()


class _Filler:
    """The work of :func:`populate`."""

    def __init__(self, root: Api, made: Population) -> None:
        self.root = root
        self.made = made
        self.ids = made.ids
        self.stack = made.stack
        found = root.password("admin", made.password, "admin")
        assert found is not None
        self.api = found
        self.system = root.scoped_to_system("admin", made.password)
        self.roles = {role["name"]: role["id"] for role in self.api.do("GET", "/roles")["roles"]}
        self.services: dict[str, str] = {}

    def run(self) -> Population:
        """Make everything; what the API does not make comes in :func:`add_by_sql`."""
        self.builtin()
        self.projects()
        self.users()
        self.further_roles()
        self.grants()
        self.delegations()
        self.credentials()
        self.catalog()
        self.limits()
        self.federation()
        self.oauth1()
        self.domain_config()
        self.tokens()
        return self.made

    # Helpers.

    def grant(self, path: str) -> None:
        """Make a link between two things."""
        self.api.do("PUT", path)

    def user(self, name: str, domain: str = "default", **more: Any) -> str:
        """Make a user of that name, which the stack's precedes."""
        self.made.secrets[name] = f"{self.stack}-password-of-{name}"
        self.ids[name] = self.api.make(
            "user", name=f"{self.stack}-{name}", password=self.made.secrets[name], domain_id=domain, **more
        )
        return self.ids[name]

    def project(self, name: str, domain: str, key: str | None = None, **more: Any) -> str:
        """Make a project."""
        made = self.api.make("project", name=f"{self.stack}-{name}", domain_id=domain, **more)
        self.ids[key or name] = made
        return made

    def log_in(self, name: str, project: str | None = None, domain: str = "Default") -> Api:
        """Log in as a user that was made."""
        found = self.made.user(self.root, name, project and f"{self.stack}-{project}", domain)
        assert found is not None
        return found

    # What is there.

    def builtin(self) -> None:
        """What becomes one; its rows differ between the stacks."""
        service = self.ids["service"] = self.api.make(
            "project", name="service", domain_id="default", description=self.stack
        )
        for name in ("nova", "glance"):
            self.made.secrets[name] = f"{self.stack}-password-of-{name}"
            self.ids[name] = self.api.make(
                "user", name=name, domain_id="default", password=self.made.secrets[name], default_project_id=service
            )
            self.grant(f"/projects/{service}/users/{self.ids[name]}/roles/{self.roles['admin']}")
        self.services["compute"] = self.api.make("service", type="compute", name="nova", description=self.stack)
        self.services["own"] = self.api.make("service", type=f"{self.stack}-type", name="own")
        self.services["nameless"] = self.api.make("service", type=f"{self.stack}-type")
        for interface in ("public", "internal"):
            self.ids[f"endpoint-{interface}"] = self.api.make(
                "endpoint", service_id=self.services["compute"], region_id=self.made.region, interface=interface,
                url=f"http://{self.made.region}:8774/v2.1/%(project_id)s",
            )  # fmt: skip
        zone = self.ids["zone"] = self.api.make(
            "region", id=f"{self.made.region}_zone", parent_region_id=self.made.region, description="within"
        )
        self.ids["endpoint-zone"] = self.api.make(
            "endpoint", service_id=self.services["own"], region_id=zone, interface="admin",
            url="http://zone", enabled=False,
        )  # fmt: skip

    def projects(self) -> None:
        """Domains, a tree of projects, tags, options, what is disabled, fields that Keystone does not know."""
        domain = self.ids["domain"] = self.api.make(
            "domain", name=f"{self.stack}-domain", description="Größe 漢字", options={"immutable": False}
        )
        self.ids["other domain"] = self.api.make("domain", name=f"{self.stack}-other")
        parent = domain
        for depth in range(4):
            parent = self.project(f"level{depth}", domain, parent_id=parent)
        self.ids["leaf"] = parent
        self.project("project", "default", tags=["red", "Blau", "漢字"])
        self.project("immutable", "default", options={"immutable": True})
        self.project("disabled", domain, enabled=False, colour="grün")
        # Equal but for case and a trailing space, in domains of their own.
        for number, name in enumerate(("twin", "TWIN ")):
            owner = (domain, self.ids["other domain"])[number]
            self.ids[f"twin project {number}"] = self.api.make("project", name=name, domain_id=owner)
            self.ids[f"twin group {number}"] = self.api.make("group", name=name, domain_id=owner)
            self.made.secrets[f"twin {number}"] = f"secret of {name}"
            self.ids[f"twin {number}"] = self.api.make("user", name=name, domain_id=owner, password=f"secret of {name}")

    def users(self) -> None:
        """Users of every sort, and groups."""
        domain = self.ids["domain"]
        alice = self.user("alice", email="alice@example.com", default_project_id=self.ids["project"])
        bob = self.user("bob", domain)
        carol = self.user("carol")
        self.user("Ünï-漢字-\u202eabc", options={"ignore_lockout_failure_attempts": True})
        self.user("disabled-user", enabled=False)
        self.user("expired")
        self.user("locked")
        self.user("strict", options={"multi_factor_auth_rules": [["password", "totp"]],
                                     "multi_factor_auth_enabled": True})  # fmt: skip
        for _attempt in range(4):
            assert self.root.password(f"{self.stack}-locked", "wrong") is None
        # One whose password was changed once: two rows.
        old = self.user("changed")
        self.made.secrets["changed"] = f"{self.stack}-new-password"
        self.api.do("PATCH", f"/users/{old}", {"user": {"password": self.made.secrets["changed"]}})
        shut = self.ids["shut domain"] = self.api.make("domain", name=f"{self.stack}-shut")
        self.user("shut-in", shut)
        self.api.do("PATCH", f"/domains/{shut}", {"domain": {"enabled": False}})
        group = self.ids["group"] = self.api.make("group", name=f"{self.stack}-group", domain_id=domain)
        for member in (bob, carol):
            self.grant(f"/groups/{group}/users/{member}")
        self.ids["empty group"] = self.api.make(
            "group", name=f"{self.stack}-empty", domain_id="default", description="nobody"
        )
        assert alice

    def further_roles(self) -> None:
        """A role that only this stack has, one of a name that all have, two of domains, and what they imply."""
        operator = self.ids["operator"] = self.api.make(
            "role", name=f"{self.stack}-operator", options={"immutable": True}
        )
        auditor = self.ids["auditor"] = self.api.make("role", name="auditor", description=self.stack)
        local = self.ids["domain role"] = self.api.make("role", name="local-role", domain_id=self.ids["domain"])
        self.ids["other domain role"] = self.api.make("role", name="Local-Role", domain_id=self.ids["other domain"])
        for prior, implied in ((operator, self.roles["reader"]), (local, auditor), (auditor, operator)):
            self.grant(f"/roles/{prior}/implies/{implied}")

    def grants(self) -> None:
        """Assignments of all types."""
        ids, roles = self.ids, self.roles
        domain, project, leaf, group = ids["domain"], ids["project"], ids["leaf"], ids["group"]
        for path in (
            f"/projects/{project}/users/{ids['alice']}/roles/{roles['member']}",
            f"/projects/{project}/users/{ids['alice']}/roles/{ids['auditor']}",
            f"/projects/{project}/users/{ids['strict']}/roles/{roles['reader']}",
            f"/domains/{domain}/users/{ids['bob']}/roles/{roles['admin']}",
            f"/domains/{domain}/groups/{group}/roles/{ids['auditor']}",
            f"/system/users/{ids['bob']}/roles/{roles['reader']}",
            f"/system/groups/{group}/roles/{ids['auditor']}",
            f"/projects/{leaf}/groups/{group}/roles/{roles['member']}",
            f"/projects/{ids['level1']}/users/{ids['bob']}/roles/{ids['domain role']}",
            f"/OS-INHERIT/domains/{domain}/users/{ids['bob']}/roles/{ids['operator']}/inherited_to_projects",
            f"/OS-INHERIT/projects/{ids['level0']}/groups/{group}/roles/{ids['auditor']}/inherited_to_projects",
        ):
            self.grant(path)

    def delegations(self) -> None:
        """Trusts: plain, without impersonation, handed on, taken back."""
        own = self.log_in("alice", "project")
        ids = self.ids

        def trust(api: Api, trustor: str, trustee: str, impersonation: bool = True, **more: Any) -> str:
            made = api.do("POST", "/OS-TRUST/trusts", {"trust": {
                "trustor_user_id": ids[trustor], "trustee_user_id": ids[trustee], "project_id": ids["project"],
                "impersonation": impersonation, "roles": [{"id": ids["auditor"]}],
                "expires_at": "2037-01-01T00:00:00.000000Z", **more}})  # fmt: skip
            return str(made["trust"]["id"])

        ids["trust"] = trust(own, "alice", "bob", allow_redelegation=True, redelegation_count=2)
        ids["trust of a project"] = trust(own, "alice", "carol", impersonation=False, remaining_uses=5)
        ids["trust for nova"] = trust(own, "alice", "nova", impersonation=False)
        used = by_trust(self.root, ids["bob"], self.made.secrets["bob"], ids["trust"])
        assert used is not None
        ids["trust handed on"] = trust(used, "alice", "carol", redelegation_count=1, allow_redelegation=True)
        gone = trust(own, "alice", "bob", impersonation=False)
        own.do("DELETE", f"/OS-TRUST/trusts/{gone}")

    def credentials(self) -> None:
        """What users make for themselves, and nova, who becomes one."""
        ids, made = self.ids, self.made
        own = self.log_in("alice", "project")
        nova = self.root.password("nova", made.secrets["nova"], "service")
        assert nova is not None
        path = f"/users/{ids['alice']}/application_credentials"
        secret = made.secrets["app credential"] = f"{self.stack}-secret"
        only = {"roles": [{"id": ids["auditor"]}], "secret": secret}
        for key, body in {
            "app credential": {"name": "ci", "access_rules": [ACCESS, OWN_ACCESS], "secret": secret},
            "plain app credential": {"name": "plain", "unrestricted": True, **only},
            "old app credential": {"name": "expired", "expires_at": "2099-01-01T00:00:00.000000", **only},
        }.items():
            ids[key] = own.make("application_credential", path, **body)
        ids["app credential of nova"] = nova.make(
            "application_credential", f"/users/{ids['nova']}/application_credentials", name=self.stack, secret=secret,
            access_rules=[OWN_ACCESS],
        )  # fmt: skip
        for key, api, project in (("alice", own, "project"), ("nova", nova, "service")):
            ec2 = api.do("POST", f"/users/{ids[key]}/credentials/OS-EC2", {"tenant_id": ids[project]})["credential"]
            ids[f"ec2 of {key}"], made.secrets[f"ec2 of {key}"] = ec2["access"], ec2["secret"]
        self.api.make("credential", type="cert", user_id=ids["alice"], project_id=ids["project"], blob="blob ' \\ 漢字")
        made.secrets["totp"] = base64.b32encode(os.urandom(20)).decode()
        self.api.make("credential", type="totp", user_id=ids["strict"], blob=made.secrets["totp"])

    def catalog(self) -> None:
        """Filters of endpoints and policies of all sorts of associations."""
        ids, compute = self.ids, self.services["compute"]
        for key, filters in {
            "endpoint group": {"service_id": compute, "region_id": self.made.region},
            "endpoint group of a service": {"service_id": self.services["own"]},
        }.items():
            answer = self.api.do("POST", "/OS-EP-FILTER/endpoint_groups", {"endpoint_group": {
                "name": f"{self.stack} {key}", "filters": filters, "description": "ä"}})  # fmt: skip
            ids[key] = answer["endpoint_group"]["id"]
        self.grant(f"/OS-EP-FILTER/endpoint_groups/{ids['endpoint group']}/projects/{ids['level1']}")
        self.grant(f"/OS-EP-FILTER/projects/{ids['leaf']}/endpoints/{ids['endpoint-public']}")
        for key, path in {
            "policy of an endpoint": f"endpoints/{ids['endpoint-internal']}",
            "policy of a region": f"services/{compute}/regions/{self.made.region}",
            "policy of a service": f"services/{self.services['own']}",
        }.items():
            ids[key] = self.api.make("policy", "/policies", type="application/json", blob=f'"{self.stack} {key}"')
            self.grant(f"/policies/{ids[key]}/OS-ENDPOINT-POLICY/{path}")

    def limits(self) -> None:
        """Registered limits with and without a region, limits of projects and of a domain."""
        compute, own, region = self.services["compute"], self.services["own"], self.made.region
        of_region = {"service_id": compute, "region_id": region, "resource_name": "cores"}
        of_cloud = {"service_id": own, "resource_name": "things"}
        self.system.do("POST", "/registered_limits", {"registered_limits": [
            {**of_region, "default_limit": 10}, {**of_cloud, "default_limit": 20, "description": "ä"}]})  # fmt: skip
        self.system.do("POST", "/limits", {"limits": [
            {**of_region, "project_id": self.ids["project"], "resource_limit": 7},
            {**of_cloud, "project_id": self.ids["leaf"], "resource_limit": 8},
            {**of_region, "domain_id": self.ids["domain"], "resource_limit": 9},
        ]})  # fmt: skip

    def federation(self) -> None:
        """Identity providers whose rules name groups, a project, a domain and roles; who came in through them."""
        ids, stack = self.ids, self.stack
        federation = "/OS-FEDERATION"
        idp = f"{stack}-idp"
        self.api.do("PUT", f"{federation}/identity_providers/{idp}", {"identity_provider": {
            "enabled": True, "domain_id": ids["domain"], "remote_ids": [f"https://{stack}.example.com", f"urn:{stack}"],
            "authorization_ttl": 60 * 24 * 30}})  # fmt: skip
        rules = [{
            "local": [
                {"user": {"name": "{0}", "email": "{0}@example.com"}},
                {"group": {"id": ids["group"]}},
                {"group": {"name": f"{stack}-empty", "domain": {"id": "default"}}},
                {"group": {"name": "twin", "domain": {"name": f"{stack}-domain"}}},
                {"projects": [{"name": f"{stack}-provisioned", "roles": [{"name": "auditor"}, {"name": "reader"}]}]},
            ],
            "remote": [{"type": "REMOTE_USER"}, {"type": "REMOTE_KIND", "any_one_of": ["person"]}],
        }]  # fmt: skip
        self.api.do("PUT", f"{federation}/mappings/{stack}-mapping", {"mapping": {"rules": rules}})
        self.api.do("PUT", f"{federation}/identity_providers/{idp}/protocols/mapped", {
            "protocol": {"mapping_id": f"{stack}-mapping"}})  # fmt: skip
        self.api.do("PUT", f"{federation}/service_providers/{stack}-sp", {"service_provider": {
            "auth_url": "https://sp.example.com/auth", "sp_url": "https://x.example.com/sp", "enabled": True,
            "relay_state_prefix": f"ss:{stack}:"}})  # fmt: skip
        ids["federated"] = self.api.make("user", name=f"{stack}-federated", domain_id=ids["domain"], federated=[
            {"idp_id": idp, "protocols": [{"protocol_id": "mapped", "unique_id": "someone"}]}])  # fmt: skip
        came = federated(self.root, idp, "höhe", REMOTE_KIND="person", REMOTE_IDP=f"urn:{stack}")
        assert came is not None
        ids["mapped"] = came.own()["user"]["id"]
        projects = self.api.do("GET", f"/projects?domain_id={ids['domain']}&name={stack}-provisioned")["projects"]
        ids["provisioned"] = projects[0]["id"]

    def oauth1(self) -> None:
        """A consumer with an access token of the admin, who becomes one, and a request that nobody granted yet."""
        ids = self.ids
        ids["admin"] = self.api.own()["user"]["id"]
        self.grant(f"/projects/{ids['project']}/users/{ids['admin']}/roles/{ids['auditor']}")
        consumer = self.api.do("POST", "/OS-OAUTH1/consumers", {"consumer": {"description": self.stack}})["consumer"]
        ids["consumer"] = consumer["id"]
        start = OAuth1(self.root, consumer["id"], consumer["secret"])
        asked = start.request(ids["project"])
        granted = self.api.do("PUT", f"/OS-OAUTH1/authorize/{asked.token}", {"roles": [{"id": ids["auditor"]}]})
        self.made.consumer = asked.access(granted["token"]["oauth_verifier"])
        start.request(ids["project"])

    def domain_config(self) -> None:
        """A domain's configuration, with what is secret in it."""
        config = {"ldap": {"url": "ldap://x", "user": "cn=y", "password": f"{self.stack} 漢字"},
                  "identity": {"driver": "sql"}}  # fmt: skip
        self.api.do("PUT", f"/domains/{self.ids['domain']}/config", {"config": config})

    def tokens(self) -> None:
        """A token from before the merge, one that was revoked, one whose user's password changed since."""
        self.made.token = str(self.log_in("alice", "project").token)
        gone = self.log_in("alice", "project")
        self.made.revoked = str(gone.token)
        assert self.api.call("DELETE", "/auth/tokens", subject=gone.token)[0] == 204


def add_by_sql(server: MariaDB, database: str, made: Population) -> None:
    """What only LDAP, time or another configuration would make: a user of a directory, a password that expired."""
    stack, ids = made.stack, made.ids
    public = ids["directory user"] = f"{stack}-ldap".encode().hex().ljust(64, "0")
    domain = ids["other domain"]
    expire = (
        "UPDATE password JOIN local_user ON local_user.id = local_user_id "
        "SET expires_at = '2026-01-01', expires_at_int = 1767225600000000 WHERE user_id = %s"
    )
    for statement, values in (
        ("INSERT INTO id_mapping VALUES (%s, %s, 'uid=ldap', 'user')", (public, domain)),
        ("INSERT INTO user (id, domain_id, extra, last_active_at) VALUES (%s, %s, '{}', '2026-01-02')",
         (public, domain)),
        ("INSERT INTO nonlocal_user VALUES (%s, 'ldap', %s)", (domain, public)),
        ("INSERT INTO id_mapping VALUES (%s, %s, 'cn=group', 'group')", (public[::-1], domain)),
        ("INSERT INTO assignment VALUES ('UserProject', %s, %s, %s, 0)", (public, ids["project"], ids["auditor"])),
        ("INSERT INTO user_group_membership VALUES (%s, %s)", (public, ids["empty group"])),
        (expire, (ids["expired"],)),
        ("UPDATE application_credential SET expires_at = 1767225600000000 WHERE id = %s", (ids["old app credential"],)),
    ):  # fmt: skip
        server.query(statement, values, database)
    if stack == "stack1":
        server.query("INSERT INTO config_register VALUES ('sql', %s)", (ids["domain"],), database)
