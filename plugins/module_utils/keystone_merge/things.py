# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What the rows of a Keystone database are to people: kinds and names, never a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.origins import Fields, Origin
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import service_name
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    DEFAULT_DOMAIN,
    NOTHING,
    ROOT_DOMAIN,
)

ASKED = 1000
"""Names that are asked for in one statement."""


@dataclass(frozen=True)
class Shape:
    """What a row of a table is.

    *text* names it: ``{column}`` is a value, ``{column:table}`` the name of the row of *table* with that id. A row of a
    table with *of* is part of a row of that table, whose id is in the column *by*. *counters* are columns that Keystone
    itself writes when somebody logs in, *sealed* those that encryption with another key changes. Rows of *expendable*
    tables are no loss: Keystone makes them anew, or they concern tokens that end anyway.
    """

    kind: str
    text: str = ""
    of: str | None = None
    by: str = ""
    counters: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    expendable: bool = False


SHAPES: dict[str, Shape] = {
    "region": Shape("region", "{id}"),
    "project": Shape("project", "{id:project}"),
    "project_tag": Shape("project", of="project", by="project_id"),
    "project_option": Shape("project", of="project", by="project_id"),
    "role": Shape("role", "{id:role}"),
    "implied_role": Shape("implied role", "role {prior_role_id:role} implies role {implied_role_id:role}"),
    "role_option": Shape("role", of="role", by="role_id"),
    "user": Shape("user", "{id:user}", counters=("last_active_at",)),
    "local_user": Shape("user", of="user", by="user_id", counters=("failed_auth_count", "failed_auth_at")),
    "password": Shape("password", "user {user_id:user}", of="user", by="user_id"),
    "nonlocal_user": Shape("user", of="user", by="user_id"),
    "user_option": Shape("user", of="user", by="user_id"),
    "federated_user": Shape("user", of="user", by="user_id", counters=("display_name",)),
    "group": Shape("group", "{id:group}"),
    "user_group_membership": Shape("membership", "user {user_id:user} in group {group_id:group}"),
    "expiring_user_group_membership": Shape(
        "membership",
        "user {user_id:user} in group {group_id:group} by identity provider {idp_id}",
        counters=("last_verified",),
    ),
    "service": Shape("service", "{id:service}"),
    "endpoint": Shape("endpoint", "{id:endpoint}"),
    "endpoint_group": Shape("endpoint group", "{name}"),
    "project_endpoint": Shape("project endpoint", "{endpoint_id:endpoint} for project {project_id:project}"),
    "project_endpoint_group": Shape(
        "project endpoint group", "{endpoint_group_id:endpoint_group} for project {project_id:project}"
    ),
    "policy": Shape("policy", "{id}"),
    "policy_association": Shape(
        "policy association",
        "policy {policy_id} for {endpoint_id:endpoint} {service_id:service} {region_id}",
    ),
    "assignment": Shape("assignment"),
    "system_assignment": Shape("assignment"),
    "identity_provider": Shape("identity provider", "{id}"),
    "idp_remote_ids": Shape("identity provider", of="identity_provider", by="idp_id"),
    "mapping": Shape("mapping", "{id}"),
    "federation_protocol": Shape("federation protocol", "{id} of identity provider {idp_id}"),
    "service_provider": Shape("service provider", "{id}"),
    "id_mapping": Shape("id mapping", expendable=True),
    "trust": Shape("trust", "{id:trust}", counters=("remaining_uses",)),
    "trust_role": Shape("trust", of="trust", by="trust_id"),
    "credential": Shape(
        "credential", "{type} credential of user {user_id:user}", sealed=("key_hash", "encrypted_blob")
    ),
    "access_rule": Shape("access rule", "{method} {path} of {service} for user {user_id:user}"),
    "application_credential": Shape("application credential", "{internal_id:application_credential}"),
    "application_credential_role": Shape(
        "application credential", of="application_credential", by="application_credential_id"
    ),
    "application_credential_access_rule": Shape(
        "application credential", of="application_credential", by="application_credential_id"
    ),
    "registered_limit": Shape("registered limit", "{id:registered_limit}"),
    "limit": Shape("limit", "{registered_limit_id:registered_limit} for {project_id:project}{domain_id:project}"),
    "whitelisted_config": Shape("domain configuration", "{group}.{option} of domain {domain_id:project}"),
    "sensitive_config": Shape("domain configuration", "{group}.{option} of domain {domain_id:project}"),
    "config_register": Shape("configuration register", expendable=True),
    "consumer": Shape("consumer", "{id}"),
    "access_token": Shape("access token", "user {authorizing_user_id:user}, consumer {consumer_id}"),
    "request_token": Shape("request token", expendable=True),
    "revocation_event": Shape("revocation event", expendable=True),
}

