# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expansion of a topology, as a whole against committed files and rule by rule.

After a wanted change, run this file as a script: it writes tests/unit/fixtures/topology_*.yml anew, to be read in the
diff.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import topology
from ansible_collections.stretch.cluster.plugins.module_utils.topology import Overlap, TopologyError

ROOT = Path(__file__).resolve().parents[4]
FIXTURES = ROOT / "tests/unit/fixtures"
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8"))
GOLDEN = {"two": "stack1,stack2", "three": ["stack1", "stack2", "stack3"]}

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    change(config)
    return config


def problems(config: Any, stacks: Any = None) -> tuple[str, ...]:
    with pytest.raises(TopologyError) as caught:
        topology.expand(config, stacks)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_file(name: str) -> None:
    golden = yaml.safe_load((FIXTURES / f"topology_{name}.yml").read_text(encoding="utf-8"))
    assert topology.plain(topology.expand(CONFIG, GOLDEN[name])) == golden


@pytest.mark.parametrize(
    "stacks", ["stack1,stack2", " stack1 , stack2 ", ["stack1", "stack2"], ("stack1", "stack2"), None]
)
def test_ways_to_select(stacks: Any) -> None:
    assert [stack.name for stack in topology.expand(CONFIG, stacks).stacks] == ["stack1", "stack2"]


def test_the_order_given_is_kept() -> None:
    found = topology.expand(CONFIG, "stack3,stack1")
    assert [stack.name for stack in found.stacks] == ["stack3", "stack1"]
    assert found.nodes[0].name == "s3undercloud-0"
    assert found.nodes[-1].name == "arbiter-0"


def test_a_stack_has_the_same_addresses_whichever_are_named_with_it() -> None:
    alone = topology.expand(CONFIG, "stack2")
    together = topology.expand(CONFIG, "stack3,stack2,stack1")
    assert alone.stacks[0] == together.stacks[1]
    addresses = {node.name: node.addresses for node in together.nodes}
    assert all(node.addresses == addresses[node.name] for node in alone.nodes)


def test_every_address_is_given_once() -> None:
    config = changed(lambda c: c["nodes"].update(undercloud=2, compute=233, arbiter=6))
    found = topology.expand(config, [f"stack{number}" for number in range(1, 100)])
    given = [address for node in found.nodes for address in node.addresses.values()]
    given += [network.host for stack in found.stacks for network in stack.networks.values()]
    given += [vip for stack in found.stacks for vip in stack.vips.values()]
    given += [network.host for network in found.networks.values()]
    assert len(given) == len(set(given))


SELECTIONS = [
    ("", ["No stack is selected; name at least one, for example -e stacks=stack1,stack2."]),
    ([], ["No stack is selected; name at least one, for example -e stacks=stack1,stack2."]),
    (7, ["stacks is 7; give a list, or names separated by commas, such as stack1,stack2."]),
    ("stack1,", ["There is no stack ''; valid names are stack1, stack2 and so on to stack99."]),
    ("stack0", ["There is no stack 'stack0'; valid names are stack1, stack2 and so on to stack99."]),
    ("stack01", ["There is no stack 'stack01'; valid names are stack1, stack2 and so on to stack99."]),
    ("stack100", ["There is no stack 'stack100'; valid names are stack1, stack2 and so on to stack99."]),
    ("stack1\n,Stack2", ["There is no stack 'Stack2'; valid names are stack1, stack2 and so on to stack99."]),
    ([1], ["There is no stack '1'; valid names are stack1, stack2 and so on to stack99."]),
    ("stack2,stack1,stack2,stack2", ["stack2 is named twice; name every stack once."]),
]


@pytest.mark.parametrize(("stacks", "expected"), SELECTIONS)
def test_bad_selection(stacks: Any, expected: list[str]) -> None:
    assert list(problems(CONFIG, stacks)) == expected


