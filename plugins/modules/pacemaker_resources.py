# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pacemaker_resources
short_description: Ensure properties, resources and constraints of a Pacemaker cluster
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Compares a wanted configuration with the live one and pushes what differs in one step, checked against the
    cluster's schema beforehand. Run it on one node of the cluster.
  - Elements get the ids that C(pcs) would give them, so what C(pcs) or TripleO made is recognised.
  - What is not named stays as it is. A resource that is named is replaced as a whole, except that its meta attributes
    C(target-role), C(is-managed) and C(maintenance) stay unless they are given, since an operator sets these.
  - A constraint between two resources replaces another one of its kind between the same two.
requirements:
  - The commands C(cibadmin), C(crm_diff), C(crm_verify) and C(crm_resource) of Pacemaker on the node.
attributes:
  check_mode:
    support: full
    description: Checks the wanted configuration against the schema, reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows each element that changes as XML.
options:
  properties:
    description: Cluster properties. A null value removes one.
    type: dict
    default: {}
  node_attributes:
    description: Permanent node attributes, as a dictionary per node name. A null value removes one.
    type: dict
    default: {}
  resource_defaults:
    description: Default meta attributes of resources. A null value removes one.
    type: dict
    default: {}
  operation_defaults:
    description: Default attributes of operations, such as C(timeout). A null value removes one.
    type: dict
    default: {}
  primitives:
    description: Resources by themselves.
    type: list
    elements: dict
    default: []
    suboptions: &primitive
      name:
        description: Name of the resource.
        type: str
        required: true
      agent:
        description: Resource agent, as C(ocf:PROVIDER:TYPE), or C(CLASS:TYPE) for other classes.
        type: str
        required: true
      attributes:
        description: Instance attributes, the agent's parameters.
        type: dict
        default: {}
      meta:
        description: Meta attributes.
        type: dict
        default: {}
      operations:
        description: Operations. None are added to these, not even a monitor.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the action, such as V(monitor).
            type: str
            required: true
          interval:
            description: How often it is repeated.
            type: str
            default: 0s
          timeout:
            description: How long it may take.
            type: str
          on_fail:
            description: What to do when it fails.
            type: str
          role:
            description: Role of the resource in which it is done.
            type: str
  bundles:
    description: Resources that run in containers of their own.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the bundle.
        type: str
        required: true
      container:
        description: Container engine.
        type: str
        choices: [podman, docker]
        default: podman
      image:
        description: Image.
        type: str
        required: true
      replicas:
        description: Number of containers.
        type: int
      promoted_max:
        description: Number of replicas that may be promoted. Written as C(masters) where the schema is older than 3.0.
        type: int
      options:
        description: Further options of the engine's C(run) command, in one string.
        type: str
      run_command:
        description: Command to run instead of Pacemaker's own or the image's.
        type: str
      network:
        description: Network of the containers.
        type: str
        default: host
      control_port:
        description: Port by which Pacemaker reaches into the container. Required with O(bundles[].primitive).
        type: int
      storage:
        description: Directories and files of the host in the container.
        type: list
        elements: dict
        default: []
        suboptions:
          id:
            description: Id of the mapping. Counted as C(pcs) does if not given.
            type: str
          source:
            description: Path on the host.
            type: str
            required: true
          target:
            description: Path in the container.
            type: str
            required: true
          options:
            description: Mount options, such as V(ro).
            type: str
      primitive:
        description: The resource inside.
        type: dict
        suboptions: *primitive
      meta:
        description: Meta attributes.
        type: dict
        default: {}
  clones:
    description: Resources that run on several nodes at once, each of which can be promoted on all of them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the clone.
        type: str
        required: true
      clone_max:
        description: Number of instances.
        type: int
        required: true
      primitive:
        description: The resource.
        type: dict
        required: true
        suboptions: *primitive
      meta:
        description: Meta attributes beside those that O(clones[].clone_max) means.
        type: dict
        default: {}
  constraints:
    description: Constraints.
    type: dict
    default: {}
    suboptions:
      location:
        description: Where a resource may run, by a node attribute.
        type: list
        elements: dict
        default: []
        suboptions:
          id:
            description: Id of the constraint, C(location-RESOURCE) if not given.
            type: str
          resource:
            description: Resource.
            type: str
            required: true
          attribute:
            description: Node attribute.
            type: str
            required: true
          operation:
            description: How it is compared.
            type: str
            choices: [eq, ne]
            default: eq
          value:
            description: Value that it is compared with.
            type: raw
            default: 'true'
          score:
            description: Score of the nodes where it holds.
            type: str
            default: '0'
          resource_discovery:
            description: Whether the resource is looked for, and may run, on other nodes.
            type: str
            choices: [always, never, exclusive]
            default: exclusive
      order:
        description: Which resource acts first.
        type: list
        elements: dict
        default: []
        suboptions:
          first:
            description: Resource that acts first.
            type: str
            required: true
          then:
            description: Resource that acts then.
            type: str
            required: true
          kind:
            description: How binding it is. Mandatory if not given.
            type: str
            choices: [Mandatory, Optional, Serialize]
          first_action:
            description: Action of the first resource.
            type: str
            choices: [start, stop, promote, demote]
            default: start
          then_action:
            description: Action of the other resource.
            type: str
            choices: [start, stop, promote, demote]
            default: start
          symmetrical:
            description: Whether the reverse holds for the reverse actions.
            type: bool
      colocation:
        description: Which resource runs where another one does.
        type: list
        elements: dict
        default: []
        suboptions:
          resource:
            description: Resource that is placed.
            type: str
            required: true
          with_resource:
            description: Resource that it is placed by.
            type: str
            required: true
          score:
            description: Score.
            type: str
            default: INFINITY
  absent:
    description: Ids of elements that shall not be there. With a resource go the constraints on it.
    type: list
    elements: str
    default: []
  wait:
    description: Seconds to wait until the cluster has done all it has to do, V(0) for not at all.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Galera and its address under Pacemaker
  stretch.cluster.pacemaker_resources:
    properties:
      stonith-enabled: false
    node_attributes:
      s1controller-0: {galera-role: true}
      s1controller-1: {galera-role: true}
      s1controller-2: {galera-role: true}
    bundles:
      - name: galera-bundle
        container: podman
        image: localhost/stretch-lab/service:latest
        replicas: 3
        promoted_max: 3
        options: --user=root
        run_command: /usr/sbin/pacemaker-remoted
        control_port: 3123
        storage:
          - {source: /var/lib/mysql, target: /var/lib/mysql, options: rw}
        primitive:
          name: galera
          agent: ocf:heartbeat:galera
          attributes: {wsrep_cluster_address: 'gcomm://s1controller-0,s1controller-1,s1controller-2'}
          meta: {container-attribute-target: host}
          operations:
            - {name: promote, timeout: 300s, on_fail: block}
    primitives:
      - name: ip-10.0.20.5
        agent: ocf:heartbeat:IPaddr2
        attributes: {ip: 10.0.20.5, cidr_netmask: 32}
        operations:
          - {name: monitor, interval: 10s, timeout: 20s}
    constraints:
      location:
        - {resource: galera-bundle, attribute: galera-role}
      colocation:
        - {resource: ip-10.0.20.5, with_resource: galera-bundle}
    wait: 300
  run_once: true
