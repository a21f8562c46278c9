# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook's way from two Keystones to one: merge, last difference, mark, switch. The tests follow each other."""

from __future__ import annotations

import grp
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cutover_servers import REPOSITORIES, ROOT, Memcached, Region, key, key_hash, play
from merge_servers import Api, MariaDB, user

pytestmark = pytest.mark.integration

PASSWORD = "secret of the merged database".replace(" ", "")
# Root has to say whose the keys are.
OWNER = ("--keystone-user", user(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name)
STEPS = ("setup_keystone_db", "setup_openstack_services")


@dataclass
class Made:
    """What was made in a region before the merge."""

    admin: Api
    token: str = ""
    credential: str = ""
    ids: dict[str, str] = field(default_factory=dict)


def populate(region: Region) -> Made:
    """A service user, a user of the region with a token, and a credential."""
    made = Made(region.bootstrap())
    api, name = made.admin, region.name
    roles = {role["name"]: role["id"] for role in api.do("GET", "/roles")["roles"]}
    for who, project in (("nova", "service"), (f"{name}-alice", f"{name}-web")):
        made.ids[project] = api.make("project", name=project, domain_id="default")
        made.ids[who] = api.make("user", name=who, password=f"secret of {who}", domain_id="default")
        api.do("PUT", f"/projects/{made.ids[project]}/users/{made.ids[who]}/roles/{roles['member']}")
    alice = region.api.password(f"{name}-alice", f"secret of {name}-alice", f"{name}-web")
    assert alice is not None
    made.token = str(alice.token)
    made.credential = api.make("credential", type="cert", user_id=made.ids[f"{name}-alice"], blob=f"blob of {name}")
    return made


@pytest.fixture(scope="module")
def made(regions: dict[str, Region]) -> dict[str, Made]:
    return {name: populate(region) for name, region in regions.items()}


@dataclass
class Site:
    """What the playbook is told."""

    directory: Path
    regions: dict[str, Region]
    stretched: MariaDB
    memcached: Memcached
    secrets: dict[str, str]
    runs: int = 0

    def inventory(self) -> dict[str, Any]:
        """Every region has one controller, which is this machine."""
        stacks, nodes, hosts = [], [], {}
        for number, (name, region) in enumerate(self.regions.items(), 1):
            controller = f"s{number}controller-0"
            stacks.append({"name": name, "number": number, "prefix": f"s{number}", "region": f"region_{name}"})
            nodes.append(
                {
                    "name": controller, "stack": name, "role": "controller", "index": 0,
                    "addresses": {"internal_api": f"127.0.0.{number}"},
                }
            )  # fmt: skip
            hosts[controller] = {
                "stretch_stack": name, "stretch_region": f"region_{name}", "stretch_index": 0,
                "stretch_addresses": {"internal_api": "127.0.0.1"},
                "this_site": {
                    "stack": name, "region": f"region_{name}", "controllers": [controller], "address": "127.0.0.1",
                    "vips": {"internal_api": "127.0.0.1", "stretch_galera": "127.0.0.1"},
                    "config_root": "/nowhere", "kolla_root": "/nowhere",
                    "galera": {"user": "x", "plugin_dir": "/x"},
                    "containers": {"cli": "podman", "options": [], "galera_image": "x", "pacemaker_remoted": "/x"},
                    "firewall": {"backend": "none"},
                    "haproxy": {"config_file": str(region.haproxy), "reload": ["true"], "resource": "x"},
                    "keystone": {
                        "config_dir": str(region.host), "config_source": str(region.host),
                        "container_config_dir": str(region.running), "exec": region.exec,
                        "restart": [str(region.directory / "restart")], "url": f"{region.url}/v3",
                        "memcached": f"127.0.0.1:{self.memcached.server_address[1]}",
                        "logins": [
                            {"user": "nova", "project": "service", "secret": "nova"},
                            {"user": f"{name}-alice", "project": f"{name}-web", "secret": f"{name}_alice"},
                        ],
                    },
                },
            }  # fmt: skip
        shared = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "stretch_topology": {"stacks": stacks, "nodes": nodes},
            "stretch_stacks": list(self.regions),
            "stretch_state_dir": str(self.directory / "state"),
        }
        return {
            "all": {"hosts": {"localhost": {"stretch_secrets": self.secrets}}, "vars": shared},
            "controller": {"hosts": hosts},
        }

    def play(self, *arguments: str, steps: tuple[str, ...] = STEPS) -> tuple[int, str, int]:
        """Run the steps; gives the exit status, the output and how many tasks changed something."""
        first = next(iter(self.regions.values()))
        extra = {
            "stretch_site": "{{ this_site }}",
            "keystone_merge_target": {
                "login_host": "127.0.0.1", "login_port": self.stretched.port,
                "ca_cert": str(first.host / "stretch-ca.pem"),
            },
            "keystone_merge_exec_ca_cert": str(first.host / "stretch-ca.pem"),
            "keystone_merge_admin_socket": self.stretched.socket,
            "keystone_merge_config_file": str(first.running / "keystone.conf"),
            "keystone_merge_id_map": str(self.directory / "kept/id-map.json"),
            "stretch_owners_id_map": str(self.directory / "kept/id-map.json"),
            "keystone_merge_report": str(self.directory / "kept/merge-report.html"),
            "cutover_admin_socket": self.stretched.socket,
            "cutover_database_port": self.stretched.port,
            "__cutover_markers": f"{self.directory}/of-{{{{ inventory_hostname }}}}",
        }  # fmt: skip
        self.runs += 1
        directory = self.directory / f"run{self.runs}"
        status, output, changed = play(
            directory, ROOT / "playbooks/stretch.yml", self.inventory(), extra, "--tags", ",".join(steps), *arguments
        )
        for secret in (
            PASSWORD,
            *self.secrets.values(),
            *(one for region in self.regions.values() for one in keys_of(region)),
        ):
            assert secret not in output
        return status, output, sum(changed.values())

    def cut_over(self) -> dict[str, Any]:
        """Return when each stack was cut over, as the state says."""
        return dict(self.stretched.query("SELECT name, cut_over_at FROM stretch_merge.source"))

    @property
    def switched(self) -> list[str]:
        """Return the stacks whose Keystone has the merged database in its configuration."""
        return [name for name, one in self.regions.items() if (one.host / "keystone.conf.d/50-stretch.conf").exists()]


