# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is computed from an inventory of regions that are there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.stretch.cluster.plugins.module_utils import existing
from ansible_collections.stretch.cluster.plugins.module_utils.topology_file import TopologyError


def region(number: int, **changes: Any) -> dict[str, dict[str, Any]]:
    """Hosts of a region, as few variables as there may be."""
    common: dict[str, Any] = {
        "stretch_site_overrides": {"containers": {"galera_image": "registry/db:1"}},
        "stretch_region": f"Region{number}",
        "stretch_vips": {"internal_api": f"10.{number}.0.5", "stretch_galera": f"10.{number}.0.6"},
    }
    return {f"c{number}{index}": {**common, "ansible_host": f"10.{number}.0.1{index}", **changes} for index in range(3)}


def expand(
    hosts: dict[str, dict[str, Any]], groups: dict[str, list[str]], stacks: Any = None, state_dir: Any = None
) -> dict[str, Any]:
    return existing.inventory(groups, hosts, stacks=stacks, state_dir=state_dir, working_directory="/w")


TWO = {**region(1), **region(2)}
GROUPS = {"stack1": ["c10", "c11", "c12"], "stack2": ["c20", "c21", "c22"]}


def problems(hosts: dict[str, dict[str, Any]], groups: dict[str, list[str]], **given: Any) -> str:
    with pytest.raises(TopologyError) as caught:
        expand(hosts, groups, **given)
    return "\n".join(caught.value.problems)


def test_little_has_to_be_said() -> None:
    found = expand(TWO, GROUPS)
    assert found["vars"]["stretch_stacks"] == ["stack1", "stack2"]
    assert found["vars"]["stretch_state_dir"] == "/w/.stretch"
    stack = found["vars"]["stretch_topology"]["stacks"][1]
    assert stack == {
        "name": "stack2",
        "number": 2,
        "prefix": "s2",
        "region": "Region2",
        "networks": {"internal_api": {"name": "s2internal_api", "cidr": "10.2.0.0/24"}},
        "vips": {"internal_api": "10.2.0.5", "stretch_galera": "10.2.0.6"},
    }
    described = found["hosts"][4]["vars"].pop("stretch_site")
    assert described["controllers"] == ["c20", "c21", "c22"]
    assert described["address"] == "10.2.0.11"
    assert described["containers"]["galera_image"] == "registry/db:1"
    assert described["containers"]["cli"] == "podman"
    assert found["hosts"][4] == {
        "name": "c21",
        "groups": ["stack2", "stack2_controller", "controller", "overcloud"],
        "vars": {
            "stretch_name": "c21",
            "stretch_stack": "stack2",
            "stretch_role": "controller",
            "stretch_index": 1,
            "stretch_addresses": {"internal_api": "10.2.0.11"},
            "stretch_region": "Region2",
        },
    }


def test_computes_and_arbiters() -> None:
    hosts = {
        **TWO,
        "n0": {**TWO["c10"], "ansible_host": "10.1.0.30"},
        "a0": {"ansible_host": "172.16.0.5", "stretch_layout": "native"},
    }
    groups = {**GROUPS, "stack1": ["c10", "c11", "c12", "n0"], "stack1_compute": ["n0"], "arbiter": ["a0"]}
    nodes = {node["name"]: node for node in expand(hosts, groups)["vars"]["stretch_topology"]["nodes"]}
    assert nodes["n0"]["role"] == "compute"
    assert nodes["a0"] == {
        "name": "a0",
        "stack": None,
        "role": "arbiter",
        "index": 0,
        "addresses": {"stretch": "172.16.0.5"},
    }
    assert nodes["c12"]["index"] == 2


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"stretch_address": "10.1.0.40", "internal_api_ip": "10.1.0.41"}, "10.1.0.40"),
        ({"internal_api_ip": "10.1.0.41", "ansible_host": "192.168.24.7"}, "10.1.0.41"),
    ],
)
def test_address_of_a_host(variables: dict[str, Any], address: str) -> None:
    hosts = {**TWO, "c10": {**TWO["c10"], **variables}}
    assert expand(hosts, GROUPS)["hosts"][0]["vars"]["stretch_addresses"] == {"internal_api": address}


