# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keystone databases in memory, made by hand or at random, and what a plan makes of them."""

from __future__ import annotations

import contextlib
import functools
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import losing, meeting, planner, renaming
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import (
    Collation,
    fingerprint,
    weigh_plainly,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Fold, translator
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Earlier, Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Override, Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In, KeyRequest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import (
    BY_NAME,
    NOTHING,
    TABLES,
    Ref,
)
from hypothesis import strategies as st

ROOT = "<<keystone.domain.root>>"
NULL = "<<null>>"
FOLD: Fold = functools.lru_cache(maxsize=None)(Collation(weigh_plainly).fold)

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]
Where = tuple[str, str, str]

# The columns that the rules speak of; a row is made of them. A real database fills the others.
COLUMNS: dict[str, tuple[str, ...]] = {
    "region": ("id", "description", "parent_region_id"),
    "project": ("id", "name", "domain_id", "parent_id", "is_domain"),
    "project_tag": ("project_id", "name"),
    "project_option": ("project_id", "option_id", "option_value"),
    "role": ("id", "name", "domain_id"),
    "implied_role": ("prior_role_id", "implied_role_id"),
    "role_option": ("role_id", "option_id", "option_value"),
    "user": ("id", "domain_id", "default_project_id"),
    "local_user": ("id", "user_id", "domain_id", "name"),
    "password": ("id", "local_user_id", "password_hash"),
    "nonlocal_user": ("domain_id", "name", "user_id"),
    "user_option": ("user_id", "option_id", "option_value"),
    "group": ("id", "domain_id", "name"),
    "user_group_membership": ("user_id", "group_id"),
    "service": ("id", "type", "extra"),
    "endpoint": ("id", "service_id", "region_id", "interface", "url"),
    "endpoint_group": ("id", "name", "filters"),
    "project_endpoint": ("endpoint_id", "project_id"),
    "project_endpoint_group": ("endpoint_group_id", "project_id"),
    "policy": ("id", "type", "blob"),
    "policy_association": ("id", "policy_id", "endpoint_id", "service_id", "region_id"),
    "assignment": ("type", "actor_id", "target_id", "role_id", "inherited"),
    "system_assignment": ("type", "actor_id", "target_id", "role_id", "inherited"),
    "identity_provider": ("id", "domain_id", "description"),
    "idp_remote_ids": ("idp_id", "remote_id"),
    "mapping": ("id", "rules"),
    "federation_protocol": ("id", "idp_id", "mapping_id"),
    "service_provider": ("id", "auth_url"),
    "federated_user": ("id", "user_id", "idp_id", "protocol_id", "unique_id"),
    "expiring_user_group_membership": ("user_id", "group_id", "idp_id"),
    "id_mapping": ("public_id", "domain_id", "local_id", "entity_type"),
    "trust": (
        "id", "trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at",
        "redelegated_trust_id",
    ),
    "trust_role": ("trust_id", "role_id"),
    "credential": ("id", "user_id", "project_id", "encrypted_blob"),
    "access_rule": ("id", "user_id", "service", "path", "method"),
    "application_credential": ("internal_id", "id", "name", "user_id", "project_id"),
    "application_credential_role": ("application_credential_id", "role_id"),
    "application_credential_access_rule": ("application_credential_id", "access_rule_id"),
    "registered_limit": ("id", "service_id", "region_id", "resource_name", "default_limit", "internal_id"),
    "limit": ("id", "registered_limit_id", "project_id", "domain_id", "resource_limit", "internal_id"),
    "whitelisted_config": ("domain_id", "group", "option", "value"),
    "sensitive_config": ("domain_id", "group", "option", "value"),
    "config_register": ("type", "domain_id"),
    "consumer": ("id", "description"),
    "access_token": ("id", "consumer_id", "authorizing_user_id", "project_id", "role_ids"),
    "request_token": ("id", "consumer_id", "authorizing_user_id", "requested_project_id", "role_ids"),
    "revocation_event": ("id", "user_id", "role_id", "project_id"),
    "token": ("id",),
    "unheard_of": ("id",),
}  # fmt: skip

