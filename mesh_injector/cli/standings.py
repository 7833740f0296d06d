"""How each pod of a cluster stands: injected, outdated, missed or left out, and why; workload by workload.

A record tells mesh and template; a pod without one that a mesh selects is decided about as if it were created now.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeAlias

from mesh_injector import store
from mesh_injector.documents import Document
from mesh_injector.engine import pipeline, record
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.pod import Pod
from mesh_injector.kube import census
from mesh_injector.kube.census import Census
from mesh_injector.kube.resource import Key, Object, key
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot

_LEFT_OUT: Final = frozenset({Reason.OPTED_OUT_BY_POD, Reason.OPTED_OUT_BY_NAMESPACE, Reason.HOST_NETWORK})
_ROLLED: Final = ("Deployment", "StatefulSet", "DaemonSet")
"""What `kubectl rollout restart` moves."""


_Kind: TypeAlias = tuple[str, tuple[str, str], frozenset[tuple[str, str]]]
"""Namespace, owner and labels: pods that have the same were made of the same template, a ReplicaSet's by its name already."""


class State(StrEnum):
    """How a pod stands."""

    INJECTED = "injected"
    OUTDATED = "outdated"
    MISSED = "missed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a pod, the mesh (`namespace/name`) and the digest of the template, of its record or as it would be, and why."""

    state: State
    mesh: str = ""
    template: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """The pods of one workload (kind and name) that stand alike."""

    namespace: str
    workload: tuple[str, str]
    standing: Standing
    pods: tuple[str, ...]

    @property
    def move(self) -> str:
        """How these pods come by what the mesh gives now; empty where that is not wanted."""
        if self.standing.state not in (State.OUTDATED, State.MISSED):
            return ""
        kind, name = self.workload
        if kind in _ROLLED:
            return f"kubectl rollout restart {kind.lower()}/{name} -n {self.namespace}"
        if kind == "Pod":
            return f"delete pod {name} -n {self.namespace} and create it from its manifest: nobody else does"
        return f"delete the pods of {kind} {name} -n {self.namespace}, or let them end: the next ones are new"


@dataclass(frozen=True, slots=True)
class _Served:
    """What a Mesh gives now, since when it is there and Ready, as RFC 3339."""

    digest: str
    is_on: bool
    since: str
    ready: str