FILES: list[tuple[Change, str]] = [
    (lambda c: c.pop("stacks"), "No stack is selected; name at least one, for example -e stacks=stack1,stack2."),
    (lambda c: c.update(plugin="other"), "plugin is 'other'; it must be stretch.cluster.topology."),
    (
        lambda c: c.update(count=1),
        "The topology file has unknown keys: count; valid ones are plugin, stacks, nodes, networks, sizes.",
    ),
    (
        lambda c: c.update(sizes=4),
        "sizes must be a dictionary with any of the keys undercloud, controller, compute, arbiter.",
    ),
    (
        lambda c: c.update(sizes={"controllers": {}}),
        "sizes has unknown keys: controllers; valid ones are undercloud, controller, compute, arbiter.",
    ),
    (
        lambda c: c.update(sizes={"compute": 4}),
        "sizes.compute must be a dictionary with any of the keys vcpus, memory_mib, disk_gib.",
    ),
    (
        lambda c: c.update(sizes={"compute": {"ram": 4}}),
        "sizes.compute has unknown keys: ram; valid ones are vcpus, memory_mib, disk_gib.",
    ),
    (
        lambda c: c.update(sizes={"compute": {"vcpus": "4"}}),
        "sizes.compute.vcpus is '4'; give a whole number above 0.",
    ),
    (lambda c: c.pop("nodes"), "nodes must be a dictionary with the keys undercloud, controller, compute, arbiter."),
    (lambda c: c["nodes"].pop("compute"), "nodes lacks compute."),
    (
        lambda c: c["nodes"].update(computes=1),
        "nodes has unknown keys: computes; valid ones are undercloud, controller, compute, arbiter.",
    ),
    (lambda c: c["nodes"].update(compute=-1), "nodes.compute is -1; give a whole number that is not negative."),
    (lambda c: c["nodes"].update(compute="1"), "nodes.compute is '1'; give a whole number that is not negative."),
    (lambda c: c["nodes"].update(compute=True), "nodes.compute is True; give a whole number that is not negative."),
    (
        lambda c: c["nodes"].update(controller=2),
        "nodes.controller is 2; a stack has 1 controller, or 3 for high availability.",
    ),
    (
        lambda c: c["nodes"].update(controller=0),
        "nodes.controller is 0; a stack has 1 controller, or 3 for high availability.",
    ),
    (
        lambda c: c["nodes"].update(undercloud=0),
        "nodes.undercloud is 0; a stack needs 1 or more, as the first is its gateway.",
    ),
    (lambda c: c["nodes"].update(compute=234), "nodes.compute is 234; networks.internal_api (a /24) has room for 233."),
    (lambda c: c["nodes"].update(arbiter=7), "nodes.arbiter is 7; networks.stretch (172.16.0.0/24) has room for 6."),
    (lambda c: c["networks"].pop("stretch"), "networks lacks stretch."),
    (
        lambda c: c.update(networks=[]),
        "networks must be a dictionary with the keys provisioning, internal_api, stretch.",
    ),
    (
        lambda c: c["networks"].update(stretch="172.16.0.0"),
        "networks.stretch is '172.16.0.0'; give a network in CIDR notation, such as 172.16.0.0/24.",
    ),
    (
        lambda c: c["networks"].update(stretch="172.16.0.0/33"),
        "networks.stretch is '172.16.0.0/33'; give a network in CIDR notation, such as 172.16.0.0/24.",
    ),
    (
        lambda c: c["networks"].update(stretch=5),
        "networks.stretch is 5; give a network in CIDR notation, such as 172.16.0.0/24.",
    ),
    (
        lambda c: c["networks"].update(stretch="172.16.0.1/24"),
        "networks.stretch is '172.16.0.1/24', an address within a network; give the network, 172.16.0.0/24.",
    ),
    (lambda c: c["networks"].update(stretch="fd00::/64"), "networks.stretch is 'fd00::/64'; give a network of IPv4."),
    (
        lambda c: c["networks"].update(stretch="10.1.0.0/16"),
        "The networks s2internal_api (10.1.20.0/24) and stretch (10.1.0.0/16) overlap; move one of them.",
    ),
    (
        lambda c: c["networks"].update(provisioning="192.168.24.0/24"),
        "networks.provisioning must be a dictionary with the keys first, step, pool.",
    ),
    (lambda c: c["networks"]["provisioning"].pop("step"), "networks.provisioning lacks step."),
    (
        lambda c: c["networks"]["provisioning"].update(step="24"),
        "networks.provisioning.step is '24'; give a prefix length from 1 to 32.",
    ),
    (
        lambda c: c["networks"]["provisioning"].update(step=25),
        (
            "networks.provisioning.step is 25; it must not be above 24, the prefix length of 192.168.24.0/24,"
            " or the stacks' networks would overlap."
        ),
    ),
    (
        lambda c: c["networks"]["provisioning"].update(first="192.169.24.0/24"),
        "networks.provisioning.first 192.169.24.0/24 is not within networks.provisioning.pool 192.168.0.0/16.",
    ),
    (
        lambda c: c["networks"]["provisioning"].update(pool="192.168.24.0/24"),
        (
            "networks.provisioning runs out for stack2: its pool 192.168.24.0/24 ends after stack1;"
            " choose a lower stack number or a larger pool."
        ),
    ),
    (
        lambda c: (c.update(stacks=["stack4", "stack5"]), c["networks"].update(stretch="172.16.0.0/28")),
        (
            "networks.stretch (172.16.0.0/28) runs out for stack5: it has no address for s5undercloud-0;"
            " give it a shorter prefix."
        ),
    ),
]


