# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cutover as clients see it: what fails, what is refused and what is lost. The tests follow each other."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.haproxy_gate import BEGIN, OUT
from cutover_load.load import Load, summary
from merge_servers import MariaDB
from site_servers import Controller, Sites

pytestmark = pytest.mark.integration

MERGE, SWITCH = "setup_keystone_db", "setup_openstack_services"
RATES = {"logins": 2.0, "validations": 4.0, "reads": 4.0, "writes": 3.0}
REFUSE = "stretch.cluster.cutover : Writes are refused, and none is under way"
DIFFERENCE = "stretch.cluster.keystone_merge : Merge of the Keystones"
MARK = "stretch.cluster.cutover : From here on the merged database is the truth"


def is_as_before(sites: Sites, own: MariaDB) -> None:
    """Every region uses its own database and takes writes, and nothing of a cutover is left."""
    assert set(sites.cut_over().values()) == {None}
    for stack in sites.stacks:
        for one in stack.controllers:
            assert one.haproxy.config.read_bytes() == sites.before[one.name]
            assert sorted(path.name for path in one.haproxy.config.parent.iterdir()) == ["haproxy.cfg"]
            assert not one.drop_in.exists()
            assert not (one.keystone.running / "keystone.conf.d/50-stretch.conf").exists()
            assert not list((sites.directory / f"of-{one.name}").glob("*"))
        for _each in range(4):  # either Keystone
            assert stack.write()[0] == 201
        (found,) = own.query(
            "SELECT COUNT(*) FROM project WHERE name LIKE %s", (f"try-{stack.name}-%",), database=stack.name
        )
        assert found[0] >= 4


def refuses(sites: Sites) -> bool:
    """Whether every region refuses writes, and goes on otherwise."""
    answers = []
    for stack in sites.stacks:
        answers.append(stack.write())  # after a login
        door = stack.who.keystone
        assert door.ask("GET", "/auth/tokens", token=stack.who.token, subject=stack.who.token).status == 200
    return {status for status, _after in answers} == {503} and all(after for _status, after in answers)


def test_the_merge(sites: Sites, own: MariaDB) -> None:
    status, output, _changed = sites.play(MERGE)
    assert status == 0, output
    is_as_before(sites, own)


def test_a_check_says_what_would_change(sites: Sites, own: MariaDB) -> None:
    status, output, changed = sites.play(SWITCH, "--check")
    assert status == 0, output
    assert changed > 0
    assert "deny_status 503" in output
    is_as_before(sites, own)


@contextlib.contextmanager
def instead(path: Path, text: str) -> Iterator[None]:
    """Have another text in a file for a while."""
    kept = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(kept)


def restart_of(one: Controller) -> Path:
    return one.keystone.directory / "restart"


def test_without_a_section_of_haproxy_nothing_begins(sites: Sites, own: MariaDB) -> None:
    config = sites.controllers[3].haproxy.config
    with instead(config, config.read_text().replace("mode http", "mode tcp")):
        status, output, _changed = sites.play(SWITCH)
    assert status != 0
    assert "is in mode tcp, so that HAProxy does not see which requests are writes" in output
    assert "-e cutover_without_refusal=yes" in output
    is_as_before(sites, own)


def test_one_that_does_not_start_on_the_merged_database(sites: Sites, own: MariaDB) -> None:
    """It does on its own."""
    restart = restart_of(sites.controllers[2])
    drop_in = sites.controllers[2].drop_in
    with instead(restart, restart.read_text().replace("set -eu", f"set -eu\n[ ! -e {drop_in} ]")):
        status, output, _changed = sites.play(SWITCH)
    assert status != 0
    assert "The cutover was given up before the switch" in output
    assert f"TASK [{REFUSE}" not in output
    is_as_before(sites, own)


