# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How things are broken and mended: commands to the provider and, over SSH, on the nodes.

Everything that is broken is first noted in the journal, and :meth:`Injector.heal` mends what is noted there, in this
run or the next.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .journal import Injury, Journal
from .model import Description, DrillError
from .plans import Act, Cut

Runner = Callable[[Sequence[str], str], str]
"""Runs a command with a text on its standard input, gives what it printed, raises CommandError."""

USER = "stretch_drill"
"""The drill's database user. Its database is called so too, and has one table, written."""
CREATE_TABLE = (
    "CREATE TABLE stretch_drill.written (site VARCHAR(64) NOT NULL, number BIGINT NOT NULL, "
    "payload MEDIUMBLOB NOT NULL, PRIMARY KEY (site, number)) ENGINE=InnoDB CHARACTER SET ascii"
)
ROLE = "stretch-galera-role"
"""The attribute of a node without which Pacemaker runs no member there."""
NFT_TABLE = "table inet stretch_drill"
COMMAND_LIMIT = 300.0
UP_LIMIT = 120.0
STOP_LIMIT = 120.0
RECOVER_TRIES, RECOVER_PAUSE = 8, 10.0
NODE_SCRIPT = (Path(__file__).parent / "node.sh").read_text(encoding="utf-8")
CLOCK_FILE = "faketime.rc"


class CommandError(DrillError):
    """A command that breaks or mends something has failed."""


def run(argv: Sequence[str], text: str) -> str:
    """Run a command.

    :raises CommandError: when it fails, or takes too long.
    """
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=COMMAND_LIMIT, check=False, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        # Of a playbook, what comes before its statistics.
        said = " ".join((done.stderr or done.stdout).split("PLAY RECAP")[0].split())[-500:]
        raise CommandError(f"{' '.join(argv)[:200]} ended with {done.returncode}: {said}")
    return done.stdout


def rules(cuts: Sequence[Cut]) -> str:
    """Give the input of `nft -f -` by which a router drops what is cut; the table is made anew."""
    lines = [
        f"    ip saddr {{ {', '.join(cut.sources)} }} ip daddr {{ {', '.join(cut.destinations)} }} drop" for cut in cuts
    ]
    chain = ["  chain forward {", "    type filter hook forward priority -10; policy accept;", *lines, "  }"]
    return "\n".join([NFT_TABLE, f"delete {NFT_TABLE}", f"{NFT_TABLE} {{", *chain, "}", ""])


def no_rules() -> str:
    """Give the input of `nft -f -` that removes the table, if it is there."""
    return f"{NFT_TABLE}\ndelete {NFT_TABLE}\n"


