# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""What the documentation of the two keystone_merge modules shares."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of both modules, and the rules of the merge."""

    DOCUMENTATION = r"""
notes:
  - Whatever exists in one Keystone only keeps its id. Two things become one where they have the same id, or where
    they are built in and have the same name. The first source's row remains, with its password for a user, and every
    reference of the others follows.
  - Built in are the default domain (id C(default)) and the row that is the parent of all domains, regions by id, roles
    by name and domain, services by type and name, the projects of O(builtin_projects) in the default domain, and
    service users. A service user is a user of the default domain that has a role on the project C(service) or
    C(services) in both Keystones, or is named in O(builtin_users). Implied roles, tags, memberships and assignments of
    what became one are united.
  - Any other name that two Keystones use for different things is a conflict, and all of them are listed at once. Names
    are compared as the collation of the database's columns compares them, so C(Admin) and C(admin) are equal.
  - All sources and the target must have one schema version.
  - Rows of a table that this version does not know stop the merge. Rows of the table C(token) are left out, because no
    Keystone with Fernet tokens reads them.
  - A source that was merged before is not opened again, because the merged database is the truth from then on.
requirements:
  - PyMySQL >= 1.0.2
options:
  sources:
    description: The Keystone databases to merge. The first has precedence.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the stack is called in messages and in the state. It is how a merged source is known later.
        type: str
        required: true
      region:
        description: Id of the region that this Keystone must hold.
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
  builtin_users:
    description: Users of the default domain that become one beside the service users.
    type: list
    elements: str
    default: [admin]
  builtin_projects:
    description: Projects of the default domain that become one.
    type: list
    elements: str
    default: [admin, service, services]
  state_database:
    description:
      - Name of the database on the target's server that keeps what was merged when, and which ids changed.
    type: str
    default: stretch_merge
"""

    TARGET = r"""
options:
  target:
    description: The merged database.
    type: dict
    suboptions:
      login_host:
        description: Host name or address of the server.
        type: str
        default: localhost
      login_port:
        description: Port of the server.
        type: int
        default: 3306
      login_user:
        description: Who to log in as.
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
"""
