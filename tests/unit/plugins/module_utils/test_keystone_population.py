# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of module_utils/keystone_population.py; the calls themselves are tested on a real Keystone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_population import (
    Key,
    PopulationError,
    State,
    Step,
    Wanted,
    parse,
    plan,
)
from hypothesis import given
from hypothesis import strategies as st

DEFAULT = Key("domain", "", "Default")
EMPTY = State({DEFAULT: "default"}, {DEFAULT: {"description": ""}}, frozenset(), frozenset())

NAMES = st.sampled_from(["a", "b", "c", "A"])
TEXTS = st.none() | st.sampled_from(["", "x", "y"])


def options(**lists: Any) -> dict[str, Any]:
    """Options as the module gets them, with every suboption filled in."""
    every: dict[str, dict[str, Any]] = {
        "domains": {"description": None},
        "projects": {"domain": "Default", "description": None},
        "users": {"domain": "Default", "password": "p", "description": None, "email": None, "default_project": None},
        "groups": {"domain": "Default", "description": None, "members": []},
        "assignments": {
            "user": None,
            "user_domain": "Default",
            "group": None,
            "group_domain": "Default",
            "project": None,
            "project_domain": "Default",
            "domain": None,
        },
    }
    filled = {name: [{**rest, **item} for item in lists.get(name, [])] for name, rest in every.items()}
    return {**filled, "roles": lists.get("roles", []), "services": lists.get("services", [])}


def carried_out(wanted: Wanted, state: State) -> State:
    """The state after the plan's steps, which have to be possible in their order."""
    ids = dict(state.ids)
    fields: dict[Key, Mapping[str, Any]] = dict(state.fields)
    members, grants = set(state.members), set(state.grants)
    for step in plan(wanted, state):
        if step.verb == "create":
            assert isinstance(step.subject, Key)
            key = step.subject
            assert key not in ids
            assert not key.domain or Key("domain", "", key.domain) in ids
            ids[key] = str(key)
            fields[key] = dict(step.fields)
        elif step.verb == "update":
            assert step.subject in ids
            fields[step.subject] = {**fields[step.subject], **dict(step.fields)}
        else:
            assert all(key in ids for key in step.subject)
            (members if step.verb == "join" else grants).add(step.subject)  # type: ignore[attr-defined]
        assert all(value in ids for name, value in step.fields if isinstance(value, Key))
    return State(ids, fields, frozenset(members), frozenset(grants))


def test_a_tenant_from_nothing_is_made_in_an_order_that_works() -> None:
    wanted = parse(
        options(
            domains=[{"name": "acme"}],
            projects=[{"name": "web", "domain": "acme", "description": "Site"}],
            users=[{"name": "alice", "domain": "acme", "default_project": "web", "password": "hidden"}],
            groups=[{"name": "ops", "domain": "acme", "members": [{"name": "alice", "domain": None}]}],
            roles=["auditor"],
            assignments=[{"role": "auditor", "group": "ops", "group_domain": "acme", "domain": "acme"}],
        )
    )
    assert [str(step) for step in plan(wanted, EMPTY)] == [
        "create domain acme",
        "create project acme/web",
        "create user acme/alice",
        "create group acme/ops",
        "create role auditor",
        "add user acme/alice to group acme/ops",
        "assign role auditor of group acme/ops on domain acme",
    ]
    assert not any("hidden" in repr(step) for step in plan(wanted, EMPTY))
    assert plan(wanted, carried_out(wanted, EMPTY)) == ()


def test_a_service_has_an_endpoint_of_each_interface_in_its_region() -> None:
    glance = {"name": "glance", "type": "image", "region": "one", "url": "http://a:9292"}
    wanted = parse(options(services=[glance]))
    made = [
        "create service glance",
        *(f"create endpoint glance/one/{name}" for name in ("public", "internal", "admin")),
    ]
    assert [str(step) for step in plan(wanted, EMPTY)] == made
    there = carried_out(wanted, EMPTY)
    assert plan(wanted, there) == ()
    elsewhere = parse(options(services=[{**glance, "region": "two"}]))
    assert [str(step) for step in plan(elsewhere, there)] == [one.replace("one", "two") for one in made[1:]]
    moved = parse(options(services=[{**glance, "url": "http://b:9292"}]))
    assert [str(step) for step in plan(moved, there)] == [one.replace("create", "update") + ": url" for one in made[1:]]


