"""What a person sees: tables, coloured diffs and problems, in the same words whether there is colour or not."""

import difflib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mesh_injector import documents, errors
from mesh_injector.cli.flags import Color
from mesh_injector.engine import uninjection
from mesh_injector.engine.pipeline import Verdict
from mesh_injector.errors import Problem

VERDICT_STYLES: Final[dict[str, str]] = {
    Verdict.INJECTED: "green",
    Verdict.SKIPPED: "dim",
    Verdict.AUDITED: "cyan",
    Verdict.REFUSED: "bold red",
    Verdict.IGNORED: "yellow",
    uninjection.Verdict.UNINJECTED: "green",
    uninjection.Verdict.UNTOUCHED: "dim",
}
_PIPED_WIDTH: Final = 160


class Terminal:
    """Data on `out`, talk on `err`; `quiet` silences the talk but not the errors."""

    def __init__(self, color: Color = Color.AUTO, *, quiet: bool = False) -> None:
        self.out, self.err = _console(sys.stdout, color), _console(sys.stderr, color)
        self.quiet = quiet

    def say(self, text: str, style: str = "") -> None:
        """Talk to the person, unless told to be quiet."""
        if not self.quiet:
            self.err.print(Text(text, style=style), soft_wrap=True)

    def problem(self, problem: Problem, level: str = "error") -> None:
        """Show a problem: what, where, an excerpt, and how to fix it."""
        style = {"error": "bold red", "warning": "yellow"}[level]
        self.err.print(Text.assemble((f"{level} [{problem.code}] ", style), (clean(problem.what), "bold")), soft_wrap=True)
        if problem.where:
            self.err.print(Text(f"  --> {clean(problem.where)}", style="dim"), soft_wrap=True)
        for line in problem.excerpt.splitlines():
            self.err.print(Text(f"  {clean(line)}"), soft_wrap=True)
        if problem.fix:
            self.err.print(Text(f"  fix: {clean(problem.fix)}", style="green"), soft_wrap=True)

    def refusal(self, pod: str, message: str, excerpt: str) -> None:
        """Show that a pod was refused: the message as the API server would pass it on, and the place in the template."""
        self.err.print(Text.assemble(("refused", "bold red"), f"    {clean(pod)}: {clean(message)}"), soft_wrap=True)
        for line in excerpt.splitlines():
            self.err.print(Text(f"  {clean(line)}"), soft_wrap=True)

    def data(self, text: str) -> None:
        """Write data as it is: never wrapped, never styled."""
        self.out.file.write(text if text.endswith("\n") else f"{text}\n")

    def json(self, value: Any) -> None:
        """Write JSON, coloured on a terminal."""
        text = json.dumps(value, indent=2, ensure_ascii=False)
        if self.out.is_terminal:
            self.out.print_json(text, ensure_ascii=False)
        else:
            self.data(text)

    def fit(self, text: Text) -> None:
        """Show one line, cut to the width of the terminal: for a look, where the whole is a command away."""
        text.truncate(self.out.width, overflow="ellipsis")
        self.out.print(text, soft_wrap=True)

    def diff(self, title: str, before: Mapping[str, Any], after: Mapping[str, Any], *, fit: bool = False) -> None:
        """Show what changed between two documents as a unified diff of their YAML; `fit` cuts long lines."""
        lines = difflib.unified_diff(
            documents.dump(before).splitlines(), documents.dump(after).splitlines(), f"{title} (before)", f"{title} (after)", lineterm=""
        )
        for line in lines:
            text = Text(clean(line), style=_diff_style(line))
            if fit:
                self.fit(text)
            else:
                self.out.print(text, soft_wrap=True)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Text | str]]) -> None:
        """Show a table that folds its last column to the width of the terminal."""
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for heading in headings:
            is_last = heading == headings[-1]
            table.add_column(heading, overflow="fold", no_wrap=not is_last, ratio=1 if is_last else None)
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else escape(clean(cell)) for cell in row))
        self.out.print(table)


class _Console(Console):
    """rich ends the program with 1 when the reader of its output goes away; that would say "no" where nothing was refused."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console(file: IO[str], color: Color) -> Console:
    force = {Color.AUTO: None, Color.ALWAYS: True, Color.NEVER: False}[color]
    console = _Console(file=file, force_terminal=force, no_color=True if color is Color.NEVER else None, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    return console


def _diff_style(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def clean(text: str) -> str:
    """Replace what a terminal would obey: names and messages are shown, never executed."""
    return "\n".join(map(errors.printable, text.split("\n")))


def verdict(of: str) -> Text:
    """Show a verdict in its colour."""
    return Text(str(of), style=VERDICT_STYLES[of])
