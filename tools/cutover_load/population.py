# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many more users, projects and assignments of a Keystone that runs, as SQL for MariaDB's engine of sequences."""

# The statements hold nothing but numbers and a name from here.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterator

BATCH = 20000
"""Rows of a statement: each is one write set of a Galera cluster."""


def statements(stack: str, rows: int) -> Iterator[str]:
    """Of the rows six in ten are assignments, one in ten projects, and three in ten users with their names."""
    users, projects, assignments = rows * 15 // 100, rows // 10, rows * 6 // 10
    user, project = f"MD5(CONCAT('{stack} user ', {{}}))", f"MD5(CONCAT('{stack} project ', {{}}))"
    # Whom each assignment is of, and on what: another project each time that all users had their turn.
    actor = user.format(f"1 + seq % {users}")
    target = project.format(f"1 + (seq + seq DIV {users} * 7919) % {projects}")
    tables = (
        (
            "project (id, name, extra, enabled, domain_id, parent_id, is_domain)",
            f"{project.format('seq')}, CONCAT('{stack}-many-', seq), '{{}}', 1, 'default', 'default', 0", projects,
        ),
        ("user (id, extra, enabled, domain_id)", f"{user.format('seq')}, '{{}}', 1, 'default'", users),
        (
            "local_user (user_id, domain_id, name)",
            f"{user.format('seq')}, 'default', CONCAT('{stack}-many-', seq)", users,
        ),
        (
            "assignment (type, actor_id, target_id, role_id, inherited)",
            f"'UserProject', {actor}, {target}, (SELECT id FROM role WHERE name = 'member' LIMIT 1), 0", assignments,
        ),
    )  # fmt: skip
    for table, values, count in tables:
        for first in range(1, count + 1, BATCH):
            last = min(first + BATCH - 1, count)
            yield f"INSERT IGNORE INTO {table} SELECT {values} FROM seq_{first}_to_{last};"
