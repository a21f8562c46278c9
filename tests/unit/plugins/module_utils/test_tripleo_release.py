# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases as data."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.topology import plain
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import release as releases
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import TripleoError
from tripleo_harness import RELEASES, data, release


@pytest.mark.parametrize("name", RELEASES)
def test_own_releases_are_complete(name: str) -> None:
    found = release(name)
    assert found.name == name
    assert set(data(name)) == {field.name for field in dataclasses.fields(found)}


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_survives_the_way_through_ansible(name: str) -> None:
    assert releases.read(plain(release(name)), "it") == release(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"container_cli": "rkt"}, "container_cli is 'rkt'; it must be docker or podman"),
        ({"mac_key": "address"}, "mac_key is 'address'"),
        ({"colour": "red"}, "unknown keys: colour"),
        ({"passwords": "NovaPassword"}, "passwords is 'NovaPassword'"),
        ({"nic_templates": "yes"}, "nic_templates is 'yes'"),
    ],
)
def test_wrong_values_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(TripleoError, match=message):
        releases.read({**data("queens"), **change}, "my.yml")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    content = {**data("queens"), "provisioning": "magic", "extra": 1}
    del content["build"]
    with pytest.raises(TripleoError) as caught:
        releases.read(content, "my.yml")
    assert len(caught.value.problems) == 3
    with pytest.raises(TripleoError, match="must hold a dictionary"):
        releases.read([], "my.yml")


def test_unknown_release_names_those_that_there_are() -> None:
    assert "queens, train, wallaby" in str(releases.unknown_release("ocata", RELEASES))


def test_a_mirror_takes_the_place_of_the_host() -> None:
    assert releases.mirrored("https://a.example/b/c.tar", "") == "https://a.example/b/c.tar"
    assert releases.mirrored("https://a.example/b/c.tar", "http://m.example/x/") == "http://m.example/x/b/c.tar"
