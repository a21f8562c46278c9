# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an overcloud is deployed from: files on its undercloud, and the commands that read them.

Pure. Every function that ends in _argv gives one command line as a list; :func:`files` gives every file but
instackenv.json. Values are data, which is written as YAML (JSON is YAML).
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import instackenv, undercloud
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo.release import METALSMITH, Release, TripleoError

TEMPLATES = "/usr/share/openstack-tripleo-heat-templates"
STACK = "overcloud"
ROLES = {"controller": "Controller", "compute": "Compute"}

# Networks beside internal_api, which the topology has: stack1's, and each further stack's one /16 further on.
_FIRST = {
    "external": "10.0.10.0/24",
    "storage": "10.0.30.0/24",
    "storage_mgmt": "10.0.40.0/24",
    "tenant": "10.0.50.0/24",
}
_VLANS = {
    "external": undercloud.EXTERNAL_VLAN,
    "internal_api": undercloud.INTERNAL_API_VLAN,
    "storage": 30,
    "storage_mgmt": 40,
    "tenant": 50,
}
_NAMES = {"external": "External", "internal_api": "InternalApi", "storage": "Storage"}
_NAMES.update(storage_mgmt="StorageMgmt", tenant="Tenant")
_ON = {"Controller": tuple(_NAMES), "Compute": ("internal_api", "storage", "tenant")}
_PUBLIC_VIP = 5
# Behind the topology's plan of addresses, which the nodes themselves have.
_POOL = (30, 200)


@dataclass(frozen=True)
class File:
    """A file on the undercloud. ``sensitive``: whether it holds passwords."""

    path: str
    content: Any
    sensitive: bool = False


def networks(topology: Mapping[str, Any], stack: str) -> Dict[str, str]:
    """The overcloud's networks: CIDR by name.

    :raises TripleoError: if the topology's networks share addresses with the others.
    """
    described = _stack(topology, stack)
    found = {"internal_api": described["networks"]["internal_api"]["cidr"]}
    for name, first in _FIRST.items():
        network = ipaddress.IPv4Network(first)
        start = int(network.network_address) + ((described["number"] - 1) << 16)
        found[name] = str(ipaddress.IPv4Network((start, network.prefixlen)))
    taken = [one["cidr"] for other in topology["stacks"] for one in other["networks"].values()]
    taken.append(topology["networks"]["stretch"]["cidr"])
    problems = [
        f"{stack}'s overcloud has {name} {cidr}, which overlaps {other} of the topology: move that."
        for name, cidr in found.items()
        for other in taken
        if name in _FIRST and ipaddress.IPv4Network(cidr).overlaps(ipaddress.IPv4Network(other))
    ]
    if problems:
        raise TripleoError(problems)
    return {name: found[name] for name in _NAMES}


def secrets_wanted(release: Release, stacks: Sequence[str]) -> Dict[str, str]:
    """Names of the secrets that the files take, with their kinds; all but Keystone's database's are of all stacks."""
    wanted = {secret(parameter, ""): "password" for parameter in release.passwords}
    wanted.update((f"{stack}_keystone_db", "password") for stack in stacks)
    wanted.update((f"tripleo_{kind}_{number}", "fernet") for kind in ("fernet", "credential") for number in (0, 1))
    wanted["tripleo_bmc"] = "password"
    return wanted


def secret(parameter: str, stack: str) -> str:
    """What the password of a parameter is called among the secrets."""
    if parameter == "AdminToken":  # it is the password of Keystone's own database
        return f"{stack}_keystone_db"
    name = parameter[: -len("Password")].lower()
    return name if name == "admin" else f"service_{name}"


