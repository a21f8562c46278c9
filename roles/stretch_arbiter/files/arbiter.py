# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run garbd, a voter without data, and keep it from being a cluster of its own.

When all members stop one after another, garbd stays behind as a Primary component without data, and harms what comes
after it. A member that is bootstrapped and then meets it is ended by Galera ("conflicting prims: older overrides", the
older one being garbd's); one that had only lost the connection and comes back is ended too ("Group requested
repl_proto_ver: 127"); and garbd forgets the addresses of those that left, so that it never votes again. (Measured with
Galera 26.4.23.) So garbd is ended as soon as its Primary component has arbiters only, and started anew: in no
component, and waiting for a member.

It is not ended for being alone as such. A garbd that is cut off is in no Primary component, and where the last one
broke into pieces, Galera forms it again only if everyone of it comes back under the name in gvwstate.dat. That file
tells the two apart: garbd writes it for each Primary component that it is in, with the segment of every voter; segment
0 is the arbiters'. It stays when garbd is killed, and goes when garbd leaves in good order.

Usage: ``arbiter.py FILE.json``. Python 3.6 or newer, its standard library, garbd in PATH.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import json
import logging
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from typing import IO, Any, Dict, List, NamedTuple, Optional, Tuple

VIEW = "gvwstate.dat"
SEGMENT_OF_ARBITERS = 0
POLL = 0.25
"""Seconds between two looks at garbd and its files."""
PAUSE = 2.0
"""Seconds before garbd is started again."""
LEAVE = 15.0
"""Seconds that garbd has to leave in good order."""
SETTLE = 5.0
"""Seconds that changed TLS files must have stayed as they are: a key comes after its certificate."""
TLS_OPTIONS = ("socket.ssl_ca", "socket.ssl_cert", "socket.ssl_key")

MEMBER = re.compile(r"^member:\s+\S+\s+(\d+)\s*$", re.MULTILINE)
COMPONENT = re.compile(r"New COMPONENT: primary = (yes|no)")

log = logging.getLogger("arbiter")


class ConfigurationError(Exception):
    """The file cannot be used; the text says what to change."""


class Configuration(NamedTuple):
    """The JSON file: names of garbd and the cluster, where its members are (gcomm://), where garbd keeps its view."""

    name: str
    group: str
    address: str
    options: Dict[str, str]
    directory: str


def configure(text: str) -> Configuration:
    """Read the text of the file.

    :raises ConfigurationError: for unknown, missing and impossible values.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"is no JSON: {error}") from error
    if not isinstance(values, dict) or set(values) != set(Configuration._fields):
        raise ConfigurationError("needs exactly {}".format(", ".join(Configuration._fields)))
    options = values["options"]
    if not isinstance(options, dict) or not all(isinstance(value, (str, int, float)) for value in options.values()):
        raise ConfigurationError("options has to be an object of texts and numbers")
    # gcomm:// alone would make garbd found a cluster.
    if not re.match(r"^gcomm://[^/?,]", str(values["address"])):
        raise ConfigurationError("address has to be gcomm:// and the members' addresses")
    values["options"] = {name: str(value) for name, value in options.items()}
    return Configuration(**values)


def command(configuration: Configuration) -> List[str]:
    """Return garbd and its arguments. Without a member in reach it waits for one, instead of giving up after 30 s."""
    options = {"pc.wait_prim": "no", **configuration.options}
    return [
        "garbd",
        "--name",
        configuration.name,
        "--group",
        configuration.group,
        "--address",
        configuration.address,
        "--options",
        ";".join("{}={}".format(*option) for option in sorted(options.items())),
    ]


def without_data(view: str) -> bool:
    """Tell from a gvwstate.dat whether that Primary component had no voter but arbiters."""
    segments = [int(found) for found in MEMBER.findall(view)]
    return bool(segments) and all(segment == SEGMENT_OF_ARBITERS for segment in segments)


def primary(line: str, before: Optional[bool]) -> Optional[bool]:
    """Return whether garbd is in a Primary component after a line of its log; None as long as it did not say."""
    found = COMPONENT.search(line)
    return found.group(1) == "yes" if found else before


def identity(path: str) -> Optional[Tuple[int, int, int]]:
    """Return what changes when a file is written or replaced, None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


