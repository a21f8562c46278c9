# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of the module live_command, which has its documentation."""

from __future__ import annotations

import subprocess
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.stretch.cluster.plugins.plugin_utils.screen import Screen


class ActionModule(ActionBase):
    """Runs a command on the controller and shows what it prints while it runs."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = False
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run it; the task has failed unless the command ends with 0.

        :raises AnsibleActionFail: when the command cannot be started.
        """
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(  # type: ignore[no-untyped-call]
            argument_spec={"argv": {"type": "list", "elements": "str", "required": True}}
        )
        argv = arguments["argv"]
        lines: list[str] = []
        seen = Screen()
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except (OSError, IndexError) as error:
            raise AnsibleActionFail(f"the command cannot be started: {error}") from error
        with process:
            for line in process.stdout or ():
                lines.append(line.rstrip("\n"))
                seen.line(lines[-1])
        result.update(changed=True, rc=process.returncode, stdout_lines=lines)
        if process.returncode != 0:
            result.update(failed=True, msg=f"{argv[0]} ended with {process.returncode}, see its output above")
        return result
