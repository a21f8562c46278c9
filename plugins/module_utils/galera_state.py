# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one Galera member knows of itself: from its status when it runs, from its disk when it does not.

Runs in the containers of the members too: Python 3.6 or later.
"""
# ruff: noqa: FA100  # Python 3.6 has no postponed annotations

import json
import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

NULL_UUID = "00000000-0000-0000-0000-000000000000"


class MemberStateError(Exception):
    """A member's files say something that cannot be understood."""


class Position(NamedTuple):
    """Where a member's data stand: the history they belong to and the last write set; seqno -1 is unknown."""

    uuid: str
    seqno: int


def parse_grastate(text: str) -> Position:
    """Position in ``grastate.dat``.

    :raises MemberStateError: the file has no uuid or seqno line.
    """
    uuid = re.search(r"^uuid:\s+([0-9a-f-]{36})\s*$", text, re.MULTILINE)
    seqno = re.search(r"^seqno:\s+(-?\d+)\s*$", text, re.MULTILINE)
    if not uuid or not seqno:
        raise MemberStateError(
            "grastate.dat has no uuid or no seqno line: it is damaged. Restore it or the data directory."
        )
    return Position(uuid.group(1), int(seqno.group(1)))


def parse_recovered(log: str) -> Position:
    """Position in what ``mariadbd --wsrep-recover`` logs (WSREP: Recovered position: UUID:SEQNO[,...]).

    :raises MemberStateError: no such line: recovery failed.
    """
    found = re.findall(r"Recovered position:?\s+([0-9a-f-]{36}):(-?\d+)", log)
    if not found:
        tail = "\n".join(log.strip().splitlines()[-5:])
        raise MemberStateError(f"mariadbd --wsrep-recover gave no position:\n{tail}")
    return Position(found[-1][0], int(found[-1][1]))


def parse_members(text: str) -> Tuple[List[str], Optional[float]]:
    """Addresses in the text of members.json, sorted, and the round trip in milliseconds that it names.

    :raises MemberStateError: it is not that.
    """
    try:
        found = json.loads(text)
        trip = found.get("round_trip")
        return sorted(str(member["address"]) for member in found["members"]), None if trip is None else float(trip)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MemberStateError(f"members.json does not list the members: {error}") from error


def is_member(status: Mapping[str, str]) -> bool:
    """Whether a server of this status has all data and takes part: Synced, or giving data to another (Donor)."""
    return status.get("wsrep_cluster_status") == "Primary" and status.get("wsrep_local_state") in ("2", "4")


def report(status: Mapping[str, str]) -> Dict[str, object]:
    """The report of a running member, from SHOW GLOBAL STATUS LIKE 'wsrep%' (names in lower case)."""
    return {
        "reachable": True,
        "running": True,
        "primary": status.get("wsrep_cluster_status") == "Primary",
        "synced": status.get("wsrep_local_state_comment") == "Synced",
        "uuid": status.get("wsrep_cluster_state_uuid") or NULL_UUID,
        "seqno": int(status.get("wsrep_last_committed") or -1),
        "size": int(status.get("wsrep_cluster_size") or 0),
    }


def stopped_report(position: Position) -> Dict[str, object]:
    """The report of a member that does not run."""
    return {
        "reachable": True,
        "running": False,
        "primary": False,
        "synced": False,
        "uuid": position.uuid,
        "seqno": position.seqno,
        "size": 0,
    }