class Garbd:
    """The one garbd."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.view = os.path.join(configuration.directory, VIEW)
        self.process: Optional[subprocess.Popen[str]] = None
        self.primary: Optional[bool] = None

    def start(self) -> None:
        """Start it in its directory, and hand on what it says.

        :raises OSError: when it cannot be started.
        """
        if self.without_data():
            self.forget()
        self.primary = None
        self.process = subprocess.Popen(
            command(self.configuration),
            cwd=self.configuration.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            errors="replace",
        )
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()

    def _listen(self, output: IO[str]) -> None:
        for line in output:
            self.primary = primary(line, self.primary)
            sys.stdout.write(line)
            sys.stdout.flush()

    def ended(self) -> Optional[int]:
        """Return its exit status, None while it runs."""
        assert self.process is not None  # noqa: S101  # for the type checker
        return self.process.poll()

    def stop(self) -> None:
        """End it: in good order, so that the others need not wait for it.

        Where it is in no Primary component, there is nothing to leave, and its view has to stay: it is killed.
        """
        assert self.process is not None  # noqa: S101
        if self.primary is False:
            self.process.kill()
        else:
            self.process.terminate()
        try:
            self.process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def without_data(self) -> bool:
        """Whether its last Primary component had arbiters only."""
        try:
            with open(self.view, encoding="ascii", errors="replace") as file:
                return without_data(file.read())
        except FileNotFoundError:
            return False

    def forget(self) -> None:
        """Forget the view, which would be a Primary component again after a start."""
        if os.path.exists(self.view):
            os.unlink(self.view)


class Certificates:
    """The TLS files. garbd reads them when it starts only."""

    def __init__(self, options: Dict[str, str]) -> None:
        self.paths = [options[name] for name in TLS_OPTIONS if name in options]
        self.used = self.seen = self.look()
        self.since = time.monotonic()

    def look(self) -> Tuple[Any, ...]:
        """Return what changes with the files."""
        return tuple(identity(path) for path in self.paths)

    def renewed(self) -> bool:
        """Whether there are other files than garbd has, that have settled and that fit together; each is told once."""
        now = self.look()
        if now != self.seen:
            self.seen, self.since = now, time.monotonic()
        if now == self.used or time.monotonic() - self.since < SETTLE:
            return False
        self.used = now
        authority, certificate, key = self.paths
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_verify_locations(authority)
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            log.error("the new certificate is not used, garbd keeps the old one: %s", error)
            return False
        return True


def run(configuration: Configuration, end: threading.Event) -> None:
    """Keep garbd running until the end is asked for.

    :raises OSError: when it cannot be started.
    """
    garbd = Garbd(configuration)
    certificates = Certificates(configuration.options)
    garbd.start()
    while not end.wait(POLL):
        status = garbd.ended()
        if status is not None:
            log.warning("garbd ended with %s", status)
        elif garbd.without_data():
            log.warning("the members have left, and a Primary component without data is in the way: garbd leaves too")
            garbd.stop()
            garbd.forget()
        elif certificates.renewed():
            log.info("the certificate was renewed: garbd leaves and comes back")
            garbd.stop()
        else:
            continue
        if not end.wait(PAUSE):
            garbd.start()
    if garbd.ended() is None:
        garbd.stop()


def main() -> int:
    """Run the service; the exit status is 2 when it cannot be set up."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        (path,) = sys.argv[1:]
    except ValueError:
        log.error("usage: %s FILE.json", sys.argv[0])
        return 2
    try:
        with open(path, encoding="utf-8") as file:
            configuration = configure(file.read())
    except (OSError, UnicodeDecodeError, ConfigurationError) as error:
        log.error("%s cannot be used: %s", path, error)
        return 2
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # PID 1 of a container ignores what it does not handle
        signal.signal(number, lambda *_arguments: end.set())
    try:
        run(configuration, end)
    except OSError as error:
        log.error("garbd cannot be started: %s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
