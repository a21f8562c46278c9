# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_facts_info
short_description: What a controller has of what the description of its site says
version_added: 0.2.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Looks at the files, commands, programs, addresses, ports, at Pacemaker and at Keystone that a description names, for
    P(stretch.cluster.site_problems#filter) to say what is wrong. Files and the region's own database are only read.
options:
  site:
    description: The description, as the role C(stretch.cluster.site) documents it.
    type: dict
    required: true
  ports:
    description: Ports that the members are to listen on, at the controller's own address.
    type: list
    elements: int
    default: [3316, 4577, 4578, 4454, 9201]
  vip_port:
    description: Port that HAProxy is to listen on, at the virtual address of the stretched Galera.
    type: int
    default: 3306
  members_file:
    description: The file by which a controller that was deployed before knows its members; then the ports are theirs.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing, ever.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: What the controllers have
  stretch.cluster.site_facts_info:
    site: "{{ stretch_site }}"
    members_file: "{{ stretch_site.config_root }}/stretch_galera/etc/stretch-galera/members.json"
  register: found
"""

RETURN = r"""
facts:
  description: What was found, in the form that P(stretch.cluster.site_problems#filter) reads.
  type: dict
  returned: success
"""

import contextlib
import errno
import ipaddress
import os
import re
import shutil
import socket
import urllib.error
import xml.etree.ElementTree as ET
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.stretch.cluster.plugins.module_utils import keystone_config, site_facts

LIMIT = 10
"""Seconds that whoever is asked has to answer."""
SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
LOOK = """
PATH=$PATH:/usr/sbin:/usr/libexec
mariadbd --version 2>/dev/null || mysqld --version 2>/dev/null
[ ! -e "$1/libgalera_smm.so" ] || echo has-galera
for python in python3 /usr/libexec/platform-python; do
    if "$python" -c 'import pymysql' 2>/dev/null; then echo has-pymysql; break; fi
done
id "$2" > /dev/null 2>&1 && echo has-user
true
"""


def line(text: str) -> str:
    return " ".join(text.split())[-300:]


class Controller:
    """This host, and the description of its site."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.site: dict[str, Any] = module.params["site"]

    def run(self, *command: str) -> tuple[int, str, str]:
        code, out, err = self.module.run_command(list(command), handle_exceptions=False)
        return int(code), str(out), str(err)

    def missing(self) -> list[tuple[str, str]]:
        keystone = self.site["keystone"]["config_dir"]
        wanted = [
            ("HAProxy's configuration", self.site["haproxy"]["config_file"]),
            ("Keystone's configuration", os.path.join(keystone, "keystone.conf")),
            ("Keystone's repository of keys", os.path.join(keystone, "fernet-keys")),
        ]
        return [(what, path) for what, path in wanted if not os.path.exists(path)]

    def no_command(self) -> list[tuple[str, str]]:
        wanted = [
            ("haproxy.reload", self.site["haproxy"]["reload"][0]),
            ("keystone.restart", self.site["keystone"]["restart"][0]),
            ("Pacemaker's", "cibadmin"),
        ]
        if self.site.get("containers"):
            wanted.append(("containers.cli", self.site["containers"]["cli"]))
        if self.site["firewall"]["backend"] == "nftables":
            wanted.append(("firewall.backend", "nft"))
        path = os.environ.get("PATH", os.defpath) + os.pathsep + SBIN
        return [(what, name) for what, name in wanted if shutil.which(name, path=path) is None]

    def programs(self) -> dict[str, Any]:
        words = ["sh", "-c", LOOK, "look", self.site["galera"]["plugin_dir"], self.site["galera"]["user"]]
        containers = self.site.get("containers")
        if containers:
            options = [*containers["options"], "--network", "none", "--user", "root", "--entrypoint", "sh"]
            words = [containers["cli"], "run", "--rm", *options, containers["galera_image"], *words[1:]]
        try:
            code, out, err = self.run(*words)
        except OSError as error:
            code, out, err = 1, "", str(error)
        return {
            "error": line(err or out) if code else "",
            "mariadb": out,
            **{name: f"has-{name}" in out.split() for name in ("galera", "pymysql", "user")},
        }

    def networks(self) -> list[ipaddress.IPv4Interface]:
        _code, out, _err = self.run("ip", "-4", "-o", "addr", "show")
        return [ipaddress.IPv4Interface(one) for one in re.findall(r"inet (\d[\d.]+/\d+)", out)]

    def answers(self, address: str) -> bool:
        """Whether somebody has an address; a connection makes the kernel ask for who it is."""
        with contextlib.closing(socket.socket()) as attempt:
            attempt.settimeout(1)
            if attempt.connect_ex((address, 9)) in (0, errno.ECONNREFUSED):
                return True
        _code, out, _err = self.run("ip", "neigh", "show", address)
        return "lladdr" in out and "FAILED" not in out

    def pacemaker(self) -> dict[str, Any]:
        told: dict[str, Any] = {"error": "", "nodes": [], "self": "", "resources": []}
        try:
            code, out, err = self.run("cibadmin", "--query")
            if code:
                return {**told, "error": line(err or out)}
            root = ET.fromstring(out)  # noqa: S314 - the cluster's own answer
            told["nodes"] = [node.get("uname", "") for node in root.iterfind("configuration/nodes/node")]
            told["resources"] = [one.get("id", "") for one in root.iterfind("configuration/resources//*[@id]")]
            told["self"] = self.run("crm_node", "-n")[1].strip()
        except (OSError, ET.ParseError) as error:
            told["error"] = line(str(error))
        return told

    def keystone(self) -> dict[str, Any]:
        described = self.site["keystone"]
        told: dict[str, Any] = {"config_error": "", "database_error": "", "regions": None}
        path = os.path.join(described["config_dir"], "keystone.conf")
        try:
            with open(path, encoding="utf-8") as stream:
                told["regions"] = self.regions(keystone_config.login(keystone_config.connection(stream.read())))
        except FileNotFoundError:
            pass  # told with the other files
        except keystone_config.KeystoneConfigError as error:
            told["config_error"] = f"{path}: {error}"
        except Exception as error:  # noqa: BLE001 - the driver's errors have no name where it is not installed
            told["database_error"] = line(f"{type(error).__name__}: {error}")
        told["exec_error"] = self.tried([*described["exec"], "keystone-manage", "--version"])
        told["url_error"] = self.asked(described["url"])
        told["memcached_error"] = self.connected(described["memcached"]) if described["memcached"] else ""
        return told

    @staticmethod
    def regions(login: dict[str, Any]) -> list[str]:
        import pymysql  # noqa: PLC0415 - a host without it is told so

        connection = pymysql.connect(
            host=login.get("login_host"),
            port=login.get("login_port", 0),
            unix_socket=login.get("login_unix_socket"),
            user=login["login_user"],
            password=login["login_password"],
            database=login["database"],
            ssl={"ca": login["ca_cert"]} if "ca_cert" in login else None,
            connect_timeout=LIMIT,
            read_timeout=LIMIT,
        )
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT id FROM region ORDER BY id")
            return [str(row[0]) for row in cursor.fetchall()]

    def tried(self, command: list[str]) -> str:
        try:
            code, out, err = self.run(*command)
        except OSError as error:
            return line(str(error))
        return line(err or out) or f"it ends with {code}" if code else ""

    @staticmethod
    def asked(url: str) -> str:
        try:
            with open_url(url, timeout=LIMIT):
                return ""
        except urllib.error.HTTPError as error:
            return "" if error.code < 500 else f"HTTP status {error.code}"
        except (OSError, ValueError) as error:
            return line(str(getattr(error, "reason", error)))

    @staticmethod
    def connected(where: str) -> str:
        host, _colon, port = where.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), LIMIT).close()
        except (OSError, ValueError) as error:
            return line(str(error))
        return ""


