# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines are told when they first start."""

from __future__ import annotations

from typing import Any

import yaml
from ansible_collections.stretch.cluster.plugins.filter.libvirt_cloud_init import FilterModule
from ansible_collections.stretch.cluster.plugins.module_utils.libvirt_xml import mac_address

OURS = "/home/me/.stretch"
SHARE: dict[str, Any] = {
    "networks": [
        {"name": "s1provisioning", "address": "192.168.24.254", "prefixlen": 24, "dhcp": None},
        {
            "name": "s1external",
            "address": "192.168.22.1",
            "prefixlen": 24,
            "dhcp": {"hosts": {"s1undercloud-0": "192.168.22.10"}},
        },
        {
            "name": "stretch",
            "address": "172.16.0.1",
            "prefixlen": 24,
            "dhcp": {"hosts": {"s1undercloud-0": "172.16.0.11", "arbiter-0": "172.16.0.5"}},
        },
    ],
    "machines": [
        {
            "name": "s1undercloud-0",
            "image": True,
            "networks": ["s1provisioning", "s1external", "stretch"],
            "access": "s1external",
        },
        {"name": "s1controller-0", "image": False, "networks": ["s1provisioning"], "access": None},
        {"name": "arbiter-0", "image": True, "networks": ["stretch"], "access": "stretch"},
    ],
}


def files(nameservers: tuple[str, ...] = ("192.0.2.53",)) -> Any:
    made = FilterModule().filters()["libvirt_cloud_init"](
        SHARE,
        directory="/srv/machines",
        deployment=OURS,
        user="cloud-user",
        public_key="ssh-ed25519 AAAA me",
        nameservers=nameservers,
    )
    found: Any = {}
    for file in made:
        machine, name = file["path"].removeprefix("/srv/machines/").split("-cloud-init/")
        found.setdefault(machine, {})[name] = yaml.safe_load(file["content"])
    return found


def test_machines_with_an_image_alone() -> None:
    assert set(files()) == {"s1undercloud-0", "arbiter-0"}


def test_interfaces_of_an_undercloud() -> None:
    """The first is the installer's, the second leads out, and the third has its place between the stacks."""
    config = files()["s1undercloud-0"]["network-config"]
    assert config["version"] == 1
    assert [interface["name"] for interface in config["config"]] == ["eth0", "eth1", "eth2"]
    assert [interface["mac_address"] for interface in config["config"]] == [
        mac_address(OURS, "s1undercloud-0", network) for network in ("s1provisioning", "s1external", "stretch")
    ]
    assert [interface["subnets"] for interface in config["config"]] == [
        [{"type": "manual"}],
        [
            {
                "type": "static",
                "address": "192.168.22.10/24",
                "gateway": "192.168.22.1",
                "dns_nameservers": ["192.0.2.53"],
            }
        ],
        [{"type": "static", "address": "172.16.0.11/24"}],
    ]


def test_an_arbiters_way_out_is_the_stretch_network() -> None:
    (interface,) = files()["arbiter-0"]["network-config"]["config"]
    assert interface["subnets"][0]["address"] == "172.16.0.5/24"
    assert interface["subnets"][0]["gateway"] == "172.16.0.1"


def test_libvirts_own_name_server_is_taken_where_none_is_given() -> None:
    interfaces = files(())["s1undercloud-0"]["network-config"]["config"]
    assert interfaces[1]["subnets"][0]["dns_nameservers"] == ["192.168.22.1"]


def test_only_the_key_lets_somebody_in() -> None:
    contents = files()["s1undercloud-0"]
    assert contents["meta-data"] == {"instance-id": "s1undercloud-0", "local-hostname": "s1undercloud-0"}
    (user,) = contents["user-data"]["users"]
    assert user["name"] == "cloud-user"
    assert user["ssh_authorized_keys"] == ["ssh-ed25519 AAAA me"]
    assert user["lock_passwd"] is True
    assert contents["user-data"]["ssh_pwauth"] is False