def flat(output: str) -> str:
    """The output without its lines, which end at 80 columns."""
    return " ".join(output.split())


def keys_of(region: Region) -> set[str]:
    return {one for repository in REPOSITORIES for one in region.keys(repository).values()}


@pytest.fixture(scope="module")
def site(
    directory: Path, regions: dict[str, Region], stretched: MariaDB, memcached: Memcached, made: dict[str, Made]
) -> Site:
    secrets = {
        "keystone_db": PASSWORD, "nova": "secret of nova", "stack1_alice": "secret of stack1-alice",
        "stack2_alice": "secret of stack2-alice",
    }  # fmt: skip
    (directory / "state").mkdir()
    return Site(directory, regions, stretched, memcached, secrets)


Play = Callable[..., tuple[int, str, int]]


def test_one_who_cannot_log_in_stops_it_before_anything_is_switched(site: Site) -> None:
    """A stack's service with a password that the merged database does not know is found before it is locked out."""
    site.secrets["stack2_alice"] = "secret that is wrong"
    status, output, _changed = site.play()
    assert status != 0
    assert "stack2-alice of stack2 cannot log in on the merged database: 401" in flat(output)
    assert "nova of" not in output.split("cannot log in")[1]
    assert set(site.cut_over().values()) == {None}
    assert site.switched == []
    site.secrets["stack2_alice"] = "secret of stack2-alice"


