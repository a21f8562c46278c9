# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command line and file of a deployment, against the real packages of each release."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from contract_harness import RefusedError
from deployment_harness import Deployment
from release_harness import Release

PREFIX = {"stack1": "192.168.24", "stack2": "192.168.25"}


def test_command_lines(release: Release, deployment: Deployment) -> None:
    commands = deployment.openstack()
    assert len(commands) > 10
    assert release.command_problems(list(commands.values()), deployment.files()) == []


def test_deploy_says_what_it_says(release: Release, deployment: Deployment) -> None:
    parsed = release.ask("parse", argv=deployment.deploy()[1:])
    assert parsed["environment_files"] == deployment.environments()
    assert parsed["stack"] == "overcloud"
    assert parsed["libvirt_type"] == "qemu"


def test_deploy_checks_its_files(release: Release, deployment: Deployment) -> None:
    assert release.deploy_problems(deployment.deploy(), deployment.files()) == []


def test_nodes(release: Release, deployment: Deployment) -> None:
    nodes = deployment.nodes()
    assert len(nodes) == 4
    release.ask("nodes", nodes=nodes)


def test_undercloud(release: Release, deployment: Deployment) -> None:
    """What the installer reads: the subnet's section wins over the names of old."""
    values = release.undercloud(deployment.undercloud_conf())
    prefix = PREFIX[deployment.stack]
    assert values["local_ip"] == f"{prefix}.1/24"
    assert (values["undercloud_public_host"], values["undercloud_admin_host"]) == (f"{prefix}.2", f"{prefix}.3")
    assert values["enable_telemetry"] is False
    assert values["undercloud_nameservers"] == ["192.0.2.53", "192.0.2.54"]
    subnet = {name.split(".")[1]: value for name, value in values.items() if name.startswith("ctlplane-subnet.")}
    assert (subnet["cidr"], subnet["gateway"]) == (f"{prefix}.0/24", f"{prefix}.1")
    # A list from train on.
    pool = [one[0] if isinstance(one, list) else one for one in (subnet["dhcp_start"], subnet["dhcp_end"])]
    assert pool == [f"{prefix}.30", f"{prefix}.60"]
    assert subnet["inspection_iprange"] == f"{prefix}.100,{prefix}.120"


def test_environments(release: Release, deployment: Deployment) -> None:
    assert release.environment_problems(deployment.environments(), deployment.files()) == []


def test_who_wins(release: Release, deployment: Deployment) -> None:
    """The order of environments: containers run under what the site's description says, and ours come last."""
    merged = release.environments(deployment.environments(), deployment.files())
    parameters = merged["parameters"]
    assert parameters["KeystoneRegion"] == f"region_{deployment.stack}"
    ours = {
        name: value
        for path in deployment.environments()
        if path in deployment.files()
        for name, value in deployment.files()[path].get("parameter_defaults", {}).items()
    }
    assert {name: parameters[name] for name in ours} == ours
    if deployment.release.container_cli == "podman":
        assert parameters.get("ContainerCli", "podman") == "podman"


def test_passwords_that_users_of_one_keystone_share(release: Release, deployment: Deployment) -> None:
    assert release.password_problems(deployment.environments(), deployment.files()) == []


# What must not pass: a change of something that passes, and a word of the message.


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("--stack", "--stack-name", "unrecognized arguments|--stack-name"),
        ("--libvirt-type", "--libvirt", "--libvirt"),
        ("--timeout", "--time", "--time"),
        ("180", "soon", "invalid int value: 'soon'"),
        ("deploy", "deplo", "no command overcloud deplo"),
    ],
)
def test_a_wrong_option_is_found(release: Release, one: Deployment, old: str, new: str, message: str) -> None:
    argv = [new if word == old else word for word in one.deploy()]
    assert argv != one.deploy()
    with pytest.raises(RefusedError, match=message):
        release.ask("parse", argv=argv[1:])
    assert release.command_problems([argv], one.files()) != []


def test_a_missing_file_is_found(release: Release, one: Deployment) -> None:
    files = one.files()
    path = [path for path in one.environments() if path in files][-1]
    del files[path]
    assert path.rsplit("/", 1)[-1] in "; ".join(release.deploy_problems(one.deploy(), files))
    assert release.environment_problems(one.environments(), files) != []


@pytest.mark.parametrize("parameter", ["KeystoneRegionName", "InternalApiNetCIDR"])
def test_a_parameter_that_no_template_has_is_found(release: Release, one: Deployment, parameter: str) -> None:
    files = copy.deepcopy(one.files())
    path = next(path for path in files if path.endswith("/overcloud.yaml"))
    files[path]["parameter_defaults"][parameter] = "x"
    assert f"no template has the parameter {parameter}" in "; ".join(
        release.environment_problems(one.environments(), files)
    )


def test_a_resource_that_no_template_has_is_found(release: Release, one: Deployment) -> None:
    files = copy.deepcopy(one.files())
    path = next(path for path in files if path.endswith("/overcloud.yaml"))
    files[path]["resource_registry"] = {"OS::TripleO::Controller::Ports::InternalPort": "OS::Heat::None"}
    problems = "; ".join(release.environment_problems(one.environments(), files))
    assert "no template has the resource OS::TripleO::Controller::Ports::InternalPort" in problems


def test_a_missing_password_is_found(release: Release, one: Deployment) -> None:
    files = copy.deepcopy(one.files())
    path = next(path for path in files if path.endswith("/passwords.yaml"))
    del files[path]["parameter_defaults"]["NovaPassword"]
    assert "NovaPassword" in "; ".join(release.password_problems(one.environments(), files))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("local_ip", "192.168.99.1/24"),
        ("undercloud_nameserver", "192.0.2.53"),
        ("enable_telemetry", "perhaps"),
    ],
)
def test_a_wrong_undercloud_is_found(release: Release, one: Deployment, option: str, value: str) -> None:
    lines = [line for line in one.undercloud_conf().splitlines() if not line.startswith(f"{option} =")]
    lines.insert(1, f"{option} = {value}")
    with pytest.raises(RefusedError):
        release.undercloud("\n".join(lines))


@pytest.mark.parametrize("section", ["DEFAULT", "ctlplane-subnet"])
def test_an_unknown_option_of_the_undercloud_is_found(release: Release, one: Deployment, section: str) -> None:
    conf = one.undercloud_conf().replace(f"[{section}]", f"[{section}]\ndhcp_first = 192.168.24.5")
    with pytest.raises(RefusedError, match="has no dhcp_first"):
        release.undercloud(conf)


def swap(node: dict[str, Any]) -> None:
    """Give the address as the other end of the releases takes it."""
    node.update({"ports": [{"address": node["mac"][0]}]} if "mac" in node else {"mac": [node["ports"][0]["address"]]})


def unaddress(node: dict[str, Any]) -> None:
    del node["pm_addr"]


def retype(node: dict[str, Any]) -> None:
    node["pm_type"] = "vbmc"


def readdress(node: dict[str, Any]) -> None:
    node.update({"mac": ["52:54:00"]} if "mac" in node else {"ports": [{"address": "52:54:00"}]})


@pytest.mark.parametrize("change", [unaddress, retype, readdress])
def test_a_wrong_node_is_found(release: Release, one: Deployment, change: Any) -> None:
    nodes = one.nodes()
    change(nodes[0])
    with pytest.raises(RefusedError):
        release.ask("nodes", nodes=nodes)
