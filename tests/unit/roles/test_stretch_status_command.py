# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command by which HAProxy's socket in a container is asked, with an engine that is none."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles/stretch_status"


def ask(engine: Path, at: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as the role fills it in."""
    words: list[str] = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))[
        "__stretch_status_haproxy_command"
    ]
    values = {"cli": str(engine), "resource": "haproxy-bundle", "socket": str(at)}
    filled = [next((values[key] for key in values if word.startswith("{{") and key in word), word) for word in words]
    return subprocess.run(filled, input="show stat\n", capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """An engine that runs one container, and lists it if it is asked for by the bundle's name."""
    path = tmp_path / "podman"
    path.write_text(
        '#!/bin/sh\ncase "$1 $3 $4" in\n'
        '"ps --filter name=^haproxy-bundle-") echo 0123abcd ;;\n'
        'exec*) [ "$2" = -i ] && [ "$3" = 0123abcd ] && shift 3 && exec "$@" ;;\nesac\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def test_the_socket_is_asked(engine: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "stats"))
        server.listen()

        def serve() -> None:
            connection, _address = server.accept()
            with connection:
                connection.sendall(b"answer to " + connection.recv(100) + b"x" * 100_000)

        threading.Thread(target=serve, daemon=True).start()
        done = ask(engine, tmp_path / "stats")
    assert done.stdout == "answer to show stat\n" + "x" * 100_000
    assert done.returncode == 0


def test_a_container_that_does_not_run(engine: Path, tmp_path: Path) -> None:
    engine.write_text("#!/bin/sh\n", encoding="utf-8")
    done = ask(engine, tmp_path / "stats")
    assert (done.returncode, done.stderr) == (1, "no container of haproxy-bundle runs here\n")


def test_a_socket_that_is_not_there(engine: Path, tmp_path: Path) -> None:
    done = ask(engine, tmp_path / "none")
    assert done.returncode
    assert "No such file" in done.stderr
