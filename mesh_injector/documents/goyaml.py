"""One YAML document as kubectl reads it: libyaml's events become JSON-like values by Go's rules.

It is built on events, not on PyYAML's nodes: those are composed by recursion in C, which a deep text crashes, and know no bounds.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import yaml
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent

from mesh_injector.documents import scalar
from mesh_injector.documents.mistakes import Misread, explained

MAX_NODES: Final = 1_000_000
"""The most values a document may have, those behind aliases counted wherever they are used."""
MAX_DEPTH: Final = 200
"""The most lists and mappings that may stand inside each other."""
_MERGE: Final = "tag:yaml.org,2002:merge"
_TEMPLATE: Final = "put the value in quotes if it begins with `{`; a template such as a Helm chart must be rendered first"


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a text, and the index of the character where it begins."""

    value: Any
    index: int = 0


def load(text: str) -> Reading:
    """The one document of a text: None, text, bool, int, finite float, list, or mapping with text keys; None for an empty text.

    Two equal keys in one mapping are refused, as sigs.k8s.io/yaml does when it is strict. Raises Misread.
    """
    try:
        return _Reader(text).document()
    except yaml.YAMLError as error:
        raise explained(error, text) from error
    except UnicodeEncodeError as error:
        raise Misread("a character that is not Unicode text", error.start, "save the file as UTF-8") from error


@dataclass(slots=True)
class _Anchor:
    """What an alias stands for: a value and the number of its nodes, which is 0 until the value has been read to its end."""

    value: Any = None
    size: int = 0


class _Reader:
    """Walks the events of one text once, counting nodes and depth."""

    __slots__ = ("_anchors", "_depth", "_next", "_nodes")

    def __init__(self, text: str) -> None:
        self._next: Any = yaml.CSafeLoader(text).get_event
        self._anchors: dict[str, _Anchor] = {}
        self._nodes = 0
        self._depth = 0

    def document(self) -> Reading:
        self._next()
        if type(self._next()) is StreamEndEvent:
            return Reading(None)
        event = self._next()
        reading = Reading(self._value(event), event.start_mark.index)
        self._next()
        after = self._next()
        if type(after) is not StreamEndEvent:
            raise Misread("text after the end of the document", after.start_mark.index, "separate documents by a line `---`")
        return reading

    def _value(self, event: Any) -> Any:
        """A value that JSON has too: Go writes a float without a fraction below 1e21 as a whole number, of its shortest digits."""
        value = self._node(event)
        if type(value) is not float:
            return value
        if not math.isfinite(value):
            raise Misread("a number that JSON does not have", event.start_mark.index, "put it in quotes if text is meant")
        return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 1e21 else value

    def _node(self, event: Any) -> Any:
        self._count(1, event)
        if type(event) is AliasEvent:
            return self._alias(event)
        if not event.anchor:
            return self._content(event)
        anchor = self._anchors[event.anchor] = _Anchor()
        before = self._nodes
        anchor.value = self._content(event)
        anchor.size = 1 + self._nodes - before
        return anchor.value

    def _content(self, event: Any) -> Any:
        if type(event) is ScalarEvent:
            return self._scalar(event)
        self._depth += 1
        _bounded(self._depth, event)
        value = self._mapping() if type(event) is MappingStartEvent else self._sequence()
        self._depth -= 1
        return value

    def _scalar(self, event: Any) -> scalar.Scalar:
        text: str = event.value
        if event.tag is None:
            return scalar.plain(text) if event.implicit[0] else text
        try:
            return scalar.tagged(event.tag, text)
        except ValueError as error:
            raise Misread(str(error), event.start_mark.index, "remove the tag, or change the value") from error

    def _sequence(self) -> list[Any]:
        items: list[Any] = []
        while type(event := self._next()) is not SequenceEndEvent:
            items.append(self._value(event))
        return items

    def _mapping(self) -> dict[str, Any]:
        """Later entries win over what `<<` brought before them, and `<<` over entries above it: yaml.v2 simply goes down the lines."""
        body: dict[str, Any] = {}
        marks: dict[str, Any] = {}
        while type(event := self._next()) is not MappingEndEvent:
            if _is_merge(event):
                body |= self._merged(self._next())
                continue
            key = self._key(event)
            if key in marks:
                what, fix = f"the key `{key}` stands twice in one mapping", "remove one of the two"
                raise Misread(what, event.start_mark.index, fix, earlier=marks[key].index)
            marks[key] = event.start_mark
            body[key] = self._value(self._next())
        return body

    def _key(self, event: Any) -> str:
        value = self._node(event)
        if type(value) is str:
            return value
        if isinstance(value, (dict, list)):
            raise Misread("a list or a mapping cannot be a key", event.start_mark.index, _TEMPLATE)
        try:
            return scalar.key(value)
        except ValueError as error:
            raise Misread(str(error), event.start_mark.index, "put the key in quotes") from error

    def _merged(self, event: Any) -> dict[str, Any]:
        """What `<<` brings: one mapping, or a list of them of which the first wins."""
        value = self._node(event)
        several = value if isinstance(value, list) and type(event) is not AliasEvent else [value]
        if not all(isinstance(each, dict) for each in several):
            raise Misread("`<<` merges only a mapping or a list of mappings", event.start_mark.index, "put `<<` in quotes if it is a key")
        return {key: each[key] for each in reversed(several) for key in each}

    def _alias(self, event: Any) -> Any:
        anchor = self._anchors.get(event.anchor)
        if anchor is None or anchor.size == 0:
            wrong = "contains itself" if anchor else "has no anchor above it"
            raise Misread(f"the alias `*{event.anchor}` {wrong}", event.start_mark.index, "put the value in quotes if it begins with `*`")
        self._count(anchor.size - 1, event)
        return _copied(anchor.value, self._depth, event)

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise Misread(f"more than {MAX_NODES:,} values", event.start_mark.index, "split the document, or use fewer aliases")


def _is_merge(event: Any) -> bool:
    return type(event) is ScalarEvent and event.value == "<<" and (event.implicit[0] or event.tag == _MERGE)


def _copied(value: Any, depth: int, event: Any) -> Any:
    """The value again, sharing nothing, so that a change to one place never shows in another."""
    if not isinstance(value, (dict, list)):
        return value
    _bounded(depth + 1, event)
    if isinstance(value, list):
        return [_copied(item, depth + 1, event) for item in value]
    return {key: _copied(item, depth + 1, event) for key, item in value.items()}


def _bounded(depth: int, event: Any) -> None:
    if depth > MAX_DEPTH:
        raise Misread(f"more than {MAX_DEPTH} lists and mappings inside each other", event.start_mark.index, "make the document flatter")
