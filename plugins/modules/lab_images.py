# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_images
short_description: Container images of the lab, built from Debian packages
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Builds images with mmdebstrap and imports them into podman, without any container registry; all at once.
  - An image carries the digest of its definition as a label and is built again only when the definition changes.
options:
  images:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the image, with its tag.
        type: str
        required: true
      suite:
        description: Debian suite.
        type: str
        required: true
      packages:
        description: Debian packages beside the essential ones and apt.
        type: list
        elements: str
        required: true
      tree:
        description: Directories whose files are laid over the packages, one after another.
        type: list
        elements: path
        required: true
      setup:
        description: Shell commands to run inside the finished tree.
        type: list
        elements: str
        default: []
  podman:
    description: Path of the podman to import into.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Says which images would be built.
  diff_mode:
    support: full
    description: Shows the digests of the definitions before and after.
"""

EXAMPLES = r"""
- name: Build the service image
  stretch.cluster.lab_images:
    images:
      - name: localhost/stretch-lab/service:latest
        suite: bookworm
        packages: [mariadb-server, galera-4]
        tree: /home/me/service-tree
    podman: /home/me/.stretch/lab/podman
"""

RETURN = r"""
built:
  description: Names of the images that were built, or would be, and how many seconds each took.
  type: dict
  returned: always
  sample: {"localhost/stretch-lab/service:latest": 118.2}
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import lab_image as image
from ansible_collections.stretch.cluster.plugins.module_utils.pipeline import pipe, run


def load_definition(params: dict[str, Any]) -> image.Definition:
    files = []
    for tree in params["tree"]:
        if not os.path.isdir(tree):
            raise image.ImageError(f"{tree} is not a directory")
        for directory, _subdirectories, names in os.walk(tree):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as stream:
                    files.append((os.path.relpath(path, tree), os.stat(path).st_mode & 0o777, stream.read()))
    return image.Definition(
        name=params["name"],
        suite=params["suite"],
        packages=tuple(params["packages"]),
        setup=tuple(params["setup"]),
        files=tuple(files),
    )


def present_digest(module: AnsibleModule, name: str) -> str:
    label = f'{{{{ index .Labels "{image.LABEL}" }}}}'
    rc, out, _err = module.run_command([module.params["podman"], "image", "inspect", "--format", label, name])
    return out.strip() if rc == 0 else ""


def build(podman: str, trees: list[str], definition: image.Definition) -> float:
    """Build and import one image; seconds that it took."""
    started = time.monotonic()
    image.build(definition, trees, podman, pipe, run)
    return round(time.monotonic() - started, 1)


def ensure(module: AnsibleModule) -> dict[str, Any]:
    podman = module.params["podman"]
    stale, diffs = [], []
    for params in module.params["images"]:
        definition = load_definition(params)
        before = present_digest(module, definition.name)
        if before != definition.digest:
            stale.append((params["tree"], definition))
            diffs.append({"before": before + "\n", "after": definition.digest + "\n", "before_header": definition.name})
    built = {definition.name: 0.0 for _trees, definition in stale}
    if stale and not module.check_mode:
        with ThreadPoolExecutor(max_workers=len(stale)) as pool:
            seconds = pool.map(lambda item: build(podman, *item), stale)
        built = dict(zip(built, seconds))
    return {"changed": bool(stale), "built": built, "diff": diffs}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "suite": {"type": "str", "required": True},
                    "packages": {"type": "list", "elements": "str", "required": True},
                    "tree": {"type": "list", "elements": "path", "required": True},
                    "setup": {"type": "list", "elements": "str", "default": []},
                },
            },
            "podman": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except image.ImageError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
