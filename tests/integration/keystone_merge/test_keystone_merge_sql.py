# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SQL of the merge says on a real server is what Python says: weights of names, texts of rows, ranges."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge import rowtext
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.collation import fingerprint
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import Database, comparison_of
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.ledger import Ledger
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.manifest import columns_of
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.population import In, KeyRequest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.rowtext import Layout, Load, within
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import Ref, Rule, Table
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.transport import Limits, TableReader
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from merge_harness import login
from merge_servers import MariaDB

pytestmark = pytest.mark.integration

# A failing example is not made smaller: that would take hours.
QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
WIDE = st.characters(codec="utf-8")
NARROW = st.characters(codec="utf-8", max_codepoint=0xFFFF)
# What is equal, or nearly so, in one collation or another; what counts as a space, or as nothing; what weighs as one.
ALIKE = st.sampled_from(
    "aAáÁä eEéß sS\u00a0\u00ad\u200b\u3000\u0301iİ\u0131IœŒﬁǆ\t\0\x01\x1a\x1e'\"\\漢\uffff"
    "\u0438\u0439\u0306l\u00b7\u0e40\u0e01\u09c7\u09be"
)


def texts(characters: st.SearchStrategy[str], longest: int) -> st.SearchStrategy[str]:
    return st.text(st.one_of(ALIKE, characters), max_size=longest)


COLLATIONS = {
    "utf8mb3_general_ci": NARROW,
    "utf8mb3_unicode_ci": NARROW,
    "utf8mb3_bin": NARROW,
    "utf8mb4_general_ci": WIDE,
    "utf8mb4_unicode_ci": WIDE,
    "utf8mb4_unicode_520_ci": WIDE,
    "utf8mb4_uca1400_ai_ci": WIDE,
    "utf8mb4_unicode_nopad_ci": WIDE,
    "utf8mb4_bin": WIDE,
}


