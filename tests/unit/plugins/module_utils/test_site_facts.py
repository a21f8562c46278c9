# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of descriptions of sites that are not true."""

from __future__ import annotations

import copy
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.module_utils import site_facts
from ansible_collections.stretch.cluster.plugins.module_utils.existing_layouts import describe
from ansible_collections.stretch.cluster.plugins.modules import site_facts_info

SITE: dict[str, Any] = {
    **describe("native", "10.1.0.11", {"haproxy": {"resource": "haproxy-clone"}}),
    "stack": "stack1",
    "region": "East",
    "controllers": ["c0", "c1", "c2"],
    "address": "10.1.0.11",
    "vips": {"internal_api": "10.1.0.5", "stretch_galera": "10.1.0.6"},
}
WELL: dict[str, Any] = {
    "missing": [],
    "no_command": [],
    "programs": {
        "error": "",
        "mariadb": "mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64",
        "galera": True,
        "pymysql": True,
        "user": True,
    },
    "vip_on_network": True,
    "vip_answers": False,
    "vip_is_ours": False,
    "taken": [],
    "vip_port_taken": 0,
    "pacemaker": {"error": "", "nodes": ["c0", "c1", "c2"], "self": "c0", "resources": ["haproxy", "haproxy-clone"]},
    "keystone": {
        "config_error": "",
        "database_error": "",
        "regions": ["East"],
        "exec_error": "",
        "url_error": "",
        "memcached_error": "",
    },
}
CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"missing": [("Keystone's configuration", "/etc/keystone/keystone.conf")]},
        "/etc/keystone/keystone.conf is not there",
    ),
    ({"no_command": [("firewall.backend", "nft")]}, "the command nft (firewall.backend) is not there"),
    ({"programs": {"mariadb": ""}}, "there is no mariadbd in the node"),
    ({"programs": {"mariadb": "mysqld Ver 10.1.20-MariaDB"}}, "MariaDB in the node is 10.1.20; members need 10.3"),
    ({"programs": {"galera": False}}, "there is no /usr/lib/galera/libgalera_smm.so in the node"),
    ({"programs": {"pymysql": False}}, "has no PyMySQL"),
    ({"programs": {"user": False}}, "there is no user mysql"),
    ({"programs": {"error": "no such image"}}, "the node cannot be looked into: no such image"),
    ({"vip_on_network": False}, "10.1.0.6 (stretch_galera) is on none of its networks"),
    ({"vip_answers": True}, "somebody answers at 10.1.0.6"),
    ({"taken": [3316, 4577]}, "TCP ports 3316, 4577 are taken at 10.1.0.11"),
    ({"vip_port_taken": 3306}, "somebody listens on port 3306 of all addresses"),
    ({"pacemaker": {"error": "no route"}}, "Pacemaker does not answer: no route"),
    ({"pacemaker": {"nodes": ["c0", "c1"]}}, "its Pacemaker has 2 nodes (c0, c1)"),
    ({"pacemaker": {"nodes": ["x0", "x1", "x2"]}}, "its Pacemaker knows no c0, c1, c2 (it has x0, x1, x2)"),
    ({"pacemaker": {"self": "c1"}}, "it is c1 to its Pacemaker"),
    ({"pacemaker": {"resources": []}}, "its Pacemaker has no resource haproxy-clone"),
    ({"keystone": {"config_error": "/k.conf: it has no connection in its section [database]"}}, "no connection"),
    ({"keystone": {"regions": ["West", "Other"]}}, "its Keystone has no region East (it has West, Other)"),
    ({"keystone": {"database_error": "refused", "regions": None}}, "database of Keystone does not answer: refused"),
    ({"keystone": {"exec_error": "no container"}}, "keystone-manage cannot be run by keystone.exec (no container)"),
    ({"keystone": {"url_error": "refused"}}, "Keystone does not answer at http://10.1.0.11:5000/v3 (refused)"),
    ({"keystone": {"memcached_error": "refused"}}, "memcached does not answer at 127.0.0.1:11211"),
]


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    facts = copy.deepcopy(WELL)
    for key, value in changes.items():
        facts[key] = {**facts[key], **value} if isinstance(value, dict) else value
    return facts


def test_nothing_is_wrong() -> None:
    assert site_facts.problems({"c0": WELL}, {"c0": SITE}) == []


@pytest.mark.parametrize(("changes", "sentence"), CASES, ids=[sentence[:40] for _changes, sentence in CASES])
def test_each_problem(changes: dict[str, Any], sentence: str) -> None:
    found = site_facts.problems({"c0": changed(changes)}, {"c0": SITE})
    assert found[0].startswith("c0: ")
    assert sentence in found[0]
    # Of two nodes one of the controllers is unknown, too.
    assert len(found) == (2 if "has 2 nodes" in sentence else 1)


def test_our_own_address_and_one_sentence_for_all() -> None:
    assert site_facts.problems({"c0": changed({"vip_answers": True, "vip_is_ours": True})}, {"c0": SITE}) == []
    facts = changed({"vip_answers": True, "pacemaker": {"self": ""}})
    assert [one.split(":")[0] for one in site_facts.problems({"c0": facts, "c1": facts}, {"c0": SITE, "c1": SITE})] == [
        "c0, c1"
    ]


def test_listeners_are_found() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        heard = site_facts.listening(Path("/proc/net/tcp").read_text(encoding="ascii"))
    assert site_facts.holders(heard, "127.0.0.1", [port]) == [port]
    assert site_facts.holders(heard, "127.0.0.2", [port]) == []


def test_the_module_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On this machine, which has nothing of it: everything is told, nothing fails."""
    keystone = tmp_path / "keystone"
    keystone.mkdir()
    (keystone / "keystone.conf").write_text("[DEFAULT]\n", encoding="utf-8")
    site = copy.deepcopy(SITE)
    site["keystone"].update(config_dir=str(keystone), url="http://127.0.0.1:9/v3", memcached="127.0.0.1:9")
    site["vips"]["stretch_galera"] = "127.0.0.1"
    site["haproxy"]["config_file"] = str(tmp_path / "haproxy.cfg")
    arguments = {"site": site, "members_file": str(tmp_path / "members.json")}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        site_facts_info.main()
    facts = json.loads(capsys.readouterr().out)["facts"]
    found = "\n".join(site_facts.problems({"c0": facts}, {"c0": site}))
    for sentence in (
        "haproxy.cfg is not there",
        "fernet-keys is not there",
        "keystone.conf: it has no connection in its section [database]",
        "somebody answers at 127.0.0.1",
        "Keystone does not answer at http://127.0.0.1:9/v3",
        "memcached does not answer at 127.0.0.1:9",
    ):
        assert sentence in found
    assert facts["vip_on_network"]
