"""What a pair and its bundle are, for people: a line for each certificate. The time is an argument."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from mesh_injector.certs import bundle, validity
from mesh_injector.certs.pair import Pair

SOON: Final = timedelta(days=14)
_LAST: Final = 1 / 6
"""Of a life: who renews certificates does it at two thirds, so that one with so little left waits for nobody."""


@dataclass(frozen=True, slots=True)
class Description:
    """One certificate: what it is (`serving`, `intermediate`, `ca`), names as RFC 4514 writes them, and the time until its end, less
    than 0 when that is over."""

    what: str
    subject: str
    hosts: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    left: timedelta
    pem: bytes

    @property
    def is_nearly_over(self) -> bool:
        """Whether it ends soon, and the renewal that was due has not been made."""
        return timedelta() < self.left < min(SOON, (self.not_after - self.not_before) * _LAST)


def described(pair: Pair, at: datetime) -> list[Description]:
    """The certificates that can be read: the serving one, those between, and the CAs of the bundle."""
    chain = bundle.certificates(pair.certificate)
    found = [("intermediate" if number else "serving", one) for number, one in enumerate(chain)]
    found += [("ca", one) for one in bundle.certificates(pair.ca)]
    return [_described(what, one, at) for what, one in found]


def _described(what: str, one: x509.Certificate, at: datetime) -> Description:
    hosts, names = tuple(validity.hosts(one)), (one.subject.rfc4514_string(), one.issuer.rfc4514_string())
    until = one.not_valid_after_utc
    return Description(what, names[0], hosts, names[1], one.not_valid_before_utc, until, until - at, bundle.pem(one))