def files(
    topology: Mapping[str, Any],
    stack: str,
    release: Release,
    secrets: Mapping[str, str],
    registry: str,
    nameservers: Sequence[str],
    ntp_server: str,
    directory: str,
) -> Tuple[File, ...]:
    """Every file that the commands read, but instackenv.json.

    :param secrets: Values by the names of :func:`secrets_wanted`.
    :param registry: Host of the registry with the containers' images.
    :param directory: Absolute path on the undercloud.
    """
    parameters = _parameters(topology, stack, release, nameservers, ntp_server)
    passwords = _passwords(stack, release, secrets)
    made = [
        File(f"{directory}/overcloud.yaml", {"parameter_defaults": parameters}),
        File(f"{directory}/passwords.yaml", {"parameter_defaults": passwords}, sensitive=True),
    ]
    if release.container_cli != "docker":
        made.append(File(f"{directory}/containers-prepare.yaml", _containers(release, registry)))
    if release.provisioning == METALSMITH:
        made += [
            File(f"{directory}/network_data.yaml", _network_data(topology, stack)),
            File(f"{directory}/vip_data.yaml", _vip_data(topology, stack)),
            File(f"{directory}/baremetal_deployment.yaml", _baremetal(topology, stack)),
        ]
    else:
        made.append(File(f"{directory}/networks.yaml", _network_environment(topology, stack, release, directory)))
    if release.nic_templates:
        made += [
            File(f"{directory}/{role}.yaml", nic_template(topology, stack, heat_role))
            for role, heat_role in ROLES.items()
        ]
    return tuple(made)


def environments(release: Release, directory: str) -> List[str]:
    """Paths of the environment files on the undercloud, in the order of -e: the last one wins."""
    ours = ["container-images.yaml" if release.container_cli == "docker" else "containers-prepare.yaml"]
    ours += [] if release.provisioning == METALSMITH else ["networks.yaml"]
    ours += ["overcloud.yaml", "passwords.yaml"]
    return [f"{TEMPLATES}/environments/{name}" for name in release.environments] + [
        f"{directory}/{one}" for one in ours
    ]


def inputs(release: Release, directory: str) -> List[str]:
    """Paths of the files on which a deployment depends, beside its command."""
    paths = [path for path in environments(release, directory) if path.startswith(f"{directory}/")]
    if release.provisioning == METALSMITH:
        paths += [f"{directory}/{name}.yaml" for name in ("network_data", "vip_data", "baremetal_deployment")]
    return paths + ([f"{directory}/{role}.yaml" for role in ROLES] if release.nic_templates else [])


def deploy_argv(release: Release, directory: str) -> List[str]:
    """Deploy the overcloud, or update it."""
    argv = ["openstack", "overcloud", "deploy", "--templates", TEMPLATES, "--stack", STACK, "--libvirt-type", "qemu"]
    argv += ["--timeout", "180", *release.deploy_options]
    if release.provisioning == METALSMITH:
        argv += ["--networks-file", f"{directory}/network_data.yaml", "--vip-file", f"{directory}/vip_data.yaml"]
        argv += ["--baremetal-deployment", f"{directory}/baremetal_deployment.yaml"]
    return argv + [word for path in environments(release, directory) for word in ("-e", path)]


def status_argv(release: Release) -> List[str]:
    """What has become of the overcloud; where Heat runs only while one is deployed, from the client's own record."""
    if release.provisioning == METALSMITH:
        return ["openstack", "overcloud", "status", "--stack", STACK]
    return ["openstack", "stack", "list", "-f", "json"]


def deploying_argv() -> List[str]:
    """Whether a deployment is running; the brackets keep the search from finding itself."""
    return ["pgrep", "-f", "[o]penstack overcloud deploy"]


def status(release: Release, answer: str) -> str:
    """What :func:`status_argv` answered: the state of Heat's stack or of the deployment, empty where there is none."""
    if release.provisioning == METALSMITH:
        found = re.search(r"\b(DEPLOY\w+|UNDEPLOY\w+)\b", answer.replace("Deployment Status", ""))
        return found.group(1) if found else ""
    stacks = json.loads(answer or "[]")
    return next((str(one["Stack Status"]) for one in stacks if one["Stack Name"] == STACK), "")


def must_deploy(state: str, running: bool, changed: bool, unprovisioned: Sequence[str]) -> bool:
    """Whether the overcloud has to be deployed, or deployed again.

    :param state: As :func:`status` gives it.
    :param running: Whether a deployment is running on the undercloud.
    :param changed: Whether its files or its command changed since it was deployed.
    :param unprovisioned: Nodes that carry no system.
    :raises TripleoError: while somebody else is at it.
    """
    if running or state.endswith("_IN_PROGRESS"):
        raise TripleoError([f"The overcloud is being worked on ({state or 'a deployment runs'}): wait for its end."])
    done = state in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DEPLOY_SUCCESS")
    return not done or changed or bool(unprovisioned)


