# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a merge, on databases in memory: what meets, numbers, references that lead nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Count, Earlier
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planner import INT_MAX, ROOM
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.planning import service_name
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import Builtin, Policy
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import BY_NAME, TABLES, Rule
from merge_memory_harness import COLUMNS, NULL, ROOT, Memory, Rows, applied, base, people, planned


def merge(*sources: Memory, **more: Any) -> Rows:
    found = planned(*sources, **more)
    assert found.conflicts == ()
    assert found.problems == ()
    return applied(found, *sources)


def conflicts(*sources: Memory, **more: Any) -> list[tuple[str, str | None, str, tuple[str, ...], tuple[str, ...]]]:
    return [
        (found.kind, found.domain, found.name, found.stacks, found.ids) for found in planned(*sources, **more).conflicts
    ]


def moved(largest: int) -> int:
    """Return what is added to the numbers of the second stack."""
    return 2 * largest + ROOM


def test_one_source_is_carried_as_it_is() -> None:
    source = base(**people(("u1", "alice"), first=7))
    assert merge(source) == source.content


class TestWhatMeets:
    """Rows with equal keys."""

    def test_builtin_user_keeps_the_first_password_and_references_follow(self) -> None:
        one = base(**people(("a1", "admin")), role=[("r1", "admin", NULL)])
        two = base(
            **people(("a2", "Admin"), ("u2", "bob")),
            role=[("r2", "ADMIN", NULL), ("x2", "own", NULL)],
            assignment=[("UserDomain", "a2", "default", "r2", 0), ("UserDomain", "u2", "default", "x2", 0)],
        )
        merged = merge(one, two)
        assert [row[2] for row in merged["password"]] == ["hash of a1", "hash of u2"]
        assert merged["assignment"] == [
            ("UserDomain", "a1", "default", "r1", 0),
            ("UserDomain", "u2", "default", "x2", 0),
        ]

    def test_equal_links_are_united(self) -> None:
        one = base(
            project=[("s1", "service", "default", "default", 0)],
            role=[("r1", "x", NULL), ("q1", "y", NULL)],
            implied_role=[("r1", "q1")],
            role_option=[("r1", "IMMU", "true")],
            project_tag=[("s1", "Red"), ("s1", "blue")],
        )
        two = base(
            project=[("s2", "Service", "default", "default", 0)],
            role=[("r2", "x", NULL), ("q2", "y", NULL)],
            implied_role=[("r2", "q2"), ("q2", "r2")],
            role_option=[("r2", "IMMU", "false")],
            project_tag=[("s2", "red "), ("s2", "green")],
        )
        merged = merge(one, two)
        assert merged["implied_role"] == [("r1", "q1"), ("q1", "r1")]
        assert merged["role_option"] == [("r1", "IMMU", "true")]
        assert merged["project_tag"] == [("s1", "Red"), ("s1", "blue"), ("s1", "green")]

    @pytest.mark.parametrize("name", ["alice", "ALICE", "Alice  "])
    def test_names_compare_as_the_database_does(self, name: str) -> None:
        one, two = base(**people(("u1", "alice"))), base(**people(("u2", name)))
        assert conflicts(one, two) == [("user", "Default", name, ("a", "b"), ("u1", "u2"))]

    def test_local_and_other_users_share_their_names(self) -> None:
        two = base(user=[("u2", "default", None)], nonlocal_user=[("default", "alice", "u2")])
        assert [found[0] for found in conflicts(base(**people(("u1", "alice"))), two)] == ["user"]

    def test_all_stacks_of_a_conflict_are_one_entry(self) -> None:
        sources = [base(**people((f"u{number}", "alice"), (f"v{number}", f"own{number}"))) for number in range(4)]
        assert conflicts(*sources) == [
            ("user", "Default", "alice", ("a", "b", "c", "d"), ("u0", "u1", "u2", "u3"))
        ]  # fmt: skip

    def test_names_in_other_domains_are_no_builtin_ones(self) -> None:
        def source(letter: str) -> Memory:
            project = [("acme", "acme", ROOT, None, 1), (f"p{letter}", "admin", "acme", "acme", 0)]
            return base(project=project, **people((f"u{letter}", "admin"), domain="acme"))

        assert [(found[0], found[1]) for found in conflicts(source("1"), source("2"))] == [
            ("project", "acme"),
            ("user", "acme"),
        ]

    def test_one_name_in_two_domains_is_two_things(self) -> None:
        def source(letter: str) -> Memory:
            domain = f"d{letter}"
            return base(
                project=[(domain, f"domain {letter}", ROOT, None, 1)], **people((f"u{letter}", "bob"), domain=domain)
            )

        assert conflicts(source("1"), source("2")) == []

    def test_what_hangs_on_a_user_whose_id_another_became_is_told_in_one_way(self) -> None:
        """Whether tables are looked at whole or by their keys: planned() compares both."""
        first = base(**people(("u2", "admin")))
        second = base(
            project=[("d", "acme", ROOT, None, 1)],
            user=[("u1", "default", None), ("u2", "d", None)],
            local_user=[(5, "u1", "default", "admin"), (8, "u2", "d", "other")],
            group=[("g", "default", "g")],
            identity_provider=[("IdP", "default", "")],
            expiring_user_group_membership=[("u1", "g", "IdP"), ("U2", "g", "IdP")],
        )
        found = planned(first, second)
        assert [(one.kind, one.name) for one in found.conflicts] == [("user", "other")]
        assert found.counts["expiring_user_group_membership"]["b"].became_one == 1

    def test_service_users_have_a_role_on_the_service_project_of_both(self) -> None:
        def source(letter: str, *users: str) -> Memory:
            return base(
                project=[(f"s{letter}", "service", "default", "default", 0)],
                role=[(f"r{letter}", "admin", NULL)],
                assignment=[("UserProject", f"{user}{letter}", f"s{letter}", f"r{letter}", 0) for user in users],
                **people(*((f"{name}{letter}", name) for name in ("nova", "heat"))),
            )

        both, one = source("1", "nova", "heat"), source("2", "nova")
        assert [found[2] for found in conflicts(both, one)] == ["heat"]
        assert conflicts(both, one, policy=Policy(builtin=Builtin(users=("admin", "Heat")))) == []

    def test_a_service_user_in_another_domain_is_none(self) -> None:
        def source(letter: str) -> Memory:
            return base(
                project=[("d", "d", ROOT, None, 1), (f"s{letter}", "service", "d", "d", 0)],
                role=[(f"r{letter}", "admin", NULL)],
                assignment=[("UserProject", f"u{letter}", f"s{letter}", f"r{letter}", 0)],
                **people((f"u{letter}", "nova")),
            )

        assert [found[0] for found in conflicts(source("1"), source("2"))] == ["project", "user"]

    def test_the_same_id_under_another_name_is_a_conflict(self) -> None:
        one, two = base(**people(("u", "alice"))), base(**people(("u", "bob")))
        assert conflicts(one, two) == [("user", "Default", "bob", ("a", "b"), ("u", "u"))]

    def test_the_default_domain_is_one_under_any_name(self) -> None:
        def source(name: str, *more: tuple[Any, ...]) -> Memory:
            rows = [(ROOT, ROOT, ROOT, None, 1), ("default", name, ROOT, None, 1), *more]
            return Memory({"project": rows})

        assert [row[1] for row in merge(source("Default"), source("Corp"))["project"]] == [ROOT, "Default"]
        other = source("Default", ("d1", "Corp", ROOT, None, 1))
        assert [row[0] for row in merge(other, source("Corp"))["project"]] == [ROOT, "default", "d1"]

    def test_a_user_without_a_name_is_told_by_the_id(self) -> None:
        source = base(user=[("sha", "default", None)])
        assert merge(source, source) == source.content

    def test_regions_by_id_and_services_by_type_and_name(self) -> None:
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

    def test_equal_services_of_one_stack_stay_two(self) -> None:
        rows = [("s1", "x", None), ("s2", "x", None)]
        assert merge(base(service=rows), base(service=[("s3", "x", None)]))["service"] == rows

    def test_what_people_choose_becomes_one_only_if_equal(self) -> None:
        one, same, other = (base(mapping=[("m", rules)]) for rules in ("[1]", "[1]", "[2]"))
        assert merge(one, same)["mapping"] == [("m", "[1]")]
        assert [found[:3] for found in conflicts(one, other)] == [("mapping", None, "m")]

    def test_limits_become_one_if_equal_but_for_their_ids(self) -> None:
        def source(letter: str, limit: int) -> Memory:
            service = [(f"s{letter}", "compute", None)]
            return base(
                service=service,
                registered_limit=[(f"l{letter}", f"s{letter}", None, "cores", limit, 1)],
                limit=[(f"m{letter}", f"l{letter}", None, "default", limit, 1)],
            )

        merged = merge(source("1", 5), source("2", 5))
        assert merged["registered_limit"] == [("l1", "s1", None, "cores", 5, 1)]
        assert merged["limit"] == [("m1", "l1", None, "default", 5, 1)]
        assert [found[:3] for found in conflicts(source("1", 5), source("2", 6))] == [
            ("registered_limit", None, "s2/None/cores")
        ]

    def test_an_id_that_two_limits_share_is_a_conflict(self) -> None:
        """As in a copy of a cloud in which the limit was changed."""

        def source(resource: str) -> Memory:
            return base(
                service=[("s", "compute", None)], registered_limit=[("l", "s", None, resource, 5, 1)],
                policy=[("p", "", "")], policy_association=[("a", "p", None, "s", resource)],
                limit=[("m", "l", "default", None, 1, 1)] if resource == "cores" else [("m", "l", None, "d", 1, 1)],
            )  # fmt: skip

        assert {found[0] for found in conflicts(source("cores"), source("ram"))} == {
            "registered_limit", "policy_association", "limit",
        }  # fmt: skip

    def test_limits_as_queens_has_them(self) -> None:
        """They name a service and a region themselves, and have no numbers."""
        columns = {
            **COLUMNS,
            "registered_limit": ("id", "service_id", "region_id", "resource_name", "default_limit"),
            "limit": ("id", "project_id", "service_id", "region_id", "resource_name", "resource_limit"),
        }

        def source(letter: str, limit: int) -> Memory:
            rows = base(
                project=[(f"p{letter}", "service", "default", "default", 0)],
                service=[(f"s{letter}", "compute", None)],
                registered_limit=[(f"l{letter}", f"s{letter}", None, "cores", 5)],
                limit=[(f"m{letter}", f"p{letter}", f"s{letter}", None, "cores", limit)],
            )
            return Memory(rows.content, columns=columns)

        assert merge(source("1", 5), source("2", 5))["limit"] == [("m1", "p1", "s1", None, "cores", 5)]
        assert [found[:3] for found in conflicts(source("1", 5), source("2", 6))] == [
            ("limit", None, "s2/None/cores/p2")
        ]

    def test_rules_of_an_admin_that_became_one_are_united_by_number(self) -> None:
        def source(letter: str) -> Memory:
            user = f"a{letter}"
            return base(
                **people((user, "admin")),
                access_rule=[(3, user, "compute", "/servers", "GET"), (4, user, "compute", f"/{letter}", "GET")],
                application_credential=[(9, f"c{letter}", f"name {letter}", user, None)],
                application_credential_access_rule=[(9, 3), (9, 4)],
            )

        merged = merge(source("1"), source("2"))
        rule, credential = 4 + moved(4), 9 + moved(9)
        assert [row[0] for row in merged["access_rule"]] == [3, 4, rule]
        assert merged["application_credential_access_rule"] == [(9, 3), (9, 4), (credential, 3), (credential, rule)]

    def test_ids_inside_json_follow_and_all_else_stays(self) -> None:
        text = '{"service_id":   "s2", "region_id": "r", "x": "s22", "s2x": 1}'
        one = base(service=[("s1", "compute", None)], region=[("r", "", None)])
        two = base(service=[("s2", "compute", None)], region=[("r", "", None)], endpoint_group=[("g", "n", text)])
        assert merge(one, two)["endpoint_group"] == [("g", "n", text.replace('"s2",', '"s1",'))]

    def test_a_role_inside_a_token_and_a_mapping_follows(self) -> None:
        def source(letter: str) -> Memory:
            role = f"r{letter}"
            return base(
                role=[(role, "Größe", NULL)],
                mapping=[(f"m{letter}", json.dumps([{"local": [{"roles": [role, "Größe"]}]}]))],
                consumer=[(f"c{letter}", "")],
                access_token=[(f"t{letter}", f"c{letter}", "u", "p", f'["{role}"]')],
            )

        merged = merge(source("1"), source("2"))
        assert [row[4] for row in merged["access_token"]] == ['["r1"]', '["r1"]']
        assert merged["mapping"][1] == ("m2", json.dumps([{"local": [{"roles": ["r1", "Größe"]}]}]))

    def test_links_that_become_equal_within_one_stack_are_united(self) -> None:
        """Two roles of a stack whose database tells them apart become one: what they are given, too."""
        one = base(role=[("r1", "ops", NULL)], **people(("u1", "x")))
        two = base(
            role=[("r2", "ops", NULL), ("q2", "OPS", NULL)],
            **people(("u2", "y")),
            assignment=[("UserDomain", "u2", "default", "r2", 0), ("UserDomain", "u2", "default", "q2", 0)],
        )
        merged = merge(one, two)
        assert merged["role"] == [("r1", "ops", NULL)]
        assert merged["assignment"] == [("UserDomain", "u2", "default", "r1", 0)]


