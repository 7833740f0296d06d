"""What a person sees: tables, coloured diffs and problems, in the same words whether there is colour or not."""

import difflib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mesh_injector import documents
from mesh_injector.cli.flags import Color
from mesh_injector.cli.screen import Part, Screen
from mesh_injector.errors import Problem

VERDICT_STYLES: Final[dict[str, str]] = {
    "injected": "green",
    "skipped": "dim",
    "audited": "cyan",
    "refused": "bold red",
    "ignored": "yellow",
    "uninjected": "green",
    "untouched": "dim",
}
"""The colour of each verdict of `outcome.Verdict` and `uninjection.Verdict`."""


class Terminal:
    """Data on `out`, talk on `err`; `quiet` silences the talk but not the errors."""

    def __init__(self, color: Color = Color.AUTO, *, quiet: bool = False) -> None:
        self.out, self.err = Screen(sys.stdout, color), Screen(sys.stderr, color)
        self.quiet = quiet

    def say(self, text: str, style: str = "") -> None:
        """Talk to the person, unless told to be quiet."""
        if not self.quiet:
            self.err.line((text, style))

    def problem(self, problem: Problem, level: str = "error") -> None:
        """Show a problem: what, where, an excerpt, and how to fix it."""
        style = {"error": "bold red", "warning": "yellow"}[level]
        self.err.line((f"{level} [{problem.code}] ", style), (problem.what, "bold"))
        if problem.where:
            self.err.line((f"  --> {problem.where}", "dim"))
        for line in problem.excerpt.splitlines():
            self.err.line(f"  {line}")
        if problem.fix:
            self.err.line((f"  fix: {problem.fix}", "green"))

    def refusal(self, pod: str, message: str, excerpt: str) -> None:
        """Show that a pod was refused: the message as the API server would pass it on, and the place in the template."""
        self.err.line(("refused", "bold red"), f"    {pod}: {message}")
        for line in excerpt.splitlines():
            self.err.line(f"  {line}")

    def data(self, text: str) -> None:
        """Write data as it is: never wrapped, never styled."""
        self.out.file.write(text if text.endswith("\n") else f"{text}\n")

    def json(self, value: Any) -> None:
        """Write JSON, coloured on a terminal."""
        text = json_text(value, indent=2)
        if not self.out.is_plain and self.out.console.is_terminal:
            self.out.json(text)
        else:
            self.data(text)

    def diff(self, title: str, before: Mapping[str, Any], after: Mapping[str, Any], *, fit: bool = False) -> None:
        """Show what changed between two documents as a unified diff of their YAML; `fit` is for a look: long lines are cut, and little
        stands around a change."""
        old, new = (documents.dump(one).splitlines() for one in (before, after))
        lines = difflib.unified_diff(old, new, f"{title} (before)", f"{title} (after)", n=1 if fit else 3, lineterm="")
        write = self.out.cut if fit else self.out.line
        for line in lines:
            write((line, _diff_style(line)))

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Part]]) -> None:
        """Show a table that folds its last column to the width of the terminal."""
        self.out.table(headings, rows)


def json_text(value: Any, indent: int | None = None) -> str:
    """Write JSON, in whose texts everything that a terminal would obey is escaped, so that it is the same value and does nothing.

    Source: RFC 8259 section 7; characters above U+FFFF are two escapes.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text if text.replace("\n", "").isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]


def _diff_style(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def verdict(of: str) -> tuple[str, str]:
    """Show a verdict in its colour."""
    return str(of), VERDICT_STYLES[of]
