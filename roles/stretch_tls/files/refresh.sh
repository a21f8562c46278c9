# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat refresh.sh)" refresh.sh SOURCE TARGET
#
# Makes a file that a container copied when it started that of its source again, in one step. Says "refreshed" if it
# differed.
set -eu

cmp -s "$1" "$2" && exit 0
cp "$1" "$2.new"
chmod 0644 "$2.new"
mv "$2.new" "$2"
echo refreshed
