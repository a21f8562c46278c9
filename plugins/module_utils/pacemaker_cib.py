# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wanted Pacemaker configuration against the live one (the CIB), both as XML.

Ids are those that pcs would give, so that what pcs or TripleO made before is recognised.
"""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

KEPT_META = ("target-role", "is-managed", "maintenance")
"""Meta attributes with which an operator stops a resource or takes it over: they stay unless they are wanted."""

_NC_NAME = re.compile(r"^[A-Za-z_][\w.-]*$")
_AGENT = re.compile(r"^(?:ocf:(?P<provider>[^:]+):(?P<ocf_type>[^:]+)|(?P<class>(?!ocf:)[^:]+):(?P<type>[^:]+))$")
_RESOURCES = ("primitive", "bundle", "clone", "master", "group", "template")
_REFERENCES = ("rsc", "with-rsc", "first", "then")
_ANY_ORDER = ("primitive", "bundle", "clone", "master")
_SET_ORDER = {"nvpair": "name", "op": "id", "storage-mapping": "id"}


class CibError(Exception):
    """The wanted configuration is wrong, or does not fit the live one."""


@dataclass(frozen=True)
class Change:
    """One element that differs: ``action`` is ``create``, ``update`` or ``remove``; XML texts for the diff."""

    id: str
    action: str
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """The live configuration and the one to be, without the status section, and what differs between them."""

    live: str
    wanted: str
    changes: tuple[Change, ...]


def text(value: Any) -> str:
    """Return a scalar as Pacemaker writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise CibError(f"{value!r} is no text, number or truth value")


def parse(xml: str) -> ET.Element:
    """Return the CIB of ``cibadmin --query`` without its status section."""
    try:
        root = ET.fromstring(xml)  # noqa: S314 - the cluster's own answer
    except ET.ParseError as error:
        raise CibError(f"the CIB is no XML: {error}") from error
    if root.tag != "cib" or root.find("configuration") is None:
        raise CibError(f"expected a cib element with a configuration, not <{root.tag}>")
    for status in root.findall("status"):
        root.remove(status)
    return root


def schema_version(root: ET.Element) -> tuple[int, ...]:
    """Return the version of the CIB's schema, as (3, 9); a schema without a number counts as the newest."""
    match = re.match(r"^pacemaker-(\d+)\.(\d+)$", root.get("validate-with", ""))
    return (int(match.group(1)), int(match.group(2))) if match else (99, 0)


# Building wanted elements


def _element(tag: str, attributes: Mapping[str, Any]) -> ET.Element:
    return ET.Element(tag, {key: text(value) for key, value in attributes.items() if value is not None})


def _identifier(name: Any) -> str:
    if not isinstance(name, str) or not _NC_NAME.match(name):
        raise CibError(f"{name!r} cannot be an id in Pacemaker: a letter or _ first, then letters, digits, _ . -")
    return name


def nvset(tag: str, identifier: str, values: Mapping[str, Any]) -> ET.Element:
    """Return a set of name-value pairs, such as ``meta_attributes``."""
    element = _element(tag, {"id": identifier})
    for name, value in sorted(values.items()):
        if value is not None:
            element.append(_element("nvpair", {"id": _pair_id(identifier, name), "name": name, "value": value}))
    return element


def _pair_id(identifier: str, name: str) -> str:
    return _identifier(f"{identifier}-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}")


