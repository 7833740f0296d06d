"""The skeleton: the structure of a rendered text, parsed once, with marks where values will stand.

Only JSON's types exist here; what YAML adds (tags, anchors, aliases, merge keys, directives, several documents) is refused, because
the C parser would accept it silently.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from mesh_injector.engine.template.bounds import DEPTH
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.state import MARKER
from mesh_injector.reasons import Reason

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][-+]?[0-9]+)?\Z")
_WORDS: Final[dict[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Literal:
    """A scalar without marks: its value, and for a plain one how it was spelt (None for quoted and block text)."""

    value: Any
    spelling: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A plain scalar that is exactly one marker: it becomes the value, with the value's own type."""

    index: int
    line: int


@dataclass(frozen=True, slots=True)
class Mixed:
    """A scalar with markers inside text, or quoted: texts and indices in turn; it becomes text."""

    parts: tuple[str | int, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: "tuple[Skeleton, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping; keys are scalars and become text."""

    pairs: "tuple[tuple[Literal | Mark | Mixed, Skeleton], ...]"
    line: int


Skeleton = Literal | Mark | Mixed | Sequence | Mapping


def parse(text: str) -> Skeleton | None:
    """Parse a rendered text; None when it holds nothing. Raise `Fault` with the *rendered* line for what is not strict YAML."""
    try:
        events = list(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _fault(f"the rendered text is not YAML: {error.problem or error.context}", mark.line + 1 if mark else 0) from error
    except yaml.YAMLError as error:
        raise _fault(f"the rendered text is not YAML: {str(error).splitlines()[0]}", 0) from error
    return _Builder(events).document()


def _fault(what: str, line: int, fix: str = "check the indentation, and quote texts that hold `: `, ` #` or begin with a sign") -> Fault:
    return Fault(Reason.RENDERED_NOT_YAML, what, line=line, fix=fix)


class _Builder:
    """Build the tree of one document from the parser's events."""

    def __init__(self, events: list[Any]) -> None:
        self.events = iter(events)

    def document(self) -> Skeleton | None:
        next(self.events)  # the start of the stream
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        if start.version or start.tags:
            raise _fault("a `%` directive", _line(start), "remove it")
        root = self.node(next(self.events), 0)
        next(self.events)  # the end of the document
        more = next(self.events)
        if not isinstance(more, yaml.StreamEndEvent):
            raise _fault("a second document", _line(more), "render one document; lists hold several containers")
        return root

    def node(self, event: Any, depth: int) -> Skeleton:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _fault("an anchor or alias", line, "write the value where it is needed, or use `{% set %}`")
        if event.tag is not None:
            raise _fault(f"the tag `{event.tag}`", line, "remove it: quote what must be text")
        if depth > DEPTH:
            raise _fault(f"structure nested deeper than {DEPTH}", line, "make it flatter")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, line)
        return self.sequence(line, depth) if isinstance(event, yaml.SequenceStartEvent) else self.mapping(line, depth)

    def sequence(self, line: int, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return Sequence(tuple(items), line)

    def mapping(self, line: int, depth: int) -> Mapping:
        pairs: list[tuple[Literal | Mark | Mixed, Skeleton]] = []
        seen: set[str] = set()
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            if isinstance(key, Sequence | Mapping):
                raise _fault("a list or mapping as a key", key.line, "keys are text")
            self._check_key(key, seen)
            pairs.append((key, self.node(next(self.events), depth + 1)))
        return Mapping(tuple(pairs), line)

    @staticmethod
    def _check_key(key: Literal | Mark | Mixed, seen: set[str]) -> None:
        if not isinstance(key, Literal):
            return
        text = key_text(key)
        if key.spelling == "<<":
            raise _fault("the merge key `<<`", key.line, "write the fields out, or loop over `values|items`")
        if text in seen:
            raise _fault(f"the key `{text}` twice in one mapping", key.line, "remove one of them")
        seen.add(text)


def key_text(key: Literal) -> str:
    """Return a literal key as text: as it was spelt."""
    return str(key.value) if key.spelling is None else key.spelling


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any, line: int) -> Literal | Mark | Mixed:
    text, plain = event.value, not event.style  # the C parser says '' where Python's says None
    pieces = MARKER.split(text)
    if len(pieces) == 1:
        return Literal(resolve(text), text, line) if plain else Literal(text, None, line)
    if plain and len(pieces) == 3 and not pieces[0] and not pieces[2]:
        return Mark(int(pieces[1]), line)
    parts = [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)]
    return Mixed(tuple(part for part in parts if part != ""), line)


def resolve(text: str) -> Any:
    """Give a plain scalar its type: null, booleans and numbers as JSON writes them, anything else is text (no dates, octals or yes/no)."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.match(text)
    if match is None or len(text) > 40:
        return text
    return float(text) if match["fraction"] or match["exponent"] else int(text)
