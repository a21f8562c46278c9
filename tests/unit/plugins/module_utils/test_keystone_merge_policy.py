# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user says of names that several stacks have, and what comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.plan import Plan
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.policy import (
    FAIL,
    KINDS,
    MERGE,
    RENAME,
    RENAMED,
    Builtin,
    Name,
    Override,
    Policy,
    check_policy,
    settle,
)
from merge_memory_harness import NULL, ROOT, Memory, Rows, applied, base, people, planned

STACKS = frozenset({"a", "b"})


def overriding(*lines: dict[str, Any], **more: Any) -> Policy:
    return Policy(overrides=tuple(Override(**line) for line in lines), **more)


def settled(found: Plan) -> list[dict[str, Any]]:
    """Return what the plan says would settle its conflicts, as YAML has it."""
    return [line for conflict in found.conflicts for line in yaml.safe_load(conflict.settle)]


def one_of_each(letter: str) -> Memory:
    """Give a cloud with one of everything that has a name, all of them other things than another cloud's."""
    return base(
        project=[
            (f"d{letter}", "acme", ROOT, None, 1),
            (f"p{letter}", "web", "default", "default", 0),
            (f"q{letter}", "web", f"d{letter}", f"d{letter}", 0),
        ],
        role=[(f"r{letter}", "ops", NULL), (f"s{letter}", "local", "default")],
        user=[("shared", "default", None), (f"n{letter}", "default", None), *people((f"u{letter}", "eve"))["user"]],
        local_user=[(1, f"u{letter}", "default", "eve"), (2, "shared", "default", f"name {letter}")],
        nonlocal_user=[("default", "ldap", f"n{letter}")],
        group=[(f"g{letter}", "default", "staff")],
        service=[(f"k{letter}", "compute", json.dumps({"name": "nova", "description": letter}))],
        region=[("RegionOne", letter, None)],
        endpoint=[(f"e{letter}", f"k{letter}", "RegionOne", "public", letter)],
        mapping=[("mapped", f'["{letter}"]')],
        identity_provider=[("idp", "default", letter)],
        idp_remote_ids=[("idp", "https://idp")],
        federation_protocol=[("saml2", "idp", "mapped")],
        service_provider=[("sp", letter)],
        application_credential=[(1, f"c{letter}", "ci", "shared", None)],
        registered_limit=[(f"l{letter}", f"k{letter}", None, "cores", ord(letter), 1)],
        whitelisted_config=[("default", "ldap", "url", letter)],
    )


