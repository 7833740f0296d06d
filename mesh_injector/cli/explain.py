"""`explain`: the decision about a pod, step by step: every mesh considered, the selector that failed, what was added, the fix."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from mesh_injector import admission
from mesh_injector.cli import exits, flags, source, subjects
from mesh_injector.cli.flags import flag
from mesh_injector.cli.subjects import Subject
from mesh_injector.cli.terminal import Terminal, verdict
from mesh_injector.engine import pipeline, record
from mesh_injector.engine.pipeline import Outcome, Verdict
from mesh_injector.engine.record import Record
from mesh_injector.engine.rules import Check
from mesh_injector.kube.credentials import Credentials
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"


def explain(  # noqa: PLR0913 # the parameters are the command's flags
    files: flags.Files,
    sources: flags.Sources = None,
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    output: Annotated[Output, flag("-o", "--output", help="text or json.")] = Output.TEXT,
    namespace: flags.NamespaceFlag = "",
    all_namespaces: flags.AllNamespaces = False,
    labels: flags.Labels = "",
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Explain why a pod is injected, or why not: every mesh considered, and what to change.

    Exit 0 when all pods are injected, 1 when one is not, 3 when a document cannot be read.

    Examples:

      mesh-injector explain -f deployment.yaml --source mesh/

      kubectl get pod cart-0 -o yaml | mesh-injector explain -f - -o json
    """
    terminal, within = Terminal(color, quiet=quiet), subjects.scope(namespace, labels, all_namespaces=all_namespaces)
    snapshot = source.load(sources, home_namespace, terminal, Credentials(kubeconfig, context))
    judged, problems = subjects.read(files, within, subjects.injecting(snapshot))
    found = [subject for one in judged for subject in one.subjects]
    if output is Output.JSON:
        terminal.json({"items": [as_json(subject, _checks(subject, snapshot)) for subject in found]})
    else:
        for subject in found:
            story(subject, _checks(subject, snapshot), terminal)
    for problem in problems:
        terminal.problem(problem)
    if problems:
        return exits.UNREADABLE
    return exits.DONE if all(is_injected(subject) for subject in found) else exits.NO


def is_injected(subject: Subject[Outcome]) -> bool:
    """Whether the pod carries what it should: injected now, or before."""
    return subject.outcome.verdict is Verdict.INJECTED or subject.outcome.reason is Reason.ALREADY_INJECTED


def _checks(subject: Subject[Outcome], snapshot: Snapshot) -> Sequence[Check]:
    return pipeline.checks(subject.pod, subject.namespace, snapshot.rules)


def as_json(subject: Subject[Outcome], checks: Sequence[Check]) -> dict[str, Any]:
    """Give a decision the form that other programs rely on: contract, section 5."""
    outcome = subject.outcome
    return {
        "pod": subject.workload.label,
        "namespace": subject.namespace.name,
        "outcome": outcome.verdict.value,
        "allowed": outcome.allowed,
        "reason": outcome.reason.value,
        "mesh": outcome.mesh or None,
        "template": outcome.template or None,
        "message": outcome.message or None,
        "warnings": [*admission.warnings(outcome), *subject.owned],
        "checks": [{"mesh": check.mesh, "matched": check.matched, "why": check.why} for check in checks],
        "patch": list(outcome.operations) or None,
    }


def story(subject: Subject[Outcome], checks: Sequence[Check], terminal: Terminal) -> None:
    """Tell a decision as a story."""
    out, outcome = terminal.out, subject.outcome
    out.line((subject.workload.label, "bold"), f" in namespace {subject.namespace.name}: ", verdict(outcome.verdict))
    by = f" by mesh {outcome.mesh}" if outcome.mesh else ""
    _line(terminal, "because", f"{outcome.reason.value}{by}" + (f", template {outcome.template[:19]}…" if outcome.template else ""))
    for check in checks:
        out.line("  mesh      ", ("✓", "green") if check.matched else ("✗", "red"), f" {check.mesh}: {check.why}")
    if not checks:
        _line(terminal, "mesh", "none is known")
    ours = owned(subject)
    for name in ours.added if ours else ():
        _line(terminal, "would add" if outcome.verdict is Verdict.AUDITED else "adds", name)
    for name, old in ours.replaced.items() if ours else ():
        _line(terminal, "default", f"{name}: {json.dumps(old)} counts as not set")
    for warning in (*outcome.warnings, *subject.owned):
        _line(terminal, "warning", warning, "yellow")
    if outcome.error is not None:
        problem = outcome.error.problem
        _line(terminal, "error", f"[{problem.code}] {problem.what}", "red")
        _line(terminal, "where", problem.where)
        for excerpt in problem.excerpt.splitlines():
            out.line((f"            {excerpt}", "dim"))
        _line(terminal, "fix", problem.fix, "green")
    out.line()


def owned(subject: Subject[Outcome]) -> Record | None:
    """Read the record in the injected pod: what was added, and the defaults that gave way."""
    if not subject.outcome.operations:
        return None
    after = subjects.apply(subject.workload.pod, subject.outcome.operations)
    return record.read(after["metadata"]["annotations"][record.ANNOTATION])


def _line(terminal: Terminal, label: str, text: str, style: str = "") -> None:
    if text:
        terminal.out.line(f"  {label:9} ", (text, style))
