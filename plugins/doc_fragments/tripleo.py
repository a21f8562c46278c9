# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What the modules that run Infrared have in common."""

    DOCUMENTATION = r"""
options:
  checkout:
    description: Absolute path of Infrared's checkout, with its virtual environment in C(.venv).
    type: path
    required: true
  topology:
    description: The stacks, their networks and all nodes, as P(stretch.cluster.topology#inventory) gives them.
    type: dict
    required: true
  external_network:
    description: Network in CIDR notation over which the first stack's undercloud is reached; each stack takes a block.
    type: str
    default: 192.168.22.0/24
  hypervisor:
    description: Where the machines run.
    type: dict
    required: true
    suboptions:
      address:
        description: Its address, as this machine reaches it by SSH.
        type: str
        required: true
      user:
        description: Whom to log in as.
        type: str
        default: root
      key:
        description: Path of the private key for that.
        type: path
        required: true
      uri:
        description: Where its libvirt answers.
        type: str
        default: qemu:///system
      disk_pool:
        description: Directory on it for the machines' disks.
        type: path
        default: /var/lib/libvirt/images
  state_dir:
    description: Absolute path of the directory that remembers what was made.
    type: path
    required: true
"""
