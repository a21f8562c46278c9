# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the resource agent does outside of its own process: files, processes, the database, Pacemaker, the reports."""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import election
import galera_report
import galera_state

RUN_DIRECTORY = "/run/stretch-galera"
"""In the container alone: what is here ends with it."""
QUERY_LIMIT = 5
"""Seconds for which the server may leave a question unanswered."""
REPORT_LIMIT = 2.0
"""Seconds for which another member's report is waited for."""
SCORE_LIFETIME = 60.0
"""Seconds after which the promotion score is told again, as Pacemaker may have forgotten it."""
LOG_TAIL = 65536
"""Bytes at the end of the server's log that are searched for the cause of its end."""
BINARIES = ("mariadbd", "mysqld")
INSTALLERS = ("mariadb-install-db", "mysql_install_db")


class AgentError(Exception):
    """Something stands in the way of an action; ``kind``: "configured" or "installed", as the OCF tells them apart."""

    def __init__(self, text: str, kind: str) -> None:
        """Say what, and of which kind it is."""
        super().__init__(text)
        self.kind = kind


class Parameters(NamedTuple):
    """Instance parameters of the resource, see galera_metadata.py; times in seconds."""

    config: str
    datadir: str
    state: str
    log: str
    user: str
    action_timeout: float  # of the operation that runs, by Pacemaker
    interval: float  # of a monitor; 0 for a probe

    @classmethod
    def from_environment(cls) -> "Parameters":
        """Read what Pacemaker gives; whatever is missing has its documented default.

        :raises AgentError: for a value that is of no use.
        """
        try:
            return cls(
                config=_parameter("config", "/etc/stretch-galera"),
                datadir=_parameter("datadir", "/var/lib/mysql"),
                state=_parameter("state", "/var/lib/stretch-galera-state"),
                log=_parameter("log", "/var/log/mysql/mysqld.log"),
                user=_parameter("user", "mysql"),
                action_timeout=float(_parameter("CRM_meta_timeout", "60000")) / 1000,
                interval=float(_parameter("CRM_meta_interval", "0")) / 1000,
            )
        except ValueError as error:
            raise AgentError(f"Pacemaker gives a time that is no number: {error}", "configured") from None


def _parameter(name: str, default: str) -> str:
    return os.environ.get("OCF_RESKEY_" + name) or default


def complain(text: str, code: int) -> int:
    """Say why on standard error, as the OCF wants it, and return the code."""
    sys.stderr.write("ocf-exit-reason:" + " ".join(text.split()) + "\n")
    return code


def read(path: str) -> Optional[str]:
    """The text of a file, or None where there is none, or, in /proc, no process any more."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return None


def write(path: str, text: str, mode: int = 0o644, uid: int = -1) -> None:
    """Replace a file at one stroke."""
    temporary = path + ".new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), mode)
        os.fchown(stream.fileno(), uid, -1)
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def remove(*paths: str) -> None:
    """Remove the files that are there."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


