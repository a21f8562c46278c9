# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell HAProxy over HTTP whether this MariaDB member of a Galera cluster may be sent clients.

``GET``, ``HEAD`` or ``OPTIONS`` of ``/`` answers 200 or 503 with one line that says why; ``GET /report`` answers JSON.

One thread asks the database over one lasting connection; the other serves HTTP from the last answer. So a request never
waits for the database, and a database that hangs costs nothing but its own 200: every 200 rests on an answer that was
asked for no longer than `timeout` seconds ago.

Usage: ``clustercheck.py FILE.ini``. Python 3.6 or newer, PyMySQL.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import asyncio
import configparser
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

import pymysql

STATUS = (
    "wsrep_cluster_conf_id",
    "wsrep_cluster_size",
    "wsrep_cluster_state_uuid",
    "wsrep_cluster_status",
    "wsrep_last_committed",
    "wsrep_local_state",
    "wsrep_local_state_comment",
    "wsrep_local_state_uuid",
    "wsrep_ready",
)
VARIABLES = ("read_only", "wsrep_on", "wsrep_reject_queries")
# SHOW is what a member outside the Primary component, or one that rejects queries, still answers.
QUERIES = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('{}')".format("','".join(STATUS)),
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('{}')".format("','".join(VARIABLES)),
)

# wsrep_local_state: https://galeracluster.com/library/documentation/node-states.html
DONOR, SYNCED = "2", "4"

REQUEST_LIMIT = 8192
"""Bytes of the longest request that is read."""
CLIENT_LIMIT = 5.0
"""Seconds that a client may take to send its request."""

log = logging.getLogger("clustercheck")


class ConfigurationError(Exception):
    """The ini file cannot be used; the text says what to change."""


class Configuration(NamedTuple):
    """The section ``[clustercheck]`` of the ini file; times in seconds."""

    address: str
    port: int
    user: str
    password: str
    socket: Optional[str] = None  # of the database; this or host and database_port
    host: Optional[str] = None
    database_port: int = 3306
    timeout: float = 1.0  # oldest answer of the database on which a 200 may rest
    interval: float = 0.25  # pause between two questions
    available_when_donor: bool = False
    maintenance_file: Optional[str] = None


class Verdict(NamedTuple):
    """Whether clients may be sent here, and why (not)."""

    ok: bool
    reason: str


class Observation(NamedTuple):
    """What one round of questions found. `asked` is on the monotonic clock; `status` is None when none was answered."""

    asked: float
    status: Optional[Mapping[str, str]]
    error: str
    maintenance: bool


