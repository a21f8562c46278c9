# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must change for a list of files and directories to be as wanted."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import OsloIniError, change

PARENT_MODE = 0o755
"""Mode of a parent directory that is made on the way."""


class ConfigFilesError(Exception):
    """The wanted files contradict each other or what is on the host."""


@dataclass(frozen=True)
class Entry:
    """A wanted file or directory. ``uid`` and ``gid`` of ``None``: as they are.

    ``options``: (section, option, value) of an INI file that alone are wanted of its content.
    """

    path: str
    directory: bool
    mode: int
    content: bytes = b""
    uid: int | None = None
    gid: int | None = None
    force: bool = True
    present: bool = True
    sensitive: bool = False
    options: tuple[tuple[str, str, str], ...] | None = None


@dataclass(frozen=True)
class Observed:
    """What is at a path now; ``kind`` is ``absent``, ``file``, ``directory`` or ``other``. Links are followed."""

    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    content: bytes = b""


@dataclass(frozen=True)
class Change:
    """One step: ``action`` is ``mkdir``, ``write``, ``attributes`` or ``remove``."""

    action: str
    entry: Entry
    before: Observed


Observer = Callable[[str], Observed]


def parse_mode(value: str, path: str) -> int:
    """Return an octal mode as a number.

    YAML reads an unquoted 0644 as the number 420, which would be another mode: so the leading zero is demanded.
    """
    if not re.match(r"^0[0-7]{3,4}$", value):
        raise ConfigFilesError(
            f"{path}: mode {value!r} is no octal mode; write it quoted and with a leading zero, as '0644'"
        )
    return int(value, 8)


def to_content(value: Any, path: str) -> bytes:
    """Return the bytes of a file; a mapping or a list is written as JSON."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, indent=4, sort_keys=True) + "\n"
    if not isinstance(value, str):
        raise ConfigFilesError(
            "{}: content is {}, but must be text, or a mapping or list to write as JSON".format(
                path, "missing" if value is None else "a " + type(value).__name__
            )
        )
    return value.encode("utf-8", "surrogateescape")


def to_options(item: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...] | None:
    """Return the options of an INI file that are to be set, if the file is wanted by them."""
    if item.get("options") is None:
        return None
    if item["content"] is not None:
        raise ConfigFilesError(f"{item['path']}: either content or options say what is in the file, not both")
    if not all(isinstance(values, dict) for values in item["options"].values()):
        raise ConfigFilesError(f"{item['path']}: options are to be values by their names, by sections")
    return tuple(
        (str(section), str(option), str(value))
        for section, values in item["options"].items()
        for option, value in values.items()
    )


def entries(
    files: Sequence[Mapping[str, Any]],
    directories: Sequence[Mapping[str, Any]],
    uid_of: Callable[[str | None], int | None],
    gid_of: Callable[[str | None], int | None],
) -> list[Entry]:
    """Return the wanted entries, directories first, parents before children. Raises :class:`ConfigFilesError`."""
    found: list[Entry] = []
    for item, directory in [(item, True) for item in directories] + [(item, False) for item in files]:
        path = str(item["path"])
        if not path.startswith("/") or posixpath.normpath(path) != path.rstrip("/") or path.startswith("//"):
            raise ConfigFilesError(f"{path!r} is no absolute, plain path")
        present = directory or item["state"] == "present"
        options = to_options(item) if present and not directory else None
        found.append(
            Entry(
                path=path.rstrip("/"),
                directory=directory,
                mode=parse_mode(str(item["mode"]), path),
                content=b"" if directory or not present or options is not None else to_content(item["content"], path),
                uid=uid_of(item["owner"]),
                gid=gid_of(item["group"]),
                present=present,
                force=directory or bool(item["force"]),
                sensitive=not directory and bool(item["sensitive"]),
                options=options,
            )
        )
    _check_contradictions(found)
    return sorted(found, key=lambda entry: (not entry.directory, entry.path))


def _check_contradictions(wanted: Sequence[Entry]) -> None:
    paths: set[str] = set()
    for entry in wanted:
        if entry.path in paths:
            raise ConfigFilesError(f"{entry.path} is named twice")
        paths.add(entry.path)
    plain = {entry.path for entry in wanted if not entry.directory}
    for entry in wanted:
        for parent in _parents(entry.path):
            if parent in plain:
                raise ConfigFilesError(f"{parent} is to be a file and the parent directory of {entry.path}")


def _parents(path: str) -> list[str]:
    """Return the parent directories of a path, the topmost first, without the root."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def plan(wanted: Sequence[Entry], observe: Observer) -> list[Change]:
    """Return the changes that make the host as wanted, in the order to make them. Raises :class:`ConfigFilesError`."""
    changes: list[Change] = []
    made: set[str] = set()
    for entry in wanted:
        if entry.present:
            changes.extend(_missing_parents(entry, observe, made))
        before = Observed("absent") if entry.path in made else observe(entry.path)
        change = _change(entry, before)
        if change:
            changes.append(change)
            made.add(entry.path)
    return changes


