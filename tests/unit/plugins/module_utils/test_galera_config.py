# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A my.cnf against another: what differs, and what of it a running server takes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import galera_config as config
from hypothesis import given
from hypothesis import strategies as st

DYNAMIC_KEYS = {"evs.suspect_timeout", "evs.inactive_timeout"}
VARIABLES = {
    "max_connections": config.Variable("BIGINT UNSIGNED", True),
    "innodb_flush_log_at_trx_commit": config.Variable("BIGINT UNSIGNED", True),
    "read_only": config.Variable("BOOLEAN", True),
    "port": config.Variable("INT UNSIGNED", False),
    "wsrep_sst_auth": config.Variable("VARCHAR", True),
    "wsrep_cluster_address": config.Variable("VARCHAR", True),
    "wsrep_cluster_name": config.Variable("VARCHAR", True),
}
STARTED = """\
# made for one member
[mysqld]
port = 3316
max_connections = 1024
innodb_flush_log_at_trx_commit = 1
skip-name-resolve
wsrep_cluster_name = stretch
wsrep_cluster_address = gcomm://10.0.20.11:4577
wsrep_sst_auth = stretch_sst:first#secret
wsrep_provider_options = evs.suspect_timeout=PT5S;evs.inactive_timeout=PT15S;gcache.size=128M

[sst]
encrypt = 3
"""


def plan(wanted: str, started: str = STARTED) -> config.Plan:
    return config.plan(config.parse(started), config.parse(wanted), VARIABLES, DYNAMIC_KEYS)


PARSED: list[tuple[str, dict[str, str | None]]] = [
    ("port=1", {"port": "1"}),
    ("  port  =  1  ", {"port": "1"}),
    ("Max-Connections = 1\nmax_connections=2", {"max_connections": "2"}),
    ("loose-port = 1\nloose_socket = /s", {"port": "1", "socket": "/s"}),
    ("skip-name-resolve", {"skip_name_resolve": None}),
    ("skip-name-resolve # why", {"skip_name_resolve": None}),
    ("a =", {"a": ""}),
    ("a = x # why\n# b = y\n; c = z\n", {"a": "x"}),
    ("a = x;y=z", {"a": "x;y=z"}),
    ("a = 'x # y' # why", {"a": "x # y"}),
    ('a = "it\'s # \\"so\\""', {"a": 'it\'s # "so"'}),
    ("a = 'open", {"a": "'open"}),
    (r"a = \n\t\s\\\q", {"a": "\n\t \\\\q"}),
    ("a = C:\\", {"a": "C:\\"}),
    ("[mariadb]\na = 1\n[client]\nport = 9\n[galera]\na = 2", {"a": "2"}),
    ("plugin-load-add = x\nplugin_load_add = y", {"plugin_load_add": "x\ny"}),
]


@pytest.mark.parametrize(("text", "options"), PARSED, ids=[case[0] for case in PARSED])
def test_parse(text: str, options: dict[str, str | None]) -> None:
    assert config.parse("[mysqld]\n" + text)["mysqld"] == options


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("port = 1", "line 1 is an option before"),
        ("[mysqld", "line 1 opens a group"),
        ("[mysqld]\n!includedir /etc/my.cnf.d", "line 2 includes other files"),
    ],
)
def test_what_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(config.ConfigError, match=why):
        config.parse(text)


def test_equal_texts_need_nothing() -> None:
    assert plan(STARTED) == config.Plan({}, {}, (), ())


def replaced(old: str, new: str) -> str:
    assert old in STARTED
    return STARTED.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_connections = 1024", "Max-Connections=1K"),
        ("wsrep_cluster_name = stretch", "wsrep-cluster-name = other\nwsrep_cluster_name = 'stretch'"),
        ("gcache.size=128M", " gcache.size = 134217728 ;"),
        ("evs.suspect_timeout=PT5S;evs.inactive_timeout=PT15S", "evs.inactive_timeout=PT15S;evs.suspect_timeout=PT5S"),
        ("# made for one member\n", ""),
        ("skip-name-resolve", "loose-skip-name-resolve"),
        ("stretch_sst:first#secret", "stretch_sst:first # another comment"),
    ],
)
def test_spelling_does_not_matter(old: str, new: str) -> None:
    assert plan(replaced(old, new)).changes == ()


