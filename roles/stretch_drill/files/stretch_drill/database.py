# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to members and VIPs: TLS with the cluster's CA, and short limits of time on everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pymysql
from pymysql.connections import Connection

from .injector import USER
from .model import PRIMARY_STATES, DrillError, Status

Connect = Callable[[], "Connection[Any]"]

LIMIT = 2.0
"""Seconds that a member may take to answer a writer or the watcher."""
READ_LIMIT = 60.0
"""Seconds that it may take to give all rows in the end, replication caught up."""

Errors = (pymysql.err.MySQLError, OSError)

NAMES = (
    "wsrep_cluster_conf_id",
    "wsrep_cluster_size",
    "wsrep_cluster_state_uuid",
    "wsrep_cluster_status",
    "wsrep_incoming_addresses",
    "wsrep_local_state_comment",
)
# SHOW is what a member outside of the Primary component still answers.
STATUS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('{}')".format("','".join(NAMES))


def connector(address: str, port: int, password: str, ca: str, limit: float = LIMIT) -> Connect:
    """A function that connects to an address as the drill's user."""

    def connect() -> Connection[Any]:
        return pymysql.connect(
            host=address,
            port=port,
            user=USER,
            password=password,
            ssl_ca=ca,
            ssl_verify_cert=True,
            # A member behind a VIP has a certificate of its own name.
            ssl_verify_identity=False,
            autocommit=True,
            connect_timeout=limit,
            read_timeout=limit,
            write_timeout=limit,
        )

    return connect


def status_from(values: Mapping[str, str]) -> Status:
    """What a member says of itself, from its status variables by name."""
    state = values["wsrep_local_state_comment"]
    # "Joining: preparing for State Transfer" and the like are Joining.
    plain = state.split(":", 1)[0]
    return Status(
        primary=values["wsrep_cluster_status"] == "Primary" and plain in PRIMARY_STATES,
        state=plain,
        history=values["wsrep_cluster_state_uuid"],
        view=int(values["wsrep_cluster_conf_id"]),
        size=int(values["wsrep_cluster_size"]),
        endpoints=tuple(values["wsrep_incoming_addresses"].split(",")),
    )


def ask_status(connection: Connection[Any]) -> Status:
    """Ask a member for its status.

    :raises pymysql.err.MySQLError, OSError: when it does not answer as it should.
    """
    with connection.cursor() as cursor:
        cursor.execute(STATUS)
        values = dict(cursor.fetchall())
    missing = [name for name in NAMES if name not in values]
    if missing:
        raise pymysql.err.InterfaceError(f"says nothing of {missing[0]}")
    return status_from(values)


def provider_seconds(options: str, name: str) -> float:
    """A time in seconds from wsrep_provider_options, such as PT5S or P0DT0H1M30S.

    :raises DrillError: when it is not there.
    """
    text = next(
        (
            value
            for key, _equals, value in (each.strip().partition(" = ") for each in options.split(";"))
            if key == name
        ),
        "",
    )
    seconds, number = 0.0, ""
    units = {"D": 86400, "H": 3600, "M": 60, "S": 1}
    for letter in text.upper():
        if letter.isdigit() or letter == ".":
            number += letter
        elif letter in units and number:
            seconds += float(number) * units[letter]
            number = ""
    if not seconds:
        raise DrillError(f"the provider's option {name} is {text!r}, which is no time")
    return seconds


def suspect_timeout(connect: Connect) -> float:
    """evs.suspect_timeout of a member, seconds.

    :raises DrillError: when it cannot be had.
    """
    try:
        connection = connect()
        with connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL VARIABLES LIKE 'wsrep_provider_options'")
            row = cursor.fetchone()
    except Errors as error:
        raise DrillError(f"a member does not tell its timeouts: {error}") from error
    return provider_seconds(row[1] if row else "", "evs.suspect_timeout")


def node_name(connection: Connection[Any]) -> str:
    """The member that a connection leads to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@wsrep_node_name")
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def insert(connection: Connection[Any], site: str, number: int, payload: bytes) -> None:
    """Insert one row; it is committed when this returns."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO stretch_drill.written VALUES (%s, %s, %s)", (site, number, payload))


def read_rows(connect: Connect) -> set[tuple[str, int]]:
    """Every row that a member has when it has applied all that the cluster has committed.

    :raises pymysql.err.MySQLError, OSError: when it cannot say.
    """
    connection = connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.execute("SELECT site, number FROM stretch_drill.written")
        return {(str(site), int(number)) for site, number in cursor.fetchall()}