# Columns of which the database itself says that no two rows share them (but for those with NULL); the first are the
# primary key. A test with a real Keystone compares them.
UNIQUE: dict[str, tuple[tuple[str, ...], ...]] = {
    "region": (("id",),),
    "project": (("id",), ("domain_id", "name")),
    "project_tag": (("project_id", "name"),),
    "project_option": (("project_id", "option_id"),),
    "role": (("id",), ("name", "domain_id")),
    "implied_role": (("prior_role_id", "implied_role_id"),),
    "role_option": (("role_id", "option_id"),),
    "user": (("id",), ("id", "domain_id")),
    "local_user": (("id",), ("domain_id", "name"), ("user_id",)),
    "password": (("id",),),
    "nonlocal_user": (("domain_id", "name"), ("user_id",)),
    "user_option": (("user_id", "option_id"),),
    "group": (("id",), ("domain_id", "name")),
    "user_group_membership": (("user_id", "group_id"),),
    "service": (("id",),),
    "endpoint": (("id",),),
    "endpoint_group": (("id",),),
    "project_endpoint": (("endpoint_id", "project_id"),),
    "project_endpoint_group": (("endpoint_group_id", "project_id"),),
    "policy": (("id",),),
    "policy_association": (("id",), ("endpoint_id", "service_id", "region_id")),
    "assignment": (("type", "actor_id", "target_id", "role_id", "inherited"),),
    "system_assignment": (("type", "actor_id", "target_id", "role_id", "inherited"),),
    "identity_provider": (("id",),),
    "idp_remote_ids": (("remote_id",),),
    "mapping": (("id",),),
    "federation_protocol": (("id", "idp_id"),),
    "service_provider": (("id",),),
    "federated_user": (("id",), ("idp_id", "protocol_id", "unique_id")),
    "expiring_user_group_membership": (("user_id", "group_id", "idp_id"),),
    "id_mapping": (("public_id",), ("domain_id", "local_id", "entity_type")),
    "trust": (("id",), ("trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at")),
    "trust_role": (("trust_id", "role_id"),),
    "credential": (("id",),),
    "access_rule": (("id",), ("user_id", "service", "path", "method")),
    "application_credential": (("internal_id",), ("user_id", "name")),
    "application_credential_role": (("application_credential_id", "role_id"),),
    "application_credential_access_rule": (("application_credential_id", "access_rule_id"),),
    "registered_limit": (("internal_id",), ("id",)),
    "limit": (("internal_id",), ("id",)),
    "whitelisted_config": (("domain_id", "group", "option"),),
    "sensitive_config": (("domain_id", "group", "option"),),
    "config_register": (("type",),),
    "consumer": (("id",),),
    "access_token": (("id",),),
    "request_token": (("id",),),
    "revocation_event": (("id",),),
}

# Foreign keys that the database declares: (table, columns, table referred to, its columns).
DECLARED: frozenset[tuple[str, tuple[str, ...], str, tuple[str, ...]]] = frozenset(
    (table, tuple(columns.split()), to, tuple(there.split()))
    for table, columns, to, there in (
        ("access_token", "consumer_id", "consumer", "id"),
        ("application_credential_access_rule", "access_rule_id", "access_rule", "id"),
        ("application_credential_access_rule", "application_credential_id", "application_credential", "internal_id"),
        ("application_credential_role", "application_credential_id", "application_credential", "internal_id"),
        ("endpoint", "region_id", "region", "id"),
        ("endpoint", "service_id", "service", "id"),
        ("expiring_user_group_membership", "group_id", "group", "id"),
        ("expiring_user_group_membership", "idp_id", "identity_provider", "id"),
        ("expiring_user_group_membership", "user_id", "user", "id"),
        ("federated_user", "idp_id", "identity_provider", "id"),
        ("federated_user", "protocol_id idp_id", "federation_protocol", "id idp_id"),
        ("federated_user", "user_id", "user", "id"),
        ("federation_protocol", "idp_id", "identity_provider", "id"),
        ("idp_remote_ids", "idp_id", "identity_provider", "id"),
        ("implied_role", "implied_role_id", "role", "id"),
        ("implied_role", "prior_role_id", "role", "id"),
        ("local_user", "user_id domain_id", "user", "id domain_id"),
        ("nonlocal_user", "user_id domain_id", "user", "id domain_id"),
        ("password", "local_user_id", "local_user", "id"),
        ("project", "domain_id", "project", "id"),
        ("project", "parent_id", "project", "id"),
        ("project_endpoint_group", "endpoint_group_id", "endpoint_group", "id"),
        ("project_option", "project_id", "project", "id"),
        ("project_tag", "project_id", "project", "id"),
        ("request_token", "consumer_id", "consumer", "id"),
        ("role_option", "role_id", "role", "id"),
        ("user_group_membership", "group_id", "group", "id"),
        ("user_group_membership", "user_id", "user", "id"),
        ("user_option", "user_id", "user", "id"),
    )
)


