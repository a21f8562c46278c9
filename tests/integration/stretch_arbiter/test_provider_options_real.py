# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real member takes when it starts, and what it takes while it runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.galera import DYNAMIC_PROVIDER_OPTIONS
from ansible_collections.stretch.cluster.plugins.module_utils.galera_timeouts import LADDER, timeouts
from stretch_arbiter_harness import Member

pytestmark = pytest.mark.integration

OTHER_VALUES = {
    "cert.log_conflicts": "yes",
    "cert.optimistic_pa": "no",
    "evs.auto_evict": "1",
    "evs.causal_keepalive_period": "PT2S",
    "evs.debug_log_mask": "0x2",
    "evs.delay_margin": "PT2S",
    "evs.delayed_keep_period": "PT40S",
    "evs.inactive_timeout": "PT18S",
    "evs.info_log_mask": "0x1",
    "evs.install_timeout": "PT7S",
    "evs.join_retrans_period": "PT0.7S",
    "evs.keepalive_period": "PT1.5S",
    "evs.max_install_timeouts": "4",
    "evs.send_window": "2048",
    "evs.stats_report_period": "PT2M",
    "evs.suspect_timeout": "PT6S",
    "evs.use_aggregate": "false",
    "evs.user_send_window": "700",
    "gcache.keep_pages_size": "1M",
    "gcache.page_size": "64M",
    "gcs.fc_factor": "0.9",
    "gcs.fc_limit": "100",
    "gcs.max_throttle": "0.5",
    "gcs.recv_q_hard_limit": "1000000000",
    "gcs.recv_q_soft_limit": "0.5",
    "pc.ignore_quorum": "true",
    "pc.ignore_sb": "true",
    "pc.weight": "13",
    "repl.causal_read_timeout": "PT20S",
    "repl.max_ws_size": "1000000",
}
NEED_A_RESTART = {
    "evs.inactive_check_period": "PT0.3S",
    "gmcast.listen_addr": "tcp://127.0.1.1:9",
    "gmcast.peer_timeout": "PT4S",
    "gmcast.segment": "7",
    "ist.recv_addr": "127.0.1.1:9",
}


def test_options_that_a_running_member_takes(member: Callable[[int, int], Member]) -> None:
    one = member(1, 12)
    wanted = timeouts(LADDER[-1])
    one.start(bootstrap=True, extra=wanted)
    one.until("Primary", 1, 12)
    assert {name: one.options()[name] for name in wanted} == wanted, "accepted at the start"

    assert set(OTHER_VALUES) == DYNAMIC_PROVIDER_OPTIONS
    before = one.options()
    refused = {name: one.set(name, value) for name, value in OTHER_VALUES.items()}
    assert not {name: why for name, why in refused.items() if why}
    found = one.options()
    assert {name: found[name] for name in OTHER_VALUES} == OTHER_VALUES
    assert not {name for name, value in OTHER_VALUES.items() if before[name] == value}, "these were so before"
    for name, value in NEED_A_RESTART.items():
        assert one.set(name, value), name
        assert one.options()[name] == before[name]

    for milliseconds in (LADDER[0], 20, LADDER[-1], 20, LADDER[0]):
        wanted = {name: value for name, value in timeouts(milliseconds).items() if name in DYNAMIC_PROVIDER_OPTIONS}
        # Growing takes one order, shrinking the other.
        left = dict(wanted)
        for _round in range(2):
            left = {name: value for name, value in left.items() if one.set(name, value)}
        assert not left, milliseconds
        assert {name: one.options()[name] for name in wanted} == wanted
