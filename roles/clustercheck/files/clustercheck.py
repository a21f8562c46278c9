# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell HAProxy over HTTP whether this MariaDB member of a Galera cluster may be sent clients.

``GET``, ``HEAD`` or ``OPTIONS`` of ``/`` answers 200 or 503 with one line that says why, ``/metrics`` what Prometheus
reads, and ``/report`` to those who have its key what the election among the members rests on.

One thread asks the database over one lasting connection, another reads the files, and HTTP is served from what they
found last. So a request waits for neither, and a database that hangs costs nothing but its own 200: every 200 rests on
an answer that was asked for no longer than `timeout` seconds ago.

SIGHUP makes the process execute its file anew, if that and the ini file are good. The listening socket and the last
answer are handed over, so that no check is refused and none fails meanwhile.

Usage: ``clustercheck.py [--check] FILE.ini``; with ``--check`` it ends before it serves. Python 3.6 or newer, PyMySQL,
clustercheck_answers.py and galera_report.py beside it.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import asyncio
import configparser
import contextlib
import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import clustercheck_answers
import galera_report
import pymysql
from clustercheck_answers import STATUS, VARIABLES, Local, Observation, Verdict, agent, judge, metrics, report

# SHOW is what a member outside the Primary component, or one that rejects queries, still answers.
QUERIES = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('{}')".format("','".join(STATUS)),
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('{}')".format("','".join(VARIABLES)),
)

REQUEST_LIMIT = 8192
"""Bytes of the longest request that is read."""
CLIENT_LIMIT = 5.0
"""Seconds that a client may take to send its request."""
FILE_LIMIT = 1 << 20
"""Bytes of the longest file that is read."""
CHECK_LIMIT = 30.0
"""Seconds that the check before a reload may take; the service goes on meanwhile."""
HANDOVER = "CLUSTERCHECK_HANDOVER"
"""The environment variable in which a process that reloads leaves what it hands over."""
DRAIN = (1.0, 0.2)
"""Seconds to wait before a reload until no client is connected: with, then without new ones."""

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
    report_key_file: Optional[str] = None  # these three together: without them there is no report
    members_file: Optional[str] = None  # members.json
    state_directory: Optional[str] = None  # where the resource agent leaves its files
    loaded_file: Optional[str] = None  # where to leave the digest of the files that the process runs with


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
    of_report = (configuration.report_key_file, configuration.members_file, configuration.state_directory)
    if any(of_report) and not all(of_report):
        raise ConfigurationError("report_key_file, members_file and state_directory belong together")
    return configuration


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


def observe(database: Database) -> Observation:
    """Ask the database."""
    asked = time.monotonic()
    try:
        return Observation(asked, database.ask(), "")
    except (pymysql.err.Error, OSError) as error:
        return Observation(asked, None, f"database: {describe(error)}")


def describe(error: Exception) -> str:
    """Say in one line what an error of the driver means, the same one for the same cause."""
    text = str(error.args[-1] if error.args else error) or type(error).__name__
    return " ".join(text.split())


def poll(configuration: Configuration, tell: Callable[[Observation], None]) -> None:
    """Observe for ever. After an error it waits longer, so that a hung server finds few dead connections later."""
    database = Database(configuration)
    while True:
        observation = observe(database)
        tell(observation)
        time.sleep(configuration.interval if observation.status is not None else configuration.timeout)


def read(path: str) -> str:
    """Return the text of a file.

    :raises OSError, ValueError: if it cannot be read.
    """
    with open(path, encoding="utf-8") as file:
        return file.read(FILE_LIMIT)


def read_object(path: str) -> Optional[Dict[str, Any]]:
    """Return the JSON object in a file, None if there is no file.

    :raises OSError, ValueError: if it cannot be read.
    """
    try:
        found = json.loads(read(path))
    except FileNotFoundError:
        return None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def look(configuration: Configuration) -> Local:
    """Read the files."""
    problems: List[str] = []

    def attempt(read_it: Callable[[str], Any], path: str) -> Any:
        try:
            return read_it(path)
        except (OSError, ValueError, galera_report.ReportError) as error:
            problems.append("{} cannot be used: {}".format(path, getattr(error, "strerror", None) or error))
            return None

    switch = configuration.maintenance_file
    local = Local(maintenance=bool(switch) and os.path.exists(str(switch)))
    if not (configuration.report_key_file and configuration.members_file and configuration.state_directory):
        return local
    members = attempt(lambda path: galera_report.parse_members(read(path)), configuration.members_file) or {}
    state, lost, first = (
        attempt(read_object, os.path.join(configuration.state_directory, name))
        for name in ("state.json", "lost.json", "first.json")
    )
    key = attempt(lambda path: galera_report.parse_key(read(path)), configuration.report_key_file)
    return Local(
        local.maintenance,
        key,
        members.get("self"),
        members.get("cluster"),
        state,
        lost,
        first,
        problems[0] if problems else "",
    )