def primitive(item: Mapping[str, Any]) -> ET.Element:
    """Return a ``primitive`` element: agent, instance attributes, meta attributes, operations."""
    name = _identifier(item["name"])
    agent = _AGENT.match(str(item["agent"]))
    if not agent:
        raise CibError(
            f"resource {name}: {item['agent']!r} is no agent; write ocf:PROVIDER:TYPE, or CLASS:TYPE for other classes"
        )
    element = _element(
        "primitive",
        {
            "id": name,
            "class": "ocf" if agent.group("provider") else agent.group("class"),
            "provider": agent.group("provider"),
            "type": agent.group("type") or agent.group("ocf_type"),
        },
    )
    if item.get("attributes"):
        element.append(nvset("instance_attributes", f"{name}-instance_attributes", item["attributes"]))
    if item.get("meta"):
        element.append(nvset("meta_attributes", f"{name}-meta_attributes", item["meta"]))
    if item.get("operations"):
        operations = ET.SubElement(element, "operations")
        for operation in item["operations"]:
            interval = text(operation.get("interval") or "0s")
            operations.append(
                _element(
                    "op",
                    {
                        "id": _identifier(f"{name}-{operation['name']}-interval-{interval}"),
                        "name": operation["name"],
                        "interval": interval,
                        "timeout": operation.get("timeout"),
                        "on-fail": operation.get("on_fail"),
                        "role": operation.get("role"),
                    },
                )
            )
    return element


def bundle(item: Mapping[str, Any], schema: tuple[int, ...]) -> ET.Element:
    """Return a ``bundle`` element. Before schema 3.0, Pacemaker 1.1, ``promoted-max`` was called ``masters``."""
    name = _identifier(item["name"])
    if item.get("primitive") and item.get("control_port") is None:
        raise CibError(f"bundle {name}: a primitive needs control_port, by which Pacemaker reaches into the container")
    element = _element("bundle", {"id": name})
    element.append(
        _element(
            item["container"],
            {
                "image": item["image"],
                "replicas": item.get("replicas"),
                "promoted-max" if schema >= (3, 0) else "masters": item.get("promoted_max"),
                "options": item.get("options"),
                "run-command": item.get("run_command"),
                "network": item.get("network"),
            },
        )
    )
    if item.get("control_port") is not None:
        element.append(_element("network", {"control-port": item["control_port"]}))
    if item.get("storage"):
        storage = ET.SubElement(element, "storage")
        for number, mapping in enumerate(item["storage"]):
            suffix = f"-{number}" if number else ""
            storage.append(
                _element(
                    "storage-mapping",
                    {
                        "id": _identifier(mapping.get("id") or f"{name}-storage-map{suffix}"),
                        "source-dir": mapping["source"],
                        "target-dir": mapping["target"],
                        "options": mapping.get("options"),
                    },
                )
            )
    if item.get("primitive"):
        element.append(primitive(item["primitive"]))
    if item.get("meta"):
        element.append(nvset("meta_attributes", f"{name}-meta_attributes", item["meta"]))
    return element


def clone(item: Mapping[str, Any], schema: tuple[int, ...]) -> ET.Element:
    """Return a ``clone`` of a resource that can be promoted; before schema 3.0, Pacemaker 1.1, it is a ``master``."""
    name = _identifier(item["name"])
    modern = schema >= (3, 0)
    element = _element("clone" if modern else "master", {"id": name})
    element.append(primitive(item["primitive"]))
    limits = {"clone-max": item["clone_max"], "promoted-max" if modern else "master-max": item["clone_max"]}
    meta = {**(item.get("meta") or {}), **limits, **({"promotable": True} if modern else {})}
    element.append(nvset("meta_attributes", f"{name}-meta_attributes", meta))
    return element


def location(item: Mapping[str, Any]) -> ET.Element:
    """Return a ``rsc_location``: the resource runs where a node attribute has a value, as TripleO writes it."""
    identifier = _identifier(item.get("id") or f"location-{item['resource']}")
    element = _element(
        "rsc_location",
        {
            "id": identifier,
            "rsc": item["resource"],
            "resource-discovery": item.get("resource_discovery"),
        },
    )
    rule = _element("rule", {"id": f"{identifier}-rule", "score": item.get("score", 0)})
    rule.append(
        _element(
            "expression",
            {
                "id": f"{identifier}-rule-expr",
                "attribute": item["attribute"],
                "operation": item.get("operation", "eq"),
                "value": item.get("value", "true"),
            },
        )
    )
    element.append(rule)
    return element


