# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a stretched Galera.

On a node :mod:`gather` asks several sources at once, each within a limit, and :mod:`sources` reads what they answer.
Where Ansible runs, :mod:`merge` makes one picture (:mod:`model`) of what all nodes saw, with the help of :mod:`members`
and :mod:`links`; :mod:`text`, :mod:`drawing` and :mod:`page` show it. All but :mod:`gather` are pure.
"""
