"""What the leader does next for a certificate that it keeps: a pure step from what is kept, so that whoever leads next goes on there.

The order loses no call: first every API server trusts the new CA, then its certificate serves, and later the old CA is forgotten.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh_injector.certs import authority, bundle, validity
from mesh_injector.certs.authority import HEAD_START, Authority
from mesh_injector.certs.pair import Pair
from mesh_injector.errors import ConfigError


class Wish(StrEnum):
    """What a user asks to have renewed before it is time."""

    NOTHING = ""
    LEAF = "leaf"
    CA = "ca"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one step for the next: the pair, whose `ca` is the bundle that API servers are to trust, the private key of the CA
    that signs, which is one of the bundle, and what is wished."""

    pair: Pair
    signer_key: bytes = b""
    wish: Wish = Wish.NOTHING


@dataclass(frozen=True, slots=True)
class Terms:
    """The host names of a certificate, its life and that of the CA, and how long a bundle must have been in every entry before a
    certificate relies on it, and a new certificate must have served before an old CA is forgotten."""

    hosts: tuple[str, ...]
    leaf: timedelta = timedelta(days=90)
    ca: timedelta = timedelta(days=3650)
    overlap: timedelta = timedelta(seconds=60)
    retire: timedelta = timedelta(seconds=600)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a leader has seen: the time, how long every entry has had the present signer in its bundle (None: not all have it), how long
    the present pair has been what it is, and the last pair that could serve."""

    at: datetime
    trusted: timedelta | None
    unchanged: timedelta
    last_good: Pair | None = None


_NONE: Final = timedelta()


def following(kept: Kept, terms: Terms, seen: Seen) -> tuple[Kept, str] | None:
    """The next step, and what it does in a few words; None where there is nothing to do now."""
    signer = signing(kept)
    if not is_usable(kept.pair, seen.at):
        return _healed(kept, signer, terms, seen)
    if signer is None:
        return _new_authority(kept, terms, seen, "the key of the CA is lost: a new CA")
    if not _is_signed(kept.pair, signer) or _is_due(kept, terms, seen):
        return _new_leaf(kept, signer, terms, seen)
    if kept.wish is Wish.CA or _is_old(_certificate(signer), seen.at):
        return _new_authority(kept, terms, seen, "a new CA beside the old one")
    if bundle.count(kept.pair.ca) > 1 and seen.unchanged >= terms.retire:
        return replace(kept, pair=replace(kept.pair, ca=bundle.joined(signer.certificate))), "the old CA is forgotten"
    return None


def wait(kept: Kept, terms: Terms, seen: Seen) -> timedelta | None:
    """How long it takes until a step could be due that is not due now; None where it is not a matter of time."""
    signer = signing(kept)
    if signer is None:
        return None
    if not _is_signed(kept.pair, signer) or _is_due(kept, terms, seen):
        return None if seen.trusted is None else max(terms.overlap - seen.trusted, _NONE)
    found = [_renewal(validity.own(kept.pair)) - seen.at, _renewal(_certificate(signer)) - seen.at]
    if bundle.count(kept.pair.ca) > 1:
        found.append(terms.retire - seen.unchanged)
    return max(min(found), _NONE)


def is_usable(pair: Pair, at: datetime) -> bool:
    """Whether a pair can serve, and its own bundle trusts it."""
    try:
        validity.check(pair, at)
    except ConfigError:
        return False
    return bundle.trusts(pair.ca, pair, at)


def signing(kept: Kept) -> Authority | None:
    """The CA of the bundle whose key is kept; None where there is none, or it cannot sign."""
    try:
        key = serialization.load_pem_private_key(kept.signer_key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    public = key.public_key()
    found = (one for one in bundle.certificates(kept.pair.ca) if one.public_key() == public)
    certificate = next(found, None)
    return Authority(bundle.pem(certificate), kept.signer_key) if certificate else None


def _healed(kept: Kept, signer: Authority | None, terms: Terms, seen: Seen) -> tuple[Kept, str]:
    """The pair cannot serve: another of the same CA if that is trusted, else the last good one until a CA is."""
    good = seen.last_good if seen.last_good is not None and is_usable(seen.last_good, seen.at) else None
    is_trusted = seen.trusted is not None and seen.trusted >= terms.overlap
    if signer is not None and seen.at < _certificate(signer).not_valid_after_utc and (is_trusted or good is None):
        pair = authority.sign(signer, terms.hosts, seen.at, terms.leaf)
        return replace(kept, pair=replace(pair, ca=_bounded(kept.pair.ca, signer.certificate))), "a certificate in the place of a lost one"
    if good is None:
        return _everything(kept, terms, seen)
    if signer is not None:
        restored = replace(good, ca=_bounded(good.ca, signer.certificate))
        return replace(kept, pair=restored), "the last good certificate in the place of a lost one"
    return _new_authority(replace(kept, pair=good), terms, seen, "the last good certificate in the place of a lost one, and a new CA")


def _everything(kept: Kept, terms: Terms, seen: Seen) -> tuple[Kept, str]:
    """Nothing serves, so nobody need be waited for. An older CA stays trusted: a replica may still serve by it."""
    signer = authority.authority(seen.at, terms.ca)
    pair = authority.sign(signer, terms.hosts, seen.at, terms.leaf)
    older = seen.last_good.ca if seen.last_good else kept.pair.ca
    return Kept(replace(pair, ca=_bounded(older, signer.certificate)), signer.key), "a CA and a certificate"


def _new_authority(kept: Kept, terms: Terms, seen: Seen, why: str) -> tuple[Kept, str]:
    """The pair stays; that its CA has been replaced is what makes a new leaf due, so the wish is fulfilled when that is there."""
    made = authority.authority(seen.at, terms.ca)
    pair = replace(kept.pair, ca=_bounded(kept.pair.ca, made.certificate))
    return Kept(pair, made.key, Wish.LEAF if kept.wish else Wish.NOTHING), why


def _new_leaf(kept: Kept, signer: Authority, terms: Terms, seen: Seen) -> tuple[Kept, str] | None:
    if seen.trusted is None or seen.trusted < terms.overlap:
        return None
    pair = replace(authority.sign(signer, terms.hosts, seen.at, terms.leaf), ca=kept.pair.ca)
    wish = Wish.CA if kept.wish is Wish.CA else Wish.NOTHING
    return replace(kept, pair=pair, wish=wish), "a new certificate"


def _bounded(older: bytes, newest: bytes) -> bytes:
    """A bundle of the newest CA and the two before it: one of many has no room in a webhook configuration."""
    before = [bundle.pem(one) for one in bundle.certificates(older)]
    return bundle.joined(*before[-2:], newest)


def _is_due(kept: Kept, terms: Terms, seen: Seen) -> bool:
    leaf = validity.own(kept.pair)
    return kept.wish is Wish.LEAF or _is_old(leaf, seen.at) or not set(terms.hosts) <= set(validity.hosts(leaf))


def _is_old(certificate: x509.Certificate, at: datetime) -> bool:
    return at >= _renewal(certificate)


def _renewal(certificate: x509.Certificate) -> datetime:
    """Two thirds of a certificate's life, which begins when it was made, an hour after it became good."""
    begin = certificate.not_valid_before_utc + HEAD_START
    return begin + (certificate.not_valid_after_utc - begin) * 2 / 3


def _is_signed(pair: Pair, signer: Authority) -> bool:
    return bundle.issued(validity.own(pair), _certificate(signer))


def _certificate(signer: Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(signer.certificate)