class TestNames:
    """Comparing names as the merged database does, there and in Python."""

    @pytest.fixture(params=COLLATIONS)
    def database(self, request: pytest.FixtureRequest, stretched: MariaDB) -> Iterator[tuple[Database, str]]:
        collation = request.param
        charset = collation.split("_")[0]
        column = f"VARCHAR(60) CHARACTER SET {charset} COLLATE {collation}"
        stretched.query("CREATE OR REPLACE DATABASE names")
        stretched.query(
            f"CREATE TABLE names.project (id INT AUTO_INCREMENT PRIMARY KEY, domain_id {column}, name {column})"
        )
        found = Database(login(stretched, "names", "names"))
        found.comparison, close = comparison_of(found.login, found)
        yield found, collation
        close()
        found.close()

    def test_the_server_weighs_as_python_does(self, database: tuple[Database, str]) -> None:
        found, collation = database
        comparison = found.comparison
        assert comparison is not None
        fold = comparison.fold.fold
        request = KeyRequest("project", ("domain_id", "name"), null_equal=True, changed={"domain_id": {"a": "b"}})

        @settings(max_examples=4, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
        @given(
            names=st.lists(texts(COLLATIONS[collation], 5), min_size=60, max_size=150),
            domains=st.lists(st.one_of(st.none(), st.sampled_from("aAb")), min_size=3, max_size=3),
        )
        def check(names: list[str], domains: list[str | None]) -> None:
            found.query("DELETE FROM project")
            rows = [(domains[at % 3], name) for at, name in enumerate([*names, *(name + " " for name in names[:9])])]
            with found._connection.cursor() as cursor:
                cursor.executemany("INSERT INTO project (domain_id, name) VALUES (%s, %s)", rows)
            equal = set(found.query("SELECT a.id, b.id FROM project a JOIN project b ON a.name = b.name"))
            groups: dict[bytes, list[int]] = {}
            for id_, name in found.query("SELECT id, name FROM project"):
                groups.setdefault(fold(name), []).append(id_)
            assert equal == {(one, other) for group in groups.values() for one in group for other in group}
            assert found._bits(request) is not None
            there = Counter(found.hashes(request))
            assert there == Counter(bits for bits, _row in found.weighed(request, ()))
            assert there == Counter(
                fingerprint(b"\0".join(b"\x02" if value is None else fold(value) for value in row))
                for domain, name in rows
                for row in [("b" if domain is not None and fold(domain) == fold("a") else domain, name)]
            )
            few = frozenset(list(there)[:5])
            assert {id_ for (id_,) in found.matching(request, few, ("id",))} == {
                id_ for bits, (id_,) in found.weighed(request, ("id",)) if bits in few
            }
            parts = [KeyRequest(**{**vars(request), "part": (at, 3)}) for at in range(3)]
            assert there == sum((Counter(found.hashes(part)) for part in parts), Counter())

        check()

    def test_a_collation_of_several_levels_is_left_to_python(self, stretched: MariaDB) -> None:
        """Its weights are not those of the characters one after another."""
        stretched.query("CREATE OR REPLACE DATABASE names")
        stretched.query(
            "CREATE TABLE names.project (id INT PRIMARY KEY, name VARCHAR(60) CHARACTER SET utf8mb4 COLLATE "
            "utf8mb4_uca1400_as_cs)"
        )
        found = Database(login(stretched, "names", "names"))
        found.comparison, close = comparison_of(found.login, found)
        assert found._bits(KeyRequest("project", ("name",))) is None
        close()
        found.close()


@dataclass(frozen=True)
class Odd:
    """A table of all sorts of columns: *wide* has characters of four bytes, *raw* bytes."""

    wide: bool
    raw: bool

    @property
    def name(self) -> str:
        return f"odd_{'wide' if self.wide else 'narrow'}_{'raw' if self.raw else 'text'}"

    def ddl(self, name: str) -> str:
        charset = "utf8mb4" if self.wide else "utf8mb3"
        raw = "raw BLOB NULL, bits VARBINARY(9) NOT NULL," if self.raw else ""
        return f"""CREATE TABLE odd.{name} (
            amount INT NULL, kind ENUM('user', 'Gruppe', 'it''s') NOT NULL, name VARCHAR(20) NOT NULL,
            number INT NOT NULL, user_id VARCHAR(20) NULL, domain_id VARCHAR(20) NULL, role_id VARCHAR(20) NOT NULL,
            text TEXT NULL, plain TEXT NOT NULL, west VARCHAR(20) CHARACTER SET latin1 NULL, {raw}
            at DATETIME(6) NULL, since DATETIME NULL, day DATE NULL, big BIGINT UNSIGNED NULL, flag TINYINT(1) NULL,
            level ENUM('', 'high') NULL, PRIMARY KEY (kind, name, number)
            ) DEFAULT CHARSET {charset} COLLATE {charset}_general_ci"""

    @property
    def table(self) -> Table:
        return Table(
            self.name,
            Rule.UNION,
            ("kind", "name", "number"),
            refs=(
                Ref("user_id", "user", ("kind", frozenset({"user"}))),
                Ref("user_id", "group", ("kind", frozenset({"Gruppe"}))),
                Ref("domain_id", "project", weak=True),
                Ref("role_id", "role"),
            ),
            auto="number",
        )

    def row(self) -> st.SearchStrategy[dict[str, Any]]:
        def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
            return st.one_of(st.none(), values)

        characters = WIDE if self.wide else NARROW
        many, few = texts(characters, 40), texts(characters, 8)
        # Nothing by which a server's text would not be clear.
        clean = st.text(st.sampled_from("aÄ'\\ \n%漢\"\x1a,)("), max_size=8)
        columns: dict[str, st.SearchStrategy[Any]] = {
            "amount": maybe(st.integers(-(2**31), 2**31 - 1)),
            "kind": st.sampled_from(["user", "Gruppe", "it's"]),
            "name": st.one_of(clean, few),
            "number": st.integers(-5, 2**30),
            "user_id": maybe(st.sampled_from(["u1", "U1", "u2", "g1", "gone", "GONE", ""])),
            "domain_id": maybe(st.sampled_from(["d1", "D1", "lost", "LOST", "d2"])),
            "role_id": st.sampled_from(["r1", "R1", "r2", "lost", "Lost", "<<null>>"]),
            "text": maybe(st.one_of(clean, many)),
            "plain": st.one_of(clean, many),
            "west": maybe(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=9)),
            "at": maybe(st.sampled_from(["2026-01-02 03:04:05.000006", "1000-01-01 00:00:00.000000"])),
            "since": maybe(st.sampled_from(["2026-12-31 23:59:59", "9999-12-31 00:00:00"])),
            "day": maybe(st.just("2026-02-28")),
            "big": maybe(st.integers(0, 2**64 - 1)),
            "flag": maybe(st.integers(0, 1)),
            "level": maybe(st.sampled_from(["", "high"])),
        }
        if self.raw:
            columns.update(raw=maybe(st.binary(max_size=9)), bits=st.binary(max_size=9))
        return st.fixed_dictionaries(columns)


