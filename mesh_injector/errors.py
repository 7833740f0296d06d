"""The error family: one tree, every leaf carrying a `Problem` that says what is wrong, where, and how to fix it.

MeshInjectorError
├── ConfigError        a document, template, Mesh or certificate that cannot be used
├── ClusterError       an API server that is away or does not do what was asked; carries its HTTP status
├── InjectionError     a pod that was selected and cannot be injected; carries its Reason
└── ReviewError        a request that is not an AdmissionReview; carries its HTTP status
"""

from dataclasses import dataclass
from typing import Self

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


def printable(text: str) -> str:
    """Replace what a terminal or a log would obey by `·`: names and messages are shown, never executed."""
    return text if text.isprintable() else "".join(character if character.isprintable() else "·" for character in text)


class MeshInjectorError(Exception):
    """The root of all errors that a user may see."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return str(self.problem)


class ConfigError(MeshInjectorError):
    """A document, template, Mesh or certificate cannot be used."""


class ClusterError(MeshInjectorError):
    """An API server cannot be reached, or does not do what was asked: `status` is its HTTP status, 0 where no answer came."""

    def __init__(self, problem: Problem, status: int = 0) -> None:
        super().__init__(problem)
        self.status = status


class InjectionError(MeshInjectorError):
    """A pod was selected and cannot be injected."""

    def __init__(self, reason: Reason, what: str, *, where: str = "", fix: str = "", excerpt: str = "") -> None:
        super().__init__(Problem(CODES[reason], what, where, fix, excerpt))
        self.reason = reason

    def alone(self) -> Self:
        """The error without the frames that it came from: whoever remembers it would keep a whole rendering or pod."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class ReviewError(MeshInjectorError):
    """A request is not an AdmissionReview: answered with an HTTP status and one line."""

    def __init__(self, problem: Problem, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status
