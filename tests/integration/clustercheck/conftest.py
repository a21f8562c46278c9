# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member for all tests, and services that end with the test that started them."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clustercheck_harness import KEY, PROVIDER, ROOT, Member, Service, stop

sys.path.insert(0, str(ROOT / "tests/unit/roles"))  # the reader of metrics


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """A directory with a path short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="cc-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def running_member(directory: Path) -> Iterator[Member]:
    """The member, started once."""
    if not PROVIDER.exists() or shutil.which("mariadb-install-db") is None:
        pytest.skip("needs the packages mariadb-server and galera-4")
    member = Member(directory)
    try:
        member.start()
        member.sql(f"CREATE USER clustercheck@localhost IDENTIFIED BY '{member.password}'")
        yield member
    finally:
        member.stop()


@pytest.fixture
def member(running_member: Member) -> Iterator[Member]:
    """The member, brought back to what it was after the test."""
    yield running_member
    running_member.revive()
    running_member.signal(signal.SIGCONT)
    for setting in ("wsrep_reject_queries = NONE", "wsrep_desync = OFF", "read_only = OFF"):
        running_member.sql(f"SET GLOBAL {setting}")


@pytest.fixture
def start_service(directory: Path, member: Member) -> Iterator[Callable[..., Service]]:
    """Start services on the member; they end with the test."""
    services: list[Service] = []

    def start(**options: Any) -> Service:
        defaults = {"socket": member.socket, "user": "clustercheck", "password": member.password}
        services.append(Service(directory, **{**defaults, **options}))
        return services[-1]

    yield start
    for service in services:
        stop(service.process)


@pytest.fixture
def start_reporter(tmp_path: Path, start_service: Callable[..., Service]) -> Callable[..., Service]:
    """Start services that give the report, of a member called ``a``."""
    members = {"cluster": "stretch", "self": "a", "check_port": 1, "members": [], "arbiters": []}
    (tmp_path / "members.json").write_text(json.dumps(members))
    (tmp_path / "report.key").write_text(KEY + "\n")
    (tmp_path / "state").mkdir()

    def start(**options: Any) -> Service:
        of_report = {
            "report_key_file": tmp_path / "report.key",
            "members_file": tmp_path / "members.json",
            "state_directory": tmp_path / "state",
        }
        return start_service(**{**of_report, **options})

    return start
