# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a Keystone's API shows, to be compared before and after a merge."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from merge_servers import Api

Thing = tuple[str, ...]
Inventory = dict[Thing, Any]

LISTS = {
    "domain": "/domains", "project": "/projects", "user": "/users", "group": "/groups", "role": "/roles",
    "service": "/services", "endpoint": "/endpoints", "region": "/regions", "policy": "/policies",
    "credential": "/credentials", "trust": "/OS-TRUST/trusts", "registered_limit": "/registered_limits",
    "limit": "/limits", "endpoint_group": "/OS-EP-FILTER/endpoint_groups",
    "identity_provider": "/OS-FEDERATION/identity_providers", "mapping": "/OS-FEDERATION/mappings",
    "service_provider": "/OS-FEDERATION/service_providers", "consumer": "/OS-OAUTH1/consumers",
}  # fmt: skip
BELONGING = {
    "user": {
        "application_credential": "/users/{}/application_credentials", "access_rule": "/users/{}/access_rules",
        "access_token": "/users/{}/OS-OAUTH1/access_tokens",
    },
    "domain": {"role": "/roles?domain_id={}"},
    "identity_provider": {"protocol": "/OS-FEDERATION/identity_providers/{}/protocols"},
}  # fmt: skip
"""By the kind of the owner, what each has: kind and path. Of users, only those are asked for who have any."""

BY_SYSTEM = ("registered_limit", "limit", "access_rule")
"""Kinds that the policy shows to those alone whose token is scoped to the system."""

LINKS = {
    "group": "/groups/{}/users",
    "endpoint": "/OS-EP-FILTER/endpoints/{}/projects",
    "endpoint_group": "/OS-EP-FILTER/endpoint_groups/{}/projects",
    "trust": "/OS-TRUST/trusts/{}/roles",
}
"""By kind, the path of what is linked to each."""


def _plain(body: Any) -> Any:
    """A body without what says where it was asked for."""
    if isinstance(body, dict):
        return {key: _plain(value) for key, value in body.items() if key != "links" and not key.endswith("_links")}
    return [_plain(value) for value in body] if isinstance(body, list) else body


def _name(kind: str, body: Any) -> tuple[str, ...]:
    """What tells things of one owner apart. The id of an access rule is that of whoever has the same."""
    if kind == "access_rule":
        body.pop("id")
        return body["service"], body["path"], body["method"]
    if kind == "application_credential":
        body["roles"] = [role["id"] for role in body["roles"]]
        for rule in body.get("access_rules") or ():
            rule.pop("id")
    return (body["id"],)


def _listed(api: Api, path: str) -> list[Any]:
    """The things of one answer."""
    return next(value for value in _plain(api.do("GET", path)).values() if isinstance(value, list))


def inventory(admin: Api, system: Api, makers: Collection[str]) -> Inventory:
    """Everything by kind and id, with what is linked to what.

    *system* is scoped to the system; *makers* are the ids of users who made things for themselves.
    """
    found: Inventory = {}
    for kind, path in LISTS.items():
        for body in _listed(system if kind in BY_SYSTEM else admin, path):
            found[(kind, body["id"])] = body
    owners = {kind: [thing[1] for thing in found if thing[0] == kind] for kind in (*BELONGING, *LINKS)}
    owners["user"] = list(makers)
    found.update(_belonging(admin, system, owners))
    found.update(_linked(admin, owners))
    return found


def _belonging(admin: Api, system: Api, owners: Mapping[str, list[str]]) -> Inventory:
    found: Inventory = {}
    for owner_kind, paths in BELONGING.items():
        for owner in owners[owner_kind]:
            for kind, path in paths.items():
                for body in _listed(system if kind in BY_SYSTEM else admin, path.format(owner)):
                    found[(kind, owner, *_name(kind, body))] = body
    for domain in owners["domain"]:
        status, _headers, answer = admin.call("GET", f"/domains/{domain}/config")
        if status == 200:
            found[("domain config", domain)] = answer["config"]
    return found


def _linked(admin: Api, owners: Mapping[str, list[str]]) -> Inventory:
    found: Inventory = {}
    for kind, path in LINKS.items():
        for owner in owners[kind]:
            for body in _listed(admin, path.format(owner)):
                found[(f"link of {kind}", owner, body["id"])] = None
    for body in _listed(admin, "/role_assignments"):
        found[("assignment", json.dumps(body, sort_keys=True))] = None
    for inference in _listed(admin, "/role_inferences"):
        for implied in inference["implies"]:
            found[("implied", inference["prior_role"]["id"], implied["id"])] = None
    return found


def translated(found: Inventory, changed: Mapping[str, str]) -> Inventory:
    """An inventory with new ids for those that changed, wherever they stand."""

    def new(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: new(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [new(inner) for inner in value]
        return changed.get(value, value) if isinstance(value, str) else value

    made: Inventory = {}
    for thing, body in found.items():
        if thing[0] == "assignment":
            made[("assignment", json.dumps(new(json.loads(thing[1])), sort_keys=True))] = None
        else:
            made[tuple(new(part) for part in thing)] = new(body)
    return made


def united(stacks: Mapping[str, Inventory], changed: Mapping[str, Mapping[str, str]]) -> Inventory:
    """What a merge of the stacks should show: of what became one, the earlier stack's body. *changed* is by stack."""
    whole: Inventory = {}
    for stack, found in stacks.items():
        for thing, body in translated(found, changed.get(stack, {})).items():
            whole.setdefault(thing, body)
    return whole


def _in_order(body: Any) -> Any:
    """A body whose lists that have no order are in one."""
    if not isinstance(body, dict):
        return body
    return {
        key: sorted(value, key=str) if key in ("roles", "access_rules", "tags") else value
        for key, value in body.items()
    }


def differences(found: Inventory, wanted: Inventory) -> list[str]:
    """What is missing, too much or another, one line each."""
    lines = [f"missing: {thing} {wanted[thing]}" for thing in wanted.keys() - found.keys()]
    lines += [f"too much: {thing} {found[thing]}" for thing in found.keys() - wanted.keys()]
    lines += [
        f"{thing}: {found[thing]} instead of {wanted[thing]}"
        for thing in wanted.keys() & found.keys()
        if _in_order(found[thing]) != _in_order(wanted[thing])
    ]
    return sorted(lines)
