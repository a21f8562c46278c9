# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: owner_ids
short_description: Resources follow their owners, when these have other ids
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - A merge of Keystones gives some projects and users another id. Whatever they own in the databases of a region's
    services (servers, images, networks, quotas, ...) has the old one. This puts the new one there.
  - It reads the services' configuration on this host, logs in to each database that is named there and to those of
    Nova's cells, and looks in every column that can hold an id. The database of Keystone itself is left alone.
  - A row of which there is one for the new id already (as a quota of the project) stays, and is told.
  - Each database changes in one transaction. A run that was interrupted is repeated.
options:
  ids:
    description:
      - The ids that changed, as in the map that M(stretch.cluster.keystone_merge) writes. Only those of what can own
        something count, that is, projects, users, groups and domains.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: What it is, as V(project).
        type: str
        required: true
      old:
        description: The id before.
        type: str
        required: true
      new:
        description: The id now.
        type: str
        required: true
  reverse:
    description: Put the old ids back.
    type: bool
    default: false
  directories:
    description:
      - Directories that have a directory of configuration for each service, as patterns.
    type: list
    elements: str
    default: [/etc]
requirements:
  - PyMySQL
attributes:
  check_mode:
    support: full
    description: Counts what would change, by a transaction that is undone.
  diff_mode:
    support: full
    description: Shows how many rows of which columns change.
