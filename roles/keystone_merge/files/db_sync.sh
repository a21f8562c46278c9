# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat db_sync.sh)" db_sync.sh sync|check CONFIG < configuration with the connection
#
# Brings a database's schema to the version of the Keystone that runs this. CONFIG is Keystone's configuration, or empty
# for none. Says on its last line what it did or found: synced, or current, behind and unknown (the database cannot be
# read).
# The connection holds a password, so it comes on standard input and goes to a file that only this user reads.
set -eu
umask 077

mode=$1
config=$2
connection=$(mktemp)
trap 'rm -f "$connection"' EXIT
cat > "$connection"

db_sync() {
    keystone-manage ${config:+--config-file "$config"} --config-file "$connection" db_sync "$@"
}

# It is not asked first whether it has to: Zed to 2025.1 take every schema that alembic counts for the current one.
if [ "$mode" = sync ]; then
    db_sync
    echo synced
    exit
fi
state=0
db_sync --check || state=$?
case $state in
    0) echo current ;;
    1) echo unknown ;;
    *) echo behind ;;
esac
