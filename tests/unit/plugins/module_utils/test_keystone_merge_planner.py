# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a merge, on databases in memory: single rules, and properties of random populations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import Collation, weigh_plainly
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import (
    INT_MAX,
    Builtin,
    Plan,
    batches,
    carry,
    plan,
    service_name,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME, TABLES, Rule
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = "<<keystone.domain.root>>"
FOLD = Collation(weigh_plainly).fold

# The columns that the rules speak of; a row is made of them, and of what a test says.
COLUMNS: dict[str, tuple[str, ...]] = {
    "region": ("id", "description", "parent_region_id"),
    "project": ("id", "name", "domain_id", "parent_id", "is_domain"),
    "project_tag": ("project_id", "name"),
    "role": ("id", "name", "domain_id"),
    "implied_role": ("prior_role_id", "implied_role_id"),
    "role_option": ("role_id", "option_id", "option_value"),
    "user": ("id", "domain_id", "default_project_id"),
    "local_user": ("id", "user_id", "domain_id", "name"),
    "password": ("id", "local_user_id", "password_hash"),
    "nonlocal_user": ("domain_id", "name", "user_id"),
    "group": ("id", "domain_id", "name"),
    "user_group_membership": ("user_id", "group_id"),
    "service": ("id", "type", "extra"),
    "endpoint": ("id", "service_id", "region_id", "interface", "url"),
    "endpoint_group": ("id", "name", "filters"),
    "assignment": ("type", "actor_id", "target_id", "role_id", "inherited"),
    "mapping": ("id", "rules"),
    "trust": ("id", "trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at"),
    "access_rule": ("id", "user_id", "service", "path", "method"),
    "application_credential": ("internal_id", "id", "name", "user_id", "project_id"),
    "application_credential_access_rule": ("application_credential_id", "access_rule_id"),
    "registered_limit": ("id", "service_id", "region_id", "resource_name", "default_limit", "internal_id"),
    "revocation_event": ("id", "user_id", "role_id"),
    "token": ("id",),
    "unheard_of": ("id",),
}
Rows = dict[str, list[tuple[Any, ...]]]


class Memory:
    """A database in memory."""

    def __init__(self, rows: Rows) -> None:
        self.content = rows

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        return {table: COLUMNS[table] for table in COLUMNS if table in BY_NAME or table in self.content}

    def rows(
        self, table: str, columns: Sequence[str], where: tuple[str, Sequence[str]] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        places = [COLUMNS[table].index(column) for column in columns]
        for row in self.content.get(table, []):
            if where is None or row[COLUMNS[table].index(where[0])] in where[1]:
                yield tuple(row[place] for place in places)


def base(**rows: list[tuple[Any, ...]]) -> Memory:
    """Give a Keystone with the root and the default domain and what else is given."""
    content: Rows = {table: list(found) for table, found in rows.items()}
    content["project"] = [
        (ROOT, ROOT, ROOT, None, 1),
        ("default", "Default", ROOT, None, 1),
        *content.get("project", []),
    ]
    return Memory(content)


def people(*names: tuple[str, str], domain: str = "default", first: int = 1) -> Rows:
    return {
        "user": [(id_, domain, None) for id_, _name in names],
        "local_user": [(number, id_, domain, name) for number, (id_, name) in enumerate(names, first)],
        "password": [(number, number, f"hash of {id_}") for number, (id_, _name) in enumerate(names, first)],
    }


def planned(*sources: Memory, merged: bool = False, **builtin: Any) -> Plan:
    names = ["target", *"abc"] if merged else list("abc")
    return plan(list(zip(names, sources)), FOLD, Builtin(**builtin), merged)


def applied(found: Plan, *sources: Memory, size: int = 100) -> Rows:
    """Give the merged database."""
    rows: Rows = {}
    for table in TABLES:
        for number, source in enumerate(sources):
            columns = source.tables().get(table.name, ())
            if number not in found.sources:
                rows.setdefault(table.name, []).extend(source.content.get(table.name, []))
            elif columns:
                for batch in batches(carry(found, number, table, columns, source.rows(table.name, columns)), size):
                    rows.setdefault(table.name, []).extend(batch)
    return {table: content for table, content in rows.items() if content}


def merge(*sources: Memory, **builtin: Any) -> Rows:
    found = planned(*sources, **builtin)
    assert found.conflicts == ()
    assert found.problems == ()
    return applied(found, *sources)


def conflicts(*sources: Memory, **builtin: Any) -> list[tuple[str, str | None, str, tuple[str, ...], tuple[str, ...]]]:
    return [
        (found.kind, found.domain, found.name, found.stacks, found.ids)
        for found in planned(*sources, **builtin).conflicts
    ]


def test_one_source_is_carried_as_it_is() -> None:
    source = base(**people(("u1", "alice"), first=7))
    assert merge(source) == source.content


def test_numbers_move_behind_those_of_the_first() -> None:
    merged = merge(base(**people(("u1", "alice"), first=5)), base(**people(("u2", "bob"), first=2)))
    assert merged["local_user"] == [(5, "u1", "default", "alice"), (7, "u2", "default", "bob")]
    assert merged["password"] == [(5, 5, "hash of u1"), (7, 7, "hash of u2")]


def test_builtin_user_keeps_the_first_password_and_references_follow() -> None:
    one = base(**people(("a1", "admin")), role=[("r1", "admin", "<<null>>")])
    two = base(
        **people(("a2", "Admin"), ("u2", "bob")),
        role=[("r2", "ADMIN", "<<null>>"), ("x2", "own", "<<null>>")],
        assignment=[("UserDomain", "a2", "default", "r2", 0), ("UserDomain", "u2", "default", "x2", 0)],
    )
    merged = merge(one, two)
    assert [row[2] for row in merged["password"]] == ["hash of a1", "hash of u2"]
    assert merged["assignment"] == [
        ("UserDomain", "a1", "default", "r1", 0),
        ("UserDomain", "u2", "default", "x2", 0),
    ]


def test_equal_links_are_united() -> None:
    links: Rows = {"role_option": [("r1", "IMMU", "true")], "project_tag": [("s1", "Red"), ("s1", "blue")]}
    one = base(
        project=[("s1", "service", "default", "default", 0)],
        role=[("r1", "x", "<<null>>"), ("q1", "y", "<<null>>")],
        implied_role=[("r1", "q1")],
        **links,
    )
    two = base(
        project=[("s2", "Service", "default", "default", 0)],
        role=[("r2", "x", "<<null>>"), ("q2", "y", "<<null>>")],
        implied_role=[("r2", "q2"), ("q2", "r2")],
        role_option=[("r2", "IMMU", "false")],
        project_tag=[("s2", "red "), ("s2", "green")],
    )
    merged = merge(one, two)
    assert merged["implied_role"] == [("r1", "q1"), ("q1", "r1")]
    assert merged["role_option"] == [("r1", "IMMU", "true")]
    assert merged["project_tag"] == [("s1", "Red"), ("s1", "blue"), ("s1", "green")]


@pytest.mark.parametrize("name", ["alice", "ALICE", "Alice  "])
def test_names_compare_as_the_database_does(name: str) -> None:
    one, two = base(**people(("u1", "alice"))), base(**people(("u2", name)))
    assert conflicts(one, two) == [("user", "Default", name, ("a", "b"), ("u1", "u2"))]


def test_local_and_other_users_share_their_names() -> None:
    two = base(user=[("u2", "default", None)], nonlocal_user=[("default", "alice", "u2")])
    assert [found[0] for found in conflicts(base(**people(("u1", "alice"))), two)] == ["user"]


def test_all_stacks_of_a_conflict_are_one_entry() -> None:
    sources = [base(**people((f"u{number}", "alice"), (f"v{number}", f"own{number}"))) for number in range(3)]
    assert conflicts(*sources) == [("user", "Default", "alice", ("a", "b", "c"), ("u0", "u1", "u2"))]


def test_names_in_other_domains_are_no_builtin_ones() -> None:
    def source(letter: str) -> Memory:
        project = [("acme", "acme", ROOT, None, 1), (f"p{letter}", "admin", "acme", "acme", 0)]
        return base(project=project, **people((f"u{letter}", "admin"), domain="acme"))

    assert [(found[0], found[1]) for found in conflicts(source("1"), source("2"))] == [
        ("project", "acme"),
        ("user", "acme"),
    ]


def test_one_name_in_two_domains_is_two_things() -> None:
    def source(letter: str) -> Memory:
        domain = f"d{letter}"
        return base(
            project=[(domain, f"domain {letter}", ROOT, None, 1)], **people((f"u{letter}", "bob"), domain=domain)
        )

    assert conflicts(source("1"), source("2")) == []


def service_users(letter: str, *users: str) -> Memory:
    names = ("nova", "heat")
    return base(
        project=[(f"s{letter}", "service", "default", "default", 0)],
        role=[(f"r{letter}", "admin", "<<null>>")],
        assignment=[("UserProject", f"{user}{letter}", f"s{letter}", f"r{letter}", 0) for user in users],
        **people(*((f"{name}{letter}", name) for name in names)),
    )


def test_service_users_have_a_role_on_the_service_project_of_both() -> None:
    both, one = service_users("1", "nova", "heat"), service_users("2", "nova")
    assert [found[2] for found in conflicts(both, one)] == ["heat"]
    assert conflicts(both, one, users=("admin", "Heat")) == []


def test_the_same_id_is_the_same_thing() -> None:
    """Users of one LDAP have one id in every cloud."""
    source = {"user": [("sha", "default", None)], "nonlocal_user": [("default", "alice", "sha")]}
    group = {"group": [("g", "default", "staff")], "user_group_membership": [("sha", "g")]}
    merged = merge(base(**source, **group), base(**source, **group))
    assert {table: merged[table] for table in (*source, *group)} == {**source, **group}


def test_the_same_id_under_another_name_is_a_conflict() -> None:
    one, two = base(**people(("u", "alice"))), base(**people(("u", "bob")))
    assert conflicts(one, two) == [("user", "Default", "bob", ("a", "b"), ("u", "u"))]


def test_regions_by_id_and_services_by_type_and_name() -> None:
    def catalog(letter: str, region: str, name: str) -> Memory:
        return base(
            region=[(region, letter, None), (f"{region}-{letter}", letter, region)],
            service=[(f"k{letter}", "identity", json.dumps({"name": name})), (f"v{letter}", "volume", None)],
            endpoint=[(f"e{letter}", f"k{letter}", region, "public", f"http://{letter}")],
        )

    merged = merge(catalog("1", "RegionOne", "keystone"), catalog("2", "regionone", "keystone"))
    assert [row[0] for row in merged["region"]] == ["RegionOne", "RegionOne-1", "regionone-2"]
    assert [row[2] for row in merged["region"]] == [None, "RegionOne", "RegionOne"]
    assert [row[0] for row in merged["service"]] == ["k1", "v1"]
    assert [row[1:3] for row in merged["endpoint"]] == [("k1", "RegionOne"), ("k1", "RegionOne")]
    other = merge(catalog("1", "one", "keystone"), catalog("2", "two", "idm"))
    assert [row[0] for row in other["service"]] == ["k1", "v1", "k2"]


def test_equal_services_of_one_stack_stay_two() -> None:
    rows = [("s1", "x", None), ("s2", "x", None)]
    assert merge(base(service=rows), base(service=[("s3", "x", None)]))["service"] == rows


def test_references_compare_ids_as_foreign_keys_do() -> None:
    source = base(region=[("RegionOne", "", None)], endpoint=[("e", "s", "regionone", "public", "")])
    found = planned(base(), source)
    assert found.dangling == {("endpoint", "service_id", "service"): 1}


def test_what_people_choose_becomes_one_only_if_equal() -> None:
    one, same, other = (base(mapping=[("m", rules)]) for rules in ("[1]", "[1]", "[2]"))
    assert merge(one, same)["mapping"] == [("m", "[1]")]
    assert [found[:3] for found in conflicts(one, other)] == [("mapping", None, "m")]


def test_limits_become_one_if_equal_but_for_their_ids() -> None:
    def source(letter: str, limit: int) -> Memory:
        service = [(f"s{letter}", "compute", None)]
        return base(service=service, registered_limit=[(f"l{letter}", f"s{letter}", None, "cores", limit, 1)])

    assert merge(source("1", 5), source("2", 5))["registered_limit"] == [("l1", "s1", None, "cores", 5, 1)]
    assert [found[0] for found in conflicts(source("1", 5), source("2", 6))] == ["registered limit"]


def test_rules_of_an_admin_that_became_one_are_united_by_number() -> None:
    def source(letter: str) -> Memory:
        user = f"a{letter}"
        return base(
            **people((user, "admin")),
            access_rule=[(3, user, "compute", "/servers", "GET"), (4, user, "compute", f"/{letter}", "GET")],
            application_credential=[(9, f"c{letter}", f"name {letter}", user, None)],
            application_credential_access_rule=[(9, 3), (9, 4)],
        )

    merged = merge(source("1"), source("2"))
    assert [row[0] for row in merged["access_rule"]] == [3, 4, 8]
    assert merged["application_credential_access_rule"] == [(9, 3), (9, 4), (18, 3), (18, 8)]


def test_ids_inside_json_follow_and_all_else_stays() -> None:
    text = '{"service_id":   "s2", "region_id": "r", "x": "s22", "s2x": 1}'
    one = base(service=[("s1", "compute", None)], region=[("r", "", None)])
    two = base(service=[("s2", "compute", None)], region=[("r", "", None)], endpoint_group=[("g", "n", text)])
    assert merge(one, two)["endpoint_group"] == [("g", "n", text.replace('"s2",', '"s1",'))]


def test_trees_follow_whatever_the_order_of_rows() -> None:
    project = [
        ("leaf", "leaf", "acme", "mid", 0),
        ("mid", "mid", "acme", "acme", 0),
        ("acme", "acme", ROOT, None, 1),
        ("below", "below", "default", "s2", 0),
        ("s2", "service", "default", "default", 0),
    ]
    two = base(project=project)
    found = planned(base(project=[("s1", "service", "default", "default", 0)]), two)
    assert found.dangling == {}
    rows = {row[0]: row[3] for row in applied(found, base(), two)["project"]}
    assert (rows["leaf"], rows["below"]) == ("mid", "s1")


def test_dangling_references_are_counted_and_carried() -> None:
    two = base(assignment=[("UserDomain", "gone", "default", "r", 0)], revocation_event=[(1, "gone", None)])
    found = planned(base(), two)
    assert found.dangling == {("assignment", "actor_id", "user"): 1, ("assignment", "role_id", "role"): 1}
    assert len(found.warnings) == 2
    assert applied(found, base(), two)["assignment"] == two.content["assignment"]


def test_rows_of_unknown_tables_stop_and_tokens_warn() -> None:
    found = planned(base(unheard_of=[("x",)], token=[("t",)]), base(unheard_of=[], token=[]))
    assert ["unheard_of" in problem for problem in found.problems] == [True]
    assert ["token" in warning for warning in found.warnings] == [True]


def test_numbers_that_do_not_fit_stop() -> None:
    found = planned(base(**people(("u1", "x"), first=INT_MAX)), base(**people(("u2", "y"))))
    assert {problem.split(" would ")[0] for problem in found.problems} == {
        "b: the numbers of table local_user",
        "b: the numbers of table password",
    }


def test_what_is_merged_already_comes_first_and_is_not_touched() -> None:
    target = base(**people(("a1", "admin"), ("u1", "alice"), ("u9", "Alice")))
    third = base(**people(("a3", "admin"), ("u3", "carol")))
    found = planned(target, third, merged=True)
    assert found.conflicts == ()
    assert set(found.counts["user"]) == {"a"}
    merged = applied(found, target, third)
    assert merged["local_user"][:3] == target.content["local_user"]
    assert merged["local_user"][3:] == [(5, "u3", "default", "carol")]
    assert list(found.id_map()) == [("user", "a", "a3", "a1")]
    clash = planned(target, base(**people(("u4", "ALICE"))), merged=True).conflicts
    assert [conflict.stacks for conflict in clash] == [("target", "a")]


@pytest.mark.parametrize(
    ("extra", "name"), [(None, ""), ("", ""), ("[]", ""), ("{", ""), ('{"name": 1}', ""), ('{"name": "nova"}', "nova")]
)
def test_service_name(extra: str | None, name: str) -> None:
    assert service_name(extra) == name


def test_parents_come_before_children() -> None:
    """A key that holds a reference is compared once what it refers to is settled."""
    seen: set[str] = set()
    for table in TABLES:
        assert {ref.to for ref in table.refs} <= {*seen, table.name}, table.name
        assert table.part_of is None or table.rule is Rule.PART
        assert all(BY_NAME[ref.to].id for ref in table.refs)
        seen.add(table.name)


# Populations of few names and ids, so that they meet often; ids carry the letter of their stack but for those of LDAP.
NAMES = ("admin", "Admin", "nova", "alice", "ALICE", "bob", "service", "Default")


@st.composite
def populations(draw: st.DrawFn, letter: str, own: bool) -> Memory:
    """Give a consistent Keystone; with *own* its names are nobody else's, but for the built-in ones."""

    def pick(kind: str, count: int, chosen: Sequence[str]) -> dict[str, str]:
        names = draw(st.lists(st.sampled_from(chosen), unique_by=FOLD, max_size=count))
        builtin = {"admin", "service", "nova"} if own else set()
        return {
            f"{kind}{letter}{number}": name if name.lower() in builtin or not own else f"{name}-{letter}"
            for number, name in enumerate(names)
        }

    domains = pick("d", 2, ("acme", "Corp"))
    everywhere = ["default", *domains]
    projects = {id_: (name, draw(st.sampled_from(everywhere))) for id_, name in pick("p", 4, NAMES).items()}
    users = {id_: (name, draw(st.sampled_from(everywhere))) for id_, name in pick("u", 5, NAMES[:6]).items()}
    if draw(st.booleans()):
        users["ldap"] = ("from-ldap", "default")
    groups = {id_: (name, draw(st.sampled_from(everywhere))) for id_, name in pick("g", 2, ("staff", "ops")).items()}
    roles = {f"r{letter}{number}": name for number, name in enumerate(("admin", "member", "own-" + letter))}
    start = draw(st.integers(1, 50))
    numbers = {id_: start + 2 * number for number, id_ in enumerate(users)}
    service = {f"s{letter}0": "identity", f"s{letter}1": draw(st.sampled_from(["compute", "volume"]))}
    regions = ["shared", f"region-{letter}"]

    def several(*choices: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not all(choices):
            return []
        return draw(
            st.lists(st.tuples(*(st.sampled_from(list(choice)) for choice in choices)), unique=True, max_size=6)
        )

    targets = [*projects, *everywhere]
    assigned = [("UserProject", *row, 0) for row in several([*users], targets, [*roles])]
    assigned += [("GroupProject", *row, 1) for row in several([*groups], targets, [*roles])]
    dangling = several(["UserDomain"], [f"gone-{letter}", *users], [*everywhere], [*roles], [0])
    return base(
        region=[(region, letter, None) for region in regions],
        project=[(id_, name, ROOT, None, 1) for id_, name in domains.items()]
        + [(id_, name, domain, draw(st.sampled_from([domain, id_])), 0) for id_, (name, domain) in projects.items()],
        project_tag=several([*projects], ["red", "blue"]),
        role=[(id_, name, "<<null>>") for id_, name in roles.items()],
        implied_role=several([*roles], [*roles]),
        role_option=[(id_, "IMMU", letter) for (id_,) in several([*roles])],
        user=[(id_, domain, draw(st.sampled_from([None, *projects]))) for id_, (_name, domain) in users.items()],
        local_user=[(numbers[id_], id_, domain, name) for id_, (name, domain) in users.items() if id_ != "ldap"],
        password=[(100 + n, n, f"{id_}-{n}") for id_, n in numbers.items() if id_ != "ldap"],
        nonlocal_user=[(domain, name, id_) for id_, (name, domain) in users.items() if id_ == "ldap"],
        group=[(id_, domain, name) for id_, (name, domain) in groups.items()],
        user_group_membership=several([*users], [*groups]),
        service=[(id_, kind, json.dumps({"name": kind})) for id_, kind in service.items()],
        endpoint=[(f"e{letter}", *row, "public", letter) for row in several([*service], regions)[:1]],
        assignment=[*assigned, *dangling],
        access_rule=[
            (7 + number, *row) for number, row in enumerate(several([*users], ["compute"], ["/a", "/b"], ["GET"]))
        ],
        revocation_event=[(number, *row) for number, row in enumerate(several([*users, "gone"], [*roles, None]), 1)],
    )


STACKS = st.tuples(populations("1", own=True), populations("2", own=True), populations("3", own=True))


def references(rows: Rows) -> Counter[tuple[str, str, str]]:
    """Count the references that lead nowhere."""
    lost: Counter[tuple[str, str, str]] = Counter()
    for table in TABLES:
        place = {column: number for number, column in enumerate(COLUMNS.get(table.name, ()))}
        for row in rows.get(table.name, []):
            for ref in table.refs:
                if ref.column not in place or ref.loose:
                    continue
                value = row[place[ref.column]]
                if value is None or value == "<<null>>" or (ref.when and row[place[ref.when[0]]] not in ref.when[1]):
                    continue
                at = COLUMNS[ref.to].index(str(BY_NAME[ref.to].id))
                if value not in {other[at] for other in rows.get(ref.to, [])}:
                    lost[(table.name, ref.column, ref.to)] += 1
    return lost


@settings(max_examples=60, deadline=None)
@given(STACKS, st.integers(1, 3))
def test_no_row_is_missing_none_is_invented_every_reference_resolves(
    stacks: tuple[Memory, Memory, Memory], size: int
) -> None:
    found = planned(*stacks)
    # Names of their own can only meet in the built-in ones; nova is one where it is a service user in both.
    assert {conflict.kind for conflict in found.conflicts} <= {"user", "project"}
    rows = applied(found, *stacks)
    for table, stack_counts in found.counts.items():
        for stack, source in zip("abc", stacks):
            count = stack_counts[stack]
            assert count.rows == len(source.content.get(table, [])) == count.carried + count.became_one
        carried = sum(count.carried for count in stack_counts.values())
        assert len(rows.get(table, [])) == found.totals[table] == carried
    assert references(rows) == Counter(found.dangling)
    assert applied(found, *stacks, size=size) == rows
    # The first stack's rows are all there as they were, and every other id is there under its own or its new name.
    for table, content in stacks[0].content.items():
        assert not Counter(content) - Counter(rows.get(table, []))
    for number, source in enumerate(stacks):
        changed = found.ledgers[number].changed
        for table in ("project", "user", "group", "role", "service", "region"):
            there = {row[0] for row in rows.get(table, [])}
            for row in source.content.get(table, []):
                assert changed[table].get(row[0], row[0]) in there


@settings(max_examples=60, deadline=None)
@given(STACKS)
def test_every_key_stays_unique(stacks: tuple[Memory, Memory, Memory]) -> None:
    found = planned(*stacks)
    if found.conflicts:
        return
    rows = applied(found, *stacks)
    for table in TABLES:
        place = {column: number for number, column in enumerate(COLUMNS.get(table.name, ()))}
        unique = [key.columns for key in table.keys if key.unique] + [table.identity]
        for columns in unique:
            if set(columns) <= set(place):
                values = [tuple(FOLD(str(row[place[c]])) for c in columns) for row in rows.get(table.name, [])]
                assert len(values) == len(set(values)), (table.name, columns)
    names = [(row[2], FOLD(row[3])) for row in rows.get("local_user", [])]
    assert len(names) == len(set(names))


@settings(max_examples=60, deadline=None)
@given(populations("1", own=False), populations("2", own=False))
def test_every_equal_name_is_a_conflict_or_builtin(one: Memory, two: Memory) -> None:
    found = planned(one, two)
    told = {id_ for conflict in found.conflicts for id_ in conflict.ids}
    changed = {old for ledger in found.ledgers for kind in ledger.changed.values() for old in kind}
    first = {(row[2], FOLD(row[3])): row[1] for row in one.content["local_user"] if row[2] == "default"}
    for row in two.content["local_user"]:
        twin = first.get((row[2], FOLD(row[3])))
        if twin is not None:
            assert (row[1] in told) != (row[1] in changed)
            assert row[1] in changed or twin in told


@settings(max_examples=40, deadline=None)
@given(STACKS)
def test_a_third_stack_later_is_as_good_as_at_once(stacks: tuple[Memory, Memory, Memory]) -> None:
    at_once = planned(*stacks)
    if at_once.conflicts:
        return
    two = planned(*stacks[:2])
    target = Memory(applied(two, *stacks[:2]))
    later = planned(target, stacks[2], merged=True)
    assert later.conflicts == ()
    assert applied(later, target, stacks[2]) == applied(at_once, *stacks)