def prepare_argvs(release: Release, registry: str, gateway: str, directory: str) -> List[List[str]]:
    """Bring the containers' images to the undercloud's registry.

    :param gateway: The undercloud's address on the provisioning network, where its registry answers.
    """
    if release.container_cli == "docker":
        images = f"{directory}/images.yaml"
        return [
            [
                "openstack", "overcloud", "container", "image", "prepare",
                "--namespace", f"{registry}/{release.namespace}", "--tag", release.build,
                "--tag-from-label", "rdo_version", "--prefix", release.image_prefix,
                "--push-destination", f"{gateway}:8787",
                *(word for name in release.environments for word in ("-e", f"{TEMPLATES}/environments/{name}")),
                "--output-env-file", f"{directory}/container-images.yaml", "--output-images-file", images,
            ],
            ["openstack", "overcloud", "container", "image", "upload", "--config-file", images],
        ]  # fmt: skip
    argv = ["openstack", "tripleo", "container", "image", "prepare"]
    argv += [word for name in release.environments for word in ("-e", f"{TEMPLATES}/environments/{name}")]
    return [
        [*argv, "-e", f"{directory}/containers-prepare.yaml", "--output-env-file", f"{directory}/container-images.yaml"]
    ]


def _stack(topology: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in topology["stacks"] if one["name"] == name)
    return found


def _of_role(topology: Mapping[str, Any], stack: str, role: str) -> List[Mapping[str, Any]]:
    return [node for node in instackenv.nodes_of(topology, stack) if node["role"] == role]


def _routes(topology: Mapping[str, Any], stack: str) -> List[Dict[str, str]]:
    """Routes of the internal API network to the other stacks and to the stretch network."""
    gateway = _stack(topology, stack)["networks"]["internal_api"]["gateway"]
    node = instackenv.nodes_of(topology, stack)[0]
    return [
        {"destination": route["to"], "nexthop": route["via"]}
        for route in node["routes"]
        if route["to"] != "default" and route["via"] == gateway
    ]


def _parameters(
    topology: Mapping[str, Any], stack: str, release: Release, nameservers: Sequence[str], ntp_server: str
) -> Dict[str, Any]:
    described = _stack(topology, stack)
    entries = [
        f"{node['addresses']['internal_api']} {node['name']}"
        for node in topology["nodes"]
        if "internal_api" in node["addresses"]
    ]
    entries += [f"{node['addresses']['stretch']} {node['name']}" for node in topology["nodes"] if node["stack"] is None]
    for one in topology["stacks"]:
        entries.append(f"{one['vips']['internal_api']} {one['prefix']}overcloud.internalapi")
        entries.append(f"{one['vips']['stretch_galera']} {one['prefix']}stretch-galera.internalapi")
    parameters: Dict[str, Any] = {
        "ControllerCount": len(_of_role(topology, stack, "controller")),
        "ComputeCount": len(_of_role(topology, stack, "compute")),
        "CloudDomain": undercloud.DOMAIN,
        "CloudName": f"{described['prefix']}overcloud.{undercloud.DOMAIN}",
        "CloudNameInternal": f"{described['prefix']}overcloud.internalapi.{undercloud.DOMAIN}",
        "KeystoneRegion": described["region"],
        "NtpServer": [ntp_server],
        "DnsServers": list(nameservers),
        "ExtraHostFileEntries": entries,
        # Members and scripts name a controller as the inventory does.
        "HostnameMap": {
            f"{STACK}-{'novacompute' if node['role'] == 'compute' else node['role']}-{node['index']}": node["name"]
            for node in instackenv.nodes_of(topology, stack)
        },
    }
    if release.provisioning != METALSMITH:
        parameters.update(
            ControllerSchedulerHints={"capabilities:node": "controller-%index%"},
            ComputeSchedulerHints={"capabilities:node": "compute-%index%"},
            OvercloudControllerFlavor="controller",
            OvercloudComputeFlavor="compute",
        )
    parameters.update(release.parameters)
    return parameters


def _passwords(stack: str, release: Release, secrets: Mapping[str, str]) -> Dict[str, Any]:
    """What all stacks must share for one Keystone to serve them, and Keystone's own database's password."""
    values: Dict[str, Any] = {name: secrets[secret(name, stack)] for name in (*release.passwords, "AdminToken")}
    values["KeystoneFernetKeys"] = {
        f"/etc/keystone/fernet-keys/{number}": {"content": secrets[f"tripleo_fernet_{number}"]} for number in (0, 1)
    }
    values.update((f"KeystoneCredential{number}", secrets[f"tripleo_credential_{number}"]) for number in (0, 1))
    return values


