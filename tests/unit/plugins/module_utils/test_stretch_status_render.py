# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture as text and as a page: what it says, that it fits, and that it needs nothing but itself."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
import stretch_status_harness as harness
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status import drawing, merge, page, text
from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.model import Status
from stretch_status_harness import World

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures/stretch_status"
GOLDEN = ("well", "site_lost", "one_way_cut", "blackout", "half_broken")
EVIL = "<script>alert(1)</script>&\"'"
VOID = {"meta", "link", "br"}


def look(world: World) -> Status:
    return merge.assess(world.topology, world.members, world.arbiters, world.answers(), harness.TAKEN)


WORLDS = [pytest.param(make(), id=name) for name, make in harness.WORLDS.items()]
WORLDS += [
    pytest.param(World("topology_three.yml"), id="three_sites"),
    pytest.param(World(arbiters=0), id="no_arbiter"),
]


@pytest.mark.parametrize("name", GOLDEN)
def test_text_as_it_was_approved(name: str) -> None:
    golden = (FIXTURES / f"status_{name}.txt").read_text(encoding="utf-8")
    assert text.render(look(harness.WORLDS[name]())) + "\n" == golden


@pytest.mark.parametrize("world", WORLDS)
def test_text_fits_and_is_ascii(world: World) -> None:
    shown = text.render(look(world))
    assert [line for line in shown.splitlines() if len(line) > text.WIDTH or line != line.rstrip()] == []
    assert shown.isascii()
    for name in world.all():
        assert name in shown


def test_a_long_name_does_not_break_the_table() -> None:
    world = harness.well()
    name = "overcloud-controller-0-of-the-first-region"
    told = json.loads(json.dumps(world.answers()).replace("s1controller-0", name))
    for node in world.topology["nodes"]:
        node["name"] = node["name"].replace("s1controller-0", name)
    shown = text.render(merge.assess(world.topology, [], [], told, harness.TAKEN))
    assert [line for line in shown.splitlines() if len(line) > text.WIDTH] == []
    assert "31" in shown


class Checker(HTMLParser):
    """Refuses what is not closed, and keeps what is asked for from elsewhere."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert "href" not in dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(shown: str) -> Checker:
    checker = Checker()
    checker.feed(shown)
    checker.close()
    assert checker.open == []
    return checker


@pytest.mark.parametrize("world", WORLDS)
def test_page_is_whole_and_needs_nothing_else(world: World) -> None:
    shown = page.render(look(world))
    assert shown.startswith("<!doctype html>")
    assert check(shown).fetched == ["data:,"]
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", shown)


@pytest.mark.parametrize("world", WORLDS)
def test_drawing_shows_everyone_where_they_stand(world: World) -> None:
    status = look(world)
    svg = ET.fromstring(drawing.render(status))
    words = [element.text or "" for element in svg.iter("text")]
    for member in status.members:
        assert member.name in words
        assert member.state.label in words
    for one in (*status.sites, *status.arbiters):
        assert one.name in words
    place = drawing.layout(status)
    boxes = [*place.rows.values(), *place.arbiters.values()]
    for index, box in enumerate(boxes):
        assert box.x >= 0
        assert box.x + box.width <= place.width
        assert box.bottom <= place.height
        for other in boxes[index + 1 :]:
            apart = box.x + box.width <= other.x or other.x + other.width <= box.x
            assert apart or box.bottom <= other.y or other.bottom <= box.y


def paths(status: Status, kind: str) -> int:
    svg = ET.fromstring(drawing.render(status))
    return sum(1 for element in svg.iter("path") if kind in element.get("class", "").split())


def test_drawing_of_links_and_of_where_connections_go() -> None:
    assert paths(look(harness.well()), "flow") == 1 + 2  # the arrow's head, and one arrow per site
    assert paths(look(harness.blackout()), "flow") == 1
    cut = drawing.render(look(harness.link_cut()))
    assert "✕ CUT" in cut
    one_way = drawing.render(look(harness.one_way_cut()))
    assert "✕ CUT →" in one_way
    assert "← open" in one_way
    assert "31 ms" in drawing.render(look(harness.well()))


def test_all_that_nodes_say_is_escaped() -> None:
    world = harness.half_broken()
    world.reports["s2controller-1"].update(reason=EVIL, ok=False, server=EVIL, provider=EVIL, state=EVIL)
    world.reports["s1controller-0"]["lost"] = {"members": [EVIL], "made": EVIL, "by": EVIL}
    world.stopped("s1controller-1", "backoff", last_error=EVIL)
    world.pacemaker["stack1"]["failures"] = [
        {"node": "s1controller-0", "resource": "stretch-galera", "task": "monitor", "code": 190, "degraded": True,
         "reason": EVIL},
    ]  # fmt: skip
    world.sources["s1controller-2", "haproxy"] = {"error": EVIL}
    world.dark["arbiter-0"] = EVIL
    answers = json.loads(json.dumps(world.answers()).replace('"stretch"', json.dumps(EVIL)))
    for node in world.topology["nodes"]:
        node["name"] = node["name"].replace("s2controller-2", EVIL)
    for stack in world.topology["stacks"]:
        stack["region"] = EVIL
    answers = json.loads(json.dumps(answers).replace("s2controller-2", json.dumps(EVIL)[1:-1]))
    shown = page.render(merge.assess(world.topology, [], [], answers, harness.TAKEN))
    assert shown.count("&lt;script&gt;") > 10
    assert check(shown).tags.count("script") == 1
    assert EVIL not in shown


def test_colours_are_never_the_only_sign() -> None:
    """Every coloured pill, row and banner carries a glyph."""
    shown = page.render(look(harness.half_broken()))
    pills = re.findall(r'<span class="pill[^>]*>(.*?)</span>', shown)
    assert pills
    assert all(re.match(r"<b>[✓↻\u2013!✕]</b> \S", pill) for pill in pills)


def test_light_and_dark_have_the_same_colours() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", page.STYLE, re.DOTALL)
    names = [re.findall(r"--[\w-]+(?=:)", one) for one in (light, dark)]
    assert names[0] == names[1]
    used = set(re.findall(r"var\((--[\w-]+)\)", page.STYLE))
    assert used <= set(names[0])


def test_contrast_of_words() -> None:
    """At least 4.5 to 1, as WCAG 2 AA asks for text, on every ground where they stand."""
    for block in re.findall(r":root \{(.*?)\}", page.STYLE, re.DOTALL):
        colours = dict(re.findall(r"(--[\w-]+): (#\w+)", block))
        pairs = [("--ink", "--card"), ("--ink", "--ground"), ("--quiet", "--card"), ("--quiet", "--box")]
        for level in ("ok", "busy", "warn", "bad", "off"):
            pairs += [(f"--{level}", f"--{level}-bg"), ("--ink", f"--{level}-bg"), ("--on", f"--{level}")]
        weak = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
        assert {pair: value for pair, value in weak.items() if value < 4.5} == {}


def contrast(one: str, other: str) -> float:
    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("world", WORLDS)
def test_json(world: World) -> None:
    told = json.loads(json.dumps(asdict(look(world))))
    assert {one["name"] for one in told["members"]} == set(world.all())
    assert set(told) >= {"level", "headline", "writes", "split", "sites", "links", "reserve", "problems", "components"}
