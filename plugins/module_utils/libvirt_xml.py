# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's XML of networks, machines and disks: written from a description, and read back into one.

libvirt adds much to what it is given, so XML is not compared with XML: what is there is read into the same dataclasses.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Optional, Tuple
from xml.etree import ElementTree as ET

# A bridge is named as its network, and the kernel takes no longer name for an interface.
NAME_LENGTH = 15
# Who made a network or a machine stands in an element of its metadata.
_MARK = "{urn:stretch.cluster:libvirt}deployment"

ET.register_namespace("stretch", "urn:stretch.cluster:libvirt")


@dataclass(frozen=True)
class Network:
    """A network; ``forward`` is ``nat``, or None where it leads nowhere. No addresses are given out on it."""

    name: str
    address: str
    prefixlen: int
    forward: Optional[str] = None


@dataclass(frozen=True)
class Interface:
    """An interface of a machine."""

    network: str
    mac: str


@dataclass(frozen=True)
class Machine:
    """A machine; ``disks`` and ``cdroms`` are paths, the first disk is what it starts from."""

    name: str
    vcpus: int
    memory_mib: int
    interfaces: Tuple[Interface, ...]
    disks: Tuple[str, ...]
    cdroms: Tuple[str, ...] = ()


def mac_address(deployment: str, machine: str, network: str) -> str:
    """The address of an interface: always the same, and another one in each deployment."""
    digest = hashlib.sha256(f"{deployment}\x00{machine}\x00{network}".encode()).hexdigest()
    # The prefix is QEMU's.
    return ":".join(("52", "54", "00", digest[:2], digest[2:4], digest[4:6]))


def network_xml(network: Network, deployment: str) -> str:
    """Write a network."""
    root = ET.Element("network")
    _text(root, "name", network.name)
    _mark(root, deployment)
    if network.forward is not None:
        ET.SubElement(root, "forward", mode=network.forward)
    # With the spanning tree, introspection of nodes fails on newer hypervisors, as Infrared found too.
    ET.SubElement(root, "bridge", name=network.name, stp="off", delay="0")
    ET.SubElement(root, "ip", address=network.address, prefix=str(network.prefixlen))
    return ET.tostring(root, encoding="unicode")


def read_network(xml: str) -> Network:
    """Read a network; one without an address has an empty one."""
    root = _parse(xml)
    address, forward = root.find("ip"), root.find("forward")
    given = {} if address is None else dict(address.attrib)
    prefixlen = given.get("prefix")
    if prefixlen is None:
        prefixlen = str(ipaddress.ip_network("0.0.0.0/" + given.get("netmask", "32")).prefixlen)
    return Network(
        name=root.findtext("name", ""),
        address=given.get("address", ""),
        prefixlen=int(prefixlen),
        forward=None if forward is None else forward.get("mode", "nat"),
    )


def machine_xml(machine: Machine, deployment: str, virtualisation: str) -> str:
    """Write a machine; ``virtualisation`` is libvirt's type of it, as ``kvm`` or ``qemu``."""
    root = ET.Element("domain", type=virtualisation)
    _text(root, "name", machine.name)
    _mark(root, deployment)
    ET.SubElement(root, "memory", unit="MiB").text = str(machine.memory_mib)
    _text(root, "vcpu", str(machine.vcpus))
    system = ET.SubElement(root, "os")
    _text(system, "type", "hvm")
    # One without an installed system asks its undercloud first. A virtual BMC changes this, so it is not read back.
    for device in ("hd",) if machine.cdroms else ("network", "hd"):
        ET.SubElement(system, "boot", dev=device)
    features = ET.SubElement(root, "features")
    for feature in ("acpi", "apic"):
        ET.SubElement(features, feature)
    if virtualisation == "kvm":
        cpu = ET.SubElement(root, "cpu", mode="host-passthrough")
        # Where the hypervisor is itself a machine, QEMU may see this and not be let set it, and ends.
        ET.SubElement(cpu, "feature", policy="disable", name="arch-capabilities")
    _devices(ET.SubElement(root, "devices"), machine)
    return ET.tostring(root, encoding="unicode")


