"""A certificate authority of our own, and the serving certificates that it signs: ECDSA P-256, RFC 5280.

One that is made for a single certificate (`issue`) lives for that call; one that is kept signs until it is replaced.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh_injector import reasons
from mesh_injector.certs.pair import Pair
from mesh_injector.errors import ConfigError, Problem

YEAR: Final = timedelta(days=365)
HEAD_START: Final = timedelta(hours=1)
"""How far back certificates begin, for clients whose clock is behind."""
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z)(\*\.)?{_LABEL}(\.{_LABEL})*\Z", re.IGNORECASE)
"""RFC 1123 section 2.1, with the wildcard of RFC 6125 and the underscore that some resolvers allow."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that can sign: its certificate and its private key as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def authority(at: datetime, valid: timedelta) -> Authority:
    """A fresh CA, good from an hour before `at`, which is aware of its time zone, until `at + valid`."""
    key = ec.generate_private_key(ec.SECP256R1())
    # The time in the name tells two generations apart for whoever looks at a bundle.
    name = _subject(f"mesh-injector CA {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    ca = _ca(_draft(name, key, at, at + valid).issuer_name(name)).sign(key, hashes.SHA256())
    return Authority(ca.public_bytes(serialization.Encoding.PEM), _private(key))


def sign(ca: Authority, hosts: Sequence[str], at: datetime, valid: timedelta) -> Pair:
    """A serving certificate for DNS names and IP addresses, good until `at + valid`, but not for longer than its CA.

    Raises ConfigError (CERTIFICATE_INVALID) where there is no host, or one that is no host name; TypeError where the
    CA has a key of another kind than ours.
    """
    names = [_name(host) for host in dict.fromkeys(hosts)]
    if not names:
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, "there is no host to issue a certificate for", fix="name a host"))
    issuer, ca_key = x509.load_pem_x509_certificate(ca.certificate), serialization.load_pem_private_key(ca.key, None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of the CA is of another kind")
    key = ec.generate_private_key(ec.SECP256R1())
    draft = _draft(_subject("mesh-injector"), key, at, min(at + valid, issuer.not_valid_after_utc))
    leaf = _leaf(draft.issuer_name(issuer.subject), issuer, names).sign(ca_key, hashes.SHA256())
    return Pair(leaf.public_bytes(serialization.Encoding.PEM), _private(key), ca.certificate)


def issue(hosts: Sequence[str], at: datetime, *, valid: timedelta = YEAR) -> Pair:
    """A fresh CA and a certificate signed by it; the CA's key is forgotten, so whoever trusts it trusts this one certificate alone.

    `at` is aware of its time zone. Raises ConfigError as `sign` does.
    """
    return sign(authority(at, valid), hosts, at, valid)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _draft(subject: x509.Name, key: ec.EllipticCurvePrivateKey, at: datetime, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - HEAD_START)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _ca(draft: x509.CertificateBuilder) -> x509.CertificateBuilder:
    """RFC 5280 sections 4.2.1.3 and 4.2.1.9: may sign certificates, but none that could sign others."""
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return draft.add_extension(_usage(sign_certificates=True), critical=True)


def _leaf(draft: x509.CertificateBuilder, ca: x509.Certificate, names: Sequence[x509.GeneralName]) -> x509.CertificateBuilder:
    ca_identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    """A CA signs certificates and revocation lists, a P-256 serving key signs handshakes; there is nothing to encipher."""
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _DNS_NAME.match(host):
        fix = "write a DNS name in ASCII such as injector.mesh-system.svc, or an IP address without brackets and port"
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, "this is neither a host name nor an IP address", repr(host), fix))
    return x509.DNSName(host)
