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
from typing import Callable, Mapping, Sequence

PASSWORD_LENGTH = 32
HEX_LENGTH = 32
FERNET_BYTES = 32
"""Bytes in a Fernet key, https://github.com/fernet/spec: 128 bits to sign and 128 bits to encrypt."""

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_LINE = re.compile(r"^(?P<name>[A-Za-z_][A-Za-z0-9_]*):[ ]+(?P<value>\S.*?)\s*$")
# What YAML reads as a string without quotes, and cannot take for a number, a date or a truth value.
_PLAIN = re.compile(r"^(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_./+=-]*$")
_NOT_STRINGS = re.compile(r"^(null|true|false|yes|no|on|off|y|n|[0-9][0-9_.]*e[+-]?[0-9]+|0[xob].*)$", re.IGNORECASE)


HEADER = "---\n# Generated once. Whoever reads this file owns the deployment.\n"


class SecretsError(Exception):
    """The secrets file or the wanted names are unusable. Never holds a value."""


def password() -> str:
    """Return letters and digits, which need no quoting anywhere."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _each in range(PASSWORD_LENGTH))


def fernet() -> str:
    """Return a Fernet key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode("ascii")


def hexadecimal() -> str:
    """Return hexadecimal digits."""
    return secrets.token_hex(HEX_LENGTH // 2)


KINDS: Mapping[str, Callable[[], str]] = {"password": password, "fernet": fernet, "hex": hexadecimal}


def check_wanted(wanted: Mapping[str, object]) -> None:
    """Raise :class:`SecretsError` unless there is a wish, each name is one of a variable and each kind is known."""
    if not wanted:
        raise SecretsError("no secret is wanted; name at least one")
    for name, kind in wanted.items():
        if not _NAME.match(name):
            raise SecretsError(f"{name!r} is no name of a variable: a letter or _ first, then letters, digits, _")
        if not isinstance(kind, str) or kind not in KINDS:
            raise SecretsError(f"secret {name}: there is no kind {kind!r}; there are {', '.join(sorted(KINDS))}")


def load(text: str, path: str) -> list[str]:
    """Return the names of the secrets in the text of a file.

    Raises :class:`SecretsError` for a file that was damaged: new secrets in it would hide the loss of those in use.
    """
    names: list[str] = []
    if text.startswith("$ANSIBLE_VAULT"):
        raise SecretsError(f"{path} is encrypted with ansible-vault; decrypt it, new secrets are written in the clear")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#") or line.strip() == "---":
            continue
        match = _LINE.match(line)
        if match is None or not _is_string(match.group("value")) or match.group("name") in names:
            raise SecretsError(
                f'{path}, line {number}: not a line of the form name: "value" with a name of its own. The file is '
                "damaged and was left as it is: repair it or, if nothing is deployed with its secrets, remove it"
            )
        names.append(match.group("name"))
    if not names:
        raise SecretsError(
            f"{path} holds no secret and was left as it is: repair it or, if it never held one, remove it"
        )
    return names


def _is_string(source: str) -> bool:
    """Return whether a YAML scalar in one line stands for a string that is not empty."""
    if source.startswith('"'):
        try:
            value = json.loads(source)
        except ValueError:
            return False
        return isinstance(value, str) and bool(value)
    if source.startswith("'"):
        return bool(re.match(r"^'(?:[^']|'')+'$", source))
    return bool(_PLAIN.match(source)) and not _NOT_STRINGS.match(source)


def extend(text: str | None, names: Sequence[str], wanted: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the text with a line for each wanted secret that is not among ``names``, and the names that are new.

    What is there stays to the letter. ``None`` stands for no file.
    """
    added = sorted(name for name in wanted if name not in names)
    head = HEADER if text is None else text if text.endswith("\n") else text + "\n"
    return head + "".join(f'{name}: "{KINDS[wanted[name]]()}"\n' for name in added), added
