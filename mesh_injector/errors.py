"""The error family: one tree, every leaf carrying a `Problem` that says what is wrong, where, and how to fix it.

MeshInjectorError
├── ConfigError        a document, template, Mesh or certificate that cannot be used
├── InjectionError     a pod that was selected and cannot be injected; carries its Reason
└── ReviewError        a request that is not an AdmissionReview; carries its HTTP status
"""

from dataclasses import dataclass

from mesh_injector.reasons import CODES, Reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in the four parts every message of the project has.

    `what` and `fix` are sentences without a final stop; `where` is `file:line:column`, or an object and a field; `excerpt` is the
    text around the place with a caret under it, or empty.
    """

    code: str
    what: str
    where: str = ""
    fix: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        """All parts but the excerpt, on one line."""
        text = f"[{self.code}] {self.what}"
        text += f", at {self.where}" if self.where else ""
        return text + (f"; {self.fix}" if self.fix else "")


class MeshInjectorError(Exception):
    """The root of all errors that a user may see."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return str(self.problem)


class ConfigError(MeshInjectorError):
    """A document, template, Mesh or certificate cannot be used."""


class InjectionError(MeshInjectorError):
    """A pod was selected and cannot be injected."""

    def __init__(self, reason: Reason, what: str, *, where: str = "", fix: str = "", excerpt: str = "") -> None:
        super().__init__(Problem(CODES[reason], what, where, fix, excerpt))
        self.reason = reason


class ReviewError(MeshInjectorError):
    """A request is not an AdmissionReview: answered with an HTTP status and one line."""

    def __init__(self, problem: Problem, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


def excerpt(text: str, line: int, column: int, *, first: int = 1) -> str:
    """Show a line with the one before it and a caret under a column; `first` is the number of the text's first line."""
    lines = text.split("\n")
    index = line - first
    if not 0 <= index < len(lines):
        return ""
    width = len(str(line))
    shown = [f"{number + first:>{width}} | {_printable(lines[number])}" for number in range(max(0, index - 1), index + 1)]
    return "\n".join([*shown, f"{'':>{width}} | {' ' * (column - 1)}^"]) if column else "\n".join(shown)


def _printable(line: str) -> str:
    """Cut a line and replace what a terminal would obey: an excerpt is shown, never executed."""
    return "".join(character if character.isprintable() else "·" for character in line[:160].replace("\t", " "))
