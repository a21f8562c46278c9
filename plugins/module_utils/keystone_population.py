# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Keystone is to hold (domains, projects, users, roles, services, ...), and the steps that are missing.

Source of the calls: the Identity API v3 reference of Keystone. Names are compared exactly as Keystone returns them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, NamedTuple, Protocol, Union
from urllib.parse import quote, urlsplit

COLLECTIONS = {
    "domain": "domains",
    "project": "projects",
    "user": "users",
    "group": "groups",
    "role": "roles",
    "service": "services",
    "endpoint": "endpoints",
}
"""The API's plural of each kind, in the order in which things have to be created (a role depends on nothing)."""
INTERFACES = ("public", "internal", "admin")

FIELDS = {
    "domain": ("description",),
    "project": ("description",),
    "user": ("description", "email", "default_project"),
    "group": ("description",),
    "role": (),
    "service": ("type",),
    "endpoint": ("interface", "region_id", "url"),
}
"""The attributes that are kept as given, by kind; a user's password is set when it is created and never afterwards."""


class PopulationError(Exception):
    """What is wanted is contradictory, or Keystone refused: the text is for the operator."""


class Key(NamedTuple):
    """One thing by its natural key; `domain` is empty for domains, roles, services and endpoints."""

    kind: str
    domain: str
    name: str

    def __str__(self) -> str:
        """E.g. ``user Default/alice``."""
        return "{} {}".format(self.kind, "/".join(part for part in (self.domain, self.name) if part))


class Grant(NamedTuple):
    """A role of an actor (user or group) on a target (project or domain)."""

    role: Key
    actor: Key
    target: Key

    def __str__(self) -> str:
        """E.g. ``role member of user Default/alice on project Default/web``."""
        return "{} of {} on {}".format(*self)


FieldValue = Union[str, Key, None]


@dataclass(frozen=True)
class Wanted:
    """Everything that is to exist. `things` maps each key to its given attributes; `passwords` has every user's."""

    things: Mapping[Key, Mapping[str, FieldValue]]
    passwords: Mapping[Key, str]
    members: tuple[tuple[Key, Key], ...]
    grants: tuple[Grant, ...]

    def references(self) -> set[Key]:
        """Every key that is wanted or referred to, and their domains."""
        keys = set(self.things)
        for fields in self.things.values():
            keys.update(value for value in fields.values() if isinstance(value, Key))
        for pair in self.members:
            keys.update(pair)
        for grant in self.grants:
            keys.update(grant)
        return keys | {Key("domain", "", key.domain) for key in keys if key.domain}


@dataclass(frozen=True)
class State:
    """What is there already: ids and attributes by key, (group, user) pairs and direct grants."""

    ids: Mapping[Key, str]
    fields: Mapping[Key, Mapping[str, FieldValue]]
    members: frozenset[tuple[Key, Key]]
    grants: frozenset[Grant]


@dataclass(frozen=True)
class Step:
    """One call that changes something: `verb` is create, update, join or assign; `subject` what it is about."""

    verb: str
    subject: Key | Grant | tuple[Key, Key]
    fields: tuple[tuple[str, FieldValue], ...] = ()

    def __str__(self) -> str:
        """Names only: no attribute's value."""
        if self.verb == "join":
            group, user = self.subject[0], self.subject[1]
            return f"add {user} to {group}"
        if self.verb == "update":
            return "update {}: {}".format(self.subject, ", ".join(name for name, value in self.fields))
        return f"{self.verb} {self.subject}"


