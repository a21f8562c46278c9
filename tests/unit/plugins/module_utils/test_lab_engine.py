# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of a host: which quirks are found, and what the wrapper does with them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import lab_engine
from ansible_collections.stretch.cluster.plugins.module_utils.lab_engine import EngineError, Host

ALL = (1 << 41) - 1
WITHOUT_RESOURCE = ALL & ~(1 << lab_engine.CAP_SYS_RESOURCE)
PLAIN = Host(cgroup_fstype="cgroup2", capabilities=ALL, nofile=1048576, nproc=-1)


@pytest.mark.parametrize(
    ("mounts", "fstype"),
    [
        ("", ""),
        ("proc /proc proc rw 0 0\n", ""),
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "cgroup2"),
        ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n", "tmpfs"),
        ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\nnone /sys/fs/cgroup cgroup2 rw 0 0\n", "cgroup2"),
    ],
)
def test_the_last_mount_is_the_file_system_that_is_seen(mounts: str, fstype: str) -> None:
    assert lab_engine.cgroup_fstype(mounts) == fstype


def test_capabilities() -> None:
    status = "Name:\tpython\nCapPrm:\t0000000000000000\nCapEff:\t000001fffeffffff\n"
    assert lab_engine.effective_capabilities(status) == WITHOUT_RESOURCE
    with pytest.raises(EngineError, match="CapEff"):
        lab_engine.effective_capabilities("Name:\tpython\n")


def test_a_plain_host_has_no_quirks() -> None:
    plan = lab_engine.plan(PLAIN, "/state/lab", "/run/lab")
    assert plan.quirks == ()
    assert not plan.private_cgroup
    assert "nsenter" not in plan.wrapper
    assert "default_ulimits" not in plan.containers_conf
    assert "pids_limit = 0" in plan.containers_conf.splitlines()


@pytest.mark.parametrize("fstype", ["tmpfs", ""])
def test_without_cgroup_v2_podman_runs_in_a_namespace_of_its_own(fstype: str) -> None:
    host = Host(cgroup_fstype=fstype, capabilities=ALL, nofile=-1, nproc=-1)
    plan = lab_engine.plan(host, "/state/lab", "/run/lab")
    assert plan.private_cgroup
    assert len(plan.quirks) == 1
    assert 'exec nsenter --mount=/run/lab podman "$@"' in plan.wrapper.splitlines()


@pytest.mark.parametrize(
    ("nofile", "nproc", "limits"),
    [
        (-1, -1, '"nofile=20000:20000", "nproc=10000:10000"'),
        (1024, 500, '"nofile=1024:1024", "nproc=500:500"'),
        (20001, 10000, '"nofile=20000:20000", "nproc=10000:10000"'),
    ],
)
def test_limits_are_given_where_they_cannot_be_raised(nofile: int, nproc: int, limits: str) -> None:
    host = Host(cgroup_fstype="cgroup2", capabilities=WITHOUT_RESOURCE, nofile=nofile, nproc=nproc)
    plan = lab_engine.plan(host, "/state/lab", "/run/lab")
    assert len(plan.quirks) == 1
    assert "CAP_SYS_RESOURCE" in plan.quirks[0]
    assert f"default_ulimits = [{limits}]" in plan.containers_conf.splitlines()


@pytest.mark.parametrize(
    ("uid", "namespace", "called"),
    [
        ("0", "", "podman ps --all a b"),
        ("0", "/run/lab", "nsenter --mount=/run/lab podman ps --all a b"),
        ("1000", "", "sudo {wrapper} ps --all a b"),
    ],
)
def test_the_wrapper(tmp_path: Path, uid: str, namespace: str, called: str) -> None:
    """With programs that say what they were called with, and under which configuration."""
    for name in ("podman", "nsenter", "sudo"):
        (tmp_path / name).write_text('#!/bin/sh\necho "${0##*/} $* CONF=${CONTAINERS_CONF:-}"\n', encoding="utf-8")
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {uid}\n", encoding="utf-8")
    wrapper = tmp_path / "wrapper"
    host = Host(cgroup_fstype="tmpfs" if namespace else "cgroup2", capabilities=ALL, nofile=-1, nproc=-1)
    wrapper.write_text(lab_engine.plan(host, "/state/lab", namespace).wrapper, encoding="utf-8")
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run([wrapper, "ps", "--all", "a b"], env=environment, capture_output=True, text=True, check=True)
    conf = "" if uid != "0" else "/state/lab/containers.conf"
    assert ran.stdout == f"{called.format(wrapper=wrapper)} CONF={conf}\n"
