# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretch a lab while clients of every region's Keystone go on, and say what failed, was refused or is lost.

usage: bench_cutover.py [--rows N] [--limit SECONDS] [--part PART] [--services LIST] STACKS

Wants regions that are deployed and not yet cut over (`make site` up to deploy_overcloud, or playbooks/rollback.yml).
With --rows the first stack's Keystone gets that many more users, projects and assignments before. With --part the
clients ask for so large a part of the usual 30 things a second, where the machine cannot answer all. Results go to
.build/bench-cutover: result.json, timeline.svg, the journals of all clients and the playbook's output. The exit status
is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "roles/stretch_drill/files")]

from cutover_load.clients import Keystone, LoadError, User, tenant
from cutover_load.load import RATES, Load, summary
from cutover_load.population import statements

QUIET = 10.0
"""Seconds of load before the playbook begins and after it has ended."""
STEPS = {
    "Merge of the Keystones": "merge",
    "No more requests for the first Keystone of each stack": "the first Keystones are drained",
    "Writes are refused, and none is under way": "writes refused",
    "The last difference": "last difference",
    "From here on the merged database is the truth": "mark",
    "Writes again, by the Keystones that use the merged database": "writes again",
    "They use the merged database": "the others restart",
    "They take the place of those that went ahead": "the others serve",
    "The other Keystones, one controller of each stack after another": "the first ones restart",
    "No unencrypted connections any more": "all Keystones in rotation",
}
"""Tasks of the playbook that the timeline shows, and what it calls them."""


def say(line: str) -> None:
    """Tell the person, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench_cutover", description="Stretch a lab under load.")
    parser.add_argument("stacks", help="as -e stacks of the playbook")
    parser.add_argument("--limit", type=float, default=15.0, help="seconds that writes may be refused for")
    parser.add_argument("--services", default="glance,placement,neutron,nova", help="as -e lab_services, [] for none")
    parser.add_argument("--part", type=float, default=1.0, help="part of the usual load")
    parser.add_argument("--rows", type=int, default=0, help="rows to add to the first stack's Keystone before")
    return parser.parse_args(argv)


def topology(stacks: str) -> dict[str, Any]:
    """The lab's topology, as the inventory plugin computes it."""
    command = ["ansible-inventory", "--host", "localhost", "-e", f"stacks={stacks}"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)["stretch_topology"]
    return found


def run(command: Sequence[str], output: Path, mark: Callable[[str], None]) -> int:
    """Run the playbook; what it says goes to a file, and its steps to the timeline."""
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            file.write(line)
            name = line.partition("TASK [")[2].partition("]")[0].rpartition(" : ")[2]
            if name in STEPS:
                mark(STEPS[name])
                say(f"  {STEPS[name]}")
        return process.wait()


def populate(stack: dict[str, Any], rows: int) -> None:
    """Add rows to a stack's Keystone, by its first controller."""
    controller = f"{stack['prefix']}controller-0"
    client = "podman exec -i $(podman ps --quiet --filter name=^galera-bundle-podman) mysql keystone"
    command = ["ssh", "-F", ".stretch/ssh_config", controller, client]
    subprocess.run(command, cwd=ROOT, check=True, input="\n".join(statements(stack["name"], rows)), text=True)


def main(argv: Sequence[str]) -> int:
    """Run it; gives the exit status."""
    options = arguments(argv)
    directory = ROOT / ".build/bench-cutover"
    stacks = topology(options.stacks)["stacks"]
    known = yaml.safe_load((ROOT / ".stretch/secrets.yml").read_text(encoding="utf-8"))
    admin, password = User("admin", known["admin"], "admin"), secrets.token_urlsafe(16)
    try:
        tenants = [
            tenant(Keystone(one["name"], f"http://{one['vips']['internal_api']}:5000/v3"), admin, password)
            for one in stacks
        ]
    except (OSError, LoadError) as error:
        say(f"bench_cutover: {error}. It wants regions that are deployed and not cut over; deploy them first.")
        return 2
    if options.rows:
        say(f"  {options.rows} rows more in {stacks[0]['name']}")
        populate(stacks[0], options.rows)
    given = ["-e", f"stacks={options.stacks}", "-e", f"lab_services={options.services}"]
    command = ["ansible-playbook", "site.yml", *given, "--tags", "deploy_stretch"]
    rates = {kind: rate * options.part for kind, rate in RATES.items()}
    with Load(tenants, directory, rates) as load:
        time.sleep(QUIET)
        status = run(command, directory / "playbook.log", load.mark)
        time.sleep(QUIET)
    if status != 0:
        say(f"  the playbook failed, see {directory / 'playbook.log'}")
    found = load.result(options.limit)
    for line in [*summary(found), f"  {directory / 'timeline.svg'}"]:
        say(line)
    return 0 if status == 0 and found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
