# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of an image, the commands that build it, and what is said when they fail."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import lab_image
from ansible_collections.stretch.cluster.plugins.module_utils.lab_image import Definition, ImageError
from ansible_collections.stretch.cluster.plugins.module_utils.pipeline import Ended, Piped, Run, pipe, run

IMAGE = Definition(
    name="localhost/a:latest",
    suite="bookworm",
    packages=("b", "a"),
    setup=("true", "echo 'it''s'"),
    files=(("etc/x", 0o644, b"1"), ("etc/y", 0o755, b"2")),
)


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "trixie"},
        {"packages": ("a", "b", "c")},
        {"setup": ("echo 'it''s'", "true")},
        {"files": (("etc/x", 0o644, b"1"), ("etc/y", 0o755, b"3"))},
        {"files": (("etc/x", 0o600, b"1"), ("etc/y", 0o755, b"2"))},
        {"files": (("etc/z", 0o644, b"1"), ("etc/y", 0o755, b"2"))},
    ],
    ids=["suite", "packages", "order of setup", "content", "mode", "path"],
)
def test_the_digest_changes_with_what_goes_in(change: dict[str, Any]) -> None:
    assert dataclasses.replace(IMAGE, **change).digest != IMAGE.digest


@pytest.mark.parametrize(
    "change",
    [{"packages": ("a", "b")}, {"files": IMAGE.files[::-1]}, {"name": "localhost/b:latest"}],
    ids=["order of packages", "order of files", "name"],
)
def test_the_digest_stays_with_what_does_not_matter(change: dict[str, Any]) -> None:
    assert dataclasses.replace(IMAGE, **change).digest == IMAGE.digest


def test_build_command() -> None:
    argv = lab_image.build_command(IMAGE, ["/tree", "/other"])
    assert argv[0] == "mmdebstrap"
    assert argv[-2:] == ["bookworm", "-"]
    assert "--include=b,a" in argv
    hooks = [argument.partition("=")[2] for argument in argv if argument.startswith("--customize-hook=")]
    assert hooks[:2] == ["sync-in '/tree' /", "sync-in '/other' /"]
    assert [shlex.split(hook) for hook in hooks[2:]] == [["chroot", "$1", "sh", "-euc", each] for each in IMAGE.setup]


def test_a_command_of_setup_reaches_the_shell_as_it_is() -> None:
    """The hook goes through one shell more than the command itself."""
    command = """printf '%s|' "it's" '$HOME' 'a\\b'"""
    hook = lab_image.build_command(dataclasses.replace(IMAGE, setup=(command,)), ["/tree"])[-3].partition("=")[2]
    within = hook.replace('chroot "$1" ', "")
    ran = subprocess.run(["sh", "-c", within], capture_output=True, text=True, check=True)
    assert ran.stdout == "it's|$HOME|a\\b|"


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        (
            "I: running\n" + "".join(f"E: Unable to locate package {name}\n" for name in ("foo", "bar", "foo")),
            "no such package in bookworm: bar, foo. Correct images_packages or images_suite.",
        ),
        (
            "W: Failed to fetch http://m/InRelease  Could not resolve 'm'\nE: apt-get update failed\n",
            "mirror for bookworm cannot be reached (W: Failed to fetch http://m/InRelease  Could not resolve 'm').",
        ),
        ("Connection refused\n", "mirror for bookworm cannot be reached"),
        ("\n".join(f"line {number}" for number in range(20)), "mmdebstrap failed:\nline 12\n"),
    ],
    ids=["package", "mirror", "refused", "other"],
)
def test_explain(stderr: str, message: str) -> None:
    assert message in lab_image.explain(stderr, "bookworm")


def ran(commands: list[Sequence[str]], rc: int = 0) -> Run:
    def run(command: Sequence[str]) -> Ended:
        commands.append(command)
        return Ended(rc, "no such image\n" if rc else "")

    return run


def test_build_hands_the_tar_to_podman_and_names_the_image_last() -> None:
    called: list[Sequence[str]] = []

    def record(producer: Sequence[str], consumer: Sequence[str]) -> Piped:
        called.extend((producer, consumer))
        return Piped(Ended(0, ""), Ended(0, ""))

    lab_image.build(IMAGE, ["/tree"], "/podman", record, ran(called))
    label = f"LABEL stretch.cluster.definition={IMAGE.digest}"
    assert called == [
        lab_image.build_command(IMAGE, ["/tree"]),
        ["/podman", "import", "--change", label, "-", "localhost/a:unfinished"],
        ["/podman", "tag", "localhost/a:unfinished", "localhost/a:latest"],
        ["/podman", "rmi", "localhost/a:unfinished"],
    ]


@pytest.mark.parametrize(
    ("piped", "message"),
    [
        (Piped(Ended(1, "E: Unable to locate package foo"), Ended(125, "unexpected EOF")), "no such package"),
        # Podman makes an image of an empty tar.
        (Piped(Ended(1, "E: Unable to locate package foo"), Ended(0, "")), "no such package"),
        (Piped(Ended(0, ""), Ended(125, "no space left\n")), "localhost/a:latest: podman import failed: no space left"),
    ],
    ids=["build", "empty", "import"],
)
def test_a_failed_build_says_why_and_leaves_no_image(piped: Piped, message: str) -> None:
    called: list[Sequence[str]] = []
    with pytest.raises(ImageError, match=message):
        lab_image.build(IMAGE, ["/tree"], "/podman", lambda _producer, _consumer: piped, ran(called))
    assert called == [["/podman", "rmi", "localhost/a:unfinished"]]


def test_an_image_that_cannot_be_named_is_an_error() -> None:
    with pytest.raises(ImageError, match="podman tag failed: no such image"):
        lab_image.build(
            IMAGE, ["/tree"], "/podman", lambda _producer, _consumer: Piped(Ended(0, ""), Ended(0, "")), ran([], rc=125)
        )


def test_a_missing_program_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ImageError, match="localhost/a:latest: mmdebstrap cannot be run"):
        lab_image.build(IMAGE, ["/tree"], "/podman", pipe, run)
