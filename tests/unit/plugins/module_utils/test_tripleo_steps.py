# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step finds and what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import (
    connections,
    download,
    infrared,
    instackenv,
    running,
    steps,
    topology_files,
)
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.steps import Libvirt, Record
from tripleo_harness import Answers, release, topology

TOPOLOGY = topology()
SHARE = topology_files.hypervisor(TOPOLOGY)
ALL = {machine.name: f"uuid of {machine.name}" for machine in SHARE.machines}
NETWORKS = {network.name: f"uuid of {network.name}" for network in SHARE.networks}
WHOLE = Record(domains=ALL, networks=NETWORKS, hosts={"hypervisor": {}})


def without(names: dict[str, str], prefix: str) -> dict[str, str]:
    return {name: uuid for name, uuid in names.items() if not name.startswith(prefix)}


def test_nothing_is_there() -> None:
    todo = steps.plan_machines(SHARE, Libvirt({}, {}), Record())
    assert todo == steps.Machines(remove=(), networks=True, stacks=("stack1", "stack2", None))


def test_everything_is_there() -> None:
    assert steps.plan_machines(SHARE, Libvirt(ALL, NETWORKS), WHOLE) == steps.Machines((), networks=False, stacks=())


def test_a_stack_that_was_left_half_made_is_made_anew() -> None:
    there = {**without(ALL, "s2"), "s2undercloud-0": "half"}
    record = Record({**ALL, **dict.fromkeys([name for name in ALL if name.startswith("s2")])}, NETWORKS, WHOLE.hosts)
    todo = steps.plan_machines(SHARE, Libvirt(there, NETWORKS), record)
    assert todo == steps.Machines(remove=("s2undercloud-0",), networks=False, stacks=("stack2",))
    assert [machine.stack for machine in steps.part(SHARE, todo.stacks).machines] == ["stack2"] * 5


def test_machines_that_were_removed_by_hand() -> None:
    todo = steps.plan_machines(SHARE, Libvirt(without(ALL, "s1"), NETWORKS), WHOLE)
    assert todo.stacks == ("stack1",)
    with pytest.raises(TripleoError, match="stack1 lost s1compute-0: --tags rebuild_vms"):
        steps.plan_machines(SHARE, Libvirt(without(ALL, "s1compute"), NETWORKS), WHOLE)


def test_what_another_backend_made_and_removed() -> None:
    one = topology_files.hypervisor(topology("stack1", arbiter=0))
    hosts = {"hypervisor": {"ansible_host": "h"}, "s1undercloud-0": {"ansible_host": "a"}}
    made = steps.learned(one, Libvirt({"s1undercloud-0": "u"}, {"stretch": "n"}), WHOLE, hosts)
    assert made.domains == {**without(ALL, "s1"), "s1undercloud-0": "u"}
    assert made.networks == {
        "s2provisioning": "uuid of s2provisioning",
        "s2external": "uuid of s2external",
        "stretch": "n",
    }
    assert made.hosts == hosts
    gone = steps.learned(one, Libvirt({}, {}), made, hosts)
    assert gone.domains == without(ALL, "s1")
    assert gone.hosts == {"hypervisor": {"ansible_host": "h"}}


def test_what_somebody_else_made_is_named_and_left_alone() -> None:
    have = Libvirt({"s1compute-0": "theirs"}, {"stretch": "theirs"})
    with pytest.raises(TripleoError) as caught:
        steps.plan_machines(SHARE, have, Record())
    assert "VM s1compute-0 that this deployment did not make" in str(caught.value)
    assert "network stretch that this deployment did not make" in str(caught.value)
    assert steps.foreign(have, WHOLE)
    assert not steps.foreign(have, Record(domains={"s1compute-0": None}, networks={"stretch": None}))


def test_libvirt_is_asked_for_our_names_alone() -> None:
    run = Answers(
        {
            "list --all --name": "s1compute-0\nmine\n",
            "net-list --name": "default\n",
            "list --name": "mine\n",
            "domuuid": "u\n",
        }
    )
    have = steps.load_libvirt(run, "qemu:///system", list(ALL), ["stretch"])
    assert have == Libvirt({"s1compute-0": "u"}, {})
    assert not [asked for asked in run.asked if "mine" in asked]