class TestKinds:
    """The option on_conflict."""

    def test_defaults(self) -> None:
        found = planned(one_of_each("1"), one_of_each("2"))
        assert {(conflict.kind, conflict.name) for conflict in found.conflicts} == {
            ("domain", "acme"), ("project", "web"), ("user", "eve"), ("user", "ldap"),
            ("user", "name 2"), ("group", "staff"), ("mapping", "mapped"), ("identity_provider", "idp"),
            ("service_provider", "sp"), ("application_credential", "ci"), ("registered_limit", "k2/None/cores"),
            ("whitelisted_config", "default/ldap/url"),
        }  # fmt: skip
        assert found.problems == ()

    def test_everything_fails(self) -> None:
        policy = Policy(on_conflict=dict.fromkeys(KINDS, FAIL))
        found = planned(one_of_each("1"), one_of_each("2"), policy=policy)
        assert {conflict.kind for conflict in found.conflicts} >= {"role", "service", "region"}

    def test_everything_merges(self) -> None:
        """Projects and users are compared in the domain that became one."""
        one, two = one_of_each("1"), one_of_each("2")
        found = planned(one, two, policy=Policy(on_conflict=dict.fromkeys(KINDS, MERGE)))
        assert (found.conflicts, found.problems) == ((), ())
        assert applied(found, one, two) == {
            **one.content,
            "endpoint": [*one.content["endpoint"], ("e2", "k1", "RegionOne", "public", "2")],
        }
        assert found.ledgers[1].changed["project"] == {"d2": "d1", "p2": "p1", "q2": "q1"}
        assert [(new.kind, new.old) for new in found.new_names] == []

    def test_everything_that_can_is_renamed(self) -> None:
        one, two = one_of_each("1"), one_of_each("2")
        policy = Policy(on_conflict=dict.fromkeys(RENAMED, RENAME))
        found = planned(one, two, policy=policy)
        assert {(conflict.kind, conflict.name) for conflict in found.conflicts} == {
            ("user", "name 2"), ("identity_provider", "idp"), ("service_provider", "sp"),
            ("federation_protocol", "saml2/idp"), ("whitelisted_config", "default/ldap/url"),
        }  # fmt: skip
        merged = applied(found, one, two)
        assert [row[:2] for row in merged["project"][5:]] == [("d2", "acme@b"), ("p2", "web@b"), ("q2", "web")]
        assert [row[:2] for row in merged["role"][2:]] == [("r2", "ops@b"), ("s2", "local@b")]
        assert [row[3] for row in merged["local_user"] if row[1] == "u2"] == ["eve@b"]
        assert ("default", "ldap@b", "n2") in merged["nonlocal_user"]
        assert merged["group"][1] == ("g2", "default", "staff@b")
        assert [json.loads(row[2]) for row in merged["service"]] == [
            {"name": "nova", "description": "1"},
            {"name": "nova@b", "description": "2"},
        ]
        assert [row[0] for row in merged["mapping"]] == ["mapped", "mapped@b"]
        assert merged["federation_protocol"][0][2] == "mapped"
        assert [row[1:3] for row in merged["application_credential"]] == [("c1", "ci"), ("c2", "ci@b")]
        assert {(new.kind, new.domain, new.old, new.new, new.id) for new in found.new_names} >= {
            ("domain", None, "acme", "acme@b", "d2"),
            ("user", "Default", "eve", "eve@b", "u2"),
            ("mapping", None, "mapped", "mapped@b", "mapped"),
        }
        assert found.kinds["user"].renamed == 2
        # An id changes only where the name is the id.
        assert list(found.id_map()) == [("mapping", "b", "mapped", "mapped@b")]

    def test_references_to_a_renamed_mapping_follow(self) -> None:
        def source(letter: str) -> Memory:
            return base(
                mapping=[("m", letter)],
                identity_provider=[(f"i{letter}", "default", "")],
                federation_protocol=[("saml2", f"i{letter}", "M")],
            )

        one, two = source("1"), source("2")
        found = planned(one, two, policy=Policy(on_conflict={"mapping": RENAME}))
        assert applied(found, one, two)["federation_protocol"] == [("saml2", "i1", "M"), ("saml2", "i2", "m@b")]
        assert found.dangling() == {}

    def test_builtin_things_become_one_whatever_is_said_of_their_kind(self) -> None:
        def source(letter: str) -> Memory:
            return base(
                project=[(f"p{letter}", "service", "default", "default", 0)],
                role=[(f"r{letter}", "Member", NULL)],
                **people((f"u{letter}", "admin"), (f"v{letter}", "robot")),
            )

        policy = Policy(Builtin(users=("admin", "robot")), {"project": RENAME, "role": FAIL, "user": RENAME})
        found = planned(source("1"), source("2"), policy=policy)
        assert (found.conflicts, found.new_names) == ((), ())
        assert found.ledgers[1].changed == {
            "project": {"p2": "p1"},
            "role": {"r2": "r1"},
            "user": {"u2": "u1", "v2": "v1"},
        }

    def test_the_same_thing_is_never_renamed(self) -> None:
        source = base(user=[("sha", "default", None)], nonlocal_user=[("default", "alice", "sha")])
        found = planned(source, source, policy=Policy(on_conflict=dict.fromkeys(("user", "domain"), RENAME)))
        assert (found.conflicts, found.new_names) == ((), ())

    def test_rename_format(self) -> None:
        one, two = (base(**people((f"u{letter}", "x"))) for letter in "12")
        policy = Policy(on_conflict={"user": RENAME}, rename_format="{kind}:{domain}:{name}:{stack}")
        found = planned(one, two, policy=policy)
        assert [new.new for new in found.new_names] == ["user:Default:x:b"]

    def test_each_stack_gets_a_name_of_its_own(self) -> None:
        sources = [base(**people((f"u{number}", "x"))) for number in range(4)]
        found = planned(*sources, policy=Policy(on_conflict={"user": RENAME}))
        assert [new.new for new in found.new_names] == ["x@b", "x@c", "x@d"]
        names = [row[3] for row in applied(found, *sources)["local_user"]]
        assert names == ["x", "x@b", "x@c", "x@d"]


