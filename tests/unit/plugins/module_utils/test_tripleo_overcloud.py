# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and commands of an undercloud and its overcloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import instackenv, overcloud, undercloud
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError
from tripleo_harness import RELEASES, release, topology

DIRECTORY = "/home/stack/stretch"
TOPOLOGY = topology()


def files(name: str, stack: str = "stack2") -> dict[str, Any]:
    known = release(name)
    secrets = {secret: f"value of {secret}" for secret in overcloud.secrets_wanted(known, ["stack1", "stack2"])}
    made = overcloud.files(TOPOLOGY, stack, known, secrets, "r.example", ["192.0.2.1"], "ntp.example", DIRECTORY)
    return {file.path.rsplit("/", 1)[1]: file for file in made}


@pytest.mark.parametrize("name", RELEASES)
def test_every_input_of_a_deployment_is_written(name: str) -> None:
    ours = {path for path in overcloud.inputs(release(name), DIRECTORY) if not path.endswith("/container-images.yaml")}
    assert ours == {f"{DIRECTORY}/{file}" for file in files(name)}
    argv = overcloud.deploy_argv(release(name), DIRECTORY)
    named = [word for word in argv if word.startswith(DIRECTORY)]
    assert set(named) <= set(overcloud.inputs(release(name), DIRECTORY))
    assert "--control-scale" not in argv


@pytest.mark.parametrize("name", RELEASES)
def test_passwords_are_shared_by_the_stacks_but_for_keystones_database(name: str) -> None:
    one, two = (files(name, stack)["passwords.yaml"] for stack in ("stack1", "stack2"))
    assert one.sensitive
    first, second = one.content["parameter_defaults"], two.content["parameter_defaults"]
    assert {key for key in first if first[key] != second[key]} == {"AdminToken"}
    assert first["AdminToken"] == "value of stack1_keystone_db"
    assert first["AdminPassword"] == "value of admin"
    assert first["NovaPassword"] == "value of service_nova"
    assert {"KeystoneFernetKeys", "KeystoneCredential0", "KeystoneCredential1"} <= set(first)
    assert ("PlacementPassword" in first) == (name != "queens")
    assert not any(file.sensitive for key, file in files(name).items() if key != "passwords.yaml")


@pytest.mark.parametrize("name", RELEASES)
def test_nodes_are_called_as_in_the_inventory(name: str) -> None:
    parameters = files(name)["overcloud.yaml"].content["parameter_defaults"]
    assert parameters["HostnameMap"] == {
        "overcloud-controller-0": "s2controller-0",
        "overcloud-controller-1": "s2controller-1",
        "overcloud-controller-2": "s2controller-2",
        "overcloud-novacompute-0": "s2compute-0",
    }
    assert (parameters["ControllerCount"], parameters["ComputeCount"]) == (3, 1)
    assert parameters["KeystoneRegion"] == "region_stack2"
    assert "10.0.20.11 s1controller-0" in parameters["ExtraHostFileEntries"]
    assert "172.16.0.5 arbiter-0" in parameters["ExtraHostFileEntries"]


@pytest.mark.parametrize("name", ["queens", "train"])
def test_addresses_where_heat_makes_the_ports(name: str) -> None:
    content = files(name)["networks.yaml"].content
    parameters = content["parameter_defaults"]
    assert parameters["ControllerIPs"] == {
        "ctlplane": ["192.168.25.10", "192.168.25.11", "192.168.25.12"],
        "internal_api": ["10.1.20.11", "10.1.20.12", "10.1.20.13"],
    }
    assert parameters["InternalApiVirtualFixedIPs"] == [{"ip_address": "10.1.20.5"}]
    assert parameters["TenantNetCidr"] == "10.1.50.0/24"
    own = "OS::TripleO::Controller::Net::SoftwareConfig" in content["resource_registry"]
    assert own == (name == "queens") == ("NeutronExternalNetworkBridge" in parameters)
    routes = [
        {"destination": "10.0.20.0/24", "nexthop": "10.1.20.1"},
        {"destination": "172.16.0.0/24", "nexthop": "10.1.20.1"},
    ]
    if own:
        text = json.dumps(files(name)["controller.yaml"].content)
        assert all(f'"ip_netmask": "{one["destination"]}", "next_hop": "{one["nexthop"]}"' in text for one in routes)
    else:
        assert parameters["InternalApiInterfaceRoutes"] == routes


