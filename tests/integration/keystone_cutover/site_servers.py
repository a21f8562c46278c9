# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two regions of two controllers each on this machine: real Keystones, each with a real HAProxy beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover_load.clients import Keystone as Door
from cutover_load.clients import Tenant, User, tenant
from cutover_servers import ROOT, Memcached, Region
from haproxy_servers import HAProxy
from merge_servers import SECONDS, Api, MariaDB

PASSWORD = "secret of the merged database".replace(" ", "")
LOAD = "secret of the load"
SECTION = """\
listen keystone_public
  bind {vip}:{port}
  mode http
  option httpchk GET /v3
  http-request set-header X-Forwarded-Proto http
  option forwardfor
{servers}
"""


@dataclass
class Controller:
    """One controller of a region."""

    name: str
    index: int
    keystone: Region
    vip: str
    """Where its own HAProxy listens; clients use the first one's."""
    haproxy: HAProxy

    @property
    def drop_in(self) -> Path:
        """What the cutover writes."""
        return self.keystone.host / "keystone.conf.d/50-stretch.conf"


@dataclass
class Stack:
    """A region."""

    name: str
    number: int
    controllers: list[Controller]
    port: int
    tenant: Tenant | None = None

    @property
    def region(self) -> str:
        return f"region_{self.name}"

    @property
    def url(self) -> str:
        """Where clients find Keystone."""
        return f"http://{self.controllers[0].vip}:{self.port}"

    @property
    def api(self) -> Api:
        return Api(self.url)

    @property
    def who(self) -> Tenant:
        """Who makes load, and was there before the merge."""
        assert self.tenant is not None
        return self.tenant

    def ready(self) -> None:
        """Wait until HAProxy leads to a Keystone."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if self.api.call("GET", "/")[0] == 200:
                    return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.2)
        raise RuntimeError(self.controllers[0].haproxy.said())

    def make_tenant(self) -> None:
        """Make who makes load."""
        admin = User("admin", self.controllers[0].keystone.admin, "admin")
        self.tenant = tenant(Door(self.name, f"{self.url}/v3"), admin, LOAD)

    def write(self) -> tuple[int, str | None]:
        """Try to make a project; gives status and Retry-After."""
        door = self.who.keystone
        token = door.log_in(self.who.writer)
        name = f"try-{self.name}-{time.time()}"
        answer = door.ask("POST", "/projects", {"project": {"name": name, "domain_id": "default"}}, token)
        return answer.status, answer.headers["Retry-After"]


@dataclass
class Sites:
    """All of it, and what the playbook is told."""

    directory: Path
    stacks: list[Stack]
    stretched: MariaDB
    memcached: Memcached
    runs: int = 0
    before: dict[str, bytes] = field(default_factory=dict)
    """HAProxy's configurations without a cutover."""

    @property
    def controllers(self) -> list[Controller]:
        return [one for stack in self.stacks for one in stack.controllers]

    def inventory(self) -> dict[str, Any]:
        """The hosts are this machine."""
        nodes = [
            {
                "name": one.name, "stack": stack.name, "role": "controller", "index": one.index,
                "addresses": {"internal_api": one.keystone.address},
            }
            for stack in self.stacks for one in stack.controllers
        ]  # fmt: skip
        stacks = [
            {"name": one.name, "number": one.number, "prefix": f"s{one.number}", "region": one.region}
            for one in self.stacks
        ]
        hosts = {
            one.name: {
                "stretch_stack": stack.name, "stretch_region": stack.region, "stretch_index": one.index,
                "stretch_addresses": {"internal_api": one.keystone.address},
                "this_site": self.site(stack, one),
            }
            for stack in self.stacks for one in stack.controllers
        }  # fmt: skip
        secrets = {"keystone_db": PASSWORD, "load": LOAD}
        shared = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
            "stretch_topology": {"stacks": stacks, "nodes": nodes},
            "stretch_stacks": [one.name for one in self.stacks], "stretch_state_dir": str(self.directory / "state"),
        }  # fmt: skip
        return {
            "all": {"hosts": {"localhost": {"stretch_secrets": secrets}}, "vars": shared},
            "controller": {"hosts": hosts},
        }

    def site(self, stack: Stack, one: Controller) -> dict[str, Any]:
        """The description of a controller's site."""
        keystone = one.keystone
        return {
            "stack": stack.name, "region": stack.region, "controllers": [each.name for each in stack.controllers],
            "address": keystone.address, "vips": {"internal_api": one.vip, "stretch_galera": "127.0.0.1"},
            "config_root": "/nowhere", "galera": {"user": "x", "plugin_dir": "/x"}, "firewall": {"backend": "none"},
            "services": {"directories": []},
            "haproxy": {"config_file": str(one.haproxy.config), "reload": one.haproxy.reload, "resource": "x"},
            "keystone": {
                "config_dir": str(keystone.host), "config_source": str(keystone.host),
                "container_config_dir": str(keystone.running), "exec": keystone.exec,
                "restart": [str(keystone.directory / "restart")], "url": f"{keystone.url}/v3",
                "memcached": f"127.0.0.1:{self.memcached.server_address[1]}",
                "logins": [{"user": f"load-{stack.name}", "project": f"load-{stack.name}", "secret": "load"}],
            },
        }  # fmt: skip

    def start(self, step: str, *arguments: str) -> Run:
        """Begin a step of the playbook."""
        first = self.controllers[0].keystone
        extra = {
            "stretch_site": "{{ this_site }}",
            "keystone_merge_target": {
                "login_host": "127.0.0.1", "login_port": self.stretched.port,
                "ca_cert": str(first.host / "stretch-ca.pem"),
            },
            "keystone_merge_exec_ca_cert": str(first.host / "stretch-ca.pem"),
            "keystone_merge_admin_socket": self.stretched.socket,
            "keystone_merge_config_file": str(first.running / "keystone.conf"),
            "keystone_merge_id_map": str(self.directory / "id-map.json"), "keystone_merge_report": "",
            "stretch_owners_id_map": str(self.directory / "id-map.json"),
            "cutover_admin_socket": self.stretched.socket, "cutover_database_port": self.stretched.port,
            "__cutover_markers": f"{self.directory}/of-{{{{ inventory_hostname }}}}",
        }  # fmt: skip
        self.runs += 1
        directory = self.directory / f"run{self.runs}"
        directory.mkdir()
        (directory / "hosts.json").write_text(json.dumps(self.inventory()))
        (directory / "extra.json").write_text(json.dumps(extra))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        with (directory / "output").open("wb") as output:
            process = subprocess.Popen(
                [
                    Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", "-e", "@extra.json", "--diff",
                    ROOT / "playbooks/stretch.yml", "--tags", step, *arguments,
                ],
                cwd=directory, stdout=output, stderr=output, start_new_session=True,
                env={
                    **clean, "LC_ALL": "C.UTF-8", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_FORKS": "8",
                    "ANSIBLE_PIPELINING": "1",
                },
            )  # fmt: skip
        return Run(process, directory / "output")

    def play(self, step: str, *arguments: str) -> tuple[int, str, int]:
        """Run a step; gives the exit status, the output on one line and how many tasks changed something."""
        return self.start(step, *arguments).end()

    def cut_over(self) -> dict[str, Any]:
        """When each stack was cut over, as the state says."""
        return dict(self.stretched.query("SELECT name, cut_over_at FROM stretch_merge.source"))

    def close(self) -> None:
        """End the Keystones."""
        for one in self.controllers:
            one.keystone.stop()


@dataclass
class Run:
    """A run of the playbook."""

    process: subprocess.Popen[bytes]
    output: Path

    def end(self) -> tuple[int, str, int]:
        """Wait for its end."""
        status = self.process.wait(600)
        text = self.output.read_text()
        assert PASSWORD not in text
        assert LOAD not in text
        changed = sum(
            int(word.partition("=")[2])
            for word in text.partition("PLAY RECAP")[2].split()
            if word.startswith("changed=")
        )
        return status, " ".join(text.split()), changed

    def kill_at(self, *tasks: str) -> None:
        """Kill it as a machine that loses its power does, when it has come to these tasks, one after another."""
        end = time.monotonic() + 300
        while time.monotonic() < end and self.process.poll() is None:
            rest = self.output.read_text()
            for task in tasks:
                rest = rest.partition(f"TASK [{task}]")[2]
            if rest:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(self.output.read_text())
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
