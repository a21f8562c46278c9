# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service users of two real Keystones: refused, or renamed by a real merge, followed by configuration, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for beside in ("keystone_merge", "keystone_cutover"):  # the servers
    sys.path.append(str(Path(__file__).resolve().parents[1] / beside))
from cutover_servers import play
from merge_servers import Keystone, MariaDB, keystone_venv

pytestmark = pytest.mark.integration

PLAY = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - ansible.builtin.include_role: {name: stretch.cluster.service_users}
      when: "'main' in entries"
    - ansible.builtin.copy:
        content: "{{ service_users_plan | to_json }}"
        dest: "{{ plan_file }}"
        mode: "0600"
      run_once: true
      changed_when: false
      no_log: true
      when: "'main' in entries and not ansible_check_mode"
    - ansible.builtin.include_role: {name: stretch.cluster.keystone_merge}
      vars:
        keystone_merge_service_overrides: "{{ service_users_plan.overrides }}"
        keystone_merge_logins: "{{ service_users_plan.logins }}"
      when: "'merge' in entries and stretch_stack == 'stack1'"
    - ansible.builtin.include_role: {name: stretch.cluster.service_users, tasks_from: follow}
      when: "'follow' in entries"
    - ansible.builtin.include_role: {name: stretch.cluster.service_users, tasks_from: back}
      when: "'back' in entries"