UNCHANGED = Ledger("a", 0)
CHANGED = {
    "user": {"u1": "new 'user'", "gone": "back\\"},
    "group": {"g1": "new group", "u1": "u9"},
    "project": {"d1": "neue Domäne"},
    "role": {"r1": 'r"9'},
}


def ledger(table: str, drop: bool) -> Ledger:
    lost = {(table, "domain_id", "project"): {"lost"}, (table, "role_id", "role"): {"LOST"}} if drop else {}
    return Ledger("b", 1, changed={**CHANGED}, lost=lost, offsets={table: 1000})


def fold(text: str) -> str:
    """Compare what is in the columns that refer to something."""
    return text.upper().rstrip(" ")


ODD = [Odd(wide, raw) for wide in (False, True) for raw in (False, True)]


class TestRows:
    """Rows as a server writes them down, and as Python does."""

    @pytest.fixture(params=ODD, ids=lambda odd: odd.name)
    def odd(self, request: pytest.FixtureRequest, stretched: MariaDB) -> Odd:
        found: Odd = request.param
        stretched.query("CREATE DATABASE IF NOT EXISTS odd")
        for name in (found.name, f"{found.name}_to"):
            stretched.query(f"DROP TABLE IF EXISTS odd.{name}")
            stretched.query(found.ddl(name))
        return found

    @staticmethod
    def fill(database: Database, name: str, rows: Sequence[dict[str, Any]]) -> None:
        database.query(f"DELETE FROM {name}")
        for row in rows:
            names = ",".join(row)
            # A name may be equal to another.
            with database._connection.cursor() as cursor, contextlib.suppress(pymysql.err.IntegrityError):
                cursor.execute(
                    f"INSERT INTO {name} ({names}) VALUES ({','.join(['%s'] * len(row))})", list(row.values())
                )

    @staticmethod
    def reader(database: Database, odd: Odd, changes: Ledger, cases: int, loads: bool = True) -> TableReader:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rowtext, "CASES", cases)
            columns = database.tables()[odd.name]
            return TableReader(database, odd.table, changes, fold, columns, Limits(loads=loads))

    @staticmethod
    def bytes_of(database: Database, name: str) -> Counter[tuple[Any, ...]]:
        columns = ",".join(f"HEX(`{column}`)" for column in database.tables()[name])
        return Counter(database.query(f"SELECT {columns} FROM {name}"))

    def test_the_server_writes_what_python_does(self, odd: Odd, stretched: MariaDB) -> None:
        database = Database(login(stretched, "odd", "odd"))
        database.begin_checking()
        target = f"{odd.name}_to"

        @settings(max_examples=12, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
        @given(rows=st.lists(odd.row(), min_size=1, max_size=12), change=st.sampled_from(["no", "yes", "drop"]))
        def check(rows: list[dict[str, Any]], change: str) -> None:
            self.fill(database, odd.name, rows)
            changes = UNCHANGED if change == "no" else ledger(odd.name, change == "drop")
            fast = self.reader(database, odd, changes, 200)
            slow = self.reader(database, odd, changes, -1)
            assert fast._sql is not None
            assert slow._sql is None
            written = []
            for reader in (fast, slow, self.reader(database, odd, changes, 200, loads=False)):
                database.query(f"DELETE FROM {target}")
                found: Counter[Any] = Counter()
                for part in reader.layout.parts:
                    got = reader.read(part, None, None)
                    marks = split(got.marks)
                    found.update(zip(marks, zip(*columns_of(got.keys, got.count))))
                    assert Counter(marks) == Counter(split(reader.marks(part, None, None)))
                    some = marks[::2]
                    if got.count:
                        assert Counter(split(reader.read(part, None, None, some).marks)) == Counter(some)
                        self.write(database, reader.destination.write(got), odd.name, target)
                written.append((found, self.bytes_of(database, target)))
            assert written[0] == written[1] == written[2]
            if change == "no":
                assert written[0][1] == self.bytes_of(database, odd.name)
            # The server of the merged database finds the same marks.
            again = self.reader(database, odd, UNCHANGED, 200)
            again._from = again._from.replace(f"`{odd.name}`", f"`{target}`")
            there = Counter(mark for part in again.layout.parts for mark in split(again.marks(part, None, None)))
            assert there == Counter(mark for mark, _key in written[0][0].elements())
            self.delete(database, fast, written[0][0], target)

        check()
        database.close()

    @staticmethod
    def write(database: Database, statement: str | Load, name: str, target: str) -> None:
        if isinstance(statement, Load):
            database.load(Load(statement.statement.replace(f"`{name}`", f"`{target}`"), statement.data, statement.rows))
        else:
            database.execute(statement.replace(f"`{name}`", f"`{target}`", 1))

    @staticmethod
    def delete(database: Database, reader: TableReader, found: Counter[Any], target: str) -> None:
        """See that a row's key finds it again, and nothing else."""
        keys = rowtext.literal_keys(list(zip(*(key for _mark, key in found))))
        total = database.count(target)
        assert total == len(keys)
        for number, key in enumerate(keys, 1):
            for statement in reader.delete([key]):
                database.execute(statement.replace(f"`{reader.table.name}`", f"`{target}`", 1))
            assert database.count(target) == total - number

    def test_ranges_hold_every_row_once(self, stretched: MariaDB) -> None:
        """Wherever a table is cut, also at keys that are equal to another or that are not there."""
        stretched.query("CREATE DATABASE IF NOT EXISTS odd")
        stretched.query("DROP TABLE IF EXISTS odd.cut")
        stretched.query(Odd(wide=True, raw=False).ddl("cut"))
        database = Database(login(stretched, "odd", "odd"))
        layout = database.layout("cut")
        assert layout.parts == ("user", "Gruppe", "it's")
        assert layout.bound_columns == ("name", "number")

        @settings(max_examples=15, deadline=None, phases=QUICKLY, suppress_health_check=SLOW)
        @given(
            rows=st.lists(Odd(wide=True, raw=False).row(), min_size=1, max_size=15),
            others=st.lists(st.tuples(texts(WIDE, 4), st.integers(-5, 9)), max_size=4),
        )
        def check(rows: list[dict[str, Any]], others: list[tuple[str, int]]) -> None:
            self.fill(database, "cut", rows)
            known = {(row["name"], row["number"]) for row in rows}
            bounds = self.in_order(database, [*known, *others])
            for part in layout.parts:
                ranges = zip([None, *bounds], [*bounds, None])
                counts = "+".join(f"({within(layout, part, low, high)})" for low, high in ranges)
                where = rowtext.one_of("kind", [part])
                assert all(times == 1 for (times,) in database.query(f"SELECT {counts} FROM cut WHERE {where}"))
            assert sum(database.count("cut", (In("kind", (part,)),)) for part in layout.parts) == database.count("cut")

        check()
        database.close()

    @staticmethod
    def in_order(database: Database, keys: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Sort keys as the index does; of those that are equal one stays."""
        database.query(
            "CREATE OR REPLACE TEMPORARY TABLE bounds (name VARCHAR(20), number INT, PRIMARY KEY (name, number)) "
            "DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci"
        )
        for key in keys:
            database.query("INSERT IGNORE INTO bounds VALUES (%s, %s)", key)
        return database.query("SELECT name, number FROM bounds ORDER BY name, number")


def split(marks: bytes) -> list[bytes]:
    return [marks[at : at + 8] for at in range(0, len(marks), 8)]


def test_a_layout_without_an_enum_in_front() -> None:
    layout = Layout("t", (rowtext.Column("a"), rowtext.Column("b", values=("x", "y"))), ("a", "b"))
    assert (layout.part_column, layout.bound_columns, layout.parts) == (None, ("a",), (None,))
