# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command line and file of a deployment, as the roles make them for the collection's own topology."""

from __future__ import annotations

import configparser
import io
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import topology as topologies
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import (
    infrared,
    instackenv,
    overcloud,
    release,
    topology_files,
    undercloud,
)
from contract_harness import ROOT

CHECKOUT = "/srv/infrared"
DIRECTORY = "/home/stack/stretch"
REGISTRY = "images.example"
NAMESERVERS = ("192.0.2.53", "192.0.2.54")
NTP_SERVER = "ntp.example"
IMAGES_URL = "file:///tmp/"
# The default has room for two stacks before it meets the provisioning networks.
EXTERNAL = "172.20.0.0/24"
SETTINGS = infrared.Settings(
    address="127.0.0.2",
    user="root",
    key="/home/me/.ssh/id_rsa",
    disk_pool="/var/lib/libvirt/images",
    image="https://images.example/cloud.qcow2",
    nameservers=NAMESERVERS,
    ntp_server=NTP_SERVER,
)


def topology(*stacks: str) -> Any:
    """The value of stretch_topology."""
    config = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text())
    return topologies.plain(topologies.expand(config, list(stacks)))


@dataclass(frozen=True)
class Deployment:
    """One stack of a deployment of two or three."""

    release: release.Release
    topology: Any
    stack: str

    @property
    def described(self) -> Any:
        """The stack, as the topology describes it."""
        return next(one for one in self.topology["stacks"] if one["name"] == self.stack)

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes of instackenv.json."""
        names = [node["name"] for node in instackenv.nodes_of(self.topology, self.stack)]
        macs = {name: f"52:54:00:00:00:{number:02x}" for number, name in enumerate(names)}
        nodes: list[dict[str, Any]] = instackenv.instackenv(
            self.topology, self.stack, self.release, macs, "a password"
        )["nodes"]
        return nodes

    def undercloud_conf(self) -> str:
        """What the options that Infrared is given make of undercloud.conf."""
        parser = configparser.ConfigParser(interpolation=None)
        for option, value in undercloud.config_options(self.described, NAMESERVERS).items():
            section, name = option.split(".", 1)
            if section != "DEFAULT" and not parser.has_section(section):
                parser.add_section(section)
            parser.set(section, name, value)
        written = io.StringIO()
        parser.write(written)
        return written.getvalue()

    def files(self) -> dict[str, Any]:
        """Every file on the undercloud by its path, container-images.yaml as the real command writes it among them."""
        secrets = {
            name: f"secret {number}"
            for number, name in enumerate(
                overcloud.secrets_wanted(self.release, [one["name"] for one in self.topology["stacks"]])
            )
        }
        made = overcloud.files(
            self.topology, self.stack, self.release, secrets, REGISTRY, NAMESERVERS, NTP_SERVER, DIRECTORY
        )
        files = {one.path: one.content for one in made}
        files[f"{DIRECTORY}/instackenv.json"] = {"nodes": self.nodes()}
        for path in overcloud.environments(self.release, DIRECTORY):
            if path.endswith("/container-images.yaml"):
                files[path] = {"parameter_defaults": {"DockerMysqlImage": f"{REGISTRY}/mariadb:1"}}
        return files

    def environments(self) -> list[str]:
        """Paths of the environment files, in the order of -e."""
        return overcloud.environments(self.release, DIRECTORY)

    def deploy(self) -> list[str]:
        """The command line of overcloud deploy."""
        return overcloud.deploy_argv(self.release, DIRECTORY)

    def openstack(self) -> dict[str, list[str]]:
        """Every command line of ``openstack``, the name that a test calls it by to the words."""
        nodes = instackenv.nodes_of(self.topology, self.stack)
        states = {node["name"]: "clean failed" for node in nodes}
        names = [node["name"] for node in nodes]
        gateway = self.described["networks"]["provisioning"]["gateway"]
        commands = [
            self.deploy(),
            overcloud.status_argv(self.release),
            *overcloud.prepare_argvs(self.release, REGISTRY, gateway, DIRECTORY),
            *instackenv.node_commands(names, f"{DIRECTORY}/instackenv.json", {}),
            *instackenv.node_commands(names, f"{DIRECTORY}/instackenv.json", states),
            instackenv.list_argv(),
            instackenv.flavor_list_argv(),
            *(instackenv.resource_class_argv(node) for node in nodes),
            *(instackenv.flavor_argv(name, self.topology) for name in instackenv.flavors(self.release)),
            *(instackenv.flavor_set_argv(name) for name in instackenv.flavors(self.release)),
        ]
        return {" ".join(argv): argv for argv in commands}

    def infrared(self) -> list[list[str]]:
        """Every command line of ``infrared``."""
        share = topology_files.hypervisor(self.topology, EXTERNAL)
        return [
            infrared.plugin_argv(CHECKOUT, infrared.PLUGINS),
            infrared.workspace_argv(CHECKOUT),
            infrared.networks_argv(CHECKOUT, share, SETTINGS),
            infrared.machines_argv(CHECKOUT, share, SETTINGS),
            infrared.undercloud_argv(CHECKOUT, "/srv/inventory", self.described, self.release, SETTINGS, IMAGES_URL),
        ]


def deployment(name: str, stack: str, *stacks: str) -> Deployment:
    """A stack of the collection's own topology, in a release."""
    path = ROOT / f"playbooks/files/tripleo/{name}.yml"
    return Deployment(release.read(yaml.safe_load(path.read_text()), name), topology(*stacks), stack)
