# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Tell the schema versions of Keystone databases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_version_info
short_description: Tell the schema versions of Keystone databases, and how they become one
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Reads which schema version each database has and which releases of Keystone leave that, from Queens (13) to
    2026.2 (30).
  - Tells which of the databases have to be copied and brought up before they can be merged into O(target), and by which
    of the Keystones at hand (O(upgraders)), or why that cannot be.
  - It changes nothing.
  - The target need not be there.
extends_documentation_fragment:
  - stretch.cluster.keystone_merge.sources
  - stretch.cluster.keystone_merge.target
requirements:
  - PyMySQL >= 1.0.2
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: It never changes anything.
options:
  sources:
    description: The Keystone databases. One that was cut over to O(target) before is not opened.
    required: false
    default: []
  upgraders:
    description:
      - Major versions of the Keystones at hand whose C(keystone-manage db_sync) can be run on a copy before the
        target's, such as V(20) for Xena.
    type: list
    elements: int
    default: []
  state_database:
    description: Name of the database on the target's server that keeps what was merged when.
    type: str
    default: stretch_merge
seealso:
  - module: stretch.cluster.keystone_copy
"""

EXAMPLES = r"""
- name: See which Keystones have another schema than the merged one
  stretch.cluster.keystone_version_info:
    sources:
      - name: stack1
        login_host: 10.0.20.5
        login_user: keystone
        login_password: "{{ stack1_keystone_password }}"
    target:
      login_host: 10.0.20.6
      login_user: keystone
      login_password: "{{ stretch_keystone_password }}"
    upgraders: [20, 22]
  register: versions

- name: Stop where one cannot be brought up
  ansible.builtin.assert:
    that: versions.obstacles == []
"""

RETURN = r"""
versions:
  description: Of each source that was opened, by name.
  returned: always
  type: dict
  sample:
    stack1: {schema_version: "migrate 109/44/44/44", release: "Queens (13)"}
target:
  description: Of the target; null where it is not there or has no schema yet.
  returned: always
  type: dict
  sample: {schema_version: "alembic 742c857f1dfb/c88cdce8f248", release: "2026.1 to 2026.2 (29 to 30)"}
equal:
  description: Whether all sources, and the target where it has a schema, have one schema.
  returned: always
  type: bool
  sample: false
copies:
  description: What has to be copied and brought up.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The source.
      type: str
      sample: stack1
    region:
      description: Its region, or null.
      type: str
      sample: region_stack1
    database:
      description: What its copy is called.
      type: str
      sample: stretch_copy_stack1
    hops:
      description: Places in O(upgraders) of those whose db_sync has to run on the copy before the target's, in order.
      type: list
      elements: int
      sample: [0, 1]
character_set:
  description:
    - Character set that the target has to have to hold what the sources hold. V(utf8) as every Keystone makes its
      tables, or V(utf8mb4) where those of a source were converted.
  returned: always
  type: str
  sample: utf8
leftover:
  description: Databases of the copies of what was cut over since.
  returned: always
  type: list
  elements: str
  sample: []
obstacles:
  description: Every source that cannot be brought up, and what would help, one line each.
  returned: always
  type: list
  elements: str
  sample: []
"""

from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.charset import character_set
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.copying import (
    Copies,
    copy_name,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.database import (
    HAS_PYMYSQL,
    PYMYSQL_IMPORT_ERROR,
    Database,
    Login,
    UnreachableError,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.errors import MergeError
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.options import login_spec, to_login
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.state import State
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import (
    SchemaVersion,
    Way,
    way,
)


@dataclass(frozen=True)
class _Target:
    """What the target's server says: *cut_over* are names of sources, *leftover* the databases of their copies."""

    version: SchemaVersion | None = None
    cut_over: frozenset[str] = frozenset()
    leftover: tuple[str, ...] = ()


def _read_target(login: Login, state_database: str) -> _Target:
    try:
        target = Database(login)
    except UnreachableError:
        return _Target()
    try:
        known = State(target, state_database).sources()
        cut_over = frozenset(name for name, source in known.items() if source.cut_over_at)
        found = target.schema_version()
        copies = Copies(target, state_database)
        leftover = [copy_name(name) for name in sorted(cut_over) if copies.find(copy_name(name)) is not None]
    finally:
        target.close()
    return _Target(found if found != SchemaVersion() else None, cut_over, tuple(leftover))


def _read_source(login: Login) -> tuple[SchemaVersion, str]:
    """Its version and what its tables are made of."""
    source = Database(login)
    try:
        source.require_keystone()
        return source.schema_version(), character_set([source])
    finally:
        source.close()


def _shown(found: SchemaVersion) -> dict[str, str | None]:
    return {"schema_version": str(found), "release": str(found.releases) if found.releases else None}


def look(params: dict[str, Any]) -> dict[str, Any]:
    """What the module returns."""
    names = [source["name"] for source in params["sources"]]
    for name in names:
        if names.count(name) > 1:
            raise MergeError(f"two sources are named {name}: every source needs a name of its own")
    there = _Target()
    if params["target"] is not None:
        there = _read_target(to_login("target", params["target"]), params["state_database"])
    target = there.version
    read = {
        source["name"]: _read_source(to_login(source["name"], source))
        for source in params["sources"]
        if source["name"] not in there.cut_over
    }
    sources = {name: found for name, (found, _charset) in read.items()}
    ways: dict[str, Way] = {}
    if target is not None:
        ways = {name: way(name, found, target, params["upgraders"]) for name, found in sources.items()}
    regions = {source["name"]: source["region"] for source in params["sources"]}
    return {
        "changed": False,
        "versions": {name: _shown(found) for name, found in sources.items()},
        "target": None if target is None else _shown(target),
        "equal": len({found.schema for found in (*sources.values(), *([target] if target else []))}) <= 1,
        "copies": [
            {"name": name, "region": regions[name], "database": copy_name(name), "hops": list(one.hops)}
            for name, one in ways.items()
            if one.copy
        ],
        "character_set": max([charset for _found, charset in read.values()], default="utf8"),
        "leftover": list(there.leftover),
        "obstacles": [one.obstacle for one in ways.values() if one.obstacle],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "sources": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, "region": {"type": "str"}, **login_spec()},
            },
            "target": {"type": "dict", "options": login_spec()},
            "upgraders": {"type": "list", "elements": "int", "default": []},
            "state_database": {"type": "str", "default": "stretch_merge"},
        },
        supports_check_mode=True,
    )
    if not HAS_PYMYSQL:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_IMPORT_ERROR)
    try:
        module.exit_json(**look(module.params))
    except MergeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
