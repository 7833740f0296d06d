"""A certificate authority that lives for one call: it signs one serving certificate, and its key is forgotten.

Whoever trusts the CA trusts this one certificate and none that could be made later.
"""

import ipaddress
import re
from collections.abc import Sequence
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
_HEAD_START: Final = timedelta(hours=1)
"""How far back certificates begin, for clients whose clock is behind."""
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z)(\*\.)?{_LABEL}(\.{_LABEL})*\Z", re.IGNORECASE)
"""RFC 1123 section 2.1, with the wildcard of RFC 6125 and the underscore that some resolvers allow."""


def issue(hosts: Sequence[str], at: datetime, *, valid: timedelta = YEAR) -> Pair:
    """A fresh CA and a P-256 serving certificate signed by it, for DNS names and IP addresses, good until `at + valid`.

    `at` is aware of its time zone. Raises ConfigError (CERTIFICATE_INVALID) where there is no host, or one that is no host name.
    """
    names = [_name(host) for host in dict.fromkeys(hosts)]
    if not names:
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, "there is no host to issue a certificate for", fix="name a host"))
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    # The time in the name tells two generations apart for whoever looks at a bundle.
    ca_name = _subject(f"mesh-injector CA {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    ca = _ca(_draft(ca_name, ca_key, at, valid).issuer_name(ca_name)).sign(ca_key, hashes.SHA256())
    leaf = _leaf(_draft(_subject("mesh-injector"), key, at, valid).issuer_name(ca_name), ca, names).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(leaf.public_bytes(pem), private, ca.public_bytes(pem))


def _draft(subject: x509.Name, key: ec.EllipticCurvePrivateKey, at: datetime, valid: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _HEAD_START)
        .not_valid_after(at + valid)
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
