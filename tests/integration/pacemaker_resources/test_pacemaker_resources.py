# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with Pacemaker's own commands and schema, on a configuration in a file instead of a cluster's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.modules import pacemaker_resources

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("cibadmin") is None, reason="needs the package pacemaker-cli-utils"),
]
ROOT = Path(__file__).resolve().parents[3]

WANTED: dict[str, Any] = {
    "properties": {"stonith-enabled": False, "no-quorum-policy": "stop"},
    "node_attributes": {"n1": {"galera-role": True}, "n2": {"galera-role": True}},
    "resource_defaults": {"resource-stickiness": 50},
    "operation_defaults": {"timeout": "120s"},
    "bundles": [
        {
            "name": "galera-bundle",
            "image": "localhost/db:latest",
            "replicas": 3,
            "promoted_max": 3,
            "options": "--user=root -e A=1",
            "run_command": "/usr/sbin/pacemaker-remoted",
            "control_port": 3123,
            "storage": [
                {"source": "/etc/hosts", "target": "/etc/hosts", "options": "ro"},
                {"id": "data", "source": "/var/lib/mysql", "target": "/var/lib/mysql"},
            ],
            "primitive": {
                "name": "galera",
                "agent": "ocf:heartbeat:galera",
                "attributes": {"enable_creation": True},
                "meta": {"container-attribute-target": "host"},
                "operations": [{"name": "promote", "timeout": "300s", "on_fail": "block"}],
            },
        },
        {"name": "haproxy-bundle", "container": "docker", "image": "localhost/haproxy", "meta": {"priority": 1}},
    ],
    "clones": [
        {
            "name": "stretch-galera-clone",
            "clone_max": 2,
            "primitive": {
                "name": "stretch-galera",
                "agent": "ocf:stretch:galera",
                "attributes": {"config": "/etc/stretch-galera"},
                "meta": {"failure-timeout": "600s"},
                "operations": [{"name": "monitor", "interval": "10s", "timeout": "60s", "role": "Promoted"}],
            },
            "meta": {"resource-stickiness": "100"},
        },
    ],
    "primitives": [
        {
            "name": "ip-10.0.20.5",
            "agent": "ocf:heartbeat:IPaddr2",
            "attributes": {"ip": "10.0.20.5", "cidr_netmask": 32},
            "operations": [{"name": "monitor", "interval": "10s", "timeout": "20s"}],
        },
    ],
    "constraints": {
        "location": [
            {"resource": "galera-bundle", "attribute": "galera-role"},
            {"resource": "stretch-galera-clone", "attribute": "galera-role"},
        ],
        "order": [{"first": "ip-10.0.20.5", "then": "haproxy-bundle", "kind": "Optional", "symmetrical": False}],
        "colocation": [{"resource": "ip-10.0.20.5", "with_resource": "haproxy-bundle"}],
    },
}


@pytest.fixture(autouse=True)
def cib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration that the commands work on."""
    path = tmp_path / "cib.xml"
    shutil.copy(ROOT / "tests/unit/fixtures/cib_made_by_pcs.xml", path)
    monkeypatch.setenv("CIB_file", str(path))
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the module in this process and return its result."""

    def call(check: bool = False, **options: Any) -> dict[str, Any]:
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            pacemaker_resources.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def check_apply_again(run: Any, cib: Path, **options: Any) -> list[str]:
    """Apply options with all that check mode and a second run owe; return the actions and ids."""
    before = cib.read_bytes()
    checked = run(check=True, **options)
    assert cib.read_bytes() == before
    applied = run(**options)
    assert applied == checked
    assert applied.get("changed"), applied
    for check in (True, False):
        again = run(check=check, **options)
        assert not again["changed"], again
    return [f"{change['action']} {change['id']}" for change in applied["changes"]]


def test_create_change_remove(run: Any, cib: Path) -> None:
    assert "create galera-bundle" in check_apply_again(run, cib, **WANTED)
    text = cib.read_text(encoding="utf-8")
    assert 'promoted-max="3"' in text
    assert "<status" in text
    changed = {**WANTED["bundles"][0], "image": "localhost/db:2", "replicas": 2}
    assert check_apply_again(run, cib, bundles=[changed]) == ["update galera-bundle"]
    assert check_apply_again(run, cib, absent=["galera-bundle", "ip-10.0.20.5"]) == [
        "remove galera-bundle",
        "remove location-galera-bundle",
        "remove ip-10.0.20.5",
        "remove order-ip-10.0.20.5-haproxy-bundle-Optional",
        "remove colocation-ip-10.0.20.5-haproxy-bundle-INFINITY",
    ]
    text = cib.read_text(encoding="utf-8")
    assert "galera-bundle" not in text
    assert 'id="hb"' in text


def test_older_schemas_know_masters(run: Any, cib: Path) -> None:
    text = cib.read_text(encoding="utf-8").replace("pacemaker-3.9", "pacemaker-2.10").replace("<podman", "<docker")
    cib.write_text(text, encoding="utf-8")
    bundle = {**WANTED["bundles"][0], "container": "docker"}
    check_apply_again(run, cib, bundles=[bundle])
    assert 'masters="3"' in cib.read_text(encoding="utf-8")


@pytest.mark.parametrize("check", [True, False])
def test_what_the_schema_does_not_admit(run: Any, cib: Path, check: bool) -> None:
    before = cib.read_bytes()
    result = run(check=check, primitives=[{"name": "x", "agent": "nonsense:a"}, *WANTED["primitives"]])
    assert "schema does not admit the configuration (x, ip-10.0.20.5): element primitive: " in result["msg"]
    assert cib.read_bytes() == before


def test_no_cluster(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CIB_file", str(tmp_path / "none.xml"))
    assert "is the cluster started on this host?" in run(**WANTED)["msg"]
