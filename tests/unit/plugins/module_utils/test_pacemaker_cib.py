# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wanted Pacemaker configuration against a live one; the live ones are as pcs writes them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils.pacemaker_cib import (
    CibError,
    Plan,
    canonical,
    diff,
    parse,
    plan,
    schema_errors,
    schema_version,
)

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
LIVE = (FIXTURES / "cib_made_by_pcs.xml").read_text(encoding="utf-8")
EMPTY = """\
<cib validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>
<crm_config/><nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes><resources/><constraints/>
</configuration><status/></cib>"""

GALERA: dict[str, Any] = {
    "name": "galera-bundle",
    "container": "podman",
    "image": "db:1",
    "replicas": 3,
    "promoted_max": 3,
    "options": "--user=root",
    "run_command": "/usr/sbin/pacemaker-remoted",
    "network": "host",
    "control_port": 3123,
    "storage": [
        {"source": "/etc/hosts", "target": "/etc/hosts", "options": "ro"},
        {"source": "/var/lib/mysql", "target": "/var/lib/mysql", "options": "rw"},
    ],
    "primitive": {
        "name": "galera",
        "agent": "ocf:heartbeat:galera",
        "attributes": {"enable_creation": True, "cluster_host_map": "a:b;c:d"},
        "meta": {"container-attribute-target": "host"},
        "operations": [{"name": "promote", "timeout": "300s", "on_fail": "block"}],
    },
    "meta": {"priority": 5},
}
GALERA_XML = """\
<bundle id="galera-bundle">
  <podman image="db:1" network="host" options="--user=root" promoted-max="3" replicas="3" \
run-command="/usr/sbin/pacemaker-remoted" />
  <network control-port="3123" />
  <storage>
    <storage-mapping id="galera-bundle-storage-map" options="ro" source-dir="/etc/hosts" target-dir="/etc/hosts" />
    <storage-mapping id="galera-bundle-storage-map-1" options="rw" source-dir="/var/lib/mysql" \
target-dir="/var/lib/mysql" />
  </storage>
  <primitive id="galera" class="ocf" provider="heartbeat" type="galera">
    <instance_attributes id="galera-instance_attributes">
      <nvpair id="galera-instance_attributes-cluster_host_map" name="cluster_host_map" value="a:b;c:d" />
      <nvpair id="galera-instance_attributes-enable_creation" name="enable_creation" value="true" />
    </instance_attributes>
    <meta_attributes id="galera-meta_attributes">
      <nvpair id="galera-meta_attributes-container-attribute-target" name="container-attribute-target" value="host" />
    </meta_attributes>
    <operations>
      <op id="galera-promote-interval-0s" interval="0s" name="promote" on-fail="block" timeout="300s" />
    </operations>
  </primitive>
  <meta_attributes id="galera-bundle-meta_attributes">
    <nvpair id="galera-bundle-meta_attributes-priority" name="priority" value="5" />
  </meta_attributes>
</bundle>
"""
# What the fixture holds, told in the module's options.
AS_PCS_MADE_IT: dict[str, Any] = {
    "properties": {"stonith-enabled": False},
    "node_attributes": {"n1": {"galera-role": True}},
    "resource_defaults": {"resource-stickiness": 100},
    "primitives": [
        {
            "name": "p1",
            "agent": "ocf:pacemaker:Dummy",
            "attributes": {"fake": "x y"},
            "meta": {"migration-threshold": 3},
            "operations": [{"name": "monitor", "interval": "10s", "timeout": "20s"}],
        },
        {
            "name": "p2",
            "agent": "systemd:cron",
            "operations": [{"name": "monitor", "interval": "60s"}],
        },
    ],
    "bundles": [
        {
            "name": "hb",
            "container": "podman",
            "image": "img",
            "replicas": 1,
            "options": "--privileged",
            "run_command": "sleep 1000",
            "network": "host",
            "storage": [
                {"source": "/etc/hosts", "target": "/etc/hosts", "options": "ro"},
                {"source": "/tmp", "target": "/tmp/x", "options": "rw"},
            ],
        }
    ],
    "constraints": {
        "location": [{"resource": "p1", "attribute": "galera-role", "resource_discovery": "exclusive"}],
        "order": [{"first": "p1", "then": "p2", "kind": "Optional"}, {"first": "p2", "then": "hb"}],
        "colocation": [{"resource": "p1", "with_resource": "p2"}],
    },
}


