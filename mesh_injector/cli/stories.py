"""A decision told as a story: why, which meshes were asked, what the template got and from where, what it added, and what to do."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector import errors
from mesh_injector.cli import remedies, subjects, whence
from mesh_injector.cli.screen import Part
from mesh_injector.cli.subjects import Subject
from mesh_injector.cli.terminal import Terminal, verdict
from mesh_injector.documents import scalar
from mesh_injector.engine import address, pipeline, record
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.pipeline import Story
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.record import Record
from mesh_injector.engine.rules import Check, Severity
from mesh_injector.formats.mesh import MeshRules, advice, gifts
from mesh_injector.formats.mesh.advice import Advice
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot

_SHOWN: Final = 80
"""So many characters of a value are shown; `render --vars` shows all."""


_INDENT: Final = 12
_AS_IT_IS: Final = ("", "try")
"""What is never folded: excerpts, and commands that are copied."""


@dataclass(frozen=True, slots=True)
class Told:
    """One subject with its story, and the snapshot by which it was decided."""

    subject: Subject[Outcome]
    story: Story
    snapshot: Snapshot

    @property
    def rules(self) -> MeshRules:
        """The rules that decided."""
        return self.snapshot.rules

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every mesh considered; of a mesh in mode Audit beside one that injects also what it would have done."""
        meshes = {str(mesh): mesh for mesh in self.rules.meshes}
        return tuple(_with_audit(check, meshes.get(check.mesh), self) for check in self.story.checks)

    @property
    def advice(self) -> Advice:
        """What to change so that the pod is injected."""
        found = advice.of(self.story, self.subject.namespace, self.rules)
        return _of_the_workload(self) or found if self.story.outcome.reason is Reason.NO_MESH_MATCHED else found


def of(subject: Subject[Outcome], snapshot: Snapshot) -> Told:
    """Find what is to be told of a subject."""
    return Told(subject, pipeline.explain(subject.pod, subject.namespace, snapshot.rules), snapshot)


def _with_audit(check: Check, mesh: Mesh | None, told: Told) -> Check:
    outcome = told.story.outcome
    beside = mesh is not None and check.matched and mesh.severity is Severity.AUDIT and outcome.mesh not in ("", check.mesh)
    if mesh is None or not beside or not mesh.spec.enable_auto_inject:
        return check
    alone = pipeline.inject(told.subject.pod, told.subject.namespace, MeshRules((mesh,), told.rules.home))
    if alone.mesh != check.mesh:
        return check
    added = _added(told.subject.workload.pod, alone)
    would = f"add {', '.join(added)}" if added else alone.why
    return Check(check.mesh, check.matched, f"{check.why}; alone it would {would}" if added else f"{check.why}; alone: {would}")


def _of_the_workload(told: Told) -> Advice | None:
    """Notice labels that stand on the workload itself, where no selector looks."""
    subject = told.subject
    own = subject.document.body.get("metadata")
    labels = own.get("labels") if subject.workload.path and isinstance(own, dict) else None
    if not isinstance(labels, dict):
        return None
    body = subject.workload.pod
    metadata = body.get("metadata") or {}
    moved = Pod.from_document({**body, "metadata": {**metadata, "labels": {**labels, **(metadata.get("labels") or {})}}})
    best = told.rules.best(moved, subject.namespace)
    if not best or not best[0].pod_selector:
        return None
    keys = {key: labels[key] for key in sorted(best[0].pod_selector.keys) if key in labels}
    kind, place = subject.workload.label.partition("/")[0], ".".join((*subject.workload.path, "metadata", "labels"))
    shown = ", ".join(f"`{key}: {value}`" for key, value in keys.items())
    return Advice(f"the {kind} itself has {shown}, and selectors read the labels of its pods: write it under {place}", labels=keys)


def _added(pod: dict[str, Any], outcome: Outcome) -> tuple[str, ...]:
    sealed = owned(pod, outcome)
    return sealed.added if sealed else ()


def owned(pod: dict[str, Any], outcome: Outcome) -> Record | None:
    """Read the record in the injected pod: what was added, and the defaults that gave way."""
    if not outcome.operations:
        return None
    after = subjects.apply(pod, outcome.operations)
    return record.read(after["metadata"]["annotations"][record.ANNOTATION])


