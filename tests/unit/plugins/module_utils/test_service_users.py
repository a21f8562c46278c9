# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom services log in as, and what is decided from what Keystones say of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import service_users
from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import parse
from ansible_collections.stretch.cluster.plugins.module_utils.service_users import Credential

REGIONS = {"stack1": "East", "stack2": "West", "stack3": "North"}
NOVA = """\
[DEFAULT]
transport_url = rabbit://guest:guest@localhost
[database]
connection = mysql://nova:db@localhost/nova
[keystone_authtoken]
www_authenticate_uri = http://10.0.0.5:5000
auth_url = http://10.0.0.5:5000
auth_type = password
username = nova
password = s$$cret
user_domain_name = Default
project_name = service
project_domain_id = default
[neutron]
auth_type = v3password
auth_url = http://10.0.0.5:5000
user_name = neutron
password = n
tenant_name = services
[placement]
auth_section = keystone_authtoken
[cinder]
catalog_info = volumev3::internalURL
[cache]
username = memcached
password = m
[service_user]
auth_type = v3applicationcredential
username = nova
password = x
"""


def read(text: str, **more: str) -> list[Credential]:
    documents = {"/etc/nova/nova.conf": parse(text), **{path: parse(one) for path, one in more.items()}}
    return list(service_users.credentials("nova", documents))


def test_sections_that_log_in() -> None:
    assert [(one.section, one.option, one.user, one.domain, one.project, one.password) for one in read(NOVA)] == [
        ("keystone_authtoken", "username", "nova", "Default", "service", "s$cret"),
        ("neutron", "user_name", "neutron", "Default", "services", "n"),
    ]


def test_the_file_that_counts() -> None:
    found = read(NOVA, **{"/etc/nova/nova.conf.d/10.conf": "[keystone_authtoken]\nusername = nova-api\n"})
    assert (found[0].user, found[0].path) == ("nova-api", "/etc/nova/nova.conf.d/10.conf")
    assert found[0].password == "s$cret"


@pytest.mark.parametrize(
    ("lines", "domain"),
    [
        ("user_domain_id = default", "Default"),
        ("user_domain_name = Services", "Services"),
        ("default_domain_name = D", "D"),
    ],
)
def test_domains(lines: str, domain: str) -> None:
    text = f"[keystone_authtoken]\nusername = nova\npassword = p\n{lines}\n"
    assert [one.domain for one in read(text)] == [domain]


def credential(user: str, password: str, section: str = "keystone_authtoken", service: str = "") -> dict[str, str]:
    return service_users.plain(
        [Credential(service or user, "/f", section, "username", user, "Default", "service", "Default", password)]
    )[0]


class Cloud:
    """Regions, and what their Keystones would answer."""

    def __init__(self, users: dict[str, dict[str, str]], found: dict[str, list[dict[str, str]]]) -> None:
        self.users = users
        self.found = found

    def answer(self, stack: str, login: dict[str, str]) -> str:
        known = self.users[stack].get(login["user"])
        if known is None:
            return f"401 Unauthorized Could not find user: {login['user']}."
        return "" if known == login["password"] else "401 Unauthorized Invalid username or password."

    def plan(self, policy: str = "shared", cut_over: tuple[str, ...] = ()) -> service_users.Plan:
        stacks = list(self.found)
        answers = {
            stack: {
                "error": "",
                "logins": [
                    {"stack": one["stack"], "user": one["user"], "problem": self.answer(stack, one)}
                    for one in service_users.questions(stack, stacks, self.found)
                ],
            }
            for stack in stacks
        }
        return service_users.plan(stacks, REGIONS, self.found, answers, policy, cut_over)


def two(west: str = "w", **more: str) -> Cloud:
    return Cloud(
        {"stack1": {"nova": "e", "glance": "g"}, "stack2": {"nova": west, "glance": "g", "heat": "h", **more}},
        {
            "stack1": [credential("nova", "e"), credential("glance", "g")],
            "stack2": [
                credential("nova", west),
                credential("nova", west, "placement", "neutron"),
                credential("glance", "g"),
                credential("heat", "h"),
            ],
        },
    )


