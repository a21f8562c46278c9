# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which region options a configuration needs."""

from __future__ import annotations

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import parse
from ansible_collections.stretch.cluster.plugins.module_utils.region_options import (
    SERVICES,
    RegionOptionsError,
    check_region,
    diff,
    options_of,
    plan,
)

BY_NAME = {service.name: service for service in SERVICES}
AUTH = "auth_url = http://host/v3\n"

NEEDED = {
    "keystone_authtoken": ("placement", f"[keystone_authtoken]\n{AUTH}", {"keystone_authtoken/region_name"}),
    "an empty section": ("placement", "[keystone_authtoken]\n#auth_url = x\n", set()),
    "a sample": ("nova", "[DEFAULT]\n#debug = false\n[neutron]\n#auth_url = x\n", set()),
    "nova": (
        "nova",
        f"[DEFAULT]\ndebug = true\n[neutron]\n{AUTH}[placement]\nregion_name = RegionOne\n",
        {"cinder/os_region_name", "glance/region_name", "keystone/region_name", "neutron/region_name",
         "placement/region_name"},
    ),
    "a key manager": ("placement", "[key_manager]\nbackend = barbican\n", {"barbican/barbican_region_name"}),
    "another key manager": ("placement", "[key_manager]\nbackend = vault\n", set()),
    "limits of an endpoint": (
        "placement",
        f"[oslo_limit]\n{AUTH}endpoint_service_type = image\n",
        {"oslo_limit/region_name", "oslo_limit/endpoint_region_name"},
    ),
    "limits of an endpoint's id": ("placement", f"[oslo_limit]\n{AUTH}endpoint_id = 1\n", {"oslo_limit/region_name"}),
    "glance's stores": (
        "glance",
        "[DEFAULT]\nenabled_backends = fast:cinder, Slow:swift,s3:s3\n[fast]\n[s3]\ns3_store_region_name = eu\n",
        {"fast/cinder_os_region_name", "slow/swift_store_region"},
    ),
    "glance's one store": ("glance", "[glance_store]\nstores = file,swift\n", {"glance_store/swift_store_region"}),
    "glance's other store": ("glance", "[glance_store]\nstores = file\nswift_store_user = x\n", set()),
    "cinder": (
        "cinder",
        "[DEFAULT]\nbackup_driver = cinder.backup.drivers.swift.SwiftBackupDriver\n[v]\nvolume_driver = a.vmstore.B\n",
        {"nova/region_name", "glance/region_name", "DEFAULT/backup_swift_region_name",
         "v/vmstore_refresh_openstack_region"},
    ),
    "heat": (
        "heat",
        "[DEFAULT]\nregion_name_for_shared_services = other\n",
        {"DEFAULT/region_name_for_services"},
    ),
    "swift": (
        "swift",
        "[filter:authtoken]\nauth_url = x\n[filter:s3token]\nu = 1\n[filter:s3api]\nlocation = e\n[oslo_limit]\nx=1\n",
        {"filter:authtoken/region_name", "filter:s3api/location"},
    ),
    "swift without a location": ("swift", "[filter:s3api]\nuse = x\n", set()),
    "gnocchi": ("gnocchi", "[storage]\ndriver = swift\ns3_region_name = eu\n", {"storage/swift_region"}),
}  # fmt: skip


@pytest.mark.parametrize(("service", "text", "wanted"), NEEDED.values(), ids=NEEDED)
def test_options_in_use(service: str, text: str, wanted: set[str]) -> None:
    settings = plan(BY_NAME[service], {"main": parse(text)}, "r1")
    assert {f"{one.section}/{one.option}" for one in settings} == wanted
    done = "".join(f"[{one.section}]\n{one.option} = r1\n" for one in settings)
    assert plan(BY_NAME[service], {"main": parse(text + done)}, "r1") == []


def test_the_file_that_counts_changes() -> None:
    documents = {
        "main": parse(f"[keystone_authtoken]\n{AUTH}region_name = r1\n"),
        "later": parse("[keystone_authtoken]\nregion_name = old\n[oslo_limit]\nauth_url = x\n"),
    }
    settings = plan(BY_NAME["placement"], documents, "r1")
    assert [(one.path, one.section, one.before) for one in settings] == [
        ("later", "keystone_authtoken", "old"),
        ("main", "oslo_limit", None),
    ]


def test_what_is_to_be_left() -> None:
    documents = {"main": parse("[filter:s3api]\nlocation = x\n")}
    assert plan(BY_NAME["swift"], documents, "r1", ["swift/filter:s3api/location"]) == []


def test_the_diff_has_the_options_alone() -> None:
    documents = {"main": parse("[service_credentials]\npassword = secret\nregion_name = old\n")}
    shown = diff(plan(BY_NAME["aodh"], documents, "new"), "new")
    assert shown == [
        {
            "before_header": "main",
            "after_header": "main",
            "before": "[service_credentials]\nregion_name = old\n",
            "after": "[service_credentials]\nregion_name = new\n",
        }
    ]


@pytest.mark.parametrize("region", ["RegionOne", "r", "two words", "Zürich-1", "a:b#c"])
def test_regions(region: str) -> None:
    assert check_region(region) == region


@pytest.mark.parametrize("region", ["", " r", "r ", "$r", "a%b", "'r'", "a\nb", '"', "r\t"])
def test_names_that_a_file_cannot_hold(region: str) -> None:
    with pytest.raises(RegionOptionsError):
        check_region(region)


def test_the_table_is_sound() -> None:
    names = [service.name for service in SERVICES]
    assert names == sorted(set(names))
    for service in SERVICES:
        pairs = [(option.section, option.name) for option in options_of(service)]
        assert len(pairs) == len(set(pairs)), service.name
        # A section that is found by a pattern cannot be made, so there is a condition that finds it.
        assert all(one.use for one in options_of(service))
