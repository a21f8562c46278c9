# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor has to do for a deployment, and what it refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import libvirt_plan, libvirt_xml
from ansible_collections.stretch.cluster.plugins.module_utils.libvirt_plan import Found, FoundMachine, FoundNetwork
from ansible_collections.stretch.cluster.plugins.module_utils.libvirt_xml import Interface, Machine, Network

OURS = "/home/me/.stretch"
IMAGE = "/images/cloud.qcow2"
PROVISIONING = Network("s1provisioning", "192.168.24.254", 24)
STRETCH = Network("stretch", "172.16.0.1", 24, forward="nat")


def machine(name: str, *networks: str, cdroms: tuple[str, ...] = ()) -> Machine:
    interfaces = tuple(Interface(network, libvirt_xml.mac_address(OURS, name, network)) for network in networks)
    return Machine(name, 4, 2048, interfaces, (f"/images/{name}.qcow2",), cdroms)


UNDERCLOUD = machine("s1undercloud-0", "s1provisioning", "stretch", cdroms=("/images/s1undercloud-0-cloud-init.iso",))
CONTROLLER = machine("s1controller-0", "s1provisioning")
WANTED = libvirt_plan.Wanted(
    deployment=OURS,
    pool="stretch",
    directory="/images",
    networks=(PROVISIONING, STRETCH),
    machines=(
        libvirt_plan.WantedMachine(UNDERCLOUD, 50, IMAGE),
        libvirt_plan.WantedMachine(CONTROLLER, 40, None),
    ),
)
NOTHING = Found("kvm", {}, False, frozenset(), {}, {})
ALL = Found(
    virtualisation="kvm",
    pools={"stretch": "/images"},
    pool_active=True,
    disks=frozenset({"s1undercloud-0.qcow2", "s1controller-0.qcow2", "cloud.qcow2"}),
    networks={one.name: FoundNetwork(one, OURS, True, True) for one in (PROVISIONING, STRETCH)},
    machines={
        "s1undercloud-0": FoundMachine(UNDERCLOUD, OURS, True),
        "s1controller-0": FoundMachine(CONTROLLER, OURS, False),
    },
)


def found(**changes: Any) -> Found:
    return dataclasses.replace(ALL, **changes)


def verbs(steps: list[libvirt_plan.Step]) -> list[str]:
    return [f"{step.verb} {step.kind} {step.name}" for step in steps]


def test_from_nothing() -> None:
    assert libvirt_plan.problems(WANTED, NOTHING) == []
    assert verbs(libvirt_plan.present(WANTED, NOTHING)) == [
        "define pool stretch",
        "start pool stretch",
        "define network s1provisioning",
        "autostart network s1provisioning",
        "start network s1provisioning",
        "define network stretch",
        "autostart network stretch",
        "start network stretch",
        "define disk s1undercloud-0.qcow2",
        "define machine s1undercloud-0",
        "start machine s1undercloud-0",
        "define disk s1controller-0.qcow2",
        "define machine s1controller-0",
    ]


def test_nothing_to_do_when_all_is_there() -> None:
    assert libvirt_plan.problems(WANTED, ALL) == []
    assert libvirt_plan.present(WANTED, ALL) == []


def test_a_machine_that_its_virtual_bmc_started_stays_so() -> None:
    running = {**ALL.machines, "s1controller-0": FoundMachine(CONTROLLER, OURS, True)}
    assert libvirt_plan.present(WANTED, found(machines=running)) == []


def test_an_interrupted_run_goes_on() -> None:
    there = found(
        networks={
            "s1provisioning": FoundNetwork(PROVISIONING, OURS, False, False),
            "stretch": FoundNetwork(STRETCH, OURS, True, True),
        },
        machines={"s1undercloud-0": FoundMachine(UNDERCLOUD, OURS, False)},
    )
    assert verbs(libvirt_plan.present(WANTED, there)) == [
        "autostart network s1provisioning",
        "start network s1provisioning",
        "start machine s1undercloud-0",
        "delete disk s1controller-0.qcow2",
        "define disk s1controller-0.qcow2",
        "define machine s1controller-0",
    ]


