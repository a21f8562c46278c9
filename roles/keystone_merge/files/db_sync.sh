# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat db_sync.sh)" db_sync.sh sync|check CONFIG < configuration with the connection
#
# Brings a database's schema to the version of the Keystone that runs this. Says on its last line what it found and did:
# current, synced, behind (check alone) or unknown (check alone: the database cannot be read).
# The connection holds a password, so it comes on standard input and goes to a file that only this user reads.
set -eu
umask 077

mode=$1
config=$2
connection=$(mktemp)
trap 'rm -f "$connection"' EXIT
cat > "$connection"

db_sync() {
    keystone-manage --config-file "$config" --config-file "$connection" db_sync "$@"
}

state=0
db_sync --check || state=$?
if [ "$state" -eq 0 ]; then
    echo current
elif [ "$mode" = sync ]; then
    db_sync
    echo synced
elif [ "$state" -eq 1 ]; then
    echo unknown
else
    echo behind
fi
