# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-running containers as systemd units: the unit's text, and what must be done to have it running."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

UNIT_DIRECTORY = "/etc/systemd/system"
SHOWN_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "MainPID", "UnitFileState", "NeedDaemonReload")
STOP_RESERVE = 15
"""Seconds that systemd grants the engine beyond the container's own time to stop."""

_PLAIN_ARGUMENT = re.compile(r"^[A-Za-z0-9_@+=:,./-]+$")
_CONTAINER_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
_UNIT_NAME = re.compile(r"^[A-Za-z0-9:_.@-]+$")
_VARIABLE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class ServiceContainersError(Exception):
    """The wanted containers cannot be written as units, or do not run."""


@dataclass(frozen=True)
class Container:
    """A wanted container; ``unit`` has its suffix, ``after`` too, ``environment`` is sorted."""

    name: str
    unit: str
    image: str = ""
    command: tuple[str, ...] = ()
    user: str | None = None
    privileged: bool = False
    volumes: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    options: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    stop_timeout: int = 30
    restart: str = "always"

    @property
    def path(self) -> str:
        """Path of the unit file."""
        return posixpath.join(UNIT_DIRECTORY, self.unit)


@dataclass(frozen=True)
class UnitStatus:
    """What systemd and the process table say of a unit.

    ``text`` is the unit file (``None``: there is none), ``arguments`` the command line of the main process.
    """

    load_state: str = "not-found"
    active_state: str = "inactive"
    sub_state: str = "dead"
    main_pid: int = 0
    unit_file_state: str = ""
    need_daemon_reload: bool = False
    text: str | None = None
    arguments: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether the unit has its process."""
        return self.active_state == "active" and self.sub_state == "running"


@dataclass(frozen=True)
class Plan:
    """What to do, in this order. ``write`` maps unit files to texts; the rest are names of units."""

    write: tuple[tuple[str, str], ...] = ()
    daemon_reload: bool = False
    enable: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    remove: tuple[Container, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.write or self.daemon_reload or self.enable or self.start or self.restart or self.remove)


def quote(argument: str) -> str:
    """Return an argument as systemd's Exec lines want it, see systemd.service(5) "Command lines".

    ``%`` starts a specifier and ``$`` a variable, so both are doubled; the escapes are those of C.
    """
    if _PLAIN_ARGUMENT.match(argument):
        return argument
    text = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return '"' + text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def unit_name(name: str) -> str:
    """Return the name of a unit with its suffix."""
    has_suffix = name.endswith((".service", ".target", ".socket", ".mount", ".path", ".timer", ".slice", ".device"))
    full = name if has_suffix else name + ".service"
    if not _UNIT_NAME.match(full):
        raise ServiceContainersError(f"{name!r} is no name of a systemd unit")
    return full


def containers(items: Sequence[Mapping[str, Any]], started: bool) -> list[Container]:
    """Return the containers of a module's option. Raises :class:`ServiceContainersError`."""
    found = [_container(item, started) for item in items]
    for what, names in (("name", [one.name for one in found]), ("unit", [one.unit for one in found])):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ServiceContainersError(f"the {what} {', '.join(twice)} is used by more than one container")
    return found


def _container(item: Mapping[str, Any], started: bool) -> Container:
    name = str(item["name"])
    if not _CONTAINER_NAME.match(name):
        raise ServiceContainersError(f"{name!r} is no name of a container: letters, digits, and _ . - inside")
    if started and not item.get("image"):
        raise ServiceContainersError(f"container {name}: image is missing")
    unit = unit_name(str(item.get("unit") or name))
    if not unit.endswith(".service"):
        raise ServiceContainersError(f"container {name}: {unit} is no service unit")
    environment = {key: _variable(name, key, value) for key, value in (item.get("environment") or {}).items()}
    if item.get("config_digest"):
        environment["TRIPLEO_CONFIG_HASH"] = str(item["config_digest"])
    stop_timeout = int(item["stop_timeout"])
    if stop_timeout < 0:
        raise ServiceContainersError(f"container {name}: stop_timeout must not be negative")
    container = Container(
        name=name,
        unit=unit,
        image=str(item.get("image") or ""),
        command=tuple(item.get("command") or ()),
        user=item.get("user"),
        privileged=bool(item.get("privileged")),
        volumes=tuple(_volume(name, volume) for volume in item.get("volumes") or ()),
        environment=tuple(sorted(environment.items())),
        options=tuple(item.get("options") or ()),
        after=tuple(unit_name(after) for after in item.get("after") or ()),
        stop_timeout=stop_timeout,
        restart=str(item["restart"]),
    )
    if any("\0" in argument for argument in run_arguments("", container)):
        raise ServiceContainersError(f"container {name}: an argument contains a NUL byte")
    return container