def test_libvirt_that_does_not_answer() -> None:
    with pytest.raises(TripleoError, match=r"does not answer at qemu:///x \(no socket\)"):
        steps.load_libvirt(Answers({"virsh": (1, "", "no socket\n")}), "qemu:///x", [], [])


def test_memory_that_is_missing_is_said_in_numbers() -> None:
    run = Answers({"nodememstats": "total  :  65536000 KiB\nfree   :  1 KiB\n"})
    found = steps.memory_problem(run, "u", SHARE, Libvirt({}, {}))
    assert found is not None
    assert "need 149504 MiB of memory and the hypervisor has 64000: 85504 MiB are missing" in found
    assert steps.memory_problem(run, "u", SHARE, Libvirt(ALL, {})) is None
    assert steps.memory_problem(Answers({"nodememstats": "total : 201326592 KiB"}), "u", SHARE, Libvirt({}, {})) is None


def test_removal_of_machines_and_networks() -> None:
    words = [command[3:] for command in steps.remove_domains("u", ["a", "b"], ["a"])]
    assert words == [
        ("destroy", "a"),
        ("undefine", "a", "--remove-all-storage"),
        ("undefine", "b", "--remove-all-storage"),
    ]
    words = [command[3:] for command in steps.remove_networks("u", ["n", "m"], ["m"])]
    assert words == [("net-undefine", "n"), ("net-destroy", "m"), ("net-undefine", "m")]


def test_a_record_that_is_damaged() -> None:
    assert steps.read_record(None, "/r") == Record()
    assert steps.read_record('{"domains": {"a": null}}', "/r") == Record(domains={"a": None})
    for text in ("", "[]", '{"colour": 1}'):
        with pytest.raises(TripleoError, match="/r is damaged"):
            steps.read_record(text, "/r")


def node(name: str, state: str, role: str = "", capabilities: str = "") -> dict[str, Any]:
    return {
        "Name": name,
        "Provisioning State": state,
        "Resource Class": role,
        "Properties": {"capabilities": capabilities},
    }


def test_nodes_and_their_diff() -> None:
    have = {"a": node("a", "active"), "b": node("b", "manageable")}
    plan = steps.plan_nodes(["a", "b"], "/f", have)
    assert plan.before == ("a: active", "b: manageable")
    assert plan.after == ("a: active", "b: available")
    assert len(plan.commands) == 1


def test_flavors_and_resource_classes() -> None:
    nodes = instackenv.nodes_of(TOPOLOGY, "stack1")
    flavors = {name: instackenv.flavor_properties(name) for name in ("controller", "compute")}
    have = {one["name"]: node(one["name"], "available", one["role"], instackenv.capabilities(one)) for one in nodes}
    assert steps.plan_flavors(release("queens"), TOPOLOGY, "stack1", flavors, have).commands == ()
    have["s1compute-0"]["Resource Class"] = "baremetal"
    assert [argv[-1] for argv in steps.plan_flavors(release("queens"), TOPOLOGY, "stack1", flavors, have).commands] == [
        "s1compute-0"
    ]
    assert steps.plan_flavors(release("wallaby"), TOPOLOGY, "stack1", {}, have) == steps.Plan()


def test_properties_as_older_clients_show_them() -> None:
    assert steps.properties("a:b='1', c='2'") == {"a:b": "1", "c": "2"}
    assert steps.properties({"a": 1}) == {"a": "1"}
    assert steps.properties(None) == {}


def overcloud_answers(state: str, nodes: list[dict[str, Any]], running: int = 1) -> Answers:
    stacks = [{"Stack Name": "overcloud", "Stack Status": state}] if state else []
    return Answers({"stack list": json.dumps(stacks), "node list": json.dumps(nodes), "pgrep": (running, "", "")})


def test_an_overcloud_is_deployed_once_for_its_files() -> None:
    up = [node("a", "active")]
    plan, now = steps.plan_overcloud(overcloud_answers("", []), release("queens"), ["a"], "/d", "", ["one"])
    assert len(plan.commands) == 1
    again, same = steps.plan_overcloud(
        overcloud_answers("CREATE_COMPLETE", up), release("queens"), ["a"], "/d", now, ["one"]
    )
    assert (again.commands, same) == ((), now)
    assert again.before == again.after
    other, _now = steps.plan_overcloud(
        overcloud_answers("CREATE_COMPLETE", up), release("queens"), ["a"], "/d", now, ["two"]
    )
    assert len(other.commands) == 1
    gone, _now = steps.plan_overcloud(
        overcloud_answers("", [node("a", "available")]), release("queens"), ["a"], "/d", now, ["one"]
    )
    assert len(gone.commands) == 1


