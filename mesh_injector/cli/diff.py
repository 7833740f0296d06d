"""`diff`: what a new template or Mesh would change for given pods, before it is applied."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from mesh_injector import directory, opening, reasons, store
from mesh_injector.cli import differences, exits, flags, given, source, subjects
from mesh_injector.cli.differences import Difference
from mesh_injector.cli.flags import flag
from mesh_injector.cli.terminal import Terminal, verdict
from mesh_injector.documents import Document
from mesh_injector.engine.outcome import Verdict
from mesh_injector.errors import ConfigError, InjectionError, Problem
from mesh_injector.formats.mesh import config_maps
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.store import Snapshot


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    SUMMARY = "summary"
    JSON = "json"


def diff(  # noqa: PLR0913 # the parameters are the command's flags
    new: Annotated[
        list[str],
        typer.Argument(metavar="NEW...", callback=flags.named, help="New Meshes, ConfigMaps, or a template (*.j2): files or folders."),
    ],
    sources: flags.Sources = None,
    files: flags.OptionalFiles = None,
    mesh: Annotated[str, flag("--mesh", metavar="[NAMESPACE/]NAME", help="The Mesh whose template a bare template stands for.")] = "",
    whole: Annotated[
        bool, flag("--whole", help="NEW is the whole new configuration: what it leaves out is gone, and not as in the source.")
    ] = False,
    output: Annotated[Output, flag("-o", "--output", help="text, summary (the tables alone) or json.")] = Output.TEXT,
    namespace: flags.NamespaceFlag = "",
    all_namespaces: flags.AllNamespaces = False,
    labels: flags.Labels = "",
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Show what a new template or Mesh would change for pods. Nothing is applied.

    What NEW holds takes the place of the same objects of --source, the rest stays. Without -f it is shown for a stand-in pod of each
    mesh. Exit 0 when nothing changes, 1 when something does or NEW does not load, 3 when a document cannot be read.

    Examples:

      mesh-injector diff new/mesh.yaml --source mesh/ -f workloads.yaml

      mesh-injector diff patch.yaml.j2 --mesh payments --source mesh/

      kubectl get deploy -A -o yaml | mesh-injector diff new/ --source mesh/ -f - -o summary
    """
    terminal, within = Terminal(color, quiet=quiet), subjects.scope(namespace, labels, all_namespaces=all_namespaces)
    before = source.load(sources, home_namespace, terminal)
    after, faults = _after(new, mesh, before, whole=whole)
    for problem in faults:
        terminal.problem(problem)
    if faults:
        terminal.say("the new configuration is wrong: this is what a fresh server would do, a running one keeps the last good part")
    reading = directory.read(files) if files else None
    if reading:
        found, problems = differences.of(reading.documents, within, before, after)
        problems = [*reading.problems, *problems]
    else:
        terminal.say("no -f: shown for a stand-in pod of each mesh", style="dim")
        found, problems = list(differences.of_stand_ins(before, after)), []
    _tell(found, output, terminal)
    for problem in problems:
        terminal.problem(problem)
    if problems or any(problem.code in _UNREAD for problem in faults):
        return exits.UNREADABLE
    return exits.NO if faults or any(not one.is_same for one in found) else exits.DONE


_UNREAD = {reasons.NOT_YAML, reasons.NOT_A_MANIFEST, reasons.UNREADABLE}


def _after(new: Sequence[str], mesh: str, before: Snapshot, *, whole: bool) -> tuple[Snapshot, list[Problem]]:
    """Load the new configuration, and find what is wrong in it that was not wrong before."""
    templates = [path for path in new if path.endswith(given.TEMPLATES)]
    others = [path for path in new if path not in templates]
    reading = directory.read(others) if others else None
    added, problems = store.expanded(reading.documents, reading.problems) if reading else ((), [])
    documents = _replaced(() if whole and others else before.documents, added)
    for path in templates:
        documents = _replaced(documents, (_config_map(path, _mesh(mesh, before), documents),))
    after = store.load(documents, before.rules.home)
    known = {_said(problem) for problem in before.problems}
    return after, [*problems, *(problem for problem in after.problems if _said(problem) not in known)]


