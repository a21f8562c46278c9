# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt itself makes of the networks and machines of the topology: its test driver, and the kernel's bridges."""

from __future__ import annotations

import copy
import os
import subprocess
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import libvirt_xml
from ansible_collections.stretch.cluster.plugins.module_utils.topology import plain
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import topology_files
from contract_harness import Asked, RefusedError
from deployment_harness import topology

OURS = "/home/me/.stretch"
# What the driver has from the start.
OTHERS = {"networks": ["default"], "machines": ["test"]}


def params(*stacks: str, state: str = "present") -> dict[str, Any]:
    """Arguments of the module for stacks of the collection's own topology, as the role gives them."""
    share = plain(topology_files.hypervisor(topology(*stacks)))
    networks = [
        {key: network[key] for key in ("name", "address", "prefixlen", "forward")} for network in share["networks"]
    ]
    keys = ("name", "vcpus", "memory_mib", "disk_gib", "networks", "image")
    machines = [{key: machine[key] for key in keys} for machine in share["machines"]]
    return {
        "uri": "test:///default",
        "deployment": OURS,
        "pool": "stretch",
        "directory": "/var/lib/libvirt/images/stretch",
        "image": "/var/lib/libvirt/images/stretch/image.qcow2",
        "networks": networks,
        "machines": machines,
        "state": state,
    }


