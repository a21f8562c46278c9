# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies configuration into the container as Kolla's script of this name does.

/var/lib/kolla/config_files/config.json: {"command": str, "config_files": [{"source", "dest", "merge",
"preserve_properties"}], "permissions": [{"path", "owner", "recurse"}]}. A source that ends in * means all below it.
The command is left in /run_command, where kolla_start looks for it.
"""

from __future__ import annotations

import glob
import json
import os
import shutil

with open("/var/lib/kolla/config_files/config.json", encoding="utf-8") as stream:
    config = json.load(stream)

for entry in config.get("config_files", []):
    for source in glob.glob(entry["source"]):
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(entry["dest"], os.path.basename(source)), dirs_exist_ok=True)
        else:
            os.makedirs(os.path.dirname(entry["dest"]), exist_ok=True)
            shutil.copy2(source, entry["dest"])

for entry in config.get("permissions", []):
    user, _separator, group = entry["owner"].partition(":")
    for path in glob.glob(entry["path"]):
        shutil.chown(path, user, group or None)
        if entry.get("recurse"):
            for directory, names, files in os.walk(path):
                for name in names + files:
                    shutil.chown(os.path.join(directory, name), user, group or None)

with open("/run_command", "w", encoding="utf-8") as stream:
    stream.write(config["command"] + "\n")