def listeners() -> list[tuple[str, int]]:
    with open("/proc/net/tcp", encoding="ascii") as stream:
        found = site_facts.listening(stream.read())
    with contextlib.suppress(FileNotFoundError), open("/proc/net/tcp6", encoding="ascii") as stream:
        found += site_facts.listening_everywhere(stream.read())
    return found


def look(module: AnsibleModule) -> dict[str, Any]:
    here = Controller(module)
    site = here.site
    vip = site["vips"]["stretch_galera"]
    pacemaker = here.pacemaker()
    heard = listeners()
    ours = os.path.exists(module.params["members_file"])
    return {
        "missing": here.missing(),
        "no_command": here.no_command(),
        "programs": here.programs(),
        "vip_on_network": any(ipaddress.IPv4Address(vip) in one.network for one in here.networks()),
        "vip_answers": here.answers(vip),
        "vip_is_ours": f"ip-{vip}" in pacemaker["resources"],
        "taken": [] if ours else site_facts.holders(heard, site["address"], module.params["ports"]),
        "vip_port_taken": next(iter(site_facts.holders(heard, "", [module.params["vip_port"]])), 0),
        "pacemaker": pacemaker,
        "keystone": here.keystone(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "ports": {"type": "list", "elements": "int", "default": [3316, 4577, 4578, 4454, 9201]},
            "vip_port": {"type": "int", "default": 3306},
            "members_file": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, facts=look(module))


if __name__ == "__main__":
    main()
