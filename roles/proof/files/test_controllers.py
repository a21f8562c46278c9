# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stretched Galera and the keys on every controller: asked of the machines themselves."""

from __future__ import annotations

import functools
import shlex

import pytest
from conftest import Controller, Description
from keystoneauth1.session import Session
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
def sql(host: Host, command: tuple[str, ...], query: str) -> dict[str, str]:
    """Ask the member to which `command` leads, as its root, who needs no password; rows of two columns."""
    client = 'exec "$(command -v mariadb || command -v mysql)" --batch --skip-column-names --execute "$0"'
    lines = output(host, [*command, "sh", "-c", client, query]).splitlines()
    return dict(line.split("\t") for line in lines)


@functools.lru_cache(maxsize=None)
def keys(host: Host, command: tuple[str, ...], directory: str) -> dict[str, tuple[str, str]]:
    """The keys of a repository where `command` leads: SHA-256 and mode of each by its name."""
    script = 'cd "$0" && for key in [0-9]*; do sha256sum "$key" | cut -c 1-64; stat -c "%n %a" "$key"; done'
    words = output(host, [*command, "sh", "-c", script, directory]).split()
    return {name: (digest, mode) for digest, name, mode in zip(words[::3], words[1::3], words[2::3])}


def status(host: Host, description: Description) -> dict[str, str]:
    """The status of the member on the host."""
    return sql(host, tuple(description.raw["galera_exec"]), "SHOW GLOBAL STATUS LIKE 'wsrep_%'")


def test_the_galera_member_is_synced_with_all_others(
    controller: Controller, description: Description, hosts: Hosts
) -> None:
    """One Primary component with one history that has every controller."""
    found = status(hosts[controller.name], description)
    uuid = status(next(iter(hosts.values())), description)["wsrep_cluster_state_uuid"]
    wanted = {
        "wsrep_cluster_status": "Primary",
        "wsrep_local_state_comment": "Synced",
        "wsrep_ready": "ON",
        "wsrep_cluster_size": str(len(description.controllers)),
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


@pytest.mark.usefixtures("admin")  # a login, as a Keystone that nobody asked has no connection yet
def test_a_stacks_keystones_hold_connections_to_the_merged_database(
    stack: str, description: Description, hosts: Hosts
) -> None:
    """The members of a stack serve their own site."""
    query = "SELECT 'connections', COUNT(*) FROM information_schema.processlist WHERE db = '{}'"
    counts = {
        name: sql(hosts[name], tuple(description.raw["galera_exec"]), query.format(description.raw["database"]))
        for name, controller in description.controllers.items()
        if controller.stack == stack
    }
    assert sum(int(count["connections"]) for count in counts.values()) > 0, counts


def test_clustercheck_finds_the_member_usable(
    controller: Controller, description: Description, session: Session
) -> None:
    """As HAProxy asks it."""
    port = description.raw["clustercheck_port"]
    seen = session.get(f"http://{controller.address}:{port}/", authenticated=False, raise_exc=False)
    assert (seen.status_code, seen.text.strip()) == (200, "Synced")