def configure(text: str) -> Configuration:
    """Read the text of an ini file.

    :raises ConfigurationError: for unknown, missing and impossible values.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
        section = parser["clustercheck"]
    except (configparser.Error, KeyError) as error:
        raise ConfigurationError(f"needs a section [clustercheck] of lines `name = value`: {error}") from error
    unknown = sorted(set(section) - set(Configuration._fields))
    missing = sorted({"address", "port", "user", "password"} - set(section))
    if unknown or missing:
        raise ConfigurationError(
            "unknown: {}; missing: {}".format(", ".join(unknown) or "-", ", ".join(missing) or "-")
        )
    values: Dict[str, Any] = dict(section)
    try:
        for name in ("port", "database_port"):
            if name in values:
                values[name] = section.getint(name)
        for name in ("timeout", "interval"):
            if name in values:
                values[name] = section.getfloat(name)
        if "available_when_donor" in values:
            values["available_when_donor"] = section.getboolean("available_when_donor")
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    configuration = Configuration(**values)
    if bool(configuration.socket) == bool(configuration.host):
        raise ConfigurationError("give the database as either socket or host")
    if not 0 < configuration.interval < configuration.timeout:
        raise ConfigurationError("interval has to be above 0 and below timeout")
    return configuration


def decide(status: Mapping[str, str], available_when_donor: bool) -> Verdict:
    """Decide from the status and the variables of the member, by name, as MariaDB shows them."""
    absent = [name for name in ("wsrep_cluster_status", "wsrep_local_state", "wsrep_ready") if name not in status]
    if absent or status.get("wsrep_on") != "ON":
        return Verdict(False, "not a Galera member: wsrep is off")
    if status["wsrep_cluster_status"] != "Primary":
        return Verdict(False, "component is {}, not Primary".format(status["wsrep_cluster_status"]))
    if status["wsrep_ready"] != "ON":
        return Verdict(False, "wsrep is not ready")
    state = status.get("wsrep_local_state_comment") or status["wsrep_local_state"]
    if status["wsrep_local_state"] not in ((SYNCED, DONOR) if available_when_donor else (SYNCED,)):
        return Verdict(False, f"state is {state}, not Synced")
    if status.get("wsrep_reject_queries") != "NONE":
        return Verdict(False, "wsrep_reject_queries is {}".format(status.get("wsrep_reject_queries")))
    if status.get("read_only") != "OFF":
        return Verdict(False, "read_only is {}".format(status.get("read_only")))
    return Verdict(True, state)


def judge(observation: Observation, available_when_donor: bool) -> Verdict:
    """Decide from everything that was observed."""
    if observation.maintenance:
        return Verdict(False, "in maintenance")
    if observation.status is None:
        return Verdict(False, observation.error)
    return decide(observation.status, available_when_donor)


def report(observation: Observation, verdict: Verdict) -> Dict[str, Any]:
    """Return the report; what the database did not say is null. `seqno` is the last committed one."""
    status = observation.status or {}

    def number(name: str) -> Optional[int]:
        try:
            return int(status[name])
        except (KeyError, ValueError):
            return None

    return {
        "ok": verdict.ok,
        "reason": verdict.reason,
        "answers": observation.status is not None,
        "maintenance": observation.maintenance,
        "primary": status.get("wsrep_cluster_status") == "Primary",
        "synced": status.get("wsrep_local_state") == SYNCED,
        "ready": status.get("wsrep_ready") == "ON",
        "read_only": status.get("read_only"),
        "reject_queries": status.get("wsrep_reject_queries"),
        "state": status.get("wsrep_local_state_comment"),
        "uuid": status.get("wsrep_local_state_uuid"),
        "cluster_uuid": status.get("wsrep_cluster_state_uuid"),
        "seqno": number("wsrep_last_committed"),
        "view": number("wsrep_cluster_conf_id"),
        "cluster_size": number("wsrep_cluster_size"),
    }


class Database:
    """The one connection. Asks within `timeout` minus `interval` seconds, so that the next answer comes in time."""

    def __init__(self, configuration: Configuration) -> None:
        self.limit = configuration.timeout - configuration.interval
        self.arguments: Dict[str, Any] = {
            "user": configuration.user,
            "password": configuration.password,
            "connect_timeout": self.limit,
            "read_timeout": self.limit,
            "write_timeout": self.limit,
            "autocommit": None,  # leaves the server's setting alone: a member that rejects queries refuses to set it
        }
        if configuration.socket:
            self.arguments["unix_socket"] = configuration.socket
        else:
            self.arguments.update(host=configuration.host, port=configuration.database_port)
        self.connection: Any = None

    def ask(self) -> Dict[str, str]:
        """Return status and variables by name; on an error the connection is dropped, and the next call makes one.

        :raises pymysql.err.Error, OSError: when the database does not answer, or refuses.
        """
        try:
            if self.connection is None:
                self.connection = pymysql.connect(**self.arguments)
            found: Dict[str, str] = {}
            with self.connection.cursor() as cursor:
                for query in QUERIES:
                    cursor.execute(query)
                    found.update((name.lower(), value) for name, value in cursor.fetchall())
            return found
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection; the driver has already dropped one that failed."""
        connection, self.connection = self.connection, None
        if connection is not None and connection.open:
            connection.close()


def observe(database: Database, maintenance_file: Optional[str]) -> Observation:
    """Ask the database and look for the maintenance switch."""
    asked = time.monotonic()
    maintenance = bool(maintenance_file) and os.path.exists(str(maintenance_file))
    try:
        return Observation(asked, database.ask(), "", maintenance)
    except (pymysql.err.Error, OSError) as error:
        return Observation(asked, None, f"database: {describe(error)}", maintenance)


def describe(error: Exception) -> str:
    """Say in one line what an error of the driver means, the same one for the same cause."""
    text = str(error.args[-1] if error.args else error) or type(error).__name__
    return " ".join(text.split())


def poll(configuration: Configuration, tell: Callable[[Observation], None]) -> None:
    """Observe for ever. After an error it waits longer, so that a hung server finds few dead connections later."""
    database = Database(configuration)
    while True:
        observation = observe(database, configuration.maintenance_file)
        tell(observation)
        time.sleep(configuration.interval if observation.status is not None else configuration.timeout)


