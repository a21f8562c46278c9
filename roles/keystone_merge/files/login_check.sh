# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat login_check.sh)" login_check.sh "$(cat login_check.py)" < request
#
# Runs the program with the Python of the Keystone that is installed here, which the first lines of keystone-manage
# name. (pip writes "#!/bin/sh" and the Python on the next line where its path is long.)
set -eu

manage=$(command -v keystone-manage) || {
    echo 'there is no keystone-manage' >&2
    exit 127
}
python=$(sed -n -e '1{/python/{s/^#! *//p;q}}' -e "2{s/^'''exec' *//;s/ *\"\\\$0\".*//p;q}" "$manage")
# It may bring arguments of its own.
# shellcheck disable=SC2086
exec ${python:-python3} -c "$1"