def _volume(name: str, volume: str) -> str:
    parts = volume.split(":")
    if len(parts) not in (2, 3) or not parts[0] or not parts[1].startswith("/"):
        raise ServiceContainersError(f"container {name}: volume {volume!r} is not SOURCE:/TARGET[:OPTIONS]")
    return volume


def _variable(name: str, key: str, value: Any) -> str:
    if not _VARIABLE_NAME.match(key):
        raise ServiceContainersError(f"container {name}: {key!r} is no name of an environment variable")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ServiceContainersError(f"container {name}: the environment variable {key} must be text; quote it")
    return str(value)


def run_arguments(cli: str, container: Container) -> tuple[str, ...]:
    """Return the command that runs a container in the foreground.

    The client's own output is what reaches the unit's journal; the engine's log would only hold it once more.
    """
    arguments = [cli, "run", "--rm", "--name", container.name, "--network", "host", "--log-driver", "none"]
    if container.privileged:
        arguments.append("--privileged")
    if container.user:
        arguments += ["--user", container.user]
    for volume in container.volumes:
        arguments += ["--volume", volume]
    for key, value in container.environment:
        arguments += ["--env", f"{key}={value}"]
    return (*arguments, *container.options, container.image, *container.command)


def unit_text(cli: str, container: Container) -> str:
    """Return the unit file of a container; ``cli`` is the absolute path of podman or docker.

    Only the foreground client is systemd's to kill: what it leaves behind belongs to the engine, which the stop command
    and the removal before a start look after.
    """
    after = ["network-online.target"]
    requires = ""
    if posixpath.basename(cli) == "docker":
        after.append("docker.service")
        requires = "Requires=docker.service\n"
    command = " ".join(quote(argument) for argument in run_arguments(cli, container))
    engine = quote(cli)
    return f"""\
# Managed by Ansible, stretch.cluster.service_containers
[Unit]
Description={container.name} container
Wants=network-online.target
{requires}After={" ".join([*after, *container.after])}
StartLimitIntervalSec=0

[Service]
ExecStartPre=-{engine} rm -f {container.name}
ExecStart={command}
ExecStop=-{engine} stop -t {container.stop_timeout} {container.name}
Restart={container.restart}
RestartSec=2
KillMode=process
SuccessExitStatus=143
TimeoutStopSec={container.stop_timeout + STOP_RESERVE}

[Install]
WantedBy=multi-user.target
"""


def parse_show(output: str, units: Sequence[str]) -> dict[str, UnitStatus]:
    """Return the status of each unit from the output of ``systemctl show`` for them in this order."""
    blocks = [block for block in re.split(r"\n\s*\n", output.strip()) if block.strip()]
    if len(blocks) != len(units):
        raise ServiceContainersError(f"systemctl show told of {len(blocks)} units, not of {len(units)}: {output}")
    found = {}
    for unit, block in zip(units, blocks):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found[unit] = UnitStatus(
            load_state=values.get("LoadState", ""),
            active_state=values.get("ActiveState", ""),
            sub_state=values.get("SubState", ""),
            main_pid=int(values.get("MainPID") or 0),
            unit_file_state=values.get("UnitFileState", ""),
            need_daemon_reload=values.get("NeedDaemonReload") == "yes",
        )
    return found


def plan_started(cli: str, wanted: Sequence[Container], status: Mapping[str, UnitStatus]) -> Plan:
    """Return what brings every container up with the wanted unit.

    A unit that runs with other arguments than its file says was left so by an interrupted run: it is restarted too.
    """
    write, enable, start, restart = [], [], [], []
    daemon_reload = False
    for container in wanted:
        now = status[container.unit]
        if now.load_state == "masked":
            raise ServiceContainersError(f"{container.unit} is masked; run: systemctl unmask {container.unit}")
        text = unit_text(cli, container)
        if now.text != text:
            write.append((container.path, text))
        daemon_reload = daemon_reload or now.text != text or now.need_daemon_reload
        if now.unit_file_state != "enabled":
            enable.append(container.unit)
        if not now.running:
            start.append(container.unit)
        elif now.text != text or now.need_daemon_reload or now.arguments != run_arguments(cli, container):
            restart.append(container.unit)
    return Plan(tuple(write), daemon_reload, tuple(enable), tuple(start), tuple(restart))


def plan_absent(wanted: Sequence[Container], status: Mapping[str, UnitStatus]) -> Plan:
    """Return what takes every container and its unit away."""
    remove = tuple(
        container
        for container in wanted
        if status[container.unit].text is not None or status[container.unit].active_state not in ("inactive", "failed")
    )
    return Plan(daemon_reload=bool(remove), remove=remove)


def diff(plan: Plan, status: Mapping[str, UnitStatus]) -> list[dict[str, str]]:
    """Return the diff of the unit files in Ansible's form."""
    found = []
    for path, text in (*plan.write, *((container.path, "") for container in plan.remove)):
        before = status[posixpath.basename(path)].text or ""
        found.append({"before_header": path, "after_header": path, "before": before, "after": text})
    return found
