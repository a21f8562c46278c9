# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stretch_status
short_description: One picture of the stretched Galera, from what its nodes answered
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Puts together what M(stretch.cluster.stretch_status_info) found out on each node, says what it means, and writes it
    as JSON and as one HTML page with a drawing.
  - A node that did not answer is part of the picture, be it all of them.
options:
  topology:
    description: Value of C(stretch_topology).
    type: dict
    required: true
  members:
    description:
      - The members as P(stretch.cluster.galera_members#filter) gives them. The members' own list, C(members.json),
        takes its place where a node that answered has one.
    type: list
    elements: dict
    required: true
  arbiters:
    description: The arbiters as P(stretch.cluster.galera_arbiters#filter) gives them; likewise.
    type: list
    elements: dict
    default: []
  answers:
    description: What M(stretch.cluster.stretch_status_info) returned, by host.
    type: dict
    required: true
  json_file:
    description: Where the picture is written to as JSON.
    type: path
  html_file:
    description: Where it is written to as a page.
    type: path
attributes:
  check_mode:
    support: full
    description: The files are not written.
  diff_mode:
    support: none
    description: Every picture is a new one.
"""

EXAMPLES = r"""
- name: One picture
  stretch.cluster.stretch_status:
    topology: "{{ stretch_topology }}"
    members: "{{ stretch_topology | stretch.cluster.galera_members }}"
    arbiters: "{{ stretch_topology | stretch.cluster.galera_arbiters }}"
    answers: "{{ dict(groups['controller'] | zip(groups['controller'] | map('extract', hostvars, 'status'))) }}"
    html_file: /var/www/html/status.html
  register: picture

- name: Show it
  ansible.builtin.debug:
    msg: "{{ picture.text.splitlines() }}"
"""

RETURN = r"""
text:
  description: The picture in 120 columns.
  type: str
  returned: success
level:
  description: V(ok), V(busy) (on its way to well by itself), V(warn) or V(bad) (writes have stopped somewhere).
  type: str
  returned: success
headline:
  description: What is the matter, in one sentence.
  type: str
  returned: success
writes:
  description: Whether clients can write at one site at least; null when that cannot be told.
  type: bool
  returned: success
split:
  description: Whether there is more than one Primary component.
  type: bool
  returned: success
"""

import dataclasses
import datetime as dt
import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import galera
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status import merge, page, text
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import Status
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.views import StatusError


def picture(module: AnsibleModule) -> Status:
    now = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = module.params
    return merge.assess(given["topology"], given["members"], given["arbiters"], given["answers"], now)


def files(module: AnsibleModule, status: Status) -> dict[str, str]:
    """The contents of the files that are wanted, by path."""
    wanted = {}
    if module.params["json_file"]:
        content = json.dumps(dataclasses.asdict(status), indent=2, sort_keys=True)
        wanted[module.params["json_file"]] = content + "\n"
    if module.params["html_file"]:
        wanted[module.params["html_file"]] = page.render(status)
    return wanted


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "topology": {"type": "dict", "required": True},
            "members": {"type": "list", "elements": "dict", "required": True},
            "arbiters": {"type": "list", "elements": "dict", "default": []},
            "answers": {"type": "dict", "required": True},
            "json_file": {"type": "path"},
            "html_file": {"type": "path"},
        },
        supports_check_mode=True,
        # What goes in is as long as what comes out, and no line for the system's log.
        no_log=True,
    )
    try:
        status = picture(module)
        wanted = files(module, status)
        if not module.check_mode:
            for path, content in wanted.items():
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                write_file(path, content.encode("utf-8"), module.atomic_move, 0o644)
    except (StatusError, galera.GaleraError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(wanted),
        text=text.render(status),
        level=status.level,
        headline=status.headline,
        writes=status.writes,
        split=status.split,
    )


if __name__ == "__main__":
    main()
