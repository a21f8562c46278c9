# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: infrared_workspace
short_description: Infrared's plugins and its workspace
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Adds the plugins that are used and no others, before any other command of Infrared, which would install all that it
    knows; then creates the workspace C(stack).
attributes:
  check_mode:
    support: full
    description: Says what it would run.
  diff_mode:
    support: none
    description: The commands are returned.
options:
  checkout:
    description: Absolute path of Infrared's checkout, with its virtual environment in C(.venv).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Plugins and workspace
  stretch.cluster.infrared_workspace:
    checkout: /srv/infrared
"""

RETURN = r"""
commands:
  description: The commands that were run, or in check mode would be.
  type: list
  elements: list
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import infrared, running
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"checkout": {"type": "path", "required": True}}, supports_check_mode=True)
    checkout = module.params["checkout"]
    registry = f"{checkout}/.plugins.ini"
    text = ""
    try:
        if os.path.exists(registry):
            with open(registry, encoding="utf-8") as stream:
                text = stream.read()
        there = os.path.isdir(f"{checkout}/.workspaces/{infrared.WORKSPACE}")
        commands = infrared.setup_commands(checkout, text, there)
        if not module.check_mode:
            environment = infrared.environment(checkout, os.environ)
            running.carry_out(commands, f"{checkout}/setup.log", "setup_infrared", environment, checkout)
    except (TripleoError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(commands), commands=commands)


if __name__ == "__main__":
    main()
