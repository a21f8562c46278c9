# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_population
short_description: Keep domains, projects, users, groups, roles, assignments and services in a Keystone
version_added: 0.1.0
author:
  - The stretch.cluster developers (@stretch-cluster)
description:
  - Makes everything listed exist, in one call through Keystone's API, and removes nothing.
  - It lists what is there first and then makes only what is missing, so a second run costs a few listings.
  - A user's password is set when the user is created and never changed afterwards.
requirements:
  - keystoneauth1 >= 5.0 on the node that runs the module
attributes:
  check_mode:
    description: Can run in check mode and predict its changes without making them.
    support: full
  diff_mode:
    description: Shows what is created or updated, by name only.
    support: full
options:
  auth:
    description: How to log in, as somebody who may make all this (an administrator).
    type: dict
    required: true
    suboptions:
      auth_url:
        description: Where Keystone answers, with or without the version at the end.
        type: str
        required: true
      username:
        description: Name of the user.
        type: str
        required: true
      password:
        description: The user's password.
        type: str
        required: true
      project_name:
        description: Project to log in to.
        type: str
        required: true
      user_domain_name:
        description: Domain of the user.
        type: str
        default: Default
      project_domain_name:
        description: Domain of the project.
        type: str
        default: Default
  domains:
    description: Domains to make. The domain C(Default) is there from Keystone's bootstrap and need not be listed.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the domain.
        type: str
        required: true
      description:
        description: Its description; left alone unless given.
        type: str
  projects:
    description: Projects to make.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the project.
        type: str
        required: true
      domain:
        description: Name of its domain.
        type: str
        default: Default
      description:
        description: Its description; left alone unless given.
        type: str
  users:
    description: Users to make.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      domain:
        description: Name of the user's domain.
        type: str
        default: Default
      password:
        description: The password of a user that is not there yet. That of an existing user is not touched.
        type: str
        required: true
      default_project:
        description: Name of the user's default project, in the user's domain; left alone unless given.
        type: str
      email:
        description: The user's address for mail; left alone unless given.
        type: str
      description:
        description: The user's description; left alone unless given.
        type: str
  groups:
    description: Groups to make.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      domain:
        description: Name of its domain.
        type: str
        default: Default
      description:
        description: Its description; left alone unless given.
        type: str
      members:
        description: Users that are to be in the group; others stay in it.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the user.
            type: str
            required: true
          domain:
            description: Name of the user's domain; the group's own when left out.
            type: str
  roles:
    description: Names of the (global) roles to make.
    type: list
    elements: str
    default: []
  assignments:
    description: Roles to give to users or groups on projects or domains.
    type: list
    elements: dict
    default: []
    suboptions:
      role:
        description: Name of the role.
        type: str
        required: true
      user:
        description: Name of the user who gets it; either this or O(assignments[].group).
        type: str
      user_domain:
        description: Name of the user's domain.
        type: str
        default: Default
      group:
        description: Name of the group that gets it.
        type: str
      group_domain:
        description: Name of the group's domain.
        type: str
        default: Default
      project:
        description: Name of the project on which it holds; either this or O(assignments[].domain).
        type: str
      project_domain:
        description: Name of the project's domain.
        type: str
        default: Default
      domain:
        description: Name of the domain on which it holds.
        type: str
  services:
    description: Services of the catalog, each with a public, an internal and an admin endpoint at one address.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      type:
        description: Its type, as V(compute).
        type: str
        required: true
      region:
        description: Region of its endpoints, which has to exist.
        type: str
        required: true
      url:
        description: Where it answers.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Make a tenant with one user
  stretch.cluster.keystone_population:
    auth:
      auth_url: http://10.0.20.5:5000/v3
      username: admin
      password: "{{ admin_password }}"
      project_name: admin
    domains:
      - name: acme
        description: A customer
    projects:
      - {name: web, domain: acme}
    users:
      - {name: alice, domain: acme, password: "{{ alice_password }}", default_project: web}
    groups:
      - {name: operators, domain: acme, members: [{name: alice}]}
    assignments:
      - {role: member, user: alice, user_domain: acme, project: web, project_domain: acme}
      - {role: reader, group: operators, group_domain: acme, domain: acme}
    services:
      - {name: glance, type: image, region: region_stack1, url: "http://10.0.20.5:9292"}
"""

RETURN = r"""
steps:
  description: What was made, or would be made in check mode, in order and by name only.
  type: list
  elements: str
  returned: success
  sample:
    - create user acme/alice
    - assign role member of user acme/alice on project acme/web
