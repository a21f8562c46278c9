# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What each table of a Keystone database holds, what names its rows and what they refer to.

The rules come from Keystone's SQL models (``keystone/*/backends/sql.py``) of the releases 13 (Queens) to 30 (2026.2).
Most references between tables are declared by no foreign key; they are written down here.
A table or column that a release does not have is left out when its database is read.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

ROOT_DOMAIN = "<<keystone.domain.root>>"
"""Id and name of the row of ``project`` that is the parent of all domains, in every database."""

DEFAULT_DOMAIN = "default"
"""Id of the domain that ``keystone-manage bootstrap`` makes, the same in every cloud."""

NOTHING: frozenset[str] = frozenset({"<<null>>"})
"""Values of a reference that mean none (``role.domain_id`` of a global role)."""


class Rule(enum.Enum):
    """What is done with a row of a later stack when an earlier one has a row with an equal key."""

    NAMED = "built-in ones become one, any other stops the merge"
    UNION = "they become one, the first remains"
    SAME = "they become one if all else is equal too, otherwise it stops the merge"
    PART = "the row belongs to another and is left out where that one became one with an earlier stack's"


@dataclass(frozen=True)
class Ref:
    """A column that holds the id of a row of table *to*.

    *when* limits it to rows whose column has one of the values (one column can refer to several tables).
    *loose* ones may name what is long gone (revocations): they follow, but are not verified.
    *weak* ones are a hint and no more: where they lead nowhere and that is to go, they become NULL, and the row stays.
    *stays* says that the row stays as it is even then, because others need it.
    """

    column: str
    to: str
    when: tuple[str, frozenset[str]] | None = None
    loose: bool = False
    weak: bool = False
    stays: bool = False


@dataclass(frozen=True)
class Key:
    """Columns that no two rows share.

    *unique* says that the database itself sees to it within one Keystone; *null_equal* that two NULLs are equal.
    """

    columns: tuple[str, ...]
    unique: bool = True
    null_equal: bool = False


