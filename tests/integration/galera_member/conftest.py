# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member for all tests here."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from member_servers import PROVIDER, Member


@pytest.fixture(scope="module")
def member() -> Iterator[Member]:
    """A member that runs, in a directory with a path short enough for a socket."""
    if not PROVIDER.exists() or shutil.which("mariadb-install-db") is None:
        pytest.skip("needs the packages mariadb-server-core and galera-4")
    directory = Path(tempfile.mkdtemp(prefix="gm-"))
    running = Member(directory)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(directory)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a module in this process and return its result."""

    def call(module: Any, check: bool = False, **options: Any) -> dict[str, Any]:
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        result.pop("invocation", None)
        return result

    return call
