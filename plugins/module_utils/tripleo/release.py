# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of TripleO as data: what differs between queens, train and wallaby stands in one file each.

The files are playbooks/files/tripleo/<release>.yml; the lookup plugin tripleo reads them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

NOVA = "nova"
METALSMITH = "metalsmith"


class TripleoError(Exception):
    """Something cannot be deployed as it was asked for. ``problems`` holds a sentence for each thing."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(problems))


@dataclass(frozen=True)
class Release:
    """What the roles need to know of a release.

    ``name``: as Infrared's --version takes it. ``build``: of the packages and of the containers' tag.
    ``base_image``: URL of the cloud image that underclouds are made of.
    ``images_url``: directory with ironic-python-agent.tar and overcloud-full.tar. ``images_checksum``: suffix of the
    files with their checksums beside them, the algorithm's name, or None.
    ``python``: interpreter for Ansible on the nodes; ``python_packages``: what brings it; ``python_modules``: what pip
    adds to it. ``vbmc_packages``: what brings vbmcd to an undercloud. ``node_user``: whom overcloud nodes let in.
    ``container_cli``: docker or podman. ``mac_key``: how instackenv.json gives a MAC address, ``mac`` or ``ports``.
    ``provisioning``: NOVA (flavors, Heat makes servers) or METALSMITH (deployed before Heat, networks as data).
    ``deploy_options``: further options of overcloud deploy. ``environments``: of the templates' directory, in order.
    ``parameters``: further parameter_defaults. ``nic_templates``: whether the overcloud's interfaces need templates of
    our own, as its stock ones know no routes.
    ``passwords``: parameters of services whose passwords all stacks share. ``namespace`` and ``image_prefix``: of the
    containers' images. ``galera``: what the site's description says of the database's image.
    """

    name: str
    build: str
    base_image: str
    images_url: str
    images_checksum: str | None
    python: str
    python_packages: Tuple[str, ...]
    python_modules: Tuple[str, ...]
    vbmc_packages: Tuple[str, ...]
    node_user: str
    container_cli: str
    mac_key: str
    provisioning: str
    deploy_options: Tuple[str, ...]
    environments: Tuple[str, ...]
    parameters: Mapping[str, Any]
    nic_templates: bool
    passwords: Tuple[str, ...]
    namespace: str
    image_prefix: str
    galera: Mapping[str, str]


_CHOICES = {
    "container_cli": ("docker", "podman"),
    "mac_key": ("mac", "ports"),
    "provisioning": (NOVA, METALSMITH),
}
_KINDS: Dict[str, Tuple[type, ...]] = {"Tuple[str, ...]": (list, tuple), "str": (str,), "bool": (bool,)}
_KINDS.update({"str | None": (str, type(None)), "Mapping[str, Any]": (dict,), "Mapping[str, str]": (dict,)})


def read(data: Any, where: str) -> Release:
    """Check the content of a release's file.

    :param data: The parsed file, or a release that topology.plain turned into a dictionary.
    :param where: What to call it in a message.
    :raises TripleoError: with everything that is wrong.
    """
    if not isinstance(data, Mapping):
        raise TripleoError([f"{where} must hold a dictionary, as the collection's own releases do."])
    fields = {field.name: str(field.type) for field in dataclasses.fields(Release)}
    problems: List[str] = []
    missing = sorted(set(fields) - set(data))
    unknown = sorted(set(map(str, data)) - set(fields))
    if missing:
        problems.append(f"{where} lacks {', '.join(missing)}.")
    if unknown:
        problems.append(f"{where} has unknown keys: {', '.join(unknown)}.")
    for name, kind in fields.items():
        if name in data and not isinstance(data[name], _KINDS[kind]):
            problems.append(f"{where}: {name} is {data[name]!r}, which is no {kind}.")
    for name, choices in _CHOICES.items():
        if name in data and data[name] not in choices:
            problems.append(f"{where}: {name} is {data[name]!r}; it must be {' or '.join(choices)}.")
    if problems:
        raise TripleoError(problems)
    given: Dict[str, Any] = {name: tuple(data[name]) if isinstance(data[name], list) else data[name] for name in fields}
    return Release(**given)


def unknown_release(name: Any, known: Sequence[str]) -> TripleoError:
    """Say that there is no release of a name."""
    what = "or the path of a file like the collection's playbooks/files/tripleo/queens.yml"
    return TripleoError(
        [f"There is no release {name!r}: stretch_tripleo_release is one of {', '.join(sorted(known))}, {what}."]
    )


def mirrored(url: str, mirror: str) -> str:
    """The same below a mirror: what follows the host of ``url``, behind the mirror's own URL."""
    return "/".join([mirror.rstrip("/"), *url.split("/")[3:]]) if mirror else url