_NAMED: dict[str, tuple[str, ...]] = {
    "project": ("id", "name", "domain_id", "is_domain"),
    "role": ("id", "name", "domain_id"),
    "user": ("id", "domain_id"),
    "group": ("id", "name", "domain_id"),
    "service": ("id", "type", "extra"),
    "endpoint": ("id", "interface", "service_id", "region_id"),
    "endpoint_group": ("id", "name"),
    "trust": ("id", "trustor_user_id", "trustee_user_id", "project_id"),
    "application_credential": ("internal_id", "name", "user_id"),
    "registered_limit": ("id", "resource_name", "service_id", "region_id"),
}
"""Tables whose rows are looked up by their ids, and the columns by which they are named."""

_USER_NAMES = (("local_user", "name"), ("nonlocal_user", "name"), ("federated_user", "display_name"))

_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")

Fetch = Callable[[str, Sequence[Any], Sequence[str], str], "list[Fields]"]
"""Gives columns of the rows of a table whose column (the last argument) has one of the ids."""


class Lookup:
    """Rows of one database by their ids. What is not known yet is noted, and asked for with the rest of its kind."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[tuple[str, Any], Fields | None] = {}
        self._wanted: dict[str, dict[Any, None]] = {}

    def get(self, table: str, id_: Any) -> Fields | None:
        """The row, None where there is none or it is not known yet."""
        if (table, id_) not in self._known:
            self._wanted.setdefault(table, {})[id_] = None
        return self._known.get((table, id_))

    def is_known(self, table: str, id_: Any) -> bool:
        """Whether it was asked for already."""
        return (table, id_) in self._known

    def load(self) -> bool:
        """Ask for all that is wanted; false where that is nothing."""
        wanted, self._wanted = self._wanted, {}
        for table, ids in wanted.items():
            listed = list(ids)
            for start in range(0, len(listed), ASKED):
                self._load(table, listed[start : start + ASKED])
        return bool(wanted)

    def _load(self, table: str, ids: Sequence[Any]) -> None:
        columns = _NAMED[table]
        found = {row[columns[0]]: row for row in self._fetch(table, ids, columns, columns[0])}
        if table == "user":
            for names, column in _USER_NAMES:
                for row in self._fetch(names, ids, ("user_id", column), "user_id"):
                    if row["user_id"] in found:
                        found[row["user_id"]].setdefault("name", row[column])
        for id_ in ids:
            self._known[(table, id_)] = found.get(id_)


def fetcher(database: Database) -> Fetch:
    """Asks the merged database itself."""

    def fetch(table: str, ids: Sequence[Any], columns: Sequence[str], column: str) -> list[Fields]:
        there = [name for name in columns if name in database.tables().get(table, ())]
        if column not in there:
            return []
        return [dict(zip(there, row)) for row in database.rows(table, there, (In(column, tuple(ids)),))]

    return fetch


class Names:
    """Names of things: from the merged database, and from the sources for what is no longer there."""

    def __init__(self, target: Database, origins: Sequence[Origin]) -> None:
        self._here = Lookup(fetcher(target))
        self._there = {origin.name: Lookup(origin.records) for origin in origins}

    def tell(self, make: Callable[[], Any]) -> Any:
        """What *make* gives once every name that it asks for is known."""
        made = make()
        while self._load():
            made = make()
        return made

    def _load(self) -> bool:
        loaded = [lookup.load() for lookup in (self._here, *self._there.values())]
        return any(loaded)

    def record(self, table: str, id_: Any) -> Fields | None:
        """What is known of a row, wherever that is."""
        found = self._here.get(table, id_)
        if found is None and self._here.is_known(table, id_):
            for lookup in self._there.values():
                found = found or lookup.get(table, id_)
        return found

    def name(self, table: str, id_: Any) -> str:
        """The name of a row; its id where nothing is known."""
        if id_ is None:
            return ""
        if table not in _NAMED:
            return str(id_)
        record = self.record(table, id_)
        return str(id_) if record is None else self._of(table, id_, record)

    def renamed(self, table: str, id_: Any) -> str:
        """The name of a changed row, and what it is called in its own database where that is another name."""
        name = self.name(table, id_)
        others: dict[str, list[str]] = {}
        for stack, lookup in self._there.items():
            record = lookup.get(table, id_) if table in _NAMED else None
            other = name if record is None else self._of(table, id_, record)
            if other != name:
                others.setdefault(other, []).append(stack)
        return name + "".join(f" ({other} in {' and '.join(stacks)})" for other, stacks in others.items())

    def _of(self, table: str, id_: Any, record: Mapping[str, Any]) -> str:
        if table == "service":
            return f"{service_name(record['extra']) or record['id']} ({record['type']})"
        if table == "endpoint":
            region = record.get("region_id")
            return f"{record['interface']} of {self.name('service', record['service_id'])}" + (
                f" in {region}" if region else ""
            )
        if table == "trust":
            project = record["project_id"]
            return (
                f"user {self.name('user', record['trustor_user_id'])} trusts user "
                f"{self.name('user', record['trustee_user_id'])}"
                + (f" on project {self.name('project', project)}" if project else "")
            )
        if table == "application_credential":
            return f"{record['name']} of user {self.name('user', record['user_id'])}"
        if table == "registered_limit":
            region = record["region_id"]
            return f"{record['resource_name']} of {self.name('service', record['service_id'])}" + (
                f" in {region}" if region else ""
            )
        name = record.get("name")
        return (str(id_) if name is None else str(name)) + self._within(record)

    def _within(self, record: Mapping[str, Any]) -> str:
        domain = record.get("domain_id")
        if domain is None or domain in NOTHING or domain in (DEFAULT_DOMAIN, ROOT_DOMAIN):
            return ""
        return f" in domain {self.name('project', domain)}"

    def is_domain(self, id_: Any) -> bool:
        """Whether a project is a domain."""
        record = self.record("project", id_)
        return record is not None and bool(record["is_domain"])

    def text(self, table: str, row: Mapping[str, Any], changed: bool = False) -> str:
        """The name of a row, by its :class:`Shape`; of a *changed* one the name in its own database as well."""
        if table in ("assignment", "system_assignment"):
            return self._grant(row)

        def value(match: re.Match[str]) -> str:
            found = row.get(match.group(1))
            if match.group(2) is not None:
                own = changed and match.group(2) == table
                return self.renamed(table, found) if own else self.name(match.group(2), found)
            return "" if found is None else str(found)

        return " ".join(_PLACE.sub(value, SHAPES[table].text).split())

    def _grant(self, row: Mapping[str, Any]) -> str:
        actor, target = re.findall("[A-Z][a-z]+", str(row["type"]))
        where = "the system" if target == "System" else f"{target.lower()} {self.name('project', row['target_id'])}"
        inherited = ", inherited by its projects" if int(row["inherited"]) else ""
        return (
            f"role {self.name('role', row['role_id'])} of {actor.lower()} "
            f"{self.name(actor.lower(), row['actor_id'])} on {where}{inherited}"
        )


def referred(table: str, row: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """(table, id) of what a row needs to be there; an assignment's actor by its type."""
    for ref in BY_NAME[table].refs:
        value = row.get(ref.column)
        if value is None or ref.loose or ref.weak:
            continue
        if ref.when is None or row.get(ref.when[0]) in ref.when[1]:
            yield ref.to, value
