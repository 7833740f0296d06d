"""One finding of `check`: how bad it is, what it is, and the command or step that mends it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mesh_injector.kube.survey import Answer

INSTALL: Final = "kubectl apply --server-side -k config/default"
"""What installs, and installs again: docs/cluster.md."""


class Level(StrEnum):
    """How bad it is: an error keeps pods from being injected or held up, a warning may, or is something that cannot be looked at."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, as a clause without a final stop; `fix` is empty where nothing need be done."""

    level: Level
    what: str
    fix: str = ""


def good(what: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(Level.OK, what)


def odd(what: str, fix: str) -> Finding:
    """Say what may do harm."""
    return Finding(Level.WARNING, what, fix)


def bad(what: str, fix: str) -> Finding:
    """Say what does harm."""
    return Finding(Level.ERROR, what, fix)


def unseen(what: str, answer: Answer) -> Finding:
    """Say what cannot be looked at, and which right that needs."""
    if answer.error and answer.error.status not in (401, 403):
        return odd(f"{what} cannot be looked at: {answer.error.problem.what}", "try again; the message is the API server's own")
    return odd(
        f"{what} cannot be looked at, needs `{answer.needs}`", f"ask for that right, or whoever has it: kubectl auth can-i {answer.needs}"
    )
