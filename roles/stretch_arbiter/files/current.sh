# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat current.sh)" current.sh NAME DIGEST restart|look
#
# Restarts the systemd unit NAME if it does not run with the configuration of DIGEST, and says "restarted"; "look" only
# says what would be done.
set -eu

if systemctl --quiet is-active "$1.service" && [ "$(cat "/run/$1.loaded" 2> /dev/null)" = "$2" ]; then
    exit 0
fi
if [ "$3" = look ]; then
    echo "would be restarted"
    exit 0
fi
systemctl daemon-reload
systemctl restart "$1.service"
echo restarted
