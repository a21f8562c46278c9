# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_engine
short_description: Podman set up to run the lab's nodes on this host
version_added: 0.1.0
author: The stretch.cluster developers (@stretch-cluster)
description:
  - Detects what keeps systemd nodes, and containers inside them, from running on this host, and makes a podman
    wrapper and a C(containers.conf) that work around just what was found.
  - On a host whose C(/sys/fs/cgroup) is not plain cgroup v2 the wrapper enters a persistent mount namespace with a
    cgroup2 mount of its own; the host's own mounts stay as they are.
  - Starts a container to prove that the engine works.
options:
  directory:
    description: Absolute path of the directory for the wrapper (C(podman)) and its C(containers.conf).
    type: path
    required: true
  namespace_directory:
    description: Absolute path of the directory, on a file system that a reboot empties, for the mount namespace.
    type: path
    default: /run/stretch-cluster-lab
  state:
    description: V(absent) removes the mount namespace and the files.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Changes nothing in check mode.
  diff_mode:
    support: full
    description: Shows the files' changes in diff mode.
"""

EXAMPLES = r"""
- name: Set up the lab's podman
  stretch.cluster.lab_engine:
    directory: /home/me/.stretch/lab
  register: engine

- name: List the nodes
  ansible.builtin.command:
    argv: ["{{ engine.podman }}", ps]
  changed_when: false
"""

RETURN = r"""
podman:
  description: Path of the wrapper.
  type: str
  returned: always
quirks:
  description: What was found on this host and worked around.
  type: list
  elements: str
  returned: when O(state=present)
"""

import os
import resource
import shutil
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stretch.cluster.plugins.module_utils import lab_engine as engine
from ansible_collections.stretch.cluster.plugins.module_utils.atomic import write_file

# umount -l where a nested mount is busy; /run/netns is shared so that network namespaces made
# inside are seen by every later call, and bound to itself where nothing is mounted there yet.
_PREPARE = (
    "umount -R /sys/fs/cgroup || umount -l /sys/fs/cgroup; "
    "mount -t cgroup2 none /sys/fs/cgroup && "
    "{ mountpoint -q /run/netns || mount --bind /run/netns /run/netns; } && mount --make-rshared /run/netns"
)


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def load_host() -> engine.Host:
    nofile = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    nproc = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return engine.Host(
        cgroup_fstype=engine.cgroup_fstype(read("/proc/self/mounts")),
        capabilities=engine.effective_capabilities(read("/proc/self/status")),
        nofile=nofile,
        nproc=nproc,
    )


def namespace_works(module: AnsibleModule, namespace: str) -> bool:
    if not os.path.exists(namespace):
        return False
    rc, out, _err = module.run_command(
        ["nsenter", "--mount=" + namespace, "stat", "--file-system", "--format=%T", "/sys/fs/cgroup"]
    )
    return bool(rc == 0 and out.strip() == "cgroup2fs")


def run(module: AnsibleModule, argv: list[str], what: str) -> None:
    rc, out, err = module.run_command(argv)
    if rc != 0:
        raise engine.EngineError(f"{what} failed: {(err or out).strip()}")


def make_namespace(module: AnsibleModule, directory: str, namespace: str) -> None:
    remove_namespace(module, directory, namespace)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    os.makedirs("/run/netns", mode=0o755, exist_ok=True)
    run(module, ["mount", "--bind", directory, directory], "binding the namespace's directory")
    run(module, ["mount", "--make-private", directory], "making the namespace's directory private")
    with open(namespace, "w", encoding="utf-8"):
        pass
    run(
        module,
        ["unshare", "--mount=" + namespace, "--propagation", "slave", "sh", "-c", _PREPARE],
        "making a mount namespace with cgroup2",
    )


def remove_namespace(module: AnsibleModule, directory: str, namespace: str) -> None:
    # Each may be absent or half made after an interrupted run: what is not mounted needs no unmount.
    mounts = [line.split()[1] for line in read("/proc/self/mounts").splitlines()]
    for path in [mount for mount in reversed(mounts) if mount in (namespace, directory)]:
        run(module, ["umount", path], f"unmounting {path}")
    if os.path.isdir(directory):
        shutil.rmtree(directory)


def write(module: AnsibleModule, path: str, content: str, mode: int) -> dict[str, str]:
    before = read(path)
    if before == content:
        return {}
    if not module.check_mode:
        write_file(path, content.encode(), module.atomic_move, mode)
    return {"before": before, "after": content, "before_header": path, "after_header": path}


def prove(module: AnsibleModule, podman: str) -> None:
    """Start a container with one static program in it: ldconfig is static in every glibc distribution."""
    ldconfig = next((path for path in ("/sbin/ldconfig.real", "/sbin/ldconfig") if os.path.exists(path)), None)
    if ldconfig is None:
        raise engine.EngineError("no /sbin/ldconfig on this host: it is needed to try the container engine")
    with tempfile.TemporaryDirectory() as root:
        shutil.copy(ldconfig, os.path.join(root, "ldconfig"))
        argv = [podman, "run", "--rm", "--privileged", "--network", "none", "--rootfs", root, "/ldconfig", "-V"]
        rc, out, err = module.run_command(argv)
    if rc != 0:
        raise engine.EngineError(
            f"podman cannot start containers on this host: {err.strip() or out.strip()}. The lab needs root with "
            "CAP_SYS_ADMIN, cgroup v2 and overlayfs; inside a container give it --privileged, or use another host."
        )


def ensure(module: AnsibleModule) -> dict[str, Any]:
    directory, namespace_directory = module.params["directory"], module.params["namespace_directory"]
    namespace = os.path.join(namespace_directory, "mnt")
    podman = os.path.join(directory, "podman")
    plan = engine.plan(load_host(), directory, namespace)
    changed = False
    if not os.path.isdir(directory):
        changed = True
        if not module.check_mode:
            os.makedirs(directory, mode=0o755)
    diffs = [
        write(module, os.path.join(directory, "containers.conf"), plan.containers_conf, 0o644),
        write(module, podman, plan.wrapper, 0o755),
    ]
    if plan.private_cgroup and not namespace_works(module, namespace):
        changed = True
        if not module.check_mode:
            make_namespace(module, namespace_directory, namespace)
    changed = changed or any(diffs)
    if not (changed and module.check_mode):
        prove(module, podman)
    return {"changed": changed, "podman": podman, "quirks": list(plan.quirks), "diff": [diff for diff in diffs if diff]}


def remove(module: AnsibleModule) -> dict[str, Any]:
    directory, namespace_directory = module.params["directory"], module.params["namespace_directory"]
    paths = [directory, namespace_directory]
    changed = any(os.path.exists(path) for path in paths)
    if changed and not module.check_mode:
        remove_namespace(module, namespace_directory, os.path.join(namespace_directory, "mnt"))
        shutil.rmtree(directory, ignore_errors=True)
    return {"changed": changed, "podman": os.path.join(directory, "podman")}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "namespace_directory": {"type": "path", "default": "/run/stretch-cluster-lab"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module) if module.params["state"] == "present" else remove(module)
    except (engine.EngineError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
