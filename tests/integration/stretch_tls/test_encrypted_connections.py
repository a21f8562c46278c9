# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a real MariaDB with the certificates of the role stretch_tls: who gets in, and who is let in no more."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pymysql
import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database, Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from tls_harness import ADDRESSES, VIP, Site, TlsServer, changed

pytestmark = pytest.mark.integration

PASSWORD = "aSecret"


@pytest.fixture(autouse=True)
def user(server: tuple[Site, TlsServer]) -> None:
    """A database, and a user as the first version made it."""
    query = server[1].query
    query("CREATE OR REPLACE DATABASE keystone")
    query(f"CREATE OR REPLACE USER keystone@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE NONE")
    query("GRANT ALL ON keystone.* TO keystone@'%'")


def connect(site: Site, address: str, ca: Path | None) -> str:
    """What encrypts the connection; empty if nothing does."""
    options: dict[str, Any] = {"ssl": {"ca": str(ca)}} if ca else {"ssl_disabled": True}
    with contextlib.closing(
        pymysql.connect(host=address, port=site.port, user="keystone", password=PASSWORD, **options)
    ) as link, link.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
        row = cursor.fetchone()
    assert row is not None
    return str(row[1])


def ca_of(site: Site) -> Path:
    return site.keystone("member-0") / "stretch-ca.pem"


def test_only_names_of_the_certificate_are_believed(server: tuple[Site, TlsServer]) -> None:
    site, _running = server
    for address in (VIP, ADDRESSES["member-0"], "localhost"):
        assert connect(site, address, ca_of(site)) == "TLSv1.3"
    # Another member's address, and another authority.
    with pytest.raises(pymysql.err.OperationalError, match="IP address mismatch"):
        connect(site, ADDRESSES["member-1"], ca_of(site))
    with pytest.raises(pymysql.err.OperationalError, match="certificate verify failed"):
        connect(site, VIP, Path("/etc/ssl/certs/ca-certificates.crt"))


def test_the_merge_verifies_the_server(server: tuple[Site, TlsServer]) -> None:
    site, running = server
    running.query("ALTER USER keystone@'%' REQUIRE SSL")
    login = Login("target", VIP, site.port, "keystone", PASSWORD, ca_cert=str(ca_of(site)))
    Database(login).close()
    with pytest.raises(MergeError, match="certificate verify failed"):
        Database(Login("target", ADDRESSES["member-1"], site.port, "keystone", PASSWORD, ca_cert=str(ca_of(site))))


def test_encryption_is_demanded_once(server: tuple[Site, TlsServer]) -> None:
    site, running = server
    assert connect(site, VIP, None) == ""
    stats, _output = site.play("cutover", "encrypted", "member-0:member-1")
    assert changed(stats) == 1
    assert running.query("SELECT ssl_type FROM mysql.user WHERE User = 'keystone'") == [("ANY",)]
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        connect(site, VIP, None)
    assert connect(site, VIP, ca_of(site)) == "TLSv1.3"
    assert changed(site.play("cutover", "encrypted", "member-0:member-1")[0]) == 0


@pytest.mark.parametrize("ssl_type", ["", "ANY"])
def test_the_merge_leaves_what_the_cutover_demanded(server: tuple[Site, TlsServer], ssl_type: str) -> None:
    site, running = server
    site.extra = {
        "keystone_merge_admin_socket": str(running.socket),
        "keystone_merge_password": PASSWORD,
        "keystone_merge_sources": [],
        "keystone_merge_exec": ["env"],
        "__keystone_merge_socket": {"stat": {"exists": True}},
        "__keystone_merge_versions": {"character_set": "utf8"},
    }
    running.query("ALTER USER keystone@'%' REQUIRE " + ("SSL" if ssl_type else "NONE"))
    try:
        site.play("keystone_merge", "database", "member-0")
        stats, output = site.play("keystone_merge", "database", "member-0")
    finally:
        site.extra = {}
    assert changed(stats) == 0, output
    assert running.query("SELECT ssl_type FROM mysql.user WHERE User = 'keystone'") == [(ssl_type,)]


def test_keystone_is_not_changed_while_it_could_not_connect(server: tuple[Site, TlsServer]) -> None:
    site, running = server
    assert changed(site.play("cutover", "reachable", "member-0")[0]) == 0
    running.query("DROP USER keystone@'%'")
    stats, output = site.play("cutover", "reachable", "member-0")
    assert stats["member-0"]["failures"] == 1
    assert "Keystone has not been changed" in output
    assert PASSWORD not in output


def test_keystone_s_own_libraries_take_the_url(server: tuple[Site, TlsServer], tmp_path: Path) -> None:
    """The cutover's file, read by a real Keystone: db_sync encrypts, and believes no other authority."""
    site, running = server
    sys.path.append(str(Path(__file__).parents[1] / "keystone_merge"))
    from merge_servers import keystone_venv  # noqa: PLC0415 - it is beside the tests that make the venv

    running.query("ALTER USER keystone@'%' REQUIRE SSL")
    template = Path(__file__).parents[3] / "roles/cutover/templates/stretch.conf.j2"
    text = jinja2.Template(template.read_text(encoding="utf-8")).render(
        cutover_database_user="keystone",
        stretch_secrets={"keystone_db": PASSWORD},
        stretch_site={
            "vips": {"stretch_galera": VIP},
            "keystone": {"container_config_dir": str(ca_of(site).parent)},
        },
        cutover_database_port=site.port,
        cutover_database="keystone",
        cutover_max_active_keys=6,
        __cutover_charset="utf8",
    )

    def db_sync(configuration: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "keystone.conf").write_text("[DEFAULT]\nuse_stderr = true\n" + configuration, encoding="utf-8")
        return subprocess.run(
            [keystone_venv() / "bin/keystone-manage", "--config-file", tmp_path / "keystone.conf", "db_sync"],
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    found = db_sync(text.replace(str(ca_of(site)), "/etc/ssl/certs/ca-certificates.crt"))
    assert found.returncode != 0
    assert "certificate verify failed" in found.stderr
    assert running.query("SHOW TABLES IN keystone") == []
    found = db_sync(text)
    assert found.returncode == 0, found.stderr
    assert ("user",) in running.query("SHOW TABLES IN keystone")
