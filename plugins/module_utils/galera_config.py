# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running Galera member must change to run with another my.cnf, and which of it takes a restart.

Pure: two texts and what the server says of its variables go in, a plan comes out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Collection, Dict, Iterable, List, Mapping, Tuple

Options = Dict[str, "str | None"]
"""Options by name (dashes as underscores); None for one that stands without a value."""

PROVIDER_OPTIONS = "wsrep_provider_options"
SERVER_GROUPS = frozenset({"mysqld", "server", "mariadb", "mariadbd", "galera"})
"""Groups that mariadbd reads in whatever order they come. Those with a version in their name are not supported."""
NEXT_START = frozenset({"wsrep_cluster_address"})
"""Only read when the server starts: to set it in a running server would make it leave the cluster and join again."""
TAKES_RESTART = frozenset(
    {
        "wsrep_cluster_name",
        "wsrep_node_address",
        "wsrep_node_incoming_address",
        "wsrep_node_name",
        "wsrep_on",
        "wsrep_provider",
        "wsrep_start_position",
    }
)
"""The server would let them be set, yet what its peers were told when it joined stays."""
NOT_SETTABLE = "not settable"
"""What a server answers that does not let a variable be set after all."""
_REPEATABLE = frozenset({"plugin_load_add", "ignore_db_dirs"}) | frozenset(
    f"{what}_{which}"
    for what in ("binlog", "replicate")
    for which in ("do_db", "do_table", "ignore_db", "ignore_table", "wild_do_table", "wild_ignore_table", "rewrite_db")
)
"""Options of which every occurrence counts, not the last alone."""
_SECRET = re.compile(r"auth|password|passphrase|secret", re.IGNORECASE)
_SIZE = re.compile(r"^([0-9]+)([kmgtpe])$", re.IGNORECASE)
_SIZES = {letter: 1024**power for power, letter in enumerate("kmgtpe", 1)}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "s": " ", '"': '"', "'": "'", "\\": "\\"}


class ConfigError(Exception):
    """A configuration that cannot be read."""


@dataclass(frozen=True)
class Variable:
    """A system variable of the server: its type in INFORMATION_SCHEMA.SYSTEM_VARIABLES, and if it can be set."""

    type: str
    dynamic: bool


@dataclass(frozen=True)
class Change:
    """An option that differs. ``section`` is the group, or wsrep_provider_options for a key of it.

    ``before`` and ``after`` are texts for people, with ``[secret]`` for a secret's value, None where there is no value.
    """

    section: str
    name: str
    before: str | None
    after: str | None

    @property
    def label(self) -> str:
        """The name of an option of the server, or a key of wsrep_provider_options, without its section."""
        return self.name if self.section in {"mysqld", PROVIDER_OPTIONS} else f"[{self.section}] {self.name}"