@pytest.mark.parametrize(("change", "expected"), FILES, ids=[text for _change, text in FILES])
def test_bad_file(change: Change, expected: str) -> None:
    assert problems(changed(change)) == (expected,)


@pytest.mark.parametrize("config", [None, [], "stack1"])
def test_no_dictionary(config: Any) -> None:
    assert problems(config) == (
        "the topology file must hold a dictionary, as the collection's inventory/stretch.yml does.",
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    def spoil(config: dict[str, Any]) -> None:
        config["nodes"].update(controller=2, arbiter=-1)
        config["networks"]["stretch"] = "192.168.25.0/24"

    with pytest.raises(TopologyError) as caught:
        topology.inventory(changed(spoil), stacks="stack2,stack2,east", state_dir="here", working_directory="/srv")
    assert str(caught.value) == (
        "The topology cannot be used:"
        " (1) stack2 is named twice; name every stack once."
        " (2) There is no stack 'east'; valid names are stack1, stack2 and so on to stack99."
        " (3) nodes.controller is 2; a stack has 1 controller, or 3 for high availability."
        " (4) nodes.arbiter is -1; give a whole number that is not negative."
        " (5) The networks s2provisioning (192.168.25.0/24) and stretch (192.168.25.0/24) overlap; move one of them."
        " (6) stretch_state_dir is 'here'; give an absolute path."
    )


def test_more_underclouds_than_their_range_holds() -> None:
    def spoil(config: dict[str, Any]) -> None:
        config["nodes"]["undercloud"] = 5
        config["networks"]["stretch"] = "172.16.0.0/16"

    assert problems(changed(spoil)) == (
        "nodes.undercloud is 5; networks.provisioning (a /24) has room for 4.",
        "nodes.undercloud is 5; networks.internal_api (a /24) has room for 4.",
    )


def test_netaddr_is_missed_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "netaddr", None)
    with pytest.raises(topology.NetaddrMissingError, match="pip install netaddr"):
        topology.expand(CONFIG)


