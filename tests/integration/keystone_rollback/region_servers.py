# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers of two regions on this machine, for the role: each a real Keystone that another process restarts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from merge_servers import SERVER, Api, Keystone, MariaDB, free_port
from rollback_servers import SECRET, Made

CONTROLLERS = (("s1controller-0", "stack1", 0), ("s1controller-1", "stack1", 1), ("s2controller-0", "stack2", 0))
LEFT = "  http-request deny\n  # stretch.cluster cutover: end\n"
PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - ansible.builtin.include_role:
        name: stretch.cluster.rollback
"""
# As a container that is kept when it stops: configuration is copied in when it starts, and nothing is taken away.
START = """
import os, shutil, signal, subprocess, sys, time
home, python, server, port = sys.argv[1:]
pid = os.path.join(home, "pid")
if os.path.exists(pid):
    os.kill(int(open(pid).read()), signal.SIGTERM)
shutil.copytree(os.path.join(home, "etc"), os.path.join(home, "container"), dirs_exist_ok=True)
files = [os.path.join(home, "container", name) for name in ("keystone.conf", "keystone.conf.d/50-stretch.conf")]
found = ";".join(name for name in files if os.path.exists(name))
with open(os.path.join(home, "log"), "ab") as log:
    started = subprocess.Popen([python, "-c", server, port], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               start_new_session=True, env={**os.environ, "OS_KEYSTONE_CONFIG_FILES": found})
with open(pid, "w") as stream:
    stream.write(str(started.pid))
with open(os.path.join(home, "starts"), "a") as stream:
    stream.write(f"{time.time()}\\n")
"""


class Memcached(socketserver.ThreadingTCPServer):
    """Says OK to everything, and counts how often it was emptied."""

    daemon_threads = True

    def __init__(self) -> None:
        self.emptied = 0
        super().__init__(("127.0.0.1", 0), self._Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class _Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                if line.startswith(b"flush_all"):
                    self.server.emptied += 1  # type: ignore[attr-defined]
                    self.wfile.write(b"OK\r\n")


class Controller:
    """One Keystone, in files as they lie on a controller."""

    def __init__(self, home: Path, name: str, made: Made, index: int, keys: Path) -> None:
        self.home, self.name, self.made, self.index = home, name, made, index
        self.port = free_port()
        self.memcached = Memcached()
        self.etc = home / "etc"
        (self.etc / "keystone.conf.d").mkdir(parents=True)
        # As if a cutover had been interrupted.
        (home / "haproxy.cfg").write_text(f"listen keystone\n  # stretch.cluster cutover: begin\n{LEFT}  mode http\n")
        own = made.keystone.directory
        (self.etc / "keystone.conf").write_text(
            (own / "keystone.conf").read_text().replace(f"{own}/keystone.log", f"{home}/keystone.log")
            .replace(f"{own}/", f"{keys}/")
        )  # fmt: skip

    @property
    def drop_in(self) -> Path:
        """What the cutover writes."""
        return self.etc / "keystone.conf.d/50-stretch.conf"

    @property
    def markers(self) -> Path:
        """Where the cutover notes that Keystone has restarted."""
        return self.home / "markers"

    @property
    def restart(self) -> list[str]:
        """The command that restarts it."""
        venv = self.made.keystone.venv
        return [sys.executable, "-c", START, str(self.home), str(venv / "bin/python"), SERVER, str(self.port)]

    def cut_over(self, server: MariaDB, database: str) -> None:
        """Put it on the merged database."""
        self.drop_in.write_text(
            f"[database]\nconnection = mysql+pymysql://root@localhost/{database}?unix_socket={server.socket}&charset=utf8\n"
        )
        self.markers.mkdir(exist_ok=True)
        (self.markers / "cutover-0123").touch()
        self.start()

    def start(self) -> None:
        """Restart it, and wait until it answers."""
        subprocess.run(self.restart, check=True)
        for _second in range(600):
            with contextlib.suppress(OSError):
                self.api.do("GET", "/")
                return
            threading.Event().wait(0.1)
        raise RuntimeError((self.home / "log").read_text())

    @property
    def api(self) -> Api:
        """Its API."""
        return Api(f"http://127.0.0.1:{self.port}")

    def starts(self) -> list[float]:
        """When it was started."""
        return [float(line) for line in (self.home / "starts").read_text().splitlines()]

    def stop(self) -> None:
        """End it."""
        self.memcached.shutdown()
        self.memcached.server_close()
        pid = self.home / "pid"
        if pid.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGTERM)

    def variables(self, admin_socket: str, database: str) -> dict[str, Any]:
        """What the inventory and the role site say of it."""
        return {
            "ansible_python_interpreter": sys.executable,
            "stretch_index": self.index,
            "stretch_state_dir": str(self.home.parent),
            "rollback_database": database,
            "rollback_state_database": f"{database}_state",
            "rollback_admin_socket": admin_socket,
            "markers": str(self.markers),
            "stretch_site": {
                "stack": self.made.stack,
                "controllers": [name for name, stack, _index in CONTROLLERS if stack == self.made.stack],
                "address": "127.0.0.1",
                "haproxy": {"config_file": str(self.home / "haproxy.cfg"), "reload": ["true"]},
                "keystone": {
                    "config_dir": str(self.etc),
                    "container_config_dir": str(self.home / "container"),
                    "exec": ["env"],
                    "restart": self.restart,
                    "url": f"http://127.0.0.1:{self.port}/v3",
                    "memcached": f"127.0.0.1:{self.memcached.server_address[1]}",
                },
            },
        }


class Regions:
    """All controllers, and the role on them."""

    def __init__(self, directory: Path, server: MariaDB, stacks: dict[str, Made], keys: Keystone) -> None:
        """*keys* is a Keystone with the union of all keys."""
        self.directory, self.server = directory, server
        self.controllers = [
            Controller(directory / name, name, stacks[stack], index, keys.directory)
            for name, stack, index in CONTROLLERS
        ]
        (directory / "play.yml").write_text(PLAY)

    def cut_over(self, database: str) -> None:
        """Put all Keystones on the merged database."""
        self.database = database
        for controller in self.controllers:
            controller.cut_over(self.server, database)

    def roll_back(self, *arguments: str, sockets: bool = True, limit: str | None = None) -> tuple[int, str, int]:
        """Run the role; gives the exit status, what it says on one line, and how many tasks changed something."""
        # Only one of the hosts reaches a member.
        hosts = {
            one.name: one.variables(self.server.socket if sockets and one.index else "/nowhere/sock", self.database)
            for one in self.controllers
            if limit is None or one.made.stack == limit
        }
        (self.directory / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        done = subprocess.run(
            [
                Path(sys.executable).parent / "ansible-playbook", "-i", self.directory / "hosts.json",
                self.directory / "play.yml", "-e", "__rollback_markers='{{ markers }}'",
                "-e", "__cutover_markers='{{ markers }}'", *arguments,
            ],
            check=False, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml"},
        )  # fmt: skip
        said = " ".join((done.stdout + done.stderr).split())
        assert SECRET not in said
        return done.returncode, said, sum(map(int, re.findall(r"changed=(\d+)", done.stdout)))

    def reports(self) -> list[Path]:
        """The lists of what was left behind."""
        return sorted(self.directory.glob("rollback-*.json"))

    def close(self) -> None:
        """End everything."""
        for controller in self.controllers:
            controller.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