@dataclass(frozen=True)
class Text:
    """A column of JSON text in which ids of the tables *to* stand as strings."""

    column: str
    to: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table.

    *identity* tells its rows apart within one database; *id* is the column that others refer to; *auto* is an
    auto-increment column, whose values move behind those of the earlier stacks; *part_of* is the column whose
    row this one belongs to; *names* are tables that hold the names of the rows; *first* is a column whose true
    rows are planned first; *beside* are columns that may differ between two rows that are the same; *rename* is the
    column that a new name goes to, of a row whose name may be changed; *whole* tables are compared in Python, because
    no server can take their key out of a row.
    """

    name: str
    rule: Rule
    identity: tuple[str, ...]
    keys: tuple[Key, ...] = ()
    refs: tuple[Ref, ...] = ()
    texts: tuple[Text, ...] = ()
    id: str | None = None
    auto: str | None = None
    part_of: str | None = None
    names: tuple[str, ...] = ()
    first: str | None = None
    beside: tuple[str, ...] = ()
    rename: str | None = None
    whole: bool = False

    @property
    def kind(self) -> str:
        """Its name for people."""
        return self.name.replace("_", " ")


def _only(column: str, *values: str) -> tuple[str, frozenset[str]]:
    return column, frozenset(values)


def _link(name: str, *refs: Ref, also: tuple[str, ...] = ()) -> Table:
    """A table whose key is all of its references and the columns *also*."""
    columns: tuple[str, ...] = tuple(dict.fromkeys([*(ref.column for ref in refs), *also]))
    return Table(name, Rule.UNION, columns, (Key(columns),), refs)


def _option(name: str, owner: str) -> Table:
    column = owner + "_id"
    return Table(name, Rule.PART, (column, "option_id"), refs=(Ref(column, owner),), part_of=column)


def _chosen(
    name: str, *refs: Ref, texts: tuple[Text, ...] = (), key: tuple[str, ...] = ("id",), rename: str | None = None
) -> Table:
    """A table whose key is chosen by people, or is an id that only a copy of the same row can share."""
    return Table(name, Rule.SAME, key, (Key(key),), refs, texts, id="id" if key == ("id",) else None, rename=rename)


_USER_TYPES = ("UserProject", "UserDomain", "UserSystem")
_GROUP_TYPES = ("GroupProject", "GroupDomain", "GroupSystem")

# Parents before children: a key that holds a reference is compared once the ids of what it refers to are settled.
TABLES: tuple[Table, ...] = (
    Table("region", Rule.NAMED, ("id",), (Key(("id",)),), (Ref("parent_region_id", "region", weak=True),), id="id"),
    Table(
        "project",
        Rule.NAMED,
        ("id",),
        (Key(("domain_id", "name")),),
        (Ref("domain_id", "project"), Ref("parent_id", "project")),
        id="id",
        first="is_domain",
        rename="name",
    ),
    _link("project_tag", Ref("project_id", "project"), also=("name",)),
    _option("project_option", "project"),
    Table(
        "role",
        Rule.NAMED,
        ("id",),
        (Key(("domain_id", "name")),),
        (Ref("domain_id", "project"),),
        id="id",
        rename="name",
    ),
    _link("implied_role", Ref("prior_role_id", "role"), Ref("implied_role_id", "role")),
    _option("role_option", "role"),
    Table(
        "user",
        Rule.NAMED,
        ("id",),
        (),
        (Ref("domain_id", "project"), Ref("default_project_id", "project", weak=True)),
        id="id",
        names=("local_user", "nonlocal_user"),
        rename="name",
    ),
    Table(
        "local_user",
        Rule.PART,
        ("id",),
        refs=(Ref("user_id", "user"), Ref("domain_id", "project")),
        id="id",
        auto="id",
        part_of="user_id",
    ),
    Table(
        "password", Rule.PART, ("id",), refs=(Ref("local_user_id", "local_user"),), auto="id", part_of="local_user_id"
    ),
    Table(
        "nonlocal_user",
        Rule.PART,
        ("domain_id", "name"),
        refs=(Ref("user_id", "user"), Ref("domain_id", "project")),
        part_of="user_id",
    ),
    _option("user_option", "user"),
    Table(
        "group",
        Rule.NAMED,
        ("id",),
        (Key(("domain_id", "name")),),
        (Ref("domain_id", "project"),),
        id="id",
        rename="name",
    ),
    _link("user_group_membership", Ref("user_id", "user"), Ref("group_id", "group")),
    # Its natural key is (type, name), and the name is inside `extra`: see planning.service_name.
    Table(
        "service",
        Rule.NAMED,
        ("id",),
        (Key(("type", "extra"), unique=False, null_equal=True),),
        id="id",
        rename="extra",
        whole=True,
    ),
    _chosen("endpoint", Ref("service_id", "service"), Ref("region_id", "region")),
    _chosen("endpoint_group", texts=(Text("filters", ("service", "region")),)),
    _link("project_endpoint", Ref("endpoint_id", "endpoint"), Ref("project_id", "project")),
    _link("project_endpoint_group", Ref("endpoint_group_id", "endpoint_group"), Ref("project_id", "project")),
    _chosen("policy"),
    Table(
        "policy_association",
        Rule.SAME,
        ("id",),
        (Key(("id",)), Key(("endpoint_id", "service_id", "region_id"), unique=False, null_equal=True)),
        (
            Ref("policy_id", "policy"),
            Ref("endpoint_id", "endpoint"),
            Ref("service_id", "service"),
            Ref("region_id", "region"),
        ),
        id="id",
        beside=("id",),
    ),
    _link(
        "assignment",
        Ref("actor_id", "user", _only("type", *_USER_TYPES)),
        Ref("actor_id", "group", _only("type", *_GROUP_TYPES)),
        Ref("target_id", "project"),
        Ref("role_id", "role"),
        also=("type", "inherited"),
    ),
    _link(
        "system_assignment",
        Ref("actor_id", "user", _only("type", *_USER_TYPES)),
        Ref("actor_id", "group", _only("type", *_GROUP_TYPES)),
        Ref("role_id", "role"),
        also=("type", "target_id", "inherited"),
    ),
    _chosen("identity_provider", Ref("domain_id", "project")),
    _chosen("idp_remote_ids", Ref("idp_id", "identity_provider"), key=("remote_id",)),
    _chosen("mapping", texts=(Text("rules", ("project", "group", "user", "role")),), rename="id"),
    # Keystone lets a mapping go that a protocol names, and users of the protocol need it.
    _chosen(
        "federation_protocol",
        Ref("idp_id", "identity_provider"),
        Ref("mapping_id", "mapping", stays=True),
        key=("id", "idp_id"),
    ),
    _chosen("service_provider"),
    Table(
        "federated_user",
        Rule.SAME,
        ("id",),
        (Key(("idp_id", "protocol_id", "unique_id")),),
        (Ref("user_id", "user"), Ref("idp_id", "identity_provider")),
        auto="id",
    ),
    Table(
        "expiring_user_group_membership",
        Rule.UNION,
        ("user_id", "group_id", "idp_id"),
        (Key(("user_id", "group_id", "idp_id")),),
        (Ref("user_id", "user"), Ref("group_id", "group"), Ref("idp_id", "identity_provider")),
    ),
    Table(
        "id_mapping",
        Rule.SAME,
        ("public_id",),
        (Key(("public_id",)), Key(("domain_id", "local_id", "entity_type"))),
        (
            # Users of an LDAP are known by nothing else, also those of a domain that is gone.
            Ref("domain_id", "project", stays=True),
            Ref("public_id", "user", _only("entity_type", "user"), loose=True),
            Ref("public_id", "group", _only("entity_type", "group"), loose=True),
        ),
    ),
    Table(
        "trust",
        Rule.SAME,
        ("id",),
        (
            Key(("id",)),
            Key(("trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at")),
        ),
        (
            Ref("trustor_user_id", "user"),
            Ref("trustee_user_id", "user"),
            Ref("project_id", "project"),
            Ref("redelegated_trust_id", "trust"),
        ),
        id="id",
    ),
    _link("trust_role", Ref("trust_id", "trust"), Ref("role_id", "role")),
    _chosen("credential", Ref("user_id", "user"), Ref("project_id", "project")),
    Table(
        "access_rule",
        Rule.UNION,
        ("id",),
        (Key(("user_id", "service", "path", "method")),),
        (Ref("user_id", "user"),),
        id="id",
        auto="id",
    ),
    Table(
        "application_credential",
        Rule.SAME,
        ("internal_id",),
        (Key(("user_id", "name")), Key(("id",), unique=False)),
        (Ref("user_id", "user"), Ref("project_id", "project")),
        id="internal_id",
        auto="internal_id",
        rename="name",
    ),
    _link(
        "application_credential_role",
        Ref("application_credential_id", "application_credential"),
        Ref("role_id", "role"),
    ),
    _link(
        "application_credential_access_rule",
        Ref("application_credential_id", "application_credential"),
        Ref("access_rule_id", "access_rule"),
    ),
    Table(
        "registered_limit",
        Rule.SAME,
        ("id",),
        (Key(("id",)), Key(("service_id", "region_id", "resource_name"), unique=False, null_equal=True)),
        (Ref("service_id", "service"), Ref("region_id", "region")),
        id="id",
        auto="internal_id",
        beside=("id",),
    ),
    Table(
        "limit",
        Rule.SAME,
        ("id",),
        (
            Key(("id",)),
            # Up to Queens a limit names what its registered limit does.
            Key(("service_id", "region_id", "resource_name", "project_id"), unique=False, null_equal=True),
            Key(("registered_limit_id", "project_id", "domain_id"), unique=False, null_equal=True),
        ),
        (
            Ref("registered_limit_id", "registered_limit"),
            Ref("project_id", "project"),
            Ref("domain_id", "project"),
            Ref("service_id", "service"),
            Ref("region_id", "region"),
        ),
        id="id",
        auto="internal_id",
        beside=("id",),
    ),
    _chosen("whitelisted_config", Ref("domain_id", "project"), key=("domain_id", "group", "option")),
    _chosen("sensitive_config", Ref("domain_id", "project"), key=("domain_id", "group", "option")),
    _chosen("config_register", Ref("domain_id", "project"), key=("type",)),
    _chosen("consumer"),
    _chosen(
        "access_token",
        Ref("consumer_id", "consumer"),
        Ref("authorizing_user_id", "user"),
        Ref("project_id", "project"),
        texts=(Text("role_ids", ("role",)),),
    ),
    _chosen(
        "request_token",
        Ref("consumer_id", "consumer"),
        Ref("authorizing_user_id", "user"),
        Ref("requested_project_id", "project"),
        texts=(Text("role_ids", ("role",)),),
    ),
    Table(
        "revocation_event",
        Rule.UNION,
        ("id",),
        auto="id",
        refs=(
            Ref("domain_id", "project", loose=True),
            Ref("project_id", "project", loose=True),
            Ref("user_id", "user", loose=True),
            Ref("role_id", "role", loose=True),
            Ref("trust_id", "trust", loose=True),
            Ref("consumer_id", "consumer", loose=True),
            Ref("access_token_id", "access_token", loose=True),
        ),
    ),
)

BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}

VERSION_TABLES: frozenset[str] = frozenset({"alembic_version", "migrate_version"})
"""Schema versions, kept by ``keystone-manage db_sync``."""

EXPENDABLE: frozenset[str] = frozenset({"token"})
"""Tables whose rows no Keystone with Fernet or JWS tokens reads: left out, with a warning."""

ESSENTIAL: frozenset[str] = frozenset({"project", "user", "local_user", "role", "assignment", "service", "endpoint"})
"""A database without one of these is no Keystone database."""
