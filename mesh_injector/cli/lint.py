"""`lint`: everything that can be said about Meshes and templates without a pod, for people, editors, pre-commit and CI."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

import typer

from mesh_injector import store
from mesh_injector.cli import exits, flags, forms, given, jobs, source
from mesh_injector.cli.flags import flag
from mesh_injector.cli.given import Given
from mesh_injector.cli.terminal import Terminal
from mesh_injector.formats.mesh import linting
from mesh_injector.formats.mesh.linting import Finding, Severity
from mesh_injector.kube.credentials import Credentials


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def lint(  # noqa: PLR0913 # the parameters are the command's flags
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|DIR", callback=flags.named, help="The same as -f, as pre-commit gives it.")
    ] = None,
    files: Annotated[
        list[str] | None,
        flag("-f", "--filename", metavar="FILE|DIR|-", callback=flags.named, help="Meshes, ConfigMaps, templates (*.j2); repeatable."),
    ] = None,
    sources: flags.Sources = None,
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    output: Annotated[Output, flag("-o", "--output", help="text, json, sarif or github.")] = Output.TEXT,
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Find what is wrong with Meshes and templates, without a pod.

    Files given by --source are read beside those of -f, so that a Mesh finds its ConfigMap, and are not judged themselves (without -f
    they are); what is broken in them is told on stderr. Exit 0 when there is no error, 1 when there is one, 3 when a document cannot
    be read.

    Examples:

      mesh-injector lint -f mesh/

      mesh-injector lint patch.yaml.j2

      mesh-injector lint --source mesh/ mesh/payments.yaml -o github
    """
    terminal = Terminal(color, quiet=quiet)
    judged = files or []
    if not judged and not paths:
        source.announce(sources, terminal)
        judged, sources = list(source.names(sources)), None
    cluster = Credentials(kubeconfig, context)
    reader = given.Reader(lambda: source.read([source.CLUSTER], home_namespace, cluster))
    own, beside = reader.judged(judged, paths or ()), reader.beside(sources or ())
    for file in own.passed:
        terminal.say(f"{file}: no Kubernetes object and no template, left alone")
    found, broken = _find(own, beside, home_namespace)
    for finding in broken:
        terminal.problem(finding.problem, "warning")
    _tell(found, output, terminal)
    if output is Output.TEXT:
        terminal.say(_summary(found, len(own.files)))
    if own.problems:
        return exits.UNREADABLE
    return exits.NO if any(finding.severity is Severity.ERROR for finding in found) else exits.DONE


def _find(own: Given, beside: Given, home: str) -> tuple[list[Finding], list[Finding]]:
    """Find what is wrong with what is judged, and what is broken beside it.

    The documents that are judged come last: of two that describe the same object the later one counts.
    """
    documents, problems = store.expanded((*beside.documents, *own.documents), (*beside.problems, *own.problems))
    found, broken = [], []
    waiting = linting.warnings(documents, jobs.problems(documents, home))
    for finding in (*linting.findings(documents, problems, home, {**own.unread, **beside.unread}), *waiting):
        if finding.place.source not in beside.files:
            found.append(finding)
        elif finding.severity is Severity.ERROR:
            broken.append(finding)
    for file, text in own.templates.items():
        found += linting.of_template(text, file)
    return found, broken


def _tell(found: Sequence[Finding], output: Output, terminal: Terminal) -> None:
    if output is Output.TEXT:
        for finding in found:
            _show(finding, terminal)
    else:
        form = {Output.JSON: forms.as_json, Output.SARIF: forms.as_sarif, Output.GITHUB: forms.as_github}[output]
        text = form(found)
        if text:
            terminal.data(text)


def _show(finding: Finding, terminal: Terminal) -> None:
    """Show a finding as compilers do: its place, which editors and terminals follow, then what, an excerpt and the fix."""
    problem, out = finding.problem, terminal.out
    out.line((f"{finding.place}: ", "bold"), (f"{finding.severity.value} [{problem.code}] ", _STYLES[finding.severity]), problem.what)
    for line in problem.excerpt.splitlines():
        out.line((f"  {line}", "dim"))
    if problem.fix:
        out.line((f"  fix: {problem.fix}", "green"))


def _summary(found: Sequence[Finding], files: int) -> str:
    if not files and not found:
        return "no file was looked at"
    counts = [(severity.value, sum(finding.severity is severity for finding in found)) for severity in Severity]
    told = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts if count)
    return f"{told or 'nothing wrong'} in {files} file{'s' if files != 1 else ''}"


_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
