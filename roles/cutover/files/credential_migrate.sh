# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# usage: sh -c "$(cat credential_migrate.sh)" credential_migrate.sh REPOSITORY
#
# Encrypts all credentials with the primary key, by the configuration of the Keystone that runs here. To root
# keystone-manage gives no answer unless it is told whom the REPOSITORY belongs to.
set -eu

owner=$(stat -c %U "$1")
group=$(stat -c %G "$1")
exec keystone-manage credential_migrate --keystone-user "$owner" --keystone-group "$group"
