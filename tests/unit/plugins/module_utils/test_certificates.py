# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a certificate, on real ones; OpenSSL's own verification has the last word on those made here."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stretch.cluster.plugins.module_utils import certificates
from ansible_collections.stretch.cluster.plugins.module_utils.certificates import CertificateError, Pair
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)
NAMES = ["s1controller-0", "10.0.20.11", "10.0.20.6"]
KEYS: dict[str, Any] = {
    "ec": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def loaded(pair: Pair) -> tuple[Any, Any]:
    return certificates.load_certificates(pair.certificate, "it")[0], certificates.load_key(pair.key, "its key")


def authority(name: str = "ours") -> tuple[Any, Any]:
    return loaded(certificates.make_authority(name, 7300, NOW))


def signed(kind: str, name: str, issuer: tuple[Any, Any] | None = None, ca: bool = False) -> tuple[Any, Any]:
    """A certificate as someone else would make it: another kind of key, and no key usage."""
    key = KEYS[kind]()
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (_name(name), key)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA384()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), x509.DNSName("*.example.com")]), critical=False)
    )
    return builder.sign(issuer_key, algorithm), key


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="module")
def ours() -> tuple[Any, Any]:
    return authority()


@pytest.fixture(scope="module")
def good(ours: tuple[Any, Any]) -> tuple[Any, Any]:
    return loaded(certificates.issue("s1controller-0", NAMES, *ours, 825, NOW))


def test_nothing_is_wrong(ours: tuple[Any, Any], good: tuple[Any, Any]) -> None:
    assert certificates.problems(*good, [ours[0]], NAMES, "it", NOW) == []


@pytest.mark.parametrize(
    ("case", "line"),
    [
        ("expired", "it expired on 2029-02-26 12:00 UTC"),
        ("early", "it is not valid before 2026-11-24 11:00 UTC; it is 2026-11-24 10:59"),
        ("foreign", "it is foreign: it was issued by CN=ours, and no chain of the given authority's certificates"),
        ("key", "it is not that of its key"),
        ("name", "it is not for 10.0.20.7, s9controller-0 (subjectAltName)"),
    ],
)
def test_one_thing_is_wrong(ours: tuple[Any, Any], good: tuple[Any, Any], case: str, line: str) -> None:
    certificate, key = good
    now, names, trusted = NOW, NAMES, [ours[0]]
    if case == "expired":
        now = NOW + timedelta(days=826)
    elif case == "early":
        now = NOW - timedelta(minutes=61)
    elif case == "foreign":
        # Of the same name: the signature counts.
        trusted = [authority()[0]]
    elif case == "key":
        key = KEYS["ec"]()
    else:
        names = ["10.0.20.7", "s1controller-0", "s9controller-0"]
    found = certificates.problems(certificate, key, trusted, names, "it", now)
    assert len(found) == 1
    assert found[0].startswith(line)


def test_everything_wrong_is_said(good: tuple[Any, Any]) -> None:
    found = certificates.problems(good[0], KEYS["rsa"](), [], ["x"], "it", NOW + timedelta(days=9000))
    assert len(found) == 4


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_authorities_of_any_kind_of_key(kind: str) -> None:
    root = signed(kind, "root", ca=True)
    between = signed("ec", "between", root, ca=True)
    leaf = signed(kind, "leaf", between)
    assert certificates.chain(leaf[0], [between[0], root[0]]) == [between[0], root[0]]
    assert certificates.chain(leaf[0], [between[0]]) is None
    assert certificates.chain(leaf[0], [root[0]]) is None
    assert certificates.authority_problems([between[0], root[0]], "the CA", NOW) == []
    pair = certificates.issue("node", ["node"], *root, 30, NOW)
    assert certificates.problems(*loaded(pair), [root[0]], ["node"], "it", NOW) == []


def test_what_is_no_authority(good: tuple[Any, Any], ours: tuple[Any, Any]) -> None:
    assert certificates.authority_problems([good[0]], "the CA", NOW) == [
        "the CA: the certificate of CN=s1controller-0 is not that of an authority (basicConstraints CA)"
    ]
    assert certificates.authority_problems([ours[0]], "the CA", NOW + timedelta(days=7301)) == [
        "the CA: the certificate of CN=ours expired on 2046-11-19 12:00 UTC"
    ]


def test_no_certificate_outlives_its_authority() -> None:
    short = loaded(certificates.make_authority("short", 10, NOW))
    certificate, _key = loaded(certificates.issue("node", ["node"], *short, 825, NOW))
    assert certificates.ends(certificate) == certificates.ends(short[0])


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a damaged certificate"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no certificate"),
    ],
)
def test_no_certificate(pem: bytes, message: str) -> None:
    with pytest.raises(CertificateError, match=f"^ca.pem {message}"):
        certificates.load_certificates(pem, "ca.pem")


def test_keys() -> None:
    pair = certificates.make_authority("ours", 9, NOW, b"geheim")
    assert certificates.fits(
        certificates.load_certificates(pair.certificate, "it")[0], certificates.load_key(pair.key, "it", b"geheim")
    )
    for passphrase, message in ((None, "is encrypted with a passphrase"), (b"other", "its passphrase is another")):
        with pytest.raises(CertificateError, match=message) as error:
            certificates.load_key(pair.key, "ca.key", passphrase)
        assert "geheim" not in str(error.value)
    with pytest.raises(CertificateError, match="holds no private key"):
        certificates.load_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "k")
    # A passphrase for a key that has none does not matter.
    plain = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    assert certificates.load_key(plain, "k", b"x")


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        (["leaf", "LEAF"], []),
        (["ctl-0.example.com"], []),
        (["a.b.example.com", "example.com"], ["a.b.example.com", "example.com"]),
        (["10.0.0.1", "FD00:0::1"], ["10.0.0.1", "fd00::1"]),
    ],
)
def test_names(wanted: list[str], missing: list[str]) -> None:
    assert certificates.missing_names(signed("ec", "leaf")[0], wanted) == missing


def test_names_of_ours(ours: tuple[Any, Any]) -> None:
    wanted = ["Node", "10.0.20.6", "FD00:0::6"]
    certificate, _key = loaded(certificates.issue("node", wanted, *ours, 825, NOW))
    assert certificates.names(certificate) == certificates.made_names(wanted)
    value = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    # Python 2.7 knows addresses as names alone.
    assert "10.0.20.6" in value.get_values_for_type(x509.DNSName)


def test_openssl_agrees(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed"
    now = datetime.now(timezone.utc)
    issuer = certificates.make_authority("ours", 7300, now)
    pair = certificates.issue("node", NAMES, *loaded(issuer), 825, now)
    (tmp_path / "cert.pem").write_bytes(pair.certificate)
    (tmp_path / "ca.pem").write_bytes(issuer.certificate)
    files = ["-CAfile", tmp_path / "ca.pem", tmp_path / "cert.pem"]
    for purpose in ("sslserver", "sslclient"):
        for check in (["-verify_hostname", "localhost"], ["-verify_ip", "10.0.20.6"]):
            found = subprocess.run(
                [openssl, "verify", "-x509_strict", "-purpose", purpose, *check, *files],
                capture_output=True,
                text=True,
                check=False,
            )
            assert found.returncode == 0, found.stdout + found.stderr
