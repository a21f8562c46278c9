# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners of resources in the databases of a region's services, when projects and users have other ids.

No table of columns: an id is a random UUID, so a column that has one as its value means that project or user, whatever
it is called and whichever service or release it belongs to. Within longer texts an id is looked for only where it is
known to stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import Values

CHUNK = 500
"""Ids that one statement has."""
ID_LENGTH = 32
OWNED_BY = ("project", "user", "group", "domain")
"""Kinds of what can own something; roles and services are Keystone's own."""
TEXTS = (("request_specs", "spec"), ("build_requests", "instance"), ("instance_extra", "keypairs"))
"""Columns of Nova with JSON that has ids of projects and users in it, and that Nova reads again."""
COUNTED = (("projects", "external_id", "project_id"), ("users", "external_id", "user_id"))
"""Tables of Placement in which an id may be once, and the column of its consumers that leads there."""
# Keystone's own database is not a service's: the merge made a new one of it.
NOT_SERVICES = ("keystone",)

_ID = re.compile(r"^(?:[0-9a-f]{32}|[0-9a-f]{64})$")


class OwnerIdsError(Exception):
    """The ids cannot be followed; the text says why and what to do."""


@dataclass(frozen=True)
class Column:
    """A column of a database; ``text``: an id is within its value."""

    table: str
    name: str
    text: bool = False

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.table}.{self.name}"


Statement = Tuple[str, Tuple[str, ...]]
"""SQL and its parameters."""


def mapping(entries: Sequence[Mapping[str, str]], reverse: bool = False) -> Tuple[Dict[str, str], List[str]]:
    """Return new ids by old ones, or the other way round, and the ids that cannot be followed.

    An id that people chose can stand for other things in a database, and is not followed.

    :param entries: each with ``kind``, ``old`` and ``new``.
    :raises OwnerIdsError: it is not clear what becomes of an id.
    """
    owners = [entry for entry in entries if entry["kind"] in OWNED_BY]
    strange = [entry for entry in owners if not (_ID.match(entry["old"]) and _ID.match(entry["new"]))]
    pairs = [
        (entry["new"], entry["old"]) if reverse else (entry["old"], entry["new"])
        for entry in owners
        if entry not in strange
    ]
    found = dict(pairs)
    unclear = sorted({before for before, after in pairs if found[before] != after} | (set(found) & set(found.values())))
    if unclear:
        raise OwnerIdsError(f"it is not clear what becomes of {', '.join(unclear)}; nothing has been changed")
    return found, sorted(entry["old"] for entry in strange)


def connections(found: Values) -> List[str]:
    """Return the URLs of databases that a service's configuration has."""
    return [
        options[name]
        for section, options in found.items()
        for name in ("connection", "sql_connection")
        if options.get(name, "").startswith(("mysql", "mariadb")) and (section == "DEFAULT" or "database" in section)
    ]


def cell_connection(template: str, own: str) -> str:
    """Return the URL of a cell's database, whose template nova.conf's ``[database] connection`` fills as Nova does."""
    parts = urlsplit(own)
    hosts = parts.netloc.rpartition("@")[2]
    values = {
        "scheme": parts.scheme,
        "username": parts.username or "",
        "password": parts.password or "",
        "hostname": parts.hostname or "",
        "port": str(parts.port or ""),
        "path": parts.path.lstrip("/"),
        "query": parts.query,
        "fragment": parts.fragment,
        "netloc": hosts,
    }
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match.group(1), match.group(0)), template)


def columns(rows: Sequence[Sequence[Any]]) -> List[Column]:
    """Return the columns in which owners can stand.

    :param rows: table, column, type and length of all columns of a database.
    """
    return [
        Column(table, name, (table, name) in TEXTS)
        for table, name, kind, length in rows
        if (table, name) in TEXTS or (kind in ("char", "varchar") and int(length or 0) >= ID_LENGTH)
    ]


def _chunks(ids: Mapping[str, str]) -> List[Dict[str, str]]:
    pairs = sorted(ids.items())
    return [dict(pairs[start : start + CHUNK]) for start in range(0, len(pairs), CHUNK)]


def _marks(ids: Mapping[str, str]) -> str:
    return ", ".join(["%s"] * len(ids))


def counts(table: str, of: Sequence[Column], ids: Mapping[str, str]) -> List[Statement]:
    """Return queries of one row each: how often each column has one of the old ids. Their sums count."""
    found = []
    for chunk in _chunks(ids):
        terms, parameters = [], []
        for column in of:
            if column.text:
                terms.append("SUM(" + " OR ".join([f"IFNULL(`{column.name}`, '') LIKE %s"] * len(chunk)) + ")")
                parameters += [f"%{old}%" for old in chunk]
            else:
                terms.append(f"SUM(IFNULL(`{column.name}`, '') IN ({_marks(chunk)}))")
                parameters += list(chunk)
        found.append((f"SELECT {', '.join(terms)} FROM `{table}`", tuple(parameters)))
    return found


def joins(tables: Sequence[str], ids: Mapping[str, str]) -> List[Statement]:
    """Return what makes one of two owners of Placement, where the new id has been seen already."""
    if "consumers" not in tables:
        return []
    found: List[Statement] = []
    for table, column, reference in COUNTED:
        if table not in tables:
            continue
        for old, new in sorted(ids.items()):
            both = f"`{table}` AS one JOIN `{table}` AS other ON one.`{column}` = %s AND other.`{column}` = %s"
            whose = f"consumers.`{reference}`"
            found.append((f"UPDATE consumers JOIN ({both}) ON {whose} = one.id SET {whose} = other.id", (old, new)))
            found.append((f"DELETE one FROM {both}", (old, new)))
    return found


def updates(column: Column, ids: Mapping[str, str]) -> List[Statement]:
    """Return what gives a column the new ids. A row that has its like under the new id already stays."""
    where = f"UPDATE IGNORE `{column.table}` SET `{column.name}` = "
    if column.text:
        return [
            (f"{where}REPLACE(`{column.name}`, %s, %s) WHERE `{column.name}` LIKE %s", (old, new, f"%{old}%"))
            for old, new in sorted(ids.items())
        ]
    found = []
    for chunk in _chunks(ids):
        cases = " ".join(["WHEN %s THEN %s"] * len(chunk))
        parameters = [one for pair in chunk.items() for one in pair] + list(chunk)
        found.append(
            (f"{where}CASE `{column.name}` {cases} END WHERE `{column.name}` IN ({_marks(chunk)})", tuple(parameters))
        )
    return found
