# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of wanted files makes of what is on a host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.config_files import (
    ConfigFilesError,
    Entry,
    Observed,
    diff,
    digest,
    entries,
    parse_mode,
    plan,
    to_content,
)

DIRECTORY = Observed("directory", 0o755)


def a_file(path: str, **options: Any) -> dict[str, Any]:
    defaults = {"content": "x", "mode": "0644", "owner": None, "group": None, "force": True, "sensitive": False}
    return {"path": path, "state": "present", **defaults, **options}


def a_directory(path: str, **options: Any) -> dict[str, Any]:
    return {"path": path, "mode": "0755", "owner": None, "group": None, **options}


def wanted(*files: dict[str, Any], directories: tuple[dict[str, Any], ...] = ()) -> list[Entry]:
    def number(name: str | None) -> int | None:
        return None if name is None else int(name)

    return entries(files, directories, number, number)


def steps(found: list[Entry], **host: Observed) -> list[tuple[str, str]]:
    """The actions on a host where a keyword a_b says what is at /a/b."""
    there = {"/" + name.replace("_", "/"): observed for name, observed in host.items()}
    changes = plan(found, lambda path: there.get(path, Observed("absent")))
    return [(change.action, change.entry.path) for change in changes]


def test_parents_are_made_once_and_first() -> None:
    found = wanted(a_file("/a/b/y"), a_file("/a/b/x"), directories=(a_directory("/a/c/d", mode="0700"),))
    assert steps(found) == [
        ("mkdir", "/a"),
        ("mkdir", "/a/c"),
        ("mkdir", "/a/c/d"),
        ("mkdir", "/a/b"),
        ("write", "/a/b/x"),
        ("write", "/a/b/y"),
    ]


def test_a_wanted_directory_gets_its_own_mode_though_a_child_is_wanted_too() -> None:
    found = wanted(a_file("/a/b"), directories=(a_directory("/a/c"), a_directory("/a", mode="0700")))
    changes = plan(found, lambda _path: Observed("absent"))
    assert [(change.entry.path, change.entry.mode) for change in changes][:2] == [("/a", 0o700), ("/a/c", 0o755)]


@pytest.mark.parametrize(
    ("options", "before", "expected"),
    [
        ({}, Observed("file", 0o644, content=b"x"), []),
        ({}, Observed("file", 0o644, content=b"y"), [("write", "/a/f")]),
        ({}, Observed("file", 0o600, content=b"x"), [("attributes", "/a/f")]),
        ({"owner": "5"}, Observed("file", 0o644, 5, 9, b"x"), []),
        ({"owner": "5"}, Observed("file", 0o644, 6, 9, b"x"), [("attributes", "/a/f")]),
        ({"group": "5"}, Observed("file", 0o644, 5, 9, b"x"), [("attributes", "/a/f")]),
        ({"force": False}, Observed("file", 0o600, 6, 9, b"y"), []),
        ({"force": False}, Observed("absent"), [("write", "/a/f")]),
        ({"state": "absent"}, Observed("file", 0o600), [("remove", "/a/f")]),
        ({"state": "absent"}, Observed("absent"), []),
    ],
)
def test_changes_of_a_file(options: dict[str, Any], before: Observed, expected: list[tuple[str, str]]) -> None:
    assert steps(wanted(a_file("/a/f", **options)), a=DIRECTORY, a_f=before) == expected


def test_removal_makes_no_parents() -> None:
    assert steps(wanted(a_file("/a/b/c", state="absent", content=None))) == []


@pytest.mark.parametrize(
    ("files", "directories", "message"),
    [
        ([a_file("a/b")], (), "no absolute, plain path"),
        ([a_file("/a/../b")], (), "no absolute, plain path"),
        ([a_file("//a")], (), "no absolute, plain path"),
        ([a_file("/a"), a_file("/a")], (), "/a is named twice"),
        ([a_file("/a")], (a_directory("/a/"),), "/a is named twice"),
        ([a_file("/a"), a_file("/a/b")], (), "to be a file and the parent directory of /a/b"),
        ([a_file("/a", mode="420")], (), "leading zero"),
        ([a_file("/a", content=None)], (), "content is missing"),
        ([a_file("/a", content=5)], (), "content is a int"),
    ],
)
def test_contradictions(files: list[dict[str, Any]], directories: tuple[dict[str, Any], ...], message: str) -> None:
    with pytest.raises(ConfigFilesError, match=message):
        wanted(*files, directories=directories)


