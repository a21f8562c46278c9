# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: galera_member_config
short_description: Give a running Galera member its new configuration, as far as it takes it without a restart
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Compares a C(my.cnf) with the one that the running server was started with, option by option, and
    C(wsrep_provider_options) key by key. Order, spacing, comments, and dashes for underscores do not matter.
  - What a running server can take is set in it by C(SET GLOBAL); what it cannot is named, and takes a restart.
  - Other groups than the server's, as C([sst]), are read by programs that start anew each time. A change there changes
    the file alone.
  - Where no server answers nothing is done, since it takes the new file when it starts.
requirements:
  - PyMySQL
options:
  socket:
    description: Path of the server's UNIX socket, where root logs in without a password.
    type: path
    required: true
  wanted:
    description: The whole text of the wanted C(my.cnf). It is not logged, as it holds a password.
    type: str
    required: true
  started:
    description:
      - Path of the copy of the C(my.cnf) that the running server was started with. It is brought up to date with what
        the server was given since, with mode V(0600).
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Says what would be set and changes nothing.
  diff_mode:
    support: full
    description: One line for each option, the values of secrets left out.
"""

EXAMPLES = r"""
- name: The member runs with its configuration
  stretch.cluster.galera_member_config:
    socket: /var/lib/stretch-galera/mysql.sock
    wanted: "{{ lookup('ansible.builtin.template', 'my.cnf.j2') }}"
    started: /var/lib/stretch-galera-state/started.cnf
  register: configured
"""

RETURN = r"""
running:
  description: Whether a server answers.
  type: bool
  returned: success
applied:
  description: Names of the options, and keys of C(wsrep_provider_options), that were set in the running server.
  type: list
  elements: str
  returned: success
  sample: [evs.suspect_timeout, max_connections]
restart_required:
  description: Whether something takes a restart.
  type: bool
  returned: success
restart_reasons:
  description:
    - Names of the options and keys that take a restart. O(started) itself, where it is missing, since nobody knows
      then what the server was started with.
  type: list
  elements: str
  returned: success
  sample: [innodb_log_file_size]
config_file_changed:
  description: Whether anything in the file differs, so that the server's own copy must be replaced for its next start.
  type: bool
  returned: success
"""

import contextlib
import traceback
from typing import Any, Iterator

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import pymysql

    PYMYSQL_ERROR = None
except ImportError:
    PYMYSQL_ERROR = traceback.format_exc()

from ansible_collections.stretch.cluster.plugins.module_utils import galera_config as config
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.galera import DYNAMIC_PROVIDER_OPTIONS

NOT_SETTABLE = (1193, 1228, 1229, 1230, 1238)
"""Server's errors: unknown, of sessions only, of the global scope only, without a default, read-only."""
CLIENT_ERRORS = 2000
"""From here on it is not the server that complains: the connection is gone."""
SECONDS = 60
"""A limit for statements: a buffer pool takes its time to shrink."""


class Server:
    """The running server."""

    def __init__(self, connection: Any) -> None:
        """Speak over a connection, and learn the server's variables."""
        self.connection = connection
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT LOWER(variable_name), variable_type, read_only FROM information_schema.system_variables "
                "WHERE variable_scope <> 'SESSION ONLY'"
            )
            self.variables = {
                str(name): config.Variable(str(kind), str(read_only) == "NO")
                for name, kind, read_only in cursor.fetchall()
            }

    def set_variable(self, name: str, value: str | None) -> str:
        """Set one of its variables, to its default if there is no value; the answer is as carry_out() wants it."""
        if value is None:
            return self._execute(f"SET GLOBAL {name} = DEFAULT")
        try:
            given = config.literal(value, self.variables[name].type)
        except ValueError as error:
            return str(error)
        return self._execute(f"SET GLOBAL {name} = %s", given)

    def set_provider(self, key: str, value: str) -> str:
        """Set one key of wsrep_provider_options; the answer is as carry_out() wants it."""
        return self._execute("SET GLOBAL wsrep_provider_options = %s", f"{key}={value}")

    def _execute(self, statement: str, *values: Any) -> str:
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement, values)
        except pymysql.err.Error as error:
            code, text = error.args[0], str(error.args[-1])
            if not isinstance(code, int) or code >= CLIENT_ERRORS:
                raise
            return config.NOT_SETTABLE if code in NOT_SETTABLE else text
        return ""


@contextlib.contextmanager
def connected(path: str) -> Iterator[Server | None]:
    """The server behind a socket; None when none answers."""
    try:
        connection = pymysql.connect(unix_socket=path, user="root", connect_timeout=5, read_timeout=SECONDS)
    except pymysql.err.OperationalError:
        yield None
        return
    with contextlib.closing(connection):
        yield Server(connection)


def read(path: str) -> str | None:
    """The text of a file; None if there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


class RefusedError(Exception):
    """The server refused values; the text says which and why."""


def reconfigure(module: AnsibleModule, server: Server, started: str) -> dict[str, Any]:
    """Compare, set what can be set, and record it; returns the module's result.

    :raises RefusedError: if the server refuses a value. What it did take is recorded.
    """
    wanted_text = module.params["wanted"]
    before, after = config.parse(started), config.parse(wanted_text)
    plan = config.plan(before, after, server.variables, DYNAMIC_PROVIDER_OPTIONS)
    outcome = config.Outcome(tuple(sorted([*plan.set_variables, *plan.set_provider])), (), {})
    if not module.check_mode:
        outcome = config.carry_out(plan, server.set_variable, server.set_provider)
    restart = sorted({*plan.restart, *outcome.restart})
    pending = {*restart, *outcome.refused}
    now = config.in_force(before, after, pending)
    changed = bool(outcome.done) or bool(config.compare(before, now))
    if changed and not module.check_mode:
        text = config.write(now) if pending else wanted_text
        path = module.params["started"]
        write_file(path, text.encode("utf-8"), module.atomic_move, 0o600)
    if outcome.refused:
        raise RefusedError("The running server refuses " + "; ".join(outcome.refused.values()))
    return {
        "changed": changed,
        "running": True,
        "applied": list(outcome.done),
        "restart_required": bool(restart),
        "restart_reasons": restart,
        "config_file_changed": bool(plan.changes),
        "diff": config.diff(plan.changes),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "wanted": {"type": "str", "required": True, "no_log": True},
            "started": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if PYMYSQL_ERROR:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_ERROR)
    path = module.params["started"]
    result: dict[str, Any] = {
        "changed": False,
        "running": False,
        "applied": [],
        "restart_required": False,
        "restart_reasons": [],
        "config_file_changed": True,
    }
    try:
        with connected(module.params["socket"]) as server:
            started = read(path)
            if server and started is None:
                result.update(running=True, restart_required=True, restart_reasons=[path])
            elif server and started is not None:
                result = reconfigure(module, server, started)
    except (config.ConfigError, RefusedError, pymysql.err.Error, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
