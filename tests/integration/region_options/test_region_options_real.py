# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of region options is what the services define: the newest releases, and those of Debian's packages.

STRETCH_REGIONS=full reads all services, not those alone that a region usually has.
"""

from __future__ import annotations

import json
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import region_releases_harness as releases
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import normal
from ansible_collections.stretch.cluster.plugins.module_utils.region_options import (
    LIBRARIES,
    SERVICES,
    RegionOption,
    Service,
    options_of,
)
from ansible_collections.stretch.cluster.plugins.modules import region_options

# What a distribution with a name of its own is part of.
PART_OF = {"glance-store": "glance", "ironic-lib": "ironic", "mistral-extra": "mistral"}
# Namespaces that are announced and cannot be read in any environment: their modules are not in the packages.
BROKEN = {("magnum", "magnum"), ("openstack-heat", "heat_integrationtests.common.config")}

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session", params=["newest", "packaged"])
def definitions(request: pytest.FixtureRequest) -> releases.Definitions:
    return getattr(releases, request.param)()


@pytest.fixture(scope="session")
def everything() -> list[releases.Definitions]:
    return [releases.newest(), releases.packaged()]


def owner(distribution: str) -> Service | None:
    """Return the service that a distribution is or is part of."""
    return next(
        (
            service
            for service in SERVICES
            if PART_OF.get(distribution, distribution) in (service.name, service.distribution)
        ),
        None,
    )


def known(distribution: str) -> list[RegionOption]:
    """Return the options that the table has for a distribution; what all services read is for libraries, too."""
    service = owner(distribution)
    return [*(options_of(service) if service else ()), *(one for these in LIBRARIES.values() for one in these)]


def same(option: RegionOption, section: str, name: str) -> bool:
    return option.name == name and (section == "*" or fnmatchcase(normal(section), normal(option.section)))


def missing(definitions: releases.Definitions) -> list[str]:
    return [
        f"{distribution} {what['version']}: [{section}] {name}"
        for distribution, what in definitions.items()
        for section, name in what["options"]
        if not any(same(option, section, name) for option in known(distribution))
    ]


def test_everything_was_read(definitions: releases.Definitions) -> None:
    failed = {
        (distribution, one): why for distribution, what in definitions.items() for one, why in what["failed"].items()
    }
    assert not {one: why for one, why in failed.items() if one not in BROKEN}
    assert {"cinder", "glance-store", "keystonemiddleware", "neutron", "nova", "swift"} <= set(definitions)
    assert sum(what["count"] for what in definitions.values()) > 3000


def test_no_option_is_unknown(definitions: releases.Definitions) -> None:
    assert not missing(definitions)


def test_an_unknown_option_is_found(definitions: releases.Definitions) -> None:
    nova = definitions["nova"]
    changed = {"nova": {**nova, "options": [*nova["options"], ["quantum", "quantum_region_name"]]}}
    assert missing(changed) == [f"nova {nova['version']}: [quantum] quantum_region_name"]


def test_no_option_is_from_nowhere(everything: list[releases.Definitions]) -> None:
    """What no release has any more says which was the last one; and what the newest has says nothing."""
    stale, early = [], []
    for service in SERVICES:
        sets = [
            {(section, name) for distribution, what in one.items() if owner(distribution) is service
             for section, name in what["options"]}
            for one in everything
            if any(owner(distribution) is service for distribution in one)
        ]  # fmt: skip
        for option in service.options if sets else ():
            found = [any(same(option, *pair) for pair in one) for one in sets]
            if not any(found) and not option.until and not (service.name == "swift" and option.name == "location"):
                stale.append(f"{service.name}: [{option.section}] {option.name}")
            if option.until and found[0] and any(owner(one) is service for one in everything[0]):
                early.append(f"{service.name}: [{option.section}] {option.name}")
    assert (stale, early) == ([], [])


def test_libraries_have_their_options(everything: list[releases.Definitions]) -> None:
    newest = everything[0]
    for library, options in LIBRARIES.items():
        defined = {tuple(pair) for pair in newest[library]["options"]}
        assert {(option.section, option.name) for option in options} == defined


READ = """
import json, sys
from oslo_config import cfg
conf = cfg.ConfigOpts()
wanted = json.loads(sys.argv[2])
for section, name in wanted:
    conf.register_opt(cfg.StrOpt(name), group=None if section == "DEFAULT" else section)
conf(args=[], default_config_files=[sys.argv[1]], default_config_dirs=[])
print(json.dumps([conf[name] if section == "DEFAULT" else conf[section][name] for section, name in wanted]))
"""


def test_oslo_config_reads_what_was_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], definitions: releases.Definitions
) -> None:
    """A configuration of Nova as a deployment has it: the release's own oslo.config finds the region everywhere."""
    nova = tmp_path / "etc/nova/nova.conf"
    nova.parent.mkdir(parents=True)
    pairs = [pair for name in ("nova", "keystonemiddleware", "oslo.limit") for pair in definitions[name]["options"]]
    sections = sorted({section for section, _name in pairs} | {"key_manager"})
    nova.write_text(
        "[DEFAULT]\ntransport_url = rabbit://nova:secret@host\n"
        + "".join(f"[{one}]\nauth_url = http://host\nendpoint_service_type = x\n" for one in sections),
        encoding="utf-8",
    )
    arguments: dict[str, Any] = {
        "region": "region_stack1",
        "directories": [str(tmp_path / "etc")],
        "pending_directory": str(tmp_path / "pending"),
    }
    with patch_module_args(arguments), pytest.raises(SystemExit):
        region_options.main()
    assert json.loads(capsys.readouterr().out)["changed"]
    python = [str(releases.ROOT / f".build/regions-newest{'-full' if releases.FULL else ''}/venv/bin/python")]
    done = subprocess.run(
        [*python, "-c", READ, str(nova), json.dumps(pairs)], check=True, capture_output=True, text=True
    )
    assert set(json.loads(done.stdout)) == {"region_stack1"}