class TestCopies:
    """Clouds that have ids in common."""

    def test_users_of_one_ldap(self) -> None:
        source = {"user": [("sha", "default", None)], "nonlocal_user": [("default", "alice", "sha")]}
        group = {"group": [("g", "default", "staff")], "user_group_membership": [("sha", "g")]}
        mapping = {"id_mapping": [("sha", "default", "uid=alice", "user"), ("h", "default", "uid=b", "user")]}
        assignment = {"assignment": [("UserDomain", "h", "default", "r", 0)], "role": [("r", "x", NULL)]}
        all_of_them = {**source, **group, **mapping, **assignment}
        merged = merge(base(**all_of_them), base(**all_of_them))
        assert {table: merged[table] for table in all_of_them} == all_of_them

    def test_a_copy_of_a_cloud_adds_nothing(self) -> None:
        domain = [("d", "acme", ROOT, None, 1), ("p", "x", "d", "d", 0)]
        source = base(
            project=domain, role=[("r", "x", NULL)], **people(("u1", "x"), ("u2", "y"), first=5),
            application_credential=[(3, "c", "ci", "u1", "p")], access_rule=[(8, "u1", "compute", "/", "GET")],
            application_credential_access_rule=[(3, 8)], application_credential_role=[(3, "r")],
            assignment=[("UserProject", "u1", "p", "r", 0)], trust=[("t", "u1", "u2", "p", 0, None, None)],
            trust_role=[("t", "r")], mapping=[("m", "[]")], service=[("s", "x", None)],
            registered_limit=[("l", "s", None, "cores", 1, 4)], limit=[("m", "l", "p", None, 1, 5)],
        )  # fmt: skip
        assert merge(source, source) == source.content
        assert merge(source, source, source) == source.content

    def test_an_ldap_of_two_domains_that_become_one(self) -> None:
        """Its users have other ids in each, and not all have rows; they become one if the user says so."""

        def source(letter: str, *others: str) -> Memory:
            domain = f"d{letter}"
            return base(
                project=[(domain, "corp", ROOT, None, 1)],
                user=[(f"sha-x{letter}", domain, None)] if letter != "1" else [],
                nonlocal_user=[(domain, "x", f"sha-x{letter}")] if letter != "1" else [],
                role=[(f"r{letter}", "x", NULL)],
                id_mapping=[
                    *((f"sha-{name}{letter}", domain, f"uid={name}", "user") for name in ("x", "y", *others)),
                    (f"grp-{letter}", domain, "cn=x", "group"),
                ],
                assignment=[
                    *(("UserDomain", f"SHA-{name}{letter}", domain, f"r{letter}", 0) for name in ("x", "y", *others)),
                    ("GroupDomain", f"grp-{letter}", domain, f"r{letter}", 0),
                ],
            )

        sources = (source("1"), source("2", "z"), source("3", "z"))
        found = planned(*sources, policy=Policy(on_conflict={"domain": "merge"}))
        assert {conflict.kind for conflict in found.conflicts} == {"id_mapping", "user"}
        policy = Policy(on_conflict={"domain": "merge", "id_mapping": "merge"})
        merged = merge(*sources, policy=policy)
        assert merged["id_mapping"] == [
            *sources[0].content["id_mapping"], ("sha-z2", "d1", "uid=z", "user")
        ]  # fmt: skip
        assert merged["user"] == [("sha-x1", "d1", None)]
        assert merged["nonlocal_user"] == [("d1", "x", "sha-x1")]
        assert [row[1].lower() for row in merged["assignment"]] == ["sha-x1", "sha-y1", "grp-1", "sha-z2"]
        assert planned(*sources, policy=policy).dangling() == {}

    def test_federated_users_of_one_identity_provider(self) -> None:
        def source(letter: str) -> Memory:
            return base(
                user=[(f"u{letter}", "default", None)],
                identity_provider=[("idp", "default", "")], mapping=[("m", "")],
                federation_protocol=[("saml2", "idp", "m")],
                federated_user=[(1, f"u{letter}", "idp", "saml2", "someone")],
                credential=[(f"c{letter}", f"u{letter}", None, "")],
            )  # fmt: skip

        assert [found[0] for found in conflicts(source("1"), source("2"))] == ["federated_user"]
        merged = merge(source("1"), source("2"), policy=Policy(on_conflict={"federated_user": "merge"}))
        assert (merged["user"], merged["federated_user"]) == (
            source("1").content["user"], source("1").content["federated_user"]
        )  # fmt: skip
        assert merged["credential"] == [("c1", "u1", None, ""), ("c2", "u1", None, "")]

    def test_one_who_is_two_people_elsewhere_is_the_first_of_them(self) -> None:
        """Whichever way rows are found, and however the references write the id."""
        federation: Rows = {
            "identity_provider": [("idp", "default", "")],
            "mapping": [("m", "")],
            "federation_protocol": [("saml2", "idp", "m"), ("mapped", "idp", "m")],
        }
        one = base(
            user=[("u1", "default", None), ("v1", "default", None)],
            federated_user=[(1, "u1", "idp", "saml2", "someone"), (2, "v1", "idp", "mapped", "someone")],
            **federation,
        )
        two = base(
            user=[("u2", "default", None)],
            federated_user=[(1, "u2", "idp", "saml2", "someone"), (2, "U2", "idp", "mapped", "someone")],
            credential=[("c2", "u2", None, "")],
            **federation,
        )
        merged = merge(one, two, policy=Policy(on_conflict={"federated_user": "merge"}))
        assert (merged["user"], merged["federated_user"]) == (one.content["user"], one.content["federated_user"])
        assert merged["credential"] == [("c2", "u1", None, "")]

    def test_a_reference_that_leads_nowhere_in_one_meets_what_leads_somewhere_in_the_other(self) -> None:
        row = {"assignment": [("UserDomain", "u", "default", "r", 0)], "role": [("r", "x", NULL)]}
        for sources in (
            (base(**row), base(**row, **people(("u", "x")))),
            (base(**row, **people(("u", "x"))), base(**row)),
        ):
            assert merge(*sources)["assignment"] == row["assignment"]


