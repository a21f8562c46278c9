#!/bin/sh
# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: hypervisor.sh start|stop DIRECTORY
#
# A hypervisor with libvirtd, QEMU and sshd at 198.51.100.2, in a network and a mount namespace of its own: neither its
# bridges nor libvirt's directories are those of this machine.
set -eu

namespace=stretch-hypervisor
network=198.51.100.0/30
directory=$2

inside() {
    for path in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /run; do
        mkdir -p "$path"
        mount -t tmpfs none "$path"
    done
    # All devices but kvm: a machine that is itself a virtual one may have it, and take minutes with it for what
    # emulation does in seconds.
    mkdir "$directory/dev"
    mount -t tmpfs none "$directory/dev"
    mkdir "$directory/dev/net" "$directory/dev/pts" "$directory/dev/shm"
    for path in full net/tun null random tty urandom zero; do
        : > "$directory/dev/$path"
        mount --bind "/dev/$path" "$directory/dev/$path"
    done
    mount --bind /dev/pts "$directory/dev/pts"
    ln -s pts/ptmx "$directory/dev/ptmx"
    ln -s /proc/self/fd "$directory/dev/fd"
    mount --rbind "$directory/dev" /dev
    # Who logs in finds the distribution's own Python, whatever this machine's user has.
    for path in "$HOME/.bashrc" "$HOME/.profile" "$HOME/.bash_profile"; do
        [ ! -e "$path" ] || mount --bind /dev/null "$path"
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
    /usr/sbin/sshd -o ListenAddress=198.51.100.2 -o PermitRootLogin=prohibit-password -o UsePAM=no -o StrictModes=no \
        -o HostKey="$directory/key" -o AuthorizedKeysFile="$directory/key.pub" -o PidFile="$directory/sshd.pid"
    exec libvirtd --config /dev/null
}

start() {
    taken=$( (ip route show root "$network"; ip route show match "$network" | grep -v '^default') || true)
    if [ -n "$taken" ]; then
        echo "This machine uses addresses of $network for something else: $taken" >&2
        exit 1
    fi
    ip netns add "$namespace"
    ip link add s-hypervisor type veth peer name uplink netns "$namespace"
    ip address add 198.51.100.1/30 dev s-hypervisor
    ip link set s-hypervisor up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" address add 198.51.100.2/30 dev uplink
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