PLANS: list[tuple[str, str, dict[str, str | None], dict[str, str], tuple[str, ...]]] = [
    ("max_connections = 1024", "max_connections = 2000", {"max_connections": "2000"}, {}, ()),
    ("max_connections = 1024\n", "", {"max_connections": None}, {}, ()),
    ("port = 3316", "port = 3316\nread-only", {"read_only": "ON"}, {}, ()),
    ("port = 3316", "port = 3317", {}, {}, ("port",)),
    ("skip-name-resolve\n", "", {}, {}, ("skip_name_resolve",)),
    ("port = 3316", "port = 3316\nno-such-thing = 1", {}, {}, ("no_such_thing",)),
    ("PT5S", "PT7S", {}, {"evs.suspect_timeout": "PT7S"}, ()),
    ("gcache.size=128M", "gcache.size=256M", {}, {}, ("gcache.size",)),
    # Nothing tells what it was before it was set.
    (";evs.inactive_timeout=PT15S", "", {}, {}, ("evs.inactive_timeout",)),
    # The server would reconnect, and the others do not care.
    ("gcomm://10.0.20.11:4577", "gcomm://10.0.20.11:4577,10.2.20.11:4577", {}, {}, ()),
    # The server would let it be set, and would not do it.
    ("wsrep_cluster_name = stretch", "wsrep_cluster_name = other", {}, {}, ("wsrep_cluster_name",)),
    ("encrypt = 3", "encrypt = 4", {}, {}, ()),
]


@pytest.mark.parametrize(("old", "new", "variables", "keys", "restart"), PLANS, ids=[case[1] for case in PLANS])
def test_plan(
    old: str, new: str, variables: dict[str, str | None], keys: dict[str, str], restart: tuple[str, ...]
) -> None:
    found = plan(replaced(old, new))
    assert (found.set_variables, found.set_provider, found.restart) == (variables, keys, restart)
    assert len(found.changes) == 1


def test_secrets_are_not_shown() -> None:
    found = plan(replaced("first#secret", "second"))
    assert found.set_variables == {"wsrep_sst_auth": "stretch_sst:second"}
    assert config.diff(found.changes) == {
        "before": "wsrep_sst_auth = [secret]\n",
        "after": "wsrep_sst_auth = [secret] (changed)\n",
    }
    assert "second" not in repr(found.changes)
    outcome = config.carry_out(found, lambda _name, value: f"cannot be set to {value}", lambda _key, _value: "")
    assert outcome.refused == {"wsrep_sst_auth": "wsrep_sst_auth = [secret]: refused"}


def test_diff_names_what_comes_and_goes() -> None:
    found = plan(replaced("max_connections = 1024", "read_only").replace("PT5S", "PT7S").replace("= 3\n", "= 4\n"))
    assert config.diff(found.changes) == {
        "before": "evs.suspect_timeout = PT5S\nmax_connections = 1024\n[sst] encrypt = 3\n",
        "after": "evs.suspect_timeout = PT7S\nread_only = (no value)\n[sst] encrypt = 4\n",
    }


def refusing(**refused: str) -> Any:
    """A setter that refuses some names."""
    return lambda name, _value: refused.get(name.replace(".", "_"), "")


def test_carry_out() -> None:
    todo = config.Plan({"a": "1", "b": "2", "c": None}, {"x.y": "3"}, (), ())
    assert config.carry_out(todo, refusing(b="no", c=config.NOT_SETTABLE), refusing(x_y="never")) == config.Outcome(
        ("a",), ("c",), {"b": "b = 2: no", "x.y": "x.y = 3: never"}
    )


@pytest.mark.parametrize(("suspect", "inactive"), [(20, 40), (1, 2)])
def test_the_order_of_keys_that_depend_on_each_other(suspect: int, inactive: int) -> None:
    """One is always below the other, also in between."""
    now = {"evs.suspect_timeout": 5, "evs.inactive_timeout": 15}

    def provider(key: str, value: str) -> str:
        tried = {**now, key: int(value)}
        if tried["evs.suspect_timeout"] > tried["evs.inactive_timeout"]:
            return "out of range"
        now.update(tried)
        return ""

    wanted = {"evs.suspect_timeout": str(suspect), "evs.inactive_timeout": str(inactive)}
    for order in (list(wanted), list(reversed(wanted))):
        now.update({"evs.suspect_timeout": 5, "evs.inactive_timeout": 15})
        outcome = config.carry_out(config.Plan({}, {key: wanted[key] for key in order}, (), ()), refusing(), provider)
        assert outcome == config.Outcome(tuple(sorted(wanted)), (), {})