class Injector:
    """Does what a plan says, and undoes it."""

    def __init__(
        self,
        description: Description,
        journal: Journal,
        runner: Runner = run,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is done yet."""
        self.description = description
        self.journal = journal
        self.runner = runner
        self.sleep = sleep
        self.clock = clock

    def on(self, node: str, *argv: str, text: str = "") -> str:
        """Run a command on a node."""
        return self.runner([*self.description.ssh, node, shlex.join(argv)], text).strip()

    def do(self, node: str, *verb: str) -> str:
        """Run a verb of node.sh on a node."""
        return self.on(node, "sh", "-s", "--", *verb, text=NODE_SCRIPT)

    def apply(self, act: Act) -> None:
        """Do it; it is in the journal before.

        :raises CommandError: when it could not be done, or not wholly.
        """
        targets = act.targets
        if act.kind == "cut":
            self.cut(act.cuts)
        elif act.kind == "mend":
            self.mend(*self.journal.nodes("mend"))
        elif act.kind == "power_off":
            self.journal.add(*(Injury("power_on", node) for node in targets))
            self.runner([*self.description.power_off, *targets], "")
        elif act.kind == "power_on":
            self.power_on(*targets)
        elif act.kind == "recover":
            self._recover(targets)
        else:
            for target in targets:
                self._on_member(act, target)

    def _recover(self, lost: Sequence[str]) -> None:
        """Declare members lost, as soon as the others have said where their data stand: until then it is refused."""
        *command, last = self.description.recover
        for _attempt in range(RECOVER_TRIES - 1):
            if self._tried([*command, last + ",".join(lost)]):
                return
            self.sleep(RECOVER_PAUSE)
        self.runner([*command, last + ",".join(lost)], "")

    def _tried(self, command: Sequence[str]) -> bool:
        try:
            self.runner(command, "")
        except CommandError:
            return False
        return True

    def _on_member(self, act: Act, name: str) -> None:
        datadir = self.description.datadir
        if act.kind == "kill":
            self.do(name, "signal", "KILL")
        elif act.kind == "hang":
            self.journal.add(Injury("let_go_on", name, self.server(name)))
            self.do(name, "signal", "STOP")
        elif act.kind == "keep_stopped":
            self.keep_stopped(name)
        elif act.kind == "let_run":
            self.let_run(name)
        elif act.kind == "limit_disk":
            self.journal.add(Injury("unlimit_disk", name))
            self.do(name, "limit-disk", datadir)
        elif act.kind == "fill_disk":
            self.do(name, "fill-disk")
        elif act.kind == "free_disk":
            self.do(name, "free-disk")
        elif act.kind == "unlimit_disk":
            self.do(name, "unlimit-disk", datadir)
            self.journal.remove("unlimit_disk", name)
        elif act.kind == "fake_clock":
            self.fake_clock(name)
        elif act.kind == "set_clock":
            self.do(name, "write", self._clock_file, f"{act.value:+d}\n")
        elif act.kind == "unfake_clock":
            self.unfake_clock(name)
        else:
            raise CommandError(f"nobody knows how to {act.kind}")

    # Links

    def cut(self, cuts: Sequence[Cut]) -> None:
        """Drop packets on the routers."""
        by_router: dict[str, list[Cut]] = {}
        for each in cuts:
            by_router.setdefault(each.router, []).append(each)
        self.journal.add(*(Injury("mend", router) for router in by_router))
        for router, own in by_router.items():
            self.on(router, "nft", "-f", "-", text=rules(own))

    def mend(self, *routers: str) -> None:
        """Drop nothing any more."""
        for router in routers:
            self.on(router, "nft", "-f", "-", text=no_rules())
            self.journal.remove("mend", router)

    # Power

    def power_on(self, *nodes: str) -> None:
        """Give nodes their power, and wait until each lets somebody log in.

        :raises CommandError: when one does not.
        """
        self.runner([*self.description.power_on, *nodes], "")
        deadline = self.clock() + UP_LIMIT
        for node in nodes:
            while True:
                try:
                    self.on(node, "true")
                    break
                except CommandError:
                    if self.clock() > deadline:
                        raise
                    self.sleep(0.5)
        self.journal.remove("power_on", *nodes)
        # Of a node that was without power nothing of these is left.
        for undo in ("mend", "let_go_on", "let_run"):
            self.journal.remove(undo, *nodes)

    # Members

    def server(self, name: str) -> str:
        """The process of the member's server, or an empty text."""
        return self.do(name, "server")

    def keep_stopped(self, name: str) -> None:
        """Have Pacemaker stop the member, until it may run or the node starts anew."""
        self.journal.add(Injury("let_run", name))
        self.on(name, "crm_attribute", "--node", name, "--name", ROLE, "--update", "false", "--lifetime", "reboot")

    def let_run(self, name: str) -> None:
        """Take that back."""
        self.on(name, "crm_attribute", "--node", name, "--name", ROLE, "--delete", "--lifetime", "reboot")
        self.journal.remove("let_run", name)

    def wait_stopped(self, name: str) -> None:
        """Wait until no server of the member runs.

        :raises CommandError: when one goes on running.
        """
        deadline = self.clock() + STOP_LIMIT
        while self.server(name):
            if self.clock() > deadline:
                raise CommandError(f"the server of {name} does not stop within {STOP_LIMIT:g} s")
            self.sleep(0.5)

    # A clock of its own

    @property
    def _clock_file(self) -> str:
        return f"{self.description.state_dir}/{CLOCK_FILE}"

    @property
    def _environment_file(self) -> str:
        return f"{self.description.config_dir}/environment.json"

    def fake_clock(self, name: str) -> None:
        """Have the member's server restart with a clock that a file moves; no other clock is touched."""
        before = self.do(name, "read", self._environment_file)
        self.journal.add(Injury("unfake_clock", name, before))
        environment = {
            **json.loads(before or "{}"),
            # The loader knows the directory of the architecture.
            "LD_PRELOAD": "/usr/$LIB/faketime/libfaketimeMT.so.1",
            "FAKETIME_TIMESTAMP_FILE": self._clock_file,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Not the programs that it starts.
            "FAKETIME_ONLY_CMDS": "mariadbd,mysqld",
        }
        self.do(name, "write", self._clock_file, "+0\n")
        self.do(name, "write", self._environment_file, json.dumps(environment))
        self.do(name, "write", f"{self.description.state_dir}/restart", "")

    def unfake_clock(self, name: str) -> None:
        """Have the member's server restart with the machine's clock."""
        before = self.journal.detail("unfake_clock", name)
        self.do(name, "write", self._environment_file, before or "{}")
        self.do(name, "write", f"{self.description.state_dir}/restart", "")
        self.do(name, "remove", self._clock_file)
        self.journal.remove("unfake_clock", name)

    # The database that is written to

    def make_database(self, member: str) -> None:
        """Make the drill's database and user, anew."""
        self.journal.add(Injury("drop_database", member))
        statements = (
            "DROP DATABASE IF EXISTS stretch_drill",
            "CREATE DATABASE stretch_drill",
            CREATE_TABLE,
            f"CREATE OR REPLACE USER '{USER}'@'%' IDENTIFIED BY '{self.description.password}' REQUIRE SSL",
            f"GRANT ALL ON stretch_drill.* TO '{USER}'@'%'",
        )
        self.sql(member, statements)

    def drop_database(self, member: str) -> None:
        """Remove them."""
        self.sql(member, ("DROP DATABASE IF EXISTS stretch_drill", f"DROP USER IF EXISTS '{USER}'@'%'"))
        self.journal.remove("drop_database", *self.journal.nodes("drop_database"))

    def sql(self, member: str, statements: Sequence[str]) -> str:
        """Run statements as the member's root, who needs no password there; they come on standard input."""
        client = (
            'exec "$(command -v mariadb || command -v mysql)" --socket="$0" --user=root --batch --skip-column-names'
        )
        socket = f"{self.description.datadir}/mysql.sock"
        return self.on(member, "sh", "-c", client, socket, text="".join(f"{each};\n" for each in statements))

    # What was left

    def heal(self) -> list[str]:
        """Undo all that is in the journal but the database; gives what was done, and what could not be done.

        What could not be done stays in the journal.
        """
        said: list[str] = []
        if routers := self.journal.nodes("mend"):
            self._try(said, "links mended", self.mend, *routers)
        if nodes := self.journal.nodes("power_on"):
            self._try(said, f"power for {', '.join(nodes)}", self.power_on, *nodes)
        for injury in tuple(self.journal.open):
            undo = {
                "let_go_on": self._let_go_on,
                "unlimit_disk": self._own_disk,
                "let_run": self.let_run,
                "unfake_clock": self.unfake_clock,
            }.get(injury.undo)
            # One that is undone on the way is not undone twice.
            if undo is not None and injury in self.journal.open:
                self._try(said, f"{injury.undo.replace('_', ' ')}: {injury.node}", undo, injury.node)
        return said

    @staticmethod
    def _try(said: list[str], what: str, undo: Callable[..., None], *nodes: str) -> None:
        try:
            undo(*nodes)
            said.append(what)
        except DrillError as error:
            said.append(f"{what}: FAILED: {error}")

    def _let_go_on(self, name: str) -> None:
        self.do(name, "let-go-on", self.journal.detail("let_go_on", name))
        self.journal.remove("let_go_on", name)

    def _own_disk(self, name: str) -> None:
        if self.do(name, "has-small-disk", self.description.datadir) == "yes":
            self.do(name, "free-disk")
            self.keep_stopped(name)
            self.wait_stopped(name)
            self.do(name, "unlimit-disk", self.description.datadir)
        self.journal.remove("unlimit_disk", name)
        self.let_run(name)
