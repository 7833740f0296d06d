"""What a template can render to, told without a pod: the text of each branch, every loop once, a mark for each output.

Nothing is evaluated. A branch is chosen by taking its own conditions as met and all others as not, so that two branches which exclude
each other never stand together.
"""

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from jinja2 import nodes

from mesh_injector.engine.template.state import CLOSE, OPEN

BRANCHES: Final = 200
"""So many branches are looked at, and so many characters of their texts."""
CHARACTERS: Final = 4 * 1024 * 1024

Truth = Mapping[str, bool]
"""Which conditions are taken as met, by their expression."""


Place = tuple[int, int]
"""Where an output stands in the template: line and column, from 1; column 0 where it is not known."""


class _Piece(NamedTuple):
    """Text of the template and its line, or an output."""

    line: int
    data: str
    output: Place | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One text with its marks, numbered from 0, the places of their outputs in the template, and where its pieces are from: first
    character (from 0), template line, template text."""

    text: str
    outputs: tuple[Place, ...]
    pieces: tuple[tuple[int, int, str], ...]

    def line(self, at: int) -> int:
        """Find the template's line of a character of the text, from 1."""
        begin, line, text = self.pieces[bisect.bisect_right(self.pieces, at - 1, key=lambda piece: piece[0]) - 1]
        return line + text.count("\n", 0, at - 1 - begin)

    @property
    def lines(self) -> frozenset[int]:
        """The lines of the template that the text shows."""
        return frozenset(number for _, line, text in self.pieces for number in range(line, line + text.count("\n") + 1))


def of(tree: nodes.Template, *, loops: bool = True) -> Iterator[Branch]:
    """Iterate over the texts of a checked template, none twice: first with no condition met, then each branch with its own.

    Without `loops` each loop has nothing to go through.
    """
    seen: set[str] = set()
    characters = 0
    truths = {frozenset(truth.items()): truth for truth in ({}, *_conditions(tree.body, {}, loops))}
    for truth in truths.values():
        pieces = [_Piece(1, ""), *_pieces(tree.body, truth, loops)]
        branch = _joined(pieces)
        if branch.text not in seen:
            yield branch
        seen.add(branch.text)
        characters += len(branch.text)
        if len(seen) >= BRANCHES or characters >= CHARACTERS:
            return


def place_of(output: nodes.Expr) -> Place:
    """Tell where an output stands."""
    return int(output.lineno or 0), int(getattr(output.lineno, "column", 0))


def _joined(pieces: Iterable[_Piece]) -> Branch:
    """Put pieces together: those of the template as they are, and a numbered mark for each output."""
    text: list[str] = []
    outputs: list[Place] = []
    placed = []
    written = 0
    for line, data, output in pieces:
        piece = data
        if output is not None:
            piece = f"{OPEN}{len(outputs)}{CLOSE}"
            outputs.append(output)
        placed.append((written, line, data))
        text.append(piece)
        written += len(piece)
    return Branch("".join(text), tuple(outputs), tuple(placed))


def _pieces(body: Iterable[nodes.Node], truth: Truth, loops: bool) -> Iterator[_Piece]:
    """Iterate over what is rendered where some conditions are met."""
    for node in body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                if isinstance(child, nodes.TemplateData):
                    yield _Piece(int(child.lineno or 0), child.data)
                else:
                    yield _Piece(int(child.lineno or 0), "", place_of(child))
        elif isinstance(node, nodes.If):
            yield from _pieces(_taken(node, truth), truth, loops)
        elif isinstance(node, nodes.For):
            yield from _pieces(node.body if loops else node.else_, truth, loops)


def _taken(node: nodes.If, truth: Truth) -> list[nodes.Node]:
    for branch in (node, *node.elif_):
        name, wanted = _condition(branch.test)
        if truth.get(name, False) is wanted:
            return branch.body
    return node.else_


def _conditions(body: Iterable[nodes.Node], met: Truth, loops: bool) -> Iterator[Truth]:
    """Iterate over what must be met for each branch to be taken, from the outside in; branches that contradict themselves are left out."""
    for node in body:
        if isinstance(node, nodes.For):
            yield from _conditions(node.body if loops else node.else_, met, loops)
        elif isinstance(node, nodes.If):
            rest: Truth | None = met
            for branch in (node, *node.elif_):
                name, wanted = _condition(branch.test)
                if rest is not None and rest.get(name, wanted) is wanted:
                    yield (taken := {**rest, name: wanted})
                    yield from _conditions(branch.body, taken, loops)
                rest = _with(rest, name, not wanted)
            if rest is not None:
                yield rest
                yield from _conditions(node.else_, rest, loops)


def _with(met: Truth | None, name: str, value: bool) -> Truth | None:
    """Add a condition; None where it contradicts the others."""
    return None if met is None or met.get(name, value) is not value else {**met, name: value}


def _condition(test: nodes.Node) -> tuple[str, bool]:
    """Name a condition, and whether the test wants it met: `not x` and `x is undefined` are the opposites of `x` and `x is defined`."""
    if isinstance(test, nodes.Not):
        name, wanted = _condition(test.node)
        return name, not wanted
    if isinstance(test, nodes.Test) and test.name == "undefined":
        return repr(nodes.Test(test.node, "defined", [], [], None, None)), False
    return repr(test), True
