# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat refresh_keys.sh)" refresh_keys.sh SOURCE TARGET
#
# Makes the key repositories that a running Keystone reads (below TARGET) those of its configuration (below SOURCE).
# A container copies its configuration when it starts; Keystone reads its keys at each use. Says "refreshed" if any
# key changed.
set -eu
umask 077

for repository in fernet-keys credential-keys; do
    source=$1/$repository
    target=$2/$repository
    # The highest number first: a key that moves is there twice for a moment, not missing.
    for number in $(cd "$source" && printf "%s\n" [0-9]* | sort -rn); do
        cmp -s "$source/$number" "$target/$number" && continue
        cp "$source/$number" "$target/.new"
        chown --reference="$target" "$target/.new"
        mv "$target/.new" "$target/$number"
        echo refreshed
    done
    for number in $(cd "$target" && printf "%s\n" [0-9]*); do
        if [ ! -e "$source/$number" ]; then
            rm "$target/$number"
            echo refreshed
        fi
    done
done
