"""Would an API server trust a serving certificate: the question of `check`, answered without a connection.

As in Go's verifier any certificate of the bundle is an anchor; a chain is RFC 5280 section 6, a name RFC 9525 section 6.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

_LONGEST: Final = 8
"""Certificates of a chain."""


def distrust(served: bytes, bundle: bytes, host: str, at: datetime) -> str:
    """Why a client that knows the CAs of `bundle` would not trust `served` (own certificate first) for a host; empty where it would.

    Both are PEM, `at` is aware of its time zone. Raises ValueError where one of them holds no certificate.
    """
    own, *between = x509.load_pem_x509_certificates(served)
    anchors = [one for one in x509.load_pem_x509_certificates(bundle) if _lives(one, at)]
    if not _is_for(own, host):
        return f"it is not for {host}"
    if not _lives(own, at):
        return "it is expired or not yet valid"
    if not anchors:
        return "every CA of the bundle is expired or not yet valid"
    return "" if _leads(own, between[:_LONGEST], anchors) else "no CA of the bundle has signed it"


def _leads(one: x509.Certificate, between: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> bool:
    """Whether a chain of signatures leads from a certificate to an anchor, each of those between used once."""
    if one in anchors or any(_signed(one, anchor) for anchor in anchors):
        return True
    return any(_signed(one, each) and _leads(each, [*between[:at], *between[at + 1 :]], anchors) for at, each in enumerate(between))


def _signed(one: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _lives(one: x509.Certificate, at: datetime) -> bool:
    return one.not_valid_before_utc <= at <= one.not_valid_after_utc


def _is_for(own: x509.Certificate, host: str) -> bool:
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        return False
    wild = f"*.{host.partition('.')[2]}"
    return any(name.lower() in (host, wild) for name in names)