"""

EXAMPLES = r"""
- name: Servers, images and networks stay whose they are
  stretch.cluster.owner_ids:
    ids:
      - {kind: project, old: 0d4cc10ce84e4a3ca4b2d6ce4c1aa1ad, new: 7f5e5dc1e3a441ceb2d2d4b1ba4c0b8e}
    directories: [/var/lib/config-data/puppet-generated/*/etc]
"""

RETURN = r"""
databases:
  description: Databases that were looked at.
  type: list
  elements: str
  returned: success
  sample: [glance, neutron, nova, nova_api, nova_cell0, placement]
rows:
  description: How many rows changed, by database and column.
  type: dict
  returned: success
  sample: {"nova.instances.project_id": 3}
left:
  description: How many rows stayed, because there is one of the new id already, by database and column.
  type: dict
  returned: success
  sample: {"neutron.quotausages.project_id": 2}
not_followed:
  description: Old ids that were not looked for. People chose them, so they can stand for other things too.
  type: list
  elements: str
  returned: success
"""

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_config import KeystoneConfigError, login
from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import values
from ansible_collections.stretch.cluster.plugins.module_utils.owner_ids import (
    NOT_SERVICES,
    Column,
    OwnerIdsError,
    cell_connection,
    columns,
    connections,
    counts,
    joins,
    mapping,
    updates,
)
from ansible_collections.stretch.cluster.plugins.module_utils.service_files import ServiceFilesError, configurations

try:
    import pymysql

    PYMYSQL_ERROR = None
except ImportError:
    PYMYSQL_ERROR = traceback.format_exc()

TIMEOUT = 600
"""Seconds that a statement may take."""
COLUMNS = """
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH FROM information_schema.COLUMNS
JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME)
WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME, COLUMN_NAME
"""


def configured(directories: list[str]) -> list[str]:
    """Return the URLs of all databases of the services that are configured on this host."""
    found = [
        url
        for service, documents in configurations(directories)
        if service.name not in NOT_SERVICES
        for url in connections(values(list(documents.values())))
    ]
    return list(dict.fromkeys(found))


@contextlib.contextmanager
def connected(url: str, keep: bool = False) -> Iterator[tuple[str, Any]]:
    """Give the name of a database and a cursor in it; what it changes is kept, or else undone, at the end."""
    where = login(url)
    address = (
        {"unix_socket": where["login_unix_socket"]}
        if "login_unix_socket" in where
        else {"host": where["login_host"], "port": where["login_port"]}
    )
    connection = pymysql.connect(
        user=where["login_user"],
        password=where["login_password"],
        database=where["database"],
        charset="utf8mb4",
        connect_timeout=10,
        read_timeout=TIMEOUT,
        write_timeout=TIMEOUT,
        ssl={"ca": where["ca_cert"]} if "ca_cert" in where else None,
        **address,
    )
    try:
        with connection.cursor() as cursor:
            yield where["database"], cursor
        if keep:
            connection.commit()
    finally:
        # What is not committed is undone by this.
        connection.close()


def with_cells(urls: list[str]) -> list[str]:
    """Add the databases of Nova's cells, which Nova's own database of the API knows."""
    found = dict.fromkeys(urls)
    own = {login(url)["database"]: url for url in urls}
    for url in urls:
        with connected(url) as (_database, cursor):
            if cursor.execute("SHOW TABLES LIKE 'cell_mappings'"):
                cursor.execute("SELECT database_connection FROM cell_mappings")
                # A cell is named by the URL of its database, or by a template that nova.conf fills.
                base = own.get("nova", url)
                found.update(dict.fromkeys(cell_connection(row[0], base) for row in cursor.fetchall()))
    databases: dict[tuple[Any, ...], str] = {}
    for url in found:
        where = login(url)
        databases.setdefault((where.get("login_host"), where.get("login_port"), where["database"]), url)
    return list(databases.values())


def occurrences(cursor: Any, wanted: list[Column], ids: dict[str, str]) -> dict[Column, int]:
    """Return how many rows of which columns have an old id."""
    found: dict[Column, int] = {}
    for table in dict.fromkeys(column.table for column in wanted):
        of = [column for column in wanted if column.table == table]
        for sql, parameters in counts(table, of, ids):
            cursor.execute(sql, parameters)
            for column, count in zip(of, cursor.fetchone()):
                if count:
                    found[column] = found.get(column, 0) + int(count)
    return found


def follow(url: str, ids: dict[str, str], check: bool) -> tuple[str, dict[str, int], dict[str, int]]:
    """Bring one database up to the new ids: its name, what changes or would, and what stays."""
    # What a change would find in its way only the change itself shows.
    with connected(url, keep=not check) as (database, cursor):
        cursor.execute(COLUMNS, (database,))
        rows = cursor.fetchall()
        wanted = columns(rows)
        before = occurrences(cursor, wanted, ids)
        left: dict[Column, int] = {}
        if before:
            for sql, parameters in joins([row[0] for row in rows], ids):
                cursor.execute(sql, parameters)
            for column in before:
                for sql, parameters in updates(column, ids):
                    cursor.execute(sql, parameters)
            left = occurrences(cursor, list(before), ids)
    changed = {column: count - left.get(column, 0) for column, count in before.items()}
    return (
        database,
        {f"{database}.{column}": count for column, count in changed.items() if count},
        {f"{database}.{column}": count for column, count in left.items()},
    )


def ensure(module: AnsibleModule) -> dict[str, Any]:
    """Do what the options say; the module's result."""
    ids, strange = mapping(module.params["ids"], module.params["reverse"])
    databases, rows, left = [], {}, {}
    if ids:
        for url in with_cells(configured(module.params["directories"])):
            database, changed, stayed = follow(url, ids, module.check_mode)
            databases.append(database)
            rows.update(changed)
            left.update(stayed)
    after = "".join(f"{name}: {count} rows have the new ids\n" for name, count in sorted(rows.items()))
    return {
        "changed": bool(rows),
        "databases": sorted(databases),
        "rows": rows,
        "left": left,
        "not_followed": strange,
        "diff": {"before": "", "after": after},
    }


def main() -> None:
    """Run the module."""
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "ids": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"kind": text, "old": text, "new": text},
            },
            "reverse": {"type": "bool", "default": False},
            "directories": {"type": "list", "elements": "str", "default": ["/etc"]},
        },
        supports_check_mode=True,
    )
    if PYMYSQL_ERROR:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_ERROR)
    try:
        result = ensure(module)
    except (OwnerIdsError, KeystoneConfigError, ServiceFilesError, OSError) as error:
        module.fail_json(msg=str(error))
    except pymysql.err.MySQLError as error:
        module.fail_json(msg=f"a database of the region's services cannot be used: {error}. Run this again.")
    if result["not_followed"]:
        module.warn("These ids changed, and what they own keeps them: " + ", ".join(result["not_followed"]))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
