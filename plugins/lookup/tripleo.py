# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tripleo
short_description: The settings of the provider tripleo, with its release
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Gives the settings from the variables below, each with its default.
options:
  release:
    description:
      - The release, V(queens), V(train) or V(wallaby), or the path of a file like the collection's
        C(playbooks/files/tripleo/queens.yml).
    type: str
    default: queens
    vars:
      - name: stretch_tripleo_release
  backend:
    description:
      - What makes the machines. V(infrared) wants a hypervisor with RHEL or CentOS, which it prepares; V(libvirt) takes
        any with libvirt.
    type: str
    choices: [infrared, libvirt]
    default: infrared
    vars:
      - name: stretch_tripleo_backend
  address:
    description: The hypervisor's address, as this machine reaches it by SSH.
    type: str
    default: 127.0.0.2
    vars:
      - name: stretch_tripleo_hypervisor_address
  user:
    description: Whom to log in to the hypervisor as.
    type: str
    default: root
    vars:
      - name: stretch_tripleo_hypervisor_user
  key:
    description: Path of the private key for that; the public one lies beside it.
    type: str
    default: ~/.ssh/id_rsa
    vars:
      - name: stretch_tripleo_hypervisor_key
  uri:
    description: Where the hypervisor's libvirt answers.
    type: str
    default: qemu:///system
    vars:
      - name: stretch_tripleo_libvirt_uri
  disk_pool:
    description: Directory on the hypervisor for the machines' disks.
    type: str
    default: /var/lib/libvirt/images
    vars:
      - name: stretch_tripleo_disk_pool
  external_network:
    description:
      - Network in CIDR notation over which the first stack's undercloud is reached and has its way out; each further
        stack takes the next block of its size.
    type: str
    default: 192.168.22.0/24
    vars:
      - name: stretch_tripleo_external_network
  nameservers:
    description: Addresses of name servers; without any, libvirt's on the stack's external network.
    type: list
    elements: str
    default: []
    vars:
      - name: stretch_tripleo_nameservers
  ntp_server:
    description: Time server.
    type: str
    default: pool.ntp.org
    vars:
      - name: stretch_tripleo_ntp_server
  registry:
    description: Host of the registry with the containers' images, with a port where it has one.
    type: str
    default: ""
    vars:
      - name: stretch_tripleo_registry
  mirror:
    description:
      - URL of a mirror of the images; below it lies what lies below the host in the release's own URLs.
    type: str
    default: ""
    vars:
      - name: stretch_tripleo_mirror
  state_dir:
    description: Absolute path of the state directory.
    type: str
    required: true
    vars:
      - name: stretch_state_dir
"""

EXAMPLES = r"""
- name: Which release
  ansible.builtin.debug:
    msg: "{{ lookup('stretch.cluster.tripleo').release.name }}"
"""

RETURN = r"""
_raw:
  description: The settings.
  type: list
  elements: dict
  contains:
    release:
      description: The release, with the keys of its file.
      type: dict
    hypervisor:
      description: C(address), C(user), C(key), C(uri) and C(disk_pool).
      type: dict
    image:
      description: URL of the cloud image.
      type: str
    images_url:
      description: URL of the directory with the images of nodes.
      type: str
    secrets:
      description: Names and kinds of the secrets that all stacks share, as the role C(secrets) takes them.
      type: dict
    directory:
      description: State of the provider on this machine.
      type: str
    checkout:
      description: Infrared's checkout.
      type: str
"""

import os
from pathlib import Path
from typing import Any, Callable

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.stretch.cluster.plugins.module_utils.topology import plain
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import overcloud
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import (
    TripleoError,
    mirrored,
    read,
    unknown_release,
)

_PREFIXES = ("stretch_tripleo_", "stretch_state_dir")
RELEASES = Path(__file__).resolve().parents[2] / "playbooks" / "files" / "tripleo"


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: Any, variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        """The settings."""
        # A user's variables may refer to others.
        ours = {name: value for name, value in (variables or {}).items() if name.startswith(_PREFIXES)}
        templar: Any = self._templar
        ours = {name: templar.template(value) for name, value in ours.items()}
        self.set_options(var_options=ours, direct=kwargs)  # type: ignore[no-untyped-call]
        option: Callable[[str], Any] = self.get_option
        given = {name: option(name) for name in ("release", "backend", "mirror", "state_dir")}
        try:
            release = _release(str(given["release"]))
        except (TripleoError, OSError, yaml.YAMLError) as error:
            raise AnsibleLookupError(str(error)) from error
        settings = {name: option(name) for name in ("address", "user", "key", "uri", "disk_pool")}
        settings["key"] = os.path.expanduser(settings["key"])
        plainly = ("external_network", "nameservers", "ntp_server", "registry")
        return [
            {
                "release": plain(release),
                "hypervisor": settings,
                "backend": given["backend"],
                "image": mirrored(release.base_image, given["mirror"]),
                "images_url": mirrored(release.images_url, given["mirror"]),
                "secrets": overcloud.secrets_wanted(release, []),
                "directory": f"{given['state_dir']}/tripleo",
                "checkout": f"{given['state_dir']}/tripleo/infrared",
                **{name: option(name) for name in plainly},
            }
        ]


def _release(name: str) -> Any:
    path = Path(name) if "/" in name else RELEASES / f"{name}.yml"
    if not path.is_file():
        raise unknown_release(name, [one.stem for one in RELEASES.glob("*.yml")])
    return read(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