class Standings:
    """Judges the pods of one census."""

    def __init__(self, taken: Census, home: str) -> None:
        self._taken = taken
        self._snapshot = store.load(taken.reading.documents, home, unread=taken.reading.unread)
        self._served = {"/".join(key(body)): _served(body, self._snapshot) for body in taken.meshes}

    def unrecorded(self) -> set[Key]:
        """Name the pods that must be looked at whole: without a record, and selected by a mesh that is on; one of those that are alike."""
        return set(self._selected.values())

    def rows(self, whole: Iterable[Document]) -> list[Row]:
        """Judge all pods, those without a record by what they are, and put those of a workload together that stand alike."""
        outcomes = {_kind(one.body): self._outcome(one) for one in whole}
        found: dict[tuple[str, tuple[str, str], Standing], list[str]] = {}
        for body in self._present():
            (namespace, name), written = key(body), _record(body)
            standing = self._of_record(written) if written else self._of_pod(body, outcomes)
            if standing:
                found.setdefault((namespace, self._workload(body), standing), []).append(name)
        return [Row(*group, tuple(sorted(pods))) for group, pods in sorted(found.items(), key=_order)]

    @cached_property
    def _selected(self) -> dict[_Kind, Key]:
        """For each kind of pods without a record that a mesh which is on selects: one of them."""
        on = [mesh for mesh in self._snapshot.loaded.meshes if mesh.spec.enable_auto_inject]
        found: dict[_Kind, Key] = {}
        for body in self._present():
            namespace, labels = self._snapshot.namespace(key(body)[0]), body["metadata"].get("labels") or {}
            if _record(body) is None and any(not (mesh.namespace_mismatch(namespace) or mesh.pod_mismatch(labels)) for mesh in on):
                found.setdefault(_kind(body), key(body))
        return found

    @property
    def pods(self) -> int:
        """How many pods there are in all."""
        return sum(1 for _ in self._present())

    def _present(self) -> Iterator[Object]:
        return (body for body in self._taken.pods if "deletionTimestamp" not in body["metadata"])

    def _of_record(self, written: record.Record) -> Standing:
        served = self._served.get(written.mesh)
        if served is None:
            gone = "the mesh is gone" if self._taken.knows_all_meshes else ""
            return Standing(State.OUTDATED if gone else State.INJECTED, written.mesh, written.template, gone or "the mesh cannot be seen")
        if not served.is_on:
            return Standing(State.OUTDATED, written.mesh, written.template, "the mesh is off")
        if served.digest in ("", written.template):
            return Standing(State.INJECTED, written.mesh, written.template)
        return Standing(State.OUTDATED, written.mesh, written.template, f"the mesh's template is {short(served.digest)} now")

    def _outcome(self, document: Document) -> Outcome:
        return pipeline.inject(Pod.from_document(document.body), self._snapshot.namespace(document.namespace), self._snapshot.rules)

    def _of_pod(self, body: Object, outcomes: Mapping[_Kind, Outcome]) -> Standing | None:
        kind = _kind(body)
        if kind not in self._selected:
            return None
        outcome = outcomes.get(kind)
        if outcome is None:
            return Standing(State.MISSED, why="it was going while it was looked at; ask again")
        if outcome.reason in _LEFT_OUT:
            return Standing(State.LEFT_OUT, why=outcome.reason)
        if outcome.verdict is Verdict.INJECTED:
            return Standing(State.MISSED, outcome.mesh, why=self._missed(outcome.mesh, body))
        if outcome.verdict in (Verdict.REFUSED, Verdict.IGNORED) and outcome.error:
            return Standing(State.MISSED, outcome.mesh, why=f"now it would be {outcome.verdict}: {outcome.why}")
        return None

    def _missed(self, mesh: str, body: Object) -> str:
        created, served = str(body["metadata"].get("creationTimestamp", "")), self._served[mesh]
        if created < served.since:
            return "created before the mesh"
        if created < served.ready:
            return "created before the mesh became Ready, the last time"
        return "created while nobody was asked, or pod, namespace or mesh were changed since"

    def _workload(self, body: Object) -> tuple[str, str]:
        namespace, name = key(body)
        owner = census.owner(body) or ("Pod", name)
        return self._taken.owners.get((owner[0], namespace, owner[1]), owner)


def _kind(body: Object) -> _Kind:
    namespace, name = key(body)
    return namespace, census.owner(body) or ("Pod", name), frozenset((body["metadata"].get("labels") or {}).items())


def short(digest: str) -> str:
    """Shorten a digest to what people compare."""
    return digest.removeprefix("sha256:")[:12]


def _record(body: Object) -> record.Record | None:
    text = (body["metadata"].get("annotations") or {}).get(record.ANNOTATION)
    return record.read(text) if text is not None else None


def _served(body: Object, snapshot: Snapshot) -> _Served:
    status, name = body.get("status") or {}, "/".join(key(body))
    digests: Mapping[str, str] = {str(mesh): mesh.digest for mesh in snapshot.loaded.meshes}
    ready: Mapping[str, Any] = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})
    digest = (status.get("template") or {}).get("digest") or digests.get(name, "")
    is_on = (body.get("spec") or {}).get("enableAutoInject") is True
    return _Served(digest, is_on, str(body["metadata"].get("creationTimestamp", "")), str(ready.get("lastTransitionTime", "")))


def _order(group: tuple[tuple[str, tuple[str, str], Standing], list[str]]) -> tuple[Any, ...]:
    (namespace, workload, standing), _ = group
    return namespace, workload, list(State).index(standing.state), standing.mesh, standing.template, standing.why
