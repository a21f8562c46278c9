# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same networks and machines, smaller, on a libvirtd and QEMU of the test's own.

It runs in namespaces: neither the bridges nor libvirt's directories are those of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contract_harness import HERE, Asked
from test_libvirt_contract import ensure, params

START = """
set -eu
for directory in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /run; do
    mkdir -p "$directory"
    mount -t tmpfs none "$directory"
done
mount -t sysfs none /sys
mkdir -p /run/lock /var/lib/libvirt/images/stretch
cat > /etc/libvirt/qemu.conf <<'END'
stdio_handler = "file"
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
END
ip link set lo up
exec libvirtd --config /dev/null
"""


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Run libvirtd; gives what a command begins with that is to run where it is."""
    missing = [name for name in ("libvirtd", "qemu-system-x86_64", "qemu-img", "dnsmasq") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a real hypervisor needs root and {', '.join(missing)}")
    with (tmp_path_factory.mktemp("libvirtd") / "log").open("w") as log:
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", START]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    prefix = ["nsenter", f"--target={daemon.pid}", "--net", "--mount"]
    virsh = [*prefix, "virsh", "-c", "qemu:///system", "version"]
    end = time.monotonic() + 120
    while subprocess.run(virsh, check=False, capture_output=True).returncode:
        assert daemon.poll() is None
        assert time.monotonic() < end
        time.sleep(1)
    yield prefix
    subprocess.run([*prefix, "sh", "-c", "kill $(cat /run/libvirt/qemu/*.pid) 2>/dev/null"], check=False)
    daemon.terminate()
    daemon.wait(timeout=60)


@pytest.fixture(scope="module")
def shell(inside: list[str]) -> Callable[[str], str]:
    """Run a script where libvirtd is."""

    def run(script: str) -> str:
        return subprocess.run([*inside, "sh", "-euc", script], check=True, capture_output=True, text=True).stdout

    return run


@pytest.fixture(scope="module")
def real(inside: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Ask the module about that libvirtd."""
    asked = Asked(
        [*inside, "/usr/bin/python3", HERE / "real_libvirt_harness.py"],
        tmp_path_factory.mktemp("real") / "log",
        PYTHONPATH=sysconfig.get_path("purelib"),
        STRETCH_LIBVIRT="qemu:///system",
    )
    yield asked
    asked.close()


@pytest.fixture(scope="module")
def wanted(shell: Callable[[str], str]) -> dict[str, Any]:
    """All networks and machines of two stacks, at the size of this machine."""
    wanted = params("stack1", "stack2")
    for machine in wanted["machines"]:
        machine.update(vcpus=1, memory_mib=64, disk_gib=1)
    shell(f"qemu-img create -q -f qcow2 {wanted['image']} 1G")
    for machine in wanted["machines"]:
        if machine["image"]:
            shell(f"truncate -s 1M {wanted['directory']}/{machine['name']}-cloud-init.iso")
    return wanted


def test_made_left_alone_and_removed(real: Asked, wanted: dict[str, Any], shell: Callable[[str], str]) -> None:
    done = ensure(real, wanted)
    assert done["changed"]
    assert not ensure(real, wanted)["changed"]
    running = shell("virsh -c qemu:///system list --name").split()
    assert sorted(running) == sorted(machine["name"] for machine in wanted["machines"] if machine["image"])
    for network in wanted["networks"]:
        assert f"{network['address']}/{network['prefixlen']}" in shell(f"ip -brief address show {network['name']}")
    disk = shell(f"qemu-img info --force-share {wanted['directory']}/s1undercloud-0.qcow2")
    assert f"backing file: {wanted['image']}" in disk

    # A virtual BMC starts what has no system, and says what it boots from.
    shell("virsh -c qemu:///system start s1controller-0")
    assert not ensure(real, wanted)["changed"]

    gone = ensure(real, {**wanted, "state": "absent"})
    assert gone["foreign"] == []
    assert not ensure(real, {**wanted, "state": "absent"})["changed"]
    assert (
        shell("virsh -c qemu:///system list --all --name; virsh -c qemu:///system net-list --all --name").split() == []
    )
    assert "qcow2" in shell(f"ls {wanted['directory']}")
    assert shell(f"ls {wanted['directory']} | grep -c qcow2").strip() == "1"
