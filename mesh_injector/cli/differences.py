"""What two configurations make of one pod: the same, or another outcome, another mesh, or another pod."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonpatch

from mesh_injector import errors
from mesh_injector.cli import standins, subjects
from mesh_injector.cli.subjects import Scope, Subject
from mesh_injector.documents import Document
from mesh_injector.engine import record
from mesh_injector.engine.outcome import Outcome
from mesh_injector.errors import Problem
from mesh_injector.store import Snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """One pod or workload, before and after."""

    before: Subject[Outcome]
    after: Subject[Outcome]

    @property
    def label(self) -> str:
        """The name of the pod or workload, fit to be shown."""
        return errors.printable(self.before.workload.label)

    @property
    def namespace(self) -> str:
        """The name of its namespace, fit to be shown."""
        return errors.printable(self.before.namespace.name)

    @property
    def bodies(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The document as it comes out, before and after, without our record; of an audited pod as it would be."""
        return _body(self.before), _body(self.after)

    @property
    def is_same(self) -> bool:
        """Whether nothing changes for whoever makes the pod."""
        before, after = self.bodies
        return _said(self.before.outcome) == _said(self.after.outcome) and before == after

    @property
    def what(self) -> str:
        """What changes, in words; of several things the gravest."""
        before, after = self.before.outcome, self.after.outcome
        if self.is_same:
            return "unchanged"
        if before.verdict is not after.verdict:
            return f"now {after.verdict}: {after.why}" if after.error else f"now {after.verdict}"
        if before.mesh != after.mesh:
            return f"another mesh: {after.mesh or 'none'}, not {before.mesh or 'none'}"
        if _said(before)[1:4] != _said(after)[1:4]:
            return f"another reason: {after.why}"
        return "comes out otherwise" if self.bodies[0] != self.bodies[1] else "other warnings"


def _said(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.verdict, outcome.reason, outcome.mesh, outcome.message, outcome.warnings


def _body(subject: Subject[Outcome]) -> dict[str, Any]:
    """Return the document as it comes out; the record names the template's digest, so that it would differ with every comment."""
    body = subjects.apply(subject.document.body, subject.of_document(subject.outcome.operations))
    pod: Any = body
    for part in subject.workload.path:
        pod = pod[part]
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    if annotations.pop(record.ANNOTATION, None) is not None and not annotations:
        del pod["metadata"]["annotations"]
    return body


def of(documents: Sequence[Document], within: Scope, before: Snapshot, after: Snapshot) -> tuple[list[Difference], list[Problem]]:
    """Decide about every pod of some documents by both configurations."""
    first = list(subjects.judge(documents, within, subjects.injecting(before)))
    second = list(subjects.judge(documents, within, subjects.injecting(after)))
    pairs = [Difference(*pair) for one, other in zip(first, second, strict=True) for pair in zip(one.subjects, other.subjects, strict=True)]
    return pairs, [problem for one in first for problem in one.problems]


def of_stand_ins(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """Decide about a stand-in pod for each mesh of both configurations."""
    made = {document.name: (document, wanted) for snapshot in (before, after) for document, wanted in standins.of(snapshot)}
    for document, wanted in made.values():
        (one,), (other,) = (subjects.judge([document], Scope(), standins.deciding(snapshot, wanted)) for snapshot in (before, after))
        yield Difference(one.subjects[0], other.subjects[0])


def as_json(difference: Difference) -> dict[str, Any]:
    """Give a difference to programs: both decisions, and the JSON Patch from the one result to the other."""
    before, after = difference.bodies
    return {
        "pod": difference.before.workload.label,
        "namespace": difference.before.namespace.name,
        "changed": not difference.is_same,
        "what": difference.what,
        "before": _decision(difference.before.outcome),
        "after": _decision(difference.after.outcome),
        "patch": list(jsonpatch.make_patch(before, after)),
    }


def _decision(outcome: Outcome) -> Mapping[str, Any]:
    return {
        "outcome": outcome.verdict.value,
        "reason": outcome.reason.value,
        "mesh": outcome.mesh or None,
        "message": outcome.message or None,
        "warnings": list(outcome.warnings),
    }
