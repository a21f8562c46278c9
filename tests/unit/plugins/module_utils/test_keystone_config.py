# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import keystone_config
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[database]\nconnection = mysql://a/b\n", "mysql://a/b"),
        ("[database]\nconnection: mysql://a/b\n", "mysql://a/b"),
        ("debug = true\n[database]\nconnection=mysql://a/b?c=d\n[token]\nprovider = fernet\n", "mysql://a/b?c=d"),
        # oslo.config takes the last of a repeated option, and sections may come twice.
        ("[database]\nconnection = one\n[token]\n[database]\nconnection = two\n", "two"),
        ("# connection = no\n[database]\n#connection = no\nconnection = 100%_$x\n", "100%_$x"),
    ],
)
def test_connection(text: str, expected: str) -> None:
    assert keystone_config.connection(text) == expected


@pytest.mark.parametrize("text", ["", "[DEFAULT]\nconnection = x\n", "[database]\n", "[database]\nconnection =\n"])
def test_no_connection(text: str) -> None:
    with pytest.raises(keystone_config.KeystoneConfigError, match="no connection"):
        keystone_config.connection(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 3),
        ("[fernet_tokens]\n#max_active_keys = 9\n", 3),
        ("[fernet_tokens]\nmax_active_keys =\n", 3),
        ("[fernet_tokens]\nmax_active_keys = 5\n[database]\n[fernet_tokens]\nmax_active_keys=7\n", 7),
    ],
)
def test_max_active_keys(text: str, expected: int) -> None:
    assert keystone_config.max_active_keys(text) == expected


def test_max_active_keys_that_is_none() -> None:
    with pytest.raises(keystone_config.KeystoneConfigError, match="max_active_keys in its section"):
        keystone_config.max_active_keys("[fernet_tokens]\nmax_active_keys = many\n")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "mysql+pymysql://keystone:secret@10.0.20.5/keystone?charset=utf8",
            {"login_host": "10.0.20.5", "login_port": 3306, "login_user": "keystone", "login_password": "secret"},
        ),
        (
            "mysql+pymysql://k:p@[fd00::5]:3307/keystone?read_default_file=/etc/my.cnf.d/tripleo.cnf",
            {"login_host": "fd00::5", "login_port": 3307, "login_user": "k", "login_password": "p"},
        ),
        (
            "mysql://k:p@localhost/keystone?unix_socket=/run/mysqld/mysqld.sock",
            {"login_unix_socket": "/run/mysqld/mysqld.sock", "login_user": "k", "login_password": "p"},
        ),
        (
            "mariadb+pymysql://k:p@db/keystone?ssl_ca=/etc/pki/ca.pem",
            {
                "login_host": "db",
                "login_port": 3306,
                "login_user": "k",
                "login_password": "p",
                "ca_cert": "/etc/pki/ca.pem",
            },
        ),
    ],
)
def test_login(url: str, expected: dict[str, Any]) -> None:
    assert keystone_config.login(url) == {**expected, "database": "keystone"}


@given(st.text(min_size=1), st.text())
def test_a_user_and_a_password_of_any_letters(user: str, password: str) -> None:
    found = keystone_config.login(f"mysql+pymysql://{quote(user, safe='')}:{quote(password, safe='')}@db/keystone")
    assert (found["login_user"], found["login_password"]) == (user, password)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////var/lib/keystone.db", "is sqlite"),
        ("postgresql://k:topsecret@db/keystone", "is postgresql"),
        ("nonsense", "is no URL"),
        ("mysql://k:topsecret@db", "names no database"),
        ("mysql://k:topsecret@db:port/keystone", "port of its database is no number"),
    ],
)
def test_no_login_and_no_secret_in_the_reason(url: str, reason: str) -> None:
    with pytest.raises(keystone_config.KeystoneConfigError, match=reason) as error:
        keystone_config.login(url)
    assert "topsecret" not in str(error.value)