def order(item: Mapping[str, Any]) -> ET.Element:
    """Return a ``rsc_order``."""
    kind = item.get("kind")
    return _element(
        "rsc_order",
        {
            "id": _identifier(f"order-{item['first']}-{item['then']}-{kind or 'mandatory'}"),
            "first": item["first"],
            "first-action": item.get("first_action", "start"),
            "then": item["then"],
            "then-action": item.get("then_action", "start"),
            "kind": kind,
            "symmetrical": item.get("symmetrical"),
        },
    )


def colocation(item: Mapping[str, Any]) -> ET.Element:
    """Return a ``rsc_colocation``."""
    score = text(item.get("score", "INFINITY"))
    return _element(
        "rsc_colocation",
        {
            "id": _identifier(f"colocation-{item['resource']}-{item['with_resource']}-{score}"),
            "rsc": item["resource"],
            "with-rsc": item["with_resource"],
            "score": score,
        },
    )


# Comparing


def canonical(element: ET.Element) -> tuple[Any, ...]:
    """Return what tells an element from another: order matters neither for attributes nor for sets of pairs."""
    children = [canonical(child) for child in element]
    if not children or all(child[0] in _SET_ORDER for child in children) or element.tag in _ANY_ORDER:
        children.sort(key=repr)
    return (element.tag, tuple(sorted(element.attrib.items())), tuple(children))


def show(element: ET.Element | None) -> str:
    """Return an element as indented XML, its id first, or nothing for ``None``."""
    return "" if element is None else "".join(_lines(element, 0))


def _lines(element: ET.Element, level: int) -> Iterator[str]:
    attributes = sorted(element.attrib.items(), key=lambda pair: (pair[0] != "id", pair[0]))
    shell = ET.Element(element.tag, dict(attributes))
    empty = ET.tostring(shell, encoding="unicode")
    if not len(element):
        yield "  " * level + empty + "\n"
        return
    yield "  " * level + empty[: -len(" />")] + ">\n"
    for child in sorted(element, key=lambda one: one.get(_SET_ORDER[one.tag], "") if one.tag in _SET_ORDER else ""):
        yield from _lines(child, level + 1)
    yield "  " * level + f"</{element.tag}>\n"


