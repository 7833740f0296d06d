"""What is measured, each an ASGI app: an echo, our server in several situations, and a handler as most would write it."""

import base64
import copy
import itertools
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jinja2
import jsonpatch
import yaml
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks import material
from mesh_injector import logs
from mesh_injector.server.endpoint import ReviewEndpoint
from mesh_injector.store import Store


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    """Send the body back: what HTTP, TLS and the event loop cost by themselves."""
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"".join(chunks)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def endpoint(template: str, meshes: int = 1) -> ReviewEndpoint:
    """Make our review endpoint over a store with some meshes."""
    return ReviewEndpoint(Store(material.snapshot(template, meshes)))


def observed() -> ASGIApp:
    """Our endpoint with one line of log for each review, as JSON in a pod; every other subject counts metrics and writes no lines."""
    os.environ["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
    logs.configure(logging.DEBUG, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    return endpoint(material.SIDECAR)


def full() -> ASGIApp:
    """Our endpoint when all that 20 meshes can remember is remembered: pods with ever new virtual nodes, until the oldest are forgotten."""
    snapshot = material.snapshot(material.SIDECAR, 20)
    store = Store(snapshot)
    filled = ReviewEndpoint(store)
    for found in snapshot.rules.renderings.values():
        app = found.mesh.spec.injection_selector.pod_selector["matchLabels"]["app"]  # type: ignore[union-attr,index]
        nodes = (f"node-{count}" for count in itertools.count())
        while len(found.remembered) == found.remembered.misses:
            filled.review(material.review_of(app, next(nodes)))
    return filled


class FirstSight:
    """Our endpoint with nothing remembered: before each review all that earlier ones left is forgotten."""

    def __init__(self) -> None:
        self._snapshot = material.snapshot(material.SIDECAR)
        self._endpoint = ReviewEndpoint(Store(self._snapshot))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._snapshot.rules.forget()
        await self._endpoint(scope, receive, send)


class _Review(BaseModel):
    apiVersion: str  # noqa: N815 - Kubernetes' name
    kind: str
    request: dict[str, Any]


def naive() -> ASGIApp:
    """A handler as most would write it, its template compiled once: pydantic, YAML, a deep copy and a diff for each pod."""
    app = FastAPI()
    values = {
        "image": "envoyproxy/envoy:v1.36.2",
        "logLevel": "info",
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
    }
    template = jinja2.Template(material.SIDECAR)

    @app.post("/mutate")
    def mutate(review: _Review) -> dict[str, Any]:
        pod = review.request["object"]
        ports = ",".join(str(port["containerPort"]) for container in pod["spec"]["containers"] for port in container.get("ports", []))
        node = pod["metadata"]["labels"]["mesh-injector.io/virtual-node"]
        overlay = yaml.safe_load(
            template.render(mesh_name="mesh-1", virtual_node_name=node, region="eu-west-1", app_ports=ports, values=values)
        )
        patched = copy.deepcopy(pod)
        for name in ("initContainers", "containers", "volumes"):
            patched["spec"].setdefault(name, []).extend(overlay["spec"][name])
        for name in ("labels", "annotations"):
            patched["metadata"].setdefault(name, {}).update(overlay["metadata"][name])
        patch = jsonpatch.make_patch(pod, patched).patch
        response = {"uid": review.request["uid"], "allowed": True, "patchType": "JSONPatch"}
        response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
        return {"apiVersion": review.apiVersion, "kind": review.kind, "response": response}

    return app


SUBJECTS: Final[dict[str, Callable[[], ASGIApp]]] = {
    "echo": lambda: echo,
    "injected": lambda: endpoint(material.SIDECAR),
    "touching": lambda: endpoint(material.TOUCHING),
    "names-pod": lambda: endpoint(material.NAMES_POD),
    "first-sight": FirstSight,
    "naive": naive,
    "observed": observed,
    "full": full,
}
"""By name, so that a process can be told which one to be."""
