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
  - Any other name that two Keystones use for different things is a conflict, and all of them are listed at once, each
    with the lines of O(overrides) that would settle it. Names are compared as the collation of the database's columns
    compares them, so C(Admin) and C(admin) are equal.
  - All sources and the target must have one schema version. M(stretch.cluster.keystone_copy) makes copies that can be
    brought up.
  - Numbers that only Keystone's own tables see (of passwords, for instance) move. Each source has a room of its own for
    them, with space for what is added to it until it is cut over.
  - Rows of a table that this version does not know stop the merge. Rows of the table C(token) are left out, because no
    Keystone with Fernet tokens reads them.
  - Until a source is marked as cut over (M(stretch.cluster.keystone_merge_cutover)) it can be merged again, which
    carries only what changed in it since. From then on it is not opened any more, because the merged database is the
    truth.
  - All sources that were begun and are not cut over have to be named in every run.
  - A run that was interrupted goes on where it stopped.
requirements:
  - PyMySQL >= 1.0.2
options:
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
  on_conflict:
    description:
      - What is done where an equal name of an earlier source is met, by kind. V(merge) makes them one, V(rename) gives
        the later one another name and leaves its id, V(fail) stops the merge.
      - Kinds are C(domain) and the tables of Keystone that hold things with a name or an id, such as C(project),
        C(user), C(group), C(role), C(service) and C(mapping). Roles, services and regions become one where nothing is
        said, all else fails.
      - A later run needs the same rules as the first. Where it has others, what they change is carried over.
    type: dict
    default: {}
  rename_format:
    description: The new name of what is renamed; may hold C({name}), C({stack}), C({domain}) and C({kind}).
    type: str
    default: "{name}@{stack}"
  overrides:
    description: What is done with single names; comes before O(on_conflict) and before what is built in.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What it is, as in O(on_conflict).
        type: str
        required: true
      domain:
        description: Name or id of its domain. Any domain where it is left out.
        type: str
      name:
        description: Its name.
        type: str
        required: true
      stack:
        description: The source whose thing is meant. Any source where it is left out.
        type: str
      action:
        description: What is done with it.
        type: str
        required: true
        choices: [merge, rename, fail]
      new_name:
        description: The new name, with V(rename). O(rename_format) gives it where it is left out.
        type: str
  dangling:
    description:
      - What is done with rows of a source that refer to what is no longer there. V(carry) brings them as they are and
        warns of them. V(drop) leaves them out with all that is theirs, and empties references that are no more than a
        hint.
    type: str
    default: carry
    choices: [carry, drop]
  batch_rows:
    description: How many rows one transaction brings at most. Transactions are also limited to some megabytes.
    type: int
    default: 10000
  compare_by:
    description:
      - How a later run finds what changed in a source.
      - V(log) reads what was written from the binary log of its server and looks at those rows alone, in time that
        follows the number of changes. The server has to be a MariaDB that keeps such a log with rows
        (C(binlog_format=ROW)), on a member of a Galera cluster with C(log_slave_updates); the login needs the rights
        C(REPLICATION SLAVE) and C(BINLOG MONITOR) (C(REPLICATION CLIENT) before MariaDB 10.5) beside C(SELECT). The
        number of rows of each table is compared as well. Where any of that is missing, where the server was started
        again since, or the log holds anything from which it does not follow which rows were written, all rows of the
        source are compared, and RV(compared) says why.
      - V(rows) compares all rows in any case. That finds also what somebody changed with C(sql_log_bin=0), which is in
        no log.
    type: str
    default: log
    choices: [log, rows]
  report:
    description: Path on the host of the HTML page about the merge that is to be written.
    type: path
  progress_file:
    description:
      - File in which the module tells how far it is, one JSON object a line, while it runs. It must not be there
        yet, and is removed at the end.
      - Where it is left out, the action plugin chooses a name, reads the file while the module runs, and shows a bar
        on a terminal or, elsewhere, a line every ten seconds on standard error. With C(async) nothing is shown.
    type: path
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

    SOURCES = r"""
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
        description: Who to log in as. Needs C(SELECT) on the whole database, and no more.
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