def _folded(value: Any, fold: Fold) -> Hashable:
    return fold(value) if isinstance(value, str) else value


class Memory:
    """A database in memory: is a :class:`population.Population`, and compares as *fold* does."""

    def __init__(self, rows: Rows, fold: Fold = FOLD, columns: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.content = rows
        self.columns = COLUMNS if columns is None else columns
        self._fold = fold
        self._reading = False

    def __repr__(self) -> str:
        return f"Memory({self.content})"

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        return {table: columns for table, columns in self.columns.items() if table in BY_NAME or table in self.content}

    def at(self, table: str, column: str) -> int:
        """Give the place of a column in a row."""
        return self.columns[table].index(column)

    def _idle(self) -> None:
        assert not self._reading, "a server answers nothing else while its rows are being read"

    def _chosen(self, table: str, where: Sequence[In]) -> list[Row]:
        fold = self._fold
        rows = self.content.get(table, [])
        for one in where:
            place = self.at(table, one.column)
            values = {_folded(other, fold) for other in one.values}
            rows = [
                row
                for row in rows
                if (row[place] is not None and _folded(row[place], fold) in values) is not one.negate
            ]
        return rows

    def _stream(self, rows: Iterable[Row]) -> Iterator[Row]:
        self._idle()
        self._reading = True
        try:
            yield from rows
        finally:
            self._reading = False

    def rows(
        self, table: str, columns: Sequence[str], where: Sequence[In] = (), limit: int | None = None
    ) -> Iterator[Row]:
        places = [self.at(table, column) for column in columns]
        return self._stream([tuple(row[place] for place in places) for row in self._chosen(table, where)][:limit])

    def count(self, table: str, where: Sequence[In] = ()) -> int:
        self._idle()
        return len(self._chosen(table, where))

    def _weighed(self, request: KeyRequest) -> Iterator[tuple[int, Row]]:
        """Give the rows that have a key, and the bits of it."""
        fold = self._fold
        parts = [
            (
                self.at(request.table, column),
                {_folded(old, fold): new for old, new in request.changed.get(column, {}).items()},
                request.shift.get(column, 0),
            )
            for column in request.columns
        ]
        for row in self._chosen(request.table, request.where):
            weights = []
            for place, changed, shift in parts:
                value = row[place]
                if changed and _folded(value, fold) in changed:
                    value = changed[_folded(value, fold)]
                elif isinstance(value, int):
                    value += shift
                weights.append(None if value is None else fold(str(value)))
            if None in weights and not request.null_equal:
                continue
            bits = fingerprint(b"\0".join(b"\x02" if weight is None else weight for weight in weights))
            if bits % request.part[1] == request.part[0]:
                yield bits, row

    def hashes(self, request: KeyRequest) -> Sequence[int]:
        self._idle()
        return [bits for bits, _row in self._weighed(request)]

    def matching(self, request: KeyRequest, hashes: frozenset[int], columns: Sequence[str]) -> Iterator[Row]:
        places = [self.at(request.table, column) for column in columns]
        return self._stream(
            [tuple(row[place] for place in places) for bits, row in self._weighed(request) if bits in hashes]
        )

    def dangling(self, table: str, ref: Ref) -> Mapping[Any, int]:
        self._idle()
        fold = self._fold
        there = {_folded(value, fold) for value in self.values(ref.to, str(BY_NAME[ref.to].id))}
        if ref.to in ("user", "group"):
            kinds = self.values("id_mapping", "entity_type")
            there |= {fold(id_) for id_, kind in zip(self.values("id_mapping", "public_id"), kinds) if kind == ref.to}
        first: dict[Hashable, Any] = {}
        found: Counter[Any] = Counter()
        for value in self.references(table, ref):
            folded = _folded(value, fold)
            if folded not in there:
                found[first.setdefault(folded, value)] += 1
        return dict(found)

    def references(self, table: str, ref: Ref, row: Row | None = None) -> Iterator[Any]:
        """Give what a reference holds in a row, or in each that has one."""
        if ref.column not in self.columns[table]:
            return
        place, when = self.at(table, ref.column), None if ref.when is None else self.at(table, ref.when[0])
        for one in self.content.get(table, []) if row is None else [row]:
            value = one[place]
            if value is None or value in NOTHING or (ref.when and when is not None and one[when] not in ref.when[1]):
                continue
            yield value

    def values(self, table: str, column: str) -> list[Any]:
        """Give a column."""
        return [row[self.at(table, column)] for row in self.content.get(table, [])]

    def largest(self, table: str, column: str) -> int:
        self._idle()
        return max(self.values(table, column), default=0)


def base(**rows: list[Row]) -> Memory:
    """Give a Keystone with the root and the default domain and what else is given."""
    content: Rows = {table: list(found) for table, found in rows.items()}
    content["project"] = [
        (ROOT, ROOT, ROOT, None, 1),
        ("default", "Default", ROOT, None, 1),
        *content.get("project", []),
    ]
    return Memory(content)


def people(*names: tuple[str, str], domain: str = "default", first: int = 1) -> Rows:
    """Give users with names and passwords."""
    return {
        "user": [(id_, domain, None) for id_, _name in names],
        "local_user": [(number, id_, domain, name) for number, (id_, name) in enumerate(names, first)],
        "password": [(number, number, f"hash of {id_}") for number, (id_, _name) in enumerate(names, first)],
    }


@dataclass(frozen=True)
class Path:
    """One way that the planner can take: how many rows are few, and so on."""

    few_rows: int
    few_values: int
    many_keys: int

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(meeting, "FEW_ROWS", self.few_rows)
            patch.setattr(meeting, "MANY_KEYS", self.many_keys)
            for module in (losing, meeting, planner, renaming):
                patch.setattr(module, "FEW_VALUES", self.few_values)
            yield


WHOLE = Path(2000, 500, 1_500_000)
PATHS = (WHOLE, Path(0, 500, 1_500_000), Path(0, 1, 3))


def planned(
    *sources: Memory,
    merged: bool = False,
    policy: Policy | None = None,
    earlier: Mapping[str, Earlier] | None = None,
    fold: Fold = FOLD,
    names: Sequence[str] = "abcdefg",
) -> Plan:
    """Plan a merge in each of the ways there are, which must come to the same, and give the plan."""
    stacks = list(zip(["target", *names] if merged else names, sources))
    plans = []
    for path in PATHS:
        with path.taken():
            plans.append(plan(stacks, fold, policy, merged, earlier))
    first, *others = map(told, plans)
    for path, other in zip(PATHS[1:], others):
        assert not (differing := list(differences(first, other))), f"{path}: {differing}"
    return plans[0]


def settled(*sources: Memory, policy: Policy, **more: Any) -> tuple[Plan, Policy]:
    """Plan a merge, and say of each conflict what the plan says would settle it; gives what was said, too."""
    for _round in range(6):
        found = planned(*sources, policy=policy, **more)
        if not found.conflicts:
            return found, policy
        policy = overriding(found, policy)
    raise AssertionError(found.conflicts)


def overriding(found: Plan, policy: Policy) -> Policy:
    """Put into overrides what a plan says of its conflicts."""
    lines = [line for conflict in found.conflicts for line in yaml.safe_load(conflict.settle)]
    return replace(policy, overrides=(*(Override(**line) for line in lines), *policy.overrides))


def differences(one: Any, other: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Give where two plans differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from differences(one.get(key), other.get(key), f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, pair in enumerate(zip(one, other)):
            yield from differences(*pair, f"{where}/{at}")
    elif one != other:
        yield where, one, other


def told(found: Plan) -> dict[str, Any]:
    """Give all that a plan says, whatever the order in which it was found."""
    return {
        "ledgers": [
            {
                **{
                    name: {key: value for key, value in part.items() if value} if isinstance(part, dict) else part
                    for name, part in vars(ledger).items()
                },
                "lost": {where: {_folded(value, FOLD) for value in values} for where, values in ledger.lost.items()},
            }
            for ledger in found.ledgers
        ],
        "conflicts": sorted(map(repr, found.conflicts)),
        "problems": sorted(found.problems),
        "warnings": sorted(found.warnings),
        "counts": found.counts,
        "kinds": {
            name: (
                kind.created,
                kind.became_one,
                kind.renamed,
                {what: sorted(names) for what, names in kind.names.items()},
            )
            for name, kind in found.kinds.items()
        },
        "ones": sorted(map(repr, found.ones)),
        "new_names": sorted(map(repr, found.new_names)),
        "lost": found.lost,
        "rooms": found.rooms,
        # A server names one of several that are equal to it. Of what was remembered, nothing is not told.
        "found_lost": [
            {
                where: {_folded(value, FOLD): rows for value, rows in lost.items()}
                for where, lost in each.items()
                if lost
            }
            for each in found.found_lost
        ],
    }


def applied(found: Plan, *sources: Memory, fold: Fold = FOLD) -> Rows:
    """Give the merged database."""
    rows: Rows = {}
    for table in TABLES:
        for number, source in enumerate(sources):
            content = source.content.get(table.name, [])
            if number in found.sources:
                translate = translator(table, source.columns[table.name], found.ledgers[number], fold)
                rows.setdefault(table.name, []).extend(new for new in map(translate, content) if new is not None)
            else:
                rows.setdefault(table.name, []).extend(content)
    return {table: content for table, content in rows.items() if content}


def nowhere(rows: Rows, fold: Fold = FOLD) -> Counter[Where]:
    """Count the references that lead nowhere."""
    memory = Memory(rows, fold)
    return Counter(
        {
            (table.name, ref.column, ref.to): lost
            for table in TABLES
            for ref in table.refs
            if not ref.loose
            for lost in [sum(memory.dangling(table.name, ref).values())]
            if lost
        }
    )


def shared_keys(rows: Rows, fold: Fold = FOLD) -> list[tuple[str, tuple[str, ...], Any]]:
    """Give keys that the database would refuse, because two rows have them."""
    found = []
    for table in rows:
        for columns in UNIQUE.get(table, ()):
            places = [COLUMNS[table].index(column) for column in columns]
            keys = Counter(
                tuple(_folded(row[place], fold) for place in places)
                for row in rows[table]
                if all(row[place] is not None for place in places)
            )
            found += [(table, columns, key) for key, times in keys.items() if times > 1]
    return found


# Populations at random. Ids carry the letter of their stack, but for some that all stacks have, as copies of one cloud
# and clouds of one LDAP have them; names are few, so that they meet.

NAMES = ("admin", "Admin", "nova", "alice", "ALICE", "bob ", "service", "Default")
_POOLS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("region", "description"): ("", "here"),
    ("project_tag", "name"): ("red", "Red ", "blue"),
    ("project_option", "option_id"): ("IMMU",),
    ("role_option", "option_id"): ("IMMU",),
    ("user_option", "option_id"): ("1000", "1001"),
    ("service", "type"): ("identity", "compute", None),
    ("service", "extra"): ('{"name": "nova"}', '{"name": "x", "a": 1}', "{}", None),
    ("endpoint", "interface"): ("public", "internal"),
    ("assignment", "inherited"): (0, 1),
    ("system_assignment", "inherited"): (0,),
    ("system_assignment", "target_id"): ("system",),
    ("assignment", "type"): ("UserProject", "UserDomain", "GroupProject", "GroupDomain"),
    ("system_assignment", "type"): ("UserSystem", "GroupSystem"),
    ("id_mapping", "entity_type"): ("user", "group"),
    ("id_mapping", "local_id"): ("uid=alice", "uid=bob"),
    ("idp_remote_ids", "remote_id"): ("https://one", "https://TWO"),
    ("trust", "impersonation"): (0, 1),
    ("trust", "expires_at"): (None, "2030-01-01 00:00:00"),
    ("access_rule", "service"): ("compute",),
    ("access_rule", "path"): ("/servers", "/Servers"),
    ("access_rule", "method"): ("GET",),
    ("application_credential", "name"): ("ci", "CI"),
    ("registered_limit", "resource_name"): ("cores",),
    ("registered_limit", "default_limit"): (5, 6),
    ("limit", "resource_limit"): (5, 6),
    ("whitelisted_config", "group"): ("ldap",),
    ("whitelisted_config", "option"): ("url", "user"),
    ("sensitive_config", "group"): ("ldap",),
    ("sensitive_config", "option"): ("password",),
    ("config_register", "type"): ("read",),
    ("federated_user", "unique_id"): ("alice", "Alice"),
}
_CHOSEN = {
    "region": ("RegionOne", "regionone", "two"),
    "identity_provider": ("idp", "IdP"),
    "mapping": ("mapped", "other"),
    "federation_protocol": ("saml2", "mapped"),
    "service_provider": ("sp",),
}
_NULLABLE = frozenset(
    {
        ("region", "parent_region_id"), ("project", "parent_id"), ("user", "default_project_id"),
        ("endpoint", "region_id"), ("policy_association", "endpoint_id"), ("policy_association", "service_id"),
        ("policy_association", "region_id"), ("trust", "project_id"), ("trust", "redelegated_trust_id"),
        ("credential", "project_id"), ("access_rule", "user_id"), ("application_credential", "project_id"),
        ("registered_limit", "service_id"), ("registered_limit", "region_id"), ("limit", "project_id"),
        ("limit", "domain_id"), ("limit", "registered_limit_id"), ("idp_remote_ids", "idp_id"),
        ("request_token", "authorizing_user_id"), ("revocation_event", "user_id"), ("revocation_event", "role_id"),
        ("revocation_event", "project_id"),
    }
)  # fmt: skip
_DECLARED_COLUMNS = frozenset((table, columns[0]) for table, columns, _to, _there in DECLARED)


@dataclass(frozen=True)
class Taste:
    """What a random population is like: *own* names are nobody else's, but for the built-in ones.

    *shared* ids are those of all stacks; *lost* references lead nowhere; *odd* ones are written in another case.
    """

    own: bool = False
    shared: bool = True
    lost: bool = True
    odd: bool = True


class _Maker:
    """Makes one population."""

    def __init__(self, draw: st.DrawFn, letter: str, taste: Taste) -> None:
        self.draw = draw
        self.letter = letter
        self.taste = taste
        self.rows: Rows = {}

    def one(self, values: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(list(values)))

    def rarely(self) -> bool:
        return self.draw(st.integers(0, 7)) == 7

    def ids(self, table: str) -> list[Any]:
        place = COLUMNS[table].index(str(BY_NAME[table].id))
        return [row[place] for row in self.rows.get(table, [])]

    def name(self) -> str:
        name = self.one(NAMES)
        builtin = FOLD(name) in {FOLD(known) for known in ("admin", "service", "nova")}
        return name if builtin or not self.taste.own else f"{name}-{self.letter}"

    def id(self, table: str, number: int) -> Any:
        if table in _CHOSEN:
            return self.one(_CHOSEN[table])
        shared = self.taste.shared and self.rarely()
        return f"{table[:4]}-{'x' if shared else self.letter}{number}"

    def reference(self, table: str, column: str, refs: Sequence[Ref], row: Mapping[str, Any]) -> Any:
        """Give a value of a column that refers, NULL, or what leads nowhere; ... where there is nothing to refer to."""
        if (table, column) in _NULLABLE and self.rarely():
            return None
        refs = [ref for ref in refs if ref.when is None or row[ref.when[0]] in ref.when[1]]
        if self.taste.lost and (table, column) not in _DECLARED_COLUMNS and self.rarely():
            # Keystone's ids of an LDAP are sums of the kind too: none is a user's here and a group's there.
            kind = "group-" if row.get("entity_type") == "group" else ""
            return f"gone-{kind}{self.one(['x', self.letter])}"
        known = [value for ref in refs for value in self.ids(ref.to)]
        if (table, column) not in _DECLARED_COLUMNS and any(ref.to == "user" for ref in refs):
            known.append("ldap")  # which only id_mapping knows, if at all
        if not known:
            return None if (table, column) in _NULLABLE else ...
        value = self.one(known)
        odd = self.taste.odd and isinstance(value, str) and BY_NAME[table].part_of != column and self.rarely()
        return value.upper() if odd else value

    def value(self, table: str, column: str, number: int, row: Mapping[str, Any]) -> Any:
        known = BY_NAME[table]
        refs = [ref for ref in known.refs if ref.column == column]
        if (table, column) == ("role", "domain_id"):
            return self.one([row[0] for row in self.rows["project"] if row[4]]) if self.rarely() else NULL
        if refs:
            return self.reference(table, column, refs, row)
        if column == known.auto:
            return 10 * (number + 1) + self.draw(st.integers(0, 9))
        if column == known.id or (table, column) in (("federation_protocol", "id"), ("application_credential", "id")):
            return self.id(table, number)
        if (table, column) in _POOLS:
            return self.one(_POOLS[(table, column)])
        if known.texts and column == known.texts[0].column:
            told = [id_ for to in known.texts[0].to for id_ in self.ids(to)]
            return json.dumps([self.one([*told, "none"]), {"x": self.one([*told, "none"])}])
        if (table, column) == ("federated_user", "protocol_id"):
            protocols = [id_ for id_, idp, _m in self.rows.get("federation_protocol", []) if idp == row["idp_id"]]
            return self.one(protocols) if protocols else ...
        if column == "name":
            return self.name()
        return self.one(["", f"of {self.letter}"])

    def fill(self, table: str, most: int) -> None:
        """Add rows, but none that the database would refuse."""
        for number in range(self.draw(st.integers(0, most))):
            row: dict[str, Any] = {}
            columns = COLUMNS[table]
            # What decides about others comes first.
            for column in sorted(columns, key=lambda one: one not in ("type", "entity_type", "idp_id")):
                row[column] = self.value(table, column, number, row)
            if ... not in row.values():
                self.add(table, tuple(row[column] for column in columns))

    def add(self, table: str, row: Row) -> None:
        mine = {table: [*self.rows.get(table, []), row]}
        if not shared_keys(mine):
            self.rows[table] = mine[table]

    def domains(self) -> None:
        self.rows["project"] = [(ROOT, ROOT, ROOT, None, 1), ("default", "Default", ROOT, None, 1)]
        for number in range(self.draw(st.integers(0, 2))):
            name = self.one(["acme", "Corp", "CORP "]) + ("" if not self.taste.own else f"-{self.letter}")
            self.add("project", (self.id("domain", number), name, ROOT, None, 1))

    def projects(self) -> None:
        everywhere = self.rows["project"][1:]
        for number in range(self.draw(st.integers(0, 4))):
            domain = self.one(everywhere)[0]
            above = [row[0] for row in self.rows["project"] if row[2] == domain or row[0] == domain]
            self.add("project", (self.id("project", number), self.name(), domain, self.one(above), 0))
        self.rows["project"].reverse()  # children before their parents

    def users(self) -> None:
        domains = [row[0] for row in self.rows["project"] if row[4] and row[0] != ROOT]
        for number in range(self.draw(st.integers(0, 5))):
            domain = self.one([*domains, *domains, "gone-x"] if self.taste.lost else domains)
            id_ = self.id("user", number)
            before = len(self.rows.get("user", []))
            weak = self.reference("user", "default_project_id", [BY_NAME["user"].refs[1]], {})
            self.add("user", (id_, domain, None if weak is ... else weak))
            if len(self.rows["user"]) == before:
                continue
            sort = self.draw(st.integers(0, 5))
            if sort == 5:
                self.add("nonlocal_user", (domain, self.name(), id_))
            elif sort:
                self.add("local_user", (3 * number + 2, id_, domain, self.name()))

    def make(self) -> Memory:
        self.fill("region", 3)
        self.domains()
        self.projects()
        self.users()
        for table in TABLES:
            if table.name not in ("region", "project", "user", "local_user", "nonlocal_user"):
                self.fill(table.name, 6 if table.name in ("assignment", "role") else 3)
        return Memory(self.rows)


@st.composite
def populations(draw: st.DrawFn, letter: str, taste: Taste) -> Memory:
    """Give a Keystone that a real database would take."""
    return _Maker(draw, letter, taste).make()