def _devices(devices: ET.Element, machine: Machine) -> None:
    for number, path in enumerate(machine.disks):
        _disk(devices, path, "disk", "qcow2", "vd" + "abcdefgh"[number], "virtio")
    for number, path in enumerate(machine.cdroms):
        _disk(devices, path, "cdrom", "raw", "sd" + "abcdefgh"[number], "sata")
    for interface in machine.interfaces:
        element = ET.SubElement(devices, "interface", type="network")
        ET.SubElement(element, "mac", address=interface.mac)
        ET.SubElement(element, "source", network=interface.network)
        ET.SubElement(element, "model", type="virtio")
    ET.SubElement(devices, "serial", type="pty")
    # Keys that are made when a machine first starts would wait for chance otherwise.
    chance = ET.SubElement(devices, "rng", model="virtio")
    ET.SubElement(chance, "backend", model="random").text = "/dev/urandom"


def _disk(devices: ET.Element, path: str, device: str, form: str, target: str, bus: str) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device=device)
    ET.SubElement(disk, "driver", name="qemu", type=form)
    ET.SubElement(disk, "source", file=path)
    ET.SubElement(disk, "target", dev=target, bus=bus)
    if device == "cdrom":
        ET.SubElement(disk, "readonly")


def read_machine(xml: str) -> Machine:
    """Read a machine."""
    root = _parse(xml)
    memory = root.find("memory")
    kib = 0 if memory is None else int(memory.text or 0)
    paths = {
        device: tuple(
            source.get("file", "")
            for disk in root.findall("devices/disk")
            for source in disk.findall("source")
            if disk.get("device", "disk") == device
        )
        for device in ("disk", "cdrom")
    }
    return Machine(
        name=root.findtext("name", ""),
        vcpus=int(root.findtext("vcpu", "0")),
        # libvirt answers in KiB, whatever it was given.
        memory_mib=kib // 1024,
        interfaces=tuple(_interface(element) for element in root.findall("devices/interface")),
        disks=paths["disk"],
        cdroms=paths["cdrom"],
    )


def _interface(element: ET.Element) -> Interface:
    source, mac = element.find("source"), element.find("mac")
    return Interface(
        network="" if source is None else source.get("network", ""),
        mac="" if mac is None else mac.get("address", ""),
    )


def pool_xml(name: str, path: str) -> str:
    """Write a pool of disks, a directory."""
    root = ET.Element("pool", type="dir")
    _text(root, "name", name)
    _text(ET.SubElement(root, "target"), "path", path)
    return ET.tostring(root, encoding="unicode")


def read_pool(xml: str) -> str:
    """Read the directory of a pool."""
    return _parse(xml).findtext("target/path", "")


def disk_xml(name: str, size_gib: int, image: Optional[str]) -> str:
    """Write a disk: empty, or what is written to it over an image, whose path is given."""
    root = ET.Element("volume")
    _text(root, "name", name)
    ET.SubElement(root, "capacity", unit="GiB").text = str(size_gib)
    # It grows; without this libvirt takes the whole size from the pool.
    _text(root, "allocation", "0")
    ET.SubElement(ET.SubElement(root, "target"), "format", type="qcow2")
    if image is not None:
        backing = ET.SubElement(root, "backingStore")
        _text(backing, "path", image)
        ET.SubElement(backing, "format", type="qcow2")
    return ET.tostring(root, encoding="unicode")


def deployment_of(xml: str) -> Optional[str]:
    """Whose a network or a machine is; None if it is not of this collection."""
    mark = _parse(xml).find("metadata/" + _MARK)
    return None if mark is None else mark.get("state", "")


def virtualisation_of(capabilities: str) -> str:
    """The best of what a hypervisor can do, by libvirt's description of it."""
    kinds = [str(domain.get("type")) for domain in _parse(capabilities).findall("guest/arch/domain")]
    return next((kind for kind in ("kvm", "qemu") if kind in kinds), kinds[0] if kinds else "qemu")


def _mark(root: ET.Element, deployment: str) -> None:
    ET.SubElement(ET.SubElement(root, "metadata"), _MARK, state=deployment)


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text


def _parse(xml: str) -> ET.Element:
    return ET.fromstring(xml)  # noqa: S314 - libvirt's own answer