class Api(Protocol):
    """The connection: one request of the Identity API, `path` starting behind ``/v3``; raises PopulationError."""

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Send a request and return the decoded answer, empty when there is none."""


def parse(params: Mapping[str, Any]) -> Wanted:
    """Make the wanted state of the module's options.

    :raises PopulationError: with every contradiction in them: things named twice, assignments without one actor and
        one target.
    """
    problems: list[str] = []
    things: dict[Key, Mapping[str, FieldValue]] = {}
    passwords: dict[Key, str] = {}
    members: list[tuple[Key, Key]] = []

    def add(key: Key, fields: Mapping[str, FieldValue]) -> None:
        if key in things:
            problems.append(f"{key} is listed twice")
        things[key] = {name: value for name, value in fields.items() if value is not None}

    for item in params["domains"]:
        add(Key("domain", "", item["name"]), {"description": item["description"]})
    for name in params["roles"]:
        add(Key("role", "", name), {})
    for item in params["projects"]:
        add(Key("project", item["domain"], item["name"]), {"description": item["description"]})
    for item in params["users"]:
        key = Key("user", item["domain"], item["name"])
        default = item["default_project"]
        project = Key("project", item["domain"], default) if default else None
        add(key, {"description": item["description"], "email": item["email"], "default_project": project})
        passwords[key] = item["password"]
    for item in params["groups"]:
        key = Key("group", item["domain"], item["name"])
        add(key, {"description": item["description"]})
        members.extend(
            (key, Key("user", member["domain"] or item["domain"], member["name"])) for member in item["members"]
        )
    for item in params["services"]:
        service = Key("service", "", item["name"])
        add(service, {"type": item["type"]})
        for interface in INTERFACES:
            fields = {"interface": interface, "region_id": item["region"], "url": item["url"], "service": service}
            add(_endpoint(item["name"], fields), fields)
    grants = tuple(_grant(item, problems) for item in params["assignments"])
    for what, many in (("member", [Step("join", pair) for pair in members]), ("assignment", grants)):
        problems.extend(f"{what} is listed twice: {text}" for text in _twice(str(one) for one in many))
    if problems:
        raise PopulationError("The wanted population contradicts itself: {}".format("; ".join(problems)))
    return Wanted(things, passwords, tuple(members), grants)


def _endpoint(service: str, fields: Mapping[str, Any]) -> Key:
    return Key("endpoint", "", "{}/{}/{}".format(service, fields["region_id"], fields["interface"]))


def _twice(texts: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [text for text in texts if text in seen or seen.add(text)]  # type: ignore[func-returns-value]


def _grant(item: Mapping[str, Any], problems: list[str]) -> Grant:
    if bool(item["user"]) == bool(item["group"]):
        problems.append("an assignment of role {} needs either user or group".format(item["role"]))
    if bool(item["project"]) == bool(item["domain"]):
        problems.append("an assignment of role {} needs either project or domain".format(item["role"]))
    if item["user"]:
        actor = Key("user", item["user_domain"], item["user"])
    else:
        actor = Key("group", item["group_domain"], item["group"] or "")
    if item["project"]:
        target = Key("project", item["project_domain"], item["project"])
    else:
        target = Key("domain", "", item["domain"] or "")
    return Grant(Key("role", "", item["role"]), actor, target)


def plan(wanted: Wanted, state: State) -> tuple[Step, ...]:
    """The steps that lead from `state` to `wanted`, in an order that can be carried out; none when it is all there.

    :raises PopulationError: when something is referred to that neither exists nor is wanted.
    """
    unknown = sorted(str(key) for key in wanted.references() if key not in wanted.things and key not in state.ids)
    if unknown:
        raise PopulationError(
            "Referred to, but neither in Keystone nor in what is wanted: {}".format(", ".join(unknown))
        )
    steps: list[Step] = []
    for kind in COLLECTIONS:
        for key, fields in wanted.things.items():
            if key.kind != kind:
                continue
            if key not in state.ids:
                steps.append(Step("create", key, tuple(fields.items())))
                continue
            there = state.fields[key]
            different = tuple((name, value) for name, value in fields.items() if there.get(name) != value)
            if different:
                steps.append(Step("update", key, different))
    steps.extend(Step("join", pair) for pair in wanted.members if pair not in state.members)
    steps.extend(Step("assign", grant) for grant in wanted.grants if grant not in state.grants)
    return tuple(steps)


def load(api: Api, wanted: Wanted) -> State:
    """Ask Keystone for what `wanted` touches: one listing per kind and domain, one per group that has members.

    :raises PopulationError: when Keystone refuses or cannot be reached.
    """
    touched = wanted.references()
    ids: dict[Key, str] = {}
    records: dict[Key, Mapping[str, Any]] = {}

    def note(key: Key, record: Mapping[str, Any]) -> None:
        ids[key] = record["id"]
        records[key] = record

    if not touched:
        return State({}, {}, frozenset(), frozenset())
    for record in _listing(api, "domains"):
        note(Key("domain", "", record["name"]), record)
    if any(key.kind == "role" for key in touched):
        for record in _listing(api, "roles"):
            note(Key("role", "", record["name"]), record)
    if any(key.kind == "service" for key in touched):
        names = {}
        for record in _listing(api, "services"):
            names[record["id"]] = record.get("name", "")
            note(Key("service", "", names[record["id"]]), record)
        for record in _listing(api, "endpoints"):
            note(_endpoint(names.get(record["service_id"], ""), record), record)
    for kind, domain in sorted({(key.kind, key.domain) for key in touched if key.domain}):
        domain_id = ids.get(Key("domain", "", domain))
        if domain_id is not None:
            for record in _listing(api, COLLECTIONS[kind], f"domain_id={quote(domain_id)}"):
                note(Key(kind, domain, record["name"]), record)
    keys = {(key.kind, id_): key for key, id_ in ids.items()}
    fields = {key: _fields(key.kind, record, keys) for key, record in records.items()}
    grants = frozenset(_grants(api, keys)) if wanted.grants else frozenset()
    return State(ids, fields, frozenset(_members(api, wanted, ids, keys)), grants)


def _listing(api: Api, plural: str, query: str = "", path: str = "") -> Iterable[Mapping[str, Any]]:
    """Every entry of a collection: newer Keystones hand it out in pages and name the next one in `links`."""
    path = path or f"/{plural}"
    seen: set[str] = set()
    while True:
        answer = api.request("GET", path + (f"?{query}" if query else ""))
        yield from answer[plural]
        seen.add(query)
        query = urlsplit((answer.get("links") or {}).get("next") or "").query
        if answer.get("truncated") and (not query or query in seen):
            raise PopulationError(f"Keystone cut the list of {plural} short: raise its list_limit")
        if not query or query in seen:
            return


def _fields(kind: str, record: Mapping[str, Any], keys: Mapping[tuple[str, str], Key]) -> dict[str, FieldValue]:
    fields: dict[str, FieldValue] = {name: record.get(name) for name in FIELDS[kind]}
    if kind == "user":
        fields["default_project"] = keys.get(("project", record.get("default_project_id") or ""))
    if kind == "endpoint":
        fields["service"] = keys.get(("service", record["service_id"]))
    return fields


def _members(
    api: Api, wanted: Wanted, ids: Mapping[Key, str], keys: Mapping[tuple[str, str], Key]
) -> Iterable[tuple[Key, Key]]:
    for group in sorted({group for group, user in wanted.members if group in ids}):
        for record in _listing(api, "users", path=f"/groups/{ids[group]}/users"):
            user = keys.get(("user", record["id"]))
            if user is not None:
                yield group, user


def _grants(api: Api, keys: Mapping[tuple[str, str], Key]) -> Iterable[Grant]:
    for record in _listing(api, "role_assignments"):
        scope = record["scope"]
        if "OS-INHERIT:inherited_to" in scope:  # holds below the target, not on it
            continue
        role = keys.get(("role", record["role"]["id"]))
        actor = _found(record, ("user", "group"), keys)
        target = _found(scope, ("project", "domain"), keys)
        if role and actor and target:
            yield Grant(role, actor, target)


def _found(record: Mapping[str, Any], kinds: tuple[str, str], keys: Mapping[tuple[str, str], Key]) -> Key | None:
    for kind in kinds:
        if kind in record:
            return keys.get((kind, record[kind]["id"]))
    return None


def apply(api: Api, steps: Iterable[Step], wanted: Wanted, state: State) -> None:
    """Carry out `steps`, made by `plan` of the same `wanted` and `state`.

    :raises PopulationError: at the first call that Keystone refuses; what was done before it stays, and the next run
        goes on from there.
    """
    ids = dict(state.ids)
    for step in steps:
        if isinstance(step.subject, Key):
            key = step.subject
            kind, path = key.kind, f"/{COLLECTIONS[key.kind]}"
            body = _body(step.fields, ids)
            if step.verb == "create":
                if kind != "endpoint":
                    body["name"] = key.name
                if key.domain:
                    body["domain_id"] = ids[Key("domain", "", key.domain)]
                if key in wanted.passwords:
                    body["password"] = wanted.passwords[key]
                ids[key] = api.request("POST", path, {kind: body})[kind]["id"]
            else:
                api.request("PATCH", f"{path}/{ids[key]}", {kind: body})
        elif isinstance(step.subject, Grant):
            role, actor, target = step.subject
            api.request(
                "PUT",
                f"/{COLLECTIONS[target.kind]}/{ids[target]}/{COLLECTIONS[actor.kind]}/{ids[actor]}/roles/{ids[role]}",
            )
        else:
            group, user = step.subject
            api.request("PUT", f"/groups/{ids[group]}/users/{ids[user]}")


def _body(fields: Iterable[tuple[str, FieldValue]], ids: Mapping[Key, str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, value in fields:
        if isinstance(value, Key):
            body[f"{name}_id"] = ids[value]
        else:
            body[name] = value
    return body
