"""What `lint` says of Jobs that it is given beside Meshes: which containers they would wait for, at the template's line."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mesh_injector import reasons, store
from mesh_injector.cli import cautions, subjects
from mesh_injector.cli.subjects import Scope, Subject
from mesh_injector.documents import Document
from mesh_injector.engine import pipeline
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.outcome import Outcome
from mesh_injector.errors import Problem
from mesh_injector.store import Snapshot


def problems(documents: Sequence[Document], home: str) -> Iterator[Problem]:
    """Iterate over the ordinary containers that meshes add to Jobs and CronJobs among some documents."""
    given = [document for document in documents if document.kind in ("Job", "CronJob")]
    if not given:
        return
    snapshot = store.load(documents, home)
    for judged in subjects.judge(given, Scope(), subjects.injecting(snapshot)):
        for subject in judged.subjects:
            yield from _awaited(subject, snapshot)


def _awaited(subject: Subject[Outcome], snapshot: Snapshot) -> Iterator[Problem]:
    brought = {container["name"] for container in cautions.added(subject.outcome.patch)}
    if not brought or not cautions.is_job(subject.workload):
        return
    for overlay in pipeline.explain(subject.pod, subject.namespace, snapshot.rules).decision.overlays:
        for index, container in enumerate(overlay.spec.get("containers") or ()):
            if container["name"] in brought:
                what = f"{subject.workload.label} in namespace {subject.namespace.name} finishes only when this container does"
                problem = overlay.error(Finding(("spec", "containers", index), what, cautions.INSTEAD)).problem
                yield replace(problem, code=reasons.NEVER_FINISHES)
