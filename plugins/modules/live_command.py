# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: live_command
short_description: Run a command on the Ansible controller and show what it prints while it runs
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Runs a command where Ansible runs, whichever host the task is for, and shows each line of its output as soon as it
    is printed. For commands that take minutes and tell how they get on.
  - The command gets no input. It is not run in check mode.
  - When Ansible is interrupted, the command gets the signal that ends the task.
options:
  argv:
    description: The command and its arguments.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: none
    description: The command is not run.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Ten seconds, one by one
  stretch.cluster.live_command:
    argv: [sh, -c, 'for second in 1 2 3 4 5 6 7 8 9 10; do sleep 1; echo $second; done']
  changed_when: false
"""

RETURN = r"""
rc:
  description: Exit status of the command; the task fails unless it is 0.
  type: int
  returned: when the command was run
stdout_lines:
  description: What the command printed, standard error included.
  type: list
  elements: str
  returned: when the command was run
"""