"""
STACKS = ("stack1", "stack2")
ADMIN = "secret of admin"
PASSWORDS = {"stack1": {"nova": "secret of one", "glance": "secret of all"},
             "stack2": {"nova": "secret of two", "glance": "secret of all", "heat": "secret of heat"}}  # fmt: skip
SECTION = """
[keystone_authtoken]
auth_url = http://10.0.0.5:5000
auth_type = password
username = {user}
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = region_{stack}
"""


def populate(keystone: Keystone, passwords: dict[str, str]) -> None:
    """Make service users as installers do."""
    with keystone.running() as api:
        admin = api.password("admin", ADMIN, "admin")
        assert admin is not None
        project = admin.make("project", name="service", domain_id="default")
        role = admin.do("GET", "/roles?name=admin")["roles"][0]["id"]
        for name, password in passwords.items():
            user = admin.make("user", name=name, password=password, domain_id="default")
            admin.do("PUT", f"/projects/{project}/users/{user}/roles/{role}")


class Regions:
    """Two regions on this machine: Keystones on one server, and the configuration of their services."""

    def __init__(self, directory: Path, server: MariaDB) -> None:
        """Make them."""
        self.directory = directory
        self.server = server
        self.runs = 0
        self.keystones = {}
        for stack in STACKS:
            found = Keystone(directory / stack / "keystone", server, stack)
            (directory / stack).mkdir()
            found.configure()
            server.query(f"CREATE DATABASE {stack}")
            if stack == "stack1":
                found.manage("db_sync")
                self.schema = server.dump(stack)
            else:
                server.query(f"DROP DATABASE {stack}")
                server.load(stack, self.schema)
            found.bootstrap(ADMIN, f"region_{stack}")
            populate(found, PASSWORDS[stack])
            self.keystones[stack] = found
            self.configure(stack)

    def configure(self, stack: str) -> None:
        """Write what an installer does; one login is of no use any more."""
        etc = self.directory / stack / "etc"
        of = PASSWORDS[stack]
        nova = SECTION.format(stack=stack, user="nova", password=of["nova"])
        nova += SECTION.replace("keystone_authtoken", "neutron").format(stack=stack, user="nova", password=of["nova"])
        # Its regions are as the role before the cutover leaves them.
        nova += "".join(f"[{one}]\nregion_name = region_{stack}\n" for one in ("glance", "keystone"))
        nova += f"[cinder]\nos_region_name = region_{stack}\n"
        texts = {"nova": nova, "glance": SECTION.format(stack=stack, user="glance", password=of["glance"])}
        if "heat" in of:
            texts["ironic"] = SECTION.format(stack=stack, user="heat", password=of["heat"])
            texts["placement"] = SECTION.format(stack=stack, user="cinder", password="secret of nobody")
        for service, text in texts.items():
            path = etc / service / f"{service}{'-api' if service == 'glance' else ''}.conf"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def text(self, stack: str, file: str) -> str:
        """What a file of a region's services says."""
        return (self.directory / stack / "etc" / file).read_text(encoding="utf-8")

    def cut_over(self) -> None:
        """Have both Keystones use the merged database."""
        for stack, keystone in self.keystones.items():
            keystone.config.write_text(keystone.config.read_text().replace(f"/{stack}?", "/merged?"))
            drop_in = keystone.directory / "keystone.conf.d/50-stretch.conf"
            drop_in.parent.mkdir()
            drop_in.touch()

    def host(self, stack: str) -> dict[str, Any]:
        here = self.directory / stack
        services = ("nova", "glance", "ironic", "placement")
        noted = ["sh", "-c", 'echo "$0" >> "$1"']
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "stretch_stack": stack,
            "stretch_index": STACKS.index(stack),
            "stretch_site": {
                "stack": stack,
                "region": f"region_{stack}",
                "controllers": [f"{stack}-c0"],
                "config_root": str(here),
                "keystone": {
                    "config_dir": str(here / "keystone"),
                    "container_config_dir": str(here / "keystone"),
                    "exec": ["env", f"PATH={keystone_venv() / 'bin'}:/usr/bin:/bin"],
                },
                "services": {
                    "directories": [str(here / "etc")],
                    "restart": {
                        name: [*noted, f"{stack} {name}", str(self.directory / "restarts")] for name in services
                    },
                },
            },
        }

    def play(self, entries: str, *arguments: str, **more: Any) -> tuple[int, str, int]:
        """Run entry points; gives the exit status, the output and how many tasks changed something."""
        self.runs += 1
        directory = self.directory / f"run{self.runs}"
        directory.mkdir()
        (directory / "play.yml").write_text(PLAY)
        source = {"login_unix_socket": self.server.socket, "login_user": "root"}
        extra = {
            "entries": entries.split(),
            "plan_file": str(self.directory / "plan.json"),
            "stretch_stacks": list(STACKS),
            "stretch_topology": {"stacks": [{"name": one, "region": f"region_{one}"} for one in STACKS]},
            "service_users_database": "merged",
            # Both regions are this machine.
            "__service_users_record": "{{ stretch_site.config_root }}/state/users.json",
            "__service_users_pending": "{{ stretch_site.config_root }}/state/regions",
            "__stretch_regions_pending": "{{ stretch_site.config_root }}/state/regions",
            "service_users_admin_socket": self.server.socket,
            "keystone_merge_sources": [{**source, "name": one, "database": one} for one in STACKS],
            "keystone_merge_target": {"login_host": "127.0.0.1", "login_port": self.server.port},
            "keystone_merge_admin_socket": self.server.socket,
            "keystone_merge_database": "merged",
            "keystone_merge_user": "merged",
            "keystone_merge_password": "secret of the target",
            "keystone_merge_exec": ["env", f"PATH={keystone_venv() / 'bin'}:/usr/bin:/bin"],
            "keystone_merge_config_file": str(self.keystones["stack1"].config),
            "keystone_merge_id_map": str(self.directory / "id-map.json"),
            "keystone_merge_report": "",
            **more,
        }
        hosts = {"all": {"hosts": {f"{stack}-c0": self.host(stack) for stack in STACKS}}}
        status, output, changed = play(directory, directory / "play.yml", hosts, extra, *arguments)
        assert "secret of" not in output
        return status, output, sum(changed.values())

    def plan(self) -> dict[str, Any]:
        """What was decided last."""
        found: dict[str, Any] = json.loads((self.directory / "plan.json").read_text(encoding="utf-8"))
        return found

    def restarts(self) -> list[str]:
        """What was restarted since the last time."""
        path = self.directory / "restarts"
        found = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    directory = tmp_path_factory.mktemp("users")
    with MariaDB(directory / "server").running() as server:
        yield Regions(directory, server)


def test_shared_refuses_before_anything_is_changed(regions: Regions) -> None:
    before = {stack: regions.server.sums(stack) for stack in STACKS}
    status, output, changed = regions.play("main merge follow")
    assert status != 0
    said = " ".join(output.split())
    assert "region_stack2: nova [keystone_authtoken], [neutron] would not log in as nova any more" in said
    assert "that user becomes one with region_stack1's, which says 401" in said
    assert "-e service_user_policy=rename" in said
    assert "glance would" not in said.replace("[keystone_authtoken]", "")
    assert changed == 0
    assert {stack: regions.server.sums(stack) for stack in STACKS} == before
    assert regions.server.query("SHOW DATABASES LIKE 'merged'") == []