@dataclass(frozen=True)
class Plan:
    """What to do.

    ``set_variables`` and ``set_provider`` hold what a running server takes, the wanted value of each (None: the
    server's default). ``restart`` are the names that only a restart puts in force. ``changes`` is everything.
    """

    set_variables: Mapping[str, str | None]
    set_provider: Mapping[str, str]
    restart: Tuple[str, ...]
    changes: Tuple[Change, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a plan: names that were set, names that take a restart after all, and the refused, with why."""

    done: Tuple[str, ...]
    restart: Tuple[str, ...]
    refused: Mapping[str, str]


def parse(text: str) -> Dict[str, Options]:
    """Read a my.cnf as MariaDB does: of an option that is there twice the last one counts.

    All groups that mariadbd reads become ``mysqld``. The rules are those of MariaDB's mysys/my_default.c: a comment
    begins with ``#`` or ``;`` at a line's begin, or with ``#`` behind a value and outside of quotes; a pair of quotes
    around a value is taken away; a backslash escapes.

    :raises ConfigError: for a line that is no option, one before the first group, or an !include, whose target is not
        known here.
    """
    groups: Dict[str, Options] = {}
    current: Options | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "!":
            raise ConfigError(f"line {number} includes other files, which cannot be compared: {line.split()[0]}.")
        if line[0] == "[":
            name, bracket, _rest = line[1:].partition("]")
            if not bracket:
                raise ConfigError(f"line {number} opens a group and does not close its bracket.")
            group = name.strip()
            current = groups.setdefault("mysqld" if group in SERVER_GROUPS else group, {})
            continue
        if current is None:
            raise ConfigError(f"line {number} is an option before the first group.")
        _add(current, line)
    return groups


def _add(group: Options, line: str) -> None:
    raw, equals, rest = line.partition("=")
    name = option_name(raw if equals else _without_comment(raw))
    value = _value(rest) if equals else None
    if name in _REPEATABLE and name in group:
        value = f"{group[name]}\n{value}"
    # The last one is also the one whose place counts.
    group.pop(name, None)
    group[name] = value


def option_name(raw: str) -> str:
    """Return an option's name as the server's variable has it: lower case, underscores, no ``loose-``."""
    name = raw.strip().lower().replace("-", "_")
    return name[len("loose_") :] if name.startswith("loose_") else name


def _without_comment(text: str) -> str:
    quote, escaped = "", False
    for place, letter in enumerate(text):
        if letter in "'\"" and not escaped and quote in {"", letter}:
            quote = "" if quote else letter
        elif letter == "#" and not quote:
            return text[:place]
        escaped = bool(quote) and letter == "\\" and not escaped
    return text


def _value(raw: str) -> str:
    value = _without_comment(raw).strip()
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        value = value[1:-1]
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(0)), value, flags=re.DOTALL)


def provider_options(value: str | None) -> Dict[str, str]:
    """Read the value of wsrep_provider_options; of a key that is there twice the last one counts."""
    found: Dict[str, str] = {}
    for part in (value or "").split(";"):
        key, _equals, setting = part.partition("=")
        if key.strip():
            found[key.strip()] = setting.strip()
    return found


def _plain(value: str | None) -> str | None:
    """Return a value in the one spelling of those that mean the same to every variable: 1K is 1024, on is ON."""
    if value is None:
        return None
    size = _SIZE.match(value)
    if size:
        return str(int(size.group(1)) * _SIZES[size.group(2).lower()])
    return {"ON": "ON", "TRUE": "ON", "OFF": "OFF", "FALSE": "OFF"}.get(value.upper(), value)


def is_secret(name: str) -> bool:
    """Whether the value of an option is nobody's business, by its name."""
    return bool(_SECRET.search(name))


def shown(name: str, value: str | None) -> str:
    """Return a value as people may see it."""
    if is_secret(name):
        return "[secret]"
    return "(no value)" if value is None else value


def _differences(section: str, before: Options, after: Options) -> List[Change]:
    return [
        Change(
            section,
            name,
            shown(name, before[name]) if name in before else None,
            shown(name, after[name]) if name in after else None,
        )
        for name in sorted(set(before) | set(after))
        if (name in before) != (name in after) or _plain(before.get(name)) != _plain(after.get(name))
    ]


def compare(before: Mapping[str, Options], after: Mapping[str, Options]) -> Tuple[Change, ...]:
    """Return every option that differs, group by group; wsrep_provider_options key by key."""
    found: List[Change] = []
    for group in sorted(set(before) | set(after)):
        old, new = dict(before.get(group, {})), dict(after.get(group, {}))
        if group == "mysqld":
            found += _differences(
                PROVIDER_OPTIONS,
                dict(provider_options(old.pop(PROVIDER_OPTIONS, None))),
                dict(provider_options(new.pop(PROVIDER_OPTIONS, None))),
            )
        found += _differences(group, old, new)
    return tuple(found)


def plan(
    before: Mapping[str, Options],
    after: Mapping[str, Options],
    variables: Mapping[str, Variable],
    dynamic_keys: Collection[str],
) -> Plan:
    """Decide.

    Other groups than the server's are read by programs that start anew each time (the SST scripts, clients): a change
    there is no more than a change of the file.

    :param before: What the server was started with, and has been given since.
    :param after: What it is to run with.
    :param variables: The server's variables by name in lower case.
    :param dynamic_keys: Keys of wsrep_provider_options that a running provider takes.
    """
    wanted = after.get("mysqld", {})
    wanted_keys = provider_options(wanted.get(PROVIDER_OPTIONS))
    changes = compare(before, after)
    set_variables: Dict[str, str | None] = {}
    set_provider: Dict[str, str] = {}
    restart: List[str] = []
    for change in changes:
        name = change.name
        if change.section == PROVIDER_OPTIONS:
            # Nothing tells the default of a key that is taken away.
            if name in dynamic_keys and name in wanted_keys:
                set_provider[name] = wanted_keys[name]
            else:
                restart.append(name)
        elif change.section == "mysqld" and name not in NEXT_START:
            if name in variables and variables[name].dynamic and name not in TAKES_RESTART | _REPEATABLE:
                value = wanted.get(name)
                # An option without a value is switched on.
                set_variables[name] = "ON" if value is None and name in wanted else value
            else:
                restart.append(name)
    return Plan(set_variables, set_provider, tuple(restart), changes)


def carry_out(
    todo: Plan, set_variable: Callable[[str, str | None], str], set_provider: Callable[[str, str], str]
) -> Outcome:
    """Set what a running server takes.

    Keys of the provider are tried again as long as one of them is taken: some must lie above others
    (evs.inactive_timeout, evs.suspect_timeout), so that the order counts, and growing takes another than shrinking.

    :param set_variable: Sets a variable, to its default for None; returns nothing, why the server refuses the value, or
        NOT_SETTABLE.
    :param set_provider: Sets a key of wsrep_provider_options; returns nothing, or why the server refuses the value.
    """
    answers = {name: set_variable(name, value) for name, value in todo.set_variables.items()}
    left = dict(todo.set_provider)
    before = -1
    while left and len(left) != before:
        before = len(left)
        for key, value in list(left.items()):
            answers[key] = set_provider(key, value)
            if not answers[key]:
                del left[key]
    values = {**todo.set_variables, **todo.set_provider}
    return Outcome(
        done=tuple(sorted(name for name, answer in answers.items() if not answer)),
        restart=tuple(sorted(name for name, answer in answers.items() if answer == NOT_SETTABLE)),
        refused={
            # What the server says can repeat the value.
            name: f"{name} = {shown(name, values[name])}: {'refused' if is_secret(name) else answer}"
            for name, answer in answers.items()
            if answer and answer != NOT_SETTABLE
        },
    )


def literal(value: str, kind: str) -> str | int | float:
    """Return a value of a file as SET GLOBAL takes it, which knows neither 1K nor '1' for a number.

    :param kind: The variable's type in INFORMATION_SCHEMA.SYSTEM_VARIABLES.
    :raises ValueError: if it is no such value; the text says why.
    """
    plain = _plain(value) or ""
    if "INT" in kind.upper():
        if not re.match(r"^[-+]?[0-9]+$", plain):
            raise ValueError("is no whole number")
        return int(plain)
    if kind.upper() in {"DOUBLE", "FLOAT"}:
        try:
            return float(plain)
        except ValueError:
            raise ValueError("is no number") from None
    # To these a number is the place in their list of values.
    if kind.upper() in {"BOOLEAN", "ENUM", "SET", "FLAGSET"} and re.match(r"^[0-9]+$", plain):
        return int(plain)
    return value


def in_force(before: Mapping[str, Options], after: Mapping[str, Options], pending: Iterable[str]) -> Dict[str, Options]:
    """Return the configuration that the server runs with once all but the pending changes are made.

    :param pending: Names of options of the server, and keys of wsrep_provider_options, that wait for a restart.
    """
    waiting = set(pending)
    old, new = before.get("mysqld", {}), after.get("mysqld", {})
    server = _kept(old, new, waiting)
    keys = _kept(
        dict(provider_options(old.get(PROVIDER_OPTIONS))), dict(provider_options(new.get(PROVIDER_OPTIONS))), waiting
    )
    server.pop(PROVIDER_OPTIONS, None)
    if keys:
        server[PROVIDER_OPTIONS] = ";".join(f"{key}={value}" for key, value in keys.items())
    return {**{group: dict(options) for group, options in after.items()}, "mysqld": server}


def _kept(old: Options, new: Options, waiting: Collection[str]) -> Options:
    kept = {name: value for name, value in new.items() if name not in waiting}
    kept.update({name: value for name, value in old.items() if name in waiting})
    return kept


def write(groups: Mapping[str, Options]) -> str:
    """Write a configuration that :func:`parse` reads as the same."""
    lines: List[str] = []
    for group in sorted(groups):
        lines.append(f"[{group}]")
        for name, value in groups[group].items():
            if value is None:
                lines.append(name)
            else:
                values = value.split("\n") if name in _REPEATABLE else [value]
                lines += [f"{name} = {_quoted(each)}" for each in values]
    return "".join(line + "\n" for line in lines)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    for letter, raw in (("n", "\n"), ("t", "\t"), ("r", "\r"), ("b", "\b")):
        escaped = escaped.replace(raw, "\\" + letter)
    return f'"{escaped}"'


def diff(changes: Iterable[Change]) -> Dict[str, str]:
    """Return the changes in Ansible's form, one line for each option, secrets without their values."""
    sides: Dict[str, List[str]] = {"before": [], "after": []}
    for change in changes:
        for side, value in (("before", change.before), ("after", change.after)):
            if value is not None:
                # Two secrets would look the same, and the option as if it did not differ.
                new = " (changed)" if side == "after" and value == change.before else ""
                sides[side].append(f"{change.label} = {value}{new}\n")
    return {"before": "".join(sides["before"]), "after": "".join(sides["after"])}