class TestOverrides:
    """The option overrides: one name."""

    @pytest.mark.parametrize(
        ("line", "speaks"),
        [
            ({}, True),
            ({"name": "EVE "}, True),
            ({"name": "eva"}, False),
            ({"kind": "group"}, False),
            ({"stack": "b"}, True),
            ({"stack": "a"}, False),
            ({"domain": "default"}, True),
            ({"domain": "Default"}, True),
            ({"domain": "DEFAULT"}, True),
            ({"domain": "acme"}, False),
        ],
    )
    def test_of_whom_it_speaks(self, line: dict[str, str], speaks: bool) -> None:
        one, two = (base(**people((f"u{letter}", "eve"))) for letter in "12")
        policy = overriding({"kind": "user", "name": "eve", "action": MERGE, **line})
        found = planned(one, two, policy=policy)
        assert (found.conflicts == ()) is speaks
        assert found.ledgers[1].changed.get("user") == ({"u2": "u1"} if speaks else None)

    def test_a_domain_by_name_or_by_id(self) -> None:
        def source(letter: str) -> Memory:
            domain = f"d{letter}"
            return base(project=[(domain, "acme", ROOT, None, 1)], **people((f"u{letter}", "eve"), domain=domain))

        one, two = source("1"), source("2")
        for domain in ("ACME", "d2"):
            policy = overriding(
                {"kind": "user", "name": "eve", "domain": domain, "action": RENAME, "new_name": "eva"},
                on_conflict={"domain": MERGE},
            )
            found = planned(one, two, policy=policy)
            assert [row[1:] for row in applied(found, one, two)["local_user"]] == [
                ("u1", "d1", "eve"),
                ("u2", "d1", "eva"),
            ]

    def test_the_first_that_speaks_counts(self) -> None:
        sources = [base(**people((f"u{number}", "x"))) for number in range(3)]
        policy = overriding(
            {"kind": "user", "name": "x", "stack": "c", "action": RENAME, "new_name": "y"},
            {"kind": "user", "name": "x", "action": MERGE},
        )
        found = planned(*sources, policy=policy)
        assert [(new.stack, new.new) for new in found.new_names] == [("c", "y")]
        assert found.ledgers[1].changed["user"] == {"u1": "u0"}

    def test_a_builtin_thing_that_an_override_speaks_of(self) -> None:
        one, two = (base(**people((f"u{letter}", "admin"))) for letter in "12")
        found = planned(one, two, policy=overriding({"kind": "user", "name": "admin", "action": RENAME}))
        assert [new.new for new in found.new_names] == ["admin@b"]
        found = planned(one, two, policy=overriding({"kind": "user", "name": "admin", "action": FAIL}))
        assert len(found.conflicts) == 1

    def test_one_id_under_two_names_becomes_one_if_told_so(self) -> None:
        """Also where its name is another's: it is the id that says who somebody is."""
        one, two = base(**people(("u", "alice"), ("v", "bob"))), base(**people(("u", "bob")))
        kinds = planned(one, two, policy=Policy(on_conflict={"user": MERGE}))
        assert {conflict.ids for conflict in kinds.conflicts} == {("u", "u"), ("v", "u")}
        found = planned(one, two, policy=overriding({"kind": "user", "name": "bob", "action": MERGE}))
        assert found.conflicts == ()
        assert applied(found, one, two) == one.content