def test_all_of_a_deployment_goes_and_its_image_stays() -> None:
    assert verbs(libvirt_plan.absent(WANTED, ALL)) == [
        "stop machine s1undercloud-0",
        "undefine machine s1undercloud-0",
        "undefine machine s1controller-0",
        "delete disk s1undercloud-0.qcow2",
        "delete disk s1controller-0.qcow2",
        "stop network s1provisioning",
        "undefine network s1provisioning",
        "stop network stretch",
        "undefine network stretch",
    ]
    assert libvirt_plan.absent(WANTED, NOTHING) == []


def test_what_others_have_stays() -> None:
    other = found(
        machines={name: dataclasses.replace(one, deployment=None) for name, one in ALL.machines.items()},
        networks={**ALL.networks, "stretch": FoundNetwork(STRETCH, "/srv/other/.stretch", True, True)},
    )
    assert libvirt_plan.absent(WANTED, other) == []
    assert libvirt_plan.foreign(WANTED, other) == [
        "network stretch (of /srv/other/.stretch)",
        "machine s1undercloud-0",
        "machine s1controller-0",
    ]
    problems = libvirt_plan.problems(WANTED, other)
    assert [problem.split(";")[0] for problem in problems] == [
        "network stretch (of /srv/other/.stretch) is not of this deployment",
        "machine s1undercloud-0 is not of this deployment",
        "machine s1controller-0 is not of this deployment",
    ]


def test_a_network_stays_while_another_stack_is_on_it() -> None:
    other = machine("s2undercloud-0", "stretch")
    there = found(machines={**ALL.machines, other.name: FoundMachine(other, OURS, True)})
    steps = verbs(libvirt_plan.absent(WANTED, there))
    assert "undefine network s1provisioning" in steps
    assert not [step for step in steps if "network stretch" in step or "s2" in step]


@pytest.mark.parametrize(
    ("wanted", "there", "message"),
    [
        (
            dataclasses.replace(WANTED, networks=(PROVISIONING, STRETCH, Network("s1provisioning-x", "10.9.0.1", 24))),
            NOTHING,
            (
                "network s1provisioning-x has a name of 16 characters, and its bridge takes 15 at most; "
                "give it a shorter one"
            ),
        ),
        (
            dataclasses.replace(WANTED, networks=(PROVISIONING,)),
            NOTHING,
            "machine s1undercloud-0 is on stretch, which is none of the networks; add it",
        ),
        (
            WANTED,
            dataclasses.replace(NOTHING, pools={"stretch": "/elsewhere"}),
            (
                "pool stretch of the hypervisor is /elsewhere, and this deployment's is to be stretch in /images; "
                "remove the former or choose another directory"
            ),
        ),
        (
            WANTED,
            dataclasses.replace(NOTHING, pools={"default": "/images/"}),
            (
                "pool default of the hypervisor is /images/, and this deployment's is to be stretch in /images; "
                "remove the former or choose another directory"
            ),
        ),
        (
            WANTED,
            dataclasses.replace(
                NOTHING, networks={"lan": FoundNetwork(Network("lan", "172.16.0.129", 25), None, True, True)}
            ),
            (
                "network stretch has the addresses 172.16.0.0/24, of which the hypervisor's network lan "
                "(172.16.0.128/25) has some; choose others in the topology, or remove lan"
            ),
        ),
        (
            WANTED,
            found(
                machines={
                    **ALL.machines,
                    "s1controller-0": FoundMachine(
                        dataclasses.replace(CONTROLLER, vcpus=2, memory_mib=512), OURS, False
                    ),
                }
            ),
            (
                "machine s1controller-0 is there and differs: vcpus is 2, not 4; memory_mib is 512, not 2048; "
                "build it anew with --tags rebuild_vms"
            ),
        ),
        (
            WANTED,
            found(
                networks={
                    **ALL.networks,
                    "stretch": FoundNetwork(Network("stretch", "172.16.0.1", 24), OURS, True, True),
                }
            ),
            "network stretch is there and differs: forward is none, not nat; build it anew with --tags rebuild_vms",
        ),
    ],
)
def test_problems(wanted: libvirt_plan.Wanted, there: Found, message: str) -> None:
    assert libvirt_plan.problems(wanted, there) == [message]