def _containers(release: Release, registry: str) -> Dict[str, Any]:
    settings = {
        "namespace": f"{registry}/{release.namespace}",
        "name_prefix": release.image_prefix,
        "tag": release.build,
    }
    return {"parameter_defaults": {"ContainerImagePrepare": [{"push_destination": True, "set": settings}]}}


def _pools(network: ipaddress.IPv4Network) -> List[Dict[str, str]]:
    return [{"start": str(network[_POOL[0]]), "end": str(network[_POOL[1]])}]


def _network_environment(topology: Mapping[str, Any], stack: str, release: Release, directory: str) -> Dict[str, Any]:
    """Networks and addresses where Heat makes the ports."""
    described = _stack(topology, stack)
    cidrs = networks(topology, stack)
    parameters: Dict[str, Any] = {}
    for name, cidr in cidrs.items():
        network = ipaddress.IPv4Network(cidr)
        parameters[f"{_NAMES[name]}NetCidr"] = cidr
        parameters[f"{_NAMES[name]}NetworkVlanID"] = _VLANS[name]
        parameters[f"{_NAMES[name]}AllocationPools"] = _pools(network)
    external = ipaddress.IPv4Network(cidrs["external"])
    parameters["ExternalInterfaceDefaultRoute"] = str(external[1])
    parameters["PublicVirtualFixedIPs"] = [{"ip_address": str(external[_PUBLIC_VIP])}]
    parameters["InternalApiVirtualFixedIPs"] = [{"ip_address": described["vips"]["internal_api"]}]
    registry = {}
    for role, heat_role in ROLES.items():
        nodes = _of_role(topology, stack, role)
        parameters[f"{heat_role}IPs"] = {
            "ctlplane": [node["addresses"]["provisioning"] for node in nodes],
            "internal_api": [node["addresses"]["internal_api"] for node in nodes],
        }
        registry[f"OS::TripleO::{heat_role}::Ports::InternalApiPort"] = (
            f"{TEMPLATES}/network/ports/internal_api_from_pool.yaml"
        )
        if release.nic_templates:
            registry[f"OS::TripleO::{heat_role}::Net::SoftwareConfig"] = f"{directory}/{role}.yaml"
    if release.nic_templates:
        provisioning = described["networks"]["provisioning"]
        parameters.update(
            ControlPlaneSubnetCidr=str(provisioning["prefixlen"]),
            ControlPlaneDefaultRoute=provisioning["gateway"],
            EC2MetadataIp=provisioning["gateway"],
            NeutronExternalNetworkBridge="",
        )
    else:
        parameters["InternalApiInterfaceRoutes"] = _routes(topology, stack)
    return {"resource_registry": registry, "parameter_defaults": parameters}


def _network_data(topology: Mapping[str, Any], stack: str) -> List[Dict[str, Any]]:
    """Networks where they are made before Heat runs."""
    described = []
    for name, cidr in networks(topology, stack).items():
        network = ipaddress.IPv4Network(cidr)
        subnet: Dict[str, Any] = {
            "ip_subnet": cidr,
            "allocation_pools": _pools(network),
            "vlan": _VLANS[name],
        }
        if name == "external":
            subnet["gateway_ip"] = str(network[1])
        if name == "internal_api":
            subnet["routes"] = _routes(topology, stack)
        described.append(
            {
                "name": _NAMES[name],
                "name_lower": name,
                "vip": name != "tenant",
                "mtu": 1500,
                "subnets": {f"{name}_subnet": subnet},
            }
        )
    return described


def _vip_data(topology: Mapping[str, Any], stack: str) -> List[Dict[str, str]]:
    described = _stack(topology, stack)
    fixed = {
        "internal_api": described["vips"]["internal_api"],
        "external": str(ipaddress.IPv4Network(networks(topology, stack)["external"])[_PUBLIC_VIP]),
    }
    name = f"{described['prefix']}overcloud"
    return [
        {"network": network, "dns_name": name, **({"ip_address": fixed[network]} if network in fixed else {})}
        for network in ("ctlplane", *(one for one in _NAMES if one != "tenant"))
    ]


