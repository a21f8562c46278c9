# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the region options of the OpenStack services, and which of them a configuration needs.

The table is held against the definitions of real releases by tests/integration/region_options: an option that they
have and the table has not fails there, and one that no release has any more, unless it says since when.

Horizon is not in it: its settings are Python, and with one Keystone it takes the regions out of the catalog.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.oslo_ini import Document, Values, normal, values


class RegionOptionsError(Exception):
    """What was asked for cannot be set."""


@dataclass(frozen=True)
class Condition:
    """Some option that is set; the names and the value are patterns, ``section`` of ``""`` is the region option's."""

    option: str = "*"
    value: str = "*"
    section: str = ""


SET = (Condition(),)
"""The section sets any option, the region included: someone configured it."""
ALWAYS = (Condition(section="*"),)
"""The service looks that endpoint up with an empty section too, so it is in use where the service is."""


@dataclass(frozen=True)
class RegionOption:
    """An option that names a region.

    ``section`` is a pattern over the sections that are there; one without ``*`` is made when it is missing. ``store``
    makes it the sections of Glance's stores of that type. The option is set when any condition of ``use`` holds.
    ``leave`` says why it is never set, ``until`` the last release that has it.
    """

    section: str
    name: str
    use: Tuple[Condition, ...] = SET
    store: str = ""
    leave: str = ""
    until: str = ""


@dataclass(frozen=True)
class Service:
    """A service; each of its ``files``, below the directory of configuration, is read for itself.

    ``distribution`` is what Python calls its package where that differs; ``libraries``: it reads their options too.
    """

    name: str
    files: Tuple[str, ...]
    options: Tuple[RegionOption, ...] = ()
    distribution: str = ""
    libraries: bool = True


def _each(sections: str, name: str = "region_name", use: Tuple[Condition, ...] = SET) -> Tuple[RegionOption, ...]:
    return tuple(RegionOption(section, name, use) for section in sections.split())


_OTHER_S3 = "a region of S3, which Keystone knows nothing of"
_STORES = (
    RegionOption("*", "cinder_os_region_name", store="cinder"),
    RegionOption("*", "swift_store_region", store="swift"),
    RegionOption("*", "s3_store_region_name", leave=_OTHER_S3),
)
"""What glance_store has its users read."""
_BARBICAN = (Condition(section="barbican"), Condition("backend", "*barbican*", "key_manager"))

LIBRARIES: Mapping[str, Tuple[RegionOption, ...]] = {
    "keystonemiddleware": (RegionOption("keystone_authtoken", "region_name"),),
    "castellan": (RegionOption("barbican", "barbican_region_name", _BARBICAN),),
    "oslo.limit": (
        RegionOption("oslo_limit", "region_name"),
        # With endpoint_id instead of these, oslo.limit looks no endpoint up.
        RegionOption(
            "oslo_limit",
            "endpoint_region_name",
            (Condition("endpoint_service_*"), Condition("endpoint_region_name")),
        ),
    ),
}
"""What libraries have every service read."""

