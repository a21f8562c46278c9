# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own topology and releases, and a runner that answers from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.stretch.cluster.plugins.module_utils import topology as topologies
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import release as releases
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import Release

ROOT = Path(__file__).resolve().parents[4]
RELEASES = ("queens", "train", "wallaby")


def topology(stacks: str = "stack1,stack2", **nodes: int) -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "inventory/stretch.yml").read_text(encoding="utf-8"))
    config["nodes"].update(nodes)
    plain: dict[str, Any] = topologies.plain(topologies.expand(config, stacks))
    return plain


def data(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / f"playbooks/files/tripleo/{name}.yml").read_text(encoding="utf-8"))
    return content


def release(name: str) -> Release:
    return releases.read(data(name), name)


class Answers:
    """Answers commands by the words that they begin with or contain."""

    def __init__(self, answers: Mapping[str, str | tuple[int, str, str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str]) -> tuple[int, str, str]:
        text = " ".join(argv)
        self.asked.append(text)
        for words, answer in self.answers.items():
            if words in text:
                return answer if isinstance(answer, tuple) else (0, answer, "")
        return 1, "", f"not expected: {text}"
