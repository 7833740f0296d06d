"""What `inject` and `uninject` say of changed documents: the documents, the changes or a table on stdout, a report on stderr."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from mesh_injector import documents
from mesh_injector.cli import exits
from mesh_injector.cli.flags import flag
from mesh_injector.cli.screen import Part
from mesh_injector.cli.subjects import NOBODY, Answer, Judged, Subject
from mesh_injector.cli.terminal import Terminal, json_text, verdict
from mesh_injector.errors import Problem


class Output(StrEnum):
    """The forms of the output."""

    YAML = "yaml"
    JSON = "json"
    DIFF = "diff"
    JSONPATCH = "jsonpatch"
    SUMMARY = "summary"


OutputFlag = Annotated[Output, flag("-o", "--output", help="yaml, json, diff, jsonpatch or summary.")]


def tell(output: Output, judged: Sequence[Judged[Answer]], problems: Sequence[Problem], terminal: Terminal) -> int:
    """Print what is asked for, tell what happened, and work out the exit code: 3 for what could not be read, 1 when a pod is refused."""
    _show(output, judged, terminal)
    _report(judged, problems, terminal, rows=output is not Output.SUMMARY)
    if problems:
        return exits.UNREADABLE
    refused = any(not subject.outcome.allowed for one in judged for subject in one.subjects)
    return exits.NO if refused else exits.DONE


def _show(output: Output, judged: Sequence[Judged[Answer]], terminal: Terminal) -> None:
    """Print the documents as they are now, or what changed in them."""
    if output is Output.YAML:
        _yaml(judged, terminal)
    elif output is Output.JSON:
        bodies = [one.changed for one in judged]
        terminal.json(bodies[0] if len(bodies) == 1 else {"apiVersion": "v1", "kind": "List", "items": bodies})
    elif output is Output.JSONPATCH:
        _patches(judged, terminal)
    elif output is Output.DIFF:
        for one in judged:
            for subject in one.subjects:
                if subject.patch:
                    terminal.diff(subject.workload.label, subject.document.body, subject.changed)
    else:
        _summary(judged, terminal)


def _yaml(judged: Sequence[Judged[Answer]], terminal: Terminal) -> None:
    """Print every document: an untouched one as it was written, comments included."""
    if not judged:
        return
    texts = [documents.dump(one.changed) if one.patch or not one.document.text else one.document.text.strip("\n") for one in judged]
    terminal.data("\n---\n".join(text.rstrip("\n") for text in texts))


def _patches(judged: Sequence[Judged[Answer]], terminal: Terminal) -> None:
    """Print the operations of one document, or a line of JSON for each of several and each item of a List."""
    lines = [line for one in judged for line in _lines(one)]
    if len(judged) == 1 and not judged[0].document.kind.endswith("List"):
        terminal.json(judged[0].patch)
        return
    for line in lines:
        terminal.data(json_text(line))


def _lines(one: Judged[Answer]) -> list[dict[str, Any]]:
    """Name each workload of a document with its operations; a document without one has none to do."""
    found = [(subject.document.body, subject.namespace.name, subject.patch) for subject in one.subjects]
    found = found or [(one.document.body, one.document.namespace, [])]
    return [{"kind": body.get("kind"), "namespace": namespace, "name": _name(body), "patch": patch} for body, namespace, patch in found]


def _name(body: dict[str, Any]) -> str:
    metadata = body.get("metadata") or {}
    return str(metadata.get("name") or f"{metadata.get('generateName', '')}*")


def _summary(judged: Sequence[Judged[Answer]], terminal: Terminal) -> None:
    """Show one row for each pod or workload."""
    terminal.table(("POD", "NAMESPACE", "OUTCOME", "MESH", "WHY"), [_row(subject) for one in judged for subject in one.subjects])


def _row(subject: Subject[Answer]) -> tuple[Part, ...]:
    """Say in one row what happened to a pod and why."""
    outcome = subject.outcome
    return subject.workload.label, subject.namespace.name, verdict(outcome.verdict), outcome.mesh or "-", outcome.why


def _report(judged: Sequence[Judged[Answer]], problems: Sequence[Problem], terminal: Terminal, *, rows: bool) -> None:
    """Tell on stderr what happened to each pod, every warning, and what was wrong."""
    found = [subject for one in judged for subject in one.subjects]
    for subject in found:
        outcome = subject.outcome
        if outcome.error is not None and not outcome.allowed:
            terminal.refusal(f"{subject.workload.label} ({subject.namespace.name})", outcome.message, outcome.error.problem.excerpt)
        elif rows:
            mesh = f", mesh {outcome.mesh}" if outcome.mesh else ""
            terminal.say(f"{outcome.verdict:10} {subject.workload.label} ({subject.namespace.name}){mesh}: {outcome.why}")
        for warning in (*subject.outcome.warnings, *subject.cautions):
            terminal.say(f"warning: {subject.workload.label}: {warning}", style="yellow")
    for problem in problems:
        terminal.problem(problem)
    if not found and not problems:
        terminal.say(NOBODY, style="yellow")
