# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the middle of a merge: one message, no source touched, and the next run goes on from there."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import run, sync
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.run import Merge, Request
from merge_faults_servers import Fragile, Middle, cut
from merge_harness import MODULES, add_users, crowd, login, look, merge, refuse, tiny
from merge_servers import MariaDB

pytestmark = pytest.mark.integration

Fresh = Callable[[], str]
USERS = 10_000
GOES_ON = "What was committed stays, and the run goes on from there when it is started again"


@pytest.fixture(scope="module")
def large(regions: MariaDB, schema: bytes) -> Login:
    """Make a source of 50,000 rows."""
    return crowd(regions, schema, "large", USERS)


@pytest.fixture(scope="module")
def whole(stretched: MariaDB, large: Login, fresh: Fresh, request_for: Callable[..., Request]) -> dict[str, int]:
    """Return the checksums of what a merge without a failure leaves."""
    target = fresh()
    merge(request_for(target, large))
    return stretched.sums(target)


@pytest.fixture(autouse=True)
def _untouched(regions: MariaDB, large: Login) -> Iterator[None]:
    """No source is changed, whatever happens."""
    before = regions.sums(large.database)
    yield
    assert regions.sums(large.database) == before


def stopped(request: Request, middle: Middle) -> str:
    """Return what a merge says to which something happens in the middle."""
    with Merge(request, read_only=False, progress=middle) as planned, pytest.raises(MergeError) as caught:
        planned.apply()
    assert middle.happened
    return str(caught.value)


def goes_on(server: MariaDB, request: Request, whole: dict[str, int]) -> None:
    """See that a merge that was stopped is in part there, and that the next run completes it."""
    assert request.target is not None
    assert server.sums(request.target.database) != whole
    assert look(request)["merged"] == {}
    assert merge(request)["changed"] is True
    assert server.sums(request.target.database) == whole
    assert merge(request)["changed"] is False


def options(request: Request) -> dict[str, Any]:
    """Return a request as options of the module."""

    def option(given: Login) -> dict[str, Any]:
        names = {"host": "login_host", "port": "login_port", "user": "login_user", "unix_socket": "login_unix_socket"}
        return {names.get(name, name): value for name, value in asdict(given).items() if value is not None}

    assert request.target is not None
    target = {name: value for name, value in option(request.target).items() if name != "name"}
    return {
        "sources": [option(source) for source in request.sources], "target": target,
        "state_database": request.state_database, "batch_rows": request.batch_rows,
    }  # fmt: skip


def test_killed(
    stretched: MariaDB, large: Login, whole: dict[str, int], fresh: Fresh, request_for: Callable[..., Request],
    tmp_path: Path,
) -> None:  # fmt: skip
    target = fresh()
    request = request_for(target, large, batch_rows=1000)
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options(request)}))
    process = subprocess.Popen(
        [sys.executable, "-m", f"{MODULES}.keystone_merge", str(arguments)], stdout=subprocess.DEVNULL
    )
    chunks = 0
    while chunks < 12 and process.poll() is None:
        with contextlib.suppress(pymysql.err.Error):
            chunks = stretched.query("SELECT COUNT(*) FROM chunk WHERE row_count > 0", database=f"{target}_state")[0][0]
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    # The server notices that its client is gone, and lets go of the lock.
    deadline = time.monotonic() + 30
    while cut(stretched, target) and time.monotonic() < deadline:
        time.sleep(0.05)
    goes_on(stretched, request_for(target, large), whole)


@pytest.mark.parametrize("side", ["source", "target"])
def test_the_connections_are_cut(
    regions: MariaDB, stretched: MariaDB, large: Login, whole: dict[str, int], fresh: Fresh,
    request_for: Callable[..., Request], side: str,
) -> None:  # fmt: skip
    target = fresh()
    request = request_for(target, large, batch_rows=1000)
    server, database = (regions, large.database) if side == "source" else (stretched, target)
    message = stopped(request, Middle(20_000, lambda: cut(server, database)))
    name = "large" if side == "source" else "target"
    assert message.startswith(f"{name} ({database} at {server.socket}): the connection was lost: ")
    assert GOES_ON in message
    goes_on(stretched, request, whole)


def test_a_source_that_is_written_meanwhile(
    regions: MariaDB, stretched: MariaDB, schema: bytes, fresh: Fresh, request_for: Callable[..., Request]
) -> None:
    """The run carries what was there when it began, the next one the rest."""
    source = crowd(regions, schema, "busy", 2000)
    before, target = regions.sums("busy"), fresh()
    request = request_for(target, source)

    def write() -> None:
        add_users(regions, "busy", 2001, 2100)
        regions.query("DELETE FROM password WHERE local_user_id % 7 = 0", database="busy")
        regions.query("UPDATE user SET enabled = 0 WHERE id LIKE 'a%%'", database="busy")

    with Merge(request, read_only=False, progress=Middle(2000, write)) as planned:
        planned.apply()
    assert stretched.sums(target) == before | {"alembic_version": stretched.sums(target)["alembic_version"]}
    assert merge(request)["changed"] is True
    assert stretched.sums(target) == regions.sums("busy")
    assert merge(request)["changed"] is False