SERVICES: Tuple[Service, ...] = (
    Service("aodh", ("aodh/aodh.conf",), _each("service_credentials")),
    Service("barbican", ("barbican/barbican.conf",)),
    Service("blazar", ("blazar/blazar.conf",), _each("DEFAULT", "os_region_name", ALWAYS)),
    Service("ceilometer", ("ceilometer/ceilometer.conf",), _each("service_credentials")),
    Service(
        "cinder",
        ("cinder/cinder.conf",),
        (
            *_each("nova glance", use=ALWAYS),
            RegionOption(
                "DEFAULT",
                "backup_swift_region_name",
                (Condition("backup_swift_*"), Condition("backup_driver", "*swift*")),
            ),
            RegionOption("*", "vmstore_refresh_openstack_region", (Condition("volume_driver", "*vmstore*"),)),
        ),
    ),
    Service(
        "cloudkitty",
        ("cloudkitty/cloudkitty.conf",),
        (
            *_each("collector_aetos fetcher_gnocchi"),
            # Gnocchi is what CloudKitty collects from unless told otherwise.
            *_each("collector_gnocchi", use=ALWAYS),
        ),
    ),
    Service("cyborg", ("cyborg/cyborg.conf",), _each("glance nova placement"), distribution="openstack-cyborg"),
    Service("designate", ("designate/designate.conf",), _each("keystone")),
    Service(
        "ec2-api",
        ("ec2api/ec2api.conf",),
        (
            RegionOption("DEFAULT", "region_list", leave="names the cloud's regions to its users"),
            RegionOption("DEFAULT", "s3_region", leave=_OTHER_S3),
        ),
    ),
    Service(
        "glance",
        ("glance/glance-api.conf", "glance/glance-cache.conf"),
        (
            *_STORES,
            RegionOption("DEFAULT", "auth_region", (Condition("auth_url"), Condition("auth_region")), until="train"),
        ),
    ),
    Service(
        "gnocchi",
        ("gnocchi/gnocchi.conf",),
        (
            *_each("storage incoming", "swift_region", (Condition("swift_*"), Condition("driver", "swift"))),
            *(RegionOption(section, "s3_region_name", leave=_OTHER_S3) for section in ("storage", "incoming")),
        ),
    ),
    Service(
        "heat",
        ("heat/heat.conf",),
        (
            *_each("DEFAULT", "region_name_for_services", ALWAYS),
            RegionOption(
                "DEFAULT",
                "region_name_for_shared_services",
                leave="for services that regions share on purpose; without it Heat takes region_name_for_services",
            ),
            *_each("ec2authtoken"),
        ),
        distribution="openstack-heat",
    ),
    Service(
        "ironic",
        ("ironic/ironic.conf",),
        (
            *_each("cinder glance neutron nova service_catalog swift"),
            RegionOption("inspector", "region_name", until="2025.2"),
            *(
                RegionOption(section, "region_name", leave="conductors are called at their own addresses")
                for section in ("json_rpc", "ironic_networking_json_rpc")
            ),
        ),
    ),
    Service(
        "ironic-inspector",
        ("ironic-inspector/inspector.conf", "ironic-inspector/ironic-inspector.conf"),
        _each("ironic service_catalog swift"),
    ),
    Service("keystone", ("keystone/keystone.conf",)),
    Service("kuryr", ("kuryr/kuryr.conf",), _each("neutron", use=ALWAYS), distribution="kuryr-lib"),
    Service(
        "magnum",
        ("magnum/magnum.conf",),
        (
            *_each(
                "barbican_client cinder_client glance_client heat_client magnum_client neutron_client nova_client"
                " octavia_client",
                use=ALWAYS,
            ),
            RegionOption("docker_registry", "swift_region"),
            RegionOption("trust", "trustee_keystone_region_name", until="2025.2"),
        ),
    ),
    Service("manila", ("manila/manila.conf",), _each("barbican cinder glance neutron nova")),
    Service("masakari", ("masakari/masakari.conf",), _each("DEFAULT", "os_region_name", ALWAYS)),
    Service(
        "mistral",
        ("mistral/mistral.conf",),
        (
            *_each("openstack_actions", "default_region", ALWAYS),
            RegionOption("openstack_actions", "modules_support_region", leave="names modules, no region"),
        ),
    ),
    Service("murano", ("murano/murano.conf",), _each("DEFAULT", "home_region", ALWAYS)),
    Service(
        "networking-baremetal",
        ("neutron/plugins/ml2/ironic_neutron_agent.ini",),
        _each("ironic neutron"),
    ),
    Service("neutron", ("neutron/neutron.conf",), _each("ironic nova placement")),
    Service(
        "nova",
        ("nova/nova.conf",),
        (
            *_each("cinder", "os_region_name", ALWAYS),
            *_each("glance keystone", use=ALWAYS),
            *_each("cyborg ironic manila neutron placement"),
        ),
    ),
    Service(
        "octavia",
        ("octavia/octavia.conf",),
        (*_each("certificates glance neutron nova", use=ALWAYS), *_each("cinder service_auth")),
    ),
    Service("panko", ("panko/panko.conf",)),
    Service("placement", ("placement/placement.conf",), distribution="openstack-placement"),
    Service("sahara", ("sahara/sahara.conf",), _each("DEFAULT", "os_region_name", ALWAYS)),
    Service("senlin", ("senlin/senlin.conf",), _each("DEFAULT", "default_region_name", ALWAYS)),
    Service(
        "swift",
        ("swift/proxy-server.conf", "swift/keymaster.conf"),
        (
            *_each(
                "filter:authtoken",
                use=(Condition("auth_*"), Condition("www_authenticate_uri"), Condition("region_name")),
            ),
            *_each("filter:s3token", use=(Condition("auth_*"), Condition("region_name"))),
            *_each("filter:kms_keymaster kms_keymaster", "barbican_region_name", (Condition("auth_endpoint"),)),
            # Clients sign their requests for this name, us-east-1 unless told otherwise: it follows where it is set.
            *_each("filter:s3api", "location", (Condition("location"),)),
        ),
        libraries=False,
    ),
    Service("tacker", ("tacker/tacker.conf",), _STORES),
    Service(
        "trove",
        ("trove/trove.conf", "trove/trove-conductor.conf", "trove/trove-taskmanager.conf"),
        (
            *_each("DEFAULT", "region", ALWAYS),
            *_each("DEFAULT", "dns_region", (Condition("dns_*"),)),
            *_each("service_credentials", use=ALWAYS),
        ),
    ),
    Service("vitrage", ("vitrage/vitrage.conf",), _each("service_credentials")),
    Service(
        "watcher",
        ("watcher/watcher.conf",),
        (
            # The sections with _client are what older releases call the others; whichever a release knows, it reads.
            *_each(
                "cinder cinder_client glance_client keystone keystone_client neutron_client nova nova_client"
                " placement placement_client",
                use=ALWAYS,
            ),
            *_each("aetos_client gnocchi_client ironic_client ceilometer_client monasca_client"),
        ),
        distribution="python-watcher",
    ),
    Service("zaqar", ("zaqar/zaqar.conf",), _each("drivers:message_store:swift")),
    Service(
        "zun",
        ("zun/zun.conf",),
        _each("cinder_client glance_client neutron_client placement_client zun_client", use=ALWAYS),
    ),
)


