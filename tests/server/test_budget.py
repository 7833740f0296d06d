"""The time for a review, from the URL by which an API server calls."""

import pytest

from mesh_injector.server import budget


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        (b"timeout=5s", 4.5),
        (b"timeout=10s", 9.5),
        (b"timeout=1s", 0.5),
        (b"timeout=500ms", 0.25),
        (b"timeout=1.5s", 1.0),
        (b"timeout=0m5s", 4.5),
        (b"x=1&timeout=5s&timeout=1s", 4.5),
        (b"timeout=1h", 29.5),
        (b"timeout=99999999m", 29.5),
    ],
)
def test_the_budget_is_the_timeout_less_half_a_second_and_at_least_half_of_it(query: bytes, seconds: float) -> None:
    assert budget.seconds(query) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "query",
    [b"", b"timeout=", b"timeout=0s", b"timeout=-5s", b"timeout=five", b"timeout=5", b"timeout=1e9s", b"timeout=\xff", b"a&" * 9999],
)
def test_what_is_not_understood_is_what_kubernetes_takes_where_nothing_is_said(query: bytes) -> None:
    assert budget.seconds(query) == 9.5


def test_a_query_that_is_too_long_to_be_meant_takes_no_room() -> None:
    before = budget._read.cache_info().currsize
    for number in range(100):
        assert budget.seconds(b"timeout=5s&a=%d" % number + b"b" * 1000) == 9.5
    assert budget._read.cache_info().currsize <= before + 1
