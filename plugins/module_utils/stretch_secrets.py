# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of generated secrets: a flat YAML mapping of names to strings.

It is read and written without PyYAML, which the Python of the controller's own host need not have.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import string
from typing import Callable, Mapping

PASSWORD_LENGTH = 32
HEX_LENGTH = 32
FERNET_BYTES = 32
"""Bytes in a Fernet key, https://github.com/fernet/spec: 128 bits to sign and 128 bits to encrypt."""

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_LINE = re.compile(r"^(?P<name>[A-Za-z_][A-Za-z0-9_]*):[ ]+(?P<value>\S.*?)\s*$")
# What YAML reads as a string without quotes, and cannot take for a number, a date or a truth value.
_PLAIN = re.compile(r"^(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_./+=-]*$")
_NOT_STRINGS = re.compile(r"^(null|true|false|yes|no|on|off|y|n|[0-9][0-9_.]*e[+-]?[0-9]+|0[xob].*)$", re.IGNORECASE)


class SecretsError(Exception):
    """The secrets file or the wanted names are unusable. Never holds a value."""


def password() -> str:
    """Return letters and digits, which need no quoting anywhere."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(PASSWORD_LENGTH))


def fernet() -> str:
    """Return a Fernet key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode("ascii")


def hexadecimal() -> str:
    """Return hexadecimal digits."""
    return secrets.token_hex(HEX_LENGTH // 2)


KINDS: Mapping[str, Callable[[], str]] = {"password": password, "fernet": fernet, "hex": hexadecimal}


def check_wanted(wanted: Mapping[str, object]) -> None:
    """Raise :class:`SecretsError` unless each name is one of a variable and each kind is known."""
    for name, kind in wanted.items():
        if not _NAME.match(name):
            raise SecretsError(f"{name!r} is no name of a variable: a letter or _ first, then letters, digits, _")
        if kind not in KINDS:
            raise SecretsError(f"secret {name}: there is no kind {kind!r}; there are {', '.join(sorted(KINDS))}")


def load(text: str, path: str) -> dict[str, str]:
    """Return the secrets in the text of a file. Raises :class:`SecretsError`, which names the line alone."""
    found: dict[str, str] = {}
    if text.startswith("$ANSIBLE_VAULT"):
        raise SecretsError(f"{path} is encrypted with ansible-vault; decrypt it, new secrets are written in the clear")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#") or line.strip() in ("---", "{}"):
            continue
        match = _LINE.match(line)
        value = _scalar(match.group("value")) if match else None
        if match is None or value is None or match.group("name") in found:
            raise SecretsError(
                f'{path}, line {number}: not a line of the form name: "value" with a name of its own. The file is '
                "damaged and was left as it is: repair it or, if nothing is deployed with its secrets, remove it"
            )
        found[match.group("name")] = value
    if not found and text.strip() not in ("", "---", "{}", "--- {}"):
        raise SecretsError(f"{path} holds no secret but is not empty; repair it or remove it")
    return found


def _scalar(source: str) -> str | None:
    """Return the string that a YAML scalar in one line stands for, ``None`` if it is something else."""
    if source.startswith('"'):
        try:
            value = json.loads(source)
        except ValueError:
            return None
        return value if isinstance(value, str) and value else None
    if source.startswith("'"):
        return source[1:-1].replace("''", "'") if re.match(r"^'(?:[^']|'')+'$", source) else None
    return source if _PLAIN.match(source) and not _NOT_STRINGS.match(source) else None


def dump(values: Mapping[str, str]) -> str:
    """Return the text of the file; strings of JSON are strings of YAML."""
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in sorted(values.items())]
    return "---\n# Generated once. Whoever reads this file owns the deployment.\n" + "".join(lines)


def add_missing(existing: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return all secrets, new ones for the names that were missing, and these names."""
    added = sorted(name for name in wanted if name not in existing)
    return {**existing, **{name: KINDS[wanted[name]]() for name in added}}, added
