"""Bugs of ours, wherever they are: a review is refused with HTTP 200, since a 400 is a yes to `failurePolicy: Ignore`."""

import asyncio
import io
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from mesh_injector import documents, store
from mesh_injector.formats.mesh import Loaded
from mesh_injector.metrics import Metrics
from mesh_injector.server.endpoint import PATH, ReviewEndpoint
from mesh_injector.server.limits import BEGAN
from mesh_injector.server.turns import Turns
from tests.server.conftest import MESH

Sample = Callable[[str], dict[str, Any]]
SCOPE = {
    "type": "http",
    "path": PATH,
    "method": "POST",
    "query_string": b"timeout=10s",
    "headers": [(b"content-type", b"application/json")],
}


def fail(*_: Any) -> Any:
    raise ZeroDivisionError("a bug")


bug: Any = fail
"""In the place of any function or method."""


class Rules:
    """Rules with a bug."""

    home = "mesh-system"
    decide = checks = bug


class Counting(Metrics):
    """Metrics that cannot count."""

    reviewed = bug


class Busy(Turns):
    """Turns that never come."""

    is_busy = True
    wait = bug


class Unpaid(Turns):
    """Turns that cannot be accounted for."""

    spend = bug


class Body(bytes):
    """A body at which decoding fails for no reason of its own."""

    isascii = bug


class Query(bytes):
    """A query that cannot be read."""

    __len__ = bug


@pytest.fixture
def snapshot(log: io.StringIO) -> store.Snapshot:
    return store.load(documents.parse(MESH, "mesh.yaml").documents)


def ask(endpoint: ReviewEndpoint, body: bytes, **scope: Any) -> tuple[int, bytes]:
    """HTTP status and body of an answer."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(endpoint({**SCOPE, "state": {BEGAN: time.monotonic()}, **scope}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def assert_refused(answer: bytes, review: dict[str, Any], log: io.StringIO) -> None:
    """It is refused with a reference that is in the log, beside what happened."""
    found = json.loads(answer)
    response = found["response"]
    assert (found["apiVersion"], response["uid"]) == (review["apiVersion"], review["request"]["uid"])
    assert (response["allowed"], response["status"]["code"], "patch" in response) == (False, 500, False)
    assert response["auditAnnotations"]["reason"] == "Internal"
    (reference,) = re.findall(r"reference ([0-9a-f]{16})", response["status"]["message"])
    line = log.getvalue().partition(reference)
    assert "internal error" in line[0].splitlines()[-1]
    assert "ZeroDivisionError" in line[2]


def test_a_bug_while_a_pod_is_decided_refuses_it(sample: Sample, log: io.StringIO) -> None:
    review, metrics = sample("deployment"), Metrics("1.0")
    made = ReviewEndpoint(store.Store(store.Snapshot(Rules(), Loaded())), metrics)  # type: ignore[arg-type]
    assert_refused(made.review(json.dumps(review).encode()), review, log)
    assert b'outcome="refused",reason="Internal"' in metrics.text("")[0]


@pytest.mark.parametrize(
    ("turns", "query"),
    [(Busy(9), b""), (Turns(9), Query(b"timeout=10s&like=no-other"))],
    ids=["in the order of reviews", "in the time that is left"],
)
def test_a_bug_before_the_turn_of_a_review_refuses_it(
    snapshot: store.Snapshot, sample: Sample, log: io.StringIO, turns: Turns, query: bytes
) -> None:
    review, metrics = sample("deployment"), Metrics("1.0")
    made = ReviewEndpoint(store.Store(snapshot), metrics, turns)
    status, answer = ask(made, json.dumps(review).encode(), query_string=query)
    assert status == 200
    assert_refused(answer, review, log)
    assert b'outcome="refused",reason="Internal"' in metrics.text("")[0]


@pytest.mark.parametrize(
    "broken", [{"metrics": Counting("1.0")}, {"turns": Unpaid(9)}, {"trace": bug}], ids=lambda broken: next(iter(broken))
)
def test_a_bug_after_the_answer_is_made_costs_a_line_and_not_the_answer(
    snapshot: store.Snapshot, sample: Sample, log: io.StringIO, broken: dict[str, Any]
) -> None:
    before = len(log.getvalue())
    status, answer = ask(ReviewEndpoint(store.Store(snapshot), **broken), json.dumps(sample("deployment")).encode())
    assert (status, json.loads(answer)["response"]["patchType"]) == (200, "JSONPatch")
    assert log.getvalue()[before:].count("internal error") == 1
    assert "ZeroDivisionError" in log.getvalue()[before:]


def test_a_bug_while_a_review_is_decoded_refuses_it(snapshot: store.Snapshot, sample: Sample, log: io.StringIO) -> None:
    review = sample("deployment")
    body = Body(json.dumps(review, separators=(",", ":")).encode())
    assert_refused(ReviewEndpoint(store.Store(snapshot)).review(body), review, log)


def test_a_bug_at_what_does_not_look_like_a_review_is_one_line_with_a_reference(snapshot: store.Snapshot, log: io.StringIO) -> None:
    made = ReviewEndpoint(store.Store(snapshot))
    with pytest.raises(ZeroDivisionError):
        made.review(Body(b"{}"))
    status, answer = ask(made, b"{}", headers=None)
    match = re.fullmatch(rb"\[MI900\] internal error, reference ([0-9a-f]{16}); report it [ -~]+\n", answer)
    assert match
    assert status == 400
    assert match[1].decode() in log.getvalue()
