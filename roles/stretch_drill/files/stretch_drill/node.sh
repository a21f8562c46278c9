#!/bin/sh
# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a drill does on a node, as root: sh -s -- VERB [ARGUMENT...] < node.sh
set -eu

# The configuration that the member's server is started with, and no other server of the node.
defaults=/run/stretch-galera/my.cnf
# Where a small disk is mounted; the data directory becomes a part of it.
disk=/run/stretch-drill-disk

die() {
    echo "$*" >&2
    exit 1
}

# The process of the member's server, or nothing.
server() {
    found=
    for each in /proc/[0-9]*; do
        # No program is started for the many others: this has to be quick.
        { read -r name < "$each/comm"; } 2> /dev/null || continue
        case $name in mariadbd | mysqld) ;; *) continue ;; esac
        arguments=$(tr '\0' '\n' < "$each/cmdline" 2> /dev/null) || continue
        printf '%s\n' "$arguments" | grep -qxF -e "--defaults-file=$defaults" || continue
        # It reads the position from disk and ends.
        ! printf '%s\n' "$arguments" | grep -qxF -e --wsrep-recover || continue
        found="$found ${each#/proc/}"
    done
    # shellcheck disable=SC2086
    set -- $found
    [ $# -le 1 ] || die "more than one server of the member runs: $*"
    echo "${1:-}"
}

# A container sees the mounts that were there when it started.
restart_containers_with() {
    for container in $(podman ps --quiet); do
        podman inspect --format '{{range .Mounts}}{{println .Source}}{{end}}' "$container" | grep -qxF -e "$1" || continue
        podman restart --time 2 "$container" > /dev/null
    done
}

verb=$1
shift
case $verb in
    server)
        server
        ;;
    signal) # NAME: to the server; prints its process
        pid=$(server)
        [ "$pid" ] || die "no server of the member runs"
        kill -s "$1" "$pid"
        echo "$pid"
        ;;
    let-go-on) # PID: of a server that was made to hang
        if [ "$(server)" = "$1" ] && grep -q '^State:[[:space:]]*T' "/proc/$1/status"; then
            kill -s CONT "$1"
        fi
        ;;
    limit-disk) # DATADIR: of a member that is stopped
        ! mountpoint -q "$1" || die "$1 is a mount already"
        size=$(($(du -sm "$1" | cut -f 1) * 2 + 64))
        mkdir -p "$disk"
        mount -t tmpfs -o "size=${size}m,mode=0755" tmpfs "$disk"
        # What a file system has allocated stays so: only what grows meets the full disk.
        cp -a --sparse=never "$1" "$disk/data"
        mount --bind "$disk/data" "$1"
        restart_containers_with "$1"
        ;;
    fill-disk)
        mountpoint -q "$disk" || die "there is no small disk"
        # It ends when there is no room.
        dd if=/dev/zero of="$disk/filler" bs=64k 2> /dev/null || true
        ;;
    free-disk)
        rm -f "$disk/filler"
        ;;
    has-small-disk) # DATADIR: prints yes or no
        if mountpoint -q "$1" || mountpoint -q "$disk"; then echo yes; else echo no; fi
        ;;
    unlimit-disk) # DATADIR: of a member that is stopped; it catches up with what its own disk does not have
        if mountpoint -q "$1"; then umount "$1"; fi
        restart_containers_with "$1"
        if mountpoint -q "$disk"; then umount "$disk"; fi
        rm -rf "$disk"
        ;;
    read) # FILE
        cat "$1"
        ;;
    write) # FILE CONTENT: an existing file keeps its owner and mode
        [ ! -e "$1" ] || cp -p "$1" "$1.drill"
        printf '%s' "$2" > "$1.drill"
        mv "$1.drill" "$1"
        ;;
    remove) # FILE
        rm -f "$1"
        ;;
    *)
        die "unknown: $verb"
        ;;
esac
