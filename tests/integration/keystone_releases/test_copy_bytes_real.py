# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy is the same to the byte, whatever the columns and the values are."""

from __future__ import annotations

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.copying import (
    Copies,
    drop_copy,
    look,
    make_copy,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database, Login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from merge_servers import MariaDB, user

pytestmark = pytest.mark.integration

TEXTS = [
    "", " ", "plain", "it's", 'a "quoted" one', "back\\slash", "\\N", "\\", "NUL\0in it", "\x1a", "tab\tand\nline\r",
    "Größe 漢字", "\U0001f600\U0001f3f3\ufe0f\u200d\U0001f308", "),(", "NULL", "%s %% {}", "\x01\x02\x1e\x1f", "a`b",
    "x" * 70000, "\u2028", "trailing ", "ÿ\x7f",
]  # fmt: skip
STRUCTURE = """
CREATE TABLE texts (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, plain TEXT, wide LONGTEXT CHARACTER SET utf8mb4,
    narrow TEXT CHARACTER SET latin1, bytes LONGBLOB, fixed BINARY(4)) DEFAULT CHARSET=utf8mb3;
CREATE TABLE numbers (
    id BIGINT UNSIGNED NOT NULL PRIMARY KEY, small TINYINT, big BIGINT, exact DECIMAL(30,10), rough DOUBLE, flag BIT(3),
    at DATETIME(6), day DATE, stamp TIMESTAMP NULL, yes BOOLEAN CHECK (yes IN (0, 1)));
CREATE TABLE link (
    kind ENUM('z', 'a', 'it''s') NOT NULL, name VARCHAR(64) CHARACTER SET utf8mb4 NOT NULL, number INT NOT NULL,
    other INT NULL, PRIMARY KEY (kind, name, number), UNIQUE KEY u (other),
    CONSTRAINT fk_link FOREIGN KEY (number) REFERENCES texts (id) ON DELETE CASCADE);
CREATE TABLE chain (
    id VARCHAR(8) NOT NULL PRIMARY KEY, parent VARCHAR(8), FOREIGN KEY (parent) REFERENCES chain (id));
CREATE TABLE nothing (id INT NOT NULL PRIMARY KEY);
CREATE VIEW seen AS SELECT id FROM texts
"""
NUMBERS = """
INSERT INTO numbers VALUES
    (0, -128, -9223372036854775808, -0.0000000001, 1e-300, b'101', '2037-01-01 00:00:00.123456', '0000-00-00',
        '2026-11-24 12:00:00', 1),
    (18446744073709551615, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (7, 0, 0, 12345678901234567890.0123456789, 0.1, b'0', '1000-01-01 00:00:00', '9999-12-31', '1970-01-02', 0)
"""


def login(server: MariaDB, name: str, database: str) -> Login:
    """Log in as root."""
    return Login(name, user=user(), unix_socket=server.socket, database=database)


@pytest.fixture(scope="module")
def source(regions: MariaDB) -> MariaDB:
    """Make a database of all sorts of values."""
    regions.query("CREATE DATABASE odd CHARACTER SET latin1")
    with regions.cursor("odd") as cursor:
        cursor.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+07:00'")
        for statement in STRUCTURE.split(";"):
            cursor.execute(statement)
        for number, text in enumerate(TEXTS):
            basic = "".join(character for character in text if ord(character) < 0x10000)
            latin = text.encode("latin-1", "ignore").decode("latin-1")
            row = (number, basic, text, latin, bytes(range(256)) + text.encode(), text.encode()[:4])
            cursor.execute("INSERT INTO texts VALUES (%s, %s, %s, %s, %s, %s)", row)
        cursor.execute("INSERT INTO texts (id, wide) VALUES (1000, REPEAT('ü\\\\', 500000))")
        cursor.execute("INSERT INTO texts (id) VALUES (2000), (-1)")
        cursor.execute(NUMBERS)
        for kind in ("z", "a", "it's"):
            for number in range(len(TEXTS)):
                name = TEXTS[number][:64]
                cursor.execute("INSERT INTO link VALUES (%s, %s, %s, NULL)", (kind, name, number))
        cursor.execute("SET SESSION foreign_key_checks = 0")
        cursor.execute("INSERT INTO chain VALUES ('a', 'b'), ('b', 'a'), ('lost', 'nowhere')")
    return regions


def test_every_value_arrives(source: MariaDB, stretched: MariaDB) -> None:
    database = Database(login(source, "odd", "odd"))
    try:
        database.begin_reading()
        seen = look(database)
        copy = make_copy(database, seen, login(stretched, "copy", "stretch_copy_odd"), "odd_state")
    finally:
        database.close()
    there = Database(login(stretched, "copy", "stretch_copy_odd"))
    try:
        assert look(there).checksums == seen.checksums
        known = Copies(there, "odd_state").find("stretch_copy_odd")
    finally:
        there.close()
    assert seen.is_of(known)
    assert known is not None
    assert known.rows == copy.rows
    assert stretched.content("stretch_copy_odd") == {
        table: rows for table, rows in source.content("odd").items() if table != "seen"
    }
    for table in copy.rows:
        structures = [server.query(f"SHOW CREATE TABLE {name}.{table}")[0][1] for server, name in (
            (source, "odd"), (stretched, "stretch_copy_odd"))]  # fmt: skip
        assert structures[0] == structures[1]


def test_a_copy_goes_also_where_the_state_that_knew_it_is_gone(source: MariaDB, stretched: MariaDB) -> None:
    stretched.query("CREATE DATABASE stretch_copy_left")
    stretched.query("CREATE TABLE stretch_copy_left.x (id INT PRIMARY KEY)")
    server = Database(login(stretched, "copy", ""))
    try:
        copies = Copies(server, "no_state")
        assert drop_copy(server, "stretch_copy_left", copies, check=True)
        assert stretched.query("SHOW DATABASES LIKE 'stretch_copy_left'")
        assert drop_copy(server, "stretch_copy_left", copies, check=False)
        assert not stretched.query("SHOW DATABASES LIKE 'stretch_copy_left'")
        assert not drop_copy(server, "stretch_copy_left", copies, check=False)
        with pytest.raises(MergeError, match="holds tables that no copy brought there"):
            drop_copy(server, "mysql", copies, check=False)
    finally:
        server.close()


def test_what_has_no_snapshot_is_refused(source: MariaDB) -> None:
    source.query("CREATE DATABASE old")
    source.query("CREATE TABLE old.ancient (id INT PRIMARY KEY) ENGINE=MyISAM")
    database = Database(login(source, "old", "old"))
    try:
        with pytest.raises(MergeError, match=r"not InnoDB, so it cannot be read in one snapshot .* table ancient"):
            look(database)
    finally:
        database.close()
