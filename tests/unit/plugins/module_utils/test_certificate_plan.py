# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates the nodes get, run after run."""

from __future__ import annotations

import dataclasses
import itertools
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import certificates
from ansible_collections.stretch.cluster.plugins.module_utils.certificate_plan import (
    Found,
    Limits,
    Plan,
    Wanted,
    make_plan,
)
from ansible_collections.stretch.cluster.plugins.module_utils.certificates import CertificateError, Pair

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)
LIMITS = Limits(days=825, authority_days=7300, renew_days=60)
WANTED = (Wanted("a", ["a", "10.0.0.1"]), Wanted("b", ["b", "10.0.0.2"]))
NOTHING = Found(authority=None, key=None, own=True)


@dataclasses.dataclass
class Deployment:
    """What is kept from run to run, and what the nodes have."""

    found: Found = NOTHING
    now: datetime = NOW
    nodes: dict[str, tuple[bytes, Pair]] = dataclasses.field(default_factory=dict)

    def run(self, *wanted: Wanted) -> Plan:
        """Plan, and hand out to one node after another: at every moment every two nodes trust each other."""
        plan = make_plan(wanted or WANTED, self.found, LIMITS, self.now)
        for name, pair in plan.pairs.items():
            self.nodes[name] = (plan.bundle, pair)
            self.check_trust()
        own = self.found.own and plan.authority
        self.found = dataclasses.replace(
            self.found,
            authority=plan.authority.certificate if own and plan.authority else self.found.authority,
            key=plan.authority.key if own and plan.authority else self.found.key,
            # What a run over some nodes alone hands out is not what all trust.
            trusted=plan.bundle if {*plan.pairs} >= {*self.nodes} else self.found.trusted,
            in_force={**self.found.in_force, **plan.pairs},
        )
        return plan

    def check_trust(self) -> None:
        """A server refuses to start with a certificate that it does not trust itself, so each with itself too."""
        for (bundle, _own), (_its, pair) in itertools.product(self.nodes.values(), repeat=2):
            certificate, key = load(pair)
            trusted = certificates.load_certificates(bundle, "bundle")
            assert certificates.problems(certificate, key, trusted, (), "it", self.now) == []


def load(pair: Pair) -> tuple[Any, Any]:
    return certificates.load_certificates(pair.certificate, "it")[0], certificates.load_key(pair.key, "its key")


def given_authority(name: str) -> tuple[Pair, Any, Any]:
    pair = certificates.make_authority(name, 3650, NOW)
    return (pair, *load(pair))


@pytest.fixture
def deployment() -> Deployment:
    made = Deployment()
    made.run()
    return made


def test_the_first_run_makes_all_and_the_second_nothing() -> None:
    deployment = Deployment()
    plan = deployment.run()
    assert plan.authority is not None
    assert (plan.bundle, dict(plan.reasons), plan.step) == (
        plan.authority.certificate,
        {"a": "there is none", "b": "there is none"},
        "",
    )
    again = deployment.run()
    assert (again.authority, dict(again.reasons), again.step, again.pairs) == (None, {}, "", plan.pairs)
    assert again.bundle == plan.bundle


def test_a_new_node_gets_its_own_alone(deployment: Deployment) -> None:
    assert dict(deployment.run(*WANTED, Wanted("c", ["c"])).reasons) == {"c": "there is none"}


@pytest.mark.parametrize(
    ("wanted", "days", "reasons"),
    [
        ((Wanted("a", ["a", "10.0.0.1", "new"]), WANTED[1]), 0, {"a": "its names changed"}),
        ((Wanted("a", ["a"]), WANTED[1]), 0, {"a": "its names changed"}),
        (WANTED, 764, {}),
        (WANTED, 766, {"a": "it ends on 2029-02-26", "b": "it ends on 2029-02-26"}),
        (WANTED, 900, dict.fromkeys("ab", "it expired on 2029-02-26 12:00 UTC")),
    ],
)
def test_renewed(deployment: Deployment, wanted: tuple[Wanted, ...], days: int, reasons: dict[str, str]) -> None:
    deployment.nodes.clear()
    deployment.now = NOW + timedelta(days=days)
    before = deployment.found.in_force
    plan = deployment.run(*wanted)
    assert dict(plan.reasons) == reasons
    for name in reasons:
        # With a key of its own.
        assert plan.pairs[name].key != before[name].key


@pytest.mark.parametrize("part", ["certificate", "key"])
def test_a_damaged_file_is_replaced(deployment: Deployment, part: str) -> None:
    broken = dataclasses.replace(deployment.found.in_force["a"], **{part: b"?"})
    deployment.found = dataclasses.replace(deployment.found, in_force={**deployment.found.in_force, "a": broken})
    assert list(deployment.run().reasons) == ["a"]


def steps(deployment: Deployment) -> list[tuple[int, list[str], str]]:
    """Authorities that are trusted, new certificates and the start of the step, of each run until nothing changes."""
    found = []
    for _run in range(5):
        plan = deployment.run()
        bundle = certificates.split(plan.bundle)
        found.append((len(bundle), sorted(plan.reasons), plan.step[:19]))
    return found


EXPECTED_STEPS = [
    (2, [], "The authority chang"),
    (2, ["a", "b"], "The nodes have cert"),
    (1, [], ""),
    (1, [], ""),
    (1, [], ""),
]


def test_an_authority_is_replaced_in_three_runs_as_it_ends(deployment: Deployment) -> None:
    deployment.now = NOW + timedelta(days=7300 - 824)
    deployment.found = dataclasses.replace(
        deployment.found,
        in_force={
            one.name: certificates.issue(one.name, one.names, *own(deployment), 825, deployment.now) for one in WANTED
        },
    )
    deployment.nodes = {name: (deployment.nodes[name][0], pair) for name, pair in deployment.found.in_force.items()}
    assert steps(deployment) == EXPECTED_STEPS


