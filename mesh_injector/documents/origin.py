"""Places in files, and the lines around a place drawn for a message.

Lines end at a line feed, as editors count them; YAML 1.1 would also end them at U+0085 and U+2028.
"""

from dataclasses import dataclass
from typing import Final

_ABOVE: Final = 2
_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a file: its name as it was given, or "stdin", or a cluster object; line and column from 1, line 0 for the whole."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


def moved(start: Origin, text: str, index: int) -> Origin:
    """Where the character at `index` is, if `text` begins at `start`."""
    lines = text.count("\n", 0, index)
    column = index - text.rfind("\n", 0, index)
    return Origin(start.source, start.line + lines, column if lines else column + start.column - 1)


def excerpt(start: Origin, text: str, place: Origin) -> str:
    """The line of a place with a caret below it and up to two lines above it, if `text` begins at `start`; empty if it is not inside.

    A tab is shown as `→`, what cannot be printed as `�`, and a long line around the caret only.
    """
    lines = text.split("\n")
    last = place.line - start.line
    if place.line < 1 or not 0 <= last < len(lines):
        return ""
    caret = max(place.column - 1 - (start.column - 1 if last == 0 else 0), 0)
    left = max(caret - _WIDTH * 3 // 4, 0)
    gutter = len(str(place.line))
    drawn = [f"  {start.line + at:>{gutter}} | {_shown(lines[at], left)}" for at in range(max(last - _ABOVE, 0), last + 1)]
    return "\n".join(line.rstrip() for line in [*drawn, f"  {'':>{gutter}} | {' ' * (caret - left)}^"])


def _shown(line: str, left: int) -> str:
    window = line.rstrip("\r")[left : left + _WIDTH].replace("\t", "→")
    return "".join(char if char.isprintable() else "�" for char in window)
