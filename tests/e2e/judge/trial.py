"""One case before both: what the engine says about a pod and an overlay, and what a real API server says about the pod they make.

The engine is asked as the webhook asks it, with a Mesh and a ConfigMap; the API server by a creation with `dryRun=All` and strict fields.
"""

import concurrent.futures
import http
import http.client
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jsonpatch

from mesh_injector import documents, store
from mesh_injector.engine import pipeline, schema
from mesh_injector.engine.outcome import Outcome
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.schema import Node
from mesh_injector.reasons import Reason
from tests.e2e.cluster import Cluster
from tests.e2e.judge.cases import Case

NAMESPACE: Final = "judge"
SERVERS_OWN: Final = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "generation")


@dataclass(frozen=True)
class Answer:
    """What an API server says: nothing where it accepts, else the field and the message of each cause."""

    message: str = ""
    causes: tuple[tuple[str, str], ...] = ()
    body: Any = None
    of_cluster: bool = False
    """Whether it is refused by an admission plugin, for what is or is not in this cluster: a service account, a priority class."""

    @property
    def keys(self) -> set[str]:
        """Name the causes without indices and values, so that equal ones are one."""
        return {_key(f"{field}: {message}") for field, message in self.causes} or ({_key(self.message)} if self.message else set())


@dataclass(frozen=True)
class Verdict:
    """A case, the engine's message (empty where it injects) with its reason, the pod that was judged, and the API server's answer."""

    case: Case
    ours: str
    reason: str
    pod: Any
    theirs: Answer

    @property
    def missed(self) -> bool:
        """Whether we injected what the API server refuses, whatever else is in the cluster."""
        return not self.ours and bool(self.theirs.message) and not self.theirs.of_cluster

    @property
    def wronged(self) -> bool:
        """Whether we refused as invalid what the API server accepts, and did not merely drop because a feature of it is off."""
        return self.reason == Reason.RENDERED_INVALID_POD and not self.theirs.message and not dropped(self.pod, self.theirs.body)

    def told(self) -> str:
        """Tell all of it as JSON."""
        told = {
            "case": self.case.name,
            "we": self.ours or "injected",
            "reason": self.reason,
            "api server": self.theirs.message or "accepted",
        }
        return json.dumps({**told, "overlay": self.case.overlay, "pod": self.pod}, ensure_ascii=False)


