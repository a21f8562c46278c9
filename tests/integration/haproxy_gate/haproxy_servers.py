# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HAProxy on this machine, laid out as in the lab: a file on the host, and a copy that the process reads."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 30
# As /usr/local/sbin/haproxy-bundle-reload of the lab.
RELOAD = """#!/bin/sh
set -eu
cd {directory}
cmp -s source/haproxy.cfg running.cfg && exit 0
{program} -c -f source/haproxy.cfg
cp source/haproxy.cfg running.cfg
kill -USR2 "$(cat pid)"
echo reloaded
"""
DEFAULTS = """\
global
  maxconn 500

defaults
  mode tcp
  retries 3
  timeout connect 5s
  timeout client 2m
  timeout server 2m
  timeout check 5s

"""


def haproxy_program() -> str | None:
    """Return where HAProxy is, if it is anywhere."""
    return shutil.which("haproxy")


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass
class HAProxy:
    """One process with its workers; `section` is the text of its sections."""

    directory: Path
    sections: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def config(self) -> Path:
        """The file on the host."""
        return self.directory / "source/haproxy.cfg"

    @property
    def reload(self) -> list[str]:
        """The command that makes the process read it."""
        return [str(self.directory / "reload")]

    @contextlib.contextmanager
    def running(self) -> Iterator[HAProxy]:
        """Write its configuration and serve."""
        program = haproxy_program()
        assert program is not None
        (self.directory / "source").mkdir(parents=True)
        self.config.write_text(DEFAULTS + self.sections)
        shutil.copy(self.config, self.directory / "running.cfg")
        script = self.directory / "reload"
        script.write_text(RELOAD.format(directory=self.directory, program=program))
        script.chmod(0o755)
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [program, "-W", "-db", "-f", str(self.directory / "running.cfg")], stdout=log, stderr=log
            )
        (self.directory / "pid").write_text(str(self.process.pid))
        try:
            yield self
        finally:
            # Workers of before a reload end with the master.
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(SECONDS)

    def said(self) -> str:
        """What it logged."""
        return (self.directory / "log").read_text()


@dataclass
class Web:
    """A server that answers as Keystone would, as far as HAProxy can tell, and notes what reached it."""

    name: str
    address: str
    port: int
    release: threading.Event = field(default_factory=threading.Event)
    """Until it is set, requests below /slow have no answer."""
    seen: list[tuple[str, str]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[Web]:
        """Serve."""
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith("/slow"):
                    web.release.wait(SECONDS * 2)
                web.seen.append((self.command, self.path))
                body = web.name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = do_LINK = answer  # noqa: N815

            def log_message(self, *_arguments: Any) -> None:
                pass

        with ThreadingHTTPServer((self.address, self.port), Handler) as server:
            server.daemon_threads = True
            server.handle_error = lambda *_arguments: None  # type: ignore[method-assign] # HAProxy's checks end so
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown()


def run_gate(directory: Path, options: Mapping[str, Any], check: bool = False) -> dict[str, Any]:
    """Run the module as Ansible does; gives what it returns."""
    arguments = directory / "arguments.json"
    arguments.write_text(
        json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}})
    )
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.stretch.cluster.plugins.modules.haproxy_gate", str(arguments)],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
