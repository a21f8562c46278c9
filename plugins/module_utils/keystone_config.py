# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keystone.conf says of Keystone's database and keys."""

from __future__ import annotations

import configparser
from typing import Any, Dict
from urllib.parse import parse_qs, unquote, urlsplit

MAX_ACTIVE_KEYS = 3
"""Keys that a rotation leaves in a repository where keystone.conf does not say (keystone.conf.fernet_tokens)."""


class KeystoneConfigError(Exception):
    """keystone.conf cannot be used, or names no database that can be."""


def _parsed(text: str) -> configparser.RawConfigParser:
    """keystone.conf as oslo.config reads it: the last of repeated options counts, and sections may come twice."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, delimiters=("=", ":"))
    try:
        # oslo.config has options before the first section in DEFAULT, which configparser refuses.
        parser.read_string("[DEFAULT]\n" + text)
    except configparser.Error as error:
        raise KeystoneConfigError(f"it cannot be read: {error}") from None
    return parser


def max_active_keys(text: str) -> int:
    """How many Fernet keys a rotation leaves, of the section ``[fernet_tokens]``.

    :param text: keystone.conf.
    :raises KeystoneConfigError: it is no number.
    """
    value = _parsed(text).get("fernet_tokens", "max_active_keys", fallback=None)
    try:
        return int(value) if value else MAX_ACTIVE_KEYS
    except ValueError:
        raise KeystoneConfigError("max_active_keys in its section [fernet_tokens] is no number") from None


def connection(text: str) -> str:
    """The ``connection`` of the ``[database]`` section.

    :param text: keystone.conf.
    :raises KeystoneConfigError: there is none.
    """
    value = _parsed(text).get("database", "connection", fallback=None)
    if not value:
        raise KeystoneConfigError("it has no connection in its section [database]")
    return value.strip()


def login(url: str) -> Dict[str, Any]:
    """How to log in to the database of a SQLAlchemy URL.

    :returns: ``login_host`` and ``login_port`` or ``login_unix_socket``, ``login_user``, ``login_password``,
        ``database``, and ``ca_cert`` where the URL has one; the names of the options of ``keystone_merge``.
    :raises KeystoneConfigError: it is no URL of MySQL or MariaDB; the message has no part of the URL but its scheme.
    """
    parts = urlsplit(url)
    if parts.scheme.split("+")[0] not in ("mysql", "mariadb"):
        raise KeystoneConfigError(
            f"its database is {parts.scheme.split('+')[0] or 'no URL'}, and only MySQL and MariaDB can be merged"
        )
    try:
        port = parts.port or 3306
    except ValueError:
        raise KeystoneConfigError("the port of its database is no number") from None
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    found: Dict[str, Any] = {
        "login_user": unquote(parts.username or ""),
        "login_password": unquote(parts.password or ""),
        "database": unquote(parts.path.lstrip("/")),
    }
    if not found["database"]:
        raise KeystoneConfigError("its database URL names no database")
    if "unix_socket" in query:
        found["login_unix_socket"] = query["unix_socket"]
    else:
        found.update(login_host=parts.hostname or "localhost", login_port=port)
    if "ssl_ca" in query:
        found["ca_cert"] = query["ssl_ca"]
    return found