def test_the_merge_alone_switches_nothing(site: Site, made: dict[str, Made]) -> None:
    status, output, _changed = site.play(steps=("setup_keystone_db",))
    assert status == 0, output
    assert "Logged in on the merged database: nova of stack1, stack1-alice of stack1, nova of stack2" in flat(output)
    assert site.cut_over() == {"stack1": None, "stack2": None}
    assert site.switched == []
    assert (site.directory / "kept/id-map.json").stat().st_mode & 0o777 == 0o600
    assert (site.directory / "kept").stat().st_mode & 0o777 == 0o700
    kinds = {
        (entry["kind"], entry["old"])
        for entry in json.loads((site.directory / "kept/id-map.json").read_text())["changed"]
    }
    assert ("user", made["stack2"].ids["nova"]) in kinds
    assert "</html>" in (site.directory / "state/merge-report.html").read_text()


def test_what_meets_later_stops_the_cutover(site: Site, made: dict[str, Made]) -> None:
    ids = {name: found.admin.make("project", name="later", domain_id="default") for name, found in made.items()}
    status, output, _changed = site.play(steps=("setup_openstack_services",))
    assert status != 0
    said = [line.strip() for line in output.splitlines()]
    where = next(
        number for number, line in enumerate(said) if "project later in domain Default is not the same in" in line
    )
    assert all(one in said[where] for one in ids.values())
    assert said[where + 1] == '- {kind: "project", domain: "Default", name: "later", stack: "stack2", action: rename}'
    assert set(site.cut_over().values()) == {None}
    assert site.switched == []
    assert made["stack2"].admin.call("DELETE", f"/projects/{ids['stack2']}")[0] == 204


def test_the_cutover(site: Site, made: dict[str, Made], memcached: Memcached) -> None:
    later = made["stack2"].admin.make("project", name="last", domain_id="default")
    staged, flushed = site.regions["stack1"].keys("fernet-keys")[0], memcached.flushed
    status, output, _changed = site.play(steps=("setup_openstack_services",))
    assert status == 0, output
    assert re.search(r"[1-9]\d* rows of stack1 and stack2 added", flat(output))
    assert all(site.cut_over().values())
    assert site.switched == ["stack1", "stack2"]
    assert memcached.flushed > flushed
    # The first stack's rotation goes on; each region's own keys are still there.
    for region in site.regions.values():
        for repository in REPOSITORIES:
            assert region.keys(repository) == region.keys(repository, running=True)
            assert region.keys(repository) == site.regions["stack1"].keys(repository)
        assert region.keys("fernet-keys")[0] == staged
        assert len(region.keys("fernet-keys")) == 5
        assert len(region.keys("credential-keys")) == 2
        text = (region.host / "keystone.conf.d/50-stretch.conf").read_text()
        assert "max_active_keys = 8" in text
    for region in site.regions.values():
        admin = region.as_admin(site.regions["stack1"].admin)
        assert admin.do("GET", f"/projects/{later}")["project"]["name"] == "last"
        for name, found in made.items():
            alice = f"{name}-alice"
            assert region.api.password(alice, f"secret of {alice}", f"{name}-web") is not None
            # A token and a credential from before; the second stack's was encrypted with the null key.
            answer = admin.do("GET", "/auth/tokens", X_Subject_Token=found.token)
            assert answer["token"]["user"]["id"] == found.ids[alice]
            assert admin.do("GET", f"/credentials/{found.credential}")["credential"]["blob"] == f"blob of {name}"
    primary = site.regions["stack1"].keys("credential-keys")[1]
    assert site.stretched.query("SELECT DISTINCT key_hash FROM keystone.credential") == [(key_hash(primary),)]
    assert site.stretched.query("SELECT ssl_type FROM mysql.user WHERE User = 'keystone'") == [("ANY",)]


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["run", "check"])
def test_again(site: Site, arguments: tuple[str, ...]) -> None:
    before = site.cut_over()
    report = (site.directory / "kept/merge-report.html").read_text()
    status, output, changed = site.play(*arguments)
    assert (status, changed) == (0, 0), output
    assert "Nothing to do" in output
    assert site.cut_over() == before
    assert (site.directory / "kept/merge-report.html").read_text() == report


