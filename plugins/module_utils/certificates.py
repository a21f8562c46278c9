# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""X.509 certificates in PEM: what is wrong with one, and how one is made.

Pure: bytes and the time go in. It needs cryptography, which ansible-core needs too, so the Ansible controller has it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Iterable, Sequence

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    HAS_CRYPTOGRAPHY = False
    CRYPTOGRAPHY_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    HAS_CRYPTOGRAPHY = True
    CRYPTOGRAPHY_IMPORT_ERROR = None

LOCAL_NAMES = ("localhost", "127.0.0.1")
"""What a node calls itself, for clients on the node."""

CLOCKS_APART = timedelta(hours=1)
"""A new certificate is valid from so long ago, for nodes whose clock is behind."""

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


class CertificateError(Exception):
    """A file that holds no certificate or no key that can be used. Says which, and never holds a key."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both in PEM."""

    certificate: bytes
    key: bytes


def split(pem: bytes) -> list[bytes]:
    """Return each certificate of a bundle, with a line feed at its end; what is between them is dropped."""
    parts = [part.split(_END)[0] for part in pem.split(_BEGIN)[1:]]
    return [_BEGIN + part + _END + b"\n" for part in parts]


def load_certificates(pem: bytes, what: str) -> list[Any]:
    """Return the certificates of a bundle, at least one. Raises :class:`CertificateError`."""
    try:
        found = [x509.load_pem_x509_certificate(part) for part in split(pem)]
    except ValueError as error:
        raise CertificateError(f"{what} holds a damaged certificate: {error}") from error
    if not found:
        raise CertificateError(f"{what} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    return found


def load_key(pem: bytes, what: str, passphrase: bytes | None = None) -> Any:
    """Return the private key. Raises :class:`CertificateError`, for a passphrase that does not fit too."""
    encrypted = b"ENCRYPTED" in pem
    if encrypted and passphrase is None:
        raise CertificateError(f"{what} is encrypted with a passphrase, and none is given or can be used for it")
    try:
        return serialization.load_pem_private_key(pem, passphrase if encrypted else None)
    except Exception as error:  # OpenSSL's errors depend on cryptography's version
        raise CertificateError(
            f"{what}: its passphrase is another" if encrypted else f"{what} holds no private key in PEM"
        ) from error


def _public_bytes(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))


def fits(certificate: Any, key: Any) -> bool:
    """Return whether the certificate is that of the private key."""
    return _public_bytes(certificate.public_key()) == _public_bytes(key.public_key())


def _time(certificate: Any, which: str) -> datetime:
    """``not_valid_before`` or ``not_valid_after``, in UTC, from any version of cryptography."""
    value = getattr(certificate, f"{which}_utc", None)
    found: datetime = value if value is not None else getattr(certificate, which).replace(tzinfo=timezone.utc)
    return found


def ends(certificate: Any) -> datetime:
    """Return when the certificate stops being valid, in UTC."""
    return _time(certificate, "not_valid_after")


def is_authority(certificate: Any) -> bool:
    """Return whether certificates may be signed with this one's key (RFC 5280, 4.2.1.9 and 4.2.1.3)."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca:
            return False
        return bool(certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign)
    except x509.ExtensionNotFound as error:
        # Without a key usage, any use is allowed.
        return bool(error.oid == x509.KeyUsage.oid)


def signed_by(certificate: Any, issuer: Any) -> bool:
    """Return whether ``issuer`` signed the certificate."""
    if certificate.issuer != issuer.subject:
        return False
    key, signature, content = issuer.public_key(), certificate.signature, certificate.tbs_certificate_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey):
            scheme = getattr(certificate, "signature_algorithm_parameters", None) or padding.PKCS1v15()
            key.verify(signature, content, scheme, certificate.signature_hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(certificate.signature_hash_algorithm))
        else:
            key.verify(signature, content)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def chain(certificate: Any, authorities: Sequence[Any]) -> list[Any] | None:
    """Return the authorities from the certificate's issuer to one that signed itself; None if one is missing."""
    found: list[Any] = []
    current = certificate
    while not (found and signed_by(current, current)):
        issuer = next((one for one in authorities if one not in found and signed_by(current, one)), None)
        if issuer is None:
            return None
        found.append(issuer)
        current = issuer
    return found


