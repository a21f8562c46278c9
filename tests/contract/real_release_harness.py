# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the real packages of one release of TripleO, in their own Python (3.6 or newer).

Reads a question a line on standard input, ``{"ask": NAME, ...}`` in JSON, and answers each with a line:
``{"answer": ...}``, or ``{"refused": MESSAGE}`` where the release does not take what it was given.
"""
# ruff: noqa: FA100, PLC0415  # Python 3.6 has no postponed annotations; which packages there are depends on the release

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import logging
import os
import sys
from typing import Any, Dict, Iterator, List
from unittest import mock

import pkg_resources

Answer = Dict[str, Any]


class RefusedError(Exception):
    """The release does not take it; the message is its own."""


def commands() -> Dict[str, Any]:
    """All commands that ``openstack`` has there: words joined by underscores, to the entry point of the newest API."""
    found = {}
    for group in sorted({group for dist in pkg_resources.working_set for group in dist.get_entry_map()}):
        if group.startswith("openstack."):
            for entry in pkg_resources.iter_entry_points(group):
                found[entry.name] = entry
    return found


COMMANDS = commands()


@contextlib.contextmanager
def strictly() -> Iterator[None]:
    """Let no parser leave the program, and none guess what a shortened option means."""
    original = argparse.ArgumentParser.__init__

    def initialise(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        kwargs["allow_abbrev"] = False
        original(self, *args, **kwargs)

    def error(_self: argparse.ArgumentParser, message: str) -> None:
        raise RefusedError(message)

    with mock.patch.object(argparse.ArgumentParser, "__init__", initialise), mock.patch.object(
        argparse.ArgumentParser, "error", error
    ), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def parse(argv: List[str]) -> Any:
    """Parse a command line, without its first word, by the release's own parser."""
    words = next((n for n in range(len(argv), 0, -1) if "_".join(argv[:n]).replace("-", "_") in COMMANDS), 0)
    if words == 0:
        raise RefusedError("openstack has no command " + " ".join(argv[:4]))
    entry = COMMANDS["_".join(argv[:words]).replace("-", "_")]
    command = entry.resolve()(mock.MagicMock(), None)
    with strictly():
        return command, command.get_parser("openstack").parse_args(argv[words:])


def ask_parse(argv: List[str]) -> Answer:
    """Give what the release understands of a command line."""
    _command, parsed = parse(argv)
    return {
        key: value if isinstance(value, (str, int, bool, list)) else str(value) for key, value in vars(parsed).items()
    }


def ask_deploy(argv: List[str]) -> Answer:
    """Check a command line of overcloud deploy as the command itself does before it begins: files that it names too."""
    command, parsed = parse(argv)
    try:
        command._validate_args(parsed)
    except Exception as error:  # each release raises another kind
        raise RefusedError(type(error).__name__ + ": " + str(error)) from error
    return {"environments": parsed.environment_files}


def ask_nodes(nodes: List[Any]) -> Answer:
    """Check what instackenv.json holds."""
    from tripleo_common.utils import nodes as checks

    try:
        checks.validate_nodes(nodes)
    except Exception as error:
        raise RefusedError(type(error).__name__ + ": " + str(error)) from error
    return {}


def ask_undercloud(path: str) -> Answer:
    """Read an undercloud.conf as the installer does, and check it as the installer does before it begins."""
    try:
        module = importlib.import_module("instack_undercloud.undercloud")
    except ImportError:
        module = importlib.import_module("tripleoclient.v1.undercloud_config")
    # It has one only once it writes to its log file.
    module.LOG = logging.getLogger("undercloud")
    conf = module.CONF
    conf.reset()
    try:
        conf(["--config-file", path], default_config_files=[], default_config_dirs=[])
        module._load_subnets_config_groups()
        conf(["--config-file", path], default_config_files=[], default_config_dirs=[])
        _refuse_unknown(conf)
        values = {name: conf[name] for name in conf if not hasattr(conf[name], "items")}
        values.update({conf.local_subnet + "." + name: value for name, value in conf[conf.local_subnet].items()})
        _check_undercloud(module, conf)
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(type(error).__name__ + ": " + str(error)) from error
    return {name: value if isinstance(value, (str, int, bool, list)) else str(value) for name, value in values.items()}


