# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for what TripleO and Infrared bring, called by the names of the commands.

They check their arguments, keep state in one file, answer as the real ones do, and fail where a file ``faults`` names
them. A node is an overlay over this machine's root with no network, so nothing outside of the scenario's directory is
written or reached.
prepare.yml makes the commands and says in STANDIN_* where things are.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(os.environ["STANDIN_ROOT"])
REPOSITORY = Path(os.environ["STANDIN_REPOSITORY"])
NODE = os.environ.get("STANDIN_NODE", "")
PYTHON = os.environ["STANDIN_PYTHON"]
RELEASE = os.environ["STANDIN_RELEASE"]
NAME = os.environ["STANDIN_NAME"]
USERS = {"stack": 4001, "heat-admin": 4002}


def fail(message: str, status: int = 1) -> NoReturn:
    sys.stderr.write(f"{NAME}: {message}\n")
    raise SystemExit(status)


def say(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")


@contextlib.contextmanager
def state() -> Iterator[dict[str, Any]]:
    """The state, which is written when all went well and when a stand-in fails half way."""
    path = ROOT / "state.json"
    with (ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = json.loads(path.read_text()) if path.exists() else {}
        for key in ("domains", "networks", "underclouds", "calls"):
            found.setdefault(key, [] if key == "calls" else {})
        try:
            yield found
        finally:
            path.write_text(json.dumps(found, indent=2))


def fault(name: str) -> bool:
    """Whether this is the time to fail; once only."""
    path = ROOT / "faults"
    names = path.read_text().split() if path.exists() else []
    if name not in names:
        return False
    names.remove(name)
    path.write_text("\n".join(names))
    return True


def options(words: list[str], known: dict[str, bool]) -> tuple[dict[str, list[str]], list[str]]:
    """Options (known: name to whether it takes a value) and the other words."""
    found: dict[str, list[str]] = {}
    rest = []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            rest.append(word)
        elif name not in known:
            fail(f"unrecognized arguments: {word}", 2)
        elif known[name]:
            found.setdefault(name, []).append(value if equals else words.pop(0))
        else:
            found.setdefault(name, []).append("")
    return found, rest


# The hypervisor.


def virsh(words: list[str]) -> None:
    if words[:1] != ["-c"]:
        fail("no connection was named")
    command, *rest = words[2:]
    with state() as known:
        if fault(f"virsh-{command}"):
            fail("error: failed to connect to the hypervisor")
        if command in READERS:
            say(READERS[command](known["domains"], known["networks"], rest))
        else:
            virsh_remove(known["domains"], known["networks"], command, rest)


def virsh_remove(domains: dict[str, Any], networks: dict[str, Any], command: str, rest: list[str]) -> None:
    name = rest[0]
    if command == "destroy":
        domains[name]["running"] = False
    elif command == "undefine":
        if domains[name]["running"] or rest[1:] != ["--remove-all-storage"]:
            fail("the domain runs, or its disks would stay")
        del domains[name]
        shutil.rmtree(ROOT / "nodes" / name, ignore_errors=True)
    elif command == "net-destroy":
        networks[name]["active"] = False
    elif command == "net-undefine":
        del networks[name]
    else:
        fail(f"unknown command {command}")


def names(these: dict[str, Any], rest: list[str], key: str) -> str:
    return "\n".join(name for name, one in these.items() if "--all" in rest or one[key])


def domiflist(domain: dict[str, Any]) -> str:
    lines = [" Interface  Type  Source  Model  MAC", "-" * 60]
    for number, (network, mac) in enumerate(domain["macs"].items()):
        lines.append(f" vnet{number}  network  {network}  virtio  {mac}")
    return "\n".join(lines)


MEMORY = "total  : 201326592 KiB\nfree   :  1 KiB"
READERS = {
    "list": lambda domains, _networks, rest: names(domains, rest, "running"),
    "net-list": lambda _domains, networks, rest: names(networks, rest, "active"),
    "domuuid": lambda domains, _networks, rest: domains[rest[0]]["uuid"],
    "net-uuid": lambda _domains, networks, rest: networks[rest[0]]["uuid"],
    "nodememstats": lambda _domains, _networks, _rest: MEMORY,
    "domiflist": lambda domains, _networks, rest: domiflist(domains[rest[0]]),
}


# Infrared.


def python(words: list[str]) -> None:
    """An interpreter with which Infrared's environment is made."""
    if words[:2] != ["-m", "venv"]:
        fail(f"not expected: {words}")
    directory = Path(words[2]) / "bin"
    directory.mkdir(parents=True)
    for name in ("pip", "infrared"):
        (directory / name).symlink_to(ROOT / "bin" / name)


def pip(words: list[str]) -> None:
    if fault("pip"):
        fail("Could not fetch URL: connection timed out")
    if words not in (["install", "-q", "-U", "pip<24"], ["install", "-q", "."]):
        fail(f"not expected: {words}")


def infrared(words: list[str]) -> None:
    home = Path(os.environ.get("IR_HOME", "-"))
    foreign = [name for name in os.environ if name.startswith("ANSIBLE_") and name != "ANSIBLE_CONFIG"]
    ours = (os.environ.get("ANSIBLE_CONFIG"), os.environ.get("IR_WORKSPACE"))
    if foreign or ours != (f"{home}/ansible.cfg", "stack"):
        fail(f"called with another Ansible's environment: {foreign}")
    command = " ".join(words[:2]) if words[0] in ("plugin", "workspace") else words[0]
    given = infrared_options(command, words[len(command.split()) :])
    plugins = home / ".plugins.ini"
    if command != "plugin add" and not plugins.exists():
        fail("would install every plugin that there is")
    with state() as known:
        known["calls"].append(["", "infrared", *words])
        if command == "plugin add":
            parser = configparser.ConfigParser()
            parser.read(plugins)
            for plugin in words[2:]:
                kind = "provision" if plugin.endswith("virsh") else "install"
                if parser.has_option(kind, Path(plugin).name):
                    fail("Plugin with the same name & type already exists")
                if not parser.has_section(kind):
                    parser.add_section(kind)
                parser.set(kind, Path(plugin).name, plugin)
            with plugins.open("w") as stream:
                parser.write(stream)
        elif command == "workspace create":
            workspace = home / ".workspaces" / "stack"
            if workspace.exists():
                fail("Workspace stack already exists")
            workspace.mkdir(parents=True)
        elif command == "virsh":
            infrared_virsh(known, home, given)
        else:
            infrared_undercloud(known, home, given)


def infrared_options(command: str, words: list[str]) -> dict[str, list[str]]:
    """Check by the same table as the contract tests."""
    sys.path[:0] = os.environ["STANDIN_PYTHONPATH"].split(":")
    import yaml  # noqa: PLC0415

    table = yaml.safe_load((REPOSITORY / "tests/contract/infrared_options.yml").read_text())["commands"]
    if command not in table:
        fail(f"there is no {command}", 2)
    described = table[command]["options"]
    given, rest = options(list(words), {name: option["kind"] != "flag" for name, option in described.items()})
    missing = [name for name, option in described.items() if option.get("required") and name not in given]
    if missing or any(word not in table[command]["words"] for word in rest):
        fail(f"missing {missing}, or unknown words in {rest}", 2)
    return given


def infrared_virsh(known: dict[str, Any], home: Path, given: dict[str, list[str]]) -> None:
    topology = home / "plugins/virsh/vars/topology"
    nets = json.loads((topology / "network" / f"{given['--topology-network'][0]}.yml").read_text())
    hosts = home / ".workspaces/stack/hosts"
    counts = dict(word.split(":") for word in given["--topology-nodes"][0].split(","))
    if "--topology-extend" not in given:
        if set(counts.values()) != {"0"} or given["--ansible-args"] != ["skip-tags=vms"]:
            fail("machines without networks")
        for one in nets["networks"].values():
            made = {"uuid": str(uuid.uuid4()), "active": True, "address": one["ip_address"]}
            known["networks"].setdefault(one["name"], made)
            if fault("virsh-networks"):
                fail("fatal: [hypervisor]: FAILED! => network is already in use", 4)
        hosts.write_text("[hypervisor]\nhypervisor\n")
        return
    if not hosts.exists():
        fail("the hypervisor is in no inventory", 4)
    key = f"ansible_ssh_private_key_file={given['--host-key'][0]}"
    lines = [f"hypervisor ansible_host={given['--host-address'][0]} ansible_user={given['--host-user'][0]} {key}"]
    for kind, count in counts.items():
        described = json.loads((topology / "nodes" / f"{kind}.yml").read_text())
        wires = nets["nodes"][kind]
        lines += [machine(known, f"{kind}-{n}", described["deploy_os"], wires, key) for n in range(int(count))]
    (home / ".workspaces/stack/hosts-prov").write_text("\n".join([*lines, "", "[hypervisor]", "hypervisor"]) + "\n")


def machine(known: dict[str, Any], name: str, deployed: bool, wires: dict[str, Any], key: str) -> str:
    """Make a machine; returns its line in the inventory."""
    count = len(known["domains"])
    macs = {one["network"]: f"52:54:00:{count:02x}:{n:02x}:01" for n, one in enumerate(wires["interfaces"])}
    access = known["networks"][wires["external_network"]["network"]]["address"]
    address = access.rsplit(".", 1)[0] + f".{40 + count}" if deployed else None
    known["domains"][name] = {
        "uuid": str(uuid.uuid4()),
        "running": deployed,
        "macs": macs,
        "address": address,
        "user": "cloud-user",
    }
    if fault("virsh-machines"):
        fail("fatal: [hypervisor]: FAILED! => Could not resolve host", 2)
    if not deployed:
        return f"{name} ansible_host=NA"
    boot(name)
    arguments = "ansible_ssh_common_args='-o ForwardAgent=yes -o UserKnownHostsFile=/dev/null'"
    return f"{name} ansible_host={address} ansible_user=cloud-user {key} {arguments}"


def boot(name: str) -> None:
    """Give a node its root, with a user for the undercloud's commands and one whom an overcloud's nodes let in."""
    upper = ROOT / "nodes" / name / "upper"
    (upper / "etc").mkdir(parents=True)
    users = "".join(f"{user}:x:{number}:{number}::/home/{user}:/bin/bash\n" for user, number in USERS.items())
    groups = "".join(f"{user}:x:{number}:\n" for user, number in USERS.items())
    (upper / "etc/passwd").write_text(Path("/etc/passwd").read_text() + users)
    (upper / "etc/group").write_text(Path("/etc/group").read_text() + groups)
    (upper / "home/stack/.ssh").mkdir(parents=True)
    (upper / "home/heat-admin").mkdir(parents=True)
    (upper / "etc/sysconfig/network-scripts").mkdir(parents=True)
    for directory in ("work", "merged"):
        (ROOT / "nodes" / name / directory).mkdir()


def infrared_undercloud(known: dict[str, Any], home: Path, given: dict[str, list[str]]) -> None:
    text = Path(given["--inventory"][0]).read_text()
    name = re.findall(r"^\[undercloud\]\n(\S+)", text, re.MULTILINE)[0]
    number = int(name[1 : name.index("undercloud")])
    wanted = dict(option.split("=", 1) for option in given["--config-options"])
    prefix = f"192.168.{23 + number}"
    if wanted["DEFAULT.local_ip"] != f"{prefix}.1/24" or wanted["ctlplane-subnet.cidr"] != f"{prefix}.0/24":
        fail(f"the undercloud of stack{number} got another's network: {wanted}")
    if given["--version"] != [RELEASE]:
        fail("another release")
    images = given["--images-url"][0]
    root = ROOT / "nodes" / name / "upper"
    for image in ("ironic-python-agent.tar", "overcloud-full.tar"):
        if not (root / images.removeprefix("file:///") / image).is_file():
            fail(f"{images}/{image} cannot be fetched by {name}", 2)
    if fault(f"undercloud-{number}"):
        (root / "home/stack/install-undercloud.log").write_text("half way\n")
        fail("fatal: [" + name + "]: FAILED! => openstack undercloud install: Pacemaker did not start", 2)
    (root / "home/stack/stackrc").write_text("export OS_CLOUD=undercloud\n")
    known["underclouds"][name] = {"nodes": {}, "flavors": {}, "stack": ""}
    # As the real one does.
    (home / ".workspaces/stack/hosts-prov").write_text(text)


# On a node.


def ssh(words: list[str]) -> None:
    """From this machine to nodes and the hypervisor, and from an undercloud to its overcloud."""
    settings: dict[str, str] = {}
    config, target, rest = "", "", []
    while words:
        word = words.pop(0)
        if word == "-o" or (word.startswith("-o") and len(word) > 2):
            option = words.pop(0) if word == "-o" else word[2:]
            name, _equals, value = option.partition("=")
            settings[name] = value.strip('"')
        elif word == "-F":
            config = words.pop(0)
        elif word == "-i":
            settings["IdentityFile"] = words.pop(0)
        elif word.startswith("-"):
            continue
        else:
            target, rest = word, words
            break
    user, _at, host = target.rpartition("@")
    found = ssh_block(config, host) if config else {}
    settings = {**found, **settings}
    user = user or settings.get("User", "root")
    where = settings.get("HostName", host)
    with state() as known:
        if where == "127.0.0.2" or (NODE and where.endswith(".1") and not where.startswith("192.168.2")):
            name = "hypervisor"
        else:
            name = ssh_node(known, where, user, settings)
    enter(name, user, " ".join(rest))


def ssh_block(config: str, host: str) -> dict[str, str]:
    found: dict[str, str] = {}
    inside = False
    for line in Path(config).read_text().splitlines():
        words = line.split(None, 1)
        if line.startswith("Host "):
            inside = host in words[1].split()
        elif inside and words:
            found[words[0]] = words[1].strip('"')
    return found


def ssh_node(known: dict[str, Any], where: str, user: str, settings: dict[str, str]) -> str:
    """The node of an address, if it lets that user in with that key."""
    for name, domain in known["domains"].items():
        if domain.get("address") == where and domain["running"]:
            if domain["user"] != user:
                fail(f"{user}@{where}: Permission denied (publickey).", 255)
            if not NODE and domain.get("behind"):
                key = Path(settings["IdentityFile"] + ".pub").read_text().strip()
                keys = ROOT / "nodes" / name / "upper/home" / user / ".ssh/authorized_keys"
                if settings.get("ProxyJump") != domain["behind"] or not keys.exists() or key not in keys.read_text():
                    fail(f"{user}@{where}: Permission denied (publickey).", 255)
            return str(name)
    fail(f"connect to host {where} port 22: No route to host", 255)


def enter(name: str, user: str, command: str) -> None:
    """Run a command in a node's root."""
    base = ROOT / "nodes" / name
    # Two may enter at once, and a mount clears the work directory.
    for directory in ("upper", "work", "merged"):
        (base / directory).mkdir(parents=True, exist_ok=True)
    merged = base / "merged"
    home = "/root" if user == "root" else f"/home/{user}"
    script = f"""
set -e
flock {base}/lock mount -t overlay overlay -o lowerdir=/,upperdir={base}/upper,workdir={base}/work {merged}
mount --rbind /proc {merged}/proc; mount --rbind /dev {merged}/dev
mkdir -p {merged}{ROOT}; mount --bind {ROOT} {merged}{ROOT}
exec chroot {merged} /bin/sh -c "$1"
"""
    environment = {**os.environ, "STANDIN_NODE": name, "STANDIN_USER": user, "USER": user, "HOME": home}
    environment["PATH"] = f"{ROOT}/node-bin:/usr/sbin:/usr/bin:/sbin:/bin"
    os.makedirs(f"{base}/upper{home}", exist_ok=True)
    inner = f"cd {home}; {command}"
    sys.stdout.flush()
    os.execvpe("unshare", ["unshare", "--mount", "--net", "sh", "-c", script, "sh", inner], environment)  # noqa: S606


def sudo(words: list[str]) -> None:
    user = "root"
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "-u":
            user = words.pop(0)
    home = "/root" if user == "root" else f"/home/{user}"
    os.execvpe(words[0], words, {**os.environ, "STANDIN_USER": user, "USER": user, "HOME": home})  # noqa: S606


def yum(words: list[str]) -> None:
    if fault("yum"):
        fail("Cannot find a valid baseurl for repo: base/7/x86_64")
    packages = [word for word in words if not word.startswith("-") and word != "install"]
    if any("python38-python" in one or one in ("python39", "python3") for one in packages):
        places = {"queens": "/opt/rh/rh-python38/root/usr/bin/python3", "train": "/usr/bin/python3.9"}
        path = Path(places.get(RELEASE, "/usr/bin/python3"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        modules = os.environ["STANDIN_PYTHONPATH"]
        path.write_text(f'#!/bin/sh\n[ "$1 $2" = "-m pip" ] && exit 0\nPYTHONPATH={modules} exec {PYTHON} "$@"\n')
        path.chmod(0o755)
    if any("virtualbmc" in one for one in packages):
        Path("/usr/bin/vbmcd").write_text("#!/bin/sh\n")


def systemctl(words: list[str]) -> None:
    command, *units_named = [word for word in words if not word.startswith("-")]
    if command == "daemon-reload" or not units_named:
        return
    unit = units_named[0]
    path = ROOT / "nodes" / NODE / "units.json"
    units = json.loads(path.read_text()) if path.exists() else {}
    there = Path(f"/etc/systemd/system/{unit}").exists()
    one = units.setdefault(unit, {"active": False, "enabled": False})
    if command == "show":
        say(f"Id={unit}\nLoadState={'loaded' if there else 'not-found'}")
        say(f"ActiveState={'active' if one['active'] else 'inactive'}")
        say(f"UnitFileState={'enabled' if one['enabled'] else 'disabled'}")
    elif command in ("is-enabled", "is-active"):
        key = command.removeprefix("is-")
        say(key if one[key] else "disabled")
        raise SystemExit(0 if one[key] else 1)
    elif not there:
        fail(f"Unit {unit} not found.")
    elif command in ("start", "restart") and fault(f"start-{unit}"):
        fail(f"Job for {unit} failed.")
    else:
        one["enabled" if command == "enable" else "active"] = True
        path.write_text(json.dumps(units))


def scripts() -> Path:
    return Path("/etc/sysconfig/network-scripts")


def ifup(words: list[str]) -> None:
    if fault(f"ifup-{words[0]}"):
        fail(f"device {words[0]} does not seem to be present")
    values = dict(line.split("=", 1) for line in (scripts() / f"ifcfg-{words[0]}").read_text().splitlines())
    with (ROOT / "nodes" / NODE / "addresses").open("a") as stream:
        stream.write(f"7: {words[0]}    inet {values['IPADDR']}/{values['PREFIX']} scope global {words[0]}\n")


def ifdown(words: list[str]) -> None:
    path = ROOT / "nodes" / NODE / "addresses"
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("".join(f"{line}\n" for line in lines if f" {words[0]} " not in line))


def ip(words: list[str]) -> None:
    path = ROOT / "nodes" / NODE / "addresses"
    if words == ["-4", "-o", "addr", "show"]:
        say(path.read_text() if path.exists() else "")


def docker(words: list[str]) -> None:
    """Of a controller."""
    path = ROOT / "nodes" / NODE / "images.json"
    images = json.loads(path.read_text()) if path.exists() else {}
    if words[0] == "ps":
        say("4b1d")
    elif words[:3] == ["inspect", "--format", "{{.Image}}"]:
        say("sha256:6a1e")
    elif words[0] == "inspect":
        if words[3] not in images:
            fail("no such object")
        say(images[words[3]])
    elif words[0] == "tag":
        images[words[2]] = words[1]
        path.write_text(json.dumps(images))


# The undercloud's client.

OUTPUTS = ("--output-env-file", "--output-images-file")
FILES = ("--networks-file", "--vip-file", "--baremetal-deployment")
CLIENT: dict[str, dict[str, bool]] = {
    "baremetal node list": {"-f": True, "--fields": True},
    "baremetal node manage": {"--wait": True},
    "baremetal node set": {"--resource-class": True, "--property": True},
    "flavor list": {"-f": True, "--long": False},
    "flavor create": dict.fromkeys(["--id", "--ram", "--disk", "--vcpus", "--property"], True),
    "flavor set": {"--property": True},
    "overcloud node import": {"--instance-boot-option": True},
    "overcloud node introspect": {"--provide": False, "--all-manageable": False},
    "overcloud container image prepare": dict.fromkeys(
        ["--namespace", "--tag", "--tag-from-label", "--prefix", "--push-destination", "-e", *OUTPUTS], True
    ),
    "overcloud container image upload": {"--config-file": True},
    "tripleo container image prepare": {"-e": True, "--output-env-file": True},
    "overcloud status": {"--stack": True},
    "stack list": {"-f": True},
    "overcloud deploy": {
        **dict.fromkeys(["--templates", "--stack", "--libvirt-type", "--timeout", "-e", *FILES], True),
        **dict.fromkeys(["--validation-warnings-fatal", "--deployed-server", "--network-config", "--yes"], False),
    },
}
NOT_IN = {"queens": ("tripleo container image prepare",), "wallaby": ("stack list", "flavor list", "flavor create")}


def openstack(words: list[str]) -> None:
    if os.environ.get("OS_CLOUD") != "undercloud" or os.environ.get("STANDIN_USER") != "stack":
        fail("Missing value auth-url required for auth plugin password")
    command = next((one for one in CLIENT if words[: len(one.split())] == one.split()), "")
    if not command or command in NOT_IN.get(RELEASE, ()):
        fail(f"'{' '.join(words)}' is not an openstack command. See 'openstack --help'.", 2)
    called, words = words, words[len(command.split()) :]
    if command == "baremetal node list" and "--fields" in words:  # takes several values
        words = words[: words.index("--fields")]
    given, rest = options(list(words), CLIENT[command])
    with state() as known:
        cloud = known["underclouds"][NODE]
        known["calls"].append([NODE, "openstack", *called])
        call = command.replace(" ", "_").replace("-", "_")
        HANDLERS[call](known, cloud, given, rest)


def baremetal_node_list(_known: Any, cloud: Any, _given: Any, _rest: Any) -> None:
    nodes = [
        {
            "Name": name,
            "Provisioning State": one["state"],
            "Properties": {"capabilities": one["capabilities"]},
            "Resource Class": one["class"],
        }
        for name, one in cloud["nodes"].items()
    ]
    say(json.dumps(nodes))


def baremetal_node_manage(_known: Any, cloud: Any, _given: Any, rest: list[str]) -> None:
    cloud["nodes"][rest[0]]["state"] = "manageable"


def baremetal_node_set(_known: Any, cloud: Any, given: Any, rest: list[str]) -> None:
    node = cloud["nodes"][rest[0]]
    node["class"] = given["--resource-class"][0]
    node["capabilities"] = given["--property"][0].removeprefix("capabilities=")


def overcloud_node_import(known: Any, cloud: Any, given: Any, rest: list[str]) -> None:
    path = Path(rest[0])
    if given["--instance-boot-option"] != ["local"] or path.stat().st_mode & 0o077:
        fail("instance-boot-option, or a file of passwords that others read")
    for node in json.loads(path.read_text())["nodes"]:
        address = "mac" if RELEASE == "queens" else "ports"
        if {"mac", "ports"} & set(node) != {address} or node["pm_type"] != "ipmi":
            fail(f"Node {node['name']} is invalid")
        mac = node["mac"][0] if "mac" in node else node["ports"][0]["address"]
        if mac not in known["domains"][node["name"]]["macs"].values() or not node["pm_addr"]:
            fail(f"Node {node['name']} has a wrong MAC address")
        config = configparser.ConfigParser()
        config.read(f"/home/stack/.vbmc/{node['name']}/config")
        bmc = config["VirtualBMC"]
        if (bmc["port"], bmc["password"]) != (node["pm_port"], node["pm_password"]):
            fail(f"Node {node['name']} has no BMC at {node['pm_port']}")
        made = {"state": "manageable", "class": "baremetal", "capabilities": node["capabilities"]}
        cloud["nodes"].setdefault(node["name"], made)
        if fault("import"):
            fail("Exception registering nodes: RPC timed out")


def overcloud_node_introspect(_known: Any, cloud: Any, _given: Any, _rest: Any) -> None:
    for number, node in enumerate(cloud["nodes"].values()):
        if node["state"] == "manageable":
            if number and fault("introspect"):
                node["state"] = "inspect failed"
                fail("Introspection completed with errors: timeout")
            node["state"] = "available"


def flavor_list(_known: Any, cloud: Any, _given: Any, _rest: Any) -> None:
    shown = {
        name: ", ".join(f"{key}='{value}'" for key, value in sorted(properties.items()))
        for name, properties in cloud["flavors"].items()
    }
    say(json.dumps([{"Name": name, "Properties": text} for name, text in shown.items()]))


def flavor_set(_known: Any, cloud: Any, given: Any, rest: list[str]) -> None:
    cloud["flavors"][rest[0]] = dict(word.split("=", 1) for word in given["--property"])


def flavor_create(known: Any, cloud: Any, given: Any, rest: list[str]) -> None:
    if rest[0] in cloud["flavors"]:
        fail(f"Flavor with name {rest[0]} already exists. (HTTP 409)")
    flavor_set(known, cloud, given, rest)
    if fault("flavor"):
        fail("Service Unavailable (HTTP 503)")


def overcloud_container_image_prepare(_known: Any, _cloud: Any, given: Any, _rest: Any) -> None:
    if not given["--namespace"][0].startswith("images.example/tripleo"):
        fail("another registry")
    for name in OUTPUTS:
        Path(given[name][0]).write_text('{"parameter_defaults": {}}\n')


def overcloud_container_image_upload(_known: Any, _cloud: Any, _given: Any, _rest: Any) -> None:
    if fault("upload"):
        fail("Error while pulling image: received unexpected HTTP status: 502 Bad Gateway")


def tripleo_container_image_prepare(_known: Any, _cloud: Any, given: Any, _rest: Any) -> None:
    if fault("upload"):
        fail("Error while pulling image: received unexpected HTTP status: 502 Bad Gateway")
    Path(given["--output-env-file"][0]).write_text('{"parameter_defaults": {}}\n')


def stack_list(_known: Any, cloud: Any, _given: Any, _rest: Any) -> None:
    say(json.dumps([{"ID": "1", "Stack Name": "overcloud", "Stack Status": cloud["stack"]}] if cloud["stack"] else []))


def overcloud_status(_known: Any, cloud: Any, _given: Any, _rest: Any) -> None:
    if not cloud["stack"]:
        say("No deployment was found for overcloud")
        return
    word = "DEPLOY_SUCCESS" if cloud["stack"].endswith("COMPLETE") else "DEPLOY_FAILED"
    say(f"+------------+\n| Stack Name | Deployment Status |\n+------------+\n| overcloud | {word} |\n")


def overcloud_deploy(known: Any, cloud: Any, given: Any, _rest: Any) -> None:
    parameters: dict[str, Any] = {}
    for name in [*given["-e"], *(given[name][0] for name in FILES if name in given)]:
        if not name.startswith("/usr/share/openstack-tripleo-heat-templates/"):
            content = json.loads(Path(name).read_text())
            if isinstance(content, dict):
                parameters.update(content.get("parameter_defaults", {}))
    if parameters["ControllerCount"] != 3 or parameters["KeystoneRegion"] != f"region_stack{NODE[1]}":
        fail("another overcloud's files")
    verb = "UPDATE" if cloud["stack"] else "CREATE"
    if fault("deploy"):
        cloud["stack"] = f"{verb}_FAILED"
        fail("Heat Stack create failed: overcloud.AllNodesDeploySteps.ControllerDeployment_Step2: status 2")
    cloud["stack"] = f"{verb}_COMPLETE"
    cloud["passwords"] = {name: value for name, value in parameters.items() if "Password" in name or "Fernet" in name}
    for name, node in cloud["nodes"].items():
        node["state"] = "active"
        offset = (10 if "controller" in name else 20) + int(name.rsplit("-", 1)[1])
        address = f"192.168.{23 + int(NODE[1])}.{offset}"
        known["domains"][name].update(running=True, address=address, user="heat-admin", behind=NODE)
        if not (ROOT / "nodes" / name).exists():
            boot(name)


HANDLERS = {name: one for name, one in list(globals().items()) if callable(one)}


def main() -> None:
    {"python-standin": python, "podman": docker, **HANDLERS}[NAME](sys.argv[1:])


if __name__ == "__main__":
    main()
