# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tripleo_step
short_description: Run a step of an overcloud's deployment on its undercloud
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Asks the undercloud what there is, runs the commands of C(openstack) that are missing, and stops at the first that
    fails. Where nothing is missing it changes nothing; after a failure it goes on where it stopped.
  - Run as the user of the undercloud. What the commands say is in O(log), never a password.
attributes:
  check_mode:
    support: full
    description: Says what it would run.
  diff_mode:
    support: full
    description: Shows nodes with their states, flavors, or the digests of the overcloud's files.
options:
  step:
    description:
      - V(nodes) registers and introspects the nodes of C(instackenv.json) and makes them available.
      - V(flavors) makes a flavor for each role, and puts the nodes into their resource classes.
      - V(containers) brings the containers' images to the undercloud.
      - V(overcloud) deploys the overcloud, or updates it when its files changed.
    type: str
    required: true
    choices: [nodes, flavors, containers, overcloud]
  topology:
    description: The stacks, their networks and all nodes, as P(stretch.cluster.topology#inventory) gives them.
    type: dict
    required: true
  stack:
    description: Name of the stack.
    type: str
    required: true
  release:
    description: The release, as P(stretch.cluster.tripleo#lookup) gives it.
    type: dict
    required: true
  directory:
    description: Absolute path of the directory with the overcloud's files.
    type: path
    required: true
  registry:
    description: Host of the registry with the containers' images; needed for V(containers).
    type: str
  rc:
    description: File with the undercloud's credentials, which a shell reads.
    type: path
    required: true
  log:
    description: File for what the commands say.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Nodes are registered and available
  stretch.cluster.tripleo_step:
    step: nodes
    topology: "{{ stretch_topology }}"
    stack: stack1
    release: "{{ lookup('stretch.cluster.tripleo').release }}"
    directory: /home/stack/stretch
    rc: /home/stack/stackrc
    log: /home/stack/stretch/nodes.log
"""

RETURN = r"""
commands:
  description: The commands that were run, or in check mode would be.
  type: list
  elements: list
  returned: success
"""

import os
from typing import Any, Dict, List, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import instackenv, overcloud, running, steps
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import Release, TripleoError, read

TAGS = {"nodes": "introspect_nodes", "flavors": "create_flavors", "containers": "prepare_containers"}
# The file's own output, if any, would stand before a command's JSON.
SURROUNDINGS = ("bash", "-c", 'source "$0" >/dev/null && exec "$@"')


def content(path: str) -> str:
    """The text of a file, empty if there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def plan(params: Dict[str, Any], release: Release, run: steps.Runner) -> Tuple[steps.Plan, str, str]:
    """The plan of the step, the file that remembers it and what it will say; empty where nothing is remembered."""
    topology, stack, directory = params["topology"], params["stack"], params["directory"]
    nodes = instackenv.nodes_of(topology, stack)
    names = [node["name"] for node in nodes]
    if params["step"] == "nodes":
        return steps.plan_nodes(names, f"{directory}/instackenv.json", steps.load_nodes(run)), "", ""
    if params["step"] == "flavors":
        have = steps.load_flavors(run) if instackenv.flavors(release) else {}
        return steps.plan_flavors(release, topology, stack, have, steps.load_nodes(run)), "", ""
    if params["step"] == "containers":
        gateway = next(one for one in topology["stacks"] if one["name"] == stack)["networks"]["provisioning"]["gateway"]
        argvs = overcloud.prepare_argvs(release, params["registry"], gateway, directory)
        inputs = [content(f"{directory}/containers-prepare.yaml")]
        stamp = f"{directory}/containers.done"
        done = content(stamp) if os.path.exists(f"{directory}/container-images.yaml") else ""
        found, now = steps.plan_once("images", argvs, inputs, done)
        return found, stamp, now
    stamp = f"{directory}/overcloud.done"
    inputs = [content(path) for path in overcloud.inputs(release, directory)]
    found, now = steps.plan_overcloud(run, release, names, directory, content(stamp), inputs)
    return found, stamp, now


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "required": True, "choices": ["nodes", "flavors", "containers", "overcloud"]},
            "topology": {"type": "dict", "required": True},
            "stack": {"type": "str", "required": True},
            "release": {"type": "dict", "required": True},
            "directory": {"type": "path", "required": True},
            "registry": {"type": "str"},
            "rc": {"type": "path", "required": True},
            "log": {"type": "path", "required": True},
        },
        required_if=[("step", "containers", ("registry",))],
        supports_check_mode=True,
    )
    params = module.params
    prefix: List[str] = [*SURROUNDINGS, params["rc"]]

    def run(argv: Sequence[str]) -> Tuple[int, str, str]:
        return running.ask([*prefix, *argv])

    try:
        if not os.path.exists(params["rc"]):
            raise TripleoError([f"{params['rc']} is not there: run with --tags deploy_undercloud first."])
        wanted, stamp, now = plan(params, read(params["release"], "The release"), run)
        if wanted.commands and not module.check_mode:
            again = TAGS.get(params["step"], "deploy_overcloud")
            running.carry_out(wanted.commands, params["log"], again, prefix=prefix)
            if stamp:
                write_file(stamp, now.encode("utf-8"), module.atomic_move, 0o644)
    except (TripleoError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(wanted.commands),
        commands=[list(argv) for argv in wanted.commands],
        diff={
            "before": "".join(f"{one}\n" for one in wanted.before),
            "after": "".join(f"{one}\n" for one in wanted.after),
        },
    )


if __name__ == "__main__":
    main()