def _refuse_unknown(conf: Any) -> None:
    """Refuse what no option is for, which oslo.config itself passes over."""
    for parsed in conf._namespace._parsed:
        for section, given in parsed.items():
            group = conf if section == "DEFAULT" else conf._groups.get(section)
            options = [] if group is None else [described["opt"] for described in group._opts.values()]
            known = {name for option in options for name in (option.name, option.dest)}
            known.update(old.name for option in options for old in option.deprecated_opts)
            unknown = sorted(set(given) - known)
            if unknown:
                raise RefusedError("[{}] has no {}".format(section, ", ".join(unknown)))


def _check_undercloud(module: Any, conf: Any) -> None:
    """Queens' installer and the later ones check the same in other ways."""
    if hasattr(module, "_validate_network"):
        # The interface is one of the undercloud.
        with mock.patch("netifaces.interfaces", return_value=[conf.local_interface]):
            module._validate_network()
        return
    preflight = module.undercloud_preflight
    preflight._validate_ips()
    preflight._validate_value_formats()
    for subnet in conf.subnets:
        preflight._validate_in_cidr(conf[subnet], subnet)
        preflight._validate_dhcp_range(conf[subnet], subnet)
        preflight._validate_inspection_range(conf[subnet])


def ask_environments(environments: List[str], template: str) -> Answer:
    """Resolve environments as the client does: every file that one names has to be there."""
    from heatclient.common import template_utils

    try:
        files, merged = template_utils.process_multiple_environments_and_files(env_paths=environments)
        more, _template = template_utils.get_template_contents(template_file=template)
    except Exception as error:
        raise RefusedError(type(error).__name__ + ": " + str(error)) from error
    return {
        "files": sorted(name[len("file://") :] for name in {**files, **more}),
        "parameters": merged.get("parameter_defaults", {}),
        "resources": {
            name: str(kind) for name, kind in merged.get("resource_registry", {}).items() if name != "resources"
        },
    }


def ask_network_config(config: List[Any]) -> Answer:
    """Check what os-net-config is given."""
    from os_net_config import validator

    errors = validator.validate_config(config)
    if errors:
        raise RefusedError("; ".join(errors))
    return {}


def ask_networks(networks: List[Any]) -> Answer:
    """Check what networks are made from before Heat runs."""
    errors = [error for network in networks for error in _share("network_data_v2").validate_json_schema(network)]
    if errors:
        raise RefusedError("; ".join(errors))
    return {}


def ask_machines(roles: List[Any]) -> Answer:
    """Expand what nodes are deployed from before Heat runs, and find the templates of their interfaces."""
    try:
        instances, environment, _unprovisioned = _share("baremetal_deploy").expand(
            roles, "overcloud", default_image={"href": "overcloud-full"}
        )[:3]
    except Exception as error:
        raise RefusedError(type(error).__name__ + ": " + str(error)) from error
    templates = os.path.join(sys.prefix, "share/ansible/roles/tripleo_network_config")
    for instance in instances:
        template = instance["network_config"]["template"]
        if not os.path.isfile(os.path.join(templates, template)):
            raise RefusedError("tripleo_network_config has no " + template)
    return {"instances": instances, "environment": environment}


def _share(name: str) -> Any:
    """A module of tripleo-ansible, which it installs for Ansible to find."""
    path = os.path.join(sys.prefix, "share/ansible/plugins/module_utils", name + ".py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


QUESTIONS = {name[len("ask_") :]: function for name, function in list(globals().items()) if name.startswith("ask_")}


def main() -> None:
    """Answer until there are no more questions."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Whatever the packages print is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"answer": QUESTIONS[question.pop("ask")](**question)}
        except RefusedError as refused:
            answer = {"refused": str(refused)}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