class Service:
    """The last observation and the answers made of it; lives in the event loop's thread alone."""

    def __init__(self, configuration: Configuration, loop: asyncio.AbstractEventLoop) -> None:
        self.configuration = configuration
        self.loop = loop
        self.expiry: Optional[asyncio.TimerHandle] = None
        self.logged: Optional[Verdict] = None
        self.observation = Observation(time.monotonic(), None, "database: not asked yet", False)
        self.answers: Dict[str, Tuple[int, str, bytes]] = {}
        self.render(Verdict(False, self.observation.error))

    def tell(self, observation: Observation) -> None:
        """Take an observation in; it holds until `timeout` seconds after its question."""
        if self.expiry is not None:
            self.expiry.cancel()
        self.observation = observation
        self.expiry = self.loop.call_at(observation.asked + self.configuration.timeout, self.expire)
        self.render(judge(observation, self.configuration.available_when_donor))

    def expire(self) -> None:
        """Withdraw what was observed: no newer answer has come in time."""
        if self.observation.status is not None:
            error = f"database: no answer within {self.configuration.timeout:g} s"
            self.observation = self.observation._replace(status=None, error=error)
            self.render(judge(self.observation, self.configuration.available_when_donor))

    def render(self, verdict: Verdict) -> None:
        """Prepare the answers once per observation instead of once per request."""
        if verdict != self.logged:
            log.info("%s: %s", "available" if verdict.ok else "unavailable", verdict.reason)
            self.logged = verdict
        text = json.dumps(report(self.observation, verdict), sort_keys=True)
        self.answers = {
            "/": (200 if verdict.ok else 503, "text/plain; charset=utf-8", (verdict.reason + "\n").encode("utf-8")),
            "/report": (200, "application/json", (text + "\n").encode("utf-8")),
        }

    def answer(self, head: bytes) -> bytes:
        """Answer one request, given with its headers."""
        parts = head.split(b"\r\n", 1)[0].decode("latin-1").split()
        method, target, version = (*parts, "", "", "")[:3]
        if not version.startswith("HTTP/1."):
            return response(400, "text/plain", b"not an HTTP/1 request\n")
        path = target.split("?", 1)[0]
        if path not in self.answers:
            return response(404, "text/plain", b"there are / and /report\n")
        if method not in ("GET", "HEAD", "OPTIONS"):
            return response(405, "text/plain", b"GET, HEAD or OPTIONS\n")
        status, kind, body = self.answers[path]
        return response(status, kind, body, method == "HEAD")


REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def response(status: int, kind: str, body: bytes, head_only: bool = False) -> bytes:
    """Return a whole answer after which the connection ends."""
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(head).encode("latin-1") + (b"" if head_only else body)


class Connection(asyncio.Protocol):
    """One client: one request, one answer."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.received = b""
        self.transport: Any = None
        self.limit: Optional[asyncio.TimerHandle] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.limit = self.service.loop.call_later(CLIENT_LIMIT, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self.received += data
        if b"\r\n\r\n" in self.received or len(self.received) > REQUEST_LIMIT:
            self.transport.write(self.service.answer(self.received))
            self.transport.close()

    def connection_lost(self, exc: Optional[Exception]) -> None:  # noqa: ARG002
        if self.limit is not None:
            self.limit.cancel()


def serve(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT.

    :raises OSError: when the address cannot be listened on.
    """
    loop = asyncio.new_event_loop()
    for number in (signal.SIGTERM, signal.SIGINT):  # PID 1 of a container ignores what it does not handle
        loop.add_signal_handler(number, loop.stop)
    service = Service(configuration, loop)
    family = socket.AF_INET6 if ":" in configuration.address else socket.AF_INET
    server = loop.run_until_complete(
        loop.create_server(
            lambda: Connection(service), configuration.address, configuration.port, family=family, backlog=1024
        )
    )
    log.info("listening on %s port %d", configuration.address, configuration.port)

    def tell(observation: Observation) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so will this thread
            loop.call_soon_threadsafe(service.tell, observation)

    # A daemon: it may be waiting for the database when the service is to end.
    threading.Thread(target=poll, args=(configuration, tell), daemon=True).start()
    loop.run_forever()
    server.close()
    log.info("ended")


def main() -> int:
    """Run the service; the exit status is 2 when it cannot be set up."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        (path,) = sys.argv[1:]
    except ValueError:
        log.error("usage: %s FILE.ini", sys.argv[0])
        return 2
    try:
        with open(path, encoding="utf-8") as file:
            configuration = configure(file.read())
    except (OSError, UnicodeDecodeError, ConfigurationError) as error:
        log.error("%s cannot be used: %s", path, error)
        return 2
    try:
        serve(configuration)
    except OSError as error:
        log.error("cannot listen on %s port %d: %s", configuration.address, configuration.port, error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
