# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What is done where several Keystones use one name: the rules, and what the user says of single kinds and names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Callable, Hashable, Mapping

from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.schema import TABLES, Rule

MERGE, RENAME, FAIL = "merge", "rename", "fail"
ACTIONS: tuple[str, ...] = (MERGE, RENAME, FAIL)

SERVICE_PROJECTS: tuple[str, ...] = ("service", "services")
"""Names of the project of the service users: ``service`` with most installers, ``services`` with packstack."""

BUILTIN_ROLES: tuple[str, ...] = ("admin", "manager", "member", "reader", "service")
"""Roles that ``keystone-manage bootstrap`` makes: policies name them, so they become one whatever is said of roles."""

KINDS: tuple[str, ...] = (
    "domain",
    *(table.name for table in TABLES if table.rule in (Rule.NAMED, Rule.SAME)),
)
"""What can be in conflict: domains, and the tables whose rows are compared."""

RENAMED: tuple[str, ...] = ("domain", *(table.name for table in TABLES if table.rename is not None))
"""Kinds whose rows can get another name."""

_DEFAULTS = {"role": MERGE, "service": MERGE, "region": MERGE}


@dataclass(frozen=True)
class Builtin:
    """Names in the default domain that mean the same in every stack.

    A user is a service user where it has a role on a project of :data:`SERVICE_PROJECTS` in both stacks; *users* are
    such beside those.
    """

    users: tuple[str, ...] = ("admin",)
    projects: tuple[str, ...] = ("admin", *SERVICE_PROJECTS)


@dataclass(frozen=True)
class Override:
    """What is done with one name. *domain* is a domain's name or id; None stands for any, as *stack* does."""

    kind: str
    name: str
    action: str
    domain: str | None = None
    stack: str | None = None
    new_name: str | None = None


@dataclass(frozen=True)
class Name:
    """How people call one thing: *domain* is the name of its domain, *domain_id* its id, *detail* what is added."""

    kind: str
    name: str
    stack: str
    domain: str | None = None
    domain_id: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Decision:
    """What becomes of it; *new_name* is set where it is renamed.

    *asked* says that the user said so, *single* that an override of this very name did.
    """

    action: str
    new_name: str | None = None
    asked: bool = False
    single: bool = False


@dataclass(frozen=True)
class Policy:
    """The user's choice. *dangling* is ``carry`` or ``drop``: what is done with references that lead nowhere."""

    builtin: Builtin = Builtin()
    on_conflict: Mapping[str, str] | None = None
    overrides: tuple[Override, ...] = ()
    rename_format: str = "{name}@{stack}"
    dangling: str = "carry"

    def decide(self, found: Name, builtin: bool, fold: Callable[[str], Hashable]) -> Decision:
        """What is done with *found*. *builtin* things become one unless an override speaks of them."""
        for override in self.overrides:
            if self._speaks_of(override, found, fold):
                return self._decision(override.action, found, override.new_name, single=True)
        if builtin:
            return Decision(MERGE)
        action = (self.on_conflict or {}).get(found.kind)
        if action is None:
            return Decision(_DEFAULTS.get(found.kind, FAIL))
        return self._decision(action, found, None)

    def new_name(self, found: Name) -> str:
        """What *found* is called where it is renamed and nobody says how."""
        return self.rename_format.format(name=found.name, stack=found.stack, domain=found.domain or "", kind=found.kind)

    @staticmethod
    def _speaks_of(override: Override, found: Name, fold: Callable[[str], Hashable]) -> bool:
        if override.kind != found.kind or override.stack not in (None, found.stack):
            return False
        if fold(override.name) != fold(found.name):
            return False
        if override.domain is None:
            return True
        return any(
            known is not None and fold(override.domain) == fold(known) for known in (found.domain, found.domain_id)
        )

    def _decision(self, action: str, found: Name, new_name: str | None, single: bool = False) -> Decision:
        name = (new_name or self.new_name(found)) if action == RENAME else None
        return Decision(action, name, asked=True, single=single)


def settle(found: Name, action: str, new_name: str | None = None) -> str:
    """The line of ``overrides`` that would settle a conflict by *action*, in YAML."""
    parts = {"kind": found.kind, "domain": found.domain, "name": found.name, "stack": found.stack}
    said = {key: _in_yaml(value) for key, value in parts.items() if value is not None}
    said["action"] = action
    if new_name is not None:
        said["new_name"] = _in_yaml(new_name)
    return "- {{{}}}".format(", ".join(f"{key}: {value}" for key, value in said.items()))


def _in_yaml(text: str) -> str:
    """*text* in double quotes; what YAML does not let stand for itself is escaped."""
    return "".join(
        character
        if character.isprintable()
        else f"\\U{ord(character):08x}"
        if ord(character) > 0xFFFF
        else f"\\u{ord(character):04x}"
        for character in json.dumps(text, ensure_ascii=False)
    )


def check_policy(policy: Policy, stacks: frozenset[str]) -> None:
    """Raise for what is wrong with the options by themselves; *stacks* are the names of the sources."""
    for kind, action in (policy.on_conflict or {}).items():
        _check_action(f"on_conflict: {kind}", kind, action)
    for override in policy.overrides:
        where = f"overrides: {override.kind} {override.name}"
        _check_action(where, override.kind, override.action)
        if override.stack is not None and override.stack not in stacks:
            raise MergeError(f"{where}: no source is named {override.stack}; there are {', '.join(sorted(stacks))}")
        if override.new_name is not None and override.action != RENAME:
            raise MergeError(f"{where}: new_name goes with action rename only")
    try:
        made = {
            policy.rename_format.format(name=name, stack=stack, domain="d", kind="k")
            for name, stack in (("n", "s"), ("n", "t"), ("m", "s"))
        }
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise MergeError(
            f"rename_format {policy.rename_format!r} cannot be used ({error}): it may hold {{name}}, {{stack}}, "
            "{domain} and {kind}"
        ) from None
    if len(made) < 3:
        raise MergeError(
            f"rename_format {policy.rename_format!r} must hold {{name}} and {{stack}}, or names would meet again"
        )


def _check_action(where: str, kind: str, action: str) -> None:
    if kind not in KINDS:
        raise MergeError(f"{where}: there is no such kind; there are {', '.join(sorted(KINDS))}")
    if action not in ACTIONS:
        raise MergeError(f"{where}: {action} is none of {', '.join(ACTIONS)}")
    if action == RENAME and kind not in RENAMED:
        raise MergeError(f"{where}: a {kind} cannot be renamed; {', '.join(sorted(RENAMED))} can")
