"""Where a template's text comes from, and what goes wrong with it: a `Fault` knows the line, a `Source` knows the file.

The language and the fill raise faults; `PatchTemplate` makes errors of them that name ConfigMap, key, line, column and show an excerpt.
"""

import re
from dataclasses import dataclass
from typing import Final

from mesh_injector import errors
from mesh_injector.documents import Origin, origin
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

TOLD: Final = 400
"""So many characters of one sentence of a message are told."""


class Fault(Exception):
    """Something is wrong at a line of the template (0: not known yet); `word` is the word to point at."""

    def __init__(self, reason: Reason, what: str, *, line: int = 0, word: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.reason, self.what, self.line, self.word, self.fix = reason, what, line, word, fix


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text, the name people know it by, and where its first line stands in a file (None: in no file)."""

    text: str
    name: str
    origin: Origin | None = None

    def where(self, line: int, column: int = 0) -> str:
        """Name a place: `ConfigMap ns/name, key k, line 3, column 5 (file.yaml:17:9)`; the whole template when the line is 0."""
        if not line:
            return self.name
        text = f"{self.name}, line {line}" + (f", column {column}" if column else "")
        if self.origin is None:
            return text
        return f"{text} ({Origin(self.origin.source, self.origin.line + line - 1, self.origin.column + max(column, 1) - 1)})"

    def error(self, fault: Fault) -> InjectionError:
        """Turn a fault into an error with its place and an excerpt."""
        column = self._column(fault.line, fault.word)
        return InjectionError(
            fault.reason,
            _told(fault.what),
            where=self.where(fault.line, column),
            fix=_told(fault.fix),
            excerpt=self._excerpt(fault.line, column),
        )

    def _excerpt(self, line: int, column: int) -> str:
        """Show a line of the template, numbered as in its file, with a caret under the column."""
        start = Origin(self.name, self.origin.line if self.origin else 1, 1)
        return origin.excerpt(start, self.text, Origin(self.name, start.line + line - 1, column)) if line else ""

    def _column(self, line: int, word: str) -> int:
        lines = self.text.split("\n")
        if not 0 < line <= len(lines):
            return 0
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", lines[line - 1]) if 0 < len(word) <= TOLD else None
        return (found.start() if found else len(lines[line - 1]) - len(lines[line - 1].lstrip())) + 1


def _told(text: str) -> str:
    """Cut and clean what a message repeats of a template or a pod: neither may fill a log or draw on a terminal."""
    return errors.printable(text if len(text) <= TOLD else f"{text[:TOLD]}…")
