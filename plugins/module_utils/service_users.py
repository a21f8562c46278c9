# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users that the services of several regions log in as, and what becomes of them when their Keystones are merged.

Pure: what the services' configuration says and what the Keystones answered go in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import Document, normal, values

PASSWORD_TYPES = ("password", "v3password", "v2password")
"""Values of ``auth_type`` by which keystoneauth logs in with a name and a password."""
USER = ("username", "user_name", "user-name")
"""What keystoneauth calls the user's name, the present name first."""
UNKNOWN = ("Could not find user", "Could not find domain")
"""What Keystone says of a user that it does not have, when it may say so."""


@dataclass(frozen=True)
class Credential:
    """Whom a service logs in as. ``section`` is the one that sets the name, in the file ``path`` as ``option``."""

    service: str
    path: str
    section: str
    option: str
    user: str
    domain: str
    project: str
    project_domain: str
    password: str


def _plain(value: str) -> str:
    """A value as oslo.config gives it, which substitutes after a dollar sign."""
    return value.replace("$$", "$")


def _first(options: Mapping[str, str], *names: str) -> str:
    return next((_plain(options[name]) for name in names if options.get(name)), "")


def _domain(options: Mapping[str, str], kind: str) -> str:
    """A domain's name; the one with the id ``default`` is called Default unless somebody renamed it."""
    name = _first(options, f"{kind}_domain_name", f"{kind}-domain-name", "default_domain_name")
    identifier = _first(options, f"{kind}_domain_id", f"{kind}-domain-id", "default_domain_id")
    return name or ("Default" if identifier in ("", "default") else identifier)


def credentials(service: str, documents: Mapping[str, Document]) -> Iterator[Credential]:
    """Whom a service logs in as, one for each section that sets a name and a password.

    A section that takes its login from another one (``auth_section``) has none of its own.

    :param documents: What the service reads, by path, in its order.
    """
    found = values(list(documents.values()))
    for section, options in found.items():
        if options.get("auth_type", options.get("auth_plugin", PASSWORD_TYPES[0])) not in PASSWORD_TYPES:
            continue
        name = next((one for one in USER if options.get(one)), None)
        if name is None or not options.get("password"):
            continue
        # Other things than Keystone have users, too.
        if section != "keystone_authtoken" and not _first(options, "auth_url", "auth_type", "auth_plugin", "auth_uri"):
            continue
        path = [
            where
            for where, document in documents.items()
            if any((one.section, one.option) == (normal(section), name) for one in document.assignments)
        ][-1]
        domain = _domain(options, "user")
        yield Credential(
            service=service,
            path=path,
            section=section,
            option=name,
            user=_plain(options[name]),
            domain=domain,
            project=_first(options, "project_name", "project-name", "tenant_name", "tenant-name"),
            project_domain=_domain(options, "project"),
            password=_plain(options["password"]),
        )


def plain(found: Sequence[Credential]) -> List[Dict[str, str]]:
    """As dictionaries."""
    return [asdict(one) for one in found]


# What the Keystones are asked


Key = Tuple[str, str, str, str, str]
"""Name, domain, project, its domain, password."""
Credentials = Mapping[str, Sequence[Mapping[str, str]]]
"""By stack, of all its nodes."""


def _logins(found: Sequence[Mapping[str, str]]) -> List[Key]:
    fields = ("user", "domain", "project", "project_domain", "password")
    return sorted({(one[fields[0]], one[fields[1]], one[fields[2]], one[fields[3]], one[fields[4]]) for one in found})


def questions(stack: str, stacks: Sequence[str], found: Credentials) -> List[Dict[str, str]]:
    """Logins that a stack's Keystone is to try.

    First all of its own services as they do it now; then those of the stacks that come later, whose users could become
    one with this stack's: without a project, as the merge unites what they may do.
    """
    own = [
        {
            "stack": stack,
            "user": user,
            "user_domain": domain,
            "password": password,
            **({"project": project, "project_domain": project_domain} if project else {}),
        }
        for user, domain, project, project_domain, password in _logins(found.get(stack, ()))
    ]
    later = [
        {"stack": other, "user": user, "user_domain": domain, "password": password}
        for other in stacks[list(stacks).index(stack) + 1 :]
        for user, domain, _project, _project_domain, password in _logins(found.get(other, ()))
    ]
    return own + later


Answers = Mapping[str, Mapping[str, Any]]
"""By stack, what the program login_check answered to :func:`questions`: ``logins`` in their order, and ``error``."""


