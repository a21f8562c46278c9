# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install pip with the pip wheel beside this file: what ansible-test expects of get-pip.py."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "pip-24.2-py3-none-any.whl"))

from pip._internal.cli.main import main

# get-pip.py's own options; pip knows none of them.
OWN = ("--no-setuptools", "--no-wheel")

sys.exit(main(["install", *(argument for argument in sys.argv[1:] if argument not in OWN)]))
