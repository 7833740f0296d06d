"""Reviews that cannot be answered in time, or not yet: HTTP 200 and refused, since every other status admits under `Ignore`."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from mesh_injector import documents, store
from mesh_injector.metrics import Metrics
from mesh_injector.server.endpoint import ReviewEndpoint
from mesh_injector.server.limits import BEGAN
from mesh_injector.server.turns import Turns

Sample = Callable[[str], dict[str, Any]]
MESH = """
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: %(name)s, namespace: mesh-system}
spec:
  enableAutoInject: true
  injectionSelector: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %(name)s}}}
  sidecarPatchConfigMap: {name: %(name)s}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: %(name)s, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data: {patch: "%(patch)s"}
---
"""
NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: heavy}
---
apiVersion: v1
kind: Namespace
metadata: {name: light}
"""
COSTLY = (
    "metadata: {annotations: {name: {{ pod.metadata.generateName }}{% for a in range(50) %}{% for b in range(100) %}"
    "{% set c = a ~ b %}{% endfor %}{% endfor %}}}"
)
CHEAP = "metadata: {annotations: {name: {{ pod.metadata.generateName }}}}"


def body(sample: Sample, namespace: str = "light") -> bytes:
    review = sample("deployment")
    return json.dumps({**review, "request": {**review["request"], "namespace": namespace}}).encode()


async def call(endpoint: ReviewEndpoint, body: bytes, query: bytes = b"timeout=5s", age: float = 0.0) -> dict[str, Any]:
    """Post a review whose first byte came some seconds ago; the answer's response."""
    scope = {
        "type": "http",
        "path": "/mutate",
        "method": "POST",
        "query_string": query,
        "headers": [(b"content-type", b"application/json")],
        "state": {BEGAN: time.monotonic() - age},
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint(scope, receive, send)
    assert sent[0]["status"] == 200
    return dict(json.loads(sent[1]["body"])["response"])


def endpoint(turns: Turns | None = None) -> tuple[ReviewEndpoint, Metrics]:
    text = MESH % {"name": "heavy", "patch": COSTLY} + MESH % {"name": "light", "patch": CHEAP} + NAMESPACES
    metrics = Metrics("1.0")
    return ReviewEndpoint(store.Store(store.load(documents.parse(text, "mesh.yaml").documents)), metrics, turns), metrics


def test_a_review_that_comes_to_its_turn_too_late_is_refused_as_overloaded(sample: Sample) -> None:
    made, metrics = endpoint()
    assert asyncio.run(call(made, body(sample), age=4.4))["patchType"] == "JSONPatch"
    response = asyncio.run(call(made, body(sample), age=4.6))
    assert (response["allowed"], response["auditAnnotations"]["reason"]) == (False, "Overloaded")
    assert (response["status"]["code"], response["status"]["details"]) == (429, {"retryAfterSeconds": 1})
    assert response["status"]["message"].startswith("mesh-injector: [MI503] ")
    assert b'outcome="refused",reason="Overloaded"' in metrics.text("")[0]


def test_the_timeout_of_the_url_is_the_measure(sample: Sample) -> None:
    made, _ = endpoint()
    assert asyncio.run(call(made, body(sample), b"timeout=30s", age=20))["allowed"]
    assert not asyncio.run(call(made, body(sample), b"timeout=1s", age=0.6))["allowed"]


def test_costly_reviews_of_one_namespace_do_not_starve_those_of_another(sample: Sample) -> None:
    made, _ = endpoint()
    order: list[str] = []

    async def ask(namespace: str) -> None:
        response = await call(made, body(sample, namespace), b"timeout=30s")
        assert response.get("patchType") == "JSONPatch", response
        order.append(namespace)

    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            for namespace in ["heavy"] * 30 + ["light"] * 3:
                group.create_task(ask(namespace))

    asyncio.run(story())
    assert max(at for at, namespace in enumerate(order) if namespace == "light") < 15, order


def test_namespaces_that_somebody_made_up_do_not_starve_those_that_are_there(sample: Sample) -> None:
    made, _ = endpoint(Turns(8))

    async def story() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        async with asyncio.TaskGroup() as group:
            heavy = [group.create_task(call(made, body(sample, "heavy"), b"timeout=30s")) for _ in range(4)]
            flood = [group.create_task(call(made, body(sample, f"made-up-{number}"), b"timeout=30s")) for number in range(20)]
            light = group.create_task(call(made, body(sample, "light"), b"timeout=30s"))
        return [task.result() for task in (*heavy, *flood)], light.result()

    flood, victim = asyncio.run(story())
    assert any(not response["allowed"] for response in flood)
    assert victim.get("patchType") == "JSONPatch", victim


def test_more_reviews_than_may_wait_are_refused_at_once(sample: Sample) -> None:
    made, _ = endpoint(Turns(3))

    async def story() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(call(made, body(sample, "heavy"), b"timeout=30s") for _ in range(30))))

    reasons = [response["auditAnnotations"]["reason"] for response in asyncio.run(story())]
    assert set(reasons) == {"Injected", "Overloaded"}


def test_before_the_source_is_read_a_pod_is_refused_and_anything_else_is_allowed(sample: Sample) -> None:
    made = ReviewEndpoint(store.Store())
    response = json.loads(made.review(body(sample)))["response"]
    assert (response["allowed"], response["status"]["code"], response["auditAnnotations"]["reason"]) == (False, 503, "NotReady")
    assert json.loads(made.review(json.dumps(sample("update")).encode()))["response"]["allowed"]
