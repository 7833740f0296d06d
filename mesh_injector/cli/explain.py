"""`explain`: the decision about a pod, step by step: every mesh considered, the selector that failed, what was added, the fix."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from mesh_injector import admission
from mesh_injector.cli import exits, flags, source, stories, subjects
from mesh_injector.cli.flags import flag
from mesh_injector.cli.stories import Told
from mesh_injector.cli.subjects import Scope, Subject
from mesh_injector.cli.terminal import Terminal
from mesh_injector.documents import Document, Origin
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.selector import Selector
from mesh_injector.errors import Problem
from mesh_injector.kube.credentials import Credentials
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot

_PODS: Final = ("pod", "pods", "po")


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"


def explain(  # noqa: PLR0913 # the parameters are the command's flags
    live: Annotated[list[str] | None, typer.Argument(metavar="pod/NAME", help="Pods of the cluster, in the namespace of -n.")] = None,
    files: flags.OptionalFiles = None,
    sources: flags.Sources = None,
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    output: Annotated[Output, flag("-o", "--output", help="text or json.")] = Output.TEXT,
    namespace: flags.NamespaceFlag = "",
    all_namespaces: flags.AllNamespaces = False,
    labels: Annotated[
        str,
        flag(
            "-l",
            "--selector",
            metavar="SELECTOR",
            help="Of -f or the cluster only pods with these labels; else a pod that would have them.",
        ),
    ] = "",
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Explain why a pod is injected, or why not. It tells every mesh considered, and what to change.

    With pod/NAME, or -n and -l where a source is the cluster, it explains pods that are there; where there are none, and without a
    cluster, the pod that would have those labels. Exit 0 when all pods are injected, 1 when one is not, 3 when a document cannot be
    read, 4 when a cluster that is asked cannot be reached or refuses.

    Examples:

      mesh-injector explain -f deployment.yaml --source mesh/

      mesh-injector explain -n shop -l app=web --source mesh/

      mesh-injector explain pod/cart-0 -n shop

      kubectl get pod cart-0 -o yaml | mesh-injector explain -f - -o json
    """
    if live and files:
        raise typer.BadParameter("name pods of the cluster or files, not both", param_hint="-f")
    terminal, within = Terminal(color, quiet=quiet), subjects.scope(namespace, labels, all_namespaces=all_namespaces)
    given, sources = Credentials(kubeconfig, context), sources or ([source.CLUSTER] if live else None)
    snapshot, broken = source.compiled(sources, home_namespace, terminal, given)
    is_asked = bool(live) or (not files and source.CLUSTER in source.names(sources))
    there = _there(live or (), within, labels, given) if is_asked else []
    found, problems = _asked(files or (), there, within, snapshot, terminal)
    told = [stories.of(subject, snapshot) for subject in found]
    known = set() if output is Output.JSON else {same for one in told for same in stories.errors_of(one)}
    source.tell(snapshot, [problem for problem in broken if (problem.code, problem.what) not in known], terminal)
    _tell(told, output, terminal)
    for problem in problems:
        terminal.problem(problem)
    if not found and not problems:
        terminal.say(subjects.NOBODY, style="yellow")
    if problems:
        return exits.UNREADABLE
    return exits.DONE if all(is_injected(subject) for subject in found) else exits.NO


def _tell(told: Sequence[Told], output: Output, terminal: Terminal) -> None:
    if output is Output.JSON:
        terminal.json({"items": [as_json(one) for one in told]})
        return
    for one in told:
        stories.tell(one, terminal)


def _there(names: Sequence[str], within: Scope, labels: str, given: Credentials) -> list[Document]:
    """Read pods of the cluster: those named `pod/NAME`, else all of a namespace with some labels. Raises ClusterError."""
    from mesh_injector.kube import listing  # half a second, for those who ask for a cluster

    if not names:
        return list(listing.pods(given, within.namespace, labels))
    found: list[Document] = []
    for name in names:
        kind, _, plain = name.rpartition("/")
        if kind.lower() not in _PODS or not plain:
            raise typer.BadParameter(f"`{name}` is no pod; write pod/NAME, or name files by -f", param_hint="POD")
        found += listing.pods(given, within.namespace or "default", name=plain)
    return found


def _asked(
    files: Sequence[str], there: Sequence[Document], within: Scope, snapshot: Snapshot, terminal: Terminal
) -> tuple[list[Subject[Outcome]], list[Problem]]:
    """Find the pods that are asked about, wherever they are: in files, in the cluster, or only described by labels."""
    decide = subjects.injecting(snapshot)
    if files:
        judged, problems = subjects.read(files, within, decide)
    elif there:
        judged = list(subjects.judge(there, Scope(), decide))
        problems = [problem for one in judged for problem in one.problems]
    elif within.selector.requirements or within.namespace:
        judged, problems = list(subjects.judge([_described(within, terminal)], Scope(), decide)), []
    else:
        raise typer.BadParameter("name files of pods, or pod/NAME of the cluster, or describe a pod by -n and -l", param_hint="-f")
    return [subject for one in judged for subject in one.subjects], problems


def _described(within: Scope, terminal: Terminal) -> Document:
    """Make a pod that a person describes by its namespace and labels."""
    namespace, labels = within.namespace or "default", _labels(within.selector)
    shown = ", ".join(f"{key}={value}" for key, value in labels.items()) or "none"
    terminal.say(f"no -f: a pod `app` in namespace {namespace} with labels {shown}, one container and port 8080", style="dim")
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 8080}]}]},
    }
    return Document(body, Origin("-l"))


def _labels(selector: Selector) -> dict[str, str]:
    """Read a selector as a description; what it leaves out needs no label."""
    told = [need for need in selector.requirements if need.operator not in ("NotIn", "DoesNotExist")]
    if vague := [need for need in told if len(need.values) != 1]:
        raise typer.BadParameter(f"`{vague[0]}` describes no single pod; write `{vague[0].key}=VALUE`", param_hint="-l")
    return {need.key: need.values[0] for need in told}


def is_injected(subject: Subject[Outcome]) -> bool:
    """Whether the pod carries what it should: injected now, or before."""
    return subject.outcome.verdict is Verdict.INJECTED or subject.outcome.reason is Reason.ALREADY_INJECTED


def as_json(told: Told) -> dict[str, Any]:
    """Give a decision the form that other programs rely on: contract, section 5. The patch is for the document that the item names."""
    subject, outcome = told.subject, told.subject.outcome
    return {
        "pod": subject.workload.label,
        "namespace": subject.namespace.name,
        "outcome": outcome.verdict.value,
        "allowed": outcome.allowed,
        "reason": outcome.reason.value,
        "mesh": outcome.mesh or None,
        "template": outcome.template or None,
        "message": outcome.message or None,
        "warnings": [*admission.warnings(outcome), *subject.cautions],
        "checks": [{"mesh": check.mesh, "matched": check.matched, "why": check.why} for check in told.checks],
        "patch": subject.of_document(outcome.operations) or None,
    }
