# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of runs as they happen: of two large stacks, of unequal ones, of names that somebody chose to do harm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report import (
    BecameOne,
    Check,
    Conflict,
    Dangling,
    IdChange,
    Outcome,
    Phase,
    Renamed,
    Report,
    StackReport,
    TableCount,
)

EVIL = "<script>alert(1)</script>&\"'"
DATABASE = "keystone at 10.0.20.6:3306"
# Rows of a Keystone of 100,000 users, and how many of them become one with another stack's of the same kind.
TABLES = {
    "assignment": (500_000, 6), "password": (120_000, 7), "user": (100_000, 7), "local_user": (100_000, 7),
    "user_option": (4_000, 0), "user_group_membership": (80_000, 0), "project": (10_021, 4), "project_tag": (18_000, 0),
    "group": (2_000, 0), "role": (9, 5), "implied_role": (4, 2), "region": (1, 0), "service": (8, 8),
    "endpoint": (24, 0), "trust": (3_211, 0), "trust_role": (6_022, 0), "credential": (12_000, 0),
    "application_credential": (9_100, 0), "application_credential_role": (17_400, 0), "access_rule": (420, 0),
    "registered_limit": (12, 0), "limit": (8_044, 0), "federated_user": (2_500, 0), "identity_provider": (2, 0),
    "mapping": (2, 0), "federation_protocol": (2, 0), "id_mapping": (2_500, 0), "revocation_event": (311, 0),
}  # fmt: skip
SERVICE_USERS = ("cinder", "glance", "heat", "neutron", "nova", "placement")
SERVICES = ("cinderv3 (volumev3)", "glance (image)", "heat (orchestration)", "keystone (identity)",
            "neutron (network)", "nova (compute)", "placement (placement)", "swift (object-store)")  # fmt: skip
ROLES = ("admin", "manager", "member", "reader", "service")


def id_of(*words: str) -> str:
    return hashlib.sha256("/".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def counts_of(stack: str, share: float, first: bool) -> list[TableCount]:
    made = []
    for table, (whole, one) in TABLES.items():
        rows = max(one + 3, round(whole * share))
        became, dropped = (0 if first else one), (3 if table == "assignment" and not first else 0)
        made.append(TableCount(table, stack, rows, rows - became - dropped, became, dropped))
    return made


def stack_of(name: str, number: int, counts: list[TableCount], renamed: int, at: str | None) -> StackReport:
    own = [count for count in counts if count.stack == name]
    return StackReport(
        name, f"region_{name}", f"keystone at 10.{number}.20.5:3306", sum(one.rows for one in own),
        sum(one.carried for one in own), sum(one.became_one for one in own), renamed,
        sum(one.dropped for one in own), merged_at=at,
    )  # fmt: skip


def ones_of(*stacks: str) -> list[BecameOne]:
    made = []
    for other in stacks[1:]:
        for kind, domain, names in (
            ("domain", None, ("Default",)), ("project", "Default", ("admin", "service")), ("role", None, ROLES),
            ("service", None, SERVICES), ("user", "Default", ("admin", *SERVICE_USERS)),
        ):  # fmt: skip
            for name in names:
                ids = ["default" if kind == "domain" else id_of(stack, kind, name) for stack in (stacks[0], other)]
                made.append(BecameOne(kind, domain, name, (stacks[0], other), ids[0], (ids[1],)))
    return made


def renamed_of(stack: str) -> list[Renamed]:
    names = (("project", "demo"), ("project", "ci-nightly"), ("user", "alice"), ("user", "backup"), ("group", "ops"))
    return [
        Renamed(kind, "Default", name, f"{name}@{stack}", stack, id_of(stack, kind, name)) for kind, name in names
    ]  # fmt: skip


def changes_of(ones: list[BecameOne]) -> list[IdChange]:
    return [
        IdChange(one.kind, one.domain, one.name, one.stacks[1], one.given_up[0], one.kept)
        for one in ones
        if one.kept != one.given_up[0]
    ]


CHECKS = (
    Check("tables that have as many rows as planned", 48),
    Check("declared references that resolve", 31),
    Check("undeclared references that resolve", 74),
    Check("one login per stack", 2),
)


def phases_of(rows: int) -> tuple[Phase, ...]:
    times = (("look at the databases", 0.41), ("plan", 5.92), ("copy", 13.77), ("verify", 3.85), ("report", 0.22))
    return tuple(Phase(name, took, rows if took > 1 else None) for name, took in times)


def made(shares: dict[str, float], **more: object) -> Report:
    counts = [one for number, (name, share) in enumerate(shares.items()) for one in counts_of(name, share, not number)]
    names = list(shares)
    ones = ones_of(*names)
    renamed = [one for name in names[1:] for one in renamed_of(name)]
    at = "2026-11-24T11:09:10Z"
    report = Report(
        outcome=Outcome.MERGED,
        database=DATABASE,
        at=at,
        version="0.2.0",
        seconds=24.17,
        stacks=tuple(
            stack_of(name, number, counts, sum(one.stack == name for one in renamed), at)
            for number, name in enumerate(names)
        ),
        counts=tuple(counts),
        became_one=tuple(ones),
        renamed=tuple(renamed),
        dangling=(
            Dangling("stack1", "assignment", "actor_id", "user", 11, dropped=False),
            Dangling(names[-1], "assignment", "target_id", "project", 3, dropped=True),
        ),
        id_changes=tuple(changes_of(ones)),
        id_map="/var/lib/stretch/id-map.json",
        phases=phases_of(sum(one.rows for one in counts)),
        checks=CHECKS,
        warnings=("stack2: 4,113 rows of table token are left out: no Keystone with Fernet tokens reads them",),
    )
    return replace(report, **more)  # type: ignore[arg-type]


def two() -> Report:
    return made({"stack1": 1.0, "stack2": 0.97})


def unequal() -> Report:
    return made({"stack1": 1.0, "stack2": 0.002, "stack3": 0.11, "stack4": 0.00001, "stack5": 0.6})


def third() -> Report:
    return replace(made({"stack2": 0.4, "stack3": 0.3}), held=1_402_177)


def planned() -> Report:
    report = two()
    stacks = tuple(replace(stack, merged_at=None) for stack in report.stacks)
    return replace(report, outcome=Outcome.PLANNED, stacks=stacks, phases=report.phases[:2], seconds=6.33, checks=())


def difference() -> Report:
    report = two()
    stacks = (
        replace(report.stacks[0], added=412, changed=37, deleted=51),
        replace(report.stacks[1], added=300, changed=160, deleted=40, cut_over_at="2026-11-24T11:02:00Z"),
    )
    counts = tuple(
        replace(count, added=200, changed=12, deleted=7) if count.table in ("user", "password") else count
        for count in report.counts
    )
    phases = (*report.phases[:2], Phase("compare", 0.82, report.rows), Phase("copy", 0.11, 1_000))
    return replace(report, outcome=Outcome.DIFFERENCE, stacks=stacks, counts=counts, phases=phases, seconds=2.04)


def nothing() -> Report:
    stacks = tuple(
        replace(stack, rows=0, carried=0, became_one=0, dropped=0, renamed=0, cut_over_at="2026-11-24T12:40:00Z")
        for stack in two().stacks
    )
    return Report(Outcome.NOTHING, DATABASE, "2026-11-25T06:00:00Z", "0.2.0", 0.2, stacks)


def settled(kind: str, domain: str, name: str, stack: str) -> str:
    parts = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in (
        ("kind", kind), ("domain", domain), ("name", name), ("stack", stack)))  # fmt: skip
    return f"- {{{parts}, action: rename}}"


