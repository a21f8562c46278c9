# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members at addresses of the loopback network that answer for their reports, and the playbook's role on them."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ansible_collections.stretch.cluster.plugins.module_utils import galera_report

KEY = "5e" * 32
OURS = "2f1c0c5e-7f0e-11ef-9e8c-6b0d1f1f8f0a"
NAMES = ["s1c0", "s1c1", "s2c0", "s2c1"]
PLAY = """
- name: Recover
  hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: stretch.cluster.stretch_recover
      vars:
        stretch_recover_lost: "{{ lost | default([]) }}"
        __stretch_recover_interval: 1
"""


class Outage:
    """The members, each with its host's files; ``positions`` are those of the members that are up."""

    def __init__(self, directory: Path, **positions: int) -> None:
        """Bring the members up. Once all have a declaration, the cluster is Primary after ``patience`` more reports."""
        self.directory = directory
        self.positions = positions
        self.patience = 10**6
        self.primary = False
        self.lock = threading.Lock()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.addresses = {name: f"127.0.3.{number}" for number, name in enumerate(NAMES, 1)}
        self.servers = [self._serve(name) for name in positions]
        members = [
            {"name": name, "stack": f"stack{name[1]}", "address": address, "segment": int(name[1]), "weight": 1}
            for name, address in self.addresses.items()
        ]
        for name in NAMES:
            (self.state_dir(name)).mkdir()
            if name in positions:
                files = directory / f"{name}-config/stretch_galera/etc/stretch-galera"
                files.mkdir(parents=True)
                (files / "report.key").write_text(KEY + "\n")
                known = {"cluster": "stretch", "self": name, "check_port": self.port, "members": members}
                (files / "members.json").write_text(json.dumps({**known, "arbiters": []}))
        # Nobody listens for SSH at the addresses of those that are down.
        (directory / "hosts").write_text(
            "".join(
                f"{name} ansible_python_interpreter={sys.executable} state={self.state_dir(name)} "
                f"config={directory}/{name}-config"
                + ("" if name in positions else f" ansible_connection=ssh ansible_host=127.0.3.{99} ansible_port=9")
                + "\n"
                for name in NAMES
            )
        )
        (directory / "play.yml").write_text(PLAY)

    def state_dir(self, name: str) -> Path:
        """Where a member keeps a declaration."""
        return self.directory / f"{name}-state"

    def declarations(self) -> dict[str, Any]:
        """The declarations that the members keep."""
        found = {name: self.state_dir(name) / "lost.json" for name in NAMES}
        return {name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}

    def report(self, name: str) -> dict[str, Any]:
        """What a member says; once the cluster is Primary the declarations are forgotten."""
        with self.lock:
            declared = self.declarations()
            self.patience -= len(declared) == len(self.positions)
            if self.patience == 0 and not self.primary:
                self.primary = True
                for each in self.positions:
                    (self.state_dir(each) / "lost.json").unlink()
        phase = "member" if self.primary else "waiting"
        position = {"uuid": OURS, "seqno": self.positions[name]}
        return {
            "name": name,
            "ok": self.primary,
            "reason": "Synced" if self.primary else "MariaDB does not answer",
            "answers": self.primary,
            "primary": self.primary,
            **(position if self.primary else {}),
            "agent": {"phase": phase, "position": None if self.primary else position, "age": 1.0, "phase_age": 9.0},
            "lost": declared.get(name),
            "first": None,
        }

    def _serve(self, name: str) -> http.server.ThreadingHTTPServer:
        outage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                nonce = self.headers[galera_report.NONCE]
                assert galera_report.is_request(KEY, nonce, self.headers[galera_report.SIGNATURE])
                body = json.dumps(outage.report(name)).encode()
                self.send_response(200)
                self.send_header(galera_report.SIGNATURE, galera_report.response_signature(KEY, nonce, body))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer((self.addresses[name], self.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self) -> None:
        """Take the members down."""
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def recover(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of the role, without a terminal."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        site = '{"stretch_site": {"config_root": "{{ config }}"}, "stretch_recover_state_dir": "{{ state }}"}'
        found = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts", "-e", site, "play.yml", *arguments],
            cwd=self.directory,
            env={**clean, "LC_ALL": "C.UTF-8", "HOME": str(self.directory), "NO_COLOR": "1", "USER": "someone"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return found.returncode, found.stdout + found.stderr
