"""Whatever bytes come as a review, the answer is a review or one line: never a bug, never an answer that the contract does not know.

The corpus is what API servers really sent. `make fuzz` runs this for as long as one likes; what it finds is kept in `.hypothesis` and
tried first the next time.
"""

import base64
import contextlib
import copy
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import structlog
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mesh_injector import admission, documents, store
from mesh_injector.engine.record import ANNOTATION
from mesh_injector.errors import ReviewError
from mesh_injector.reasons import Reason
from mesh_injector.server.endpoint import ReviewEndpoint
from mesh_injector.store import Snapshot

ROOT = Path(__file__).parents[2]
CORPUS = [path.read_bytes() for path in sorted((ROOT / "config/samples/reviews").glob("*.json"))]
MESHES = """
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: all, namespace: mesh-system}
spec:
  enableAutoInject: true
  injectionSelector: {podSelector: {}}
  sidecarPatchConfigMap: {name: envoy}
  values: {level: info}
  overrides: [level]
  requireContainerPorts: false
---
apiVersion: v1
kind: ConfigMap
metadata: {name: envoy, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data:
  patch.yaml.j2: |
    metadata: {labels: {injected: "true"}, annotations: {ports: "{{ app_ports }}"}}
    spec:
      containers:
        - name: envoy
          image: envoy:v1
          args: [--log-level, "{{ values.level }}"]
          env: [{name: ACCOUNT, value: "{{ pod.spec.serviceAccountName|default('none') }}"}]
        {% for name in container_names %}
        - {name: "{{ name }}", env: [{name: INJECTED, value: "{{ name }}"}], volumeMounts: [{name: shared, mountPath: /shared}]}
        {% endfor %}
      volumes: [{name: shared, emptyDir: {}}]
"""
RECORD = json.dumps({"version": 1, "mesh": "mesh-system/all", "added": ["containers[envoy]", "labels[injected]", "spec", "containers"]})
FRAGMENTS = [
    *(b'"kind" "apiVersion" "uid" "object" "spec" "containers" null true 1e999 -0 NaN "\\ud800" \\u0000 [[ ]] {{ }} ,, ""'.split()),
    *(b"\xff", b"\xed\xa0\x80", b'"a":', b"[" * 2000, b'{"a":' * 2000, b"9" * 500, ANNOTATION.encode()),
]
HOSTILE: list[Any] = [
    *(None, True, 0, -1, 2**63, 2**70, 0.5, 1e308, "", "a\nb: c", "\x1b[2J", "é" * 300, "\ue000" * 3, [], {}, [None], [[]], {"": None}),
    *({"name": "envoy"}, [{"name": "a"}, {"name": "a"}], {"mesh-injector.io/inject": "true"}, {ANNOTATION: RECORD}, {ANNOTATION: "{"}),
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ReviewEndpoint]:
    snapshot: Snapshot = store.load(documents.parse(MESHES, "meshes.yaml").documents)
    assert not snapshot.problems
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield ReviewEndpoint(store.Store(snapshot))
    structlog.reset_defaults()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real review with some bytes changed, left out, doubled or put in."""
    body = bytearray(draw(st.sampled_from(CORPUS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        end = min(at + draw(st.sampled_from([0, 0, 1, 4, 50])), len(body))
        body[at:end] = draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=4) | st.just(bytes(body[at:end]) * 2))
    return bytes(body)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


@st.composite
def twisted(draw: st.DrawFn) -> bytes:
    """A real review in which some values are of another type or left out, which only one who is no API server can send."""
    review = json.loads(draw(st.sampled_from(CORPUS)))
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(places(review)[1:] or [("request",)]))
        at = review
        for step in way:
            at = at[step]
        if draw(st.booleans()):
            at[last] = copy.deepcopy(draw(st.sampled_from(HOSTILE)))
        elif way or last in review:
            del at[last]
    return json.dumps(review).encode()


def answered(endpoint: ReviewEndpoint, body: bytes) -> bytes | ReviewError:
    try:
        return endpoint.review(body)
    except ReviewError as error:
        return error


def is_known(pod: dict[str, Any]) -> bool:
    """What no API server sends, and of which we know that a second pass refuses it: `volumes: {}` counts as none the first time."""
    return (pod.get("spec") or {}).get("volumes") == {}


@given(body=damaged() | twisted() | st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_bytes_get_an_answer_that_the_contract_knows(endpoint: ReviewEndpoint, body: bytes) -> None:
    answer = answered(endpoint, body)
    if isinstance(answer, ReviewError):
        event("no review")
        assert (answer.status, str(answer).isprintable()) == (400, True), str(answer)
        return
    review = json.loads(answer)
    response = review["response"]
    request = admission.decode(body)
    event(response["auditAnnotations"]["reason"])
    assert (review["apiVersion"], review["kind"], response["uid"]) == (request.api_version, "AdmissionReview", request.uid)
    assert response["auditAnnotations"]["reason"] in set(Reason) - {Reason.INTERNAL}, response
    assert ("patch" in response) == ("patchType" in response)
    assert response["allowed"] or (response["status"]["message"].isprintable() and "patch" not in response)
    if "patch" in response and not is_known(json.loads(body)["request"]["object"]):
        patched = jsonpatch.apply_patch(json.loads(body)["request"]["object"], json.loads(base64.b64decode(response["patch"])))
        again = json.loads(
            endpoint.review(json.dumps({**json.loads(body), "request": {**json.loads(body)["request"], "object": patched}}).encode())
        )
        assert again["response"]["auditAnnotations"]["reason"] in ("AlreadyInjected", "NameCollision"), again


def test_the_corpus_reaches_what_is_to_be_tried(endpoint: ReviewEndpoint) -> None:
    with contextlib.suppress(ReviewError):
        endpoint.review(b"[" * sys.getrecursionlimit())
    reasons = {json.loads(endpoint.review(body))["response"]["auditAnnotations"]["reason"] for body in CORPUS}
    assert {"Injected", "NotAPod"} <= reasons
