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
_TAG: Final = re.compile(r"\{[{%].*?(?:[%}]\}|\Z)")
"""An output or a statement, as far as it stands on one line."""
_INSIDE: Final = frozenset({Reason.TEMPLATE_INVALID, Reason.UNDEFINED_VARIABLE, Reason.RENDER_LIMIT})
"""The reasons that are about the template's expressions; the others are about the text around them."""


class Line(int):
    """A line of the template, from 1, that may know at which column of it something begins (from 1; 0: not known).

    It is an `int`, so that Jinja's lexer hands it on to the nodes of the syntax tree as their line.
    """

    column = 0

    @classmethod
    def at(cls, line: int, column: int) -> "Line":
        """Make a line that knows its column."""
        made = cls(line)
        made.column = column
        return made


class Fault(Exception):
    """Something is wrong at a line of the template (0: not known yet); `word` is the word to point at, at or after the line's column."""

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
        column = self._column(fault)
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

    def _column(self, fault: Fault) -> int:
        """Find the column of a fault's word: from where the fault is known to be, else where words of its kind stand, else anywhere."""
        lines = self.text.split("\n")
        if not 0 < fault.line <= len(lines):
            return 0
        line, begin = lines[fault.line - 1], max(getattr(fault.line, "column", 0) - 1, 0)
        if 0 < len(fault.word) <= TOLD:
            word = re.compile(rf"(?<!\w){re.escape(fault.word)}(?!\w)")
            likely = _masked(line, inside=fault.reason in _INSIDE)
            found = (word.search(line, begin) if begin else None) or word.search(likely) or word.search(line)
            if found:
                return found.start() + 1
        return begin + 1 if begin else len(line) - len(line.lstrip()) + 1


def _masked(line: str, *, inside: bool) -> str:
    """Blank out the text around the tags of a line, or the tags."""
    spans = [match.span() for match in _TAG.finditer(line)]
    kept = [*line] if not inside else [" "] * len(line)
    for begin, end in spans:
        kept[begin:end] = line[begin:end] if inside else " " * (end - begin)
    return "".join(kept)


def _told(text: str) -> str:
    """Cut and clean what a message repeats of a template or a pod: neither may fill a log or draw on a terminal."""
    return errors.printable(text if len(text) <= TOLD else f"{text[:TOLD]}…")


def refused(what: str, line: int, *, word: str = "", fix: str = "") -> Fault:
    """Make the fault of a template that is not in the language."""
    return Fault(Reason.TEMPLATE_INVALID, what, line=line, word=word, fix=fix)
