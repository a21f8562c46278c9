#!/bin/sh
# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: reload.sh CLI BUNDLE reload|look
#
# Has the clustercheck that runs on this node in a replica of BUNDLE read its files, if it runs with others, and waits
# until it has; "look" only says so. CLI is podman or docker.
set -eu
cli=$1
bundle=$2
mode=$3

container=$("$cli" ps --quiet --filter "name=^$bundle-[a-z]+-[0-9]+\$")
# One that is not running here reads its files when it starts.
[ -n "$container" ] || exit 0

current() {
    # shellcheck disable=SC2016  # for the container's shell
    "$cli" exec "$container" sh -euc '
        cd /etc/clustercheck
        files=$(cat clustercheck.py clustercheck_answers.py galera_report.py clustercheck.ini | sha256sum)
        [ "${files%% *}" = "$(cat /run/clustercheck.loaded)" ]'
}

if current; then
    exit 0
fi
if [ "$mode" = look ]; then
    echo "would be reloaded"
    exit 0
fi
"$cli" kill --signal HUP "$container" > /dev/null
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    sleep 1
    if current; then
        echo reloaded
        exit 0
    fi
done
echo "clustercheck in $container still runs with the files that it had. It says:" >&2
"$cli" logs --tail 3 "$container" >&2
exit 1