def test_addresses_where_nodes_are_made_before_heat() -> None:
    made = files("wallaby")
    controllers = made["baremetal_deployment.yaml"].content[0]
    assert [one["name"] for one in controllers["instances"]] == [f"s2controller-{n}" for n in range(3)]
    assert {one["network"]: one.get("fixed_ip") for one in controllers["instances"][1]["networks"]} == {
        "ctlplane": "192.168.25.11",
        "external": None,
        "internal_api": "10.1.20.12",
        "storage": None,
        "storage_mgmt": None,
        "tenant": None,
    }
    internal = next(one for one in made["network_data.yaml"].content if one["name_lower"] == "internal_api")
    assert internal["subnets"]["internal_api_subnet"]["routes"][0]["destination"] == "10.0.20.0/24"
    assert {"network": "internal_api", "dns_name": "s2overcloud", "ip_address": "10.1.20.5"} in made[
        "vip_data.yaml"
    ].content


def test_a_network_of_the_topology_in_the_overclouds_way() -> None:
    described = topology()
    described["stacks"][0]["networks"]["internal_api"]["cidr"] = "10.0.30.0/24"
    with pytest.raises(TripleoError, match=r"storage 10\.0\.30\.0/24, which overlaps"):
        overcloud.networks(described, "stack1")


def test_order_of_the_environments() -> None:
    train = [path.rsplit("/", 1)[1] for path in overcloud.environments(release("train"), DIRECTORY)]
    assert train.index("docker-ha.yaml") < train.index("podman.yaml")
    assert train[-1] == "passwords.yaml"


@pytest.mark.parametrize(
    ("name", "answer", "state"),
    [
        ("queens", "[]", ""),
        ("queens", '[{"Stack Name": "other", "Stack Status": "CREATE_COMPLETE"}]', ""),
        ("train", '[{"Stack Name": "overcloud", "Stack Status": "UPDATE_FAILED"}]', "UPDATE_FAILED"),
        ("wallaby", "No deployment was found for overcloud", ""),
        ("wallaby", "| Stack Name | Deployment Status |\n| overcloud | DEPLOY_SUCCESS |", "DEPLOY_SUCCESS"),
        ("wallaby", "| Stack Name | Deployment Status |\n| overcloud | DEPLOYING |", "DEPLOYING"),
    ],
)
def test_what_became_of_an_overcloud(name: str, answer: str, state: str) -> None:
    assert overcloud.status(release(name), answer) == state


@pytest.mark.parametrize(
    ("state", "running", "changed", "bare", "wanted"),
    [
        ("CREATE_COMPLETE", False, False, [], False),
        ("UPDATE_COMPLETE", False, True, [], True),
        ("DEPLOY_SUCCESS", False, False, ["s1compute-0"], True),
        ("", False, False, [], True),
        ("CREATE_FAILED", False, False, [], True),
        ("DEPLOYING", False, False, [], True),
    ],
)
def test_when_to_deploy(state: str, running: bool, changed: bool, bare: list[str], wanted: bool) -> None:
    assert overcloud.must_deploy(state, running, changed, bare) == wanted


@pytest.mark.parametrize(("state", "running"), [("UPDATE_IN_PROGRESS", False), ("DEPLOYING", True)])
def test_nobody_deploys_beside_a_deployment(state: str, running: bool) -> None:
    with pytest.raises(TripleoError, match="wait for its end"):
        overcloud.must_deploy(state, running, changed=True, unprovisioned=[])


