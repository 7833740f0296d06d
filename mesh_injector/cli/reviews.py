"""AdmissionReviews for the demo: those that a real API server sent, and those it would send for the workloads of the samples."""

import base64
import http.client
import json
import ssl
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mesh_injector import directory, documents, workloads


@dataclass(frozen=True, slots=True)
class Answer:
    """What the webhook answered to one review: the pod it was about (`body`), the HTTP status and the response."""

    pod: str
    namespace: str
    body: dict[str, Any]
    status: int
    response: dict[str, Any]

    @property
    def patch(self) -> list[dict[str, Any]]:
        """The JSON Patch, decoded; empty when there is none."""
        patch: list[dict[str, Any]] = json.loads(base64.b64decode(self.response.get("patch") or "W10="))
        return patch

    @property
    def audit(self) -> dict[str, str]:
        """The audit annotations: mesh, outcome, reason, template."""
        annotations: dict[str, str] = self.response["auditAnnotations"]
        return annotations

    @property
    def message(self) -> str:
        """The text of a refusal, or of an error that was ignored."""
        return str((self.response.get("status") or {}).get("message") or self.audit.get("message") or "")


def of(samples: Path) -> list[bytes]:
    """Make the reviews of a folder of samples: `reviews/*.json` byte for byte, then one for each workload."""
    captured = [path.read_bytes() for path in sorted((samples / "reviews").glob("*.json"))]
    return captured + [json.dumps(review).encode() for review in _made(samples)]


def _made(samples: Path) -> Iterator[dict[str, Any]]:
    for document in directory.read([str(samples / "workloads.yaml")]).documents:
        for item in documents.expand(document):
            workload = workloads.find(item.body)
            if workload is not None:
                metadata = workload.pod.get("metadata") or {}
                name = {} if metadata.get("name") else {"generateName": f"{item.name}-"}
                yield _review({**workload.pod, "metadata": {**metadata, **name}}, workload.namespace or "default")


def _review(pod: dict[str, Any], namespace: str) -> dict[str, Any]:
    kind, resource = ({"group": "", "version": "v1", "kind": "Pod"}, {"group": "", "version": "v1", "resource": "pods"})
    request = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def ask(url: str, ca: bytes, bodies: Iterable[bytes]) -> list[Answer]:
    """Post reviews over one verified HTTPS connection, as an API server does: HTTP/1.1, keep-alive, `?timeout=`."""
    where = urlsplit(url)
    context = ssl.create_default_context(cadata=ca.decode())
    connection = http.client.HTTPSConnection(where.hostname or "", where.port, context=context, timeout=10)
    try:
        return [_ask(connection, where.path, body) for body in bodies]
    finally:
        connection.close()


def _ask(connection: http.client.HTTPSConnection, path: str, body: bytes) -> Answer:
    connection.request("POST", f"{path}?timeout=5s", body, {"Content-Type": "application/json", "Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    response = json.loads(answer.read())["response"]
    request = json.loads(body)["request"]
    pod = request["object"] or request["oldObject"]
    metadata = pod["metadata"]
    metadata.pop("managedFields", None)  # bookkeeping that nobody wants to read in a diff
    name = metadata.get("name") or f"{metadata.get('generateName', '')}*"
    label = name if request["operation"] == "CREATE" else f"{name} ({request['operation']})"
    return Answer(label, request["namespace"], pod, answer.status, response)