def test_a_later_run_is_cut_off(
    regions: MariaDB, stretched: MariaDB, schema: bytes, fresh: Fresh, request_for: Callable[..., Request]
) -> None:
    source = crowd(regions, schema, "later", 4000)
    target = fresh()
    request = request_for(target, source, batch_rows=500)
    merge(request)
    add_users(regions, "later", 4001, 6000)
    regions.query("DELETE FROM assignment WHERE role_id = 'later-member' AND actor_id LIKE 'a%%'", database="later")
    regions.query("UPDATE user SET enabled = 0 WHERE id LIKE 'b%%'", database="later")
    message = stopped(request, Middle(3000, lambda: cut(stretched, target)))
    assert GOES_ON in message
    assert merge(request)["changed"] is True
    assert stretched.sums(target) == regions.sums("later")
    assert merge(request)["changed"] is False


def test_two_runs_at_once(
    stretched: MariaDB, large: Login, whole: dict[str, int], fresh: Fresh, request_for: Callable[..., Request]
) -> None:
    target = fresh()
    request = request_for(target, large)
    said: list[str] = []

    def another() -> None:
        said.append(refuse(request))
        # Whoever only looks is not in the way.
        assert look(request)["changed"] is True

    with Merge(request, read_only=False, progress=Middle(20_000, another)) as planned:
        planned.apply()
    assert len(said) == 1
    assert "another merge into it is running; wait until it has ended" in said[0]
    assert stretched.sums(target) == whole


class TestSchemaChanges:
    """The schema of a source is changed by somebody else."""

    def test_in_the_middle_it_waits(
        self, regions: MariaDB, schema: bytes, fresh: Fresh, request_for: Callable[..., Request]
    ) -> None:
        source = crowd(regions, schema, "altered", 3000)
        waiting = threading.Thread(
            target=regions.query, args=("ALTER TABLE assignment ADD COLUMN note INT", (), "altered")
        )
        with Merge(request_for(fresh(), source), read_only=False, progress=Middle(3000, waiting.start)) as planned:
            planned.apply()
        assert planned.written
        waiting.join(60)
        assert not waiting.is_alive()

    def test_before_it_is_read_it_is_told(
        self, regions: MariaDB, schema: bytes, fresh: Fresh, request_for: Callable[..., Request],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        source = tiny(regions, schema, "altered_early", role=[("r1", "x")])
        plan = run.plan

        def late(*arguments: Any) -> Any:
            regions.query("ALTER TABLE assignment ADD COLUMN note INT, ALGORITHM=COPY", database="altered_early")
            return plan(*arguments)

        monkeypatch.setattr(run, "plan", late)
        message = refuse(request_for(fresh(), source))
        assert "altered_early" in message
        assert "the schema was changed while it was read" in message


def test_long_rows_and_short_packets(
    regions: MariaDB, stretched: MariaDB, schema: bytes, fresh: Fresh, request_for: Callable[..., Request]
) -> None:
    """Rows of 60 kB where a statement may have 1 MB, and of which none can be written where it may have 64 kB."""
    source = crowd(regions, schema, "long", 300, json.dumps({"description": "ä'" * 20_000}, ensure_ascii=False))
    target, small = fresh(), fresh()
    try:
        for server in (regions, stretched):
            server.query("SET GLOBAL max_allowed_packet = 1048576")
        merge(request_for(target, source))
        assert stretched.sums(target)["user"] == regions.sums("long")["user"]
        for server in (regions, stretched):
            server.query("SET GLOBAL max_allowed_packet = 65536")
        message = refuse(request_for(small, source))
    finally:
        for server in (regions, stretched):
            server.query("SET GLOBAL max_allowed_packet = DEFAULT")
    assert "raise max_allowed_packet" in message
    assert merge(request_for(small, source))["changed"] is True
    assert stretched.sums(small) == stretched.sums(target)


class TestServer:
    """The target's own server fails."""

    @pytest.fixture(scope="class")
    @classmethod
    def fragile(cls, directory: Path) -> Iterator[Fragile]:
        with Fragile(directory / "fragile").disk() as server:
            server.install()
            yield server

    def test_its_disk_is_full(
        self, fragile: Fragile, schema: bytes, large: Login, whole: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # MariaDB itself ends, or hangs, where two connections find a full disk at once.
        monkeypatch.setattr(sync, "LANES", 1)
        request = Request((large,), login(fragile, "target", "full"), batch_rows=1000)
        with fragile.serving("--innodb-log-file-size=8M"):
            fragile.load("full", schema)
            fragile.resize(fragile.used() + 6000)
            message = refuse(request)
            assert message.startswith(f"target (full at {fragile.socket}): the disk of the server is full: ")
            assert GOES_ON in message
            # Still no room: nothing is worse for it.
            assert "the disk of the server is full" in refuse(request)
            fragile.resize(1 << 20)
            goes_on(fragile, request, whole)

    def test_it_is_killed(self, fragile: Fragile, schema: bytes, large: Login, whole: dict[str, int]) -> None:
        """It forgets its last second, as these servers do not write each commit at once; the next run sees that."""
        request = Request((large,), login(fragile, "target", "killed"), "killed_state", batch_rows=1000)
        with fragile.serving() as process:
            fragile.load("killed", schema)
            time.sleep(1.5)
            message = stopped(request, Middle(20_000, process.kill))
            process.wait()
        assert "target (killed at" in message
        assert "the connection was lost" in message
        assert "no server answers" in refuse(request)
        with fragile.serving():
            goes_on(fragile, request, whole)
