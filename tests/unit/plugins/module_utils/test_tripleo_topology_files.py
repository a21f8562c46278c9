# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor's share of a topology."""

from __future__ import annotations

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import topology_files
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError
from tripleo_harness import topology


def test_the_seeds_ten_machines_and_five_networks() -> None:
    share = topology_files.hypervisor(topology(arbiter=0))
    assert [machine.name for machine in share.machines] == [
        f"s{n}{name}"
        for n in (1, 2)
        for name in ("undercloud-0", "controller-0", "controller-1", "controller-2", "compute-0")
    ]
    assert {one.name: (one.address, one.forward) for one in share.networks} == {
        "s1provisioning": ("192.168.24.254", None),
        "s1external": ("192.168.22.1", "nat"),
        "s2provisioning": ("192.168.25.254", None),
        "s2external": ("192.168.23.1", "nat"),
        "stretch": ("172.16.0.1", "nat"),
    }
    sizes = {
        machine.role: (machine.vcpus, machine.memory_mib, machine.disk_gib, machine.image) for machine in share.machines
    }
    assert sizes == {
        "undercloud": (4, 16384, 50, True),
        "controller": (8, 16384, 40, False),
        "compute": (4, 6144, 30, False),
    }
    assert topology_files.memory_needed(share) == 2 * (4 * 16384 + 6144) + topology_files.MEMORY_HOST


def test_sizes_that_the_topology_gives() -> None:
    described = topology()
    described["sizes"] = {"controller": {"memory_mib": 8192}, "arbiter": {"vcpus": 2, "memory_mib": 512, "disk_gib": 4}}
    sizes = {
        machine.role: (machine.vcpus, machine.memory_mib, machine.disk_gib)
        for machine in topology_files.hypervisor(described).machines
    }
    assert sizes["controller"] == (8, 8192, 40)
    assert sizes["arbiter"] == (2, 512, 4)
    assert sizes["compute"] == (4, 6144, 30)


def test_a_node_of_which_nothing_is_left() -> None:
    described = topology()
    described["sizes"] = {"compute": {"vcpus": 1, "memory_mib": 2048, "disk_gib": 4}}
    with pytest.raises(
        TripleoError, match=r"sizes\.compute\.vcpus is 1, .* sizes\.compute\.memory_mib is 2048, of which"
    ):
        topology_files.hypervisor(described)


def test_an_arbiter_is_reached_over_the_stretch_network_alone() -> None:
    arbiter = topology_files.hypervisor(topology()).machines[-1]
    assert (arbiter.name, arbiter.networks, arbiter.access, arbiter.image) == (
        "arbiter-0",
        ("stretch",),
        "stretch",
        True,
    )


def test_leases_are_behind_the_addresses_of_nodes() -> None:
    dhcp = topology_files.hypervisor(topology()).networks[-1].dhcp
    assert dhcp is not None
    assert (dhcp.start, dhcp.end) == ("172.16.0.13", "172.16.0.254")
    assert dhcp.hosts == {"s1undercloud-0": "172.16.0.11", "s2undercloud-0": "172.16.0.12", "arbiter-0": "172.16.0.5"}


def test_infrareds_files() -> None:
    files = topology_files.infrared_files(topology_files.hypervisor(topology()))
    kinds = ["s1undercloud", "s1controller", "s1compute", "s2undercloud", "s2controller", "s2compute", "arbiter"]
    assert sorted(files) == sorted(["network/stretch_nets.yml", *(f"nodes/{kind}.yml" for kind in kinds)])
    networks = files["network/stretch_nets.yml"]
    assert networks["networks"]["net2"] == {
        "name": "s1external",
        "external_connectivity": True,
        "ip_address": "192.168.22.1",
        "netmask": "255.255.255.0",
        "forward": "nat",
        "dhcp": {
            "range": {"start": "192.168.22.10", "end": "192.168.22.50"},
            "subnet_cidr": "192.168.22.0/24",
            "subnet_gateway": "192.168.22.1",
        },
    }
    assert networks["nodes"]["s2undercloud"] == {
        "interfaces": [{"network": "s2provisioning"}, {"network": "s2external"}, {"network": "stretch"}],
        "external_network": {"network": "s2external"},
    }
    controller = files["nodes/s1controller.yml"]
    assert (controller["deploy_os"], controller["memory"], controller["groups"]) == (
        False,
        "16384",
        ["controller", "openstack_nodes", "overcloud_nodes"],
    )


@pytest.mark.parametrize(
    ("stacks", "external", "message"),
    [
        ("stack1,stack2,stack3", topology_files.EXTERNAL, "s1provisioning .* and s3external .* overlap"),
        ("stack1", "192.168.22.0/28", "is too small"),
        ("stack1", "somewhere", "give a network in CIDR notation"),
        ("stack1", "192.168.22.1/24", "give a network in CIDR notation"),
        ("stack1", "10.0.20.0/24", "overlap"),
    ],
)
def test_networks_that_do_not_fit(stacks: str, external: str, message: str) -> None:
    with pytest.raises(TripleoError, match=message):
        topology_files.hypervisor(topology(stacks), external)


def test_a_third_stack_with_an_external_network_of_its_own() -> None:
    share = topology_files.hypervisor(topology("stack1,stack2,stack3"), "172.20.0.0/24")
    assert [one.address for one in share.networks if one.name.endswith("external")] == [
        "172.20.0.1",
        "172.20.1.1",
        "172.20.2.1",
    ]


def test_a_bridge_has_fifteen_characters() -> None:
    described = topology()
    described["networks"]["stretch"]["name"] = "n" * 16
    with pytest.raises(TripleoError, match="16 characters"):
        topology_files.hypervisor(described)


def test_no_room_for_leases() -> None:
    described = topology()
    described["networks"]["stretch"].update(cidr="172.16.0.0/28", prefixlen=28)
    with pytest.raises(TripleoError, match="no room for leases"):
        topology_files.hypervisor(described)
