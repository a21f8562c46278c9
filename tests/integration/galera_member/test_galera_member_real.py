# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running member takes without a restart, and what a host says of itself, with a real server."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.modules import (
    galera_links_info,
    galera_member_config,
    galera_preflight_info,
)
from member_servers import Member, free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def started(member: Member, tmp_path: Path) -> Path:
    """The agent's copy of the configuration that the member was started with."""
    path = tmp_path / "started.cnf"
    path.write_text(member.config)
    path.chmod(0o600)
    return path


def configure(run: Any, member: Member, started: Path, wanted: str) -> dict[str, Any]:
    """Apply with all that check mode and a second run owe; returns what the first run said."""
    before = (started.read_text(), member.variable("max_connections"), member.variable("wsrep_provider_options"))
    options = {"socket": str(member.socket), "wanted": wanted, "started": str(started)}
    checked = run(galera_member_config, check=True, **options)
    assert before == (
        started.read_text(),
        member.variable("max_connections"),
        member.variable("wsrep_provider_options"),
    )
    applied: dict[str, Any] = run(galera_member_config, **options)
    assert checked == applied
    assert stat.S_IMODE(started.stat().st_mode) == 0o600
    for check in (True, False):
        again = run(galera_member_config, check=check, **options)
        assert (again["changed"], again["applied"]) == (False, [])
        assert again["restart_reasons"] == applied["restart_reasons"]
    return applied


def test_the_same_configuration_changes_nothing(run: Any, member: Member, started: Path) -> None:
    assert configure(run, member, started, "# another comment\n" + member.config) == {
        "changed": False,
        "running": True,
        "applied": [],
        "restart_required": False,
        "restart_reasons": [],
        "config_file_changed": False,
        "diff": {"before": "", "after": ""},
    }


def test_what_needs_no_restart(run: Any, member: Member, started: Path) -> None:
    process, wanted = member.process, member.config
    for old, new in (
        ("max_connections = 100", "max_connections = 1K\nread_only = 1"),
        ("sst:first", "sst:second"),
        ("evs.suspect_timeout=PT5S;evs.inactive_timeout=PT15S", "evs.suspect_timeout=PT20S;evs.inactive_timeout=PT40S"),
        ("encrypt = 0", "encrypt = 3"),
        ("gcomm://\n", "gcomm://127.0.0.1:9\n"),
    ):
        assert old in wanted
        wanted = wanted.replace(old, new)
    assert configure(run, member, started, wanted) == {
        "changed": True,
        "running": True,
        "applied": ["evs.inactive_timeout", "evs.suspect_timeout", "max_connections", "read_only", "wsrep_sst_auth"],
        "restart_required": False,
        "restart_reasons": [],
        "config_file_changed": True,
        "diff": {
            "before": "evs.inactive_timeout = PT15S\nevs.suspect_timeout = PT5S\nmax_connections = 100\n"
            "wsrep_cluster_address = gcomm://\nwsrep_sst_auth = [secret]\n[sst] encrypt = 0\n",
            "after": "evs.inactive_timeout = PT40S\nevs.suspect_timeout = PT20S\nmax_connections = 1K\nread_only = 1\n"
            "wsrep_cluster_address = gcomm://127.0.0.1:9\nwsrep_sst_auth = [secret] (changed)\n[sst] encrypt = 3\n",
        },
    }
    assert (member.variable("max_connections"), member.variable("read_only")) == ("1024", "ON")
    assert member.provider_option("evs.suspect_timeout") == "PT20S"
    assert member.provider_option("evs.inactive_timeout") == "PT40S"
    assert member.variable("wsrep_cluster_address") == "gcomm://"
    assert started.read_text() == wanted
    # And back: what is taken away gets its default, which is not what it was at the start.
    assert configure(run, member, started, member.config)["applied"] == [
        "evs.inactive_timeout",
        "evs.suspect_timeout",
        "max_connections",
        "read_only",
        "wsrep_sst_auth",
    ]
    assert (member.variable("max_connections"), member.variable("read_only")) == ("100", "OFF")
    assert member.provider_option("evs.inactive_timeout") == "PT15S"
    assert process is member.process
    assert process is not None
    assert process.poll() is None
    assert member.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'")[0][1] == "Synced"


def test_what_needs_a_restart_waits_for_it(run: Any, member: Member, started: Path) -> None:
    wanted = member.config.replace("skip-networking\n", "").replace("gcache.size=1M", "gcache.size=2M")
    wanted = wanted.replace("max_connections = 100", "max_connections = 200").replace("= integration", "= other")
    found = configure(run, member, started, wanted)
    assert found["applied"] == ["max_connections"]
    assert found["restart_required"]
    assert found["restart_reasons"] == ["gcache.size", "skip_networking", "wsrep_cluster_name"]
    # Back to what runs, the restart is no longer needed.
    found = configure(run, member, started, member.config)
    assert (found["applied"], found["restart_required"]) == (["max_connections"], False)


