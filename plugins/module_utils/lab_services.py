# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which OpenStack services a lab's regions have beside Keystone."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Tuple

NEEDS: Dict[str, Tuple[str, ...]] = {
    "glance": (),
    "placement": (),
    "neutron": (),
    "nova": ("glance", "placement", "neutron"),
}
"""The services, in the order in which they are set up, and which others each needs."""
ALWAYS = "keystone"


class LabServicesError(Exception):
    """The services that are named cannot be had; the message says which and why."""


def services(value: Any) -> List[str]:
    """Return the services of a list, or of a text with commas between them, without Keystone, in their order.

    :raises LabServicesError: one is not known, or one that another needs is not named.
    """
    # On the command line -e lab_services=[] is a text, too.
    named = re.split(r"[\s,]+", value.strip("[] ")) if isinstance(value, str) else value
    if not isinstance(named, (list, tuple)):
        raise LabServicesError(f"lab_services is {value!r}, but must be a list, or names with commas between them")
    wanted = {str(name).strip("'\"") for name in named} - {"", ALWAYS}
    known = ", ".join([ALWAYS, *NEEDS])
    problems = [f"lab_services names {name}, and the lab has {known}" for name in sorted(wanted - set(NEEDS))]
    for name, needed in NEEDS.items():
        missing = [one for one in needed if one not in wanted]
        if name in wanted and missing:
            problems.append(f"lab_services names {name}, which does not work without {', '.join(missing)}")
    if problems:
        raise LabServicesError("; ".join(problems) + ". Correct it: -e lab_services=[] is Keystone alone.")
    return [name for name in NEEDS if name in wanted]
