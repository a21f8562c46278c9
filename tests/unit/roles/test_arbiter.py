# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arbiter's rules; it runs a real garbd in tests/integration/stretch_arbiter."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).resolve().parents[3] / "roles/stretch_arbiter/files/arbiter.py"
spec = importlib.util.spec_from_file_location("arbiter", PATH)
assert spec is not None
assert spec.loader is not None
arbiter: Any = importlib.util.module_from_spec(spec)
sys.modules["arbiter"] = arbiter
spec.loader.exec_module(arbiter)

GOOD = {
    "name": "arbiter-0",
    "group": "stretch",
    "address": "gcomm://192.0.2.1:4577,192.0.2.2:4577",
    "options": {"pc.weight": 18, "gmcast.listen_addr": "tcp://192.0.2.9:4577"},
    "directory": "/var/lib/stretch-arbiter",
}
VIEW = """my_uuid: fbd32e81-e7db-11f1-9b4c-16a150c777fa
#vwbeg
view_id: 3 e3eac29e-e7db-11f1-a11a-3eeef23ae223 3
bootstrap: 0
{}#vwend
"""


def view(*segments: int) -> str:
    return VIEW.format("".join(f"member: e3eac29e-e7db-11f1-a11a-3eeef23ae{n} {n}\n" for n in segments))


def test_command() -> None:
    assert arbiter.command(arbiter.configure(json.dumps(GOOD))) == [
        "garbd",
        "--name",
        "arbiter-0",
        "--group",
        "stretch",
        "--address",
        "gcomm://192.0.2.1:4577,192.0.2.2:4577",
        "--options",
        "gmcast.listen_addr=tcp://192.0.2.9:4577;pc.wait_prim=no;pc.weight=18",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"address": "gcomm://"}, "address has to be"),
        ({"address": "gcomm://?pc.weight=1"}, "address has to be"),
        ({"options": []}, "options has to be"),
        ({"options": {"a": None}}, "options has to be"),
        ({"weight": 1}, "needs exactly name, group, address, options, directory"),
    ],
)
def test_what_cannot_be_used(change: dict[str, Any], message: str) -> None:
    with pytest.raises(arbiter.ConfigurationError, match=message):
        arbiter.configure(json.dumps({**GOOD, **change}))


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({**GOOD, "name": None})[:-1]])
def test_no_configuration(text: str) -> None:
    with pytest.raises(arbiter.ConfigurationError):
        arbiter.configure(text)


@pytest.mark.parametrize(
    ("segments", "alone"),
    [((0,), True), ((0, 0), True), ((1, 0), False), ((0, 12), False), ((10,), False), ((), False)],
)
def test_a_component_of_arbiters_only(segments: tuple[int, ...], alone: bool) -> None:
    assert arbiter.without_data(view(*segments)) is alone


def test_what_garbd_says_of_its_component() -> None:
    known = None
    for line, expected in (
        ("INFO: GMCast version 0", None),
        ("INFO: New COMPONENT: primary = yes, bootstrap = no, my_idx = 0, memb_num = 3", True),
        ("INFO: forgetting", True),
        ("INFO: New COMPONENT: primary = no, bootstrap = no, my_idx = 0, memb_num = 1", False),
    ):
        known = arbiter.primary(line, known)
        assert known is expected


FAKE = """#!{python}
import os, signal, sys, time
with open("starts", "a") as file:
    file.write("start view=%s\\n" % os.path.exists("gvwstate.dat"))
def leave(*_arguments):
    with open("starts", "a") as file:
        file.write("left\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
print("New COMPONENT: primary = {primary}, bootstrap = no", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the arbiter with a garbd that only writes down what happens to it; returns what it wrote."""
    monkeypatch.setattr(arbiter, "POLL", 0.02)
    monkeypatch.setattr(arbiter, "PAUSE", 0.02)
    monkeypatch.setattr(arbiter, "SETTLE", 0.1)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    notes = tmp_path / "starts"

    def go(primary: str, *steps: Any, options: dict[str, str] | None = None) -> list[str]:
        garbd = tmp_path / "garbd"
        garbd.write_text(FAKE.format(python=sys.executable, primary=primary))
        garbd.chmod(0o755)
        end = threading.Event()
        configuration = arbiter.Configuration("a", "g", "gcomm://x", options or {}, str(tmp_path))
        thread = threading.Thread(target=arbiter.run, args=(configuration, end))
        thread.start()
        try:
            for step in steps:
                step(notes)
        finally:
            end.set()
            thread.join(20)
        assert not thread.is_alive()
        return notes.read_text().splitlines()

    return go


def until(count: int, text: str = "start") -> Any:
    """Wait for so many lines."""

    def wait(notes: Path) -> None:
        ticks = threading.Event()
        for _try in range(400):
            if notes.exists() and notes.read_text().count(text) >= count:
                ticks.wait(0.3)  # What it says has been read.
                return
            ticks.wait(0.05)
        pytest.fail(f"no {count} times {text}: {notes.read_text() if notes.exists() else 'nothing'}")

    return wait


def write(name: str, text: str) -> Any:
    return lambda notes: (notes.parent / name).write_text(text)


def test_it_leaves_in_good_order(run: Any) -> None:
    assert run("yes", until(1)) == ["start view=False", "left"]


def test_a_cut_off_garbd_keeps_its_view(run: Any, tmp_path: Path) -> None:
    """It is killed: it has nothing to leave."""
    (tmp_path / "gvwstate.dat").write_text(view(1, 0))
    assert run("no", until(1)) == ["start view=True"]
    assert (tmp_path / "gvwstate.dat").exists()


def test_a_component_without_data_is_left_and_forgotten(run: Any) -> None:
    steps = (until(1), write("gvwstate.dat", view(0, 0)), until(2))
    assert run("yes", *steps) == ["start view=False", "left", "start view=False", "left"]


def test_a_component_without_data_is_not_started_again(run: Any, tmp_path: Path) -> None:
    (tmp_path / "gvwstate.dat").write_text(view(0))
    assert run("yes", until(1)) == ["start view=False", "left"]


def test_a_component_with_a_member_is_left_alone(run: Any) -> None:
    steps = (until(1), write("gvwstate.dat", view(0, 1)), lambda _notes: threading.Event().wait(0.5))
    assert run("yes", *steps) == ["start view=False", "left"]


def make_pair(directory: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=arbiter", "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    (directory / "ca.pem").write_text((directory / "cert.pem").read_text())


def test_renewed_certificates_restart_garbd_once_they_fit(run: Any, tmp_path: Path, caplog: Any) -> None:
    options = {f"socket.ssl_{name}": str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")}
    make_pair(tmp_path)
    old = (tmp_path / "key.pem").read_text()

    def renew(_notes: Path) -> None:
        make_pair(tmp_path)
        new = (tmp_path / "key.pem").read_text()
        (tmp_path / "key.pem").write_text(old)
        threading.Event().wait(0.5)
        assert "not used" in caplog.text
        assert (tmp_path / "starts").read_text().count("start") == 1
        (tmp_path / "key.pem").write_text(new)

    steps = (until(1), renew, until(2))
    assert run("yes", *steps, options=options) == ["start view=False", "left", "start view=False", "left"]
