# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of one region's Keystone. None tries again but where every client does: with a new token after a 401."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from itertools import cycle
from pathlib import Path
from typing import Any

from stretch_drill.model import Write
from stretch_drill.paced import Paced

LIMIT = 60.0
"""Seconds that an answer may take, as long as the services' clients wait."""
REFUSED = "refused"
"""Begins the error of a write that was answered with 503 and Retry-After."""
KINDS = ("logins", "validations", "reads", "writes")


class LoadError(Exception):
    """The load cannot be prepared, or not be looked at afterwards."""


@dataclass(frozen=True)
class Answer:
    """What Keystone said."""

    status: int
    headers: Message
    body: Any


@dataclass(frozen=True)
class User:
    """Somebody of the default domain who logs in to a project of it."""

    name: str
    password: str
    project: str

    @property
    def auth(self) -> dict[str, Any]:
        """The body of a login."""
        domain = {"id": "default"}
        who = {"user": {"name": self.name, "domain": domain, "password": self.password}}
        scope = {"project": {"name": self.project, "domain": domain}}
        return {"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}}


@dataclass(frozen=True)
class Keystone:
    """A region's Keystone, as clients reach it."""

    region: str
    url: str

    def ask(self, method: str, path: str, body: Any = None, token: str = "", subject: str = "") -> Answer:
        """Ask on a new connection.

        :raises OSError: when there is no answer.
        """
        headers = {"Content-Type": "application/json", "X-Auth-Token": token, "X-Subject-Token": subject}
        request = urllib.request.Request(  # noqa: S310 - the URL is the operator's
            f"{self.url}{path}",
            None if body is None else json.dumps(body).encode(),
            {name: value for name, value in headers.items() if value},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:  # noqa: S310
                return Answer(answer.status, answer.headers, json.loads(answer.read() or b"null"))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode(errors="replace"))

    def log_in(self, user: User) -> str:
        """Return a new token.

        :raises LoadError: when there is none.
        """
        answer = self.ask("POST", "/auth/tokens", user.auth)
        if answer.status != 201:
            raise LoadError(f"{user.name} cannot log in at {self.url}: {answer.status} {answer.body}")
        return str(answer.headers["X-Subject-Token"])

    def make(self, token: str, kind: str, body: Mapping[str, Any]) -> str:
        """Make a thing, and return its id; one that an earlier load left becomes the same.

        :raises LoadError: when it is not there.
        """
        answer = self.ask("POST", f"/{kind}s", {kind: body}, token)
        if answer.status == 201:
            return str(answer.body[kind]["id"])
        found = self.ask("GET", f"/{kind}s?name={body['name']}&domain_id=default", token=token)
        if answer.status != 409 or found.status != 200 or not found.body[f"{kind}s"]:
            raise LoadError(f"{kind} {body['name']} cannot be made at {self.url}: {answer.status} {answer.body}")
        id_ = str(found.body[f"{kind}s"][0]["id"])
        more = {name: value for name, value in body.items() if name not in ("name", "domain_id")}
        changed = self.ask("PATCH", f"/{kind}s/{id_}", {kind: more}, token) if more else found
        if changed.status != 200:
            raise LoadError(f"{kind} {body['name']} cannot be changed at {self.url}: {changed.status} {changed.body}")
        return id_

    def grant(self, token: str, role: str, user: str, project: str) -> None:
        """Give a user a role on a project.

        :raises LoadError: when it has not got it.
        """
        roles = self.ask("GET", f"/roles?name={role}", token=token).body["roles"]
        answer = self.ask("PUT", f"/projects/{project}/users/{user}/roles/{roles[0]['id']}", token=token)
        if answer.status != 204:
            raise LoadError(f"no role {role} at {self.url}: {answer.status} {answer.body}")


@dataclass(frozen=True)
class Tenant:
    """Who makes the load in a region, with a token from before."""

    keystone: Keystone
    user: User
    writer: User
    project: str
    token: str


def tenant(keystone: Keystone, admin: User, password: str) -> Tenant:
    """Make the users of the load in a region, whose names no other region has.

    :raises LoadError: when they cannot be made.
    """
    token = keystone.log_in(admin)
    name = f"load-{keystone.region}"
    project = keystone.make(token, "project", {"name": name, "domain_id": "default"})
    for who, role in ((name, "member"), (f"{name}-writer", "admin")):
        user = keystone.make(token, "user", {"name": who, "domain_id": "default", "password": password})
        keystone.grant(token, role, user, project)
    one = User(name, password, name)
    return Tenant(keystone, one, User(f"{name}-writer", password, name), project, keystone.log_in(one))


class Client(Paced):
    """Does one kind of thing in one region."""

    def __init__(self, who: Tenant, kind: str, clock: Callable[[], float], rate: float, directory: Path) -> None:
        """Nothing is done before it is started."""
        region = who.keystone.region
        super().__init__(f"{region} {kind}", f"{region} {kind}", clock, rate, directory / f"{region}-{kind}.jsonl")
        self.kind = kind
        self.region = region
        self._who = who
        self._writer_token = ""
        ways: dict[str, Callable[[], Iterator[Callable[[int], str]]]] = {
            "logins": lambda: cycle([self._login]),
            "validations": lambda: cycle([self._validation]),
            "reads": lambda: cycle([self._catalog, self._project]),
            "writes": lambda: cycle([self._new_user, self._new_project]),
        }
        self._ways = ways[kind]()

    def _attempt(self, number: int) -> Write:
        began = self._clock()
        error = made = ""
        try:
            made = next(self._ways)(number)
        except (OSError, LoadError) as problem:
            error = " ".join(str(problem).split())[:300] or type(problem).__name__
        return Write(self.site, number, began, self._clock(), True, error, made)

    def _expect(self, status: int, answer: Answer) -> Answer:
        if answer.status == 503 and answer.headers.get("Retry-After"):
            raise LoadError(f"{REFUSED}: come again after {answer.headers['Retry-After']} s")
        if answer.status != status:
            raise LoadError(f"{answer.status} {answer.body}")
        return answer

    def _login(self, _number: int) -> str:
        self._expect(201, self._who.keystone.ask("POST", "/auth/tokens", self._who.user.auth))
        return ""

    def _validation(self, _number: int) -> str:
        # The token from before the cutover, all through.
        token = self._who.token
        self._expect(200, self._who.keystone.ask("GET", "/auth/tokens", token=token, subject=token))
        return ""

    def _catalog(self, _number: int) -> str:
        self._expect(200, self._who.keystone.ask("GET", "/auth/catalog", token=self._who.token))
        return ""

    def _project(self, _number: int) -> str:
        self._expect(200, self._who.keystone.ask("GET", f"/projects/{self._who.project}", token=self._who.token))
        return ""

    def _new_user(self, number: int) -> str:
        return self._new("user", number)

    def _new_project(self, number: int) -> str:
        return self._new("project", number)

    def _new(self, kind: str, number: int) -> str:
        body = {kind: {"name": f"load-{self.region}-{number}-{secrets.token_hex(4)}", "domain_id": "default"}}
        keystone = self._who.keystone
        self._writer_token = self._writer_token or keystone.log_in(self._who.writer)
        answer = keystone.ask("POST", f"/{kind}s", body, self._writer_token)
        if answer.status == 401:
            self._writer_token = keystone.log_in(self._who.writer)
            answer = keystone.ask("POST", f"/{kind}s", body, self._writer_token)
        return f"/{kind}s/{self._expect(201, answer).body[kind]['id']}"
