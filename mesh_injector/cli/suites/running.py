"""A case runs: its pod is decided as the webhook would, and what comes out is held against what the case expects."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh_injector import store
from mesh_injector.cli import subjects
from mesh_injector.cli.suites import expectation, snapshots
from mesh_injector.cli.suites.expectation import Failure, Tried
from mesh_injector.cli.suites.loading import Loaded
from mesh_injector.cli.suites.spec import Case, merged
from mesh_injector.documents import Document
from mesh_injector.engine import pipeline, record
from mesh_injector.engine.pod import Pod
from mesh_injector.formats import mesh
from mesh_injector.formats.mesh.variables import OVERRIDE
from mesh_injector.store import Snapshot


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case: nothing where it passed; `patch` is what its snapshot should be, None where it has none."""

    suite: Loaded
    case: Case
    failures: tuple[Failure, ...]
    seconds: float
    patch: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class Runner:
    """Runs the cases of one suite; the source is compiled once for all that do not change its meshes."""

    suite: Loaded
    kept: Mapping[str, Any] = field(default_factory=dict)
    update: bool = False
    _compiled: Snapshot | None = None

    def run(self, case: Case) -> Result:
        """Run one case."""
        started = time.perf_counter()
        snapshot = self._snapshot(case)
        unusable = [f"{name} {why}" for name, why in snapshot.rules.unusable.items() if case.meshes]
        if unusable:
            failures, patch = [Failure("meshes", "a Mesh that can be used", unusable[0])], None
        else:
            tried = _try(self.suite, case, snapshot)
            failures = expectation.failures(case.expect, tried)
            patch = snapshots.of(tried.story.outcome.operations) if case.expect.snapshot else None
            failures += self._compare(case, patch)
        return Result(self.suite, case, tuple(failures), time.perf_counter() - started, patch)

    def _snapshot(self, case: Case) -> Snapshot:
        if case.meshes:
            changed = [_changed(document, case) for document in self.suite.source]
            return store.load(changed, self.suite.suite.home_namespace)
        if self._compiled is None:
            self._compiled = store.load(self.suite.source, self.suite.suite.home_namespace)
        return self._compiled

    def _compare(self, case: Case, patch: list[dict[str, Any]] | None) -> list[Failure]:
        if patch is None or self.update:
            return []
        if case.name not in self.kept:
            return [Failure("snapshot", None, patch, hint="none is kept yet: look at it, and keep it by `--update`")]
        kept = self.kept[case.name]
        if expectation.same(kept, patch):
            return []
        return [Failure("snapshot", kept, patch, str(snapshots.file_of(self.suite.file)), "if it is right, keep it by `--update`")]


def _changed(document: Document, case: Case) -> Document:
    """Change the spec of a Mesh as a case says."""
    names = (document.name, f"{document.namespace}/{document.name}")
    changes = [case.meshes[name] for name in names if name in case.meshes] if mesh.is_mesh(document) else []
    body = document.body
    for change in changes:
        body = {**body, "spec": merged(body.get("spec"), change)}
    return Document(body, document.origin) if changes else document


def _try(suite: Loaded, case: Case, snapshot: Snapshot) -> Tried:
    workload = suite.workload(case)
    body = _relabelled(workload.pod, case)
    namespace = snapshot.namespace(case.namespace or workload.namespace or "default")
    story = pipeline.explain(Pod.from_document(body), namespace, snapshot.rules)
    after = subjects.apply(body, story.outcome.operations)
    sealed = record.read(after["metadata"]["annotations"][record.ANNOTATION]) if story.outcome.operations else None
    return Tried(story, after, sealed.added if sealed else ())


def _relabelled(pod: Mapping[str, Any], case: Case) -> dict[str, Any]:
    annotations = case.annotations | {f"{OVERRIDE}{name}": text for name, text in case.overrides.items()}
    changes = {name: texts for name, texts in (("labels", case.labels), ("annotations", annotations)) if texts}
    body: dict[str, Any] = merged(pod, {"metadata": changes}) if changes else dict(pod)
    return body