class _Editor:
    """A copy of the live configuration under change."""

    def __init__(self, live: ET.Element) -> None:
        self.root = copy.deepcopy(live)
        self.changes: list[Change] = []
        configuration = self.root.find("configuration")
        if configuration is None:
            raise CibError("the CIB has no configuration")
        self.configuration = configuration

    def section(self, name: str) -> ET.Element:
        found = self.configuration.find(name)
        return ET.SubElement(self.configuration, name) if found is None else found

    def parents(self) -> Iterator[tuple[ET.Element, ET.Element]]:
        """Yield each element of the configuration with its parent."""
        for parent in self.configuration.iter():
            for child in list(parent):
                yield parent, child

    def find(self, identifier: str) -> tuple[ET.Element, ET.Element] | None:
        return next(((parent, one) for parent, one in self.parents() if one.get("id") == identifier), None)

    def record(self, identifier: str, before: ET.Element | None, after: ET.Element | None) -> None:
        action = "create" if before is None else "remove" if after is None else "update"
        self.changes.append(Change(identifier, action, show(before), show(after)))

    def put(self, section: str, wanted: ET.Element) -> None:
        """Make the element with the wanted one's id equal to it, where it is, or else in a section."""
        identifier = wanted.get("id", "")
        found = self.find(identifier)
        if found is None:
            self.section(section).append(wanted)
            self.record(identifier, None, wanted)
            return
        parent, before = found
        if before.tag != wanted.tag:
            raise CibError(f"{identifier} is a <{before.tag}> in the cluster, not a <{wanted.tag}>; take another name")
        _keep_meta(before, wanted)
        if canonical(before) != canonical(wanted):
            parent[list(parent).index(before)] = wanted
            self.record(identifier, before, wanted)

    def put_constraint(self, wanted: ET.Element, same: Sequence[str]) -> None:
        """As put, but a constraint that agrees in the attributes ``same`` is this one, whatever its id and score."""
        section = self.section("constraints")
        key = [wanted.get(name) for name in same]
        for twin in section.findall(wanted.tag):
            if [twin.get(name) for name in same] != key or twin.get("id") == wanted.get("id") or len(twin):
                continue
            renamed = copy.deepcopy(wanted)
            renamed.set("id", twin.get("id", ""))
            if canonical(renamed) == canonical(twin):
                return
            section.remove(twin)
            self.record(twin.get("id", ""), twin, None)
        self.put("constraints", wanted)

    def put_values(self, parent: ET.Element, tag: str, identifier: str, values: Mapping[str, Any]) -> None:
        """Set pairs in the first set of a parent that has no rule; other pairs stay. ``None`` takes a pair away."""
        sets = [one for one in parent.findall(tag) if one.find("rule") is None]
        target = sets[0] if sets else None
        for name, value in sorted(values.items()):
            pair = None if target is None else next((one for one in target if one.get("name") == name), None)
            if value is None or (pair is not None and pair.get("value") == text(value)):
                if value is None and pair is not None and target is not None:
                    target.remove(pair)
                    self.record(pair.get("id", ""), pair, None)
                continue
            if target is None:
                target = ET.SubElement(parent, tag, {"id": identifier})
            if pair is None:
                pair_id = _pair_id(target.get("id", identifier), name)
                pair = ET.SubElement(target, "nvpair", {"id": pair_id, "name": name, "value": text(value)})
                self.record(pair_id, None, pair)
            else:
                before = copy.deepcopy(pair)
                pair.set("value", text(value))
                self.record(pair.get("id", ""), before, pair)

    def remove(self, identifier: str) -> None:
        """Remove an element, and when it is a resource the constraints on it."""
        found = self.find(identifier)
        if found is None:
            return
        parent, element = found
        if parent is self.configuration:
            raise CibError(f"{identifier} is no element that can be removed")
        parent.remove(element)
        self.record(identifier, element, None)
        gone = {one.get("id") for one in element.iter() if one.tag in _RESOURCES}
        if not gone:
            return
        constraints = self.section("constraints")
        for constraint in list(constraints):
            if gone & {constraint.get(name) for name in _REFERENCES} - {None}:
                constraints.remove(constraint)
                self.record(constraint.get("id", ""), constraint, None)
            elif gone & {reference.get("id") for reference in constraint.iter("resource_ref")}:
                raise CibError(
                    f"{identifier} is in a set of the constraint {constraint.get('id')}; name that in absent as well"
                )


def _keep_meta(before: ET.Element, wanted: ET.Element) -> None:
    """Carry the operator's meta attributes of a resource, and of one inside, over to the wanted element."""
    if wanted.tag not in _RESOURCES:
        return
    inner = wanted.find("primitive")
    inner_before = before.find("primitive")
    if inner is not None and inner_before is not None:
        _keep_meta(inner_before, inner)
    kept = [pair for pair in before.findall("meta_attributes/nvpair") if pair.get("name") in KEPT_META]
    if not kept:
        return
    target = wanted.find("meta_attributes")
    if target is None:
        identifier = f"{wanted.get('id')}-meta_attributes"
        target = ET.SubElement(wanted, "meta_attributes", {"id": identifier})
    names = {pair.get("name") for pair in target}
    target.extend(copy.deepcopy(pair) for pair in kept if pair.get("name") not in names)


# The plan


