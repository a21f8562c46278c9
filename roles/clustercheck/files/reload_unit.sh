#!/bin/sh
# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: reload_unit.sh NAME DIRECTORY reload|look
#
# Has the clustercheck of the systemd unit NAME read its files in DIRECTORY, if it runs with others, and waits until it
# has; "look" only says so.
set -eu
name=$1
directory=$2
mode=$3

# One that does not run reads its files when it starts.
systemctl --quiet is-active "$name.service" || exit 0

current() {
    files=$(cd "$directory" && cat clustercheck.py clustercheck_answers.py galera_report.py clustercheck.ini | sha256sum)
    [ "${files%% *}" = "$(cat "/run/$name.loaded" 2> /dev/null)" ]
}

# One that has just started takes a moment to say what it read.
for _ in 1 2 3; do
    if current; then
        exit 0
    fi
    sleep 1
done
if [ "$mode" = look ]; then
    echo "would be reloaded"
    exit 0
fi
systemctl reload "$name.service"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    sleep 1
    if current; then
        echo reloaded
        exit 0
    fi
done
echo "$name.service still runs with the files that it had. It says:" >&2
journalctl --quiet --no-pager --lines=3 --unit="$name.service" >&2
exit 1
