# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_timeouts
short_description: Galera's timeouts and send windows for a round trip
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Derives the timeouts of group communication and the send windows from the round trip between the sites. Up to about
    200 ms a dead member is suspected after the 5 s of Galera itself; the windows grow with the round trip.
  - A round trip that was measured is rounded up to one of 1, 2, 5, 10, 20, 50, 100, 200 and 500 ms, with some headroom,
    and stays there while it fits, so that the next run changes nothing.
positional: configured
options:
  _input:
    description: The round trip between the two members that are the farthest apart, in milliseconds.
    type: float
    required: true
  configured:
    description: What an earlier measurement was rounded to, if there was one. Only with O(measured=true).
    type: float
  measured:
    description: Whether the round trip was measured. One that was not is taken as it is given.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: For a given round trip
  ansible.builtin.debug:
    # {evs.suspect_timeout: PT5S, evs.user_send_window: '60', ...}
    msg: "{{ (30 | stretch.cluster.galera_timeouts).options }}"

- name: For a measured one, where 20 ms are in use
  ansible.builtin.debug:
    # 20.0
    msg: "{{ (16.4 | stretch.cluster.galera_timeouts(20, measured=true)).round_trip }}"
"""

RETURN = r"""
_value:
  description: What the round trip was taken for, and what follows from it.
  type: dict
  contains:
    round_trip:
      description: Milliseconds that the options are made for. O(configured) of the next measurement.
      type: float
    options:
      description: Options for C(wsrep_provider_options) and for garbd, name and value.
      type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.stretch.cluster.plugins.module_utils import galera
from ansible_collections.stretch.cluster.plugins.module_utils import galera_timeouts as rules


def galera_timeouts(trip: float, configured: float | None = None, measured: bool = False) -> dict[str, Any]:
    """The options; the parameters are documented above."""
    try:
        taken = rules.round_trip(trip, configured) if measured else trip
        return {"round_trip": float(taken), "options": rules.timeouts(taken)}
    except galera.GaleraError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter stretch.cluster.galera_timeouts."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"galera_timeouts": galera_timeouts}
