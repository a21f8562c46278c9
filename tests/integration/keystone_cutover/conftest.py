# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two regions with a Keystone each, and a server for the merged database that encrypts."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path += [
    str(ROOT / name)
    for name in (
        "tests/integration/keystone_merge",
        "tests/integration/haproxy_gate",
        "tools",
        "roles/stretch_drill/files",
    )
]
from cutover_servers import Memcached, Region, certificates, key
from haproxy_servers import HAProxy, free_port, haproxy_program
from merge_servers import MariaDB, fresh_schema
from site_servers import SECTION, Controller, Sites, Stack


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cutover")


@pytest.fixture(scope="module")
def stretched(directory: Path) -> Iterator[MariaDB]:
    """Run the server of the merged database."""
    tls = directory / "tls"
    certificates(tls)
    with MariaDB(directory / "stretched").running(
        f"--ssl-ca={tls / 'ca.pem'}", f"--ssl-cert={tls / 'server.pem'}", f"--ssl-key={tls / 'server.key'}"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def own(directory: Path) -> Iterator[MariaDB]:
    """Run the server that holds the regions' own databases."""
    with MariaDB(directory / "own").running() as server:
        yield server


@pytest.fixture(scope="module")
def schema(directory: Path, own: MariaDB) -> bytes:
    """Return the database of a Keystone without anything in it."""
    return fresh_schema(directory / "fresh", own)


@pytest.fixture(scope="module")
def regions(directory: Path, own: MariaDB, stretched: MariaDB, schema: bytes) -> Iterator[dict[str, Region]]:
    """Run the regions' Keystones; the second never had credential keys, and the first rotated once."""
    found = {name: Region(name, directory / name, own, admin=f"admin of {name}") for name in ("stack1", "stack2")}
    try:
        for region in found.values():
            own.load(region.name, schema)
            keys = {"fernet": [key() for _each in range(2)]}
            if region.name == "stack1":
                keys = {"fernet": [key() for _each in range(3)], "credential": [key() for _each in range(2)]}
            region.configure(**keys)
            shutil.copy(directory / "tls/ca.pem", region.host / "stretch-ca.pem")
        yield found
    finally:
        for region in found.values():
            region.stop()


@pytest.fixture(scope="module")
def memcached() -> Iterator[Memcached]:
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(Memcached.running())


def stack_of(directory: Path, own: MariaDB, number: int) -> Stack:
    """Describe a region of two controllers."""
    # As everywhere, HAProxy has the port of Keystone on another address.
    name, port = f"stack{number}", free_port(f"127.0.{number}.11")
    addresses = [f"127.0.{number}.11", f"127.0.{number}.12"]
    servers = "\n".join(f"  server c{index} {one}:{port} check inter 500" for index, one in enumerate(addresses))
    controllers = []
    for index, address in enumerate(addresses):
        host, vip = f"s{number}controller-{index}", f"127.0.{number}.{5 + index}"
        region = Region(host, directory / host, own, f"admin of {name}", port, address, name)
        haproxy = HAProxy(directory / host / "haproxy", SECTION.format(vip=vip, port=port, servers=servers))
        controllers.append(Controller(host, index, region, vip, haproxy))
    return Stack(name, number, controllers, port)


@pytest.fixture(scope="module")
def sites(directory: Path, own: MariaDB, stretched: MariaDB, schema: bytes, memcached: Memcached) -> Iterator[Sites]:
    """Run two regions, and those who make load in them."""
    if haproxy_program() is None:
        pytest.skip("haproxy is not there (tools/servers)")
    (directory / "state").mkdir()
    found = Sites(directory, [stack_of(directory, own, number) for number in (1, 2)], stretched, memcached)
    with contextlib.ExitStack() as stack:
        stack.callback(found.close)
        for one in found.stacks:
            own.load(one.name, schema)
            keys = {kind: [key() for _each in range(2)] for kind in ("fernet", "credential")}
            for controller in one.controllers:
                controller.keystone.configure(**keys)
                shutil.copy(directory / "tls/ca.pem", controller.keystone.host / "stretch-ca.pem")
            one.controllers[0].keystone.bootstrap()
            one.controllers[1].keystone.restart()
            for controller in one.controllers:
                stack.enter_context(controller.haproxy.running())
                found.before[controller.name] = controller.haproxy.config.read_bytes()
            one.ready()
            one.make_tenant()
        yield found
