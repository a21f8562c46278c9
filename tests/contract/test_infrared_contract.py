# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command line and file for Infrared, against the table of what it takes."""

from __future__ import annotations

import copy
from typing import Any

import infrared_harness
import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import topology_files
from contract_harness import RELEASES
from deployment_harness import EXTERNAL, deployment, topology

STACKS = ("stack1", "stack2", "stack3")


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("release", RELEASES)
def test_command_lines(release: str, stack: str) -> None:
    for argv in deployment(release, stack, *STACKS).infrared():
        assert infrared_harness.problems(argv) == []


@pytest.mark.parametrize("stacks", [STACKS[:number] for number in (1, 2, 3)])
def test_files(stacks: tuple[str, ...]) -> None:
    share = topology_files.hypervisor(topology(*stacks), EXTERNAL)
    files = topology_files.infrared_files(share)
    assert infrared_harness.file_problems(files) == []
    # What virsh is told to make has a file each.
    assert {f"nodes/{topology_files.kind(machine)}.yml" for machine in share.machines} < set(files)


def changed(argv: list[str], old: str, *new: str) -> list[str]:
    """Replace a word by none or several."""
    assert old in argv
    place = argv.index(old)
    return [*argv[:place], *new, *argv[place + 1 :]]


@pytest.mark.parametrize(
    ("command", "old", "new", "problem"),
    [
        ("virsh", "--host-key", ("--host-keys",), "virsh has no --host-keys"),
        ("virsh", "--topology-extend", ("--cleanup",), "virsh has no --cleanup"),
        ("virsh", "yes", ("true",), "virsh --topology-extend is 'true', which is no yes-no"),
        ("virsh", "--image-url", ("--topology-timezone",), "virsh lacks --image-url"),
        ("tripleo-undercloud", "--ntp-server", ("--build",), "tripleo-undercloud lacks --ntp-server"),
        ("tripleo-undercloud", "train", ("stein",), "is 'stein', which is no ['queens', 'train', 'wallaby']"),
        ("tripleo-undercloud", "file:///tmp/", ("/tmp/",), "--images-url is '/tmp/', which is no url"),
        ("tripleo-undercloud", "DEFAULT.enable_telemetry=false", ("enable_telemetry",), "which is no option"),
        ("workspace", "create", ("checkout",), "infrared has no workspace checkout"),
        ("workspace", "stack", ("stack", "-c"), "workspace create has no -c"),
        ("plugin", "plugins/virsh", ("all",), "plugin add does not take all"),
    ],
)
def test_a_wrong_command_line_is_found(command: str, old: str, new: tuple[str, ...], problem: str) -> None:
    """Of all command lines of that name, as the last one has the most options."""
    argv = [one for one in deployment("train", "stack2", *STACKS[:2]).infrared() if one[1] == command][-1]
    assert problem in "; ".join(infrared_harness.problems(changed(argv, old, *new)))


def rename(files: Any) -> None:
    files["network/stretch_nets.yml"]["networks"]["net1"]["name"] = "s1provisioning-x"


def resize(files: Any) -> None:
    files["nodes/s1controller.yml"]["memory"] = 16384


def forget(files: Any) -> None:
    del files["network/stretch_nets.yml"]["nodes"]["s1compute"]


def mistype(files: Any) -> None:
    files["nodes/s1compute.yml"]["disk"] = files["nodes/s1compute.yml"].pop("disks")


def strand(files: Any) -> None:
    files["network/stretch_nets.yml"]["nodes"]["s1undercloud"]["external_network"]["network"] = "s2external"


def move(files: Any) -> None:
    files["network/stretch_nets.yml"]["networks"]["net2"]["dhcp"]["range"]["end"] = "192.168.99.50"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (rename, "s1provisioning-x has 16 characters"),
        (resize, "nodes/s1controller.yml: memory is 16384"),
        (forget, "nodes/s1compute.yml has no networks"),
        (mistype, "nodes/s1compute.yml has no disks"),
        (strand, "s1undercloud is reached on s2external, on which it is not"),
        (move, "s1external gives 192.168.99.50, which is not in 192.168.22.0/24"),
    ],
)
def test_a_wrong_file_is_found(change: Any, problem: str) -> None:
    files = copy.deepcopy(topology_files.infrared_files(topology_files.hypervisor(topology("stack1", "stack2"))))
    change(files)
    assert problem in "; ".join(infrared_harness.file_problems(files))