def test_one_password_is_shared() -> None:
    found = two("e").plan()
    assert (found.errors, found.names, found.overrides) == ((), {}, ())
    assert [(one["stack"], one["user"]) for one in found.logins] == [
        ("stack1", "glance"),
        ("stack1", "nova"),
        ("stack2", "glance"),
        ("stack2", "heat"),
        ("stack2", "nova"),
    ]


def test_another_password_is_refused_with_all_that_it_concerns() -> None:
    found = two().plan()
    assert len(found.errors) == 1
    assert found.errors[0] == (
        "West: nova [keystone_authtoken], neutron [placement] would not log in as nova any more: that user becomes one"
        " with East's, which says 401 Unauthorized Invalid username or password."
    )


def test_rename_keeps_apart_what_meets() -> None:
    found = two().plan("rename")
    assert found.errors == ()
    assert found.names == {"stack2": {"nova": "nova@stack2", "glance": "glance@stack2"}}
    assert found.overrides[1] == {
        "kind": "user",
        "domain": "Default",
        "name": "nova",
        "stack": "stack2",
        "action": "rename",
        "new_name": "nova@stack2",
    }
    assert {(one["user"], one["password"]) for one in found.logins if one["stack"] == "stack2"} == {
        ("nova@stack2", "w"),
        ("glance@stack2", "g"),
        ("heat", "h"),
    }


def test_a_login_that_does_not_work_now_keeps_nobody() -> None:
    cloud = two()
    cloud.users["stack2"]["nova"] = "changed since"
    found = cloud.plan()
    assert found.errors == ()
    assert found.stale == ("West: nova [keystone_authtoken], neutron [placement] cannot log in as nova now either",)
    assert ("stack2", "nova") not in {(one["stack"], one["user"]) for one in found.logins}


def test_a_stack_that_is_cut_over_is_as_it_is() -> None:
    assert two().plan(cut_over=("stack1", "stack2")) == service_users.Plan((), (), {}, (), ())


def test_an_interrupted_run_is_finished() -> None:
    """The Keystones are merged, the configuration has the old name still."""
    cloud = two()
    cloud.users["stack1"] = cloud.users["stack2"] = {"nova": "e", "glance": "g", "nova@stack2": "w", "heat": "h"}
    found = cloud.plan("rename", cut_over=("stack1", "stack2"))
    assert found.errors == ()
    assert found.names["stack2"]["nova"] == "nova@stack2"


def test_names_that_were_changed_stay() -> None:
    cloud = two()
    cloud.users["stack1"] = cloud.users["stack2"] = {"nova": "e", "glance": "g", "nova@stack2": "w"}
    cloud.found["stack2"] = [credential("nova@stack2", "w")]
    assert cloud.plan("rename", cut_over=("stack1", "stack2")).names == {}


def test_a_third_stack_meets_the_second_one() -> None:
    cloud = two("e")
    cloud.users["stack3"] = {"heat": "other", "nova": "e"}
    cloud.found["stack3"] = [credential("heat", "other"), credential("nova", "e")]
    assert [one.split(" would")[0] for one in cloud.plan().errors] == ["North: heat [keystone_authtoken]"]
    assert cloud.plan("rename").names["stack3"] == {"heat": "heat@stack3", "nova": "nova@stack3"}


def test_a_keystone_that_cannot_be_asked() -> None:
    answers: dict[str, Any] = {"stack1": {"logins": [], "error": "there is no keystone-manage"}}
    found = service_users.plan(["stack1"], REGIONS, {"stack1": []}, answers, "shared", ())
    assert found.errors == ("East: its Keystone cannot be asked who may log in: there is no keystone-manage",)


def test_changes_and_their_diff() -> None:
    wanted = service_users.changes(read(NOVA), {"nova": "nova@stack2"})
    assert [(one.section, one.before, one.after) for one in wanted] == [("keystone_authtoken", "nova", "nova@stack2")]
    assert service_users.diff(wanted) == [
        {
            "before_header": "/etc/nova/nova.conf",
            "after_header": "/etc/nova/nova.conf",
            "before": "[keystone_authtoken]\nusername = nova\n",
            "after": "[keystone_authtoken]\nusername = nova@stack2\n",
        }
    ]
