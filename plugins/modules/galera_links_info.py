# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: galera_links_info
short_description: The links from this host to the members of a Galera cluster
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - For each peer, resolves its name as programs on this host do, connects to its address by TCP several times, and
    takes the round trip. All peers at once, and never longer than O(limit).
  - A refused connection is an answer too, so nothing needs to listen there yet. No data are sent.
options:
  peers:
    description:
      - Hosts at the other end, each with C(name) and C(address), which the name must resolve to, and C(port) where it
        is not O(port). What else they have does not matter, so the members of C(members.json) do as they are.
    type: list
    elements: dict
    required: true
  port:
    description: TCP port of the peers that name none of their own.
    type: int
    default: 4577
  tries:
    description: Connections to each peer, one after another.
    type: int
    default: 5
  limit:
    description: Seconds for all of it.
    type: float
    default: 3.0
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: The links of this member
  stretch.cluster.galera_links_info:
    peers:
      - {name: s1controller-1, address: 10.0.20.12}
      - {name: s2controller-0, address: 10.1.20.11}
  register: links

- name: They are fine
  ansible.builtin.assert:
    that: links.problems | length == 0
    fail_msg: "{{ links.problems | join('\n') }}"
"""

RETURN = r"""
links:
  description: What was seen of the link to each peer, in the order of O(peers).
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: The peer's name.
      type: str
    address:
      description: The address that was connected to.
      type: str
    port:
      description: The TCP port.
      type: int
    resolved:
      description: Addresses of its name, sorted.
      type: list
      elements: str
    resolve_error:
      description: Why the name has none, or nothing.
      type: str
    reached:
      description: Whether its host answered, by a connection or by a refusal.
      type: bool
    error:
      description: Why it did not answer, or nothing.
      type: str
    round_trip_min:
      description: The fastest try in milliseconds, or none.
      type: float
    round_trip:
      description: The median of the tries in milliseconds, or none.
      type: float
problems:
  description: What is wrong with the names and the links, each as a sentence with what to do.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import galera_links


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "peers": {"type": "list", "elements": "dict", "required": True},
            "port": {"type": "int", "default": 4577},
            "tries": {"type": "int", "default": 5},
            "limit": {"type": "float", "default": 3.0},
        },
        supports_check_mode=True,
    )
    try:
        peers = galera_links.peers(module.params["peers"], module.params["port"])
        links = galera_links.measure(
            peers, galera_links.resolve, galera_links.connect, module.params["tries"], module.params["limit"]
        )
    except galera_links.LinksError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, links=[vars(link) for link in links], problems=list(galera_links.problems(links)))


if __name__ == "__main__":
    main()
