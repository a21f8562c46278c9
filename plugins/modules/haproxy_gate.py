# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_gate
short_description: Refuse writes to Keystone at HAProxy, and take Keystones out of rotation
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Changes the sections of C(haproxy.cfg) that have a Keystone of these controllers as a server, has HAProxy read the
    file, and waits until processes from before have no request to Keystone under way any more.
  - A refused write is answered with status 503 and C(Retry-After). Logins, validations of tokens and all
    that only reads goes on.
  - What it adds to the file is marked, and goes without a trace when it is no longer wanted; all else stays byte for
    byte. Without O(refuse) and O(out) the file is as if there had never been a cutover.
  - Where HAProxy does not serve a Keystone in mode C(http), it fails before anything is changed, unless nothing is
    wanted.
options:
  config_file:
    description: HAProxy's configuration on the host.
    type: path
    required: true
  config_source:
    description: Directory of O(config_file) as HAProxy sees it without a copy, the same directory unless given.
    type: path
  controllers:
    description: The controllers of the stack by name, and for each the names and addresses that its Keystone has.
    type: dict
    required: true
  ports:
    description: Ports of Keystone on the controllers.
    type: list
    elements: int
    required: true
  refuse:
    description: Refuse writes.
    type: bool
    default: false
  out:
    description: Names of the controllers whose Keystone gets no requests. One at least has to be left.
    type: list
    elements: str
    default: []
  retry_after:
    description: Seconds after which a refused client is told to come again.
    type: int
    default: 5
  reload:
    description:
      - Command that makes HAProxy read the file, if it changed, without dropping a connection. It prints
        C(reloaded) when it did, and fails when the file is not valid; the file is then as it was.
    type: list
    elements: str
    required: true
  timeout:
    description:
      - Seconds that requests under way have to end. With O(refuse) it fails when they do not, as they may be writes;
        else it goes on with a warning.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Reports what would change, fails where a run would before it changes anything, and changes nothing.
  diff_mode:
    support: full
    description: Shows the lines of the file that change.
"""

EXAMPLES = r"""
- name: No writes, and nothing to the first controller
  stretch.cluster.haproxy_gate:
    config_file: /etc/haproxy/haproxy.cfg
    controllers:
      controller-0: [10.0.20.11]
      controller-1: [10.0.20.12]
    ports: [5000, 35357]
    refuse: true
    out: [controller-0]
    reload: [sh, -c, haproxy -c -q -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy.service && echo reloaded]
"""

RETURN = r"""
sections:
  description: Sections that have a Keystone of the controllers as a server.
  returned: success
  type: list
  elements: str
  sample: [listen keystone_public, listen keystone_admin]
left:
  description: Whether the file had lines of a cutover before.
  returned: success
  type: bool
waited:
  description: Seconds from the reload until no request of before was under way.
  returned: success
  type: float
