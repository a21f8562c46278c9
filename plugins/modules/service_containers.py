# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_containers
short_description: Ensure long-running containers as systemd units
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Runs containers under podman or docker, each in the foreground of a systemd unit of its own, on the network of the
    host. Their output goes to the journal of the unit, and nowhere else unless an option says so.
  - A unit that changed is restarted, one that is stopped is started. All of them come up at the same time, and the
    module waits until each has its container running.
  - A run that was interrupted is repaired by the next one.
attributes:
  check_mode:
    support: full
    description: Reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the unit files that change.
options:
  cli:
    description: The container engine's command, V(podman) or V(docker), or its absolute path.
    type: str
    default: podman
  state:
    description:
      - V(started) ensures that all containers run and start at boot.
      - V(absent) stops and removes them with their units.
    type: str
    choices: [started, absent]
    default: started
  wait:
    description: Seconds within which every container must run after a start.
    type: int
    default: 30
  containers:
    description: The containers.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the container.
        type: str
        required: true
      unit:
        description: Name of the systemd service. The container's name if not given.
        type: str
      image:
        description: Image. Required with O(state=started).
        type: str
      command:
        description: Command and arguments, instead of the image's own.
        type: list
        elements: str
        default: []
      user:
        description: User inside the container.
        type: str
      privileged:
        description: Run the container with C(--privileged).
        type: bool
        default: false
      volumes:
        description: Volumes as C(SOURCE:/TARGET) or C(SOURCE:/TARGET:OPTIONS).
        type: list
        elements: str
        default: []
      environment:
        description:
          - Environment variables. Everybody on the host can read them from the unit, so secrets belong into a mounted
            file.
        type: dict
        default: {}
      options:
        description: Further options of the engine's C(run) command, each argument an element.
        type: list
        elements: str
        default: []
      config_digest:
        description:
          - Digest of the configuration that the container reads, set as C(TRIPLEO_CONFIG_HASH) in its environment. A
            change of it restarts the container. See the return value RV(stretch.cluster.config_files#module:digest).
        type: str
      after:
        description: Units after which this one starts.
        type: list
        elements: str
        default: []
      stop_timeout:
        description: Seconds that the container has to stop before it is killed.
        type: int
        default: 30
      restart:
        description: When systemd starts the container again by itself.
        type: str
        choices: [always, on-failure, 'no']
        default: always
"""

EXAMPLES = r"""
- name: Run Keystone
  stretch.cluster.service_containers:
    cli: podman
    containers:
      - name: keystone
        unit: tripleo_keystone
        image: localhost/stretch-lab/service:latest
        command: [/usr/bin/uwsgi, --ini, /etc/keystone/uwsgi.ini]
        user: keystone
        volumes:
          - /var/lib/config-data/puppet-generated/keystone/etc/keystone:/etc/keystone:ro
        config_digest: "{{ keystone_files.digest }}"
        after: [tripleo_memcached]
"""

RETURN = r"""
started:
  description: Units that were stopped and were started.
  type: list
  elements: str
  returned: success
restarted:
  description: Units that ran with another configuration and were restarted.
  type: list
  elements: str
  returned: success
changed_units:
  description: Units whose file was written or removed.
  type: list
  elements: str
  returned: success
  sample: [tripleo_keystone.service]
"""

import os
import time
from typing import Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.service_containers import (
    SHOWN_PROPERTIES,
    Container,
    Plan,
    ServiceContainersError,
    UnitStatus,
    containers,
    diff,
    parse_show,
    plan_absent,
    plan_started,
)

POLL_INTERVAL = 0.5
SETTLED_AFTER = 1.0
"""Seconds after which a container still has the process it was seen with: one that fails at once has not."""


class Host:
    """The systemd and the container engine of this host."""

    def __init__(self, module: AnsibleModule, cli: str) -> None:
        """Use ``cli``, the path of podman or docker."""
        self.module = module
        self.cli = cli

    def run(self, *arguments: str) -> str:
        """Return the standard output of a command that must succeed."""
        code, out, err = self.module.run_command(list(arguments))
        if code != 0:
            raise ServiceContainersError(f"{' '.join(arguments)} failed with {code}: {(err or out).strip()}")
        return str(out)

    def status(self, wanted: Sequence[Container], with_files: bool = True) -> dict[str, UnitStatus]:
        """Return what is known of the units; without the files, only what systemd says."""
        units = [container.unit for container in wanted]
        if not units:
            return {}
        shown = parse_show(self.run("systemctl", "show", "--property", ",".join(SHOWN_PROPERTIES), *units), units)
        if not with_files:
            return shown
        return {container.unit: self._with_files(container, shown[container.unit]) for container in wanted}

    def _with_files(self, container: Container, status: UnitStatus) -> UnitStatus:
        text, arguments = None, b""
        if os.path.isfile(container.path):
            with open(container.path, encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read()
        if status.main_pid:
            try:
                with open(f"/proc/{status.main_pid}/cmdline", "rb") as process:
                    arguments = process.read()
            except FileNotFoundError:  # It ended a moment ago.
                pass
        words = arguments.decode("utf-8", "surrogateescape").split("\0")[:-1]
        return UnitStatus(
            status.load_state,
            status.active_state,
            status.sub_state,
            status.main_pid,
            status.unit_file_state,
            status.need_daemon_reload,
            text,
            tuple(words),
        )

    def apply(self, plan: Plan) -> None:
        """Make the changes of a plan; starts are only asked for."""
        for container in plan.remove:
            self._remove(container)
        for path, text in plan.write:
            write_file(path, text.encode("utf-8", "surrogateescape"), self.module.atomic_move, 0o644)
        if plan.daemon_reload:
            self.run("systemctl", "daemon-reload")
        if plan.enable:
            self.run("systemctl", "enable", *plan.enable)
        if plan.start:
            self.run("systemctl", "start", "--no-block", *plan.start)
        if plan.restart:
            self.run("systemctl", "restart", "--no-block", *plan.restart)

    def _remove(self, container: Container) -> None:
        if os.path.lexists(container.path):
            self.run("systemctl", "disable", "--now", container.unit)
            os.unlink(container.path)
        else:
            self.run("systemctl", "stop", container.unit)
        # What is left of it after a crash of the engine, or after an end that systemd holds for a failure: if anything.
        self.module.run_command([self.cli, "rm", "-f", container.name])
        self.module.run_command(["systemctl", "reset-failed", container.unit])

    def wait(self, wanted: Sequence[Container], seconds: int, previous: dict[str, UnitStatus]) -> None:
        """Wait until each container runs, in a process that is not the ``previous`` one, and goes on running."""
        deadline = time.monotonic() + seconds
        seen: dict[str, tuple[int, float]] = {}
        pending = list(wanted)
        while pending:
            status = self.status(pending, with_files=False)
            pending = [
                container
                for container in pending
                if not self._settled(container, status[container.unit], previous[container.unit], seen)
            ]
            if pending and time.monotonic() > deadline:
                raise ServiceContainersError(
                    "\n".join(self._complaint(container, status[container.unit], seconds) for container in pending)
                )
            if pending:
                time.sleep(POLL_INTERVAL)

    def _settled(
        self, container: Container, now: UnitStatus, previous: UnitStatus, seen: dict[str, tuple[int, float]]
    ) -> bool:
        if not now.running or (previous.running and now.main_pid == previous.main_pid):
            return False
        if container.name not in seen or seen[container.name][0] != now.main_pid:
            code, out, _err = self.module.run_command(
                [self.cli, "inspect", "--format", "{{.State.Running}}", container.name]
            )
            if code == 0 and out.strip() == "true":
                seen[container.name] = (now.main_pid, time.monotonic())
            return False
        return time.monotonic() - seen[container.name][1] >= SETTLED_AFTER

    def _complaint(self, container: Container, status: UnitStatus, seconds: int) -> str:
        _code, out, _err = self.module.run_command(
            ["journalctl", "--unit", container.unit, "--lines", "20", "--no-pager", "--output", "cat"]
        )
        return (
            f"{container.unit} does not run {seconds} s after its start "
            f"(it is {status.active_state}, {status.sub_state}). The end of its journal:\n{out.rstrip()}"
        )


def find_cli(module: AnsibleModule, name: str) -> str:
    """Return the absolute path of the engine; in check mode an engine that is yet to be installed is thought of."""
    path = name if name.startswith("/") and os.access(name, os.X_OK) else module.get_bin_path(name)
    if path:
        return str(path)
    if module.check_mode:
        return name if name.startswith("/") else "/usr/bin/" + name
    raise ServiceContainersError(f"the container engine {name} is not installed on this host")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "cli": {"type": "str", "default": "podman"},
            "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
            "wait": {"type": "int", "default": 30},
            "containers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "unit": {"type": "str"},
                    "image": {"type": "str"},
                    "command": {"type": "list", "elements": "str", "default": []},
                    "user": {"type": "str"},
                    "privileged": {"type": "bool", "default": False},
                    "volumes": {"type": "list", "elements": "str", "default": []},
                    "environment": {"type": "dict", "default": {}},
                    "options": {"type": "list", "elements": "str", "default": []},
                    "config_digest": {"type": "str"},
                    "after": {"type": "list", "elements": "str", "default": []},
                    "stop_timeout": {"type": "int", "default": 30},
                    "restart": {"type": "str", "choices": ["always", "on-failure", "no"], "default": "always"},
                },
            },
        },
        supports_check_mode=True,
    )
    started = module.params["state"] == "started"
    try:
        wanted = containers(module.params["containers"], started)
        host = Host(module, find_cli(module, module.params["cli"]))
        status = host.status(wanted)
        plan = plan_started(host.cli, wanted, status) if started else plan_absent(wanted, status)
        if plan.changed and not module.check_mode:
            host.apply(plan)
            touched = {*plan.start, *plan.restart}
            host.wait([one for one in wanted if one.unit in touched], module.params["wait"], status)
    except (ServiceContainersError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=plan.changed,
        started=list(plan.start),
        restarted=list(plan.restart),
        changed_units=[os.path.basename(path) for path, _text in plan.write] + [one.unit for one in plan.remove],
        diff=diff(plan, status) if module._diff else [],  # noqa: SLF001 - it has no public name
    )


if __name__ == "__main__":
    main()
