# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node as a container: its addresses, in the order of its interfaces, and where it finds what it boots with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.filter.lab_container import FilterModule, lab_container

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
NODES: list[dict[str, Any]] = yaml.safe_load((FIXTURES / "topology_two.yml").read_text(encoding="utf-8"))["nodes"]
COMMON = {
    "executable": "/state/lab/podman",
    "image": "localhost/node",
    "engine_directory": "/state/lab",
    "keys_directory": "/state/ssh",
    "image_store": "/store",
}


def test_controller() -> None:
    node = next(node for node in NODES if node["name"] == "s2controller-1")
    container = FilterModule().filters()["lab_container"](node, COMMON)
    assert container["name"] == container["hostname"] == "s2controller-1"
    assert container["network"] == [
        "s2provisioning:ip=192.168.25.11,interface_name=eth0",
        "s2internal_api:ip=10.1.20.12,interface_name=eth1",
    ]
    assert container["label"] == {"stretch.cluster.stack": "stack2", "stretch.cluster.role": "controller"}
    assert (container["image"], container["executable"]) == ("localhost/node", "/state/lab/podman")
    assert "s2controller-1-containers:/var/lib/containers" in container["volumes"]


def test_arbiter_is_of_no_stack() -> None:
    node = next(node for node in NODES if node["role"] == "arbiter")
    assert lab_container(node, COMMON)["label"]["stretch.cluster.stack"] == ""


@pytest.mark.parametrize("node", NODES, ids=lambda node: str(node["name"]))
def test_every_node(node: dict[str, Any]) -> None:
    container = lab_container(node, COMMON)
    assert len(container["network"]) == len(node["interfaces"])
    # What the host shares cannot be changed by a node; its own volume is named after it, for the cleanup.
    own = [volume for volume in container["volumes"] if not volume.endswith(":ro")]
    assert own == [f"{node['name']}-containers:/var/lib/containers"]