def _said(problem: Problem) -> tuple[str, str]:
    return problem.code, problem.what


def _replaced(documents: Sequence[Document], added: Sequence[Document]) -> tuple[Document, ...]:
    """Put documents in the place of those that describe the same objects."""
    gone = {_identity(document) for document in added}
    return (*(document for document in documents if _identity(document) not in gone), *added)


def _identity(document: Document) -> tuple[str, str, str]:
    return document.kind, document.namespace or "default", document.name


def _mesh(name: str, snapshot: Snapshot) -> Mesh:
    """Find the Mesh that a bare template is for: the one that is named, or the only one."""
    meshes = snapshot.rules.meshes
    found = [mesh for mesh in meshes if name in ("", mesh.name, str(mesh)) and mesh.spec.sidecar_patch_config_map]
    if len(found) != 1:
        known = ", ".join(map(str, found or meshes)) or "none"
        raise typer.BadParameter(f"name the one Mesh that the template is for; there are {known}", param_hint="--mesh")
    return found[0]


def _config_map(path: str, mesh: Mesh, documents: Sequence[Document]) -> Document:
    """Put the text of a bare template into the ConfigMap of a mesh."""
    ref = mesh.spec.sidecar_patch_config_map
    assert ref is not None  # noqa: S101 # only such meshes are found
    identity = ("ConfigMap", ref.namespace or mesh.namespace, ref.name)
    document = next((document for document in documents if _identity(document) == identity), None)
    if document is None:
        what = f"there is no ConfigMap {identity[1]}/{ref.name}, whose template this would be"
        raise ConfigError(Problem(reasons.NOTHING_FOUND, what, path, "add it to --source"))
    try:
        key, text = config_maps.entry(document, ref), opening.text(path)
    except InjectionError as error:
        raise ConfigError(error.problem) from error
    return replace(document, body={**document.body, "data": {**document.body["data"], key: text}}, text="")


def _tell(found: Sequence[Difference], output: Output, terminal: Terminal) -> None:
    if output is Output.JSON:
        terminal.json({"items": [differences.as_json(one) for one in found]})
        return
    for one in found if output is Output.TEXT else ():
        if not one.is_same:
            _show(one, terminal)
    if found:
        terminal.table(("POD", "NAMESPACE", "BEFORE", "AFTER", "CHANGE"), [_row(one) for one in found])
        terminal.out.line()
        terminal.table(("", "BEFORE", "AFTER"), _sums(found))
        changed = sum(not one.is_same for one in found)
        terminal.out.line((f"{changed} changed", "bold" if changed else ""), f", {len(found) - changed} unchanged")


def _show(one: Difference, terminal: Terminal) -> None:
    """Show how one pod comes out otherwise: the diff of both results, and what is said that was not said before."""
    before, after = one.bodies
    old, new = one.before.outcome, one.after.outcome
    terminal.out.line((f"{one.label} in namespace {one.namespace}: ", "bold"), one.what)
    if before != after and new.allowed:
        terminal.diff(one.label, before, after)
    if new.error is not None and new.message != old.message:
        terminal.out.line(("+ ", "red"), new.message)
        for line in new.error.problem.excerpt.splitlines():
            terminal.out.line((line, "dim"))
    for warning in (warning for warning in new.warnings if warning not in old.warnings):
        terminal.out.line(("+ warning: ", "yellow"), warning)
    for warning in (warning for warning in old.warnings if warning not in new.warnings):
        terminal.out.line(("- warning: ", "dim"), warning)
    terminal.out.line()


def _row(one: Difference) -> tuple[str | tuple[str, str], ...]:
    before, after = one.before.outcome, one.after.outcome
    what = (one.what, "dim" if one.is_same else "bold")
    return one.label, one.namespace, verdict(before.verdict), verdict(after.verdict), what


def _sums(found: Sequence[Difference]) -> Iterator[tuple[str, str, str]]:
    """Count the outcomes before and after."""
    before = Counter(one.before.outcome.verdict for one in found)
    after = Counter(one.after.outcome.verdict for one in found)
    for each in Verdict:
        if before[each] or after[each]:
            yield each.value, str(before[each]), str(after[each])
