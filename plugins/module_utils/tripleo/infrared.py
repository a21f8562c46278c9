# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of Infrared, and the inventories that it writes and reads.

Pure. Every function that ends in _argv gives one command line as a list.
"""

from __future__ import annotations

import configparser
import shlex
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import topology_files, undercloud
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import Release, TripleoError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.topology_files import Hypervisor

PLUGINS = ("virsh", "tripleo-undercloud")
WORKSPACE = "stack"
# In the workspace, beside the record of all else.
INVENTORIES = ("hosts", "hosts-prov", "hosts-install", "hosts-undercloud")
# What each of its inventories has beside the machines.
KNOWN = ("hypervisor",)
# What it writes for a machine without a system.
NO_ADDRESS = "NA"


@dataclass(frozen=True)
class Settings:
    """How Infrared reaches the hypervisor, and what underclouds need.

    ``address``, ``user``, ``key``: of the hypervisor, the key as a path. ``disk_pool``: directory there.
    ``image``: URL of the cloud image. ``nameservers``, ``ntp_server``: of underclouds and overclouds.
    """

    address: str
    user: str
    key: str
    disk_pool: str
    image: str
    nameservers: Tuple[str, ...]
    ntp_server: str


def environment(checkout: str, inherited: Mapping[str, str]) -> Dict[str, str]:
    """Variables for every command: those of this process, without what would configure Infrared's own Ansible."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(("ANSIBLE_", "IR_"))}
    kept.update(IR_HOME=checkout, IR_WORKSPACE=WORKSPACE, ANSIBLE_CONFIG=f"{checkout}/ansible.cfg")
    return kept


def program(checkout: str) -> str:
    """The command, in the checkout's virtual environment."""
    return f"{checkout}/.venv/bin/infrared"


def plugin_argv(checkout: str, plugins: Sequence[str]) -> List[str]:
    """Add plugins; the first of all commands, or Infrared installs each that it knows."""
    return [program(checkout), "plugin", "add", *(f"plugins/{plugin}" for plugin in plugins)]


def workspace_argv(checkout: str) -> List[str]:
    """Create the workspace."""
    return [program(checkout), "workspace", "create", WORKSPACE]


