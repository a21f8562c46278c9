# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines and files for Infrared, against Infrared itself: it parses, validates and lists, and runs nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import libvirt_xml
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import infrared, topology_files
from contract_harness import BUILD, RELEASES, Asked, find_python, run
from deployment_harness import CHECKOUT, deployment, topology

PLACE = BUILD / "infrared"
COPY = PLACE / "checkout"
# How a command is only looked at; the last two parse the playbooks that it would run.
WAYS = ("dry-run", "syntax-check", "list-tasks")
STACKS = ("stack1", "stack2")
HOSTS = """
localhost ansible_connection=local
hypervisor ansible_host=127.0.0.2 ansible_user=root
s1undercloud-0 ansible_host=192.168.22.10 ansible_user=cloud-user
s2undercloud-0 ansible_host=192.168.23.10 ansible_user=cloud-user

[hypervisor]
hypervisor

[undercloud]
s1undercloud-0
s2undercloud-0
"""


def copied(source: Path) -> None:
    """Copy the checkout, and install it as the role infrared_setup does, once for each of its commits."""
    commit = run(["git", "-C", source, "rev-parse", "HEAD"]).strip()
    stamp = PLACE / "stamp"
    if stamp.exists() and stamp.read_text() == commit:
        return
    python = find_python(("3.9", "3.10", "3.11", "3.8", "3.7"))
    if python is None:
        pytest.skip("Infrared needs a Python from 3.7 to 3.11, which this machine does not have")
    shutil.rmtree(COPY, ignore_errors=True)
    run(["git", "clone", "--quiet", source, COPY])
    run([python, "-m", "venv", COPY / ".venv"])
    run([COPY / ".venv/bin/pip", "install", "--quiet", "--upgrade", "pip<24"])
    run([COPY / ".venv/bin/pip", "install", "--quiet", "."], cwd=COPY)
    stamp.write_text(commit)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """A checkout with the topology's files, the plugins and the workspace."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        copied(Path(os.environ["INFRARED"]))
    for path, content in topology_files.infrared_files(topology_files.hypervisor(topology(*STACKS))).items():
        (COPY / "plugins/virsh/vars/topology" / path).write_text(yaml.safe_dump(content))
    # Everything else that it keeps.
    for path in (".workspaces", ".plugins.ini", ".infrared"):
        shutil.rmtree(COPY / path, ignore_errors=True)
        (COPY / path).unlink(missing_ok=True)
    one = deployment("queens", "stack1", *STACKS)
    for argv in one.infrared()[:2]:
        done = called(argv)
        assert done.returncode == 0, done.stdout + done.stderr
    return COPY


def called(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Call Infrared as the modules do."""
    here = [word.replace(CHECKOUT, str(COPY)) for word in argv]
    environment = infrared.environment(str(COPY), os.environ)
    # As before the workspace is there, for the first two commands.
    if not (COPY / ".workspaces").exists():
        environment.pop("IR_WORKSPACE", None)
    return subprocess.run(here, check=False, capture_output=True, text=True, env=environment, cwd=COPY)


def looked(argv: list[str], way: str) -> list[str]:
    """Have a command looked at only."""
    if way == "dry-run":
        return [*argv, "--dry-run"]
    if "--ansible-args" in argv:
        place = argv.index("--ansible-args") + 1
        return [*argv[:place], f"{argv[place]};{way}", *argv[place + 1 :]]
    return [*argv, "--ansible-args", way]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [2, 3], ids=["networks", "machines"])
def test_virsh(checkout: Path, number: int, way: str) -> None:
    argv = deployment("queens", "stack1", *STACKS).infrared()[number]
    if number == 3:
        # As the first call leaves it.
        workspace = checkout / ".workspaces" / infrared.WORKSPACE
        (workspace / "hosts-prov").write_text(HOSTS)
        (workspace / "hosts").unlink(missing_ok=True)
        (workspace / "hosts").symlink_to("hosts-prov")
    done = called(looked(argv, way))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("release", RELEASES)
def test_undercloud(checkout: Path, tmp_path: Path, release: str, stack: str, way: str) -> None:
    inventory = tmp_path / f"{stack}-hosts"
    share = topology_files.hypervisor(topology(*STACKS))
    inventory.write_text(infrared.stack_inventory(infrared.hosts(HOSTS), share, stack))
    argv = [
        word.replace("/srv/inventory", str(inventory)) for word in deployment(release, stack, *STACKS).infrared()[4]
    ]
    done = called(looked(argv, way))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [("--topology-extend", "--topology-extended"), ("--host-key", "--host-keys"), ("yes", "perhaps")],
)
def test_a_wrong_option_is_refused(checkout: Path, old: str, new: str) -> None:
    argv = deployment("queens", "stack1", *STACKS).infrared()[3]
    done = called(looked([new if word == old else word for word in argv], "dry-run"))
    assert done.returncode != 0


def test_libvirt_takes_the_networks_as_infrared_writes_them(checkout: Path, hypervisor: Asked) -> None:
    """By Infrared's own template; libvirt's test driver is the judge."""
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - it writes XML that is given
    environment.filters["bool"] = bool
    template = environment.from_string((checkout / "plugins/virsh/templates/network.xml.j2").read_text())
    share = topology_files.hypervisor(topology(*STACKS))
    described = topology_files.infrared_files(share)["network/stretch_nets.yml"]["networks"]
    for network in described.values():
        size = {"host": {"network": {"mtu": {"size": ""}}}}
        hypervisor("network", xml=template.render(item={"value": network}, provision=size))
    assert hypervisor("names")["networks"] == sorted(["default", *(network["name"] for network in described.values())])
    for network in share.networks:
        found = libvirt_xml.read_network(hypervisor("xml", kind="network", name=network.name)["xml"])
        assert (found.address, found.prefixlen, found.forward) == (network.address, network.prefixlen, network.forward)