def _baremetal(topology: Mapping[str, Any], stack: str) -> List[Dict[str, Any]]:
    described = []
    for role, heat_role in ROLES.items():
        nodes = _of_role(topology, stack, role)
        if not nodes:
            continue
        default_route = "External" if "external" in _ON[heat_role] else "ControlPlane"
        described.append(
            {
                "name": heat_role,
                "count": len(nodes),
                "defaults": {
                    "network_config": {
                        "template": "templates/single_nic_vlans/single_nic_vlans.j2",
                        "default_route_network": [default_route],
                    }
                },
                "instances": [
                    {
                        "hostname": node["name"],
                        "name": node["name"],
                        "networks": [
                            {"network": "ctlplane", "vif": True, "fixed_ip": node["addresses"]["provisioning"]},
                            *(
                                {
                                    "network": network,
                                    "subnet": f"{network}_subnet",
                                    **(
                                        {"fixed_ip": node["addresses"]["internal_api"]}
                                        if network == "internal_api"
                                        else {}
                                    ),
                                }
                                for network in _ON[heat_role]
                            ),
                        ],
                    }
                    for node in nodes
                ],
            }
        )
    return described


def nic_template(topology: Mapping[str, Any], stack: str, heat_role: str) -> Dict[str, Any]:
    """A Heat template of a role's interfaces: VLANs on one bridge, and the routes to the other stacks."""
    parameters: Dict[str, Any] = {
        "ControlPlaneIp": {"type": "string", "default": ""},
        "ControlPlaneSubnetCidr": {"type": "string", "default": "24"},
        "ControlPlaneDefaultRoute": {"type": "string"},
        "ExternalInterfaceDefaultRoute": {"type": "string", "default": ""},
        # Heat passes this one to each role, whether it has the network or not.
        "ManagementIpSubnet": {"type": "string", "default": ""},
        "DnsServers": {"type": "comma_delimited_list", "default": []},
        "EC2MetadataIp": {"type": "string"},
    }
    for name, title in _NAMES.items():
        parameters[f"{title}IpSubnet"] = {"type": "string", "default": ""}
        parameters[f"{title}NetworkVlanID"] = {"type": "number", "default": _VLANS[name]}
    members: List[Dict[str, Any]] = [{"type": "interface", "name": "nic1", "primary": True}]
    for name in _ON[heat_role]:
        vlan: Dict[str, Any] = {
            "type": "vlan",
            "vlan_id": {"get_param": f"{_NAMES[name]}NetworkVlanID"},
            "addresses": [{"ip_netmask": {"get_param": f"{_NAMES[name]}IpSubnet"}}],
        }
        if name == "external":
            vlan["routes"] = [{"default": True, "next_hop": {"get_param": "ExternalInterfaceDefaultRoute"}}]
        if name == "internal_api":
            vlan["routes"] = [
                {"ip_netmask": route["destination"], "next_hop": route["nexthop"]} for route in _routes(topology, stack)
            ]
        members.append(vlan)
    routes: List[Dict[str, Any]] = [{"ip_netmask": "169.254.169.254/32", "next_hop": {"get_param": "EC2MetadataIp"}}]
    if "external" not in _ON[heat_role]:
        routes.append({"default": True, "next_hop": {"get_param": "ControlPlaneDefaultRoute"}})
    address = {"list_join": ["/", [{"get_param": "ControlPlaneIp"}, {"get_param": "ControlPlaneSubnetCidr"}]]}
    bridge = {
        "type": "ovs_bridge",
        "name": "bridge_name",
        "use_dhcp": False,
        "dns_servers": {"get_param": "DnsServers"},
        "addresses": [{"ip_netmask": address}],
        "routes": routes,
        "members": members,
    }
    script = {
        "str_replace": {
            "template": {"get_file": f"{TEMPLATES}/network/scripts/run-os-net-config.sh"},
            "params": {"$network_config": {"network_config": [bridge]}},
        }
    }
    return {
        "heat_template_version": "queens",
        "description": f"Interfaces of {heat_role}",
        "parameters": parameters,
        "resources": {
            "OsNetConfigImpl": {
                "type": "OS::Heat::SoftwareConfig",
                "properties": {"group": "script", "config": script},
            }
        },
        "outputs": {"OS::stack_id": {"description": "The interfaces", "value": {"get_resource": "OsNetConfigImpl"}}},
    }
