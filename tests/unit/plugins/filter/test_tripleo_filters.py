# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters and the lookup of the provider tripleo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.stretch.cluster.plugins.filter.tripleo_connections import tripleo_connections
from ansible_collections.stretch.cluster.plugins.filter.tripleo_files import tripleo_files
from ansible_collections.stretch.cluster.plugins.filter.tripleo_hypervisor import tripleo_hypervisor
from ansible_collections.stretch.cluster.plugins.filter.tripleo_interfaces import tripleo_interfaces
from ansible_collections.stretch.cluster.plugins.filter.tripleo_nodes import tripleo_nodes
from ansible_collections.stretch.cluster.plugins.lookup import tripleo
from ansible_collections.stretch.cluster.plugins.module_utils import topology as topologies
from yaml import safe_load

ROOT = Path(__file__).resolve().parents[4]
TOPOLOGY: dict[str, Any] = topologies.plain(
    topologies.expand(safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8")), "stack1,stack2")
)
QUEENS = safe_load((ROOT / "playbooks/files/tripleo/queens.yml").read_text(encoding="utf-8"))


DEFAULTS = {name: option.get("default") for name, option in safe_load(tripleo.DOCUMENTATION)["options"].items()}
VARIABLES = {option["vars"][0]["name"]: name for name, option in safe_load(tripleo.DOCUMENTATION)["options"].items()}


def lookup(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """Run the lookup; Ansible's own part, which is to find options, is done here."""
    found = dict(DEFAULTS)
    plugin = tripleo.LookupModule(templar=Templar(loader=DataLoader(), variables=variables))
    monkeypatch.setattr(
        plugin,
        "set_options",
        lambda var_options, direct: found.update({VARIABLES[name]: value for name, value in var_options.items()}),
    )
    monkeypatch.setattr(plugin, "get_option", found.__getitem__)
    result: dict[str, Any] = plugin.run([], variables=variables)[0]
    return result


def test_settings_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lookup(monkeypatch, stretch_state_dir="/s")
    assert (found["release"]["name"], found["backend"], found["directory"]) == ("queens", "infrared", "/s/tripleo")
    assert found["secrets"]["service_nova"] == "password"
    assert found["secrets"]["tripleo_fernet_0"] == "fernet"
    other = lookup(
        monkeypatch,
        stretch_state_dir="/s",
        stretch_tripleo_release="wallaby",
        stretch_tripleo_mirror="http://m.example",
    )
    assert other["images_url"] == "http://m.example/centos9/wallaby/rdo_trunk/current-tripleo"


def test_a_release_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(
        (ROOT / "playbooks/files/tripleo/train.yml")
        .read_text(encoding="utf-8")
        .replace("build: current-tripleo", "build: mine")
    )
    assert lookup(monkeypatch, stretch_state_dir="/s", stretch_tripleo_release=str(path))["release"]["build"] == "mine"


def test_no_such_release(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleLookupError, match=r"There is no release 'ocata': .* queens, train, wallaby"):
        lookup(monkeypatch, stretch_state_dir="/s", stretch_tripleo_release="ocata")


def test_hypervisor() -> None:
    found = tripleo_hypervisor(TOPOLOGY)
    assert [len(found[key]) for key in ("networks", "machines", "infrared_files")] == [5, 11, 8]
    with pytest.raises(AnsibleFilterError, match="overlap"):
        tripleo_hypervisor(TOPOLOGY, "10.0.20.0/24")


def test_files_need_their_secrets() -> None:
    with pytest.raises(AnsibleFilterError, match="There is no secret 'admin'"):
        tripleo_files(TOPOLOGY, "stack1", QUEENS, {}, "/d")


def test_nodes() -> None:
    said = {
        node["name"]: f" vnet0 network s1provisioning virtio 52:54:00:00:00:{n:02x}"
        for n, node in enumerate(TOPOLOGY["nodes"])
    }
    found = tripleo_nodes(TOPOLOGY, "stack1", QUEENS, said, "secret", "qemu+ssh://h/system")
    assert len(found["instackenv"]["nodes"]) == len(found["bmcs"]) == 4
    assert "port = 6233\n" in found["bmcs"]["s1compute-0"]
    with pytest.raises(AnsibleFilterError, match="run --tags rebuild_vms"):
        tripleo_nodes(TOPOLOGY, "stack1", QUEENS, {}, "secret", "qemu+ssh://h/system")


def test_interfaces() -> None:
    found = tripleo_interfaces(TOPOLOGY, "s2undercloud-0")
    assert found["external"] == "10.1.10.0/24"
    assert [one["name"] for one in found["devices"]] == ["vlan10", "vlan20", "eth2"]


def test_connections() -> None:
    found = tripleo_connections(TOPOLOGY, QUEENS, {}, [])
    assert found["ssh_config"] == "\n"
    assert all(one["stretch_pending"] for one in found["variables"].values())
