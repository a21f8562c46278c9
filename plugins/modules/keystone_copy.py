# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Copy a Keystone database, so that its schema can be brought up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_copy
short_description: Copy a Keystone database to a server, to bring its schema up there
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Copies the tables and rows of a Keystone's database, in one consistent snapshot, into a database of another server,
    so that C(keystone-manage db_sync) of a newer release can be run there. The source is only read, and may be serving.
  - A copy is made again only where the source has changed since, which the checksums of its tables tell.
  - O(state=upgraded) looks at a copy after C(db_sync) and puts right what that leaves undone. Limits made by a Keystone
    up to Stein (15) get the id of their registered limit; without it they would be of nothing. Roles get the
    description that Queens (13) kept among the extra attributes. It sees that no row is missing, too.
  - The copy's database must be empty, not there, an earlier copy, or have a name that begins with C(stretch_copy_).
    Anything else is refused.
extends_documentation_fragment:
  - stretch.cluster.keystone_merge.target
requirements:
  - PyMySQL >= 1.0.2
attributes:
  check_mode:
    support: full
    description: Reads both servers and tells whether the copy would be made.
  diff_mode:
    support: none
    description: A copy has all that its source has.
options:
  source:
    description: The Keystone's database. Required for O(state=present).
    type: dict
    suboptions:
      name:
        description: What the stack is called in messages.
        type: str
        required: true
      region:
        description: Id of its region. It has no effect here.
        type: str
      login_host:
        description: Host name or address of the server.
        type: str
        default: localhost
      login_port:
        description: Port of the server.
        type: int
        default: 3306
      login_user:
        description: Who to log in as. Needs C(SELECT) on the database.
        type: str
      login_password:
        description: The password.
        type: str
      login_unix_socket:
        description: Path of the server's socket. Without it the connection is TCP.
        type: path
      ca_cert:
        description: Path of the certificate of the authority that the server's certificate must come from.
        type: path
      database:
        description: Name of the database.
        type: str
        default: keystone
  target:
    description:
      - The copy. Its database is dropped and made anew. Who logs in needs all rights on it and on O(state_database).
    required: true
  state:
    description:
      - V(present) sees that there is a copy of the source as it is now.
      - V(upgraded) sees that the copy, on which C(db_sync) has been run, is as it should be.
      - V(absent) drops the copy.
    type: str
    choices: [present, upgraded, absent]
    default: present
  schema_version:
    description:
      - The schema version that the copy is brought up to, as in RV(schema_version).
      - With O(state=present) a copy that was brought up to another one is made again; with O(state=upgraded) it is an
        error that the copy has another one.
    type: str
  force:
    description: Make the copy again whether or not the source has changed.
    type: bool
    default: false
  state_database:
    description: Name of the database on the target's server in which it is written down what the copies are of.
    type: str
    default: stretch_merge
seealso:
  - module: stretch.cluster.keystone_version_info
  - module: stretch.cluster.keystone_merge
"""

EXAMPLES = r"""
- name: Copy the Keystone of a region that is still of Queens
  stretch.cluster.keystone_copy:
    source:
      name: stack1
      login_host: 10.0.20.5
      login_user: keystone
      login_password: "{{ stack1_keystone_password }}"
    target:
      login_host: 10.0.20.6
      login_user: keystone
      login_password: "{{ stretch_keystone_password }}"
      database: stretch_copy_stack1
  register: copy

- name: Bring its schema up
  ansible.builtin.command: podman exec keystone keystone-manage --config-file /tmp/copy.conf db_sync
  when: not copy.upgraded

- name: See that it is as it should be
  stretch.cluster.keystone_copy:
    target:
      login_host: 10.0.20.6
      login_user: keystone
      login_password: "{{ stretch_keystone_password }}"
      database: stretch_copy_stack1
    state: upgraded
"""

RETURN = r"""
rows:
  description: How many rows the copy holds.
  returned: unless it is absent
  type: int
  sample: 1037170
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 12.3
schema_version:
  description:
    - With O(state=present) the source's schema version, with O(state=upgraded) the copy's.
    - Alembic has two heads, for the branches expand and contract; sqlalchemy-migrate has the numbers of the
      repositories of Keystone itself, expand, data migration and contract.
  returned: unless it is absent
  type: str
  sample: migrate 109/44/44/44
release:
  description: The releases of Keystone that have this schema, or null where none is known to.
  returned: unless it is absent
  type: str
  sample: Queens (13)
upgraded:
  description: Whether the copy has been brought up and found as it should be. Otherwise C(db_sync) has to be run on it.
  returned: unless it is absent
  type: bool
  sample: false
identity:
  description: The server and the database that the copy is of.
  returned: unless it is absent
  type: str
  sample: 6f1cbd3f-93f8-11ef-8a0f-8b8f9bd3a1b5/keystone
address:
  description: How that was reached.
  returned: unless it is absent
  type: str
  sample: keystone at 10.0.20.5:3306
