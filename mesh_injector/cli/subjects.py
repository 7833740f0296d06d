"""The pods and workloads that a command is asked about, each with its answer: what `inject` changes and `explain` explains."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import jsonpatch
import typer

from mesh_injector import directory, documents, reasons, workloads
from mesh_injector.cli import cautions, mistyped
from mesh_injector.documents import Document
from mesh_injector.engine import pipeline, selector
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace, Operation
from mesh_injector.engine.selector import Selector
from mesh_injector.errors import ConfigError, MeshInjectorError, Problem, ReviewError
from mesh_injector.store import Snapshot
from mesh_injector.workloads import Workload


class Answer(Protocol):
    """What is said of one pod, whatever was asked: a verdict and why, the mesh, and the patch that the document gets."""

    @property
    def verdict(self) -> str: ...  # noqa: D102
    @property
    def why(self) -> str: ...  # noqa: D102
    @property
    def mesh(self) -> str: ...  # noqa: D102
    @property
    def patch(self) -> Sequence[Operation]: ...  # noqa: D102
    @property
    def warnings(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def error(self) -> MeshInjectorError | None: ...  # noqa: D102
    @property
    def allowed(self) -> bool: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102


AnswerT_co = TypeVar("AnswerT_co", bound=Answer, covariant=True)
Decide: TypeAlias = Callable[[Pod, str], tuple[Namespace, AnswerT_co]]
"""Answer about a pod in a namespace of some name."""

NOBODY: Final = "warning: there is no pod or workload in the input"
"""What is told of an input about which there is nothing to decide."""


@dataclass(frozen=True, slots=True)
class Subject(Generic[AnswerT_co]):
    """One pod or workload and the answer about it; `patch` is for the document, with the pod template's place in front."""

    document: Document
    workload: Workload
    namespace: Namespace
    outcome: AnswerT_co

    @property
    def pod(self) -> Pod:
        """The pod that was decided about."""
        return Pod.from_document(self.workload.pod)

    @property
    def patch(self) -> list[Operation]:
        """The operations that make the changed document of the document."""
        return self.of_document(self.outcome.patch)

    def of_document(self, operations: Sequence[Operation]) -> list[Operation]:
        """Make operations on the pod ones on the document that it stands in."""
        prefix = "".join(f"/{part}" for part in self.workload.path)
        return [{**operation, "path": prefix + operation["path"]} for operation in operations]

    @property
    def cautions(self) -> list[str]:
        """Warn of what the webhook says nothing of: that changing what a controller owns has no effect, and what is seldom meant."""
        owner = self.workload.controlled_by
        told = [f"{owner} controls it, so changing it has no effect; change {owner.partition('/')[0]} instead"] if owner else []
        if self.outcome.verdict == Verdict.INJECTED:
            told += cautions.of(self.workload, self.outcome.patch, apply(self.workload.pod, self.outcome.patch))
        return told

    @property
    def changed(self) -> dict[str, Any]:
        """The document as it is after the patch, which `jsonpatch` applies: each offline run proves it."""
        return apply(self.document.body, self.patch)


@dataclass(frozen=True, slots=True)
class Judged(Generic[AnswerT_co]):
    """One document of the input with its subjects (none for a Service, several for a List) and what is wrong with it."""

    document: Document
    subjects: tuple[Subject[AnswerT_co], ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def patch(self) -> list[Operation]:
        """The operations for everything in the document, items of a List included."""
        return [
            {**operation, "path": _pointer(subject.document) + operation["path"]}
            for subject in self.subjects
            for operation in subject.patch
        ]

    @property
    def changed(self) -> dict[str, Any]:
        """The whole document with every changed pod in its place; the document itself when nothing changes."""
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


def injecting(snapshot: Snapshot) -> Decide[Outcome]:
    """Answer as the webhook would, by the rules of a snapshot."""

    def decide(pod: Pod, name: str) -> tuple[Namespace, Outcome]:
        namespace = snapshot.namespace(name)
        return namespace, pipeline.inject(pod, namespace, snapshot.rules)

    return decide


def read(files: Sequence[str], within: Scope, decide: Decide[AnswerT_co]) -> tuple[list[Judged[AnswerT_co]], list[Problem]]:
    """Read files and decide about what is in them; the problems are those of reading and of every document.

    Raises ConfigError when a path cannot be read at all.
    """
    reading = directory.read(files)
    judged = list(judge(reading.documents, within, decide))
    return judged, [*reading.problems, *(problem for one in judged for problem in one.problems)]


def judge(found: Sequence[Document], within: Scope, decide: Decide[AnswerT_co]) -> Iterator[Judged[AnswerT_co]]:
    """Decide about every pod and workload of some documents."""
    for document in found:
        subjects: list[Subject[AnswerT_co]] = []
        problems: list[Problem] = []
        try:
            items = documents.expand(document)
        except ConfigError as error:
            items, problems = (), [error.problem]
        for item in items:
            try:
                subjects += _decide(item, within, decide)
            except ReviewError as error:
                problems.append(mistyped.problem(error.problem, item))
            except MeshInjectorError as error:
                problems.append(_placed(error.problem, item))
        yield Judged(document, tuple(subjects), tuple(problems))


def _decide(document: Document, within: Scope, decide: Decide[AnswerT_co]) -> list[Subject[AnswerT_co]]:
    workload, namespace = workloads.find(document.body), within.namespace
    if workload is None and (right := workloads.meant(document.body)):
        origin = document.locate(("kind",))
        what = f"`{document.api_version}` `{document.kind}` is no kind that Kubernetes has"
        fix = f"write `apiVersion: {right[0]}` and `kind: {right[1]}`"
        raise ConfigError(Problem(reasons.FIELD_WRONG, what, str(origin), fix, document.excerpt(origin)))
    if workload is None or within.selector.mismatch(_labels(document.body)) is not None:
        return []
    if namespace and workload.namespace not in ("", namespace):
        what = f"{workload.label} is in namespace {workload.namespace}, and -n says {namespace}"
        raise ConfigError(Problem(reasons.FIELD_WRONG, what, "metadata.namespace", f"use `-n {workload.namespace}`, or leave -n out"))
    where, outcome = decide(Pod.from_document(workload.pod), workload.namespace or namespace or "default")
    return [Subject(document, workload, where, outcome)]


def _labels(body: dict[str, Any]) -> dict[str, str]:
    """Read the labels of the object itself, as kubectl's `-l` does."""
    labels = (body.get("metadata") or {}).get("labels")
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}


def _placed(problem: Problem, document: Document) -> Problem:
    """Name the file and line of the document beside the place inside it."""
    if problem.where.startswith(document.locate(()).source):
        return problem
    return replace(problem, where=", ".join(filter(None, (str(document.locate(())), problem.where))))
