# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for the tests of keystone_merge: MariaDB and Keystone, each on a socket or port of its own."""

from __future__ import annotations

import base64
import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors

ROOT = Path(__file__).resolve().parents[3]
VENV = Path(os.environ.get("STRETCH_KEYSTONE_VENV", ROOT / ".build/keystone-venv"))
SECONDS = 60
# urlopen reads the certificates of all authorities anew each time.
OPENER = urllib.request.build_opener()

SERVER = """
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
port = int(sys.argv.pop())  # the import below reads the arguments
try:
    from keystone.wsgi.api import application
except ImportError:  # before 2025.1
    from keystone.server.wsgi import initialize_public_application
    application = initialize_public_application()

class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

def with_identity_provider(environ, start_response):
    # What the module of an identity provider in front of Keystone says of who logs in.
    for name in [name for name in environ if name.startswith("HTTP_X_ENVIRON_")]:
        environ[name[len("HTTP_X_ENVIRON_"):]] = environ.pop(name)
    return application(environ, start_response)

make_server("127.0.0.1", port, with_identity_provider, Server, Quiet).serve_forever()
"""

# The fewest rounds that bcrypt takes: the tests hash dozens of passwords.
CONFIG = """
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = mysql+pymysql://root@localhost/{database}?unix_socket={socket}&charset=utf8
[fernet_tokens]
key_repository = {directory}/fernet
[fernet_receipts]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
[identity]
password_hash_rounds = 4
"""


