# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners in the databases of services, on a real server: what the lab's proof cannot have, too."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "keystone_merge"))  # the servers
from merge_servers import MariaDB, user

pytestmark = pytest.mark.integration

MODULE = "ansible_collections.stretch.cluster.plugins.modules.owner_ids"
OLD, NEW, OTHER = (letter * 32 for letter in "abc")
OLD_USER, NEW_USER = (letter * 32 for letter in "de")
IDS = [
    {"kind": "project", "old": OLD, "new": NEW},
    {"kind": "user", "old": OLD_USER, "new": NEW_USER},
    {"kind": "role", "old": OTHER, "new": "f" * 32},
    {"kind": "domain", "old": "chosen", "new": "default"},
]
SCHEMA = f"""
CREATE DATABASE keystone; CREATE DATABASE glance; CREATE DATABASE placement;
CREATE DATABASE nova; CREATE DATABASE nova_api; CREATE DATABASE nova_cell0; CREATE DATABASE cell_two;
CREATE TABLE keystone.project (id VARCHAR(64) PRIMARY KEY); INSERT INTO keystone.project VALUES ('{OLD}');
CREATE TABLE glance.images (id INT PRIMARY KEY, owner VARCHAR(255), size BIGINT, status VARCHAR(30), note TEXT);
INSERT INTO glance.images VALUES (1, '{OLD}', 1, 'active', '{OLD}'), (2, '{OTHER}', 1, 'active', '');
INSERT INTO glance.images VALUES (3, NULL, 1, '', NULL);
CREATE VIEW glance.mine AS SELECT owner FROM glance.images;
CREATE TABLE nova_api.cell_mappings (id INT PRIMARY KEY, database_connection TEXT);
CREATE TABLE nova_api.quotas (id INT PRIMARY KEY, project_id VARCHAR(255), resource VARCHAR(255));
ALTER TABLE nova_api.quotas ADD UNIQUE (project_id, resource);
INSERT INTO nova_api.quotas VALUES (1, '{OLD}', 'cores'), (2, '{NEW}', 'cores'), (3, '{OLD}', 'ram');
CREATE TABLE nova_api.request_specs (id INT PRIMARY KEY, spec MEDIUMTEXT);
INSERT INTO nova_api.request_specs VALUES (1, '{{"project_id": "{OLD}", "user_id": "{OLD_USER}"}}'), (2, NULL);
CREATE TABLE nova.instances (id INT PRIMARY KEY, project_id VARCHAR(255), user_id VARCHAR(255));
INSERT INTO nova.instances VALUES (1, '{OLD}', '{OLD_USER}'), (2, '{OTHER}', '{OLD_USER}');
CREATE TABLE nova_cell0.instances LIKE nova.instances; INSERT INTO nova_cell0.instances SELECT * FROM nova.instances;
CREATE TABLE cell_two.instances LIKE nova.instances; INSERT INTO cell_two.instances SELECT * FROM nova.instances;
CREATE TABLE placement.projects (id INT PRIMARY KEY, external_id VARCHAR(255) UNIQUE);
CREATE TABLE placement.users (id INT PRIMARY KEY, external_id VARCHAR(255) UNIQUE);
CREATE TABLE placement.consumers (id INT PRIMARY KEY, project_id INT, user_id INT);
INSERT INTO placement.projects VALUES (1, '{OLD}'), (2, '{NEW}'); INSERT INTO placement.users VALUES (1, '{OLD_USER}');
INSERT INTO placement.consumers VALUES (1, 1, 1), (2, 2, 1);
"""
FILES = {
    "keystone/keystone.conf": {"database": "keystone"},
    "glance/glance-api.conf": {"database": "glance"},
    "nova/nova.conf": {"database": "nova", "api_database": "nova_api"},
    "placement/placement.conf": {"placement_database": "placement"},
}
CHANGED = {
    "cell_two.instances.project_id": 1,
    "cell_two.instances.user_id": 2,
    "glance.images.owner": 1,
    "nova.instances.project_id": 1,
    "nova.instances.user_id": 2,
    "nova_api.quotas.project_id": 1,
    "nova_api.request_specs.spec": 1,
    "nova_cell0.instances.project_id": 1,
    "nova_cell0.instances.user_id": 2,
    "placement.projects.external_id": 1,
    "placement.users.external_id": 1,
}


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    """The region's, in a directory with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="oi-") as directory:
        Path(directory).chmod(0o755)
        with MariaDB(Path(directory) / "db").running() as running:
            yield running


@pytest.fixture
def etc(server: MariaDB, tmp_path: Path) -> Path:
    """The services' configuration, with their databases as they are before."""
    url = f"mysql+pymysql://{user()}@localhost/%s?unix_socket={server.socket}"
    with server.cursor() as cursor:
        for name in ("keystone", "glance", "placement", "nova", "nova_api", "nova_cell0", "cell_two"):
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        for statement in filter(str.strip, SCHEMA.split(";")):
            cursor.execute(statement)
        cells = (url % "nova", "{scheme}://{username}@{hostname}/nova_cell0?{query}", url % "cell_two")
        cursor.executemany("INSERT INTO nova_api.cell_mappings VALUES (%s, %s)", enumerate(cells))
    for path, databases in FILES.items():
        (tmp_path / path).parent.mkdir()
        text = "".join(f"[{section}]\nconnection = {url % name}\n" for section, name in databases.items())
        (tmp_path / path).write_text(text)
    return tmp_path


