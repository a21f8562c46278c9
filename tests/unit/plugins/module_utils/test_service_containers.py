# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of containers, and what is done to have them running."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.service_containers import (
    Container,
    ServiceContainersError,
    UnitStatus,
    containers,
    diff,
    parse_show,
    plan_absent,
    plan_started,
    quote,
    run_arguments,
    unit_text,
)

CLI = "/usr/bin/podman"
UNIT = """\
# Managed by Ansible, stretch.cluster.service_containers
[Unit]
Description=keystone container
Wants=network-online.target
After=network-online.target tripleo_memcached.service remote-fs.target
StartLimitIntervalSec=0

[Service]
ExecStartPre=-/usr/bin/podman rm -f keystone
ExecStart=/usr/bin/podman run --rm --name keystone --network host --log-driver none --privileged --user keystone \
--volume /a:/b:ro --env B=1 --env TRIPLEO_CONFIG_HASH=abc --pids-limit 0 image:1 sh -c "echo $$A 100%%; sleep 1"
ExecStop=-/usr/bin/podman stop -t 10 keystone
Restart=on-failure
RestartSec=2
KillMode=process
SuccessExitStatus=143
TimeoutStopSec=25

[Install]
WantedBy=multi-user.target
"""


def one(**options: Any) -> Container:
    item = {"name": "c", "image": "i", "stop_timeout": 30, "restart": "always", **options}
    (found,) = containers([item], started=True)
    return found


def running(container: Container, **changes: Any) -> UnitStatus:
    """The status of a container as it is wanted, but for some changes."""
    status = UnitStatus(
        "loaded",
        "active",
        "running",
        7,
        "enabled",
        need_daemon_reload=False,
        text=unit_text(CLI, container),
        arguments=run_arguments(CLI, container),
    )
    return dataclasses.replace(status, **changes)


def test_unit() -> None:
    container = one(
        name="keystone",
        unit="tripleo_keystone",
        image="image:1",
        command=["sh", "-c", "echo $A 100%; sleep 1"],
        user="keystone",
        privileged=True,
        volumes=["/a:/b:ro"],
        environment={"B": 1},
        config_digest="abc",
        options=["--pids-limit", "0"],
        after=["tripleo_memcached", "remote-fs.target"],
        stop_timeout=10,
        restart="on-failure",
    )
    assert container.path == "/etc/systemd/system/tripleo_keystone.service"
    assert unit_text(CLI, container) == UNIT


def test_docker_needs_its_daemon() -> None:
    assert "Requires=docker.service\nAfter=network-online.target docker.service\n" in unit_text("/bin/docker", one())
    assert "docker" not in unit_text(CLI, one())


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("plain-1.2/x:y=z,@+", "plain-1.2/x:y=z,@+"),
        ("", '""'),
        ("a b", '"a b"'),
        ("100%n", '"100%%n"'),
        ("${HOME} $x", '"$${HOME} $$x"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a\nb\tc", '"a\\nb\\tc"'),
        (";", '";"'),
        ("it's", '"it\'s"'),
    ],
)
def test_quote(argument: str, expected: str) -> None:
    assert quote(argument) == expected


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    container = one(command=["sh", "-c", 'a "b" $C %d ; \\x \n é'], environment={"A": "x $y %z"})
    path = tmp_path / "c.service"
    path.write_text(unit_text("/bin/true", container), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "c.service" in line] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "-x"}, "no name of a container"),
        ({"unit": "a b"}, "no name of a systemd unit"),
        ({"unit": "x.timer"}, "no service unit"),
        ({"image": None}, "image is missing"),
        ({"volumes": ["/a"]}, "is not SOURCE:/TARGET"),
        ({"volumes": ["/a:b"]}, "is not SOURCE:/TARGET"),
        ({"environment": {"A-B": "x"}}, "no name of an environment variable"),
        ({"environment": {"A": True}}, "must be text; quote it"),
        ({"environment": {"A": None}}, "must be text; quote it"),
        ({"after": ["a b"]}, "no name of a systemd unit"),
        ({"stop_timeout": -1}, "must not be negative"),
        ({"command": ["a\0b"]}, "NUL"),
    ],
)
def test_bad_containers(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceContainersError, match=message):
        one(**options)


def test_names_and_units_are_used_once() -> None:
    a, b = ({"name": name, "unit": "u", "stop_timeout": 1, "restart": "no"} for name in "ab")
    with pytest.raises(ServiceContainersError, match=r"the unit u\.service is used by more than one"):
        containers([a, b], started=False)
    with pytest.raises(ServiceContainersError, match="the name a is used by more than one"):
        containers([a, {**a, "unit": "v"}], started=False)


def test_nothing_to_do() -> None:
    container = one()
    assert not plan_started(CLI, [container], {container.unit: running(container)}).changed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"text": "old"}, {"write", "daemon_reload", "restart"}),
        ({"text": "old", "active_state": "failed"}, {"write", "daemon_reload", "start"}),
        ({"active_state": "failed", "sub_state": "failed", "main_pid": 0}, {"start"}),
        ({"active_state": "activating", "sub_state": "auto-restart"}, {"start"}),
        ({"unit_file_state": "disabled"}, {"enable"}),
        # An interrupted run wrote the file only, or loaded it as well.
        ({"need_daemon_reload": True}, {"daemon_reload", "restart"}),
        ({"arguments": (CLI, "run", "old")}, {"restart"}),
    ],
)
def test_repairs(changes: dict[str, Any], expected: set[str]) -> None:
    container = one()
    plan = plan_started(CLI, [container], {container.unit: running(container, **changes)})
    assert {name for name, value in dataclasses.asdict(plan).items() if value} == expected


def test_a_new_container() -> None:
    container = one(unit="u")
    plan = plan_started(CLI, [container], {"u.service": UnitStatus()})
    assert (plan.daemon_reload, plan.enable, plan.start, plan.restart) == (True, ("u.service",), ("u.service",), ())
    assert diff(plan, {"u.service": UnitStatus()}) == [
        {
            "before_header": container.path,
            "after_header": container.path,
            "before": "",
            "after": unit_text(CLI, container),
        }
    ]


def test_a_masked_unit_is_an_error() -> None:
    with pytest.raises(ServiceContainersError, match=r"systemctl unmask c\.service"):
        plan_started(CLI, [one()], {"c.service": UnitStatus("masked")})


@pytest.mark.parametrize(
    ("status", "removed"),
    [
        (UnitStatus(), False),
        (UnitStatus(active_state="failed"), False),
        (UnitStatus("loaded", text="x"), True),
        (UnitStatus(active_state="active"), True),
    ],
)
def test_absent(status: UnitStatus, removed: bool) -> None:
    plan = plan_absent([one()], {"c.service": status})
    assert (bool(plan.remove), plan.daemon_reload, plan.changed) == (removed, removed, removed)


SHOW = """\
MainPID=12
Id=a.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=yes

MainPID=0
Id=b.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
NeedDaemonReload=no
"""


def test_show() -> None:
    found = parse_show(SHOW, ["a.service", "b.service"])
    assert found["a.service"] == UnitStatus("loaded", "active", "running", 12, "enabled", need_daemon_reload=True)
    assert found["b.service"] == UnitStatus()
    with pytest.raises(ServiceContainersError, match="told of 2 units, not of 1"):
        parse_show(SHOW, ["a.service"])
