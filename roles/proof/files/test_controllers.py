# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stretched Galera and the keys on every controller: asked of the machines themselves."""

from __future__ import annotations

import functools
import json
import shlex
from xml.etree import ElementTree as ET

import pytest
from conftest import Controller, Description
from testinfra.host import Host

Hosts = dict[str, Host]
REPOSITORIES = ("fernet-keys", "credential-keys")


def output(host: Host, command: list[str]) -> str:
    """What the command prints on the host; it has to succeed."""
    done = host.run(shlex.join(command))
    if done.failed:
        pytest.fail(f"on {host.backend.get_pytest_id()}: {command} ended with {done.rc}: {done.stderr}", pytrace=False)
    return str(done.stdout)


@functools.lru_cache(maxsize=None)
def ask(host: Host, command: tuple[str, ...], socket: str, query: str) -> dict[str, str]:
    """Ask the member to which `command` leads, as its root, who needs no password; rows of two columns."""
    client = 'exec "$(command -v mariadb || command -v mysql)" --socket="$0" --batch --skip-column-names --execute "$1"'
    lines = output(host, [*command, "sh", "-c", client, socket, query]).splitlines()
    return dict(line.split("\t") for line in lines)


def sql(host: Host, description: Description, query: str) -> dict[str, str]:
    """Ask the member on the host."""
    return ask(host, tuple(description.raw["galera_exec"]), description.raw["galera_socket"], query)


@functools.lru_cache(maxsize=None)
def keys(host: Host, command: tuple[str, ...], directory: str) -> dict[str, tuple[str, str]]:
    """The keys of a repository where `command` leads: SHA-256 and mode of each by its name."""
    script = 'cd "$0" && for key in [0-9]*; do sha256sum "$key" | cut -c 1-64; stat -c "%n %a" "$key"; done'
    words = output(host, [*command, "sh", "-c", script, directory]).split()
    return {name: (digest, mode) for digest, name, mode in zip(words[::3], words[1::3], words[2::3])}


def status(host: Host, description: Description) -> dict[str, str]:
    """The status of the member on the host."""
    return sql(host, description, "SHOW GLOBAL STATUS LIKE 'wsrep_%'")


def test_the_galera_member_is_synced_with_all_others(
    controller: Controller, description: Description, hosts: Hosts
) -> None:
    """One Primary component with one history that has every controller and every arbiter."""
    found = status(hosts[controller.name], description)
    uuid = status(next(iter(hosts.values())), description)["wsrep_cluster_state_uuid"]
    wanted = {
        "wsrep_cluster_status": "Primary",
        "wsrep_local_state_comment": "Synced",
        "wsrep_ready": "ON",
        "wsrep_cluster_size": str(len(description.controllers) + description.raw["arbiters"]),
        "wsrep_cluster_state_uuid": uuid,
        "wsrep_local_state_uuid": uuid,
    }
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("name", REPOSITORIES)
def test_the_keys_are_the_same_everywhere_and_secret(
    controller: Controller, description: Description, hosts: Hosts, name: str
) -> None:
    """On the machine, and in the container where Keystone reads them."""
    directory = f"{description.raw['keystone_config_dir']}/{name}"
    host = hosts[controller.name]
    here = keys(host, (), directory)
    inside = keys(host, tuple(description.raw["keystone_exec"]), f"{description.raw['keystone_container_dir']}/{name}")
    first = keys(next(iter(hosts.values())), (), directory)
    assert len(first) > 1, "there is no key"
    for place in (here, inside):
        assert {number: digest for number, (digest, mode) in place.items()} == {
            number: digest for number, (digest, mode) in first.items()
        }
        assert {mode for digest, mode in place.values()} == {"600"}


def test_tokens_and_credentials_have_keys_of_their_own(
    controller: Controller, description: Description, hosts: Hosts
) -> None:
    """A rotation of the ones must not lose the others."""
    fernet, credential = (
        {
            digest
            for digest, _mode in keys(
                hosts[controller.name], (), f"{description.raw['keystone_config_dir']}/{name}"
            ).values()
        }
        for name in REPOSITORIES
    )
    assert not fernet & credential