class TestReferences:
    """What refers to something, and what leads nowhere."""

    def test_they_compare_ids_as_foreign_keys_do(self) -> None:
        source = base(region=[("RegionOne", "", None)], endpoint=[("e", "s", "regionone", "public", "")])
        found = planned(base(), source)
        assert found.dangling() == {("endpoint", "service_id", "service"): 1}

    def test_trees_follow_whatever_the_order_of_rows(self) -> None:
        project = [
            ("leaf", "leaf", "acme", "mid", 0),
            ("mid", "mid", "acme", "acme", 0),
            ("acme", "acme", ROOT, None, 1),
            ("below", "below", "default", "s2", 0),
            ("s2", "service", "default", "default", 0),
        ]
        two = base(project=project)
        found = planned(base(project=[("s1", "service", "default", "default", 0)]), two)
        assert found.dangling() == {}
        rows = {row[0]: row[3] for row in applied(found, base(), two)["project"]}
        assert (rows["leaf"], rows["below"]) == ("mid", "s1")

    def test_what_leads_nowhere_is_counted_and_carried(self) -> None:
        two = base(
            assignment=[("UserDomain", "gone", "default", "r", 0)],
            user=[("u", "default", "gone")],
            revocation_event=[(1, "gone", None, None)],
        )
        found = planned(base(), two)
        assert found.dangling() == {
            ("assignment", "actor_id", "user"): 1,
            ("assignment", "role_id", "role"): 1,
            ("user", "default_project_id", "project"): 1,
        }
        assert len(found.warnings) == 3
        assert [(lost.stack, lost.rows, lost.action) for lost in found.lost] == [("b", 1, "carry")] * 3
        merged = applied(found, base(), two)
        assert (merged["assignment"], merged["user"]) == (two.content["assignment"], two.content["user"])

    def test_users_of_an_ldap_need_no_row(self) -> None:
        two = base(
            role=[("r", "x", NULL)],
            id_mapping=[("sha", "default", "uid=x", "user"), ("shb", "default", "cn=x", "group")],
            assignment=[("UserDomain", "sha", "default", "r", 0), ("GroupDomain", "SHB", "default", "r", 0)],
        )
        assert planned(base(), two).dangling() == {}
        drop = Policy(dangling="drop")
        assert merge(base(), two, policy=drop)["assignment"] == two.content["assignment"]

    def test_a_group_of_an_ldap_is_no_user(self) -> None:
        two = base(
            role=[("r", "x", NULL)],
            id_mapping=[("sha", "default", "uid=x", "user"), ("shb", "default", "cn=x", "group")],
            assignment=[("UserDomain", "shb", "default", "r", 0), ("GroupDomain", "sha", "default", "r", 0)],
        )
        assert planned(base(), two).dangling() == {
            ("assignment", "actor_id", "user"): 1,
            ("assignment", "actor_id", "group"): 1,
        }

    def test_dropping_takes_along_what_hangs_on_it(self) -> None:
        two = base(
            project=[("d", "d", "gone", None, 0), ("p", "p", "default", "d", 0), ("q", "q", "default", "p", 0)],
            project_tag=[("q", "red"), ("default", "blue")],
            user=[("u", "default", "q"), ("v", "default", "default"), ("w", "q", None)],
            local_user=[(1, "u", "default", "u"), (2, "w", "q", "w")],
            password=[(1, 1, ""), (2, 2, "")],
            role=[("r", "x", NULL), ("l", "local", "q")],
            assignment=[("UserProject", "u", "Q", "r", 0), ("UserDomain", "u", "default", "r", 0)],
            trust=[("t", "u", "v", "q", 0, None, None), ("s", "u", "v", None, 0, None, "t")],
            trust_role=[("t", "r"), ("s", "r")],
            region=[("one", "", "gone")],
        )
        found = planned(base(), two, policy=Policy(dangling="drop"))
        merged = applied(found, base(), two)
        assert [row[0] for row in merged["project"]] == [ROOT, "default"]
        assert merged["project_tag"] == [("default", "blue")]
        assert merged["user"] == [("u", "default", None), ("v", "default", "default")]
        assert [row[3] for row in merged["local_user"]] == ["u"]
        assert len(merged["password"]) == 1
        assert merged["role"] == [("r", "x", NULL)]
        assert merged["assignment"] == [("UserDomain", "u", "default", "r", 0)]
        assert "trust" not in merged
        assert "trust_role" not in merged
        assert merged["region"] == [("one", "", None)]
        assert found.dangling() == {}
        expected = {
            "project": (0, 3), "user": (2, 1), "local_user": (1, 1), "password": (1, 1), "assignment": (1, 1),
            "project_tag": (1, 1), "trust": (0, 2), "trust_role": (0, 2), "region": (1, 0),
        }  # fmt: skip
        counts = {table: count["b"] for table, count in found.counts.items()}
        assert {table: (counts[table].carried, counts[table].dropped) for table in expected} == expected
        assert {(lost.table, lost.action) for lost in found.lost} == {("project", "drop"), ("region", "clear")}

    def test_values_of_one_reference_in_several_cases_go_together(self) -> None:
        rows = [("UserDomain", name, "default", "r", 0) for name in ("gone", "gonE")]
        two = base(role=[("r", "x", NULL), ("q", "y", NULL)])
        two.content["assignment"] = [rows[0], (*rows[1][:3], "q", 0)]
        found = planned(base(), two, policy=Policy(dangling="drop"))
        assert "assignment" not in applied(found, base(), two)
        assert found.counts["assignment"]["b"] == Count(rows=2, carried=0, became_one=0, dropped=2)

    def test_a_row_that_goes_twice_is_counted_once(self) -> None:
        """Its owner became one with another, and it leads nowhere as well."""
        one, two = (
            base(user=[("u", "default", None)], local_user=[(1, "u", domain, "x")], password=[(1, 1, "")])
            for domain in ("default", "gone")
        )
        found = planned(one, two, policy=Policy(dangling="drop", on_conflict={"user": "merge"}))
        assert found.conflicts == ()
        for table in ("local_user", "password"):
            count = found.counts[table]["b"]
            assert (count.rows, count.carried, count.became_one + count.dropped) == (1, 0, 1)

    def test_a_protocol_without_its_mapping_stays(self) -> None:
        """Keystone deletes a mapping that is in use; the users that came through it must not lose their protocol."""
        two = base(
            identity_provider=[("i", "default", "")], federation_protocol=[("saml2", "i", "gone")],
            user=[("u", "default", None)], federated_user=[(1, "u", "i", "saml2", "x")],
        )  # fmt: skip
        found = planned(base(), two, policy=Policy(dangling="drop"))
        assert applied(found, base(), two)["federation_protocol"] == [("saml2", "i", "gone")]
        assert found.dangling() == {("federation_protocol", "mapping_id", "mapping"): 1}

    def test_rows_of_unknown_tables_stop_and_tokens_warn(self) -> None:
        found = planned(base(unheard_of=[("x",)], token=[("t",)]), base(unheard_of=[], token=[]))
        assert ["unheard_of" in problem for problem in found.problems] == [True]
        assert ["token" in warning for warning in found.warnings] == [True]


