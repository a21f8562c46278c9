# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stretch_certificates
short_description: Ensure the certificates of a cluster's nodes, in a directory of the Ansible controller
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Makes an authority and a certificate for every node, or takes what is given, and renews what ends soon.
  - What is given is checked first, and all that is wrong with it is said in one message. Nothing is written then.
  - A new authority, given or made as the old one ends, takes three runs - in the first all nodes trust both, in the
    second they get certificates of the new one, in the third they stop trusting the old one. So no two nodes distrust
    each other, in whatever order they take their files.
  - No key is returned or shown.
requirements:
  - cryptography (ansible-core needs it too, so that the Ansible controller has it)
attributes:
  check_mode:
    support: full
    description: Reports what would change and changes nothing.
  diff_mode:
    support: full
    description: Names of nodes and why each gets a new certificate.
options:
  directory:
    description:
      - Absolute path of the directory, mode V(0700), with C(ca.pem) and C(ca.key) of an authority that was made here,
        and C(NAME.pem) and C(NAME.key) for every node.
      - C(trusted.pem) in it is the bundle that all nodes have. Who hands out the files writes it, when all have theirs.
    type: path
    required: true
  nodes:
    description: Names and addresses that clients use for each node, by its name.
    type: dict
    required: true
  ca_cert:
    description: The authority's certificate, with those up to one that signed itself. Without it an authority is made.
    type: path
  ca_key:
    description: Its key. Without it every node's certificate has to be given.
    type: path
  ca_passphrase:
    description: Passphrase of the authority's key, given or made.
    type: str
  cert:
    description:
      - A certificate for each node that someone else issued; C({name}) in the path stands for the node's name.
      - Certificates between it and the authority belong into O(ca_cert).
    type: path
  key:
    description: The key of each, without a passphrase, since MariaDB cannot use one.
    type: path
  days:
    description: Days that a new certificate is valid.
    type: int
    default: 825
  ca_days:
    description: Days that a new authority is valid. It is replaced when a new certificate would outlive it.
    type: int
    default: 7300
  renew_days:
    description: A certificate with fewer days than this left is renewed.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Certificates by an authority of their own
  stretch.cluster.stretch_certificates:
    directory: /home/me/.stretch/tls
    nodes:
      s1controller-0: [s1controller-0, 10.0.20.11, 10.0.20.6]
      arbiter-0: [arbiter-0, 172.16.0.31]
  delegate_to: localhost
  run_once: true

- name: Certificates that someone else issued
  stretch.cluster.stretch_certificates:
    directory: /home/me/.stretch/tls
    nodes:
      s1controller-0: [s1controller-0, 10.0.20.11, 10.0.20.6]
    ca_cert: /etc/pki/company/ca.pem
    cert: /etc/pki/company/{name}.pem
    key: /etc/pki/company/{name}.key
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
bundle:
  description: Certificates of the authorities that all nodes shall trust, in PEM.
  returned: success
  type: str
certificates:
  description: The certificate of each node, in PEM. Its key is in the directory.
  returned: success
  type: dict
reasons:
  description: Why each node that gets a new certificate does.
  returned: success
  type: dict
  sample: {s1controller-0: there is none}
step:
  description: What has to follow where the authority changes; empty where nothing has.
  returned: success
  type: str
  sample: ""