class TestNewNames:
    """New names that cannot be had are problems, all of them at once."""

    def renamed(self, rows: Rows, new_name: str | None, **more: Any) -> Plan:
        policy = overriding({"kind": "user", "name": "x", "stack": "b", "action": RENAME, "new_name": new_name}, **more)
        return planned(base(**people(("u1", "x"), ("v1", "Taken"))), base(**rows), policy=policy)

    def test_taken_by_the_other_stack(self) -> None:
        found = self.renamed(people(("u2", "x")), "taken ")
        assert found.problems == ("user x of b cannot be renamed to taken : a has that name already",)

    def test_taken_in_the_same_stack(self) -> None:
        found = self.renamed(people(("u2", "x"), ("v2", "y")), "Y")
        assert found.problems == ("user x of b cannot be renamed to Y: b has that name already",)

    def test_taken_in_a_domain_that_became_one(self) -> None:
        one = base(project=[("d1", "acme", ROOT, None, 1)], **people(("u1", "x"), domain="d1"))
        two = base(project=[("d2", "acme", ROOT, None, 1)], **people(("u2", "x"), ("v2", "y"), domain="d2"))
        policy = overriding(
            {"kind": "user", "name": "x", "action": RENAME, "new_name": "y"}, on_conflict={"domain": MERGE}
        )
        assert len(planned(one, two, policy=policy).problems) == 1

    def test_the_same_name_in_another_domain_is_free(self) -> None:
        two = people(("u2", "x"))
        two["user"] += [("w", "elsewhere", None)]
        two["nonlocal_user"] = [("elsewhere", "y", "w")]
        assert self.renamed(two, "y").problems == ()

    def test_wanted_twice(self) -> None:
        sources = [base(**people((f"u{number}", "x"))) for number in range(3)]
        policy = overriding({"kind": "user", "name": "x", "action": RENAME, "new_name": "y"})
        assert planned(*sources, policy=policy).problems == (
            "user x of c cannot be renamed to y: another one was renamed to the same",
        )

    @pytest.mark.parametrize(
        ("kind", "rows", "limit"),
        [
            ("user", lambda letter: people((letter, "x")), 255),
            ("project", lambda letter: {"project": [(letter, "x", "default", "default", 0)]}, 64),
            ("domain", lambda letter: {"project": [(letter, "x", ROOT, None, 1)]}, 64),
            ("group", lambda letter: {"group": [(letter, "default", "x")]}, 64),
            ("role", lambda letter: {"role": [(letter, "x", NULL)]}, 255),
            ("mapping", lambda letter: {"mapping": [("x", letter)]}, 64),
            ("application_credential", lambda letter: {"application_credential": [(1, letter, "x", "u", None)]}, 255),
        ],
    )
    def test_too_long(self, kind: str, rows: Any, limit: int) -> None:
        for length, problems in ((limit, 0), (limit + 1, 1)):
            name = "漢" * length
            policy = overriding({"kind": kind, "name": "x", "action": RENAME, "new_name": name})
            found = planned(base(**rows("1")), base(**rows("2")), policy=policy)
            assert len(found.problems) == problems, found.problems
            assert all(f"longer than {limit}" in problem for problem in found.problems)

    def test_rules_that_speak_of_what_is_renamed(self) -> None:
        """Rules of a mapping that name a group would lead to the other stack's from now on."""

        def source(letter: str) -> Memory:
            rules = [{"local": [{"group": {"name": "OPS", "domain": {"name": "Default"}}}]}]
            return base(
                group=[(f"g{letter}", "default", "ops")],
                mapping=[(f"m{letter}", json.dumps(rules)), (f"n{letter}", '["opsy"]'), (f"o{letter}", "[")],
            )

        found = planned(source("1"), source("2"), policy=Policy(on_conflict={"group": RENAME}))
        assert found.warnings == (
            "b: the rules of mapping m2 speak of OPS, and group ops is called ops@b from now on: change the rules",
        )


