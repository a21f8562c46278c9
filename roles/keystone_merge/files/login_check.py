# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log users in on a merged database: Keystone's own application, in this process and on no port.

Run by the Python that runs Keystone, 3.6 or newer. Reads from standard input, as JSON: `config`, Keystone's
configuration; `connection`, the merged database, as oslo.config reads it; `keys`, number and key of the repositories
`fernet` and `credential`; both may be nothing where those of the configuration are to be used; `logins`, what to try.
Where `url` is one, the Keystone there uses the merged database already and is asked instead, which saves loading one;
where `briefly` is true it is not asked what it thinks of the tokens that it gives, and all log in at once; with
`processes` so many log in at once before, so that each process of that Keystone has loaded what that takes.
Prints on its last line, as JSON: `logins`, what came of each, `stack`, `user` and `problem`, which is empty for one who
was let in; and `error`, why Keystone could not be asked, empty where it could.

Without `url` nothing of it must be noticed: no shared cache is used, no log file, no message goes out, and nothing is
written to the database, where Keystone would note who came when and who failed to, and lock users out by that.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

Application = Callable[[Dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Answer = Tuple[str, Dict[str, str], bytes]

SECONDS = 60

CONFIG = """
[DEFAULT]
log_config_append =
log_file =
log_dir =
use_syslog = false
use_journal = false
use_stderr = true
insecure_debug = true
notification_opt_out = identity.authenticate.success
notification_opt_out = identity.authenticate.pending
notification_opt_out = identity.authenticate.failed
[database]
{connection}
max_retries = 1
retry_interval = 1
[cache]
enabled = false
"""
KEYS = """
[{section}]
key_repository = {directory}
"""
# Receipts of a login in several steps use the keys of the tokens.
SECTIONS = {"fernet": ("fernet_tokens", "fernet_receipts"), "credential": ("credential",)}


def write_configuration(directory: str, request: Dict[str, Any]) -> str:
    """Write what differs from Keystone's own configuration below a new directory; gives the file."""
    connection = request.get("connection")
    text = CONFIG.format(connection=f"connection = {connection}" if connection else "")
    for name, keys in (request.get("keys") or {}).items():
        repository = os.path.join(directory, name)
        os.mkdir(repository, 0o700)
        for number, key in keys.items():
            with open(os.path.join(repository, str(int(number))), "w", encoding="ascii") as file:
                file.write(key)
        text += "".join(KEYS.format(section=section, directory=repository) for section in SECTIONS[name])
    path = os.path.join(directory, "merged.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def load(*files: str) -> Application:
    """Keystone's application with these files of configuration, of which the last has the last word."""
    # Keystone reads the arguments of the process. Files that are named so come behind those of keystone.conf.d.
    sys.argv = ["keystone-wsgi-public"]
    for file in files:
        sys.argv += ["--config-file", file]
    from keystone.server import wsgi  # noqa: PLC0415 - it reads the arguments
    from sqlalchemy import event, orm  # noqa: PLC0415 - Keystone's Python has it

    event.listen(orm.Session, "before_flush", forget)
    application: Application = wsgi.initialize_public_application()
    return application


def forget(session: Any, _context: Any, _instances: Any) -> None:
    """Drop what is about to be written."""
    for one in list(session.new):
        session.expunge(one)
    for one in list(session.dirty):
        session.expire(one)


def body_of(login: Dict[str, Any]) -> Dict[str, Any]:
    """The request for a token."""
    user = {
        "name": login["user"],
        "domain": {"name": login.get("user_domain") or "Default"},
        "password": login["password"],
    }
    auth: Dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if login.get("project"):
        domain = login.get("project_domain") or user["domain"]["name"]
        auth["scope"] = {"project": {"name": login["project"], "domain": {"name": domain}}}
    return {"auth": auth}


def ask_server(url: str, method: str, body: bytes = b"", headers: Optional[Dict[str, str]] = None) -> Answer:
    """As :func:`ask`, of the Keystone at *url*."""
    request = urllib.request.Request(  # noqa: S310 - the operator names it
        url + "/auth/tokens", method=method, data=body or None, headers={"Content-Type": "application/json"}
    )
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as found:  # noqa: S310
            return str(found.status), {name.lower(): value for name, value in found.getheaders()}, found.read()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}", {}, error.read()


def ask(application: Application, method: str, body: bytes = b"", headers: Optional[Dict[str, str]] = None) -> Answer:
    """The status, the headers by their names in small letters, and the body of the answer of /v3/auth/tokens."""
    environ: Dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/v3/auth/tokens",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "5000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_ACCEPT": "application/json",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ.update({"HTTP_" + name.upper().replace("-", "_"): value for name, value in (headers or {}).items()})
    answered: List[Any] = []

    def start(status: str, found: List[Tuple[str, str]], _error: Any = None) -> None:
        answered[:] = [status, {name.lower(): value for name, value in found}]

    chunks = application(environ, start)
    try:
        content = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    return answered[0], answered[1], content


def reason(status: str, content: bytes) -> str:
    """Why Keystone refused, in a line."""
    try:
        message = json.loads(content.decode("utf-8"))["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = ""
    message = message.replace("(Disable insecure_debug mode to suppress these details.)", "")
    return " ".join(f"{status} {message}".split())


def attempt(send: Callable[..., Answer], login: Dict[str, Any], briefly: bool = False) -> str:
    """Log in, and let Keystone read the token that it gave; what is wrong, or nothing."""
    status, headers, content = send("POST", json.dumps(body_of(login)).encode("utf-8"))
    if not status.startswith("201"):
        return reason(status, content)
    if briefly:
        return ""
    token = headers["x-subject-token"]
    status, _headers, content = send("GET", headers={"X-Auth-Token": token, "X-Subject-Token": token})
    return "" if status.startswith("200") else "the token is not accepted: " + reason(status, content)


def warm(send: Callable[..., Answer], logins: List[Dict[str, Any]], processes: int) -> None:
    """Log in so many times at once. What comes of it does not count: who loads the policy may answer 403 to another."""

    def once(login: Dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            attempt(send, login)

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(once, itertools.islice(itertools.cycle(logins), processes)))


def main() -> None:
    """Try all logins."""
    request = json.load(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"))
    os.umask(0o077)
    # A run that is ended takes the keys away too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = tempfile.mkdtemp(prefix="login-check-")
    found: List[Dict[str, str]] = []
    failed = ""
    try:
        logins = request["logins"]
        if request.get("url"):
            send = partial(ask_server, request["url"])
        else:
            send = partial(ask, load(request["config"], write_configuration(directory, request)))
        if request.get("url") and request.get("processes"):
            warm(send, logins, int(request["processes"]))
        if request.get("url") and request.get("briefly"):
            with ThreadPoolExecutor(len(logins) or 1) as pool:
                problems = list(pool.map(partial(attempt, send, briefly=True), logins))
        else:
            # One after another: a Keystone that has just started may answer 403 while another thread loads its policy.
            problems = [attempt(send, login) for login in logins]
        found = [
            {"stack": login["stack"], "user": login["user"], "problem": problem}
            for login, problem in zip(logins, problems)
        ]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is told in a line
        failed = " ".join(f"{type(error).__name__}: {error}".split())
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.write("\n" + json.dumps({"logins": found, "error": failed}) + "\n")


if __name__ == "__main__":
    main()
