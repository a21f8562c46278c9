# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infrared's command lines and inventories."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import infrared, topology_files
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError
from tripleo_harness import release, topology

SETTINGS = infrared.Settings(
    "127.0.0.2", "root", "/k", "/pool", "http://i.example/c.qcow2", ("192.0.2.1",), "ntp.example"
)
SHARE = topology_files.hypervisor(topology())
PROVISIONED = """
hypervisor ansible_host=127.0.0.2 ansible_user=root ansible_ssh_private_key_file=/k
s1undercloud-0 ansible_host=192.168.22.17 ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p root@h"'
s2undercloud-0 ansible_host=192.168.23.18 ansible_user=cloud-user
s1controller-0 ansible_host=NA

[hypervisor]
hypervisor
"""


def value(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_environment_configures_no_ansible_but_its_own() -> None:
    inherited = {"ANSIBLE_CONFIG": "/mine", "ANSIBLE_STDOUT_CALLBACK": "yaml", "IR_VERBOSE": "1", "PATH": "/bin"}
    assert infrared.environment("/co", inherited) == {
        "PATH": "/bin",
        "IR_HOME": "/co",
        "IR_WORKSPACE": "stack",
        "ANSIBLE_CONFIG": "/co/ansible.cfg",
    }


def test_networks_first_then_machines() -> None:
    first, second = infrared.networks_argv("/co", SHARE, SETTINGS), infrared.machines_argv("/co", SHARE, SETTINGS)
    for argv in (first, second):
        assert argv[:2] == ["/co/.venv/bin/infrared", "virsh"]
        assert value(argv, "--image-url") == "http://i.example/c.qcow2"  # its default is inside one company
        assert "--cleanup" not in argv
    assert value(first, "--ansible-args") == "skip-tags=vms"
    assert value(first, "--topology-nodes").startswith("s1undercloud:0,s1controller:0")
    assert value(second, "--topology-nodes") == (
        "s1undercloud:1,s1controller:3,s1compute:1,s2undercloud:1,s2controller:3,s2compute:1,arbiter:1"
    )
    assert value(second, "--topology-extend") == "yes"


def test_the_second_stacks_undercloud_gets_its_own_network() -> None:
    argv = infrared.undercloud_argv("/co", "/inv", topology()["stacks"][1], release("train"), SETTINGS, "file:///i")
    options = dict(argv[n + 1].split("=", 1) for n, word in enumerate(argv) if word == "--config-options")
    assert options["DEFAULT.local_ip"] == "192.168.25.1/24"
    assert options["ctlplane-subnet.cidr"] == "192.168.25.0/24"
    assert {name.split(".")[0] for name in options} == {"DEFAULT", "ctlplane-subnet"}
    assert (value(argv, "--version"), value(argv, "--ntp-server")) == ("train", "ntp.example")


def test_setup_adds_what_is_missing_at_once_and_first() -> None:
    both = infrared.setup_commands("/co", "", workspace=False)
    assert [argv[1:] for argv in both] == [
        ["plugin", "add", "plugins/virsh", "plugins/tripleo-undercloud"],
        ["workspace", "create", "stack"],
    ]
    one = infrared.setup_commands("/co", "[provision]\nvirsh = plugins/virsh\n", workspace=True)
    assert [argv[1:] for argv in one] == [["plugin", "add", "plugins/tripleo-undercloud"]]
    known = "[provision]\nvirsh = x\n[install]\ntripleo-undercloud = y\n"
    assert infrared.setup_commands("/co", known, workspace=True) == []
    with pytest.raises(TripleoError, match="damaged"):
        infrared.setup_commands("/co", "virsh", workspace=True)


def test_hosts_of_an_inventory() -> None:
    found = infrared.hosts(PROVISIONED)
    assert sorted(found) == ["hypervisor", "s1undercloud-0", "s2undercloud-0"]
    assert found["s1undercloud-0"]["ansible_ssh_common_args"] == '-o ProxyCommand="ssh -W %h:%p root@h"'


def test_a_stacks_inventory_has_its_own_hosts_alone_and_can_be_read_again() -> None:
    text = infrared.stack_inventory(infrared.hosts(PROVISIONED), SHARE, "stack1")
    assert "s2" not in text
    assert infrared.hosts(text)["s1undercloud-0"] == infrared.hosts(PROVISIONED)["s1undercloud-0"]
    assert "s1controller-2 ansible_host=NA" in text
    assert "[overcloud_nodes]\ns1controller-0\ns1controller-1\ns1controller-2\ns1compute-0\n" in text


def test_an_undercloud_that_is_not_there() -> None:
    with pytest.raises(TripleoError, match="s2undercloud-0 is not known: run with --tags rebuild_vms"):
        infrared.stack_inventory({}, SHARE, "stack2")


def test_hosts_of_another_backend_are_at_their_reserved_addresses() -> None:
    found = infrared.own_hosts(SHARE, SETTINGS, "centos")
    assert {name: one["ansible_host"] for name, one in found.items()} == {
        "hypervisor": "127.0.0.2",
        "s1undercloud-0": "192.168.22.10",
        "s2undercloud-0": "192.168.23.10",
        "arbiter-0": "172.16.0.5",
    }
    arguments = shlex.split(found["arbiter-0"]["ansible_ssh_common_args"])
    assert arguments[0] == "-o"
    assert arguments[1].startswith(f"ProxyCommand=ssh -i '{SETTINGS.key}' ")
    assert arguments[1].endswith(" -W %h:%p root@127.0.0.2")
    assert infrared.hosts(infrared.stack_inventory(found, SHARE, "stack1"))["s1undercloud-0"] == found["s1undercloud-0"]