"""

import os
import stat
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.haproxy_gate import (
    ANSWER,
    Connection,
    Endpoint,
    Gate,
    GateError,
    Plan,
    Traffic,
    answer,
    connections,
    endpoint,
    plan,
)

INTERVAL = 0.1
"""Seconds between two looks at the connections."""
ENCODING = "latin-1"
"""Keeps every byte of a file."""


class Host:
    """HAProxy on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        """Nothing is done yet."""
        self.module = module
        self.config = os.path.realpath(module.params["config_file"])
        self.answer = os.path.join(os.path.dirname(module.params["config_file"]), ANSWER)
        self.controllers: dict[str, Endpoint] = {
            str(name): endpoint(hosts, module.params["ports"]) for name, hosts in module.params["controllers"].items()
        }

    def gate(self) -> Gate:
        """What is wanted."""
        source = self.module.params["config_source"] or os.path.dirname(self.config)
        told = f"{source}/{ANSWER}" if self.module.params["refuse"] else None
        return Gate(told, frozenset(self.module.params["out"]))

    def read(self) -> str:
        """Load the configuration."""
        with open(self.config, "rb") as stream:
            return stream.read().decode(ENCODING)

    def write(self, path: str, text: str) -> None:
        """Write a file; one that is there keeps owner and mode."""
        mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else 0o644
        write_file(
            path,
            text.encode(ENCODING),
            lambda source, target: self.module.atomic_move(source, target, unsafe_writes=True),
            mode,
        )

    def sockets(self) -> list[Connection]:
        """All TCP sockets of this host."""
        ss = self.module.get_bin_path("ss", required=True)
        _status, output, _errors = self.module.run_command([ss, "-Htanp"], check_rc=True)
        return connections(output)

    def apply(self, old: str, planned: Plan) -> float:
        """Have HAProxy do as planned; gives the seconds until nothing of before was under way.

        :raises GateError: when HAProxy does not, or requests do not end in time.
        """
        traffic = Traffic(planned.binds, self.controllers)
        before = traffic.listeners(self.sockets())
        wanted = self.gate()
        if wanted.answer is not None:
            self.write(self.answer, answer(self.module.params["retry_after"]))
        if planned.text != old:
            self.write(self.config, planned.text)
        status, output, errors = self.module.run_command(self.module.params["reload"])
        if status != 0:
            self.write(self.config, old)
            told = (errors or output).strip() or f"its reload ended with status {status}"
            raise GateError(f"HAProxy does not take {self.config}, which is as it was: {told}")
        began = time.monotonic()
        reloaded = "reloaded" in output
        if wanted != Gate() and planned.text != old and bool(before) != reloaded:
            command = " ".join(self.module.params["reload"])
            raise GateError(
                f"{self.config} changed, but '{command}' did not say 'reloaded'"
                if before
                else f"HAProxy was reloaded, but no process listens where {self.config} says that Keystone is served"
            )
        while before and not self.settled(traffic, before if reloaded else frozenset(), began):
            time.sleep(INTERVAL)
        if wanted.answer is None and os.path.exists(self.answer):
            os.unlink(self.answer)
        return round(time.monotonic() - began, 1)

    def settled(self, traffic: Traffic, before: frozenset[tuple[str, int]], began: float) -> bool:
        """Whether other processes than before take all connections, and nothing is under way at any other."""
        sockets = self.sockets()
        current = traffic.listeners(sockets)
        left = traffic.under_way(sockets)
        if current and not current & before and not left:
            return True
        limit = self.module.params["timeout"]
        if time.monotonic() - began <= limit:
            return False
        if not current or current & before:
            raise GateError(f"HAProxy still serves Keystone as before {limit} s after it was reloaded")
        told = f"{left} connections to Keystone from before HAProxy was reloaded have not ended within {limit} s"
        if self.module.params["refuse"]:
            raise GateError(told)
        self.module.warn(told)
        return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "config_file": {"type": "path", "required": True},
            "config_source": {"type": "path"},
            "controllers": {"type": "dict", "required": True},
            "ports": {"type": "list", "elements": "int", "required": True},
            "refuse": {"type": "bool", "default": False},
            "out": {"type": "list", "elements": "str", "default": []},
            "retry_after": {"type": "int", "default": 5},
            "reload": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    host = Host(module)
    result: dict[str, Any] = {"waited": 0.0}
    try:
        old = host.read()
        planned = plan(old, host.controllers, host.gate(), module.params["config_file"])
        stale = os.path.exists(host.answer) and not module.params["refuse"]
        result.update(sections=list(planned.sections), left=planned.left or stale, changed=planned.text != old or stale)
        if not module.check_mode:
            result["waited"] = host.apply(old, planned)
    except (GateError, OSError) as error:
        module.fail_json(msg=str(error))
    if module._diff:  # noqa: SLF001 - it has no public name
        path = module.params["config_file"]
        result["diff"] = {"before": old, "after": planned.text, "before_header": path, "after_header": path}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
