# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab image: its definition, the digest that says whether it is current, how it is built."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import List, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.pipeline import Pipe, Run

LABEL = "stretch.cluster.definition"


class ImageError(Exception):
    """An image cannot be built; the message says why and what to do."""


@dataclass(frozen=True)
class Definition:
    """What an image is made of.

    ``files``: (path below the tree, mode, content) of every file that is laid over the packages.
    ``setup``: shell commands that run inside the finished tree, in order.
    """

    name: str
    suite: str
    packages: Tuple[str, ...]
    setup: Tuple[str, ...]
    files: Tuple[Tuple[str, int, bytes], ...]

    @property
    def digest(self) -> str:
        """SHA-256 over everything that goes in; the order of packages does not matter."""
        value = {
            "suite": self.suite,
            "packages": sorted(self.packages),
            "setup": self.setup,
            "files": [(path, mode, hashlib.sha256(content).hexdigest()) for path, mode, content in sorted(self.files)],
        }
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def build_command(definition: Definition, trees: Sequence[str]) -> List[str]:
    """The mmdebstrap call that writes the image as a tar to its standard output; ``trees`` lie over the packages."""
    argv = [
        "mmdebstrap",
        "--variant=apt",
        "--format=tar",
        # Documentation is of no use in a node and a fifth of its size.
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        # The tree is thrown away when a build fails: no need to flush each file.
        "--dpkgopt=force-unsafe-io",
        "--include=" + ",".join(definition.packages),
        *(f"--customize-hook=sync-in '{tree}' /" for tree in trees),
    ]
    argv += [f'--customize-hook=chroot "$1" sh -euc {_quote(command)}' for command in definition.setup]
    return [*argv, definition.suite, "-"]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def explain(stderr: str, suite: str) -> str:
    """One message for a failed build, from what mmdebstrap wrote."""
    missing = re.findall(r"E: Unable to locate package (\S+)", stderr)
    if missing:
        names = ", ".join(sorted(set(missing)))
        return f"no such package in {suite}: {names}. Correct images_packages or images_suite."
    unreachable = r"Could not resolve|Failed to fetch|Unable to connect|Connection (refused|timed out)|apt-get update"
    if re.search(unreachable, stderr):
        first = next((line for line in stderr.splitlines() if re.match(r"(W|E|Err)", line)), "")
        return (
            f"the Debian package mirror for {suite} cannot be reached ({first.strip()}). Check the host's network and "
            "proxy (http_proxy, or Acquire::http::Proxy in its apt configuration), then run this again."
        )
    tail = "\n".join(stderr.strip().splitlines()[-8:])
    return f"mmdebstrap failed:\n{tail}"


def unfinished(name: str) -> str:
    """The name of an image while it is built. Podman makes one of a broken tar too, digest and all."""
    return name.rpartition(":")[0] + ":unfinished"


def import_command(definition: Definition, podman: str) -> List[str]:
    """The call that makes an image of the tar on its standard input, with the digest as its label."""
    return [podman, "import", "--change", f"LABEL {LABEL}={definition.digest}", "-", unfinished(definition.name)]


def build(definition: Definition, trees: Sequence[str], podman: str, pipe: Pipe, run: Run) -> None:
    """Build and import one image; it gets its name when all went well, and is removed when not.

    :raises ImageError: a command failed, or is not there.
    """
    try:
        ended = pipe(build_command(definition, trees), import_command(definition, podman))
        # A tar that breaks off may fail the import too, and then the reason is the builder's.
        if ended.producer.rc != 0:
            reason = explain(ended.producer.stderr, definition.suite)
        elif ended.consumer.rc != 0:
            reason = f"podman import failed: {ended.consumer.stderr.strip()}"
        else:
            tagged = run([podman, "tag", unfinished(definition.name), definition.name])
            reason = "" if tagged.rc == 0 else f"podman tag failed: {tagged.stderr.strip()}"
        # With a second name the image stays, and loses this one.
        run([podman, "rmi", unfinished(definition.name)])
    except OSError as error:
        raise ImageError(f"{definition.name}: {error.filename} cannot be run: {error.strerror}") from error
    if reason:
        raise ImageError(f"{definition.name}: {reason}")
