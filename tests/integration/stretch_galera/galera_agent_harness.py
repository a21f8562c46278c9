# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resource agent with a real server: one member that is a whole cluster, with a /run of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pymysql

ROOT = Path(__file__).resolve().parents[3]
AGENT = ROOT / "roles/stretch_galera/files/ocf"
LIBRARY = ("election", "galera_report", "galera_state")
OCF = Path("/usr/lib/ocf")
NAME = "s1controller-0"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Member:
    """A member in a directory of its own; Pacemaker's part is the test's."""

    def __init__(self, directory: Path) -> None:
        """Lay everything out as the role does."""
        self.directory = directory
        self.ocf_root = directory / "ocf"
        for part in ("lib/heartbeat", "resource.d/heartbeat"):
            shutil.copytree(OCF / part, self.ocf_root / part, ignore=shutil.ignore_patterns("[a-z]*-check*"))
        self.agent = self.ocf_root / "resource.d/stretch/galera"
        library = self.ocf_root / "lib/stretch"
        for made in (self.agent.parent, library):
            made.mkdir(parents=True)
        shutil.copy(AGENT / "galera", self.agent)
        for source in [*AGENT.glob("*.py"), *(ROOT / f"plugins/module_utils/{name}.py" for name in LIBRARY)]:
            shutil.copy(source, library)
        # The machine's own Python need not have it.
        shutil.copytree(Path(pymysql.__file__).parent, library / "pymysql")
        for name in ("config", "data", "state"):
            (directory / name).mkdir()
        directory.chmod(0o755)
        self.gcomm = free_port()
        self.socket = directory / "data/mysql.sock"
        self.write()
        self.parameters = {
            "config": str(directory / "config"),
            "datadir": str(directory / "data"),
            "state": str(directory / "state"),
            "log": str(directory / "log/mysqld.log"),
            "user": "nobody",
        }
        # A mount namespace that outlives each action, as a container does.
        self.keeper = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                "mount -t tmpfs -o mode=1777 none /run && exec sleep 600",
            ]
        )
        for _attempt in range(100):
            if "/run" in self.mounts():
                break
            time.sleep(0.05)

    def mounts(self) -> list[str]:
        """Where tmpfs are mounted in the member's namespace and not in this one."""
        words = [line.split() for line in Path(f"/proc/{self.keeper.pid}/mounts").read_text().splitlines()]
        return [each[1] for each in words if each[0] == "none" and each[2] == "tmpfs"]

    def write(self) -> None:
        """Write the configuration."""
        config = self.directory / "config"
        provider = (f"gmcast.listen_addr=tcp://127.0.0.1:{self.gcomm};base_port={self.gcomm};gcache.size=1M"
                    ";pc.wait_prim_timeout=PT2S")  # fmt: skip
        (config / "my.cnf").write_text(
            f"[mysqld]\ndatadir={self.directory}/data\nsocket={self.socket}\npid-file={self.directory}/data/pid\n"
            "skip-networking\nbinlog_format=ROW\ninnodb_autoinc_lock_mode=2\ninnodb_buffer_pool_size=16M\n"
            "wsrep_on=ON\nwsrep_provider=/usr/lib/galera/libgalera_smm.so\nwsrep_node_address=127.0.0.1\n"
            f"wsrep_cluster_name=test\nwsrep_provider_options={provider}\n"
        )
        (config / "init.sql").write_text("CREATE USER IF NOT EXISTS 'made_by_init'@'localhost';\n")
        (config / "report.key").write_text("0123456789abcdef" * 4 + "\n")
        (config / "environment.json").write_text('{"MADE_UP": "by the test"}\n')
        members: dict[str, Any] = {
            "cluster": "test",
            "self": NAME,
            "replication_port": self.gcomm,
            "check_port": free_port(),
            "hang_timeout": 3,
            "component_timeout": 5,
            "members": [{"name": NAME, "stack": "stack1", "address": "127.0.0.1", "segment": 1, "weight": 1}],
            "arbiters": [],
        }
        (config / "members.json").write_text(json.dumps(members))

    def environment(self, **others: str) -> dict[str, str]:
        """What Pacemaker gives an agent."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("OCF_")},
            # Servers that share a directory for temporary tables remove each other's when they start.
            "TMPDIR": "/run",
            "OCF_ROOT": str(self.ocf_root),
            "OCF_RESOURCE_INSTANCE": "stretch-galera",
            "OCF_RESKEY_CRM_meta_timeout": "60000",
            "OCF_RESKEY_CRM_meta_interval": "3000",
            **{f"OCF_RESKEY_{name}": value for name, value in {**self.parameters, **others}.items()},
        }

    def inside(self, *command: str, **others: str) -> subprocess.CompletedProcess[str]:
        """Run a command where the member lives."""
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", *command],
            env=self.environment(**others),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def act(self, action: str, **others: str) -> tuple[int, str]:
        """Run an action; its code and what it says."""
        done = self.inside(str(self.agent), action, **others)
        return done.returncode, done.stderr

    def state(self) -> dict[str, Any]:
        """What the agent noted."""
        found: dict[str, Any] = json.loads((self.directory / "state/state.json").read_text())
        return found

    def first(self) -> None:
        """Tell the member that it is the first of a first deployment."""
        (self.directory / "state/first.json").write_text(json.dumps({"member": NAME}))

    def monitor_until(self, code: int, limit: float = 60.0) -> None:
        """Run the monitor as Pacemaker does until it gives a code."""
        deadline = time.monotonic() + limit
        seen: list[tuple[int, str]] = []
        while not seen or seen[-1][0] != code:
            assert time.monotonic() < deadline, seen[-3:]
            seen.append(self.act("monitor"))
            time.sleep(0.3)

    def become_member(self, limit: float = 60.0) -> None:
        """Run the monitor as Pacemaker does until the member is one, and promote it."""
        deadline = time.monotonic() + limit
        while self.state()["phase"] != "member":
            assert time.monotonic() < deadline, self.state()
            self.act("monitor")
            time.sleep(0.3)
        assert self.act("promote") == (0, "")

    def server(self) -> int:
        """Process id of the server."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                # Processes of others end while they are read.
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if (
                        b"--defaults-file=/run/stretch-galera/my.cnf" in words
                        and f"datadir={self.directory}/data" in (entry / "root/run/stretch-galera/my.cnf").read_text()
                    ):
                        return int(entry.name)
        raise AssertionError("no server runs")

    def sql(self, statement: str) -> str:
        """Ask the server as root."""
        done = self.inside("mariadb", "--no-defaults", f"--socket={self.socket}", "-N", "-e", statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def end(self) -> None:
        """End everything."""
        self.act("stop")
        self.keeper.send_signal(signal.SIGKILL)
        self.keeper.wait()