def _missing_parents(entry: Entry, observe: Observer, made: set[str]) -> list[Change]:
    changes = []
    for parent in _parents(entry.path):
        if parent in made:
            continue
        before = observe(parent)
        if before.kind == "absent":
            changes.append(Change("mkdir", Entry(parent, True, PARENT_MODE), before))
            made.add(parent)
        elif before.kind != "directory":
            raise ConfigFilesError(f"{entry.path}: {parent} is no directory; move it away")
    return changes


def _with_options(entry: Entry, before: Observed) -> Entry:
    """Return the entry with the content that its options make of what is there."""
    if entry.options is None:
        return entry
    wanted = {(section, option): value for section, option, value in entry.options}
    try:
        text = change(before.content.decode("utf-8", "surrogateescape"), wanted)
    except OsloIniError as error:
        raise ConfigFilesError(f"{entry.path}: {error}; mend it or remove it") from error
    return replace(entry, content=text.encode("utf-8", "surrogateescape"))


def _change(entry: Entry, before: Observed) -> Change | None:
    expected = "directory" if entry.directory else "file"
    if before.kind not in ("absent", expected):
        raise ConfigFilesError(f"{entry.path} is there but is no {expected}; move it away")
    entry = _with_options(entry, before)
    if not entry.present:
        return None if before.kind == "absent" else Change("remove", entry, before)
    if before.kind == "absent":
        return Change("mkdir" if entry.directory else "write", entry, before)
    if not entry.force:
        return None
    if not entry.directory and before.content != entry.content:
        return Change("write", entry, before)
    return Change("attributes", entry, before) if _attributes_differ(entry, before) else None


def _attributes_differ(entry: Entry, before: Observed) -> bool:
    return (
        entry.mode != before.mode
        or (entry.uid is not None and entry.uid != before.uid)
        or (entry.gid is not None and entry.gid != before.gid)
    )


def diff(change: Change) -> dict[str, str]:
    """Return one diff entry in Ansible's form: attributes first where they differ, then the content."""
    entry, before = change.entry, change.before
    old, new = "", ""
    if change.action in ("mkdir", "attributes") or (before.kind != "absent" and _attributes_differ(entry, before)):
        old, new = _attribute_lines(entry, before)
    if change.action in ("write", "remove"):
        if entry.sensitive:
            new += "[sensitive] changed\n"
        else:
            old += before.content.decode("utf-8", "replace")
            new += entry.content.decode("utf-8", "replace")
    return {"before_header": entry.path, "after_header": entry.path, "before": old, "after": new}


def _attribute_lines(entry: Entry, before: Observed) -> tuple[str, str]:
    if not entry.present:
        return "", ""
    old = [] if before.kind == "absent" else [f"mode: {before.mode:04o}"]
    new = [f"mode: {entry.mode:04o}"]
    for label, wanted, now in (("owner", entry.uid, before.uid), ("group", entry.gid, before.gid)):
        if wanted is not None:
            new.append(f"{label}: {wanted}")
            if before.kind != "absent":
                old.append(f"{label}: {now}")
    return "".join(line + "\n" for line in old), "".join(line + "\n" for line in new)


def digest(wanted: Sequence[Entry]) -> str:
    """Return a SHA-256 over what the files shall be.

    Of files that are only written when absent it is over the path, of files that are wanted by options over those.
    """
    parts = []
    for entry in sorted(wanted, key=lambda item: item.path):
        if entry.directory:
            continue
        if not entry.present:
            parts.append([entry.path, "absent"])
        elif entry.force:
            content = entry.content if entry.options is None else json.dumps(entry.options).encode("utf-8")
            parts.append([entry.path, f"{entry.mode:04o}", hashlib.sha256(content).hexdigest()])
        else:
            parts.append([entry.path])
    return hashlib.sha256(json.dumps(parts).encode("utf-8")).hexdigest()
