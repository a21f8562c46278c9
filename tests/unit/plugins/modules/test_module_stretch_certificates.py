# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on real files."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import stretch_certificates

NODES = {"a": ["a", "10.0.0.1"], "b": ["b"]}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tls"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], store: Path) -> Any:
    """Run the module in this process and return its result, in which no key may be."""

    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"directory": str(store), "nodes": NODES, **options, "_ansible_check_mode": check}
        with patch_module_args({**arguments, "_ansible_diff": True}), pytest.raises(SystemExit):
            stretch_certificates.main()
        output = capsys.readouterr().out
        assert "PRIVATE KEY" not in output
        result: dict[str, Any] = json.loads(output)
        return result

    return call


def content(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir()}


def test_check_apply_check_again_apply_again(run: Any, store: Path) -> None:
    checked = run(check=True)
    assert checked["changed"]
    assert not store.parent.exists()
    applied = run()
    assert applied["diff"] == checked["diff"]
    assert applied["diff"]["after"] == "authority: a new one\na: there is none\nb: there is none\n"
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.iterdir()} == {
        f"{name}.{end}": mode for name in ("a", "b", "ca") for end, mode in (("key", 0o600), ("pem", 0o644))
    }
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    before = content(store)
    for check in (True, False):
        again = run(check=check)
        assert (again["changed"], again["certificates"], again["diff"]["after"]) == (
            False,
            applied["certificates"],
            "",
        )
    assert content(store) == before


def test_one_renewed(run: Any, store: Path) -> None:
    run()
    before = content(store)
    names = {"nodes": {**NODES, "b": ["b", "other"]}}
    assert run(check=True, **names)["reasons"] == {"b": "its names changed"}
    assert content(store) == before
    run(**names)
    assert {name for name, text in content(store).items() if text != before[name]} == {"b.key", "b.pem"}
    assert not run(**names)["changed"]


def given(store: Path, run: Any, elsewhere: Path) -> dict[str, Any]:
    """Certificates that another deployment made."""
    run(directory=str(elsewhere))
    return {
        "ca_cert": str(elsewhere / "ca.pem"),
        "cert": str(elsewhere / "{name}.pem"),
        "key": str(elsewhere / "{name}.key"),
    }


def test_given_certificates(run: Any, store: Path, tmp_path: Path) -> None:
    options = given(store, run, tmp_path / "elsewhere")
    assert run(check=True, **options)["changed"]
    assert not store.exists()
    result = run(**options)
    assert result["bundle"] == (tmp_path / "elsewhere/ca.pem").read_text()
    assert content(store) == {
        name: text for name, text in content(tmp_path / "elsewhere").items() if not name.startswith("ca.")
    }
    assert not run(**options)["changed"]


def test_given_authority_with_its_key(run: Any, store: Path, tmp_path: Path) -> None:
    run(directory=str(tmp_path / "elsewhere"), ca_passphrase="geheim")
    options = {"ca_cert": str(tmp_path / "elsewhere/ca.pem"), "ca_key": str(tmp_path / "elsewhere/ca.key")}
    found = run(**options)
    assert found["failed"]
    assert "encrypted with a passphrase" in found["msg"]
    result = run(ca_passphrase="geheim", **options)
    assert result["bundle"] == (tmp_path / "elsewhere/ca.pem").read_text()
    assert sorted(content(store)) == ["a.key", "a.pem", "b.key", "b.pem"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ca_cert": "/nowhere/ca.pem"}, "Certificates: /nowhere/ca.pem cannot be read: No such file or directory"),
        ({"cert": "/nowhere/{name}.pem"}, "/nowhere/a.pem cannot be read: .*; /nowhere/b.pem cannot be read"),
        ({"key": None}, "missing parameter.*key"),
        ({"nodes": {"a": ["a", "other"], "b": ["b"]}}, "the certificate of a is not for other"),
    ],
)
def test_bad_input_changes_nothing(run: Any, store: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    options = {**given(store, run, tmp_path / "elsewhere"), **change}
    found = run(**{name: value for name, value in options.items() if value is not None})
    assert found["failed"]
    assert re.search(message, found["msg"]), found["msg"]
    assert not store.exists()


def test_what_is_on_record_of_a_node_that_is_not_asked_for_counts(run: Any, store: Path, tmp_path: Path) -> None:
    """It still has a certificate of the old authority."""
    first = run()
    (store / "trusted.pem").write_text(first["bundle"])
    options = given(store, run, tmp_path / "elsewhere")
    options["ca_key"] = str(tmp_path / "elsewhere/ca.key")
    del options["cert"], options["key"]
    step = run(nodes={"a": NODES["a"]}, **options)
    assert step["bundle"].count("BEGIN") == 2
    assert step["step"].startswith("The authority changed")