def test_an_undercloud_that_does_not_answer() -> None:
    run = Answers({"stack list": (1, "", "Unable to establish connection")})
    with pytest.raises(TripleoError, match="Unable to establish connection"):
        steps.plan_overcloud(run, release("queens"), ["a"], "/d", "", [])
    with pytest.raises(TripleoError, match="does not answer to openstack baremetal node list"):
        steps.load_nodes(Answers({"node list": (1, "", "no")}))


def test_commands_run_to_the_first_that_fails_and_all_is_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    commands = [["sh", "-c", "echo one"], ["sh", "-c", "echo two; exit 3"], ["sh", "-c", "echo three"]]
    with pytest.raises(TripleoError) as caught:
        running.carry_out(commands, str(log), "rebuild_vms", prefix=["env"])
    assert "failed with status 3" in str(caught.value)
    assert "--tags rebuild_vms" in str(caught.value)
    assert str(caught.value).endswith("two")
    assert log.read_text() == "+ sh -c echo one\none\n+ sh -c echo two; exit 3\ntwo\n"
    with pytest.raises(TripleoError, match="cannot be run"):
        running.carry_out([["/nowhere/infrared"]], str(log), "setup_infrared")
    assert running.ask(["/nowhere/infrared"])[0] == 127


def test_connections() -> None:
    hosts = {
        "s1undercloud-0": {
            "ansible_host": "192.168.22.17",
            "ansible_user": "cloud-user",
            "ansible_ssh_private_key_file": "/k",
            "ansible_ssh_common_args": '-o ForwardAgent=yes -o ProxyCommand="ssh -W %h:%p root@h"',
        }
    }
    text = connections.ssh_config(TOPOLOGY, hosts, ["s1controller-0"], release("queens"))
    first, second = text.split("Host ")[1:]
    assert first.startswith("s1undercloud-0 192.168.24.1\n")
    assert "  HostName 192.168.22.17\n  User cloud-user\n" in first
    assert "  ProxyCommand ssh -W %h:%p root@h\n" in first
    assert second.startswith("s1controller-0 192.168.24.10\n")
    assert "  User heat-admin\n  ProxyJump s1undercloud-0\n" in second
    variables = connections.variables(TOPOLOGY, hosts, ["s1controller-0"], release("queens"))
    assert {name for name, one in variables.items() if not one["stretch_pending"]} == {
        "s1undercloud-0",
        "s1controller-0",
    }
    assert variables["s1undercloud-0"]["ansible_user"] == "cloud-user"
    assert variables["s1controller-0"]["ansible_user"] == "heat-admin"


def test_checksums_as_they_are_published() -> None:
    digest = "d41d8cd98f00b204e9800998ecf8427e"
    assert download.expected(f"{digest}\n", "a.tar", "md5") == digest
    assert download.expected(f"{'0' * 32}  b.tar\n{digest}  a.tar\n", "a.tar", "md5") == digest
    for text in ("<html>login</html>", "", f"{digest}  other.tar"):
        with pytest.raises(TripleoError, match="no md5 checksum"):
            download.expected(text, "a.tar", "md5")


def test_answers_to_a_request_for_the_rest() -> None:
    assert download.resumed(206, 5, "bytes 5-9/10") == (True, 10)
    assert download.resumed(206, 5, "bytes 5-9/*") == (True, None)
    assert download.resumed(200, 5, None) == (False, None)
    for status, header in ((206, "bytes 0-9/10"), (206, None), (204, None)):
        with pytest.raises(TripleoError):
            download.resumed(status, 5, header)


def test_hosts_of_an_inventory_are_those_of_the_plan() -> None:
    settings = infrared.Settings("h", "root", "/k", "/p", "i", (), "n")
    assert set(infrared.own_hosts(SHARE, settings, "u")) - {"hypervisor"} <= set(ALL)
