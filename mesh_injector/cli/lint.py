"""`lint`: everything that can be said about Meshes and templates without a pod, for people, editors, pre-commit and CI."""

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from mesh_injector import directory, errors, reasons, store
from mesh_injector.cli import exits, flags, source
from mesh_injector.cli import findings as forms
from mesh_injector.cli.flags import flag
from mesh_injector.cli.terminal import Terminal
from mesh_injector.directory import Reading
from mesh_injector.documents import Document
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.formats.mesh import lint as linting
from mesh_injector.formats.mesh.lint import Finding, Severity

TEMPLATES: Final = (".j2", ".jinja", ".jinja2")
"""The endings of files that hold a template and nothing else."""


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def lint(  # noqa: PLR0913 # the parameters are the command's flags
    paths: Annotated[list[str] | None, typer.Argument(metavar="[FILE|DIR]...", help="The same as -f, as pre-commit gives it.")] = None,
    files: Annotated[
        list[str] | None,
        flag("-f", "--filename", metavar="FILE|DIR|-", help="Meshes, ConfigMaps and templates (*.j2) to judge; repeatable."),
    ] = None,
    sources: flags.Sources = None,
    output: Annotated[Output, flag("-o", "--output", help="text, json, sarif or github.")] = Output.TEXT,
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Find what is wrong with Meshes and templates, before there is a pod.

    Files given by --source are read beside those of -f, so that a Mesh finds its ConfigMap, and are not judged themselves; without -f
    they are. Exit 0 when there is no error, 1 when there is one, 3 when a document cannot be read.

    Examples:

      mesh-injector lint -f mesh/

      mesh-injector lint patch.yaml.j2

      mesh-injector lint --source mesh/ mesh/payments.yaml -o github
    """
    terminal = Terminal(color, quiet=quiet)
    plain, others = _plain(paths or ())
    judged = [*(files or ()), *plain]
    if not judged and not others:
        source.announce(sources, terminal)
        judged, sources = list(source.paths(sources)), None
    reading = _read(judged)
    foreign = _foreign(reading, plain)
    context = _without(_read([*judged, *sources]), foreign) if sources else _without(reading, foreign)
    reading = _without(reading, foreign) if sources else context
    found = [
        finding
        for finding in linting.findings(*store.expanded(_last(reading, context), context.problems), home_namespace)
        if finding.place.source in reading.files or context is reading
    ]
    for name in dict.fromkeys((*others, *foreign.values())):
        terminal.say(f"{name}: no Kubernetes object and no template, left alone")
    templates = sorted({str(file) for path in judged for file in _templates(path)})
    for file in templates:
        found += linting.of_template(_text(file), file)
    _tell(found, output, terminal)
    if output is Output.TEXT:
        terminal.say(_summary(found, len(reading.files) + len(templates)))
    if reading.problems:
        return exits.UNREADABLE
    return exits.NO if any(finding.severity is Severity.ERROR for finding in found) else exits.DONE


def _read(paths: Sequence[str]) -> Reading:
    """Read the documents of files and folders; a folder that holds nothing but templates has none. Raises ConfigError."""
    templates_only = [path for path in paths if Path(path).is_dir() and _templates(path) and not _manifests(path)]
    return directory.read([path for path in paths if path not in templates_only and not path.endswith(TEMPLATES)])


def _plain(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell the files that may be ours from those that are not: pre-commit gives what it finds in a folder, READMEs and scripts too."""
    ours = [path for path in paths if path == directory.STDIN or Path(path).is_dir() or path.endswith((*directory.ENDINGS, *TEMPLATES))]
    return ours, [path for path in paths if path not in ours]


def _foreign(reading: Reading, plain: Sequence[str]) -> dict[Problem, str]:
    """Find the documents in files given plainly that are no Kubernetes objects, such as values.yaml, with the names of their files."""
    found = ((problem, re.sub(r"(:\d+){1,2}\Z", "", problem.where)) for problem in reading.problems)
    return {problem: file for problem, file in found if problem.code == reasons.NOT_A_MANIFEST and file in plain}


def _without(reading: Reading, problems: Container[Problem]) -> Reading:
    return replace(reading, problems=tuple(problem for problem in reading.problems if problem not in problems))


def _last(reading: Reading, context: Reading) -> list[Document]:
    """Put the documents that are judged after those beside them: of two that describe the same object the later one counts."""
    return sorted(context.documents, key=lambda document: document.origin.source in reading.files)


def _manifests(folder: str) -> bool:
    return any(file.name.endswith(directory.ENDINGS) for file in _visible(folder))


def _templates(path: str) -> list[Path]:
    """Find the templates of a folder, or the file that is one itself."""
    if Path(path).is_dir():
        return [file for file in _visible(path) if file.name.endswith(TEMPLATES)]
    return [Path(path)] if path.endswith(TEMPLATES) else []


def _visible(folder: str) -> Iterator[Path]:
    """Iterate over the files below a folder; names that begin with a dot are left out, as for every command."""
    for file in Path(folder).rglob("*"):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield file


def _text(file: str) -> str:
    """Read a template. Raises ConfigError when it cannot be read."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"it cannot be read ({error.strerror})"
        raise ConfigError(Problem(reasons.UNREADABLE, what, file, "check the path and its permissions")) from error


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
    from rich.text import Text

    problem, style = finding.problem, _STYLES[finding.severity]
    place, what = errors.printable(str(finding.place)), errors.printable(problem.what)
    head = Text.assemble((f"{place}: ", "bold"), (f"{finding.severity.value} [{problem.code}] ", style), what)
    terminal.out.print(head, soft_wrap=True)
    for line in problem.excerpt.splitlines():
        terminal.out.print(Text(f"  {errors.printable(line)}", style="dim"), soft_wrap=True)
    if problem.fix:
        terminal.out.print(Text(f"  fix: {errors.printable(problem.fix)}", style="green"), soft_wrap=True)


def _summary(found: Sequence[Finding], files: int) -> str:
    counts = [(severity.value, sum(finding.severity is severity for finding in found)) for severity in Severity]
    told = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts if count)
    return f"{told or 'nothing wrong'} in {files} file{'s' if files != 1 else ''}"


_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
