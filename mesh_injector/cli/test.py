"""`test`: users' own tests of their templates, files beside the templates; for people, for programs and for CI."""

# ruff: noqa: PT028 - a command, which pytest never collects

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from mesh_injector.cli import exits, flags
from mesh_injector.cli.flags import flag
from mesh_injector.cli.suites import loading, reports, scaffold, snapshots
from mesh_injector.cli.suites.loading import Loaded
from mesh_injector.cli.suites.running import Result, Runner
from mesh_injector.cli.suites.spec import Case
from mesh_injector.cli.terminal import Terminal
from mesh_injector.errors import Problem


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def test(  # noqa: PLR0913 # the parameters are the command's flags
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|DIR", callback=flags.named, help="Test files, or folders of them. Default: the current folder."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        flag(
            "--source",
            metavar="FILE|DIR",
            callback=flags.named,
            help="Read this instead of the sources that the test files name; repeatable.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, flag("--filter", metavar="TEXT", help="Run only the tests that have this in their name; repeatable.")
    ] = None,
    update: Annotated[bool, flag("--update", help="Keep the patches of this run as the snapshots.")] = False,
    init: Annotated[bool, flag("--init", help="Write a first test file, from the source and the pods of -f.")] = False,
    files: Annotated[
        list[str] | None, flag("-f", "--filename", metavar="FILE|DIR|-", callback=flags.named, help="For --init: pods and workloads.")
    ] = None,
    output: Annotated[Output, flag("-o", "--output", help="text, json or junit.")] = Output.TEXT,
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Run your own tests of your templates. They are files named mesh-injector-test.yaml beside them.

    A test says a pod and what must come out of it. --source is read instead of the source that each file names. Exit 0 when all
    tests pass, 1 when one fails, 3 when a test file is wrong.

    Examples:

      mesh-injector test --init mesh/ -f deployment.yaml

      mesh-injector test mesh/

      mesh-injector test mesh/ --filter sidecar -o junit > report.xml
    """
    terminal, where = Terminal(color, quiet=quiet), paths or ["."]
    if init:
        return scaffold.write(where[0], sources, files or (), terminal)
    if files:
        raise typer.BadParameter("pods are named in the test file; -f is for --init", param_hint="-f")
    suites, problems = loading.load(where, sources)
    _tell_problems(problems, suites, terminal)
    chosen = [(suite, _chosen(suite, only or ())) for suite in suites]
    if only and not problems and not any(cases for _, cases in chosen):
        raise typer.BadParameter(f"no test has {' or '.join(map(repr, only))} in its name", param_hint="--filter")
    results = [result for suite, cases in chosen for result in _run(suite, cases, terminal, update=update)]
    _tell(results, problems, output, terminal)
    if problems:
        return exits.UNREADABLE
    return exits.NO if any(result.failures for result in results) else exits.DONE


def _tell_problems(problems: Sequence[Problem], suites: Iterable[Loaded], terminal: Terminal) -> None:
    """Tell what is wrong with test files, and beside that what is with their sources."""
    for problem in problems:
        terminal.problem(problem)
    for problem in dict.fromkeys(problem for suite in suites for problem in suite.problems if problem not in problems):
        terminal.problem(problem, "warning")


def _chosen(suite: Loaded, only: Sequence[str]) -> list[Case]:
    return [case for case in suite.suite.tests if not only or any(text.lower() in case.name.lower() for text in only)]


def _run(suite: Loaded, cases: Iterable[Case], terminal: Terminal, *, update: bool) -> list[Result]:
    """Run the cases of a suite; what is kept for tests that are gone is told, and by `--update` removed."""
    kept = snapshots.read(suite.file)
    runner = Runner(suite, kept, update)
    results = [runner.run(case) for case in cases]
    names = {case.name for case in suite.suite.tests if case.expect.snapshot}
    if update:
        made = {result.case.name: result.patch for result in results if result.patch is not None}
        snapshots.write(suite.file, {name: patch for name, patch in {**kept, **made}.items() if name in names})
    for name in sorted(kept.keys() - names) if not update else ():
        terminal.say(f"warning: {snapshots.file_of(suite.file)}: no test `{name}` has a snapshot; --update removes it", style="yellow")
    return results


def _tell(results: Sequence[Result], problems: Sequence[Problem], output: Output, terminal: Terminal) -> None:
    if output is Output.JSON:
        terminal.json(reports.as_json(results))
    elif output is Output.JUNIT:
        terminal.data(reports.as_junit(results, problems))
    elif results:
        reports.show(results, terminal)