def _key(text: str) -> str:
    text = re.sub(r"\[[^\]]*\]", "[]", text)
    text = re.sub(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\{.*\}', "…", text)
    text = re.sub(r"((?:Invalid|Unsupported|Duplicate) value|Not found|Too long|Too many): [^:]*(: |$)", r"\1: … ", text)
    text = re.sub(r"(not supported|unsupported pod version|supported values):.*", r"\1", text)
    return re.sub(r"(?<!\w)-?\d+\w*", "#", text).strip()[:160]


class Court:
    """Both judges. A connection to the API server is kept for each thread."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._local, self._tls = cluster, threading.local(), cluster.tls()
        self._address = cluster.network.address, cluster.network.ports[1]
        self._made: dict[str, Any] = {}
        self._connections: list[http.client.HTTPSConnection] = []

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def create(self, pod: Mapping[str, Any], namespace: str = NAMESPACE) -> Answer:
        """Ask the API server whether it would create a pod."""
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPSConnection(*self._address, context=self._tls, timeout=30)
            self._connections.append(self._local.connection)
        headers = {"Authorization": f"Bearer {self._cluster.token}", "Content-Type": "application/json"}
        path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict"
        self._local.connection.request("POST", path, json.dumps(pod), headers)
        response = self._local.connection.getresponse()
        body = json.loads(response.read())
        if response.status == 201:
            return Answer(body=body)
        causes = (body.get("details") or {}).get("causes") or ()
        told = tuple((cause.get("field", ""), cause.get("message", "")) for cause in causes)
        return Answer(body["message"], told, of_cluster=response.status == http.HTTPStatus.FORBIDDEN)

    def try_all(self, cases: Iterable[Case]) -> Iterator[Verdict]:
        """Try cases, several at once, in their order."""
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            yield from threads.map(self.try_one, cases)

    def try_one(self, case: Case) -> Verdict:
        """Try one case."""
        pod = self._as_sent(case.pod)
        outcome = inject(pod, case.overlay)
        if outcome.error is None:
            judged = jsonpatch.apply_patch(pod, outcome.patch)
            return Verdict(case, "", outcome.reason, judged, self.create(judged))
        judged = union(schema.POD, pod, without_nulls(_by_its_name(case.overlay)))
        return Verdict(case, outcome.message, outcome.reason, judged, self.create(judged))

    def _as_sent(self, pod: Mapping[str, Any]) -> Any:
        """The pod as a webhook gets it, with Kubernetes' defaults."""
        name = pod["metadata"]["name"]
        if name not in self._made:
            answer = self.create(pod)
            assert not answer.message, answer.message
            metadata = {key: value for key, value in answer.body["metadata"].items() if key not in SERVERS_OWN}
            self._made[name] = {**answer.body, "metadata": metadata, "status": {}}
        return self._made[name]


def inject(pod: Mapping[str, Any], overlay: Mapping[str, Any]) -> Outcome:
    """Inject an overlay by a mesh of the home namespace."""
    mesh = {
        "apiVersion": "mesh-injector.io/v1alpha1",
        "kind": "Mesh",
        "metadata": {"name": "judge", "namespace": "mesh-system"},
        "spec": {"enableAutoInject": True, "injectionSelector": {"podSelector": {}}, "sidecarPatchConfigMap": {"name": "judge"}},
    }
    metadata = {"name": "judge", "namespace": "mesh-system", "labels": {"mesh-injector.io/template": "true"}}
    template = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"patch": documents.dump(overlay)}}
    text = "---\n".join(documents.dump(one) for one in (mesh, template))
    snapshot = store.load(documents.parse(text, "judge.yaml").documents)
    told = [problem for problem in snapshot.problems if not problem.code.startswith("MI4")]  # what a template brings is tried at load too
    assert not told, told
    outcome = pipeline.inject(Pod.from_document(dict(pod)), snapshot.namespace(NAMESPACE), snapshot.rules)
    assert outcome.reason is not Reason.NO_MESH_MATCHED
    return outcome


def _by_its_name(overlay: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the deprecated `serviceAccount` the name that counts: an API server reads it only where that one is absent."""
    spec = overlay.get("spec") or {}
    return {**overlay, "spec": {"serviceAccountName": spec["serviceAccount"], **spec}} if "serviceAccount" in spec else overlay


def union(node: Node | None, theirs: Any, brought: Any) -> Any:
    """Merge as plainly as can be, by Kubernetes' merge keys: what a pod would be with an overlay that the engine refuses."""
    if isinstance(theirs, dict) and isinstance(brought, dict):
        merged = {name: union(node.field(name) if node else None, theirs[name], value) for name, value in brought.items() if name in theirs}
        return {**theirs, **brought, **merged}
    if not (isinstance(theirs, list) and isinstance(brought, list)) or node is None or node.kind != "list":
        return brought
    items = list(theirs)
    for item in brought:
        place = next((index for index, one in enumerate(theirs) if _same(node, one, item)), None)
        if place is None:
            items.append(item)
        else:
            items[place] = union(node.item(), items[place], item)
    return items


def _same(node: Node, one: Any, other: Any) -> bool:
    if not (node.merge_keys and isinstance(one, dict) and isinstance(other, dict)):
        return False
    return all(one.get(key, "TCP") == other.get(key, "TCP") for key in node.merge_keys)


def dropped(sent: Any, kept: Any) -> bool:
    """Whether an API server left out something that it was sent; empty things it may leave out."""
    if isinstance(sent, dict):
        return any(
            name not in kept or dropped(value, kept[name]) for name, value in sent.items() if value not in ({}, [], "", None, False, 0)
        )
    return isinstance(sent, list) and (len(sent) != len(kept) or any(map(dropped, sent, kept)))


def without_nulls(value: Any) -> Any:
    """Leave out members that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value
