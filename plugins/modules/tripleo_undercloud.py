# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tripleo_undercloud
short_description: A stack's undercloud, installed by Infrared
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Runs C(infrared tripleo-undercloud) for one stack, unless it was through before with the same options on the same
    machine.
  - What Infrared says is in C(<stack>-undercloud.log) below O(state_dir).
attributes:
  check_mode:
    support: full
    description: Says whether it would install.
  diff_mode:
    support: full
    description: Shows the digest of the options.
extends_documentation_fragment: [stretch.cluster.tripleo]
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  release:
    description: The release, as P(stretch.cluster.tripleo#lookup) gives it.
    type: dict
    required: true
  nameservers:
    description: Addresses of name servers.
    type: list
    elements: str
    required: true
  ntp_server:
    description: Time server.
    type: str
    required: true
  images_url:
    description: Directory from which the undercloud gets the two archives of images.
    type: str
    required: true
  state:
    description: With V(checked), only whether it is installed is found out.
    type: str
    choices: [checked, present]
    default: present
"""

EXAMPLES = r"""
- name: Undercloud
  stretch.cluster.tripleo_undercloud:
    checkout: /srv/infrared
    topology: "{{ stretch_topology }}"
    hypervisor: {address: 127.0.0.2, key: /home/me/.ssh/id_rsa}
    stack: stack1
    release: "{{ lookup('stretch.cluster.tripleo').release }}"
    nameservers: [192.0.2.1]
    ntp_server: ntp.example
    images_url: file:///tmp/
    state_dir: "{{ stretch_state_dir }}/tripleo"
"""

RETURN = r"""
installed:
  description: Whether the undercloud was installed before.
  type: bool
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import infrared, running, steps, topology_files
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.arguments import COMMON, settings
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError, read


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "stack": {"type": "str", "required": True},
            "release": {"type": "dict", "required": True},
            "nameservers": {"type": "list", "elements": "str", "required": True},
            "ntp_server": {"type": "str", "required": True},
            "images_url": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["checked", "present"], "default": "present"},
        },
        supports_check_mode=True,
    )
    params = module.params
    checkout, stack, state_dir = params["checkout"], params["stack"], params["state_dir"]
    record_path, stamp = f"{state_dir}/machines.json", f"{state_dir}/{stack}-undercloud.done"
    inventory = f"{state_dir}/{stack}-hosts"
    try:
        share = topology_files.hypervisor(params["topology"], params["external_network"])
        record = steps.read_record(_content(record_path), record_path)
        text = infrared.stack_inventory(record.hosts, share, stack)
        described = next(one for one in params["topology"]["stacks"] if one["name"] == stack)
        given = settings(params["hypervisor"], "", params["nameservers"], params["ntp_server"])
        release = read(params["release"], "The release")
        argv = infrared.undercloud_argv(checkout, inventory, described, release, given, params["images_url"])
        machine = str(record.domains.get(f"{described['prefix']}undercloud-0"))
        plan, now = steps.plan_once("undercloud", [argv], [machine], _content(stamp) or "")
        if plan.commands and params["state"] == "present" and not module.check_mode:
            write_file(inventory, text.encode("utf-8"), module.atomic_move, 0o600)
            environment = infrared.environment(checkout, os.environ)
            log = f"{state_dir}/{stack}-undercloud.log"
            running.carry_out(plan.commands, log, "deploy_undercloud", environment, checkout)
            write_file(stamp, now.encode("utf-8"), module.atomic_move, 0o644)
    except (TripleoError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(plan.commands) and params["state"] == "present",
        installed=not plan.commands,
        diff={"before": "".join(f"{one}\n" for one in plan.before), "after": "".join(f"{one}\n" for one in plan.after)},
    )


def _content(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    main()
