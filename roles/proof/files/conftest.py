# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of the proof share: the description of the stacks and a session with each Keystone."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import testinfra
from keystoneauth1.access import AccessInfoV3
from keystoneauth1.identity import V3Password
from keystoneauth1.session import Session
from requests import Response
from testinfra.host import Host

REQUEST_TIMEOUT = 30
"""Seconds that one request may take."""
MESSAGE_LINES = 12
"""Lines that are shown of why a check failed."""


@dataclass(frozen=True)
class Controller:
    """A controller by its inventory name: its own Keystone's URL, and how testinfra reaches the machine."""

    name: str
    stack: str
    address: str
    url: str
    host: str


@dataclass(frozen=True)
class Tenant:
    """A user who existed in `stack` alone before the merge, with a project of the same domain."""

    stack: str
    domain: str
    project: str
    user: str
    password: str = field(repr=False)
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keystone:
    """One of several Keystones, by its URL with the version; every request says itself with which token."""

    url: str
    session: Session = field(repr=False)

    def login(self, user: str, password: str, project: str, domain: str) -> AccessInfoV3:
        """Log in anew; the token and what it carries."""
        plugin = V3Password(
            self.url,
            username=user,
            password=password,
            user_domain_name=domain,
            project_name=project,
            project_domain_name=domain,
        )
        access = plugin.get_access(self.session)
        assert isinstance(access, AccessInfoV3)
        return access

    def request(self, method: str, path: str, login: AccessInfoV3, **options: Any) -> Response:
        """Send a request with the token of a login to any Keystone and return the answer, whatever its status."""
        response: Response = self.session.request(
            self.url + path,
            method,
            headers={"X-Auth-Token": login.auth_token, **options.pop("headers", {})},
            authenticated=False,
            raise_exc=False,
            **options,
        )
        return response


@dataclass(frozen=True)
class Description:
    """What the role knows of the deployment."""

    raw: dict[str, Any] = field(repr=False)
    stacks: dict[str, dict[str, str]]
    controllers: dict[str, Controller]
    tenants: tuple[Tenant, ...]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Description:
        """Read the role's file."""
        return cls(
            raw,
            {stack["name"]: stack for stack in raw["stacks"]},
            {item["name"]: Controller(**item) for item in raw["controllers"]},
            tuple(
                Tenant(**{"domain": "Default", **item, "roles": tuple(item.get("roles", ()))})
                for item in raw["tenants"]
            ),
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the description."""
    parser.addoption("--description", required=True, help="JSON file that the role proof has written")


def pytest_configure(config: pytest.Config) -> None:
    """Read the description."""
    with open(config.getoption("--description"), encoding="utf-8") as file:
        config.stash[DESCRIPTION] = Description.of(json.load(file))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of each check that failed what was wrong, and leave out how it was found."""
    for report in terminalreporter.getreports("failed") + terminalreporter.getreports("error"):
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash else str(report.longrepr)
        terminalreporter.write_line(f"FAILED {report.nodeid.split('::')[-1]}")
        for line in message.splitlines()[:MESSAGE_LINES]:
            terminalreporter.write_line(f"    {line}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what asks services that the regions do not have."""
    chosen = config.stash[DESCRIPTION].raw["services"]
    return True if collection_path.name == "test_services.py" and not chosen else None


DESCRIPTION: pytest.StashKey[Description] = pytest.StashKey()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a check for every stack, ordered pair of stacks, controller, or tenant with each stack."""
    description = metafunc.config.stash[DESCRIPTION]
    stacks = list(description.stacks)
    pairs = [(one, other) for one in stacks for other in stacks if one != other]
    every = [(one, other) for one in stacks for other in stacks]
    logins = [(tenant, stack) for tenant in description.tenants for stack in stacks]
    wanted: dict[tuple[str, ...], tuple[list[Any], list[str]]] = {
        ("stack",): (stacks, stacks),
        ("stack", "region_of"): (every, [f"{one}-{other}" for one, other in every]),
        ("stack", "other"): (pairs, [f"{one}-{other}" for one, other in pairs]),
        ("controller",): (list(description.controllers.values()), list(description.controllers)),
        ("tenant", "stack"): (logins, [f"{tenant.user}-of-{tenant.stack}-at-{stack}" for tenant, stack in logins]),
    }
    names = tuple(
        name for name in ("tenant", "stack", "region_of", "other", "controller") if name in metafunc.fixturenames
    )
    if names in wanted:
        values, ids = wanted[names]
        metafunc.parametrize(names if len(names) > 1 else names[0], values, ids=ids)


@pytest.fixture(scope="session")
def description(request: pytest.FixtureRequest) -> Description:
    """The deployment."""
    found: Description = request.config.stash[DESCRIPTION]
    return found


@pytest.fixture(scope="session")
def ssh() -> Iterator[str]:
    """Options by which all commands of a host share a connection, which ends by itself."""
    # A path of its own, as those below the state directory can be too long for a socket.
    sockets = tempfile.mkdtemp(prefix="proof-")
    yield f"-o ControlMaster=auto -o ControlPersist=10s -o ControlPath={sockets}/%C -o ConnectTimeout=10"
    shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture(scope="session")
def hosts(description: Description, ssh: str) -> dict[str, Host]:
    """The controllers' machines."""
    return {
        name: testinfra.get_host(controller.host, ssh_config=description.raw["ssh_config"], ssh_extra_args=ssh)
        for name, controller in description.controllers.items()
    }


@pytest.fixture(scope="session")
def undercloud_hosts(description: Description, ssh: str) -> dict[str, Host]:
    """Each stack's undercloud, from which people ask."""
    return {
        stack: testinfra.get_host(f"ssh://{name}", ssh_config=description.raw["ssh_config"], ssh_extra_args=ssh)
        for stack, name in description.raw["underclouds"].items()
    }


@pytest.fixture(scope="session")
def session() -> Session:
    """One pool of connections."""
    return Session(timeout=REQUEST_TIMEOUT)


@pytest.fixture(scope="session")
def keystones(description: Description, session: Session) -> dict[str, Keystone]:
    """Each stack's Keystone behind its VIP."""
    return {name: Keystone(stack["url"], session) for name, stack in description.stacks.items()}


@pytest.fixture(scope="session")
def admin(description: Description, keystones: dict[str, Keystone]) -> dict[str, AccessInfoV3]:
    """The administrator's token from each stack."""
    login = description.raw["admin"]
    return {
        name: keystone.login(login["user"], login["password"], login["project"], login["domain"])
        for name, keystone in keystones.items()
    }