class TestNumbers:
    """Auto-increment columns: each source has a room of its own."""

    def test_they_move_behind_those_of_the_first(self) -> None:
        merged = merge(base(**people(("u1", "alice"), first=5)), base(**people(("u2", "bob"), first=2)))
        assert merged["local_user"] == [(5, "u1", "default", "alice"), (2 + moved(5), "u2", "default", "bob")]
        assert merged["password"] == [(5, 5, "hash of u1"), (2 + moved(5), 2 + moved(5), "hash of u2")]

    def test_each_source_keeps_its_room(self) -> None:
        def sources(*largest: int) -> list[Memory]:
            return [base(**people((f"u{at}", f"n{at}"), first=last)) for at, last in enumerate(largest)]

        first = planned(*sources(5, 7, 9))
        offsets = [ledger.offsets["local_user"] for ledger in first.ledgers]
        assert offsets == [0, moved(5), moved(5) + moved(7)]
        assert first.rooms["local_user"] == moved(5) + moved(7) + moved(9)
        earlier = {ledger.name: Earlier(dict(ledger.offsets)) for ledger in first.ledgers}
        grown = planned(*sources(500_000, 900_000, 900_000), earlier=earlier)
        assert [ledger.offsets for ledger in grown.ledgers] == [ledger.offsets for ledger in first.ledgers]
        assert grown.problems == ()

    def test_a_room_that_is_outgrown_stops(self) -> None:
        earlier = {"a": Earlier({"local_user": 0, "local_user.end": 100})}
        found = planned(base(**people(("u", "x"), first=101)), earlier=earlier)
        assert [problem.split(" has ")[0] for problem in found.problems] == ["a: table local_user"]
        assert planned(base(**people(("u", "x"), first=100)), earlier=earlier).problems == ()

    def test_a_new_source_in_front_gets_a_room_behind_those_that_are_known(self) -> None:
        earlier = {"b": Earlier({"local_user": 0, "local_user.end": 100})}
        found = planned(base(**people(("u", "x"))), base(**people(("v", "y"))), earlier=earlier)
        assert [ledger.offsets["local_user"] for ledger in found.ledgers] == [100, 0]

    def test_many_numbers_get_less_room(self) -> None:
        last = INT_MAX // 5 * 2
        found = planned(base(**people(("u", "x"), first=last)), base(**people(("v", "y"), first=last // 8)))
        assert found.problems == ()
        assert found.rooms["local_user"] <= INT_MAX

    def test_numbers_that_do_not_fit_stop(self) -> None:
        found = planned(base(**people(("u1", "x"), first=INT_MAX)), base(**people(("u2", "y"))))
        assert {problem.split(" has ")[0] for problem in found.problems if problem.startswith("b")} == {
            "b: table local_user",
            "b: table password",
        }


class TestInUse:
    """A merged database that Keystones write to already comes first, and nothing of it is carried."""

    def test_it_is_not_touched(self) -> None:
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

    def test_its_lost_references_are_nobodys(self) -> None:
        target = base(assignment=[("UserDomain", "gone", "default", "gone", 0)])
        found = planned(target, base(), merged=True, policy=Policy(dangling="drop"))
        assert (found.lost, found.dangling(), found.ledgers[0].left_out) == ((), {}, {})


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


def test_numbers_and_names_of_a_plan() -> None:
    one = base(**people(("a1", "admin"), ("u1", "x")))
    two = base(**people(("a2", "admin"), *((f"v{number}", f"n{number}") for number in range(250))))
    found = planned(one, two)
    kind = found.kinds["user"]
    assert (kind.created, kind.became_one, kind.renamed) == (252, 1, 0)
    assert len(kind.names["created"]) == 100
    assert kind.names["created"][:3] == ["admin (a)", "x (a)", "n0 (b)"]
    assert kind.names["became_one"] == ["admin (b)"]
    assert found.kinds["domain"].names["became_one"] == ["Default (b)"]
    assert found.rows == sum(len(rows) for memory in (one, two) for rows in memory.content.values()) - 5
