# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of single options in configuration files."""

from __future__ import annotations

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import OsloIniError, change, parse, values
from hypothesis import given
from hypothesis import strategies as st

KEY = ("a", "region_name")

CHANGES = {
    "nothing there": ("", "[a]\nregion_name = new\n"),
    "another section": ("[b]\nx = 1", "[b]\nx = 1\n\n[a]\nregion_name = new\n"),
    "after the last assignment": (
        "[a]\nx = 1\n  2\n\n# more\n[b]\n",
        "[a]\nx = 1\n  2\nregion_name = new\n\n# more\n[b]\n",
    ),
    "an empty section": ("[a]\n[b]\n", "[a]\nregion_name = new\n[b]\n"),
    "after its sample": (
        "[a]\n# text\n#region_name = <None>\n\nx = 1\n",
        "[a]\n# text\n#region_name = <None>\nregion_name = new\n\nx = 1\n",
    ),
    "a sample elsewhere": ("[b]\n#region_name = 1\n[a]\n", "[b]\n#region_name = 1\n[a]\nregion_name = new\n"),
    "another value": ("[a]\nregion_name=old\ny: 2\n", "[a]\nregion_name=new\ny: 2\n"),
    "a colon": ("[a]\nregion_name :  old\n", "[a]\nregion_name :  new\n"),
    "as it is": ("[a]\nregion_name =   'new'  \n", "[a]\nregion_name =   'new'  \n"),
    "the last one counts": (
        "[a]\nregion_name = old\nregion_name = old\n",
        "[a]\nregion_name = old\nregion_name = new\n",
    ),
    "a section again": ("[a]\nx=1\n[b]\n[A]\nregion_name = old\n", "[a]\nx=1\n[b]\n[A]\nregion_name = new\n"),
    "a long value": ("[a]\nregion_name = old\n  older\ny = 1\n", "[a]\nregion_name = new\ny = 1\n"),
    "no line feed at the end": ("[a]\nregion_name = old", "[a]\nregion_name = new"),
    "added at the end": ("[a]\nx = 1", "[a]\nx = 1\nregion_name = new\n"),
    "other ends of lines": ("[a]\r\nx = 1\r\n", "[a]\r\nx = 1\r\nregion_name = new\r\n"),
    "another name": ("[a]\nregion-name = x\n", "[a]\nregion-name = x\nregion_name = new\n"),
    "no other line feed": ("[a]\nx = 1\x0b\u20282\ny = 1\n", "[a]\nx = 1\x0b\u20282\ny = 1\nregion_name = new\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_change(before: str, after: str) -> None:
    assert change(before, {KEY: "new"}) == after
    assert change(after, {KEY: "new"}) == after
    assert values([parse(after)])["a"]["region_name"] == "new"


def test_several_at_once() -> None:
    text = "[a]\n#region_name = x\n[b]\ny = 1\n"
    wanted = {("b", "p"): "1", KEY: "2", ("c", "q"): "3", ("c", "r"): "4", ("DEFAULT", "s"): "5"}
    assert change(text, wanted) == (
        "[a]\n#region_name = x\nregion_name = 2\n[b]\ny = 1\np = 1\n\n[c]\nq = 3\nr = 4\n\n[DEFAULT]\ns = 5\n"
    )


@pytest.mark.parametrize("text", ["x = 1\n", "[a\n", "[]\n", "[a]\nsecret\n", "[a]\n= secret\n", "[a]\n\n  secret\n"])
def test_what_oslo_config_refuses(text: str) -> None:
    with pytest.raises(OsloIniError, match=r"line \d") as caught:
        change(text, {KEY: "new"})
    assert "secret" not in str(caught.value)


LINES = st.sampled_from(
    ["[a]", "[A]", "[b]", "[DEFAULT]", "# text", "#region_name = x", "", "x = 1", "y: $x", "region_name=old", "  more"]
)


@given(st.lists(LINES), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_all_else_stays(lines: list[str], end: str, ended: bool) -> None:
    text = end.join(lines) + (end if ended else "")
    try:
        before = values([parse(text)])
    except OsloIniError:
        return
    after = change(text, {KEY: "new"})
    before.setdefault("a", {})["region_name"] = "new"
    assert values([parse(after)]) == before
    assert change(after, {KEY: "new"}) == after
    kept = [line for line in lines if line not in ("region_name=old", "  more", "")]
    rest = iter(after.replace("\r", "").split("\n"))
    assert all(line in rest for line in kept)