def setup_commands(checkout: str, registry: str, workspace: bool) -> List[List[str]]:
    """The commands that are missing until Infrared can be used.

    :param registry: Content of .plugins.ini, where Infrared keeps its plugins.
    :param workspace: Whether there is a workspace.
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(registry)
    except configparser.Error as error:
        raise TripleoError([f"{checkout}/.plugins.ini is damaged: run with --tags cleanup_infrared. {error}"]) from None
    known = {option for section in parser.sections() for option in parser.options(section)}
    # All at once, or the first of a new checkout installs every plugin that there is.
    missing = [plugin for plugin in PLUGINS if plugin not in known]
    commands = [plugin_argv(checkout, missing)] if missing else []
    return commands if workspace else [*commands, workspace_argv(checkout)]


def networks_argv(checkout: str, share: Hypervisor, settings: Settings) -> List[str]:
    """Make the networks, and no machine."""
    kinds = list(dict.fromkeys(topology_files.kind(machine) for machine in share.machines))
    return [
        *_virsh(checkout, settings),
        "--topology-nodes",
        ",".join(f"{kind}:0" for kind in kinds),
        "--ansible-args",
        "skip-tags=vms",
    ]


def machines_argv(checkout: str, share: Hypervisor, settings: Settings) -> List[str]:
    """Make the machines on networks that are there."""
    kinds = [topology_files.kind(machine) for machine in share.machines]
    return [
        *_virsh(checkout, settings),
        "--topology-nodes",
        ",".join(f"{kind}:{kinds.count(kind)}" for kind in dict.fromkeys(kinds)),
        "--topology-extend",
        "yes",
    ]


def undercloud_argv(
    checkout: str, inventory: str, stack: Mapping[str, Any], release: Release, settings: Settings, images_url: str
) -> List[str]:
    """Install the undercloud of a stack.

    :param inventory: Path of the stack's own inventory (:func:`stack_inventory`).
    :param stack: The stack, of ``stretch_topology.stacks``.
    :param images_url: Directory that the undercloud fetches the two archives of images from.
    """
    options = undercloud.config_options(stack, settings.nameservers)
    return [
        program(checkout),
        "tripleo-undercloud",
        "--inventory",
        inventory,
        "--version",
        release.name,
        "--build",
        release.build,
        "--images-task",
        "import",
        "--images-url",
        images_url,
        "--ntp-server",
        settings.ntp_server,
        "--overcloud-domain",
        undercloud.DOMAIN,
        *(word for name, value in options.items() for word in ("--config-options", f"{name}={value}")),
    ]


def _virsh(checkout: str, settings: Settings) -> List[str]:
    return [
        program(checkout),
        "virsh",
        "--host-address",
        settings.address,
        "--host-user",
        settings.user,
        "--host-key",
        settings.key,
        "--disk-pool",
        settings.disk_pool,
        "--image-url",
        settings.image,
        "--topology-network",
        topology_files.NETWORK_FILE,
    ]


def own_hosts(share: Hypervisor, settings: Settings, user: str) -> Dict[str, Dict[str, str]]:
    """Variables of the hosts where Infrared did not make the machines: addresses are those that were reserved.

    :param user: Whom the machines' image lets in with the hypervisor's key.
    """
    common = {"ansible_ssh_private_key_file": settings.key}
    # The machines' networks end at the hypervisor.
    unasked = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    jump = f"ssh -i '{settings.key}' {unasked} -W %h:%p {settings.user}@{settings.address}"
    found = {"hypervisor": {"ansible_host": settings.address, "ansible_user": settings.user, **common}}
    reserved = {network.name: network.dhcp.hosts for network in share.networks if network.dhcp is not None}
    for machine in share.machines:
        if machine.access is not None:
            address = reserved[machine.access][machine.name]
            found[machine.name] = {
                "ansible_host": address,
                "ansible_user": user,
                "ansible_ssh_common_args": f'-o ProxyCommand="{jump}"',
                **common,
            }
    return found


def hosts(text: str) -> Dict[str, Dict[str, str]]:
    """Read the hosts of an inventory that Infrared wrote: name to variables. Machines without a system are left out."""
    found: Dict[str, Dict[str, str]] = {}
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if len(words) > 1 and all("=" in word for word in words[1:]) and not line.startswith("["):
            found[words[0]] = dict(word.split("=", 1) for word in words[1:])
    return {name: variables for name, variables in found.items() if variables.get("ansible_host") != NO_ADDRESS}


def stack_inventory(found: Mapping[str, Mapping[str, str]], share: Hypervisor, stack: str) -> str:
    """The inventory of one stack for Infrared.

    Made of the variables that hosts had right after the machines were, and never of Infrared's own file again, which
    each run for an undercloud rewrites.

    :param found: Variables by host (:func:`hosts`).
    :raises TripleoError: if the stack's undercloud is not among them.
    """
    machines = [machine for machine in share.machines if machine.stack == stack]
    lost = [machine.name for machine in machines if machine.role == "undercloud" and machine.name not in found]
    if lost:
        raise TripleoError([f"How to reach {', '.join(lost)} is not known: run with --tags rebuild_vms first."])
    groups: Dict[str, List[str]] = {"hypervisor": ["hypervisor"]}
    for machine in machines:
        for group in topology_files.groups(machine):
            groups.setdefault(group, []).append(machine.name)
    lines = ["localhost ansible_connection=local ansible_python_interpreter=python"]
    for name in ("hypervisor", *(machine.name for machine in machines)):
        variables = found.get(name, {"ansible_host": NO_ADDRESS})
        lines.append(" ".join([name, *(f"{key}={shlex.quote(value)}" for key, value in variables.items())]))
    for group, members in groups.items():
        lines += ["", f"[{group}]", *members]
    return "\n".join(lines) + "\n"