LITERALS = [
    ("2000", "BIGINT UNSIGNED", 2000),
    ("1K", "INT", 1024),
    ("-1", "INT", -1),
    ("0.5", "DOUBLE", 0.5),
    ("ON", "BOOLEAN", "ON"),
    ("1", "BOOLEAN", 1),
    ("2", "ENUM", 2),
    ("ROW", "ENUM", "ROW"),
    ("1024", "VARCHAR", "1024"),
    ("1K", "VARCHAR", "1K"),
]


@pytest.mark.parametrize(("value", "kind", "literal"), LITERALS)
def test_literal(value: str, kind: str, literal: str | float) -> None:
    found = config.literal(value, kind)
    assert (found, type(found)) == (literal, type(literal))


@pytest.mark.parametrize(("value", "kind"), [("many", "INT"), ("", "INT"), ("much", "DOUBLE")])
def test_literal_that_is_none(value: str, kind: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        config.literal(value, kind)


NAMES = st.from_regex(r"[a-z][a-z_]{0,12}", fullmatch=True).filter(lambda name: not name.startswith("loose_"))
# What a line can hold.
VALUES = st.none() | st.text(st.characters(exclude_characters="\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", codec="utf-8"))
PROVIDER = st.dictionaries(st.sampled_from(["evs.suspect_timeout", "gcache.size", "pc.weight"]), st.sampled_from("123"))


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, config.Options]:
    groups = {group: draw(st.dictionaries(NAMES, VALUES, max_size=5)) for group in ("mysqld", "sst")}
    provider = draw(PROVIDER)
    if provider:
        groups["mysqld"][config.PROVIDER_OPTIONS] = ";".join(f"{key}={value}" for key, value in provider.items())
    return groups


@given(configurations())
def test_what_is_written_is_read_again(groups: dict[str, config.Options]) -> None:
    assert config.parse(config.write(groups)) == groups


@given(configurations(), st.randoms(use_true_random=False))
def test_a_text_of_another_spelling_needs_nothing(groups: dict[str, config.Options], chance: random.Random) -> None:
    """Other order, dashes, spaces, comments, and an earlier value that is overridden."""
    lines = []
    for group, options in groups.items():
        names = list(options)
        chance.shuffle(names)
        lines.append(f" [{group}] ")
        for name in names:
            (line,) = config.write({group: {name: options[name]}}).splitlines()[1:]
            spelt, equals, value = line.partition("=")
            spelt = chance.choice(["", "loose-"]) + chance.choice([spelt, spelt.replace("_", "-"), spelt.upper()])
            lines += chance.choice([[], [f"{name} = 'another'"], ["# a comment", ""]])
            lines.append(
                "  " + spelt + equals + chance.choice(["", "  "]) + value + chance.choice(["", "  ", " # why"])
            )
    assert config.compare(config.parse("\n".join(lines)), groups) == ()


@given(configurations(), configurations(), st.sets(NAMES))
def test_what_is_in_force_differs_from_the_wanted_by_the_pending_alone(
    before: dict[str, config.Options], after: dict[str, config.Options], pending: set[str]
) -> None:
    waiting = pending | set(list(before["mysqld"])[:2]) - {config.PROVIDER_OPTIONS}
    now = config.in_force(before, after, waiting)
    assert {change.name for change in config.compare(now, after)} <= waiting
    untouched = {change.name for change in config.compare(before, after) if change.section != "sst"} & waiting
    assert {change.name for change in config.compare(now, after)} == untouched
    # What is recorded so is found in force by the next comparison.
    assert config.compare(config.parse(config.write(now)), now) == ()


@given(configurations(), configurations())
def test_every_difference_is_dealt_with_once(
    before: dict[str, config.Options], after: dict[str, config.Options]
) -> None:
    found = config.plan(before, after, {}, {"evs.suspect_timeout"})
    server = [change.name for change in found.changes if change.section != "sst"]
    assert sorted([*found.set_variables, *found.set_provider, *found.restart]) == sorted(server)
