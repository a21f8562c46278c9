# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks libvirt's own test driver, in the Python that has libvirt, as real_release_harness.py asks a release.

The driver keeps what it was told as long as the connection, so a hypervisor is a process.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import libvirt
from ansible_collections.stretch.cluster.plugins.modules import libvirt_machines


class FailedError(Exception):
    """The module ended with a message."""


class Module:
    """As much of AnsibleModule as the module uses once it has its arguments."""

    def __init__(self, params: dict[str, Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode

    def fail_json(self, msg: str) -> NoReturn:
        """End with a message."""
        raise FailedError(msg)


# The test driver, unless a test runs libvirtd itself.
CONNECTION = libvirt.open(os.environ.get("STRETCH_LIBVIRT", "test:///default"))


def ask_ensure(params: dict[str, Any], check_mode: bool) -> Any:
    """Run the module."""
    return libvirt_machines.ensure(Module(params, check_mode), CONNECTION)


def ask_network(xml: str) -> Any:
    """Make a network of XML that comes from elsewhere."""
    CONNECTION.networkDefineXML(xml).create()
    return {}


def ask_machine(xml: str) -> Any:
    """Make a machine of XML that comes from elsewhere."""
    CONNECTION.defineXML(xml)
    return {}


def ask_xml(kind: str, name: str) -> Any:
    """Give libvirt's XML of what is there."""
    thing = CONNECTION.networkLookupByName(name) if kind == "network" else CONNECTION.lookupByName(name)
    return {"xml": thing.XMLDesc()}


def ask_stop(kind: str, name: str) -> Any:
    """Stop something behind the module's back."""
    thing = CONNECTION.networkLookupByName(name) if kind == "network" else CONNECTION.lookupByName(name)
    thing.destroy()
    return {}


def ask_names() -> Any:
    """List all networks and machines."""
    return {
        "networks": sorted(network.name() for network in CONNECTION.listAllNetworks()),
        "machines": sorted(domain.name() for domain in CONNECTION.listAllDomains()),
    }


def main() -> None:
    """Answer until there are no more questions."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"answer": globals()["ask_" + question.pop("ask")](**question)}
        except (FailedError, libvirt.libvirtError) as error:
            answer = {"refused": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