def element(xml: str) -> ET.Element:
    return ET.fromstring(xml)


def changes(found: Plan) -> list[tuple[str, str]]:
    return [(one.action, one.id) for one in found.changes]


def again(found: Plan, wanted: dict[str, Any]) -> list[tuple[str, str]]:
    """The changes that are left once a plan was pushed."""
    return changes(plan(found.wanted, wanted))


def constrained(**constraints: Any) -> dict[str, Any]:
    return {"constraints": constraints}


def test_what_pcs_made_is_recognised() -> None:
    found = plan(LIVE, AS_PCS_MADE_IT)
    assert changes(found) == []
    assert found.live == found.wanted


def test_a_new_bundle() -> None:
    found = plan(EMPTY, {"bundles": [GALERA]})
    assert diff(found.changes) == [
        {"before_header": "galera-bundle", "after_header": "galera-bundle", "before": "", "after": GALERA_XML}
    ]
    inside = element(found.wanted).find("configuration/resources/bundle")
    assert inside is not None
    assert canonical(inside) == canonical(element(GALERA_XML.replace("\n", "")))
    assert again(found, {"bundles": [GALERA]}) == []


@pytest.mark.parametrize(
    ("schema", "attribute"), [("pacemaker-2.10", "masters"), ("pacemaker-3.0", "promoted-max"), ("x", "promoted-max")]
)
def test_promoted_max_has_the_name_of_the_schema(schema: str, attribute: str) -> None:
    found = plan(EMPTY.replace("pacemaker-3.9", schema), {"bundles": [GALERA]})
    assert f'{attribute}="3"' in found.changes[0].after


def test_schema_version() -> None:
    assert schema_version(parse(EMPTY)) == (3, 9)


def test_properties_node_attributes_and_defaults_leave_others_alone() -> None:
    wanted = {
        "properties": {"stonith-enabled": True, "have-watchdog": None, "cluster-delay": "60s"},
        "node_attributes": {"n1": {"galera-role": False}, "n2": {"galera-role": True, "gone": None}},
        "resource_defaults": {"resource-stickiness": 1},
        "operation_defaults": {"timeout": "120s"},
    }
    found = plan(LIVE, wanted)
    assert changes(found) == [
        ("create", "cib-bootstrap-options-cluster-delay"),
        ("remove", "cib-bootstrap-options-have-watchdog"),
        ("update", "cib-bootstrap-options-stonith-enabled"),
        ("update", "nodes-1-galera-role"),
        ("create", "nodes-2-galera-role"),
        ("update", "rsc_defaults-meta_attributes-resource-stickiness"),
        ("create", "op_defaults-meta_attributes-timeout"),
    ]
    assert 'name="cluster-name"' in found.wanted
    assert again(found, wanted) == []


def test_a_property_in_a_set_of_another_name() -> None:
    live = EMPTY.replace(
        "<crm_config/>",
        '<crm_config><cluster_property_set id="mine"><nvpair id="x" name="a" value="1"/></cluster_property_set>'
        "</crm_config>",
    )
    assert changes(plan(live, {"properties": {"a": 1, "b": 2}})) == [("create", "mine-b")]


def test_an_operators_meta_attributes_stay() -> None:
    wanted = {"bundles": [{**AS_PCS_MADE_IT["bundles"][0], "image": "other"}]}
    found = plan(LIVE, wanted)
    assert changes(found) == [("update", "hb")]
    assert 'name="target-role" value="Stopped"' in found.changes[0].after
    started = {"bundles": [{**AS_PCS_MADE_IT["bundles"][0], "meta": {"target-role": "Started"}}]}
    assert 'value="Started"' in plan(LIVE, started).changes[0].after


