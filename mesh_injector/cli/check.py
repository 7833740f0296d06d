"""`check`: is the installation healthy, section by section, each finding with the step that mends it on the next line."""

from enum import StrEnum
from typing import Annotated, Final

from mesh_injector.cli import exits, flags, health
from mesh_injector.cli.flags import flag
from mesh_injector.cli.health import access, before
from mesh_injector.cli.health.finding import Finding, Level
from mesh_injector.cli.terminal import Terminal
from mesh_injector.kube import survey
from mesh_injector.kube.credentials import Credentials

_MARKS: Final = {Level.OK: ("√", "green"), Level.WARNING: ("‼", "yellow"), Level.ERROR: ("×", "bold red")}
_INDENT: Final = 2


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"


def check(  # noqa: PLR0913 # the parameters are the command's flags
    pre: Annotated[bool, flag("--pre", help="Check what is needed before an installation.")] = False,
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    output: Annotated[Output, flag("-o", "--output", help="text or json.")] = Output.TEXT,
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Check whether the installation is healthy. It has your own rights: what you may not see is told, and is no failure.

    Exit 0 when nothing is wrong (warnings allowed), 1 when something is, 4 when the cluster cannot be reached or shows you nothing.

    Examples:

      mesh-injector check

      mesh-injector check --pre

      mesh-injector check -o json
    """
    terminal, given = Terminal(color, quiet=quiet), Credentials(kubeconfig, context)
    if pre:
        seen, sections = survey.before(given, home_namespace, before.needed(home_namespace)), health.BEFORE
    else:
        seen, sections = survey.installed(given, home_namespace, access.needed(home_namespace)), health.SECTIONS
    found = {section: tuple(judge(seen)) for section, judge in sections.items()}
    levels = [finding.level for findings in found.values() for finding in findings]
    if output is Output.JSON:
        terminal.json(_as_json(found, levels))
    else:
        for section, findings in found.items():
            _show(section, findings, terminal)
        terminal.say(_summary(levels))
    return exits.NO if Level.ERROR in levels else exits.DONE


def _as_json(found: dict[str, tuple[Finding, ...]], levels: list[Level]) -> dict[str, object]:
    items = [
        {"section": section, "level": finding.level.value, "what": finding.what, "fix": finding.fix or None}
        for section, findings in found.items()
        for finding in findings
    ]
    return {
        "healthy": Level.ERROR not in levels,
        "errors": levels.count(Level.ERROR),
        "warnings": levels.count(Level.WARNING),
        "items": items,
    }


def _show(section: str, findings: tuple[Finding, ...], terminal: Terminal) -> None:
    terminal.out.line((section, "bold"))
    for finding in findings:
        mark, style = _MARKS[finding.level]
        terminal.out.hanging(_INDENT, (f"{mark} ", style), finding.what)
        if finding.fix:
            terminal.out.line(" " * _INDENT, (f"fix: {finding.fix}", "green"))
    terminal.out.line("")


def _summary(levels: list[Level]) -> str:
    wrong, warned = levels.count(Level.ERROR), levels.count(Level.WARNING)
    counts = [f"{count} {word}{'s' if count != 1 else ''}" for count, word in ((wrong, "error"), (warned, "warning")) if count]
    return f"{len(levels)} checks: {', '.join(counts) or 'everything is as it should be'}"