class Host:
    """This container, its server and its Pacemaker."""

    def __init__(self, parameters: Parameters) -> None:
        """Know the parameters; what is in files is read when it is asked for."""
        self.parameters = parameters
        self.probe = parameters.interval == 0
        self.defaults = os.path.join(RUN_DIRECTORY, "my.cnf")
        self._members: Optional[Dict[str, Any]] = None

    def _state(self, name: str) -> str:
        return os.path.join(self.parameters.state, name)

    def _config(self, name: str) -> str:
        return os.path.join(self.parameters.config, name)

    # Configuration

    @property
    def members(self) -> Dict[str, Any]:
        """The contents of members.json.

        :raises AgentError: if it is not what it should be.
        """
        if self._members is None:
            path = self._config("members.json")
            try:
                loaded = json.loads(read(path) or "")
                names = [str(member["name"]) for member in loaded["members"]]
                addresses = [str(member["address"]) for member in loaded["members"]]
                if loaded["self"] not in names or len(set(names)) < len(names) or len(set(addresses)) < len(addresses):
                    raise ValueError("self has to be one of the members, each with a name and an address of its own")
                int(loaded["replication_port"]), int(loaded["check_port"])
                if min(float(loaded["hang_timeout"]), float(loaded["component_timeout"])) <= 0:
                    raise ValueError("hang_timeout and component_timeout are seconds, more than 0")
            except (ValueError, KeyError, TypeError) as error:
                raise AgentError(f"{path} does not describe the members: {error}", "configured") from None
            self._members = dict(loaded)
        return self._members

    @property
    def me(self) -> str:
        """Name of this member."""
        return str(self.members["self"])

    @property
    def address(self) -> str:
        """Address of this member."""
        return next(str(member["address"]) for member in self.members["members"] if member["name"] == self.me)

    def member_names(self) -> List[str]:
        """Names of all members of all sites."""
        return [str(member["name"]) for member in self.members["members"]]

    def limit(self, name: str) -> float:
        """A time limit in seconds, hang_timeout or component_timeout."""
        return float(self.members[name])

    def key(self) -> str:
        """The key that the members sign their reports with.

        :raises AgentError: if there is none.
        """
        path = self._config("report.key")
        try:
            return str(galera_report.parse_key(read(path) or ""))
        except galera_report.ReportError as error:
            raise AgentError(f"{path}: {error}", "configured") from None

    def validate(self) -> None:
        """Check what the parameters name.

        :raises AgentError: for the first thing that is wrong.
        """
        try:
            pwd.getpwnam(self.parameters.user)
        except KeyError:
            raise AgentError(f"user: there is no {self.parameters.user} in this container", "configured") from None
        for name, path in (("datadir", self.parameters.datadir), ("state", self.parameters.state)):
            if not os.path.isdir(path):
                raise AgentError(f"{name}: {path} is no directory", "configured")
        if "wsrep_provider" not in (read(self._config("my.cnf")) or ""):
            raise AgentError(f"config: {self._config('my.cnf')} sets no wsrep_provider", "configured")
        self.key()
        self.member_names()
        self._binary(BINARIES)
        if importlib.util.find_spec("pymysql") is None:
            raise AgentError("there is no Python package PyMySQL in this container", "installed")

    @staticmethod
    def _binary(names: Tuple[str, ...]) -> str:
        for name in names:
            path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/libexec")
            if path:
                return path
        raise AgentError(f"there is no {' or '.join(names)} in this container", "installed")

    def _uid(self) -> int:
        return pwd.getpwnam(self.parameters.user).pw_uid

    def refresh_files(self) -> bool:
        """Copy configuration and certificates to where the server's user may read them; say if a certificate changed.

        The scripts of a state transfer read the configuration anew each time.
        """
        uid = self._uid()
        changed = []
        os.makedirs(os.path.join(RUN_DIRECTORY, "tls"), mode=0o755, exist_ok=True)
        os.chown(RUN_DIRECTORY, uid, -1)
        for name in ("my.cnf", "tls/ca.pem", "tls/cert.pem", "tls/key.pem"):
            text, target = read(self._config(name)), os.path.join(RUN_DIRECTORY, name)
            if text is not None and text != read(target):
                write(target, text, 0o600, uid)
                changed.append(name)
        return any(name != "my.cnf" for name in changed)

    # State

    def load_state(self) -> Dict[str, Any]:
        """What was noted last, empty at first; clocks of an earlier boot say nothing."""
        try:
            state = json.loads(read(self._state("state.json")) or "{}")
        except ValueError:
            state = {}
        if state.get("boot") != self._boot():
            for name in ("since", "written", "failed_at", "join_since", "complete_since", "unreadable_at"):
                state.pop(name, None)
        return dict(state)

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Note the state for the next action, and for clustercheck."""
        text = json.dumps(dict(state, written=time.monotonic(), boot=self._boot()), sort_keys=True)
        write(self._state("state.json"), text + "\n")

    @staticmethod
    def _boot() -> str:
        return (read("/proc/sys/kernel/random/boot_id") or "").strip()

    def started(self) -> bool:
        """Whether the resource was started in this very container."""
        return read(os.path.join(RUN_DIRECTORY, "started")) == self._container()

    def mark_started(self, started: bool) -> None:
        """Note that it was, or no longer is."""
        self._mark("started", started)
        remove(os.path.join(RUN_DIRECTORY, "score"))

    def promoted(self) -> bool:
        """Whether the resource was promoted in this very container."""
        return read(os.path.join(RUN_DIRECTORY, "promoted")) == self._container()

    def mark_promoted(self, promoted: bool) -> None:
        """Note that it was, or no longer is."""
        self._mark("promoted", promoted)

    def _mark(self, name: str, present: bool) -> None:
        path = os.path.join(RUN_DIRECTORY, name)
        if present:
            os.makedirs(RUN_DIRECTORY, exist_ok=True)
            write(path, self._container())
        else:
            remove(path)

    @staticmethod
    def _container() -> str:
        """What tells this container's run from the one before: when its first process began."""
        return (read("/proc/1/stat") or "").rsplit(")", 1)[-1].split()[19]

    def prepare(self) -> None:
        """Make what a server needs to start."""
        os.makedirs(RUN_DIRECTORY, exist_ok=True)
        remove(os.path.join(RUN_DIRECTORY, "promoted"))
        uid = self._uid()
        os.makedirs(os.path.dirname(self.parameters.log), exist_ok=True)
        for path in (self.parameters.datadir, os.path.dirname(self.parameters.log), RUN_DIRECTORY):
            os.chown(path, uid, -1)
        self.refresh_files()

    # Declarations and requests

    def _json(self, name: str) -> Any:
        """What a file of the state directory holds.

        :raises AgentError: if it is damaged: it may hold what an operator said.
        """
        text = read(self._state(name))
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise AgentError(
                f"{self._state(name)} is damaged ({error}): write it anew or remove it", "configured"
            ) from None

    def forget_declarations(self) -> None:
        """Remove what was said for an outage, or for the first deployment, that is over."""
        remove(self._state("lost.json"), self._state("first.json"))

    def restart_requested(self) -> bool:
        """Whether somebody asks for a restart of the server; the request is taken."""
        found = os.path.exists(self._state("restart"))
        remove(self._state("restart"))
        return found

    # The server

    def _processes(self) -> Iterator[Tuple[int, List[str]]]:
        """Servers with the member's configuration, those that only read a position too."""
        for entry in os.listdir("/proc"):
            arguments = (read(f"/proc/{entry}/cmdline") or "").split("\0") if entry.isdigit() else []
            if "--defaults-file=" + self.defaults in arguments and not _is_dead(entry):
                yield int(entry), arguments

    def server_pid(self) -> Optional[int]:
        """Process id of the server, if it runs."""
        return next((pid for pid, words in self._processes() if "--wsrep-recover" not in words), None)

    def recovery_runs(self) -> bool:
        """Whether a position is being read."""
        return any("--wsrep-recover" in words for _pid, words in self._processes())

    def _connect(self) -> Any:
        import pymysql  # noqa: PLC0415 - most actions have no server to talk to, and this takes its time

        return pymysql.connect(
            unix_socket=os.path.join(self.parameters.datadir, "mysql.sock"),
            user="root",
            connect_timeout=QUERY_LIMIT,
            read_timeout=QUERY_LIMIT,
            write_timeout=QUERY_LIMIT,
            autocommit=None,  # a server that rejects queries refuses to set it
        )

    def status(self) -> Optional[Mapping[str, str]]:
        """The server's wsrep status by name in lower case; None if it does not answer."""
        try:
            with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep%'")
                return {str(name).lower(): str(value) for name, value in cursor.fetchall()}
        except Exception as error:
            if not _is_of_database(error):
                raise
            return None

    def refresh_certificates(self) -> None:
        """Have the server take certificates that were renewed, without a restart.

        It refuses a certificate and a key that do not fit, as when not all files are there yet, and keeps the old ones.
        """
        pending = os.path.join(RUN_DIRECTORY, "certificates")
        if self.refresh_files():
            write(pending, "")
        if not os.path.exists(pending):
            return
        try:
            with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SET GLOBAL wsrep_provider_options = 'socket.ssl_reload=1'")
                cursor.execute("FLUSH SSL")
            remove(pending)
        except Exception as error:
            if not _is_of_database(error):
                raise

    def position(self) -> Optional[galera_state.Position]:
        """Where the data of a server that does not run stand; None if mariadbd has to be asked first.

        :raises galera_state.MemberStateError: if it cannot be known.
        """
        grastate = read(os.path.join(self.parameters.datadir, "grastate.dat"))
        if grastate is None:
            return galera_state.Position(galera_state.NULL_UUID, -1)
        position = galera_state.parse_grastate(grastate)
        if position.seqno >= 0 or position.uuid == galera_state.NULL_UUID:
            return position
        log = read(self._state("recover.log"))
        if log is None:
            return None
        remove(self._state("recover.log"))
        return galera_state.parse_recovered(log)

    def start_recovery(self) -> None:
        """Have mariadbd find the position, in the background."""
        remove(self._state("recover.log"))
        self.refresh_files()
        arguments = [self._binary(BINARIES), "--defaults-file=" + self.defaults, "--user=" + self.parameters.user]
        # Without an address the server refuses even this.
        arguments += ["--wsrep-recover", "--skip-networking", "--wsrep-cluster-address=" + self._cluster_address()]
        arguments.append("--log-error=/dev/stderr")
        self._spawn(arguments, self._state("recover.log"))

    def end_recovery(self) -> None:
        """End a server that reads a position."""
        for pid, words in list(self._processes()):
            if "--wsrep-recover" in words:
                self._end(pid, 10.0)
        remove(self._state("recover.log"))

    def start_server(self, bootstrap: bool, position: Optional[Mapping[str, Any]]) -> str:
        """Start the server in the background; return the SHA-256 of the configuration that it starts with.

        :param position: That of its data, if it is known.
        """
        self.refresh_files()
        remove(self._state("recover.log"), self._state("restart"))
        config = read(self.defaults) or ""
        write(self._state("started.cnf"), config, 0o600)
        arguments = [self._binary(BINARIES), "--defaults-file=" + self.defaults, "--user=" + self.parameters.user]
        arguments += ["--log-error=" + self.parameters.log, "--wsrep-cluster-address=" + self._cluster_address()]
        if bootstrap:
            arguments.append("--wsrep-new-cluster")
            if self._prepare_bootstrap():
                arguments.append("--init-file=" + os.path.join(RUN_DIRECTORY, "init.sql"))
        if position and position["uuid"] != galera_state.NULL_UUID and position["seqno"] >= 0:
            arguments.append("--wsrep-start-position={uuid}:{seqno}".format(**position))
        self._spawn(arguments, self.parameters.log)
        return hashlib.sha256(config.encode("utf-8")).hexdigest()

    def _cluster_address(self) -> str:
        """All members, in one order that every site shares; arbiters are none that a member could join by."""
        port = self.members["replication_port"]
        ordered = sorted(self.members["members"], key=lambda member: str(member["name"]))
        return "gcomm://" + ",".join(f"{member['address']}:{port}" for member in ordered)

    def _prepare_bootstrap(self) -> bool:
        """Have the server accept that it is the first; make its data directory if there never was one, and tell so."""
        grastate = os.path.join(self.parameters.datadir, "grastate.dat")
        text = read(grastate)
        if text is not None:
            lines = [line for line in text.splitlines() if not line.startswith("safe_to_bootstrap:")]
            write(grastate, "\n".join([*lines, "safe_to_bootstrap: 1"]) + "\n", 0o600, self._uid())
            return False
        unfinished = self._state("installing")
        if os.path.exists(unfinished):
            # Ours, and cut off before a server ever started on it.
            for name in os.listdir(self.parameters.datadir):
                path = os.path.join(self.parameters.datadir, name)
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        elif os.path.isdir(os.path.join(self.parameters.datadir, "mysql")):
            return False
        write(unfinished, "")
        done = subprocess.run(
            [
                self._binary(INSTALLERS),
                "--no-defaults",
                "--user=" + self.parameters.user,
                "--datadir=" + self.parameters.datadir,
                "--auth-root-authentication-method=socket",
                "--auth-root-socket-user=root",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            raise AgentError(
                "no data directory can be made: " + done.stderr.decode("utf-8", "replace")[-500:], "installed"
            )
        write(os.path.join(RUN_DIRECTORY, "init.sql"), read(self._config("init.sql")) or "", 0o600, self._uid())
        remove(unfinished)
        return True

    def _spawn(self, arguments: List[str], log: str) -> None:
        """Start a process that outlives this one, in a session of its own, with its output in a log."""
        environment = dict(os.environ, PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        extra = json.loads(read(self._config("environment.json")) or "{}")
        environment.update({str(name): str(value) for name, value in extra.items()})
        with open(log, "ab") as output, open(os.devnull, "rb") as nothing:
            os.fchown(output.fileno(), self._uid(), -1)
            subprocess.Popen(
                arguments,
                stdin=nothing,
                stdout=output,
                stderr=output,
                cwd="/",
                env={name: value for name, value in environment.items() if not name.startswith("OCF_")},
                start_new_session=True,
                close_fds=True,
            )

    def end_server(self) -> None:
        """Ask the server to end in good order."""
        pid = self.server_pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def end_server_and_wait(self, limit: float) -> None:
        """End the server, within the limit in good order, then by force."""
        pid = self.server_pid()
        if pid is not None:
            self._end(pid, limit)

    @staticmethod
    def _end(pid: int, limit: float) -> None:
        deadline = time.monotonic() + limit
        number = signal.SIGTERM
        while not _is_dead(str(pid)):
            if number == signal.SIGTERM or time.monotonic() > deadline:
                # The scripts of a state transfer are in the server's session.
                for each in [pid] if number == signal.SIGTERM else [pid, *_session(pid)]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(each, number)
                number = signal.SIGKILL
            time.sleep(0.2)

    def last_error(self) -> str:
        """What the server's log says of its end."""
        try:
            with open(self.parameters.log, "rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - LOG_TAIL))
                lines = stream.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            lines = []
        errors = [line for line in lines if "[ERROR]" in line]
        said = errors[-1].split("[ERROR]", 1)[1].strip() if errors else "its log says nothing of it"
        return f"{said[:300]} ({self.parameters.log})"

    # Others

    def reports(self, state: Mapping[str, Any], status: Mapping[str, str]) -> Dict[str, election.Report]:
        """The reports of all members: the others' as they give them, this one's as it is.

        :param status: That of this member's server, empty if there is none.
        """
        now = time.monotonic()
        port = int(self.members["check_port"])
        others = [dict(member, port=port) for member in self.members["members"] if member["name"] != self.me]
        found: Dict[str, Mapping[str, Any]] = dict(galera_report.fetch(others, self.key(), REPORT_LIMIT))
        found[self.me] = {
            "reachable": True,
            "answers": bool(status),
            "primary": status.get("wsrep_cluster_status") == "Primary",
            "uuid": status.get("wsrep_local_state_uuid"),
            "seqno": int(status.get("wsrep_last_committed") or -1),
            "agent": dict(state, age=0.0, phase_age=now - float(state.get("since") or now)),
            "lost": self._json("lost.json"),
            "first": self._json("first.json"),
        }
        return {name: election.report(given) for name, given in found.items()}

    def forget_told(self) -> None:
        """Have Pacemaker no longer show what the monitor said while the member was on its way.

        It keeps the last result that was not plain success until somebody cleans up. Failures stay.
        """
        node = _parameter("CRM_meta_on_node", "")
        record = os.environ.get("OCF_RESOURCE_INSTANCE", "").split(":")[0] + "_last_failure_0"
        xpath = f"//node_state[@uname='{node}']//lrm_rsc_op[@id='{record}'][@rc-code='190']"
        if shutil.which("cibadmin"):
            subprocess.run(
                ["cibadmin", "--delete", "--xpath", xpath],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )

    def set_promotion_score(self, score: Optional[int]) -> None:
        """Tell Pacemaker how much this instance wants to be promoted; None: not at all."""
        path, wanted = os.path.join(RUN_DIRECTORY, "score"), "" if score is None else str(score)
        known = read(path)
        if known == wanted and (score is None or time.time() - os.stat(path).st_mtime < SCORE_LIFETIME):
            return
        arguments = ["-v", wanted] if wanted else ["-D"]
        feature_set = [int(word) for word in _parameter("crm_feature_set", "3.0.0").split(".") if word.isdigit()]
        # The order is that of resource-agents' ocf_promotion_score.
        if feature_set >= [3, 10] or shutil.which("crm_master") is None:
            command = ["crm_attribute", "-p", os.environ.get("OCF_RESOURCE_INSTANCE", ""), *arguments]
        else:
            command = ["crm_master", "-l", "reboot", *arguments]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if done.returncode == 0 and os.path.isdir(RUN_DIRECTORY):
            write(path, wanted)


def _is_of_database(error: Exception) -> bool:
    """Whether the server, or the way to it, is at fault; the driver's errors have no name before it is imported."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] == "pymysql"


def _is_dead(pid: str) -> bool:
    """Whether a process has ended; one that only waits for its parent's attention has."""
    fields = (read(f"/proc/{pid}/stat") or ") X").rsplit(")", 1)[-1].split()
    return fields[0] in ("Z", "X")


def _session(leader: int) -> List[int]:
    """The processes of a session."""
    found = []
    for entry in os.listdir("/proc"):
        fields = (read(f"/proc/{entry}/stat") or "").rsplit(")", 1)[-1].split() if entry.isdigit() else []
        if len(fields) > 3 and fields[3] == str(leader):
            found.append(int(entry))
    return found
