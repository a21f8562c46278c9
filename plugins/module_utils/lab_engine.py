# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What podman needs on this host so that systemd nodes run in it, and containers in them.

The only place where the quirks of a host are detected. Everything else of the
lab calls the wrapper that comes out of here and knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

# linux/capability.h
CAP_SYS_RESOURCE = 24
# What a node gets at most; a Galera member and uwsgi stay far below.
NOFILE = 20000
NPROC = 10000


class EngineError(Exception):
    """The engine cannot be set up or cannot start a container on this host."""


@dataclass(frozen=True)
class Host:
    """What was read from the host.

    ``cgroup_fstype``: file system at /sys/fs/cgroup (``cgroup2`` or ``tmpfs``).
    ``capabilities``: effective capability mask.
    ``nofile``, ``nproc``: hard limits of this process, -1 for unlimited.
    """

    cgroup_fstype: str
    capabilities: int
    nofile: int
    nproc: int


@dataclass(frozen=True)
class Plan:
    """What the engine of this host looks like.

    ``quirks``: names of the quirks found, for people.
    ``private_cgroup``: podman must run in a mount namespace with a cgroup2 of its own.
    ``wrapper``, ``containers_conf``: contents of the two files that make the engine.
    """

    quirks: Tuple[str, ...]
    private_cgroup: bool
    wrapper: str
    containers_conf: str


def cgroup_fstype(mounts: str) -> str:
    """File system type at /sys/fs/cgroup, from the text of /proc/self/mounts; the last mount wins."""
    fstype = ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) >= 3 and fields[1] == "/sys/fs/cgroup":
            fstype = fields[2]
    return fstype


def effective_capabilities(status: str) -> int:
    """Effective capability mask, from the text of /proc/self/status."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    raise EngineError("/proc/self/status has no CapEff line: this does not look like Linux")


def _capped(wanted: int, limit: int) -> int:
    return wanted if limit < 0 else min(wanted, limit)


def plan(host: Host, directory: str, namespace: str) -> Plan:
    """The engine for ``host``, its files in ``directory`` and, where needed, a mount namespace at ``namespace``."""
    quirks = []
    limited = not host.capabilities & (1 << CAP_SYS_RESOURCE)
    private_cgroup = host.cgroup_fstype != "cgroup2"
    if limited:
        quirks.append("CAP_SYS_RESOURCE is missing: resource limits are given explicitly")
    if private_cgroup:
        quirks.append("/sys/fs/cgroup is not cgroup v2: podman runs in a mount namespace with its own cgroup2")
    return Plan(
        quirks=tuple(quirks),
        private_cgroup=private_cgroup,
        wrapper=_wrapper(directory, namespace if private_cgroup else ""),
        containers_conf=_containers_conf(host, limited),
    )


def _wrapper(directory: str, namespace: str) -> str:
    enter = f"nsenter --mount={namespace} " if namespace else ""
    return (
        "#!/bin/sh\n"
        "# The lab's podman: made by stretch.cluster. Give it absolute paths only.\n"
        '[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"\n'
        f"export CONTAINERS_CONF={directory}/containers.conf\n"
        f'exec {enter}podman "$@"\n'
    )


def _containers_conf(host: Host, limited: bool) -> str:
    lines = ["[containers]"]
    if limited:
        limits = f'"nofile={_capped(NOFILE, host.nofile)}:{_capped(NOFILE, host.nofile)}", '
        limits += f'"nproc={_capped(NPROC, host.nproc)}:{_capped(NPROC, host.nproc)}"'
        lines.append(f"default_ulimits = [{limits}]")
    # Without a pids controller a limit cannot be set, and a node is a whole machine: none.
    lines.append("pids_limit = 0")
    # The nodes use the same file for the containers in them, where no systemd session holds scopes.
    lines += ["[engine]", 'runtime = "crun"', 'cgroup_manager = "cgroupfs"', 'events_logger = "file"']
    lines += ["[network]", 'network_backend = "netavark"']
    return "\n".join(lines) + "\n"
