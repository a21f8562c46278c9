# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the role stretch_firewall, and network namespaces to load them in."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

TOPOLOGY = yaml.safe_load((Path(__file__).parents[2] / "unit/fixtures/topology_two.yml").read_text(encoding="utf-8"))
PLAY = """
- name: Firewall
  hosts: node
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: stretch.cluster.stretch_firewall
"""


def node_variables(name: str) -> dict[str, Any]:
    """What the inventory plugin and the role site give a node."""
    node = next(node for node in TOPOLOGY["nodes"] if node["name"] == name)
    stack = next((stack for stack in TOPOLOGY["stacks"] if stack["name"] == node["stack"]), None)
    site: dict[str, Any] = {"firewall": {"backend": "nftables"}}
    if stack is not None:
        site["vips"] = stack["vips"]
    return {
        "stretch_topology": TOPOLOGY,
        "stretch_role": node["role"],
        "stretch_stack": node["stack"],
        "stretch_site": site,
        "ansible_python_interpreter": sys.executable,
    }


@dataclasses.dataclass
class Run:
    """A run of the role in check mode: it checks the rules with nft, and writes and loads nothing."""

    cwd: Path
    prefix: tuple[str, ...] = ()

    def __call__(self, variables: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """The results of the tasks by their names, and all output."""
        (self.cwd / "play.yml").write_text(PLAY, encoding="utf-8")
        (self.cwd / "vars.yml").write_text(yaml.safe_dump(dict(variables)), encoding="utf-8")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        command = [*self.prefix, str(Path(sys.executable).parent / "ansible-playbook"), "--check", "--diff"]
        found = subprocess.run(
            [*command, "-i", "node,", "-e", "@vars.yml", "play.yml"],
            cwd=self.cwd,
            env={**clean, "LC_ALL": "C.UTF-8", "HOME": str(self.cwd), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
            capture_output=True,
            text=True,
            check=False,
        )
        output = found.stdout[found.stdout.index("{") :] if "{" in found.stdout else "{}"
        tasks = [task for play in json.loads(output)["plays"] for task in play["tasks"]]
        return {
            task["task"]["name"].split(" : ")[-1]: task["hosts"].get("node", {}) for task in tasks
        }, found.stdout + found.stderr

    def rules(self, variables: Mapping[str, Any]) -> str:
        """The rules that the role would write."""
        results, output = self(variables)
        files = results.get("Rules, and the unit that loads them when the node boots", {}).get("diff", [])
        found = [one["after"] for one in files if one["after_header"].endswith(".nft")]
        assert found, output
        return str(found[0])


class Network:
    """A network namespace with the node's addresses, and one with those of others, on one wire."""

    def __init__(self) -> None:
        """Make both; names and links are this process's own."""
        self.node, self.others = f"fw{os.getpid()}n", f"fw{os.getpid()}o"
        for name in (self.node, self.others):
            self._ip("netns", "add", name)
        self._ip("link", "add", "w0", "netns", self.node, "type", "veth", "peer", "name", "w0", "netns", self.others)
        for name in (self.node, self.others):
            self._ip("-n", name, "link", "set", "lo", "up")
            self._ip("-n", name, "link", "set", "w0", "up")
            # Whatever the address, it is on the wire.
            self._ip("-n", name, "route", "add", "default", "dev", "w0")

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    def address(self, namespace: str, *addresses: str) -> None:
        """Give a namespace addresses; all are on the wire."""
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            self._ip("-n", namespace, "addr", "add", f"{address}/{64 if ':' in address else 8}", "dev", "w0", *extra)

    def run(self, namespace: str, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in a namespace."""
        return subprocess.run(
            ["ip", "netns", "exec", namespace, *command], input=stdin, capture_output=True, text=True, check=False
        )

    def close(self) -> None:
        """Take both away, with all that is in them."""
        for name in (self.node, self.others):
            with contextlib.suppress(subprocess.CalledProcessError):
                self._ip("netns", "del", name)
