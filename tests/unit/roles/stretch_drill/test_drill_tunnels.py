# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher's way to the members."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from drill_harness import describe
from stretch_drill import tunnels as tunnels_module
from stretch_drill.tunnels import Tunnel, Tunnels


def test_a_tunnel_that_ends_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels_module, "AGAIN", 0.01)
    log = tmp_path / "log"
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\necho "$*" >> {log}\n[ "$(wc -l < {log})" -lt 3 ] || exec sleep 60\n')
    program.chmod(0o755)
    tunnel = Tunnel((str(program), "-F", "config"), "node", {4711: "10.0.20.11:3316", 4712: "10.0.20.11:9201"})
    tunnel.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (not log.exists() or len(log.read_text().splitlines()) < 3):
        time.sleep(0.02)
    tunnel.stop()
    assert not tunnel.is_alive()
    lines = log.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("-L 127.0.0.1:4711:10.0.20.11:3316 -L 127.0.0.1:4712:10.0.20.11:9201 -F config node")


def test_every_member_has_a_door_of_its_own() -> None:
    doors = Tunnels(describe()).doors
    assert list(doors) == [member.name for member in describe().members]
    assert len({port for door in doors.values() for port in (door.database, door.check)}) == 12