def plan(live_xml: str, wanted: Mapping[str, Any]) -> Plan:
    """Return what turns the live configuration into the wanted one.

    ``wanted`` holds the module's options. Raises :class:`CibError`.
    """
    live = parse(live_xml)
    editor = _Editor(live)
    resources = [bundle(item, schema_version(live)) for item in wanted.get("bundles") or ()]
    resources += [clone(item, schema_version(live)) for item in wanted.get("clones") or ()]
    resources += [primitive(item) for item in wanted.get("primitives") or ()]
    constraints = _constraints(wanted.get("constraints") or {})
    absent = [str(one) for one in wanted.get("absent") or ()]
    _check_ids([*resources, *(element for element, _same in constraints)], absent)
    for identifier in absent:
        editor.remove(identifier)
    editor.put_values(
        editor.section("crm_config"), "cluster_property_set", "cib-bootstrap-options", wanted.get("properties") or {}
    )
    _put_node_attributes(editor, wanted.get("node_attributes") or {})
    for option, section in (("resource_defaults", "rsc_defaults"), ("operation_defaults", "op_defaults")):
        if wanted.get(option):
            editor.put_values(editor.section(section), "meta_attributes", f"{section}-meta_attributes", wanted[option])
    for element in resources:
        editor.put("resources", element)
    known = {one.get("id") for one in editor.section("resources").iter() if one.tag in _RESOURCES}
    for element, same in constraints:
        unknown = sorted({element.get(name, "") for name in _REFERENCES if name in element.attrib} - known)
        if unknown:
            raise CibError(f"{element.get('id')}: there is no resource {', '.join(unknown)}")
        editor.put_constraint(element, same)
    if not editor.changes:  # Nor is an empty section a change.
        editor.root = live
    return Plan(_serialise(live), _serialise(editor.root), tuple(editor.changes))


def _constraints(wanted: Mapping[str, Any]) -> list[tuple[ET.Element, tuple[str, ...]]]:
    builders: tuple[tuple[str, Callable[[Mapping[str, Any]], ET.Element], tuple[str, ...]], ...] = (
        ("location", location, ("id",)),
        ("order", order, ("first", "first-action", "then", "then-action")),
        ("colocation", colocation, ("rsc", "with-rsc", "rsc-role", "with-rsc-role")),
    )
    found = []
    for kind, build, same in builders:
        made = [build(item) for item in wanted.get(kind) or ()]
        keys = [tuple(element.get(name) for name in same) for element in made]
        for element, key in zip(made, keys):
            if keys.count(key) > 1:
                raise CibError(f"two {kind} constraints contradict or repeat each other: {element.get('id')}")
        found += [(element, same) for element in made]
    return found


def _check_ids(elements: Iterable[ET.Element], absent: Sequence[str]) -> None:
    seen: set[str] = set()
    for element in elements:
        for one in element.iter():
            identifier = one.get("id")
            if identifier is None:
                continue
            if identifier in seen:
                raise CibError(f"the id {identifier} would be there twice (in {element.get('id')})")
            if identifier in absent:
                raise CibError(f"{identifier} is both wanted and named in absent")
            seen.add(identifier)


def _put_node_attributes(editor: _Editor, wanted: Mapping[str, Any]) -> None:
    nodes = {node.get("uname"): node for node in editor.section("nodes").findall("node")}
    for name, values in sorted(wanted.items()):
        if not isinstance(values, Mapping):
            raise CibError(f"node_attributes: the attributes of {name} must be a mapping")
        if name not in nodes:
            known = ", ".join(sorted(str(one) for one in nodes)) or "none"
            raise CibError(f"node_attributes: the cluster has no node {name} (it has {known})")
        node = nodes[name]
        editor.put_values(node, "instance_attributes", f"nodes-{node.get('id')}", values)


def _serialise(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode")


def diff(changes: Iterable[Change]) -> list[dict[str, str]]:
    """Return the changes in Ansible's form of a diff."""
    return [
        {"before_header": one.id, "after_header": one.id, "before": one.before, "after": one.after} for one in changes
    ]


def schema_errors(output: str) -> list[str]:
    """Return what ``crm_verify`` says against a configuration's form, without its copy of the configuration."""
    found = []
    for line in output.splitlines():
        match = re.search(r"(element [\w-]+: )?(?:Relax-NG validity error : |parser error : )(.*)", line)
        message = "" if match is None else (match.group(1) or "") + match.group(2)
        if message and message not in found:
            found.append(message)
    if not found and "did not pass schema validation" in output:
        found.append("it did not pass schema validation")
    return found