def keystone_venv() -> Path:
    """Return the venv with Keystone; it is made once."""
    if not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    if not (VENV / "bin/keystone-manage").exists():
        wanted = ROOT / "tests/integration/requirements-keystone.txt"
        subprocess.run([VENV / "bin/pip", "install", "--quiet", "--requirement", wanted], check=True)
    return VENV


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class MariaDB:
    """One server with a data directory, a socket and a port of its own; root comes in through the socket."""

    directory: Path
    port: int = field(default_factory=free_port)

    @property
    def socket(self) -> str:
        return str(self.directory / "sock")

    def command(self, *command: str) -> list[str]:
        """Return the command that runs another where the server's files are."""
        return list(command)

    def install(self) -> None:
        """Make the data directory."""
        if shutil.which("mariadb-install-db") is None:
            raise RuntimeError("mariadb-server is not installed: run tools/servers")
        self.directory.mkdir(mode=0o755, exist_ok=True)
        with (self.directory / "log").open("wb") as log:
            subprocess.run(
                self.command(
                    "mariadb-install-db", "--no-defaults", f"--user={user()}", f"--datadir={self.directory}/data",
                    "--skip-test-db", "--auth-root-authentication-method=socket", f"--auth-root-socket-user={user()}",
                ),
                check=True, stdout=log, stderr=log,
            )  # fmt: skip

    @contextlib.contextmanager
    def serving(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Serve what :meth:`install` made, with further arguments of mariadbd."""
        with (self.directory / "log").open("ab") as log:
            # As the servers of the regions are, but for what makes them survive a power cut.
            process = subprocess.Popen(
                self.command(
                    shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", f"--user={user()}",
                    f"--datadir={self.directory}/data", f"--socket={self.socket}", f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    # A server that starts removes the temporary tables of others from a directory that they share.
                    f"--tmpdir={self.directory}",
                    "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-flush-method=nosync", "--skip-innodb-doublewrite", "--sync-frm=0",
                    "--character-set-server=utf8", "--collation-server=utf8_general_ci", *arguments,
                ),
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._wait(process)
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[MariaDB]:
        """Make it and serve it."""
        self.install()
        with self.serving(*arguments):
            yield self

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(pymysql.err.OperationalError):
                self.query("SELECT 1")
                return
            time.sleep(0.1)
        raise RuntimeError((self.directory / "log").read_text())

    @contextlib.contextmanager
    def cursor(self, database: str | None = None) -> Iterator[pymysql.cursors.Cursor]:
        """Log in as root."""
        connection = pymysql.connect(
            unix_socket=self.socket, user=user(), database=database, charset="utf8mb4", autocommit=True
        )
        with contextlib.closing(connection), connection.cursor() as cursor:
            yield cursor

    def query(self, statement: str, values: Any = (), database: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement as root."""
        with self.cursor(database) as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def dump(self, database: str) -> bytes:
        """Return a database as SQL."""
        command = ["mariadb-dump", "--no-defaults", f"--socket={self.socket}", "--skip-dump-date", database]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def sums(self, database: str) -> dict[str, int]:
        """Return the checksum of every table that has rows."""
        tables = [table for (table,) in self.query(f"SHOW TABLES FROM `{database}`")]
        listed = ", ".join(f"`{database}`.`{table}`" for table in tables)
        return {name.split(".")[1]: sum_ for name, sum_ in self.query(f"CHECKSUM TABLE {listed}") if sum_}

    def load(self, database: str, dump: bytes) -> None:
        """Make a database from :meth:`dump`."""
        self.query(f"CREATE DATABASE `{database}`")
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", database]
        subprocess.run(command, check=True, input=dump, capture_output=True)

    def content(self, database: str) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of every table that has any, sorted."""
        rows = {}
        with self.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (database,))
            for (table,) in list(cursor.fetchall()):
                cursor.execute(f"SELECT * FROM `{database}`.`{table}`")
                rows[table] = sorted(cursor.fetchall(), key=repr)
        return {table: found for table, found in rows.items() if found}


def user() -> str:
    """Return who runs the tests, and so the servers."""
    return getpass.getuser()


def decode(answer: Any) -> Any:
    """Return the body of an answer."""
    body, kind = answer.read(), answer.headers["Content-Type"] or ""
    if "form-urlencoded" in kind:
        return dict(urllib.parse.parse_qsl(body.decode()))
    return json.loads(body or b"null") if "json" in kind else body.decode()


@dataclass
class Api:
    """Keystone's API, with or without a token."""

    url: str
    token: str | None = None

    def call(
        self, method: str, path: str, body: Any = None, subject: str | None = None, **more: str
    ) -> tuple[int, Any, Any]:
        """Return the status, the headers and the decoded body of an answer; *more* are headers, with `_` for `-`."""
        headers = {"Content-Type": "application/json", "OpenStack-Identity-Access-Rules": "1.0"}
        headers.update({name.replace("_", "-"): value for name, value in more.items()})
        if self.token:
            headers["X-Auth-Token"] = self.token
        if subject:
            headers["X-Subject-Token"] = subject
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v3{path}", data, headers, method=method)
        try:
            with OPENER.open(request, timeout=SECONDS) as answer:
                return answer.status, answer.headers, decode(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, decode(error)

    def do(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        """Return the decoded body; anything but success is an error."""
        status, _headers, answer = self.call(method, path, body, None, **more)
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def make(self, kind: str, path: str | None = None, method: str = "POST", **body: Any) -> str:
        """Make something and return its id."""
        made = self.do(method, path or f"/{kind}s", {kind: body})
        return str(made[kind]["id"])

    def log_in(self, identity: Any, scope: Any = None) -> Api | None:
        """Return the API as seen with a new token, or None if Keystone refuses."""
        auth = {"identity": identity, **({"scope": scope} if scope else {})}
        status, headers, _answer = self.call("POST", "/auth/tokens", {"auth": auth})
        return Api(self.url, headers["X-Subject-Token"]) if status == 201 else None

    def password(self, name: str, password: str, project: str | None = None, domain: str = "Default") -> Api | None:
        """Log in with a name and a password."""
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": name, "domain": {"name": domain}, "password": password}},
        }
        scope = {"project": {"name": project, "domain": {"name": domain}}} if project else None
        return self.log_in(identity, scope)

    def app_credential(self, secret: str, **which: Any) -> Api | None:
        """Log in with an application credential: its id, or its name and its user."""
        identity = {
            "methods": ["application_credential"], "application_credential": {"secret": secret, **which},
        }  # fmt: skip
        return self.log_in(identity)

    def scoped(self, **scope: Any) -> Api:
        """Exchange the token for one with another scope."""
        found = self.log_in({"methods": ["token"], "token": {"id": self.token}}, scope)
        assert found is not None
        return found

    def scoped_to_system(self, name: str, password: str) -> Api:
        """Log in as somebody of the default domain for the whole system."""
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": name, "domain": {"id": "default"}, "password": password}},
        }
        found = self.log_in(identity, {"system": {"all": True}})
        assert found is not None
        return found

    def told_by(self, other: Api) -> Any:
        """Return what somebody who may ask is told of the token."""
        return other.do("GET", "/auth/tokens", X_Subject_Token=str(self.token))["token"]

    def own(self) -> Any:
        """Return what the token says."""
        return self.told_by(self)


@dataclass
class Keystone:
    """A Keystone on one database of a server."""

    directory: Path
    server: MariaDB
    database: str
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def venv(self) -> Path:
        """Where this Keystone is installed."""
        return keystone_venv()

    @property
    def config(self) -> Path:
        return self.directory / "keystone.conf"

    def configure(self, more: str = "") -> None:
        """Write the configuration, with *more* sections, and the keys."""
        self.directory.mkdir(mode=0o700)
        for name in ("fernet", "credential"):
            # What fernet_setup and credential_setup make, without the seconds that each takes.
            repository = self.directory / name
            repository.mkdir(mode=0o700)
            for number in (0, 1):
                (repository / str(number)).write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
        self.config.write_text(
            CONFIG.format(directory=self.directory, database=self.database, socket=self.server.socket) + more
        )

    def manage(self, *arguments: str) -> None:
        """Run keystone-manage."""
        command = [self.venv / "bin/keystone-manage", "--config-file", self.config, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def bootstrap(self, password: str, region: str) -> None:
        """Make the first things."""
        self.manage(
            "bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", region,
            "--bootstrap-public-url", f"http://{region}:5000", "--bootstrap-internal-url", f"http://{region}:5000",
            "--bootstrap-admin-url", f"http://{region}:5000",
        )  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator[Api]:
        """Serve the API."""
        with (self.directory / "stderr").open("wb") as log:
            process = subprocess.Popen(
                [self.venv / "bin/python", "-c", SERVER, str(self.port)],
                env={**os.environ, "OS_KEYSTONE_CONFIG_FILES": str(self.config)}, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            end = time.monotonic() + SECONDS
            while process.poll() is None and time.monotonic() < end:
                with contextlib.suppress(urllib.error.URLError):
                    Api(self.url).do("GET", "/")
                    break
                time.sleep(0.1)
            else:
                raise RuntimeError((self.directory / "stderr").read_text())
            yield Api(self.url)
        finally:
            process.terminate()
            process.wait(SECONDS)


def fresh_schema(directory: Path, server: MariaDB) -> bytes:
    """Return what db_sync makes; the database "fresh" has it."""
    keystone = Keystone(directory, server, "fresh")
    keystone.configure()
    server.query("CREATE DATABASE fresh")
    keystone.manage("db_sync")
    return server.dump("fresh")