"""

import os
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.stretch.cluster.plugins.module_utils import certificate_plan, certificates
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file
from ansible_collections.stretch.cluster.plugins.module_utils.certificates import CertificateError, Pair

DIRECTORY_MODE = 0o700
CERTIFICATE_MODE = 0o644
KEY_MODE = 0o600


def read(path: str) -> bytes | None:
    """Return a file's content, None if there is none. Raises :class:`OSError`."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def read_given(path: str) -> bytes:
    """Return the content of a file that was named. Raises :class:`CertificateError`."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror}") from error


class Store:
    """The directory of certificates."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take the module's options."""
        self._module = module
        self._options = module.params
        self.directory = os.path.realpath(module.params["directory"])

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _pair(self, name: str) -> Pair | None:
        certificate, key = read(self._path(f"{name}.pem")), read(self._path(f"{name}.key"))
        return None if certificate is None or key is None else Pair(certificate, key)

    def wanted(self) -> list[certificate_plan.Wanted]:
        """Return who gets a certificate. Raises :class:`CertificateError` with every file that cannot be read."""
        found, wrong = [], []
        for name, names in sorted(self._options["nodes"].items()):
            given = None
            if self._options["cert"]:
                paths = [self._options[one].replace("{name}", name) for one in ("cert", "key")]
                try:
                    given = Pair(*(read_given(path) for path in paths))
                except CertificateError as error:
                    wrong.append(str(error))
            found.append(certificate_plan.Wanted(name, sorted(str(one) for one in names), given))
        if wrong:
            raise CertificateError("; ".join(wrong))
        return found

    def _entries(self) -> list[str]:
        return os.listdir(self.directory) if os.path.isdir(self.directory) else []

    def _authority(self) -> tuple[bytes | None, bytes | None]:
        given, given_key = self._options["ca_cert"], self._options["ca_key"]
        if given:
            return read_given(given), read_given(given_key) if given_key else None
        own = self._pair("ca")
        return (own.certificate, own.key) if own else (None, None)

    def found(self) -> certificate_plan.Found:
        """Return what there is. Raises :class:`CertificateError` and :class:`OSError`."""
        # Those of nodes that are not in this run too: they shall not be distrusted either.
        known = {entry[: -len(".key")] for entry in self._entries() if entry.endswith(".key")} - {"ca"}
        pairs = {name: self._pair(name) for name in sorted(known)}
        passphrase = self._options["ca_passphrase"]
        authority, key = self._authority()
        return certificate_plan.Found(
            authority=authority,
            key=key,
            own=not self._options["ca_cert"],
            trusted=read(self._path("trusted.pem")),
            in_force={name: pair for name, pair in pairs.items() if pair is not None},
            passphrase=passphrase.encode() if passphrase else None,
        )

    def write(self, plan: certificate_plan.Plan) -> None:
        """Write what is new, each key before its certificate. Raises :class:`OSError`."""
        os.makedirs(self.directory, mode=DIRECTORY_MODE, exist_ok=True)
        os.chmod(self.directory, DIRECTORY_MODE)
        fresh = {name: plan.pairs[name] for name in plan.reasons}
        if plan.authority is not None:
            fresh["ca"] = plan.authority
        for name, pair in fresh.items():
            for end, content, mode in (("key", pair.key, KEY_MODE), ("pem", pair.certificate, CERTIFICATE_MODE)):
                write_file(self._path(f"{name}.{end}"), content, self._module.atomic_move, mode)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "nodes": {"type": "dict", "required": True},
            "ca_cert": {"type": "path"},
            # These are paths.
            "ca_key": {"type": "path", "no_log": False},
            "ca_passphrase": {"type": "str", "no_log": True},
            "cert": {"type": "path"},
            "key": {"type": "path", "no_log": False},
            "days": {"type": "int", "default": 825},
            "ca_days": {"type": "int", "default": 7300},
            "renew_days": {"type": "int", "default": 60},
        },
        required_by={"ca_key": "ca_cert", "cert": ("key", "ca_cert"), "key": "cert"},
        supports_check_mode=True,
    )
    if not certificates.HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=certificates.CRYPTOGRAPHY_IMPORT_ERROR)
    limits = certificate_plan.Limits(*(module.params[name] for name in ("days", "ca_days", "renew_days")))
    store = Store(module)
    try:
        plan = certificate_plan.make_plan(store.wanted(), store.found(), limits, datetime.now(timezone.utc))
        if (plan.reasons or plan.authority) and not module.check_mode:
            store.write(plan)
    except (CertificateError, OSError) as error:
        module.fail_json(msg=f"Certificates: {error}. Nothing has been changed.")
    lines = ["authority: a new one\n"] if plan.authority else []
    module.exit_json(
        changed=bool(plan.reasons or plan.authority),
        bundle=plan.bundle.decode("ascii"),
        certificates={name: pair.certificate.decode("utf-8") for name, pair in plan.pairs.items()},
        reasons=dict(plan.reasons),
        step=plan.step,
        diff={
            "before_header": store.directory,
            "after_header": store.directory,
            "before": "",
            "after": "".join([*lines, *(f"{name}: {why}\n" for name, why in sorted(plan.reasons.items()))]),
        },
    )


if __name__ == "__main__":
    main()