def test_what_a_region_s_own_database_holds_later_is_left_there(site: Site, own: MariaDB) -> None:
    own.query('UPDATE user SET extra = \'{"email": "x"}\'', database="stack2")
    before = site.stretched.content("keystone")
    status, output, changed = site.play()
    assert (status, changed) == (0, 0), output
    assert site.stretched.content("keystone") == before


def test_a_rotation_is_handed_on_and_what_it_purged_stays_away(site: Site, made: dict[str, Made]) -> None:
    first = site.regions["stack1"]
    before = first.keys("fernet-keys")
    rotate(site, "fernet", "fernet_tokens", "max_active_keys = 3")
    rotated = first.keys("fernet-keys")
    assert rotated[max(rotated)] == before[0]
    assert len(rotated) == 3
    status, output, _changed = site.play(steps=("setup_openstack_services",))
    assert status == 0, output
    for region in site.regions.values():
        assert region.keys("fernet-keys") == region.keys("fernet-keys", running=True) == rotated
        assert region.api.password("stack2-alice", "secret of stack2-alice") is not None
    status, output, changed = site.play(steps=("setup_openstack_services",))
    assert (status, changed) == (0, 0), output


def rotate(site: Site, kind: str, section: str, more: str = "") -> None:
    """Rotate keys as an operator does, on the host of the first controller of the first stack."""
    first = site.regions["stack1"]
    path = site.directory / "rotate.conf"
    path.write_text(f"[{section}]\nkey_repository = {first.host / kind}-keys\n{more}\n")
    files = (first.running / "keystone.conf", first.running / "keystone.conf.d/50-stretch.conf", path)
    named = [argument for file in files for argument in ("--config-file", str(file))]
    first.manage(*named, f"{kind}_rotate", *OWNER)


def test_credential_keys_rotate(site: Site, made: dict[str, Made]) -> None:
    """Keystone rotates only where all credentials have the primary key; the next run hands on and encrypts anew."""
    first = site.regions["stack1"]
    rotate(site, "credential", "credential")
    status, output, changed = site.play(steps=("setup_openstack_services",))
    assert status == 0, output
    assert changed > 0
    keys = first.keys("credential-keys")
    assert site.stretched.query("SELECT DISTINCT key_hash FROM keystone.credential") == [(key_hash(keys[max(keys)]),)]
    for region in site.regions.values():
        assert region.keys("credential-keys", running=True) == keys
        admin = region.as_admin(first.admin)
        for name, found in made.items():
            assert admin.do("GET", f"/credentials/{found.credential}")["credential"]["blob"] == f"blob of {name}"
    assert site.play(steps=("setup_openstack_services",))[2] == 0


def test_a_credential_that_nobody_can_read(site: Site, made: dict[str, Made]) -> None:
    site.stretched.query(
        "INSERT INTO keystone.credential (id, user_id, project_id, encrypted_blob, type, extra, key_hash) "
        "SELECT 'lost', user_id, project_id, encrypted_blob, type, extra, %s FROM keystone.credential LIMIT 1",
        (key_hash(key()),),
    )
    status, output, changed = site.play(steps=("setup_openstack_services",))
    assert (status, changed) == (0, 0), output
    assert "1 credentials are encrypted with a key that no Keystone has" in flat(output)
    site.stretched.query("DELETE FROM keystone.credential WHERE id = 'lost'")


def test_one_key_for_tokens_and_credentials_is_refused(site: Site) -> None:
    region = site.regions["stack2"]
    keys = region.keys("credential-keys")
    path = region.host / "credential-keys/0"
    path.write_text(region.keys("fernet-keys")[0])
    status, output, changed = site.play(steps=("setup_openstack_services",))
    assert status != 0
    assert "A Fernet key is a credential key too" in flat(output)
    assert changed == 0
    path.write_text(keys[0])
