# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact commands that break and mend, and that whatever is broken is noted before."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from drill_harness import describe
from stretch_drill.injector import NODE_SCRIPT, CommandError, Injector, run
from stretch_drill.journal import Injury, Journal
from stretch_drill.plans import Act, Cut

RULES = """table inet stretch_drill
delete table inet stretch_drill
table inet stretch_drill {
  chain forward {
    type filter hook forward priority -10; policy accept;
    ip saddr { 10.0.20.0/24, 172.16.0.5 } ip daddr { 10.1.20.0/24 } drop
  }
}
"""


class Commands:
    """Notes commands, and what was in the journal when they came; answers from a table, or fails."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.calls: list[tuple[list[str], str]] = []
        self.noted: list[list[tuple[str, str]]] = []
        self.answers: dict[str, str] = {}
        self.failing: set[str] = set()

    def __call__(self, argv: Sequence[str], text: str) -> str:
        self.calls.append((list(argv), text))
        noted = json.loads(self.journal.read_text()) if self.journal.exists() else []
        self.noted.append([(each["undo"], each["node"]) for each in noted])
        command = " ".join(argv)
        if any(part in command for part in self.failing):
            raise CommandError("it does not work")
        return next((answer for part, answer in self.answers.items() if part in command), "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "injuries.json"


@pytest.fixture
def commands(path: Path) -> Commands:
    return Commands(path)


@pytest.fixture
def injector(path: Path, commands: Commands) -> Injector:
    return Injector(describe(), Journal(path), runner=commands, sleep=lambda _: None)


def node(name: str, *words: str) -> tuple[list[str], str]:
    """A verb of node.sh on a node."""
    return (["ssh", "-F", "config", name, " ".join(["sh", "-s", "--", *words])], NODE_SCRIPT)


def test_power(injector: Injector, commands: Commands, path: Path) -> None:
    injector.apply(Act("power_off", "", ("a", "b")))
    assert commands.calls == [(["podman", "kill", "a", "b"], "")]
    assert commands.noted == [[("power_on", "a"), ("power_on", "b")]]
    injector.apply(Act("power_on", "", ("a", "b")))
    assert commands.calls[1:] == [
        (["podman", "start", "a", "b"], ""),
        (["ssh", "-F", "config", "a", "true"], ""),
        (["ssh", "-F", "config", "b", "true"], ""),
    ]
    assert not path.exists()


def test_a_node_that_does_not_come_up_is_an_error(path: Path, commands: Commands) -> None:
    now = iter(range(0, 10000, 10))
    injector = Injector(
        describe(), Journal(path), runner=commands, sleep=lambda _: None, clock=lambda: float(next(now))
    )
    commands.failing = {"true"}
    with pytest.raises(CommandError):
        injector.power_on("a")


def test_links(injector: Injector, commands: Commands, path: Path) -> None:
    cut = Cut("s2undercloud-0", ("10.0.20.0/24", "172.16.0.5"), ("10.1.20.0/24",))
    injector.apply(Act("cut", "", cuts=(cut,)))
    assert commands.calls == [(["ssh", "-F", "config", "s2undercloud-0", "nft -f -"], RULES)]
    assert commands.noted == [[("mend", "s2undercloud-0")]]
    injector.apply(Act("mend", ""))
    assert commands.calls[1] == (
        ["ssh", "-F", "config", "s2undercloud-0", "nft -f -"],
        "table inet stretch_drill\ndelete table inet stretch_drill\n",
    )
    assert not path.exists()


def test_all_cuts_of_a_router_come_at_once(injector: Injector, commands: Commands) -> None:
    injector.apply(Act("cut", "", cuts=(Cut("r", ("a",), ("b",)), Cut("r", ("b",), ("a",)), Cut("q", ("a",), ("b",)))))
    assert [argv[3] for argv, _stdin in commands.calls] == ["r", "q"]
    assert commands.calls[0][1].count(" drop") == 2


def test_processes(injector: Injector, commands: Commands) -> None:
    commands.answers = {"-- server": "4711"}
    injector.apply(Act("kill", "", ("m",)))
    injector.apply(Act("hang", "", ("m",)))
    assert commands.calls == [node("m", "signal", "KILL"), node("m", "server"), node("m", "signal", "STOP")]
    assert commands.noted[-1] == [("let_go_on", "m")]
    assert injector.heal() == ["let go on: m"]
    assert commands.calls[-1] == node("m", "let-go-on", "4711")


def test_pacemaker_keeps_a_member_stopped(injector: Injector, commands: Commands, path: Path) -> None:
    injector.apply(Act("keep_stopped", "", ("m",)))
    injector.apply(Act("let_run", "", ("m",)))
    attribute = "crm_attribute --node m --name stretch-galera-role"
    assert [argv[4] for argv, _stdin in commands.calls] == [
        f"{attribute} --update false --lifetime reboot",
        f"{attribute} --delete --lifetime reboot",
    ]
    assert commands.noted[0] == [("let_run", "m")]
    assert not path.exists()


def test_disk(injector: Injector, commands: Commands, path: Path) -> None:
    for kind in ("limit_disk", "fill_disk", "free_disk", "unlimit_disk"):
        injector.apply(Act(kind, "", ("m",)))  # type: ignore[arg-type]
    assert commands.calls == [
        node("m", "limit-disk", "/data"),
        node("m", "fill-disk"),
        node("m", "free-disk"),
        node("m", "unlimit-disk", "/data"),
    ]
    assert commands.noted[0] == [("unlimit_disk", "m")]
    assert not path.exists()


def test_a_small_disk_that_was_left_is_taken_away_while_the_member_is_stopped(
    injector: Injector, commands: Commands, path: Path
) -> None:
    injector.apply(Act("limit_disk", "", ("m",)))
    injector.apply(Act("fill_disk", "", ("m",)))
    commands.answers = {"has-small-disk": "yes"}
    assert injector.heal() == ["unlimit disk: m"]
    assert [argv[4].removeprefix("sh -s -- ") for argv, _stdin in commands.calls[2:]] == [
        "has-small-disk /data",
        "free-disk",
        "crm_attribute --node m --name stretch-galera-role --update false --lifetime reboot",
        "server",
        "unlimit-disk /data",
        "crm_attribute --node m --name stretch-galera-role --delete --lifetime reboot",
    ]
    assert not path.exists()


def test_clock(injector: Injector, commands: Commands, path: Path) -> None:
    commands.answers = {"read /config/environment.json": '{"TZ": "UTC"}'}
    injector.apply(Act("fake_clock", "", ("m",)))
    environment = {
        "TZ": "UTC",
        "LD_PRELOAD": "/usr/$LIB/faketime/libfaketimeMT.so.1",
        "FAKETIME_TIMESTAMP_FILE": "/state/faketime.rc",
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_ONLY_CMDS": "mariadbd,mysqld",
    }
    assert [argv[4].removeprefix("sh -s -- ") for argv, _stdin in commands.calls] == [
        "read /config/environment.json",
        "write /state/faketime.rc '+0\n'",
        f"write /config/environment.json '{json.dumps(environment)}'",
        "write /state/restart ''",
    ]
    assert commands.noted[1] == [("unfake_clock", "m")]
    injector.apply(Act("set_clock", "", ("m",), value=-300))
    assert commands.calls[-1] == node("m", "write", "/state/faketime.rc", "'-300\n'")
    # By another run, which has the journal alone.
    Injector(describe(), Journal(path), runner=commands, sleep=lambda _: None).heal()
    assert [argv[4].removeprefix("sh -s -- ") for argv, _stdin in commands.calls[-3:]] == [
        'write /config/environment.json \'{"TZ": "UTC"}\'',
        "write /state/restart ''",
        "remove /state/faketime.rc",
    ]
    assert not path.exists()


def test_recover_is_told_the_names(injector: Injector, commands: Commands) -> None:
    injector.apply(Act("recover", "", ("a", "b")))
    assert commands.calls == [(["ansible-playbook", "lost=a,b"], "")]


def test_recover_is_tried_until_the_others_have_reported(
    injector: Injector, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.failing = {"lost="}
    monkeypatch.setattr(injector, "sleep", lambda _seconds: commands.failing.clear() if commands.calls[1:] else None)
    injector.apply(Act("recover", "", ("a",)))
    assert len(commands.calls) == 3
    commands.failing = {"lost="}
    monkeypatch.setattr(injector, "sleep", lambda _seconds: None)
    with pytest.raises(CommandError):
        injector.apply(Act("recover", "", ("a",)))


def test_the_password_is_on_no_command_line(injector: Injector, commands: Commands, path: Path) -> None:
    injector.make_database("s1controller-0")
    injector.drop_database("s1controller-0")
    assert not any("secret" in word for argv, _stdin in commands.calls for word in argv)
    assert "IDENTIFIED BY 'secret' REQUIRE SSL;" in commands.calls[0][1]
    assert commands.calls[1][1] == "DROP DATABASE IF EXISTS stretch_drill;\nDROP USER IF EXISTS 'stretch_drill'@'%';\n"
    assert not path.exists()


def test_power_comes_back_before_all_else(path: Path, commands: Commands) -> None:
    journal = Journal(path)
    journal.add(Injury("let_run", "m"), Injury("power_on", "n"), Injury("mend", "r"))
    said = Injector(describe(), journal, runner=commands, sleep=lambda _: None).heal()
    assert said == ["links mended", "power for n", "let run: m"]
    assert not path.exists()


def test_what_cannot_be_mended_stays_noted_and_is_said(path: Path, commands: Commands) -> None:
    Journal(path).add(Injury("mend", "r"), Injury("power_on", "n"))
    commands.failing = {"nft"}
    said = Injector(describe(), Journal(path), runner=commands, sleep=lambda _: None).heal()
    assert said == ["links mended: FAILED: it does not work", "power for n"]
    assert Journal(path).open == [Injury("mend", "r")]


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(CommandError, match="ended with 3: why"):
        run(["sh", "-c", "echo why >&2; exit 3"], "")
    with pytest.raises(CommandError, match="no-such-command"):
        run(["no-such-command"], "")


def on_node(tmp_path: Path, *verb: str) -> subprocess.CompletedProcess[str]:
    """Run node.sh here, for servers of this test alone and a disk that is none."""
    script = NODE_SCRIPT.replace("/run/stretch-galera/my.cnf", f"{tmp_path}/my.cnf")
    script = script.replace("/run/stretch-drill-disk", f"{tmp_path}/disk")
    return subprocess.run(["sh", "-s", "--", *verb], input=script, capture_output=True, text=True, check=False)


def test_the_server_is_found_by_its_configuration_and_nothing_else(tmp_path: Path) -> None:
    assert on_node(tmp_path, "server").stdout == "\n"
    assert on_node(tmp_path, "signal", "KILL").returncode == 1
    program = tmp_path / "mariadbd"
    shutil.copy("/bin/sh", program)

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([program, "-c", "sleep 60 & wait", *words])

    ours = f"--defaults-file={tmp_path}/my.cnf"
    others = [start(f"{ours}2"), start(ours, "--wsrep-recover"), subprocess.Popen(["sleep", "60"])]
    server = start(ours)
    try:
        assert on_node(tmp_path, "server").stdout == f"{server.pid}\n"
        assert on_node(tmp_path, "signal", "STOP").stdout == f"{server.pid}\n"
        assert os.waitpid(server.pid, os.WUNTRACED)[1] >> 8 == signal.SIGSTOP
        on_node(tmp_path, "let-go-on", str(server.pid))
        assert os.waitpid(server.pid, os.WCONTINUED)[0] == server.pid
        second = start(ours)
        others.append(second)
        assert "more than one server" in on_node(tmp_path, "signal", "KILL").stderr
        second.kill()
        second.wait()
        on_node(tmp_path, "signal", "KILL")
        assert server.wait() == -signal.SIGKILL
        assert all(other.poll() is None for other in others[:3])
    finally:
        for each in [*others, server]:
            each.kill()
            each.wait()


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "environment.json"
    file.write_text("{}")
    file.chmod(0o600)
    assert on_node(tmp_path, "write", str(file), '{"A": "x"}').returncode == 0
    assert (file.read_text(), file.stat().st_mode & 0o777) == ('{"A": "x"}', 0o600)
    assert on_node(tmp_path, "read", str(file)).stdout == '{"A": "x"}'
    assert on_node(tmp_path, "remove", str(file)).returncode == 0
    assert list(tmp_path.iterdir()) == []
