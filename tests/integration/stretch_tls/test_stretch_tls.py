# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role stretch_tls: what it writes, when it changes something, and what it says of bad input."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from tls_harness import ADDRESSES, VIP, Site, changed

pytestmark = pytest.mark.integration

FILES = {"ca.pem": 0o644, "cert.pem": 0o644, "key.pem": 0o600}


def everything(path: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(path)): one.read_bytes()
        for one in path.rglob("*")
        if one.is_file() and one.name not in {"play.yml", "hosts.yml"} and ".ansible" not in one.parts
    }


def names(pem: bytes) -> set[str]:
    value = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*value.get_values_for_type(x509.DNSName), *map(str, value.get_values_for_type(x509.IPAddress))}


def test_check_apply_check_again_apply_again(site: Site) -> None:
    stats, _output = site.play("stretch_tls", check=True)
    assert [stats[host]["changed"] > 0 for host in ADDRESSES] == [True] * 3
    assert everything(site.path) == {}

    stats, _output = site.play("stretch_tls")
    assert changed(stats)
    for host, address in ADDRESSES.items():
        directory = site.directory(host)
        assert {one.name: stat.S_IMODE(one.stat().st_mode) for one in directory.iterdir()} == FILES
        expected = {host, address, "localhost", "127.0.0.1"} | ({VIP} if host.startswith("member") else set())
        assert names((directory / "cert.pem").read_bytes()) == expected
    bundle = (site.store / "trusted.pem").read_bytes()
    assert {
        path.read_bytes()
        for host in ("member-0", "member-1")
        for where in ("source", "running")
        for path in site.keystone(host, where).iterdir()
    } == {bundle}

    before = everything(site.path)
    for check in (True, False):
        stats, output = site.play("stretch_tls", check=check)
        assert changed(stats) == 0, output
    assert everything(site.path) == before


def test_another_authority_takes_three_runs_and_says_so(site: Site) -> None:
    site.play("stretch_tls")
    old = everything(site.path)
    elsewhere = Site(site.path / "elsewhere")
    elsewhere.path.mkdir()
    elsewhere.play("stretch_tls", hosts="arbiter-0")
    site.extra = {
        "stretch_tls_ca_cert": str(elsewhere.store / "ca.pem"),
        "stretch_tls_ca_key": str(elsewhere.store / "ca.key"),
    }
    ca, certificate = (
        str((site.directory("member-1") / name).relative_to(site.path)) for name in ("ca.pem", "cert.pem")
    )
    running = str((site.keystone("member-1", "running") / "stretch-ca.pem").relative_to(site.path))
    new = (elsewhere.store / "ca.pem").read_bytes()
    both = new + old[ca]
    seen = []
    for _run in range(4):
        stats, output = site.play("stretch_tls")
        now = everything(site.path)
        assert now[running] == now[ca]
        seen.append(
            (now[ca], now[certificate] != old[certificate], changed(stats) > 0, "run the playbook again" in output)
        )
    assert seen == [
        (both, False, True, True),
        (both, True, True, True),
        (new, True, True, False),
        (new, True, False, False),
    ]


def test_bad_input_is_said_once_and_nothing_is_written(site: Site) -> None:
    elsewhere = Site(site.path / "elsewhere")
    elsewhere.path.mkdir()
    elsewhere.play("stretch_tls")
    before = everything(site.path)
    site.extra = {
        "stretch_tls_ca_cert": str(elsewhere.store / "ca.pem"),
        "stretch_tls_cert": str(elsewhere.store / "arbiter-0.pem"),
        "stretch_tls_key": str(elsewhere.store / "{name}.key"),
    }
    stats, output = site.play("stretch_tls")
    assert sum(one["failures"] for one in stats.values()) >= 1
    for line in (
        "the certificate of member-0 is not that of its key",
        "member-1 is not for 127.0.0.42, 127.0.0.46, member-1",
    ):
        assert line in output
    assert "Nothing has been changed." in output
    assert everything(site.path) == before


def test_a_run_over_some_nodes_does_not_record_what_all_trust(site: Site) -> None:
    site.play("stretch_tls", hosts="member-0")
    assert not (site.store / "trusted.pem").exists()
    site.play("stretch_tls")
    assert (site.store / "trusted.pem").exists()