class _Answered:
    """What the Keystones said of each login."""

    def __init__(self, stacks: Sequence[str], found: Credentials, answers: Answers) -> None:
        self.stacks = list(stacks)
        self.found = found
        self.problems: Dict[Tuple[str, str, Key], str] = {}
        for stack in stacks:
            told = answers.get(stack, {"logins": []})["logins"]
            asked: List[Tuple[str, str, Key]] = [(stack, stack, key) for key in _logins(found.get(stack, ()))]
            for other in self.stacks[self.stacks.index(stack) + 1 :]:
                asked += [(stack, other, key) for key in _logins(found.get(other, ()))]
            self.problems.update({one: answer["problem"] for one, answer in zip(asked, told)})

    def works(self, stack: str, key: Key) -> bool:
        """Whether the stack's own Keystone lets it in now."""
        return self.problems.get((stack, stack, key), "not asked") == ""

    def meets(self, stack: str, key: Key) -> Tuple[str, str] | None:
        """The first of the earlier stacks that has such a user, and why it would not let this one in, if so."""
        for earlier in self.stacks[: self.stacks.index(stack)]:
            problem = self.problems.get((earlier, stack, key), UNKNOWN[0])
            if not any(said in problem for said in UNKNOWN):
                return earlier, problem
        return None

    def services(self, stack: str, key: Key) -> str:
        """The services that log in so, and where they say so."""
        where: Dict[str, List[str]] = {}
        for one in self.found.get(stack, ()):
            if _logins([one]) == [key] and one["section"] not in where.setdefault(one["service"], []):
                where[one["service"]].append(one["section"])
        return ", ".join(f"{service} [{'], ['.join(sections)}]" for service, sections in where.items())


@dataclass(frozen=True)
class Plan:
    """What becomes of the services' users.

    ``errors`` keep the merge from being made; ``stale`` are logins of the configuration that do not work now either;
    ``names``: new names by old ones, by stack; ``overrides``: what the merge is told; ``logins``: who has to be let in
    by the merged database.
    """

    errors: Tuple[str, ...]
    stale: Tuple[str, ...]
    names: Mapping[str, Mapping[str, str]]
    overrides: Tuple[Mapping[str, str], ...]
    logins: Tuple[Mapping[str, str], ...]


def plan(
    stacks: Sequence[str],
    regions: Mapping[str, str],
    found: Credentials,
    answers: Answers,
    policy: str,
    cut_over: Sequence[str],
) -> Plan:
    """Decide.

    :param policy: ``shared``, all log in as the first stack's user; ``rename``, a later stack's user gets another name.
    :param cut_over: Stacks that use the merged database already: their logins are the present ones.
    """
    errors = [
        f"{regions[stack]}: its Keystone cannot be asked who may log in: {answers[stack]['error']}"
        for stack in stacks
        if answers.get(stack, {}).get("error")
    ]
    if errors:
        return Plan(tuple(errors), (), {}, (), ())
    answered = _Answered(stacks, found, answers)
    stale: List[str] = []
    names: Dict[str, Dict[str, str]] = {}
    overrides: List[Mapping[str, str]] = []
    logins: List[Mapping[str, str]] = []
    for stack in stacks:
        for key in _logins(found.get(stack, ())):
            user, domain, project, project_domain, password = key
            if not answered.works(stack, key) and stack not in cut_over:
                stale.append(f"{regions[stack]}: {answered.services(stack, key)} cannot log in as {user} now either")
                continue
            met = answered.meets(stack, key)
            new = user
            if met and policy == "rename" and not user.endswith(f"@{stack}"):
                new = f"{user}@{stack}"
                if user not in names.setdefault(stack, {}):
                    overrides.append(
                        {
                            "kind": "user",
                            "domain": domain,
                            "name": user,
                            "stack": stack,
                            "action": "rename",
                            "new_name": new,
                        }
                    )
                names[stack][user] = new
            elif met and met[1] and stack not in cut_over:
                errors.append(
                    f"{regions[stack]}: {answered.services(stack, key)} would not log in as {user} any more: that user"
                    f" becomes one with {regions[met[0]]}'s, which says {met[1]}"
                )
            login = {"stack": stack, "user": new, "user_domain": domain, "password": password}
            if project:
                login.update(project=project, project_domain=project_domain)
            if stack not in cut_over:
                logins.append(login)
    return Plan(tuple(errors), tuple(stale), names, tuple(overrides), tuple(logins))


# Configuration that follows


@dataclass(frozen=True)
class Change:
    """A name that is to be written into a file."""

    path: str
    section: str
    option: str
    before: str
    after: str


def changes(found: Sequence[Credential], names: Mapping[str, str]) -> List[Change]:
    """Where the configuration of services names users that have another name now."""
    return [Change(one.path, one.section, one.option, one.user, names[one.user]) for one in found if one.user in names]


def diff(wanted: Sequence[Change]) -> List[Dict[str, str]]:
    """One diff per file in Ansible's form, of the names alone: files have passwords."""
    entries = []
    for path in dict.fromkeys(one.path for one in wanted):
        these = [one for one in wanted if one.path == path]
        before = "".join(f"[{one.section}]\n{one.option} = {one.before}\n" for one in these)
        after = "".join(f"[{one.section}]\n{one.option} = {one.after}\n" for one in these)
        entries.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return entries
