"""A CA bundle as PEM: joining several, and whether one of them lets an API server trust a pair.

A bundle is kept as text, certificate by certificate, so that what cannot be read in it is no reason to lose the others.
"""

import re
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from mesh_injector.certs.pair import Pair

_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_LONGEST_CHAIN: Final = 10


def joined(*bundles: bytes) -> bytes:
    """All certificates of some bundles, each of them once, in their order."""
    found = dict.fromkeys(block.strip() for bundle in bundles for block in _BLOCK.findall(bundle))
    return b"".join(block + b"\n" for block in found)


def count(bundle: bytes) -> int:
    """How many certificates a bundle has."""
    return len(_BLOCK.findall(bundle))


def contains(bundle: bytes, other: bytes) -> bool:
    """Whether a bundle has every certificate of another one."""
    return set(map(bytes.strip, _BLOCK.findall(other))) <= set(map(bytes.strip, _BLOCK.findall(bundle)))


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as a bundle has it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def certificates(bundle: bytes) -> list[x509.Certificate]:
    """The certificates of a bundle that can be read."""
    found = []
    for block in _BLOCK.findall(bundle):
        try:
            found.append(x509.load_pem_x509_certificate(block))
        except ValueError:
            continue
    return found


def trusts(bundle: bytes, pair: Pair, at: datetime) -> bool:
    """Whether a chain leads from the pair's certificate to one of the bundle that is good at `at`: RFC 5280 section 6.1, as far as
    signatures, names and dates go.

    The `x509.verification` of cryptography asks more of a certificate than an API server does, and would call some wrong that serve.
    """
    anchors = [anchor for anchor in certificates(bundle) if anchor.not_valid_before_utc <= at <= anchor.not_valid_after_utc]
    chain = certificates(pair.certificate)
    link = chain[0] if chain else None
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return False
        if any(link == anchor or issued(link, anchor) for anchor in anchors):
            return True
        link = next((one for one in chain if one != link and issued(link, one)), None)
    return False


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether one certificate was signed by the key of another one."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
