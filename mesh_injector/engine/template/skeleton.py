"""The skeleton: the structure of a rendered text, parsed once, with marks where values will stand.

Only JSON's types exist here; what YAML adds (tags, anchors, aliases, merge keys, directives, several documents) is refused, because
the C parser would accept it silently. Every part knows at which character of the rendered text it begins (`at`, from 1).
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import yaml

from mesh_injector.documents import mistakes
from mesh_injector.engine.template.bounds import DEPTH, NODES, STRUCTURE, limit
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.state import MARKER, OPEN
from mesh_injector.reasons import Reason

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][-+]?[0-9]+)?\Z")
_ESCAPED_MARK: Final = re.compile(r"\\(?:u|U0000)[eE]00[01]")
"""What would become a marker inside a double-quoted scalar."""
_WORDS: Final[dict[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}


class Literal(msgspec.Struct, frozen=True):
    """A scalar without marks: its value, and for a plain one how it was spelt (None for quoted and block text)."""

    value: Any
    spelling: str | None
    at: int


class Mark(msgspec.Struct, frozen=True):
    """A plain scalar that is exactly one marker: it becomes the value, with the value's own type."""

    index: int
    at: int


class Mixed(msgspec.Struct, frozen=True):
    """A scalar with markers inside text, or quoted: texts and indices in turn; it becomes text."""

    parts: tuple[str | int, ...]
    at: int


class Sequence(msgspec.Struct, frozen=True):
    """A list."""

    items: "tuple[Skeleton, ...]"
    at: int


class Mapping(msgspec.Struct, frozen=True):
    """A mapping; keys are scalars and become text."""

    pairs: "tuple[tuple[Literal | Mark | Mixed, Skeleton], ...]"
    at: int


Skeleton = Literal | Mark | Mixed | Sequence | Mapping


def parse(text: str) -> Skeleton | None:
    """Parse a rendered text; None when it holds nothing. Raise `Fault` with the *rendered* character for what is not strict YAML."""
    escaped = _ESCAPED_MARK.search(text)
    if escaped:
        raise _fault("an escape of a private-use character (U+E000 or U+E001)", escaped.start() + 1, "remove it")
    parser = yaml.CSafeLoader(text)
    try:
        return _Builder(parser.get_event).document()
    except yaml.YAMLError as error:
        mistake = mistakes.explained(error, text)
        raise _fault(
            f"the rendered text is not YAML: {mistake.what.removeprefix('this is not YAML: ')}", mistake.index + 1, mistake.fix or _CHECK
        ) from error


_CHECK: Final = "check the indentation, and quote texts that hold `: `, ` #` or begin with a sign"


def _fault(what: str, at: int, fix: str = _CHECK) -> Fault:
    return Fault(Reason.RENDERED_NOT_YAML, what, line=at, fix=fix)


class _Builder:
    """Build the tree of one document from the parser's events.

    They are asked for one by one: nesting and number are bounded before the parser, quadratic in nested brackets, has gone far.
    """

    def __init__(self, event: Callable[[], Any]) -> None:
        self.event, self.nodes = event, 0

    def document(self) -> Skeleton | None:
        self.event()  # the start of the stream
        start = self.event()
        if isinstance(start, yaml.StreamEndEvent):
            return None
        if start.version or start.tags:
            raise _fault("a `%` directive", _at(start), "remove it")
        root = self.node(self.event(), 0)
        self.event()  # the end of the document
        more = self.event()
        if not isinstance(more, yaml.StreamEndEvent):
            raise _fault("a second document", _at(more), "render one document; lists hold several containers")
        return root

    def node(self, event: Any, depth: int) -> Skeleton:
        at, kind = event.start_mark.index + 1, event.__class__
        if kind is yaml.AliasEvent or event.anchor:
            raise _fault("an anchor or alias", at, "write the value where it is needed, or use `{% set %}`")
        if event.tag is not None:
            raise _fault(f"the tag `{event.tag}`", at, "remove it: quote what must be text")
        self.nodes += 1 if kind is yaml.ScalarEvent else STRUCTURE
        if self.nodes > NODES:
            raise limit(f"more than {NODES:,} keys and values")
        if depth > DEPTH:
            raise _fault(f"structure nested deeper than {DEPTH}", at, "make it flatter")
        if kind is yaml.ScalarEvent:
            return _scalar(event, at)
        return self.sequence(at, depth) if kind is yaml.SequenceStartEvent else self.mapping(at, depth)

    def sequence(self, at: int, depth: int) -> Sequence:
        items = []
        while (event := self.event()).__class__ is not yaml.SequenceEndEvent:
            items.append(self.node(event, depth + 1))
        return Sequence(tuple(items), at)

    def mapping(self, at: int, depth: int) -> Mapping:
        pairs: list[tuple[Literal | Mark | Mixed, Skeleton]] = []
        seen: set[str] = set()
        while (event := self.event()).__class__ is not yaml.MappingEndEvent:
            key = self.node(event, depth + 1)
            if isinstance(key, Literal):
                self._check_key(key, seen)
            elif isinstance(key, (Sequence, Mapping)):
                raise _fault("a list or mapping as a key", key.at, "keys are text")
            pairs.append((key, self.node(self.event(), depth + 1)))
        return Mapping(tuple(pairs), at)

    @staticmethod
    def _check_key(key: Literal, seen: set[str]) -> None:
        text = key_text(key)
        if key.spelling == "<<":
            raise _fault("the merge key `<<`", key.at, "write the fields out, or loop over `values|items`")
        if text in seen:
            raise _fault(f"the key `{text}` twice in one mapping", key.at, "remove one of them")
        seen.add(text)


def key_text(key: Literal) -> str:
    """Return a literal key as text: as it was spelt."""
    return str(key.value) if key.spelling is None else key.spelling


def _at(event: Any) -> int:
    return event.start_mark.index + 1  # type: ignore[no-any-return]


def _scalar(event: Any, at: int) -> Literal | Mark | Mixed:
    text, plain = event.value, not event.style  # the C parser says '' where Python's says None
    pieces = MARKER.split(text) if OPEN in text else [text]  # most have none
    if len(pieces) == 1:
        return Literal(resolve(text), text, at) if plain else Literal(text, None, at)
    if plain and len(pieces) == 3 and not pieces[0] and not pieces[2]:
        return Mark(int(pieces[1]), at)
    parts = [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)]
    return Mixed(tuple(part for part in parts if part != ""), at)


def resolve(text: str) -> Any:
    """Give a plain scalar its type: null, booleans and numbers as JSON writes them, anything else is text (no dates, octals or yes/no)."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.match(text)
    if match is None or len(text) > 40:
        return text
    return float(text) if match["fraction"] or match["exponent"] else int(text)