def test_other_meta_attributes_go() -> None:
    found = plan(LIVE, {"primitives": [{**AS_PCS_MADE_IT["primitives"][0], "meta": {}}]})
    assert "migration-threshold" in found.changes[0].before
    assert "migration-threshold" not in found.changes[0].after


@pytest.mark.parametrize(
    ("wanted", "gone", "new"),
    [
        (
            {"colocation": [{"resource": "p1", "with_resource": "p2", "score": 100}]},
            "colocation-p1-p2-INFINITY",
            "colocation-p1-p2-100",
        ),
        (
            {"order": [{"first": "p1", "then": "p2", "kind": "Mandatory"}]},
            "order-p1-p2-Optional",
            "order-p1-p2-Mandatory",
        ),
    ],
)
def test_a_constraint_replaces_the_one_between_the_same_two(wanted: dict[str, Any], gone: str, new: str) -> None:
    found = plan(LIVE, constrained(**wanted))
    assert changes(found) == [("remove", gone), ("create", new)]
    assert again(found, constrained(**wanted)) == []


def test_a_constraint_by_another_id_is_recognised() -> None:
    live = LIVE.replace("colocation-p1-p2-INFINITY", "mine")
    assert changes(plan(live, constrained(colocation=[{"resource": "p1", "with_resource": "p2"}]))) == []


def test_a_changed_rule_is_an_update() -> None:
    wanted = constrained(
        location=[{"resource": "p1", "attribute": "galera-role", "value": False, "resource_discovery": "exclusive"}]
    )
    found = plan(LIVE, wanted)
    assert changes(found) == [("update", "location-p1")]
    assert 'operation="eq" value="false"' in found.changes[0].after


def test_absent_takes_the_constraints_along() -> None:
    found = plan(LIVE, {"absent": ["p1", "never-there", "cib-bootstrap-options-have-watchdog"]})
    assert changes(found) == [
        ("remove", "p1"),
        ("remove", "location-p1"),
        ("remove", "order-p1-p2-Optional"),
        ("remove", "colocation-p1-p2-INFINITY"),
        ("remove", "cib-bootstrap-options-have-watchdog"),
    ]
    assert again(found, {"absent": ["p1"]}) == []


def test_a_resource_in_a_set_is_not_removed_silently() -> None:
    live = LIVE.replace(
        "<constraints>",
        '<constraints><rsc_order id="o"><resource_set id="s"><resource_ref id="p1"/></resource_set></rsc_order>',
    )
    with pytest.raises(CibError, match="in a set of the constraint o"):
        plan(live, {"absent": ["p1"]})
    assert ("remove", "o") in changes(plan(live, {"absent": ["o", "p1"]}))


