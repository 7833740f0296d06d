"""Who may take a Lease, and what is written into it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mesh_injector.kube import lease
from mesh_injector.kube.lease import Seen

AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
EMPTY: dict[str, Any] = {"metadata": {"name": "mesh-injector", "resourceVersion": "1"}}


def held(by: str = "one", version: str = "2", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": by, "leaseDurationSeconds": 15, **spec}}


@pytest.mark.parametrize("shipped", [EMPTY, EMPTY | {"spec": {}}, EMPTY | {"spec": None}, EMPTY | {"spec": {"holderIdentity": ""}}])
def test_a_lease_that_nobody_holds_is_free(shipped: dict[str, Any]) -> None:
    assert lease.is_free(lease.observe(shipped, 100, None), "one", 100)


def test_a_foreign_lease_is_free_when_it_has_been_seen_unchanged_for_its_whole_length() -> None:
    first = lease.observe(held(), 100, None)
    assert lease.observe(held(), 114, first) == first
    assert not lease.is_free(first, "two", 114.9)
    assert lease.is_free(first, "two", 115)
    assert lease.is_free(first, "one", 100)


def test_a_renewal_begins_its_length_anew() -> None:
    seen = lease.observe(held(version="3"), 110, lease.observe(held(), 100, None))
    assert not lease.is_free(seen, "two", 124)


@pytest.mark.parametrize("written", [{"renewTime": "1999-01-01T00:00:00.000000Z"}, {"renewTime": "2999-01-01T00:00:00.000000Z"}])
def test_what_the_clock_of_another_machine_says_does_not_matter(written: dict[str, Any]) -> None:
    seen = lease.observe(held(**written), 100, None)
    assert (lease.is_free(seen, "two", 114), lease.is_free(seen, "two", 115)) == (False, True)


@pytest.mark.parametrize(("length", "expected"), [(None, 15), ("x", 15), (1, 1)])
def test_a_lease_that_does_not_say_how_long_it_lasts_lasts_as_long_as_ours(length: Any, expected: int) -> None:
    assert lease.observe(held(leaseDurationSeconds=length), 0, None) == Seen("2", "one", expected, 0)


def test_who_takes_it_writes_when_and_counts_the_change() -> None:
    taken = lease.claimed(held(leaseTransitions=4), "two", AT)
    now = "2026-11-21T20:00:00.000000Z"
    expected = {"holderIdentity": "two", "leaseDurationSeconds": 15, "acquireTime": now, "renewTime": now, "leaseTransitions": 5}
    assert taken == {"metadata": {"resourceVersion": "2"}, "spec": expected}
    assert lease.claimed(EMPTY, "two", AT)["spec"]["leaseTransitions"] == 1


def test_who_renews_it_keeps_when_it_was_taken() -> None:
    taken = lease.claimed(EMPTY, "one", AT)
    renewed = lease.claimed(taken, "one", AT + timedelta(seconds=2))
    assert renewed["spec"] == taken["spec"] | {"renewTime": "2026-11-21T20:00:02.000000Z"}


def test_a_lease_that_is_given_back_is_free_at_once() -> None:
    back = lease.released(lease.claimed(EMPTY, "one", AT), AT)
    assert lease.is_free(lease.observe(back, 0, None), "two", 0)
    assert back["metadata"] == EMPTY["metadata"]


def test_times_are_written_in_utc_with_six_digits() -> None:
    assert lease.stamp(AT.astimezone(timezone(timedelta(hours=2)))) == "2026-11-21T20:00:00.000000Z"