"""

import time
from dataclasses import replace
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.copying import (
    Copies,
    Copy,
    drop_copy,
    is_usable,
    look,
    lost_rows,
    make_copy,
    require_place,
    settle,
    unreadable_passwords,
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
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.versions import SchemaVersion, parse

LOST_PASSWORDS = 27
"""The first release of Keystone that cannot verify passwords hashed with SHA-512 crypt."""


def _result(changed: bool, copy: Copy, found: SchemaVersion) -> dict[str, Any]:
    return {
        "changed": changed,
        "rows": sum(copy.rows.values()),
        "schema_version": str(found),
        "release": str(found.releases) if found.releases else None,
        "upgraded": copy.upgraded_to is not None,
        "identity": copy.identity,
        "address": copy.address,
    }


def _version_of(target: Login) -> SchemaVersion | None:
    try:
        copy = Database(target)
    except UnreachableError:
        return None
    try:
        return copy.schema_version()
    finally:
        copy.close()


def present(source: Database, target: Login, params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Make the copy, unless there is one of just this."""
    source.require_keystone()
    source.begin_reading()
    server = Database(replace(target, database=""))
    try:
        if source.identity() == f"{server.identity()}{target.database}":
            raise MergeError(
                f"{source.login.name} ({source.login.address}) is the database that the copy would replace"
            )
        known = Copies(server, params["state_database"]).find(target.database)
        require_place(server, target.database, known)
    finally:
        server.close()
    seen = look(source)
    if known is not None and seen.is_of(known) and not params["force"]:
        wanted = None if params["schema_version"] is None else parse(params["schema_version"])
        if is_usable(_version_of(target), known, seen.version, wanted):
            return _result(False, known, seen.version)
    if check:
        rows = {table: source.count(table) for table in seen.checksums}
        made = Copy(target.database, seen.identity, source.login.address, str(seen.version), seen.checksums, rows)
    else:
        made = make_copy(source, seen, target, params["state_database"])
    return _result(True, made, seen.version)


def upgraded(target: Login, params: dict[str, Any], check: bool, warn: Callable[[str], None]) -> dict[str, Any]:
    """See that the copy is as it should be after db_sync."""
    copy = Database(target)
    try:
        copies = Copies(copy, params["state_database"])
        known = copies.find(target.database)
        if known is None or known.copied_at is None:
            raise MergeError(f"there is no complete copy {target.address}; make it with state=present")
        found = copy.schema_version()
        wanted = params["schema_version"]
        if wanted is not None and parse(wanted).schema != found.schema:
            raise MergeError(
                f"the copy {target.address} has the schema version {found} instead of {wanted}: the Keystones whose "
                "db_sync was run on it are not of the releases that they were said to be of"
            )
        wrong = lost_rows(copy, known)
        if wrong:
            raise MergeError(f"db_sync lost rows of the copy {target.address}: {'; '.join(wrong)}")
        changed = known.upgraded_to != str(found)
        if changed and not check:
            copy.begin_writing()
            for line in settle(copy, known.kept):
                warn(f"{target.address}: {line}")
            copies.upgraded(target.database, found)
            copy.commit()
        passwords = unreadable_passwords(copy)
        if passwords and (found.releases is None or found.releases.last >= LOST_PASSWORDS):
            warn(
                f"{target.address}: the passwords of {passwords} users are hashed with SHA-512 crypt, the way up to "
                "Ocata (11), which Keystone 2025.1 (27) and later cannot verify: they need new ones"
            )
        return _result(changed, replace(known, upgraded_to=str(found)), found)
    finally:
        copy.close()


def absent(target: Login, params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Drop the copy."""
    server = Database(replace(target, database=""))
    try:
        copies = Copies(server, params["state_database"])
        return {"changed": drop_copy(server, target.database, copies, check)}
    finally:
        server.close()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "source": {
                "type": "dict",
                "options": {"name": {"type": "str", "required": True}, "region": {"type": "str"}, **login_spec()},
            },
            "target": {"type": "dict", "required": True, "options": login_spec()},
            "state": {"type": "str", "choices": ["present", "upgraded", "absent"], "default": "present"},
            "schema_version": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "state_database": {"type": "str", "default": "stretch_merge"},
        },
        required_if=[("state", "present", ("source",))],
        supports_check_mode=True,
    )
    if not HAS_PYMYSQL:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_IMPORT_ERROR)
    params, check, started = module.params, module.check_mode, time.monotonic()
    target = to_login("copy", params["target"])
    try:
        if params["state"] == "present":
            source = Database(to_login(params["source"]["name"], params["source"]))
            try:
                result = present(source, target, params, check)
            finally:
                source.close()
        elif params["state"] == "upgraded":
            result = upgraded(target, params, check, module.warn)
        else:
            result = absent(target, params, check)
    except (MergeError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(seconds=round(time.monotonic() - started, 3), **result)


if __name__ == "__main__":
    main()
