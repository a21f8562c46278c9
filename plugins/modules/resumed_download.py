# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resumed_download
short_description: Download a large file, and go on where an earlier run was cut off
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - What has arrived is kept beside the file as C(<dest>.part), and continued by the next run. The file itself appears
    only when it is whole and its checksum is right.
  - A file that is there is not asked for again.
attributes:
  check_mode:
    support: full
    description: Says whether it would download.
  diff_mode:
    support: none
    description: There is nothing to show of a binary file.
options:
  url:
    description: Where the file is.
    type: str
    required: true
  dest:
    description: Absolute path of the file.
    type: path
    required: true
  checksum_url:
    description: Where its checksum is published, alone or in lines with names of files.
    type: str
  algorithm:
    description: The checksum's.
    type: str
    choices: [md5, sha1, sha256, sha512]
    default: sha256
"""

EXAMPLES = r"""
- name: Images
  stretch.cluster.resumed_download:
    url: https://mirror.example/overcloud-full.tar
    dest: /srv/images/overcloud-full.tar
    checksum_url: https://mirror.example/overcloud-full.tar.md5
    algorithm: md5
"""

RETURN = r"""
resumed_at:
  description: How many bytes were there already.
  type: int
  returned: changed
"""

import os
from typing import Any
from urllib.error import HTTPError, URLError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import download
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError


def fetch(url: str, part: str) -> int:
    """Have the whole of a URL in a file; returns how many bytes were there already."""
    offset = os.path.getsize(part) if os.path.exists(part) else 0
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        answer: Any = open_url(url, headers=headers, timeout=60)
    except HTTPError as error:
        if error.code == 416 and offset:  # all of it had arrived, or it became shorter: the checksum tells
            return offset
        raise
    with answer:
        goes_on, whole = download.resumed(answer.status or 0, offset, answer.headers.get("Content-Range"))
        length = answer.headers.get("Content-Length")
        if whole is None and length is not None:
            whole = int(length) + (offset if goes_on else 0)
        with open(part, "ab" if goes_on else "wb") as stream:
            stream.writelines(iter(lambda: answer.read(1 << 20), b""))
    arrived = os.path.getsize(part)
    if whole is not None and arrived != whole:
        raise TripleoError(
            [f"{url} was cut off: {arrived} of {whole} bytes arrived. Run again, it goes on from there."]
        )
    return offset if goes_on else 0


def get(params: Any) -> int:
    """Have the file; returns how many bytes were there already."""
    url, dest = params["url"], params["dest"]
    part = f"{dest}.part"
    wanted = None
    if params["checksum_url"]:
        with open_url(params["checksum_url"], timeout=60) as answer:
            published = answer.read().decode("utf-8", "replace")
        wanted = download.expected(published, os.path.basename(url), params["algorithm"])
    offset = fetch(url, part)
    if wanted is not None and download.hash_file(part, params["algorithm"]) != wanted:
        os.unlink(part)
        raise TripleoError(
            [f"{url} arrived with another checksum than is published for it, and was dropped: run again."]
        )
    os.replace(part, dest)
    return offset


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "checksum_url": {"type": "str"},
            "algorithm": {"type": "str", "choices": ["md5", "sha1", "sha256", "sha512"], "default": "sha256"},
        },
        supports_check_mode=True,
    )
    if os.path.exists(module.params["dest"]):
        module.exit_json(changed=False)
    if module.check_mode:
        module.exit_json(changed=True)
    try:
        offset = get(module.params)
    except TripleoError as error:
        module.fail_json(msg=str(error))
    except (URLError, OSError) as error:
        module.fail_json(msg=f"{module.params['url']} cannot be had: {error}. Run again, or name a mirror.")
    module.exit_json(changed=True, resumed_at=offset)


if __name__ == "__main__":
    main()
