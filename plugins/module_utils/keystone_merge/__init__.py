# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, The stretch.cluster developers

"""Merging the databases of several Keystones into one.

:mod:`schema` says what the tables hold and refer to, :mod:`planner` decides what becomes of every row (pure),
:mod:`database` reads and writes servers, :mod:`state` remembers what was merged, :mod:`run` puts them together.
"""
