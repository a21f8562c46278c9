# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: openstack_resources
short_description: Have flavors, images, networks and servers in a project
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Makes whatever of the listed is not there under its name, in one call, and waits until the servers are active.
  - Meant for resources that prove something, such as those of a lab. An image has its own name for content, and what is
    there already stays as it is.
options:
  auth:
    description: How to log in. What is made belongs to this project.
    type: dict
    required: true
    suboptions:
      auth_url:
        description: Where Keystone answers, with the version at the end.
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
        description: Name of the project.
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
  region:
    description: Region whose services are asked.
    type: str
    required: true
  all_projects:
    description: Look for servers in all projects, as administrators may.
    type: bool
    default: false
  hypervisors:
    description: Wait until Nova knows so many hypervisors, as administrators may.
    type: int
    default: 0
  flavors:
    description: Flavors.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      vcpus:
        description: Processors.
        type: int
        default: 1
      ram:
        description: Memory, MiB.
        type: int
        default: 64
      disk:
        description: Disk, GiB.
        type: int
        default: 1
  images:
    description: Names of images.
    type: list
    elements: str
    default: []
  networks:
    description: Networks, with a subnet each.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      cidr:
        description: Its addresses.
        type: str
        required: true
  servers:
    description: Servers.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      flavor:
        description: Name of its flavor.
        type: str
        required: true
      image:
        description: Name of its image.
        type: str
        required: true
      network:
        description: Name of its network.
        type: str
        required: true
  wait:
    description: Seconds for the services to answer and for the servers to be active.
    type: int
    default: 180
requirements:
  - keystoneauth1
attributes:
  check_mode:
    support: full
    description: Says what would be made.
  diff_mode:
    support: full
    description: Shows what is made, by name.
"""

EXAMPLES = r"""
- name: A server to look at
  stretch.cluster.openstack_resources:
    auth: {auth_url: "http://10.0.20.5:5000/v3", username: alice, password: "{{ alice }}", project_name: web}
    region: region_stack1
    images: [web]
    networks: [{name: web, cidr: 192.168.100.0/24}]
    servers: [{name: web-0, flavor: tiny, image: web, network: web}]
"""

RETURN = r"""
resources:
  description: Ids of what is listed, by kind and name; in check mode of what is there already.
  type: dict
  returned: success
  sample: {"server": {"web-0": "3a0d2b3e-6f5f-4a06-9a4e-0b8f1c1d1c57"}}
"""

import time
import traceback
from typing import Any, Callable, Mapping, TypeVar

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.openstack_resources import (
    ResourcesError,
    State,
    apply,
    load,
    parse,
    plan,
    unready,
)

try:
    from keystoneauth1 import exceptions
    from keystoneauth1.identity import V3Password
    from keystoneauth1.session import Session

    KEYSTONEAUTH_ERROR = None
except ImportError:
    KEYSTONEAUTH_ERROR = traceback.format_exc()

REQUEST_TIMEOUT = 60
"""Seconds that one request may take."""
PAUSE = 2.0
"""Seconds between two looks at what is waited for."""

Answer = TypeVar("Answer")
TEXT = {"type": "str", "required": True}
DOMAIN = {"type": "str", "default": "Default"}


class NotReadyError(ResourcesError):
    """A service does not answer yet, or answers that it cannot."""


class Region:
    """A login at one region's services."""

    def __init__(self, auth: Mapping[str, Any], region: str) -> None:
        """Log nobody in yet: that happens with the first request."""
        self.session = Session(auth=V3Password(**auth), timeout=REQUEST_TIMEOUT)
        self.region = region

    def request(self, service: str, method: str, path: str, body: Any = None) -> Mapping[str, Any]:
        """See module_utils.openstack_resources.Api."""
        content: dict[str, Any] = {}
        if isinstance(body, bytes):
            content = {"data": body, "headers": {"Content-Type": "application/octet-stream"}}
        elif body is not None:
            content = {"json": body}
        where = {"service_type": service, "region_name": self.region, "interface": "public"}
        try:
            response = self.session.request(path, method, endpoint_filter=where, **content)
        except (exceptions.ConnectFailure, exceptions.HttpServerError, exceptions.RetriableConnectionFailure) as error:
            raise NotReadyError(f"{service} of {self.region} does not answer {method} {path}: {error}") from error
        except exceptions.ClientException as error:
            raise ResourcesError(f"{service} of {self.region} refuses {method} {path}: {error}") from error
        return response.json() if response.content else {}


def patiently(look: Callable[[], Answer], good: Callable[[Answer], bool], deadline: float, what: str) -> Answer:
    """Look until it is good, or fail when the time is over."""
    while True:
        complaint = what
        try:
            found = look()
            if good(found):
                return found
        except NotReadyError as error:
            complaint = str(error)
        if time.monotonic() > deadline:
            raise ResourcesError(f"time is over: {complaint}")
        time.sleep(PAUSE)


def ensure(module: AnsibleModule) -> dict[str, Any]:
    """Do what the options say; the module's result."""
    params = module.params
    wanted = parse(params)
    api = Region(params["auth"], params["region"])
    deadline = time.monotonic() + params["wait"]
    state = patiently(lambda: load(api, wanted, params["all_projects"]), lambda _found: True, deadline, "")
    steps = plan(wanted, state)
    ids: State = state
    if not module.check_mode:
        if params["hypervisors"]:
            patiently(
                lambda: api.request("compute", "GET", "/os-hypervisors")["hypervisors"],
                lambda found: len(found) >= params["hypervisors"],
                deadline,
                f"Nova in {params['region']} knows fewer than {params['hypervisors']} hypervisors",
            )
        ids = apply(api, wanted, state, steps)
        patiently(lambda: unready(api, wanted, ids), lambda found: not found, deadline, "servers are not active")
    resources: dict[str, dict[str, str]] = {}
    for (kind, name), identifier in ids.items():
        if name in wanted.names(kind):
            resources.setdefault(kind, {})[name] = identifier
    made = "".join(f"{kind} {name}\n" for kind, name in steps)
    return {"changed": bool(steps), "resources": resources, "diff": {"before": "", "after": made}}


def items(**options: Any) -> dict[str, Any]:
    """Return the specification of a list of dictionaries with these options."""
    return {"type": "list", "elements": "dict", "default": [], "options": options}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "auth": {
                "type": "dict",
                "required": True,
                "options": {
                    "auth_url": TEXT,
                    "username": TEXT,
                    "password": {"type": "str", "required": True, "no_log": True},
                    "project_name": TEXT,
                    "user_domain_name": DOMAIN,
                    "project_domain_name": DOMAIN,
                },
            },
            "region": TEXT,
            "all_projects": {"type": "bool", "default": False},
            "hypervisors": {"type": "int", "default": 0},
            "flavors": items(
                name=TEXT,
                vcpus={"type": "int", "default": 1},
                ram={"type": "int", "default": 64},
                disk={"type": "int", "default": 1},
            ),
            "images": {"type": "list", "elements": "str", "default": []},
            "networks": items(name=TEXT, cidr=TEXT),
            "servers": items(name=TEXT, flavor=TEXT, image=TEXT, network=TEXT),
            "wait": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    if KEYSTONEAUTH_ERROR:
        module.fail_json(msg=missing_required_lib("keystoneauth1"), exception=KEYSTONEAUTH_ERROR)
    try:
        result = ensure(module)
    except ResourcesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
