"""`inject`: what the webhook would do to pods and workloads, offline; every run applies its own patch and so proves it."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from rich.text import Text

from mesh_injector import documents
from mesh_injector.cli import exits, flags, source, subjects
from mesh_injector.cli import terminal as terminals
from mesh_injector.cli.flags import flag
from mesh_injector.cli.subjects import Judged, Subject
from mesh_injector.cli.terminal import Terminal
from mesh_injector.engine.pipeline import Verdict
from mesh_injector.errors import Problem


class Output(StrEnum):
    """The forms of the output."""

    YAML = "yaml"
    JSON = "json"
    DIFF = "diff"
    JSONPATCH = "jsonpatch"
    SUMMARY = "summary"


def inject(  # noqa: PLR0913 # the parameters are the command's flags
    files: flags.Files,
    sources: flags.Sources = None,
    output: Annotated[Output, flag("-o", "--output", help="yaml, json, diff, jsonpatch or summary.")] = Output.YAML,
    namespace: flags.NamespaceFlag = "",
    all_namespaces: flags.AllNamespaces = False,
    labels: flags.Labels = "",
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Inject pods and workloads offline, exactly as the webhook would.

    Every document comes out, in order; those it does not touch unchanged. A report is on stderr. Exit 1 when a pod is refused,
    3 when a document cannot be read.

    Examples:

      mesh-injector inject -f deployment.yaml --source mesh/ > injected.yaml && kubectl apply -f injected.yaml

      kubectl get deploy -o yaml | mesh-injector inject -f - -o diff
    """
    terminal, within = Terminal(color, quiet=quiet), subjects.scope(namespace, labels, all_namespaces=all_namespaces)
    snapshot = source.load(sources, home_namespace, terminal)
    judged, problems = subjects.read(files, within, snapshot)
    _print(output, judged, terminal)
    report(judged, problems, terminal, rows=output is not Output.SUMMARY)
    return code(judged, problems)


def _print(output: Output, judged: Sequence[Judged], terminal: Terminal) -> None:
    if output is Output.YAML:
        _yaml(judged, terminal)
    elif output is Output.JSON:
        bodies = [one.injected for one in judged]
        terminal.json(bodies[0] if len(bodies) == 1 else {"apiVersion": "v1", "kind": "List", "items": bodies})
    elif output is Output.JSONPATCH:
        _patches(judged, terminal)
    elif output is Output.DIFF:
        for one in judged:
            for subject in one.subjects:
                if subject.patch:
                    terminal.diff(subject.workload.label, subject.document.body, subject.injected)
    else:
        summary(judged, terminal)


def _yaml(judged: Sequence[Judged], terminal: Terminal) -> None:
    """Print every document: an untouched one as it was written, comments included."""
    if not judged:
        return
    texts = [documents.dump(one.injected) if one.patch or not one.document.text else one.document.text.strip("\n") for one in judged]
    terminal.data("\n---\n".join(text.rstrip("\n") for text in texts))


def _patches(judged: Sequence[Judged], terminal: Terminal) -> None:
    """Print the operations of one document, or a line of JSON for each of several and each item of a List."""
    lines = [line for one in judged for line in _lines(one)]
    if len(judged) == 1 and not judged[0].document.kind.endswith("List"):
        terminal.json(judged[0].patch)
        return
    for line in lines:
        terminal.data(json.dumps(line, ensure_ascii=False))


def _lines(one: Judged) -> list[dict[str, Any]]:
    """Name each workload of a document with its operations; a document without one has none to do."""
    found = [(subject.document.body, subject.namespace.name, subject.patch) for subject in one.subjects]
    found = found or [(one.document.body, one.document.namespace, [])]
    return [{"kind": body.get("kind"), "namespace": namespace, "name": _name(body), "patch": patch} for body, namespace, patch in found]


def _name(body: dict[str, Any]) -> str:
    metadata = body.get("metadata") or {}
    return str(metadata.get("name") or f"{metadata.get('generateName', '')}*")


def summary(judged: Sequence[Judged], terminal: Terminal) -> None:
    """Show one row for each pod or workload."""
    terminal.table(("POD", "NAMESPACE", "OUTCOME", "MESH", "WHY"), [row(subject) for one in judged for subject in one.subjects])


def row(subject: Subject) -> tuple[Text | str, ...]:
    """Say in one row what happened to a pod and why."""
    outcome = subject.outcome
    return subject.workload.label, subject.namespace.name, terminals.verdict(outcome.verdict), outcome.mesh or "-", why(subject)


def why(subject: Subject) -> str:
    """Say why: the reason, and for a failure what is wrong."""
    outcome = subject.outcome
    return outcome.reason.value + (f": {outcome.error.problem.what}" if outcome.error else "")


def report(judged: Sequence[Judged], problems: Sequence[Problem], terminal: Terminal, *, rows: bool) -> None:
    """Tell on stderr what happened to each pod, every warning, and what was wrong."""
    found = [subject for one in judged for subject in one.subjects]
    for subject in found:
        outcome = subject.outcome
        if outcome.error is not None and outcome.verdict is Verdict.REFUSED:
            terminal.refusal(f"{subject.workload.label} ({subject.namespace.name})", outcome.message, outcome.error.problem.excerpt)
        elif rows:
            mesh = f" by {outcome.mesh}" if outcome.mesh else ""
            terminal.say(f"{outcome.verdict.value:9} {subject.workload.label} ({subject.namespace.name}){mesh}: {why(subject)}")
        for warning in (*subject.outcome.warnings, *subject.owned):
            terminal.say(f"warning: {subject.workload.label}: {warning}", style="yellow")
    for problem in problems:
        terminal.problem(problem)
    if not found and not problems:
        terminal.say("warning: there is no pod or workload in the input", style="yellow")


def code(judged: Sequence[Judged], problems: Sequence[Problem]) -> int:
    """Work out the exit code: 3 for what could not be read, 1 when a pod is refused."""
    if problems:
        return exits.UNREADABLE
    refused = any(not subject.outcome.allowed for one in judged for subject in one.subjects)
    return exits.NO if refused else exits.DONE
