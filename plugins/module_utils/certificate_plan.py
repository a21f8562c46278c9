# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates a cluster's nodes get next, so that no two nodes ever distrust each other.

A new authority takes three runs: first all nodes trust it, then they get certificates of it, then they stop trusting
the old one. Which step it is follows from what was handed out, not from a wish.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Mapping, Sequence

from ansible_collections.stretch.cluster.plugins.module_utils import certificates
from ansible_collections.stretch.cluster.plugins.module_utils.certificates import CertificateError, Pair


@dataclass(frozen=True)
class Limits:
    """Days that new certificates are valid, and days before their end from which they are renewed."""

    days: int
    authority_days: int
    renew_days: int


@dataclass(frozen=True)
class Wanted:
    """Who gets a certificate, for which names and addresses; ``given`` is one that someone else issued."""

    name: str
    names: Sequence[str]
    given: Pair | None = None


@dataclass(frozen=True)
class Found:
    """What there is now.

    ``authority`` holds the certificates of the authority in PEM, ``key`` its key, ``own`` whether it was made here and
    may be replaced. ``trusted`` is the bundle that all nodes had at the end of the last run, ``in_force`` the
    certificates they had.
    """

    authority: bytes | None
    key: bytes | None
    own: bool
    trusted: bytes | None = None
    in_force: Mapping[str, Pair] = field(default_factory=dict)
    passphrase: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Plan:
    """What the nodes shall have.

    ``authority`` is a new one to keep, or None. ``reasons`` says for each new certificate why. ``step`` says what has
    to follow for a new authority, and is empty if nothing has.
    """

    authority: Pair | None
    bundle: bytes
    pairs: Mapping[str, Pair]
    reasons: Mapping[str, str]
    step: str


@dataclass(frozen=True)
class _Authority:
    """The authority to use. ``signer`` is that of its ``certificates`` that ``key`` belongs to, if there is a key."""

    pem: bytes
    certificates: Sequence[Any]
    key: Any = None
    signer: Any = None
    new: Pair | None = None


def _authority(found: Found, limits: Limits, now: datetime) -> _Authority:
    if found.authority is None:
        return _new_authority(found, limits, now)
    held = certificates.load_certificates(found.authority, "the authority's file")
    wrong = certificates.authority_problems(held, "the authority", now)
    if found.own and (wrong or certificates.ends(held[0]) < now + timedelta(days=limits.days)):
        # A certificate must not outlive its authority.
        return _new_authority(found, limits, now)
    if wrong:
        raise CertificateError("; ".join(wrong))
    pem = b"".join(certificates.split(found.authority))
    if found.key is None:
        return _Authority(pem, held)
    key = certificates.load_key(found.key, "the authority's key", found.passphrase)
    signer = next((one for one in held if certificates.fits(one, key)), None)
    if signer is None:
        raise CertificateError("the authority's key is not that of its certificate")
    return _Authority(pem, held, key, signer)


def _new_authority(found: Found, limits: Limits, now: datetime) -> _Authority:
    # With the time: two that are trusted at once have names of their own.
    name = f"stretch.cluster {now:%Y-%m-%d %H:%M:%S}"
    pair = certificates.make_authority(name, limits.authority_days, now, found.passphrase)
    key = certificates.load_key(pair.key, "the authority's key", found.passphrase)
    held = certificates.load_certificates(pair.certificate, "the authority's file")
    return _Authority(pair.certificate, held, key, held[0], pair)


def _check_given(one: Wanted, held: Sequence[Any], now: datetime) -> list[str]:
    """What is wrong with a certificate that was given."""
    if one.given is None:
        return []
    what = f"the certificate of {one.name}"
    try:
        certificate = certificates.load_certificates(one.given.certificate, what)[0]
        key = certificates.load_key(one.given.key, f"the key of {one.name}")
    except CertificateError as error:
        return [str(error)]
    return certificates.problems(certificate, key, held, one.names, what, now)