def watch(configuration: Configuration, tell: Callable[[Local], None]) -> None:
    """Read the files for ever; not in the thread of the database, which may have to wait for it."""
    while True:
        tell(look(configuration))
        time.sleep(configuration.interval)


NOT_ASKED = "database: not asked yet"


class Handover(NamedTuple):
    """What a process that reloads leaves to the one that it becomes."""

    descriptor: int
    """Of the listening socket."""
    address: str
    port: int
    observation: Optional[Observation]
    answered: Optional[float]
    checks: Dict[str, int]

    def text(self) -> str:
        """Return it as text."""
        found = self._asdict()
        found["observation"] = self.observation and self.observation._asdict()
        return json.dumps(found)

    @classmethod
    def parse(cls, text: str) -> "Handover":
        """Read the text; another version of this file may have written it."""
        found = json.loads(text)
        observation = found.get("observation")
        return cls(
            found["descriptor"],
            found["address"],
            found["port"],
            Observation(*map(observation.get, Observation._fields)) if observation else None,
            found.get("answered"),
            found.get("checks", {}),
        )


class Service:
    """What was found last and the answers made of it; lives in the event loop's thread alone."""

    def __init__(
        self,
        configuration: Configuration,
        loop: asyncio.AbstractEventLoop,
        local: Local = Local(),  # noqa: B008 - it cannot be changed
        handover: Optional[Handover] = None,
    ) -> None:
        self.configuration = configuration
        self.loop = loop
        self.expiry: Optional[asyncio.TimerHandle] = None
        self.logged: Optional[Verdict] = None
        self.connections = 0
        with contextlib.suppress(OSError):
            self.boot = ""
            self.boot = read("/proc/sys/kernel/random/boot_id").strip()
        self.local = Local()
        self.observation = Observation(time.monotonic(), None, NOT_ASKED)
        self.answered = handover.answered if handover else None
        self.checks = {"200": 0, "503": 0, **(handover.checks if handover else {})}
        self.check: Tuple[int, bytes] = (503, b"")
        self.found: Dict[str, Any] = {}
        self.tell_local(local)
        if handover and handover.observation:
            self.tell(handover.observation)
        else:
            self.render()

    def tell(self, observation: Observation) -> None:
        """Take an observation in; it holds until `timeout` seconds after its question."""
        if self.expiry is not None:
            self.expiry.cancel()
        self.observation = observation
        if observation.status is not None:
            self.answered = observation.asked
        self.expiry = self.loop.call_at(observation.asked + self.configuration.timeout, self.expire)
        self.render()

    def expire(self) -> None:
        """Withdraw what was observed: no newer answer has come in time."""
        if self.observation.status is not None:
            error = f"database: no answer within {self.configuration.timeout:g} s"
            self.observation = self.observation._replace(status=None, error=error)
            self.render()

    def tell_local(self, local: Local) -> None:
        """Take in what the files say."""
        if local != self.local:
            if local.problem != self.local.problem:
                log.warning("%s", local.problem or "all files can be used")
            self.local = local
            self.render()

    def render(self) -> None:
        """Prepare the answers once per observation instead of once per request."""
        verdict = judge(self.observation, self.local.maintenance, self.configuration.available_when_donor)
        if verdict != self.logged and self.observation.error != NOT_ASKED:
            log.info("%s: %s", "available" if verdict.ok else "unavailable", verdict.reason)
            self.logged = verdict
        self.check = (200 if verdict.ok else 503, (verdict.reason + "\n").encode("utf-8"))
        self.found = report(self.observation, verdict, self.local)

    def answer(self, head: bytes) -> bytes:
        """Answer one request, given with its headers."""
        parts = head.split(b"\r\n", 1)[0].decode("latin-1").split()
        method, target, version = (*parts, "", "", "")[:3]
        if not version.startswith("HTTP/1."):
            return response(400, b"not an HTTP/1 request\n")
        path = target.split("?", 1)[0]
        reports = self.configuration.report_key_file is not None
        if path not in ("/", "/metrics") and not (reports and path == galera_report.PATH):
            return response(404, b"there are /, /metrics and /report\n" if reports else b"there are / and /metrics\n")
        if method not in ("GET", "HEAD", "OPTIONS"):
            return response(405, b"GET, HEAD or OPTIONS\n")
        head_only = method == "HEAD"
        if path == "/":
            status, body = self.check
            self.checks[str(status)] += 1
            return response(status, body, head_only=head_only)
        if path == "/metrics":
            return response(200, self.metrics(), "text/plain; version=0.0.4; charset=utf-8", head_only)
        return self.answer_report(galera_report.parse_headers(head), head_only)

    def answer_report(self, headers: Mapping[str, str], head_only: bool) -> bytes:
        """Answer those who sign with the key."""
        if self.local.key is None:
            return response(503, b"the key of the report cannot be used\n")
        nonce = headers.get(galera_report.NONCE.lower(), "")
        if not galera_report.is_request(self.local.key, nonce, headers.get(galera_report.SIGNATURE.lower(), "")):
            return response(401, b"the signature is missing or wrong\n")
        whole = dict(self.found, agent=agent(self.local.state, self.boot, time.monotonic()))
        body = (json.dumps(whole, sort_keys=True) + "\n").encode("utf-8")
        signature = galera_report.response_signature(self.local.key, nonce, body)
        return response(200, body, "application/json", head_only, (f"{galera_report.SIGNATURE}: {signature}",))

    def metrics(self) -> bytes:
        """Return the page for Prometheus."""
        now = time.monotonic()
        text = metrics(
            self.found,
            (self.observation.status or {}).get("wsrep_local_state"),
            None if self.answered is None else round(now - self.answered, 3),
            self.checks,
            agent(self.local.state, self.boot, now),
        )
        return text.encode("utf-8")


REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


def response(
    status: int,
    body: bytes,
    kind: str = "text/plain; charset=utf-8",
    head_only: bool = False,
    headers: Sequence[str] = (),
) -> bytes:
    """Return a whole answer after which the connection ends."""
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *headers,
        "\r\n",
    )
    return "\r\n".join(head).encode("latin-1") + (b"" if head_only else body)


class Connection(asyncio.Protocol):
    """One client: one request, one answer."""

    def __init__(self, service: Service) -> None:
        self.service = service
        service.connections += 1
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
        self.service.connections -= 1
        if self.limit is not None:
            self.limit.cancel()


def listen(configuration: Configuration, handover: Optional[Handover]) -> socket.socket:
    """Return the listening socket, the one handed over if the address is the same.

    :raises OSError: when the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in configuration.address else socket.AF_INET
    if handover is not None:
        listening = socket.socket(family, socket.SOCK_STREAM, fileno=handover.descriptor)
        listening.set_inheritable(False)
        if (handover.address, handover.port) == (configuration.address, configuration.port):
            return listening
        listening.close()
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind((configuration.address, configuration.port))
    listening.listen(1024)
    log.info("listening on %s port %d", configuration.address, configuration.port)
    return listening


class Reloader:
    """Executes the process's file anew when told so; lives in the event loop's thread but for the check."""

    def __init__(self, service: Service, listening: socket.socket) -> None:
        self.service = service
        self.loop = service.loop
        self.listening = listening
        self.asked = 0
        self.task: Any = None

    def ask(self) -> None:
        """Begin; called again meanwhile, it checks again, for the files may have changed after they were read."""
        self.asked += 1
        if self.asked == 1:
            self.begin()

    def begin(self) -> None:
        """Have the new files checked, outside of the loop, which serves on."""
        arguments = (self.asked, self.environment())
        threading.Thread(target=self.check, args=arguments, daemon=True).start()

    def environment(self) -> Dict[str, str]:
        """Return the environment of the process to come."""
        service = self.service
        observation = service.observation if service.observation.error != NOT_ASKED else None
        configuration = service.configuration
        handover = Handover(
            self.listening.fileno(),
            configuration.address,
            configuration.port,
            observation,
            service.answered,
            service.checks,
        )
        return dict(os.environ, **{HANDOVER: handover.text()})

    def check(self, asked: int, environment: Dict[str, str]) -> None:
        """Run the new files up to where they would serve."""
        command = [sys.executable, sys.argv[0], "--check", *sys.argv[1:]]
        try:
            done = subprocess.run(
                command,
                env=environment,
                pass_fds=[self.listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=CHECK_LIMIT,
                check=False,
            )
            lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
            problem = (lines or ["it says nothing"])[-1] if done.returncode else ""
        except (OSError, subprocess.SubprocessError) as error:
            problem = str(error)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self.checked, asked, problem)

    def checked(self, asked: int, problem: str) -> None:
        """Go on if the files are good."""
        if self.asked != asked:
            self.begin()
        elif problem:
            log.error("not reloaded: %s", problem)
            self.asked = 0
        else:
            self.task = self.loop.create_task(self.reload())

    async def reload(self) -> None:
        """Let those who are connected have their answer, then become the new process."""
        await self.drained(DRAIN[0])
        # From here on those who connect wait in the socket's queue, a fraction of a second. The server is not closed:
        # that would fail those that were accepted and are not served yet.
        self.loop.remove_reader(self.listening.fileno())
        await asyncio.sleep(0.01)  # until those accepted last are counted
        await self.drained(DRAIN[1])
        os.environ.update(self.environment())
        self.listening.set_inheritable(True)
        log.info("reloading")
        # A signal that comes before the new process handles it waits; it would end it, or be ignored if that is PID 1.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - no shell is the point
        except OSError as error:
            log.error("cannot reload: %s", error)
            os._exit(2)

    async def drained(self, limit: float) -> None:
        """Wait until no client is connected, or for so many seconds."""
        deadline = self.loop.time() + limit
        while self.service.connections and self.loop.time() < deadline:
            await asyncio.sleep(0.002)


SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def fresh(service: Service, inherited: Optional[Observation]) -> None:
    """Wait for the first answer of a database that answered before: on a busy host the last one may soon be too old."""
    deadline = service.loop.time() + service.configuration.timeout
    if inherited is not None and inherited.status is not None:
        while service.observation.asked == inherited.asked and service.loop.time() < deadline:
            await asyncio.sleep(0.002)


def serve(configuration: Configuration, listening: socket.socket, handover: Optional[Handover]) -> None:
    """Serve until SIGTERM or SIGINT."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # they wait until they are handled
    loop = asyncio.new_event_loop()
    service = Service(configuration, loop, look(configuration), handover)

    def teller(take: Callable[[Any], None]) -> Callable[[Any], None]:
        def tell(found: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and so will this thread
                loop.call_soon_threadsafe(take, found)

        return tell

    # Daemons: they may be waiting for the database or the disk when the service is to end.
    threading.Thread(target=poll, args=(configuration, teller(service.tell)), daemon=True).start()
    threading.Thread(target=watch, args=(configuration, teller(service.tell_local)), daemon=True).start()
    if handover is not None:
        loop.run_until_complete(fresh(service, handover.observation))
    server = loop.run_until_complete(loop.create_server(lambda: Connection(service), sock=listening, backlog=1024))
    loop.add_signal_handler(signal.SIGHUP, Reloader(service, listening).ask)
    for number in (signal.SIGTERM, signal.SIGINT):  # PID 1 of a container ignores what it does not handle
        loop.add_signal_handler(number, loop.stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    loop.run_forever()
    server.close()
    log.info("ended")


def digest(*paths: str) -> str:
    """Return the SHA-256 of files one after another, as of ``cat FILES | sha256sum``."""
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            total.update(file.read())
    return total.hexdigest()


def main() -> int:
    """Run the service; the exit status is 2 when it cannot be set up."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    handed = os.environ.pop(HANDOVER, None)
    only_check = sys.argv[1:2] == ["--check"]
    try:
        (path,) = sys.argv[2:] if only_check else sys.argv[1:]
    except ValueError:
        log.error("usage: %s [--check] FILE.ini", sys.argv[0])
        return 2
    try:
        loaded = digest(__file__, clustercheck_answers.__file__, galera_report.__file__, path)
        configuration = configure(read(path))
    except (OSError, UnicodeDecodeError, ConfigurationError) as error:
        log.error("%s cannot be used: %s", path, error)
        return 2
    handover = Handover.parse(handed) if handed else None
    try:
        listening = listen(configuration, handover)
    except OSError as error:
        log.error("cannot listen on %s port %d: %s", configuration.address, configuration.port, error)
        return 2
    if only_check:
        return 0
    if configuration.loaded_file:
        try:
            with open(configuration.loaded_file, "w", encoding="ascii") as file:
                file.write(loaded + "\n")
        except OSError as error:
            log.warning("%s cannot be written: %s", configuration.loaded_file, error)
    serve(configuration, listening, handover)
    return 0


if __name__ == "__main__":
    sys.exit(main())
