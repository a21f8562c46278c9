# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on the controllers of regions that are there already; the role ``site`` says what is what."""

from __future__ import annotations

import copy
from typing import Any, Dict, Mapping

DEFAULT_LAYOUT = "tripleo"

# The file's digest says whether the running process has read it; reload by the unit keeps the connections.
_RELOAD_NATIVE = """\
set -eu
haproxy -c -q -f "$1" >&2
sum=$(sha256sum < "$1")
loaded=/run/stretch-haproxy.loaded
[ "$sum" != "$(cat $loaded 2>/dev/null)" ] || exit 0
systemctl reload haproxy.service
echo "$sum" > $loaded
echo reloaded
"""
# A container copies the file when it starts: what runs is compared with it, tried there, put in its place and read.
# All in one command, as each into a container takes a good part of a second, and clients wait meanwhile.
_RELOAD_BUNDLE = """\
set -eu
container=$("$1" ps --quiet --filter "name=^$2-" | head -n 1)
[ -n "$container" ] || exit 0
"$1" exec -i --user root "$container" sh -euc '
current=/etc/haproxy/haproxy.cfg
trap "rm -f $current.new" EXIT
cat > $current.new
! cmp -s $current.new $current || exit 0
haproxy -c -q -f $current.new >&2
cat $current.new > $current
kill -HUP 1
echo reloaded' < "$3"
"""

_GENERATED = "/var/lib/config-data/puppet-generated"
_HAPROXY = f"{_GENERATED}/haproxy/etc/haproxy/haproxy.cfg"


def _tripleo(cli: str, address: str) -> Dict[str, Any]:
    return {
        "config_root": _GENERATED,
        "kolla_root": "/var/lib/kolla/config_files",
        "services": {"directories": [f"{_GENERATED}/*/etc"]},
        "galera": {"user": "mysql", "plugin_dir": "/usr/lib64/galera"},
        "containers": {"cli": cli, "options": [], "pacemaker_remoted": "/usr/sbin/pacemaker_remoted"},
        "firewall": {"backend": "nftables" if cli == "podman" else "none"},
        "haproxy": {
            "config_file": _HAPROXY,
            "config_source": "/var/lib/kolla/config_files/src/etc/haproxy",
            "reload": ["sh", "-c", _RELOAD_BUNDLE, "haproxy-reload", cli, "haproxy-bundle", _HAPROXY],
            "resource": "haproxy-bundle",
        },
        "keystone": {
            "config_dir": f"{_GENERATED}/keystone/etc/keystone",
            "config_source": "/var/lib/kolla/config_files/src/etc/keystone",
            "container_config_dir": "/etc/keystone",
            "exec": [cli, "exec", "-i", "--user", "root", "keystone"],
            "restart": ["systemctl", "restart", "tripleo_keystone.service"]
            if cli == "podman"
            else [cli, "restart", "keystone"],
            "url": f"http://{address}:5000/v3",
            "memcached": f"{address}:11211",
            "logins": [],
        },
    }


def _native(address: str) -> Dict[str, Any]:
    return {
        "config_root": "/etc/stretch",
        "services": {"directories": ["/etc"]},
        "galera": {"user": "mysql", "plugin_dir": "/usr/lib/galera"},
        "firewall": {"backend": "nftables"},
        "haproxy": {
            "config_file": "/etc/haproxy/haproxy.cfg",
            "stats_socket": "/run/haproxy/admin.sock",
            "reload": ["sh", "-c", _RELOAD_NATIVE, "haproxy-reload", "/etc/haproxy/haproxy.cfg"],
            "resource": "",
        },
        "keystone": {
            "config_dir": "/etc/keystone",
            "config_source": "/etc/keystone",
            "container_config_dir": "/etc/keystone",
            "group": "keystone",
            "exec": [],
            "restart": ["systemctl", "restart", "keystone.service"],
            "url": f"http://{address}:5000/v3",
            "memcached": "127.0.0.1:11211",
            "logins": [],
        },
    }


LAYOUTS = {
    "tripleo": lambda address: _tripleo("podman", address),
    "tripleo_docker": lambda address: _tripleo("docker", address),
    "native": _native,
}
"""TripleO's controllers with podman, those with docker, and services from packages of the distribution."""

ARBITER_KEYS = ("config_root", "galera", "containers", "firewall")
"""What of a layout counts for a node with no region."""
COMPUTE_KEYS = ("config_root", "services")
"""What of a layout counts for a node with no Keystone."""


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Dict[str, Any]:
    """Dictionaries within dictionaries, what *changes* says winning."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return result


def describe(layout: str, address: str, overrides: Mapping[str, Any]) -> Dict[str, Any]:
    """What the layout says, but for what *overrides* says.

    :param layout: One of :data:`LAYOUTS`.
    :param address: The node's address on the network of the region's internal API.
    """
    return merged(LAYOUTS[layout](address), overrides)