def _why_new(
    one: Wanted, pair: Pair | None, authority: _Authority, trusted: Sequence[Any], limits: Limits, now: datetime
) -> tuple[str, bool]:
    """Why the node needs another certificate ('' if it does not), and whether it has none that works till then."""
    if pair is None:
        return "there is none", True
    if one.given is not None:
        return ("another is given", False) if one.given != pair else ("", False)
    try:
        certificate = certificates.load_certificates(pair.certificate, "it")[0]
        key = certificates.load_key(pair.key, "its key")
    except CertificateError as error:
        return str(error), True
    wrong = certificates.problems(certificate, key, [*authority.certificates, *trusted], (), "it", now)
    if wrong:
        return "; ".join(wrong), True
    if certificates.ends(certificate) < now + timedelta(days=limits.renew_days):
        return f"it ends on {certificates.ends(certificate):%Y-%m-%d}", False
    if certificates.names(certificate) != certificates.made_names(one.names):
        return "its names changed", False
    if not certificates.signed_by(certificate, authority.signer):
        return "the authority changed", False
    return "", False


def check_limits(limits: Limits) -> None:
    """Raise :class:`CertificateError` for limits by which every run would make something new."""
    if not 0 < limits.renew_days < limits.days < limits.authority_days:
        raise CertificateError(
            f"a certificate is renewed {limits.renew_days} days before its end, is valid for {limits.days} days and "
            f"its authority for {limits.authority_days}; each must be more than the one before"
        )


def make_plan(wanted: Sequence[Wanted], found: Found, limits: Limits, now: datetime) -> Plan:
    """Return what every node shall have.

    :raises CertificateError: with everything that is wrong with what was given.
    """
    check_limits(limits)
    authority = _authority(found, limits, now)
    held = authority.certificates
    wrong = [line for one in wanted for line in _check_given(one, held, now)]
    wrong += [
        f"the authority's key is needed to make the certificate of {one.name}; give it, or the certificate and its key"
        for one in wanted
        if authority.key is None and one.given is None
    ]
    if wrong:
        raise CertificateError("; ".join(wrong))

    trusted = [] if found.trusted is None else certificates.load_certificates(found.trusted, "the trusted bundle")
    known = found.trusted is None or all(one in trusted for one in held)
    pairs: dict[str, Pair] = {}
    reasons: dict[str, str] = {}
    waiting = []
    for one in wanted:
        pair = found.in_force.get(one.name)
        why, at_once = _why_new(one, pair, authority, trusted, limits, now)
        if not why and pair is not None:
            pairs[one.name] = pair
        elif pair is not None and not known and not at_once:
            pairs[one.name] = pair
            waiting.append(one.name)
        else:
            pairs[one.name] = one.given or certificates.issue(
                one.name, one.names, authority.signer, authority.key, limits.days, now
            )
            reasons[one.name] = why
    old = _still_trusted(found, held, trusted, now)
    step = ""
    if waiting:
        step = (
            "The authority changed. All nodes trust the new one beside the old from this run on; run the playbook "
            "again for certificates of the new one."
        )
    elif old:
        step = (
            "The nodes have certificates of the new authority now; run the playbook again to stop trusting the old one."
        )
    return Plan(authority.new, authority.pem + b"".join(old), pairs, reasons, step)


def _still_trusted(found: Found, held: Sequence[Any], trusted: Sequence[Any], now: datetime) -> list[bytes]:
    """The authorities beside the present one that issued what was in force when this run began."""
    needed: list[Any] = []
    for pair in found.in_force.values():
        try:
            certificate = certificates.load_certificates(pair.certificate, "it")[0]
        except CertificateError:
            continue
        if certificates.ends(certificate) > now:
            needed += certificates.chain(certificate, trusted) or []
    return [
        part
        for part, one in zip(certificates.split(found.trusted or b""), trusted)
        if one in needed and one not in held
    ]
