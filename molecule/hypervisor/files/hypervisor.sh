#!/bin/sh
# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: hypervisor.sh start|stop DIRECTORY
#
# A hypervisor with libvirtd, QEMU and sshd at 192.0.2.2, in a network and a mount namespace of its own: neither its
# bridges nor libvirt's directories are those of this machine.
set -eu

namespace=stretch-hypervisor
directory=$2

inside() {
    for path in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /run; do
        mkdir -p "$path"
        mount -t tmpfs none "$path"
    done
    mkdir -p /run/lock /run/sshd
    cat > /etc/libvirt/qemu.conf << 'END'
stdio_handler = "file"
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
END
    /usr/sbin/sshd -o ListenAddress=192.0.2.2 -o PermitRootLogin=prohibit-password -o UsePAM=no -o StrictModes=no \
        -o HostKey="$directory/key" -o AuthorizedKeysFile="$directory/key.pub" -o PidFile="$directory/sshd.pid"
    exec libvirtd --config /dev/null
}

start() {
    ip netns add "$namespace"
    ip link add s-hypervisor type veth peer name uplink netns "$namespace"
    ip address add 192.0.2.1/30 dev s-hypervisor
    ip link set s-hypervisor up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" address add 192.0.2.2/30 dev uplink
    ip -n "$namespace" link set uplink up
    setsid ip netns exec "$namespace" unshare --mount --propagation private "$0" inside "$directory" \
        > "$directory/libvirtd.log" 2>&1 < /dev/null &
    echo $! > "$directory/libvirtd.pid"
}

# By their ids: all processes that the namespace has. The machines are among them.
stop() {
    for _ in 1 2 3; do
        ids=$(ip netns pids "$namespace" 2> /dev/null) || return 0
        [ -n "$ids" ] || break
        # shellcheck disable=SC2086
        kill $ids 2> /dev/null || true
        sleep 1
    done
    ip netns delete "$namespace"
}

"$1"