@pytest.mark.parametrize(
    ("found", "host", "message"),
    [
        (wanted(a_file("/a/f")), {"a": Observed("file")}, "/a/f: /a is no directory"),
        (wanted(a_file("/a")), {"a": DIRECTORY}, "/a is there but is no file"),
        (wanted(a_file("/a", state="absent")), {"a": DIRECTORY}, "/a is there but is no file"),
        (wanted(directories=(a_directory("/a"),)), {"a": Observed("other")}, "/a is there but is no directory"),
    ],
)
def test_what_is_in_the_way_is_an_error(found: list[Entry], host: dict[str, Observed], message: str) -> None:
    with pytest.raises(ConfigFilesError, match=message):
        steps(found, **host)


def test_content() -> None:
    assert to_content({"b": [1], "a": True}, "/x") == b'{\n    "a": true,\n    "b": [\n        1\n    ]\n}\n'
    assert to_content("ä\n", "/x") == "ä\n".encode()
    assert parse_mode("01777", "/x") == 0o1777


def test_options_are_set_and_all_else_stays() -> None:
    found = wanted(a_file("/f", content=None, options={"a": {"x": 1, "y": "new"}, "b": {"z": True}}))
    (change,) = plan(found, lambda _path: Observed("file", 0o644, content=b"[a]\ny = old\nregion_name = r\n"))
    assert change.entry.content == b"[a]\ny = new\nregion_name = r\nx = 1\n\n[b]\nz = True\n"
    assert not plan(found, lambda _path: Observed("file", 0o644, content=change.entry.content))
    (made,) = plan(found, lambda _path: Observed("absent"))
    assert made.entry.content == b"[a]\nx = 1\ny = new\n\n[b]\nz = True\n"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (a_file("/f", options={"a": {"x": 1}}), "either content or options"),
        (a_file("/f", content=None, options={"a": "x"}), "values by their names, by sections"),
    ],
)
def test_options_that_cannot_be_meant(item: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigFilesError, match=message):
        wanted(item)


def test_options_cannot_be_set_in_what_is_no_configuration() -> None:
    found = wanted(a_file("/f", content=None, options={"a": {"x": 1}}))
    with pytest.raises(ConfigFilesError, match="/f: line 1 is in no section; mend it or remove it"):
        plan(found, lambda _path: Observed("file", 0o644, content=b"x = 1\n"))


def test_diff_hides_a_sensitive_content_but_not_the_mode() -> None:
    found = wanted(a_file("/a/f", content="new-secret", mode="0600", sensitive=True))
    before = Observed("file", 0o644, content=b"old-secret")
    (change,) = plan(found, lambda path: before if path == "/a/f" else DIRECTORY)
    assert diff(change) == {
        "before_header": "/a/f",
        "after_header": "/a/f",
        "before": "mode: 0644\n",
        "after": "mode: 0600\n[sensitive] changed\n",
    }


def test_diff_of_a_removed_file_shows_what_goes() -> None:
    (change,) = plan(
        wanted(a_file("/a/f", state="absent")),
        lambda path: Observed("file", content=b"old\n") if path == "/a/f" else DIRECTORY,
    )
    assert (diff(change)["before"], diff(change)["after"]) == ("old\n", "")


def test_digest() -> None:
    base = digest(wanted(a_file("/a"), a_file("/b")))
    assert digest(wanted(a_file("/b"), a_file("/a"))) == base
    assert digest(wanted(a_file("/b"), a_file("/a"), directories=(a_directory("/d"),))) == base
    assert digest(wanted(a_file("/b"), a_file("/a", owner="7"))) == base
    different = [
        wanted(a_file("/a", content="y"), a_file("/b")),
        wanted(a_file("/a", mode="0600"), a_file("/b")),
        wanted(a_file("/a", force=False), a_file("/b")),
        wanted(a_file("/a", state="absent"), a_file("/b")),
        wanted(a_file("/a")),
        wanted(a_file("/a", content=None, options={"a": {"x": 1}}), a_file("/b")),
        wanted(a_file("/a", content=None, options={"a": {"x": 2}}), a_file("/b")),
    ]
    assert len({base, *map(digest, different)}) == 8
    once = [digest(wanted(a_file("/a", force=False, content=text))) for text in ("x", "y")]
    assert once[0] == once[1]