def test_shared_is_content_with_one_password(regions: Regions) -> None:
    path = regions.directory / "stack2/etc/nova/nova.conf"
    kept = path.read_text(encoding="utf-8")
    path.write_text("[DEFAULT]\n", encoding="utf-8")
    try:
        status, output, changed = regions.play("main")
    finally:
        path.write_text(kept, encoding="utf-8")
    assert status == 0, output
    assert changed == 0
    found = regions.plan()
    assert found["overrides"] == []
    assert found["stale"] == ["region_stack2: placement [keystone_authtoken] cannot log in as cinder now either"]
    assert ("stack2", "heat") in {(one["stack"], one["user"]) for one in found["logins"]}


def test_rename_in_a_check(regions: Regions) -> None:
    status, output, changed = regions.play("main follow", "--check", service_users_policy="rename")
    assert status == 0, output
    assert changed == 1  # the configuration of stack2, by a plan
    assert "+username = nova@stack2" in output
    assert "username = nova\n" in regions.text("stack2", "nova/nova.conf")
    assert regions.restarts() == []


def test_rename_through_a_merge(regions: Regions) -> None:
    status, output, _changed = regions.play("main merge", service_users_policy="rename")
    assert status == 0, output
    assert "nova@stack2 of stack2" in output  # who logged in on the merged database
    names = {name for (name,) in regions.server.query("SELECT name FROM merged.local_user")}
    assert {"nova", "nova@stack2", "glance", "glance@stack2", "heat"} <= names
    assert "heat@stack2" not in names
    ids = "SELECT user_id FROM %s.local_user WHERE name = '%s'"
    assert regions.server.query(ids % ("merged", "nova@stack2")) == regions.server.query(ids % ("stack2", "nova"))

    regions.cut_over()
    status, output, _changed = regions.play("main follow", service_users_policy="rename")
    assert status == 0, output
    nova = regions.text("stack2", "nova/nova.conf")
    assert nova.count("username = nova@stack2\n") == 2
    assert "username = glance@stack2\n" in regions.text("stack2", "glance/glance-api.conf")
    assert "username = heat\n" in regions.text("stack2", "ironic/ironic.conf")
    assert "@" not in regions.text("stack1", "nova/nova.conf")
    assert regions.restarts() == ["stack2 glance", "stack2 nova"]
    with regions.keystones["stack2"].running() as api:
        assert api.password("nova@stack2", PASSWORDS["stack2"]["nova"], "service") is not None
        assert api.password("nova", PASSWORDS["stack1"]["nova"], "service") is not None


def test_a_second_run_changes_nothing(regions: Regions) -> None:
    status, output, changed = regions.play("main follow", service_users_policy="rename")
    assert status == 0, output
    assert changed == 0
    assert regions.restarts() == []


def test_an_interrupted_run_is_finished(regions: Regions) -> None:
    path = regions.directory / "stack2/etc/nova/nova.conf"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace("username = nova@stack2", "username = nova", 1), encoding="utf-8")
    status, output, _changed = regions.play("main follow", service_users_policy="rename")
    assert status == 0, output
    assert path.read_text(encoding="utf-8") == whole
    assert regions.restarts() == ["stack2 nova"]


def test_rename_where_all_share_renames_nobody(regions: Regions) -> None:
    """A policy that comes after the cutover: nobody has the new name, so that no configuration follows."""
    regions.server.query("UPDATE merged.local_user SET name = 'away' WHERE name = 'nova@stack2'")
    path = regions.directory / "stack2/etc/nova/nova.conf"
    whole = path.read_text(encoding="utf-8")
    old = whole.replace("nova@stack2", "nova")
    path.write_text(old, encoding="utf-8")
    try:
        status, output, _changed = regions.play("main follow", service_users_policy="rename")
        assert status == 0, output
        assert path.read_text(encoding="utf-8") == old
    finally:
        path.write_text(whole, encoding="utf-8")
        regions.server.query("UPDATE merged.local_user SET name = 'nova@stack2' WHERE name = 'away'")


def test_the_way_back(regions: Regions) -> None:
    status, output, changed = regions.play("back", "--check")
    assert status == 0, output
    assert changed == 1
    assert regions.restarts() == []
    status, output, _changed = regions.play("back")
    assert status == 0, output
    assert regions.text("stack2", "nova/nova.conf").count("username = nova\n") == 2
    assert regions.restarts() == ["stack2 glance", "stack2 nova"]
    status, output, changed = regions.play("back")
    assert (status, changed) == (0, 0), output
