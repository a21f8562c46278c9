# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets, and the file that holds them."""

from __future__ import annotations

import base64
import re

import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_secrets import (
    KINDS,
    SecretsError,
    check_wanted,
    extend,
    load,
)

DOUBTFUL = ("1e5",)  # a string in YAML 1.1, a number in 1.2


def test_kinds() -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{32}", KINDS["password"]())
    assert re.fullmatch(r"[0-9a-f]{32}", KINDS["hex"]())
    assert len(base64.urlsafe_b64decode(KINDS["fernet"]())) == 32


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_secret_twice(kind: str) -> None:
    assert len({KINDS[kind]() for _each in range(50)}) == 50


def test_what_is_there_stays_to_the_letter() -> None:
    text = "# mine\n\nb: 'kept'\nold: kept-too"
    found, added = extend(text, load(text, "f"), {"b": "hex", "c": "hex", "a": "password"})
    assert added == ["a", "c"]
    assert found.startswith(text + "\na: ")
    assert extend(found, load(found, "f"), {"b": "hex", "c": "hex", "a": "password"}) == (found, [])


def test_a_new_file_is_yaml_of_strings() -> None:
    wanted = {f"{kind}_{number}": kind for kind in KINDS for number in range(100)}
    text, added = extend(None, [], wanted)
    assert load(text, "f") == added == sorted(wanted)
    values = yaml.safe_load(text)
    assert sorted(values) == added
    assert {type(value) for value in values.values()} == {str}


@pytest.mark.parametrize(
    "source",
    [
        "word",
        "a1b2",
        "9abc",
        "'it''s: a # b'",
        '"a\\nb"',
        "a/b+c=",
        "1e5x",
        "with-dash",
        '"#"',
        "0",
        "yes",
        "1e5",
        "0x1f",
    ],
)
def test_a_line_by_hand_is_taken_where_yaml_takes_it_for_a_string(source: str) -> None:
    if isinstance(yaml.safe_load(f"a: {source}")["a"], str) and source not in DOUBTFUL:
        assert load(f"a: {source}\n", "f") == ["a"]
    else:
        with pytest.raises(SecretsError):
            load(f"a: {source}\n", "f")


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n"])
def test_a_file_without_secrets_lost_them(text: str) -> None:
    with pytest.raises(SecretsError, match="holds no secret"):
        load(text, "f")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a: "geheim\n', 1),
        ('a: "x"\nb\n', 2),
        ("a: {b: geheim}\n", 1),
        ("a:\n  b: geheim\n", 1),
        ("a: [geheim]\n", 1),
        ("a: 12345\n", 1),
        ("a: true\n", 1),
        ('a: ""\n', 1),
        ('a: "x"\na: "y"\n', 2),
        ("a: geheim # b\n", 1),
        ("a: *geheim\n", 1),
        ("a: |\n  geheim\n", 1),
        ("\0\0\0\n", 1),
    ],
)
def test_a_damaged_file_is_an_error_that_holds_no_value(text: str, line: int) -> None:
    with pytest.raises(SecretsError, match=f"^f, line {line}: .* left as it is") as error:
        load(text, "f")
    assert "geheim" not in str(error.value)


def test_a_file_in_a_vault() -> None:
    with pytest.raises(SecretsError, match="ansible-vault"):
        load("$ANSIBLE_VAULT;1.1;AES256\n6431\n", "f")


@pytest.mark.parametrize(("name", "kind"), [("a-b", "hex"), ("", "hex"), ("a", "uuid"), ("a", None), ("a", ["hex"])])
def test_bad_wishes(name: str, kind: object) -> None:
    with pytest.raises(SecretsError):
        check_wanted({name: kind})


def test_no_wish() -> None:
    with pytest.raises(SecretsError, match="at least one"):
        check_wanted({})
