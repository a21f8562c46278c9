# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces of nodes where Heat writes them (queens), and networks and nodes where they come before it (wallaby)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from contract_harness import RefusedError
from deployment_harness import DIRECTORY, Deployment
from release_harness import Release, load

queens = pytest.mark.parametrize("release", ["queens"], indirect=True)
wallaby = pytest.mark.parametrize("release", ["wallaby"], indirect=True)
SAMPLES = {"IpSubnet": "10.0.20.11/24", "Ip": "192.168.24.10", "VlanID": 20, "Route": "192.168.24.1", "Cidr": "24"}


def network_config(template: Any, parameters: dict[str, Any]) -> Any:
    """What a template of interfaces comes to, with a sample of what Heat would put in."""
    values = {
        name: parameters.get(
            name, next((SAMPLES[end] for end in SAMPLES if name.endswith(end)), described.get("default"))
        )
        for name, described in template["parameters"].items()
    }

    def resolved(content: Any) -> Any:
        if isinstance(content, list):
            return [resolved(item) for item in content]
        if isinstance(content, dict) and "get_param" in content:
            return values[content["get_param"]]
        if isinstance(content, dict) and "list_join" in content:
            between, parts = content["list_join"]
            return between.join(resolved(parts))
        if isinstance(content, dict):
            return {key: resolved(value) for key, value in content.items()}
        return content

    script = template["resources"]["OsNetConfigImpl"]["properties"]["config"]["str_replace"]
    return resolved(script["params"]["$network_config"]["network_config"])


@queens
@pytest.mark.parametrize("role", ["controller", "compute"])
def test_interfaces_take_what_their_role_gives(release: Release, deployment: Deployment, role: str) -> None:
    """Heat refuses properties that a template has no parameter for."""
    files = deployment.files()
    template = files[f"{DIRECTORY}/{role}.yaml"]
    of_role = load(release.templates(files) / f"puppet/{role}-role.yaml")
    given = set(of_role["resources"]["NetworkConfig"]["properties"])
    assert given <= set(template["parameters"])
    parameters = files[f"{DIRECTORY}/networks.yaml"]["parameter_defaults"]
    unfilled = {name for name, described in template["parameters"].items() if "default" not in described}
    assert unfilled <= given | set(parameters)


@queens
@pytest.mark.parametrize("role", ["controller", "compute"])
def test_os_net_config_takes_the_interfaces(release: Release, deployment: Deployment, role: str) -> None:
    files = deployment.files()
    parameters = files[f"{DIRECTORY}/networks.yaml"]["parameter_defaults"]
    config = network_config(files[f"{DIRECTORY}/{role}.yaml"], parameters)
    release.ask("network_config", config=config)
    wrong = copy.deepcopy(config)
    wrong[0]["members"][1]["vlan"] = wrong[0]["members"][1].pop("vlan_id")
    with pytest.raises(RefusedError):
        release.ask("network_config", config=wrong)


@wallaby
def test_networks(release: Release, deployment: Deployment) -> None:
    networks = deployment.files()[f"{DIRECTORY}/network_data.yaml"]
    assert len(networks) == 5
    release.ask("networks", networks=networks)
    vips = {vip["network"] for vip in deployment.files()[f"{DIRECTORY}/vip_data.yaml"]}
    assert vips == {"ctlplane", *(network["name_lower"] for network in networks if network["vip"])}


def outside(networks: Any) -> None:
    networks[0]["subnets"]["external_subnet"]["ip_subnet"] = "10.0.10.0/33"


def misname(networks: Any) -> None:
    networks[0]["subnet"] = networks[0].pop("subnets")


def misroute(networks: Any) -> None:
    networks[1]["subnets"]["internal_api_subnet"]["routes"][0]["via"] = "10.1.20.1"


@wallaby
@pytest.mark.parametrize("change", [outside, misname, misroute])
def test_a_wrong_network_is_found(release: Release, one: Deployment, change: Any) -> None:
    networks = copy.deepcopy(one.files()[f"{DIRECTORY}/network_data.yaml"])
    change(networks)
    with pytest.raises(RefusedError):
        release.ask("networks", networks=networks)


@wallaby
def test_nodes_that_are_deployed_before_heat(release: Release, deployment: Deployment) -> None:
    """Every node under the name that the topology has for it, at its own addresses."""
    roles = deployment.files()[f"{DIRECTORY}/baremetal_deployment.yaml"]
    instances = {one["hostname"]: one for one in release.ask("machines", roles=roles)["instances"]}
    nodes = {node["name"]: node for node in deployment.topology["nodes"] if node["name"] in instances}
    assert len(instances) == len(nodes) == 4
    for name, instance in instances.items():
        fixed = {one["network"]: one.get("fixed_ip") for one in instance["networks"]}
        assert fixed["ctlplane"] == nodes[name]["addresses"]["provisioning"]
        assert fixed["internal_api"] == nodes[name]["addresses"]["internal_api"]


def twice(roles: Any) -> None:
    roles[0]["instances"][1]["hostname"] = roles[0]["instances"][0]["hostname"]


def elsewhere(roles: Any) -> None:
    roles[0]["defaults"]["network_config"]["template"] = "templates/two_nics/two_nics.j2"


def mistype(roles: Any) -> None:
    roles[0]["defaults"]["networks_config"] = roles[0]["defaults"].pop("network_config")


@wallaby
@pytest.mark.parametrize("change", [twice, elsewhere, mistype])
def test_a_wrong_node_is_found(release: Release, one: Deployment, change: Any) -> None:
    roles = copy.deepcopy(one.files()[f"{DIRECTORY}/baremetal_deployment.yaml"])
    change(roles)
    with pytest.raises(RefusedError):
        release.ask("machines", roles=roles)
