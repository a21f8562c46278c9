# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_cleanup
short_description: Remove nodes of the lab with what they stored, or all that the lab made in podman
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Removes nodes, which are known by the label that the lab gave them, and their volumes.
  - Without O(nodes) it removes all nodes of the lab, and the lab's networks and images with them.
  - Nothing else in podman is touched.
options:
  podman:
    description: Path of the lab's podman; where it does not exist there is no lab.
    type: path
    required: true
  nodes:
    description: Names of the nodes to remove; all of them when it is not given.
    type: list
    elements: str
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: full
    description: Lists what is removed.
"""

EXAMPLES = r"""
- name: Remove the nodes of a stack
  stretch.cluster.lab_cleanup:
    podman: "{{ stretch_state_dir }}/lab/podman"
    nodes: [s1controller-0, s1compute-0]
"""

RETURN = r"""
removed:
  description: Names of what was removed, or would be; C(nodes), C(volumes), C(networks) and C(images).
  type: dict
  returned: always
"""

import json
import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.lab_image import LABEL as LABEL_OF_IMAGES

LABEL = "stretch.cluster.role"
# Podman's networks take no label from containers.podman; these are the names that the topology gives them.
NETWORK = re.compile(r"(stretch|s[1-9][0-9]?(provisioning|internal_api))$")


class CleanupError(Exception):
    """Podman could not remove something."""


def podman(module: AnsibleModule, *argv: str) -> str:
    rc, out, err = module.run_command([module.params["podman"], *argv])
    if rc != 0:
        raise CleanupError(f"podman {' '.join(argv[:2])} failed: {err.strip()}")
    return str(out)


def load(module: AnsibleModule) -> dict[str, list[str]]:
    """What there is to remove, by kind."""
    listed = json.loads(podman(module, "ps", "--all", "--filter", f"label={LABEL}", "--format", "json") or "[]")
    nodes = sorted(container["Names"][0] for container in listed)
    if module.params["nodes"] is not None:
        nodes = [node for node in nodes if node in module.params["nodes"]]
    existing = json.loads(podman(module, "volume", "ls", "--format", "json") or "[]")
    volumes = sorted({volume["Name"] for volume in existing} & {f"{node}-containers" for node in nodes})
    found = {"nodes": nodes, "volumes": volumes, "networks": [], "images": []}
    if module.params["nodes"] is None:
        networks = json.loads(podman(module, "network", "ls", "--format", "json") or "[]")
        found["networks"] = sorted(
            network["name"] for network in networks if network["internal"] and NETWORK.match(network["name"])
        )
        images = podman(module, "images", "--quiet", "--no-trunc", "--filter", f"label={LABEL_OF_IMAGES}").split()
        found["images"] = sorted(set(images))
    return found


def apply(module: AnsibleModule, found: dict[str, list[str]]) -> None:
    # No time to stop: what a node would save is removed next.
    removals = [
        ("nodes", ["rm", "--force", "--time", "0"]),
        ("volumes", ["volume", "rm", "--force"]),
        ("networks", ["network", "rm"]),
        ("images", ["image", "rm", "--force"]),
    ]
    for kind, argv in removals:
        if found[kind]:
            podman(module, *argv, *found[kind])


def ensure(module: AnsibleModule) -> dict[str, Any]:
    if not os.path.exists(module.params["podman"]):
        return {"changed": False, "removed": {"nodes": [], "volumes": [], "networks": [], "images": []}}
    found = load(module)
    lines = "".join(f"{kind[:-1]} {name}\n" for kind, names in found.items() for name in names)
    if lines and not module.check_mode:
        apply(module, found)
    return {"changed": bool(lines), "removed": found, "diff": {"before": lines, "after": ""}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "podman": {"type": "path", "required": True},
            "nodes": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except CleanupError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
