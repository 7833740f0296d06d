"""Is a pair good for serving at a given time, and until when.

The questions are those an API server asks when it calls a webhook, put before it can: a pair that fails here would fail each review.
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from mesh_injector.certs.pair import CA, CERTIFICATE, KEY, Pair

_NEW = "renew the certificate"


def check(pair: Pair, at: datetime) -> None:
    """Whether the pair can serve at `at`, which is aware of its time zone.

    Raises ConfigError (CERTIFICATE_INVALID) with the file where one is not PEM, the key is encrypted or belongs to another
    certificate, the certificate is expired or not yet valid, or names no host.
    """
    leaf = own(pair)
    if _key(pair).public_key() != _public_key(pair, leaf):
        fix = f"use the key that {CERTIFICATE} was issued for, and put the server's own certificate first in {CERTIFICATE}"
        raise pair.wrong(KEY, f"the key does not belong to the certificate in {CERTIFICATE}", fix)
    _check_time(pair, leaf, at.astimezone(UTC))
    _check_names(pair, leaf)
    if pair.ca:
        _certificates(pair, CA, pair.ca)


def expires(pair: Pair) -> datetime:
    """The end of the serving certificate's life in UTC. Raises ConfigError (CERTIFICATE_INVALID) where it is no certificate."""
    return own(pair).not_valid_after_utc


def own(pair: Pair) -> x509.Certificate:
    """The server's own certificate: the first, RFC 8446 section 4.4.2. Raises ConfigError (CERTIFICATE_INVALID) if there is none."""
    return _certificates(pair, CERTIFICATE, pair.certificate)[0]


def _certificates(pair: Pair, file: str, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        fix = "write certificates that begin with -----BEGIN CERTIFICATE-----"
        raise pair.wrong(file, "the file holds no certificate in PEM", fix) from error


def _key(pair: Pair) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pair.key, password=None)
    except TypeError as error:
        raise pair.wrong(KEY, "the key is encrypted", "store it without a passphrase: openssl pkey -in FILE -out tls.key") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise pair.wrong(KEY, "the file holds no private key in PEM", "write a key that begins with -----BEGIN PRIVATE KEY-----") from error


def _public_key(pair: Pair, leaf: x509.Certificate) -> PublicKeyTypes:
    try:
        return leaf.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise pair.wrong(CERTIFICATE, "the certificate's kind of key is not known", "use an ECDSA P-256 or RSA key") from error


def _check_time(pair: Pair, leaf: x509.Certificate, at: datetime) -> None:
    if at > leaf.not_valid_after_utc:
        raise pair.wrong(CERTIFICATE, f"the certificate expired at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}", _NEW)
    if at < leaf.not_valid_before_utc:
        what = f"the certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
        raise pair.wrong(CERTIFICATE, what, f"set the clock right (it says {at:%Y-%m-%dT%H:%M:%SZ}), or {_NEW}")


def hosts(certificate: x509.Certificate) -> list[str]:
    """The DNS names and IP addresses that a certificate is for.

    API servers look at the subject alternative names alone, never at the common name (Kubernetes 1.23).
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []


def _check_names(pair: Pair, leaf: x509.Certificate) -> None:
    if not hosts(leaf):
        fix = "issue it for the service's name, such as injector.mesh-system.svc, as subject alternative name"
        raise pair.wrong(CERTIFICATE, "the certificate names no host", fix)