def test_every_stack_is_marked_as_cut_over(description: Description, hosts: Hosts) -> None:
    """So that no merge brings back what a stack's own database still holds."""
    query = "SELECT name, IFNULL(cut_over_at, 'no') FROM `{}`.source WHERE target = '{}'"
    wanted = query.format(description.raw["state_database"], description.raw["database"])
    found = sql(next(iter(hosts.values())), description, wanted)
    assert {stack: found.get(stack, "no") for stack in description.stacks if found.get(stack, "no") == "no"} == {}


@pytest.mark.usefixtures("admin")  # a login, as a Keystone that nobody asked has no connection yet
def test_a_stacks_keystones_hold_connections_to_the_merged_database(
    stack: str, description: Description, hosts: Hosts
) -> None:
    """The members of a stack serve their own site."""
    query = "SELECT 'connections', COUNT(*) FROM information_schema.processlist WHERE db = '{}'"
    counts = {
        name: sql(hosts[name], description, query.format(description.raw["database"]))
        for name, controller in description.controllers.items()
        if controller.stack == stack
    }
    assert sum(int(count["connections"]) for count in counts.values()) > 0, counts


def test_clustercheck_finds_the_member_usable(controller: Controller, description: Description, hosts: Hosts) -> None:
    """As HAProxy asks it, from where it may."""
    url = f"http://{controller.address}:{description.raw['clustercheck_port']}/"
    seen = output(hosts[controller.name], ["curl", "--silent", "--max-time", "5", "--write-out", "%{http_code}", url])
    assert seen.split() == ["Synced", "200"]


def test_pacemaker_runs_the_member(controller: Controller, description: Description, hosts: Hosts) -> None:
    """Promoted on this very node, and nothing to complain of."""
    state = json.loads(output(hosts[controller.name], ["cat", description.raw["galera_state_file"]]))
    assert (state["phase"], state["failures"]) == ("member", 0)
    shown = ET.fromstring(output(hosts[controller.name], ["crm_mon", "--output-as=xml"]))
    roles = [
        resource.get("role")
        for group in (*shown.iter("replica"), *shown.iter("clone"))  # of a bundle, or an instance of a clone
        for resource in group.iter("resource")
        if resource.get("resource_agent") == "ocf:stretch:galera"
        and any(
            node.get("name") == controller.name for node in (group if group.tag == "replica" else resource).iter("node")
        )
    ]
    assert roles == ["Promoted"]


def test_nobody_but_root_is_a_superuser_and_nobody_is_anonymous(
    controller: Controller, description: Description, hosts: Hosts
) -> None:
    """Root comes in by the socket alone."""
    query = (
        "SELECT CONCAT(User, '@', Host), IF(User = '', 'anonymous', JSON_VALUE(Priv, '$.access') & 32768) "
        "FROM mysql.global_priv WHERE User = '' OR (JSON_VALUE(Priv, '$.access') & 32768 AND User <> 'mariadb.sys')"
    )
    found = sql(hosts[controller.name], description, query)
    assert list(found) == ["root@localhost"]


def test_replication_and_clients_are_encrypted(controller: Controller, description: Description, hosts: Hosts) -> None:
    """Between the members, and from every Keystone."""
    host = hosts[controller.name]
    options = sql(host, description, "SHOW VARIABLES LIKE 'wsrep_provider_options'")
    found = {each.strip() for each in options["wsrep_provider_options"].split(";")}
    assert "socket.ssl = YES" in found
    # It would admit members in plain text.
    assert "socket.dynamic = YES" not in found
    query = "SELECT CONCAT(User, '@', Host), ssl_type FROM mysql.user WHERE User = '{}'"
    assert set(sql(host, description, query.format(description.raw["database_user"])).values()) == {"ANY"}
