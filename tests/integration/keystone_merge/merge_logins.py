# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The further ways into a Keystone: EC2 and OAuth1 signatures, trusts, one-time passwords, identity providers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from merge_servers import Api


def ec2(service: Api, access: str, secret: str) -> Any:
    """What a service gets for a request that an EC2 key signed (version 2): the token, or None."""
    credentials: dict[str, Any] = {
        "access": access, "host": "127.0.0.1", "verb": "GET", "path": "/",
        "params": {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": access},
    }  # fmt: skip
    query = "&".join(f"{quote(key, '')}={quote(value, '-_~')}" for key, value in sorted(credentials["params"].items()))
    text = f"GET\n127.0.0.1\n/\n{query}"
    credentials["signature"] = base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()
    status, _headers, answer = service.call("POST", "/ec2tokens", {"credentials": credentials})
    return answer["token"] if status == 200 else None


def one_time_password(secret: str, at: float | None = None) -> str:
    """The code of six digits that a credential of type totp asks for now."""
    counter = int((time.time() if at is None else at) // 30)
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", counter), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def with_one_time_password(root: Api, user_id: str, password: str, secret: str) -> Api | None:
    """Log in with a password and a one-time password."""
    return root.log_in({
        "methods": ["password", "totp"], "password": {"user": {"id": user_id, "password": password}},
        "totp": {"user": {"id": user_id, "passcode": one_time_password(secret)}},
    })  # fmt: skip


def by_trust(root: Api, user_id: str, password: str, trust: str) -> Api | None:
    """Log in as a trustee, to use a trust."""
    identity = {"methods": ["password"], "password": {"user": {"id": user_id, "password": password}}}
    return root.log_in(identity, {"OS-TRUST:trust": {"id": trust}})


def federated(root: Api, idp: str, user: str, **said: str) -> Api | None:
    """Come in through an identity provider that says who it is and more."""
    path = f"/OS-FEDERATION/identity_providers/{idp}/protocols/mapped/auth"
    headers = {f"X_Environ_{name}": value for name, value in {"REMOTE_USER": user, **said}.items()}
    status, answered, _answer = Api(root.url).call("GET", path, **headers)
    return Api(root.url, answered["X-Subject-Token"]) if status == 201 else None


@dataclass(frozen=True)
class OAuth1:
    """A consumer and, once it has one, a token of it."""

    root: Api
    consumer: str
    consumer_secret: str
    token: str = ""
    token_secret: str = ""

    def header(self, path: str, **more: str) -> str:
        """The header that signs a POST."""
        values = {
            "oauth_consumer_key": self.consumer, "oauth_nonce": uuid.uuid4().hex, "oauth_version": "1.0",
            "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": str(int(time.time())), **more,
        }  # fmt: skip
        if self.token:
            values["oauth_token"] = self.token
        given = "&".join(f"{quote(key, '')}={quote(value, '')}" for key, value in sorted(values.items()))
        text = f"POST&{quote(f'{self.root.url}/v3{path}', '')}&{quote(given, '')}"
        key = f"{self.consumer_secret}&{self.token_secret}".encode()
        values["oauth_signature"] = base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha1)).decode()
        return "OAuth " + ", ".join(f'{key}="{quote(value, "")}"' for key, value in values.items())

    def request(self, project: str) -> OAuth1:
        """Ask for access to a project."""
        path = "/OS-OAUTH1/request_token"
        more = {"Authorization": self.header(path, oauth_callback="oob"), "Requested_Project_Id": project}
        return self._with(Api(self.root.url).do("POST", path, **more))

    def access(self, verifier: str) -> OAuth1:
        """Exchange a request that was granted for an access token."""
        path = "/OS-OAUTH1/access_token"
        header = self.header(path, oauth_verifier=verifier)
        return self._with(Api(self.root.url).do("POST", path, Authorization=header))

    def _with(self, answer: dict[str, str]) -> OAuth1:
        return OAuth1(
            self.root, self.consumer, self.consumer_secret, answer["oauth_token"], answer["oauth_token_secret"]
        )

    def log_in(self) -> Api | None:
        """Use the access token."""
        auth = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
        header = self.header("/auth/tokens")
        status, headers, _answer = Api(self.root.url).call("POST", "/auth/tokens", auth, Authorization=header)
        return Api(self.root.url, headers["X-Subject-Token"]) if status == 201 else None
