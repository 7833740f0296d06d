"""What a pair and its bundle are, for people: a line for each certificate. The time is an argument."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from mesh_injector.certs import bundle, validity
from mesh_injector.certs.pair import Pair


@dataclass(frozen=True, slots=True)
class Description:
    """One certificate: what it is (`serving`, `intermediate`, `ca`), names as RFC 4514 writes them, and whole days until its end, less
    than 0 when that is over."""

    what: str
    subject: str
    hosts: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    days_left: int
    pem: bytes


def described(pair: Pair, at: datetime) -> list[Description]:
    """The certificates that can be read: the serving one, those between, and the CAs of the bundle."""
    chain = bundle.certificates(pair.certificate)
    found = [("intermediate" if number else "serving", one) for number, one in enumerate(chain)]
    found += [("ca", one) for one in bundle.certificates(pair.ca)]
    return [_described(what, one, at) for what, one in found]


def _described(what: str, one: x509.Certificate, at: datetime) -> Description:
    hosts, names = tuple(validity.hosts(one)), (one.subject.rfc4514_string(), one.issuer.rfc4514_string())
    until = one.not_valid_after_utc
    return Description(what, names[0], hosts, names[1], one.not_valid_before_utc, until, (until - at).days, bundle.pem(one))