def stopped(names: tuple[str, ...] = ("alice", "backup", "demo", "jürgen", "田中", "ops")) -> Report:
    conflicts = tuple(
        Conflict(kind, "Default", name, ("stack1", "stack2"),
                 (id_of("stack1", name), id_of("stack2", name)), settled(kind, "Default", name, "stack2"))
        for kind, name in zip(("user", "user", "project", "user", "user", "group") * 99, names)
    )  # fmt: skip
    problem = "stack2: table user has columns that the target's has not: favourite_colour"
    return replace(planned(), outcome=Outcome.STOPPED, conflicts=conflicts, problems=(problem,))


EVIL_NAMES = (
    EVIL, "", " ", " leading and trailing ", "two  spaces", "Alice", "alice", "\u202egnp.exe\u202c", "line\nbreak\ttab",
    "\x00nul\x1b[2Jescape", "zero\u200bwidth\ufeff", "\ud800 lone surrogate", "x" * 255, "漢字" * 40,
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u036f\u030c\u0352a\u0489\u0321\u034e\u0316lgo",
    "\u0645\u0631\u062d\u0628\u0627", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "👩\u200d💻 dev",
    "</title></style></svg><img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "javascript:alert(1)", "a\u00a0b\u3000c",
    "Ünï-漢字", "-- ' OR 1=1", "]]>", "<!--", "&lt;b&gt;", "\u2028\u2029\u0085", "\U000e0041tag", "\ue000private",
)  # fmt: skip


def hostile() -> Report:
    """Every place where a name can stand holds one that was chosen to do harm."""
    base, evil = stopped(EVIL_NAMES), EVIL_NAMES
    stack = replace(base.stacks[0], name=EVIL, region=EVIL, address=EVIL, merged_at=EVIL, cut_over_at=EVIL)
    other = replace(base.stacks[1], name="\u202eevil" + "x" * 200, region="")
    names = {"stack1": stack.name, "stack2": other.name}
    return replace(
        base,
        outcome=Outcome.STOPPED,
        database=EVIL,
        at=EVIL,
        version=EVIL,
        stacks=(stack, other),
        counts=(
            TableCount(EVIL, stack.name, 5, 5),
            *(replace(count, stack=names[count.stack]) for count in base.counts),
        ),
        conflicts=tuple(
            replace(one, stacks=(stack.name, other.name), kind=EVIL, domain=EVIL) for one in base.conflicts
        ),
        became_one=(
            BecameOne(EVIL, EVIL, EVIL, (EVIL, EVIL), EVIL, (EVIL,)),
            *(BecameOne("user", name, name, (name, EVIL), name, (EVIL,)) for name in evil),
        ),
        renamed=tuple(Renamed("user", name, name, f"{name}@{EVIL}", name, name) for name in evil),
        id_changes=tuple(IdChange("user", name, name, name, name, name) for name in evil),
        id_change_totals={EVIL: 3},
        dangling=(Dangling(EVIL, EVIL, EVIL, EVIL, 1, dropped=True),),
        problems=evil,
        warnings=evil,
        id_map=EVIL,
        phases=(Phase(EVIL, 1.0, 1),),
        checks=(Check(EVIL, 1, (EVIL,)), Check("well", 1)),
    )


EXAMPLES: dict[str, Callable[[], Report]] = {
    "two": two, "unequal": unequal, "third": third, "planned": planned, "difference": difference, "nothing": nothing,
    "stopped": stopped, "hostile": hostile,
}  # fmt: skip