def tell(told: Told, terminal: Terminal) -> None:
    """Tell a story on the terminal, one fact a line, each line with what it is about in front."""
    subject, outcome = told.subject, told.subject.outcome
    terminal.out.line(*_one_line([(subject.workload.label, "bold"), f" in namespace {subject.namespace.name}: ", verdict(outcome.verdict)]))
    for label, *parts in _facts(told):
        if label in _AS_IT_IS:
            terminal.out.line(f"  {label:9} ", *_one_line(parts))
        else:
            terminal.out.hanging(_INDENT, f"  {label:9} ", *_one_line(parts))
    terminal.out.line()


def _one_line(parts: Iterable[Part]) -> Iterator[Part]:
    """Keep a fact on its line: a name with a line end in it must not tell a fact of its own, nor a command."""
    for part in parts:
        yield errors.printable(part) if isinstance(part, str) else (errors.printable(part[0]), part[1])


def _facts(told: Told) -> Iterator[tuple[Any, ...]]:
    outcome = told.subject.outcome
    by = f" by mesh {outcome.mesh}" if outcome.mesh else ""
    yield "because", f"{outcome.reason.value}{by}" + (f", template {outcome.template[:19]}…" if outcome.template else "")
    yield from _meshes(told.checks)
    yield from _stranger(told)
    yield from _gifts(told)
    yield from _changes(told)
    for warning in (*outcome.warnings, *told.subject.cautions):
        yield "warning", (warning, "yellow")
    yield from _error(told)


def _meshes(checks: Sequence[Check]) -> Iterator[tuple[Any, ...]]:
    for check in checks:
        yield "mesh", ("✓", "green") if check.matched else ("✗", "red"), f" {check.mesh}: {check.why}"
    if not checks:
        yield "mesh", "none is known"


def _stranger(told: Told) -> Iterator[tuple[Any, ...]]:
    """Tell that nothing is known of a namespace whose labels were asked for."""
    name = told.subject.namespace.name
    missed = any(mesh.namespace_mismatch(told.subject.namespace).startswith("namespaceSelector") for mesh in told.rules.meshes)
    if missed and name not in told.snapshot.namespaces:
        yield "namespace", f"the source describes no Namespace {name}, so its only label is its name"


def _gifts(told: Told) -> Iterator[tuple[Any, ...]]:
    """Tell what the template that was asked got, and what it lacked."""
    mesh = next((mesh for mesh in told.rules.meshes if str(mesh) == told.story.outcome.mesh), None)
    if mesh is None or mesh.template is None:
        return
    for gift in gifts.of(mesh, mesh.template, told.story.base, told.subject.namespace):
        if gift.given:
            yield "gets", f"{gift.name} = {_short(gift.value)}", (f"  from {gift.whence}", "dim")
        else:
            yield "lacks", f"{gift.name}", (f"  not in {gift.whence}" + ("" if gift.needed else "; optional"), "" if gift.needed else "dim")


def _short(value: Any) -> str:
    is_plain = isinstance(value, str) and scalar.plain(value) == value  # what looks like a number and is text is quoted
    text = errors.printable(value if is_plain else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _changes(told: Told) -> Iterator[tuple[Any, ...]]:
    """Tell what was added with the line of the template, and the defaults that gave way."""
    outcome = told.subject.outcome
    ours = owned(told.subject.workload.pod, outcome)
    would = outcome.verdict is Verdict.AUDITED
    for name in ours.added if ours else ():
        yield "would add" if would else "adds", name, *_line(told, name)
    for name, old in ours.replaced.items() if ours else ():
        yield "default", f"{name}: {json.dumps(old)} counts as not set", *_line(told, name)


def _line(told: Told, name: str) -> Iterable[Part]:
    found = whence.of(told.story.decision.overlays, address.read(name) or ())
    return [(f"  {found.short}", "dim")] if found else []


def errors_of(told: Told) -> Iterator[tuple[str, str]]:
    """Iterate over the code and words by which what a story tells may be told of its mesh, too."""
    outcome = told.subject.outcome
    if outcome.error is not None:
        problem = outcome.error.problem
        yield problem.code, problem.what
        yield problem.code, f"mesh {outcome.mesh}: {problem.what}"


def _error(told: Told) -> Iterator[tuple[Any, ...]]:
    error, change = told.subject.outcome.error, told.advice
    fix = change.fix
    if error is not None:
        problem = error.problem
        yield "error", (f"[{problem.code}] {problem.what}", "red")
        if problem.where:
            yield "where", problem.where
        for line in problem.excerpt.splitlines():
            yield "", (line, "dim")
        fix = problem.fix
    if fix:
        yield "fix", (fix, "green")
    for command in remedies.of(change, told.subject):
        if command.isprintable():  # else it would be another command as it is shown
            yield "try", (command, "bold")