api_calls:
  description: How many requests this took, the login not counted.
  type: int
  returned: success
  sample: 9
"""

import json
import traceback
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_population import (
    PopulationError,
    apply,
    load,
    parse,
    plan,
)

try:
    from keystoneauth1 import exceptions
    from keystoneauth1.adapter import Adapter
    from keystoneauth1.identity import V3Password
    from keystoneauth1.session import Session

    KEYSTONEAUTH_ERROR = None
except ImportError:
    KEYSTONEAUTH_ERROR = traceback.format_exc()

REQUEST_TIMEOUT = 60
"""Seconds that one request may take."""

STRING = {"type": "str"}
NAME = {"type": "str", "required": True}
DOMAIN = {"type": "str", "default": "Default"}


def items(**options: Any) -> dict[str, Any]:
    """Specification of a list of dictionaries with these `options`."""
    return {"type": "list", "elements": "dict", "default": [], "options": options}


ARGUMENTS: dict[str, Any] = {
    "auth": {
        "type": "dict",
        "required": True,
        "options": {
            "auth_url": NAME,
            "username": NAME,
            "password": {"type": "str", "required": True, "no_log": True},
            "project_name": NAME,
            "user_domain_name": DOMAIN,
            "project_domain_name": DOMAIN,
        },
    },
    "domains": items(name=NAME, description=STRING),
    "projects": items(name=NAME, domain=DOMAIN, description=STRING),
    "users": items(
        name=NAME,
        domain=DOMAIN,
        password={"type": "str", "required": True, "no_log": True},
        default_project=STRING,
        email=STRING,
        description=STRING,
    ),
    "groups": items(name=NAME, domain=DOMAIN, description=STRING, members=items(name=NAME, domain=STRING)),
    "roles": {"type": "list", "elements": "str", "default": []},
    "assignments": items(
        role=NAME,
        user=STRING,
        user_domain=DOMAIN,
        group=STRING,
        group_domain=DOMAIN,
        project=STRING,
        project_domain=DOMAIN,
        domain=STRING,
    ),
    "services": items(name=NAME, type=NAME, region=NAME, url=NAME),
}


class KeystoneApi:
    """Requests to one Keystone at its own URL, not at the catalog's; `calls` counts them."""

    def __init__(self, auth: Mapping[str, Any]) -> None:
        """Log nobody in yet: that happens with the first request."""
        url = auth["auth_url"].rstrip("/")
        self.url = url if url.endswith("/v3") else url + "/v3"
        self.login = "{}/{} in project {}/{}".format(
            auth["user_domain_name"],
            auth["username"],
            auth["project_domain_name"],
            auth["project_name"],
        )
        self.calls = 0
        self.adapter = Adapter(
            Session(auth=V3Password(**dict(auth, auth_url=self.url)), timeout=REQUEST_TIMEOUT),
            endpoint_override=self.url,
        )

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """See module_utils.keystone_population.Api."""
        self.calls += 1
        try:
            response = self.adapter.request(path, method, json=body) if body else self.adapter.request(path, method)
            return response.json() if response.content else {}
        except exceptions.Unauthorized as error:
            raise PopulationError(
                f"Keystone at {self.url} refuses the login of {self.login}: "
                f"check the user, the password and the project ({error})"
            ) from error
        except exceptions.HttpError as error:
            raise PopulationError(f"Keystone at {self.url} refuses {method} {path}: {error}") from error
        except (exceptions.ClientException, json.JSONDecodeError) as error:
            raise PopulationError(
                f"No Keystone answers at {self.url}: check the address and that the service runs ({error})"
            ) from error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if KEYSTONEAUTH_ERROR:
        module.fail_json(msg=missing_required_lib("keystoneauth1"), exception=KEYSTONEAUTH_ERROR)
    try:
        wanted = parse(module.params)
        api = KeystoneApi(module.params["auth"])
        state = load(api, wanted)
        steps = plan(wanted, state)
        if not module.check_mode:
            apply(api, steps, wanted, state)
    except PopulationError as error:
        module.fail_json(msg=str(error))
    names = [str(step) for step in steps]
    diff = {"before": "", "after": "".join(f"{name}\n" for name in names)}
    module.exit_json(changed=bool(steps), steps=names, api_calls=api.calls, diff=diff)


if __name__ == "__main__":
    main()