def test_the_difference_is_told_in_a_line_each() -> None:
    steps = libvirt_plan.present(WANTED, NOTHING)
    after = (
        "network s1provisioning: 192.168.24.254/24 isolated, active\n"
        "network stretch: 172.16.0.1/24 nat, active\n"
        "machine s1undercloud-0: 4 CPUs, 2048 MiB, on s1provisioning stretch, running\n"
        "machine s1controller-0: 4 CPUs, 2048 MiB, on s1provisioning, off\n"
    )
    assert libvirt_plan.difference(WANTED, NOTHING, steps) == {"before": "", "after": after}
    assert libvirt_plan.difference(WANTED, ALL, libvirt_plan.absent(WANTED, ALL)) == {"before": after, "after": ""}
    assert libvirt_plan.difference(WANTED, ALL, []) == {"before": after, "after": after}


def test_what_is_written_is_read_back() -> None:
    for network in (PROVISIONING, STRETCH):
        xml = libvirt_xml.network_xml(network, OURS)
        assert libvirt_xml.read_network(xml) == network
        assert libvirt_xml.deployment_of(xml) == OURS
    for one in (UNDERCLOUD, CONTROLLER):
        xml = libvirt_xml.machine_xml(one, OURS, "kvm")
        # libvirt itself answers in KiB.
        xml = xml.replace('<memory unit="MiB">2048<', '<memory unit="KiB">2097152<')
        assert libvirt_xml.read_machine(xml) == one
        assert libvirt_xml.deployment_of(xml) == OURS


def test_what_others_wrote_is_read() -> None:
    bridged = "<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>"
    assert libvirt_xml.read_network(bridged) == Network("lan", "", 32, "bridge")
    assert libvirt_xml.deployment_of(bridged) is None
    masked = "<network><name>old</name><ip address='10.0.0.1' netmask='255.255.0.0'/></network>"
    assert libvirt_xml.read_network(masked) == Network("old", "10.0.0.1", 16)
    bare = "<domain><name>x</name><devices><interface type='bridge'/><disk type='block'/></devices></domain>"
    assert libvirt_xml.read_machine(bare) == Machine("x", 0, 0, (Interface("", ""),), ())


def test_only_one_without_a_system_asks_its_network_first() -> None:
    assert '<boot dev="network" /><boot dev="hd" />' in libvirt_xml.machine_xml(CONTROLLER, OURS, "qemu")
    assert 'dev="network"' not in libvirt_xml.machine_xml(UNDERCLOUD, OURS, "qemu")


def test_addresses_of_interfaces_last_and_differ() -> None:
    first = libvirt_xml.mac_address(OURS, "s1controller-0", "s1provisioning")
    assert first == libvirt_xml.mac_address(OURS, "s1controller-0", "s1provisioning")
    others = {
        libvirt_xml.mac_address(deployment, name, network)
        for deployment in (OURS, "/srv/other/.stretch")
        for name in ("s1controller-0", "s1controller-1")
        for network in ("s1provisioning", "s1external")
    }
    assert first in others
    assert len(others) == 8
    assert all(mac.startswith("52:54:00:") for mac in others)


@pytest.mark.parametrize(
    ("kinds", "best"), [(("qemu", "kvm"), "kvm"), (("qemu",), "qemu"), (("test",), "test"), ((), "qemu")]
)
def test_the_best_virtualisation_is_taken(kinds: tuple[str, ...], best: str) -> None:
    domains = "".join(f"<domain type='{kind}'/>" for kind in kinds)
    capabilities = f"<capabilities><guest><arch name='x86_64'>{domains}</arch></guest></capabilities>"
    assert libvirt_xml.virtualisation_of(capabilities) == best