def test_inventory() -> None:
    found = topology.inventory(CONFIG, stacks=None, state_dir=None, working_directory="/srv/my lab")
    assert found["vars"] == {
        "stretch_topology": topology.plain(topology.expand(CONFIG)),
        "stretch_stacks": ["stack1", "stack2"],
        "stretch_state_dir": "/srv/my lab/.stretch",
    }
    hosts = {host["name"]: host for host in found["hosts"]}
    assert list(hosts) == [node["name"] for node in found["vars"]["stretch_topology"]["nodes"]]
    assert hosts["s2compute-0"] == {
        "name": "s2compute-0",
        "groups": ["stack2", "stack2_compute", "compute", "overcloud"],
        "vars": {
            "stretch_name": "s2compute-0",
            "stretch_stack": "stack2",
            "stretch_region": "region_stack2",
            "stretch_role": "compute",
            "stretch_index": 0,
            "stretch_addresses": {"provisioning": "192.168.25.20", "internal_api": "10.1.20.21"},
            "stretch_interfaces": [
                {"device": "eth0", "network": "s2provisioning", "address": "192.168.25.20", "prefixlen": 24},
                {"device": "eth1", "network": "s2internal_api", "address": "10.1.20.21", "prefixlen": 24},
            ],
            "stretch_routes": [
                {"to": "default", "via": "192.168.25.1"},
                {"to": "10.0.20.0/24", "via": "10.1.20.1"},
                {"to": "172.16.0.0/24", "via": "10.1.20.1"},
            ],
            "ansible_host": "192.168.25.20",
            "ansible_user": "root",
            "ansible_ssh_common_args": "-F '/srv/my lab/.stretch/ssh_config'",
            "ansible_pipelining": True,
        },
    }
    assert hosts["arbiter-0"]["groups"] == ["arbiter"]
    assert hosts["arbiter-0"]["vars"]["stretch_stack"] is None
    assert hosts["arbiter-0"]["vars"]["ansible_host"] == "172.16.0.5"
    assert "stretch_region" not in hosts["arbiter-0"]["vars"]


def test_groups_exist_without_hosts() -> None:
    config = changed(lambda c: c["nodes"].update(compute=0, arbiter=0))
    found = topology.inventory(config, stacks="stack1", state_dir="/var/lib/lab", working_directory="/srv")
    assert found["vars"]["stretch_state_dir"] == "/var/lib/lab"
    assert found["groups"] == [
        "arbiter", "compute", "controller", "overcloud", "stack1", "stack1_compute", "stack1_controller",
        "stack1_undercloud", "undercloud",
    ]  # fmt: skip


def test_host_overlaps() -> None:
    plain = topology.plain(topology.expand(CONFIG))
    host = {
        "lo": ["127.0.0.1/8", "::1/128"],
        "eth0": ["172.16.0.77/16", "fe80::1/64"],
        "podman1": ["192.168.24.254/24"],
        "vpn": ["10.1.0.0/16", "10.2.0.0/16"],
    }
    assert topology.host_overlaps(plain, host, own_interfaces=["podman1", "podman2"]) == (
        Overlap(network="s2internal_api", cidr="10.1.20.0/24", interface="vpn", host_cidr="10.1.0.0/16"),
        Overlap(network="stretch", cidr="172.16.0.0/24", interface="eth0", host_cidr="172.16.0.0/16"),
    )
    assert topology.host_overlaps(plain, {"podman1": host["podman1"]}, own_interfaces=[]) == (
        Overlap(network="s1provisioning", cidr="192.168.24.0/24", interface="podman1", host_cidr="192.168.24.0/24"),
    )
    with pytest.raises(TopologyError, match="no CIDR"):
        topology.host_overlaps(plain, {"eth0": ["nonsense"]}, own_interfaces=[])


class _Indented(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def write_fixtures() -> None:
    for name, stacks in GOLDEN.items():
        text = yaml.dump(
            topology.plain(topology.expand(CONFIG, stacks)),
            Dumper=_Indented,
            sort_keys=False,
            width=1000,
            default_flow_style=None,
        )
        (FIXTURES / f"topology_{name}.yml").write_text(
            f"---\n# yamllint disable rule:line-length\n{text}", encoding="utf-8"
        )


if __name__ == "__main__":
    write_fixtures()
