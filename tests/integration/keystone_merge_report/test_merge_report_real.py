# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a merge in a real browser: it fits, it can be read, and no name in it does anything."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.keystone_merge.report import render

sys.path.append(str(Path(__file__).resolve().parents[2] / "unit/plugins/module_utils"))  # the reports to look at
from merge_report_harness import EXAMPLES

pytestmark = pytest.mark.integration

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
# The page has no script. These are the test's: one that is there before any name, and one that measures at the end.
BEFORE = """<script>
var done = [];
["alert", "confirm", "prompt", "open"].forEach(function (name) { window[name] = function () { done.push(name); }; });
window.addEventListener("error", function (event) { done.push(String(event.message)); }, true);
</script>"""
AFTER = """<script>
var page = document.documentElement, drawing = Array.from(document.querySelectorAll("svg.flow"))
    .filter(function (one) { return getComputedStyle(one).display !== "none"; })[0];
function box(one) { var r = one.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; }
function words(text) {
    var scale = box(drawing)[2] / drawing.viewBox.baseVal.width;
    return [text.textContent, box(text), parseFloat(getComputedStyle(text).fontSize) * scale];
}
parent.postMessage({
    done: done, inner: window.innerWidth, scroll: page.scrollWidth, scripts: document.scripts.length,
    fetched: performance.getEntriesByType("resource").map(function (one) { return one.name; }),
    drawn: drawing ? [drawing.getAttribute("class"), box(drawing)] : null,
    words: drawing ? Array.from(drawing.querySelectorAll("text")).map(words) : [],
    outside: Array.from(document.body.querySelectorAll("*")).filter(function (one) {
        return !one.closest(".wide *, pre") && one.getBoundingClientRect().right > page.clientWidth + 1;
    }).map(function (one) { return one.outerHTML.slice(0, 300); }),
    ground: getComputedStyle(document.body).backgroundColor
}, "*");
</script>"""
# A window cannot be as narrow as a telephone, a frame in it can.
FRAME = """<!doctype html><iframe src="merge-report.html" style="width: WIDTHpx; height: 900px; border: 0"></iframe>
<pre id="told"></pre>
<script>
window.addEventListener("message", function (event) {
    document.getElementById("told").textContent = JSON.stringify(event.data);
});
</script>"""


def browse(page: Path, home: Path, *options: str) -> str:
    """Run the browser with nothing of the user's and no network."""
    assert BROWSER
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
         f"--user-data-dir={home / 'profile'}", *options, page.as_uri()],
        check=True, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(home)},
    )  # fmt: skip
    return done.stdout


def look(example: str, directory: Path, width: int, *options: str) -> dict[str, Any]:
    """Show a report in a window and measure it."""
    if BROWSER is None:
        pytest.skip("chromium is not installed")
    page = render(EXAMPLES[example]()).replace("<head>", "<head>" + BEFORE).replace("</body>", AFTER + "</body>")
    (directory / "merge-report.html").write_text(page, encoding="utf-8")
    frame = directory / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    shown = browse(frame, directory, "--window-size=1400,1000", "--dump-dom", *options)
    told = re.search(r'<pre id="told">(.+?)</pre>', shown, re.DOTALL)
    assert told, shown[-2000:]
    loaded: dict[str, Any] = json.loads(html.unescape(told[1]))
    return loaded


def apart(one: list[float], other: list[float]) -> bool:
    """Whether two boxes do not cover each other, but for the air around letters."""
    return (
        one[2] <= other[0] + 1 or other[2] <= one[0] + 1 or one[3] <= other[1] + 3 or other[3] <= one[1] + 3
    )  # fmt: skip


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("example", EXAMPLES)
def test_it_fits_and_nothing_happens(example: str, width: int, tmp_path: Path) -> None:
    told = look(example, tmp_path, width)
    assert told["inner"] == width
    assert told["done"] == []
    assert told["scripts"] == 2
    assert [where for where in told["fetched"] if not where.startswith("data:")] == []
    assert told["outside"] == []
    assert told["scroll"] <= width
    if example == "nothing":
        assert told["drawn"] is None
        return
    kind, (left, _top, right, bottom) = told["drawn"]
    assert kind == ("flow wide" if width > 720 else "flow narrow")
    boxes = [box for _words, box, _size in told["words"]]
    for words, box, size in told["words"]:
        assert left - 1 <= box[0], words
        assert box[2] <= right + 1, words
        assert box[3] <= bottom + 1, words
        assert size >= 11, words
    for index, box in enumerate(boxes):
        assert all(apart(box, other) for other in boxes[index + 1 :])


def test_it_is_dark_where_the_browser_is(tmp_path: Path) -> None:
    grounds = [
        sum(map(int, re.findall(r"\d+", look("two", tmp_path, 1280, *options)["ground"])))
        for options in ([], ["--blink-settings=preferredColorScheme=0"])
    ]
    assert grounds[0] > 600
    assert grounds[1] < 150


def test_it_can_be_printed(tmp_path: Path) -> None:
    """All of a list that is closed on the screen is on the paper."""
    if BROWSER is None:
        pytest.skip("chromium is not installed")
    page = render(EXAMPLES["two"]())
    sizes = []
    for name, shown in (("open", page), ("closed", page.replace("<details open>", "<details>"))):
        path, printed = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
        path.write_text(shown, encoding="utf-8")
        browse(path, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={printed}")
        sizes.append(len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())))
    assert sizes[0] == sizes[1] > 1