def test_requests_that_do_not_end(sites: Sites, own: MariaDB) -> None:
    """Clients have begun requests, and do not end them; some of these are at the Keystone that does not restart."""
    stack = sites.stacks[1]
    with contextlib.ExitStack() as clients:
        for _each in range(4):
            client = clients.enter_context(socket.create_connection((stack.controllers[0].vip, stack.port)))
            client.sendall(b"POST /v3/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        time.sleep(0.5)
        status, output, _changed = sites.play(SWITCH, "-e", "cutover_drain_timeout=3")
    assert status != 0
    assert "have not ended within 3 s" in output
    assert "The cutover was given up before the switch" in output
    is_as_before(sites, own)


def test_what_meets_in_the_last_difference(sites: Sites, own: MariaDB) -> None:
    for stack in sites.stacks:
        door = stack.who.keystone
        body = {"project": {"name": "later", "domain_id": "default"}}
        assert door.ask("POST", "/projects", body, door.log_in(stack.who.writer)).status == 201
    status, output, _changed = sites.play(SWITCH)
    assert status != 0
    assert "project later in domain Default is not the same in" in output
    assert "The cutover was given up before the switch" in output
    is_as_before(sites, own)
    own.query("UPDATE project SET name = 'sooner' WHERE name = 'later'", database="stack2")


def test_killed_while_writes_are_refused(sites: Sites, own: MariaDB) -> None:
    """The next run takes it back, whatever it is for."""
    sites.start(SWITCH).kill_at(REFUSE, DIFFERENCE)
    assert refuses(sites)
    assert all(BEGIN in one.haproxy.config.read_text() for one in sites.controllers)
    status, output, _changed = sites.play(MERGE, "--check")
    assert status == 0, output
    assert refuses(sites), "a check changes nothing"
    status, output, _changed = sites.play(MERGE)
    assert status == 0, output
    is_as_before(sites, own)


def test_killed_after_the_mark(sites: Sites) -> None:
    """From then on only Keystones on the merged database may answer; any next run sees to it."""
    sites.start(SWITCH).kill_at(MARK, "stretch.cluster.cutover : It is")
    assert all(sites.cut_over().values())
    assert refuses(sites)
    status, output, _changed = sites.play(MERGE)
    assert status == 0, output
    for stack in sites.stacks:
        text = stack.controllers[0].haproxy.config.read_text()
        assert (BEGIN in text, text.count(OUT)) == (False, 1)
        for _each in range(4):
            assert stack.write()[0] == 201
    (found,) = sites.stretched.query("SELECT COUNT(*) FROM keystone.project WHERE name LIKE 'try-stack2-%%'")
    assert found[0] >= 4


def test_it_goes_on(sites: Sites) -> None:
    status, output, _changed = sites.play(SWITCH)
    assert status == 0, output
    is_cut_over(sites)


def is_cut_over(sites: Sites) -> None:
    for one in sites.controllers:
        assert one.haproxy.config.read_bytes() == sites.before[one.name]
        assert "enabled = false" not in (one.keystone.running / "keystone.conf.d/50-stretch.conf").read_text()
        assert len(list((sites.directory / f"of-{one.name}").iterdir())) == 1
    for stack in sites.stacks:
        for other in sites.stacks:
            token = stack.who.keystone.log_in(other.who.user)
            assert other.who.keystone.ask("GET", "/auth/catalog", token=token).status == 200


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["run", "check"])
def test_again(sites: Sites, arguments: tuple[str, ...]) -> None:
    """Nothing changes, and HAProxy is not touched."""
    said = [one.haproxy.said() for one in sites.controllers]
    status, output, changed = sites.play(SWITCH, *arguments)
    assert (status, changed) == (0, 0), output
    assert [one.haproxy.said() for one in sites.controllers] == said
    is_cut_over(sites)


def test_other_options_roll_without_an_outage(sites: Sites, directory: Path) -> None:
    with Load([stack.who for stack in sites.stacks], directory / "roll", RATES) as load:
        time.sleep(2)
        status, output, _changed = sites.play(SWITCH, "-e", "cutover_max_active_keys=9")
        time.sleep(2)
    assert status == 0, output
    found = load.result(limit=0.0)
    assert found["passed"], "\n".join(summary(found))
    assert found["refused"] == 0
    is_cut_over(sites)