class TestSettle:
    """Every conflict carries the line that would settle it."""

    def settle_all(self, *sources: Memory, rounds: int = 4) -> Plan:
        """Put into overrides what the plan says until there is nothing more to say."""
        policy = Policy()
        for _round in range(rounds):
            found = planned(*sources, policy=policy)
            if not found.conflicts:
                return found
            lines = settled(found)
            check_policy(overriding(*lines), frozenset("abcd"))
            policy = overriding(*settled(found), *map(vars, policy.overrides))
        raise AssertionError(found.conflicts)

    def test_one_of_each(self) -> None:
        sources = [one_of_each(letter) for letter in "123"]
        found = self.settle_all(*sources)
        assert found.problems == ()

    def test_a_line_for_each_stack(self) -> None:
        sources = [base(**people((f"u{number}", "x"))) for number in range(3)]
        (conflict,) = planned(*sources).conflicts
        assert conflict.settle.splitlines() == [
            '- {kind: "user", domain: "Default", name: "x", stack: "b", action: rename}',
            '- {kind: "user", domain: "Default", name: "x", stack: "c", action: rename}',
        ]
        assert self.settle_all(*sources, rounds=2).problems == ()

    def test_one_id_under_two_names(self) -> None:
        one, two = base(**people(("u", "alice"), ("v", "bob"))), base(**people(("u", "bob")))
        assert (
            settled(planned(one, two))
            == [{"kind": "user", "domain": "Default", "name": "bob", "stack": "b", "action": "merge"}] * 2
        )
        self.settle_all(one, two, rounds=2)

    def test_two_names_of_one_stack_that_the_target_takes_for_one(self) -> None:
        found = self.settle_all(base(), base(**people(("u", "x"), ("v", "X"))), rounds=2)
        assert [(new.old, new.new) for new in found.new_names] == [("X", "X@b")]

    def test_an_application_credential_that_was_given_another_name(self) -> None:
        user = people(("u", "x"))
        one = base(application_credential=[(1, "c", "ci", "u", None)], **user)
        two = base(application_credential=[(1, "c", "cd", "u", None)], **user)
        assert [line["action"] for line in settled(planned(one, two))] == ["rename", "merge"][1:]
        self.settle_all(one, two, rounds=3)

    def test_a_name_that_would_be_too_long(self) -> None:
        name = "p" * 64
        one, two = (base(project=[(letter, name, "default", "default", 0)]) for letter in "12")
        assert settled(planned(one, two))[0]["new_name"] == "p" * 62 + "@b"
        assert self.settle_all(one, two, rounds=2).problems == ()

    def test_a_service_without_a_name(self) -> None:
        one, two = (base(service=[(letter, "x", None)]) for letter in "12")
        (conflict,) = planned(one, two, policy=Policy(on_conflict={"service": FAIL})).conflicts
        assert yaml.safe_load(conflict.settle)[0]["name"] == ""

    @pytest.mark.parametrize(
        "name",
        [
            "plain",
            'quo"te',
            "back\\slash",
            "new\nline",
            "\x00\x7f\x85\x9f",
            "\u2028\ufeff\ufffe\U000e0001",
            "漢😀é",
            "{{ x }}",
            "# a: b",
        ],
    )
    def test_any_name_in_yaml(self, name: str) -> None:
        line = settle(Name("user", name, "b", "Default", "default"), RENAME, name)
        assert yaml.safe_load(line) == [
            {"kind": "user", "domain": "Default", "name": name, "stack": "b", "action": "rename", "new_name": name}
        ]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Policy(on_conflict={"users": MERGE}), "no such kind; there are .*user"),
        (Policy(on_conflict={"user": "keep"}), "keep is none of merge, rename, fail"),
        (Policy(on_conflict={"region": RENAME}), "a region cannot be renamed"),
        (overriding({"kind": "limits", "name": "x", "action": FAIL}), "overrides: limits x: there is no such kind"),
        (overriding({"kind": "user", "name": "x", "action": FAIL, "stack": "z"}), "no source is named z; there are a"),
        (
            overriding({"kind": "user", "name": "x", "action": MERGE, "new_name": "y"}),
            "new_name goes with action rename",
        ),
        (Policy(rename_format="{name}@{region}"), "cannot be used .*may hold"),
        (Policy(rename_format="{name"), "cannot be used"),
        (Policy(rename_format="{name.x}{stack}"), "cannot be used"),
        (Policy(rename_format="{name[x]}{stack}"), "cannot be used"),
        (Policy(rename_format="{name}{}"), "cannot be used"),
        (Policy(rename_format="{name}-2"), "must hold {name} and {stack}"),
        (Policy(rename_format="{stack}"), "must hold {name} and {stack}"),
    ],
)
def test_bad_policies(policy: Policy, message: str) -> None:
    with pytest.raises(MergeError, match=message):
        check_policy(policy, STACKS)


def test_good_policies() -> None:
    check_policy(Policy(), STACKS)
    check_policy(Policy(on_conflict=dict.fromkeys(KINDS, MERGE), rename_format="{stack}/{name}"), STACKS)
    check_policy(overriding({"kind": "user", "name": "x", "action": RENAME, "stack": "b"}), STACKS)
