# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a merge: whole, by itself, true to its figures, and never obeying a name."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import merge_report_harness as harness
import pytest
import yaml
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report import (
    SHOWN,
    Conflict,
    IdChange,
    Outcome,
    Renamed,
    picture,
    render,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.picture import (
    NARROW,
    THIN,
    WIDE,
    End,
    Form,
    Source,
)
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.style import STYLE
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report.text import (
    NONE,
    listed,
    many,
    plain,
    quoted,
    rate,
    seconds,
    share,
    shown,
)
from merge_report_harness import EVIL, EXAMPLES
from test_stretch_status_render import check, contrast

SVG = re.compile(r'<svg class="flow (?:wide|narrow)".*?</svg>', re.DOTALL)


def words(page: str) -> str:
    """The page without its tags, as one line."""
    body = page[page.index("<body") :]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", body)))


@pytest.mark.parametrize("example", EXAMPLES)
def test_page_is_whole_and_needs_nothing_else(example: str) -> None:
    page = render(EXAMPLES[example]())
    checker = check(page)
    assert page.startswith("<!doctype html>")
    assert [where for where in checker.fetched if not where.startswith("#")] == ["data:,"]
    assert not {"script", "img", "iframe", "object", "form", "base"} & set(checker.tags)
    assert not re.search(r"https?:|@import|url\(", page)
    links = [where[1:] for where in checker.fetched if where.startswith("#")]
    assert links == re.findall(r'<section class="card" id="(.*?)">', page)
    for drawing in SVG.findall(page):
        ET.fromstring(drawing)


@pytest.mark.parametrize(
    ("example", "headline"),
    [
        ("two", "stack1 and stack2 merged into keystone at 10.0.20.6:3306"),
        ("planned", "A plan, nothing is written: stack1 and stack2 can be merged into keystone at 10.0.20.6:3306"),
        ("difference", "1,000 rows that changed in stack1 and stack2 followed into keystone at 10.0.20.6:3306"),
        ("nothing", "Nothing to do: stack1 and stack2 merged into keystone at 10.0.20.6:3306 before"),
        ("stopped", "Stopped, nothing is written: 7 things to settle before stack1 and stack2 can be merged"),
    ],
)
def test_headline(example: str, headline: str) -> None:
    assert headline in words(render(EXAMPLES[example]()))


def test_figures() -> None:
    report = harness.two()
    told = words(render(report))
    assert f"Rows carried {report.carried:,} of {report.rows:,} read" in told
    assert "Became one 23 things 46 rows in all" in told
    assert "Renamed 5 things their ids stay" in told
    assert "Ids that changed 2 projects and 7 users who keeps them must follow" in told
    assert "Verified 155 checks all well" in told
    assert "Time 24.2 s" in told
    assert "2026-11-24 11:09:10 UTC , stretch.cluster 0.2.0" in told
    assert "assignment actor_id user 11 carried as they are" in told
    assert "assignment target_id project 3 left out" in told
    assert "All of them, old and new: /var/lib/stretch/id-map.json" in told
    for stack in report.stacks:
        assert f"{stack.name} {stack.region} {stack.address} {stack.rows:,} {stack.carried:,}" in told
    for count in report.counts:
        assert f"{count.rows:,}" in told


def test_sections_that_have_nothing_are_left_out() -> None:
    page = render(harness.nothing())
    assert re.findall(r'<section class="card" id="(.*?)">', page) == ["stacks"]
    assert "cut over" in page
    assert "2026-11-24 12:40:00 UTC" in page
    assert "Became one" not in page


def test_a_difference_says_what_followed() -> None:
    told = words(render(harness.difference()))
    assert "Rows that followed 1,000 712 new, 197 changed, 91 deleted" in told
    assert "200 new, 12 changed, 7 deleted" in told


def test_rows_from_before_are_in_the_picture() -> None:
    report = harness.third()
    drawing = SVG.findall(render(report))[0]
    assert "merged before" in drawing
    assert f"{report.held + report.carried:,} rows" in drawing


def test_a_thing_of_three_stacks_is_one() -> None:
    page = render(harness.made({"stack1": 1, "stack2": 0.1, "stack3": 0.1}))
    row = re.search(r"<tr><td><b><bdi>nova</bdi></b>.*?</tr>", page[page.index('id="one"') :], re.DOTALL)
    assert row
    ids = [harness.id_of(stack, "user", "nova") for stack in ("stack1", "stack2", "stack3")]
    assert re.findall(r"[0-9a-f]{32}", row[0]) == ids
    assert "23 things" in page


def test_totals_that_are_said() -> None:
    """They count pairs, and kinds of which there is nothing too; what is listed whole needs none."""
    report = harness.made({"stack1": 1, "stack2": 0.1, "stack3": 0.1})
    pairs = {"user": 14, "role": 10, "service": 16, "project": 4, "domain": 2, "group": 0}
    page = render(replace(report, became_one_totals=pairs, renamed_totals={"role": 0}, id_change_totals={"region": 0}))
    assert page == render(report)
    assert "<b>77 users</b>" in render(replace(report, became_one_totals={**pairs, "user": 77}))


def test_long_lists_are_cut_and_say_so() -> None:
    report = harness.two()
    changes = tuple(IdChange("user", "Default", f"user{n:05}", "stack2", f"old{n}", f"new{n}") for n in range(250))
    renamed = tuple(Renamed("group", None, f"group{n}", f"g{n}", "stack2", str(n)) for n in range(5))
    page = render(replace(report, id_changes=changes, id_change_totals={"user": 100_000, "role": 5}, renamed=renamed,
                          renamed_totals={"group": 7, "user": 3}))  # fmt: skip
    told = words(page)
    assert page.count("<b><bdi>user0") == SHOWN
    assert "99,900 more are not shown. All ids are in /var/lib/stretch/id-map.json." in told
    assert "100,000 users" in told
    assert "2 more are not shown." in told
    assert "Renamed 10 things" in told
    assert "<p><b>3 users</b></p>" in page
    assert "Besides, ids that only Keystone itself refers to: 5 roles." in told
    assert re.search(r"<details><summary><b>100,000 users", page)
    assert re.search(r"<details open><summary><b>7 groups", page)


def test_ids_that_no_other_service_keeps() -> None:
    report = replace(harness.two(), id_changes=(), id_change_totals={"role": 1})
    told = words(render(report))
    assert "Ids that changed 1 of no project and no user" in told
    assert "Ids that only Keystone itself refers to: 1 role." in told
    assert "Nova" not in told


def test_what_settles_a_conflict_can_be_copied() -> None:
    """What is shown is YAML that names each thing exactly, whatever its name is."""
    names = tuple(name for name in harness.EVIL_NAMES if not any("\ud800" <= sign < "\ue000" for sign in name))
    page = render(harness.stopped(names))
    block = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    assert block
    told = yaml.safe_load(html.unescape(block[1]))
    assert [one["name"] for one in told["overrides"]] == list(names)
    assert {one["action"] for one in told["overrides"]} == {"rename"}


def test_many_conflicts() -> None:
    conflicts = tuple(Conflict("user", None, f"user{n}", ("a", "b"), ("1", "2"), f"- {n}") for n in range(300))
    page = render(replace(harness.stopped(), conflicts=conflicts))
    assert "200 more are not shown. The module returns all of them." in words(page)
    assert "Conflicts 300 1 other problem" in words(page)


def test_names_are_shown_and_never_obeyed() -> None:
    page = render(harness.hostile())
    checker = check(page)
    assert EVIL not in page
    assert "<script" not in page
    assert not {"script", "img"} & set(checker.tags)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2029\ud800-\udfff\ufeff]", page)
    told = words(page)
    assert told.count(EVIL) > 100
    assert " javascript:alert(1) " in told
    page.encode("utf-8")


