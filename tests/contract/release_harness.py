# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release of TripleO has against the commands and files of a deployment, asked of its real packages."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.stretch.cluster.plugins.module_utils.tripleo import overcloud
from contract_harness import HERE, Asked, Packages, RefusedError, run
from deployment_harness import DIRECTORY

# What every deployment begins with.
TEMPLATE = "overcloud.yaml"
REGISTRY = "overcloud-resource-registry-puppet.yaml"
WHAT = {"parameter_defaults": "parameter", "resource_registry": "resource"}


class Release:
    """The real packages of a release, and a process that asks them; ``directory`` takes the undercloud's files."""

    def __init__(self, packages: Packages, directory: Path) -> None:
        self.packages = packages
        self.place = packages.installed()
        self.directory = directory
        self.resolved: dict[tuple[str, ...], dict[str, Any]] = {}
        self.python = self.place / "venv/bin/python"
        # Options of the process's user, as openstack's clients have them, are of no interest.
        self.asked = Asked([self.python, HERE / "real_release_harness.py"], directory / "log", HOME=str(directory))

    def ask(self, ask: str, **question: Any) -> dict[str, Any]:
        """Ask; what is refused is raised."""
        return self.asked(ask, **question)

    def templates(self, files: dict[str, Any]) -> Path:
        """The templates as the deployment has them, which depends on its networks; made once for each."""
        network_data = files.get(f"{DIRECTORY}/network_data.yaml")
        text = "" if network_data is None else yaml.safe_dump(network_data)
        made = self.place / f"templates-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        with made.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (made / "done").exists():
                networks = made.with_suffix(".yaml")
                networks.write_text(text)
                command = [self.python, "tools/process-templates.py", "--output-dir", made]
                run([*command, *(["--network-data", networks] if text else [])], cwd=self.place / "templates")
                (made / "declared").write_text(json.dumps(_declared(made)))
                (made / "done").touch()
        return made

    def written(self, files: dict[str, Any]) -> Path:
        """Write the files of an undercloud, where the release's own templates stand for those that it has."""
        text = {path: yaml.safe_dump(content) for path, content in files.items()}
        home = self.directory / hashlib.sha256(repr(sorted(text.items())).encode()).hexdigest()[:12]
        for path, content in text.items():
            place = Path(self._here(path, home, files))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self._here(content, home, files))
        return home

    def _here(self, text: str, home: Path, files: dict[str, Any]) -> str:
        return text.replace(overcloud.TEMPLATES, str(self.templates(files))).replace(DIRECTORY, str(home))

    def command_problems(self, commands: list[list[str]], files: dict[str, Any]) -> list[str]:
        """What the parsers do not take; some open the files that they are given."""
        home = self.written(files)
        words = [[self._here(word, home, files) for word in argv[1:]] for argv in commands]
        return [problem for argv in words for problem in self._refusal("parse", argv=argv)]

    def _refusal(self, ask: str, **question: Any) -> list[str]:
        try:
            self.ask(ask, **question)
        except RefusedError as error:
            return [f"{self.packages.name}: {question}: {error}"]
        return []

    def deploy_problems(self, argv: list[str], files: dict[str, Any]) -> list[str]:
        """What overcloud deploy has against its command line before it begins."""
        home = self.written(files)
        return self._refusal("deploy", argv=[self._here(word, home, files) for word in argv[1:]])

    def undercloud(self, conf: str) -> dict[str, Any]:
        """What the installer of the undercloud reads in its configuration; what it refuses is raised."""
        path = self.directory / "undercloud.conf"
        path.write_text(conf)
        return self.ask("undercloud", path=str(path))

    def environments(self, paths: list[str], files: dict[str, Any]) -> dict[str, Any]:
        """What the environments come to; what cannot be resolved is raised."""
        home, templates = self.written(files), self.templates(files)
        environments = [str(templates / REGISTRY), *(self._here(path, home, files) for path in paths)]
        key = tuple(environments)
        if key not in self.resolved:
            template = str(templates / TEMPLATE)
            self.resolved[key] = self.ask("environments", environments=environments, template=template)
        return self.resolved[key]

    def environment_problems(self, paths: list[str], files: dict[str, Any]) -> list[str]:
        """Files that are not there, and parameters and resources that no template which is used would take."""
        try:
            merged = self.environments(paths, files)
        except RefusedError as error:
            return [str(error)]
        templates, declared = self.templates(files), self._declared(files)
        # Among them are templates of our own.
        used_ = [*merged["files"], str(templates / TEMPLATE)]
        used = {name for path in used_ for name in (declared[path] if path in declared else _parameters(Path(path)))}
        # Services that this deployment leaves out have users in the one Keystone all the same, where others have them.
        passwords = {name for names in declared.values() for name in names if name.endswith("Password")}
        known = {
            "parameter_defaults": used | passwords,
            "resource_registry": set(load(templates / REGISTRY)["resource_registry"]),
        }
        return [
            f"{self.packages.name}: no template has the {WHAT[section]} {name}"
            for path in paths
            for section, names in known.items()
            for name in files.get(path, {}).get(section, {})
            if name not in names
        ]

    def password_problems(self, paths: list[str], files: dict[str, Any]) -> list[str]:
        """Passwords with which services log in at the one Keystone, and which the stacks do not share."""
        merged = self.environments(paths, files)
        shared = {
            name
            for path in paths
            if path in files
            for name in files[path].get("parameter_defaults", {})
            if isinstance(files[path]["parameter_defaults"][name], str)
        }
        wanted = {
            name
            for role in load(self.templates(files) / "roles_data.yaml")
            if role["name"] in overcloud.ROLES.values()
            for service in role["ServicesDefault"]
            for name in self._logins(merged["resources"].get(service, ""))
        }
        if "NovaPassword" not in wanted:
            return [f"{self.packages.name}: no service logs in, so this looks in the wrong place"]
        return [f"{self.packages.name}: the stacks do not share {name}" for name in sorted(wanted - shared)]

    def _declared(self, files: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.templates(files) / "declared").read_text())
        return found

    def _logins(self, template: str) -> Iterator[str]:
        """Parameters of a service's template, and of those that it is made of, with passwords of Keystone's users."""
        path = Path(template.removeprefix("file://"))
        if path.suffix != ".yaml" or not path.is_file():
            return
        content = load(path)
        yield from _passwords(content.get("outputs", {}))
        for resource in content.get("resources", {}).values():
            if str(resource["type"]).endswith(".yaml"):
                yield from self._logins(str((path.parent / resource["type"]).resolve()))


@functools.cache
def load(path: Path) -> Any:
    """Read YAML, in C where that can: these are many large files."""
    text = path.read_text()
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.scanner.ScannerError:
        return yaml.safe_load(text)


def _declared(directory: Path) -> dict[str, list[str]]:
    """The parameters that each template below a directory declares."""
    return {str(path): _parameters(path) for path in directory.rglob("*.yaml") if ".j2." not in path.name}


def _parameters(path: Path) -> list[str]:
    """The parameters that a file declares, if it is a template."""
    return list(load(path).get("parameters") or {}) if "heat_template_version" in path.read_text() else []


def _passwords(content: Any) -> Iterator[str]:
    """Walk through what a service leaves for Puppet or Ansible to make users of."""
    if isinstance(content, list):
        for item in content:
            yield from _passwords(item)
    if isinstance(content, dict):
        for key, value in content.items():
            if str(key).endswith("::keystone::auth::password"):
                yield value["get_param"]
            if key == "keystone_resources":
                yield from _users(value)
            yield from _passwords(value)


def _users(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "password":
                yield value["get_param"]
            yield from _users(value)