DUMMY: dict[str, Any] = {"name": "d", "agent": "ocf:pacemaker:Dummy"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"primitives": [{**DUMMY, "agent": "Dummy"}]}, "is no agent"),
        ({"primitives": [{**DUMMY, "agent": "ocf:Dummy"}]}, "is no agent"),
        ({"primitives": [{**DUMMY, "agent": "systemd:a:b"}]}, "is no agent"),
        ({"primitives": [{**DUMMY, "name": "ip-fd00::1"}]}, "cannot be an id"),
        ({"primitives": [{**DUMMY, "attributes": {"a": [1]}}]}, "is no text, number or truth value"),
        ({"primitives": [DUMMY, DUMMY]}, "the id d would be there twice"),
        (
            {"primitives": [{**DUMMY, "operations": [{"name": "monitor", "role": role} for role in ("a", "b")]}]},
            "the id d-monitor-interval-0s would be there twice",
        ),
        ({"primitives": [DUMMY], "absent": ["d"]}, "both wanted and named in absent"),
        ({"primitives": [{**DUMMY, "name": "hb"}]}, "hb is a <bundle> in the cluster, not a <primitive>"),
        ({"bundles": [{**GALERA, "control_port": None}]}, "a primitive needs control_port"),
        ({"node_attributes": {"n9": {"a": 1}}}, r"no node n9 \(it has n1, n2\)"),
        ({"node_attributes": {"n1": "a"}}, "must be a mapping"),
        (constrained(order=[{"first": "p1", "then": "nope"}]), "order-p1-nope-mandatory: there is no resource nope"),
        (
            constrained(colocation=[{"resource": "p1", "with_resource": "p2", "score": score} for score in (1, 2)]),
            "contradict or repeat",
        ),
        (constrained(location=[{"resource": "p1", "attribute": name} for name in "ab"]), "contradict or repeat"),
    ],
)
def test_bad_input(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(CibError, match=message):
        plan(LIVE, wanted)


@pytest.mark.parametrize("xml", ["", "<cib>", "<other/>", "<cib/>"])
def test_what_is_no_cib(xml: str) -> None:
    with pytest.raises(CibError):
        parse(xml)


def test_order_of_attributes_and_pairs_means_nothing() -> None:
    meta, operations = '<meta_attributes id="m"/>', '<operations><op id="x"/><op id="y"/></operations>'
    turned = '<operations><op id="y"/><op id="x"/></operations>'
    one = f'<primitive id="a" type="T">{operations}{meta}</primitive>'
    two = f'<primitive type="T" id="a">{meta}{turned}</primitive>'
    assert canonical(element(one)) == canonical(element(two))
    assert canonical(element(one)) != canonical(element(two.replace('"y"', '"z"')))


def test_schema_errors() -> None:
    output = """   1 <cib>
x.xml:14: element primitive: Relax-NG validity error : Invalid sequence in interleave
x.xml:14: element primitive: Relax-NG validity error : Invalid sequence in interleave
x.xml:14: element resources: Relax-NG validity error : Element resources has extra content: primitive
(main) error: CIB did not pass schema validation"""
    assert schema_errors(output) == [
        "element primitive: Invalid sequence in interleave",
        "element resources: Element resources has extra content: primitive",
    ]
    assert schema_errors("error: CIB did not pass schema validation") == ["it did not pass schema validation"]
    assert schema_errors("error: Resource start-up disabled since no STONITH resources have been defined") == []


CLONE: dict[str, Any] = {
    "name": "db-clone",
    "clone_max": 2,
    "primitive": {"name": "db", "agent": "ocf:stretch:galera", "attributes": {"user": "mysql"}},
    "meta": {"resource-stickiness": "100"},
}


@pytest.mark.parametrize(
    ("schema", "tag", "limits"),
    [
        ("3.9", "clone", {"clone-max": "2", "promoted-max": "2", "promotable": "true"}),
        ("2.10", "master", {"clone-max": "2", "master-max": "2"}),
    ],
)
def test_clone(schema: str, tag: str, limits: dict[str, str]) -> None:
    changed = plan(EMPTY.replace("pacemaker-3.9", f"pacemaker-{schema}"), {"clones": [CLONE]})
    made = parse(changed.wanted).find(f"configuration/resources/{tag}")
    assert made is not None
    meta = {pair.get("name"): pair.get("value") for pair in made.findall("meta_attributes/nvpair")}
    assert meta == {"resource-stickiness": "100", **limits}
    assert made.find("primitive[@id='db']") is not None


def test_clone_as_pcs_orders_it_is_the_same() -> None:
    once = plan(EMPTY, {"clones": [CLONE]}).wanted
    root = parse(once)
    made = root.find("configuration/resources/clone")
    assert made is not None
    made[:] = list(made)[::-1]
    assert plan(ET.tostring(root, encoding="unicode"), {"clones": [CLONE]}).changes == ()
