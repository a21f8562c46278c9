# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat refresh_keys.sh)" refresh_keys.sh SOURCE TARGET
#
# Makes the key repositories that a running Keystone reads (below TARGET) those of its configuration (below SOURCE).
# A container copies its configuration when it starts; Keystone reads its keys at each use: it lists the directory, and
# then reads one file after another. So a key that moves to another number while it reads would be missing. Therefore
# all that are there get a second number first, above all others; whoever lists the directory after that has them,
# whatever becomes of the first ones. Says "refreshed" if any key changed.
set -eu
umask 077
running=$2
configured=$1
# Seconds in which whoever has listed a directory has read it.
reading=1

numbers() {
    (cd "$1" && for one in [0-9]*; do [ ! -e "$one" ] || echo "$one"; done) | sort -n
}

same() {
    [ "$(numbers "$source")" = "$(numbers "$target")" ] || return 1
    for number in $(numbers "$source"); do
        cmp -s "$source/$number" "$target/$number" || return 1
    done
}

# All at once, the first one first.
move() {
    [ $# -gt 0 ] || return 0
    (
        cd "$staging"
        chown --reference="$target" "$@"
        chmod 600 "$@"
        mv -f "$@" "$target"
    )
}

for repository in fernet-keys credential-keys; do
    source=$configured/$repository
    target=$running/$repository
    staging=$target/.stretch
    [ -d "$source" ] || continue
    if [ ! -d "$target" ]; then
        mkdir "$target"
        chown --reference="$running/fernet-keys" "$target"
    fi
    if same; then
        for number in $(numbers "$target"); do
            chmod 600 "$target/$number"
        done
        continue
    fi
    echo refreshed
    rm -rf "$staging"
    mkdir "$staging"
    # The highest number is the primary key, before and meanwhile.
    spare=$({ numbers "$source"; numbers "$target"; } | sort -n | tail -n 1)
    set --
    for number in $(numbers "$target"); do
        spare=$((spare + 1))
        cp "$target/$number" "$staging/$spare"
        set -- "$spare" "$@"
    done
    move "$@"
    [ $# -eq 0 ] || sleep "$reading"
    set --
    for number in $(numbers "$source" | sort -rn); do
        cp "$source/$number" "$staging/$number"
        set -- "$@" "$number"
    done
    move "$@"
    sleep "$reading"
    set --
    for number in $(numbers "$target"); do
        [ -e "$source/$number" ] || set -- "$@" "$target/$number"
    done
    rm -f "$@"
    rmdir "$staging"
done
