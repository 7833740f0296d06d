"""The pods and workloads that a command is asked about, each with its decision: what `inject` changes and `explain` explains."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jsonpatch
import typer

from mesh_injector import directory, documents, reasons, workloads
from mesh_injector.documents import Document
from mesh_injector.engine import pipeline, selector
from mesh_injector.engine.pipeline import Outcome
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace, Operation
from mesh_injector.engine.selector import Selector
from mesh_injector.errors import ConfigError, MeshInjectorError, Problem, ReviewError
from mesh_injector.store import Snapshot
from mesh_injector.workloads import Workload


@dataclass(frozen=True, slots=True)
class Subject:
    """One pod or workload and what the rules say about it; `patch` is for the document, with the pod template's place in front."""

    document: Document
    workload: Workload
    namespace: Namespace
    outcome: Outcome

    @property
    def pod(self) -> Pod:
        """The pod that was decided about."""
        return Pod.from_document(self.workload.pod)

    @property
    def patch(self) -> list[Operation]:
        """The operations that make the injected document of the document."""
        prefix = "".join(f"/{part}" for part in self.workload.path)
        return [{**operation, "path": prefix + operation["path"]} for operation in self.outcome.patch]

    @property
    def owned(self) -> list[str]:
        """Warn that changing what a controller owns has no effect."""
        owner = self.workload.controlled_by
        return [f"{owner} controls it, so injecting it has no effect; inject {owner.partition('/')[0]} instead"] if owner else []

    @property
    def injected(self) -> dict[str, Any]:
        """The document as it is after the patch, which `jsonpatch` applies: each offline run proves it."""
        return apply(self.document.body, self.patch)


@dataclass(frozen=True, slots=True)
class Judged:
    """One document of the input with its subjects (none for a Service, several for a List) and what is wrong with it."""

    document: Document
    subjects: tuple[Subject, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def patch(self) -> list[Operation]:
        """The operations that inject everything in the document, items of a List included."""
        return [
            {**operation, "path": _pointer(subject.document) + operation["path"]}
            for subject in self.subjects
            for operation in subject.patch
        ]

    @property
    def injected(self) -> dict[str, Any]:
        """The whole document with every injected pod in its place; the document itself when nothing changes."""
        return apply(self.document.body, self.patch) if self.patch else self.document.body


def _pointer(document: Document) -> str:
    """Say where an item of a List stands in its document, as a JSON Pointer."""
    if document.inside is None:
        return ""
    parent, path = document.inside
    return _pointer(parent) + "".join(f"/{part}" for part in path)


def apply(body: dict[str, Any], patch: Sequence[Operation]) -> dict[str, Any]:
    """Apply a patch to a copy, by the library that judges it."""
    return dict(jsonpatch.apply_patch(copy.deepcopy(body), list(patch)))


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a command is asked about: the namespace of documents that name none (one that names another is an error), and a selector."""

    namespace: str = ""
    selector: Selector = field(default_factory=Selector)


def scope(namespace: str, labels: str, *, all_namespaces: bool) -> Scope:
    """Make a scope of the flags `-n`, `-l` and `-A`; a wrong selector is a usage error."""
    try:
        return Scope("" if all_namespaces else namespace, selector.parse_text(labels))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="-l") from error


def read(files: Sequence[str], within: Scope, snapshot: Snapshot) -> tuple[list[Judged], list[Problem]]:
    """Read files and decide about what is in them; the problems are those of reading and of every document.

    Raises ConfigError when a path cannot be read at all.
    """
    reading = directory.read(files)
    judged = list(judge(reading.documents, snapshot, within))
    return judged, [*reading.problems, *(problem for one in judged for problem in one.problems)]


def judge(found: Sequence[Document], snapshot: Snapshot, within: Scope) -> Iterator[Judged]:
    """Decide about every pod and workload of some documents."""
    for document in found:
        subjects: list[Subject] = []
        problems: list[Problem] = []
        try:
            items = documents.expand(document)
        except ConfigError as error:
            items, problems = (), [error.problem]
        for item in items:
            try:
                subjects += _decide(item, snapshot, within)
            except ReviewError as error:
                problems.append(_mistyped(error.problem, item))
            except MeshInjectorError as error:
                problems.append(_placed(error.problem, item))
        yield Judged(document, tuple(subjects), tuple(problems))


def _decide(document: Document, snapshot: Snapshot, within: Scope) -> list[Subject]:
    workload, namespace = workloads.find(document.body), within.namespace
    if workload is None or within.selector.mismatch(_labels(document.body)) is not None:
        return []
    if namespace and workload.namespace not in ("", namespace):
        what = f"{workload.label} is in namespace {workload.namespace}, and -n says {namespace}"
        raise ConfigError(Problem(reasons.FIELD_WRONG, what, "metadata.namespace", f"use `-n {workload.namespace}`, or leave -n out"))
    where = snapshot.namespace(workload.namespace or namespace or "default")
    outcome = pipeline.inject(Pod.from_document(workload.pod), where, snapshot.rules)
    return [Subject(document, workload, where, outcome)]


def _labels(body: dict[str, Any]) -> dict[str, str]:
    """Read the labels of the object itself, as kubectl's `-l` does."""
    labels = (body.get("metadata") or {}).get("labels")
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}


def _mistyped(problem: Problem, document: Document) -> Problem:
    """Say of a pod with a value of the wrong type what a person can do about it."""
    fix = "correct its type; names, labels and annotations are texts: put numbers and booleans in quotes"
    origin = document.locate(())
    return Problem(reasons.FIELD_WRONG, problem.what, str(origin), fix, document.excerpt(origin))


def _placed(problem: Problem, document: Document) -> Problem:
    """Name the file and line of the document beside the place inside it."""
    return replace(problem, where=", ".join(filter(None, (str(document.locate(())), problem.where))))