def own(deployment: Deployment) -> tuple[Any, Any]:
    assert deployment.found.authority is not None
    assert deployment.found.key is not None
    return load(Pair(deployment.found.authority, deployment.found.key))


def test_an_authority_that_was_taken_away_is_replaced_in_three_runs(deployment: Deployment) -> None:
    deployment.now += timedelta(minutes=1)
    deployment.found = dataclasses.replace(deployment.found, authority=None, key=None)
    assert steps(deployment) == EXPECTED_STEPS


def test_a_given_authority_replaces_ours_in_three_runs(deployment: Deployment) -> None:
    pair, _certificate, _key = given_authority("company")
    deployment.found = dataclasses.replace(deployment.found, authority=pair.certificate, key=pair.key, own=False)
    assert steps(deployment) == EXPECTED_STEPS


def test_given_certificates_of_another_authority_wait_until_all_trust_it(deployment: Deployment) -> None:
    pair, certificate, key = given_authority("company")
    deployment.found = dataclasses.replace(deployment.found, authority=pair.certificate, key=None, own=False)
    wanted = [
        dataclasses.replace(one, given=certificates.issue(one.name, one.names, certificate, key, 90, NOW))
        for one in WANTED
    ]
    first, second, third = (deployment.run(*wanted) for _run in range(3))
    assert (list(first.reasons), list(second.reasons), list(third.reasons)) == ([], ["a", "b"], [])
    assert second.pairs == third.pairs == {one.name: one.given for one in wanted}
    assert third.bundle == pair.certificate


def test_a_node_that_is_not_in_this_run_is_not_distrusted(deployment: Deployment) -> None:
    pair, _certificate, _key = given_authority("company")
    deployment.found = dataclasses.replace(deployment.found, authority=pair.certificate, key=pair.key, own=False)
    for _run in range(4):
        plan = deployment.run(WANTED[0])
        assert (len(certificates.split(plan.bundle)), dict(plan.reasons)) == (2, {})
    assert steps(deployment) == EXPECTED_STEPS


def test_an_expired_certificate_does_not_wait(deployment: Deployment) -> None:
    pair, _certificate, _key = given_authority("company")
    deployment.found = dataclasses.replace(deployment.found, authority=pair.certificate, key=pair.key, own=False)
    deployment.now = NOW + timedelta(days=826)
    deployment.nodes.clear()
    plan = deployment.run()
    assert (list(plan.reasons), certificates.split(plan.bundle)) == (["a", "b"], [pair.certificate])


def test_an_authority_with_one_between(deployment: Deployment) -> None:
    """The signer need not be the first of the file."""
    deployment = Deployment()
    signer, _certificate, _key = given_authority("signer")
    other, _certificate, _key = given_authority("other")
    deployment.found = Found(other.certificate + b"# comment\n" + signer.certificate, signer.key, own=False)
    plan = deployment.run()
    assert plan.bundle == other.certificate + signer.certificate
    assert dict(deployment.run().reasons) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": None}, "key is needed to make the certificate of a; .* of b; give it"),
        ({"key": "other"}, "the authority's key is not that of its certificate"),
        ({"authority": "leaf"}, "is not that of an authority"),
        ({"authority": b"?"}, "the authority's file holds no certificate"),
        ({"key": b"?"}, "the authority's key holds no private key"),
    ],
)
def test_bad_authorities(deployment: Deployment, change: dict[str, Any], message: str) -> None:
    pair, _certificate, _key = given_authority("company")
    values: dict[str, Any] = {"authority": pair.certificate, "key": pair.key, **change}
    if values["key"] == "other":
        values["key"] = given_authority("other")[0].key
    if values["authority"] == "leaf":
        values["authority"] = deployment.found.in_force["a"].certificate
    with pytest.raises(CertificateError, match=message):
        make_plan(WANTED, dataclasses.replace(deployment.found, own=False, **values), LIMITS, NOW)


def test_all_that_is_wrong_with_given_certificates_is_said() -> None:
    pair, certificate, key = given_authority("company")
    good = certificates.issue("a", ["a"], certificate, key, 90, NOW)
    foreign = certificates.issue("b", ["b"], *given_authority("company")[1:], 90, NOW)
    wanted = [Wanted("a", ["a", "10.0.0.1"], good), Wanted("b", ["b"], dataclasses.replace(foreign, key=good.key))]
    with pytest.raises(CertificateError) as error:
        make_plan(wanted, Found(pair.certificate, None, own=False), LIMITS, NOW)
    parts = str(error.value).split("; ")
    assert [re.split(r" \(|:", part)[0] for part in parts] == [
        "the certificate of a is not for 10.0.0.1",
        "the certificate of b is not that of its key",
        "the certificate of b is foreign",
    ]


@pytest.mark.parametrize("limits", [Limits(60, 7300, 60), Limits(825, 825, 60), Limits(825, 7300, 0)])
def test_limits_by_which_every_run_would_renew(limits: Limits) -> None:
    with pytest.raises(CertificateError, match="each must be more than the one before"):
        make_plan(WANTED, NOTHING, limits, NOW)


def test_a_passphrase_is_the_own_authority_s_too() -> None:
    plan = make_plan(WANTED, dataclasses.replace(NOTHING, passphrase=b"geheim"), LIMITS, NOW)
    assert plan.authority is not None
    assert b"ENCRYPTED" in plan.authority.key
    assert b"ENCRYPTED" not in plan.pairs["a"].key
