"""The steps of a rotation: each from what the one before left, whoever leads; and what was broken heals without losing trust."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mesh_injector import certs
from mesh_injector.certs import authority, bundle, rotation, validity
from mesh_injector.certs.pair import Pair
from mesh_injector.certs.rotation import Kept, Seen, Terms, Wish

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TERMS = Terms(("mesh-injector.mesh-system.svc",))
EMPTY = Kept(Pair(b"", b""))
LONG = timedelta(days=1)
NOT_YET = timedelta(seconds=59)


def seen(at: datetime = NOW, trusted: timedelta | None = LONG, unchanged: timedelta = timedelta(), last_good: Pair | None = None) -> Seen:
    return Seen(at, trusted, unchanged, last_good)


def step(kept: Kept, now: Seen) -> Kept:
    found = rotation.following(kept, TERMS, now)
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def fresh() -> Kept:
    return step(EMPTY, seen(trusted=None))


def signer(kept: Kept) -> bytes:
    found = rotation.signing(kept)
    assert found is not None
    return found.certificate


def signed_by(kept: Kept) -> bytes:
    """The CA of the bundle that signed the certificate."""
    leaf = validity.own(kept.pair)
    return next(bundle.pem(one) for one in bundle.certificates(kept.pair.ca) if bundle.issued(leaf, one))


def test_an_empty_secret_is_filled_at_once_and_then_nothing_is_due(fresh: Kept) -> None:
    certs.check(fresh.pair, NOW)
    assert bundle.count(fresh.pair.ca) == 1
    assert rotation.following(fresh, TERMS, seen()) is None
    assert rotation.wait(fresh, TERMS, seen()) == timedelta(days=60)


def test_a_leaf_is_renewed_at_two_thirds_of_its_life_and_not_before(fresh: Kept) -> None:
    assert rotation.following(fresh, TERMS, seen(NOW + timedelta(days=60, seconds=-1))) is None
    renewed = step(fresh, seen(NOW + timedelta(days=60)))
    assert validity.own(renewed.pair) != validity.own(fresh.pair)
    assert (renewed.pair.ca, renewed.signer_key) == (fresh.pair.ca, fresh.signer_key)
    assert certs.expires(renewed.pair) == NOW + timedelta(days=150)


def test_a_leaf_of_another_host_is_renewed(fresh: Kept) -> None:
    found = rotation.following(fresh, replace(TERMS, hosts=("other.mesh-system.svc",)), seen())
    assert found is not None
    assert validity.hosts(validity.own(found[0].pair)) == ["other.mesh-system.svc"]


def test_a_ca_is_replaced_in_the_right_order_whoever_leads_after_each_step(fresh: Kept) -> None:
    at = NOW + timedelta(days=3650 * 2 / 3 + 1)
    leaf = authority.sign(authority.Authority(signer(fresh), fresh.signer_key), TERMS.hosts, at, TERMS.leaf)
    first = step(replace(fresh, pair=leaf), seen(at))
    assert (bundle.count(first.pair.ca), first.pair.certificate) == (2, leaf.certificate)
    assert signer(first) != signed_by(first)
    for trusted in (None, timedelta(), NOT_YET):  # a leader that has just begun has seen nothing yet
        assert rotation.following(first, TERMS, seen(at, trusted)) is None
    second = step(first, seen(at, timedelta(seconds=60)))
    assert (second.pair.ca, second.signer_key) == (first.pair.ca, first.signer_key)
    assert signed_by(second) == signer(second)
    assert bundle.trusts(first.pair.ca, second.pair, at)  # a replica that knows the first step takes the second one over at once
    assert rotation.following(second, TERMS, seen(at, unchanged=timedelta(seconds=599))) is None
    third = step(second, seen(at, unchanged=timedelta(seconds=600)))
    assert third.pair.ca == signer(second)
    assert rotation.following(third, TERMS, seen(at, unchanged=LONG)) is None


@pytest.mark.parametrize(("wish", "steps"), [(Wish.LEAF, 1), (Wish.CA, 2)])
def test_a_wish_is_done_once_and_then_forgotten(fresh: Kept, wish: Wish, steps: int) -> None:
    kept = replace(fresh, wish=wish)
    for _ in range(steps):
        kept = step(kept, seen())
    assert kept.wish is Wish.NOTHING
    assert validity.own(kept.pair) != validity.own(fresh.pair)
    assert rotation.following(kept, TERMS, seen()) is None
    assert (signer(kept) != signer(fresh)) is (wish is Wish.CA)


def test_how_long_it_waits_is_what_is_left_and_nothing_where_time_does_not_help(fresh: Kept) -> None:
    begun = step(replace(fresh, wish=Wish.CA), seen())
    assert rotation.wait(begun, TERMS, seen(trusted=None)) is None
    assert rotation.wait(begun, TERMS, seen(trusted=NOT_YET)) == timedelta(seconds=1)
    done = step(begun, seen())
    assert rotation.wait(done, TERMS, seen(unchanged=timedelta(seconds=590))) == timedelta(seconds=10)


BROKEN: dict[str, Callable[[Kept], Kept]] = {
    "the certificate": lambda kept: replace(kept, pair=replace(kept.pair, certificate=b"nonsense")),
    "the key": lambda kept: replace(kept, pair=replace(kept.pair, key=b"")),
    "the bundle": lambda kept: replace(kept, pair=replace(kept.pair, ca=b"")),
    "the CA's key": lambda kept: replace(kept, signer_key=b"nonsense"),
    "everything": lambda _: EMPTY,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("is_trusted", [True, False])
def test_what_is_broken_heals_and_what_serves_first_is_trusted_already(
    fresh: Kept, broken: Callable[[Kept], Kept], is_trusted: bool
) -> None:
    kept = broken(fresh)
    trusted = LONG if is_trusted and rotation.signing(kept) else None
    healed = step(kept, seen(trusted=trusted, last_good=fresh.pair))
    assert rotation.is_usable(healed.pair, NOW)
    assert bundle.trusts(fresh.pair.ca, healed.pair, NOW)
    for _ in range(4):
        if (found := rotation.following(healed, TERMS, seen(last_good=healed.pair))) is not None:
            assert bundle.trusts(healed.pair.ca, found[0].pair, NOW)
            healed = found[0]
    assert signed_by(healed) == signer(healed)


def test_a_secret_whose_certificate_is_over_gets_another_at_once(fresh: Kept) -> None:
    late = NOW + timedelta(days=91)
    healed = step(fresh, seen(late, trusted=None, last_good=fresh.pair))
    assert (signer(healed), healed.pair.ca) == (signer(fresh), fresh.pair.ca)
    certs.check(healed.pair, late)


def test_a_bundle_never_has_more_than_three(fresh: Kept) -> None:
    kept = fresh
    for _ in range(6):
        kept = step(replace(kept, wish=Wish.CA), seen())
        kept = step(kept, seen())
    assert bundle.count(kept.pair.ca) == 3


def test_a_leaf_does_not_outlive_its_ca() -> None:
    short = replace(TERMS, ca=timedelta(days=1))
    found = rotation.following(EMPTY, short, seen())
    assert found is not None
    assert certs.expires(found[0].pair) == NOW + timedelta(days=1)