def test_a_value_that_the_server_refuses(run: Any, member: Member, started: Path) -> None:
    wanted = member.config.replace("max_connections = 100", "max_connections = 150\nbinlog_format = NONE")
    wanted = wanted.replace("evs.suspect_timeout=PT5S", "evs.suspect_timeout=soon")
    options = {"socket": str(member.socket), "started": str(started)}
    found = run(galera_member_config, wanted=wanted, **options)
    assert found["failed"]
    assert "binlog_format = NONE: Variable 'binlog_format' can't be set to the value of 'NONE'" in found["msg"]
    assert "evs.suspect_timeout = soon: Incorrect arguments to SET" in found["msg"]
    # What it took is known to have been taken.
    assert member.variable("max_connections") == "150"
    assert run(galera_member_config, wanted=member.config, **options)["applied"] == ["max_connections"]
    assert member.variable("max_connections") == "100"


def test_without_a_record_of_the_start(run: Any, member: Member, tmp_path: Path) -> None:
    missing = tmp_path / "started.cnf"
    found = run(galera_member_config, socket=str(member.socket), wanted=member.config, started=str(missing))
    assert (found["changed"], found["restart_required"], found["restart_reasons"]) == (False, True, [str(missing)])
    assert not missing.exists()


def test_without_a_server(run: Any, member: Member, started: Path) -> None:
    wanted = member.config.replace("max_connections = 100", "max_connections = 200")
    found = run(galera_member_config, socket=f"{member.socket}.none", wanted=wanted, started=str(started))
    assert (found["changed"], found["running"], found["restart_required"]) == (False, False, False)
    assert started.read_text() == member.config


def preflight(run: Any, member: Member, datadir: Path, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "address": "127.0.0.1",
        "peers": [{"name": "localhost", "address": "127.0.0.1"}],
        "port": member.port,
        "datadir": str(datadir),
        "state_dir": str(datadir / "no-state"),
        "members_file": str(datadir / "no-members.json"),
        "controller_time": time.time(),
        **options,
    }
    result: dict[str, Any] = run(galera_preflight_info, **given)
    assert not result.get("failed"), result
    facts: dict[str, Any] = result["facts"]
    return facts


def test_facts_of_a_host_that_runs_a_member(run: Any, member: Member) -> None:
    facts = preflight(run, member, member.datadir)
    assert facts["running_cluster"] == "integration"
    assert facts["uuid"] == member.sql("SHOW STATUS LIKE 'wsrep_local_state_uuid'")[0][1]
    assert (facts["grastate"], facts["managed"], facts["address_is_local"]) == (True, False, True)
    assert facts["data_bytes"] > 2**20
    assert facts["free_bytes"] > 0
    assert abs(facts["clock_offset"]) < 5
    (link,) = facts["links"]
    assert link["reached"]
    assert link["round_trip"] < 1000


def test_facts_of_an_empty_host(run: Any, member: Member, tmp_path: Path) -> None:
    facts = preflight(run, member, tmp_path / "none", address="192.0.2.1", controller_time=time.time() + 100)
    assert (facts["uuid"], facts["entries"], facts["running_cluster"]) == (
        "00000000-0000-0000-0000-000000000000",
        [],
        "",
    )
    assert (facts["grastate"], facts["managed"], facts["address_is_local"]) == (False, False, False)
    assert (facts["data_bytes"], facts["configured_cluster"]) == (0, "")
    assert -105 < facts["clock_offset"] < -95


def test_facts_of_a_host_that_was_deployed(run: Any, member: Member, tmp_path: Path) -> None:
    for name in ("lost+found", ".stretch-bootstrap", "ibdata1"):
        (tmp_path / name).touch()
    (tmp_path / "members.json").write_text('{"cluster": "stretch"}')
    facts = preflight(run, member, tmp_path, members_file=str(tmp_path / "members.json"))
    assert (facts["configured_cluster"], facts["managed"]) == ("stretch", True)
    assert facts["entries"] == ["ibdata1", "members.json"]


def test_looking_at_a_member_does_it_no_harm(run: Any, member: Member) -> None:
    """The port is Galera's own: connections that say nothing come and go there."""
    peers = [
        {"name": "localhost", "address": "127.0.0.1"},
        {"name": "localhost", "address": "127.0.0.1", "port": free_port()},
    ]
    for _each in range(5):
        found = run(galera_links_info, peers=peers, port=member.port, tries=20)
        assert [link["reached"] for link in found["links"]] == [True, True]
        assert found["problems"] == []
    assert member.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'")[0][1] == "Synced"
    assert member.sql("SHOW STATUS LIKE 'wsrep_cluster_status'")[0][1] == "Primary"
