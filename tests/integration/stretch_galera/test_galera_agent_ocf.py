# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resource agent as Pacemaker calls it, with a real MariaDB: OCF's own tester, crashes, hangs, restarts."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from galera_agent_harness import Member

pytestmark = pytest.mark.integration
SUCCESS, CONFIGURED, NOT_RUNNING, PROMOTED, FAILED_PROMOTED, DEGRADED = 0, 6, 7, 8, 9, 190


def test_the_description_is_valid(member: Member) -> None:
    """Against the schema of the OCF's resource agent API, as resource-agents ships it."""
    done = member.inside(str(member.agent), "meta-data")
    assert done.returncode == SUCCESS
    checked = subprocess.run(
        ["xmllint", "--noout", "--dtdvalid", "/usr/share/resource-agents/ra-api-1.dtd", "-"],
        input=done.stdout.replace('<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">', ""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_ocf_tester(member: Member) -> None:
    """Every action of the life of a resource, twice where that must not matter."""
    member.first()
    # The tester is older than the code of a degraded resource, which is a success with a remark.
    tested = member.agent.with_name("tested")
    tested.write_text(f'#!/bin/sh\n{member.agent} "$@"\ncode=$?\n[ $code -ne {DEGRADED} ] || exit 0\nexit $code\n')
    tested.chmod(0o755)
    options = [word for name, value in member.parameters.items() for word in ("-o", f"{name}={value}")]
    done = member.inside("ocf-tester", "-n", "stretch-galera", *options, str(tested))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed all tests" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("datadir", "/nowhere/at/all", "datadir: /nowhere/at/all is no directory"),
        ("state", "/nowhere/at/all", "state: /nowhere/at/all is no directory"),
        ("config", "/nowhere/at/all", "sets no wsrep_provider"),
        ("user", "nobody-of-this-name", "there is no nobody-of-this-name"),
    ],
)
def test_wrong_parameters_are_refused(member: Member, name: str, value: str, said: str) -> None:
    for action in ("validate-all", "start"):
        code, error = member.act(action, **{name: value})
        assert code == CONFIGURED
        assert said in error
    assert member.act("monitor")[0] == NOT_RUNNING
    assert list((member.directory / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("members.json", "{}", "does not describe the members"),
        ("members.json", '{"self": "x", "members": [], "replication_port": 1, "check_port": 2}', "self has to be one"),
        ("report.key", "\n", "report.key"),
        ("my.cnf", "[mysqld]\n", "sets no wsrep_provider"),
    ],
)
def test_a_damaged_configuration_is_refused(member: Member, path: str, text: str, said: str) -> None:
    (member.directory / "config" / path).write_text(text)
    code, error = member.act("validate-all")
    assert code == CONFIGURED
    assert said in error


def test_an_unknown_action(member: Member) -> None:
    assert member.act("explode")[0] == 3


def test_without_being_told_an_empty_member_starts_no_cluster(member: Member) -> None:
    assert member.act("start")[0] == SUCCESS
    code, error = member.act("monitor")
    assert code == DEGRADED
    assert "this is not the first deployment" in error
    assert not (member.directory / "data/mysql").exists()


def test_from_nothing_through_crash_hang_and_restart(member: Member) -> None:
    """What a member goes through; its rows stay."""
    member.first()
    assert member.act("start")[0] == SUCCESS
    member.become_member()
    assert member.act("monitor")[0] == PROMOTED
    assert not (member.directory / "state/first.json").exists()
    users = member.sql("SELECT CONCAT(user, '@', host) FROM mysql.global_priv ORDER BY 1").split()
    assert users == ["made_by_init@localhost", "mariadb.sys@localhost", "root@localhost"]
    assert "test" not in member.sql("SHOW DATABASES").split()
    assert b"MADE_UP=by the test" in Path(f"/proc/{member.server()}/environ").read_bytes().split(b"\0")
    member.sql("CREATE DATABASE d; CREATE TABLE d.t (n INT PRIMARY KEY); INSERT INTO d.t VALUES (1)")

    os.kill(member.server(), signal.SIGKILL)
    code, error = member.act("monitor")
    assert code == FAILED_PROMOTED, error
    for action in ("demote", "stop", "start"):
        assert member.act(action)[0] == SUCCESS
    # Its position is read from disk by the server itself, then it is the newest of all and bootstraps.
    member.become_member()
    assert member.sql("SELECT n FROM d.t") == "1"

    os.kill(member.server(), signal.SIGSTOP)
    member.monitor_until(FAILED_PROMOTED)
    for action in ("demote", "stop", "start"):
        assert member.act(action)[0] == SUCCESS
    member.become_member()

    before = member.server()
    (member.directory / "state/restart").write_text("")
    assert member.act("monitor")[0] == PROMOTED
    member.become_member()
    assert member.server() != before
    assert member.sql("SELECT n FROM d.t") == "1"

    assert member.act("stop")[0] == SUCCESS
    state = member.state()
    assert (state["phase"], state["position"]["seqno"] > 0) == ("stopped", True)
    assert member.act("monitor")[0] == NOT_RUNNING