@pytest.mark.parametrize(("stacks", "names"), [("stack2,stack1", ["stack2", "stack1"]), (["stack2"], ["stack2"])])
def test_selection_keeps_its_order(stacks: Any, names: list[str]) -> None:
    assert expand(TWO, GROUPS, stacks=stacks)["vars"]["stretch_stacks"] == names


def test_everything_that_is_wrong_at_once() -> None:
    hosts = {**region(1, stretch_region="One"), **region(2, stretch_region="One", stretch_vips={"internal_api": "x"})}
    hosts["c10"]["ansible_host"] = "c10.example"
    hosts["c11"]["ansible_host"] = "10.1.0.6"
    del hosts["c22"]
    found = problems(
        hosts,
        {"stack1": ["c10", "c11", "c12"], "stack2": ["c20", "c21"], "controller": ["x"]},
        stacks="stack1,stack2,stack5,stack1",
        state_dir="here",
    )
    for sentence in (
        "stretch_state_dir is 'here'",
        "there is no group stack5 in the inventory; it has stack1, stack2.",
        "stack1 is named twice",
        "c10 has no stretch_address",
        "stack2 has 2 controllers (c20, c21)",
        "stretch_vips of stack2 is {'internal_api': 'x'}",
        "the address 10.1.0.6 is given to c11 and stretch_galera of stack1",
        "stack1 and stack2 have the region One",
        "the group controller has x, of no stack that is named",
    ):
        assert sentence in found


def test_what_is_missing() -> None:
    bare: dict[str, dict[str, Any]] = {name: {} for name in TWO}
    found = problems(bare, GROUPS)
    assert "stack1 has no stretch_region; set it for the group." in found
    assert "stack2 has no stretch_vips; set it for the group." in found
    assert "the inventory has no group stack1" in problems({}, {"all": []})


def test_what_differs_within_a_stack() -> None:
    hosts = {**TWO, "c11": {**TWO["c11"], "stretch_region": "Other"}}
    assert "stretch_region differs among the controllers of stack1" in problems(hosts, GROUPS)


def test_network_holds_the_addresses() -> None:
    hosts = {**region(1, stretch_network="10.9.0.0/24"), **region(2)}
    assert "the address 10.1.0.6 (stretch_galera) of stack1 is not in its stretch_network 10.9.0.0/24." in problems(
        hosts, GROUPS
    )


def site(**given: Any) -> dict[str, Any]:
    hosts = {**TWO, "c10": {**TWO["c10"], **given}}
    found: dict[str, Any] = expand(hosts, GROUPS)["hosts"][0]["vars"]["stretch_site"]
    return found


def test_native_site_has_no_containers() -> None:
    found = site(stretch_layout="native", stretch_site_overrides={"keystone": {"restart": ["service", "apache2"]}})
    assert "containers" not in found
    assert found["keystone"]["exec"] == []
    assert found["keystone"]["restart"] == ["service", "apache2"]
    assert found["keystone"]["config_dir"] == "/etc/keystone"


@pytest.mark.parametrize("layout", list(existing.LAYOUTS))
def test_every_layout_is_of_the_type_that_the_roles_read(layout: str) -> None:
    specs = Path(__file__).resolve().parents[4] / "roles/site/meta/argument_specs.yml"
    options = yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"]["description"]["options"]
    overrides = {} if layout == "native" else {"containers": {"galera_image": "db:1"}}
    given = {"stretch_site": site(stretch_layout=layout, stretch_site_overrides=overrides)}
    assert ArgumentSpecValidator(options).validate(given).error_messages == []


def test_layouts_and_images_are_checked() -> None:
    hosts = {
        **TWO,
        "c10": {**TWO["c10"], "stretch_layout": "kolla"},
        "c11": {**TWO["c11"], "stretch_site_overrides": {}},
    }
    found = problems(hosts, GROUPS)
    assert "stretch_layout of c10 is 'kolla'; there are tripleo, tripleo_docker, native." in found
    assert "c11 has no image for the members" in found