def run(etc: Path, check: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module in a process of its own, as Ansible does."""
    wanted = {"ids": IDS, "directories": [str(etc)], "_ansible_check_mode": check, "_ansible_diff": True, **options}
    (etc / "arguments.json").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": wanted}))
    command = [sys.executable, "-m", MODULE, str(etc / "arguments.json")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def everything(server: MariaDB) -> dict[str, Any]:
    found = {}
    with server.cursor() as cursor:
        for table in (
            "keystone.project", "glance.images", "nova.instances", "nova_cell0.instances", "cell_two.instances",
            "nova_api.quotas", "nova_api.request_specs", "placement.projects", "placement.users", "placement.consumers",
        ):  # fmt: skip
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in cursor.fetchall()]
    return found


def test_what_people_own_follows_them_and_nothing_else_changes(server: MariaDB, etc: Path) -> None:
    before = everything(server)
    predicted = run(etc, check=True)
    assert everything(server) == before
    assert (predicted["changed"], predicted["rows"]) == (True, CHANGED)

    done = run(etc)
    assert {name: done[name] for name in ("rows", "left", "not_followed")} == {
        "rows": CHANGED,
        "left": {"nova_api.quotas.project_id": 1},
        "not_followed": ["chosen"],
    }
    assert done["databases"] == ["cell_two", "glance", "nova", "nova_api", "nova_cell0", "placement"]
    assert "glance.images.owner: 1 rows have the new ids" in done["diff"]["after"]
    instances = [(1, NEW, NEW_USER), (2, OTHER, NEW_USER)]
    assert everything(server) == {
        **before,
        "glance.images": [(1, NEW, 1, "active", OLD), (2, OTHER, 1, "active", ""), (3, None, 1, "", None)],
        "nova.instances": instances,
        "nova_cell0.instances": instances,
        "cell_two.instances": instances,
        "nova_api.quotas": [(1, OLD, "cores"), (2, NEW, "cores"), (3, NEW, "ram")],
        "nova_api.request_specs": [(1, f'{{"project_id": "{NEW}", "user_id": "{NEW_USER}"}}'), (2, None)],
        "placement.projects": [(2, NEW)],
        "placement.users": [(1, NEW_USER)],
        "placement.consumers": [(1, 2, 1), (2, 2, 1)],
    }
    for check in (True, False):
        again = run(etc, check=check)
        assert (again["changed"], again["rows"], again["diff"]["after"]) == (False, {}, "")


def test_the_way_back(server: MariaDB, etc: Path) -> None:
    with server.cursor() as cursor:
        cursor.execute("DELETE FROM nova_api.quotas WHERE id = 2")
        cursor.execute("DELETE FROM placement.projects WHERE id = 2")
    before = everything(server)
    assert run(etc)["left"] == {}
    assert run(etc, reverse=True)["changed"]
    assert everything(server) == before


def test_a_server_that_does_not_answer_is_told_without_its_password(etc: Path) -> None:
    (etc / "glance/glance-api.conf").write_text("[database]\nconnection = mysql://glance:hidden@127.0.0.1:1/glance\n")
    done = run(etc)
    assert done["failed"]
    assert "a database of the region's services cannot be used" in done["msg"]
    assert "hidden" not in json.dumps(done)
