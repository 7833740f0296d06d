"""One stream that people read: styled by rich where a terminal shows it, plain text otherwise, so that a pipe need not wait for rich."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import IO, TYPE_CHECKING, Final, TypeAlias

from mesh_injector import errors
from mesh_injector.cli.flags import Color

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Part: TypeAlias = str | tuple[str, str]
"""A piece of a line: a text, or a text and its style as rich writes it."""
_PIPED_WIDTH: Final = 160
"""Columns of what is no terminal, unless `COLUMNS` says how many."""
_FORCING: Final = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""The variables by which rich takes a pipe for a terminal."""


class Screen:
    """Lines, tables and cut lines on one stream."""

    def __init__(self, file: IO[str], color: Color = Color.AUTO) -> None:
        self.file, self.color = file, color

    @property
    def is_plain(self) -> bool:
        """Whether nothing that is written here can have a style."""
        if self.color is Color.AUTO:
            return not self.file.isatty() and not any(map(os.environ.get, _FORCING))
        return self.color is Color.NEVER

    @cached_property
    def console(self) -> Console:
        """The console of rich, imported when it is asked for."""
        from rich.console import Console

        force = {Color.AUTO: None, Color.ALWAYS: True, Color.NEVER: False}[self.color]
        no_color = True if self.color is Color.NEVER else None
        console = Console(file=self.file, force_terminal=force, no_color=no_color, highlight=False, emoji=False)
        # rich would end the program with 1 when the reader goes away; that would say "no" where nothing was refused
        console.on_broken_pipe = _raise_broken_pipe  # type: ignore[method-assign]
        if not console.is_terminal and not _is_width_given():
            console.width = _PIPED_WIDTH
        return console

    def line(self, *parts: Part) -> None:
        """Write one line, never wrapped; what a terminal would obey is replaced, line ends too: a name must not tell a line of its own."""
        if self.is_plain:
            self.file.write("".join(errors.printable(part if isinstance(part, str) else part[0]) for part in parts) + "\n")
            self.file.flush()
        else:
            self.console.print(_styled(parts), soft_wrap=True)

    def hanging(self, indent: int, *parts: Part) -> None:
        """Write one line that a terminal shows folded at words, the further lines indented; elsewhere it stays one line."""
        if not self.file.isatty() and self.is_plain:
            self.line(*parts)
            return
        text, width = _styled(parts), max(self.console.width, indent + 20)
        head, rest = text[:indent], text[indent:]
        for number, piece in enumerate(rest.wrap(self.console, width - indent)):
            piece.rstrip()
            self.console.print(head if number == 0 else " " * indent, piece, sep="", soft_wrap=True)

    def cut(self, *parts: Part) -> None:
        """Write one line, cut to the width of the terminal: for a look, where the whole is a command away."""
        text = _styled(parts)
        text.truncate(self.console.width, overflow="ellipsis")
        self.console.print(text, soft_wrap=True)

    def paragraph(self, *parts: Part) -> None:
        """Write a text that a terminal shows wrapped between its words; a pipe gets it on one line, unless its width is given."""
        if self.is_plain and not _is_width_given():
            self.line(*parts)
        else:
            self.console.print(_styled(parts))

    def json(self, text: str) -> None:
        """Write JSON in colour, as it stands."""
        from rich.highlighter import JSONHighlighter
        from rich.text import Text

        self.console.print(JSONHighlighter()(Text(text)), soft_wrap=True)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Part]]) -> None:
        """Write a table that folds its last column to the width of the terminal."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for heading in headings:
            table.add_column(heading, overflow="fold", no_wrap=heading != headings[-1])
        for row in rows:
            table.add_row(*(_styled((cell,)) for cell in row))
        self.console.print(table)


def _is_width_given() -> bool:
    """Whether the environment says how wide to write, which rich does then."""
    given = os.environ.get("COLUMNS", "")
    return given.isdigit() and int(given) > 0


def _styled(parts: Sequence[Part]) -> Text:
    from rich.text import Text

    return Text.assemble(*(errors.printable(part) if isinstance(part, str) else (errors.printable(part[0]), part[1]) for part in parts))


def _raise_broken_pipe() -> None:
    raise BrokenPipeError