@dataclass(frozen=True)
class Setting:
    """An option to set in the file ``path``; ``before`` is what the service reads now, ``None`` where it is not set."""

    path: str
    section: str
    option: str
    before: str | None


def check_region(region: str) -> str:
    """Return a region's name that every configuration file can hold as it is. Raises :class:`RegionOptionsError`.

    oslo.config substitutes ``$``, PasteDeploy ``%``, and both strip blanks and quotation marks.
    """
    if not re.match(r"^[^\s$%\"'](?:[^\n\r$%]*[^\s$%\"'])?$", region):
        raise RegionOptionsError(
            f"{region!r} cannot be written as a region into configuration files: no $ or %, no blanks or quotation "
            "marks around it"
        )
    return region


def options_of(service: Service) -> Iterator[RegionOption]:
    """Return all region options that a service reads, those of its libraries too."""
    yield from service.options
    if service.libraries:
        for options in LIBRARIES.values():
            yield from options


def _stores(found: Values, store: str) -> List[str]:
    """Return the sections of Glance's stores of a type, as glance_store finds them."""
    common = found.get("glance_store", {})
    listed = [
        one.split(":") for one in found.get("DEFAULT", {}).get("enabled_backends", "").replace(" ", "").split(",")
    ]
    sections = [normal(one[0]) for one in listed if len(one) > 1 and one[1] == store]
    if not any(listed[0]) and store in common.get("stores", "").replace(" ", "").split(","):
        sections.append("glance_store")
    return sections


def _holds(condition: Condition, found: Values, own: str) -> bool:
    sections = [name for name in found if fnmatchcase(name, normal(condition.section))] if condition.section else [own]
    return any(
        fnmatchcase(option, condition.option) and fnmatchcase(value, condition.value)
        for section in sections
        for option, value in found.get(section, {}).items()
    )


def in_use(option: RegionOption, found: Values) -> List[str]:
    """Return the sections in which an option is to be set, as they are to be written."""
    if option.leave:
        return []
    if option.store:
        return _stores(found, option.store)
    candidates = [option.section]
    if "*" in option.section:
        candidates = [name for name in found if fnmatchcase(name, normal(option.section))]
    return [
        section for section in candidates if any(_holds(condition, found, normal(section)) for condition in option.use)
    ]


def plan(service: Service, documents: Mapping[str, Document], region: str, leave: Sequence[str] = ()) -> List[Setting]:
    """Return the options that are not as they have to be, in the order of the table.

    :param documents: what the service reads, by path, in its order. An option changes in the file that counts, and is
        added to the first one.
    :param leave: options that stay as they are, as ``service/section/option``.
    """
    found = values(list(documents.values()))
    settings: Dict[Tuple[str, str], Setting] = {}
    for option in options_of(service):
        for section in in_use(option, found):
            where = normal(section)
            before = found.get(where, {}).get(option.name)
            if before == region or f"{service.name}/{section}/{option.name}" in leave:
                continue
            setting = (where, option.name)
            paths = [
                path for path, one in documents.items() if setting in {(a.section, a.option) for a in one.assignments}
            ]
            settings[setting] = Setting((paths or list(documents))[-1 if paths else 0], section, option.name, before)
    return list(settings.values())


def diff(settings: Sequence[Setting], region: str) -> List[Dict[str, str]]:
    """Return one diff per file in Ansible's form, of the options alone: files have passwords."""
    entries = []
    for path in dict.fromkeys(one.path for one in settings):
        before, after = "", ""
        for one in settings:
            if one.path == path:
                head = f"[{one.section}]\n"
                before += "" if one.before is None else f"{head}{one.option} = {one.before}\n"
                after += f"{head}{one.option} = {region}\n"
        entries.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return entries
