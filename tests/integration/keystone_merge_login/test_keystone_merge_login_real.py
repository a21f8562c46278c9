# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins on a database by the code of real Keystones, several releases: who is let in, and what is left behind."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for beside in ("keystone_merge", "keystone_releases"):  # the servers
    sys.path.append(str(Path(__file__).resolve().parents[1] / beside))
from merge_servers import ROOT, MariaDB
from release_servers import QUEENS, XENA, ZED, Release, ReleasedKeystone

pytestmark = pytest.mark.integration

FILES = ROOT / "roles/keystone_merge/files"
PASSWORD = "secret of ädmin 漢"
DEAD_CACHE = """
[cache]
enabled = true
backend = oslo_cache.memcache_pool
memcache_servers = 127.0.0.1:1
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    with MariaDB(tmp_path_factory.mktemp("login") / "server").running() as found:
        yield found


@pytest.fixture(scope="module", params=[None, ZED, XENA, QUEENS], ids=["newest", "zed", "xena", "queens"])
def keystone(
    request: pytest.FixtureRequest, server: MariaDB, tmp_path_factory: pytest.TempPathFactory
) -> ReleasedKeystone:
    """Make a Keystone that has an administrator, and whose own configuration names another database."""
    release: Release | None = request.param
    name = "newest" if release is None else release.name
    found = ReleasedKeystone(tmp_path_factory.mktemp("keystone") / name, server, name, release=release)
    found.configure()
    server.query(f"CREATE DATABASE {name}")
    found.manage("db_sync")
    found.bootstrap(PASSWORD, "RegionOne")
    own = found.config.read_text()
    found.config.write_text(own.replace(f"localhost/{name}?", "localhost/nowhere?") + DEAD_CACHE)
    (found.directory / "keystone.log").unlink()
    return found


def keys() -> dict[str, str]:
    """Return a repository that no Keystone has."""
    return {str(number): base64.urlsafe_b64encode(os.urandom(32)).decode() for number in range(3)}


class Asked:
    """What the program said, and what it left behind."""

    def __init__(self, keystone: ReleasedKeystone, directory: Path, **request: Any) -> None:
        """Run it as the role does."""
        connection = f"mysql+pymysql://root@localhost/{keystone.database}?unix_socket={keystone.server.socket}"
        whole = {"config": str(keystone.config), "connection": connection, "keys": {}, "logins": [], **request}
        (directory / "tmp").mkdir(exist_ok=True)
        script, program = ((FILES / f"login_check.{kind}").read_text() for kind in ("sh", "py"))
        done = subprocess.run(
            [*keystone.command, f"TMPDIR={directory / 'tmp'}", "sh", "-c", script, "login_check.sh", program],
            input=json.dumps(whole), check=False, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout.splitlines()[-1])
        self.answers, self.error = said["logins"], said["error"]
        self.left = list((directory / "tmp").iterdir())
        assert PASSWORD not in done.stdout + done.stderr
        assert not [one for some in whole["keys"].values() for one in some.values() if one in done.stdout + done.stderr]

    @property
    def problems(self) -> list[str]:
        return [answer["problem"] for answer in self.answers]


ADMIN = {"stack": "stack1", "user": "admin", "password": PASSWORD, "project": "admin"}


def test_who_is_let_in(keystone: ReleasedKeystone, tmp_path: Path) -> None:
    before = keystone.server.content(keystone.database)
    logins = [
        ADMIN,
        {"stack": "stack1", "user": "admin", "password": PASSWORD, "user_domain": "Default", "project_domain": None},
        {**ADMIN, "password": "wrong"},
        {**ADMIN, "stack": "stack2", "user": "nobody"},
        {**ADMIN, "project": "Größe"},
        {**ADMIN, "user_domain": "漢字"},
    ]
    start = time.monotonic()
    found = Asked(keystone, tmp_path, logins=logins)
    assert found.error == ""
    assert found.problems[:2] == ["", ""]
    for problem, why in zip(
        found.problems[2:],
        ("Invalid username or password", "Could not find user: nobody", "project: Größe", "domain: 漢字"),
        strict=True,
    ):
        assert problem.startswith("401 ")
        assert why in problem
    assert [(answer["stack"], answer["user"]) for answer in found.answers][3] == ("stack2", "nobody")
    # Neither the database nor the running Keystone's cache, log and the like know that it was asked.
    assert keystone.server.content(keystone.database) == before
    assert not (keystone.directory / "keystone.log").exists()
    assert found.left == []
    assert time.monotonic() - start < 120


def test_the_keys_that_it_is_told(keystone: ReleasedKeystone, tmp_path: Path) -> None:
    """They are all that it needs: the Keystone's own are away."""
    shutil.move(keystone.directory / "fernet", keystone.directory / "away")
    try:
        assert Asked(keystone, tmp_path, logins=[ADMIN]).problems != [""]
        found = Asked(keystone, tmp_path, logins=[ADMIN], keys={"fernet": keys(), "credential": {}})
    finally:
        shutil.move(keystone.directory / "away", keystone.directory / "fernet")
    assert found.problems == [""], found.error
    assert found.left == []


def test_a_keystone_that_does_not_start(keystone: ReleasedKeystone, tmp_path: Path) -> None:
    found = Asked(keystone, tmp_path, config=f"{keystone.directory}/none.conf", logins=[ADMIN])
    assert "none.conf" in found.error
    assert found.answers == found.left == []
    connection = f"mysql+pymysql://somebody:something@127.0.0.1:1/{keystone.database}"
    found = Asked(keystone, tmp_path, connection=connection, logins=[ADMIN])
    said = found.error or found.problems[0]
    assert "Can't connect to MySQL server" in said
    assert "something" not in said
    assert found.left == []


@pytest.mark.parametrize(
    "head",
    [
        "#!{python}\n",
        "#!{python} -s\n# -*- coding: utf-8 -*-\n",
        "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n",
        "#!/usr/bin/env python3\n",
    ],
)
def test_the_python_that_keystone_manage_names(tmp_path: Path, head: str) -> None:
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\necho "$0 $# $*"\nexec {sys.executable} "$@"\n')
    manage = tmp_path / "keystone-manage"
    manage.write_text(head.format(python=python) + "import re\nimport python\n")
    for file in (python, manage):
        file.chmod(0o755)
    command = ["sh", "-c", (FILES / "login_check.sh").read_text(), "login_check.sh", "print(1 + 1)"]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[0].startswith(str(python))
    assert done.stdout.splitlines()[1] == "2"
    manage.unlink()
    environment["PATH"] = "/usr/bin:/bin"
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (127, "there is no keystone-manage\n")
