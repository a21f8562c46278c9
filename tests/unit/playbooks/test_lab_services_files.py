# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, containers and catalog of the role lab_services, by node and by choice of services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles/lab_services"
TOPOLOGY = yaml.safe_load((ROOT / "tests/unit/fixtures/topology_two.yml").read_text(encoding="utf-8"))
NODES = {node["name"]: node for node in TOPOLOGY["nodes"]}
ALL = ["glance", "placement", "neutron", "nova"]
CHOSEN = {"s2controller-0": ALL, "s2controller-1": ALL, "s2compute-0": ALL, "s1controller-0": ["glance"]}
PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  vars_files: [{role}/vars/main.yml]
  vars:
    made: >-
      {{{{ {{'files': __lab_services_files, 'containers': __lab_services_containers, 'catalog': __lab_services_catalog,
            'haproxy': lookup('ansible.builtin.template', 'haproxy.cfg.j2')}} | to_json }}}}
  tasks:
    - ansible.builtin.copy: {{dest: "{{{{ inventory_hostname }}}}.json", mode: "0600", content: "{{{{ made }}}}"}}
      when: stretch_role == 'controller'
    - ansible.builtin.copy: {{dest: "{{{{ inventory_hostname }}}}-late.json", mode: "0600", content: "{{{{ made }}}}"}}
      vars:
        __lab_services_programs: "{{{{ __lab_services_late_programs }}}}"
"""
Made = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What the role makes for each node; with -late, what it starts when Keystone knows the services."""
    directory = tmp_path_factory.mktemp("lab_services")
    (directory / "templates").symlink_to(ROLE / "templates")
    (directory / "play.yml").write_text(PLAY.format(role=ROLE))
    secrets = {"admin", *(f"service_{name}" for name in ALL)}
    secrets |= {f"stack{number}_{name}" for number in (1, 2) for name in ("rabbitmq", "services_db", "tenant")}
    hosts = {
        name: {
            "ansible_python_interpreter": sys.executable,
            "stretch_topology": TOPOLOGY,
            "stretch_stack": NODES[name]["stack"],
            "stretch_region": f"region_{NODES[name]['stack']}",
            "stretch_role": NODES[name]["role"],
            "stretch_addresses": NODES[name]["addresses"],
            "stretch_lab_services": services,
            "stretch_secrets": {secret: f"secret-{secret}" for secret in secrets},
            "lab_services_image": "image",
            "lab_services_container_options": ["--privileged"],
            "__lab_services_config": {"digest": "0"},
        }
        for name, services in CHOSEN.items()
    }
    (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", "play.yml"],
        cwd=directory,
        env={**clean, "LC_ALL": "C.UTF-8", "HOME": str(directory), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: json.loads(path.read_text()) for path in directory.glob("s*.json")}


def options(case: dict[str, Any], end: str) -> dict[str, dict[str, Any]]:
    """The options of the one file whose path ends so."""
    (found,) = [file["options"] for file in case["files"] if file["path"].endswith(end)]
    result: dict[str, dict[str, Any]] = found
    return result


@pytest.mark.parametrize(
    ("case", "programs"),
    [
        ("s2controller-0", ["glance_api", "placement_api", "neutron_api", "nova_api", "rabbitmq"]),
        ("s2controller-0-late", ["nova_conductor", "nova_scheduler"]),
        ("s2controller-1", ["glance_api", "placement_api", "neutron_api", "nova_api"]),
        ("s2compute-0-late", ["nova_compute"]),
        ("s1controller-0", ["glance_api"]),
    ],
)
def test_what_runs_where(made: Made, case: str, programs: list[str]) -> None:
    assert [container["name"] for container in made[case]["containers"]] == programs
    paths = [file["path"] for file in made[case]["files"]]
    assert len(paths) == len(set(paths))
    assert {f"/var/lib/kolla/config_files/{program}.json" for program in programs} <= set(paths)


def test_no_region_is_written_and_no_secret_is_readable(made: Made) -> None:
    """A region that this role wrote would hide that stretch_regions did not."""
    for case in made.values():
        for file in case["files"]:
            text = json.dumps(file.get("options", file.get("content")))
            assert "region" not in text
            assert "secret-" not in text or (file["mode"], file["sensitive"]) == ("0600", True)
    assert "secret-" not in json.dumps([case["containers"] for case in made.values()])


def test_a_compute_service_cannot_reach_a_database(made: Made) -> None:
    assert {"database", "api_database"} <= set(options(made["s2controller-0"], "/nova.conf"))
    assert not {"database", "api_database"} & set(options(made["s2compute-0-late"], "/nova.conf"))


def test_options_have_the_stacks_own_addresses(made: Made) -> None:
    found = options(made["s2controller-1"], "/nova.conf")
    assert (
        found["database"]["connection"] == "mysql+pymysql://nova:secret-stack2_services_db@10.1.20.5/nova?charset=utf8"
    )
    assert found["DEFAULT"]["transport_url"] == "rabbit://openstack:secret-stack2_rabbitmq@10.1.20.11:5672/"
    assert found["placement"]["password"] == "secret-service_placement"
    assert found["keystone_authtoken"]["www_authenticate_uri"] == "http://10.1.20.5:5000"


def test_catalog_and_haproxy(made: Made) -> None:
    image, *_others, compute = made["s2controller-0"]["catalog"]
    assert image == {"name": "glance", "type": "image", "url": "http://10.1.20.5:9292", "region": "region_stack2"}
    assert compute["url"] == "http://10.1.20.5:8774/v2.1"
    assert made["s1controller-0"]["haproxy"].count("listen ") == 1
    lines = made["s2controller-0"]["haproxy"].splitlines()
    assert [line.split()[1] for line in lines if line.startswith("listen ")] == ALL
    # An image lies on one controller.
    assert sum(" backup " in line for line in lines) == 2