def test_interfaces_of_an_undercloud() -> None:
    node = next(one for one in TOPOLOGY["nodes"] if one["name"] == "s1undercloud-0")
    networks = overcloud.networks(TOPOLOGY, "stack1")
    made = {path.rsplit("/", 1)[1]: text for path, text in undercloud.interface_files(TOPOLOGY, node, networks).items()}
    assert sorted(made) == ["ifcfg-eth2", "ifcfg-vlan10", "ifcfg-vlan20", "route-eth2"]
    assert "IPADDR=10.0.20.1\nPREFIX=24\n" in made["ifcfg-vlan20"]
    assert 'OVS_OPTIONS="tag=20"' in made["ifcfg-vlan20"]
    assert "IPADDR=172.16.0.11\n" in made["ifcfg-eth2"]
    assert "10.1.20.0/24 via 172.16.0.12 dev eth2\n" in made["route-eth2"]
    assert undercloud.devices(TOPOLOGY, node, networks) == {
        "vlan10": "10.0.10.1",
        "vlan20": "10.0.20.1",
        "eth2": "172.16.0.11",
    }


MACS = {node["name"]: f"52:54:00:00:00:{n:02x}" for n, node in enumerate(instackenv.nodes_of(TOPOLOGY, "stack1"))}


@pytest.mark.parametrize(("name", "key"), [("queens", "mac"), ("train", "ports"), ("wallaby", "ports")])
def test_instackenv(name: str, key: str) -> None:
    nodes = instackenv.instackenv(TOPOLOGY, "stack1", release(name), MACS, "secret")["nodes"]
    assert [node["name"] for node in nodes] == list(MACS)
    assert nodes[0][key] == ([MACS["s1controller-0"]] if key == "mac" else [{"address": MACS["s1controller-0"]}])
    assert len({node["pm_port"] for node in nodes}) == 4
    assert {(node["pm_type"], node["pm_addr"]) for node in nodes} == {("ipmi", "192.168.24.1")}
    assert nodes[3]["capabilities"] == "node:compute-0,profile:compute,boot_option:local"


def test_a_machine_that_is_not_there() -> None:
    with pytest.raises(TripleoError, match="s1compute-0 on the provisioning network"):
        instackenv.instackenv(TOPOLOGY, "stack1", release("train"), {**dict(list(MACS.items())[:3])}, "secret")


def test_bmc_configuration_keeps_its_percent_signs() -> None:
    text = instackenv.bmc_config("s1controller-0", 6230, "192.168.24.1", "a%b", "qemu+ssh://h/system")
    assert "password = a%%b\n" in text
    assert text.startswith("[VirtualBMC]\n")


def test_mac_of_an_interface() -> None:
    said = " Interface Type Source Model MAC\n-----\n vnet0 network s1provisioning virtio 52:54:00:00:00:01\n"
    assert instackenv.mac_of(said, "s1provisioning") == "52:54:00:00:00:01"
    assert instackenv.mac_of(said, "s1external") is None


@pytest.mark.parametrize(
    ("states", "commands"),
    [
        ({}, ["import", "introspect"]),
        ({"a": "available", "b": "active"}, []),
        ({"a": "manageable", "b": "available"}, ["introspect"]),
        ({"a": "inspect failed", "b": "available"}, ["manage", "introspect"]),
        ({"a": "available"}, ["import", "introspect"]),
    ],
)
def test_what_nodes_need(states: dict[str, str], commands: list[str]) -> None:
    assert [argv[3] for argv in instackenv.node_commands(["a", "b"], "/f", states)] == commands


def test_a_node_that_is_stuck() -> None:
    with pytest.raises(TripleoError, match="a is 'error'"):
        instackenv.node_commands(["a"], "/f", {"a": "error"})


def test_flavors() -> None:
    assert instackenv.flavors(release("wallaby")) == ()
    wanted = instackenv.flavors(release("queens"))
    right = {name: instackenv.flavor_properties(name) for name in wanted}
    described = {**topology(), "sizes": {"compute": {"memory_mib": 4096, "disk_gib": 20}}}
    assert instackenv.flavor_commands(right, wanted, described) == []
    assert [argv[2] for argv in instackenv.flavor_commands({**right, "compute": {}}, wanted, described)] == ["set"]
    made = instackenv.flavor_commands({}, wanted, described)
    assert [argv[2:11] for argv in made] == [
        ["create", "--id", "auto", "--ram", "14336", "--disk", "37", "--vcpus", "7"],
        ["create", "--id", "auto", "--ram", "2048", "--disk", "17", "--vcpus", "3"],
    ]