def test_attributes_that_are_not_given_are_left_alone() -> None:
    wanted = parse(options(users=[{"name": "alice", "email": "new"}]))
    alice = Key("user", "Default", "alice")
    there = {"description": "theirs", "email": "old", "default_project": None}
    state = State({**EMPTY.ids, alice: "1"}, {**EMPTY.fields, alice: there}, frozenset(), frozenset())
    assert plan(wanted, state) == (Step("update", alice, (("email", "new"),)),)


@pytest.mark.parametrize(
    ("lists", "messages"),
    [
        ({"users": [{"name": "a"}, {"name": "a"}]}, ["user Default/a is listed twice"]),
        ({"roles": ["r", "r"]}, ["role r is listed twice"]),
        ({"assignments": [{"role": "r", "project": "p"}]}, ["role r needs either user or group"]),
        (
            {"assignments": [{"role": "r", "user": "u", "group": "g"}]},
            ["role r needs either user or group", "role r needs either project or domain"],
        ),
        (
            {"assignments": [{"role": "r", "user": "u", "domain": "d"}] * 2},
            ["assignment is listed twice: role r of user Default/u on domain d"],
        ),
        (
            {"groups": [{"name": "g", "members": [{"name": "u", "domain": None}] * 2}]},
            ["member is listed twice: add user Default/u to group Default/g"],
        ),
    ],
)
def test_contradictions_are_all_named(lists: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(PopulationError) as raised:
        parse(options(**lists))
    for message in messages:
        assert message in str(raised.value)


def test_what_is_neither_there_nor_wanted_is_named() -> None:
    wanted = parse(
        options(
            users=[{"name": "u", "default_project": "p"}],
            assignments=[{"role": "r", "user": "u", "project": "q", "project_domain": "d"}],
        )
    )
    with pytest.raises(PopulationError, match=r": domain d, project Default/p, project d/q, role r$"):
        plan(wanted, EMPTY)


@st.composite
def populations(draw: st.DrawFn) -> dict[str, Any]:
    """Options that refer only to what they list."""
    domains = draw(st.lists(NAMES, unique=True))
    domain = st.sampled_from(["Default", *domains])
    owned = st.lists(st.tuples(domain, NAMES), unique=True)
    projects, users, groups = draw(owned), draw(owned), draw(owned)
    roles = draw(st.lists(NAMES, unique=True))
    lists: dict[str, Any] = {
        "domains": [{"name": name, "description": draw(TEXTS)} for name in domains],
        "projects": [{"name": name, "domain": of, "description": draw(TEXTS)} for of, name in projects],
        "users": [{"name": name, "domain": of, "email": draw(TEXTS)} for of, name in users],
        "groups": [{"name": name, "domain": of} for of, name in groups],
        "roles": roles,
    }
    if users:
        for group in lists["groups"]:
            members = draw(st.lists(st.sampled_from(users), unique=True))
            group["members"] = [{"name": name, "domain": of} for of, name in members]
    if users and projects and roles:
        triples = st.tuples(st.sampled_from(roles), st.sampled_from(users), st.sampled_from(projects))
        lists["assignments"] = [
            {"role": role, "user": user[1], "user_domain": user[0], "project": on[1], "project_domain": on[0]}
            for role, user, on in draw(st.lists(triples, unique=True))
        ]
    return options(**lists)


@given(populations(), populations())
def test_a_plan_can_be_carried_out_leads_there_and_is_then_empty(first: dict[str, Any], then: dict[str, Any]) -> None:
    state = carried_out(parse(first), EMPTY)
    wanted = parse(then)
    after = carried_out(wanted, state)
    assert plan(wanted, after) == ()
    assert set(state.ids) | set(wanted.things) == set(after.ids)
    assert after.grants >= state.grants | set(wanted.grants)