def test_a_table_of_results_that_are_not_well() -> None:
    told = words(render(harness.hostile()))
    assert "Verified 2 checks 1 of them not well" in told


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("alice", "alice"), ("", "empty"), ("bob ", "bob[space]"), (" ", "[space]"), ("a  b", "a [space]b"),
        ("a\nb", "a[U+000A]b"), ("\u202etxt", "[U+202E]txt"), ("a\u00a0b", "a[U+00A0]b"), ("漢字", "漢字"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"), ("a\u200cb", "a[U+200C]b"), ("\u200d", "[U+200D]"),
        ("e\u0301", "e\u0301"), ("e" + "\u0301" * 5, "e" + "\u0301" * 3 + "[U+0301][U+0301]"), ("\ud800", "[U+D800]"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_shown(name: str, seen: str) -> None:
    marked = re.sub(r'<i class="odd">(.*?)</i>', r"[\1]", shown(name))
    assert re.sub("</?bdi>", "", marked) == (seen if name else "[empty]")
    assert plain(name, 99) == (seen if name else "")


def test_words_of_a_picture_are_cut() -> None:
    assert plain("a" * 20, 20) == "a" * 20
    assert plain("a" * 21, 20) == "a" * 19 + "…"
    assert plain("漢" * 11, 20) == "漢" * 9 + "…"


def test_configuration_is_quoted_as_yaml() -> None:
    line = json.dumps("a\u202eb\U000e0041 <c>", ensure_ascii=False)
    assert quoted(line) == "&quot;a\\u202eb\\U000e0041 &lt;c&gt;&quot;"
    assert yaml.safe_load(html.unescape(quoted(line))) == "a\u202eb\U000e0041 <c>"


def test_numbers_for_people() -> None:
    assert [many(count, "row") for count in (0, 1, 1234)] == ["0 rows", "1 row", "1,234 rows"]
    assert many(2, "identity") == "2 identities"
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [seconds(value) for value in (0.314, 24.17, 200.4)] == ["0.31 s", "24.2 s", "3 min 20 s"]
    assert [rate(rows, 2.0) for rows in (0, 2469)] == [NONE, "1,234 rows/s"]
    assert [share(part, 1000) for part in (0, 1, 500, 999, 1000)] == ["0%", "<1%", "50%", ">99%", "100%"]
    assert share(0, 0) == "0%"


SOURCES = [
    [Source(End("s1", "stack1", ("995,593 rows",)), {0: 995_593}), Source(End("s2", "b", ("",)), {0: 965_677, 1: 46})],
    [Source(End(f"s{n}", "name" * 20, ("rows", "region")), {0: 10**n, 1: n, 2: 1}) for n in range(1, 6)],
    [Source(End("s1", "only", ()), {0: 1})],
]
TARGETS = [End("merged", "merged database", ("1 row", "x" * 99)), End("aside", "one", ("",)), End("aside", "out", ())]


@pytest.mark.parametrize("form", [WIDE, NARROW], ids=lambda form: form.name)
@pytest.mark.parametrize("sources", SOURCES)
def test_picture(sources: list[Source], form: Form) -> None:
    used = max(max(source.rows) for source in sources) + 1
    svg = ET.fromstring(picture.draw(sources, TARGETS[:used], EVIL, form))
    _x, _y, width, height = map(float, svg.attrib["viewBox"].split())
    rects = [{key: float(one.attrib[key]) for key in ("x", "y", "width", "height")} for one in svg.iter("rect")]
    left = sum(rect["height"] for rect in rects[: len(sources)])
    assert left == pytest.approx(sum(rect["height"] for rect in rects[len(sources) :]), abs=0.5)
    for rect in rects:
        assert 0 <= rect["x"] <= width - rect["width"]
        assert 0 <= rect["y"] <= height - rect["height"]
        assert rect["height"] >= THIN
    assert len(list(svg.iter("path"))) == sum(len(source.rows) for source in sources)
    lines: dict[tuple[str, str], list[float]] = {}
    for text in svg.iter("text"):
        lines.setdefault((text.attrib["x"], text.attrib["class"].split()[-1]), []).append(float(text.attrib["y"]))
        assert 0 < float(text.attrib["y"]) <= height
    for places in lines.values():
        gaps = [below - above for above, below in zip(sorted(places), sorted(places)[1:])]
        assert all(gap >= form.line - 0.1 for gap in gaps)


def test_heights_are_true_to_the_rows() -> None:
    heights = picture.bands([Source(End("", "", ()), {0: 750}), Source(End("", "", ()), {0: 250, 1: 0})], 100.0)
    assert heights == {(0, 0): 75.0, (1, 0): 25.0}


def test_light_and_dark_have_the_same_colours() -> None:
    blocks = [dict(re.findall(r"(--[\w-]+): (#\w+)", one)) for one in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)]
    light, dark = {**blocks[0], **blocks[2]}, {**blocks[1], **blocks[3]}
    assert set(light) == set(dark)
    assert set(re.findall(r"var\((--[\w-]+)\)", STYLE)) <= {*light, "--c"}
    for colours in (light, dark):
        # 3 to 1 is what WCAG 2 asks for what is no text.
        weak = {name: contrast(colours[name], colours["--card"]) for name in colours if re.match(r"--(s\d|held)", name)}
        assert {name: value for name, value in weak.items() if value < 3} == {}
        assert contrast(colours["--warn"], colours["--warn-bg"]) >= 4.5


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_sign_beside_its_colour(outcome: Outcome) -> None:
    page = render(replace(harness.two(), outcome=outcome))
    assert re.search(r'<header class="\w+"><span class="sign">[✓\u2013◔✕]</span>', page)