"""

RETURN = r"""
changes:
  description: The elements that changed, in the order of the changes.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Id of the element.
      type: str
    action:
      description: V(create), V(update) or V(remove).
      type: str
  sample: [{id: galera-bundle, action: create}]
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils.pacemaker_cib import (
    CibError,
    Plan,
    diff,
    plan,
    schema_errors,
)


class Cluster:
    """The commands of Pacemaker on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        """Run commands by way of a module."""
        self.module = module

    def _run(self, *arguments: str, data: str | None = None) -> tuple[int, str, str]:
        code, out, err = self.module.run_command(list(arguments), data=data)
        return int(code), str(out), str(err)

    def query(self) -> str:
        """Return the live CIB."""
        code, out, err = self._run("cibadmin", "--query")
        if code != 0:
            raise CibError(f"Pacemaker gives no configuration; is the cluster started on this host? {err.strip()}")
        return out

    def patch(self, changed: Plan) -> str:
        """Return the patch that makes the changes of a plan, once the schema admits the outcome.

        Without versions in it, the patch holds however often the cluster touched its own parts in the meantime.
        """
        old = self._file(changed.live)
        new = self._file(changed.wanted)
        _code, out, err = self._run("crm_verify", "--verbose", "--xml-file", new)
        wrong = schema_errors(out + "\n" + err)
        if wrong:
            named = ", ".join(one.id for one in changed.changes)
            raise CibError(f"Pacemaker's schema does not admit the configuration ({named}): {'; '.join(wrong)}")
        code, out, err = self._run("crm_diff", "--original", old, "--new", new, "--no-version")
        if code not in (0, 1):
            raise CibError(f"crm_diff failed with {code}: {err.strip()}")
        return out

    def _file(self, content: str) -> str:
        descriptor, path = tempfile.mkstemp(dir=self.module.tmpdir, suffix=".xml")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
        return path

    def push(self, patch: str) -> None:
        """Apply a patch to the live CIB, all of it or nothing."""
        code, out, err = self._run("cibadmin", "--patch", "--sync-call", "--xml-pipe", data=patch)
        if code != 0:
            wrong = schema_errors(out + "\n" + err)
            raise CibError(f"Pacemaker refused the change ({code}): {'; '.join(wrong) or (err or out).strip()}")

    def wait(self, seconds: int) -> None:
        """Wait until the cluster has nothing left to do."""
        code, out, err = self._run("crm_resource", "--wait", "--timeout", str(seconds))
        if code != 0:
            raise CibError(f"the cluster is not settled after {seconds} s: {(out + err).strip()}")


def primitive_options() -> dict[str, Any]:
    """Return the specification of a primitive."""
    return {
        "name": {"type": "str", "required": True},
        "agent": {"type": "str", "required": True},
        "attributes": {"type": "dict", "default": {}},
        "meta": {"type": "dict", "default": {}},
        "operations": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "interval": {"type": "str", "default": "0s"},
                "timeout": {"type": "str"},
                "on_fail": {"type": "str"},
                "role": {"type": "str"},
            },
        },
    }


def bundle_options() -> dict[str, Any]:
    """Return the specification of a bundle."""
    return {
        "name": {"type": "str", "required": True},
        "container": {"type": "str", "choices": ["podman", "docker"], "default": "podman"},
        "image": {"type": "str", "required": True},
        "replicas": {"type": "int"},
        "promoted_max": {"type": "int"},
        "options": {"type": "str"},
        "run_command": {"type": "str"},
        "network": {"type": "str", "default": "host"},
        "control_port": {"type": "int"},
        "storage": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "id": {"type": "str"},
                "source": {"type": "str", "required": True},
                "target": {"type": "str", "required": True},
                "options": {"type": "str"},
            },
        },
        "primitive": {"type": "dict", "options": primitive_options()},
        "meta": {"type": "dict", "default": {}},
    }


def clone_options() -> dict[str, Any]:
    """Return the specification of a clone."""
    return {
        "name": {"type": "str", "required": True},
        "clone_max": {"type": "int", "required": True},
        "primitive": {"type": "dict", "required": True, "options": primitive_options()},
        "meta": {"type": "dict", "default": {}},
    }


def constraint_options() -> dict[str, Any]:
    """Return the specification of the constraints."""
    action = {"type": "str", "choices": ["start", "stop", "promote", "demote"], "default": "start"}
    return {
        "location": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "id": {"type": "str"},
                "resource": {"type": "str", "required": True},
                "attribute": {"type": "str", "required": True},
                "operation": {"type": "str", "choices": ["eq", "ne"], "default": "eq"},
                "value": {"type": "raw", "default": "true"},
                "score": {"type": "str", "default": "0"},
                "resource_discovery": {
                    "type": "str",
                    "choices": ["always", "never", "exclusive"],
                    "default": "exclusive",
                },
            },
        },
        "order": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "first": {"type": "str", "required": True},
                "then": {"type": "str", "required": True},
                "kind": {"type": "str", "choices": ["Mandatory", "Optional", "Serialize"]},
                "first_action": action,
                "then_action": action,
                "symmetrical": {"type": "bool"},
            },
        },
        "colocation": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "resource": {"type": "str", "required": True},
                "with_resource": {"type": "str", "required": True},
                "score": {"type": "str", "default": "INFINITY"},
            },
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "properties": {"type": "dict", "default": {}},
            "node_attributes": {"type": "dict", "default": {}},
            "resource_defaults": {"type": "dict", "default": {}},
            "operation_defaults": {"type": "dict", "default": {}},
            "primitives": {"type": "list", "elements": "dict", "default": [], "options": primitive_options()},
            "bundles": {"type": "list", "elements": "dict", "default": [], "options": bundle_options()},
            "clones": {"type": "list", "elements": "dict", "default": [], "options": clone_options()},
            "constraints": {"type": "dict", "default": {}, "options": constraint_options()},
            "absent": {"type": "list", "elements": "str", "default": []},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    cluster = Cluster(module)
    try:
        changed = plan(cluster.query(), module.params)
        patch = cluster.patch(changed) if changed.changes else ""
        if not module.check_mode:
            if patch:
                cluster.push(patch)
            if module.params["wait"]:
                cluster.wait(module.params["wait"])
    except (CibError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(changed.changes),
        changes=[{"id": one.id, "action": one.action} for one in changed.changes],
        diff=diff(changed.changes) if module._diff else [],  # noqa: SLF001 - it has no public name
    )


if __name__ == "__main__":
    main()