def ensure(hypervisor: Asked, wanted: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    return hypervisor("ensure", params=wanted, check_mode=check_mode)


def test_the_seeds_machines_and_networks() -> None:
    """Ten machines on five networks, as the issue has them, and an arbiter where the topology has one."""
    wanted = params("stack1", "stack2")
    assert [network["name"] for network in wanted["networks"]] == [
        "s1provisioning",
        "s1external",
        "s2provisioning",
        "s2external",
        "stretch",
    ]
    assert len([machine for machine in wanted["machines"] if not machine["name"].startswith("arbiter")]) == 10


def test_check_apply_check_apply(hypervisor: Asked) -> None:
    wanted = params("stack1", "stack2")
    check = ensure(hypervisor, wanted, check_mode=True)
    assert check["changed"]
    assert hypervisor("names") == OTHERS
    done = ensure(hypervisor, wanted)
    assert done == check
    again = ensure(hypervisor, wanted, check_mode=True)
    assert not again["changed"]
    assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
    assert ensure(hypervisor, wanted) == again

    gone = ensure(hypervisor, {**wanted, "state": "absent"}, check_mode=True)
    assert gone["changed"]
    assert not ensure(hypervisor, wanted)["changed"]
    assert ensure(hypervisor, {**wanted, "state": "absent"}) == gone
    assert hypervisor("names") == OTHERS
    assert not ensure(hypervisor, {**wanted, "state": "absent"})["changed"]


def test_everything_that_was_asked_for_is_in_libvirts_own_description(hypervisor: Asked) -> None:
    wanted = params("stack1", "stack2")
    macs = ensure(hypervisor, wanted)["mac_addresses"]
    for network in wanted["networks"]:
        xml = hypervisor("xml", kind="network", name=network["name"])["xml"]
        assert libvirt_xml.read_network(xml) == libvirt_xml.Network(**network)
        assert libvirt_xml.deployment_of(xml) == OURS
        assert f"<bridge name='{network['name']}'" in xml
    for machine in wanted["machines"]:
        xml = hypervisor("xml", kind="machine", name=machine["name"])["xml"]
        found = libvirt_xml.read_machine(xml)
        assert (found.vcpus, found.memory_mib) == (machine["vcpus"], machine["memory_mib"])
        assert [one.network for one in found.interfaces] == machine["networks"]
        assert {one.network: one.mac for one in found.interfaces} == macs[machine["name"]]
        assert len(found.cdroms) == machine["image"]


def test_a_further_stack_and_the_first_without_it(hypervisor: Asked) -> None:
    ensure(hypervisor, params("stack1"))
    steps = ensure(hypervisor, params("stack1", "stack2"))["steps"]
    assert not [step for step in steps if " s1" in step or "stretch" in step.split()[-1]]
    steps = ensure(hypervisor, params("stack2", state="absent"))["steps"]
    # The network between the stacks stays for stack1, and the arbiter, which is of all stacks, is named with each.
    assert not [step for step in steps if " s1" in step or step.endswith("network stretch")]


@pytest.mark.parametrize(
    ("ask", "xml", "name"),
    [
        ("network", "<network><name>s1external</name><bridge name='virbr9'/></network>", "network s1external"),
        (
            "machine",
            "<domain type='test'><name>s1controller-0</name><memory>1024</memory><os><type>hvm</type></os></domain>",
            "machine s1controller-0",
        ),
        (
            "machine",
            libvirt_xml.machine_xml(
                libvirt_xml.Machine("s1controller-0", 1, 64, (), ("/srv/x.qcow2",)), "/srv/other/.stretch", "test"
            ),
            "machine s1controller-0 (of /srv/other/.stretch)",
        ),
    ],
)
def test_what_somebody_else_made_is_neither_taken_nor_removed(hypervisor: Asked, ask: str, xml: str, name: str) -> None:
    hypervisor(ask, xml=xml)
    before = hypervisor("names")
    with pytest.raises(RefusedError, match=r"cannot have these machines: .*Nothing has been changed") as refused:
        ensure(hypervisor, params("stack1"))
    assert f"{name} is not of this deployment" in str(refused.value)
    gone = ensure(hypervisor, params("stack1", state="absent"))
    assert gone["foreign"] == [name]
    assert not gone["changed"]
    assert hypervisor("names") == before


def test_another_size_is_told_and_nothing_changed(hypervisor: Asked) -> None:
    wanted = params("stack1")
    ensure(hypervisor, wanted)
    larger = copy.deepcopy(wanted)
    larger["machines"][0]["memory_mib"] *= 2
    with pytest.raises(RefusedError, match="memory_mib is 16384, not 32768; build it anew with --tags rebuild_vms"):
        ensure(hypervisor, larger)
    assert not ensure(hypervisor, wanted)["changed"]


def test_what_was_stopped_is_started_again(hypervisor: Asked) -> None:
    wanted = params("stack1")
    ensure(hypervisor, wanted)
    hypervisor("stop", kind="network", name="s1external")
    hypervisor("stop", kind="machine", name="s1undercloud-0")
    assert ensure(hypervisor, wanted)["steps"] == ["start network s1external", "start machine s1undercloud-0"]
    assert not ensure(hypervisor, wanted)["changed"]


def test_what_libvirt_refuses_is_told(hypervisor: Asked) -> None:
    wanted = params("stack1")
    wanted["machines"][0]["vcpus"] = 0
    with pytest.raises(
        RefusedError, match=r"libvirt could not define machine s1undercloud-0: .*goes on where it stopped"
    ):
        ensure(hypervisor, wanted)
    wanted["machines"][0]["vcpus"] = 4
    assert ensure(hypervisor, wanted)["changed"]
    assert not ensure(hypervisor, wanted)["changed"]


@pytest.fixture
def bridges() -> Any:
    """Make a bridge of a name in a network namespace of its own, which goes with it."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")

    def make(name: str) -> int:
        command = ["unshare", "--net", "ip", "link", "add", "name", name, "type", "bridge"]
        return subprocess.run(command, check=False, capture_output=True).returncode

    return make


def test_the_kernel_takes_every_bridge(bridges: Any) -> None:
    for network in params("stack1", "stack2")["networks"]:
        assert bridges(network["name"]) == 0, network["name"]


def test_a_name_of_16_characters_is_refused_by_both(hypervisor: Asked, bridges: Any) -> None:
    name = "s10provisioningx"
    assert len(name) == libvirt_xml.NAME_LENGTH + 1
    assert bridges(name) != 0
    assert bridges(name[:-1]) == 0
    wanted = params("stack1")
    wanted["networks"].append({"name": name, "address": "10.99.0.1", "prefixlen": 24, "forward": None})
    with pytest.raises(RefusedError, match="has a name of 16 characters"):
        ensure(hypervisor, wanted)