def names(certificate: Any) -> set[str]:
    """Return the names and addresses that the certificate is for (subjectAltName), in small letters."""
    try:
        value = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {name.lower() for name in value.get_values_for_type(x509.DNSName)} | {
        str(address) for address in value.get_values_for_type(x509.IPAddress)
    }


def canonical(name: str) -> str:
    """Return a name in small letters, an address as Python writes it."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def missing_names(certificate: Any, wanted: Iterable[str]) -> list[str]:
    """Return which of the names the certificate is not for. ``*.a.b`` stands for one label before ``.a.b``."""
    held = names(certificate)
    return [
        name
        for name in map(canonical, wanted)
        if name not in held and not ("." in name and "*." + name.split(".", 1)[1] in held)
    ]


def _validity(certificate: Any, what: str, now: datetime) -> list[str]:
    start, end = _time(certificate, "not_valid_before"), ends(certificate)
    if end < now:
        return [f"{what} expired on {end:%Y-%m-%d %H:%M} UTC"]
    if start > now:
        return [f"{what} is not valid before {start:%Y-%m-%d %H:%M} UTC; it is {now:%Y-%m-%d %H:%M}"]
    return []


def authority_problems(certificates: Sequence[Any], what: str, now: datetime) -> list[str]:
    """Return what is wrong with a bundle of authorities, one line each."""
    found: list[str] = []
    for one in certificates:
        subject = one.subject.rfc4514_string()
        if not is_authority(one):
            found.append(f"{what}: the certificate of {subject} is not that of an authority (basicConstraints CA)")
        found += _validity(one, f"{what}: the certificate of {subject}", now)
    return found


def problems(
    certificate: Any, key: Any, authorities: Sequence[Any], wanted: Sequence[str], what: str, now: datetime
) -> list[str]:
    """Return why a server cannot use a certificate, one line each; nothing if it can.

    :param wanted: Names and addresses that it must be for.
    :param what: What the certificate is called in the lines.
    """
    found = _validity(certificate, what, now)
    if not fits(certificate, key):
        found.append(f"{what} is not that of its key")
    if chain(certificate, authorities) is None:
        found.append(
            f"{what} is foreign: it was issued by {certificate.issuer.rfc4514_string()}, and no chain of the "
            "given authority's certificates leads to that"
        )
    absent = missing_names(certificate, wanted)
    if absent:
        found.append(f"{what} is not for {', '.join(absent)} (subjectAltName)")
    return found


def made_names(wanted: Iterable[str]) -> set[str]:
    """Return the names that a certificate of ours is for.

    Addresses stand in it as names too: Python 2.7 compares with those alone.
    """
    return {canonical(name) for name in [*wanted, *LOCAL_NAMES]}


def _alternative_names(wanted: Iterable[str]) -> list[Any]:
    found: list[Any] = []
    for name in sorted(made_names(wanted)):
        with contextlib.suppress(ValueError):
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        if ":" not in name:
            found.append(x509.DNSName(name))
    return found


def _usage(**uses: bool) -> Any:
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{use: uses.get(use, False) for use in every.split()})


def _builder(subject: Any, issuer: Any, key: Any, issuer_key: Any, start: datetime, end: datetime) -> Any:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _pair(certificate: Any, key: Any, passphrase: bytes | None = None) -> Pair:
    encryption: Any = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
    )


def _hash(key: Any) -> Any:
    return hashes.SHA256() if isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)) else None


def make_authority(name: str, days: int, now: datetime, passphrase: bytes | None = None) -> Pair:
    """Return a new authority that signs itself (EC P-256). Its key is encrypted if there is a passphrase."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key, key.public_key(), now - CLOCKS_APART, now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key, passphrase)


def issue(name: str, wanted: Iterable[str], authority: Any, authority_key: Any, days: int, now: datetime) -> Pair:
    """Return a new key (EC P-256) and its certificate, for a server that is a client of the others too.

    It is valid no longer than the authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    end = min(now + timedelta(days=days), ends(authority))
    start = max(now - CLOCKS_APART, _time(authority, "not_valid_before"))
    builder = _builder(subject, authority.subject, key, authority_key.public_key(), start, end)
    builder = builder.add_extension(x509.SubjectAlternativeName(_alternative_names(wanted)), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(uses, critical=False)
    return _pair(builder.sign(authority_key, _hash(authority_key)), key)
